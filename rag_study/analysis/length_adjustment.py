"""Style against substance: how much of an effect goes with the length of the answers.

Fine-tuned models answer as briefly or as fully as what they were trained on, and metrics that
compare an answer with a reference move with its length. The adjustment here is **descriptive**: the
length is a result of the training too, so that an adjusted effect is not what training would have
done without changing the length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy.special import stdtrit

from rag_study.analysis.cluster_means import degrees_of_freedom, effective_clusters, rare_changes
from rag_study.analysis.effects import difference_samples
from rag_study.analysis.estimates import KEY_COLUMNS, Sample, pool, tabulate
from rag_study.analysis.pairing import DEFAULT, Scores, read
from rag_study.analysis.planning import are_enough
from rag_study.analysis.resampling import TOLERANCE
from rag_study.analysis.seeds import with_spread_of_seeds
from rag_study.evaluation.metrics import METRICS, Metrics

LENGTH = "answer_length"
STYLE_COLUMNS = (
    KEY_COLUMNS
    + (
        "n_questions n_clusters n_seeds difference length_difference adjusted ci_low ci_high "
        "per_word per_word_low per_word_high by_length share_by_length extrapolated"
    ).split()
)


def length_adjusted(
    results: pd.DataFrame, comparisons: pd.DataFrame, metrics: Metrics = METRICS
) -> pd.DataFrame:
    """Effects at equal answer length, and what of each effect goes with the length.

    For every comparison of a trained run with its default base and every metric of the answers but
    the length itself: least squares of the paired differences on the paired differences in length
    (words), errors robust to clusters (statsmodels). `adjusted` is the intercept, the difference of
    answers of equal length, with its 95 % interval; `per_word` the slope; `by_length` =
    `difference` - `adjusted` is what the change of length accounts for, and `share_by_length` its
    share of the difference: below 0 where length worked against it, above 1 where the adjusted
    effect has the other sign, NaN where the interval of the difference in `comparisons` holds 0 (a
    share of what may be nothing). `extrapolated`: all answers became shorter, or all longer, so
    that no answers of equal length were seen. Rows of several seeds are fitted to all of them; the
    spread of the seeds' own fits is in their intervals (see `seeds`). With fewer than 20 effective
    clusters, or where lengths or differences are alike in all clusters but a few (MOST_RARE, whose
    points any line fits), the adjusted numbers are NaN.
    Returns STYLE_COLUMNS.
    """
    scores = read(results, metrics)
    runs, samples = pool(scores.runs, _with_lengths(scores))
    numbers = pd.DataFrame([_regression(sample) for sample in samples])
    if samples:
        numbers = _with_intervals(numbers, samples)
    table = tabulate(runs, samples, numbers, STYLE_COLUMNS)
    if table.empty:
        return table.astype({"extrapolated": bool})
    keys = [*KEY_COLUMNS]
    usual = comparisons.loc[comparisons["baseline"] == DEFAULT, [*keys, "ci_low", "ci_high"]]
    ends = table[keys].merge(usual, "left", keys, validate="one_to_one")
    certain = (ends["ci_low"] > 0) | (ends["ci_high"] < 0)
    table["share_by_length"] = (table["by_length"] / table["difference"]).where(certain.to_numpy())
    return table


def _with_lengths(scores: Scores) -> list[Sample]:
    """The differences of trained runs, each with the differences in length of its questions."""
    samples = [
        sample
        for sample in difference_samples(scores).samples
        if sample.extra["baseline"] == DEFAULT and scores.runs.loc[sample.run, "train_size"] > 0
    ]
    lengths = {(s.run, s.context): s for s in samples if s.metric == LENGTH}
    with_length = []
    for sample in samples:
        length = lengths.get((sample.run, sample.context))
        if length is None or sample.metric == LENGTH or scores.metrics[sample.metric].retention:
            continue
        answered, at, at_length = np.intersect1d(
            sample.questions, length.questions, assume_unique=True, return_indices=True
        )
        if len(answered):
            measured = (answered, sample.values[at], sample.clusters[at])
            beside = {"length": length.values[at_length]}
            with_length.append(
                Sample(sample.run, sample.context, sample.metric, sample.judge, *measured, beside)
            )
    return with_length


def _regression(sample: Sample) -> dict[str, Any]:
    """The numbers of one row, those of several seeds without the spread between them."""
    values, length = sample.values, sample.beside["length"]
    sizes = np.unique(sample.clusters, return_counts=True)[1]
    effective = float(effective_clusters(sizes))
    numbers = {
        "n_questions": len(np.unique(sample.questions)),
        "n_clusters": len(sizes),
        "n_seeds": len(sample.parts) or 1,
        "difference": values.mean(),
        "length_difference": length.mean(),
        "extrapolated": bool(length.min() > 0 or length.max() < 0),
        "df": float(degrees_of_freedom(np.array(effective))),
    }
    if not are_enough(effective) or _hardly_changed(sample):
        return numbers
    (adjusted, slope), (error, slope_error) = _line(sample)
    by_seed = np.array([_line(part)[0] for part in sample.parts]) if sample.parts else None
    spread = by_seed.std(axis=0, ddof=1) if sample.parts else (np.nan, np.nan)
    numbers |= {"adjusted": adjusted, "by_length": values.mean() - adjusted, "se": error}
    numbers |= {"seed_sd": spread[0], "per_word": slope}
    return numbers | {"se_per_word": slope_error, "seed_sd_per_word": spread[1]}


def _hardly_changed(sample: Sample) -> bool:
    """Whether the lengths or the differences of nearly all clusters changed alike."""
    clusters = np.unique(sample.clusters, return_inverse=True)[1]
    both = np.stack([sample.values, sample.beside["length"]])
    means = [np.bincount(clusters, weights=row) / np.bincount(clusters) for row in both]
    return bool(rare_changes(np.stack(means))[1].any())


def _line(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Intercept and slope of the differences over the lengths, and their cluster-robust standard
    errors; NaN where all lengths or all differences changed alike."""
    values, length = sample.values, sample.beside["length"]
    if np.ptp(length) <= TOLERANCE or np.ptp(values) <= TOLERANCE:
        return np.full(2, np.nan), np.full(2, np.nan)
    clusters = np.unique(sample.clusters, return_inverse=True)[1]
    fit = sm.OLS(values, sm.add_constant(length)).fit(
        cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True
    )
    return fit.params, fit.bse


def _with_intervals(numbers: pd.DataFrame, samples: Sequence[Sample]) -> pd.DataFrame:
    """The numbers with t intervals of `adjusted` and `per_word`, which hold the seeds' spread."""
    numbers = numbers.copy()
    names = {"adjusted": ("se", "seed_sd", "ci_low", "ci_high")}
    names["per_word"] = ("se_per_word", "seed_sd_per_word", "per_word_low", "per_word_high")
    for value, (error, spread, low, high) in names.items():
        part = numbers.reindex(columns=[value, error, spread, "df", "n_seeds"])
        part.columns = ["mean", "se", "seed_sd", "df", "n_seeds"]
        half = stdtrit(part["df"], 0.975) * part["se"]
        part = part.assign(ci_low=part["mean"] - half, ci_high=part["mean"] + half)
        part = with_spread_of_seeds(part, [s.spread_of for s in samples])
        numbers[low], numbers[high] = part["ci_low"], part["ci_high"]
    return numbers
