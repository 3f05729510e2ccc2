"""Answers from elsewhere: what a production system or another tool said to the same questions.

They come as JSON lines with `answer` and either `id` (the question's) or `question` (its text),
and optionally `contexts`, the texts that the system answered from. They are judged and compared
like the study's own answers, and never generated.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from rag_study.common.errors import StudyError
from rag_study.common.paths import located
from rag_study.common.reasoning import answer_in
from rag_study.data.near_duplicates import wording
from rag_study.data.reading import fields
from rag_study.data.reading.source_files import SourceFile, records
from rag_study.data.schema import Question
from rag_study.retrieval.passage import contains_answer


def read_answers(
    path: Path, questions: Sequence[Question], context: str
) -> tuple[pd.DataFrame, dict[str, int]]:
    """The answers to `questions` in the form of stage 04, and what the file held.

    Rows are as those of `generation.generate_answers`; what only a generator knows (tokens,
    passages) is missing. `answer_in_context` says whether a right answer stands in `contexts`. The
    counts add up: answers in the file = to test questions + to other questions. Raises StudyError
    for a file that answers none of the questions, or one of them twice.
    """
    by_id = {q.id: number for number, q in enumerate(questions)}
    by_wording = {wording(q): number for number, q in enumerate(questions)}
    rows: dict[int, dict[str, Any]] = {}
    counts = {"answers in the file": 0, "to test questions": 0, "to other questions": 0}
    for where, row in records(SourceFile(located(path))):
        counts["answers in the file"] += 1
        if "answer" not in row:
            raise StudyError(f"{where}: `answer` is missing.")
        answer, cut = answer_in(fields.optional_text(row, "answer", where))
        number = by_id.get(fields.optional_text(row, "id", where))
        if number is None and (asked_as := fields.optional_text(row, "question", where)):
            number = by_wording.get(wording(Question("", asked_as, ("",))))
        elif number is None and not row.get("id"):
            raise StudyError(f"{where}: needs `id` or `question`, to know what was answered.")
        if number is None:
            counts["to other questions"] += 1
            continue
        if number in rows:
            raise StudyError(f"{where}: answers question '{questions[number].id}' a second time.")
        question, texts = questions[number], fields.texts(row, "contexts", where)
        rows[number] = {
            "context": context,
            "position": number,
            "question_id": question.id,
            "answer": answer,
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
            "missing_reason": None,
            "lost": 0,
        }
    counts["to test questions"] = len(rows)
    if not rows:
        raise StudyError(
            f"{path}: of {counts['answers in the file']} answers, none is to a question of the "
            "test pool. `id` must be a question's id, or `question` its text."
        )
    return pd.DataFrame([rows[number] for number in sorted(rows)]), counts
