"""What the declared looks of a study come to, before anything is answered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from rag_study.analysis.feasibility.asked import Asked, groups_of
from rag_study.analysis.feasibility.findings import NOTE, PROBLEM, Finding
from rag_study.analysis.planning import ALPHA, MIN_CLUSTERS, shortage
from rag_study.analysis.spending import levels, times_of
from rag_study.common.wording import counted, listed, rounded_up
from rag_study.evaluation.metrics import Metrics
from rag_study.study.config import StudyConfig


def findings(asked: Asked, study: StudyConfig) -> list[Finding]:
    """At how many groups a data set is looked at, what it takes to be settled there, and at which
    looks nothing can be; nothing where the study declares none or the data is not read yet."""
    if not study.looks or not asked.pools:
        return []
    groups = [groups_of(asked.pools["test"][:size]) for size in study.looks]
    times = times_of(study.looks, [worth for _, worth in groups])
    change = [2 * level for level in levels(times, ALPHA / 2)]
    sentence = (
        f"{asked.name}: looks at {_listed(study.looks)} questions in "
        f"{_listed([number for number, _ in groups])} groups. A lone comparison helps or hurts "
        f"there with p below {_listed(change)}, and makes no difference with p below "
        f"{_listed(levels(times, ALPHA))}; of several, Holm's correction asks for less."
    )
    found = [Finding(NOTE, "looks", sentence)]
    small = [n for n, few in zip(study.looks, groups, strict=True) if shortage(*few)]
    if small and len(small) < len(study.looks):
        plural = "those looks" if len(small) > 1 else "that look"
        found.append(
            Finding(
                PROBLEM,
                "looks",
                f"{asked.name}: at {_listed(small)} questions there are fewer than {MIN_CLUSTERS} "
                f"groups of equal size, so that nothing can be settled at {plural}.",
                "Let `looks` begin later.",
            )
        )
    return found


def expected(
    asked: Asked, study: StudyConfig, rows: Sequence[dict[str, Any]], family_size: int, of: Metrics
) -> Finding | None:
    """How many questions a comparison is expected to take, by true differences of none, one and two
    margins, where its spread is as in the `rows` of `differences.records`."""
    if not study.looks or not asked.pools or not rows:
        return None
    worth = [groups_of(asked.pools["test"][:size])[1] for size in study.looks]
    words, times = [], times_of(study.looks, worth)
    for row in rows:
        errors = [row["spread"] / math.sqrt(w) for w in worth]
        numbers = [
            expected_questions(study.looks, errors, times, row["margin"], margins, family_size)
            for margins in (0, 1, 2)
        ]
        words.append(f"{listed([rounded_up(n) for n in numbers])} in {of.in_text(row['metric'])}")
    sentence = (
        f"{asked.name}: with true differences of none, one and two margins a comparison is "
        f"expected to take about {'; '.join(words)} of {counted(study.looks[-1], 'question')} "
        "(`rag-study run STUDY --until-settled`)."
    )
    return Finding(NOTE, "looks", sentence)


def expected_questions(
    looks: Sequence[int],
    errors: Sequence[float],
    times: Sequence[float],
    margin: float,
    margins: float,
    family_size: int,
) -> float:
    """Mean number of questions until a comparison is settled, or all are asked.

    `errors` are the standard errors at the looks, the true difference is `margins` margins, levels
    are the worst case of Holm. That it was settled by a look is taken to be as likely as that it
    would be settled there alone (a little too late a guess).
    """
    alpha, truth = ALPHA / family_size, margins * margin
    by, reached = 0.0, []
    at_change, at_none = levels(tuple(times), alpha / 2), levels(tuple(times), alpha)
    for error, change, none in zip(errors, at_change, at_none, strict=True):
        least = max(margin, -ndtri(max(change, 1e-300)) * error)
        chance = ndtr((truth - least) / error) + ndtr((-truth - least) / error)
        room = margin + ndtri(max(none, 1e-300)) * error
        if room > 0:
            chance += ndtr((room - truth) / error) - ndtr((-room - truth) / error)
        by = max(by, min(float(chance), 1.0))
        reached.append(by)
    reached[-1] = 1.0
    return float(np.dot(looks, np.diff([0.0, *reached])))


def _listed(numbers: Sequence[float]) -> str:
    return listed([f"{n:.1g}" if n < 0.01 else f"{n:.3g}" for n in numbers])
