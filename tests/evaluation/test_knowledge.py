"""What a model knows before training: how it is asked, and which class follows."""

from dataclasses import replace

import pandas as pd
import pytest

from rag_study import data as qa_datasets
from rag_study.analysis import known_before
from rag_study.answering import generation
from rag_study.answering.generation import Settings
from rag_study.common import run_folder
from rag_study.common.errors import StudyError
from rag_study.data.schema import Question
from rag_study.evaluation import knowledge
from rag_study.models.prompts import Prompting

SETTINGS = Settings(max_new_tokens=6, batch_size=4)
WAYS = knowledge.draws(exemplar_sets=2, samples=3, temperature=0.9)


@pytest.fixture(scope="module")
def pools():
    return qa_datasets.split(qa_datasets.load("fictional", options={"num_worlds": 40})).pools


def asked(lm, pools, extent, name="stage/k-1", number=4):
    """Rows of a probe, and what is on disk of it."""
    folder = run_folder.RunFolder(name)
    exemplars = knowledge.Exemplars(pools["train"], number)
    questions = knowledge.in_order(pools)
    batches = list(knowledge.ask(lm, questions, extent, exemplars, WAYS, SETTINGS, folder))
    rows = [row for batch in batches for row in batch]
    assert len(rows) == knowledge.number_of_answers(questions, extent, WAYS, 4)
    return rows, {file.name: file.read_bytes() for file in (folder.path / "parts").iterdir()}


def test_examples_are_of_the_type_and_never_of_the_group_of_the_question(pools):
    exemplars = knowledge.Exemplars(pools["train"], 4)
    sets = set()
    for question in [*pools["train"], *pools["test"]]:
        for number in range(3):
            shown = exemplars.before(question, number)
            assert len({q.id for q in shown}) == 4
            assert question.group not in {q.group for q in shown}
            assert all(q.answer_type != "unanswerable" for q in shown)
            others = [
                q
                for q in pools["train"]
                if q.answer_type == question.answer_type and q.group != question.group
            ]
            if question.answer_type != "unanswerable" and len(others) >= 4:
                assert {q.answer_type for q in shown} == {question.answer_type}
            sets.add(tuple(q.id for q in shown))
    assert len(sets) > 3


def test_a_question_without_others_has_no_examples():
    one = [Question(f"q{i}", "Who?", ("Ann",), group="same") for i in range(5)]
    with pytest.raises(StudyError, match="no question of another group"):
        knowledge.Exemplars(one, 4).before(one[0], 0)


def test_greedy_answers_are_few_shot_answers_and_samples_differ(tiny, pools, outputs):
    rows, _ = asked(tiny, pools, {"test": 4, "train": 4})
    answers = pd.DataFrame(rows).set_index(["pool", "question_id", "draw"])["answer"]
    exemplars = knowledge.Exemplars(pools["train"], 4)
    for question in knowledge.in_order(pools)["train"][:4]:
        for number in range(2):
            shown = exemplars.before(question, number)
            prompting = Prompting("few_shot", tuple((q.question, q.reference) for q in shown))
            alone = generation.answer_batch(tiny, [question], [[]], 6, prompting)
            assert answers["train", question.id, f"greedy-0{number}"] == alone[0]["answer"]
    sampled = pd.DataFrame(rows)
    sampled = sampled[sampled["draw"].isin(["sample-000", "sample-002"])]  # of one set of examples
    assert (sampled.groupby(["pool", "question_id"])["answer"].nunique() == 2).mean() > 0.5


def test_a_larger_probe_adds_to_a_smaller_one(tiny, pools, outputs):
    asked(tiny, pools, {"test": 3, "train": 0}, "stage/k-grown")
    _, grown = asked(tiny, pools, {"test": 6, "train": 5}, "stage/k-grown")
    _, at_once = asked(tiny, pools, {"test": 6, "train": 5}, "stage/k-whole")
    assert grown == at_once
    assert len(at_once) == 2 * 2 * len(WAYS)
    few = {pool: questions[:5] for pool, questions in pools.items()}
    rows, _ = asked(tiny, few, {"test": 999, "train": 2}, "stage/k-all", number=2)
    assert sum(row["pool"] == "test" for row in rows) == 5 * len(WAYS)


QUESTIONS = {
    "short": Question("short", "Who built it?", ("Ann Lee", "Lee"), group="a"),
    "yes": Question("yes", "Is it?", ("yes",), answer_type="yesno", group="b"),
    "none": Question("none", "Who?", ("unknown",), answer_type="unanswerable", group="c"),
}


@pytest.mark.parametrize(
    ("question", "greedy", "sampled", "expected"),
    [
        ("short", ["Ann Lee.", "It was Lee"], ["Bob", "Bob"], "highly known"),
        ("short", ["Ann Lee.", "Bob"], ["Lee", "Lee"], "maybe known"),
        ("short", ["Bob", "Bob"], ["Bob", "ann lee"], "weakly known"),
        ("short", ["Bob", "Leeds"], ["Bob", ""], "unknown"),
        ("yes", ["Yes, it is.", "yes"], ["No", "no"], "highly known"),
        ("yes", ["No.", "It is not."], ["no", "Yes"], "weakly known"),
        ("short", ["Lee", None], ["Bob", "Bob"], "highly known"),  # one was refused
        ("short", [None, None], ["Lee", "Lee"], None),
        ("none", ["unknown", "unknown"], ["unknown", "x"], None),
    ],
)
def test_classes_follow_from_the_answers(question, greedy, sampled, expected):
    draws = [("greedy-00", greedy[0]), ("greedy-01", greedy[1])]
    draws += [("sample-000", sampled[0]), ("sample-001", sampled[1])]
    answers = pd.DataFrame(
        {
            "pool": "test",
            "position": 0,
            "draw": draw,
            "question_id": question,
            "answer": answer,
            "missing_reason": None if answer is not None else "refused",
        }
        for draw, answer in draws
    )
    (row,) = known_before.classify(answers, QUESTIONS).to_dict("records")
    assert row["known_before"] == expected or (expected is None and pd.isna(row["known_before"]))
    assert row["position"] == 0


def test_no_samples_of_a_draw_depend_on_the_batch(tiny, pools, outputs):
    question = knowledge.in_order(pools)["test"][0]
    pair = (question, Prompting("few_shot", (("Who?", "Ann"),)))
    other = (pools["train"][0], Prompting("few_shot", (("Where was it?", "Rome"),)))
    warm = replace(SETTINGS, temperature=0.9)
    alone = generation.draw_batch(tiny, [pair], warm, "sample-000")[0]["answer"]
    assert generation.draw_batch(tiny, [other, pair], warm, "sample-000")[1]["answer"] == alone
