"""Means of human scores, from a sample of labels and a judge's scores of every answer.

Prediction-powered inference (Angelopoulos et al. 2023, Science 382, "Prediction-powered inference")
for questions that were drawn by stratum without replacement. Of N questions, N_h of them in stratum
h, people labelled n_h. With the judge's score f of all N and the human score Y of those labelled,

    mean = (1 / N) * sum over all questions i of (lambda * f_i + m_h(i)),
    m_h  = mean over the labelled questions of stratum h of (Y - lambda * f).

The first part is the judge's mean, the second removes the judge's error, however large that is. It
is `ppi_py.ppi_mean_pointestimate` with the weights N_h / n_h, the inverse inclusion probabilities;
with lambda = 0 it is the stratified mean of the labels alone.

*Lambda* is the value with the least estimated variance (power tuning: Angelopoulos, Duchi and
Zrnic 2023, "PPI++"), so that a judge that knows nothing has no weight. It may exceed 1, unlike in
PPI++, because judges' scores often lie closer together than people's, and reference metrics have a
scale of their own; below 0 it is set to 0.

*The variance* is that of the mean's influence values, summed by cluster
(`resampling.standard_errors`),

    z_i = lambda * f_i + m_h + (labelled: N_h / n_h * c_h * (Y_i - lambda * f_i - m_h)),

whose mean is the estimate, with c_h = sqrt(n_h / (n_h - 1)). It is the variance of two-phase
sampling (Särndal, Swensson and Wretman 1992, chapter 9): the questions are a sample themselves, by
cluster, and the labelled ones are a stratified sample of them. `ppi_py.ppi_mean_ci` cannot be used:
it takes labelled and unlabelled questions for two independent samples without clusters or strata.
The interval is a t interval with as many degrees of freedom as the labelled clusters are worth in
clusters of equal size (`cluster_means.effective_clusters`), less the strata (and one for lambda).

A paired difference is the same estimate, of the differences of labels and of scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from rag_study.analysis.cluster_means import effective_clusters, most_changed
from rag_study.analysis.resampling import TOLERANCE, standard_errors

# A stratum's spread is known from this many labels on.
MIN_PER_STRATUM = 2


@dataclass(frozen=True)
class Estimate:
    """A mean in the unit of the labels, with its standard error and 95 % interval.

    `tuning` is lambda, the weight of the judge's scores. `se`, `low` and `high` are NaN where the
    spread is not known: labelled clusters are too few, or all labels are the same and their limits
    are not given. `df` are the
    degrees of freedom of `se`; `se_all` is the standard error that labels of all questions would
    leave. `n_effective` is how many clusters of equal size the labelled ones are worth.
    """

    mean: float
    se: float
    low: float
    high: float
    tuning: float
    df: float
    se_all: float
    n_effective: float


def estimate(
    labels: np.ndarray,
    scores: np.ndarray | None,
    strata: np.ndarray,
    clusters: np.ndarray,
    limits: tuple[float, float] | None = None,
) -> Estimate:
    """The mean over all N questions of what people say.

    All arrays are (N,): `labels` are NaN where nobody was asked, `scores` are a judge's, all known
    (None: labels alone), `strata` are whole numbers in the order of the scores, `clusters` are
    codes of any kind. Within a stratum the labelled questions must be as good as drawn at random.
    Strata of fewer than MIN_PER_STRATUM labels are joined with a neighbour. `limits` are the ends
    of what a label can be: with them labels that are all the same have an interval as well, as wide
    as what so many groups may have hidden (`cluster_means.most_changed`).

    Raises ValueError without any label, and for scores that are not all known.
    """
    labelled = ~np.isnan(labels)
    if not labelled.any():
        raise ValueError("no question is labelled")
    if scores is not None and np.isnan(scores).any():
        raise ValueError("a question has no score")
    strata = collapse(strata, labelled)
    tuning, used = 0.0, np.zeros(len(labels))
    if scores is not None:
        # The influence values are linear in lambda. Unscaled, what the scores add to them is zero
        # where everything is labelled.
        added = scores - _influence(scores, labelled, strata, scaled=False)
        tuning = _tuning(_influence(labels, labelled, strata, scaled=False), added, clusters)
        used = tuning * scores
    values = used + _influence(labels - used, labelled, strata)
    mean, se = float(values.mean()), np.nan
    sizes = np.unique(clusters[labelled], return_counts=True)[1]
    n_effective = effective_clusters(sizes)
    df = n_effective - len(np.unique(strata)) - (tuning > 0)
    if df >= 1 and np.ptp(labels[labelled]) > TOLERANCE:
        se = float(standard_errors(*_by_cluster(values, clusters))[0])
    half = float(stdtrit(max(df, 1), 0.975)) * se
    if limits is not None and len(sizes) > 1 and np.ptp(labels[labelled]) <= TOLERANCE:
        hidden = most_changed(0.0, n_effective, 0.025)
        reach = max(mean - limits[0], limits[1] - mean)
        half = hidden * reach
        se = half / float(stdtrit(max(df, 1), 0.975))
    se_all = _se_of_all(labels, strata)
    ends = mean - half, mean + half
    return Estimate(mean, se, *ends, tuning, float(max(df, 1)), se_all, float(n_effective))


def _se_of_all(labels: np.ndarray, strata: np.ndarray) -> float:
    """Standard error of the mean if all N questions were labelled: the spread of the labels,
    weighted with their inverse inclusion probabilities, over the root of N. Groups of questions are
    left out of it, so that it is the least that can be hoped for."""
    labelled = ~np.isnan(labels)
    drawn = np.bincount(strata[labelled], minlength=strata.max() + 1)
    weights = (np.bincount(strata) / np.maximum(drawn, 1))[strata[labelled]]
    values = labels[labelled]
    mean = np.average(values, weights=weights)
    return float(np.sqrt(np.average((values - mean) ** 2, weights=weights) / len(labels)))


def collapse(strata: np.ndarray, counted: np.ndarray, least: int = MIN_PER_STRATUM) -> np.ndarray:
    """Strata (N,) that each hold at least `least` of the questions `counted` (N,), numbered from 0.

    Smaller ones are joined with the next higher (Cochran 1977, 5A.12), the highest with the next
    lower.
    """
    joined, label, count = {}, 0, 0
    for code in np.unique(strata):
        joined[code] = label
        count += int(counted[strata == code].sum())
        if count >= least:
            label, count = label + 1, 0
    last = max(label - 1, 0)
    return np.array([min(joined[code], last) for code in strata])


def _influence(
    values: np.ndarray, labelled: np.ndarray, strata: np.ndarray, scaled: bool = True
) -> np.ndarray:
    """Influence values (N,) of the stratified mean of `values`, known where labelled."""
    result = np.empty(len(values))
    for stratum in np.unique(strata):
        inside = strata == stratum
        drawn = inside & labelled
        n, mean = drawn.sum(), values[drawn].mean()
        result[inside] = mean
        scale = np.sqrt(n / (n - 1)) if scaled and n > 1 else 1.0
        result[drawn] += inside.sum() / n * scale * (values[drawn] - mean)
    return result


def _tuning(values: np.ndarray, added: np.ndarray, clusters: np.ndarray) -> float:
    """The lambda >= 0 with the least cluster-robust variance of values + lambda * added."""
    centred = [
        sums[0] - parts.mean() * counts[0]
        for parts in (values, added)
        for sums, counts in [_by_cluster(parts, clusters)]
    ]
    power = float(centred[1] @ centred[1])
    return max(0.0, -float(centred[0] @ centred[1]) / power) if power > TOLERANCE else 0.0


def _by_cluster(values: np.ndarray, clusters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums and counts by cluster, each (1, n_clusters)."""
    _, codes = np.unique(clusters, return_inverse=True)
    return np.bincount(codes, weights=values)[None], np.bincount(codes)[None].astype(float)
