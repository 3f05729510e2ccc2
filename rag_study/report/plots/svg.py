"""The SVG files of figures: what they say in words, and how a page or a notebook shows them."""

from __future__ import annotations

import base64
import re
from html import unescape
from pathlib import Path

# A file on its own follows the reader's colours. A page turns its figures dark itself, which works
# in every browser.
_DARK = (
    "<style>:root { color-scheme: light dark } @media (prefers-color-scheme: dark) "
    "{ svg { filter: invert(.91) hue-rotate(180deg) } }</style>\n"
)
_TITLE, _BLANKS = re.compile(r"<title>(.*?)</title>"), re.compile(r">\s+<")
_WIDTH = re.compile(r'<svg[^>]*\swidth="([\d.]+)pt"')
# Pixels of a page for an inch of a figure, at which its letters are as large as those of the page.
_PIXELS = 110


def follow_colours(file: Path) -> None:
    """Let an SVG file of matplotlib turn dark where the reader's screen is."""
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("<metadata>", f"{_DARK}<metadata>", 1), encoding="utf-8")


def alt_of(file: Path | str) -> str:
    """What is seen, in words, of a figure that `canvas.save` wrote; '' where its SVG is gone."""
    svg = Path(file).with_suffix(".svg")
    found = _TITLE.search(svg.read_text(encoding="utf-8")) if svg.exists() else None
    return unescape(found[1]) if found else ""


def embedded(file: Path) -> tuple[str, int]:
    """(the SVG file as a data URI for a page, its width there in pixels)."""
    text = file.read_text(encoding="utf-8")
    width = _WIDTH.search(text)
    encoded = base64.b64encode(_BLANKS.sub("><", text.replace(_DARK, "")).encode())
    pixels = round(float(width[1]) * _PIXELS / 72) if width else 700
    return f"data:image/svg+xml;base64,{encoded.decode('ascii')}", pixels
