"""Questions and documents out of rows with the names of the schema, whoever wrote the rows.

Own files and what loaders from elsewhere return go through the same checks.
"""

from __future__ import annotations

import datetime
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import fields as dataclass_fields
from typing import Any

from rag_study.common.characters import REPLACEMENT, readable
from rag_study.common.errors import StudyError
from rag_study.data.reading import fields
from rag_study.data.schema import ANSWER_TYPES, NO_ANSWER, Document, Question

BROKEN = "texts with characters that could not be read (U+FFFD stands for them)"
NAN_TEXT = 'answers that read "nan" (kept; is a value missing there?)'
_QUESTION_KEYS = {f.name for f in dataclass_fields(Question)} - {"extra"}
_DOCUMENT_KEYS = {f.name for f in dataclass_fields(Document)} - {"extra", "copy_of"}
NO_QUESTION, NO_ANSWER_GIVEN = "without a question", "without an answer"
# What MS MARCO and QuAC write in the place of an answer that there is not.
_NO_ANSWER_MARKS = ("no answer present", "cannotanswer")


class Unusable(StudyError):
    """A row that is no question with an answer, as some rows of a table never are. Who reads many
    rows may leave it out and count it by its `reason`."""

    def __init__(self, reason: str, message: str):
        super().__init__(message)
        self.reason = reason


def corpus_of(
    rows: Iterable[tuple[str, Mapping[str, Any]]], counts: Counter[str]
) -> dict[str, Document]:
    """The documents by id, from (where, row). Raises StudyError for the first thing wrong."""
    documents: dict[str, Document] = {}
    for where, row in rows:
        add_document(documents, document_of(row, where, counts), where)
    return documents


def add_document(documents: dict[str, Document], document: Document, where: str) -> None:
    """Add a document to those by id. Raises StudyError for an id that is there already."""
    if document.doc_id in documents:
        raise StudyError(
            f"{where}: doc_id '{document.doc_id}' stands there twice; ids must be unique."
        )
    documents[document.doc_id] = document


def questions_of(
    rows: Iterable[tuple[str, Mapping[str, Any]]],
    documents: Mapping[str, Document],
    corpus_name: str,
    counts: Counter[str],
) -> dict[str, Question]:
    """The questions by id, from (where, row). Raises StudyError for the first thing wrong, such as
    a gold document that `documents`, named `corpus_name` in the message, do not have."""
    questions: dict[str, Question] = {}
    for where, row in rows:
        add_question(questions, question_of(row, where, counts), where, documents, corpus_name)
    return questions


def add_question(
    questions: dict[str, Question],
    question: Question,
    where: str,
    documents: Mapping[str, Document],
    corpus_name: str,
) -> None:
    """Add a question to those by id. Raises StudyError where its id or its gold documents cannot
    be."""
    if question.id in questions:
        raise StudyError(f"{where}: id '{question.id}' stands there twice; ids must be unique.")
    for doc_id in question.gold_doc_ids:
        if doc_id not in documents:
            raise StudyError(
                f"{where}: gold_doc_ids names '{doc_id}', which {corpus_name} does not "
                "have. Add the document, or take the id out."
            )
    questions[question.id] = question


def document_of(row: Mapping[str, Any], where: str, counts: Counter[str]) -> Document:
    """A document. Raises StudyError for a row that is none; `counts` gets what is worth knowing."""
    document = Document(
        doc_id=fields.identifier(row, "doc_id", where),
        title=fields.optional_text(row, "title", where),
        text=fields.text(row, "text", where),
        scope=fields.optional_identifier(row, "scope", where),
        extra=_extra(row, _DOCUMENT_KEYS, where),
    )
    counts[BROKEN] += REPLACEMENT in document.title + document.text
    return document


def question_of(row: Mapping[str, Any], where: str, counts: Counter[str]) -> Question:
    """A question. Raises StudyError for a row that is none; `counts` gets what is worth knowing.

    A long answer is for the judge, not for matching: it is the reference where it comes first and
    no other is given, and otherwise left out.
    """
    if not fields.optional_text(row, "question", where):
        raise Unusable(NO_QUESTION, f"{where}: `question` is missing or empty.")
    answers = _answers(row, where)
    reference = fields.optional_text(row, "reference", where)
    answer_type = fields.optional_text(row, "answer_type", where)
    if answer_type == "unanswerable" and not answers:
        answers = NO_ANSWER
    if not answers and not reference:
        raise Unusable(
            NO_ANSWER_GIVEN, f"{where}: the question has no answer (`answers` is missing or empty)."
        )
    answer_type = answer_type or _guess_type(answers)
    if answer_type not in ANSWER_TYPES:
        raise StudyError(
            f"{where}: answer_type '{answer_type}' is unknown; known: {', '.join(ANSWER_TYPES)}."
        )
    short = tuple(answer for answer in answers if fields.is_short(answer))
    if len(short) < len(answers):
        counts[fields.LONG_ANSWERS] += 1
        reference = reference or answers[0]
        if not short and answer_type == "factoid":
            answer_type = "summary"
    question = Question(
        id=fields.identifier(row, "id", where),
        question=fields.text(row, "question", where),
        answers=short,
        answer_type=answer_type,
        reference=reference,
        key_points=_key_points(row, where),
        gold_doc_ids=identifiers(row, "gold_doc_ids", where),
        group=fields.optional_identifier(row, "group", where),
        scope=fields.optional_identifier(row, "scope", where),
        rewording=fields.optional_text(row, "rewording", where) or None,
        extra=_extra(row, _QUESTION_KEYS, where),
    )
    shown = (question.question, question.reference, *short)
    counts[BROKEN] += any(REPLACEMENT in text for text in shown)
    counts[NAN_TEXT] += any(text.lower() == "nan" for text in shown)
    return question


def _answers(row: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """The interchangeable answers, from a list or one of the shapes that known data sets have."""
    value = row.get("answers")
    if isinstance(value, dict):
        value = _answers_of_object(value, where)
    elif isinstance(value, str):
        listed = fields.printed_list(value)
        value = value if listed is None else listed
    if isinstance(value, list | tuple):
        value = [item["text"] if _is_span(item) else item for item in value]
        if len(value) == 1 and isinstance(value[0], list | tuple):
            value = value[0]
        if any(isinstance(item, list | tuple) for item in value):
            raise StudyError(
                f"{where}: `answers` has a list in a list. It holds interchangeable answers; the "
                "parts of an answer that must all be named go into `key_points`."
            )
    answers = fields.texts({"answers": value}, "answers", where)
    for answer in answers:
        if answer.lower().rstrip(".") in _NO_ANSWER_MARKS:
            raise Unusable(
                NO_ANSWER_GIVEN,
                f"{where}: the answer is '{answer}', which says that there is none. Leave "
                "`answers` out and write `answer_type`: unanswerable, or leave the question out.",
            )
    _refuse_choice(row, answers, where)
    return tuple(dict.fromkeys(answers))


def _is_span(value: Any) -> bool:
    """SQuAD's {"text": ..., "answer_start": ...}."""
    return isinstance(value, dict) and isinstance(value.get("text"), str)


def _answers_of_object(value: Mapping[str, Any], where: str) -> list[Any]:
    """Answers of SQuAD's and TriviaQA's rows, which are one object of lists."""
    if "text" in value:
        found = value["text"]
        return [found] if isinstance(found, str) else fields.items(dict(value), "text", where)
    if "value" in value:
        return [value["value"], *fields.optional_items(dict(value), "aliases", where)]
    raise StudyError(
        f"{where}: `answers` must be a list of texts, this is an object with the keys "
        f"{', '.join(map(str, value)) or '(none)'}."
    )


def _refuse_choice(row: Mapping[str, Any], answers: tuple[str, ...], where: str) -> None:
    """Raise StudyError where the answer is the number or letter of one of several choices."""
    for key in ("choices", "options"):
        choices = row.get(key)
        if not isinstance(choices, list | tuple | dict) or not answers:
            continue
        listed = list(choices.values()) if isinstance(choices, dict) else list(choices)
        texts = {str(choice).strip() for choice in listed}
        answer = answers[0]
        if answer not in texts and (answer.isdigit() or len(answer) == 1):
            raise StudyError(
                f"{where}: `answers` is '{answer}', the place of a choice in `{key}`. Write the "
                "text of the right choice into `answers`."
            )


def identifiers(row: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    """Ids of documents, each once. Raises StudyError for what is no list of texts."""
    value = row.get(key)
    if isinstance(value, str):
        value = fields.printed_list(value, numbers=True) or value
    listed = fields.texts({key: value}, key, where)
    return tuple(dict.fromkeys(fields.identifier({key: doc_id}, key, where) for doc_id in listed))


def _key_points(row: Mapping[str, Any], where: str) -> tuple[tuple[str, ...], ...]:
    """Each point is a text or a list of interchangeable texts."""
    points = []
    given = row.get("key_points")
    if isinstance(given, str) and (listed := fields.printed_list(given)) is not None:
        given = listed  # as tables keep lists
    for value in fields.optional_items({"key_points": given}, "key_points", where):
        wordings = fields.texts({"key_points": value}, "key_points", where)
        points += [wordings] if wordings else []
    return tuple(points)


def _extra(row: Mapping[str, Any], keys: set[str], where: str) -> dict[str, Any]:
    """Other columns as they came; the reader already knows `extra` itself as a mapping."""
    carried = {key: value for key, value in row.items() if key not in keys and key != "extra"}
    inner = row.get("extra")
    carried |= inner if isinstance(inner, Mapping) else {}
    return {str(key): _json(value, f"{where}: `{key}`") for key, value in carried.items()}


def _json(value: Any, where: str) -> Any:
    """A value as JSON can hold it. Raises StudyError for one that is nothing of the kind."""
    if hasattr(value, "tolist"):  # numpy's numbers and arrays
        value = value.tolist()
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): _json(item, where) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_json(item, where) for item in value]
    if isinstance(value, datetime.date | datetime.time):
        return None if value != value else value.isoformat()
    if isinstance(value, bytes):
        return None  # images and the like, which Parquet files carry along
    raise StudyError(f"{where} is {fields.kind(value)}, which cannot be written as JSON.")


def _guess_type(answers: tuple[str, ...]) -> str:
    if not answers:
        return "summary"
    return "yesno" if answers[0].lower().strip(" .") in ("yes", "no") else "factoid"
