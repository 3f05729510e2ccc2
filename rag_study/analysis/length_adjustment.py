"""Style against substance: how much of an effect goes with the length of the answers.

Fine-tuned models answer as briefly or as fully as what they were trained on, and metrics that
compare an answer with a reference move with its length. The adjustment here is **descriptive**: the
length is a result of the training too, so that an adjusted effect is not what training would have
done without changing the length.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import statsmodels.api as sm

from rag_study.analysis.effects import difference_samples
from rag_study.analysis.estimates import KEY_COLUMNS, Sample, pool, tabulate
from rag_study.analysis.pairing import DEFAULT, Scores, read
from rag_study.analysis.resampling import TOLERANCE
from rag_study.analysis.verdicts import MIN_CLUSTERS
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
    effect has the other sign, NaN where the interval of the difference in `comparisons` holds 0
    (a share of what may be nothing). `extrapolated`: all answers became shorter, or all longer,
    so that no answers of equal length were seen. With fewer than 20 clusters, or where all lengths
    changed alike, the adjusted numbers are NaN. Returns STYLE_COLUMNS.
    """
    scores = read(results, metrics)
    runs, samples = pool(scores.runs, _with_lengths(scores))
    numbers = pd.DataFrame([_regression(sample) for sample in samples])
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
        for sample in difference_samples(scores)[0]
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


def _regression(sample: Sample) -> dict[str, float]:
    values, length = sample.values, sample.beside["length"]
    clusters = np.unique(sample.clusters, return_inverse=True)[1]
    n_clusters = int(clusters.max()) + 1
    numbers = {
        "n_questions": len(np.unique(sample.questions)),
        "n_clusters": n_clusters,
        "n_seeds": len(sample.parts) or 1,
        "difference": values.mean(),
        "length_difference": length.mean(),
        "extrapolated": bool(length.min() > 0 or length.max() < 0),
    }
    if n_clusters < MIN_CLUSTERS or np.ptp(length) <= TOLERANCE:
        return numbers
    fit = sm.OLS(values, sm.add_constant(length)).fit(
        cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True
    )
    (low, high), (slope_low, slope_high) = fit.conf_int()
    return numbers | {
        "adjusted": fit.params[0],
        "ci_low": low,
        "ci_high": high,
        "per_word": fit.params[1],
        "per_word_low": slope_low,
        "per_word_high": slope_high,
        "by_length": values.mean() - fit.params[0],
    }
