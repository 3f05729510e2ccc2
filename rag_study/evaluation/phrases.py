"""Set phrases of the languages in which refusals and yes or no are recognised (`refusals.yaml`)."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import regex

from rag_study.common import files
from rag_study.common.text import plain

_FILE = Path(__file__).with_name("refusals.yaml")
# What ends a clause in any language, and what does in most.
_ENDS = r"[.!?;:\n。！？；：।۔؟؛…]+"
_COMMAS = r"[,،、，]"
_SCRIPTS = ("Latin", "Han", "Hiragana", "Arabic", "Devanagari", "Bengali", "Cyrillic")


class Phrases(NamedTuple):
    """What is known of a language; see `refusals.yaml`.

    `sign` finds what a refusal in it cannot be without; `refusal` is searched in a clause,
    `courtesy` is a whole one.
    """

    language: str
    sign: re.Pattern | regex.Pattern
    contractions: tuple[tuple[regex.Pattern, str], ...]
    clause_end: regex.Pattern
    refusal: regex.Pattern
    courtesy: regex.Pattern
    yes: tuple[str, ...]
    no: tuple[str, ...]
    before_yes_no: tuple[str, ...]
    negators: tuple[str, ...]
    nots: tuple[str, ...]


@lru_cache(maxsize=1)
def languages() -> tuple[Phrases, ...]:
    """All of them, English first."""
    return tuple(_read(name, entry) for name, entry in files.read_yaml(_FILE).items())


def names() -> list[str]:
    """The languages in which refusals and yes or no are recognised."""
    return [phrases.language for phrases in languages()]


def clauses(text: str, phrases: Phrases) -> list[str]:
    """The clauses of a text in lower case, with single blanks for punctuation."""
    for pattern, words in phrases.contractions:
        text = pattern.sub(words, text)
    parts = (regex.sub(r"[^\w\p{M}]+", " ", part) for part in phrases.clause_end.split(text))
    stripped = (regex.sub(r"(?<=\p{Han}|\p{Hiragana}|\p{Katakana}) +", "", p) for p in parts)
    return [clause for clause in map(str.strip, stripped) if clause]


def _script_of(word: str) -> str:
    """The pattern of one letter of the script of a word."""
    classes = (rf"\p{{Script={script}}}" for script in _SCRIPTS)
    return next(letter for letter in classes if regex.match(letter, word))


def _read(name: str, entry: dict[str, Any]) -> Phrases:
    parts = entry.get("parts", {})

    def filled(pattern: str) -> str:
        for part, stands_for in parts.items():
            pattern = pattern.replace(f"{{{part}}}", stands_for)
        return plain(pattern).replace("ß", "ss")  # as in lower case

    courtesies = [*entry["courtesies"]]
    if "tails" in entry:  # "..., who built it": what is not known
        courtesies.append(rf"{entry['tails']}(?:\b.*)?")
    breaks = filled(entry.get("breaks", ""))
    # English sets no comma before what is not known.
    ends = [_ENDS, *([breaks] if breaks else []), *([] if name == "English" else [_COMMAS])]
    return Phrases(
        name,
        # Python's own `re` is the faster one where it knows the letters.
        re.compile(rf"\b(?:{filled(entry['hint'])})\b")
        if "hint" in entry
        else regex.compile(_script_of(entry["no"][0])),
        tuple((regex.compile(plain(a)), b) for a, b in entry.get("contractions", ())),
        regex.compile("|".join(ends)),
        regex.compile("|".join(f"(?:{filled(pattern)})" for pattern in entry["refusals"])),
        regex.compile(rf"\A(?:{'|'.join(map(filled, courtesies))})\Z"),
        *(
            tuple(map(plain, entry.get(key, ())))
            for key in ("yes", "no", "before_yes_no", "negators", "nots")
        ),
    )
