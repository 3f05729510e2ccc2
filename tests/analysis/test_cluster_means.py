"""Means over uneven clusters and of values that hardly change."""

import numpy as np
import pytest
from scipy import stats

from rag_study.analysis.cluster_means import (
    ClusterTotals,
    cluster_means,
    effective_clusters,
    most_changed,
)
from rag_study.analysis.estimates import Sample, estimate
from rag_study.analysis.resampling import bca_intervals, standard_errors


def totals(values, clusters, low=-np.inf, high=np.inf):
    return ClusterTotals.of(np.atleast_2d(values), clusters, low, high)


def test_kish_counts_clusters_by_their_size():
    assert effective_clusters(np.full(30, 4.0)) == pytest.approx(30)
    assert effective_clusters(np.array([60.0, *[1.0] * 40])) == pytest.approx(100**2 / 3640)


def test_even_clusters_keep_their_intervals_and_errors():
    rng = np.random.default_rng(1)
    clusters = np.repeat(np.arange(30), 3)
    data = totals(rng.normal(size=(5, 90)), clusters)
    found = cluster_means(data, (0.95, 0.90), 1000)
    expected = bca_intervals(data.sums, data.counts, (0.95, 0.90), 1000)
    np.testing.assert_array_equal(found.intervals, expected)
    np.testing.assert_array_equal(found.se, standard_errors(data.sums, data.counts))
    np.testing.assert_array_equal(found.df, np.full(5, 29.0))


def test_the_standard_error_is_that_of_leaving_clusters_out():
    rng = np.random.default_rng(2)
    clusters = np.repeat(np.arange(12), rng.integers(1, 9, 12))
    values = rng.normal(size=len(clusters))
    data = totals(values, clusters)
    without = [values[clusters != c].mean() for c in range(12)]
    by_hand = np.sqrt(11 / 12 * ((np.array(without) - values.mean()) ** 2).sum())
    assert standard_errors(data.sums, data.counts)[0] == pytest.approx(by_hand)


@pytest.mark.parametrize("kind", ["normal", "binary"])
@pytest.mark.parametrize("sizes", ["zipf", "one"])
def test_uneven_clusters_with_effects_of_their_own_are_covered(sizes, kind):
    rng = np.random.default_rng(3)
    counts = {"zipf": 70 // np.arange(1, 31), "one": [90, *[2] * 30]}[sizes]
    clusters = np.repeat(np.arange(len(counts)), counts)
    shared = rng.normal(size=(400, len(counts)))[:, clusters]
    values = np.sqrt(0.5) * shared + np.sqrt(0.5) * rng.normal(size=shared.shape)
    truth = 0.0
    if kind == "binary":
        values, truth = (values < stats.norm.ppf(0.2)).astype(float), 0.2
    limits = (0.0, 1.0) if kind == "binary" else (-np.inf, np.inf)
    data = totals(values, clusters, *limits)
    (low, high) = cluster_means(data, (0.95,), 500).intervals[0]
    assert ((low <= truth) & (truth <= high)).mean() >= 0.93
    # What resampling alone would have said.
    low, high = bca_intervals(data.sums, data.counts, (0.95,), 500)[0]
    assert ((low <= truth) & (truth <= high)).mean() < 0.93


@pytest.mark.parametrize("changed", [0, 1, 2])
@pytest.mark.parametrize("n", [20, 60, 200])
def test_rare_changes_have_exact_bounds(n, changed):
    values = np.zeros(n)
    values[:changed] = -1.0
    data = totals(values, np.arange(n), -1.0, 1.0)
    found = cluster_means(data, (0.95, 0.90))
    resampled = bca_intervals(data.sums, data.counts)[0, 0, 0]
    low, high = found.intervals[0][:, 0]
    exact = stats.binomtest(changed, n).proportion_ci(0.95, method="exact").high
    none = stats.binomtest(0, n).proportion_ci(0.95, method="exact").high
    assert low == pytest.approx(min(-exact, resampled))
    assert resampled > -1.3 * exact
    assert high == pytest.approx(none)
    assert found.se[0] * stats.t.ppf(0.975, n - 1) >= (high - low) / 2 - 1e-12
    assert found.intervals[1][0, 0] > low


def test_shares_near_one_do_not_leave_the_scale():
    values = np.ones(50)
    values[0] = 0.0
    (low, high) = cluster_means(totals(values, np.arange(50), 0.0, 1.0)).intervals[0][:, 0]
    assert high == 1.0
    exact = stats.binomtest(49, 50).proportion_ci(0.95, method="exact").low
    assert low == pytest.approx(exact, abs=0.002)
    assert low <= exact


def test_a_scale_without_end_has_no_bound_that_is_made_up():
    same = cluster_means(totals(np.full(40, 2.0), np.arange(40)))
    assert np.isnan(same.intervals).all()
    assert np.isnan(same.se).all()
    values = np.full(40, 2.0)
    values[0] = 7.0
    (low, high) = cluster_means(totals(values, np.arange(40))).intervals[0][:, 0]
    assert low < 2.0 < high


def test_most_changed_is_the_binomial_bound_for_whole_numbers():
    for k, n in ((0, 30), (3, 30), (5, 12)):
        exact = stats.binomtest(k, n).proportion_ci(0.95, method="exact").high
        assert most_changed(k / n, n, 0.025) == pytest.approx(exact)
    assert most_changed(1.0, 4.2, 0.025) == 1.0


@pytest.mark.parametrize("fall", [0.005, 0.02, 0.04])
def test_rare_changes_are_covered(fall):
    values = -(np.random.default_rng(4).random((400, 80)) < fall).astype(float)
    (low, high) = cluster_means(totals(values, np.arange(80), -1.0, 1.0), (0.95,), 500).intervals[0]
    assert (high > low).all()
    assert ((low <= -fall) & (-fall <= high)).mean() >= 0.94


def test_very_uneven_clusters_have_the_p_value_of_their_interval():
    rng = np.random.default_rng(5)
    clusters = np.repeat(np.arange(31), [90, *[2] * 30])
    samples = [
        Sample(0, "", "", "", np.arange(150), shift + rng.normal(size=150), clusters)
        for shift in np.linspace(0.1, 1.5, 20)
    ]
    table = estimate(samples, 500)
    outside = (table["ci_low"] > 0) | (table["ci_high"] < 0)
    assert outside.any()
    assert not outside.all()
    assert ((table["p_value"] < 0.05) <= outside).all()
