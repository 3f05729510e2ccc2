"""What verdicts rest on: from judges and labels to the headline."""

import pandas as pd
import pytest
import styled_study as towns

from rag_study.analysis import effects
from rag_study.analysis.audit import audit
from rag_study.analysis.carriers import AUDIT_FAILED, AUDIT_UNKNOWN, contradicts, trusted_judges
from rag_study.analysis.pairing import PEOPLE
from rag_study.analysis.people import people_rows
from rag_study.analysis.styles_of_answers import StyledAnswers
from rag_study.evaluation.metrics import METRICS
from rag_study.report.headline import headline, headline_row

ASKED = towns.questions(150)
JUDGED = ["judge_accuracy", "judge_completeness"]
REFERENCE = ["answer_recall", "key_point_recall"]


def compared(
    grade, tuned=towns.short_answer, metrics=JUDGED, valid=True, people=None, rungs=True, **shares
):
    judge = towns.Opinion(grade)
    shares = {"right_base": 0.8, "right_tuned": 0.4} | shares
    results = towns.answers(ASKED, judge, tuned=tuned, **shares)
    made = towns.rungs(ASKED[:50], judge) if rungs else pd.DataFrame()
    table = audit(results, StyledAnswers(results, made), METRICS)
    return effects.compare(
        results, ["retrieved"], metrics, REFERENCE, {"strong": valid}, 300, METRICS,
        audited=table, people=people,
    )  # fmt: skip


def carrying(table):
    return {tuple(row) for row in table.loc[table["primary"], ["metric", "judge"]].to_numpy()}


def reason(table, metric, judge=""):
    return table[(table["metric"] == metric) & (table["judge"] == judge)]["reason"].iloc[0]


def test_a_judge_that_passes_carries_and_one_that_fails_does_not():
    assert carrying(compared(towns.fair)) == {(name, "strong") for name in JUDGED}
    for grade in (towns.likes_long, towns.likes_short):
        table = compared(grade)
        assert carrying(table) == {("answer_recall", "")}
        assert reason(table, "judge_accuracy", "strong").startswith(AUDIT_FAILED)
        assert table.loc[table["primary"], "verdict"].tolist() == ["hurts"]


def test_a_judge_may_carry_a_verdict_about_states_of_one_style():
    table = compared(towns.likes_long, tuned=towns.long_answer)
    assert carrying(table) == {(name, "strong") for name in JUDGED}


def test_a_verdict_is_not_turned_round_by_a_judge_that_likes_short_answers():
    """Base long and right, trained short and wrong: the judge says helps, the verdict must not."""
    table = compared(towns.likes_short, right_base=0.6, right_tuned=0.45)
    judged = table[table["metric"] == "judge_accuracy"].iloc[0]
    assert judged["ci_low"] > 0.25
    assert "helps" not in set(table["verdict"])


def test_a_judge_that_was_not_shown_to_be_fair_gives_way():
    table = compared(towns.noisy(0.7))
    assert carrying(table) == {("answer_recall", "")}
    assert reason(table, "judge_accuracy", "strong").startswith(AUDIT_UNKNOWN)


def test_overlap_carries_no_verdict_between_styles_though_it_was_declared():
    for name in ("token_f1", "rouge_l", "exact_match"):
        between = compared(towns.fair, metrics=[name], valid=False)
        assert (name, "") not in carrying(between)
        assert reason(between, name).startswith(AUDIT_FAILED)
        # The reference metrics of the study take over, where they pass.
        assert carrying(between) == {("answer_recall", "")}
    alike = compared(towns.fair, tuned=towns.long_answer, metrics=["exact_match"], valid=False)
    assert carrying(alike) == {("exact_match", "")}


def test_one_criterion_gives_way_to_its_counterpart():
    judge = towns.Opinion(towns.fair)
    results = towns.answers(ASKED, judge)
    results["key_point_recall"] = results["answer_recall"]
    rungs = towns.rungs(ASKED[:50], judge)
    rungs["key_point_recall"] = rungs["answer_recall"]
    biased = towns.rungs(ASKED[:50], towns.Opinion(towns.likes_long))
    rungs["judge_completeness"] = biased["judge_completeness"]
    table = audit(results, StyledAnswers(results, rungs), METRICS)
    made = effects.compare(
        results, ["retrieved"], JUDGED, REFERENCE, {"strong": True}, 300, audited=table
    )
    assert carrying(made) == {("judge_accuracy", "strong"), ("key_point_recall", "")}


def test_without_any_rung_the_containment_of_answers_stands_as_it_did():
    table = compared(towns.fair, rungs=False)
    assert carrying(table) == {("answer_recall", "")}
    assert carrying(compared(towns.fair, metrics=["token_f1"], rungs=False)) == {
        ("answer_recall", "")
    }


# --- People ---------------------------------------------------------------------------------------


def by_truth(row):
    return 5 if row["is_right"] else 1


def against_truth(row):
    return 5 if row["train_size"] else 2


def sure(item):
    return 4.95 if towns.right(item) else 1.05


def labelled_study(folder, grade, people, n=50):
    return towns.analysed(folder, ASKED, grade, people, n)


def test_labels_carry_the_verdict_where_the_judge_fails(tmp_path):
    found = labelled_study(tmp_path, towns.likes_short, by_truth)
    table = found.comparisons
    assert carrying(table) == {(name, PEOPLE) for name in JUDGED}
    row = table[(table["metric"] == "judge_accuracy") & (table["judge"] == PEOPLE)].iloc[0]
    is_right = found.results.groupby("train_size")["is_right"].mean()
    assert row["ci_low"] < 4 * (is_right[200] - is_right[0]) < row["ci_high"]
    assert row["verdict"] == "hurts"
    assert (row["n_questions"], row["n_clusters"]) == (50, 50)
    judged = table[(table["metric"] == "judge_accuracy") & (table["judge"] == "strong")].iloc[0]
    assert judged["difference"] - row["difference"] > 0.8
    assert "from their labels of 50 questions" in headline(found)


def test_labels_that_contradict_a_judge_change_the_headline(tmp_path):
    alone = labelled_study(tmp_path / "alone", towns.fair, None)
    agreeing = labelled_study(tmp_path / "agreeing", sure, by_truth)
    contradicting = labelled_study(tmp_path / "against", towns.fair, against_truth)
    assert headline_row(alone.comparisons)["verdict"] == "hurts"
    assert headline_row(agreeing.comparisons)["verdict"] == "hurts"
    # A judge that people do not contradict is surer than so few labels.
    assert carrying(agreeing.comparisons) == {(name, "strong") for name in JUDGED}
    assert headline_row(contradicting.comparisons)["verdict"] == "helps"
    assert carrying(contradicting.comparisons) == {(name, PEOPLE) for name in JUDGED}
    assert "against people's grades" in headline(contradicting)


def test_a_few_labels_carry_nothing(tmp_path):
    found = labelled_study(tmp_path, towns.likes_short, by_truth, n=19)
    assert carrying(found.comparisons) == {("answer_recall", "")}
    people = found.comparisons[found.comparisons["judge"] == PEOPLE]
    assert len(people) == 2
    assert (people["verdict"] == "").all()


def test_what_more_labels_bring_stands_where_nothing_can_be_told(tmp_path):
    def unsure(row):
        return 1 + towns.hash_of(row["answer"] + row["question_id"]) % 5

    found = labelled_study(tmp_path, towns.likes_short, unsure, n=24)
    row = found.comparisons[found.comparisons["judge"] == PEOPLE].iloc[0]
    assert row["verdict"] == "cannot tell"
    assert "more questions would bring the interval from ±" in row["reason"]
    assert "labels for" in headline(found)


def test_a_difference_outside_the_interval_of_people_is_a_contradiction():
    people = pd.Series({"ci_low": -0.5, "ci_high": 0.1})
    assert contradicts(people, pd.Series({"difference": 0.2}))
    assert not contradicts(people, pd.Series({"difference": -0.4}))
    assert not contradicts(people * float("nan"), pd.Series({"difference": 0.2}))


def test_people_rows_need_an_interval():
    assert people_rows(pd.DataFrame(), METRICS).empty


@pytest.mark.parametrize(("grade", "trusted"), [(towns.fair, True), (towns.likes_long, False)])
def test_the_papers_claims_are_tested_by_judges_that_carry(grade, trusted):
    assert trusted_judges(compared(grade), {"strong": True}) == {"strong": trusted}
