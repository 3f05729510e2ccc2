"""Files in the form of SQuAD: paragraphs with their questions, whatever the data set.

The original form is one JSON object, {data: [{title, paragraphs: [{context, qas}]}]}; the other is
rows of one question each, as on the hub (JSON lines, a JSON array, Parquet).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rag_study.common.errors import StudyError
from rag_study.data.reading import fields
from rag_study.data.reading.source_files import (
    SourceFile,
    holds_rows,
    read_json,
    records,
    wrong_format,
)

EXPECTED = "SQuAD JSON ({data: [{title, paragraphs}]}) or rows with id, context, question, answers"
READ_BEFORE = "same question read before"


@dataclass(frozen=True)
class Span:
    """An answer as given, and where it starts in the paragraph (None: not said)."""

    text: str
    start: int | None


@dataclass(frozen=True)
class Entry:
    """One question of a paragraph. `unanswerable`: the source says that the text has no answer."""

    where: str
    id: str
    question: str
    spans: tuple[Span, ...]
    unanswerable: bool
    plausible: tuple[str, ...] = ()

    def problem(self, context: str, answerable_only: bool) -> str | None:
        """Why the question cannot or should not be used; None if it can."""
        if not self.question:
            return "question without text"
        if not context.strip():
            return "its text is empty"
        if self.unanswerable:
            if self.spans:
                return "marked as impossible, yet it has an answer"
            return "not answered by its text (answerable_only)" if answerable_only else None
        return None if self.spans else "no answer in the source"


@dataclass(frozen=True)
class Paragraph:
    """A text with its questions; `context` is not stripped, since answers count from its start."""

    where: str
    title: str
    context: str
    entries: tuple[Entry, ...]


def unique(entry_id: str, taken: Container[str], counts: Counter[str]) -> str:
    """The id, with a number where it is taken: annotation tools begin every file with 1."""
    if entry_id not in taken:
        return entry_id
    counts["ids that several questions have (a number was added)"] += 1
    number = 2
    while f"{entry_id}-{number}" in taken:
        number += 1
    return f"{entry_id}-{number}"


def find_span(span: Span, context: str, counts: Counter[str], text_name: str) -> int | None:
    """Where the answer stands in the text; None if nowhere. Counts what does not fit.

    A missing start is no fault; a wrong one is counted, and the nearest occurrence taken.
    """
    if span.start is not None and span.start >= 0 and context.startswith(span.text, span.start):
        return span.start
    text, near = span.text.strip(), max(span.start or 0, 0)
    places = (context.rfind(text, 0, near + len(text)), context.find(text, near))
    start = min((p for p in places if p >= 0), key=lambda p: abs(p - near), default=None)
    if start is None:
        counts[f"answers that are not in their {text_name} (kept)"] += 1
    elif span.start is not None:
        counts[f"answers not at their place in the {text_name} (kept)"] += 1
    return start


def paragraphs(file: SourceFile, dataset: str) -> Iterator[Paragraph]:
    """The paragraphs of a file in either form. Raises StudyError, naming file and record."""
    if holds_rows(file, "data"):
        for where, row in records(file):
            if "paragraphs" in row:  # a list of articles without the object around it
                yield from _article(row, where, dataset)
            else:
                yield from from_rows([(where, row)], dataset)
        return
    content = read_json(file)
    if not isinstance(content, dict) or not isinstance(content.get("data"), list):
        raise wrong_format(file.label, dataset, EXPECTED, content)
    for number, item in enumerate(content["data"], start=1):
        where = f"{file.label}, article {number}"
        article = fields.mapping(item, where)
        if "paragraphs" not in article and "context" in article:
            yield from from_rows([(f"{file.label}, record {number}", article)], dataset)
        else:
            yield from _article(article, where, dataset)


def from_rows(rows: Iterable[tuple[str, dict[str, Any]]], dataset: str) -> Iterator[Paragraph]:
    """Each row as a paragraph with one question.

    Rows do not say which questions are unanswerable: they are those with an empty list of
    answers. Raises StudyError for other rows.
    """
    for where, row in rows:
        if "context" not in row or "question" not in row:
            raise wrong_format(where, dataset, EXPECTED, row)
        spans = _spans(row, where)
        flag = _flag(row, where)
        no_answer = not spans and row.get("answers") is not None if flag is None else flag
        entry = Entry(
            where,
            fields.text(row, "id", where),
            fields.optional_text(row, "question", where),
            spans,
            unanswerable=no_answer,
        )
        title = fields.optional_text(row, "title", where)
        yield Paragraph(where, title, _context(row, where), (entry,))


def _article(article: dict[str, Any], where: str, dataset: str) -> Iterator[Paragraph]:
    if "paragraphs" not in article:
        raise wrong_format(where, dataset, EXPECTED, article)
    title = fields.optional_text(article, "title", where)
    for number, paragraph in enumerate(fields.items(article, "paragraphs", where), start=1):
        place = f"{where}, paragraph {number}"
        content = fields.mapping(paragraph, place)
        listed = fields.optional_items(content, "qas", place)
        entries = tuple(_entry(qa, f"{place}, question {n}") for n, qa in enumerate(listed, 1))
        yield Paragraph(place, title, _context(content, place), entries)


def _entry(value: Any, where: str) -> Entry:
    qa = fields.mapping(value, where)
    if "question" not in qa:
        raise StudyError(f"{where}: `question` is missing.")
    plausible = _spans({"answers": qa.get("plausible_answers")}, where)
    return Entry(
        where,
        fields.text(qa, "id", where),
        fields.optional_text(qa, "question", where),
        _spans(qa, where),
        unanswerable=bool(_flag(qa, where)),
        plausible=tuple(span.text.strip() for span in plausible),
    )


def _context(row: dict[str, Any], where: str) -> str:
    if "context" not in row:
        raise StudyError(f"{where}: `context` is missing.")
    # `optional_text` says what is wrong; the text itself must keep the blanks at its start.
    return str(row["context"]) if fields.optional_text(row, "context", where) else ""


def _flag(row: dict[str, Any], where: str) -> bool | None:
    flag = row.get("is_impossible")
    if flag is not None and flag not in (True, False):
        raise StudyError(f"{where}: `is_impossible` must be true or false.")
    return None if flag is None else bool(flag)


def _spans(row: dict[str, Any], where: str) -> tuple[Span, ...]:
    """Answers as a list of {text, answer_start}, or as lists of both; empty ones are left out."""
    value = row.get("answers")
    if isinstance(value, dict):
        texts = fields.optional_items(value, "text", where)
        starts = value.get("answer_start") or []
        if not isinstance(starts, list) or len(starts) not in (0, len(texts)):
            raise StudyError(f"{where}: `answers` needs one `answer_start` for each `text`.")
        starts = starts or [None] * len(texts)
        listed = [{"text": t, "answer_start": s} for t, s in zip(texts, starts, strict=True)]
    else:
        listed = fields.optional_items(row, "answers", where)
    spans = []
    for item in listed:
        answer = fields.mapping(item, f"{where}, an item of `answers`")
        text = fields.optional_text(answer, "text", where)
        if text:
            spans.append(Span(str(answer["text"]), _start(answer, where)))
    return tuple(spans)


def _start(answer: dict[str, Any], where: str) -> int | None:
    start = answer.get("answer_start")
    if start is None or (isinstance(start, float) and not math.isfinite(start)):
        return None
    if not isinstance(start, int | float):
        raise StudyError(f"{where}: `answer_start` must be a number, this is {fields.kind(start)}.")
    return int(start)
