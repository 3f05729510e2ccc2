"""Estimates of a family that allow for the largest of them having been picked.

The largest of several estimated changes is on average larger than what is true of it (the winner's
curse). Under a normal model of the true changes the mean of each, given its estimate, does not
depend on which were picked (Efron 2011, "Tweedie's formula and selection bias"). So every estimate
is drawn to the mean of its family, the more the less precise it is (Efron and Morris 1975).

The same holds of the parts of one estimate, such as the effects on kinds of questions: there with
intervals (`drawn_together`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri, stdtrit
from statsmodels.stats.meta_analysis import combine_effects

_GRID, _TAILS = 200, (0.025, 0.975)


def shrunken(rows: pd.DataFrame) -> pd.Series:
    """The differences drawn to their common mean, in the unit of each; NaN for a single one.

    `rows` are the family, with difference, se and margin. Metrics have different scales, so all is
    done in margins: with the spread between true changes (Paule and Mandel 1982) t² and the mean m
    of the random-effects model, d becomes m + t² / (t² + se²) * (d - m). Without any sign that true
    changes differ all become m. Errors of comparisons on the same questions go together, which the
    model does not know; it says how far a picked estimate is to be trusted, not what is true.
    """
    found = pd.Series(np.nan, rows.index)
    usable = rows[(rows["se"] > 0) & (rows["margin"] > 0)]
    if len(usable) < 2:
        return found
    changes = (usable["difference"] / usable["margin"]).to_numpy()
    variances = ((usable["se"] / usable["margin"]) ** 2).to_numpy()
    with np.errstate(divide="ignore"):  # of a share that is not used, where all are equal
        pooled = combine_effects(changes, variances, method_re="iterated")
    spread = max(float(pooled.tau2), 0.0)
    drawn = pooled.mean_effect_re + spread / (spread + variances) * (
        changes - pooled.mean_effect_re
    )
    found[usable.index] = drawn * usable["margin"]
    return found


@dataclass(frozen=True)
class Drawn:
    """Estimates drawn together, with the ends of their 95 % intervals, (n,) each."""

    means: np.ndarray
    low: np.ndarray
    high: np.ndarray


def drawn_together(
    estimates: np.ndarray, covariance: np.ndarray, df: np.ndarray | float = np.inf
) -> Drawn:
    """Estimates (n,) of true values that are alike more or less, drawn to their common mean.

    The model: true values are normal around a mean that is not known, with a spread t that is not
    known either; estimates are normal around them with `covariance` (n, n). The mean has a flat
    prior, t² that of Daniels (1999, Canadian Journal of Statistics 27): the share v / (v + t²) by
    which an estimate is drawn is as likely to be anything between 0 and 1, with v the largest of
    the variances (with their harmonic mean, intervals of the least precise of two estimates held
    the truth in 71 % where these were far apart). Unlike `shrunken`, which takes the estimated t
    for the true one, intervals are over all t that fit, and so say how little a few estimates tell
    about it.

    `df`, (n,) or one number, are the degrees of freedom of the standard errors, which are taken to
    be as much larger as the quantile of Student's t is than the normal one. A single estimate is
    left as it is.
    """
    wider = stdtrit(np.broadcast_to(df, estimates.shape), 0.975) / ndtri(0.975)
    covariance = covariance * np.outer(wider, wider)
    if len(estimates) < 2:
        half = ndtri(0.975) * np.sqrt(np.diag(covariance))
        return Drawn(estimates.copy(), estimates - half, estimates + half)
    largest = np.diag(covariance).max()
    shares = (np.arange(_GRID) + 0.5) / _GRID
    spreads = largest * (1 - shares) / shares
    inverse = np.linalg.inv(covariance + spreads[:, None, None] * np.eye(len(estimates)))
    precision = inverse.sum(axis=(1, 2))
    mean = (inverse @ estimates).sum(axis=1) / precision
    apart = estimates - mean[:, None]
    weighed = np.einsum("gij,gj->gi", inverse, apart)
    likely = np.linalg.slogdet(inverse)[1] - np.log(precision) - (apart * weighed).sum(axis=1)
    weights = np.exp((likely - likely.max()) / 2)
    weights /= weights.sum()
    # Of each t: the true value given the mean, and what not knowing the mean adds.
    centres = mean[:, None] + spreads[:, None] * weighed
    follows = 1 - spreads[:, None] * inverse.sum(axis=2)
    own = spreads[:, None] - spreads[:, None] ** 2 * np.diagonal(inverse, axis1=1, axis2=2)
    scales = np.sqrt(np.maximum(own, 0.0) + follows**2 / precision[:, None])
    return Drawn(weights @ centres, *(_quantile(weights, centres, scales, q) for q in _TAILS))


def _quantile(
    weights: np.ndarray, centres: np.ndarray, scales: np.ndarray, tail: float
) -> np.ndarray:
    """Quantiles (n,) of mixtures of normal distributions, (n_parts, n), by bisection."""
    low, high = (centres - 10 * scales).min(axis=0), (centres + 10 * scales).max(axis=0)
    for _ in range(60):
        middle = (low + high) / 2
        below = weights @ ndtr((middle - centres) / scales) < tail
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2
