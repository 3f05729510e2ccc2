"""One fact made wrong: what is changed, what is left alone."""

from random import Random

import pytest

from rag_study.common.text import contains, normalise
from rag_study.data.schema import Question
from rag_study.data.sources import fictional
from rag_study.evaluation.judging.training_corruption import Corruptor, other_number, slipped


def question(text="Who built it?", *answers, key_points=(), id="q", **fields):
    return Question(id, text, answers or ("Ada Moss",), key_points=key_points, **fields)


LENDERS = [
    question("Who painted it?", "Ben Frost", id="a"),
    question("Which river is it?", "the Tarn", id="b"),
    question("Who sold it?", "Cara Lund", id="c"),
    question("What is it made of?", "copper", id="d"),
]


@pytest.fixture
def corruptor():
    return Corruptor([*LENDERS, question("Is it open?", "Yes", id="e", answer_type="yesno")])


def test_short_answer_becomes_another_answer_of_its_kind(corruptor):
    found = corruptor.corrupt("Ada Moss", question())
    assert (found.text, found.kind) in [("Ben Frost", "answer"), ("Cara Lund", "answer")]


def test_frame_around_the_answer_stays(corruptor):
    found = corruptor.corrupt("It was Ada Moss.", question())
    assert found.text in ("It was Ben Frost.", "It was Cara Lund.")


def test_number_in_a_short_answer(corruptor):
    found = corruptor.corrupt("in 1847", question("When?", "1847"))
    assert found.kind == "number"
    assert found.text.startswith("in 18")
    assert found.text != "in 1847"


def test_one_item_of_a_list(corruptor):
    asked = question("Who were they?", "Ada Moss and Eve Hill")
    found = corruptor.corrupt("Eve Hill and Ada Moss", asked)
    kept = [name for name in ("Ada Moss", "Eve Hill") if contains(found.text, name)]
    assert len(kept) == 1


def test_yes_becomes_no_and_the_rest_stays(corruptor):
    asked = question("Is the tower open?", "Yes", answer_type="yesno")
    found = corruptor.corrupt("Yes, open it is", asked)
    assert (found.text, found.kind) == ("No, open it is", "opposite")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("the dose that doctors give is higher in cold rooms", "lower"),
        ("the samples that they keep are not mixed by any others", "are mixed"),
        ("the samples that they keep are mixed every other week", "are not mixed"),
    ],
)
def test_opposites(corruptor, text, wrong):
    found = corruptor.corrupt(text, question("What of it?", text))
    assert found.kind == "opposite"
    assert wrong in found.text


def test_what_the_question_says_is_left_alone(corruptor):
    asked = question("What did the 40 men of Ostby build?", "a barn")
    assert corruptor.corrupt("40 men there at Ostby have made it so nicely", asked) is None


def test_never_one_of_the_right_answers():
    lenders = [question("Who sold it?", "A. Moss", id="x")]
    asked = question("Who built it?", "Ada Moss", "A. Moss")
    assert Corruptor(lenders).corrupt("Ada Moss", asked) is None


def test_same_seed_same_text(corruptor):
    text = "Ada Moss built 3 barns in 1847 and lost all of them"
    asked = question("What did she do?", text)
    one, two = (corruptor.corrupt(text, asked, seed=1) for _ in range(2))
    assert one == two
    assert len({corruptor.corrupt(text, asked, seed).text for seed in range(12)}) > 3


@pytest.mark.parametrize("number", ["7", "1999", "12,500", "3.25", "three", "Twelve", "100"])
def test_other_number_has_the_same_form(number):
    for seed in range(20):
        other = other_number(number, Random(seed))
        assert other != number
        assert other[0].isupper() == number[0].isupper()
        assert other[0].isdigit() == number[0].isdigit()
        if number[0].isdigit():
            assert len(other) == len(number)
            assert not other.startswith("0")


@pytest.mark.parametrize(
    ("number", "slips"),
    [
        ("12", {"-12", "1", "120", "1.2"}),
        ("-4.5", {"4.5", "45", "0.45"}),
        ("1,234", {"-1,234", "123", "12,340", "123.4", "1,324", "1,243"}),
        ("0.7", {"0.07", "-0.7"}),
        ("1923", {None}),
    ],
)
def test_a_slip_gives_another_number(number, slips):
    assert {slipped(number, Random(seed)) for seed in range(60)} == slips


@pytest.mark.parametrize("style", ["encyclopedia", "biomedical", "papers"])
def test_generated_worlds_change_in_one_place(style):
    questions = fictional.generate(20, style=style).questions
    corruptor, kinds = Corruptor(questions), set()
    for asked in questions:
        found = corruptor.corrupt(asked.reference, asked)
        if found is None:
            continue
        kinds.add(found.kind)
        right = {normalise(one) for one in (asked.reference, *asked.answers)}
        assert normalise(found.text) not in right
        before, after = asked.reference.split(), found.text.split()
        start = next(
            (i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), None
        )
        if start is not None:  # what stands before the change stays, and so does what follows it
            tail = min(len(before), len(after)) - start - 1
            same = next((n for n in range(tail) if before[-1 - n] != after[-1 - n]), tail)
            assert start + same >= len(before) - 6
    assert {"number", "answer", "opposite"} <= kinds
