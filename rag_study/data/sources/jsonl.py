"""Your own data: a folder with `questions.jsonl` and `corpus.jsonl`.

Questions need `id`, `question`, `answers`; documents need `doc_id`, `text`. Further columns of the
schema are used where they are given, and all other columns are carried along.
"""

from __future__ import annotations

from dataclasses import fields as dataclass_fields
from typing import Any

from rag_study.common.errors import StudyError
from rag_study.data.reading import fields
from rag_study.data.reading.source_files import SourceFile, records
from rag_study.data.registry import Loader, Source
from rag_study.data.schema import ANSWER_TYPES, NO_ANSWER, Document, QADataset, Question

FILES = ("questions.jsonl", "corpus.jsonl")
_QUESTION_COLUMNS = {f.name for f in dataclass_fields(Question)} - {"extra"}
_DOCUMENT_COLUMNS = {f.name for f in dataclass_fields(Document)} - {"extra"}


def load(source: Source) -> QADataset:
    """Read both files. Raises StudyError with file and line for the first thing that is wrong."""
    questions_file, corpus_file = _files(source)
    documents: dict[str, Document] = {}
    for where, row in records(corpus_file):
        document = _document(row, where)
        if document.doc_id in documents:
            raise StudyError(
                f"{where}: doc_id '{document.doc_id}' stands there twice; ids must be unique."
            )
        documents[document.doc_id] = document
    if not documents:
        raise StudyError(f"{corpus_file.label}: the file holds no documents.")
    questions: dict[str, Question] = {}
    for where, row in records(questions_file):
        question = _question(row, where)
        if question.id in questions:
            raise StudyError(f"{where}: id '{question.id}' stands there twice; ids must be unique.")
        for doc_id in question.gold_doc_ids:
            if doc_id not in documents:
                raise StudyError(
                    f"{where}: gold_doc_ids names '{doc_id}', which {corpus_file.name} does not "
                    "have. Add the document, or take the id out."
                )
        questions[question.id] = question
    if not questions:
        raise StudyError(f"{questions_file.label}: the file holds no questions.")
    return QADataset(tuple(questions.values()), tuple(documents.values()))


LOADER = Loader(
    "jsonl",
    load,
    expected="a folder with questions.jsonl and corpus.jsonl",
    instant=True,
    files=lambda source: [(file.path.name, file.path) for file in _files(source)],
    version=2,
)


def _files(source: Source) -> tuple[SourceFile, SourceFile]:
    folder = source.path
    if not folder.is_dir():
        raise StudyError(f"{folder}: there is no such folder (data set `jsonl`, key `path`).")
    paths = []
    for name in FILES:
        present = [p for p in (folder / name, folder / f"{name}.gz") if p.is_file()]
        if not present:
            raise StudyError(f"{folder}: the file {name} is missing; `jsonl` needs {FILES}.")
        paths.append(SourceFile(present[0]))
    return paths[0], paths[1]


def _document(row: dict[str, Any], where: str) -> Document:
    return Document(
        doc_id=fields.text(row, "doc_id", where),
        title=fields.optional_text(row, "title", where),
        text=fields.text(row, "text", where),
        scope=fields.optional_text(row, "scope", where) or None,
        extra=_extra(row, _DOCUMENT_COLUMNS),
    )


def _question(row: dict[str, Any], where: str) -> Question:
    answers = fields.texts(row, "answers", where)
    reference = fields.optional_text(row, "reference", where)
    answer_type = fields.optional_text(row, "answer_type", where)
    if answer_type == "unanswerable" and not answers:
        answers = NO_ANSWER
    if not answers and not reference:
        raise StudyError(f"{where}: the question has no answer (`answers` is missing or empty).")
    answer_type = answer_type or _guess_type(answers)
    if answer_type not in ANSWER_TYPES:
        raise StudyError(
            f"{where}: answer_type '{answer_type}' is unknown; known: {', '.join(ANSWER_TYPES)}."
        )
    return Question(
        id=fields.text(row, "id", where),
        question=fields.text(row, "question", where),
        answers=answers,
        answer_type=answer_type,
        reference=reference,
        key_points=_key_points(row, where),
        gold_doc_ids=fields.texts(row, "gold_doc_ids", where),
        group=fields.optional_text(row, "group", where) or None,
        scope=fields.optional_text(row, "scope", where) or None,
        rewording=fields.optional_text(row, "rewording", where) or None,
        extra=_extra(row, _QUESTION_COLUMNS),
    )


def _key_points(row: dict[str, Any], where: str) -> tuple[tuple[str, ...], ...]:
    """Each point is a text or a list of interchangeable texts."""
    points = []
    for value in fields.optional_items(row, "key_points", where):
        wordings = fields.texts({"key_points": value}, "key_points", where)
        points += [wordings] if wordings else []
    return tuple(points)


def _extra(row: dict[str, Any], keys: set[str]) -> dict[str, Any]:
    """Other columns as they came; the reader already knows `extra` itself as a mapping."""
    carried = {key: value for key, value in row.items() if key not in keys and key != "extra"}
    return carried | (row["extra"] if isinstance(row.get("extra"), dict) else {})


def _guess_type(answers: tuple[str, ...]) -> str:
    if not answers:
        return "summary"
    return "yesno" if answers[0].lower().strip(" .") in ("yes", "no") else "factoid"
