"""Effects by kind of question: how questions are divided, and what is said of the parts."""

import numpy as np
import pandas as pd
import pytest
from generated import TUNED, rows
from scipy.stats import ttest_ind

from rag_study.analysis.shrinkage import drawn_together
from rag_study.analysis.slices import SLICE_COLUMNS, slices
from rag_study.analysis.slicings import slicings

RECALL = [("answer_recall", "")]


def measured(changes, properties, groups=None, seeds=(0,), noise=0.3, seed=0):
    """Base and trained state; `changes` is the true change of each question."""
    rng = np.random.default_rng(seed)
    n = len(changes)
    base = rng.normal(0.5, 0.2, n)
    frames = [rows({"answer_recall": base}, groups=groups)]
    for one in seeds:
        after = base + changes + rng.normal(0, noise, n)
        frames.append(rows({"answer_recall": after}, groups=groups, **{**TUNED, "seed": one}))
    return pd.concat([frame.assign(**properties) for frame in frames], ignore_index=True)


def names_of(values, groups=None, column="extra_own"):
    frame = measured(np.zeros(len(values)), {column: values}, groups=groups)
    made, notes = slicings(frame, {"fictional": {"own": column}} if column == "extra_own" else {})
    (found,) = made.values()
    return (found[0] if found else None), notes


# --- Dividing -------------------------------------------------------------------------------------


def test_rare_values_are_pooled_and_missing_ones_stay_apart():
    values = ["a"] * 40 + ["b"] * 20 + ["c"] * 6 + ["d"] * 5 + [None] * 12 + [" "] * 3
    made, _ = names_of(values)
    sizes = pd.Series(list(made.of.values())).value_counts().to_dict()
    assert sizes == {"a": 40, "b": 20, "other": 11, "(not given)": 15}
    assert made.names == ("a", "b", "other", "(not given)")


def test_numbers_are_cut_at_quantiles_or_kept_where_they_are_few():
    made, _ = names_of([str(i) for i in range(100)])
    assert made.names == ("0 to 24", "25 to 49", "50 to 74", "75 to 99")
    made, _ = names_of([str(i % 40) for i in range(40)])
    assert made.names == ("0 to 13", "14 to 26", "27 to 39")
    made, _ = names_of([1.0, 2.0, 3.0] * 20, column="gold_documents")
    assert made.names == ("1", "2", "3")
    made, _ = names_of(["10", "9"] * 30)
    assert made.names == ("9", "10")
    made, _ = names_of([1.0, 0.0] * 30, column="gold_in_context")
    assert set(made.names) == {"yes", "no"}


@pytest.mark.parametrize(
    "values", [["a"] * 50, [f"id {i}" for i in range(50)], ["a"] * 45 + [None] * 5]
)
def test_what_divides_nothing_is_said(values):  # fmt: skip
    groups = [f"g{i // 5}" for i in range(50)]
    made, notes = names_of(values, groups=groups)
    table = slices(measured(np.zeros(50), {"extra_own": values}, groups=groups), RECALL,
                   {"fictional": {"own": "extra_own"}})  # fmt: skip
    assert table["difference"].isna().all()
    assert made is not None or "own" in notes[0]


def test_a_column_that_no_question_has_is_said():
    frame = measured(np.zeros(40), {})
    table = slices(frame, RECALL, {"fictional": {"Asked by": "extra_Asked by"}})
    assert table.attrs["notes"] == [
        "fictional: no question has a “Asked by”, which `slices` names."
    ]


# --- Effects --------------------------------------------------------------------------------------


def test_numbers_are_those_of_the_questions_in_the_slice():
    kind = np.array(["a"] * 60 + ["b"] * 60)
    frame = measured(np.where(kind == "a", -0.3, 0.1), {"answer_type": kind})
    table = slices(frame, RECALL)
    assert list(table.columns) == SLICE_COLUMNS
    a, b = table.to_dict("records")
    change = frame["answer_recall"][120:].to_numpy() - frame["answer_recall"][:120].to_numpy()
    in_a, in_b = change[kind == "a"], change[kind == "b"]
    assert a["difference"] == pytest.approx(in_a.mean())
    assert a["rest"] == pytest.approx(in_b.mean())
    # Each question a group of its own: Welch's test.
    assert a["p_value"] == pytest.approx(ttest_ind(in_a, in_b, equal_var=False).pvalue, rel=1e-3)
    assert a["p_value"] == pytest.approx(b["p_value"])
    assert in_a.mean() < a["shrunken"] < a["rest"]
    assert (a["finding"], b["finding"]) == ("lost most", "better than the rest")


def test_nothing_is_named_that_gained_less_or_may_be_chance():
    kind = np.array(["a"] * 60 + ["b"] * 60)
    gained_less = measured(np.where(kind == "a", 0.2, 0.9), {"answer_type": kind})
    assert set(slices(gained_less, RECALL)["finding"]) == {
        "worse than the rest",
        "better than the rest",
    }
    alike = measured(np.full(120, -0.3), {"answer_type": kind})
    assert set(slices(alike, RECALL)["finding"]) == {""}


def test_groups_are_what_counts_not_questions():
    kind = np.array(["a"] * 90 + ["b"] * 90)
    groups = [f"g{i // 10}" for i in range(180)]  # nine in each
    frame = measured(np.where(kind == "a", -1.0, 1.0), {"answer_type": kind}, groups=groups)
    assert slices(frame, RECALL).empty  # both are rare, and one together
    # Of groups in both slices what they have in common is taken out.
    rng = np.random.default_rng(1)
    shared = np.repeat(rng.normal(0, 1, 40), 2)
    kind = np.array(["a", "b"] * 40)
    groups = [f"g{i // 2}" for i in range(80)]
    frame = measured(
        shared + np.where(kind == "a", -0.4, 0), {"answer_type": kind}, groups=groups, noise=0.1
    )
    a = slices(frame, RECALL).iloc[0]
    assert a["p_fdr"] < 0.001
    assert a["against_rest_high"] - a["against_rest_low"] < 0.3 * (a["ci_high"] - a["ci_low"])


def test_several_seeds_have_one_row_with_their_spread():
    kind = np.array(["a"] * 60 + ["b"] * 60)
    frame = measured(np.where(kind == "a", -0.3, 0.1), {"answer_type": kind}, seeds=(0, 1, 2))
    table = slices(frame, RECALL)
    assert list(table["seed"]) == [-1, -1]
    assert list(table["n_seeds"]) == [3, 3]
    assert list(table["n_questions"]) == [60, 60]
    before = frame["answer_recall"][:120].to_numpy()
    per_seed = [
        part.to_numpy() - before for _, part in frame[120:].groupby("seed")["answer_recall"]
    ]
    assert table["difference"].iloc[0] == pytest.approx(
        np.mean(per_seed, axis=0)[kind == "a"].mean()
    )


def test_chance_alone_names_seldom_anything():
    rng = np.random.default_rng(5)
    found = 0
    for i in range(25):
        codes = np.repeat(np.arange(40), 3)
        shared = rng.exponential(0.3, 40)[codes]
        properties = {f"extra_{k}": rng.choice(["p", "q", "r"], 120) for k in range(4)}
        frame = measured(
            shared, properties, groups=[f"g{code}" for code in codes], noise=0.1, seed=i
        )
        columns = {"fictional": {name: name for name in properties}}
        found += (slices(frame, RECALL, columns)["p_fdr"] < 0.05).any()
    assert found <= 4  # of 25, one or two expected at most


# --- Drawn together -------------------------------------------------------------------------------


@pytest.mark.parametrize("spread", [0.0, 1.0, 4.0])
@pytest.mark.parametrize("errors", [[1.0, 1.0], [0.3, 2.0], [0.5, 1.0, 1.0, 2.0]])
def test_intervals_of_drawn_estimates_hold_the_truth(spread, errors):
    rng, errors = np.random.default_rng(0), np.array(errors)
    held, squares = [], []
    for _ in range(150):
        true = 0.5 + spread * rng.normal(size=len(errors))
        seen = true + errors * rng.normal(size=len(errors))
        drawn = drawn_together(seen, np.diag(errors**2))
        held.append((drawn.low <= true) & (true <= drawn.high))
        squares.append([(drawn.means - true) ** 2, (seen - true) ** 2])
    assert np.mean(held) > 0.92
    assert np.mean(held, axis=0).min() > 0.87
    ours, plain = np.mean(squares, axis=(0, 2))
    assert ours < 1.1 * plain


def test_a_single_estimate_is_left_alone_and_equal_ones_stay():
    alone = drawn_together(np.array([0.4]), np.array([[0.04]]))
    assert alone.means == pytest.approx([0.4])
    assert [*alone.low, *alone.high] == pytest.approx([0.008, 0.792], abs=1e-3)
    equal = drawn_together(np.full(3, -0.2), np.eye(3) * 0.01)
    assert equal.means == pytest.approx(np.full(3, -0.2))
    # Few degrees of freedom make them wider.
    few = drawn_together(np.full(3, -0.2), np.eye(3) * 0.01, 5)
    assert (few.high - few.low > equal.high - equal.low).all()
