"""What a judge is trained on."""

import os
import subprocess
import sys
from collections import Counter
from importlib import resources

import pytest

from rag_study.common import files
from rag_study.common.text import normalise
from rag_study.data.sources import fictional
from rag_study.evaluation.judging import prompts as judging_prompts
from rag_study.evaluation.judging import training_material
from rag_study.evaluation.judging.ladder import REFUSAL
from rag_study.evaluation.judging.rungs.forms import FRAMES, SENTENCE_FRAMES
from rag_study.evaluation.judging.rungs.surroundings import INSTRUCTIONS
from rag_study.evaluation.judging.training_material import Graded

CRITERIA = set(judging_prompts.TRAINED_CRITERIA)
TEXTS = files.read_jsonl(resources.files("rag_study.evaluation.judging") / "judge_texts.jsonl")
RIGHT = ("right", "padded")


@pytest.fixture(scope="module")
def material() -> list[Graded]:
    return training_material.graded(0, num_worlds=3, num_texts=40, num_facts=50)


def test_written_texts_are_whole():
    assert len(TEXTS) > 600
    for text in TEXTS:
        right = {text["reference"], *text["rewordings"]}
        assert len(right) == len(text["wrong_fact"]) == 3
        assert not right & {*text["wrong_fact"], *text["incomplete"]}
        assert text["vague"]
        assert text["padded"]


def test_every_answer_has_a_grade_on_every_criterion(material):
    kinds = Counter(one.kind for one in material)
    expected = {*RIGHT, "wrong fact", "incomplete", "vague", "injected", "other question"}
    assert expected | {"refusal", "empty", "echo", "padding alone"} == set(kinds)
    for one in material:
        assert set(one.scores) == CRITERIA
        assert set(one.scores.values()) <= {1, 2, 3, 4, 5}
        assert (one.scores["accuracy"] == 5) == (one.kind in (*RIGHT, "incomplete"))
        assert (one.scores["completeness"] == 5) == (one.kind in RIGHT)


def test_no_answer_has_two_grades(material):
    grades = {}
    for one in material:
        key = one.question, one.reference, normalise(one.candidate)
        assert grades.setdefault(key, one.scores) == one.scores, one


def test_right_answers_hold_the_reference_or_a_rewording(material):
    right = {}
    for text in TEXTS:
        right[text["question"]] = [text["reference"], *text["rewordings"], text["padded"]]
    for one in material:
        if one.kind in RIGHT and one.question in right:
            said = normalise(one.candidate)
            assert any(normalise(text) in said for text in right[one.question]), one


def test_wrong_short_facts_differ_from_the_right_one(material):
    asked = {text["question"] for text in TEXTS}
    for one in material:
        if one.kind == "wrong fact" and one.question not in asked:
            assert normalise(one.reference) != normalise(one.candidate)


def test_another_seed_gives_other_answers(material):
    other = training_material.graded(1, num_worlds=3, num_texts=40, num_facts=50)
    candidates = [{one.candidate for one in some} for some in (material, other)]
    assert len(candidates[0] & candidates[1]) < 0.5 * len(candidates[0])


def test_the_check_is_not_in_the_training():
    material = training_material.graded(0, num_worlds=3)
    candidates = " ".join(one.candidate for one in material)
    for fixed in (*INSTRUCTIONS, REFUSAL):
        assert fixed not in candidates
    shared = {*FRAMES, *SENTENCE_FRAMES}
    assert not shared & {*training_material.FRAMES, *training_material.SENTENCE_FRAMES}
    padding = files.read_jsonl(
        resources.files("rag_study.evaluation") / "retention_sets" / "general_text.jsonl"
    )
    assert not any(row["text"][:60] in candidates for row in padding)
    demo = fictional.generate(60, style="encyclopedia")
    assert not {one.question for one in material} & {q.question for q in demo.questions}


def test_the_same_seed_gives_the_same_answers_in_every_process():
    """Python's own hashes differ from process to process."""
    code = (
        "from rag_study.evaluation.judging import training_material as m; import hashlib; "
        "print(hashlib.sha256(repr(m.graded(0, 1, 20, 20)).encode()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
