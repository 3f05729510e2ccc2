"""Your own data: a folder with `questions.jsonl` and `corpus.jsonl`.

Questions need `id`, `question`, `answers`; documents need `doc_id`, `text`. Further columns of the
schema are used where they are given (`answer_type`, `key_points`, `gold_doc_ids`, `group`,
`rewording`, and `title` for documents).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rag_study.errors import StudyError
from rag_study.qa_datasets.schema import ANSWER_TYPES, Document, QADataset, Question

FILES = ("questions.jsonl", "corpus.jsonl")


def load(folder: Path) -> QADataset:
    """Read both files. Raises StudyError with file and line for the first thing that is wrong."""
    questions_file, corpus_file = _files(folder)
    documents: dict[str, Document] = {}
    for where, row in _rows(corpus_file):
        doc_id = _text(row, "doc_id", where)
        if doc_id in documents:
            raise StudyError(f"{where}: doc_id '{doc_id}' stands there twice; ids must be unique.")
        text, title = _text(row, "text", where), _optional_text(row, "title", where) or ""
        documents[doc_id] = Document(doc_id, title, text)
    if not documents:
        raise StudyError(f"{corpus_file}: the file holds no documents.")
    questions: dict[str, Question] = {}
    for where, row in _rows(questions_file):
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
        raise StudyError(f"{questions_file}: the file holds no questions.")
    return QADataset(tuple(questions.values()), tuple(documents.values()))


def fingerprint(folder: Path) -> str:
    """Hash over the content of both files."""
    digest = hashlib.sha256()
    for path in _files(folder):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _files(folder: Path) -> tuple[Path, Path]:
    if not folder.is_dir():
        raise StudyError(f"{folder}: there is no such folder (data set `jsonl`, key `path`).")
    for name in FILES:
        if not (folder / name).is_file():
            raise StudyError(f"{folder}: the file {name} is missing; `jsonl` needs {FILES}.")
    return folder / FILES[0], folder / FILES[1]


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (file and line for messages, parsed object); blank lines are passed over."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            where = f"{path}, line {number}"
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            except UnicodeDecodeError:
                raise StudyError(f"{where}: is not UTF-8 text. Save the file as UTF-8.") from None
            if not line:
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise StudyError(
                    f"{where}: is not JSON ({error.msg} at column {error.colno}). "
                    "Each line must be one JSON object."
                ) from None
            if not isinstance(row, dict):
                raise StudyError(f"{where}: must be a JSON object, this is a {type(row).__name__}.")
            yield where, row


def _question(row: dict[str, Any], where: str) -> Question:
    answers = _texts(row, "answers", where)
    if not answers:
        raise StudyError(f"{where}: the question has no answer (`answers` is missing or empty).")
    answer_type = _optional_text(row, "answer_type", where) or _guess_type(answers)
    if answer_type not in ANSWER_TYPES:
        raise StudyError(
            f"{where}: answer_type '{answer_type}' is unknown; known: {', '.join(ANSWER_TYPES)}."
        )
    return Question(
        id=_text(row, "id", where),
        question=_text(row, "question", where),
        answers=answers,
        answer_type=answer_type,
        key_points=_texts(row, "key_points", where),
        gold_doc_ids=_texts(row, "gold_doc_ids", where),
        group=_optional_text(row, "group", where),
        rewording=_optional_text(row, "rewording", where),
    )


def _guess_type(answers: tuple[str, ...]) -> str:
    return "yesno" if answers[0].lower().strip(" .") in ("yes", "no") else "factoid"


def _text(row: dict[str, Any], key: str, where: str) -> str:
    value = _optional_text(row, key, where)
    if not value:
        raise StudyError(f"{where}: `{key}` is missing or empty.")
    return value


def _optional_text(row: dict[str, Any], key: str, where: str) -> str | None:
    value = row.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # numeric ids are common
    if value is not None and not isinstance(value, str):
        raise StudyError(f"{where}: `{key}` must be text, this is a {type(value).__name__}.")
    return value.strip() if value else None


def _texts(row: dict[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = row.get(key)
    if value is None:
        return ()
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(i, str | int) for i in items):
        raise StudyError(f"{where}: `{key}` must be a list of texts.")
    return tuple(text for item in items if (text := str(item).strip()))
