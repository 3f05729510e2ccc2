"""Texts to the words that BM25 counts, in whatever script they are.

Words of scripts that are written without blanks between them are counted as pairs of neighbouring
characters, as Lucene's CJKAnalyzer does for Chinese, Japanese and Korean: no dictionary is needed,
and a word that no dictionary has is found as well. Stems and stop words are those of the language
that the corpus is in, where that is one of LANGUAGES; of others, words count as they stand.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import regex

from rag_study.common.text import UNSPACED, plain

# Those with stop words in bm25s and a stemmer of Snowball, by the name that both have for it.
LANGUAGES = (
    "danish dutch english french german italian norwegian portuguese russian spanish swedish "
    "turkish"
).split()
# Written without blanks between words, or (Hangul) with endings that hide the word.
_WITHOUT_BLANKS = rf"{UNSPACED[1:-1]}\p{{Hangul}}\p{{Bopomofo}}\p{{Yi}}\p{{Tibetan}}"
# Of the words (of two or more letters) of running text, the stop words of its language are a third
# to a half; of English, whose list here is a short one, a fourth. Less than this share, and no
# language is said to be that of the corpus.
_LEAST_COMMON, _LEAST_COMMON_ENGLISH = 0.2, 0.1
_LOOKED_AT = 200_000  # words of the corpus


@dataclass(frozen=True)
class Words:
    """How texts of a corpus are cut into words; `language` is one of LANGUAGES, or "" for
    none of them."""

    language: str = ""

    @classmethod
    def of(cls, texts: Iterable[str]) -> Words:
        """As the texts of this corpus are cut: by the language that most of its words are in."""
        words = itertools.chain.from_iterable(map(_alphabetic_words, texts))
        counts = Counter(itertools.islice(words, _LOOKED_AT))
        total = max(1, counts.total())
        shares = {
            language: sum(counts[word] for word in _stop_words(language)) / total
            for language in LANGUAGES
        }
        best = max(shares, key=lambda language: shares[language])
        least = _LEAST_COMMON_ENGLISH if best == "english" else _LEAST_COMMON
        return cls(best if shares[best] >= least else "")

    def __call__(self, text: str) -> list[str]:
        """The words of a text, in order: in lower case, of two or more letters, without stop words,
        as stems; pairs of characters where there are no blanks."""
        words = []
        for found in _pattern().finditer(_folded(text)):
            word = found.group()
            if found.lastgroup == "unspaced":
                words += _pairs(word)
            elif word not in self._left_out:
                words.append(word)
        return self._stemmer.stemWords(words) if self._stemmer else words

    @cached_property
    def _left_out(self) -> Collection[str]:
        return _stop_words(self.language) if self.language else ()

    @cached_property
    def _stemmer(self) -> Any:
        if not self.language:
            return None
        import Stemmer

        return Stemmer.Stemmer(self.language)


@lru_cache(maxsize=1)
def _pattern() -> Any:
    """Runs of a script without blanks, and words of two or more letters or digits of the others.

    Vowel signs of Indian and other scripts are marks, which belong to the word.
    """
    unspaced = rf"[{_WITHOUT_BLANKS}][{_WITHOUT_BLANKS}\p{{M}}]*"
    spaced = rf"[\w--[{_WITHOUT_BLANKS}]][\w\p{{M}}--[{_WITHOUT_BLANKS}]]+"
    return regex.compile(rf"(?V1)(?P<unspaced>{unspaced})|(?P<spaced>{spaced})")


def _folded(text: str) -> str:
    """One form for what is the same letter, in lower case."""
    return plain(text).lower()


def _alphabetic_words(text: str) -> list[str]:
    found = [m.group() for m in _pattern().finditer(_folded(text)) if m.lastgroup == "spaced"]
    return [word for word in found if word.isalpha()]


def _pairs(run: str) -> list[str]:
    """Neighbouring characters, each with its marks, in twos; a single one as it is."""
    characters: Sequence[str] = regex.findall(r"\X", run)
    return ["".join(pair) for pair in itertools.pairwise(characters)] or [run]


@lru_cache(maxsize=len(LANGUAGES))
def _stop_words(language: str) -> frozenset[str]:
    from bm25s.tokenization import _infer_stopwords

    return frozenset(_infer_stopwords(language))
