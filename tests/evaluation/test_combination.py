import itertools

import pytest

from rag_study.evaluation.judging import combination
from rag_study.evaluation.judging.evidence import evidence

WHO = "who designed the harbour light"
CRITERIA = ("accuracy", "completeness")


def score(answer, model, right=("Ada Quill",), criterion="accuracy", question=WHO, points=()):
    found = evidence(question, right, answer, points)
    return 1 + 4 * combination.weights(criterion).probability(model, found)


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize(
    "answer", ["Ada Quill it was.", "Quill", "Bo Tarn", "Ada Quill or Bo Tarn", "the harbour"]
)
def test_a_better_word_of_the_model_never_lowers_a_score(criterion, answer):
    scores = [score(answer, model, criterion=criterion) for model in (1, 1.5, 2, 3, 4, 4.9, 5)]
    assert all(a <= b for a, b in itertools.pairwise(scores))
    assert scores[0] >= 1
    assert scores[-1] <= 5


@pytest.mark.parametrize("model", [1.1, 3.0, 4.9])
def test_what_is_right_stays_right_whatever_the_model_says_of_its_form(model):
    assert score("Surely it was Ada Quill, and Bo Tarn was her clerk.", model) > 4
    assert score("Ada Quill", model, right=("Quill",)) > 4
    assert score("on 9 May 1931", model, right=("1931",), question="when did it open") > 4


@pytest.mark.parametrize("model", [1.1, 4.9])
def test_what_is_wrong_stays_wrong_whatever_the_model_says(model):
    for answer, right in (("7 °C", "-7 °C"), ("2.4 billion", "2.4 million"), ("65 %", "6.5 %")):
        assert score(answer, model, right=(right,), question="how much was it") < 3
    assert score("It was not Ada Quill.", model) < 2
    assert score("Bo Tarn, Cy Dell, Ada Quill or Di Fenn", model) < 3


def test_length_alone_changes_little():
    short = score("Ada Quill", 4.0)
    long = score(
        "Ada Quill designed it. " + "The coast is rocky and the sea is cold there. " * 5, 4.0
    )
    assert abs(long - short) < 0.25


def test_wrong_answers_among_other_text_get_nothing():
    text = "The pump lifts brine. A valve closes when it overflows, and the miller is told. " * 8
    assert score(f"Bo Tarn. {text}", 1.5) < 1.5
    assert score(text, 1.5) < 1.5


def test_a_word_out_of_a_long_answer_is_no_answer():
    right = "The pump lifts brine from the lower basin, and a valve closes when it overflows."
    assert score("the basin", 5.0, right=(right,), question="how does it work") < 1.5


def test_half_the_facts_are_half_complete_and_as_accurate():
    question = "how does it work"
    first, second = (
        "The pump lifts brine from the lower basin.",
        "A valve closes when it overflows.",
    )
    right = (f"{first} {second}",)
    points = (("lifts brine",), ("valve closes",))
    both = [score(f"{first} {second}", 4.5, right, c, question, points) for c in CRITERIA]
    half = [score(first, 4.5, right, c, question, points) for c in CRITERIA]
    assert half[0] == pytest.approx(both[0], abs=0.5)
    assert half[1] < both[1] - 0.2


def test_the_weights_say_what_they_were_fitted_on_and_how_well_they_do():
    content = combination.shipped()
    assert set(content["weights"]) == set(CRITERIA)
    for criterion, size in itertools.product(CRITERIA, ("short", "long")):
        known = combination.features(3.0, evidence(WHO, ["Ada Quill"], "Bo"))
        assert set(content["weights"][criterion][size]) <= set(known)
        assert content["fitted_on"][f"{criterion}, {size}"]["graded_by_people"] > 100
    for figures in content["measured_on_unseen"]["accuracy"].values():
        assert figures["auc"][1] <= figures["auc"][0] <= figures["auc"][2]


def test_a_criterion_without_weights_keeps_the_score_of_the_model():
    assert combination.weights("groundedness") is None
