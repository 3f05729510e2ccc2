"""What a judge's grades are worth, from its scores of the ladder.

The clusters of all intervals are questions: a judge may err on a question, and all rungs of the
question then share the error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from rag_study.evaluation import metrics
from rag_study.evaluation.criteria import Criterion
from rag_study.evaluation.judging.auc import LEVEL, clustered_auc
from rag_study.evaluation.judging.ladder import RUNGS

RIGHT = ("gold", "paraphrase")
TOGETHER = "right"  # gold and paraphrase, where they count as one rung
# A requirement that fewer questions speak to is not checked, and a judge that was not checked is
# not valid. With 20 questions in perfect order the lower bound is 0.83.
MIN_QUESTIONS = 20
# A judge that gives more of the ladder no score says little about what it leaves out.
MAX_MISSING = 0.10
_RESAMPLES = 1000
AUC_COLUMNS = [
    "scorer",
    "criterion",
    "higher",
    "rung",
    "expected",
    "auc",
    "auc_low",
    "auc_high",
    "n",
]
FACT_COLUMNS = ["scorer", "criterion", "fact", "value", "low", "high", "n"]
RUNG_WORDS = {
    "truncated": "answers of which half is missing",
    "corrupted": "answers with one wrong fact",
    "other_question": "answers to other questions",
    "injected": "wrong answers with an instruction to the grader",
    "refusal": "refusals",
    "empty": "empty answers",
    "padded": "right answers with padding",
}


def ladder_auc(scores: pd.DataFrame, judge: str, criteria: Sequence[Criterion]) -> pd.DataFrame:
    """How well the judge, and the reference metrics beside it, tell the rungs apart.

    `scores` is the ladder with its scores. Columns: scorer (the judge's name or the metric),
    criterion ("" for metrics), higher and rung (how often is the former scored above the latter?),
    expected ("above"; "equal" where both deserve the same grade; "" where the criterion does not
    say), auc, auc_low, auc_high (95 %), n (questions on the smaller side). `higher` is "right" for
    gold and paraphrase together; for the judge, all other pairs that deserve different grades
    follow.
    """
    scorers = [(criterion.metric, judge, criterion) for criterion in criteria]
    scorers += [(name, name, None) for name in metrics.REFERENCE if name in scores]
    rows = []
    for column, scorer, criterion in scorers:
        deserves = criterion.deserves if criterion else {}
        for rung in [rung for rung in RUNGS if rung not in RIGHT]:
            expected = "equal" if rung == "padded" else "above"
            if criterion:
                expected = _expected(deserves.get("gold"), deserves.get(rung))
            rows.append((column, scorer, criterion, TOGETHER, rung, expected))
        rows += [
            (column, scorer, criterion, high, low, "above")
            for n, high in enumerate(RUNGS)
            for low in list(RUNGS)[n + 1 :]
            if _expected(deserves.get(high), deserves.get(low)) == "above"
        ]
    table = []
    for column, scorer, criterion, higher, rung, expected in rows:
        sides = [
            scores[scores["rung"].isin(RIGHT if name == TOGETHER else (name,))].dropna(
                subset=[column]
            )
            for name in (higher, rung)
        ]
        if any(side.empty for side in sides):
            continue
        ids = [side["question_id"].tolist() for side in sides]
        auc = clustered_auc(*(side[column].astype(float) for side in sides), *ids)
        name = criterion.name if criterion else ""
        n = min(len(set(questions)) for questions in ids)
        table.append((scorer, name, higher, rung, expected, *auc, n))
    return pd.DataFrame(table, columns=AUC_COLUMNS)


def ladder_facts(scores: pd.DataFrame, judge: str, criteria: Sequence[Criterion]) -> pd.DataFrame:
    """What else the ladder says about a judge: FACT_COLUMNS, one row per criterion and fact.

    - `monotonicity`: share of a question's pairs of rungs that are in the order they deserve, ties
      half, mean over questions;
    - `padding`: what irrelevant sentences change (points): padded less gold and paraphrase;
    - `injection`: what an instruction to the grader gains (points) for a wrong answer;
    - `length`: rank correlation of score and number of words among the right answers;
    - `repeatability`: largest difference (points) of a score to that of the same answer alone;
    - `missing`: share of the answers without a score;
    - `by_rule`: share of the answers other than refusals and empty ones that a rule scored.

    Means have t intervals over questions, the correlation a bootstrap one. Facts that the ladder
    does not tell are left out.
    """
    rows = []
    for criterion in criteria:
        wide = scores.pivot(index="question_id", columns="rung", values=criterion.metric).astype(
            float
        )
        right = wide.reindex(columns=list(RIGHT)).mean(axis=1)
        facts = {
            "monotonicity": _mean(_in_order(wide, criterion)),
            "padding": _mean(_column(wide, "padded") - right),
            "injection": _mean(_column(wide, "injected") - _column(wide, "other_question")),
            "length": _length(scores, criterion),
            "repeatability": _repeatability(scores, criterion),
        }
        table = scores[scores["rung"].isin(criterion.deserves)] if criterion.deserves else scores
        missing = table[criterion.metric].isna()
        facts["missing"] = (float(missing.mean()), np.nan, np.nan, len(table))
        spoken = scores[~scores["rung"].isin(("refusal", "empty"))]
        ruled = float((spoken["judge_by_rule"] != "").mean())
        facts["by_rule"] = (ruled, np.nan, np.nan, len(spoken))
        rows += [
            (judge, criterion.name, name, *fact) for name, fact in facts.items() if fact[-1] > 0
        ]
    return pd.DataFrame(rows, columns=FACT_COLUMNS)


def calibration(scores: pd.DataFrame, criteria: Sequence[Criterion]) -> pd.DataFrame:
    """Mean score by the grade that an answer deserves: criterion, deserves, mean, low, high, n.

    Answers are averaged by question first; the 95 % intervals are t intervals over questions.
    """
    rows = []
    for criterion in criteria:
        graded = scores.assign(deserves=scores["rung"].map(criterion.deserves))
        graded = graded.dropna(subset=["deserves", criterion.metric])
        for deserves, part in graded.groupby("deserves"):
            means = part.groupby("question_id")[criterion.metric].mean()
            rows.append((criterion.name, float(deserves), *_mean(means)))
    return pd.DataFrame(rows, columns=["criterion", "deserves", "mean", "low", "high", "n"])


def check(
    auc: pd.DataFrame, facts: pd.DataFrame, judge: str, criteria: Sequence[Criterion]
) -> dict[str, Any]:
    """Whether a judge is valid: whether every criterion meets all that it requires.

    A requirement is met when the lower 95 % bound of the AUC of right answers against the rung
    reaches it; with fewer than MIN_QUESTIONS questions it is not. So is no criterion with more than
    a tenth of its scores missing. A criterion that requires nothing is not checked: it counts
    neither way, and carries no verdict (the study file is refused when it should).

    Returns judge, valid; criterion, rung, auc, auc_low, auc_high, n of the requirement that is met
    worst; reason; and `criteria`: name -> {valid, reason}.
    """
    by_criterion: dict[str, dict[str, Any]] = {}
    measured: list[tuple[float, dict[str, Any]]] = []
    of_judge = auc[(auc["scorer"] == judge) & (auc["higher"] == TOGETHER)]
    for criterion in criteria:
        met, findings = True, []
        for rung, least in criterion.required.items():
            rows = of_judge[(of_judge["criterion"] == criterion.name) & (of_judge["rung"] == rung)]
            row = rows.iloc[0].to_dict() if len(rows) else {"n": 0}
            if row["n"] < MIN_QUESTIONS:
                met = False
                findings.append(
                    f"could not be checked against {RUNG_WORDS.get(rung, rung)} (there are "
                    f"{row['n']} questions with such an answer, {MIN_QUESTIONS} are needed)"
                )
                continue
            measured.append((row["auc_low"] - least, row))
            fine = row["auc_low"] >= least
            met = met and fine
            findings.append(
                f"{'tells' if fine else 'does not tell'} right answers from "
                f"{RUNG_WORDS.get(rung, rung)} (AUC {row['auc']:.2f}, lower 95 % bound "
                f"{row['auc_low']:.2f}, needed {least:.2f})"
            )
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
        "criteria": by_criterion,
    }


# --- Parts --------------------------------------------------------------------------------------


def _expected(high: float | None, low: float | None) -> str:
    if high is None or low is None:
        return ""
    return "above" if high > low else "equal" if high == low else ""


def _column(wide: pd.DataFrame, rung: str) -> pd.Series:
    return wide[rung] if rung in wide else pd.Series(np.nan, index=wide.index)


def _mean(values: pd.Series) -> tuple[float, float, float, int]:
    """(mean, lower, upper 95 % bound, n); the bounds are NaN for a single value."""
    values = values.dropna().to_numpy(dtype=float)
    n = len(values)
    if n < 2:
        return float(values.mean()) if n else np.nan, np.nan, np.nan, n
    width = stats.t.ppf((1 + LEVEL) / 2, n - 1) * values.std(ddof=1) / np.sqrt(n)
    return float(values.mean()), float(values.mean() - width), float(values.mean() + width), n


def _in_order(wide: pd.DataFrame, criterion: Criterion) -> pd.Series:
    """Share of each question's pairs of rungs in the deserved order; NaN without such a pair."""
    rungs = [rung for rung in criterion.deserves if rung in wide]
    right = pd.Series(0.0, index=wide.index)
    pairs = pd.Series(0, index=wide.index)
    for high in rungs:
        for low in rungs:
            if criterion.deserves[high] > criterion.deserves[low]:
                both = wide[high].notna() & wide[low].notna()
                order = (wide[high] > wide[low]) + 0.5 * (wide[high] == wide[low])
                right += order.where(both, 0.0)
                pairs += both
    return right / pairs.where(pairs > 0)


def _length(scores: pd.DataFrame, criterion: Criterion) -> tuple[float, float, float, int]:
    """Rank correlation with the number of words among right answers, bootstrap over questions."""
    part = scores[scores["rung"].isin(RIGHT)].dropna(subset=[criterion.metric])
    words = part["candidate"].str.split().str.len().to_numpy(dtype=float)
    values = part[criterion.metric].to_numpy(dtype=float)
    if len(part) < 3 or np.ptp(words) == 0 or np.ptp(values) == 0:
        return np.nan, np.nan, np.nan, 0
    places = [np.flatnonzero(part["question_id"] == q) for q in part["question_id"].unique()]
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(_RESAMPLES):
        chosen = np.concatenate([places[i] for i in rng.integers(0, len(places), len(places))])
        drawn.append(rank_correlation(words[chosen], values[chosen]))
    low, high = np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return rank_correlation(words, values), float(low), float(high), len(places)


def _repeatability(scores: pd.DataFrame, criterion: Criterion) -> tuple[float, float, float, int]:
    again = f"{criterion.metric}_again"
    if again not in scores:
        return np.nan, np.nan, np.nan, 0
    change = (scores[again].astype(float) - scores[criterion.metric].astype(float)).abs().dropna()
    return float(change.max()) if len(change) else np.nan, np.nan, np.nan, len(change)


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's; NaN where either side has no spread."""
    ranks = stats.rankdata(a), stats.rankdata(b)
    if np.ptp(ranks[0]) == 0 or np.ptp(ranks[1]) == 0:
        return np.nan
    return float(np.corrcoef(*ranks)[0, 1])
