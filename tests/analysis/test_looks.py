"""Declared looks: the same verdicts whether a study asked everything or stopped when settled."""

import numpy as np
import pandas as pd
import pytest
from generated import TUNED, study

from rag_study.analysis.effects import compare
from rag_study.analysis.estimates import KEY_COLUMNS
from rag_study.analysis.looks import (
    LOOK_COLUMNS,
    ONLY_LOOK,
    RECIPE,
    Looks,
    looks_sentence,
    settled_states,
    with_looks,
)

SIZES = (50, 100, 200)
# The first is settled at once, the second at the last look if at all, the third in between.
EFFECTS = {8: 1.4, 16: 0.13, 32: 0.45}


def compared(results, look=ONLY_LOOK):
    options = {"judge_valid": {"j": True}, "n_resamples": 300, "look": look}
    return compare(results, ["retrieved"], ["judge_accuracy"], [], **options)


@pytest.fixture(scope="module")
def whole():
    settings = [({**TUNED, "train_size": size}, effect) for size, effect in EFFECTS.items()]
    return study(settings, n=SIZES[-1], seed=5)


@pytest.fixture(scope="module")
def looks(whole):
    ids = list(dict.fromkeys(whole["question_id"]))
    groups = whole.drop_duplicates("question_id").set_index("question_id")["group"]
    asked = pd.DataFrame({"dataset": "fictional", "question_id": ids, "group": groups[ids].values})
    return Looks(SIZES, asked.assign(position=np.arange(len(ids))), ["retrieved"])


@pytest.fixture(scope="module")
def replayed(whole, looks):
    return looks.replay(whole, compared)


def stopped(whole, sizes):
    """The results of a study in which each trained state was asked so many questions."""
    number = whole["question_id"].str[1:].astype(int)
    return whole[number < whole["train_size"].map(sizes | {0: max(sizes.values())})]


def test_each_state_is_settled_at_its_own_look_and_stays_so(whole, looks, replayed):
    table, seen = replayed
    first, last, between = (table.set_index("train_size").loc[size] for size in EFFECTS)
    assert (first["verdict"], first["n_questions"]) == ("helps", 50)
    assert (between["verdict"], between["n_questions"]) == ("helps", 100)
    assert last["n_questions"] == 200
    assert "settled at the look at 50 of at most 200 questions" in first["reason"]
    # What was settled is asked no further, and what was asked further changes nothing.
    sizes = {size: int(table.set_index("train_size").loc[size, "n_questions"]) for size in EFFECTS}
    again, seen_again = looks.replay(stopped(whole, sizes), compared)
    pd.testing.assert_frame_equal(table, again)
    pd.testing.assert_frame_equal(seen, seen_again)
    assert list(seen["n_asked"]) == [50, 50, 50, 100, 100, 200]
    assert list(seen.columns) == LOOK_COLUMNS


def test_the_family_is_all_comparisons_whenever_they_were_settled(replayed):
    _, seen = replayed
    # Of three, two are settled: Holm has one step left, and the p of the last is its own.
    last = seen[seen["n_asked"] == 200].iloc[0]
    assert last["p_holm"] == pytest.approx(last["p_looks"])
    first = seen[seen["n_asked"] == 50].sort_values("p_looks")
    assert first["p_holm"].iloc[0] == pytest.approx(3 * first["p_looks"].iloc[0])
    assert (seen["p_looks"] >= seen["p_value"]).all()


def test_intervals_are_wider_the_earlier_the_look(whole, looks, replayed):
    _, seen = replayed
    number = whole["question_id"].str[1:].astype(int)
    for size in SIZES:
        alone = compared(whole[number < size]).set_index("train_size")
        row = seen[(seen["n_asked"] == size) & (seen["train_size"] == 16)].iloc[0]
        usual = alone.loc[16, "ci_high"] - alone.loc[16, "ci_low"]
        ratio = (row["ci_high"] - row["ci_low"]) / usual
        assert ratio > {50: 2.2, 100: 1.5, 200: 1.0}[size]
        assert ratio < {50: 2.8, 100: 1.8, 200: 1.06}[size]


def test_a_look_is_not_taken_before_all_open_states_are_there(whole, looks):
    table, seen = looks.replay(stopped(whole, {8: 50, 16: 100, 32: 50}), compared)
    assert set(seen["n_asked"]) == {50}
    assert set(table["n_questions"]) == {50}
    open_row = table.set_index("train_size").loc[16]
    assert "not settled at the look at 50 of at most 200 questions" in open_row["reason"]


def test_the_tables_of_all_answers_keep_what_was_settled(whole, replayed):
    table, seen = replayed
    full = with_looks(compared(whole), table).set_index("train_size")
    assert list(full.loc[[8, 16, 32], "n_questions"]) == list(
        table.set_index("train_size").loc[[8, 16, 32], "n_questions"]
    )
    assert full.loc[8, "verdict"] == "helps"
    assert full["primary"].all()
    assert "2 at" not in looks_sentence(seen, SIZES)
    assert "settled: 1 at 50, 1 at 100" in looks_sentence(seen, SIZES)


def test_one_look_at_everything_is_no_look_at_all(whole):
    alone = compared(whole)
    assert list(alone["n_questions"]) == [200] * 3
    assert not alone["reason"].str.contains("look").any()


def test_a_state_is_settled_when_all_its_comparisons_are():
    state = dict.fromkeys(KEY_COLUMNS, "")
    rows = [
        {**state, "variant": v, "metric": m, "look": k, "settled": s}
        for v, m, k, s in [
            ("a", "accuracy", 1, True),
            ("a", "completeness", 1, False),
            ("b", "accuracy", 1, True),
            ("c", "accuracy", 1, False),
            ("a", "completeness", 2, True),
            ("c", "accuracy", 2, False),
        ]
    ]
    found = {s[RECIPE.index("variant")] for s in settled_states(pd.DataFrame(rows))}
    assert found == {"a", "b"}
    assert settled_states(pd.DataFrame(columns=LOOK_COLUMNS)) == set()
