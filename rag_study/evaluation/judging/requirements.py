"""Whether a judge is to be believed: what its criteria require, held against its ladder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rag_study.evaluation.criteria import Criterion
from rag_study.evaluation.judging.ladder import FAMILIES, FURTHER, GENERAL, MIN_SHARE
from rag_study.evaluation.judging.validity import TOGETHER

# A requirement that fewer questions speak to is not checked, and a judge that was not checked on
# the general rungs is not valid. With 20 questions in perfect order the lower bound is 0.83.
MIN_QUESTIONS = 20
# A judge that gives more of the ladder no score says little about what it leaves out.
MAX_MISSING = 0.10
# What must not move a score: the rung it is measured on, its family, what it is in words, and which
# way it must not move (1 up, -1 down, 0 neither).
LIMITED = {
    "padding": ("padded", "padding", "irrelevant sentences move right answers", 0),
    "half": ("truncated", "halves of answers", "half of an answer is off the whole one", 1),
    "number_form": ("number_form", "numbers", "right numbers written otherwise are off", -1),
    "name_form": ("name_form", "names", "right names written otherwise are off", -1),
    "form": ("form", "forms", "right answers in other forms are off", -1),
    "specific": ("specific", "other right answers", "more specific ones are off", -1),
    "other_answer": ("other_answer", "other right answers", "they are off the first one", -1),
    "surroundings": ("among_others", "surroundings", "other answers move a wrong one", 1),
    "injection": ("injected", "injections", "something for the grader moves a wrong answer", 1),
}
_NEEDED = f"of which {MIN_QUESTIONS} questions are needed"
PASSES, FAILS, NOT_CHECKED, RARE = "passes", "fails", "not checked", "fails, but is rare here"
RUNG_WORDS = {
    "truncated": "answers of which half is missing",
    "corrupted": "answers with one wrong fact",
    "other_question": "answers to other questions",
    "injected": "wrong answers with something for the grader",
    "refusal": "refusals",
    "empty": "empty answers",
    "padded": "right answers with padding",
    "number_form": "right numbers written otherwise",
    "number_wrong": "wrong numbers",
    "name_form": "right names written otherwise",
    "name_wrong": "wrong names",
    "form": "right answers in other forms",
    "specific": "right answers that are more specific",
    "other_answer": "other right answers",
    "among_others": "wrong answers among others",
    "nothing": "answers that say nothing",
}


def check(
    auc: pd.DataFrame, facts: pd.DataFrame, judge: str, criteria: Sequence[Criterion]
) -> dict[str, Any]:
    """Whether a judge is valid: whether every criterion meets all that it requires.

    A requirement is met when the lower 95 % bound of the AUC of right answers against the rung
    reaches it; a limit when the mean is moved no further. General rungs that fewer than
    MIN_QUESTIONS questions have are not met; a further family of which there are fewer is not
    checked, which is said and counts neither way, and one that it fails counts where at least
    MIN_SHARE of the questions could have its rungs. Not valid is a criterion with more than a tenth
    of its scores missing. A criterion that requires nothing is not
    checked: it counts neither way, and carries no verdict (the study file is refused when it
    should).

    Returns judge, valid; criterion, rung, auc, auc_low, auc_high, n of the requirement that is met
    worst among those that count; reason; fails (the families further than the general one that it
    fails on, in words); and `criteria`: name -> {valid, reason, families}, where `families` says of
    each family passes, fails, not checked, or fails, but is rare here.
    """
    by_criterion: dict[str, dict[str, Any]] = {}
    measured: list[tuple[float, dict[str, Any]]] = []
    for criterion in criteria:
        asked = _requirements(auc[auc["scorer"] == judge], facts, criterion)
        measured += [(one.spare, one.row) for one in asked if one.row and one.counts]
        met = all(one.state not in (FAILS, NOT_CHECKED) or not one.counts for one in asked)
        findings = [*_findings(asked)]
        missing = facts[
            (facts["criterion"] == criterion.name)
            & (facts["fact"] == "missing")
            & (facts["value"] > MAX_MISSING)
        ]
        if len(missing):
            met = False
            findings.append(f"gave no score to {missing['value'].iloc[0]:.0%} of the answers")
        if not criterion.required:
            findings.append("not checked: the criterion requires nothing of a judge")
        by_criterion[criterion.name] = {
            "valid": bool(met and criterion.required),
            "reason": f"{criterion.label.lower()}: {'; '.join(findings)}",
        }
        if asked:  # an empty mapping has no place in Parquet
            by_criterion[criterion.name]["families"] = _by_family(asked)
    checked = [criterion.name for criterion in criteria if criterion.required]
    valid = bool(checked) and all(by_criterion[name]["valid"] for name in checked)
    failing = [name for name in checked if not by_criterion[name]["valid"]]
    reasons = [by_criterion[name]["reason"] for name in failing or checked]
    worst = min(measured, key=lambda pair: pair[0])[1] if measured else {}
    return {
        "judge": judge,
        "valid": valid,
        **{key: worst.get(key) for key in ("criterion", "rung", "auc", "auc_low", "auc_high")},
        "n": int(worst.get("n", 0)),
        "reason": "; ".join(reasons) or "none of its criteria can be checked",
        "fails": ", ".join(_failed(by_criterion)),
        "criteria": by_criterion,
    }


@dataclass(frozen=True)
class _Requirement:
    """What one requirement or limit of a criterion came to. `counts`: whether a failure makes the
    judge invalid; `spare`: by how much the bound is met; `row`: that of the AUC."""

    family: str
    state: str
    words: str
    counts: bool
    spare: float = 0.0
    row: dict[str, Any] | None = None


def _requirements(
    auc: pd.DataFrame, facts: pd.DataFrame, criterion: Criterion
) -> list[_Requirement]:
    auc = auc[auc["criterion"] == criterion.name]
    facts = facts[facts["criterion"] == criterion.name]
    found = [_of_rung(auc, rung, least) for rung, least in criterion.required.items()]
    for fact, most in criterion.limits.items():
        row = facts[facts["fact"] == fact]
        value, n = (row["value"].iloc[0], int(row["n"].iloc[0])) if len(row) else (np.nan, 0)
        rung, family, moved, way = LIMITED[fact]
        shares = auc.loc[(auc[["higher", "rung"]] == rung).any(axis=1), "share"]
        counts = len(shares) > 0 and shares.iloc[0] >= MIN_SHARE
        words = f"{moved} by {value:+.2f} points (at most {most:.2f})"
        state = FAILS if max(way * value, abs(value) * (way == 0)) > most else PASSES
        if n < MIN_QUESTIONS:
            state, words, counts = NOT_CHECKED, f"{RUNG_WORDS[rung]} ({n})", False
        found.append(_Requirement(family, state, words, bool(counts)))
    return found


def _of_rung(auc: pd.DataFrame, rung: str, least: float) -> _Requirement:
    rows = auc[(auc["higher"] == TOGETHER) & (auc["rung"] == rung)]
    row = rows.iloc[0].to_dict() if len(rows) else {"n": 0, "share": 0.0}
    family, words = _family(rung), RUNG_WORDS.get(rung, rung)
    general = rung not in FURTHER
    if row["n"] < MIN_QUESTIONS:
        return _Requirement(family, NOT_CHECKED, f"{words} ({row['n']})", counts=general)
    fine = row["auc_low"] >= least
    said = (
        f"{'tells' if fine else 'does not tell'} right answers from {words} (AUC {row['auc']:.2f}, "
        f"lower 95 % bound {row['auc_low']:.2f}, needed {least:.2f})"
    )
    counts = general or row["share"] >= MIN_SHARE
    return _Requirement(
        family, PASSES if fine else FAILS, said, counts, row["auc_low"] - least, row
    )


def _findings(asked: Sequence[_Requirement]) -> Iterator[str]:
    """The general requirements one by one, then families: what fails with its numbers, what passes
    by name, and what there were too few questions for, with their number."""
    for one in asked:
        if one.family == GENERAL and one.state == NOT_CHECKED:
            yield f"could not be checked against {one.words}, {_NEEDED}"
        elif one.family == GENERAL:
            yield one.words
    others = [one for one in asked if one.family != GENERAL]
    for family in dict.fromkeys(one.family for one in others):
        failed = [one for one in others if one.family == family and one.state == FAILS]
        if failed:
            rare = "" if any(one.counts for one in failed) else ", of which there are few here"
            yield f"fails on {family}{rare}: {', '.join(one.words for one in failed)}"
    states = _by_family(others)
    passed = [family for family, state in states.items() if state == PASSES]
    if passed:
        yield f"passes on {', '.join(passed)}"
    unchecked = [one.words for one in others if one.state == NOT_CHECKED]
    if unchecked:
        yield f"not checked on {', '.join(unchecked)}, {_NEEDED}"


def _by_family(asked: Sequence[_Requirement]) -> dict[str, str]:
    states = {}
    for family in dict.fromkeys(one.family for one in asked):
        of_family = [one for one in asked if one.family == family]
        failed = [one for one in of_family if one.state == FAILS]
        if failed:
            states[family] = FAILS if any(one.counts for one in failed) else RARE
        else:
            passed = any(one.state == PASSES for one in of_family)
            states[family] = PASSES if passed else NOT_CHECKED
    return states


def _failed(by_criterion: Mapping[str, Mapping[str, Any]]) -> list[str]:
    states = [found.get("families", {}).items() for found in by_criterion.values()]
    failed = [family for some in states for family, state in some if state == FAILS]
    return [family for family in dict.fromkeys(failed) if family != GENERAL]


def _family(rung: str) -> str:
    return next((name for name, rungs in FAMILIES.items() if rung in rungs), GENERAL)
