"""Questions that ask the same in almost the same words, and those that paraphrase each other.

How alike two wordings are is their weighted Jaccard similarity: the weight of their common content
words over that of all of them, a word weighing ln(1 + questions / questions with it). So questions
made from one template ("Who built the tower of Ulm?") are unlike, although they share most of
their words. Two questions are near-duplicates at 0.7 and more, paraphrases at a third, where

- an answer of one is an answer of the other,
- no number stands in one of them alone, and not each has a name that the other has not.

Near-duplicates must also have a gold document in common, where both name any.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from rag_study.common.text import normalise, tokens
from rag_study.data.schema import Question

THRESHOLD = 0.7
PARAPHRASE = 1 / 3
# Words that carry no content of their own; question words do ("who wrote" is not "when wrote").
_FUNCTION_WORDS = frozenset(
    "a an the of in on at to for from by with and or that this there it its is are was were "
    "be been do does did has have had".split()
)
_WORD = re.compile(r"\w+")
_ROUNDING = 1e-9
_ANY = ""  # in the place of a gold document: whatever is named


@lru_cache(maxsize=100_000)
def words_of(text: str) -> str:
    """A text without case and punctuation; what is nothing but signs stays as it is."""
    return " ".join(tokens(text)) or " ".join(text.casefold().split())


def wording(question: Question) -> str:
    """The question without case and punctuation."""
    return words_of(question.question)


def find_pairs(questions: Sequence[Question]) -> list[tuple[Question, Question]]:
    """Pairs of near-duplicates, the earlier question first.

    Questions with a `scope` are left out: they are about their own documents, whatever their
    wording. Of questions with one wording and one answer, which can never come apart, only
    neighbours make a pair; every other pair of near-duplicates is there for at least one question
    on each side, and for each question with at least one on the other side.
    """
    asked = _distinct(questions)
    pairs = [
        pair for entry in asked for pair in zip(entry.members, entry.members[1:], strict=False)
    ]
    search = _Search(asked, THRESHOLD)
    for entry in asked:
        for other in search.alike(entry):
            first, second = other.members[0], entry.members[0]
            pairs += [(first, member) for member in entry.members]
            pairs += [(member, second) for member in other.members[1:]]
        search.add(entry)
    place = {id(question): number for number, question in enumerate(questions)}
    ordered = [sorted(pair, key=lambda q: place[id(q)]) for pair in pairs]
    ordered.sort(key=lambda pair: [place[id(question)] for question in pair])
    return [(first, second) for first, second in ordered]


def paraphrased(questions: Sequence[Question], others: Sequence[Question]) -> set[str]:
    """Ids of those of `questions` that one of `others` asks in other words, with the same answer,
    whatever the documents. Near-duplicates are among them."""
    asked, against = _distinct(questions, by_gold=False), _distinct(others, by_gold=False)
    search = _Search([*asked, *against], PARAPHRASE)
    for entry in against:
        search.add(entry)
    return {
        question.id
        for entry in asked
        if any(True for _ in search.alike(entry))
        for question in entry.members
    }


@dataclass(frozen=True)
class _Asked:
    """One wording with one set of answers and gold documents, and the questions that have it."""

    words: frozenset[str]
    names: frozenset[str]
    answers: frozenset[str]
    gold: frozenset[str]
    decided: bool  # yes or no: too few answers for a common one to say anything
    members: list[Question] = field(default_factory=list, compare=False)


def _distinct(questions: Iterable[Question], *, by_gold: bool = True) -> list[_Asked]:
    distinct: dict[tuple, _Asked] = {}
    for question in questions:
        if question.scope is not None:
            continue
        text = wording(question)
        words = frozenset(text.split()) - _FUNCTION_WORDS
        if not words:
            continue
        entry = _Asked(
            words,
            _names(question.question) & words,
            _right_answers(question),
            frozenset(question.gold_doc_ids if by_gold else ()),
            question.answer_type == "yesno",
        )
        key = (text, entry.answers, entry.gold, entry.decided)
        distinct.setdefault(key, entry).members.append(question)
    return list(distinct.values())


def _names(text: str) -> frozenset[str]:
    """Words with a capital letter, but for the first."""
    later = list(_WORD.finditer(text))[1:]
    capitals = [match[0] for match in later if match[0][0].isupper()]
    return frozenset(words_of(" ".join(capitals)).split()) if capitals else frozenset()


def _right_answers(question: Question) -> frozenset[str]:
    if question.answer_type == "unanswerable":
        return frozenset(("",))
    return frozenset(normalise(answer) for answer in (*question.answers, question.reference))


class _Search:
    """Finds what was added that is alike: similar enough, with a common answer and, where both
    name gold documents, a common one, and without a number or name that tells them apart.

    Exact, by prefix filtering (Chaudhuri, Ganti and Kaushik 2006): what is alike shares a word
    among the heaviest of each, since the rest together weigh too little. Only what also shares an
    answer and a gold document is compared. `asked` is everything that will be there: the weights
    of words depend on it.
    """

    def __init__(self, asked: Sequence[_Asked], threshold: float):
        frequency = Counter(word for entry in asked for word in entry.words)
        self._weight = {word: math.log(1 + len(asked) / n) for word, n in frequency.items()}
        self._threshold = threshold
        self._added: list[tuple[_Asked, float]] = []
        self._index: dict[tuple[str, str, str | None], list[int]] = defaultdict(list)

    def add(self, entry: _Asked) -> None:
        """Let it be found from now on."""
        for word, answer in self._keys(entry):
            for gold in (_ANY, *(entry.gold or (None,))):
                self._index[word, answer, gold].append(len(self._added))
        self._added.append((entry, self._weigh(entry.words)))

    def alike(self, entry: _Asked) -> Iterator[_Asked]:
        """What was added that is alike, in the order in which it was."""
        documents = (None, *entry.gold) if entry.gold else (_ANY,)
        candidates = {
            number
            for word, answer in self._keys(entry)
            for gold in documents
            for number in self._index.get((word, answer, gold), ())
        }
        total = self._weigh(entry.words)
        for number in sorted(candidates):
            other, others_total = self._added[number]
            common = self._weigh(entry.words & other.words)
            needed = self._threshold * (total + others_total - common)
            if common >= needed - _ROUNDING and _ask_the_same(other, entry):
                yield other

    def _weigh(self, words: Iterable[str]) -> float:
        return sum(self._weight[word] for word in words)

    def _keys(self, entry: _Asked) -> Iterator[tuple[str, str]]:
        """Each of the heaviest words, as many as it takes for the rest to weigh less than the
        threshold, with each answer."""
        rest = total = self._weigh(entry.words)
        for word in sorted(entry.words, key=lambda w: (-self._weight[w], w)):
            if rest < self._threshold * total - _ROUNDING:
                return
            rest -= self._weight[word]
            for answer in entry.answers:
                yield word, answer


def _ask_the_same(entry: _Asked, other: _Asked) -> bool:
    if (entry.decided or other.decided) and entry.words != other.words:
        return False
    only, others_only = entry.words - other.words, other.words - entry.words
    if any(any(map(str.isdigit, word)) for word in only | others_only):
        return False
    return not (only & entry.names and others_only & other.names)
