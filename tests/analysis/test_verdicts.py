"""Verdicts by the rules of the design, and the number of questions that settles a comparison."""

import math
import re

import pandas as pd
import pytest
from scipy import stats

from rag_study.analysis.planning import questions_for_change, questions_for_no_difference
from rag_study.analysis.verdicts import add_verdicts


def verdict_row(**values):
    row = {
        **{"metric": "judge_accuracy", "n_questions": 200, "n_clusters": 100, "primary": True},
        **{"n_effective": 100.0, "df": 99.0},
        **{"difference": 0.0, "ci_low": -0.5, "ci_high": 0.5, "ci90_low": -0.4, "ci90_high": 0.4},
        **{"p_value": 0.5, "se": 0.25, "margin": 0.25, "reason": ""},
        **{"n_seeds": 1, "seed_sd": math.nan, **values},
    }
    (row,) = add_verdicts(pd.DataFrame([row])).to_dict("records")
    return row


def test_no_difference_that_matters_wins_over_helps():
    inside = {"ci90_low": 0.05, "ci90_high": 0.2, "ci_low": 0.04, "ci_high": 0.21, "se": 0.03}
    row = verdict_row(difference=0.1, p_value=0.001, **inside)
    assert row["verdict"] == "no difference that matters"
    assert row["reason"] == "the 90 % interval +0.05 to +0.20 lies inside the margin of ±0.25"
    # Its p is .05 exactly where the interval touches the margin.
    touching = {**inside, "ci90_high": 0.25}
    row = verdict_row(difference=0.1, p_value=0.001, **touching)
    assert row["verdict"] == "cannot tell"
    assert row["p_equivalence"] == pytest.approx(0.05, abs=1e-6)


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


@pytest.mark.parametrize("sign", [1, -1])
def test_a_change_is_at_least_the_margin_only_where_all_of_the_interval_is(sign):
    for nearest, certain in ((0.26, True), (0.24, False)):
        low, high = sorted((sign * nearest, sign * 0.6))
        ends = {"ci_low": low, "ci_high": high, "ci90_low": low + 0.01, "ci90_high": high - 0.01}
        row = verdict_row(difference=sign * 0.4, p_value=0.001, **ends)
        assert row["verdict"] == ("helps" if sign > 0 else "hurts")
        assert row["at_least_margin"] is certain
        assert ("does not rule out a change below the margin" in row["reason"]) is not certain


def test_no_difference_is_corrected_over_the_family():
    narrow = {"ci90_low": -0.23, "ci90_high": 0.23, "ci_low": -0.27, "ci_high": 0.27, "se": 0.13}
    assert verdict_row(**narrow)["verdict"] == "no difference that matters"
    one = {**dict.fromkeys(("n_seeds",), 1), **narrow}
    table = pd.DataFrame([verdict_row(**one), verdict_row(ci90_low=-0.4, ci90_high=0.4)])
    first, second = add_verdicts(table).to_dict("records")
    assert (first["verdict"], second["verdict"]) == ("cannot tell", "cannot tell")
    assert "lies inside the margin of ±0.25, but p = " in first["reason"]
    assert first["p_equivalence"] == pytest.approx(2 * verdict_row(**one)["p_equivalence"])


def test_cannot_tell_says_in_words_what_is_open():
    row = verdict_row(ci_low=-0.32, ci_high=0.45, difference=0.05)
    assert row["verdict"] == "cannot tell"
    assert row["reason"].startswith("the 95 % interval −0.32 to +0.45 holds both harm and benefit;")
    assert re.search(r"about [\d,]+ questions would show", row["reason"])
    assert "looking again and again" in row["reason"]
    row = verdict_row(ci_low=-0.1, ci_high=0.45, difference=0.17)
    assert "a benefit that matters and a difference too small to matter" in row["reason"]
    row = verdict_row(ci_low=-0.5, ci_high=-0.02, difference=-0.2)
    assert "a harm that matters and a difference too small to matter" in row["reason"]
    row = verdict_row(ci_low=0.26, ci_high=0.5, difference=0.4, p_value=0.06)
    assert "lies beyond the margin of 0.25, and p = 0.060 after Holm" in row["reason"]
    fine = {"metric": "answer_recall", "margin": 0.03, "ci_low": -0.12, "ci_high": 0.05}
    assert "−0.120 to +0.050 holds both harm and benefit" in verdict_row(**fine)["reason"]


def test_planning_numbers_depend_on_the_spread_and_not_on_the_estimate():
    rows = [verdict_row(difference=d, ci_low=d - 0.5, ci_high=d + 0.5) for d in (0.0, 0.1, 0.2499)]
    assert len({(row["n_no_difference"], row["n_twice_margin"]) for row in rows}) == 1
    row = verdict_row(se=9.0)
    assert math.isnan(row["n_no_difference"])
    assert "100,000 questions would not settle it" in row["reason"]
    # A verdict takes 20 clusters, here of two questions each, however small the spread.
    row = verdict_row(se=0.001, ci90_low=-0.002, ci90_high=0.002)
    assert (row["n_no_difference"], row["n_twice_margin"]) == (40, 40)


def test_the_seeds_may_differ_too_much_for_any_number_of_questions():
    row = verdict_row(n_seeds=3, seed_sd=1.0, se=0.6, df=4.0)
    assert "train more seeds" in row["reason"]
    assert math.isnan(row["n_no_difference"])


def test_few_or_uneven_groups_carry_no_verdict():
    row = verdict_row(n_clusters=19, n_effective=19.0, p_value=0.001, difference=0.5)
    assert row["verdict"] == "no verdict"
    assert row["reason"] == (
        "19 independent groups of test questions are too few: a verdict needs at least 20"
    )
    row = verdict_row(n_clusters=60, n_effective=3.4, p_value=0.001, difference=0.5)
    assert "60 independent groups of test questions of uneven size, worth 3" in (row["reason"])


def test_what_speaks_against_a_metric_takes_the_verdict():
    row = verdict_row(objection="every answer has the same score", difference=0.5, p_value=0.001)
    assert (row["verdict"], row["reason"]) == ("no verdict", "every answer has the same score")


def test_questions_for_no_difference_and_for_a_change_by_hand():
    z = stats.norm.ppf
    # Without a difference both ends can fail: z(.95) + z(.90).
    expected = ((z(0.95) + z(0.90)) * 0.1 * 10 / 0.25) ** 2
    assert questions_for_no_difference(0.1, 100, 0.25, 1) == pytest.approx(expected, abs=1)
    expected = ((z(1 - 0.05 / 5) + z(0.90)) * 0.1 * 10 / 0.25) ** 2
    assert questions_for_no_difference(0.1, 100, 0.25, 5) == pytest.approx(expected, abs=1)
    # Detection at alpha / 5; close above the margin it is the margin that takes most questions.
    expected = ((z(1 - 0.005) + z(0.80)) * 1.0 / 0.5) ** 2
    assert questions_for_change(-0.5, 0.1, 100, 0.05, 5) == pytest.approx(expected, abs=1)
    expected = (z(0.80) * 1.0 / 0.01) ** 2
    assert questions_for_change(0.26, 0.1, 100, 0.25, 5) == pytest.approx(expected, abs=1)
    assert math.isnan(questions_for_change(0.25, 0.1, 100, 0.25, 1))
    # What the seeds add stays, however many questions there are.
    assert questions_for_change(0.5, 0.2, 100, 0.25, 1, 0.1) > 0
    assert math.isnan(questions_for_change(0.5, 0.4, 100, 0.25, 1, 0.39))
