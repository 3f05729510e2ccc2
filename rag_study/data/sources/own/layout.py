"""Which files hold questions, which hold documents, and how they are to be read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, field_validator

from rag_study.common.errors import StudyError
from rag_study.common.messages import nearest
from rag_study.data.reading import documents as prose
from rag_study.data.reading.columns import COLUMNS
from rag_study.data.reading.source_files import (
    PLAIN,
    SPREADSHEETS,
    Reading,
    SourceFile,
    is_description,
    walk,
)
from rag_study.data.reading.workbooks import FORMER_SUFFIXES
from rag_study.data.registry import Options, Source

SUFFIXES = (*PLAIN, ".ndjson", *SPREADSHEETS)
FILES = ("questions.jsonl", "corpus.jsonl")
_SHOWN = 8
NOTES = re.compile(r"(readme|licen[cs]e|notice|changelog)\b", re.IGNORECASE)


class OwnOptions(Options):
    """Choices of the data set `own`."""

    columns: dict[str, str] = Field(
        {},
        description="What columns are called that have other names than the schema's: "
        "{question: Frage, answers: Antwort}.",
    )
    sheet: str = Field("", description="The sheet of a workbook, where several hold something.")
    corpus_sheet: str = Field("", description="The same of a workbook with documents.")
    encoding: str = Field("", description="Of CSV files that are not UTF-8: cp1252, say.")
    delimiter: str = Field("", max_length=1, description="Left out: the one that fits.")
    max_dropped: float = Field(
        0.2, ge=0, le=1, description="Share of rows, and of documents' files, that may be unusable."
    )
    find_gold: bool = Field(
        True, description="Look for the answer in the documents where no gold document is given."
    )

    @field_validator("columns")
    @classmethod
    def _known(cls, columns: dict[str, str]) -> dict[str, str]:
        for key in columns:
            if key not in COLUMNS:
                raise ValueError(f"unknown key '{key}'{nearest(key, [*COLUMNS])}")
        return columns

    @property
    def reading(self) -> Reading:
        return Reading(self.sheet, self.encoding, self.delimiter)

    @property
    def documents_reading(self) -> Reading:
        return Reading(self.corpus_sheet, self.encoding, self.delimiter)

    def named(self, known: Mapping[str, Sequence[str]]) -> dict[str, str]:
        """`columns` as far as they are of `known`, `QUESTION_COLUMNS` or `DOCUMENT_COLUMNS`."""
        return {key: name for key, name in self.columns.items() if key in known}


@dataclass(frozen=True)
class Layout:
    """Which files hold questions and which documents: rows of tables, or (`texts`) a place with
    files of text. Without either the documents are the contexts of the questions' rows."""

    questions: tuple[SourceFile, ...]
    documents: tuple[SourceFile, ...] = ()
    texts: Path | None = None
    qrels: tuple[SourceFile, ...] = ()
    is_beir: bool = False

    @property
    def has_documents(self) -> bool:
        """Whether the documents are elsewhere than in the questions' rows."""
        return bool(self.documents) or self.texts is not None

    def no_documents(self, path: Path) -> str:
        """What to say where there is no document at all."""
        return _without(path, FILES[1]) if path.is_dir() else _no_documents(path)

    @property
    def corpus_name(self) -> str:
        if self.texts is not None:
            return self.texts.name
        return self.documents[0].name if self.documents else "the file"

    def files(self) -> list[tuple[str, Path]]:
        """Everything that is read, each with the name that it counts by in run ids."""
        tables = [*self.questions, *self.documents, *self.qrels]
        named = [(file.path.name, file.path) for file in tables]
        texts = [] if self.texts is None else prose.named_files(self.texts)
        return list(dict.fromkeys([*named, *texts]))  # sheets of one workbook may be both


def layout(source: Source) -> Layout:
    """What is where. Raises StudyError, with what is there, where there are no questions."""
    path = source.path
    if not path.exists():
        raise StudyError(f"{path}: there is no such file or folder (data set `own`, key `path`).")
    documents, texts = documents_at(source.corpus, path) if source.corpus else ((), None)
    if not path.is_dir():
        return Layout((_table(path),), documents, texts)
    beside = [] if source.corpus else _stem(path, "corpus")
    documents = documents or tuple(beside[:1])
    if asked := _stem(path, "questions"):
        return Layout((asked[0],), documents, texts)
    if queries := _stem(path, "queries"):
        qrels = [p for p in walk(path) if p.parent.name == "qrels" and p.suffix == ".tsv"]
        return Layout((queries[0],), documents, texts, tuple(map(SourceFile, qrels)), True)
    tables = [
        SourceFile(p) for p in walk(path) if is_table(p) and p not in {d.path for d in documents}
    ]
    # `datasets` and the hub keep a data set in parts, all of them tables.
    if not tables or (len(tables) > 1 and any(not file.is_table for file in tables)):
        raise StudyError(_without(path, FILES[0]))
    return Layout(tuple(tables), documents, texts)


def documents_at(place: Path, questions: Path) -> tuple[tuple[SourceFile, ...], Path | None]:
    """Tables with documents, or a place with texts; the questions may lie there, too."""
    if not place.exists():
        raise StudyError(
            f"{place}: there is no such file or folder (data set `own`, key `corpus`)."
        )
    if not place.is_dir():
        if place.suffix.lower() in prose.SUFFIXES:
            return (), place
        return (_table(place),), None
    if named := _stem(place, "corpus"):
        return tuple(named[:1]), None
    tables = tuple(SourceFile(p) for p in walk(place) if is_table(p) and p != questions)
    texts = prose.find(place).files
    # A note on the tables is none of the documents.
    if [path for path in texts.values() if not (tables and NOTES.match(path.name))]:
        return (), place
    if not tables:
        raise StudyError(
            f"{place}: there are no documents here ({', '.join([*prose.SUFFIXES, *SUFFIXES])})."
        )
    return tables, None


def _table(path: Path) -> SourceFile:
    suffix = path.suffix.lower()
    if not path.is_file():
        raise StudyError(f"{path}: is neither a file nor a folder.")
    if path.name.lower().endswith(SUFFIXES):
        return SourceFile(path)
    how = "save it as .xlsx" if suffix in FORMER_SUFFIXES else f"known are {', '.join(SUFFIXES)}"
    raise StudyError(f"{path}: is no table of a kind that is read here; {how}.")


def _stem(folder: Path, stem: str) -> list[SourceFile]:
    places = (folder / f"{stem}{suffix}" for suffix in SUFFIXES)
    return [SourceFile(place) for place in places if place.is_file()]


def is_table(path: Path) -> bool:
    """Whether a file is a table of a kind that is read here."""
    return path.name.lower().endswith(SUFFIXES) and not is_description(path)


def _no_documents(path: Path) -> str:
    return (
        f"{path}: there are no documents. Name the folder or file with them (`corpus`), or the "
        "column with passages: `columns: {gold_contexts: ...}` (docs/own-data.md)."
    )


def _without(folder: Path, name: str) -> str:
    """What to say of a folder without one of the files."""
    there = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    shown = ", ".join(there[:_SHOWN]) + (", ..." if len(there) > _SHOWN else "")
    return (
        f"{folder}: the file {name} is missing; `own` needs a file with questions as `path` and, "
        f"for documents, {FILES[1]}, `corpus` or a column with contexts. The folder has "
        f"{shown or 'nothing'}. `rag-study init {folder}` looks at what is there."
    )
