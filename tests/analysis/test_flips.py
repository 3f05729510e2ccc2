"""Who fell and who rose: the counts, the exact test over groups, several seeds, the examples."""

import itertools

import numpy as np
import pandas as pd
import pytest
from generated import TUNED, rows
from scipy.stats import binomtest

from rag_study.analysis.flips import EXAMPLE_COLUMNS, FLIP_COLUMNS, KINDS, exact_sign_flip_p, flips


def answered(before, after, groups=None, judge="", **tuned):
    """Base and one trained state whose answers are right where 1, wrong where 0."""

    def of(right, said, **run):
        right = np.array(right, float)
        graded = {"judge_accuracy": 1 + 3.5 * right} if judge else {}
        scores = {"answer_recall": right, "exact_match": right, "key_point_recall": right * np.nan}
        texts = {
            "question": [f"Question {i}?" for i in range(len(right))],
            "reference": [f"fact {i}" for i in range(len(right))],
            "answer": [f"{said} {i}" for i in range(len(right))],
        }
        return rows({**scores, **graded, **texts}, groups=groups, judge=judge, **run)

    return pd.concat(
        [of(before, "before"), of(after, f"after {tuned}", **{**TUNED, **tuned})], ignore_index=True
    )


def test_questions_are_counted_by_what_became_of_them():
    before = [1] * 12 + [0] * 8
    after = [1] * 4 + [0] * 8 + [0] * 6 + [1] * 2
    table, _ = flips(answered(before, after, judge="j"), n_resamples=200)
    assert list(table.columns) == FLIP_COLUMNS
    assert set(table["metric"]) == {"reference", "exact_match", "judge_accuracy"}
    for row in table.to_dict("records"):
        assert [row[kind] for kind in KINDS] == [8, 2, 4, 6]
        assert row["difference"] == pytest.approx(-6 / 20)
        assert (row["right_base"], row["right_tuned"]) == (0.6, 0.3)
        # Every question is a group of its own: McNemar's exact test.
        assert row["p_value"] == pytest.approx(binomtest(2, 10).pvalue)


def test_the_judge_takes_an_answer_for_right_from_its_threshold_on():
    frame = answered([1, 1, 0, 0], [1, 0, 0, 1], judge="j")
    frame["judge_accuracy"] = [5, 4, 3.9, 1, 4, 3.99, 3, 4.2]
    table, _ = flips(frame, n_resamples=200)
    (row,) = table[table["metric"] == "judge_accuracy"].to_dict("records")
    assert [row[kind] for kind in KINDS] == [1, 1, 1, 1]


@pytest.mark.parametrize("sums", [[3, -1, 2, 0, 1], [1, 1, 1, 1, 1, 1], [0, 0], [5], [-2, 2, 2]])
def test_p_is_the_share_of_all_flips_that_are_as_far_apart(sums):
    reached = [abs(sum(s * x for s, x in zip(signs, sums, strict=True)))
               for signs in itertools.product((-1, 1), repeat=len(sums))]  # fmt: skip
    share = np.mean([reach >= abs(sum(sums)) for reach in reached])
    assert exact_sign_flip_p(np.array(sums)) == pytest.approx(share)


def test_the_test_keeps_its_level_where_questions_of_a_group_hang_together():
    rng = np.random.default_rng(3)
    codes = np.repeat(np.arange(40), 6)
    ours = naive = 0
    for _ in range(400):
        shared = rng.normal(size=(2, 40))[:, codes] + 0.7 * rng.normal(size=(2, len(codes)))
        change = (shared[1] > 0).astype(int) - (shared[0] > 0)
        sums = np.bincount(codes, weights=change).astype(int)
        ours += exact_sign_flip_p(sums) < 0.05
        naive += binomtest(int((change > 0).sum()), int((change != 0).sum())).pvalue < 0.05
    assert ours / 400 < 0.075
    assert naive / 400 > 0.15  # what McNemar's own test would do


def test_several_seeds_count_by_their_share():
    before = [1] * 10 + [0] * 10
    first = answered(before, [0] * 4 + [1] * 6 + [0] * 10, seed=0)
    second = answered(before, [0] * 2 + [1] * 8 + [0] * 9 + [1], seed=1)
    table, examples = flips(pd.concat([first, second.iloc[20:]]), n_resamples=200)
    row = table[(table["seed"] == -1) & (table["metric"] == "reference")].iloc[0]
    assert (row["fell"], row["rose"], row["n_questions"]) == pytest.approx((3, 0.5, 20))
    assert row["difference"] == pytest.approx((-0.2 - 0.05) / 2)
    one = table[(table["seed"] == 0) & (table["metric"] == "reference")].iloc[0]
    assert np.isnan(one["p_fdr"])
    assert row["p_fdr"] >= row["p_value"] >= one["p_value"] / 2
    fell = examples[(examples["kind"] == "fell") & (examples["metric"] == "reference")]
    assert set(examples["seed"]) == {-1}
    assert list(fell["seeds"]) == [2, 2, 1, 1]
    assert list(fell["answer_base"]) == ["before 0", "before 1", "before 2", "before 3"]


def test_examples_are_of_different_groups_while_there_are_enough():
    before, after = [1] * 12, [0] * 12
    groups = ["a"] * 6 + ["b"] * 3 + ["c", "d", "e"]
    _, examples = flips(answered(before, after, groups=groups), n_resamples=200)
    assert list(examples.columns) == EXAMPLE_COLUMNS
    chosen = examples[examples["metric"] == "reference"]
    assert sorted(chosen["group"]) == list("abcde")
    for row in chosen.to_dict("records"):
        number = int(row["question_id"][1:])
        assert row["question"] == f"Question {number}?"
        assert row["answer_tuned"].endswith(f" {number}")


def test_what_cannot_be_graded_is_left_out_and_counted():
    frame = answered([1, 1, 0, 1], [0, 1, 0, 1])
    frame.loc[[4, 7], ["answer_recall", "exact_match"]] = np.nan
    table, _ = flips(frame, n_resamples=200)
    assert list(table["unknown"]) == [2, 2]
    assert list(table["n_questions"]) == [2, 2]
    empty, none = flips(frame.iloc[:4], n_resamples=200)
    assert empty.empty
    assert list(empty.columns) == FLIP_COLUMNS
    assert list(none.columns) == EXAMPLE_COLUMNS
