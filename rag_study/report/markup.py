"""Templates of pages and cards, in which a text from elsewhere is read and never acts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from rag_study.common.shown import LEFTWARD, visible

# What Markdown, and HTML in it, would take for more than a letter (CommonMark 2.4).
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|~$&])")


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
        finalize=_within,
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


def markdown(text: Any) -> str:
    """A text in one line of Markdown, a cell of a table too, as the letters that it is."""
    return _MARKDOWN.sub(r"\\\1", visible(str(text)))


def code(text: str) -> str:
    """A text in one line of Markdown, as code."""
    shown = visible(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    pad = " " if fence != "`" else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def _templates() -> jinja2.BaseLoader:
    return jinja2.FileSystemLoader(Path(__file__).with_name("templates"))


def _within(value: Any) -> Any:
    """What stands for an expression of a template; markup is what templates themselves made."""
    if not isinstance(value, str) or isinstance(value, Markup) or value.isascii():
        return visible(value, lines=True) if type(value) is str else value
    text = str(escape(visible(value, lines=True)))
    return Markup(LEFTWARD.sub(r"<bdi>\g<0></bdi>", text))


def _own(text: str) -> Markup:
    shown = visible(str(text), lines=True, directions=True)
    return Markup('<bdi dir="auto">{}</bdi>').format(shown)
