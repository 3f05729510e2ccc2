"""The decision on a recipe from verdicts of every kind, and what stands beside it."""

import math
from dataclasses import replace

import pandas as pd
import pytest
import styled_study as towns
from study_tables import STRONG, comparison, table

from rag_study.analysis.carriers import AUDIT_FAILED, AUDIT_UNKNOWN
from rag_study.analysis.decision import DECISION_COLUMNS, decisions
from rag_study.analysis.outside_task import changes_outside
from rag_study.analysis.pairing import ALL_SEEDS, PEOPLE
from rag_study.analysis.study_results import StudyResults
from rag_study.evaluation.metrics import METRICS

DECLARED = {"contexts": ["retrieved"], "metrics": ["judge_accuracy", "judge_completeness"]}


def accuracy(verdict, difference=0.0, **changes):
    row = {"metric": "judge_accuracy", "judge": "strong", "margin": 0.25}
    return comparison(verdict, difference, **row | changes)


def completeness(verdict, difference=0.0, **changes):
    return accuracy(verdict, difference, metric="judge_completeness", **changes)


def outside(difference=-0.2, p_value=0.0001, metric="knowledge_accuracy", **changes):
    row = {"context": "retention", "metric": metric, "primary": False, "p_value": p_value}
    return comparison("", difference, **row | changes)


def of(*rows, **changes):
    study = {"name": "x", "primary": DECLARED}
    return decisions(StudyResults(study, comparisons=table(*rows), **changes))


def decided(*rows):
    (row,) = of(*rows).to_dict("records")
    return row["decision"], row["cause"]


NEAR = {"ci_low": -0.1, "ci_high": 0.6}  # cannot be told, but a loss of 0.25 is ruled out
WIDE = {"ci_low": -0.4, "ci_high": 0.6}
HELPS, HURTS, SAME = "helps", "hurts", "no difference that matters"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([accuracy(HELPS, 0.4)], ("deploy", "better")),
        ([accuracy(HELPS, 0.4), completeness(HELPS, 0.3)], ("deploy", "better")),
        ([accuracy(HELPS, 0.4), completeness(SAME)], ("deploy", "better")),
        ([accuracy(HELPS, 0.4), completeness("cannot tell", 0.2, **NEAR)], ("deploy", "better")),
        (
            [accuracy(HELPS, 0.4), completeness("cannot tell", 0.1, **WIDE)],
            ("not proven", "cannot tell"),
        ),
        ([accuracy(HELPS, 0.4), completeness(HURTS, -0.3)], ("keep the base", "worse")),
        ([accuracy(HELPS, 0.4), completeness("no verdict")], ("not proven", "no verdict")),
        ([accuracy(HURTS, -0.4), completeness("no verdict")], ("keep the base", "worse")),
        ([accuracy(HURTS, -0.4), completeness("cannot tell")], ("keep the base", "worse")),
        ([accuracy(SAME), completeness(SAME)], ("keep the base", "same")),
        ([accuracy(SAME), completeness("cannot tell")], ("not proven", "cannot tell")),
        ([accuracy("cannot tell", 0.3)], ("not proven", "cannot tell")),
        ([accuracy("", 0.4, primary=False)], ("not proven", "no verdict")),
        # Outside the task.
        ([accuracy(HELPS, 0.4), outside()], ("keep the base", "forgets")),
        ([accuracy("cannot tell", 0.1), outside()], ("keep the base", "forgets")),
        ([accuracy(HELPS, 0.4), outside(p_value=0.2)], ("deploy", "better")),
        ([accuracy(HELPS, 0.4), outside(-0.02)], ("deploy", "better")),  # too small to matter
        ([accuracy(HELPS, 0.4), outside(+0.2)], ("deploy", "better")),
        # Nats per token: more is worse.
        ([accuracy(HELPS, 0.4), outside(0.3, metric="general_text_nll")],
         ("keep the base", "forgets")),
        ([accuracy(HELPS, 0.4), outside(-0.3, metric="general_text_nll")], ("deploy", "better")),
    ],
)  # fmt: skip
def test_the_rule(rows, expected):
    assert decided(*rows) == expected
    assert decided(*rows[::-1]) == expected


def refused(name=accuracy, reason=AUDIT_FAILED, difference=0.4):
    return name("", difference, primary=False, reason=f"{reason}style makes +0.3 of it")


def stand_in(verdict, difference=0.1):
    return comparison(verdict, difference)


def test_a_judge_that_fails_the_audit_proves_no_gain():
    for verdict in (HELPS, SAME, "cannot tell"):
        rows = [refused(), refused(completeness), stand_in(verdict)]
        assert decided(*rows) == ("not proven", "judge unfair"), verdict
    # A loss that another score shows is one all the same.
    assert decided(refused(), stand_in(HURTS, -0.1)) == ("keep the base", "worse")
    assert decided(refused()) == ("not proven", "judge unfair")
    assert "style makes" in of(refused(), stand_in(HELPS))["judge_unfair"].iloc[0]
    # Another judge, or people, who carry it; a judge of whom it is not known; other contexts.
    second = accuracy(HELPS, 0.4, judge="second")
    assert decided(refused(), second) == ("deploy", "better")
    assert decided(refused(), accuracy(HELPS, 0.4, judge=PEOPLE)) == ("deploy", "better")
    assert decided(refused(reason=AUDIT_UNKNOWN), stand_in(HELPS)) == ("deploy", "better")
    elsewhere = {**refused(), "context": "none"}
    assert decided(elsewhere, accuracy(HELPS, 0.4)) == ("deploy", "better")
    other = {**refused(), "metric": "judge_tone"}
    assert decided(other, accuracy(HELPS, 0.4)) == ("deploy", "better")


def people(difference, half=0.2, **changes):
    ends = {"ci_low": difference - half, "ci_high": difference + half, "judge": PEOPLE}
    return accuracy("", difference, **ends | {"primary": False, "n_questions": 12} | changes)


@pytest.mark.parametrize("verdict", [HELPS, HURTS, SAME, "cannot tell"])
def test_too_few_labels_that_contradict_the_judge_take_the_decision_away(verdict):
    judged = accuracy(verdict, 0.4)
    assert decided(judged, people(-0.3)) == ("not proven", "people disagree")
    assert decided(judged, people(0.3)) == decided(judged)
    assert decided(judged, people(-0.3, context="none")) == decided(judged)


def test_the_decision_follows_labels_that_carry_the_verdict(tmp_path):
    def by_truth(row):
        return 5 if row["is_right"] else 1

    def against_truth(row):
        return 5 if row["train_size"] else 2

    asked = towns.questions(150)
    alone = towns.analysed(tmp_path / "alone", asked, towns.fair, None, 50)
    against = towns.analysed(tmp_path / "against", asked, towns.fair, against_truth, 50)
    unfair = towns.analysed(tmp_path / "unfair", asked, towns.likes_short, by_truth, 19)
    (alone,), (against,), (unfair,) = (
        found.decisions.to_dict("records") for found in (alone, against, unfair)
    )
    assert (alone["decision"], alone["people_disagree"]) == ("keep the base", False)
    assert (against["decision"], against["people_disagree"]) == ("deploy", True)
    assert against["judge"] == PEOPLE
    # 19 labels carry nothing, and what stands in for the refused judge shows a loss.
    assert (unfair["decision"], unfair["judge"]) == ("keep the base", "")
    assert unfair["judge_unfair"] != ""
    assert alone["right_tuned"] < alone["right_base"] <= 1
    assert "judge" in alone["right_means"]


def test_each_recipe_is_decided_by_its_own_rows_and_the_best_stands_first():
    rows = [
        accuracy("cannot tell", 0.6, size=50),
        accuracy(HURTS, -0.4, size=100),
        accuracy(HELPS, 0.3, size=200),
        accuracy(HELPS, 0.5, size=400, seed=ALL_SEEDS, n_seeds=3),
        accuracy("", -0.5, size=400, seed=1, primary=False),
        outside(size=100),
    ]
    found = of(*rows)
    assert list(found["train_size"]) == [400, 200, 100, 50]
    assert list(found["decision"]) == ["deploy", "deploy", "keep the base", "not proven"]
    assert found.loc[0, ["n_seeds", "difference"]].tolist() == [3, 0.5]
    assert found["outside_metric"].tolist() == ["", "", "knowledge_accuracy", ""]
    assert list(found.columns) == DECISION_COLUMNS


def test_nothing_to_decide():
    assert of().empty
    base = comparison("", 0.1, size=0, method="none", prompting="brief", primary=False)
    assert of(base).empty


def test_losses_outside_are_corrected_for_how_many_were_measured():
    rows = [outside(-0.2, 0.01, size=size) for size in (1, 2, 3, 4, 5)]
    assert changes_outside(table(*rows[:4]), METRICS)["shown"].all()
    assert not changes_outside(table(*rows), METRICS)["shown"].any()


def test_what_is_lost_outside_is_measured_once_whatever_searches_there_are():
    lost = [outside(-0.2, 0.01, retriever=name) for name in ("dense", "bm25", "hybrid", "both")]
    other = [outside(-0.2, 0.01, size=50, retriever=name) for name in ("dense", "bm25")]
    assert changes_outside(table(*lost, *other), METRICS)["shown"].all()


def test_what_stands_beside_the_decision():
    keys = {name: comparison("")[name] for name in
            ("dataset", "model", "retriever", "chunk_size", "top_k")}  # fmt: skip
    states = [
        {**keys, "method": "none", "train_format": "none", "train_size": 0, "seconds": 10},
        {**keys, "method": "lora", "train_format": "closed_book", "train_size": 200, "seconds": 5},
    ]
    states = [{**s, "variant": "", "seed": 0, "prompting": "default"} for s in states]
    costs = pd.DataFrame(
        [{**s, "seconds_per_answer": s["seconds"], "training_minutes": [math.nan, 7.0][i]}
         for i, s in enumerate(states)]
    )  # fmt: skip
    answers = pd.DataFrame(
        [{**s, "context": context, "question_id": f"q{i}", "judge": judge,
          "truncated": int(context == "retrieved" and i < 3 and not s["train_size"])}
         for s in states for context in ("none", "retrieved")
         for i in range(6) for judge in ("strong", "second")]
    )  # fmt: skip
    (row,) = of(accuracy(HELPS, 0.4), results=answers, costs=costs).to_dict("records")
    assert (row["seconds_base"], row["seconds_tuned"], row["training_minutes"]) == (10, 5, 7)
    assert (row["cut_base"], row["cut_tuned"]) == (0.5, 0.0)
    assert math.isnan(row["right_base"])


def test_a_study_without_declared_names_is_decided_by_its_primary_rows():
    results = StudyResults({"name": "x"}, comparisons=table(accuracy(HELPS, 0.4)))
    assert decisions(results)["decision"].tolist() == ["deploy"]
    assert decisions(replace(results, judge_checks=[STRONG]))["decision"].tolist() == ["deploy"]
