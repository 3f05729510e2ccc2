"""Answers to training questions that a model writes: what is asked, once, and what is shown."""

import pytest
from writing_server import WritingServer

from rag_study import data
from rag_study.answering.generation import Settings
from rag_study.common.errors import StudyError
from rag_study.common.run_folder import RunFolder
from rag_study.data.schema import Question
from rag_study.models import endpoint
from rag_study.training import pairs, written_answers
from rag_study.training.recipe import (
    BY_MODEL,
    HELD_OUT,
    IN_PLACE,
    LEFT_OUT,
    NUM_EXAMPLES,
    subset_name,
    subset_of,
)

SETTINGS = Settings(4, batch_size=4)


@pytest.fixture(scope="module")
def pools():
    return data.split(data.load("fictional", options={"num_worlds": 84})).pools


@pytest.fixture
def folder(outputs):
    return RunFolder("write_training_answers/a-00000000")


def ids(questions):
    return [question.id for question in questions]


def asked_ids(folder, pools, **asked):
    asked = {name.replace("_", " "): size for name, size in asked.items()}
    rounds = written_answers.rounds(folder, pools, asked)
    return {name: ids(questions) for name, questions in rounds["train"].items()}


def write(lm, folder, pools, rounds, way="closed_book"):
    for _ in written_answers.write_answers(lm, rounds, pools, way, None, SETTINGS, folder):
        pass
    return written_answers.rows_of(folder)


def test_subsets_have_names():
    assert subset_of(subset_name(12, True)) == (12, True)
    assert subset_of("seed 0") == (0, False)
    with pytest.raises(ValueError, match="seed one"):
        subset_of("seed one")


def test_every_question_that_some_training_takes_is_asked_once(folder, pools):
    rounds = written_answers.rounds(folder, pools, {"seed 0": 60, "seed 1": 60})
    asked = ids(written_answers.questions_of(rounds))
    taken = {q.id for seed in (0, 1) for q in pairs.select(pools["train"], 60, seed)[0]}
    assert len(taken) < 120  # they overlap
    assert len(asked) == len(set(asked))
    assert set(asked) == taken | set(ids(pools["validation"][:HELD_OUT]))
    assert not set(asked) & set(ids(pools["test"]))


def test_a_larger_study_asks_what_is_new_and_a_resumed_one_the_same(folder, pools):
    first = asked_ids(folder, pools, seed_0=8)
    assert asked_ids(folder, pools, seed_0=8) == first
    more = asked_ids(folder, pools, seed_0=12, seed_1=8)
    assert {name: more[name] for name in first} == first
    old, new = more.values()
    assert not set(old) & set(new)
    assert {*old, *new} == {
        q.id for seed, n in ((0, 12), (1, 8)) for q in pairs.select(pools["train"], n, seed)[0]
    }
    assert asked_ids(folder, pools, seed_0=4) == more  # nothing is forgotten
    with pytest.raises(StudyError, match="train size 100000"):
        asked_ids(folder, pools, seed_0=100_000)


def test_deduplicated_trainings_find_their_questions_among_those_asked(folder, pools):
    rounds = written_answers.rounds(folder, pools, {subset_name(3, True): 20})
    wanted, _ = pairs.select(pools["train"], 20, 3, deduplicate=True)
    assert set(ids(wanted)) <= set(ids(written_answers.questions_of(rounds)))


def test_answers_that_are_there_stay_as_they_are(folder, pools, tiny):
    before = write(tiny, folder, pools, written_answers.rounds(folder, pools, {"seed 0": 6}))
    after = write(tiny, folder, pools, written_answers.rounds(folder, pools, {"seed 0": 10}))
    assert len(before) == 6 + HELD_OUT
    assert len(after) == 10 + HELD_OUT
    assert all(row in after for row in before)


def test_neither_test_questions_nor_the_question_itself_are_shown(folder, pools):
    server = WritingServer()
    server.answers = lambda passages, question: "It was somebody."
    try:
        lm = endpoint.connect(server.model)
        rounds = written_answers.rounds(folder, pools, {"seed 0": 12})
        rows = write(lm, folder, pools, rounds, "few_shot")
    finally:
        server.close()
    assert len(rows) == len(server.requests) == 12 + HELD_OUT
    pool_of = {f"Question: {q.question}": pool for pool in pools for q in pools[pool]}
    for body in server.requests:
        said = [m["content"] for m in body["messages"] if m["role"] == "user"]
        *shown, asked = (pool_of[text] for text in said)
        assert len(shown) == NUM_EXAMPLES
        assert {asked, *shown} == {"train", "validation"}  # each from the other pool
        assert said[-1] not in said[:-1]


# --- What is learned ------------------------------------------------------------------------------

ASKED = [Question(f"q{i}", f"Who built tower {i}?", (f"Person {i}",)) for i in range(4)]
WRITTEN = {"q1": "Tower 1 was built by Person 1.", "q3": "It was Person 3.", "other": "No matter."}


def test_a_written_answer_takes_the_place_of_the_gold_one():
    answered, counts = pairs.with_answers(ASKED, written=WRITTEN)
    assert [answer for _, answer in answered] == [
        *("Person 0", WRITTEN["q1"], "Person 2", WRITTEN["q3"])
    ]
    assert (counts[BY_MODEL], counts[IN_PLACE], counts[LEFT_OUT]) == (2, 2, 0)
    assert pairs.mean_words(answered) == (2 + 7 + 2 + 4) / 4


def test_a_question_without_one_can_be_left_out():
    answered, counts = pairs.with_answers(ASKED, written=WRITTEN, otherwise="left_out")
    assert ids(question for question, _ in answered) == ["q1", "q3"]
    assert (counts[BY_MODEL], counts[IN_PLACE], counts[LEFT_OUT]) == (2, 0, 2)
    with pytest.raises(StudyError, match="leaves nothing to train on"):
        pairs.with_answers(ASKED, written={}, otherwise="left_out")


def test_gold_answers_are_counted_as_before():
    _, counts = pairs.with_answers(ASKED)
    assert not {BY_MODEL, IN_PLACE, LEFT_OUT} & set(counts)


def test_wrong_answers_are_exchanged_among_written_ones_too():
    answered, counts = pairs.with_answers(ASKED, written=WRITTEN, label_noise=1.0)
    assert counts["wrong answers, by label noise"] == 4
    for question, answer in answered:
        assert question.answers[0] not in answer
