"""What lies in a folder: which file has the questions, what its columns hold, where the documents
are. It only proposes; what is proposed is written into a study file, and read as that says."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rag_study.common.errors import StudyError
from rag_study.common.wording import listed
from rag_study.data.reading import columns, delimited, fields, gold, workbooks
from rag_study.data.reading import documents as prose
from rag_study.data.reading.columns import DOCUMENT_COLUMNS, QUESTION_COLUMNS
from rag_study.data.reading.source_files import Reading, SourceFile, walk
from rag_study.data.sources.own.layout import NOTES, is_table
from rag_study.data.sources.own.tables import all_records

_ROWS = 200
_SAVED = ("dataset_info.json", "dataset_dict.json", "state.json")
_PASSAGES = ("gold_contexts", "contexts")
# Of the values of a column that may name documents so many must.
_NAMING = 0.5
_LOOKED_AT = 200_000
# A column with shorter texts holds no passages.
_LEAST_CHARACTERS = 20


@dataclass
class Proposal:
    """A data set as a study file has it (`settings`), and sentences on what was found."""

    settings: dict[str, Any]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Table:
    """A file, a sheet of it, and its first rows."""

    file: SourceFile
    reading: Reading
    names: tuple[str, ...]
    sample: tuple[Mapping[str, Any], ...]

    @property
    def label(self) -> str:
        sheet = f", sheet '{self.reading.sheet}'" if self.reading.sheet else ""
        return f"{self.file.path.name}{sheet}"

    def proposed(self, known: Mapping[str, Sequence[str]]) -> dict[str, str]:
        return columns.proposed(self.names, known)

    def has(self, known: Mapping[str, Sequence[str]], *keys: str) -> bool:
        there = {*self.names, *self.proposed(known)}
        return all(key in there for key in keys)

    def column(self, key: str) -> str:
        """The column of questions that most likely holds what the key means."""
        return self.proposed(QUESTION_COLUMNS).get(key, key)

    @property
    def asks(self) -> bool:
        """Whether it has questions with their answers."""
        has_answers = self.has(QUESTION_COLUMNS, "answers") or "reference" in self.names
        return self.has(QUESTION_COLUMNS, "question") and has_answers


def look(folder: Path, questions: Path | None = None, documents: Path | None = None) -> Proposal:
    """What a study can use of a folder (or of one file with questions).

    `questions` and `documents` name the file and the place that are meant. Raises StudyError where
    there are no questions with answers, with what is there.
    """
    for place in filter(None, (folder, questions, documents)):
        if not place.exists():
            raise StudyError(f"{place}: there is no such file or folder.")
    asked = questions or (None if folder.is_dir() else folder)
    if asked is None and (whole := _whole(folder)) is not None:
        return _of_whole(folder, whole, documents)
    found = [asked] if asked else [path for path in walk(folder) if is_table(path)]
    notes: list[str] = []
    tables = [table for path in found for table in _tables(path, notes if not asked else None)]
    table, others = _questions(folder, tables, notes)
    notes.insert(0, f"Questions: {table.label}.")
    proposal = Proposal({"name": "own", "path": table.file.path}, notes)
    if others:
        notes.append(f"Other tables with questions, not used: {_some(others)} (--questions FILE).")
    _settle(proposal, table, _documents(folder, documents, table, tables, notes))
    return proposal


def look_at_documents(table: Path) -> dict[str, Any]:
    """Settings with which a table of documents is read that has no questions beside it."""
    settings = {
        "columns": _document_columns(table, {}),
        "corpus_sheet": _corpus_table(table).reading.sheet,
        "encoding": _corpus_table(table).reading.encoding,
    }
    return {key: value for key, value in settings.items() if value}


def _whole(folder: Path) -> Path | None:
    """The file of questions of a folder that is one data set: of the schema's names, BEIR's, or as
    `datasets` saves it."""
    for stem in ("questions", "queries"):
        if found := sorted(p for p in folder.glob(f"{stem}.*") if is_table(p)):
            has_corpus = any(is_table(path) for path in folder.glob("corpus.*"))
            return found[0] if has_corpus else None
    tables = [SourceFile(path) for path in walk(folder) if is_table(path)]
    saved = any((folder / name).exists() for name in _SAVED)
    is_saved = bool(tables) and all(file.is_table for file in tables)
    return tables[0].path if is_saved and (saved or len(tables) > 1) else None


def _of_whole(folder: Path, first: Path, documents: Path | None) -> Proposal:
    proposal = Proposal({"name": "own", "path": folder})
    table = _tables(first, None)[0]
    if first.name.startswith("queries."):
        proposal.notes.append(f"Questions: {folder.name}, in BEIR's layout.")
        table = _beir(table)
    else:
        proposal.notes.append(f"Questions: {folder.name}, {first.name}.")
    corpus = next((path for path in sorted(folder.glob("corpus.*")) if is_table(path)), None)
    if not table.asks:
        raise StudyError(_nothing_asks(folder, [table], []))
    _settle(proposal, table, documents or corpus, is_beside=documents is None)
    return proposal


def _beir(table: _Table) -> _Table:
    """The names of BEIR's queries as they are read."""
    inner = [row["metadata"] for row in table.sample if isinstance(row.get("metadata"), Mapping)]
    names = dict.fromkeys([*table.names, *itertools.chain(*inner)])
    kept = [name for name in names if name not in ("_id", "text", "metadata")]
    return _Table(table.file, table.reading, ("id", "question", *kept), table.sample)


def _tables(path: Path, notes: list[str] | None) -> list[_Table]:
    """The tables of a file: one, or the sheets of a workbook. Raises StudyError for one that cannot
    be read; with `notes` it is noted there."""
    file = SourceFile(path)
    try:
        readings = [Reading()]
        if path.suffix.lower() in workbooks.SUFFIXES:
            names = workbooks.sheets(path, file.label)
            readings = [Reading(sheet=name if len(names) > 1 else "") for name in names]
            if not names:
                raise StudyError(f"{path}: the workbook is empty: no sheet holds anything.")
        elif file.name.lower().endswith(delimited.SUFFIXES):
            with file.open() as stream:
                readings = [Reading(encoding=delimited.encoding_of(stream))]
        found = []
        for reading in readings:
            try:
                found.append(_table(file, reading))
            except StudyError:
                if len(readings) == 1:
                    raise  # of several sheets some hold notes
        return found
    except StudyError as error:
        if notes is None:
            raise
        notes.append(f"Not read: {error}")
        return []


def _table(file: SourceFile, reading: Reading) -> _Table:
    rows = itertools.islice(all_records(file, reading), _ROWS)
    sample = [columns.plain(row, Counter()) for _, row in rows]
    names = dict.fromkeys(name for row in sample for name in row)
    filled = [n for n in names if any(not fields.is_missing(row.get(n)) for row in sample)]
    return _Table(file, reading, tuple(map(str, filled)), tuple(sample))


def _questions(
    folder: Path, tables: Sequence[_Table], notes: Sequence[str]
) -> tuple[_Table, list[str]]:
    asking = [table for table in tables if table.asks]
    if not asking:
        raise StudyError(_nothing_asks(folder, tables, notes))
    # What is named as questions are, what says its documents, what has more.
    best = max(
        asking,
        key=lambda table: (
            any(word in table.label.lower() for word in ("question", "faq", "qa", "frage")),
            table.has(QUESTION_COLUMNS, "gold_doc_ids"),
            len(table.sample),
        ),
    )
    return best, [table.label for table in asking if table is not best]


def _nothing_asks(folder: Path, tables: Sequence[_Table], notes: Sequence[str]) -> str:
    said = [f"{table.label} has {_some(table.names)}" for table in tables[:3]]
    if folder.is_dir() and (texts := prose.find(folder)).files:
        said.append(f"there are documents ({prose.kinds(texts)})")
    what = f" What is there: {'; '.join(said)}." if said else ""
    return (
        f"{folder}: there is no table with questions and their answers.{what} One column must hold "
        f"questions, another answers; name the columns `question` and `answers` where they are "
        f"called otherwise.{''.join(f' {note}' for note in notes[:3])}"
    )


def _documents(
    folder: Path, given: Path | None, table: _Table, tables: Sequence[_Table], notes: list[str]
) -> Path | None:
    """Where the documents are: texts, a table of them, or None for the rows' own contexts."""
    if given is not None or not folder.is_dir():
        return given
    texts = prose.find(folder)
    corpora = [
        other
        for other in tables
        if other is not table and not other.asks and other.has(DOCUMENT_COLUMNS, "text")
    ]
    if corpora:
        corpus = max(corpora, key=lambda other: other.file.path.stat().st_size)
        notes.append(f"Documents: the rows of {corpus.label}.")
        return corpus.file.path
    inside = any(_holds_passages(table, table.column(key)) for key in _PASSAGES)
    if not texts.files or (inside and all(NOTES.match(p.name) for p in texts.files.values())):
        return None
    parents = {path.parent for path in texts.files.values()}
    place = Path(*_common([parent.parts for parent in parents]))
    notes.append(f"Documents: {prose.kinds(texts)} in {place.name or place}.")
    if texts.passed_over:
        notes.append(f"Left out: {_some([f'{n} {why}' for n, why in texts.passed_over.items()])}.")
    return place


def _common(paths: Sequence[tuple[str, ...]]) -> list[str]:
    together = itertools.takewhile(lambda parts: len({*parts}) == 1, zip(*paths, strict=False))
    return [parts[0] for parts in together]


def _settle(
    proposal: Proposal, table: _Table, corpus: Path | None, *, is_beside: bool = False
) -> None:
    """Columns and other settings, once it is known where the documents are."""
    settings, notes = proposal.settings, proposal.notes
    chosen = table.proposed(QUESTION_COLUMNS)
    if corpus is not None and not is_beside:
        settings["corpus"] = corpus
    if corpus is None:
        inside = [key for key in _PASSAGES if _holds_passages(table, table.column(key))]
        if not inside:
            raise StudyError(
                f"{table.file.path}: there are questions, but no documents beside it and no column "
                f"with passages (it has {_some(table.names)}). Name them with --documents."
            )
        passages = listed([f"'{chosen.get(key, key)}'" for key in inside])
        notes.append(f"Documents: the texts in {passages}; the same text is one document.")
        for key in _PASSAGES:
            if key not in inside:
                chosen.pop(key, None)
        naming = None
        chosen.pop("gold_doc_ids", None)
        title = "title" not in table.names and table.proposed({"title": DOCUMENT_COLUMNS["title"]})
        chosen |= title or {}
    else:
        naming = _naming_column(table, chosen, corpus, notes)
        chosen.pop("gold_doc_ids", None)
        if naming and naming != "gold_doc_ids":
            chosen["gold_doc_ids"] = naming
        chosen |= _document_columns(corpus, chosen)
    for key in _PASSAGES if corpus is not None else ():
        chosen.pop(key, None)
    if not naming or is_table(corpus):
        chosen.pop("page", None)
    if not _is_unique(table, chosen.get("id")):
        chosen.pop("id", None)
    if chosen:
        settings["columns"] = chosen
    of_corpus = _corpus_table(corpus).reading if corpus and is_table(corpus) else Reading()
    reading = {
        "sheet": table.reading.sheet,
        "corpus_sheet": of_corpus.sheet,
        "encoding": table.reading.encoding or of_corpus.encoding,
    }
    settings |= {key: value for key, value in reading.items() if value}


def _naming_column(
    table: _Table, chosen: Mapping[str, str], corpus: Path, notes: list[str]
) -> str | None:
    """The column that names the documents: whatever it is called, its values are their names."""
    if "gold_doc_ids" in table.names:
        return "gold_doc_ids"  # what does not fit is said when it is read
    likely = chosen.get("gold_doc_ids")
    texts = None if is_table(corpus) else prose.find(corpus).files
    names = gold.Names.of_files(_ids(corpus) if texts is None else texts)
    taken = {*chosen.values(), "question", "answers", "id"} - {likely}
    best, found = 0.0, None
    for name in dict.fromkeys(filter(None, (likely, *table.names))):
        values = [row[name] for row in table.sample if not fields.is_missing(row.get(name))]
        if name in taken or not values or (name != likely and not isinstance(values[0], str)):
            continue
        share = sum(bool(_try(names, str(value))) for value in values) / len(values)
        if share >= _NAMING and share > best:
            best, found = share, name
    if likely and not found:
        notes.append(
            f"Column '{likely}' is not used: most of its rows name no document that is there. The "
            "answers are looked for instead."
        )
    return found


def _ids(corpus: Path) -> Iterator[str]:
    """What the documents of a table are called."""
    named = _document_columns(corpus, {})
    rows = all_records(SourceFile(corpus), _corpus_table(corpus).reading)
    found = columns.renamed(rows, named, corpus.name, Counter())
    for _, row in itertools.islice(found, _LOOKED_AT):
        yield from (str(row[k]) for k in ("doc_id", "_id", "title") if row.get(k) not in (None, ""))


def _try(names: gold.Names, value: str) -> list[str]:
    try:
        return names.find_all(value)
    except LookupError:
        return []


def _corpus_table(corpus: Path) -> _Table:
    """The table with documents in a file, the sheet with texts where there are several."""
    tables = _tables(corpus, None)
    with_texts = [t for t in tables if t.has(DOCUMENT_COLUMNS, "text") and not t.asks]
    return (with_texts or tables)[0]


def _document_columns(corpus: Path, chosen: Mapping[str, str]) -> dict[str, str]:
    """Names of the columns of a table with documents."""
    if not is_table(corpus):
        return {}
    table = _corpus_table(corpus)
    proposed = table.proposed(DOCUMENT_COLUMNS)
    if corpus.name.startswith("corpus.") and "_id" in table.names and "text" in table.names:
        proposed.pop("doc_id", None)  # BEIR's
    return {key: name for key, name in proposed.items() if key not in chosen}


def _holds_passages(table: _Table, name: str) -> bool:
    values = [row[name] for row in table.sample if not fields.is_missing(row.get(name))]
    long = [value for value in values if len(str(value)) >= _LEAST_CHARACTERS]
    return bool(values) and len(long) >= len(values) / 2


def _is_unique(table: _Table, name: str | None) -> bool:
    """Whether a column has another value in every row of the file, as ids have."""
    if name is None:
        return False
    seen: set[str] = set()
    for _, row in all_records(table.file, table.reading):
        value = columns.plain(row, Counter()).get(name)
        if fields.is_missing(value) or str(value) in seen:
            return False
        seen.add(str(value))
    return bool(seen)


def _some(names: Sequence[str]) -> str:
    shown = [str(name) for name in names[:10]]
    return ", ".join([*shown, *(["..."] if len(names) > len(shown) else [])])
