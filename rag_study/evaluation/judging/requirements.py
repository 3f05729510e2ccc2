"""Whether a judge is to be believed: what its criteria require, held against its ladder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logit

from rag_study.common.wording import counted
from rag_study.evaluation.criteria import Criterion
from rag_study.evaluation.judging.ladder import FAMILIES, FURTHER, GENERAL, MIN_SHARE
from rag_study.evaluation.judging.sizes import MIN_QUESTIONS, flawless, questions_for
from rag_study.evaluation.judging.validity import TOGETHER

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
# Nearly every question has a wrong answer, that of another one: not worth a word.
_EVERY_QUESTION_HAS = "other_question"
_NEEDED = f"of which {MIN_QUESTIONS} questions are needed"
PASSES, FAILS, NOT_CHECKED, RARE = "passes", "fails", "not checked", "fails, but is rare here"
NOT_SHOWN = "not shown"  # what was measured would do, on too few questions to show it
VALID, NOT_VALID, NOT_SHOWN_VALID = "valid", "not valid", "not shown to be valid"
# An AUC that would take more than so many times the questions lies less than half the width of its
# interval above what is required: that is the judge's doing, not that of their number.
MOST_TIMES = 4
MAX_NEEDED = 10_000  # more questions are not asked for by number
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
    reaches it; a limit when the mean is moved no further. Where only the bound falls short, for
    want of questions (MOST_TIMES as many would do), or fewer than MIN_QUESTIONS questions have a
    general rung, the judge was *not shown* to be valid, and more questions may show it; where the
    AUC falls short, a limit is passed, or more than a tenth of the scores are missing, it is *not
    valid*. Neither carries a verdict. A further family of which there are fewer than MIN_QUESTIONS
    is not checked, which is said and counts neither way, and one that it does not pass counts where
    at least MIN_SHARE of the questions could have its rungs. A criterion that requires nothing is
    not checked: it counts neither way, and carries no verdict (the study file is refused when it
    should).

    Returns judge, valid; status (VALID, NOT_VALID, NOT_SHOWN_VALID) and, of the last, shortage ("20
    questions, 36 are needed", else ""); criterion, rung, auc, auc_low, auc_high, n of the
    requirement that is met worst among those that count; reason; fails (the families further than
    the general one that it fails on, in words); and `criteria`: name -> {valid, status, reason,
    families}, where `families` says of each family passes, fails, not shown, not checked, or fails,
    but is rare here.
    """
    by_criterion: dict[str, dict[str, Any]] = {}
    measured: list[tuple[float, dict[str, Any]]] = []
    shortages: list[_Requirement] = []
    for criterion in criteria:
        asked = _requirements(auc[auc["scorer"] == judge], facts, criterion)
        measured += [(one.spare, one.row) for one in asked if one.row and one.counts]
        counting = [one for one in asked if one.counts]
        failed = any(one.state == FAILS for one in counting)
        short = [one for one in counting if one.state in (NOT_SHOWN, NOT_CHECKED)]
        shortages += short
        findings = [*_findings(asked)]
        missing = facts[
            (facts["criterion"] == criterion.name)
            & (facts["fact"] == "missing")
            & (facts["value"] > MAX_MISSING)
        ]
        if len(missing):
            failed = True
            findings.append(f"gave no score to {missing['value'].iloc[0]:.0%} of the answers")
        if not criterion.required:
            findings.append("not checked: the criterion requires nothing of a judge")
        status = NOT_VALID if failed else NOT_SHOWN_VALID if short else VALID
        by_criterion[criterion.name] = {
            "valid": bool(status == VALID and criterion.required),
            "status": status if criterion.required else NOT_SHOWN_VALID,
            "reason": f"{criterion.label.lower()}: {'; '.join(findings)}",
        }
        if asked:  # an empty mapping has no place in Parquet
            by_criterion[criterion.name]["families"] = _by_family(asked)
    checked = [criterion.name for criterion in criteria if criterion.required]
    found = {by_criterion[name]["status"] for name in checked} or {NOT_SHOWN_VALID}
    status = next(one for one in (NOT_VALID, NOT_SHOWN_VALID, VALID) if one in found)
    failing = [name for name in checked if not by_criterion[name]["valid"]]
    reasons = [by_criterion[name]["reason"] for name in failing or checked]
    worst = min(measured, key=lambda pair: pair[0])[1] if measured else {}
    return {
        "judge": judge,
        "valid": status == VALID,
        "status": status,
        "shortage": _shortage(shortages) if status == NOT_SHOWN_VALID else "",
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
    rung: str = ""
    n: int = 0
    needed: float = 0  # questions with which it would be met, as far as is known


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
    about = {"rung": rung, "n": int(row["n"])}
    if row["n"] < MIN_QUESTIONS:
        about["needed"] = questions_for(least)
        return _Requirement(family, NOT_CHECKED, f"{words} ({row['n']})", general, **about)
    about["needed"] = needed = _questions_needed(row, least)
    few = row["auc"] >= least and (
        row["n"] < questions_for(least) or needed <= MOST_TIMES * row["n"]
    )
    state = PASSES if row["auc_low"] >= least else NOT_SHOWN if few else FAILS
    tells = {
        PASSES: "tells right answers from",
        FAILS: "does not tell right answers from",
        NOT_SHOWN: "was not shown to tell right answers from",
    }
    figures = f"AUC {row['auc']:.2f}, lower 95 % bound {row['auc_low']:.2f}, needed {least:.2f}"
    if state == NOT_SHOWN:
        figures += f"; {_needed_words(about['n'], about['needed'])}"
    counts = general or row["share"] >= MIN_SHARE
    said = f"{tells[state]} {words} ({figures})"
    return _Requirement(family, state, said, bool(counts), row["auc_low"] - least, row, **about)


def _questions_needed(row: Mapping[str, Any], least: float) -> float:
    """Questions with which the lower bound of this AUC would reach `least`, if AUC and spread stay:
    the interval is one on the logit scale, and shrinks with the root of their number. Infinite
    where the AUC itself falls short."""
    auc, low, n = row["auc"], row["auc_low"], row["n"]
    if auc >= 1 or low >= flawless(n) - 1e-9:  # few questions without a mistake, or nearly so
        return questions_for(least)
    room = logit(auc) - logit(least)
    needed = n * ((logit(auc) - logit(low)) / room) ** 2 if room > 0 else np.inf
    return max(questions_for(least), float(np.ceil(needed)))


def _needed_words(n: int, needed: float) -> str:
    most = f"{needed:,.0f}" if needed <= MAX_NEEDED else f"more than {MAX_NEEDED:,}"
    return f"{counted(n, 'question')}, {most} are needed"


def _shortage(short: Sequence[_Requirement]) -> str:
    """What there was too little of to show that a judge is valid; '' where that is not known."""
    if not short:
        return ""
    worst = max(short, key=lambda one: one.needed / max(one.n, 0.5))
    words = _needed_words(worst.n, worst.needed)
    if worst.rung == _EVERY_QUESTION_HAS:
        return words
    return f"{words} for {RUNG_WORDS.get(worst.rung, worst.rung)}"


def status_words(check: Mapping[str, Any]) -> str:
    """Whether a judge is valid, of what `check` returned, in words: "valid", "not valid", "not
    shown to be valid with 20 questions, 36 are needed"."""
    status = check.get("status") or (VALID if check.get("valid") else NOT_VALID)
    shortage = check.get("shortage")
    return f"{status} with {shortage}" if shortage and status == NOT_SHOWN_VALID else str(status)


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
        short = [one for one in others if one.family == family and one.state == NOT_SHOWN]
        if short:
            yield f"not shown on {family}: {', '.join(one.words for one in short)}"
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
            found = {one.state for one in of_family}
            unmet = [one.state for one in of_family if one.counts and one.state != PASSES]
            order = (NOT_SHOWN, NOT_CHECKED) if unmet else (PASSES, NOT_SHOWN, NOT_CHECKED)
            states[family] = next(state for state in order if state in found)
    return states


def _failed(by_criterion: Mapping[str, Mapping[str, Any]]) -> list[str]:
    states = [found.get("families", {}).items() for found in by_criterion.values()]
    failed = [family for some in states for family, state in some if state == FAILS]
    return [family for family in dict.fromkeys(failed) if family != GENERAL]


def _family(rung: str) -> str:
    return next((name for name, rungs in FAMILIES.items() if rung in rungs), GENERAL)
