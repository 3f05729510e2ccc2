"""How many questions a comparison takes, and what a study of a given size detects.

Both numbers of a comparison depend on the spread of its differences and not on the difference that
was estimated. A pilot's estimate would throw them about: whether a true zero is taken for zero or
for nearly the margin makes a factor of a hundred, in questions that nobody can know in advance.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

from rag_study.analysis.resampling import TOLERANCE
from rag_study.common.wording import counted

if TYPE_CHECKING:
    import pandas as pd

# A verdict needs so many independent groups, of equal size or worth as many of equal size.
MIN_CLUSTERS = 20
ALPHA = 0.05
POWER = 0.80
MAX_NEEDED = 100_000
MANY = 1e9  # degrees of freedom of a normal distribution


def are_enough(n_effective: pd.Series | float) -> pd.Series | bool:
    """Whether independent groups that are worth so many of equal size can carry a verdict."""
    return n_effective >= MIN_CLUSTERS - TOLERANCE


def shortage(n_clusters: int, n_effective: float) -> str:
    """Why so many groups of test questions, worth `n_effective` of equal size, carry no verdict;
    '' where they are enough."""
    if are_enough(n_effective):
        return ""
    groups = counted(n_clusters, "independent group")
    worth = f" of uneven size, worth {math.floor(n_effective)} equal ones,"
    uneven = math.floor(n_effective + TOLERANCE) < n_clusters
    are = "is" if n_clusters == 1 else "are"
    few = f"{groups} of test questions{worth if uneven else ''} {are} too few"
    return f"{few}: a verdict needs at least {MIN_CLUSTERS}"


def detectable(se: pd.Series | float, df: pd.Series | float) -> pd.Series | float:
    """The true difference that 80 % of studies with this standard error detect at .05, two-sided.

    (t(.975) + t(.80)) * se with `df` degrees of freedom: the usual approximation to the power of
    the t test (Bloom 1995, "Minimum detectable effects"), and of sign flips, which agree with it.
    """
    return (stdtrit(df, 1 - ALPHA / 2) + stdtrit(df, POWER)) * se


def questions_for_no_difference(
    se: float,
    n_questions: int,
    margin: float,
    family_size: int,
    se_seeds: float = 0.0,
    df: float = MANY,
) -> float:
    """Questions with which 80 % of studies show that no difference matters, if there is none.

    `se` is the standard error with `n_questions`, of which `se_seeds` comes from the spread between
    seeds and stays, as its degrees of freedom `df` do; more questions are taken to come in clusters
    of the same kind. Two one-sided tests at the worst case of Holm, alpha / `family_size`, as if
    the standard error were known (Chow, Shao and Wang 2008, 3.2). NaN above MAX_NEEDED or where the
    seeds differ too much.
    """
    precision = stdtrit(df, 1 - ALPHA / family_size) + stdtrit(df, (1 + POWER) / 2)
    return _questions(precision / margin, se, n_questions, se_seeds)


def questions_for_change(
    change: float,
    se: float,
    n_questions: int,
    margin: float,
    family_size: int,
    se_seeds: float = 0.0,
    df: float = MANY,
) -> float:
    """Questions with which 80 % of studies call a true difference of `change` helpful or harmful.

    It must be detected, two-sided at the worst case of Holm, and its estimate must reach the
    margin, which only a change beyond it does. Else as `questions_for_no_difference`.
    """
    room = abs(change) - margin
    if room <= 0:
        return np.nan
    detect = stdtrit(df, 1 - ALPHA / family_size / 2) + stdtrit(df, POWER)
    precision = max(detect / abs(change), stdtrit(df, POWER) / room)
    return _questions(precision, se, n_questions, se_seeds)


def _questions(precision: float, se: float, n_questions: int, se_seeds: float) -> float:
    """Questions at which one over the standard error is `precision`; NaN where there is none."""
    left = precision**-2 - se_seeds**2
    if not left > 0 or not se >= 0:
        return np.nan
    needed = max(1, math.ceil(n_questions * max(se**2 - se_seeds**2, 0.0) / left))
    return float(needed) if needed <= MAX_NEEDED else np.nan


def clusters_without_change(change: float, reach: float, alpha: float = ALPHA) -> int:
    """Number of clusters without any change that rules out a mean change of this size (above 0).

    At confidence 1 - `alpha` up to 1 - alpha**(1/n) of all clusters may change where none of n did
    (Clopper and Pearson 1934), each by `reach` at most.
    """
    return math.ceil(math.log(alpha) / math.log1p(-min(change / reach, 1 - 1e-12)))
