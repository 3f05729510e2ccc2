"""What a judge is trained on."""

import os
import subprocess
import sys
from collections import Counter
from importlib import resources
from random import Random

import pytest

from rag_study.common import files
from rag_study.common.text import normalise
from rag_study.data.sources import fictional
from rag_study.evaluation.judging import prompts as judging_prompts
from rag_study.evaluation.judging import training_material, training_sources
from rag_study.evaluation.judging.ladder import REFUSAL
from rag_study.evaluation.judging.rungs.forms import FRAMES, SENTENCE_FRAMES
from rag_study.evaluation.judging.rungs.surroundings import INSTRUCTIONS
from rag_study.evaluation.judging.training_material import Graded

CRITERIA = set(judging_prompts.TRAINED_CRITERIA)
FRAMES_OF_MATERIAL = training_material.FRAMES
TEXTS = files.read_jsonl(resources.files("rag_study.evaluation.judging") / "judge_texts.jsonl")
WRONG = ("wrong fact", "other question", "vague", "echo")


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


def test_every_answer_has_its_grade(material):
    kinds = Counter(one.kind for one in material)
    expected = {"right", "incomplete", "surplus alone", "refusal", "fragment", *WRONG}
    assert expected == set(kinds)
    for one in material:
        assert set(one.scores) <= CRITERIA
        # One criterion is enough where both give the same.
        assert len(one.scores) == 2 or len(set(one.scores.values())) == 1
        for name, score in one.scores.items():
            part = one.kind == "incomplete" and name == "accuracy"
            assert (score == 5) == (one.kind == "right" or part), one
            assert score in (1, 2, 3, 4, 5)
    assert {name for one in material for name in one.scores} == CRITERIA


def test_length_and_form_tell_nothing(material):
    """Of every length, and in every frame, there are as many right answers as wrong ones."""
    of_kind = {True: Counter(), False: Counter()}
    for one in material:
        if one.kind in ("right", *WRONG):
            words = len(one.candidate.split())
            length = next(n for n in (4, 12, 30, 60, 1_000) if words <= n)
            of_kind[one.kind == "right"][length] += 1
            for frame in (*FRAMES_OF_MATERIAL, *training_material.SENTENCE_FRAMES):
                start = frame.partition("{")[0].strip()
                of_kind[one.kind == "right"][start] += bool(start) and start in one.candidate
    for form, count in (of_kind[True] + of_kind[False]).items():
        share = of_kind[True][form] / count
        assert abs(share - 0.5) < 0.1 + 1 / count**0.5, (form, count, share)


def test_surplus_around_an_answer_is_the_same_for_right_and_wrong_ones(material):
    alone = [one for one in material if one.kind == "surplus alone"]
    assert alone
    for one in alone:
        around = {
            other.kind
            for other in material
            if other.question == one.question
            and set(one.candidate.split()) < set(other.candidate.split())
        }
        assert "right" in around, one
        assert around & set(WRONG), one


def test_no_answer_has_two_grades(material):
    grades = {}
    for one in material:
        key = one.question, one.reference, normalise(one.candidate)
        assert grades.setdefault(key, one.scores) == one.scores, one


def test_right_answers_hold_the_reference_or_a_rewording(material):
    right = {text["question"]: [text["reference"], *text["rewordings"]] for text in TEXTS}
    for one in material:
        if one.kind == "right" and one.question in right:
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
    assert not shared & {*FRAMES_OF_MATERIAL, *training_material.SENTENCE_FRAMES}
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


@pytest.mark.parametrize(
    ("kind", "answer", "same", "more"),
    [
        ("person", "Ada B. Moss", {"Ada Moss", "Moss", "A. Moss", "Moss, Ada"}, "Dr Ada B. Moss"),
        ("date", "3 May 1911", {"3 May 1911", "May 3, 1911", "the 3rd of May 1911"}, ""),
        ("year", "1911", set(), "March 1911"),
        ("change", "-4.5%", {"minus 4.5 percent"}, ""),
        ("amount", "$3.2 million", {"$3,200,000", "3.2 million dollars", "3200000 dollars"}, ""),
        ("list", "tin and zinc", {"zinc and tin", "- tin\n- zinc"}, ""),
    ],
)
def test_a_fact_in_all_its_forms(kind, answer, same, more):
    words = files.read_yaml(resources.files("rag_study.evaluation.judging") / "judge_facts.yaml")
    forms, longer = set(), set()
    for seed in range(40):
        forms |= set(training_sources._other_forms(kind, answer, Random(seed)))
        longer |= set(training_sources._more_specific(kind, answer, words, Random(seed)))
    assert same <= forms
    if more == "March 1911":
        assert any(text.endswith("March 1911") for text in longer)
    elif more:
        assert more in longer
