"""Means over clustered questions, with intervals that few, uneven and unchanged clusters survive.

`resampling` has the bootstrap; this is what the tables use. Three things are added to it.

**Uneven clusters.** With shares w of the questions, clusters are worth 1 / sum(w²) equal ones (Kish
1965), and degrees of freedom are counted from that number. The standard error is the jackknife's
over clusters, which unlike the plain one does not overlook that a large cluster pulls the mean to
itself (Bell and McCaffrey 2002). Where a large cluster happens to lie near the mean, it is still
too small; the less even the clusters are, the more it is therefore raised towards that of the
random-effects model

    variance of a cluster's sum = n * within + n² * between,   n its questions,

with both variances from the analysis of variance (Searle, Casella and McCulloch 1992, 3.6). With
clusters of equal size all of this is the plain standard error with C - 1 degrees of freedom, and
the BCa interval as it is; otherwise the BCa interval is widened by as much as standard error and
quantile grew, and where clusters are worth less than half their number (one with most of the
questions: resamples with and without it have nothing in common) a t interval takes its place.

**Rare changes.** Where at most five clusters differ from all the others, resampling cannot know
what was not drawn. The ends then lie at least as far out as the exact binomial bounds allow
(Clopper and Pearson 1934): as many more clusters may change as these bounds say, each by the
largest change seen on that side or, where none was seen, by as much as the scale leaves room. Five
is the most at which even changes in one direction only are no evidence of one (exact McNemar test,
p = 0.06).

**Measured** (`benchmarks/intervals.py`): docs/reading-the-result.md, “What the intervals are
worth”.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, stdtrit

from rag_study.analysis.resampling import TIE, TOLERANCE, bca_intervals, standard_errors

MOST_RARE = 5
# Below this share of their number, clusters are too uneven for a bootstrap.
_EVEN = 0.5


@dataclass(frozen=True)
class ClusterTotals:
    """What the means of `n_samples` samples with as many clusters need.

    `sums`, `counts` and `squares`, all (n_samples, n_clusters): the sum, the number and the sum of
    squares of each cluster's values. `limits` (2, n_samples): the ends of what one value can be,
    infinite where nothing bounds it.
    """

    sums: np.ndarray
    counts: np.ndarray
    squares: np.ndarray
    limits: np.ndarray

    @classmethod
    def of(
        cls,
        values: np.ndarray,
        clusters: np.ndarray,
        low: float,
        high: float,
        weights: np.ndarray | None = None,
    ) -> ClusterTotals:
        """From values (n_samples, n_questions) that share clusters and weights (n_questions,)."""
        _, codes = np.unique(clusters, return_inverse=True)
        weights = np.ones(len(codes)) if weights is None else weights
        sums = np.stack([np.bincount(codes, weights=weights * row) for row in values])
        squares = np.stack([np.bincount(codes, weights=weights * row * row) for row in values])
        counts = np.tile(np.bincount(codes, weights=weights), (len(values), 1))
        return cls(sums, counts, squares, np.repeat([[low], [high]], len(values), axis=1))


def stack(totals: Sequence[ClusterTotals]) -> ClusterTotals:
    """The samples of several, which have equally many clusters."""
    names = ("sums", "counts", "squares")
    arrays = [np.concatenate([getattr(t, name) for t in totals]) for name in names]
    return ClusterTotals(*arrays, np.concatenate([t.limits for t in totals], axis=1))


@dataclass(frozen=True)
class ClusterMeans:
    """Means (n_samples,), intervals (n_levels, 2, n_samples), standard errors with their degrees of
    freedom, and the number of clusters of equal size that these are worth."""

    mean: np.ndarray
    intervals: np.ndarray
    se: np.ndarray
    df: np.ndarray
    n_effective: np.ndarray
    # Whether a t test goes with the interval: it is a t interval, or was widened around a value
    # that is not 0, which sign flips know nothing of.
    by_t: np.ndarray


def effective_clusters(counts: np.ndarray) -> np.ndarray:
    """Number of clusters of equal size that clusters of these sizes are worth (Kish 1965): the
    square of the sum over the sum of the squares, over the last axis."""
    return counts.sum(axis=-1) ** 2 / (counts * counts).sum(axis=-1)


def degrees_of_freedom(n_effective: np.ndarray) -> np.ndarray:
    """Of a standard error over clusters: the effective clusters less one, at least 1."""
    return np.maximum(n_effective - 1.0, 1.0)


def cluster_means(
    totals: ClusterTotals, levels: Sequence[float] = (0.95,), n_resamples: int = 10_000
) -> ClusterMeans:
    """Means with what is known of their precision, in the unit of the values.

    A single cluster has neither interval nor standard error (NaN); nor has a sample of equal values
    whose scale has no end. No interval is without width, and no standard error 0.
    """
    sums, counts = totals.sums, totals.counts
    n_samples, n_clusters = sums.shape
    mean = sums.sum(axis=1) / counts.sum(axis=1)
    effective = effective_clusters(counts)
    df = degrees_of_freedom(effective)
    if n_clusters < 2:
        nothing = np.full((len(levels), 2, n_samples), np.nan)
        return ClusterMeans(mean, nothing, nothing[0, 0], df, effective, effective < 0)
    evenness = np.minimum(effective / n_clusters, 1.0)
    unevenness = np.where(evenness < 1 - TOLERANCE, 1 - evenness**2, 0.0)
    se = _standard_errors(totals, mean, unevenness)
    intervals = bca_intervals(sums, counts, levels, n_resamples)
    by_t = evenness < _EVEN
    linearised = _linearised_errors(sums, counts)
    for i, level in enumerate(levels):
        tail = (1 + level) / 2
        half = stdtrit(df, tail) * se
        without = linearised <= TOLERANCE
        stretch = half / (stdtrit(n_clusters - 1, tail) * np.where(without, 1.0, linearised))
        stretch = np.where(without | (unevenness == 0.0), 1.0, stretch)
        for j, sign in enumerate((-1, 1)):
            stretched = mean + stretch * (intervals[i, j] - mean)
            intervals[i, j] = np.where(by_t, mean + sign * half, stretched)
    rare, usual, se = _widen_where_rare(totals, effective, df, levels, intervals, se)
    intervals = np.clip(intervals, *totals.limits[:, None, None])
    by_t = np.where(rare, np.abs(usual) > TIE, by_t)
    return ClusterMeans(mean, intervals, se, df, effective, by_t)


def cluster_errors(totals: ClusterTotals) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means, standard errors and their degrees of freedom as `cluster_means` has them, all
    (n_samples,), without the bootstrap: for tests of many small parts by t."""
    sums, counts = totals.sums, totals.counts
    mean = sums.sum(axis=1) / counts.sum(axis=1)
    effective = effective_clusters(counts)
    df = degrees_of_freedom(effective)
    if sums.shape[1] < 2:
        return mean, np.full(len(mean), np.nan), df
    evenness = np.minimum(effective / sums.shape[1], 1.0)
    unevenness = np.where(evenness < 1 - TOLERANCE, 1 - evenness**2, 0.0)
    se = _standard_errors(totals, mean, unevenness)
    half = stdtrit(df, 0.975) * se
    ends = np.stack([mean - half, mean + half])[None]
    return mean, _widen_where_rare(totals, effective, df, (0.95,), ends, se)[2], df


def _standard_errors(totals: ClusterTotals, mean: np.ndarray, unevenness: np.ndarray) -> np.ndarray:
    """The jackknife's, raised towards the random-effects model's as clusters are less even."""
    plain = standard_errors(totals.sums, totals.counts)
    model = _random_effects_variance(totals, mean)
    return np.sqrt(plain**2 + unevenness * np.maximum(model - plain**2, 0.0))


def _linearised_errors(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The standard errors by which resamples vary (Cochran 1977, 6.4), (n_samples,)."""
    n_clusters, questions = sums.shape[1], counts.sum(axis=1)
    residuals = sums - (sums.sum(axis=1) / questions)[:, None] * counts
    return np.sqrt(n_clusters / (n_clusters - 1) * (residuals**2).sum(axis=1)) / questions


def _random_effects_variance(totals: ClusterTotals, mean: np.ndarray) -> np.ndarray:
    """The variance of the means by the random-effects model, (n_samples,)."""
    sums, counts = totals.sums, totals.counts
    n_clusters, questions = sums.shape[1], counts.sum(axis=1)
    inside = np.maximum((totals.squares - sums * sums / counts).sum(axis=1), 0.0)
    within = inside / np.maximum(questions - n_clusters, 1.0)
    deviations = (counts * (sums / counts - mean[:, None]) ** 2).sum(axis=1)
    squared = (counts * counts).sum(axis=1)
    usual_size = (questions - squared / questions) / (n_clusters - 1)
    between = np.maximum(deviations / (n_clusters - 1) - within, 0.0) / usual_size
    return (questions * within + squared * between) / questions**2


# --- Rare changes -------------------------------------------------------------------------------


def rare_changes(of_clusters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The usual value of clusters' means (n_samples, n_clusters), and whether at most MOST_RARE of
    them differ from it, both (n_samples,)."""
    # A value that more than half of the clusters have is their median.
    usual = np.median(of_clusters, axis=1)
    changed = (np.abs(of_clusters - usual[:, None]) > TIE).sum(axis=1)
    return usual, (changed <= MOST_RARE) & (changed < of_clusters.shape[1] / 2)


def _widen_where_rare(
    totals: ClusterTotals,
    effective: np.ndarray,
    df: np.ndarray,
    levels: Sequence[float],
    intervals: np.ndarray,
    se: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Widens `intervals` in place; returns which samples are rare, what value their clusters
    usually have, and the standard errors."""
    of_clusters = totals.sums / totals.counts
    usual, rare = rare_changes(of_clusters)
    se = se.copy()
    for i in np.flatnonzero(rare):
        for k, level in enumerate(levels):
            low, high = _exact_ends(totals, i, usual[i], effective[i], (1 - level) / 2)
            intervals[k, 0, i] = low if np.isnan(low) else min(low, intervals[k, 0, i])
            intervals[k, 1, i] = high if np.isnan(high) else max(high, intervals[k, 1, i])
        half = (intervals[0, 1, i] - intervals[0, 0, i]) / 2
        allowed = half / stdtrit(df[i], (1 + levels[0]) / 2)
        se[i] = allowed if np.isnan(allowed) else max(se[i], allowed)
    return rare, usual, se


def _exact_ends(
    totals: ClusterTotals, i: int, usual: float, n_clusters: float, tail: float
) -> tuple[float, float]:
    """How far down and up the mean of sample `i` may lie, with `tail` left out on either side; NaN
    where nothing changed and the scale has no end."""
    row, counts = totals.sums[i] / totals.counts[i], totals.counts[i]
    largest, ends = np.abs(row - usual).max(), []
    for sign, limit in zip((-1, 1), totals.limits[:, i], strict=True):
        moved = sign * (row - usual)
        side = moved > TIE
        reach = moved.max() if side.any() else max(sign * (limit - usual), 0.0)
        if np.isinf(reach):
            # The scale has no end: what was seen on the other side must do.
            if largest <= TIE:
                return np.nan, np.nan
            reach = largest
        share = counts[side].sum() / counts.sum()
        ends.append(float(usual + sign * reach * most_changed(share, n_clusters, tail)))
    return ends[0], ends[1]


def most_changed(share: float, n_clusters: float, tail: float) -> float:
    """The largest share of all clusters that may change where `share` of `n_clusters` did.

    The exact one-sided binomial bound at confidence 1 - `tail` (Clopper and Pearson 1934), for a
    number of clusters that need not be whole: without a change 1 - tail**(1 / n).
    """
    seen = share * n_clusters
    return 1.0 if seen >= n_clusters else float(betaincinv(seen + 1, n_clusters - seen, 1 - tail))
