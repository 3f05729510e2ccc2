"""Boundaries of several looks: published values, and simulated sums, are the oracles."""

import numpy as np
import pytest
from scipy import stats

from rag_study.analysis.spending import (
    adjusted,
    adjusted_two_sided,
    error_of_looking,
    levels,
    times_of,
)


@pytest.mark.parametrize(
    ("times", "published"),
    [
        # Two-sided .05, O'Brien-Fleming-type spending: tables of Lan and DeMets' function (as in
        # Reboussin et al. 2000, and of gsDesign's sfLDOF).
        ((0.25, 0.5, 0.75, 1.0), (4.3326, 2.9631, 2.3590, 2.0141)),
        ((0.2, 0.4, 0.6, 0.8, 1.0), (4.8769, 3.3569, 2.6803, 2.2898, 2.0310)),
        ((0.5, 1.0), (2.9626, 1.9686)),
        ((1.0,), (1.9600,)),
    ],
)
def test_boundaries_are_the_published_ones(times, published):
    found = [stats.norm.isf(level) for level in levels(times, 0.025)]
    assert found == pytest.approx(published, abs=3e-4)


@pytest.mark.parametrize("times", [(0.1, 0.35, 0.9, 1.0), (0.5, 0.55, 1.0)])
def test_uneven_looks_err_as_often_as_said(times):
    rng = np.random.default_rng(3)
    steps = np.diff([0.0, *times])
    sums = (rng.normal(size=(60_000, len(times))) * np.sqrt(steps)).cumsum(axis=1)
    p = stats.norm.sf(sums / np.sqrt(times))
    crossed = (p < levels(times, 0.05)).any(axis=1).mean()
    assert crossed == pytest.approx(0.05, abs=0.003)
    # The p values that allow for the looks are p values: uniform, or larger.
    allowed = np.min([adjusted(p[:, k], times[: k + 1]) for k in range(len(times))], axis=0)
    assert [(allowed < a).mean() for a in (0.01, 0.05, 0.2)] == pytest.approx(
        [0.01, 0.05, 0.2], abs=0.006
    )


def test_at_the_boundary_the_p_value_is_alpha():
    times = (0.3, 0.6, 1.0)
    for k, level in enumerate(levels(times, 0.01)):
        assert adjusted(level, times[: k + 1]) == pytest.approx(0.01, rel=1e-3)
    p = np.array([1e-14, 0.001, 0.049, 0.6, 1.0])
    assert adjusted_two_sided(p, (1.0,)) == pytest.approx(p)
    last = adjusted_two_sided(p, times)
    assert (last >= p).all()
    assert (np.diff(last) >= 0).all()


def test_looking_without_boundaries_errs_as_published():
    # Armitage, McPherson and Rowe 1969, table 2.
    for k, published in {1: 0.05, 2: 0.083, 3: 0.107, 4: 0.126, 5: 0.142, 10: 0.193}.items():
        equal = tuple((i + 1) / k for i in range(k))
        assert error_of_looking(equal) == pytest.approx(published, abs=6e-4)


def test_information_is_the_smaller_share_of_questions_or_groups():
    assert times_of([50, 100, 200], [50, 80, 100]) == (0.25, 0.5, 1.0)
    assert times_of([50, 100, 200], [1, 50, 150]) == (0.007, 0.333, 1.0)
    # A large group fills up: the third look tells no more than the second, and spends nothing.
    times = times_of([50, 100, 150, 200], [40, 60, 50, 120])
    assert times == (0.25, 0.5, 0.5, 1.0)
    found = levels(times, 0.025)
    assert found[2] == 0.0
    assert found[3] == pytest.approx(levels((0.25, 0.5, 1.0), 0.025)[2])
