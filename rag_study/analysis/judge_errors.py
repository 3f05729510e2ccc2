"""How a judge errs, where people have graded the same answers.

The error of an answer is the judge's score less people's. A judge that is too strict everywhere
does no harm to a difference; one that is stricter on the base's answers than on the trained
model's does. So each trained state's mean error is compared with its base's, on the same questions
(the transport audit of Landesberg and Narayan 2025, arXiv 2512.11150, asks the same of a judge that
was calibrated on one policy's answers and is used on another's).

Labelled questions are a sample with known chances; means are weighted with their inverses, standard
errors are those of the weighted ratio, robust to groups of questions, and all levels are divided by
the number of states that a judge is asked about (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm

from rag_study.analysis.cluster_means import degrees_of_freedom, effective_clusters
from rag_study.analysis.equivalence import LIMIT, Part
from rag_study.analysis.estimates import KEY_COLUMNS
from rag_study.analysis.pairing import ALL_SEEDS, BASE_COLUMNS, PEOPLE, RUN_COLUMNS
from rag_study.analysis.planning import are_enough
from rag_study.analysis.resampling import standard_errors
from rag_study.analysis.states import is_base
from rag_study.analysis.styles_of_answers import StyledAnswers
from rag_study.analysis.verdicts import MIN_CLUSTERS
from rag_study.evaluation.judging.style import FORMS
from rag_study.evaluation.metrics import Metrics

ERROR_COLUMNS = [
    *KEY_COLUMNS,
    "quantity",
    "n_questions",
    "n_clusters",
    "error",
    "se",
    "low",
    "high",
    "ci_low",
    "ci_high",
    "limit",
    "status",
]
TERM_COLUMNS = ["metric", "judge", "term", "coefficient", "low", "high", "n_answers", "n_clusters"]
# Terms of the regression, beside FORMS.
LENGTH = "length"
# A term of whose variance the others leave less says nothing of its own.
MIN_OWN = 0.2
_ANSWER = [*RUN_COLUMNS, "context", "question_id"]


def judge_errors(labels: pd.DataFrame, results: pd.DataFrame, metrics: Metrics) -> pd.DataFrame:
    """ERROR_COLUMNS, two rows for each labelled state, criterion and judge: its mean error in
    points (`quantity` "error", descriptive), and for a trained one that error less its base's
    ("difference"), with its status against half the margin (`equivalence.LIMIT`). Where a recipe
    has several seeds, those that are labelled speak for all of them in one more row, of ALL_SEEDS.

    `labels` are those of `human_labels`, `results` the study's. Fewer than 20 labelled groups: not
    known.
    """
    rows = []
    for metric, judge, graded in _graded(labels, results, metrics):
        limit = LIMIT * float(metrics[metric].margin or np.nan)
        unseen = metrics[metric].width
        keys = [*RUN_COLUMNS, "context"]
        states = dict(tuple(graded.groupby(keys, dropna=False, sort=True)))
        base_of = _bases(states)
        tests, recipes = max(1, len(base_of)), {}
        several = _with_seeds(results)
        seed = keys.index("seed")
        for key, mine in states.items():
            name = dict(zip(keys, key, strict=True)) | {"metric": metric, "judge": judge}
            part = _part(mine, mine["error"], 1, 0.0)
            rows.append({**name, "quantity": "error", **_cells(part, limit), "status": ""})
            if key not in base_of:
                continue
            both = mine.merge(
                states[base_of[key]][["question_id", "error"]],
                on="question_id",
                suffixes=("", "_base"),
            )
            both = both.assign(change=both["error"] - both["error_base"])
            rows.append(_difference(name, both, limit, tests, unseen))
            recipes.setdefault((*key[:seed], ALL_SEEDS, *key[seed + 1 :]), []).append(both)
        for key, seeds in recipes.items():
            name = dict(zip(keys, key, strict=True)) | {"metric": metric, "judge": judge}
            if key[:seed] + key[seed + 1 :] in several:
                rows.append(_difference(name, pd.concat(seeds), limit, tests, unseen))
    return pd.DataFrame(rows, columns=ERROR_COLUMNS)


def _with_seeds(results: pd.DataFrame) -> set[tuple]:
    """(RUN_COLUMNS, context) without the seed, of what the study has with several seeds."""
    keys = [name for name in (*RUN_COLUMNS, "context") if name != "seed"]
    seeds = results.groupby(keys, dropna=False)["seed"].nunique()
    return set(seeds.index[seeds > 1])


def _difference(
    name: dict[str, Any], both: pd.DataFrame, limit: float, tests: int, unseen: float
) -> dict[str, Any]:
    part = _part(both, both["change"], tests, unseen)
    cells = {"quantity": "difference", **_cells(part, limit), "status": part.status(limit)}
    return {**name, **cells}


def error_terms(
    labels: pd.DataFrame, results: pd.DataFrame, styled: StyledAnswers, metrics: Metrics
) -> pd.DataFrame:
    """TERM_COLUMNS: what a judge's error goes with, by weighted least squares over all labelled
    answers, errors robust to groups of questions.

    `coefficient`, in points with a 95 % interval: of `length` for each doubling of the words, of a
    form (`style.FORMS`; `passage`: copied from the passages) for having it. What no labelled answer
    has, or all have, or what goes with the length, is left out; fewer than 20 groups give no rows.
    Descriptive.
    """
    rows: list[tuple[Any, ...]] = []
    for metric, judge, graded in _graded(labels, results, metrics):
        clusters = pd.factorize(_groups(graded))[0]
        n_clusters = len(np.unique(clusters))
        if n_clusters < MIN_CLUSTERS:
            continue
        features = styled.answers.reindex(graded["row"])
        terms = features[list(FORMS)].astype(float)
        terms.insert(0, LENGTH, np.log2(1 + features["words"]))
        terms = _apart(terms).set_axis(graded.index)
        if terms.empty or len(graded) <= terms.shape[1] + 1:
            continue
        fit = sm.WLS(graded["error"], sm.add_constant(terms), weights=graded["weight"]).fit(
            cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True
        )
        ends = fit.conf_int()
        rows += [
            (metric, judge, term, fit.params[term], *ends.loc[term], len(graded), n_clusters)
            for term in terms
        ]
    return pd.DataFrame(rows, columns=TERM_COLUMNS)


def _apart(terms: pd.DataFrame) -> pd.DataFrame:
    """The terms that vary, in their order, without those that the ones before tell already: where
    only long answers say the question again, these two cannot be told apart."""
    kept = pd.DataFrame({"const": 1.0}, index=terms.index)
    for name in terms:
        values = terms[name].to_numpy(float)
        known = kept.to_numpy(float)
        left = values - known @ np.linalg.lstsq(known, values, rcond=None)[0]
        if values.var() > 0 and left.var() > MIN_OWN * values.var():
            kept[name] = values
    return kept.drop(columns="const")


def _graded(
    labels: pd.DataFrame, results: pd.DataFrame, metrics: Metrics
) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """(metric, judge, rows) with people's and the judge's score of the same answers: `error`,
    `weight`, and `row`, the answer's row in the results. Answers that have changed since they were
    labelled are left out."""
    if labels.empty or results.empty or "judge" not in results:
        return
    labels = labels.drop_duplicates(_ANSWER, keep="last")
    scored = results.assign(row=results.index)
    for metric in (name for name in metrics.judged if name in results):
        human = f"human_{metric.removeprefix('judge_')}"
        if human not in labels:
            continue
        said = labels.loc[
            labels[human].notna(), [*_ANSWER, "answer", "inclusion_probability", human]
        ]
        both = scored[[*_ANSWER, "answer", "group", "judge", metric, "row"]].merge(
            said, on=[*_ANSWER, "answer"]
        )
        both = both[both[metric].notna() & (both["judge"].fillna("") != "")]
        for judge, rows in both.groupby("judge", sort=True):
            error = rows[metric].astype(float) - rows[human].astype(float)
            weight = 1 / rows["inclusion_probability"].astype(float)
            yield metric, str(judge), rows.assign(error=error, weight=weight)


def _bases(states: Mapping[tuple, pd.DataFrame]) -> dict[tuple, tuple]:
    """The labelled base of every trained state that has one, by (RUN_COLUMNS, context)."""

    def place(key: tuple) -> tuple:
        return (*(key[RUN_COLUMNS.index(name)] for name in BASE_COLUMNS), key[-1])

    bases = {place(key): key for key, rows in states.items() if is_base(rows).iloc[0]}
    trained = [key for key, rows in states.items() if rows["train_size"].iloc[0] > 0]
    return {key: bases[place(key)] for key in trained if place(key) in bases}


def _part(rows: pd.DataFrame, values: pd.Series, tests: int, unseen: float) -> Part:
    codes = pd.factorize(_groups(rows))[0]
    # Of several seeds one question has several rows.
    n, groups = len(rows.drop_duplicates(["dataset", "question_id"])), len(np.unique(codes))
    if not are_enough(effective_clusters(np.bincount(codes))):
        return Part(PEOPLE, n, groups)
    weights = rows["weight"].to_numpy(float)
    sums = np.bincount(codes, weights=weights * values.to_numpy(float))
    counts = np.bincount(codes, weights=weights)
    se = float(standard_errors(sums[None], counts[None])[0])
    mean = float(sums.sum() / counts.sum())
    df = float(degrees_of_freedom(effective_clusters(counts)))
    return Part.known(PEOPLE, mean, se, n, groups, df, unseen, tests, tests)


def _groups(rows: pd.DataFrame) -> pd.Series:
    group = rows["group"].fillna("").astype(str)
    ids = rows["question_id"].astype(str)
    # The same question of two data sets is two.
    return rows["dataset"].astype(str) + "\t" + ("g " + group).where(group != "", "q " + ids)


def _cells(part: Part, limit: float) -> dict[str, Any]:
    return {
        "n_questions": part.n_questions,
        "n_clusters": part.n_clusters,
        "error": part.bias,
        "se": part.se,
        "low": part.low,
        "high": part.high,
        "ci_low": part.ci_low,
        "ci_high": part.ci_high,
        "limit": limit,
    }
