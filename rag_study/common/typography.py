"""Where a wording stands in a text, in whatever quotes, dashes, letters and spaces it is set.

`text.contains` says whether two texts say the same; here it is found in place, so that it can be
cut around or replaced while everything else stays as it stands.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

import regex

from rag_study.common.text import UNSPACED

# Word boundaries: letters of scripts without blanks are words of their own.
_IN_WORD = rf"(?:(?!{UNSPACED})[\w\p{{M}}])"
_HIDDEN = regex.compile(r"\p{Default_Ignorable_Code_Point}+")
_SET = str.maketrans(
    dict.fromkeys("´ʹʻʼʽˈ‘’‚‛′׳ꞌ`", "'")
    | dict.fromkeys("“”„‟″«»‹›「」『』〝〞〟", '"')
    | dict.fromkeys("‐‑‒–—―−﹘﹣－", "-")
)
_PIECE = regex.compile(rf"(?={UNSPACED})\X|(?:(?!{UNSPACED})\S)+")


def aligned(text: str) -> tuple[str, list[int]]:
    """The text as it is typed plainly (NFKC; straight quotes, hyphens; nothing hidden), case kept,
    and for each of its characters, and its end, where in `text` it comes from."""
    if text.isascii():
        return text, list(range(len(text) + 1))
    plain: list[str] = []
    places: list[int] = []
    for cluster in regex.finditer(r"\X", text):
        seen = _HIDDEN.sub("", cluster.group()).translate(_SET)
        typed = unicodedata.normalize("NFKC", seen)
        plain.append(typed)
        places += [cluster.start()] * len(typed)
    return "".join(plain), [*places, len(text)]


def pattern(wording: str, *, ignore_case: bool = True) -> str:
    """A pattern (of `regex`) that finds a wording in an aligned text, without its boundaries.

    Spaces of any kind separate words; a hyphen may be a space or missing, an apostrophe and the
    separator of thousands may be missing.
    """
    plain, _ = aligned(wording)
    parts = regex.split(r"(\s+|(?<=\w)-(?=\w)|'|(?<=\d),(?=\d{3}))", " ".join(plain.split()))
    signs = {"-": r"[\s-]?", "'": "'?", ",": ",?"}
    found = "".join(
        r"\s*" if part.isspace() and _between_unspaced(parts, place)
        else r"\s+" if part.isspace()
        else signs.get(part, "") or _thousands(part)
        for place, part in enumerate(parts)
    )  # fmt: skip
    return f"(?i:{found})" if ignore_case else f"(?-i:{found})"


def bounded(patterns: Iterable[str]) -> regex.Pattern:
    """Finds any of the patterns, the first that fits, as whole words and not as a part of a
    number."""
    return regex.compile(
        rf"(?<!{_IN_WORD})(?<!\d[.,])(?:{'|'.join(map(_edged, patterns))})(?![.,]\d)"
    )


def spans(found: regex.Pattern, text: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, matched plainly) of each match of a `bounded` pattern in a text as it stands.
    What begins or ends inside a single character of it is left out."""
    plain, places = aligned(text)
    for match in found.finditer(plain):
        start, end = match.span()
        if all(at in (0, len(plain)) or places[at] != places[at - 1] for at in (start, end)):
            yield places[start], places[end], match.group()


def first_place(text: str, wordings: Iterable[str]) -> int | None:
    """Where in a text the first of the wordings begins; None where none stands."""
    patterns = [pattern(wording) for wording in wordings if wording.strip()]
    if not patterns:
        return None
    return next((start for start, _, _ in spans(bounded(patterns), text)), None)


def cut_around(text: str, place: int, most: int) -> str:
    """The part of a text with `most` words around a place, single blanks between them; two letters
    of a script without blanks are about one word. A text that is not longer stays as it is."""
    pieces = [(m.start(), m.end(), m.group()) for m in _PIECE.finditer(text)]
    weights = [_weight(piece) for _, _, piece in pieces]
    if sum(weights) <= most:
        return text
    before = sum(w for w, (_, end, _) in zip(weights, pieces, strict=True) if end <= place)
    left, first = max(0.0, before - most // 2), 0
    while left > 0:
        left -= weights[first]
        first += 1
    last, room = first, float(most)
    while last < len(pieces) and room >= weights[last]:
        room -= weights[last]
        last += 1
    return " ".join(text[pieces[first][0] : pieces[last - 1][1]].split())


def _weight(piece: str) -> float:
    """How many words a piece of a text is; signs alone are none."""
    if regex.match(UNSPACED, piece):
        return 0.5
    return float(any(map(str.isalnum, piece)))


def _edged(one: str) -> str:
    """A match ends where a word ends, unless its last letter is a word by itself."""
    return rf"(?:{one})(?:(?<={UNSPACED}\p{{M}}*)|(?!{_IN_WORD}))"


def _thousands(part: str) -> str:
    """Digits that a text may have with separators: 1200 is found as 1,200."""
    if regex.fullmatch(r"\d{4,}", part):
        groups = [part[max(0, end - 3) : end] for end in range(len(part), 0, -3)][::-1]
        return ",?".join(groups)
    return regex.escape(part)


def _between_unspaced(parts: list[str], place: int) -> bool:
    around = parts[place - 1][-1:], parts[place + 1][:1] if place + 1 < len(parts) else ""
    return all(regex.match(UNSPACED, letter) for letter in around)
