"""Questions that ask the same in almost the same words, found by MinHash.

Two questions are near-duplicates when their content words overlap (Jaccard similarity of at least
0.7), they name the same numbers, and an answer of one is an answer of the other. The answers are
part of it because questions made from one template ("Who built the tower of Ulm?") share most of
their words and still ask for different things.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from rag_study.common.text import normalise
from rag_study.data.schema import Question

THRESHOLD = 0.7
_PERMUTATIONS = 128
# Words that carry no content of their own; question words do ("who wrote" is not "when wrote").
_FUNCTION_WORDS = frozenset(
    "a an the of in on at to for from by with and or that this there it its is are was were "
    "be been do does did has have had".split()
)


def wording(question: Question) -> str:
    """The question without case and punctuation."""
    return " ".join(re.findall(r"\w+", question.question.lower()))


def find_pairs(questions: Sequence[Question]) -> list[tuple[Question, Question]]:
    """All pairs of near-duplicates, the earlier question first.

    Questions with a `scope` are left out: they are about their own documents, whatever their
    wording. Candidates come from locality-sensitive hashing of MinHash signatures (datasketch)
    and each is checked exactly.
    """
    from datasketch import MinHash, MinHashLSH

    by_words: dict[frozenset[str], list[Question]] = defaultdict(list)
    for question in questions:
        words = frozenset(wording(question).split()) - _FUNCTION_WORDS
        if question.scope is None and words:
            by_words[words].append(question)
    index = MinHashLSH(threshold=THRESHOLD, num_perm=_PERMUTATIONS)
    distinct = list(by_words)
    encoded = [[word.encode() for word in sorted(words)] for words in distinct]
    pairs = []
    for number, signature in enumerate(MinHash.generator(encoded, num_perm=_PERMUTATIONS)):
        words = distinct[number]
        same_words = by_words[words]
        pairs += [
            (a, b)
            for i, a in enumerate(same_words)
            for b in same_words[i + 1 :]
            if _same_answer(a, b)
        ]
        for other in sorted(index.query(signature)):
            if _similar(words, distinct[other]):
                pairs += [
                    (a, b)
                    for a in by_words[distinct[other]]
                    for b in same_words
                    if "yesno" not in (a.answer_type, b.answer_type) and _same_answer(a, b)
                ]
        index.insert(number, signature)
    return pairs


def _similar(words: frozenset[str], other: frozenset[str]) -> bool:
    differing = words ^ other
    overlap = len(words & other) / len(words | other)
    return overlap >= THRESHOLD and not any(any(map(str.isdigit, word)) for word in differing)


def _same_answer(a: Question, b: Question) -> bool:
    return bool(_right_answers(a) & _right_answers(b))


def _right_answers(question: Question) -> set[str]:
    return {normalise(answer) for answer in (*question.answers, question.reference)}
