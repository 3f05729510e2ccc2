"""Which answers that a model wrote may be learned in the place of the gold answer."""

import pandas as pd
import pytest

from rag_study.data.schema import NO_ANSWER, Question
from rag_study.evaluation import answer_agreement
from rag_study.evaluation.answer_agreement import (
    CUT,
    DISAGREES,
    EMPTY,
    REFUSES,
    UNDECIDED,
    rejected,
)

AUTHOR = Question("a", "Who wrote Emma?", ("Jane Austen", "Austen"))
EITHER = Question("e", "Was it Ann or Ben who came first?", ("Ann",))
ALIASED = Question("u", "Which country is the UK?", ("UK", "United Kingdom"))
YES = Question("y", "Is it so?", ("yes",), answer_type="yesno")
NO = Question("n", "Is there evidence?", ("No.",))  # the data says nothing of its type
LIST = Question("l", "Which organs?", ("liver, kidney and heart",), answer_type="list")
POINTS = Question(
    "p", "Which organs?", ("both",), "list", key_points=(("liver", "hepar"), ("kidney",))
)
TOLD = Question("t", "Which of iron, lead and tin melt?", ("lead, tin",), answer_type="list")
SUMMARY = Question("s", "Why?", (), "summary", "It is long.", key_points=(("wind",), ("rain",)))
VAGUE = Question("v", "Why?", (), "summary", "It is long.")
NONE = Question("0", "When?", NO_ANSWER, answer_type="unanswerable")


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (AUTHOR, "Emma was written by Jane Austen, in 1815."),
        (AUTHOR, "It is Austen's."),
        (EITHER, "ann."),
        (ALIASED, "It is the United Kingdom."),
        (YES, "Yes, though the trial found no effect."),
        (NO, "No, there is none."),
        (LIST, "The heart, both kidneys: no, one kidney, and the liver."),
        (POINTS, "Kidney; hepar"),
        (TOLD, "Tin and lead."),
        (SUMMARY, "Because of rain and wind."),
        (NONE, "The documents do not say."),
        (Question("z", "谁写的?", ("鲁迅",)), "这是鲁迅写的。"),
        (Question("k", "수도는?", ("서울",)), "수도는 서울입니다."),
        (Question("r", "Столица?", ("Москва",)), "Это Москва."),
        (Question("ar", "ما العاصمة؟", ("القاهرة",)), "العاصمة هي القاهرة."),
        (Question("g", "Stimmt das?", ("ja",), answer_type="yesno"), "Ja, das stimmt."),
    ],
)
def test_what_says_the_gold_answer_is_kept(question, answer):
    assert rejected(answer, question) == ""


@pytest.mark.parametrize(
    ("question", "answer", "why"),
    [
        (AUTHOR, "Charlotte Brontë", DISAGREES),
        (AUTHOR, "It was not Austen but Brontë.", DISAGREES),
        (AUTHOR, "I do not know.", REFUSES),
        (AUTHOR, " – ", EMPTY),
        (AUTHOR, None, EMPTY),
        (EITHER, "It was Ann or Ben.", DISAGREES),
        (ALIASED, "The UK is a country.", DISAGREES),
        (YES, "No, yes would be wrong.", DISAGREES),
        (NO, "Yes, there is no doubt.", DISAGREES),
        (NO, "Yes.", DISAGREES),
        (LIST, "The liver and the heart.", DISAGREES),
        (POINTS, "The liver, or hepar.", DISAGREES),
        (TOLD, "Iron, lead and tin.", DISAGREES),
        (SUMMARY, "Because of rain.", DISAGREES),
        (VAGUE, "It takes many words.", UNDECIDED),
        (NONE, "In 1900.", DISAGREES),
        (Question("3", "How many?", ("3",)), "There are 13.", DISAGREES),
        (Question("r", "Столица?", ("Москва",)), "Это не Москва.", DISAGREES),
    ],
)
def test_what_does_not_is_not_kept_and_why(question, answer, why):
    assert rejected(answer, question) == why


def test_an_answer_that_was_cut_is_not_kept_though_it_is_right():
    assert rejected("Jane Austen, who", AUTHOR, truncated=True) == CUT


def test_reasons_and_their_summary():
    row = {"question_id": "a", "answer": "Austen", "truncated": 0, "missing_reason": None}
    rows = [
        row,
        row | {"truncated": None},  # a server that does not tell
        row | {"answer": "Brontë"},
        row | {"answer": None, "missing_reason": "no gold passage is known"},
    ]
    why = answer_agreement.reasons(rows, [AUTHOR])
    assert why == ["", "", DISAGREES, "no gold passage is known"]
    summary = answer_agreement.summary(pd.DataFrame(rows).assign(rejected=why))
    assert summary["kept"] == 2
    assert summary["share_kept"] == 0.5
    assert summary["words_kept"] == 1
    assert summary["rejected"] == {DISAGREES: 1, "no gold passage is known": 1}
