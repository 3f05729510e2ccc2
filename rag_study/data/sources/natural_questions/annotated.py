"""The annotated forms: whole pages with the annotators' spans (original, simplified, hub).

Each is read into an `Example`; `voting` makes questions of these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rag_study.common.errors import StudyError
from rag_study.data.reading import fields
from rag_study.data.sources.natural_questions import pages

_YES_NO = {"YES": "Yes", "NO": "No", "NONE": "", 1: "Yes", 0: "No", -1: "", None: ""}
Span = tuple[int, int]


@dataclass(frozen=True)
class Annotation:
    """One annotator's work: token spans (end exclusive), and "Yes", "No" or ""."""

    long: Span | None
    short: tuple[Span, ...]
    yes_no: str


@dataclass(frozen=True)
class Example:
    """A record of any annotated form. The page is made into words only where they are needed.

    `top_level` gives the spans of the page's passages that lie in no other one.
    """

    id: str
    question: str
    title: str
    annotations: tuple[Annotation, ...]
    words: Callable[[], list[str]]
    top_level: Callable[[], list[Span]]


def simplified(row: dict[str, Any], where: str) -> Example:
    """A line of `simplified-nq-train.jsonl.gz`."""
    text = row["document_text"]
    if not isinstance(text, str):
        raise StudyError(f"{where}: `document_text` must be text, this is {fields.kind(text)}.")
    # By single blanks and nothing else: the spans count the tokens that way.
    return _example(row, where, lambda: text.split(" "))


def original(row: dict[str, Any], where: str) -> Example:
    """A line of `nq-train-*.jsonl.gz` or `nq-dev-*.jsonl.gz`."""
    tokens = fields.items(row, "document_tokens", where)

    def words() -> list[str]:
        try:
            return _words([t["token"] for t in tokens], [t["html_token"] for t in tokens])
        except (TypeError, KeyError, AttributeError):
            raise StudyError(
                f"{where}: `document_tokens` must be objects with `token` and `html_token`."
            ) from None

    return _example(row, where, words)


def hub_row(row: dict[str, Any], where: str) -> Example:
    """A row of the hub's Parquet files: the same content, lists of objects as columns."""
    document = fields.mapping(row["document"], f"{where}, document")
    question = fields.mapping(row["question"], f"{where}, question")
    renamed = {
        "example_id": row.get("id"),
        "question_text": question.get("text"),
        "document_title": document.get("title"),
        "document_url": document.get("url"),
        "annotations": _objects(row, "annotations", where),
        "long_answer_candidates": row.get("long_answer_candidates"),
    }

    def words() -> list[str]:
        tokens = _objects(document, "tokens", where)
        try:
            return _words([t["token"] for t in tokens], [t["is_html"] for t in tokens])
        except (TypeError, KeyError, AttributeError):
            raise StudyError(
                f"{where}: document, `tokens` must have `token` and `is_html`."
            ) from None

    return _example(renamed, where, words)


def _example(row: dict[str, Any], where: str, words: Callable[[], list[str]]) -> Example:
    marked = fields.items(row, "annotations", where)
    return Example(
        id=fields.text(row, "example_id", where),
        question=fields.text(row, "question_text", where),
        title=pages.title_of(
            fields.optional_text(row, "document_title", where),
            fields.optional_text(row, "document_url", where),
        ),
        annotations=tuple(_annotation(a, f"{where}, annotation {n}") for n, a in enumerate(marked)),
        words=words,
        top_level=lambda: _top_level(row, where),
    )


def _annotation(row: Any, where: str) -> Annotation:
    row = fields.mapping(row, where)
    for required in ("long_answer", "short_answers", "yes_no_answer"):
        if required not in row:
            raise StudyError(f"{where}: `{required}` is missing.")
    yes_no = row["yes_no_answer"]
    key = yes_no.upper() if isinstance(yes_no, str) else yes_no
    if isinstance(key, dict | list) or key not in _YES_NO:
        raise StudyError(f"{where}: `yes_no_answer` must be YES, NO or NONE, this is {yes_no!r}.")
    short = (_span(s, where) for s in _objects(row, "short_answers", where))
    return Annotation(
        long=_span(row["long_answer"], where),
        short=tuple(span for span in short if span),
        yes_no=_YES_NO[key],
    )


def _span(row: Any, where: str) -> Span | None:
    """Token offsets; None for the -1 that stands for no span."""
    if row is None:
        return None
    row = fields.mapping(row, where)
    start, end = row.get("start_token"), row.get("end_token")
    if not isinstance(start, int) or not isinstance(end, int):
        raise StudyError(f"{where}: `start_token` and `end_token` must be numbers.")
    return None if start < 0 or end < 0 else (start, end)


def _objects(row: dict[str, Any], key: str, where: str) -> list[Any]:
    """A list of objects, also when it is stored as an object of lists, as Parquet has it."""
    value = row.get(key)
    if not isinstance(value, dict):
        return fields.optional_items(row, key, where)
    columns = {name: column for name, column in value.items() if column is not None}
    if not all(isinstance(c, list) for c in columns.values()) or (
        len({len(c) for c in columns.values()}) > 1
    ):
        raise StudyError(f"{where}: `{key}` must hold lists of one length.")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _words(tokens: list[str], are_html: list[bool]) -> list[str]:
    return [
        token.replace(" ", "_") if is_html else token.replace("<", pages.LITERAL_LESS_THAN)
        for token, is_html in zip(tokens, are_html, strict=True)
    ]


def _top_level(row: dict[str, Any], where: str) -> list[Span]:
    key = "long_answer_candidates"
    if row.get(key) is None:
        raise StudyError(f"{where}: `{key}` is missing, which `passages: page` needs.")
    candidates = [fields.mapping(c, f"{where}, {key}") for c in _objects(row, key, where)]
    # The hub's documentation has called the flag by both names.
    top = (
        _span(c, f"{where}, {key}") for c in candidates if c.get("top_level", c.get("top_label"))
    )
    return [span for span in top if span]
