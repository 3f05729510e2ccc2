"""The corpus of BioASQ: snippets by PubMed id, and full abstracts where they are given."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rag_study.data.reading import fields
from rag_study.data.reading.source_files import wrong_format
from rag_study.data.schema import Document
from rag_study.data.sources.bioasq.files import ABSTRACTS, NAME, abstract_records

ID_KEYS = ("doc_id", "pmid", "id")
TEXT_KEYS = ("text", "abstract", "abstractText", "passage")
# Fewer characters can be the end of one snippet and the start of the next by accident.
MIN_OVERLAP = 20
_PUBMED = re.compile(r"pubmed(?:\.ncbi\.nlm\.nih\.gov)?/(?:\?term=)?(\d+)")
_SECTIONS = {"title": 0, "abstract": 1}


def document_id(address: str) -> str:
    """The PubMed id in an address, or the last part of its path ("PMC123"), or an id as it is."""
    if match := _PUBMED.search(address):
        return match[1]
    path = re.split(r"[?#]", address.strip())[0].rstrip("/")
    return re.sub(r"^pmid:?\s*", "", path.rsplit("/", 1)[-1].strip(), flags=re.IGNORECASE)


class Corpus:
    """Collects snippets and abstracts and makes one document per id of them.

    An abstract takes the place of the snippets with its id.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.abstracts: dict[str, Document] = {}
        self._snippets: dict[str, dict[str, tuple | None]] = {}

    def add_snippet(self, row: dict[str, Any], where: str) -> str:
        """Take a snippet; returns the id of its document, "" when it has no text or no document."""
        text = " ".join(fields.optional_text(row, "text", where).split())
        doc_id = document_id(fields.optional_text(row, "document", where))
        if not text or not doc_id:
            self.counts["snippets without text or document"] += 1
            return ""
        self._snippets.setdefault(doc_id, {}).setdefault(text, _position(row))
        return doc_id

    def add_abstract(self, row: dict[str, Any], where: str) -> None:
        """Take a record of an abstract. Raises StudyError when it is none."""
        id_key = next((key for key in ID_KEYS if row.get(key) not in (None, "")), None)
        if id_key is None or not ({*TEXT_KEYS, "title"} & row.keys()):
            raise wrong_format(where, f"{NAME} (corpus)", ABSTRACTS, row)
        identifier = row[id_key]
        # A column of numbers with a gap in it comes as fractions.
        if isinstance(identifier, float) and identifier.is_integer():
            row = row | {id_key: int(identifier)}
        doc_id = document_id(fields.text(row, id_key, where))
        texts = [fields.optional_text(row, key, where) for key in TEXT_KEYS]
        # rag-mini-bioasq has the text "nan" where an abstract is missing.
        text = next((text for text in texts if text and text.lower() != "nan"), "")
        if not text:
            self.counts["abstracts without text"] += 1
            return
        if doc_id in self.abstracts:
            self.counts["abstracts given twice (the later one is used)"] += 1
        title = fields.optional_text(row, "title", where)
        self.abstracts[doc_id] = Document(doc_id, title, text)

    def add_file(self, path: Path) -> None:
        """Take all abstracts of a file or folder."""
        for where, row in abstract_records(path):
            self.add_abstract(row, where)
        missing = self._snippets.keys() - self.abstracts.keys()
        if missing:
            self.counts["documents with snippets that `corpus` lacks (snippets kept)"] = len(
                missing
            )

    def documents(self) -> dict[str, Document]:
        """All documents by id, first those of the snippets."""
        return {
            doc_id: self.abstracts.get(doc_id) or Document(doc_id, "", _join(snippets))
            for doc_id, snippets in self._snippets.items()
        } | self.abstracts


def _position(row: dict[str, Any]) -> tuple[int, str, int] | None:
    """Where a snippet begins in its document, if the file says so."""
    section, offset = row.get("beginSection"), row.get("offsetInBeginSection")
    if not isinstance(section, str) or not isinstance(offset, int):
        return None
    return _SECTIONS.get(section.lower(), len(_SECTIONS)), section, offset


def _join(snippets: dict[str, tuple | None]) -> str:
    """The snippets of a document as one text.

    In the document's order where all positions are known, else as they came.
    """
    texts = list(snippets)
    if None not in snippets.values():
        texts.sort(key=snippets.__getitem__)
    return " ".join(merge(texts))


def merge(texts: Iterable[str]) -> list[str]:
    """Texts that overlap, or of which one contains the other, as one."""
    pieces: list[str] = []
    for text in texts:
        place = len(pieces)
        for index in reversed(range(len(pieces))):
            if joined := _united(pieces[index], text):
                text, place = joined, index
                del pieces[index]
        pieces.insert(place, text)
    return pieces


def _united(one: str, other: str) -> str | None:
    if other in one:
        return one
    if one in other:
        return other
    return _continued(one, other) or _continued(other, one)


def _continued(first: str, second: str) -> str | None:
    """`first` and what `second` goes on with, when the end of one is the start of the other."""
    mark = second[:MIN_OVERLAP]
    start = first.find(mark) if len(mark) == MIN_OVERLAP else -1
    while start >= 0:
        if second.startswith(first[start:]):
            return first + second[len(first) - start :]
        start = first.find(mark, start + 1)
    return None
