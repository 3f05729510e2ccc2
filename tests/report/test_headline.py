"""The verdict in words, for every kind of verdict and for studies without one."""

import math

import pytest
from study_tables import STRONG, WEAK, comparison, sentences, study, table

from rag_study.analysis.study_results import StudyResults
from rag_study.report.card import card_of
from rag_study.report.headline import headline, headline_row

pytestmark = pytest.mark.filterwarnings("error")


def test_headline_of_an_undecided_comparison():
    text = headline(study(comparison("cannot tell"), judge_checks=[WEAK]))
    assert text == (
        "Cannot tell yet. With retrieved passages, LoRA on 200 examples trained without passages "
        "changed answer recall by −0.05 (95 % interval −0.15 to +0.05, 40 questions); about "
        "590 questions would show that nothing matters if so it is, about 160 questions a true "
        "difference of twice the margin; fix the number first, as looking again and again finds "
        "differences by chance. The verdict rests on answer recall, measured against the "
        "reference answers, because the judge weak (it ranks a right above a wrong answer in 51 % "
        "of pairs; 50 % is guessing) did not pass its check."
    )


@pytest.mark.parametrize(
    ("row", "start", "phrase"),
    [
        (comparison("helps", 0.2), "Helps.", "raised answer recall by +0.20 (95 % interval"),
        (comparison("hurts", -0.2), "Hurts.", "lowered answer recall by −0.20 (95 % interval"),
        (
            comparison("no difference that matters", 0.0),
            "No difference that matters.",
            "its 90 % interval lies inside the margin of ±0.03",
        ),
        (
            comparison("cannot tell", n_no_difference=math.nan, n_twice_margin=math.nan),
            "Cannot tell yet.",
            "even 100,000 questions would not settle it",
        ),
        (
            comparison("no verdict", reason="half of the answers have no score"),
            "No verdict.",
            "40 questions); half of the answers have no score.",
        ),
        (
            comparison(
                "no verdict", n_clusters=1, n_questions=1, ci_low=math.nan, ci_high=math.nan
            ),
            "No verdict.",
            "(no interval can be computed, 1 question)",
        ),
    ],
)
def test_headline_for_each_verdict(row, start, phrase):
    text = headline(study(row))
    assert text.startswith(start)
    assert phrase in text
    assert "nan" not in text
    assert len(sentences(text)) == 3
    assert text.endswith("because the study has no judge.")


@pytest.mark.parametrize(
    ("verdicts", "start"),
    [
        (
            ["hurts", "hurts"],
            "Hurts, in all of the 2 primary comparisons (all trained without passages).",
        ),
        (["cannot tell"] * 3, "Cannot tell yet, in any of the 3 primary comparisons"),
        (
            ["hurts", "cannot tell", "cannot tell", "no verdict"],
            "Hurts in 1 of 4 primary comparisons (all trained without passages); 2 cannot be "
            "told yet; "
            "1 without a verdict.",
        ),
        (
            ["helps", "hurts", "no difference that matters"],
            "Mixed: helps in 1 and hurts in 1 of 3 primary comparisons (all trained without "
            "passages); "
            "no difference that matters in 1.",
        ),
        (
            ["no difference that matters", "cannot tell"],
            "No difference that matters in 1 of 2 primary comparisons (all trained without "
            "passages); "
            "1 cannot be told yet.",
        ),
    ],
)
def test_headline_sums_up_several_states(verdicts, start):
    rows = [comparison(verdict, -0.05 - i / 100, size=50 + i) for i, verdict in enumerate(verdicts)]
    text = headline(study(*rows))
    assert text.startswith(start)
    assert len(sentences(text)) == 3


def test_headline_says_how_much_of_the_change_is_sure_to_matter():
    row = comparison("hurts", -0.2, ci_high=-0.1, at_least_margin=True)
    assert "matter here, and all of the interval is that large" in headline(study(row))
    row = comparison("hurts", -0.2, ci_high=-0.01)
    assert "matter here, and not all of the interval is that large" in headline(study(row))


def test_headline_allows_for_the_largest_change_having_been_picked():
    rows = [comparison("hurts", -0.3, size=500, shrunken=-0.22), comparison("hurts", -0.1)]
    phrase = "or −0.22 allowing for its having been picked as the largest"
    assert phrase in headline(study(*rows))
    assert "picked" not in headline(study(rows[0]))
    rows[0]["shrunken"] = -0.3
    assert "picked" not in headline(study(*rows))


def test_headline_takes_the_largest_change_among_the_most_telling_verdicts():
    rows = [
        comparison("cannot tell", -0.9, size=50),
        comparison("hurts", -0.2, size=100, dataset="nq"),
        comparison("hurts", -0.3, size=500, dataset="qasper"),
    ]
    text = headline(study(*rows))
    assert (
        "LoRA on 500 examples trained without passages lowered answer recall on qasper by −0.30"
        in text
    )


@pytest.mark.parametrize(("more", "less"), [("helps", "hurts"), ("hurts", "helps")])
def test_harm_and_benefit_rank_alike_and_the_larger_change_is_told(more, less):
    sign = {"helps": 1, "hurts": -1}
    rows = [
        comparison(less, sign[less] * 0.2, size=100),
        comparison(more, sign[more] * 0.3, size=500),
    ]
    for order in (rows, rows[::-1]):
        row = headline_row(study(*order).comparisons)
        assert (row["verdict"], row["train_size"]) == (more, 500)


def test_headline_names_a_valid_judge_as_what_carries_the_verdict():
    row = comparison("hurts", -0.5, metric="judge_accuracy", judge="strong", margin=0.25)
    text = headline(study(row, judge_checks=[STRONG]))
    assert "rests on accuracy (judge) as scored by strong (it ranks a right above a wrong" in text
    assert "97 % of pairs" in text
    assert text.endswith("which passed its check.")


def test_a_judge_that_ranks_well_and_fails_on_a_family_is_said_to():
    check = {**STRONG, "valid": False, "fails": "numbers, injections"}
    text = headline(study(comparison("cannot tell"), judge_checks=[check]))
    assert "because the judge strong (it fails on numbers, injections) did not pass" in text
    assert "97 %" not in text


def test_headline_without_anything_to_compare():
    missing = [{"run_id": "a", "stage": "fine_tune", "state": "failed", "message": "memory"}]
    assert headline(study()) == (
        "No answer yet. No trained model could be compared with its base model."
    )
    text = headline(StudyResults(study={"name": "x"}, missing=missing))
    assert text.endswith("with its base model; 1 run failed or did not finish.")


def test_headline_without_primary_comparisons():
    row = comparison(
        "",
        metric="judge_accuracy",
        judge="weak",
        primary=False,
        reason="judge weak did not pass its check",
    )
    text = headline(study(row, judge_checks=[WEAK]))
    assert text.startswith("No verdict. 1 difference between trained and base models was computed")
    assert "weak" in text


def test_without_primary_comparisons_the_largest_change_of_a_training_in_answers_is_meant():
    row = headline_row(
        table(
            comparison("", -0.06, primary=False),
            comparison("", -0.2, primary=False, metric="knowledge_accuracy", context="retention"),
            comparison("", 0.3, primary=False, method="none", size=0, prompting="brief"),
            comparison("", 0.4, primary=False, baseline="brief"),
        )
    )
    assert row["difference"] == -0.06


def test_where_looks_are_to_come_nobody_is_told_to_fix_the_number():
    to_come = "not settled at the look at 60 of at most 200 questions, so that more are to be asked"
    row = comparison("cannot tell", settles=to_come)
    text = headline(study(row))
    assert to_come in text
    assert "fix the number" not in text
    change = card_of(study(row)).rows[0].change
    assert change == f"{to_come[0].upper()}{to_come[1:]}."


def test_it_begins_with_whose_questions_they_are_where_a_model_wrote_them():
    row = comparison("helps", 0.2)
    plain, written = (headline(study(row, **k)) for k in ({}, {"written": "on questions that x"}))
    assert written == f"On questions that x: h{plain[1:]}"
    nothing = headline(StudyResults({"name": "x"}, written="partly on questions that x"))
    assert nothing.startswith("Partly on questions that x: no answer yet.")
