"""A study on questions that a model wrote says so, and what people made of them."""

from rag_study.analysis import written_questions
from rag_study.data.schema import REVIEWED, WRITTEN_BY, Question


def asked(number, written=0, **reviewed):
    extra = {WRITTEN_BY: "http://h/v1#m", REVIEWED: reviewed}
    return [
        Question(f"q{i}", f"Who paid for canal {i}?", ("Ann",), extra=extra if i < written else {})
        for i in range(number)
    ]


def test_nothing_is_said_of_questions_that_people_wrote():
    of_data = {"mine": asked(5)}
    assert written_questions.phrase(of_data) == ""
    assert written_questions.notes(of_data) == []


def test_the_phrase_tells_all_from_some():
    assert written_questions.phrase({"a": asked(5, 5)}) == "on questions that a model wrote"
    mixed = {"a": asked(5, 5), "b": asked(5)}
    assert written_questions.phrase(mixed) == "partly on questions that a model wrote"
    notes = written_questions.notes({"a": asked(5, 2), "b": asked(5)})
    assert len(notes) == 1
    assert notes[0].startswith("a: 2 of 5 test questions were written by http://h/v1#m")


def test_the_rate_of_rejection_has_its_interval_or_is_not_known():
    (note,) = written_questions.notes({"a": asked(5, 5, read=60, struck_out=9, mended=4)})
    # Wilson's interval for 9 of 60.
    assert "Of 60 questions that people read, 9 were struck out" in note
    assert "(15 %, 95 % interval 8 to 26 %) and 4 mended" in note
    (note,) = written_questions.notes({"a": asked(5, 5, read=0, struck_out=0, mended=0)})
    assert "Nobody has read them" in note
