"""Keys and passwords, and taking them out of all that is written or shown, however they are spelt.

What holds a secret is found by decoding, not by a list of spellings: a text is read as it stands,
without its escapes (JSON, addresses, HTML, mail), without its line breaks, out of base64 and out of
hexadecimal, and in any of these within another. What is found is masked where it stands.

`settle` sets this up for a process: its terminal and its logs. Files pass through `files`.
"""

from __future__ import annotations

import binascii
import html
import itertools
import logging
import os
import re
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TextIO

MASK = "***"
# What tools call theirs. Others become known by `register`.
VARIABLES = (
    "RAG_STUDY_API_KEY",
    "OPENAI_API_KEY",
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "PGPASSWORD",
    "QDRANT_API_KEY",
)
# People set a word ("none", "EMPTY", "not-needed") for servers that want no key; answers and files
# may have it in them.
_WORD = re.compile(r".{0,7}|[A-Za-z_-]{0,11}")
# So much of a secret in a row is masked as well: what is left of it where it was cut off.
_LONGEST_SHOWN = 11
# Encodings within encodings are followed so far: base64 of base64 of an address.
_DEPTH = 3

_registered: set[str] = set()


def register(secret: str) -> None:
    """Have a secret masked, from now on, in what this process writes, shows and logs."""
    if not _WORD.fullmatch(secret):
        _registered.add(secret)
        _mask_logs()


def settle() -> None:
    """Mask secrets in what this process prints and logs, and in a notebook's tracebacks."""
    _mask_logs()
    _mask_tracebacks()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, MaskedStream):
            setattr(sys, name, MaskedStream(stream))


def hidden(value: Any) -> Any:
    """A text, or all texts in a value of JSON, without secrets in any spelling."""
    known = _known()
    return _hidden(value, known) if known else value


def hide_in_file(path: Path) -> None:
    """Mask secrets in a text file that others have written; one without any is not touched."""
    text = path.read_text(encoding="utf-8", errors="surrogateescape") if _known() else ""
    if (clean := hidden(text)) != text:
        staging = path.with_name(f".new-{path.name}")
        staging.write_text(clean, encoding="utf-8", errors="surrogateescape")
        os.replace(staging, path)


class MaskedStream:
    """A text stream that masks secrets in what is written to it; else it is the stream itself.

    A secret that comes in two pieces is not seen: who prints writes whole texts.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text without secrets; how much of it was taken: all."""
        self._stream.write(hidden(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write several texts, which may be parts of one."""
        self.write("".join(lines))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._stream)

    def __enter__(self) -> MaskedStream:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()


def _known() -> list[str]:
    """The secrets there are, longest first."""
    found = {os.environ.get(name, "").strip() for name in VARIABLES}
    found = {secret for secret in found if not _WORD.fullmatch(secret)}
    return sorted(found | _registered, key=len, reverse=True)


def _hidden(value: Any, known: list[str]) -> Any:
    if isinstance(value, str):
        for secret in known:
            value = masked(value, secret)
        return value
    if isinstance(value, list | tuple):
        return [_hidden(item, known) for item in value]
    if isinstance(value, dict):
        return {_hidden(name, known): _hidden(item, known) for name, item in value.items()}
    return value


def _mask_tracebacks() -> None:
    """Those of a notebook do not go through its streams."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    before = getattr(shell, "_showtraceback", None)
    if before is None or hasattr(before, "masks_secrets"):
        return

    def show(kind: type, error: BaseException, lines: Any) -> None:
        before(kind, hidden(str(error)), hidden(lines))

    show.masks_secrets = True
    shell._showtraceback = show


def _mask_logs() -> None:
    before = logging.getLogRecordFactory()
    if getattr(before, "masks_secrets", False):
        return

    def record(*arguments: Any, **options: Any) -> logging.LogRecord:
        made = before(*arguments, **options)
        if made.exc_info and not made.exc_text:
            made.exc_text = hidden(logging.Formatter().formatException(made.exc_info))
        try:
            text = made.getMessage()
        except Exception:  # wrong arguments: logging says so itself, in words of its own
            return made
        if (clean := hidden(text)) != text:
            made.msg, made.args = clean, ()
        return made

    record.masks_secrets = True
    logging.setLogRecordFactory(record)


# --- Finding a secret ----------------------------------------------------------------------------


class _View:
    """A text as it reads once decoded, which knows where in the original each part stands.

    `pieces` makes the parts that are not as they were before, as (begin, end) here and (begin, end)
    there; it is called only where something is found.
    """

    def __init__(
        self,
        text: str,
        before: _View | None = None,
        pieces: Callable[[], list[tuple[int, int, int, int]]] = list,
    ):
        self.text, self._before, self._made = text, before, pieces

    def replaced(self, pattern: re.Pattern[str], new: Callable[[str], str] | None = None) -> _View:
        """The view with `new` for what matches, nothing by default; itself where nothing does."""
        text = pattern.sub((lambda match: new(match[0])) if new else "", self.text)

        def pieces() -> list[tuple[int, int, int, int]]:
            found, at, length = [], 0, 0
            for match in pattern.finditer(self.text):
                begin = length + match.start() - at
                length = begin + (len(new(match[0])) if new else 0)
                found.append((begin, length, *match.span()))
                at = match.end()
            return found

        return self if text == self.text else _View(text, self, pieces)

    def decoded(self, pattern: re.Pattern[str], new: Callable[[str], str]) -> _View:
        """Only what `new` makes of the last groups that match, of it only what can be read."""
        texts, pieces, length = [], [], 0
        for match in pattern.finditer(self.text):
            start, stop = match.span(pattern.groups)
            whole = new(self.text[start:stop])
            for part in _READABLE.finditer(whole):
                texts.append(part[0])
                begin = start + part.start() * (stop - start) // len(whole)
                end = stop + (part.end() - len(whole)) * (stop - start) // len(whole)
                pieces.append((length, length + len(part[0]), begin, end))
                length += len(part[0]) + 1
        return _View("\x1f".join(texts), self, lambda: pieces)

    def place(self, begin: int, end: int) -> tuple[int, int]:
        """Where in the original a part of this view stands; half a piece by proportion, as three
        letters are four of base64."""
        view = self
        while view._before is not None:
            begin, end = view._back(begin, False), view._back(end, True)
            view = view._before
        return begin, end

    @cached_property
    def _pieces(self) -> list[tuple[int, int, int, int]]:
        return self._made()

    def _back(self, at: int, is_end: bool) -> int:
        # Between two pieces a begin stands behind the first, and an end before the second.
        number = bisect_right(self._pieces, at - is_end, key=lambda piece: piece[0]) - 1
        if number < 0:
            return at
        begin, end, before_begin, before_end = self._pieces[number]
        if at - is_end >= end or begin == end:
            return before_end + at - end
        share = (at - begin) * (before_end - before_begin)
        return before_begin + (-(-share // (end - begin)) if is_end else share // (end - begin))


# Line breaks with what continues a line in mails, comments and code, and letters without width.
_SPACES = re.compile(r"(?:\s|\x1b\[[0-9;]*m|[\0\u00ad\u200b-\u200f\u2060-\u2064\ufeff])+")
_BREAKS = re.compile(rf"=?(?:\r?\n|\r|\\+[rn])(?:[ \t]*[>#|]+[ \t])?|{_SPACES.pattern}")
_QUOTES = re.compile(r"""["'`\\]+(?:\s*[+,]?\s*["'`\\]+)*""")
_ESCAPES = re.compile(
    r"&(?:#x?0*[0-9a-f]{2,6}|[a-z]{2,8});|%[0-9a-f]{2}|=[0-9a-f]{2}|"
    r"\\+(?:u[0-9a-f]{4}|u\{0*[0-9a-f]{2,4}\}|x[0-9a-f]{2}|[0-7]{3}|(?=[^\w\s]))",
    re.IGNORECASE,
)
_BASE64 = [
    re.compile(rf"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{{{shift}}}([A-Za-z0-9+/_-]{{11,}})")
    for shift in range(4)
]
_HEX = re.compile(r"(?:(?:0x|\\x)?[0-9a-f]{2}[\s:,-]{0,2}){8,}", re.IGNORECASE)
# Of bytes that were decoded, what can hold a secret.
_READABLE = re.compile(r"[\0\t\r\n -~]{8,}")
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def masked(text: str, secret: str) -> str:
    """The text with all that shows the secret masked; where that cannot be, the mask alone."""
    if len(text) < min(len(secret), _LONGEST_SHOWN + 1) or not secret:
        return text
    wanted = _wanted(secret)
    for _ in range(3):  # what one mask uncovers the next round finds
        places = sorted(_places(_View(text), wanted, _DEPTH))
        if not places:
            return text
        out, at = [], 0
        for begin, end in places:
            if end > at:
                out += [text[at:begin], MASK] if begin >= at else []
                at = end
        text = "".join([*out, text[at:]])
    return MASK


@lru_cache(maxsize=16)
def _wanted(secret: str) -> dict[str, list[str]]:
    """What is looked for: the parts of the secret, and of what is left of it without quotes."""
    return {text: _parts(text) for text in (secret, _QUOTES.sub("", secret)) if text}


def _parts(secret: str) -> list[str]:
    """Each run of so many of its letters, forwards and backwards."""
    whole = secret.translate(_LOWER)
    size = min(len(whole), _LONGEST_SHOWN + 1)
    parts = [whole[i : i + size] for i in range(len(whole) - size + 1)]
    return [*parts, *(part[::-1] for part in parts)]


def _places(view: _View, wanted: dict[str, list[str]], depth: int) -> Iterator[tuple[int, int]]:
    """Where in the original a text shows the secret, as (begin, end)."""
    seen: set[str] = set()
    for plain in _spellings(view):
        if plain.text in seen:
            continue
        seen.add(plain.text)
        for secret, parts in wanted.items():
            yield from _found(plain, secret, parts)
        if depth:
            for inner in _decoded(plain):
                if inner.text:
                    yield from _places(inner, wanted, depth - 1)


def _spellings(view: _View) -> Iterator[_View]:
    """A view as it stands, and with fewer and fewer of its escapes, breaks and quotes."""
    yield from (view, view.replaced(_ESCAPES, _unescaped))
    yield from (broken := view.replaced(_BREAKS), broken.replaced(_QUOTES))
    view = view.replaced(_SPACES)
    for _ in range(6):
        yield from (view, view.replaced(_BREAKS), view.replaced(_QUOTES))
        before, view = view, view.replaced(_ESCAPES, _unescaped).replaced(_SPACES)
        if view.text == before.text:
            return


def _unescaped(text: str) -> str:
    if text[0] == "&":
        letter = html.unescape(text)
        return letter if len(letter) <= 2 else text
    if text[0] in "%=":
        return chr(int(text[-2:], 16))
    code = text.lstrip("\\")
    if not code:
        return ""
    number = re.sub(r"[{}]", "", code[1:])
    return chr(int(number, 16) if code[0] in "uUxX" else int(code, 8) % 256)


def _decoded(view: _View) -> Iterator[_View]:
    """What stands in base64, begun anywhere, and in hexadecimal."""
    for pattern in _BASE64:
        yield view.decoded(pattern, _of_base64)
    yield view.decoded(_HEX, _of_hex)


def _of_base64(letters: str) -> str:
    # A single letter at the end holds no whole byte; zeros fill up what was cut off.
    filled = letters.replace("-", "+").replace("_", "/") + "A" * (-len(letters) % 4)
    return binascii.a2b_base64(filled).decode("latin-1")


def _of_hex(text: str) -> str:
    return bytes.fromhex(re.sub(r"0x|\\x|[\s:,-]", "", text.lower())).decode("latin-1")


def _found(view: _View, secret: str, parts: list[str]) -> Iterator[tuple[int, int]]:
    text = view.text.translate(_LOWER)
    if not any(part in text for part in parts):
        return
    whole, size = secret.translate(_LOWER), len(parts[0])
    for spelled in (whole, whole[::-1]):
        # At each place where a run of the secret's letters begins, as long as it goes on.
        runs = "|".join(re.escape(spelled[i : i + size]) for i in range(len(spelled) - size + 1))
        at, beginning = 0, re.compile(runs)
        while hit := beginning.search(text, at):
            number = spelled.find(hit[0])
            at, rest = hit.end(), spelled[number + size :]
            same = (
                one == other for one, other in zip(rest, text[at : at + len(rest)], strict=False)
            )
            at += sum(itertools.takewhile(bool, same))
            yield view.place(hit.start(), at)
