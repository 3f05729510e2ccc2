"""Whether an answer that a model wrote may be learned in the place of the gold answer.

It may where its string agrees with the gold answer, by the study's own metrics. What cannot be told
from the string is not kept: wrong training answers do more harm than few.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rag_study.common.text import contains, length, normalise, same
from rag_study.data.schema import Question
from rag_study.evaluation import phrases
from rag_study.evaluation.reference import answer_recall, key_point_recall, list_items
from rag_study.evaluation.refusals import is_empty, is_refusal
from rag_study.evaluation.yes_no import agrees

if TYPE_CHECKING:
    import pandas as pd

# Why a written answer is not kept.
DISAGREES = "disagrees with the gold answer"
CUT = "cut at the token limit"
REFUSES = "refuses"
EMPTY = "empty"
UNDECIDED = "nothing to compare with"


def reasons(rows: Sequence[Mapping[str, Any]], questions: Sequence[Question]) -> list[str]:
    """Of rows of answers (`rows.answer_row`) why each is not kept; "" for those that are."""
    by_id = {question.id: question for question in questions}
    return [
        row["missing_reason"]
        or rejected(row["answer"], by_id[row["question_id"]], bool(row["truncated"]))
        for row in rows
    ]


def summary(answers: pd.DataFrame) -> dict[str, Any]:
    """Of answers with their `reasons` (column `rejected`): how many are kept and their share of all
    that were asked, their mean words (None where none is kept), and how many are not, by reason."""
    kept = answers[answers["rejected"] == ""]
    return {
        "kept": len(kept),
        "share_kept": len(kept) / len(answers),
        "words_kept": float(kept["answer"].map(length).mean()) if len(kept) else None,
        "rejected": answers.loc[answers["rejected"] != "", "rejected"].value_counts().to_dict(),
    }


def rejected(answer: str | None, question: Question, truncated: bool = False) -> str:
    """Why an answer is not kept; "" for one that is.

    A refusal is right where the question has no answer in the documents, and nowhere else. An
    answer that was cut has no end, which would be learned as well.
    """
    if answer is None or is_empty(answer):
        return EMPTY
    if truncated:
        return CUT
    if is_refusal(answer):
        return "" if question.answer_type == "unanswerable" else REFUSES
    says = _says(answer, question)
    return UNDECIDED if says is None else "" if says else DISAGREES


def _says(answer: str, question: Question) -> bool | None:
    """Whether an answer says a right one; None where the string cannot tell.

    By `answer_recall`; of a summary all key points. What stands in the question anyway ("Was it
    Ann or Ben?") is said by every answer that repeats it: there only the gold answer itself, or of
    a list its items and no other, agrees.
    """
    right = (*question.answers, question.reference)
    if any(same(answer, wording) for wording in right):
        return True
    if question.answer_type == "yesno" or _is_yes_or_no(question):
        return _is_one(answer_recall(answer, replace(question, answer_type="yesno")))
    if question.answer_type == "list":
        if any(_items(answer) == _items(wording) for wording in right):
            return True
        told = answer_recall(question.question, question) == 1.0
        return False if told else _is_one(answer_recall(answer, question))
    if not question.answers:
        return _is_one(key_point_recall(answer, question.key_points))
    untold = [a for a in question.answers if not contains(question.question, a)]
    return any(contains(answer, a) and not _denied(answer, a) for a in untold)


def _is_yes_or_no(question: Question) -> bool:
    """Whether all right answers are a word for yes or no, whatever the data says of their type: a
    "no" stands in many answers that say something else."""
    short = question.answers
    return bool(short) and all(length(a) == 1 and agrees(a, a) for a in short)


def _denied(answer: str, wording: str) -> bool:
    """Whether an answer says of a wording that it is not so: "not Paris, but London"."""
    return any(
        contains(answer, f"{word} {wording}")
        for known in phrases.languages()
        for word in (*known.nots, *known.negators)
    )


def _items(text: str) -> list[str]:
    return sorted(map(normalise, list_items(text)))


def _is_one(recall: float | None) -> bool | None:
    return None if recall is None else recall == 1.0
