"""Does more training data help? The slope of every question's score over the train size."""

from __future__ import annotations

from collections import defaultdict
from functools import reduce

import numpy as np
import pandas as pd

from rag_study.analysis.estimates import KEY_COLUMNS, Sample, estimate, pool, tabulate
from rag_study.analysis.pairing import RUN_COLUMNS, Scores, read
from rag_study.evaluation.metrics import METRICS, Metrics

TREND_COLUMNS = [
    *(name for name in KEY_COLUMNS if name != "train_size"),
    "train_sizes",
    "n_sizes",
    "n_seeds",
    "n_questions",
    "n_clusters",
    "slope",
    "ci_low",
    "ci_high",
    "se",
    "df",
    "seed_sd",
    "p_value",
    "gain",
    "gain_low",
    "gain_high",
]


def trends(
    results: pd.DataFrame, n_resamples: int = 10_000, metrics: Metrics = METRICS
) -> pd.DataFrame:
    """The trend over train size of every recipe, context, metric and judge.

    `slope` is the change of the metric per doubling of the training set: for each question the
    least-squares line of its scores over log2(train size), averaged over the questions that were
    scored at every size; the untuned model is not part of it. `gain` is the slope times the
    doublings from the smallest to the largest size. Intervals at 95 % and p as in `estimates`, with
    a row over all seeds where there are several. Descriptive: no correction, no verdict.
    Returns TREND_COLUMNS, empty where no recipe has two sizes. Raises as `effects.summarise`.
    """
    scores = read(results, metrics)
    runs, samples = pool(scores.runs, slopes(scores))
    table = estimate(samples, n_resamples).rename(columns={"mean": "slope"})
    doublings = np.array([sample.extra["doublings"] for sample in samples])
    for name, end in (("gain", "slope"), ("gain_low", "ci_low"), ("gain_high", "ci_high")):
        table[name] = table[end] * doublings
    return tabulate(runs, samples, table, TREND_COLUMNS)


def slopes(scores: Scores) -> list[Sample]:
    """The slopes of single questions: a sample per recipe, seed, context, metric and judge.

    `extra` has `train_sizes` in words, `n_sizes` and `doublings`, from the smallest to the largest.
    """
    if scores.runs.empty:
        return []
    trained = scores.runs[scores.runs["train_size"] > 0]
    others = [name for name in RUN_COLUMNS if name != "train_size"]
    recipes = trained.groupby(others, dropna=False, observed=True, sort=True).ngroup()
    by_key = defaultdict(list)
    for run, context, judge in scores.blocks:
        # The training questions of another size are others, and known to fewer of the models.
        if run in recipes.index and context != "training":
            by_key[recipes[run], context, judge].append(run)
    samples = []
    for (_, context, judge), members in by_key.items():
        members = sorted(members, key=lambda run: trained.loc[run, "train_size"])
        sizes = trained.loc[members, "train_size"].to_numpy()
        if len(members) < 2:
            continue
        blocks = [scores.blocks[run, context, judge] for run in members]
        shared = reduce(np.intersect1d, [questions for questions, _ in blocks])
        values = np.stack([v[np.searchsorted(q, shared)] for q, v in blocks])
        x = np.log2(sizes) - np.log2(sizes).mean()
        slope = np.tensordot(x / (x @ x), values, axes=1)
        extra = {
            "train_sizes": ", ".join(map(str, sizes)),
            "n_sizes": len(sizes),
            "doublings": float(np.log2(sizes[-1] / sizes[0])),
        }
        for column, metric in enumerate(scores.metrics_of(judge)):
            scored = ~np.isnan(slope[:, column])
            if scored.any():
                answered = shared[scored]
                measured = (answered, slope[scored, column], scores.clusters[answered])
                low, high = scores.metrics[metric].limits
                steepest = float(np.clip(x, 0, None).sum() / (x @ x)) * (high - low)
                key = (members[0], context, metric, judge)
                limits = (-steepest, steepest)
                samples.append(Sample(*key, *measured, extra=dict(extra), limits=limits))
    return samples
