"""Rows of own tables in the names of the schema, with what a name is likely to mean where it is not
one of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rag_study.common.errors import StudyError
from rag_study.common.wording import listed
from rag_study.data.reading import columns, fields
from rag_study.data.reading.columns import DOCUMENT_COLUMNS, QUESTION_COLUMNS
from rag_study.data.reading.delimited import OVERFLOW
from rag_study.data.reading.source_files import Reading, SourceFile, records
from rag_study.data.reading.workbooks import NO_VALUE
from rag_study.data.sources.own.layout import Layout, OwnOptions

REPEATED_DOCUMENTS = "documents that stand there twice (read once)"

Rows = Iterator[tuple[str, dict[str, Any]]]


def question_rows(
    file: SourceFile, place: Layout, options: OwnOptions, counts: Counter[str]
) -> Rows:
    """The rows of a file of questions. Raises StudyError where a needed column has another name."""
    found = all_records(file, options.reading)
    if place.is_beir:
        found = _beir_queries(found)
    known = dict(QUESTION_COLUMNS)
    if not place.has_documents:
        known["title"] = DOCUMENT_COLUMNS["title"]  # of the passages in the rows
    named = columns.renamed(found, options.named(known), file.label, counts)
    yield from _hinted(named, QUESTION_COLUMNS, options)


def document_rows(place: Layout, options: OwnOptions, counts: Counter[str]) -> Rows:
    """The rows of documents. One without an id is known by its text."""
    named = options.named(DOCUMENT_COLUMNS)
    seen: set[str] = set()
    for file in place.documents:
        found = all_records(file, options.documents_reading)
        if place.is_beir:
            found = ((where, _named(row, {"_id": "doc_id"})) for where, row in found)
        found = columns.renamed(found, named, file.label, counts)
        for where, row in _hinted(found, DOCUMENT_COLUMNS, options):
            if OVERFLOW in row:
                raise StudyError(row[OVERFLOW])
            if fields.is_missing(row.get("doc_id")) or row["doc_id"] == "":
                text = "\n".join(fields.optional_text(row, k, where) for k in ("title", "text"))
                doc_id = f"d-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:12]}"
                if doc_id in seen:
                    counts[REPEATED_DOCUMENTS] += 1
                    continue
                seen.add(doc_id)
                row = row | {"doc_id": doc_id}
            yield where, {k: None if v is NO_VALUE else v for k, v in row.items()}


def all_records(file: SourceFile, reading: Reading) -> Rows:
    """As `records`; of a file that is one object with one list of objects, these."""
    found = records(file, reading)
    first = next(found, None)
    if first is None:
        return
    where, row = first
    lists = {key: value for key, value in row.items() if _is_list_of_objects(value)}
    others = [value for key, value in row.items() if key not in lists]
    second = next(found, None)
    if second is None and len(lists) == 1 and columns.plain(row, Counter()) is row:
        ((key, inner),) = lists.items()
        if len(inner) > 1 and not any(isinstance(value, list) for value in others):
            for number, each in enumerate(inner, start=1):
                yield f"{where}, {key} {number}", each
            return
    yield first
    if second is not None:
        yield second
    yield from found


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, Mapping) for v in value)


def _beir_queries(found: Rows) -> Rows:
    """BEIR's queries have what else is known in `metadata`, answers among it."""
    for where, row in found:
        row = _named(row, {"_id": "id", "text": "question"})
        metadata = row.pop("metadata", None)
        yield where, {**(metadata if isinstance(metadata, Mapping) else {}), **row}


def _named(row: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {new if (new := names.get(key)) and new not in row else key: v for key, v in row.items()}


def relevant(place: Layout) -> dict[str, list[str]]:
    """Relevant documents by query, of all of BEIR's qrels."""
    found: dict[str, list[str]] = {}
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
                found.setdefault(query, []).append(document)
    return found


def _hinted(found: Rows, known: Mapping[str, Sequence[str]], options: OwnOptions) -> Rows:
    """The same rows. Raises StudyError where a needed column has another name."""
    # What the study file names is looked for under that name alone.
    known = {key: others for key, others in known.items() if key not in options.columns}
    needed = [key for key in ("question", "answers", "doc_id", "text") if key in known]
    looked_for = {key: known[key] for key in ("id", *needed) if key in known}
    for where, row in found:
        absent = [key for key in needed if fields.is_missing(row.get(key)) and key not in row]
        # A reference alone is enough, but not beside answers that would not be read.
        if absent:
            absent = [*(["id"] if "id" in known and "id" not in row else []), *absent]
            there = [name for name, value in row.items() if not fields.is_missing(value)]
            likely = columns.proposed(there, looked_for)
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
