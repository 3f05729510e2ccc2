"""How well a judge's scores agree with people's, over the answers of which a sample was labelled.

Every answer counts with the inverse of its inclusion probability, so that the figures hold for all
answers and not for the sample, which has more of the rare scores. With weights w, people's scores y
and the judge's x,

- *Spearman*: the weighted Pearson correlation of weighted mid-ranks (half of the weight of ties);
- *Kendall's tau-b*: the sum over pairs of w_i w_j sign(x_i - x_j) sign(y_i - y_j), over the square
  root of the product of the weights of the pairs that differ in x and of those that differ in y;
- *weighted kappa* (Cohen 1968) with quadratic weights, of the judge's scores rounded to whole
  numbers: 1 - sum of w (x - y)² over what it would be, were x and y independent.

With equal weights they are scipy's `spearmanr` and `kendalltau` and scikit-learn's
`cohen_kappa_score`. Intervals are of the BCa bootstrap over clusters (`scipy.stats.bootstrap`):
both answers to a question, and all questions of a group, stay together.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from scipy import stats

STATISTICS = ("spearman", "kendall", "kappa")
N_RESAMPLES = 2_000
# Fewer labelled clusters have no interval: their bootstrap says too little.
MIN_CLUSTERS = 5
_ELEMENTS = 4_000_000  # of the largest array in one batch of resamples

Statistic = Callable[[np.ndarray], np.ndarray]


def agree(
    people: np.ndarray,
    judge: np.ndarray,
    weights: np.ndarray,
    clusters: np.ndarray,
    same_scale: bool = True,
    n_resamples: int = N_RESAMPLES,
) -> dict[str, float]:
    """Each of STATISTICS with `_low` and `_high` of its 95 % interval; NaN where unknown.

    All arrays are (n_answers,), without missing values. `same_scale` False (a reference metric,
    which is not on the scale from 1 to 5) leaves kappa out. A statistic is NaN where people or the
    judge gave one score only; its interval also with fewer than MIN_CLUSTERS clusters, and where
    every resample has the same value (perfect agreement). In simulations with 50 questions of 200,
    the 95 % intervals held the truth in 95 to 99 %.
    """
    numbers = {}
    _, codes = np.unique(clusters, return_inverse=True)
    n_clusters = int(codes.max()) + 1
    for name, statistic in _statistics(people, judge, same_scale).items():
        value = float(statistic(weights[None])[0])
        low = high = np.nan
        if np.isfinite(value) and n_clusters >= MIN_CLUSTERS:
            low, high = _interval(statistic, weights, codes, n_clusters, n_resamples)
        numbers |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return numbers


def _statistics(people: np.ndarray, judge: np.ndarray, same_scale: bool) -> dict[str, Statistic]:
    """Functions of weights (n_resamples, n_answers) that give (n_resamples,)."""
    signs = [np.sign(v[:, None] - v[None, :]) for v in (people, judge)]
    concordance = signs[0] * signs[1]
    differs = [np.abs(sign) for sign in signs]
    # Weight of the answers below, half of those that tie: the mid-rank up to a constant.
    at_or_below = [(sign + 1) / 2 for sign in signs]
    rounded = np.clip(np.round(judge), 1, 5)
    spread = np.ptp(people) > 0 and np.ptp(rounded) > 0

    def spearman(weights: np.ndarray) -> np.ndarray:
        ranks = [weights @ below.T for below in at_or_below]
        total = weights.sum(axis=1, keepdims=True)
        centred = [r - (weights * r).sum(axis=1, keepdims=True) / total for r in ranks]
        cross = (weights * centred[0] * centred[1]).sum(axis=1)
        squares = [(weights * c * c).sum(axis=1) for c in centred]
        return _ratio(cross, np.sqrt(squares[0] * squares[1]))

    def pairs(weights: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        return ((weights @ matrix) * weights).sum(axis=1)

    def kendall(weights: np.ndarray) -> np.ndarray:
        unlike = pairs(weights, differs[0]) * pairs(weights, differs[1])
        return _ratio(pairs(weights, concordance), np.sqrt(unlike))

    def kappa(weights: np.ndarray) -> np.ndarray:
        total = weights.sum(axis=1)
        seen = (weights * (people - rounded) ** 2).sum(axis=1)
        squares = (weights * (people**2 + rounded**2)).sum(axis=1)
        product = (weights * people).sum(axis=1) * (weights * rounded).sum(axis=1)
        by_chance = squares - 2 * product / total
        return 1 - _ratio(seen, by_chance) if spread else np.full(len(weights), np.nan)

    statistics = {"spearman": spearman, "kendall": kendall}
    return statistics | {"kappa": kappa} if same_scale else statistics


def _interval(
    statistic: Statistic, weights: np.ndarray, codes: np.ndarray, n_clusters: int, n_resamples: int
) -> tuple[float, float]:
    def resampled(chosen: np.ndarray, axis: int = -1) -> np.ndarray:
        rows = np.atleast_2d(chosen)
        shifted = rows + n_clusters * np.arange(len(rows))[:, None]
        times = np.bincount(shifted.ravel(), minlength=len(rows) * n_clusters)
        times = times.reshape(len(rows), n_clusters).astype(float)
        # A resample of one score only has no order to agree with.
        values = np.nan_to_num(statistic(times[:, codes] * weights), nan=0.0)
        return values.reshape(chosen.shape[:-1])

    with warnings.catch_warnings():
        # Resamples that are all the same (a judge of one score, perfect agreement): no interval.
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        result = stats.bootstrap(
            (np.arange(n_clusters),),
            resampled,
            n_resamples=n_resamples,
            batch=max(1, _ELEMENTS // len(codes)),
            vectorized=True,
            method="BCa",
            rng=np.random.default_rng([3, n_clusters]),
        )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    defined = bottom > 1e-9
    return np.where(defined, top / np.where(defined, bottom, 1.0), np.nan)
