"""Verdicts by the rules of the design, and the number of questions that settles a comparison."""

import math
import re

import pandas as pd
import pytest
from scipy import stats

from rag_study.analysis.verdicts import add_verdicts, questions_needed


def verdict_row(**values):
    row = {
        **{"metric": "judge_accuracy", "n_questions": 200, "n_clusters": 100, "primary": True},
        **{"difference": 0.0, "ci_low": -0.5, "ci_high": 0.5, "ci90_low": -0.4, "ci90_high": 0.4},
        **{"p_value": 0.5, "se": 0.25, "margin": 0.25, "reason": ""},
        **{"n_seeds": 1, "seed_sd": math.nan, **values},
    }
    (row,) = add_verdicts(pd.DataFrame([row])).to_dict("records")
    return row


def test_no_difference_that_matters_wins_over_helps():
    inside = {"ci90_low": 0.05, "ci90_high": 0.2, "ci_low": 0.04, "ci_high": 0.21}
    row = verdict_row(difference=0.1, p_value=0.001, **inside)
    assert row["verdict"] == "no difference that matters"
    assert row["reason"] == "the 90 % interval +0.05 to +0.20 lies inside the margin of ±0.25"
    assert math.isnan(row["n_needed"])
    assert verdict_row(difference=0.3, p_value=0.001, **inside)["verdict"] == row["verdict"]
    touching = {**inside, "ci90_high": 0.25}
    assert verdict_row(difference=0.1, p_value=0.001, **touching)["verdict"] == "cannot tell"


@pytest.mark.parametrize(
    ("difference", "p_value", "verdict"),
    [
        *((0.3, 0.049, "helps"), (-0.3, 0.049, "hurts"), (0.25, 0.01, "helps")),
        *((0.3, 0.05, "cannot tell"), (0.24, 0.001, "cannot tell")),
    ],
)
def test_helps_and_hurts_need_both_size_and_significance(difference, p_value, verdict):
    ends = {"ci90_low": difference - 0.2, "ci90_high": difference + 0.2}
    assert verdict_row(difference=difference, p_value=p_value, **ends)["verdict"] == verdict


def test_cannot_tell_says_in_words_what_is_open():
    row = verdict_row(ci_low=-0.32, ci_high=0.45, difference=0.05)
    assert row["verdict"] == "cannot tell"
    words = r"the 95 % interval −0.32 to \+0.45 holds both harm and benefit; about [\d,]+ questions"
    assert re.fullmatch(words + " would settle it", row["reason"])
    row = verdict_row(ci_low=-0.1, ci_high=0.45, difference=0.17)
    assert "a benefit that matters and a difference too small to matter" in row["reason"]
    row = verdict_row(ci_low=-0.5, ci_high=-0.02, difference=-0.2)
    assert "a harm that matters and a difference too small to matter" in row["reason"]
    row = verdict_row(ci_low=0.26, ci_high=0.5, difference=0.4, p_value=0.06)
    assert "lies beyond the margin of 0.25, and p = 0.060 after Holm" in row["reason"]
    row = verdict_row(difference=0.2499)
    assert math.isnan(row["n_needed"])
    assert "100,000 questions would not settle it" in row["reason"]
    fine = {"metric": "answer_recall", "margin": 0.03, "ci_low": -0.12, "ci_high": 0.05}
    assert "−0.120 to +0.050 holds both harm and benefit" in verdict_row(**fine)["reason"]


def test_questions_needed_by_hand():
    z = stats.norm.ppf
    # Far from the other end of the margin, equivalence needs z(.95) + z(.80).
    expected = ((z(0.95) + z(0.80)) * 0.1 * 10 / 0.05) ** 2
    assert questions_needed(0.2, 0.1, 100, 0.25, 1) == pytest.approx(expected, abs=1)
    # In the middle both ends can fail: z(.95) + z(.90).
    expected = ((z(0.95) + z(0.90)) * 0.1 * 10 / 0.25) ** 2
    assert questions_needed(0.0, 0.1, 100, 0.25, 1) == pytest.approx(expected, abs=1)
    # Detection at alpha / 5; close above the margin it is the margin that takes most questions.
    expected = ((z(1 - 0.005) + z(0.80)) * 1.0 / 0.5) ** 2
    assert questions_needed(-0.5, 0.1, 100, 0.05, 5) == pytest.approx(max(101, expected), abs=1)
    assert questions_needed(-0.5, 0.5, 100, 0.05, 5) == pytest.approx(25 * expected, abs=1)
    expected = (z(0.80) * 1.0 / 0.01) ** 2
    assert questions_needed(0.26, 0.1, 100, 0.25, 5) == pytest.approx(expected, abs=1)


def test_questions_needed_is_more_than_there_are_and_has_a_cap():
    assert questions_needed(0.0, 0.001, 100, 0.25, 1) == 101
    assert questions_needed(0.5, 0.0, 100, 0.25, 1) == 101
    assert math.isnan(questions_needed(0.25, 0.1, 100, 0.25, 1))
    assert math.isnan(questions_needed(0.2499, 0.1, 100, 0.25, 1))
    assert math.isnan(questions_needed(0.2501, 0.1, 100, 0.25, 1))
