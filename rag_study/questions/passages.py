"""The passages that questions are written from, in an order that spreads them over documents."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rag_study.common.errors import StudyError
from rag_study.common.text import words
from rag_study.data.reading import parts
from rag_study.data.schema import Document
from rag_study.data.splits import hash_order
from rag_study.retrieval.bm25 import WordIndex
from rag_study.retrieval.passage import Passage

# A passage of fewer words says too little to be asked about.
LEAST_WORDS = 25
_OTHERS = 3
# A title of more rows, and of a larger share of all, names no article ("FAQ", "Introduction").
_MOST_PARTS, _MOST_SHARE = 20, 0.02
# Passages that may be the second of a pair, for each first one.
_PARTNERS = 30


def groups_of(documents: Sequence[Document]) -> list[str]:
    """What each document belongs to that must not be in training and test both: the file of a page
    or section, the scope that the data gives, the article (rows of one title, unless it is that of
    many), else the document itself."""
    titles = Counter(document.title for document in documents)
    most = max(_MOST_PARTS, _MOST_SHARE * len(documents))
    return [
        str(
            document.extra.get("file")
            or document.scope
            or (document.title if titles[document.title] <= most else "")
            or document.doc_id
        )
        for document in documents
    ]


@dataclass(frozen=True)
class Place:
    """A passage with the group of its document."""

    passage: Passage
    group: str
    scope: str | None = None


class Places:
    """Up to `most` passages of the documents.

    Every group gives one passage before any gives a second, in an order that depends on ids alone.
    Copies of other documents give none. Raises StudyError where no document has enough text.
    """

    def __init__(self, documents: Sequence[Document], most: int):
        self.all = _spread([d for d in documents if d.copy_of is None], most)
        if not self.all:
            raise StudyError(
                f"no document has {LEAST_WORDS} words in a row, so that there is nothing to ask "
                "about."
            )

    def near(self, place: Place, number: int) -> list[Place]:
        """The passages of other documents that have most of its words, best first."""
        scores = self._index.scores(place.passage.shown)
        ranked = np.argsort(-scores, kind="stable")
        others = (self.all[i] for i in ranked if scores[i] > 0)
        doc_id = place.passage.doc_id
        return _first(number, (other for other in others if other.passage.doc_id != doc_id))

    def found(self, question: str, but: str, number: int = _OTHERS) -> list[Passage]:
        """What a search for the question finds (BM25), without the passage of this id."""
        scores = self._index.scores(question)
        ranked = np.argsort(-scores, kind="stable")
        passages = (self.all[i].passage for i in ranked if scores[i] > 0)
        return _first(number, (p for p in passages if p.chunk_id != but))

    @cached_property
    def pairs(self) -> list[tuple[Place, Place]]:
        """Pairs of passages of different documents that have words in common. No group is paired
        with two others: questions about both tie groups together, and a chain would tie all."""
        partner: dict[str, str] = {}
        used: set[str] = set()
        found = []
        for place in self.all:
            if place.passage.chunk_id in used:
                continue
            for other in self.near(place, _PARTNERS):
                one, two = place.group, other.group
                free = partner.get(one, two) == two and partner.get(two, one) == one
                if other.passage.chunk_id in used or place.scope != other.scope:
                    continue
                if one == two or free:
                    if one != two:
                        partner[one], partner[two] = two, one
                    used |= {place.passage.chunk_id, other.passage.chunk_id}
                    found.append((place, other))
                    break
        return found

    @cached_property
    def _index(self) -> WordIndex:
        return WordIndex.of([place.passage.shown for place in self.all])


def _first(number: int, found: Iterator) -> list:
    return [item for _, item in zip(range(number), found, strict=False)]


def _spread(documents: Sequence[Document], most: int) -> list[Place]:
    groups: dict[str, list[Document]] = defaultdict(list)
    for name, document in zip(groups_of(documents), documents, strict=True):
        groups[name].append(document)
    # Of a million groups only as many are looked at as are needed.
    waiting: Iterable[Iterator[Place]] = (
        _places(name, groups[name]) for name in sorted(groups, key=hash_order)
    )
    found: list[Place] = []
    while True:
        left = []
        for places in waiting:
            if len(found) == most:
                return found
            if (place := next(places, None)) is not None:
                found.append(place)
                left.append(places)
        if not left:
            return found
        waiting = left


def _places(group: str, documents: Sequence[Document]) -> Iterator[Place]:
    """The passages of a group: one of each document before a second of any."""
    waiting = [_cut(group, d) for d in sorted(documents, key=lambda d: hash_order(d.doc_id))]
    while waiting:
        left = []
        for places in waiting:
            if (place := next(places, None)) is not None:
                yield place
                left.append(places)
        waiting = left


def _cut(group: str, document: Document) -> Iterator[Place]:
    spans = parts.cut(document.text)
    for start, end in sorted(spans, key=lambda span: hash_order(f"{document.doc_id} {span[0]}")):
        text = document.text[start:end].strip()
        if words(text) >= LEAST_WORDS:
            chunk_id = f"{document.doc_id}@{start}"
            passage = Passage(chunk_id, document.doc_id, document.title, text)
            yield Place(passage, group, document.scope)
