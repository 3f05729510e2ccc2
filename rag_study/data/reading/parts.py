"""Long texts in parts, so that a gold document is no whole book."""

from __future__ import annotations

import re

PART_CHARACTERS = 1500
# Where a text is cut, best first: after an empty line, a line, a sentence, a word.
_ENDS = (r"\n[^\S\n]*\n\s*", r"\n\s*", r"[.;:]\s+|[。！？；]", r"\s+")


def cut(text: str) -> list[tuple[int, int]]:
    """(start, end) of the parts of a text, each of up to PART_CHARACTERS; blank ones left out.

    Cut at the last end of a paragraph in the second half of the room, else of a line, a sentence,
    a word. Nothing but white space is lost.
    """
    parts, start = [], 0
    while start < len(text):
        end = len(text)
        if end - start > PART_CHARACTERS:
            end = _last_end(text, start + PART_CHARACTERS // 2, start + PART_CHARACTERS)
        if text[start:end].strip():
            parts.append((start, end))
        start = end
    return parts


def _last_end(text: str, low: int, high: int) -> int:
    for pattern in _ENDS:
        ends = [match.end() for match in re.compile(pattern).finditer(text, low, high)]
        if ends:
            return ends[-1]
    return high
