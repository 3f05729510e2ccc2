"""Is the effect of a recipe the same on every data set? Random effects over the data sets."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import stdtrit
from statsmodels.stats.meta_analysis import combine_effects

from rag_study.analysis.effects import of_recipes
from rag_study.analysis.estimates import KEY_COLUMNS
from rag_study.analysis.pairing import DEFAULT

_KEY = [name for name in KEY_COLUMNS if name != "dataset"]
HETEROGENEITY_COLUMNS = (
    _KEY
    + "datasets n_datasets estimate ci_low ci_high smallest largest q df p_value i2 tau".split()
)


def heterogeneity(comparisons: pd.DataFrame) -> pd.DataFrame:
    """How the effects of one recipe differ between data sets, from a table of `effects.compare`.

    One row per recipe, context, metric and judge with an effect and a standard error on at least
    two data sets; of several seeds their common row counts. `estimate` is the mean of a
    random-effects model (Paule and Mandel 1982) with a Hartung-Knapp interval at 95 %, never
    narrower than the model's own standard error allows (Röver et al. 2015). `q`, `df` and `p_value`
    are Cochran's test that all data sets have the same effect; `i2`, in 0..1, is the share of the
    spread that is not chance (Higgins and Thompson 2002); `tau` is the standard deviation between
    data sets in the metric's unit. With two or three data sets all of them are rough. Retention is
    left out: its items are the same for every data set. Returns HETEROGENEITY_COLUMNS.
    """
    rows = of_recipes(comparisons)
    usual = (rows["baseline"] == DEFAULT) & (rows["method"] != "none")
    usual &= ~rows["context"].isin(["retention", "training"]) & (rows["se"] > 0)
    made = []
    for key, part in rows[usual].groupby(_KEY, sort=True, dropna=False):
        if len(part) < 2:
            continue
        part = part.sort_values("dataset")
        effects = part["difference"].to_numpy()
        with np.errstate(divide="ignore", invalid="ignore"):  # of an i2 that is not used
            pooled = combine_effects(effects, part["se"].to_numpy() ** 2, method_re="iterated")
        # Equal effects have a q of rounding errors, whose sign and share mean nothing.
        q, df = max(float(pooled.q), 0.0), len(part) - 1
        error = np.sqrt(max(pooled.var_eff_w_re, pooled.var_hksj_re))
        half = stdtrit(df, 0.975) * error
        made.append(
            {
                **dict(zip(_KEY, key, strict=True)),
                "datasets": ", ".join(part["dataset"]),
                "n_datasets": len(part),
                "estimate": pooled.mean_effect_re,
                "ci_low": pooled.mean_effect_re - half,
                "ci_high": pooled.mean_effect_re + half,
                "smallest": effects.min(),
                "largest": effects.max(),
                "q": q,
                "df": df,
                "p_value": pooled.test_homogeneity().pvalue,
                "i2": 1 - df / q if q > df else 0.0,
                "tau": np.sqrt(max(pooled.tau2, 0.0)),
            }
        )
    return pd.DataFrame(made, columns=HETEROGENEITY_COLUMNS)
