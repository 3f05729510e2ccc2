"""Your own data: questions in a table, and documents in a folder, a table, or beside the questions.

`path` is a file with questions (JSON lines, JSON, CSV and its kin, Excel, Parquet, Arrow), or a
folder: with `questions.*` (and `corpus.*`), in BEIR's layout, or as `datasets` saves it. `corpus`
is a folder or file with documents; without it they are the `corpus.*` of the folder, else the
contexts of the rows.

Columns have the names of the schema, or `columns` says what they are called: nothing is guessed
while reading, and a message says what a name is likely to mean. Rows without a question or an
answer are left out and counted, as far as `max_dropped` allows.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from rag_study.common.errors import StudyError
from rag_study.common.messages import nearest
from rag_study.common.wording import listed
from rag_study.data.reading import columns as known_columns
from rag_study.data.reading import documents as prose
from rag_study.data.reading import fields, gold, rows
from rag_study.data.reading.columns import DOCUMENT_COLUMNS, QUESTION_COLUMNS
from rag_study.data.reading.passages import Passages
from rag_study.data.reading.source_files import (
    PLAIN,
    SPREADSHEETS,
    Reading,
    SourceFile,
    is_description,
    records,
    walk,
)
from rag_study.data.reading.workbooks import FORMER_SUFFIXES, NO_VALUE
from rag_study.data.registry import Loader, Options, Source
from rag_study.data.schema import Document, QADataset, Question

SUFFIXES = (*PLAIN, ".ndjson", *SPREADSHEETS)
FILES = ("questions.jsonl", "corpus.jsonl")
WHOLE_FILES = "gold documents given as a whole file: the parts that hold the answer"
TOO_LONG = f"without gold documents: a file of more than {gold.MOST_PARTS} parts is named"
REPEATED = "the same row again"
_SHOWN = 8
# Data of more bytes is not read while planning.
_INSTANT_BYTES = 100_000_000


class OwnOptions(Options):
    """Choices of the data set `own`."""

    columns: dict[str, str] = Field(
        {},
        description="What columns are called that have other names than the schema's: "
        "{question: Frage, answers: Antwort}.",
    )
    sheet: str = Field("", description="The sheet of a workbook, where several hold something.")
    encoding: str = Field("", description="Of a CSV file that is not UTF-8: cp1252, say.")
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
            if key not in known_columns.COLUMNS:
                raise ValueError(f"unknown key '{key}'{nearest(key, [*known_columns.COLUMNS])}")
        return columns

    @property
    def reading(self) -> Reading:
        return Reading(self.sheet, self.encoding, self.delimiter)

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
    def corpus_name(self) -> str:
        if self.texts is not None:
            return self.texts.name
        return self.documents[0].name if self.documents else "the file"

    def files(self) -> list[tuple[str, Path]]:
        """Everything that is read, each with the name that it counts by in run ids."""
        tables = [*self.questions, *self.documents, *self.qrels]
        named = [(file.path.name, file.path) for file in tables]
        return named + ([] if self.texts is None else list(prose.named_files(self.texts)))


def layout(source: Source) -> Layout:
    """What is where. Raises StudyError, with what is there, where there are no questions."""
    path = source.path
    if not path.exists():
        raise StudyError(f"{path}: there is no such file or folder (data set `own`, key `path`).")
    documents, texts = _documents_at(source.corpus) if source.corpus else ((), None)
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
        SourceFile(p) for p in walk(path) if _is_table(p) and p not in {d.path for d in documents}
    ]
    # `datasets` and the hub keep a data set in parts, all of them tables.
    if not tables or (len(tables) > 1 and any(not file.is_table for file in tables)):
        raise StudyError(_without(path, FILES[0]))
    return Layout(tuple(tables), documents, texts)


def load(source: Source) -> QADataset:
    """Read everything. Raises StudyError with file and line for the first thing that is wrong."""
    place, options = layout(source), source.options
    counts: Counter[str] = Counter()
    documents: dict[str, Document] = {}
    if place.texts is not None:
        documents = prose.read(place.texts, options.max_dropped, counts)
    elif place.documents:
        documents = rows.corpus_of(_corpus_rows(place, options, counts), counts)
        if not documents:
            raise StudyError(f"{place.documents[0].label}: the file holds no documents.")
    reader = _Questions(place, options, documents, counts)
    questions = reader.read()
    if not documents:
        folder = source.path
        raise StudyError(_without(folder, FILES[1]) if folder.is_dir() else _no_documents(folder))
    return QADataset(
        tuple(questions),
        tuple(documents.values()),
        read=reader.number,
        dropped=dict(reader.dropped),
        counts=dict(+counts),
    )


def _is_instant(source: Source) -> bool:
    try:
        return sum(path.stat().st_size for _, path in layout(source).files()) <= _INSTANT_BYTES
    except (OSError, StudyError):
        return True  # and loading says what is wrong


LOADER = Loader(
    "own",
    load,
    expected="a file with questions, or a folder with questions.jsonl and corpus.jsonl",
    takes_corpus=True,
    instant=_is_instant,
    files=lambda source: layout(source).files(),
    version=4,
    options=OwnOptions,
)


class _Questions:
    """Reads the rows of questions; documents that stand in them are added to `documents`."""

    def __init__(
        self,
        place: Layout,
        options: OwnOptions,
        documents: dict[str, Document],
        counts: Counter[str],
    ):
        self.number = 0
        self.dropped: Counter[str] = Counter()
        self._place, self._options = place, options
        self._documents, self._counts = documents, counts
        self._columns = options.named(QUESTION_COLUMNS)
        # Contexts beside a corpus are a column like others, unless they are named.
        is_corpus = bool(documents)
        self._contexts = [
            key for key in ("contexts", "gold_contexts") if not is_corpus or key in options.columns
        ]
        self._passages = Passages(documents)
        by_name = place.texts is not None or "gold_doc_ids" in options.columns
        self._names = gold.Names(documents) if by_name else None
        self._relevant = _qrels(place)
        self._seen: dict[str, int] = {}
        self._near: dict[str, list[str]] = {}
        self._first_dropped = ""

    def read(self) -> list[Question]:
        questions: dict[str, Question] = {}
        for file in self._place.questions:
            found = records(file, self._options.reading)
            if self._place.is_beir:
                found = _beir_queries(found)
            named = known_columns.renamed(found, self._columns, file.label, self._counts)
            for where, row in _hinted(named, QUESTION_COLUMNS):
                self.number += 1
                try:
                    question = self._question(row, where)
                except rows.Unusable as error:
                    self.dropped[error.reason] += 1
                    self._first_dropped = self._first_dropped or str(error)
                    continue
                rows.add_question(
                    questions, question, where, self._documents, self._place.corpus_name
                )
        self._refuse_too_few(questions)
        return self._with_gold(list(questions.values()))

    def _refuse_too_few(self, questions: Mapping[str, Question]) -> None:
        label = self._place.questions[0].label
        if not self.number:
            raise StudyError(f"{label}: the file holds no questions.")
        gone, most = sum(self.dropped.values()), self._options.max_dropped
        if questions and gone <= most * self.number:
            return
        reasons = "; ".join(f"{reason}: {n:,}" for reason, n in self.dropped.most_common())
        raise StudyError(
            f"{label}: {gone:,} of {self.number:,} rows cannot be used ({reasons}). At most "
            f"{most:.0%} may be: mend them, or raise `max_dropped`. The first: "
            f"{self._first_dropped}"
        )

    def _question(self, given: Mapping[str, Any], where: str) -> Question:
        row = dict(given)
        for key, value in row.items():
            if value is NO_VALUE:
                row[key] = None
                if key in QUESTION_COLUMNS:
                    raise rows.Unusable(
                        "with a formula without a value", f"{where}: `{key}` is {NO_VALUE.text}."
                    )
        near = self._own_passages(row, where)
        page = fields.optional_text(row, "page", where) if self._names else ""
        if self._names is not None:
            row.pop("page", None)
        if fields.is_missing(row.get("id")) or row["id"] == "":
            row["id"] = self._id_of(row, where)
        if self._place.qrels and fields.is_missing(row.get("gold_doc_ids")):
            row["gold_doc_ids"] = self._relevant.get(str(row["id"]), [])
        if self._names is not None and not fields.is_missing(row.get("gold_doc_ids")):
            row["gold_doc_ids"] = self._resolved(row, page, where)
        question = rows.question_of(row, where, self._counts)
        if self._names is not None and len(question.gold_doc_ids) > 1:
            question = self._narrowed(question)
        if near and not question.gold_doc_ids:
            self._near[question.id] = near
        return question

    def _own_passages(self, row: dict[str, Any], where: str) -> list[str]:
        """The documents in the row itself, those that are said to be gold as its gold documents."""
        ids: dict[str, list[str]] = {}
        title = row.get("title")
        for key in self._contexts:
            if not fields.is_missing(value := row.pop(key, None)):
                default = title if isinstance(title, str) else ""
                ids[key] = self._passages.add(value, where, key, default)
        if "gold_contexts" in ids and fields.is_missing(row.get("gold_doc_ids")):
            row["gold_doc_ids"] = ids["gold_contexts"]
        return ids.get("contexts", [])

    def _id_of(self, row: Mapping[str, Any], where: str) -> str:
        """An id out of the wording, so that rows may be added and sorted without changing others."""
        texts = [fields.optional_text(row, key, where) for key in ("question", "scope", "group")]
        digest = hashlib.sha256("\n".join(texts).encode("utf-8", "replace")).hexdigest()[:12]
        self._seen[digest] = self._seen.get(digest, 0) + 1
        answers = repr(row.get("answers")) + repr(row.get("gold_doc_ids"))
        again = f"{digest}|{hashlib.sha256(answers.encode('utf-8', 'replace')).hexdigest()}"
        if again in self._seen and texts[0]:
            raise rows.Unusable(REPEATED, f"{where}: this row stands there twice.")
        self._seen[again] = 1
        number = self._seen[digest]
        return f"q-{digest}" + (f"-{number}" if number > 1 else "")

    def _resolved(self, row: Mapping[str, Any], page: str, where: str) -> list[str]:
        found: dict[str, None] = {}
        given = rows.identifiers(row, "gold_doc_ids", where)
        for name in given:
            try:
                ids = self._names.find_all(name, page)
            except LookupError as error:
                raise rows.Unusable(
                    "whose document is not told apart, or has no such page",
                    f"{where}: {error.args[0]}. Write its name with its folder, or another page.",
                ) from None
            if not ids:
                near = self._names.nearest(name)
                hint = f" Did you mean '{near}'?" if near else ""
                raise rows.Unusable(
                    "whose document is not there",
                    f"{where}: gold_doc_ids names '{name}', which {self._place.corpus_name} does "
                    f"not have.{hint}",
                )
            found |= dict.fromkeys(ids)
        return list(found)

    def _narrowed(self, question: Question) -> Question:
        """Of files that are named as a whole, the parts that hold the answer."""
        parts = [self._documents[doc_id] for doc_id in question.gold_doc_ids]
        if len({part.extra.get("file", part.doc_id) for part in parts}) == len(parts):
            return question
        held = gold.holding(gold.searched(question), parts)
        if held:
            self._counts[WHOLE_FILES] += 1
        elif len(parts) > gold.MOST_PARTS:
            self._counts[TOO_LONG] += 1
        else:
            return question
        return dataclasses.replace(question, gold_doc_ids=tuple(held))

    def _with_gold(self, questions: list[Question]) -> list[Question]:
        if not self._options.find_gold:
            return questions
        found = gold.find(questions, self._documents, self._near, self._counts)
        return [
            dataclasses.replace(question, gold_doc_ids=found[question.id])
            if question.id in found
            else question
            for question in questions
        ]


def _corpus_rows(
    place: Layout, options: OwnOptions, counts: Counter[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    named = options.named(DOCUMENT_COLUMNS)
    seen: set[str] = set()
    for file in place.documents:
        found = records(file, options.reading)
        if place.is_beir:
            found = ((where, _named(row, {"_id": "doc_id"})) for where, row in found)
        found = known_columns.renamed(found, named, file.label, counts)
        for where, row in _hinted(found, DOCUMENT_COLUMNS):
            if fields.is_missing(row.get("doc_id")) or row["doc_id"] == "":
                text = "\n".join(fields.optional_text(row, k, where) for k in ("title", "text"))
                doc_id = f"d-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:12]}"
                if doc_id in seen:
                    counts["documents that stand there twice (read once)"] += 1
                    continue
                seen.add(doc_id)
                row = row | {"doc_id": doc_id}
            yield where, {k: None if v is NO_VALUE else v for k, v in row.items()}


def _beir_queries(
    found: Iterator[tuple[str, dict[str, Any]]],
) -> Iterator[tuple[str, dict[str, Any]]]:
    """BEIR's queries have what else is known in `metadata`, answers among it."""
    for where, row in found:
        row = _named(row, {"_id": "id", "text": "question"})
        metadata = row.pop("metadata", None)
        yield where, {**(metadata if isinstance(metadata, Mapping) else {}), **row}


def _named(row: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {new if (new := names.get(key)) and new not in row else key: v for key, v in row.items()}


def _qrels(place: Layout) -> dict[str, list[str]]:
    """Relevant documents by query, of all of BEIR's qrels."""
    relevant: dict[str, list[str]] = {}
    for file in place.qrels:
        for where, row in records(file, Reading(delimiter="\t")):
            try:
                query, document, score = (str(value or "").strip() for value in row.values())
                is_relevant = float(score) > 0
            except ValueError:
                raise StudyError(
                    f"{where}: a line of qrels has three columns (query, document, score)."
                ) from None
            if is_relevant:
                relevant.setdefault(query, []).append(document)
    return relevant


def _hinted(
    found: Iterator[tuple[str, dict[str, Any]]], known: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The same rows. Raises StudyError where a needed column has another name."""
    needed = [key for key in ("question", "answers", "doc_id", "text") if key in known]
    looked_for = {key: known[key] for key in ("id", *needed) if key in known}
    for where, row in found:
        absent = [key for key in needed if fields.is_missing(row.get(key)) and key not in row]
        # A reference alone is enough, but not beside answers that would not be read.
        if absent:
            absent = [*(["id"] if "id" in known and "id" not in row else []), *absent]
            there = [name for name, value in row.items() if not fields.is_missing(value)]
            likely = known_columns.proposed(there, looked_for)
            renames = {key: likely[key] for key in absent if key in likely}
            if not {*renames.values()} <= {"reference"} and {*renames} != {"id"}:
                raise StudyError(_rename(where, absent, renames))
        yield where, row


def _rename(where: str, absent: Sequence[str], renames: Mapping[str, str]) -> str:
    quoted = [f"`{key}`" for key in absent if key not in ("id", "answers") or key in renames]
    to = listed([f"`{name}` to `{key}`" for key, name in renames.items()])
    said = ", ".join(f"{key}: {name}" for key, name in renames.items())
    return (
        f"{where}: {listed(quoted)} {'is' if len(quoted) == 1 else 'are'} missing. If this is what "
        f"it looks like, rename {to}, or write `columns: {{{said}}}` beside `path` (docs/data.md "
        "says what each must hold)."
    )


def _documents_at(place: Path) -> tuple[tuple[SourceFile, ...], Path | None]:
    """Tables with documents, or a place with texts."""
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
    if prose.find(place).files:
        return (), place
    tables = tuple(SourceFile(path) for path in walk(place) if _is_table(path))
    if not tables:
        raise StudyError(
            f"{place}: there are no documents here ({', '.join([*prose.SUFFIXES, *SUFFIXES])})."
        )
    return tables, None


def _table(path: Path) -> SourceFile:
    suffix = path.suffix.lower()
    if path.name.lower().endswith(SUFFIXES):
        return SourceFile(path)
    how = "save it as .xlsx" if suffix in FORMER_SUFFIXES else f"known are {', '.join(SUFFIXES)}"
    raise StudyError(f"{path}: is no table of a kind that is read here; {how}.")


def _stem(folder: Path, stem: str) -> list[SourceFile]:
    places = (folder / f"{stem}{suffix}" for suffix in SUFFIXES)
    return [SourceFile(place) for place in places if place.is_file()]


def _is_table(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES) and not is_description(path)


def _no_documents(path: Path) -> str:
    return (
        f"{path}: there are no documents. Name the folder or file that holds them with `corpus`, or "
        "the column with passages: `columns: {gold_contexts: ...}` (docs/own-data.md)."
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
