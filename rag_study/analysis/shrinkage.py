"""Estimates of a family that allow for the largest of them having been picked.

The largest of several estimated changes is on average larger than what is true of it (the winner's
curse). Under a normal model of the true changes the mean of each, given its estimate, does not
depend on which were picked (Efron 2011, "Tweedie's formula and selection bias"). So every estimate
is drawn to the mean of its family, the more the less precise it is (Efron and Morris 1975).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from statsmodels.stats.meta_analysis import combine_effects


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
