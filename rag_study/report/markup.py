"""Templates of pages and cards, in which a text from elsewhere is read and never acts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import regex
from markupsafe import Markup, escape

from rag_study.common.shown import LEFTWARD, markdown, visible

# Words that no column of a table is wide enough for, and their pieces.
_LONG, _PIECE = regex.compile(r"\S{41,}"), regex.compile(r"\X{1,30}")


def pages() -> jinja2.Environment:
    """The environment of HTML templates.

    Texts are escaped, what would act in them is named, and words of scripts that are read from
    the right do not move what stands beside them. The filter `own` is for a text that has its
    place to itself, such as an answer: its lines and its directions are its own as well. In an
    attribute, `attribute` escapes alone.
    """
    environment = jinja2.Environment(
        loader=_templates(),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=within,
    )
    environment.filters["own"] = _own
    environment.filters["attribute"] = lambda text: escape(visible(str(text)))
    return environment


def cards() -> jinja2.Environment:
    """The environment of Markdown templates; `markdown` writes the names in them."""
    environment = jinja2.Environment(
        loader=_templates(),
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["markdown"] = markdown
    return environment


def within(value: Any) -> Any:
    """A text as a part of a page, as `pages` has it; markup and what is no text stay."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    text = _foldable(visible(value, lines=True))
    return text if value.isascii() else Markup(LEFTWARD.sub(r"<bdi>\g<0></bdi>", text))


def _templates() -> jinja2.BaseLoader:
    return jinja2.FileSystemLoader(Path(__file__).with_name("templates"))


def _own(text: str) -> Markup:
    shown = _foldable(visible(str(text), lines=True, directions=True))
    return Markup('<bdi dir="auto">{}</bdi>').format(shown)


def _foldable(text: str) -> Markup:
    """The text as markup, with places inside of very long words where a line may end."""
    parts, end = [], 0
    for word in _LONG.finditer(text):
        pieces = _PIECE.findall(word.group())
        parts += [escape(text[end : word.start()]), Markup("<wbr>").join(pieces)]
        end = word.end()
    return Markup("").join([*parts, escape(text[end:])])
