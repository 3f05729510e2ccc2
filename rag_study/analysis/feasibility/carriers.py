"""Whether any score of a study could carry its verdict: a judge's, or one that needs no judge."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rag_study.analysis.feasibility.asked import Asked
from rag_study.analysis.feasibility.findings import NO_VERDICT, Finding
from rag_study.analysis.feasibility.judges import Ladder
from rag_study.common.wording import is_number, listed
from rag_study.evaluation import ceiling
from rag_study.study.config import StudyConfig

_MOST_SCORED = 2_000


def of_references(asked: Asked, study: StudyConfig) -> tuple[list[str], list[str]]:
    """(the metrics without a judge that may carry a verdict on this data, why the others may not).
    The rule is `evaluation.ceiling.objections`, on the test pool as in the comparison."""
    table = reference_scores(asked)
    named = study.primary.reference_metrics
    against = ceiling.objections(table, named, study.metrics)
    whole = table[table["answer_type"] == ceiling.ALL]
    carrying, reasons = [], [*against.values()]
    for name in named:
        if (name, "") in against:
            continue
        value = whole[name].iloc[0] if name in whole and len(whole) else 1.0
        if is_number(value):
            carrying.append(name)
        else:
            reasons.append(f"no question of {asked.name} has {study.metrics.in_text(name)}")
    return carrying, reasons


def reference_scores(asked: Asked) -> Any:
    """What the references of the test pool score themselves, by answer type, with the data set; of
    a large pool those of its first questions, which are there by chance."""
    questions = asked.pools["test"][:_MOST_SCORED] if asked.pools else ()
    return ceiling.ceiling(questions).assign(dataset=asked.name)


def finding(asked: Asked, study: StudyConfig, ladders: Iterable[Ladder]) -> Finding | None:
    """Why no score can carry a verdict on this data; `ladders` are those of the study's judges,
    looked at only where they are needed."""
    if asked.pools is None:
        return None
    carrying, reasons = of_references(asked, study)
    if carrying:
        return None
    if any(ladder.can_carry(name) for ladder in ladders for name in study.primary.metrics):
        return None
    return Finding(
        NO_VERDICT,
        "scores",
        f"{asked.name}: no score can carry a verdict: {listed(reasons)}, and no judge can be shown "
        "to be valid and fair.",
        "Give the questions short `answers` or `key_points`, or the judge's check more questions "
        "(`ladder_size`).",
    )
