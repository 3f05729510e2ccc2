"""Estimates that allow for the largest having been picked."""

import numpy as np
import pandas as pd
import pytest

from rag_study.analysis.shrinkage import shrunken


def rows(differences, se, margin=0.25):
    return pd.DataFrame({"difference": differences, "se": se, "margin": margin})


def test_estimates_are_drawn_together_the_more_the_less_precise_they_are():
    drawn = shrunken(rows([0.9, 0.1, -0.2, 0.15], [0.3, 0.05, 0.05, 0.05]))
    assert 0.1 < drawn[0] < 0.7
    assert drawn[1:].tolist() == pytest.approx([0.1, -0.2, 0.15], abs=0.03)


def test_changes_that_chance_explains_become_their_mean():
    drawn = shrunken(rows([0.01, -0.01, 0.0], 0.5))
    assert drawn.tolist() == pytest.approx([0.0] * 3)


def test_metrics_of_several_scales_are_drawn_together_in_margins():
    judge, recall = rows([0.5, 0.0], 0.2, 0.25), rows([0.06, 0.0], 0.024, 0.03)
    drawn = shrunken(pd.concat([judge, recall], ignore_index=True))
    assert drawn[2] / 0.03 == pytest.approx(drawn[0] / 0.25)


def test_a_single_estimate_stays_as_it_is_not_drawn():
    assert shrunken(rows([0.5], 0.1)).isna().all()
    assert shrunken(rows([0.5, 0.1], [0.1, np.nan])).isna().all()


def test_the_largest_is_no_longer_too_large():
    rng = np.random.default_rng(7)
    plain, drawn = [], []
    for _ in range(300):
        truth = rng.normal(0, 1, 8)
        table = rows(truth + rng.normal(size=8), 1.0, 1.0)
        at = table["difference"].idxmax()
        plain.append(table["difference"][at] - truth[at])
        drawn.append(shrunken(table)[at] - truth[at])
    assert np.mean(plain) > 0.7
    assert abs(np.mean(drawn)) < 0.3
