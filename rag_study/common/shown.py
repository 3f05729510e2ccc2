"""How a text from elsewhere (a name, a question, an answer) is written where people read it.

Every outlet passes here: the terminal (`cli.console`), figures (`report.plots.canvas`), pages
(`report.markup`) and spreadsheets (`common.cells`). What would act instead of being read is named
in its place: control characters, and marks that turn the direction of the text after them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence, Set
from itertools import accumulate, groupby

import regex

# Controls, separators of lines, embeddings, overrides and isolates of direction (Unicode UAX 9,
# table 4), annotations, halves of characters and what is no character at all.
_CONTROLS = r"\x00-\x1f\x7f-\x9f\u2028\u2029\ufff9-\ufffb\ud800-\udfff\ufffe\uffff"
_DIRECTIONS = r"\u202a-\u202e\u2066-\u2069"
_CONTROL = regex.compile(rf"[{_CONTROLS}]")
_ACTING = regex.compile(rf"[{_CONTROLS}{_DIRECTIONS}]")
# What Markdown, and HTML in it, would take for more than a letter (CommonMark 2.4).
_MARKDOWN = regex.compile(r"([\\`*_{}\[\]<>|~$&])")
_UNSEEN = regex.compile(r"\p{Default_Ignorable_Code_Point}")
_LINES = {"\n", "\t"}
# A script that is read from the right, as far as it goes without another's letters.
_RIGHT = r"[\p{bc=R}\p{bc=AL}]"
_BETWEEN = r"[\p{M}\p{bc=EN}\s'\"־׳״_-]"
LEFTWARD = regex.compile(rf"{_RIGHT}(?:{_BETWEEN}*{_RIGHT})*\p{{M}}*")


def visible(text: str, *, lines: bool = False, directions: bool = False) -> str:
    """The text with every character that would act named in its place by its number: ESC
    as ⟨U+001B⟩, an override of direction as ⟨U+202E⟩.

    With `lines`, line feeds and tabs stay, for texts that have a place of their own; with
    `directions` so do the marks of direction, where the outlet keeps them to the text itself.
    """
    if text.isascii() and text.isprintable():
        return text
    if lines:
        text = text.replace("\r\n", "\n")
    pattern = _CONTROL if directions else _ACTING
    return codes(text, set(pattern.findall(text)) - (_LINES if lines else set()))


def codes(text: str, characters: Set[str]) -> str:
    """The text with some of its characters named by their numbers; those that follow each other
    share brackets."""
    named = groupby(text, key=characters.__contains__)
    return "".join(
        f"⟨U+{' '.join(f'{ord(character):04X}' for character in part)}⟩" if is_in else "".join(part)
        for is_in, part in named
    )


def looks(text: str) -> str:
    """What is seen of a name: two names that look the same cannot be told apart; "" for one of
    which nothing is seen."""
    return " ".join(_UNSEEN.sub("", unicodedata.normalize("NFKC", text)).split())


def plain_tables() -> None:
    """Have notebooks show the texts of tables as they are: JupyterLab takes what stands between
    dollar signs for mathematics."""
    import pandas as pd

    pd.options.display.html.use_mathjax = False


def markdown(text: object) -> str:
    """A text in one line of Markdown, a cell of a table too, as the letters that it is."""
    return _MARKDOWN.sub(r"\\\1", visible(str(text)))


def markdown_code(text: str) -> str:
    """A text in one line of Markdown, as code."""
    shown = visible(text)
    fence = "`" * (1 + max(map(len, regex.findall("`+", shown)), default=0))
    pad = " " if fence != "`" else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def shortened(text: str, most: int, width: Callable[[str], int] = lambda character: 1) -> str:
    """The text in at most so many characters as people see them: its beginning and its end.

    `width` says of such a character for how many it counts.
    """
    seen = regex.findall(r"\X", text)
    widths = list(map(width, seen))
    if sum(widths) <= most:
        return text
    end = most // 3
    first = _fitting(widths, most - 1 - end)
    return "".join([*seen[:first], "…", *seen[len(seen) - _fitting(widths[::-1], end) :]])


def _fitting(widths: Sequence[int], room: int) -> int:
    return sum(total <= room for total in accumulate(widths))
