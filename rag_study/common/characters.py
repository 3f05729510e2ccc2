"""Characters that no file and no tokenizer takes: what becomes of them, wherever text comes in."""

from __future__ import annotations

import re
from typing import Any

REPLACEMENT = "\ufffd"
_SURROGATE = re.compile("[\ud800-\udfff]")


def readable(text: str) -> str:
    """The text with what no tokenizer and no file takes replaced.

    Halves of characters (lone surrogates, from damaged JSON) become U+FFFD, two that belong
    together one character; NUL becomes a space.
    """
    if _SURROGATE.search(text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\0", " ")


def readable_value(value: Any) -> Any:
    """A value of JSON with every text in it, keys too, as `readable` has it."""
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, list):
        return [readable_value(item) for item in value]
    if isinstance(value, dict):
        return {readable_value(key): readable_value(item) for key, item in value.items()}
    return value
