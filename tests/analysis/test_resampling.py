"""Intervals and p values against scipy, plain loops and simulations with a known truth."""

import math

import numpy as np
import pytest
from scipy import stats
from study_tables import cluster_sums

from rag_study.analysis.resampling import bca_intervals, sign_flip_p_values, standard_errors


def _expanded(tail, n):
    """Hesterberg 2015, 4.3."""
    return stats.t.ppf(tail, n - 1) * math.sqrt(n / (n - 1))


@pytest.mark.parametrize("kind", ["skewed", "binary"])
def test_interval_agrees_with_scipy_on_data_without_clusters(kind):
    # scipy's intervals are the plain ones: asked for the level whose tails are the expanded ones.
    rng = np.random.default_rng(3)
    values = rng.exponential(size=30) if kind == "skewed" else 1.0 * (rng.random(40) < 0.15)
    ours = bca_intervals(values[None], np.ones((1, len(values))), (0.95, 0.90), 10_000)
    error = values.std(ddof=1) / math.sqrt(len(values))
    for level, interval in zip((0.95, 0.90), ours[:, :, 0], strict=True):
        plain = stats.norm.cdf(_expanded((1 + level) / 2, len(values))) * 2 - 1
        options = {"method": "BCa", "n_resamples": 10_000, "confidence_level": plain}
        oracle = stats.bootstrap((values,), np.mean, rng=rng, **options).confidence_interval
        assert interval == pytest.approx([oracle.low, oracle.high], abs=0.12 * error)
    if kind == "skewed":
        percentile = stats.bootstrap((values,), np.mean, method="percentile", rng=rng)
        assert ours[0, 1, 0] > percentile.confidence_interval.high + 0.2 * error


def test_interval_agrees_with_a_plain_loop_over_clusters():
    rng = np.random.default_rng(4)
    clusters = np.repeat(np.arange(24), rng.integers(1, 9, size=24))
    values = rng.exponential(size=24)[clusters] + rng.normal(size=len(clusters)) * 0.3
    members = [values[clusters == c] for c in range(24)]
    n_resamples = 4000
    draws = np.array(
        [
            np.concatenate([members[c] for c in rng.integers(0, 24, size=24)]).mean()
            for _ in range(n_resamples)
        ]
    )
    left_out = np.array([values[clusters != c].mean() for c in range(24)])
    pulls = left_out.mean() - left_out
    acceleration = (pulls**3).sum() / (6 * (pulls**2).sum() ** 1.5)
    bias = stats.norm.ppf((draws < values.mean()).mean())
    expected = []
    for z in (_expanded(0.025, 24), _expanded(0.975, 24)):
        adjusted = stats.norm.cdf(bias + (bias + z) / (1 - acceleration * (bias + z)))
        expected.append(np.quantile(draws, adjusted))

    sums, counts = cluster_sums(values, clusters)
    ours = bca_intervals(sums, counts, (0.95,), n_resamples)[0, :, 0]
    assert ours == pytest.approx(expected, abs=0.2 * draws.std())
    assert standard_errors(sums, counts)[0] == pytest.approx(draws.std(), rel=0.1)
    as_if_unclustered = values.std(ddof=1) / math.sqrt(len(values))
    assert ours[1] - ours[0] > 1.3 * 2 * 1.96 * as_if_unclustered


def test_standard_error_without_clusters_is_the_ordinary_one():
    values = np.random.default_rng(5).normal(size=57)
    error = standard_errors(values[None], np.ones((1, 57)))[0]
    assert error == pytest.approx(stats.sem(values))


@pytest.mark.parametrize("n", [10, 40])
@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_sign_flip_p_agrees_with_scipy(n, shift):
    rng = np.random.default_rng(n)
    values = rng.normal(size=n).round(1) + shift
    oracle = stats.permutation_test(
        (values,),
        lambda x, axis: x.mean(axis=axis),
        permutation_type="samples",
        n_resamples=2**n if n == 10 else 10_000,
        rng=rng,
        vectorized=True,
    ).pvalue
    ours = sign_flip_p_values(values[None])[0]
    error = math.sqrt(oracle * (1 - oracle) / 10_000)
    assert ours == pytest.approx(oracle, abs=1e-12 if n == 10 else 5 * error + 2e-4)


@pytest.mark.parametrize(("n", "up"), [(60, 60), (30, 28), (40, 33), (100, 90), (10, 10)])
def test_p_values_that_hardly_any_flip_reaches_are_those_of_the_binomial(n, up):
    values = np.r_[np.ones(up), -np.ones(n - up)][None]
    exact = 2 * stats.binom.sf(up - 1, n, 0.5)
    for scale in (0.25, 1.0, 7.0):
        assert sign_flip_p_values(values * scale)[0] == pytest.approx(exact, rel=0.1)


def test_a_change_of_few_clusters_cannot_be_rarer_than_their_signs():
    values = np.r_[np.full(20, 0.5), np.zeros(60)][None]
    assert sign_flip_p_values(values)[0] == pytest.approx(2.0**-19)
    assert sign_flip_p_values(np.zeros((1, 30)))[0] == 1.0


def test_ties_of_sums_that_float_cannot_hold_count_as_ties():
    # |.1 + .2 - .3 ...| and its mirror images are equal on paper only.
    values = np.array([[0.1, 0.2, 0.3, -0.3, 0.7, -0.1]])
    exact = sign_flip_p_values(values * 10)[0]
    assert sign_flip_p_values(values)[0] == exact
    assert sign_flip_p_values(values / 3)[0] == exact


@pytest.mark.parametrize("n", [11, 40])
def test_float32s_rounding_of_scores_makes_no_difference(n):
    # Scores of few values: many flips and resamples are as far out as the estimate, on paper.
    rng = np.random.default_rng(n)
    values = rng.choice([-1.0, -0.5, 0.0, 0.5, 1.0], size=(1, n))
    ones = np.ones((1, n))
    for _ in range(20):
        noisy = values + rng.uniform(-4e-5, 4e-5, size=(1, n))
        assert sign_flip_p_values(noisy) == sign_flip_p_values(values)
        assert bca_intervals(noisy, ones) == pytest.approx(bca_intervals(values, ones), abs=1e-4)


# --- Simulations ------------------------------------------------------------------------------


def _scores(rng, kind, n_sims, n_clusters):
    """(cluster sums, cluster counts, true mean) of many samples of one kind of scores."""
    shape = (n_sims, n_clusters)
    counts = np.ones(shape)
    match kind:
        case "normal":
            return rng.normal(size=shape), counts, 0.0
        case "skewed":
            return rng.exponential(size=shape), counts, 1.0
        case "recall":  # answers that got worse or better, and most that stayed
            return rng.choice([-1.0, 0.0, 1.0], p=[0.2, 0.7, 0.1], size=shape), counts, -0.1
        case "judge":  # a few large drops among small changes
            drops, small = -rng.uniform(1, 3, shape), rng.normal(0, 0.2, shape)
            return np.where(rng.random(shape) < 0.15, drops, small), counts, -0.3
    counts = rng.integers(1, 7, size=shape).astype(float)
    between = rng.exponential(0.5, size=shape) - 0.5
    within = rng.normal(size=shape) / np.sqrt(counts)
    return counts * (0.4 + between + within), counts, 0.4


KINDS = ["normal", "skewed", "recall", "judge", "skewed clusters"]


@pytest.mark.parametrize("kind", KINDS)
def test_intervals_cover_the_truth(kind):
    sums, counts, truth = _scores(np.random.default_rng(6), kind, 1000, 60)
    levels = (0.95, 0.90)
    for level, (low, high) in zip(levels, bca_intervals(sums, counts, levels, 1000), strict=True):
        covered = ((low <= truth) & (truth <= high)).mean()
        assert covered == pytest.approx(level, abs=0.02 + 2 * math.sqrt(level * (1 - level) / 1000))


@pytest.mark.slow
@pytest.mark.parametrize("n_clusters", [20, 25, 40, 60, 150])
@pytest.mark.parametrize("kind", KINDS)
def test_intervals_cover_the_truth_in_93_to_97_percent(kind, n_clusters):
    rng = np.random.default_rng([6, n_clusters])
    sums, counts, truth = _scores(rng, kind, 5000, n_clusters)
    ((low, high),) = bca_intervals(sums, counts, (0.95,), 2000)
    covered = ((low <= truth) & (truth <= high)).mean()
    tolerance = 2 * math.sqrt(0.05 * 0.95 / 5000)
    assert 0.93 - tolerance <= covered <= 0.97 + tolerance


def test_questions_of_a_cluster_are_not_independent():
    sums, counts, truth = _scores(np.random.default_rng(7), "skewed clusters", 500, 60)
    # Taking every question for independent would not do.
    naive = 1.96 * np.sqrt(1.0 / counts.sum(axis=1))
    assert (np.abs(sums.sum(axis=1) / counts.sum(axis=1) - truth) <= naive).mean() < 0.92
