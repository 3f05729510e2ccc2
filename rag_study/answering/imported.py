"""Answers from elsewhere: what a production system or another tool said to the same questions.

They come as JSON lines with `answer` and either `id` (the question's) or `question` (its text),
and optionally `contexts`, the texts that the system answered from. They are judged and compared
like the study's own answers, and never generated.

An answer beside the wrong question is worse than none: where id and text say different questions,
or the text fits several, the file is refused with the line.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag_study.common.errors import StudyError
from rag_study.common.paths import located
from rag_study.common.reasoning import answer_in
from rag_study.common.wording import counted
from rag_study.data.near_duplicates import wording, words_of
from rag_study.data.reading import fields
from rag_study.data.reading.source_files import SourceFile, records
from rag_study.data.schema import Question
from rag_study.retrieval.passage import contains_answer

if TYPE_CHECKING:
    import pandas as pd

NO_ANSWER = "the system's file has no answer to it"
_ALL, _TO_TEST, _TO_OTHERS = "answers in the file", "to test questions", "to other questions"
_UNKNOWN = "of these to questions that the data does not have"
# What the columns are called elsewhere (Ragas, LlamaIndex, TruLens, DeepEval).
_NAMES = {
    "answer": "response output actual_output prediction generated_answer generation result".split(),
    "question": "query user_input input prompt".split(),
    "id": "question_id qid query_id _id".split(),
}
# Texts of a question with fewer words in common are of different questions.
_LEAST_COMMON = 0.5


def read_answers(
    path: Path, questions: Sequence[Question], context: str, others: Sequence[Question] = ()
) -> tuple[pd.DataFrame, dict[str, int]]:
    """The answers to `questions` in the form of stage 04, and what the file held.

    `others` are the questions of the other pools, which answers may be to as well. Rows are as
    those of `generation.generate_answers`; what only a generator knows (tokens, passages) is
    missing. `answer_in_context` says whether a right answer stands in `contexts`. An answer that
    is null or NaN is missing, with its reason; an empty text is an answer. The counts add up:
    answers in the file = to test questions + to other questions. Raises StudyError, with the line,
    for what `check` raises.
    """
    import pandas as pd

    position = {q.id: number for number, q in enumerate(questions)}
    rows: dict[int, dict[str, Any]] = {}
    counts = _counts()
    for where, row, question in _matched(path, questions, others, counts):
        if question is None or question.id not in position:
            continue
        texts = fields.texts(row, "contexts", where)
        answer, cut = answer_in(fields.optional_text(row, "answer", where))
        missing = fields.is_missing(row["answer"])
        rows[position[question.id]] = {
            "context": context,
            "position": position[question.id],
            "question_id": question.id,
            "answer": None if missing else answer,
            "answer_tokens": None,
            "truncated": int(cut),
            "prompt_tokens": None,
            "passages": [],
            "dropped_passages": 0,
            "gold_in_context": None,
            "answer_in_context": int(any(contains_answer(t, question) for t in texts))
            if texts
            else None,
            "other_answer": None,
            "missing_reason": NO_ANSWER if missing else None,
            "lost": int(missing),
        }
    return pd.DataFrame([rows[number] for number in sorted(rows)]), counts


def check(
    path: Path, questions: Sequence[Question] | None = None, others: Sequence[Question] = ()
) -> dict[str, int]:
    """What a file holds, as `read_answers` counts it; without `questions`, whether it can be read.

    Raises StudyError, with the line, for a file without `answer` and `id` or `question`, one whose
    ids and texts disagree, one that answers a question twice or none of the questions at all.
    """
    counts = _counts()
    if questions is None:
        for where, row in records(SourceFile(located(path))):
            counts[_ALL] += 1
            _check_columns(row, where)
    else:
        for _ in _matched(path, questions, others, counts):
            pass
    if not counts[_ALL]:
        raise StudyError(f"{path}: the file holds no answers.")
    return counts


def summary(counts: dict[str, int]) -> str:
    """The counts of `check` as a sentence."""
    if not counts[_TO_TEST]:
        return f"{counted(counts[_ALL], 'answer')} in the file."
    unknown = counts[_UNKNOWN]
    return (
        f"{counted(counts[_ALL], 'answer')}: {counts[_TO_TEST]:,} to questions of the test pool, "
        f"{counts[_TO_OTHERS]:,} to others"
        + (f" ({unknown:,} to questions that the data does not have)." if unknown else ".")
    )


def _counts() -> dict[str, int]:
    return {_ALL: 0, _TO_TEST: 0, _TO_OTHERS: 0, _UNKNOWN: 0}


def _matched(
    path: Path, questions: Sequence[Question], others: Sequence[Question], counts: dict[str, int]
) -> Iterator[tuple[str, dict[str, Any], Question | None]]:
    """(where, row, question) of every row; None where the data has no such question."""
    known = _Known([*questions, *others])
    asked = {question.id for question in questions}
    answered: dict[str, str] = {}
    for where, row in records(SourceFile(located(path))):
        _check_columns(row, where)
        question = known.find(row, where)
        counts[_ALL] += 1
        counts[_TO_TEST if question and question.id in asked else _TO_OTHERS] += 1
        counts[_UNKNOWN] += question is None
        if question:
            if question.id in answered:
                raise StudyError(
                    f"{where}: answers question '{question.id}' a second time (first: "
                    f"{answered[question.id]})."
                )
            answered[question.id] = where.rpartition(", ")[2]
        yield where, row, question
    if counts[_ALL] and not counts[_TO_TEST]:
        raise StudyError(
            f"{path}: of {counted(counts[_ALL], 'answer')}, none is to a question of the test "
            "pool. `id` must be a question's id, or `question` its text."
        )


def _check_columns(row: dict[str, Any], where: str) -> None:
    for key, names in _NAMES.items():
        named = [name for name in names if name in row]
        absent = key not in row and (key == "answer" or not ({"id", "question"} & row.keys()))
        if absent and named:
            raise StudyError(
                f"{where}: `{key}` is missing, and there is `{named[0]}`. If that is it, rename "
                f"the column to `{key}`."
            )
    if "answer" not in row:
        raise StudyError(f"{where}: `answer` is missing.")
    fields.optional_text(row, "answer", where)
    if not any(fields.optional_text(row, key, where) for key in ("id", "question")):
        raise StudyError(f"{where}: needs `id` or `question`, to know what was answered.")


class _Known:
    """The questions of the data, by id and by wording."""

    def __init__(self, questions: Sequence[Question]):
        self._by_id = {question.id: question for question in questions}
        self._by_wording: dict[str, list[Question]] = defaultdict(list)
        for question in questions:
            self._by_wording[wording(question)].append(question)

    def find(self, row: dict[str, Any], where: str) -> Question | None:
        """The question that a row answers. Raises StudyError where id and text disagree, or where
        the text alone fits several questions."""
        text = fields.optional_text(row, "question", where)
        words = words_of(text) if text else ""
        question_id = fields.optional_identifier(row, "id", where)
        by_id = self._by_id.get(question_id) if question_id else None
        if by_id:
            if text and not self._agree(by_id, words):
                raise StudyError(
                    f"{where}: id '{by_id.id}' is of the question {_shown(by_id.question)}, beside "
                    f"it stands {_shown(text)}. Have the ids slipped by a row? Correct them, or "
                    "leave one of the two columns out."
                )
            return by_id
        # An id of the system's own log: the text says what was asked.
        fitting = self._by_wording.get(words, []) if text else []
        if len(fitting) > 1:
            fitting = _narrowed(fitting, row, where)
        return fitting[0] if fitting else None

    def _agree(self, question: Question, words: str) -> bool:
        own = wording(question)
        if own == words:
            return True
        if words in self._by_wording:  # another question of the data, word for word
            return False
        given, known = set(words.split()), set(own.split())
        return len(given & known) >= _LEAST_COMMON * len(given | known)


def _narrowed(fitting: list[Question], row: dict[str, Any], where: str) -> list[Question]:
    """The one of several questions with the same wording that the row's other columns name."""
    documents = {
        name
        for key in ("gold_doc_ids", "doc_id", "scope", "group")
        for name in fields.texts(row, key, where)
    }
    named = [q for q in fitting if documents & {*q.gold_doc_ids, q.scope, q.group}]
    if len(named) == 1:
        return named
    raise StudyError(
        f"{where}: {len(fitting)} questions of the data have this wording. Say which is meant with "
        "the question's `id`, or with its `scope`, `group` or `gold_doc_ids`."
    )


def _shown(text: str) -> str:
    return f"“{text[:80]}…”" if len(text) > 80 else f"“{text}”"
