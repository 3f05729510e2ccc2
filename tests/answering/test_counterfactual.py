import pytest

from rag_study.answering.counterfactual import (
    OtherAnswers,
    answer_pattern,
    answer_shape,
    impossible,
    names_answer,
    replace_answer,
    still_right,
)
from rag_study.data.schema import Question


def asks(*answers, question="What is it?", **changes):
    return Question("q", question, answers, **changes)


@pytest.mark.parametrize(
    ("answer", "shape"),
    [
        ("1847", "year"),
        ("3047", "number"),
        ("March 1847", "date"),
        ("5 May", "date"),
        ("2016-04-07", "date"),
        ("May", "date"),
        ("1,200", "number"),
        ("about 30 km", "number"),
        ("twelve", "number"),
        ("40%", "number"),
        ("Ada Holm", "name"),
        ("the Duke of York", "name"),
        ("COVID-19", "name"),
        ("a red bridge", "other"),
        ("copper", "other"),
        ("×", "other"),
    ],
)
def test_shapes(answer, shape):
    assert answer_shape(answer) == shape


@pytest.mark.parametrize(
    ("text", "answers", "other", "expected"),
    [
        ("Tin, tin-plate and printing.", ["tin"], "zinc", "Zinc, zinc-plate and printing."),
        ("It cost 5, not 5.3 or 1,5 or 25.", ["5"], "8", "It cost 8, not 5.3 or 1,5 or 25."),
        ("Built in 1847.", ["1847", "in 1847"], "1902", "Built in 1902."),
        ("Near the Eiffel Tower.", ["Eiffel Tower"], "the Louvre", "Near the Louvre."),
        ("Near the Eiffel Tower.", ["the Eiffel Tower"], "Big Ben", "Near Big Ben."),
        ("The Who sang; who knew Who?", ["The Who"], "Queen", "Queen sang; who knew Queen?"),
        ("Bern\nMinster, BERN MINSTER.", ["Bern Minster"], "Ulm", "Ulm, ULM."),
        (
            "The US and the United States.",
            ["United States", "US"],
            "Peru",
            "The Peru and the Peru.",
        ),
        ("A (b) c.", ["A (b)"], "Sophia Aa", "Sophia Aa c."),
    ],
)
def test_replacement(text, answers, other, expected):
    assert replace_answer(text, asks(*answers), other) == expected


def test_the_other_answer_of_the_data_stands_for_the_first_wording():
    question = asks("Ulm", "the University of Ulm", "U", extra={"other_answer": "Bern"})
    text = "The University of Ulm, in Ulm, or U."
    assert replace_answer(text, question, "Bern") == "The University of Bern, in Bern, or Bern."


def test_last_names_are_replaced_where_a_person_is_asked_for():
    text = "Ada Holm came. Holm left; holm oaks stayed."
    assert (
        replace_answer(text, asks("Ada Holm", question="Who came?"), "Mira Voss")
        == "Mira Voss came. Voss left; holm oaks stayed."
    )
    assert "Holm left" in replace_answer(text, asks("Ada Holm"), "Mira Voss")


def test_what_scoring_would_find_counts_as_still_right():
    question = asks("the Louvre", "1,200")
    assert still_right("In Louvre!", question)
    assert still_right("It has 1200.", question)
    assert not still_right("It has 12.", question)
    assert still_right("It has twelve or 1\u202f200.", question)
    assert not answer_pattern(question).search("It has 12.")


@pytest.mark.parametrize(
    ("text", "answer", "expected"),
    [
        ("It was “Mel O’Hara” who…", "Mel O'Hara", "It was “Ulm” who…"),
        ("Mel OʼHara—the smith", "Mel O’Hara", "Ulm—the smith"),
        ("«Mel\u00a0O'Hara»", "Mel O'Hara", "«Ulm»"),
        ("by Andre\u0301 Orn (cafe\u0301)", "André Orn", "by Ulm (cafe\u0301)"),
        ("by ﬁve ofﬁcers, ﬁrst", "five officers", "by Ulm, ﬁrst"),
        ("The well\u2011worn path", "well-worn path", "The Ulm"),
        ("The well worn path", "well-worn path", "The Ulm"),
        ("It has 1,200 or 1200 sheep", "1200", "It has Ulm or Ulm sheep"),
        ("答案是青石桥。", "青石桥", "答案是Ulm。"),
        ("使用BERT模型", "BERT", "使用Ulm模型"),
        ("यह दिल्ली है, दिल्लीवाला नहीं", "दिल्ली", "यह Ulm है, दिल्लीवाला नहीं"),
        ("co\u00adoperative mills", "cooperative", "Ulm mills"),
        ("a tinker", "tin", "a tinker"),
    ],
)
def test_a_wording_is_replaced_however_it_is_set_and_the_rest_stays(text, answer, expected):
    question = asks(answer)
    assert replace_answer(text, question, "Ulm") == expected
    assert names_answer(text, question) == (text != expected)
    assert still_right(text, question) == (text != expected)
    assert not still_right(expected, question)


def test_borrowed_answers_fit_and_are_wrong():
    pool = [
        Question("a", "Who?", ("Mira Voss",)),
        Question("b", "How long?", ("30 km",)),
        Question("c", "How many?", ("40 people",)),
        Question("d", "How long?", ("a b c d",)),
        Question("e", "Is it?", ("Yes",), "yesno"),
    ]
    others = OtherAnswers(pool)
    length = Question("q", "How wide is it?", ("12 km",))
    assert others.find(length, ["It is 12 km wide."]) == "30 km"
    assert others.find(length, ["It is 12 km wide and 30 km long."]) == "40 people"
    assert others.find(length, ["12 km, 30 km, 40 people"]) is None
    assert others.find(Question("q", "Not Mira Voss, who?", ("Ada Holm",)), []) is None
    assert others.find(Question("q", "Who?", ("Ada Holm", "Voss")), []) is None


def test_the_other_answer_of_the_data_comes_first():
    others = OtherAnswers([Question("a", "When?", ("1902",))])
    question = Question("q", "When?", ("1847",), extra={"other_answer": "1850"})
    assert others.find(question, ["Built in 1847."]) == "1850"
    assert others.find(question, ["Built in 1847, painted in 1850."]) is None


def test_only_short_facts_can_be_replaced():
    assert impossible(asks("1847")) == ""
    assert impossible(Question("q", "?", (), reference="x")) == "the answer is not one short fact"
    assert impossible(asks("Yes", answer_type="yesno")) == "yesno question"
