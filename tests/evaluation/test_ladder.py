"""Rungs of known quality."""

from collections import Counter
from random import Random

import pytest

from rag_study.common.text import contains, normalise
from rag_study.data.schema import NO_ANSWER, Question
from rag_study.data.sources import fictional
from rag_study.evaluation.judging.ladder import (
    EXTRA,
    FAMILIES,
    FEWEST,
    FURTHER,
    REFUSAL,
    RIGHT_RUNGS,
    RUNGS,
    half,
    ladder,
    right_answers,
)

LONG = Question(
    "long",
    "How do bees find their way home?",
    (),
    "summary",
    "Bees find their way by the position of the sun, and they remember landmarks near the hive.",
)
SHORT = Question("short", "Who built the tower?", ("Ada Moss", "the engineer Ada Moss"))
OTHER = Question("other", "Who painted the hall?", ("Ben Frost",))


def rungs(*questions, seed=0):
    table = {}
    for row in ladder(questions, seed=seed):
        table.setdefault(row["question_id"], {})[row["rung"]] = row["candidate"]
    return table


@pytest.mark.parametrize("style", ["encyclopedia", "biomedical", "papers"])
def test_generated_worlds(style):
    questions = fictional.generate(20, style=style).questions
    table = rungs(*questions)
    counts = Counter(rung for found in table.values() for rung in found)
    assert set(RUNGS) - set(FURTHER) <= set(counts) <= set(RUNGS)
    answerable = sum(question.answer_type != "unanswerable" for question in questions)
    assert counts["corrupted"] > 0.9 * answerable
    assert counts["truncated"] > 0.3 * len(questions)
    for question in questions:
        found = table[question.id]
        right = {normalise(one) for one in (question.reference, *question.answers)}
        assert normalise(found["gold"]) != normalise(question.reference)
        assert normalise(found["paraphrase"]) not in {
            normalise(question.reference),
            normalise(found["gold"]),
        }
        wrong = set(found) - {"gold", "paraphrase", "truncated", *RIGHT_RUNGS}
        # Numbers differ by their signs, which `normalise` takes away.
        assert not {found[rung].lower() for rung in wrong} & {text.lower() for text in right}
        if len(question.key_points) > 1 and "truncated" in found:
            named = [any(contains(found["truncated"], w) for w in p) for p in question.key_points]
            assert 0 < sum(named) < len(named)


def test_second_answer_is_gold_where_the_reference_shows_that_it_is_right():
    assert rungs(SHORT, OTHER)["short"]["gold"] == "the engineer Ada Moss"
    played = Question("p", "Who plays her?", ("Kim Brown", "Michelle Stafford"))
    assert "Stafford" not in " ".join(text for text, _ in right_answers(played, Random(0)))


def test_an_answer_without_rewording_stands_in_a_sentence():
    found = rungs(OTHER, SHORT)["other"]
    assert "Ben Frost" in found["gold"]
    assert len(found["gold"].split()) > 2
    assert found["gold"] != found["paraphrase"]


def test_padding_surrounds_the_right_answer():
    found = rungs(LONG, OTHER)["long"]
    assert contains(found["padded"], "landmarks near the hive")
    assert len(found["padded"].split()) > len(LONG.reference.split()) + 10


def test_short_answers_are_not_truncated():
    assert "truncated" not in rungs(SHORT, OTHER)["short"]
    part = half(LONG, LONG.reference)
    assert part == "Bees find their way by the position of the sun."


def test_a_refusal_is_no_wrong_answer_to_an_unanswerable_question():
    asked = Question("u", "What colour was it?", NO_ANSWER, "unanswerable")
    assert "refusal" not in rungs(asked, OTHER)["u"]
    assert rungs(SHORT, OTHER)["short"]["refusal"] == REFUSAL


def test_data_in_which_all_answers_are_alike_has_no_wrong_answer():
    one, two = (Question(name, f"Who {name}?", ("Ada Moss",)) for name in ("sang", "rang"))
    found = rungs(one, two)["sang"]
    assert not {"other_question", "injected", "among_others", "corrupted"} & set(found)


def test_same_seed_same_ladder():
    questions = fictional.generate(10).questions
    assert ladder(questions, seed=3) == ladder(questions, seed=3)
    assert ladder(questions, seed=3) != ladder(questions, seed=4)


def test_every_rung_belongs_to_one_family():
    assert Counter(rung for some in FAMILIES.values() for rung in some) == Counter(
        rung for rung in RUNGS if rung not in ("gold", "paraphrase")
    )


@pytest.mark.parametrize("number", [40, 100])
def test_further_rungs_are_shared_out(number):
    """Each goes to enough questions where the data have them, none to more than it needs."""
    asked = [
        Question(
            f"q{i}", f"Who built tower {i}?", (f"Ann{chr(97 + i % 26)} Lor{chr(97 + i // 26)}ow",)
        )
        if i % 2
        else Question(f"q{i}", f"When was hall {i} built?", (str(1700 + i), f"in {1700 + i}"))
        for i in range(number)
    ]
    rows = ladder(asked)
    counts = Counter(row["rung"] for row in rows)
    wanted = max(FEWEST, 0.4 * number)
    for rung in ("name_form", "name_wrong", "number_wrong", "form", "injected", "among_others"):
        shares = {row["share"] for row in rows if row["rung"] == rung}
        assert len(shares) == 1
        assert counts[rung] <= wanted
        assert counts[rung] >= min(FEWEST, number * shares.pop()) - 2
    by_question = Counter(row["question_id"] for row in rows if row["rung"] in FURTHER)
    assert max(by_question.values()) <= EXTRA
    # The variants of a rung come in turn.
    ways = Counter(row["variant"] for row in rows if row["rung"] == "injected")
    assert len(ways) == 5
    assert max(ways.values()) - min(ways.values()) <= 1
    assert rows == ladder(asked)


def test_questions_are_looked_for_that_can_have_the_rarer_rungs():
    """One in five has a number: the first forty of them would have too few."""
    plain = [
        Question(f"p{i}", f"What is in box {i}?", (f"wool of kind {chr(97 + i)}",))
        for i in range(26)
    ]
    years = [Question(f"n{i}", f"When was it, {i}?", (str(1800 + 3 * i),)) for i in range(30)]
    rows = ladder([*plain, *plain, *plain, *plain, *years][:150], 40)
    assert len({row["question_id"] for row in rows if row["rung"] == "gold"}) <= 40
    numbers = [row for row in rows if row["rung"] == "number_wrong"]
    assert len(numbers) >= 20
    assert numbers[0]["share"] == pytest.approx(30 / 134)
    # What is rare is not looked for.
    rows = ladder([*plain, *plain, *plain, *years[:5]], 40)
    assert sum(row["rung"] == "number_wrong" for row in rows) < 5
