"""The key of a server: where it is read, and its masking in all that a server says.

It is read from the environment when it is needed, and is kept nowhere: not in a file, a log, an
error or a repr. Servers repeat it, as it is or spelt in another way.
"""

from __future__ import annotations

import base64
import html
import logging
import os
import re
from functools import lru_cache
from typing import Any

from rag_study.common.errors import StudyError

KEY_VARIABLE = "RAG_STUDY_API_KEY"
# Tools keep OpenAI's key here. A study file from elsewhere must not send it to another server.
OPENAI_KEY_VARIABLE, OPENAI_HOST = "OPENAI_API_KEY", "api.openai.com"
MASK = "***"
# Shorter ones are words such as "none" or "EMPTY", which people set for servers that want no key.
SHORTEST_SECRET = 8
# What the client and the libraries under it log: replies and their headers among it.
_LOGGERS = ("openai", "httpx", "httpcore")


def read(variable: str, host: str | None) -> tuple[str, str]:
    """(name of the environment variable, key) for a server; the key is "" where none is set.

    `variable` is the one to look in; "" stands for RAG_STUDY_API_KEY, and for OpenAI's own server
    also OPENAI_API_KEY. Raises StudyError for what can be no key.
    """
    variables = [variable or KEY_VARIABLE]
    if host == OPENAI_HOST and not variable:
        variables.append(OPENAI_KEY_VARIABLE)
    for name in variables:
        if key := os.environ.get(name, "").strip():
            # The HTTP library would refuse it too, with an error that shows it.
            if not re.fullmatch(r"[!-~]+", key):
                raise StudyError(f"what {name} holds is no key: it has spaces or odd letters.")
            return name, key
    return " or ".join(variables), ""


def masked(value: Any, key: str) -> Any:
    """A text, or all texts in a value of JSON, without the key in any of its spellings."""
    if not key:
        return value
    if isinstance(value, str):
        return _spellings(key).sub(MASK, value)
    if isinstance(value, list):
        return [masked(item, key) for item in value]
    if isinstance(value, dict):
        return {masked(name, key): masked(item, key) for name, item in value.items()}
    return value


@lru_cache(maxsize=8)
def _spellings(key: str) -> re.Pattern[str]:
    """The key in any case; letter by letter as JSON, an address, HTML or a mail has it; and as a
    whole in base64 or hexadecimal."""
    spelled = ["".join(map(_letter, key))]
    if len(key) >= SHORTEST_SECRET:
        spelled.append(r"[\s:,-]?".join(f"(?:0x|\\\\x)?{byte:02x}" for byte in key.encode()))
        for shift in range(3):
            # Base64 takes three bytes at a time: what stands before the key moves it. Letters at
            # both ends hold bits of the neighbours too, and are left standing.
            whole = base64.b64encode(b"\0" * shift + key.encode()).decode().rstrip("=")
            start = -(-shift * 8 // 6)
            inner = whole[start : (shift + len(key)) * 8 // 6]
            spelled += map(re.escape, {inner, inner.replace("+", "-").replace("/", "_")})
    return re.compile("|".join(spelled), re.IGNORECASE)


def _letter(letter: str) -> str:
    """A pattern of the spellings of one letter: as it is or behind backslashes, as %2B and %252B,
    &#43; &#x2b; and &amp; (also escaped again), \\u002b and \\x2b, =2B."""
    code = ord(letter)
    spelled = [rf"&(?:amp;)*#(?:0*{code}|x0*{code:x});", rf"(?:u00|x){code:02x}"]
    spelled += [rf"%(?:25)*{code:02x}", rf"={code:02x}"]
    if (named := html.escape(letter)) != letter:
        spelled.append(rf"&(?:amp;)*{named[1:]}")
    # What other spellings begin with ("%", "&") may be the letter itself: it comes last.
    return rf"\\*(?:{'|'.join([*spelled, re.escape(letter)])})"


class _Masking(logging.Filter):
    """Takes the keys that are in use out of what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        for key in self.keys:
            text = masked(text, key)
        record.msg, record.args = text, ()
        return True


_MASKING = _Masking()


def hide_in_logs(key: str) -> None:
    """Mask a key, from now on, in what the client and its libraries log. They are there already: a
    logger does not filter what those below it log, so that each has a filter."""
    if not key:
        return
    _MASKING.keys.add(key)
    for name in [*logging.root.manager.loggerDict]:
        if name.startswith(_LOGGERS):
            logging.getLogger(name).addFilter(_MASKING)  # once, however often it is asked
