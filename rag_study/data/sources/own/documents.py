"""Your own documents without any questions, read as a study reads them beside questions."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from rag_study.common import files
from rag_study.common.errors import StudyError
from rag_study.data import copies
from rag_study.data.reading import documents as prose
from rag_study.data.reading import rows
from rag_study.data.schema import Document
from rag_study.data.sources.own import looking, tables
from rag_study.data.sources.own.layout import Layout, OwnOptions, documents_at


def read(place: Path, counts: Counter[str]) -> list[Document]:
    """The documents of a folder or file, those that copy another marked; `counts` gets what is
    worth knowing. Raises StudyError where there are none, or too many cannot be read."""
    where = _layout(place)
    if where.texts is not None:
        found = prose.read(where.texts, OwnOptions().max_dropped, counts)
    else:
        options = OwnOptions(**looking.look_at_documents(where.documents[0].path))
        found = rows.corpus_of(tables.document_rows(where, options, counts), counts)
    if not found:
        raise StudyError(f"{place}: there are no documents here.")
    return copies.mark([*found.values()], [])[0]


def fingerprint(place: Path) -> str:
    """Hash over the files that `read` reads."""
    return files.content_hash(_layout(place).files())


def _layout(place: Path) -> Layout:
    if not place.exists():
        raise StudyError(f"{place}: there is no such file or folder.")
    return Layout((), *documents_at(place, place))
