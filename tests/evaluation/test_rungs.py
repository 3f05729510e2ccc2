"""What is done to right answers for the judge's check: what stays right, and what gets wrong."""

from random import Random

import pytest

from rag_study.common.text import contains, normalise
from rag_study.data.schema import Question
from rag_study.data.sources import fictional
from rag_study.evaluation.judging.rungs import forms, names, numbers, surroundings
from rag_study.evaluation.judging.rungs.facts import Facts, facts_of, is_name, items_of, kind_of


def otherwise(text):
    """All ways to write the number otherwise, over many draws."""
    ways = {}
    for seed in range(20):
        for way, made in numbers.otherwise(text, Random(seed)).items():
            ways.setdefault(way, set()).add(made)
    return ways


def wrong(text, *right, question="How much is it?"):
    ways = {}
    for seed in range(30):
        found = numbers.wrong(text, right or (text,), question, Random(seed))
        for way, made in found.items():
            ways.setdefault(way, set()).add(made)
    return ways


# --- Numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "way", "among"),
    [
        ("a loss of 12 %", "percent", "a loss of 12 percent"),
        ("41% of them", "percent", "41 percent of them"),
        ("about 12500 men", "thousands", "about 12,500 men"),
        ("7,300 men", "thousands", "7300 men"),
        ("3 million coins", "scale", "3,000,000 coins"),
        ("4,200,000 coins", "scale", "4.2 million coins"),
        ("it weighs 8 kg", "unit", "it weighs 8 kilograms"),
        ("8 barns", "words", "eight barns"),
        ("four barns", "digits", "4 barns"),
        ("0.35", "zero", "0.350"),
        ("in 1847", "year", "in the year 1847"),
        ("on 9 May 1847", "date", "on May 9, 1847"),
        ("on May 9, 1847", "date", "on 1847-05-09"),
    ],
)
def test_a_number_in_another_form(text, way, among):
    assert among in otherwise(text)[way]


@pytest.mark.parametrize("text", ["BERT-2", "at 12p13", "10:30", "the 1990s", "2019-05-01", "none"])
def test_what_is_no_number_of_its_own_stays(text):
    assert not otherwise(text)
    assert not wrong(text)


def test_a_year_inside_a_phrase_is_not_put_otherwise():
    assert "year" not in otherwise("the 1847 season")


@pytest.mark.parametrize(
    ("text", "way", "among"),
    [
        ("3.5 %", "sign", "-3.5 %"),
        ("-3.5 %", "sign", "3.5 %"),
        ("3 million", "scale", "3 billion"),
        ("42 barns", "scale", "42 thousand barns"),
        ("3.25", "decimal point", "32.5"),
        ("42", "decimal point", "4.2"),
        ("1847", "digit dropped", "187"),
        ("12,500", "digit dropped", "1,250"),
        ("1847", "digits swapped", "1874"),
        ("8 km", "unit", "8 miles"),
        ("9 May 1847", "month", "9 March 1847"),
    ],
)
def test_a_wrong_number(text, way, among):
    assert among in wrong(text)[way]


@pytest.mark.parametrize("text", ["7", "1999", "12,500", "3.25", "-4", "100", "2 %", "May 3, 1901"])
def test_no_wrong_number_is_the_right_one(text):
    value = text.replace(",", "").replace(" ", "")
    for way, made in wrong(text).items():
        assert not {one for one in made if one.replace(",", "").replace(" ", "") == value}, way
        assert all(any(sign.isdigit() for sign in one) for one in made)


def test_a_wrong_number_is_no_other_right_answer_and_none_of_the_question():
    for made in wrong("12", "12", "1.2", "2").values():
        assert not {"1.2", "2"} & made
    assert not wrong("40 men", question="What did the 40 men do?")


def test_a_year_gets_no_sign_and_no_scale():
    assert not {"sign", "scale", "decimal point", "unit"} & set(wrong("1847"))


def test_a_year_said_more_exactly():
    for text in numbers.dated("1847", Random(0)).values():
        assert text.endswith(" 1847")
    assert not numbers.dated("1,847", Random(0))
    assert numbers.dated("May 1847", Random(0))["day"].endswith("May 1847")


# --- Names --------------------------------------------------------------------------------------

ASKED = Question("q", "Who built the tower?", ("Ada Moss",))
LENDERS = [
    Question("a", "Who painted the hall?", ("Ben Frost",)),
    Question("b", "Who sold it?", ("Cara Lund",)),
    Question("c", "Which river is it?", ("Tarn",)),
]
FACTS = Facts([ASKED, *LENDERS])


def test_a_person_by_other_names():
    made = names.otherwise(ASKED, FACTS, Random(0))
    assert made["initials"] == "A. Moss"
    assert made["last name"] == "Moss"
    assert made["last name first"] == "Moss, Ada"
    assert made["middle name"].startswith("Ada ")
    assert made["middle name"].endswith(". Moss")
    assert contains(made["another one beside"], "Ada Moss")


def test_another_person():
    made = names.wrong(ASKED, FACTS, Random(0))
    assert made["another one"] in ("Ben Frost", "Cara Lund")
    assert made["other first name"] in ("Ben Moss", "Cara Moss")
    assert made["other last name"] in ("Ada Frost", "Ada Lund")
    assert made["right one beside"].endswith("of Ada Moss")
    assert not made["right one beside"].startswith("Ada")


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Where is the hall?", "New York"),
        ("Who won the cup?", "Manchester United"),
        ("Who sang it?", "The Silver Rooks"),
        ("Who founded it?", "Prudence"),
    ],
)
def test_what_may_be_no_person_is_not_shortened(question, answer):
    asked = Question("q", question, (answer,))
    made = names.otherwise(asked, FACTS, Random(0))
    assert set(made) <= {"another one beside"}


def test_no_wrong_name_is_another_right_answer():
    asked = Question("q", "Who built it?", ("Ada Moss", "Ben Frost"))
    for made in (names.wrong(asked, FACTS, Random(seed)) for seed in range(9)):
        assert "Ben Frost" not in made.values()


def test_a_longer_right_answer():
    asked = Question("q", "Who built it?", ("Moss", "Ada Moss", "the Moss"))
    assert names.longer(asked) == {"longer answer": "Ada Moss"}
    assert not names.longer(ASKED)


@pytest.mark.parametrize(
    ("text", "kind"),
    [("1847", "year"), ("18 May", "number"), ("Duke of Ulm", "name"), ("a barn", "words")],
)
def test_kinds(text, kind):
    assert kind_of(text) == kind
    assert is_name(text) == (kind == "name")


# --- Forms and surroundings -----------------------------------------------------------------------


def test_forms_keep_every_word_of_the_answer():
    asked = Question("q", "Which goods were sold?", ("hemp, tar and barley",), "list")
    made = forms.otherwise(asked, asked.reference, "wool", Random(1))
    assert made["capitals"] == "HEMP, TAR AND BARLEY"
    assert made["order of the list"] == "tar, barley and hemp"
    assert "[" in made["citations"]
    assert made["wrong thinking first"].startswith("<think>")
    assert made["wrong thinking first"].endswith(asked.reference)
    for text in made.values():
        assert all(contains(text, item) for item in items_of(asked.reference))


def test_who_did_it_is_restated_as_a_statement():
    made = forms.otherwise(ASKED, "Ada Moss", None, Random(0))
    assert made["question restated"] == "Ada Moss built the tower."
    assert "wrong thinking first" not in made
    other = Question("q", "Who was she?", ("Ada Moss",))
    assert contains(forms.otherwise(other, "Ada Moss", None, Random(0))["question restated"], "was")


def test_two_names_joined_are_not_turned_round():
    asked = Question("q", "Where is it?", ("Nagar and Haveli",))
    assert "order of the list" not in forms.otherwise(asked, asked.reference, None, Random(0))


def test_injections_stand_inside_the_wrong_answer():
    made = surroundings.injected("Ben Frost.", "Ada Moss", Random(0))
    assert len(made) == 5
    for way, text in made.items():
        assert contains(text, "Ben Frost")
        assert contains(text, "Ada Moss") == (way == "right thinking first")
        assert "{" not in text
    assert made["right thinking first"].endswith("Ben Frost.")


def test_a_wrong_answer_among_others():
    others = list(fictional.generate(20).questions)
    asked = Question("q", "Who built the tower?", ("Ada Moss",))
    made = surroundings.among_others("Ben Frost", asked, others, Random(0))
    for way, text in made.items():
        assert 80 <= len(text.split()) <= 240
        assert contains(text, "Ben Frost") == (way == "wrong among others")
        assert not contains(text, "Ada Moss")
    assert not surroundings.among_others("Ben Frost", asked, LENDERS, Random(0))


def test_nothing_said_holds_no_answer():
    asked = Question("q", "Which tower did the engineer build?", ("the tower of Ulm",))
    made = surroundings.nothing_said(asked, Random(0))
    assert made["no response"] in surroundings.NOTHING
    assert normalise(made["fragment"]) == "engineer"


# --- One wrong fact -------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["encyclopedia", "biomedical", "papers"])
def test_one_fact_of_generated_answers_is_made_wrong(style):
    questions = [q for q in fictional.generate(20, style=style).questions if facts_of(q)]
    facts, found = Facts(questions), 0
    for asked in questions:
        made = facts.one_wrong(asked.reference, asked, Random(asked.id))
        found += made is not None
        if made:
            assert normalise(made) not in {normalise(one) for one in asked.answers}
    assert found > 0.9 * len(questions)


def test_yes_becomes_no_and_a_word_its_contrary():
    asked = Question("q", "Is it open?", ("Yes",), "yesno")
    assert FACTS.one_wrong("Yes, it stands open", asked, Random(0)).startswith("No, ")
    long = Question("q", "What of it?", ("a dose that doctors give in a strong form to very few",))
    assert "weak form" in FACTS.one_wrong(long.reference, long, Random(0))


def test_no_way_to_make_it_wrong():
    asked = Question("q", "What did the 40 men build?", ("a barn",))
    assert Facts([asked]).one_wrong("so nicely made by 40 men", asked, Random(0)) is None
