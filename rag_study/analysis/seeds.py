"""The spread between training seeds, in intervals and tests of recipes.

The questions are the same for every seed, so a mean over both has two sources of chance. With k
seeds, whose means spread with standard deviation s, its variance is estimated as

    (standard error over the clusters of questions, seeds joined)² + s² / k

and its t interval is as wide at 95 % as both together: the half-width is the root of the sum of the
squared half-widths of the two (Howe 1974), each with its own degrees of freedom. `df` is that of
the t distribution with this half-width, between those of the two. Satterthwaite's called no effect
one in 6 to 12 % of cases where seeds differed.

**The spread is learnt from all recipes of a metric.** Two or three seeds hardly show theirs, so
each recipe's s² is drawn towards the spread that all recipes have in common, the more the more
alike they are (moderated variances: Smyth 2004, "Linear models and empirical Bayes methods"):

    (d0 * s0² + d * s²) / (d0 + d)   with d0 + d degrees of freedom, d = k - 1,

with s0² and d0 from the mean and the variance of the recipes' log s². Recipes that spread
differently give a small d0, and each then answers for itself. Two things are more careful than the
source. A recipe adds only half of its degrees of freedom to those of another: recipes of one seed
share examples, so that their spreads are no independent news. And a recipe that spreads more than
the others together (F test at .05) keeps its own s² with its own degrees of freedom.

Two seeds neither lend nor borrow: of an odd recipe among them 84 % of intervals held the truth.

**Measured** (`benchmarks/intervals.py`): docs/reading-the-result.md, “How many seeds”.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import digamma, fdtri, polygamma, stdtr, stdtrit

from rag_study.analysis.resampling import TOLERANCE

_MOST_DF = 1e6
_ODD = 0.05  # level of the test that a recipe spreads more than the others
_LEAST_DF = 2  # two seeds say too little of their own spread to tell an odd recipe by it
_SHARED = 0.5  # what a recipe's degrees of freedom are worth to another


def with_spread_of_seeds(frame: pd.DataFrame, spread_of: Sequence[tuple]) -> pd.DataFrame:
    """The rows of several seeds with the spread between seeds in se, df, intervals and p.

    `frame` has mean, se and df (over the questions), n_seeds and seed_sd, ends of intervals
    (ci_low, ci_high; ci90_low, ci90_high) and p_value (against 0, which stays the least); of the
    last two kinds what it has not is not added. Rows of equal `spread_of` share their spread; the
    empty one is about its row alone.
    """
    several = (frame["n_seeds"] > 1).to_numpy()
    if not several.any():
        return frame
    frame = frame.copy()
    rows = frame[several]
    keys = [spread_of[i] or (i,) for i in np.flatnonzero(several)]
    spread, spread_df = moderated(
        rows["seed_sd"].to_numpy(), rows["n_seeds"].to_numpy() - 1.0, keys
    )
    questions, seeds = rows["se"] ** 2, spread**2 / rows["n_seeds"]
    se = np.sqrt(questions + seeds)
    has_spread = se > TOLERANCE
    halves = questions * stdtrit(rows["df"], 0.975) ** 2
    halves += seeds * stdtrit(spread_df, 0.975) ** 2
    wide = np.sqrt(halves / (questions + seeds).where(has_spread))
    df = _df_of(wide, pd.Series(spread_df, rows.index), rows["df"]).fillna(rows["df"])
    frame.loc[several, "se"] = se.where(se.isna() | has_spread, 0.0)
    frame.loc[several, "df"] = df
    for low, high, tail in (("ci_low", "ci_high", 0.975), ("ci90_low", "ci90_high", 0.95)):
        if low in frame:
            half = stdtrit(df, tail) * frame.loc[several, "se"]
            frame.loc[several, low] = rows["mean"] - half
            frame.loc[several, high] = rows["mean"] + half
    if "p_value" in frame:
        p = 2 * stdtr(df, -np.abs(rows["mean"]) / se.where(has_spread))
        known = rows["p_value"].notna()
        frame.loc[several, "p_value"] = np.fmax(p, rows["p_value"]).where(known)
    return frame


def moderated(
    spread: np.ndarray, df: np.ndarray, keys: Sequence[tuple]
) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviations (n,) with `df` (n,), drawn together within equal keys; and their df."""
    spread, df = spread.astype(float).copy(), df.astype(float).copy()
    codes = pd.factorize(pd.Series(list(keys), dtype=object))[0]
    for code in np.unique(codes):
        members = np.flatnonzero((codes == code) & (df >= _LEAST_DF))
        if len(members) < 2:
            continue
        variances, own = spread[members] ** 2, df[members]
        if not np.median(variances) > TOLERANCE**2:
            continue
        prior, prior_df = _prior(variances, own)
        together = np.full(len(own), prior)
        if np.isfinite(prior_df):
            together = (prior_df * prior + own * variances) / (prior_df + own)
        others = own.sum() - own
        of_others = ((own * variances).sum() - own * variances) / others
        alone = variances > fdtri(own, others, 1 - _ODD) * of_others
        spread[members] = np.where(alone, spread[members], np.sqrt(together))
        shared = np.minimum(prior_df + own, own + _SHARED * others)
        df[members] = np.where(alone, own, shared)
    return spread, df


def _prior(variances: np.ndarray, df: np.ndarray) -> tuple[float, float]:
    """The variance that recipes share and the degrees of freedom it is worth (Smyth 2004, 6.2)."""
    floored = np.maximum(variances, 1e-5 * np.median(variances))
    logs = np.log(floored) - digamma(df / 2) + np.log(df / 2)
    excess = logs.var(ddof=1) - polygamma(1, df / 2).mean()
    if excess <= 1 / _MOST_DF:
        return float((df * variances).sum() / df.sum()), np.inf
    # trigamma(d0 / 2) = excess; trigamma falls from infinity to 0.
    half = brentq(lambda x: polygamma(1, x) - excess, 1e-8, 2 * _MOST_DF)
    return float(np.exp(logs.mean() + digamma(half) - np.log(half))), 2 * half


def _df_of(quantile: pd.Series, least: pd.Series, most: pd.Series) -> pd.Series:
    """The degrees of freedom of the t distribution with this 97.5 % quantile, by bisection."""
    low, high = np.minimum(least, most), np.maximum(least, most)
    for _ in range(60):
        middle = np.sqrt(low * high)
        too_wide = stdtrit(middle, 0.975) > quantile
        low, high = middle.where(too_wide, low), high.where(too_wide, middle)
    return high.where(quantile.notna())
