"""Estimates of many means at once: intervals, standard errors and p values of table rows.

A row of a table is a `Sample`: one value per question, with the questions' clusters. What its
values are (scores, paired differences, slopes) is decided elsewhere; how sure their mean is, here.

**Several seeds.** `pool` adds to the samples of single seeds one for all seeds of a recipe. The
questions are the same for every seed, so the mean over both has two sources of chance. With k
seeds, whose means spread with standard deviation s, its variance is estimated as

    (cluster-robust standard error over the questions, seeds joined)² + s² / k

and its t interval is as wide at 95 % as both together: the half-width is the root of the sum of
the squared half-widths of the two (Howe 1974), each with its own degrees of freedom. `df` is that
of the t distribution with this half-width, between k - 1 and the number of clusters less one. In
simulations such intervals held the truth in 95 % or more. With two or three seeds they are wide on
purpose: Satterthwaite's called no effect one in 6 to 12 % of cases where seeds differed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from rag_study.analysis.pairing import ALL_SEEDS, RUN_COLUMNS
from rag_study.analysis.resampling import (
    TOLERANCE,
    bca_intervals,
    sign_flip_p_values,
    standard_errors,
)

KEY_COLUMNS = [*RUN_COLUMNS, "context", "metric", "judge"]
_DTYPES = {
    **dict.fromkeys(("train_size", "seed", "chunk_size", "top_k"), "int64"),
    **dict.fromkeys(("n_questions", "n_clusters", "n_seeds", "n_sizes"), "int64"),
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
    are the samples of single seeds that this one joins.
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
    for (recipe, *_), members in by_key.items():
        if len(members) > 1:
            run = index_of.setdefault(recipe, len(runs) + len(index_of))
            pooled.append(replace(join(members), run=run, parts=tuple(members)))
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
    n_seeds, seed_sd (between the means of the seeds; NaN for one) and the means of `beside`.

    One seed: `resampling`'s BCa intervals and sign flips over clusters. Several: t intervals and
    t tests as in the docstring above; their p is never below that of the sign flips. `n_flips` is
    their number, 0 for no p at all. A single cluster has no interval, se or p below 1.
    """
    by_size, reduced = defaultdict(list), []
    for i, sample in enumerate(samples):
        _, codes = np.unique(sample.clusters, return_inverse=True)
        reduced.append((np.bincount(codes, weights=sample.values), np.bincount(codes)))
        by_size[len(reduced[-1][0])].append(i)
    columns = ["mean", "ci_low", "ci_high", "ci90_low", "ci90_high", "se", "p_value"]
    table = np.full((len(samples), len(columns)), np.nan)
    for indices in by_size.values():
        for start in range(0, len(indices), _BATCH):
            part = indices[start : start + _BATCH]
            sums = np.stack([reduced[i][0] for i in part])
            counts = np.stack([reduced[i][1] for i in part]).astype(float)
            intervals = bca_intervals(sums, counts, (0.95, 0.90), n_resamples)
            table[part, 0] = sums.sum(axis=1) / counts.sum(axis=1)
            table[part, 1:5] = intervals.reshape(4, -1).T
            table[part, 5] = standard_errors(sums, counts)
            if n_flips:
                table[part, 6] = sign_flip_p_values(sums, n_flips)
    frame = pd.DataFrame(table, columns=columns)
    frame["n_clusters"] = [len(sums) for sums, _ in reduced]
    frame["n_questions"] = [
        len(np.unique(s.questions)) if s.parts else len(s.values) for s in samples
    ]
    frame["sd"] = [np.std(s.values, ddof=1) if len(s.values) > 1 else 0.0 for s in samples]
    frame["df"] = frame["n_clusters"] - 1.0
    frame["n_seeds"] = [len(s.parts) or 1 for s in samples]
    frame["seed_sd"] = [
        np.std([part.values.mean() for part in s.parts], ddof=1) if s.parts else np.nan
        for s in samples
    ]
    for name in samples[0].beside if samples else ():
        frame[name] = [s.beside[name].mean() for s in samples]
    return _with_seeds(frame, bool(n_flips))


def _with_seeds(frame: pd.DataFrame, with_p: bool) -> pd.DataFrame:
    """The rows of several seeds with the spread between seeds in se, df, intervals and p."""
    several = frame["n_seeds"] > 1
    if not several.any():
        return frame
    rows = frame[several]
    questions, seeds = rows["se"] ** 2, rows["seed_sd"] ** 2 / rows["n_seeds"]
    se = np.sqrt(questions + seeds)
    has_spread = se > TOLERANCE
    halves = questions * stdtrit(rows["df"], 0.975) ** 2
    halves += seeds * stdtrit(rows["n_seeds"] - 1.0, 0.975) ** 2
    wide = np.sqrt(halves / (questions + seeds).where(has_spread))
    df = _df_of(wide, rows["n_seeds"] - 1.0, rows["df"]).fillna(rows["df"])
    frame.loc[several, "se"] = se.where(se.isna() | has_spread, 0.0)
    frame.loc[several, "df"] = df
    for low, high, tail in (("ci_low", "ci_high", 0.975), ("ci90_low", "ci90_high", 0.95)):
        half = stdtrit(df, tail) * frame.loc[several, "se"]
        frame.loc[several, low] = rows["mean"] - half
        frame.loc[several, high] = rows["mean"] + half
    if with_p:
        p = 2 * stdtr(df, -np.abs(rows["mean"]) / se.where(has_spread))
        frame.loc[several, "p_value"] = np.fmax(p, rows["p_value"])
    return frame


def _df_of(quantile: pd.Series, least: pd.Series, most: pd.Series) -> pd.Series:
    """The degrees of freedom of the t distribution with this 97.5 % quantile, by bisection."""
    low, high = np.minimum(least, most), np.maximum(least, most)
    for _ in range(60):
        middle = np.sqrt(low * high)
        too_wide = stdtrit(middle, 0.975) > quantile
        low, high = middle.where(too_wide, low), high.where(too_wide, middle)
    return high.where(quantile.notna())


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
