import math

import pytest

from rag_study.data.schema import NO_ANSWER, Question
from rag_study.evaluation.ceiling import ALL, ceiling, ceiling_sentences, objections

LONG = "The mill was raised by a smith of the valley, as the chronicle has it."
QUESTIONS = [
    Question("f1", "Who?", ("Ada Orn",), reference="It was Ada Orn."),
    Question("f2", "Who?", ("Lohr",), reference=LONG),
    Question("y1", "Is it?", ("no",), "yesno", reference="No, never."),
    Question("y2", "Is it?", ("yes",), "yesno", reference=LONG),
    Question(
        "l1",
        "Which?",
        ("tin, zinc",),
        "list",
        reference="Zinc as well as tin.",
        key_points=(("tin",), ("zinc",)),
    ),
    Question("s1", "Why?", (), "summary", reference=LONG),
    Question("u1", "Who?", NO_ANSWER, "unanswerable"),
]


def test_references_are_scored_as_answers_by_type():
    table = ceiling(QUESTIONS).set_index("answer_type")
    assert table.loc[ALL, "questions"] == 7
    assert table["answer_recall"].drop(["summary", ALL]).to_dict() == {
        "factoid": 0.5,
        "list": 1.0,
        "unanswerable": 1.0,
        "yesno": 0.5,
    }
    assert math.isnan(table.loc["summary", "answer_recall"])
    assert table.loc[ALL, "answer_recall"] == pytest.approx(4 / 6)
    assert (table["rouge_l"] == 1.0).all()


def test_what_stays_below_nine_tenths_is_said():
    said = ceiling_sentences(ceiling(QUESTIONS), ["answer_recall"])
    assert len(said) == 1
    assert "0.50 (factoid) and 0.50 (yesno) in answer recall" in said[0]
    assert ceiling_sentences(ceiling(QUESTIONS), ["rouge_l"]) == []
    assert ceiling_sentences(ceiling([QUESTIONS[-1]])) == []


def test_a_metric_that_most_references_fail_carries_no_verdict():
    table = ceiling(QUESTIONS).assign(dataset="mills")
    against = objections(table, ["exact_match", "answer_recall", "semantic_similarity"])
    assert list(against) == [("exact_match", "")]
    assert "the references of mills themselves score" in against["exact_match", ""]
    assert objections(ceiling([]), ["exact_match"]) == {}
