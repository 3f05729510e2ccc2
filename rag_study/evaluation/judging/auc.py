"""ROC-AUC of scores that share questions, with its interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import expit, logit, ndtri
from scipy.stats import rankdata

from rag_study.evaluation.judging.sizes import LEVEL, flawless


def clustered_auc(
    high: Sequence[float],
    low: Sequence[float],
    high_clusters: Sequence[object],
    low_clusters: Sequence[object],
) -> tuple[float, float, float]:
    """(AUC, lower, upper 95 % bound) of scores that should be high against ones that should be low.

    AUC is the share of (high, low) pairs in the right order, ties half (Mann-Whitney). Its variance
    is that of Obuchowski (1997, Biometrics 53, 567-578) for clustered data: answers to one question
    are a cluster, on either side or on both; with one answer to a cluster it is DeLong's (1988).
    The interval is taken on the logit scale. Neither bound is nearer to certainty than the exact
    binomial one for as many questions without a mistake (Clopper and Pearson 1934), which also
    serves where all pairs are in order and the variance is 0: few questions never prove much.
    """
    high, low = np.asarray(high, dtype=float), np.asarray(low, dtype=float)
    n_high, n_low = len(high), len(low)
    ranks = rankdata(np.concatenate([high, low]))
    # Share of the other side that each score beats: its rank among all less that on its own side.
    by_high = (ranks[:n_high] - rankdata(high)) / n_low
    by_low = 1 - (ranks[n_high:] - rankdata(low)) / n_high
    auc = float(by_high.mean())
    names, codes = np.unique(
        np.array([str(c) for c in (*high_clusters, *low_clusters)]), return_inverse=True
    )
    codes_high, codes_low = codes[:n_high], codes[n_high:]
    residual_high = np.bincount(codes_high, by_high - auc, len(names))
    residual_low = np.bincount(codes_low, by_low - auc, len(names))
    clusters_high, clusters_low = len(np.unique(codes_high)), len(np.unique(codes_low))
    n = min(clusters_high, clusters_low)
    certain = flawless(n)
    variance = 0.0
    if n > 1:
        total = len(names)
        variance = (
            clusters_high / (clusters_high - 1) * (residual_high @ residual_high) / n_high**2
            + clusters_low / (clusters_low - 1) * (residual_low @ residual_low) / n_low**2
            + 2 * total / (total - 1) * (residual_high @ residual_low) / (n_high * n_low)
        )
    if auc in (0.0, 1.0):
        bounds = (certain, 1.0) if auc else (0.0, 1 - certain)
    elif n < 2:
        bounds = (0.0, 1.0)
    else:
        width = ndtri((1 + LEVEL) / 2) * np.sqrt(max(variance, 0.0)) / (auc * (1 - auc))
        bounds = (expit(logit(auc) - width), expit(logit(auc) + width))
        bounds = (min(bounds[0], certain), max(bounds[1], 1 - certain))
    return auc, float(min(bounds[0], auc)), float(max(bounds[1], auc))
