"""How well a judge tells right answers from wrong ones, from its scores of the ladder.

The clusters of all intervals are questions: a judge may err on a question, and all rungs of the
question then share the error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from rag_study.evaluation import metrics
from rag_study.evaluation.criteria import Criterion
from rag_study.evaluation.judging.auc import clustered_auc
from rag_study.evaluation.judging.ladder import FAMILIES, FURTHER, RIGHT_RUNGS, RUNGS
from rag_study.evaluation.judging.sizes import LEVEL

RIGHT = ("gold", "paraphrase")
TOGETHER = "right"  # gold and paraphrase, where they count as one rung
WRONG = "wrong"  # answers that are known to be wrong, against which a right rung is held
WRONG_RUNGS = ("corrupted", "other_question")
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
    "share",
]
FACT_COLUMNS = ["scorer", "criterion", "fact", "value", "low", "high", "n"]


def ladder_auc(scores: pd.DataFrame, judge: str, criteria: Sequence[Criterion]) -> pd.DataFrame:
    """How well the judge, and the reference metrics beside it, tell right answers from wrong ones.

    `scores` is the ladder with its scores. Columns: scorer (the judge's name or the metric),
    criterion ("" for metrics), higher and rung (how often is the former scored above the latter?),
    expected ("above"; "" where the criterion does not say), auc, auc_low, auc_high (95 %), n
    (questions on the smaller side), share (of the ladder's questions that could have the rung).
    `higher` is "right" for gold and paraphrase together; `rung` is "wrong" where a rung that is
    right itself is held against answers with one wrong fact and to other questions. For the judge,
    all other pairs of general rungs that deserve different grades follow.
    """
    scorers = [(criterion.metric, judge, criterion) for criterion in criteria]
    scorers += [(name, name, None) for name in metrics.REFERENCE if name in scores]
    shares = scores.groupby("rung")["share"].first()
    table = []
    for column, scorer, criterion in scorers:
        known = scores.dropna(subset=[column])
        for higher, rung, expected in _pairs(criterion):
            sides = [known[known["rung"].isin(_side(name, criterion))] for name in (higher, rung)]
            if any(side.empty for side in sides):
                continue
            ids = [side["question_id"].tolist() for side in sides]
            auc = clustered_auc(*(side[column].astype(float) for side in sides), *ids)
            name = criterion.name if criterion else ""
            n = min(len(set(questions)) for questions in ids)
            share = shares[higher if rung == WRONG else rung]
            table.append((scorer, name, higher, rung, expected, *auc, n, share))
    return pd.DataFrame(table, columns=AUC_COLUMNS)


def against_right_or_wrong(auc: pd.DataFrame) -> pd.DataFrame:
    """The rows of `ladder_auc` that say of each rung how it is told from right or wrong answers."""
    return auc[(auc["higher"] == TOGETHER) | (auc["rung"] == WRONG)]


def ladder_facts(scores: pd.DataFrame, judge: str, criteria: Sequence[Criterion]) -> pd.DataFrame:
    """What else the ladder says about a judge: FACT_COLUMNS, one row per criterion and fact.

    - `monotonicity`: share of a question's pairs of rungs that are in the order they deserve, ties
      half, mean over questions;
    - `padding`: what irrelevant sentences change (points): padded less gold and paraphrase;
    - `half`: what half of an answer has more than the whole one (points), gold and paraphrase;
    - `number_form`, `name_form`, `form`, `specific`, `other_answer`: what answers of these rungs,
      which are right, have more than gold and paraphrase (points);
    - `surroundings`: what answers to other questions around it, or in its place, gain (points) for
      a wrong answer; `injection`: what something for the grader inside it gains;
    - `length`: rank correlation of score and number of words among the right answers;
    - `repeatability`: largest difference (points) of a score to that of the same answer alone;
    - `missing`: share of the answers without a score;
    - `by_rule`: share of the answers that say something and were scored by a rule.

    Means have t intervals over questions, the correlation a bootstrap one. Facts that the ladder
    does not tell are left out.
    """
    rows = []
    for criterion in criteria:
        wide = scores.pivot(index="question_id", columns="rung", values=criterion.metric).astype(
            float
        )
        right, wrong = wide.reindex(columns=list(RIGHT)).mean(axis=1), _column(wide, WRONG_RUNGS[1])
        facts = {
            "monotonicity": mean_with_bounds(_in_order(wide, criterion)),
            "padding": mean_with_bounds(_column(wide, "padded") - right),
            "half": mean_with_bounds(_column(wide, "truncated") - right),
            **{
                rung: mean_with_bounds(_column(wide, rung) - right)
                for rung in RIGHT_RUNGS
                if rung in FURTHER
            },
            "surroundings": mean_with_bounds(_column(wide, "among_others") - wrong),
            "injection": mean_with_bounds(_column(wide, "injected") - wrong),
            "length": _length(scores, criterion),
            "repeatability": _repeatability(scores, criterion),
        }
        table = scores[scores["rung"].isin(criterion.deserves)] if criterion.deserves else scores
        missing = table[criterion.metric].isna()
        facts["missing"] = (float(missing.mean()), np.nan, np.nan, len(table))
        spoken = scores[~scores["rung"].isin(("refusal", "empty", "nothing"))]
        ruled = float((spoken["judge_by_rule"] != "").mean())
        facts["by_rule"] = (ruled, np.nan, np.nan, len(spoken))
        rows += [
            (judge, criterion.name, name, *fact) for name, fact in facts.items() if fact[-1] > 0
        ]
    return pd.DataFrame(rows, columns=FACT_COLUMNS)


def by_variant(scores: pd.DataFrame, criteria: Sequence[Criterion]) -> pd.DataFrame:
    """The further rungs one by one: criterion, family, rung, variant, deserves, mean, mistaken, n.

    `mistaken` is the share of right answers with less than 3 points, and of others with more. The
    variant "" is the whole rung.
    """
    rows = []
    for criterion in criteria:
        graded = scores.dropna(subset=[criterion.metric])
        for family, rungs in FAMILIES.items():
            for rung in (rung for rung in rungs if rung in FURTHER and rung in criterion.deserves):
                of_rung = graded[graded["rung"] == rung]
                variants = [name for name in of_rung["variant"].unique() if name]
                for variant in ("", *sorted(variants)):
                    part = of_rung[of_rung["variant"] == variant] if variant else of_rung
                    if part.empty:
                        continue
                    values, deserved = (
                        part[criterion.metric].astype(float),
                        criterion.deserves[rung],
                    )
                    mistaken = values < 3 if rung in RIGHT_RUNGS else values > 3
                    head = (criterion.name, family, rung, variant, deserved)
                    rows.append((*head, values.mean(), mistaken.mean(), len(part)))
    names = ["criterion", "family", "rung", "variant", "deserves", "mean", "mistaken", "n"]
    return pd.DataFrame(rows, columns=names)


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
            rows.append((criterion.name, float(deserves), *mean_with_bounds(means)))
    return pd.DataFrame(rows, columns=["criterion", "deserves", "mean", "low", "high", "n"])


# --- Parts --------------------------------------------------------------------------------------


def _pairs(criterion: Criterion | None) -> Iterator[tuple[str, str, str]]:
    """(higher, rung, expected) of the comparisons for a criterion, or (None) for a metric."""
    deserves = criterion.deserves if criterion else {}
    best = deserves.get("gold")
    for rung in (rung for rung in RUNGS if rung not in RIGHT):
        right = deserves[rung] == best if rung in deserves else rung in RIGHT_RUNGS
        expected = "above" if not criterion or (best and rung in deserves) else ""
        yield (rung, WRONG, expected) if right else (TOGETHER, rung, expected)
    general = [rung for rung in RUNGS if rung in deserves and rung not in FURTHER]
    for number, high in enumerate(general):
        for low in general[number + 1 :]:
            if deserves[high] > deserves[low]:
                yield high, low, "above"


def _side(name: str, criterion: Criterion | None) -> tuple[str, ...]:
    if name == TOGETHER:
        return RIGHT
    if name != WRONG:
        return (name,)
    deserves = criterion.deserves if criterion else {}
    worse = [rung for rung in WRONG_RUNGS if deserves.get(rung, 5) < deserves.get("gold", 0)]
    return tuple(worse) if criterion else WRONG_RUNGS


def _column(wide: pd.DataFrame, rung: str) -> pd.Series:
    return wide[rung] if rung in wide else pd.Series(np.nan, index=wide.index)


def mean_with_bounds(values: pd.Series) -> tuple[float, float, float, int]:
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
