"""Records out of the files that BioASQ's questions and abstracts come in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rag_study.common.errors import StudyError
from rag_study.data.reading import fields
from rag_study.data.reading.source_files import (
    SourceFile,
    holds_rows,
    read_json,
    records,
    records_under,
    source_files,
    wrong_format,
)

NAME = "bioasq"
QUESTIONS = (
    "BioASQ Task B JSON (`questions` with id, body, type), rag-mini-bioasq's Parquet or JSON "
    "lines, or a folder of these; abstracts belong to `corpus:`"
)
ABSTRACTS = (
    "abstracts as JSON lines, a JSON array, Parquet or PubMed's JSON (`articles`), each with an id "
    "(`doc_id`, `pmid` or `id`) and a text (`text`, `abstract`, `abstractText` or `passage`)"
)


def question_records(path: Path, corpus: Path | None) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (file name, where, record) of all files at `path` but those of the corpus.

    Files follow each other as people number them: training9b.json comes before training10b.json.
    """
    sources = source_files(path, NAME, QUESTIONS)
    apart = corpus.resolve() if corpus and corpus.resolve() != path.resolve() else None
    for file in sorted(sources, key=lambda file: _numbered(file.label)):
        if apart in (file.path.resolve(), *file.path.resolve().parents):
            continue
        for where, row in _questions_of(file):
            yield file.name, where, row


def abstract_records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (where, record) of all abstracts at `path`, as a stream."""
    for file in source_files(path, NAME, ABSTRACTS):
        yield from records(file) if holds_rows(file, "articles") else _articles(file)


def _questions_of(file: SourceFile) -> Iterator[tuple[str, dict[str, Any]]]:
    if holds_rows(file, "questions"):
        yield from records(file)
        return
    content = read_json(file)
    if not isinstance(content, dict) or "questions" not in content:
        raise wrong_format(file.label, NAME, QUESTIONS, content)
    for number, row in enumerate(fields.items(content, "questions", file.label), start=1):
        where = f"{file.label}, question {number}"
        yield where, fields.mapping(row, where)


def _articles(file: SourceFile) -> Iterator[tuple[str, dict[str, Any]]]:
    articles = records_under(file, "articles", "article")
    first = next(articles, None)
    if first is None:
        raise StudyError(f"{file.label}: has no list `articles`. Expected: {ABSTRACTS}.")
    yield first
    yield from articles


def _numbered(label: str) -> list[tuple[int, str]]:
    """A sort key in which the numbers in a name count as numbers."""
    parts = re.findall(r"(\d*)(\D*)", label)
    return [(int(number or -1), text) for number, text in parts]
