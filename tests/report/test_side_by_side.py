"""Two states side by side: whose answers, which change, and what stands behind them."""

import math

import pandas as pd
import pytest
from study_tables import answers, with_evidence

from rag_study.analysis.pairing import ALL_SEEDS
from rag_study.report.explorer.side_by_side import (
    changes,
    passages_of,
    probabilities,
    scores,
    seed_shown,
    two_states,
)

ROW = {"dataset": "fictional", "model": "tiny", "retriever": "dense", "chunk_size": 192}
ROW |= {"top_k": 3, "method": "lora", "train_format": "closed_book", "train_size": 200, "seed": 0}
ROW |= {"variant": "", "prompting": "default", "context": "retrieved"}


def test_the_base_and_the_asked_state_in_the_asked_context():
    base, tuned = two_states(answers(5), ROW)
    assert set(base["method"]) == {"none"}
    assert set(tuned["train_size"]) == {200}
    assert set(base["context"]) | set(tuned["context"]) == {"retrieved"}
    assert len(base) == len(tuned) == 5


def test_the_largest_change_comes_first_and_what_is_not_scored_last():
    frame = answers(6, judges=("a", "b"))
    tuned = (frame["train_size"] == 200) & (frame["context"] == "retrieved")
    by_a = tuned & (frame["judge"] == "a")
    frame.loc[by_a, "judge_accuracy"] = [3.0, 1.0, 5.0, 2.0, math.nan, 4.5]
    base, tuned = two_states(frame, ROW)
    found = changes(base, tuned, "judge_accuracy", "a")
    # The base has 1 where i % 3 is 0, else 5.
    assert list(found["question_id"]) == ["q001", "q000", "q003", "q005", "q002", "q004"]
    assert found["change"].tolist()[:5] == [-4.0, 2.0, 1.0, -0.5, 0.0]
    assert pd.isna(found["change"].iloc[5])
    assert found["answer_base"].iloc[0] == "answer 1 of 0"
    assert found["answer_tuned"].iloc[0] == "answer 1 of 200"


def test_of_several_seeds_the_first_one_is_shown():
    frame = answers(4, sizes=(200,))
    other = frame[frame["train_size"] > 0].assign(seed=3, answer="of seed 3")
    frame = pd.concat([frame, other], ignore_index=True)
    base, tuned = two_states(frame, ROW | {"seed": ALL_SEEDS})
    assert set(tuned["seed"]) == {0}
    assert seed_shown(tuned, ROW | {"seed": ALL_SEEDS}) == 0
    assert set(two_states(frame, ROW | {"seed": 3})[1]["answer"]) == {"of seed 3"}
    assert len(base) == 4


def test_scores_are_those_of_every_judge_and_leave_out_what_nobody_has():
    base, tuned = two_states(answers(6, judges=("a", "b")), ROW)
    found = {(one["metric"], one["judge"]): one for one in scores(base, tuned, "q005")}
    assert found["judge_accuracy", "a"]["base"] == 5.0
    assert found["judge_accuracy", "b"]["tuned"] == 1.0
    assert found["answer_recall", ""]["tuned"] == 0.0
    assert ("key_point_recall", "") not in found


def test_evidence_is_of_the_right_index_in_the_order_of_the_prompt():
    frame = answers(3)
    kept = with_evidence(frame)
    _, tuned = two_states(kept["evidence"], ROW)
    shown = passages_of(tuned, kept["passages"], "q001")
    assert [passage["title"] for passage in shown] == ["d1#0", "d2#0"]
    assert shown[0]["text"] == "The year was 1847."
    _, closed = two_states(kept["evidence"], ROW | {"context": "none"})
    assert passages_of(closed, kept["passages"], "q001") == []
    (only,) = probabilities(tuned, "q001")
    assert only["p"] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.0])
    assert only["mass"] == 0.2


def test_without_evidence_nothing_is_shown():
    empty = pd.DataFrame()
    assert passages_of(empty, empty, "q1") == []
    assert probabilities(empty, "q1") == []
