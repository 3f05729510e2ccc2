"""How far judges agree about the same answers."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from rag_study.analysis.cluster_means import ClusterTotals, cluster_means
from rag_study.analysis.pairing import RUN_COLUMNS
from rag_study.analysis.resampling import TOLERANCE
from rag_study.evaluation.judging.validity import rank_correlation
from rag_study.evaluation.metrics import METRICS, Metrics

_RESAMPLES = 1000
_GRADES = 5
_NUMBERS = ("spearman", "kappa", "difference")
COLUMNS = [
    "criterion",
    "judge_a",
    "judge_b",
    "n",
    *(f"{name}{end}" for name in _NUMBERS for end in ("", "_low", "_high")),
]


def between_judges(results: pd.DataFrame, metrics: Metrics = METRICS) -> pd.DataFrame:
    """Agreement of every pair of judges by criterion, over all answers that both have scored.

    `results` has one row per run, context, question and judge. Columns: criterion, judge_a,
    judge_b, n (answers); Spearman's rank correlation, Cohen's kappa of the scores rounded to whole
    grades with quadratic weights (Cohen 1968), and the mean of a less b in points, each with a 95 %
    interval (bootstrap over groups of questions). A correlation without spread is NaN, as is the
    interval of one that is the same in every resample.
    """
    if results.empty or "judge" not in results:
        return pd.DataFrame(columns=COLUMNS)
    keys = [*RUN_COLUMNS, "context", "question_id"]
    rows = []
    judges = sorted(name for name in results["judge"].dropna().unique() if name)
    for metric in (name for name in metrics.judged if name in results):
        scored = results.dropna(subset=[metric])
        for a, b in itertools.combinations(judges, 2):
            both = scored.loc[scored["judge"] == a, [*keys, "group", metric]].merge(
                scored.loc[scored["judge"] == b, [*keys, metric]], on=keys, suffixes=("_a", "_b")
            )
            if len(both) < 2:
                continue
            group = both["group"].fillna(both["question_id"]).astype(str)
            clusters = pd.factorize(both["dataset"].astype(str) + "\t" + group)[0]
            numbers = _agreement(
                both[f"{metric}_a"].to_numpy(float), both[f"{metric}_b"].to_numpy(float), clusters
            )
            rows.append((metric.removeprefix("judge_"), a, b, len(both), *numbers))
    return pd.DataFrame(rows, columns=COLUMNS)


def weighted_kappa(tables: np.ndarray) -> np.ndarray:
    """Cohen's kappa with quadratic weights of confusion tables (..., grades, grades).

    NaN where both sides give all answers one and the same grade.
    """
    total = tables.sum(axis=(-2, -1), keepdims=True)
    shares = tables / total
    chance = shares.sum(axis=-1)[..., :, None] * shares.sum(axis=-2)[..., None, :]
    grades = np.arange(tables.shape[-1])
    weights = (grades[:, None] - grades[None, :]) ** 2
    expected = (weights * chance).sum(axis=(-2, -1))
    observed = (weights * shares).sum(axis=(-2, -1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(expected > 0, 1 - observed / np.where(expected > 0, expected, 1), np.nan)


def rounded(scores: np.ndarray) -> np.ndarray:
    """Whole grades 1 to 5; halves go up."""
    return np.clip(np.floor(scores + 0.5), 1, _GRADES).astype(int)


def _agreement(a: np.ndarray, b: np.ndarray, clusters: np.ndarray) -> list[float]:
    """The three numbers, each followed by its bounds."""
    n_clusters = int(clusters.max()) + 1
    cells = (rounded(a) - 1) * _GRADES + rounded(b) - 1
    counted = np.zeros((n_clusters, _GRADES**2))
    np.add.at(counted, (clusters, cells), 1)
    members = [np.flatnonzero(clusters == c) for c in range(n_clusters)]
    rng = np.random.default_rng([3, n_clusters])
    chosen = rng.integers(0, n_clusters, (_RESAMPLES, n_clusters))
    times = np.apply_along_axis(np.bincount, 1, chosen, minlength=n_clusters)
    tables = (times @ counted).reshape(-1, _GRADES, _GRADES)
    drawn = {
        "spearman": np.array(
            [
                rank_correlation(a[i], b[i])
                for i in (np.concatenate([members[c] for c in r]) for r in chosen)
            ]
        ),
        "kappa": weighted_kappa(tables),
    }
    whole = {
        "spearman": rank_correlation(a, b),
        "kappa": float(weighted_kappa(counted.sum(axis=0).reshape(_GRADES, _GRADES))),
    }
    numbers: list[float] = []
    for name, value in whole.items():
        finite = drawn[name][np.isfinite(drawn[name])]
        bounds = np.quantile(finite, [0.025, 0.975]) if len(finite) else (np.nan, np.nan)
        if bounds[1] - bounds[0] <= TOLERANCE:
            bounds = (np.nan, np.nan)  # all resamples alike: what was not drawn is not known
        numbers += [value, float(bounds[0]), float(bounds[1])]
    reach = float(_GRADES - 1)
    found = cluster_means(ClusterTotals.of((a - b)[None], clusters, -reach, reach))
    return [*numbers, float(found.mean[0]), *map(float, found.intervals[0, :, 0])]
