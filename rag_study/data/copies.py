"""Documents that are there twice: the same text under several ids, or almost the same.

A document is a copy of an earlier one of its scope when both have the same text but for case and
blanks, or when at least 85 % of their sequences of three words are common and what differs tells
them apart in nothing: not each has a number, a sign or a name that the other has not (two yearly
reports differ in their years). Titles count with short texts ("It was built in 1700.").
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from zlib import crc32

import numpy as np
import regex
from scipy.cluster.hierarchy import DisjointSet

from rag_study.common.text import UNSPACED
from rag_study.data.schema import Document, Question

COPIES = "documents that are copies of another (counted as one)"
NEAR = 0.85
_SHINGLE = 3
# A text of fewer words may be of any title.
_OWN_WORDS = 40
_HASHES, _SHARED_HASHES, _NEIGHBOURS = 24, 3, 3
# Estimated from hashes, a similarity is off by a tenth or so.
_WORTH_COMPARING = NEAR - 0.2
_BLOCK = 500_000  # sequences of words hashed at once
_PUNCTUATION, _UNSPACED = re.compile(r"[^\w\s]+"), regex.compile(UNSPACED)
_EDGES = "\"'“”„«»‘’()[]{}.,;:!?…"


def mark(
    documents: Sequence[Document], questions: Sequence[Question]
) -> tuple[list[Document], list[Question]]:
    """Documents with `copy_of`, and questions whose gold documents are the originals."""
    original = originals(documents)
    if not original:
        return list(documents), list(questions)
    marked = [
        dataclasses.replace(document, copy_of=original[document.doc_id])
        if document.doc_id in original
        else document
        for document in documents
    ]
    renamed = [
        dataclasses.replace(
            question,
            gold_doc_ids=tuple(dict.fromkeys(original.get(i, i) for i in question.gold_doc_ids)),
        )
        if any(doc_id in original for doc_id in question.gold_doc_ids)
        else question
        for question in questions
    ]
    return marked, renamed


def originals(documents: Sequence[Document]) -> dict[str, str]:
    """doc_id of every copy -> doc_id of the first document that it is a copy of."""
    texts = [_text(document) for document in documents]
    first: dict[bytes, int] = {}
    same: list[tuple[int, int]] = []
    distinct: list[int] = []
    for number, (document, text) in enumerate(zip(documents, texts, strict=True)):
        earlier = first.setdefault(_exact(document.scope, text), number)
        if earlier == number:
            distinct.append(number)
        else:
            same.append((earlier, number))
    del first
    for one, other in _candidates([texts[number] for number in distinct]):
        a, b = distinct[one], distinct[other]
        if documents[a].scope == documents[b].scope and _are_copies(texts[a], texts[b]):
            same.append((a, b))
    # Of a million documents few are copies: only these are kept as sets.
    members = sorted({number for pair in same for number in pair})
    sets = DisjointSet(members)
    for a, b in same:
        sets.merge(a, b)
    leaders: dict[int, int] = {}
    found = {}
    for number in members:
        leader = leaders.setdefault(sets[number], number)
        if leader != number:
            found[documents[number].doc_id] = documents[leader].doc_id
    return found


def _text(document: Document) -> str:
    own = document.text if len(document.text.split()) >= _OWN_WORDS else ""
    return own or f"{document.title}\n{document.text}"


def _exact(scope: str | None, text: str) -> bytes:
    """A digest of scope and text without case and blanks: no second form of all texts is kept."""
    same = "".join(unicodedata.normalize("NFKC", text).casefold().split())
    digest = hashlib.blake2b(same.encode("utf-8", "surrogatepass"), digest_size=16)
    digest.update(repr(scope).encode("utf-8", "surrogatepass"))
    return digest.digest()


def _words(text: str) -> list[str]:
    """Words without punctuation; letters, in scripts that set no blanks."""
    text = _PUNCTUATION.sub(" ", text.casefold())
    return (text if text.isascii() else _UNSPACED.sub(r" \g<0> ", text)).split()


def _shingles(words: Sequence[str]) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + _SHINGLE]) for i in range(len(words) - _SHINGLE + 1)}


def _are_copies(text: str, other: str) -> bool:
    a, b = _shingles(_words(text)), _shingles(_words(other))
    if len(a & b) < NEAR * len(a | b):
        return False
    tokens, others = _telling(text), _telling(other)
    return not (tokens - others and others - tokens)


def _telling(text: str) -> set[str]:
    """Words with a digit, a sign or a capital letter: they may tell documents apart."""
    words = (word.strip(_EDGES) for word in text.split())
    return {word for word in words if word and not (word.isalpha() and word.islower())}


def _candidates(texts: Sequence[str]) -> Iterable[tuple[int, int]]:
    """Pairs of positions that are worth comparing word by word.

    MinHash (Broder 1997), and of the documents sorted by some of their hashes only neighbours are
    compared: what is almost the same comes to lie side by side, and texts of one template, of which
    thousands share some hashes, cost no more than others.
    """
    numbers, signatures = _signatures(texts)
    if len(numbers) < 2:
        return []
    pairs: dict[tuple[int, int], None] = {}
    for start in range(0, _HASHES, _SHARED_HASHES):
        rolled = np.roll(signatures, -start, axis=1)
        order = np.lexsort(rolled[:, ::-1].T)
        for step in range(1, _NEIGHBOURS + 1):
            one, other = order[:-step], order[step:]
            near = (rolled[one, :_SHARED_HASHES] == rolled[other, :_SHARED_HASHES]).all(axis=1)
            one, other = one[near], other[near]
            alike = (signatures[one] == signatures[other]).mean(axis=1) >= _WORTH_COMPARING
            for a, b in zip(one[alike].tolist(), other[alike].tolist(), strict=True):
                pairs[numbers[min(a, b)], numbers[max(a, b)]] = None
    return sorted(pairs)


def _signatures(texts: Sequence[str]) -> tuple[list[int], np.ndarray]:
    """The positions of the texts that are long enough to tell, and of these (texts, hashes): for
    each hash the smallest of a text's sequences of words."""
    rng = np.random.default_rng(0)
    odd = rng.integers(1, 2**63, _HASHES + _SHINGLE, dtype=np.uint64) | np.uint64(1)
    numbers: list[int] = []
    blocks: list[np.ndarray] = [np.empty((0, _HASHES), dtype=np.uint32)]
    waiting: list[np.ndarray] = []  # the sequences of words of the texts of a block
    size = 0
    for position, text in enumerate(texts):
        words = [crc32(word.encode("utf-8", "surrogatepass")) for word in _words(text)]
        if len(words) < _SHINGLE:
            continue
        numbers.append(position)
        waiting.append(_hashed(np.array(words, dtype=np.uint64), odd[_HASHES:]))
        size += len(words)
        if size > _BLOCK:
            blocks.append(_smallest(waiting, odd))
            waiting, size = [], 0
    if waiting:
        blocks.append(_smallest(waiting, odd))
    return numbers, np.concatenate(blocks)


def _smallest(shingles: Sequence[np.ndarray], odd: np.ndarray) -> np.ndarray:
    signatures = np.empty((len(shingles), _HASHES), dtype=np.uint32)
    edges = np.cumsum([0, *map(len, shingles[:-1])])
    values = np.concatenate(shingles)
    for number in range(_HASHES):
        mixed = values * odd[number]
        mixed ^= mixed >> np.uint64(29)
        mixed *= odd[number - 1]
        signatures[:, number] = np.minimum.reduceat(mixed >> np.uint64(32), edges)
    return signatures


def _hashed(words: np.ndarray, factors: np.ndarray) -> np.ndarray:
    count = len(words) - _SHINGLE + 1
    parts = [(words[i : i + count] + np.uint64(1)) * factors[i] for i in range(_SHINGLE)]
    mixed = parts[0] ^ (parts[1] << np.uint64(1)) ^ (parts[2] << np.uint64(2))
    return mixed ^ (mixed >> np.uint64(31))
