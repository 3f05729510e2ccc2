"""Whether an answer says yes or no, in the languages of `refusals.yaml`.

What counts is what it says first: "Yes, though the trial found no effect" says yes.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from rag_study.common.text import plain, tokens
from rag_study.evaluation import phrases

_CLAUSE_END = re.compile(r"[.!?;:,\n。！？；：।۔؟؛…،、，()\u2013\u2014-]+")
# By clauses, which a hyphen does not end in a word.
_DASH_IN_WORD = re.compile(r"(?<=\w)-(?=\w)")


class _Words(NamedTuple):
    """The words for yes and no of one language, as tokens, the longest first.

    Inside a clause `plain` say it too (yes, no), and otherwise `truths` (true, correct, false),
    which `nots` turn round: "that is not true".
    """

    language: str
    says: tuple[tuple[tuple[str, ...], bool], ...]
    plain: dict[str, bool]
    truths: dict[str, bool]
    nots: frozenset[str]
    before: tuple[tuple[str, ...], ...]


def agrees(answer: str, gold: str) -> bool | None:
    """Whether an answer says the yes or no of a gold answer; None for a gold answer that says
    neither. An answer that says neither agrees with nothing.

    Words are those of English and of the languages of the gold answer: "no" is one of several.
    """
    wanted, known = _first(gold, _languages())
    if wanted is None:
        return None
    names = {known, "English"} | {
        words.language for words in _languages() if _first(gold, (words,))[0] is not None
    }
    spoken = [words for words in _languages() if words.language in names]
    # What is a word for no in one language may be none inside a sentence of another.
    said, _ = _first(answer, spoken, [w for w in spoken if w.language == known])
    return said == wanted


def _first(
    text: str, languages: Sequence[_Words], inside: Sequence[_Words] = ()
) -> tuple[bool | None, str]:
    """(what a text says first: yes is true, and in which language). (None, "") for neither.

    Clauses that begin with it count before those that have it `inside`.
    """
    text = _DASH_IN_WORD.sub("_", plain(text))
    clauses = [c for c in map(tokens, _CLAUSE_END.split(text)) if c]
    for clause in clauses:
        for words in languages:
            rest = _after_lead(clause, words)
            for word, yes in words.says:
                if tuple(rest[: len(word)]) == word and (len(word[0]) > 1 or _whole(rest, word)):
                    return yes, words.language
    for clause, words in itertools.product(clauses, inside):
        if plain_words := [words.plain[token] for token in clause if token in words.plain]:
            return plain_words[0], words.language
    for clause, words in itertools.product(clauses, inside):
        if truths := [words.truths[token] for token in clause if token in words.truths]:
            return truths[0] is words.nots.isdisjoint(clause), words.language
    return None, ""


def _whole(clause: Sequence[str], word: tuple[str, ...]) -> bool:
    """Whether a word of single letters (of a script without blanks) is a word here: it has several,
    or it is the whole clause."""
    return len(word) > 1 or len(clause) == 1


def _after_lead(clause: list[str], words: _Words) -> list[str]:
    for lead in words.before:
        if tuple(clause[: len(lead)]) == lead:
            return clause[len(lead) :]
    return clause


@lru_cache(maxsize=1)
def _languages() -> tuple[_Words, ...]:
    return tuple(_words())


def _words() -> Iterator[_Words]:
    for known in phrases.languages():
        both = [(word, True) for word in known.yes] + [(word, False) for word in known.no]
        says = sorted(((tuple(tokens(w)), yes) for w, yes in both), key=lambda e: -len(e[0]))
        anywhere = {
            word[0]: yes
            for word, yes in says
            if len(word) == 1 and len(word[0]) > 1 and word[0] not in known.negators
        }
        plainest = {word for words in (known.yes[:1], known.no[:1]) for word in tokens(words[0])}
        before = sorted((tuple(tokens(w)) for w in known.before_yes_no), key=len, reverse=True)
        yield _Words(
            known.language,
            tuple(says),
            {word: yes for word, yes in anywhere.items() if word in plainest},
            {word: yes for word, yes in anywhere.items() if word not in plainest},
            frozenset(known.nots) | frozenset(known.negators),
            tuple(before),
        )
