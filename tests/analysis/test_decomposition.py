"""Where the loss comes from: categories are a partition, and their tables are right."""

import math

import numpy as np
import pandas as pd
import pytest
from study_tables import answers

from rag_study.analysis import effects
from rag_study.analysis.decomposition import (
    CATEGORIES,
    FOLLOWS,
    Right,
    changes,
    context_gain,
    decompose,
    follow,
    shares,
    unjudged,
)
from rag_study.analysis.pairing import RUN_COLUMNS
from rag_study.common.errors import StudyError
from rag_study.data.schema import Question

BASE = {
    **{"dataset": "nq", "model": "tiny", "method": "none", "train_format": "none"},
    **{"train_size": 0, "variant": "", "seed": 0, "prompting": "default", "retriever": "dense"},
    **{"chunk_size": 192, "top_k": 3},
}
LORA = {**BASE, "method": "lora", "train_format": "closed_book", "train_size": 50}


def row(question, context, recall, *, run=BASE, **changes):
    return {
        **run,
        **{"context": context, "question_id": question, "group": question},
        **{"answer_type": "factoid", "answer": "", "answer_recall": recall},
        **{"key_point_recall": math.nan, "judge": "", "gold_in_context": 1, "other_answer": None},
        **changes,
    }


def frame(*rows):
    return pd.DataFrame(rows)


def random_results(seed, n=60, contexts=("none", "retrieved", "oracle", "counterfactual")):
    rng = np.random.default_rng(seed)
    rows = []
    for run in (BASE, LORA, {**LORA, "seed": 1}):
        for context in contexts:
            for i in range(n):
                if context != "retrieved" and rng.random() < 0.1:
                    continue
                recall = rng.choice([0.0, 1.0, math.nan], p=[0.45, 0.45, 0.1])
                points = rng.choice([0.0, 0.5, 1.0, math.nan])
                made = row(f"q{i}", context, recall, run=run, key_point_recall=points)
                made["group"] = [f"g{i // 3}", "", None][i % 3 if i % 5 == 0 else 0]
                made["answer_type"] = "unanswerable" if i % 7 == 0 else "factoid"
                made["gold_in_context"] = rng.choice([0.0, 1.0, math.nan])
                made["answer"] = rng.choice(["It is red.", "blue", "red or blue", "none"])
                made["other_answer"] = "blue" if context == "counterfactual" else None
                rows.append(made)
    return frame(*rows)


# --- What is right -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recall", "points", "expected"),
    [
        (1.0, 0.0, 1.0),
        (0.0, 1.0, 1.0),
        (0.0, 0.5, 0.0),
        (0.0, math.nan, 0.0),
        (math.nan, 0.5, 1.0),
        (math.nan, 0.4, 0.0),
        (math.nan, math.nan, math.nan),
    ],
)
def test_right_by_the_reference(recall, points, expected):
    (value,) = Right().of(frame(row("q", "none", recall, key_point_recall=points)))
    assert value == pytest.approx(expected, nan_ok=True)
    assert "at least half of the key points" in str(Right())


def test_right_by_a_judge():
    rows = [
        row("q", "retrieved", 0.0, judge=judge, judge_accuracy=score)
        for judge, score in (("strong", 4.2), ("weak", 1.0))
    ]
    right = Right("judge_accuracy", 4, judge="strong")
    assert decompose(frame(*rows), right)["category"].tolist() == ["right"]
    assert str(right) == "accuracy (judge) by strong of at least 4"
    (only,) = decompose(frame(rows[1]), Right("judge_accuracy", 4))["right"]
    assert only == 0
    for wrong in (Right("judge_accuracy", 4), Right("judge_accuracy", 4, judge="other")):
        with pytest.raises(StudyError, match="scored the answers: strong, weak"):
            decompose(frame(*rows), wrong)
    with pytest.raises(StudyError, match="unknown metric 'accuracy'"):
        decompose(frame(*rows), Right("accuracy"))


# --- Categories ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("without", "with_passages", "oracle", "gold", "changed", "expected"),
    [
        (1.0, 1.0, 1.0, 1, {}, "right, also without passages"),
        (0.0, 1.0, 0.0, 0, {}, "right, only with passages"),
        (None, 1.0, 1.0, 1, {}, "right"),
        (1.0, 0.0, 1.0, 1, {}, "generation failure"),
        (0.0, 0.0, 1.0, 0, {}, "retrieval miss"),
        (0.0, 0.0, 0.0, 0, {}, "retrieval miss, wrong with gold too"),
        (0.0, 0.0, None, 0, {}, "retrieval miss, gold not tried"),
        (0.0, 0.0, None, None, {}, "wrong, gold unknown"),
        (0.0, 0.0, None, None, {"answer_type": "unanswerable"}, "answered the unanswerable"),
        (0.0, 1.0, None, None, {"answer_type": "unanswerable"}, "right, only with passages"),
        (0.0, math.nan, 0.0, 1, {}, "not scored"),
    ],
)
def test_each_category(without, with_passages, oracle, gold, changed, expected):
    scores = {"none": without, "retrieved": with_passages, "oracle": oracle}
    rows = [
        row("q", context, score, gold_in_context=gold, **changed)
        for context, score in scores.items()
        if score is not None
    ]
    table = decompose(frame(*rows))
    assert table["category"].tolist() == [expected]
    assert expected in CATEGORIES


@pytest.mark.parametrize("seed", range(5))
def test_every_question_is_in_exactly_one_category(seed):
    results = random_results(seed)
    table = decompose(results)
    asked = results[results["context"] == "retrieved"]
    assert len(table) == len(asked)
    assert not table.duplicated([*RUN_COLUMNS, "question_id"]).any()
    assert set(table["category"]) <= set(CATEGORIES)
    for found in table.itertuples():
        is_right, gold = found.right, found.gold_in_context
        if math.isnan(is_right):
            group = ["not scored"]
        elif is_right:
            group = [c for c in CATEGORIES if c.startswith("right")]
        elif math.isnan(gold) or found.category == "answered the unanswerable":
            group = ["wrong, gold unknown", "answered the unanswerable"]
        else:
            group = ["generation failure"] if gold else [c for c in CATEGORIES if "miss" in c]
        assert found.category in group
    told = shares(table)
    sums = told.groupby(RUN_COLUMNS)[["n", "share"]].sum()
    assert sums["n"].tolist() == [60] * 3
    assert sums["share"].tolist() == pytest.approx([1.0] * 3)


def test_another_column_can_say_what_the_prompt_held():
    results = frame(row("q", "retrieved", 0.0), row("q", "oracle", 1.0)).assign(answer_in_context=0)
    assert decompose(results)["category"].tolist() == ["generation failure"]
    table = decompose(results, evidence="answer_in_context")
    assert table["category"].tolist() == ["retrieval miss"]


def test_missing_contexts_are_said():
    results = random_results(0, contexts=("retrieved",))
    table = decompose(results)
    assert not set(table["category"]) & {
        "right, also without passages",
        "right, only with passages",
        "retrieval miss",
        "retrieval miss, wrong with gold too",
    }
    without, oracle = table.attrs["notes"]
    assert without.startswith("3 of 3 model states have no answers without passages")
    assert "right passages would have helped is not known" in oracle
    assert decompose(random_results(0)).attrs["notes"] == []
    none = decompose(random_results(0, contexts=("none",)))
    assert none.attrs["notes"] == ["No run has answers with retrieved passages."]
    assert shares(none).empty
    assert changes(none).empty


# --- Intervals -----------------------------------------------------------------------------------


def test_shares_and_changes_are_those_of_the_study_s_own_comparison():
    results = answers(n=60).assign(variant="", gold_in_context=1.0)
    results = results[results["context"] == "retrieved"]
    table = decompose(results)
    right = changes(table).query("category == 'right'").set_index("train_size")
    compared = effects.compare(results, ["retrieved"], ["answer_recall"], [], {})
    compared = compared.query("metric == 'answer_recall'").set_index("train_size")
    for size in (50, 200):
        for ours, theirs in (
            *(("change", "difference"), ("ci_low", "ci_low"), ("ci_high", "ci_high")),
            *(("share_base", "mean_base"), ("share", "mean_tuned")),
            *(("n_questions", "n_questions"), ("n_clusters", "n_clusters")),
        ):
            assert right.loc[size, ours] == pytest.approx(compared.loc[size, theirs], abs=1e-9)
    summary = effects.summarise(results).query("metric == 'answer_recall'").set_index("train_size")
    mean = shares(table).query("category == 'right'").set_index("train_size")
    for ours, theirs in (("share", "mean"), ("ci_low", "ci_low"), ("ci_high", "ci_high")):
        assert mean[ours].to_dict() == pytest.approx(summary[theirs].to_dict(), abs=1e-9)


@pytest.mark.parametrize("make", [decompose, follow])
def test_intervals_hold_the_estimate_and_changes_add_up_to_nothing(make):
    table = make(random_results(3))
    told, changed = shares(table), changes(table)
    assert (told["ci_low"] <= told["share"] + 1e-9).all()
    assert (told["share"] <= told["ci_high"] + 1e-9).all()
    assert told["ci_low"].min() >= 0
    assert told["ci_high"].max() <= 1
    assert (changed["ci_low"] <= changed["change"]).all()
    assert (changed["change"] <= changed["ci_high"]).all()
    assert changed.groupby("seed")["change"].sum().abs().max() < 1e-9
    assert set(changed["method"]) == {"lora"}
    assert len(changed) == 2 * table["category"].nunique()


def test_groups_are_the_clusters():
    rows = [row(f"q{i}", "retrieved", float(i < 6), group=f"g{i // 6}") for i in range(12)]
    wide = shares(decompose(frame(*rows))).query("category == 'right'").iloc[0]
    narrow = [{**one, "group": None} for one in rows]
    alone = shares(decompose(frame(*narrow))).query("category == 'right'").iloc[0]
    assert (wide["n_clusters"], alone["n_clusters"]) == (2, 12)
    assert wide["ci_high"] - wide["ci_low"] > alone["ci_high"] - alone["ci_low"]


def test_runs_without_a_base_have_shares_and_no_changes():
    table = decompose(frame(row("q", "retrieved", 1.0, run=LORA)))
    assert shares(table)["share"].tolist() == [1.0]
    assert changes(table).empty


# --- Context or memory ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "recall", "expected"),
    [
        ("It was blue.", 0.0, "follows context"),
        ("It was red.", 1.0, "follows memory"),
        ("Not blue but red.", 1.0, "names both"),
        ("Bluebells.", 0.0, "neither"),
        ("", 0.0, "neither"),
        ("blue", math.nan, "not scored"),
    ],
)
def test_what_an_answer_follows(answer, recall, expected):
    rows = [
        row("q", "none", 1.0),
        row("q", "counterfactual", recall, answer=answer, other_answer="Blue"),
        # A question that cannot have a counterfactual, as it is answered: not at all.
        row("other", "counterfactual", math.nan, answer=None),
    ]
    table = follow(frame(*rows))
    assert table["category"].tolist() == [expected]
    assert table["right_none"].tolist() == [1.0]
    assert expected in FOLLOWS


@pytest.mark.parametrize("missing", [None, math.nan])
def test_a_missing_answer_follows_nothing(missing):
    """A server refused the question, so that there is nothing to look for the other answer in."""
    lost = row("q", "counterfactual", math.nan, answer=missing, other_answer="Blue")
    table = follow(frame(row("q", "none", 1.0), lost))
    assert table["category"].tolist() == ["not scored"]


def test_a_study_without_counterfactuals_says_so():
    table = follow(frame(row("q", "none", 1.0)))
    assert table.empty
    assert table.attrs["notes"] == ["No run has answers with changed passages."]
    assert shares(table).empty


# --- Context gain --------------------------------------------------------------------------------


def test_context_gain_is_paired_by_question():
    values = {"none": [-3.0, -2.0, -4.0], "retrieved": [-1.0, -2.5, -1.0], "oracle": [-1.0] * 3}
    rows = [
        row(f"q{i}", context, 0.0, run=run, reference_log_likelihood=value + shift * (i + 1))
        for run, shift in ((BASE, 0.0), (LORA, 0.5))
        for context, column in values.items()
        for i, value in enumerate(column)
        if (context, i) != ("oracle", 2)
    ]
    tuned = {**rows[-1], "question_id": "q9", "context": "retrieved"}  # nothing to pair it with
    table = context_gain(frame(*rows, tuned)).set_index(["method", "context"])
    base = table.loc["none", "retrieved"]
    assert base["gain"] == pytest.approx(1.5)
    assert base["share_positive"] == pytest.approx(2 / 3)
    assert base["n_questions"] == 3
    assert base["ci_low"] <= 1.5 <= base["ci_high"]
    assert math.isnan(base["change"])
    assert table.loc[("none", "oracle"), "gain"] == pytest.approx(1.5)
    assert table.loc[("none", "oracle"), "n_questions"] == 2
    lora = table.loc["lora", "retrieved"]
    assert (lora["gain_base"], lora["change"]) == pytest.approx((1.5, 0.0))


def test_without_likelihoods_there_is_no_context_gain():
    assert context_gain(frame(row("q", "none", 1.0))).empty
    nothing = context_gain(frame(row("q", "retrieved", 1.0, reference_log_likelihood=-1.0)))
    assert nothing.empty
    assert list(nothing.columns) == list(context_gain(frame(row("q", "none", 1.0))).columns)


def test_answers_are_decomposed_before_they_are_judged():
    asked = {f"q{i}": Question(f"q{i}", "Who?", ("Ada",), group="g") for i in range(3)}
    said = {"q0": ("Ada", "Ada did."), "q1": ("Bo", "Ada"), "q2": ("Bo", "Bo")}
    rows = [
        {"context": context, "question_id": key, "answer": answer, "gold_in_context": gold}
        for key, answers in said.items()
        for context, answer, gold in zip(("none", "retrieved"), answers, (0, 1), strict=True)
    ]
    table = unjudged(pd.DataFrame(rows), asked, {"model": "tiny", "method": "none"})
    assert decompose(table)["category"].tolist() == [
        "right, also without passages",
        "right, only with passages",
        "generation failure",
    ]
    assert shares(decompose(table))["share"].tolist() == pytest.approx([1 / 3] * 3)
