"""Tables as text: one line a row, every value with the name of its column.

A line reads "Revenue, 2019: 1,234; 2018: 1,100". A long table becomes several passages; each begins
with the lines that hold for the whole table ("in millions") and with the section it is in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

# So much fits into one chunk of the default size (192 tokens of MiniLM) beside the title.
BUDGET = 165
_PIECES = re.compile(r"\d+|[^\W\d_]+|[^\w\s]|_")
_VALUE = re.compile(r"\W*\d[\d,.\s]*\W*(?:x|bps)?\W*|\W*[-–—]\W*")
_YEAR = re.compile(r"\W*(?:19|20)\d\d\W*(?:\(\d\)\W*)?")
_UNIT = re.compile(r"\W*[A-Za-z]{0,3}\W*[$€£¥%](?:\W*(?:000s?|k|m|mn|bn|thousands?|millions?))?\W*")
_THOUSANDS = re.compile(r"\W*['’‘]0{3}s?\W*")


@dataclass
class Passage:
    """Lines of a table and the numbers of the rows (from 0) whose values they hold."""

    lines: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@dataclass(frozen=True)
class _Line:
    """`row` is None for a caption or the name of a section; `above` are those that hold for it."""

    text: str
    row: int | None
    above: tuple[str, ...] = ()


def passages(table: Sequence[Sequence[str]]) -> list[Passage]:
    """The table as passages of about BUDGET tokens, no value lost; none for an empty table."""
    passages: list[Passage] = []
    used = 0
    waiting: list[str] = []  # captions stand with what follows them, never at a passage's end
    for line in _lines(table):
        waiting.append(line.text)
        if line.row is None:
            continue
        size = sum(map(tokens, waiting))
        if not passages or used + size > BUDGET:
            waiting = [*(text for text in line.above if text not in waiting), *waiting]
            size = sum(map(tokens, waiting))
            passages.append(Passage())
            used = 0
        passages[-1].lines += waiting
        passages[-1].rows.append(line.row)
        used += size
        waiting = []
    if waiting:
        passages = passages or [Passage()]
        passages[-1].lines += waiting
    return passages


def tokens(text: str) -> int:
    """About how many word pieces the text has; numbers and long words have several."""
    return sum(
        math.ceil(len(piece) / 2.5) if piece[0].isdigit() else math.ceil(len(piece) / 9)
        for piece in _PIECES.findall(text)
    )


def _lines(table: Sequence[Sequence[str]]) -> Iterator[_Line]:
    width = max(map(len, table), default=0)
    rows = [[*map(_clean, row), *[""] * (width - len(row))] for row in table]
    names: list[str] = [""] * max(width - 1, 0)
    captions: tuple[str, ...] = ()
    section: tuple[str, ...] = ()
    above_is_label = False
    number = 0
    while number < len(rows):
        row = rows[number]
        end = _header_end(rows, number, any(names))
        if end > number:
            block = rows[number:end]
            if width <= 2 or not any(names) or any(sum(map(bool, r[1:])) > 1 for r in block):
                names, captions = _header(block)
                section = ()
                texts = captions
            else:  # one cell in the middle of a table stands over what follows
                section = (" ".join(cell for r in block for cell in r if cell),)
                texts = section
            for text in texts:
                yield _Line(text, None)
            number = end
            continue
        number += 1
        if not any(row):
            continue
        if not any(row[1:]):
            # Labels in succession are of different levels: "Assets", "Current assets".
            section = (*section, row[0]) if above_is_label else (row[0],)
            above_is_label = True
            yield _Line(row[0], None)
            continue
        above_is_label = False
        for text in _row_lines(row, names):
            yield _Line(text, number - 1, captions + section)


def _header_end(rows: list[list[str]], start: int, has_names: bool) -> int:
    """Where the header that begins at `start` ends; `start` if there is none.

    A header row holds no values and its first cell is empty. Above the first values it may have a
    label, where no column has a name yet ("At 31 December:") or it has years or units.
    """
    end = start
    named = has_names
    while end < len(rows):
        first, *others = rows[end]
        if any(map(_is_value, others)) or not (first or any(others)):
            break
        if first and (has_names or (named and not any(map(_is_column_name, others)))):
            break
        named = named or sum(map(bool, others)) > 1
        end += 1
    return end


def _header(block: list[list[str]]) -> tuple[list[str], tuple[str, ...]]:
    """Names of the columns and the captions, from the rows of a header.

    The lowest row names the columns. A row above is part of the names where it has one for every
    column, or where without it two columns had the same; otherwise it is a caption.
    """
    width = len(block[0]) - 1
    names = [""] * width
    captions: list[str] = []
    for first, *cells in reversed(block):
        filled = [cell for cell in cells if cell]
        unclear = len(set(names)) < width or not all(names)
        if filled and (len(filled) == width or (len(filled) > 1 and unclear)):
            above = cells if len(filled) == width else _spread(cells)
            names = [f"{a} {name}".strip() for a, name in zip(above, names, strict=True)]
            filled = []
        caption = " ".join(text for text in (first, *dict.fromkeys(filled)) if text)
        captions[:0] = [caption] if caption else []
    return names, tuple(captions)


def _spread(cells: list[str]) -> list[str]:
    """Names that span several columns, over each of them.

    Where they divide the columns evenly each has its share, centred or not; otherwise a name holds
    to the right up to the next.
    """
    places = [i for i, cell in enumerate(cells) if cell]
    share, rest = divmod(len(cells), len(places))
    if not rest and [place // share for place in places] == list(range(len(places))):
        return [cells[places[i // share]] for i in range(len(cells))]
    spread, current = [], ""
    for cell in cells:
        current = cell or current
        spread.append(current)
    return spread


def _row_lines(row: list[str], names: list[str]) -> list[str]:
    """The row as one line, or as several that repeat its label if it is longer than a passage."""
    label = row[0].rstrip(":").strip()
    values = [
        f"{name}: {cell}" if name else cell
        for name, cell in zip(names, row[1:], strict=True)
        if cell
    ]
    label += ("," if any(names) else ":") if label else ""
    lines: list[list[str]] = [[]]
    for value in values:
        if lines[-1] and tokens("; ".join((label, *lines[-1], value))) > BUDGET:
            lines.append([])
        lines[-1].append(value)
    return [f"{label} {'; '.join(line)}".strip() for line in lines]


def _clean(cell: object) -> str:
    return "" if cell is None else " ".join(str(cell).split())


def _is_value(cell: str) -> bool:
    if _YEAR.fullmatch(cell) or _THOUSANDS.fullmatch(cell):
        return False
    return bool(_VALUE.fullmatch(cell))


def _is_column_name(cell: str) -> bool:
    return any(form.fullmatch(cell) for form in (_YEAR, _UNIT, _THOUSANDS))
