"""Where training changed more than elsewhere: effects by kind of question.

A slicing divides the questions by one of their properties (`slicings`); a slice is one part. Three
things are told of each.

**Its effect, drawn to those of the other slices** of the slicing (`shrinkage.drawn_together`): the
largest of several estimated effects is larger than what is true of it.

**Whether it differs from the rest of the questions**: a t test of the difference between its effect
and that of all other questions, with standard errors over groups of questions, what groups in both
have in common taken out, and degrees of freedom by Welch and Satterthwaite.

**What of that is chance.** Tests are corrected for a false discovery rate of 5 % (Benjamini and
Hochberg 1995) over all slices of all slicings, states, metrics, models and data sets of a context.
Whether the slices of a slicing differ at all is Simes's test (1986) of its slices' p values, with
the same correction over all slicings of the context. A slice is said to have lost most only where
its corrected test holds and its drawn effect lies below 0 as a whole.

A slice has an effect where it and the rest have scores of at least LEAST_GROUPS groups. Several
seeds: a question's value is its mean over seeds, and the spread between seeds is in standard errors
(`seeds`), as everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from rag_study.analysis.cluster_means import cluster_errors
from rag_study.analysis.effects import difference_samples
from rag_study.analysis.estimates import KEY_COLUMNS, Sample, pool, tabulate, totals_of
from rag_study.analysis.pairing import BASE_COLUMNS, DEFAULT, Scores, read
from rag_study.analysis.seeds import with_spread_of_seeds
from rag_study.analysis.shrinkage import drawn_together
from rag_study.analysis.slicings import LEAST_GROUPS, Slicing, slicings
from rag_study.analysis.verdicts import false_discovery
from rag_study.evaluation.metrics import METRICS, Metrics

SLICE_COLUMNS = [
    *KEY_COLUMNS,
    *("slicing", "slice", "n_questions", "n_clusters", "n_seeds", "mean_base", "mean_tuned"),
    *("difference", "ci_low", "ci_high", "shrunken", "shrunken_low", "shrunken_high"),
    *("rest", "against_rest", "against_rest_low", "against_rest_high", "p_value", "p_fdr"),
    *("p_slicing", "p_slicing_fdr", "finding"),
]
LOST_MOST, WORSE, BETTER = "lost most", "worse than the rest", "better than the rest"
_LEVEL = 0.05


def slices(
    results: pd.DataFrame,
    scored_by: Sequence[tuple[str, str]],
    columns: Mapping[str, Mapping[str, str]] | None = None,
    metrics: Metrics = METRICS,
) -> pd.DataFrame:
    """Differences trained - base by slice, from a study's results.

    `scored_by` are the (metric, judge) that effects are measured by; `columns` the further columns
    of the results that divide the questions of each data set: label -> what they are called -> the
    column. One row per recipe (of several seeds only the row of all), context, metric and slice;
    returns SLICE_COLUMNS, in the unit of the metric. Numbers of a slice with too few groups are
    NaN. `attrs["notes"]` says which slicings could not be made, and why.
    """
    scores = read(results, metrics)
    samples = [
        sample
        for sample in difference_samples(scores).samples
        if sample.extra["baseline"] == DEFAULT
        and scores.runs.loc[sample.run, "method"] != "none"
        and sample.context not in ("retention", "training")
        and (sample.metric, sample.judge) in scored_by
    ]
    runs, samples = pool(scores.runs, samples)
    parts = {id(part) for sample in samples for part in sample.parts}
    samples = [sample for sample in samples if id(sample) not in parts]
    made, notes = slicings(results, columns or {})
    found = [
        _Part(sample, slicing, name, of_slice)
        for sample in samples
        for slicing in made.get((*runs.loc[sample.run, BASE_COLUMNS], sample.context), ())
        for name, of_slice in _divided(sample, slicing, scores)
    ]
    table = tabulate(runs, [part.row for part in found], _numbers(found), SLICE_COLUMNS)
    table.attrs["notes"] = notes
    return table


@dataclass(frozen=True)
class _Part:
    """A slice of one comparison; `inside` says which of the sample's values are in it."""

    sample: Sample
    slicing: Slicing
    name: str
    inside: np.ndarray

    @property
    def row(self) -> Sample:
        return replace(self.sample, extra={"slicing": self.slicing.label, "slice": self.name})

    @property
    def of(self) -> tuple[int, str]:
        """Which comparison and slicing it belongs to."""
        return id(self.sample), self.slicing.label


def _divided(sample: Sample, slicing: Slicing, scores: Scores) -> Iterator[tuple[str, np.ndarray]]:
    names = np.array([slicing.of.get(i, "") for i in scores.ids[sample.questions]], dtype=object)
    for name in slicing.names:
        inside = names == name
        if inside.any():
            yield name, inside


def _within(sample: Sample, inside: np.ndarray) -> Sample:
    """The sample on some of its values; those of several seeds stay apart."""
    parts, start = [], 0
    for part in sample.parts:
        stop = start + len(part.values)
        parts.append(_within(part, inside[start:stop]))
        start = stop
    return replace(
        sample,
        questions=sample.questions[inside],
        values=sample.values[inside],
        clusters=sample.clusters[inside],
        beside={name: values[inside] for name, values in sample.beside.items()},
        parts=tuple(parts),
    )


def _numbers(parts: Sequence[_Part]) -> pd.DataFrame:
    """The numbers of each slice, in the order of `parts`."""
    if not parts:
        return pd.DataFrame()
    of_slices, of_rest, together, apart = [], [], [], []
    for part in parts:
        slice_, rest = (_within(part.sample, part.inside == flag) for flag in (True, False))
        moved = [_influence(side) for side in (slice_, rest)]
        one, other = _row(slice_, moved[0]), _row(rest, moved[1])
        usable = min(one["n_clusters"], other["n_clusters"]) >= LEAST_GROUPS
        of_slices.append(one if usable else one | {"se": np.nan})
        of_rest.append(other)
        together.append(moved[0])
        apart.append(_against(one, other, _correlation(*moved), slice_, rest, usable))
    keys = [(*part.sample.spread_of, part.slicing.label, part.name) for part in parts]
    keys = [key if part.sample.parts else () for key, part in zip(keys, parts, strict=True)]
    table, tests = (with_spread_of_seeds(pd.DataFrame(rows), keys) for rows in (of_slices, apart))
    usable = table["se"].gt(0) & tests["se"].gt(0)
    p = 2 * stdtr(tests["df"], -(tests["mean"] / tests["se"]).abs())
    half = stdtrit(table["df"], 0.975) * table["se"]
    half_apart = stdtrit(tests["df"], 0.975) * tests["se"]
    table = table.assign(
        difference=table["mean"].where(usable),
        ci_low=(table["mean"] - half).where(usable),
        ci_high=(table["mean"] + half).where(usable),
        rest=[row["mean"] for row in of_rest],
        against_rest=tests["mean"].where(usable),
        against_rest_low=(tests["mean"] - half_apart).where(usable),
        against_rest_high=(tests["mean"] + half_apart).where(usable),
        p_value=p.where(usable),
        **dict.fromkeys(("shrunken", "shrunken_low", "shrunken_high", "p_slicing"), np.nan),
    )
    table["rest"] = table["rest"].where(usable)
    of = pd.Series([part.of for part in parts])
    for rows in of.groupby(of).groups.values():
        chosen = [i for i in rows if usable[i]]
        if chosen:
            _draw(table, chosen, [together[i] for i in chosen])
            table.loc[rows, "p_slicing"] = _simes(table.loc[chosen, "p_value"].to_numpy())
    contexts = pd.Series([part.sample.context for part in parts])
    for rows in contexts.groupby(contexts).groups.values():
        table.loc[rows, "p_fdr"] = false_discovery(table.loc[rows, "p_value"])
        first = of[rows].drop_duplicates()
        corrected = false_discovery(table.loc[first.index, "p_slicing"])
        by_slicing = dict(zip(first, corrected, strict=True))
        table.loc[rows, "p_slicing_fdr"] = [by_slicing[key] for key in of[rows]]
    table["finding"] = _findings(table, pd.Series([id(part.sample) for part in parts]))
    return table


def _row(sample: Sample, moved: pd.Series) -> dict[str, float]:
    """What is known of one side without the spread between its seeds."""
    if not len(sample.values):
        return {"mean": np.nan, "se": np.nan, "df": 1.0, "n_clusters": 0, "n_questions": 0}
    mean, se, df = (float(number[0]) for number in cluster_errors(totals_of(sample)))
    return {
        "mean": mean,
        "se": se,
        "df": df,
        "n_clusters": len(moved),
        "n_questions": len(np.unique(sample.questions)),
        "n_seeds": len(sample.parts) or 1,
        "seed_sd": _spread([_mean(part) for part in sample.parts]),
        **{name: sample.beside[name].mean() for name in ("mean_base", "mean_tuned")},
    }


def _against(
    one: dict, other: dict, correlation: float, slice_: Sample, rest: Sample, usable: bool
) -> dict[str, float]:
    """The difference between the effects of a slice and of the rest."""
    if not usable:
        return {"mean": np.nan, "se": np.nan, "df": 1.0, "n_seeds": 1, "seed_sd": np.nan}
    variances = np.array([one["se"], other["se"]]) ** 2
    total = variances.sum()
    pairs = zip(slice_.parts, rest.parts, strict=True)
    return {
        "mean": one["mean"] - other["mean"],
        "se": np.sqrt(total - 2 * correlation * np.sqrt(variances.prod())),
        "df": total**2 / (variances**2 / [one["df"], other["df"]]).sum(),
        "n_seeds": one["n_seeds"],
        "seed_sd": _spread([_mean(a) - _mean(b) for a, b in pairs]),
    }


def _mean(sample: Sample) -> float:
    return float(sample.values.mean()) if len(sample.values) else np.nan


def _spread(means: list[float]) -> float:
    return float(np.std(means, ddof=1)) if len(means) > 1 else np.nan


def _influence(sample: Sample) -> pd.Series:
    """What each cluster adds to the mean, by cluster code (its linearised influence)."""
    if not len(sample.values):
        return pd.Series(dtype=float)
    totals, codes = totals_of(sample), np.unique(sample.clusters)
    sums, counts = totals.sums[0], totals.counts[0]
    questions = counts.sum()
    return pd.Series((sums - sums.sum() / questions * counts) / questions, codes)


def _correlation(one: pd.Series, other: pd.Series) -> float:
    """Of two means, by the clusters that are in both."""
    scale = np.sqrt((one**2).sum() * (other**2).sum())
    both = one.index.intersection(other.index)
    return float((one[both] * other[both]).sum() / scale) if scale > 0 else 0.0


def _draw(table: pd.DataFrame, rows: Sequence[int], moved: Sequence[pd.Series]) -> None:
    """Writes the drawn effects of the slices of one slicing, in place."""
    influence = pd.concat(moved, axis=1).fillna(0.0).to_numpy()
    scale = np.sqrt((influence**2).sum(axis=0))
    influence = influence / np.where(scale > 0, scale, 1.0)
    correlation = influence.T @ influence
    np.fill_diagonal(correlation, 1.0)
    errors = table.loc[rows, "se"].to_numpy()
    drawn = drawn_together(
        table.loc[rows, "mean"].to_numpy(),
        correlation * np.outer(errors, errors),
        table.loc[rows, "df"].to_numpy(),
    )
    table.loc[rows, "shrunken"] = drawn.means
    table.loc[rows, "shrunken_low"], table.loc[rows, "shrunken_high"] = drawn.low, drawn.high


def _simes(p_values: np.ndarray) -> float:
    ordered = np.sort(p_values)
    return float((ordered * len(ordered) / np.arange(1, len(ordered) + 1)).min())


def _findings(table: pd.DataFrame, comparison: pd.Series) -> pd.Series:
    """What may be said of each slice; '' where the corrected test does not hold."""
    holds = table["p_fdr"] < _LEVEL
    worse, better = holds & (table["against_rest"] < 0), holds & (table["against_rest"] > 0)
    found = pd.Series("", table.index).mask(worse, WORSE).mask(better, BETTER)
    lost = table[worse & (table["shrunken_high"] < 0)]
    most = lost.groupby(comparison[lost.index])["shrunken"].idxmin()
    found[most] = LOST_MOST
    return found
