"""Names and sentences as figures show them: as letters, in a font that has them, in the room that
there is.

matplotlib takes dollar signs for mathematics, and what its font lacks it draws as a box. The first
is switched off in `canvas.STYLE`; for the second another font of this machine is looked for, and
where there is none the character is named by its number, so that two names stay two names.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import regex
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager, get_font
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.textpath import text_to_path
from rich.cells import cell_len

from rag_study.common.shown import LEFTWARD, codes, shortened, visible

FONT = "DejaVu Sans"
# The most characters of a name in a legend, of one among others in a row, and of one in a heading;
# the tables of the report have all of them.
WHOLE, PART, HEADING = 100, 50, 80
_LABEL_WIDTH = 34  # letters of a bar's label in one line
# Seen in no font: joiners, marks of direction, variation selectors.
_UNSEEN = regex.compile(r"[\p{Default_Ignorable_Code_Point}\s]")
# Drawings of letters' blocks, and pictures in colour, which cannot be drawn.
_NO_LETTERS = ("Last Resort", "Emoji", "STIX", "cm")


def legible(text: str) -> str:
    """The text with what would act, and what no font of this machine has, named by its number.

    Words that are read from the right stand in isolates, so that they move nothing beside them.
    """
    text = visible(text)
    if text.isascii():
        return text
    absent = {character for character in set(text) if font_of(character) is None}
    return LEFTWARD.sub("\u2068\\g<0>\u2069", codes(text, absent))


def name(text: str, most: int = WHOLE) -> str:
    """A name as a figure shows it, of at most so many characters."""
    return legible(shortened(text, most, _width))


def row(parts: Iterable[str], between: str = " · ") -> str:
    """What a row is about, in one line."""
    return between.join(name(part, PART) for part in parts)


def names(texts: Sequence[str], most: int = WHOLE) -> list[str]:
    """Names of a list; those that are the same once shortened get a number."""
    short = [name(text, most) for text in texts]
    alike: dict[str, list[str]] = {}
    for one, whole in zip(short, texts, strict=True):
        if whole not in alike.setdefault(one, []):
            alike[one].append(whole)
    return [
        f"{one} ({alike[one].index(whole) + 1})" if len(alike[one]) > 1 else one
        for one, whole in zip(short, texts, strict=True)
    ]


def wrapped(text: str, width: int) -> list[str]:
    """The lines of a text, `width` letters wide; those of Chinese, say, are two."""
    cells = max(1, cell_len(text))
    return textwrap.wrap(text, max(1, width * len(text) // cells))


def measured(text: str, size: float, weight: str = "normal") -> float:
    """How wide a line is, in inches, in letters of this size in points."""
    families = dict.fromkeys(font_of(character) or FONT for character in text)
    font = FontProperties(family=[FONT, *(f for f in families if f != FONT)], weight=weight)
    font.set_size(size)
    return text_to_path.get_text_width_height_descent(text, font, ismath=False)[0] / 72


def fitted(text: str, room: float, size: float, weight: str = "normal") -> list[str]:
    """The lines of a text in letters of this size, none of them wider than `room` inches."""
    letters = max(1, int(room * 72 / (0.4 * size)))
    while True:
        lines = wrapped(text, letters)
        # Letters on whole pixels are up to a twentieth wider than what is measured.
        if letters == 1 or all(1.05 * measured(line, size, weight) <= room for line in lines):
            return lines
        letters -= max(1, letters // 50)


def heading(parts: Sequence[str], width: int) -> str:
    """The names that head a panel, each on lines of its own."""
    lines = [line for part in parts for line in wrapped(name(part, HEADING), width)]
    return "\n".join(lines)


def bar_label(words: Iterable[str]) -> str:
    """What a bar is about, in lines of _LABEL_WIDTH letters."""
    # A hard space, so that no line begins with the dot.
    return "\n".join(wrapped(row(words, "\u00a0· "), _LABEL_WIDTH))


def drop_what_does_not_fit(figure: Figure, labels: Sequence[tuple[Rectangle, Text]]) -> None:
    """Takes away the labels that are wider than their piece, once the layout is known."""
    set_fonts(figure)
    figure.draw_without_rendering()
    for piece, text in labels:
        if text.get_bbox_patch().get_window_extent().width > piece.get_window_extent().width - 2:
            text.remove()


def set_fonts(figure: Figure) -> None:
    """Give each text of a figure the fonts that its characters are in."""
    for text in figure.findobj(Text):
        found = dict.fromkeys(font_of(character) for character in text.get_text())
        others = [family for family in found if family not in (FONT, None)]
        if others:
            text.set_fontfamily([FONT, *others])


def _width(character: str) -> int:
    """For how many letters a character counts that may be named by its number."""
    return max(1, sum(1 if font_of(one) else 5 for one in visible(character)))


@lru_cache(maxsize=4096)
def font_of(character: str) -> str | None:
    """The family of the font in which a character is drawn; None where no font has it."""
    code = ord(character)
    if character.isascii() or _UNSEEN.match(character) or code in _characters(_usual()):
        return FONT
    for family, file in _others():
        if code in _characters(file):
            return family
    return None


@lru_cache(maxsize=1)
def _usual() -> str:
    return next(font.fname for font in fontManager.ttflist if font.name == FONT)


@lru_cache(maxsize=1)
def _others() -> list[tuple[str, str]]:
    """One upright file of each family."""
    files: dict[str, str] = {}
    for font in sorted(fontManager.ttflist, key=lambda font: (font.name, font.fname)):
        usable = font.style == "normal" and Path(font.fname).is_file()
        if usable and font.name != FONT and not any(word in font.name for word in _NO_LETTERS):
            files.setdefault(font.name, font.fname)
    return list(files.items())


@lru_cache(maxsize=256)
def _characters(file: str) -> frozenset[int]:
    try:
        return frozenset(get_font(file).get_charmap())
    except (OSError, RuntimeError):  # a file that matplotlib cannot read
        return frozenset()
