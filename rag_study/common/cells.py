"""Texts as cells of spreadsheets, which take some for formulas (OWASP, "CSV injection")."""

from __future__ import annotations

import re

_SIGNS = "=@+\\-＝＠＋－"
_ACTING = re.compile(rf"[{_SIGNS}\t\r\n]")
_BEGINNING = re.compile(rf"'*(?:[\t\r\n]|[\s\ufeff\u200b]*[{_SIGNS}])")
# A spreadsheet that expects another separator begins a cell inside the text, whatever the quotes.
_INSIDE = re.compile(r"([;\t\r\n][^\S\t\r\n]*)('*)(?=[=@＝＠]|[+\-＋－][^\s+\-])")


def escape(text: str) -> str:
    """The cell of a text: an apostrophe before what a spreadsheet would take for a formula.

    `unescape` gives the text back.
    """
    if not _ACTING.search(text):
        return text
    cell = _INSIDE.sub(r"\1'\2", text)
    return f"'{cell}" if is_formula(cell) else cell


def unescape(cell: str) -> str:
    """The text of a cell that `escape` made."""
    if cell.startswith("'") and is_formula(cell):
        cell = cell[1:]
    return _INSIDE.sub(lambda found: found[1] + found[2][1:], cell)


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would take the cell for a formula."""
    return _BEGINNING.match(text) is not None
