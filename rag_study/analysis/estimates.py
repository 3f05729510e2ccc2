"""Estimates of many means at once: intervals, standard errors and p values of table rows.

A row of a table is a `Sample`: one value per question, with the questions' clusters. What its
values are (scores, paired differences, slopes) is decided elsewhere; how sure their mean is, here.

`pool` adds to the samples of single seeds one for all seeds of a recipe; how the spread between
them enters is in `seeds`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy.special import stdtr

from rag_study.analysis.cluster_means import ClusterTotals, cluster_means, stack
from rag_study.analysis.pairing import ALL_SEEDS, RUN_COLUMNS
from rag_study.analysis.resampling import sign_flip_p_values
from rag_study.analysis.seeds import with_spread_of_seeds

KEY_COLUMNS = [*RUN_COLUMNS, "context", "metric", "judge"]
_DTYPES = {
    **dict.fromkeys(("train_size", "seed", "chunk_size", "top_k"), "int64"),
    **dict.fromkeys(("n_questions", "n_clusters", "n_seeds", "n_sizes"), "int64"),
    **dict.fromkeys(("lost_base", "lost_tuned"), "int64"),
    **dict.fromkeys((*RUN_COLUMNS[:4], "variant", "prompting", "retriever", "context"), "str"),
    **dict.fromkeys(("baseline", "metric", "judge", "verdict", "reason", "train_sizes"), "str"),
    "primary": "bool",
}
_BATCH = 256


@dataclass(frozen=True)
class Sample:
    """Values of one table row, one per question, with the clusters of these questions.

    `run` is the row's index in the table of runs. `beside` holds further values of the same
    questions, whose means stand in columns of these names; `extra` holds finished cells. `parts`
    are the samples of single seeds that this one joins; samples of the same `spread_of` share what
    is known of the spread between seeds. `limits` are the ends of what a value can be.
    """

    run: int
    context: str
    metric: str
    judge: str
    questions: np.ndarray
    values: np.ndarray
    clusters: np.ndarray
    beside: dict[str, np.ndarray] = field(default_factory=dict)
    extra: dict = field(default_factory=dict)
    parts: tuple[Sample, ...] = ()
    limits: tuple[float, float] = (-np.inf, np.inf)
    spread_of: tuple = ()


def join(samples: Sequence[Sample]) -> Sample:
    """One sample of all values of several, with the key and the cells of the first."""
    first = samples[0]
    return replace(
        first,
        questions=np.concatenate([s.questions for s in samples]),
        values=np.concatenate([s.values for s in samples]),
        clusters=np.concatenate([s.clusters for s in samples]),
        extra=dict(first.extra),
        beside={name: np.concatenate([s.beside[name] for s in samples]) for name in first.beside},
    )


def pool(runs: pd.DataFrame, samples: list[Sample]) -> tuple[pd.DataFrame, list[Sample]]:
    """Add a sample over all seeds wherever samples differ in the seed only.

    Returns the runs with a row of seed ALL_SEEDS for each of these recipes, and all samples in the
    order of the runs' columns, contexts, metrics, judges and baselines.
    """
    recipes = runs.assign(seed=ALL_SEEDS).groupby(RUN_COLUMNS, dropna=False, observed=True).ngroup()
    by_key = defaultdict(list)
    for sample in samples:
        key = (recipes[sample.run], sample.context, sample.metric, sample.judge)
        names = (sample.extra.get(name, "") for name in ("baseline", "train_sizes"))
        by_key[*key, *names].append(sample)
    pooled, index_of = [], {}
    trained = runs["method"] != "none"
    for (recipe, *key), members in by_key.items():
        if len(members) > 1:
            run = index_of.setdefault(recipe, len(runs) + len(index_of))
            # Recipes share the spread of a metric; prompts, whose seeds draw examples, have theirs.
            of = (bool(trained[members[0].run]), *key)
            pooled.append(replace(join(members), run=run, parts=tuple(members), spread_of=of))
    if pooled:
        first = {recipe: runs.index[recipes == recipe][0] for recipe in index_of}
        added = runs.loc[[first[recipe] for recipe in index_of]].assign(seed=ALL_SEEDS)
        runs = pd.concat([runs, added], ignore_index=True)
    rank = runs.groupby(RUN_COLUMNS, dropna=False, observed=True, sort=True).ngroup()

    def order(sample: Sample) -> tuple:
        key = (sample.context, sample.metric, sample.judge, sample.extra.get("baseline", ""))
        return rank[sample.run], *key

    return runs, sorted([*samples, *pooled], key=order)


def estimate(
    samples: Sequence[Sample], n_resamples: int = 10_000, n_flips: int = 10_000
) -> pd.DataFrame:
    """One row per sample, in their order.

    Columns: mean, its intervals ci_low, ci_high (95 %) and ci90_low, ci90_high, se, df (degrees of
    freedom of se), p_value (two-sided, against 0), sd (of the values), n_questions, n_clusters,
    n_effective (clusters of equal size that they are worth), n_seeds, seed_sd (between the means of
    the seeds; NaN for one) and the means of `beside`.

    One seed: the intervals of `cluster_means` and sign flips over clusters. Several: t intervals
    and t tests as in `seeds`. Where a t test goes with the interval (`cluster_means`), p is that of
    the t test, but never below that of the sign flips. `n_flips` is their number, 0 for no p at
    all. A single cluster has no interval, se or p below 1.
    """
    by_size, reduced = defaultdict(list), []
    for i, sample in enumerate(samples):
        reduced.append(totals_of(sample))
        by_size[reduced[-1].sums.shape[1]].append(i)
    numbers = ["mean", "ci_low", "ci_high", "ci90_low", "ci90_high", "se", "df", "n_effective"]
    table = np.full((len(samples), len(numbers) + 1), np.nan)
    for indices in by_size.values():
        for start in range(0, len(indices), _BATCH):
            part = indices[start : start + _BATCH]
            totals = stack([reduced[i] for i in part])
            found = cluster_means(totals, (0.95, 0.90), n_resamples)
            ends = found.intervals.reshape(4, -1)
            table[part, :-1] = np.stack(
                [found.mean, *ends, found.se, found.df, found.n_effective], axis=1
            )
            if n_flips:
                p = sign_flip_p_values(totals.sums, n_flips)
                by_t = 2 * stdtr(found.df, -np.abs(found.mean) / found.se)
                table[part, -1] = np.where(found.by_t, np.fmax(p, by_t), p)
    frame = pd.DataFrame(table, columns=[*numbers, "p_value"])
    frame["n_clusters"] = [totals.sums.shape[1] for totals in reduced]
    frame["n_questions"] = [
        len(np.unique(s.questions)) if s.parts else len(s.values) for s in samples
    ]
    frame["sd"] = [np.std(s.values, ddof=1) if len(s.values) > 1 else 0.0 for s in samples]
    frame["n_seeds"] = [len(s.parts) or 1 for s in samples]
    frame["seed_sd"] = [
        np.std([part.values.mean() for part in s.parts], ddof=1) if s.parts else np.nan
        for s in samples
    ]
    for name in samples[0].beside if samples else ():
        frame[name] = [s.beside[name].mean() for s in samples]
    return with_spread_of_seeds(frame, [s.spread_of for s in samples])


def totals_of(sample: Sample) -> ClusterTotals:
    """One sample by clusters. The values of several seeds count as one, their mean, per question:
    what seeds add is known from their means."""
    if not sample.parts:
        return ClusterTotals.of(sample.values[None], sample.clusters, *sample.limits)
    _, first, codes = np.unique(sample.questions, return_index=True, return_inverse=True)
    times = np.bincount(codes)
    means = np.bincount(codes, weights=sample.values) / times
    return ClusterTotals.of(
        means[None], sample.clusters[first], *sample.limits, times / times.mean()
    )


def tabulate(
    runs: pd.DataFrame, samples: Sequence[Sample], estimates: pd.DataFrame, columns: Sequence[str]
) -> pd.DataFrame:
    """The `columns` of a table with one row per sample: settings of its run, key, cells, numbers.

    An empty table has all columns, with their types.
    """
    if not samples:
        return pd.DataFrame({name: pd.Series(dtype=_DTYPES.get(name, float)) for name in columns})
    keys = pd.DataFrame(
        [(s.context, s.metric, s.judge) for s in samples], columns=["context", "metric", "judge"]
    )
    run_rows = runs.iloc[[s.run for s in samples]].reset_index(drop=True)
    extra = pd.DataFrame([s.extra for s in samples], index=range(len(samples)))
    return pd.concat([run_rows, keys, extra, estimates], axis=1).reindex(columns=columns)
