"""What more labels would bring, where it can be tried."""

import numpy as np
import pandas as pd
import pytest

from rag_study.analysis.people import half_width, label_plan, labels_for
from rag_study.labelling.prediction_powered import estimate

N = 240


def study(rng):
    """What people say of all answers, and what a judge says of them."""
    truth = rng.choice([-4.0, 0.0, 4.0], N, p=[0.25, 0.6, 0.15])
    return truth, 0.6 * truth + rng.normal(0.5, 1.0, N)


def labelled(truth, scores, n, rng):
    labels = np.full(N, np.nan)
    drawn = rng.choice(N, n, replace=False)
    labels[drawn] = truth[drawn]
    made = estimate(labels, scores, np.zeros(N, dtype=int), np.arange(N), (-4.0, 4.0))
    return {
        "n_labelled": n,
        "n_questions": N,
        "se": made.se,
        "se_all": made.se_all,
        "df": made.df,
        "width": (made.high - made.low) / 2,
    }


@pytest.mark.parametrize("n_more", [80, 160, N])
def test_the_width_that_is_promised_is_the_width_that_comes(n_more):
    rng = np.random.default_rng(1)
    promised, came = [], []
    for _ in range(60):
        truth, scores = study(rng)
        row = labelled(truth, scores, 40, rng)
        assert half_width(row, 40) == pytest.approx(row["width"])
        promised.append(half_width(row, n_more))
        came.append(labelled(truth, scores, n_more, rng)["width"])
    assert np.mean(promised) == pytest.approx(np.mean(came), rel=0.08)
    assert np.mean(came) < 0.85 * np.mean([half_width(row, 40)])


def test_the_number_of_labels_for_a_width():
    rng = np.random.default_rng(2)
    row = labelled(*study(rng), 40, rng)
    wanted = 0.75 * row["width"]
    n = labels_for(row, wanted)
    assert half_width(row, n) <= wanted < half_width(row, n - 1)
    assert labels_for(row, row["width"]) == 40
    assert labels_for(row, 0.01) is None


def test_the_plan_in_words():
    rng = np.random.default_rng(3)
    row = labelled(*study(rng), 30, rng)
    assert label_plan(row).startswith("labels for ")
    assert f"from ±{row['width']:.2f} to ±" in label_plan(row)
    # Where all labels together bring little, more questions are what it takes.
    almost = row | {"se_all": 0.98 * row["se"]}
    assert "for less it takes more questions" in label_plan(almost)
    assert label_plan(row | {"n_labelled": N}) == ""
    assert label_plan(row | {"se": np.nan}) == ""


def test_labels_that_are_all_the_same_have_the_interval_of_what_may_be_hidden():
    same = np.full(60, np.nan)
    same[:30] = 4.0
    ones = (np.zeros(60, dtype=int), np.arange(60))
    unbounded = estimate(same, None, *ones)
    bounded = estimate(same, None, *ones, (1.0, 5.0))
    assert np.isnan(unbounded.se)
    assert bounded.mean == 4.0
    # One group in 30 that says 1 would be seen with 95 %: 1 - .025 ** (1 / 30) of them may hide.
    assert bounded.high - 4.0 == pytest.approx(3 * (1 - 0.025 ** (1 / 30)))
    assert pd.notna(bounded.se)
