"""JSON as people save it: whole files, lines, arrays too large to be read at once.

What is wrong is said with where it stands (`where`: file and line or record).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any

from rag_study.common.characters import readable_value
from rag_study.common.errors import StudyError
from rag_study.data.reading.fields import mapping

MARK = b"\xef\xbb\xbf"  # a byte-order mark in UTF-8


def decode(raw: bytes, where: str) -> str:
    """Text in UTF-8, without a byte-order mark. Raises StudyError for another encoding."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StudyError(
            f"{where}: is not UTF-8 text (byte {error.start + 1}). Save the file as UTF-8."
        ) from None


def parse(text: str, where: str) -> Any:
    """A text as one JSON value. Raises StudyError when it is none."""
    if not text.strip():
        raise StudyError(f"{where}: the file is empty.")
    try:
        return loads(text, where)
    except json.JSONDecodeError as error:
        raise StudyError(
            f"{where}: is not valid JSON ({error.msg} at line {error.lineno}, column "
            f"{error.colno}). It may be cut off."
        ) from None
    except RecursionError:
        raise StudyError(f"{where}: is nested too deeply to be data.") from None


def loads(text: str | bytes, where: str) -> Any:
    """JSON without halves of characters. Raises ValueError, and StudyError for a key that an
    object has twice with different values, one of which would be lost."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(pairs)
        if len(content) < len(pairs):
            for key, value in pairs:
                if content[key] != value:
                    raise StudyError(f"{where}: `{key}` stands there twice in one object.")
        return content

    try:
        content = json.loads(text, object_pairs_hook=once)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except ValueError:  # Python reads no numbers of more than 4,300 digits
        raise StudyError(f"{where}: has a number of thousands of digits.") from None
    # Only escapes can give halves of characters and NUL.
    escape = "\\u" if isinstance(text, str) else b"\\u"
    return readable_value(content) if escape in text else content


def lines(stream: IO[bytes], label: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, object) of JSON lines; blank lines are passed over. Raises StudyError for a line
    that is no JSON object."""
    for number, raw in enumerate(stream, start=1):
        where = f"{label}, line {number}"
        line = decode(raw, where).strip() if number == 1 else _decode_line(raw, where)
        if not line:
            continue
        try:
            row = loads(line, where)
        except json.JSONDecodeError as error:
            hint = " It holds NUL bytes: is it cut off, or UTF-16?" if "\0" in line else ""
            raise StudyError(
                f"{where}: is not JSON ({error.msg} at column {error.colno}). "
                f"Each line must be one JSON object.{hint}"
            ) from None
        except RecursionError:
            raise StudyError(f"{where}: is nested too deeply to be data.") from None
        yield where, mapping(row, where)


def _decode_line(raw: bytes, where: str) -> str:
    try:
        return raw.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise StudyError(f"{where}: is not UTF-8 text. Save the file as UTF-8.") from None


def streamed_array(
    stream: IO[bytes], label: str, prefix: str, unit: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, object) of an array, read bit by bit; `prefix` is its place as `ijson` names it,
    `unit` names a record in messages. Raises StudyError where it is no JSON."""
    import ijson

    number = 0
    try:
        for number, row in enumerate(ijson.items(_WithoutMark(stream), prefix, use_float=True), 1):
            where = f"{label}, {unit} {number}"
            yield where, mapping(row, where)
    except (ijson.JSONError, UnicodeDecodeError) as error:
        reason = str(error).strip().splitlines()[0]
        advice = "It may be cut off."
        if "NaN" in str(error) or "Infinity" in str(error):
            advice = "NaN is no JSON: save it as JSON lines, where it is taken for a missing value."
        raise StudyError(
            f"{label}: is not valid JSON in UTF-8 after {unit} {number} ({reason}). {advice}"
        ) from None


class _WithoutMark:
    """A stream without the byte-order mark at its start."""

    def __init__(self, stream: IO[bytes]):
        self._stream = stream
        self._start = stream.read(len(MARK)).removeprefix(MARK)

    def read(self, size: int = -1) -> bytes:
        if size == 0:
            return b""
        if self._start:
            start, self._start = self._start, b""
            return start
        return self._stream.read(size)
