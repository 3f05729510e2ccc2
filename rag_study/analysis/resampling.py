"""Intervals, p values and standard errors of means over clustered questions.

A mean is the ratio

    sum over clusters of (sum of the cluster's values) / sum over clusters of (its questions),

so that everything here works on two small arrays, cluster sums and cluster counts, for many
comparisons at once.

**Reproducible to the byte.** Resamples and sign flips are drawn from a seed that depends only on
the number of clusters. Comparisons with equally many clusters therefore share one matrix of
cluster multiplicities (this is what makes thousands of comparisons quick), and no result depends
on the order of the rows or on which other comparisons are in the table. Cluster sums are rounded
to a multiple of 2**-30 before they are multiplied with that matrix: sums of such numbers are exact
in float64, hence equal in whatever order and with however many threads BLAS adds them.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

_GRID = 2.0**30
# Differences below this come from the rounding to the grid, not from the scores.
TOLERANCE = 1e-8
# What differs by less is a tie. Scores of models carry the rounding of float32, which is another on
# every processor (up to 4e-5 of a judge's point was seen); an answer that is graded twice, in
# batches of other length, must not decide which flips are beyond the estimate.
TIE = 1e-4
_BLOCK_ELEMENTS = 4_000_000
# So few random flips beyond the estimate say too little of how rare these are.
_FEW_HITS = 25


def bca_intervals(
    sums: np.ndarray,
    counts: np.ndarray,
    levels: Sequence[float] = (0.95,),
    n_resamples: int = 10_000,
) -> np.ndarray:
    """Bias-corrected and accelerated cluster-bootstrap intervals of means (Efron 1987).

    `sums` and `counts`, both (n_samples, n_clusters), hold each cluster's sum of values and number
    of questions. Clusters are resampled; the acceleration is the jackknife over clusters in closed
    form. Returns (n_levels, 2, n_samples) in the unit of the values. Without spread between
    clusters the interval is [mean, mean]; with a single cluster the spread is unknown: NaN.

    Plain BCa intervals are narrow when clusters are few. Each tail is therefore `expanded`, which
    matters below some 50 clusters. In simulations with normal, skewed and discrete scores, 95 %
    intervals held the truth in 93 to 96 % with 20 to 150 clusters (plain ones in 90 to 94 % with
    20).
    """
    n_samples, n_clusters = sums.shape
    mean = sums.sum(axis=1) / counts.sum(axis=1)
    if n_clusters < 2:
        return np.full((len(levels), 2, n_samples), np.nan)
    sums = _on_grid(sums)
    total, questions = sums.sum(axis=1), counts.sum(axis=1)
    centre = total / questions
    draws = np.sort(_resampled_means(sums, counts, n_resamples), axis=1)
    tolerance = TOLERANCE * np.maximum(1.0, np.abs(centre))
    flat = draws[:, -1] - draws[:, 0] <= tolerance

    # Ties with the estimate count half: with scores of few values they are frequent.
    tie = TIE * np.maximum(1.0, np.abs(centre))
    below = (draws < (centre - tie)[:, None]).sum(axis=1)
    up_to = (draws <= (centre + tie)[:, None]).sum(axis=1)
    edge = 0.5 / n_resamples
    bias = ndtri(np.clip((below + up_to) / (2 * n_resamples), edge, 1 - edge))
    left_out = (total[:, None] - sums) / (questions[:, None] - counts)
    influence = left_out.mean(axis=1, keepdims=True) - left_out
    squares = (influence * influence).sum(axis=1)
    cubes = (influence * influence * influence).sum(axis=1)
    acceleration = np.where(flat, 0.0, cubes / (6 * np.where(flat, 1.0, squares) ** 1.5))

    rows = np.arange(n_samples)
    intervals = np.empty((len(levels), 2, n_samples))
    for i, level in enumerate(levels):
        for j, tail in enumerate(((1 - level) / 2, (1 + level) / 2)):
            shifted = bias + expanded(tail, n_clusters)
            # Far out, with few clusters, the formula has a pole: the end is the extreme resample.
            slowed = np.maximum(1 - acceleration * shifted, 1e-9)
            position = ndtr(bias + shifted / slowed) * (n_resamples - 1)
            left = np.floor(position).astype(int)
            right = np.minimum(left + 1, n_resamples - 1)
            step = draws[rows, right] - draws[rows, left]
            quantile = draws[rows, left] + (position - left) * step
            intervals[i, j] = np.where(flat, mean, mean + (quantile - centre))
    return intervals


def expanded(tail: float, n_clusters: int) -> float:
    """The normal quantile to use instead of that of `tail`, so that few clusters tell the truth.

    Resamples of n clusters vary by (n - 1) / n too little, and normal quantiles take the variance
    for known: sqrt(n / (n - 1)) times the quantile of Student's t with n - 1 degrees of freedom
    (Hesterberg 2015, "What teachers should know about the bootstrap", 4.3).
    """
    return float(np.sqrt(n_clusters / (n_clusters - 1)) * stdtrit(n_clusters - 1, tail))


def sign_flip_p_values(sums: np.ndarray, n_flips: int = 10_000) -> np.ndarray:
    """Two-sided p values of the sign-flip permutation test on cluster sums, shape (n_samples,).

    `sums` (n_samples, n_clusters): sums of paired differences, exchangeable in sign under no
    effect. All 2**n_clusters flips when they are at most 10,000, else `n_flips` random ones with
    (hits + 1) / (n_flips + 1), so that p is never zero (Phipson and Smyth 2010). Where hardly any
    of these is as far out, flips are drawn that are (`_far_out`): a family of many comparisons, and
    the first looks of several, ask for p values that no 10,000 flips can show.
    """
    n_samples, n_clusters = sums.shape
    sums = _on_grid(sums)
    observed = np.abs(sums.sum(axis=1)) - TIE * n_clusters
    exact = 2**n_clusters <= 10_000
    hits, flips = np.zeros(n_samples), 0
    for signs in _all_signs(n_clusters) if exact else _random_signs(n_clusters, n_flips):
        hits += (np.abs(sums @ signs.T) >= observed[:, None]).sum(axis=1)
        flips += len(signs)
    if exact:
        return hits / flips
    p = (hits + 1) / (flips + 1)
    for i in np.flatnonzero(hits < _FEW_HITS):
        p[i] = _far_out(sums[i], observed[i], n_flips)
    return p


def _far_out(sums: np.ndarray, observed: float, n_flips: int) -> float:
    """The p value of a mean that few flips reach, by importance sampling (Siegmund 1976).

    Signs are drawn with such chances that the flipped sum is `observed` on average, and weighed by
    how much less often they come up without.
    """
    sizes = np.abs(sums)
    moving, low, high = sizes[sizes > TIE], 0.0, 1.0
    least = 2.0 ** (1 - len(moving))  # all of one sign
    if observed > moving.sum() - 2 * moving.min():
        return least
    while (moving * np.tanh(high * moving)).sum() < observed and high < 1e6:
        high *= 2
    for _ in range(60):
        tilt = (low + high) / 2
        short = (moving * np.tanh(tilt * moving)).sum() < observed
        low, high = (tilt, high) if short else (low, tilt)
    rng = np.random.default_rng([3, len(moving)])
    # log cosh, where cosh itself would be too large.
    usual = (tilt * moving + np.log1p(np.exp(-2 * tilt * moving)) - np.log(2)).sum()
    weighed = 0.0
    for start, stop in _row_blocks(n_flips, len(moving)):
        up = rng.random((stop - start, len(moving))) < 1 / (1 + np.exp(-2 * tilt * moving))
        flipped = (2.0 * up - 1.0) @ moving
        weighed += np.exp(usual - tilt * flipped[flipped >= observed]).sum()
    return float(max(2 * weighed / n_flips, least))


def standard_errors(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Cluster-robust standard errors of means, shape (n_samples,); NaN for a single cluster.

    The jackknife over clusters (also called CR3, Bell and McCaffrey 2002): with C clusters, the
    means without one of them differ from the mean by the residual sum of that cluster over the
    questions of the others, and the variance is (C - 1) / C times the sum of their squares. With
    clusters of equal size it is the linearised ratio estimator (Cochran 1977, 6.4).
    """
    n_clusters, questions = sums.shape[1], counts.sum(axis=1)
    if n_clusters < 2:
        return np.full(len(sums), np.nan)
    residuals = sums - (sums.sum(axis=1) / questions)[:, None] * counts
    moved = residuals / (questions[:, None] - counts)
    errors = np.sqrt((n_clusters - 1) / n_clusters * (moved * moved).sum(axis=1))
    return np.where(errors < TOLERANCE, 0.0, errors)


def _on_grid(sums: np.ndarray) -> np.ndarray:
    return np.round(sums * _GRID) / _GRID


def _row_blocks(n_rows: int, n_columns: int) -> Iterator[tuple[int, int]]:
    step = max(1, _BLOCK_ELEMENTS // n_columns)
    for start in range(0, n_rows, step):
        yield start, min(start + step, n_rows)


def _resampled_means(sums: np.ndarray, counts: np.ndarray, n_resamples: int) -> np.ndarray:
    """Means of resampled clusters, (n_samples, n_resamples)."""
    n_samples, n_clusters = sums.shape
    rng = np.random.default_rng([1, n_clusters])
    draws = np.empty((n_samples, n_resamples))
    same_counts = bool((counts == counts[0]).all())
    for start, stop in _row_blocks(n_resamples, n_clusters):
        rows = stop - start
        chosen = rng.integers(0, n_clusters, size=(rows, n_clusters))
        chosen += n_clusters * np.arange(rows)[:, None]
        multiplicity = np.bincount(chosen.ravel(), minlength=rows * n_clusters)
        multiplicity = multiplicity.reshape(rows, n_clusters).astype(float)
        questions = (counts[:1] if same_counts else counts) @ multiplicity.T
        draws[:, start:stop] = (sums @ multiplicity.T) / questions
    return draws


def _all_signs(n_clusters: int) -> Iterator[np.ndarray]:
    bits = np.arange(2**n_clusters)[:, None] >> np.arange(n_clusters)
    yield 1.0 - 2.0 * (bits & 1)


def _random_signs(n_clusters: int, n_flips: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng([2, n_clusters])
    for start, stop in _row_blocks(n_flips, n_clusters):
        yield 1.0 - 2.0 * rng.integers(0, 2, size=(stop - start, n_clusters), dtype=np.int8)
