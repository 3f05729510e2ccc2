"""The text of a Wikipedia page out of its tokens, as all annotated forms of the data have it.

Tokens are words, punctuation marks and HTML tags. Punctuation was split off and some of it
rewritten when the data was made (`` and '' for quotes, -- for a dash, "opt - in" for "opt-in");
reading it back is a matter of rules, the same for every form, so that one page gives one text.
"""

from __future__ import annotations

import html
import re
from urllib.parse import unquote

# A "<" of the page's own text, where the data says which tokens are tags.
LITERAL_LESS_THAN = "\x02"
_CELL = "\x1f"
# The simplified form has `<Td_colspan="2">`: blanks within a token are underscores there.
_TAG = re.compile(r"(?<!\S)<(/?)([A-Za-z][A-Za-z0-9]*)[^\s<>]*>(?!\S)")
_LINES = frozenset("p ul ol dl dt table tr caption div br h1 h2 h3 h4 h5 h6".split())
_ITEMS = ("li", "dd")
_CELLS = ("td", "th")
_KINDS = {
    **dict.fromkeys(("table", "tr"), "table"),
    **dict.fromkeys(("ul", "ol", "dl", "li", "dd", "dt"), "list"),
    "p": "paragraph",
}
_MARK = r"(?=[\s)\]}\"',.;:?!]|$)"
# (what must be in the text, pattern, how it is written): most texts need few of the patterns, and
# looking for a piece of text is much quicker than a pattern that looks behind itself.
_RULES = tuple(
    (sign, re.compile(pattern), written)
    for sign, pattern, written in (
        ("``", r"`` ?", '"'),
        ("''", r" ?''", '"'),
        ("` ", r"(?<!\S)` ", "'"),
        (" : ", r"(?<=\d) : (?=\d)", ":"),
        (" -- ", r"(?<=\d) -- (?=\d)", "–"),
        ("--", r"(?<!\S)--(?!\S)", "–"),
        (" - ", r"(?<=\w) - (?=\w)", "-"),
        (" / ", r"(?<=\w) / (?=\w)", "/"),
        (" ", rf" ([,.;:?!%°)\]}}…]|\.\.\.){_MARK}", r"\1"),
        (" ", r"([(\[{]) ", r"\1"),
        *((f"{sign} ", rf"{re.escape(sign)} (?=\d)", sign) for sign in "$£€¥#"),
        ("'", r" ('(?:s|d|m|ll|re|ve|t)|n't)(?!\w)", r"\1"),
        ("’", r" (’(?:s|d|m|ll|re|ve|t)|n’t)(?!\w)", r"\1"),
        (" '", rf" '{_MARK}", "'"),
    )
)
_URL_TITLE = re.compile(r"[?&]title=([^&#]+)|/wiki/([^?#]+)")


def passage_text(words: list[str]) -> str:
    """The words of a passage as text: a line for each table row, list item and paragraph.

    Cells of a row are separated by " | ", items begin with "- ". "" when there are only tags.
    """
    marked = _TAG.sub(_layout, " ".join(words))
    lines = []
    for line in marked.split("\n"):
        cells = [written for cell in line.split(_CELL) if (written := _written(cell))]
        if cells and cells != ["-"]:
            lines.append(" | ".join(cells))
    return "\n".join(lines)


def answer_text(words: list[str]) -> str:
    """The words of a short answer as text in one line; "" when there are only tags."""
    return _written(_TAG.sub(" ", " ".join(words)))


def passage_kind(words: list[str]) -> str:
    """paragraph, table, list or other, by the tag that the passage begins with."""
    tag = _TAG.match(words[0]) if words else None
    return _KINDS.get(tag[2].lower(), "other") if tag else "other"


def title_of(title: str, url: str) -> str:
    """The article's title: as given, else out of its address; "" when neither has it."""
    if not title and (match := _URL_TITLE.search(html.unescape(url))):
        title = unquote(match[1] or match[2]).replace("_", " ")
    return title.removesuffix(" - Wikipedia").strip()


def _layout(tag: re.Match) -> str:
    closing, name = tag[1], tag[2].lower()
    if name in _LINES:
        return "\n"
    if name in _ITEMS:
        return "\n" if closing else "\n- "
    return _CELL if name in _CELLS and not closing else " "


def _written(tokens: str) -> str:
    text = " ".join(tokens.split())
    for sign, pattern, written in _RULES:
        if sign in text:
            text = pattern.sub(written, text)
    return text.replace(LITERAL_LESS_THAN, "<")
