"""Error that is spent over several looks at growing data (group-sequential tests).

Of the error that a one-sided test at level alpha may make, the share

    2 * (1 - Phi(z(1 - alpha / 2) / sqrt(t)))

has been spent when the fraction t of the information is there: hardly any at first, nearly all at
the end (Lan and DeMets 1983, the spending function like O'Brien and Fleming's). A look's boundary
is the one with which the chance of crossing it, and none before, is what is newly spent. That
chance is integrated look by look (Armitage, McPherson and Rowe 1969): the sum of what is known at
fraction t is normal with variance t, and what is added is independent of it. Where seeds are part
of the spread, looks have more in common than that, and less is spent than said.

Boundaries are given as levels of the p value at that look alone, so that tests with few clusters
keep their own distribution (Jennison and Turnbull 2000, 3.8), and as **p values that allow for the
looks**: the smallest alpha at which the look's p would have crossed (Liu and Anderson 2008). These
are p values like others, and Holm's correction applies to them as it does to others. A two-sided
test is two one-sided ones at half the level.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri, ndtri_exp

Times = tuple[float, ...]
# Overall levels at which boundaries are computed; between them they are interpolated.
_ALPHAS = np.r_[np.geomspace(1e-10, 1e-3, 29)[:-1], np.geomspace(1e-3, 0.5, 46)]
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(160)
_FAR = 9.0  # standard deviations beyond which nothing is left
_LEAST_NEWS = 1e-3  # of all information: a look that adds less has no boundary of its own


def times_of(sizes: Sequence[int], groups: Sequence[float]) -> Times:
    """Fractions of the information of the last look, from the numbers of questions and the groups
    of equal size that they are worth.

    Questions of one group tell as much as one, or as much as so many: which, is not known before
    they are answered. The fraction is the smaller one, of questions or of groups. Looks then have
    at least as much in common as said, and error is saved for what is still to come. More questions
    may be worth fewer groups, where a large one fills up: such a look adds nothing.
    """
    fractions = [np.maximum.accumulate(np.asarray(n, dtype=float)) for n in (sizes, groups)]
    least = np.minimum(*(one / one[-1] for one in fractions))
    return tuple(np.round(least, 3).tolist())


def spent(alpha: np.ndarray | float, time: float) -> np.ndarray | float:
    """What a one-sided test at level `alpha` has spent at an information fraction."""
    return 2 * ndtr(ndtri(np.asarray(alpha) / 2) / np.sqrt(time))


def levels(times: Times, alpha: float) -> list[float]:
    """The level of each look's own p value at which a one-sided test crosses; 0 where it cannot."""
    ats = [_boundaries(times[: k + 1]) for k in range(len(times))]
    return [float(_between(_ALPHAS, at, alpha)) if at.any() else 0.0 for at in ats]


def adjusted(p: np.ndarray, times: Times) -> np.ndarray:
    """One-sided p values of the last of these looks, made to allow for the ones before and after.

    With a single look at all information they are as they were; never below the least of the
    levels that are computed, 1e-10.
    """
    p = np.asarray(p, dtype=float)
    if times == (1.0,):
        return p
    at = _boundaries(times)
    if not at.any():
        return np.ones_like(p)
    found = _between(at, _ALPHAS, np.clip(p, at[0], None))
    return np.where(p > at[-1], 1.0, np.maximum(found, p))


def adjusted_two_sided(p: np.ndarray, times: Times) -> np.ndarray:
    """As `adjusted`, of two-sided p values."""
    return np.minimum(2 * adjusted(np.asarray(p) / 2, times), 1.0)


def error_of_looking(times: Times, alpha: float = 0.05) -> float:
    """How often two-sided tests at `alpha`, one at each look, find a difference where there is
    none."""
    reach = -float(ndtri(alpha / 2))
    nodes, mass, kept = None, None, 1.0
    for before, time in zip((0.0, *times), times, strict=False):
        end = reach * np.sqrt(time)
        at = end * _NODES
        if nodes is None:
            density = _normal(at, time)
        else:
            density = (mass[:, None] * _normal(at - nodes[:, None], time - before)).sum(axis=0)
        nodes, mass = at, density * _WEIGHTS * end
        kept = float(mass.sum())
    return 1 - kept


@lru_cache(maxsize=4096)
def _boundaries(times: Times) -> np.ndarray:
    """The levels of the last look, one for each of `_ALPHAS`, ascending."""
    nodes = mass = None
    before, spent_before = 0.0, np.zeros_like(_ALPHAS)
    ends = np.full_like(_ALPHAS, np.inf)
    for time in times:
        if time - before < _LEAST_NEWS:
            ends = np.full_like(_ALPHAS, np.inf)
            continue
        now = spent(_ALPHAS, time)
        gap = time - before
        if nodes is None:
            ends = -ndtri(now) * np.sqrt(time)
        else:
            ends = _crossed(nodes, mass, gap, np.maximum(now - spent_before, 0.0), time)
        low, high = -_FAR * np.sqrt(time), np.minimum(ends, _FAR * np.sqrt(time))
        half = (high - low) / 2
        at = low + half[:, None] * (_NODES + 1)
        if nodes is None:
            density = _normal(at, time)
        else:
            # One level after the other: all at once would take hundreds of megabytes.
            density = np.stack(
                [m @ _normal(a - n[:, None], gap) for a, n, m in zip(at, nodes, mass, strict=True)]
            )
        nodes, mass = at, density * _WEIGHTS * half[:, None]
        before, spent_before = time, now
    found = ndtr(-ends / np.sqrt(times[-1]))
    return np.maximum.accumulate(found)


def _crossed(
    nodes: np.ndarray, mass: np.ndarray, gap: float, share: np.ndarray, time: float
) -> np.ndarray:
    """The ends that the sum crosses with the probability `share`, for each level, by bisection."""
    low = np.full(len(share), -_FAR * np.sqrt(time))
    high = np.full(len(share), 4 * _FAR * np.sqrt(time))
    for _ in range(60):
        middle = (low + high) / 2
        beyond = (mass * ndtr((nodes - middle[:, None]) / np.sqrt(gap))).sum(axis=1)
        low, high = np.where(beyond > share, middle, low), np.where(beyond > share, high, middle)
    return high


def _normal(values: np.ndarray, variance: float) -> np.ndarray:
    return np.exp(-values * values / (2 * variance)) / np.sqrt(2 * np.pi * variance)


def _between(x: np.ndarray, y: np.ndarray, at: np.ndarray | float) -> np.ndarray:
    """y at `at`, interpolated where normal quantiles are nearly straight lines."""
    least = np.finfo(float).tiny
    logs = [np.log(np.maximum(values, least)) for values in (x, y, np.asarray(at, dtype=float))]
    inner, outer, wanted = (ndtri_exp(np.minimum(values, -1e-12)) for values in logs)
    return np.exp(log_ndtr(np.interp(wanted, inner, outer)))
