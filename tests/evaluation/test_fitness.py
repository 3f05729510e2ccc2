import pytest

from rag_study.data.schema import Question
from rag_study.evaluation.judging.fitness import fit_sentences, kind_of
from rag_study.models import names

JUDGE = "smollm2-135m-judge"
SENTENCE = "The pump lifts brine from the lower basin, and a valve closes when it overflows there."


def asked(n, answer="Ann Lee", points=()):
    wording = "Who was it that built the tower in the north of the town?"
    return [Question(f"q{i}", wording, (answer,), key_points=points) for i in range(n)]


def test_kinds_of_answers():
    kinds = [
        kind_of(q)
        for q in (asked(1)[0], asked(1, SENTENCE)[0], asked(1, points=(("Ann",), ("Lee",)))[0])
    ]
    assert kinds == ["short", "long", "several"]


@pytest.mark.parametrize("judge", names.JUDGES)
def test_the_judges_of_the_package_say_what_they_are_fit_for(judge):
    assert not fit_sentences([judge], asked(20))
    (sentence,) = fit_sentences([judge], [*asked(15), *asked(5, SENTENCE)])
    assert "25 % of these questions ask for an answer in sentences" in sentence
    assert fit_sentences([judge], asked(20, points=(("Ann",), ("Lee",))))


def test_another_language_is_said():
    spanish = [Question("q", "¿Quién construyó la torre que está en el norte?", ("Ana",))] * 9
    (sentence,) = fit_sentences([JUDGE], spanish)
    assert "in English only" in sentence
    assert "Spanish" in sentence


def test_of_other_judges_and_of_few_questions_nothing_is_said():
    assert fit_sentences(["http://host/v1#big"], asked(9, SENTENCE)) == []
    assert fit_sentences([JUDGE], [*asked(99), *asked(1, SENTENCE)]) == []
    assert fit_sentences([JUDGE], []) == []
