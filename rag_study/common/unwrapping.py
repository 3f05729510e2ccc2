"""Texts whose lines end where a page did: PDFs, mail, plain text files."""

from __future__ import annotations

import itertools
import re

# A line of at least this share of its block's longest ended for want of room.
_FULL = 0.75
# Of the characters of prose at least this share are letters; less is a row of a table.
_LETTERS = 0.6
_FEWEST = 40
_ITEM = re.compile(r"\s*(?:[-*•–‣#>|]|\(?\w{1,3}[.)])\s")
_COLUMNS = re.compile(r"\S(?:\t| {3,}|\s\|\s)\S")
_END_OF_LINE_HYPHEN = re.compile(r"(?<=[^\W\d_])-\n(?=[^\W\d_A-Z])")


def unwrapped(text: str) -> str:
    """The text with the lines of a paragraph made one, and words that the end of a line divides.

    A line goes on in the next where it is about as long as its block's longest and both are prose.
    Short lines (headings, verses, addresses), items of lists and rows of tables stay as they are.
    """
    text = _END_OF_LINE_HYPHEN.sub("", text)
    return re.sub(r"(?:[^\n]*\S[^\n]*(?:\n|\Z))+", lambda block: _joined(block[0]), text)


def _joined(block: str) -> str:
    lines = block.splitlines()
    longest = max(map(len, lines))
    if longest < _FEWEST or len(lines) < 2:
        return block
    made = [lines[0]]
    for before, line in itertools.pairwise(lines):
        goes_on = (
            len(before) + len(line.split(maxsplit=1)[0]) >= _FULL * longest
            and _is_prose(before)
            and _is_prose(line)
            and not _ITEM.match(line)
        )
        if goes_on:
            made[-1] = f"{made[-1].rstrip()} {line.lstrip()}"
        else:
            made.append(line)
    return "\n".join(made) + "\n" * block.endswith("\n")


def _is_prose(line: str) -> bool:
    letters = sum(map(str.isalpha, line))
    return letters >= _LETTERS * len(line) and not _COLUMNS.search(line.strip())
