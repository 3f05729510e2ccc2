"""Rows of text with a delimiter (CSV, TSV and their kin), read as a stream."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

from rag_study.common.characters import readable
from rag_study.common.errors import StudyError
from rag_study.common.wording import counted

SUFFIXES = (".csv", ".tsv", ".tab", ".psv")
DELIMITERS = (",", ";", "\t", "|", "^", "~", "\x1f", "\x01", ":")
# Key of what is wrong with a row that has more cells than the header.
OVERFLOW = "(more cells than the header)"
# Read of a file to tell its encoding and its delimiter.
_SAMPLE = 200_000
_SAMPLE_ROWS = 100
# A cell of more is a quotation mark that never ends.
_LONGEST_CELL = 20_000_000
_WESTERN = frozenset(
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿŒœŠšŽž«»‘’“”„–—…€£§°·•×©®´\xa0"
)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def rows(
    stream: IO[bytes], label: str, encoding: str = "", delimiter: str = ""
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (where, row), each row by the names in the header.

    What has a byte-order mark is in the encoding that it says, else `encoding`, else UTF-8. The
    delimiter, left out, is the one that divides the first rows alike. Raises StudyError for a file
    that is in another encoding (with the one that it looks like) or has no two columns.
    """
    csv.field_size_limit(_LONGEST_CELL)
    raw = stream.read(_SAMPLE)
    encoding = _marked(raw) or encoding or "utf-8"
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise StudyError(f"{label}: there is no encoding '{encoding}'.") from None
    try:
        again = io.BufferedReader(_Again(raw, stream))
        text = io.TextIOWrapper(again, encoding=encoding, newline="")
        yield from _rows(text, label, delimiter)
    except UnicodeDecodeError as error:
        raise StudyError(
            f"{label}: is not text in {encoding}. {_advice(raw, error, encoding)}"
        ) from None
    except csv.Error as error:
        raise StudyError(
            f"{label}: cannot be read as rows ({error}). A quotation mark may have no end."
        ) from None


def named(rows: Iterable[tuple[str, Sequence[Any]]], label: str) -> Iterator[tuple[str, dict]]:
    """Rows of cells by the names in their header.

    The header is the first row with two cells that hold something: what stands above is a title.
    Rows without anything are passed over. A row with more cells than the header says so at
    `OVERFLOW`. Raises StudyError for rows that have no such header.
    """
    header: list[str] | None = None
    for where, cells in rows:
        filled = [number for number, cell in enumerate(cells) if cell not in (None, "")]
        if header is None:
            if len(filled) >= 2:
                header = _header(cells)
            continue
        if not filled:
            continue
        padded = [*cells, *[None] * (len(header) - len(cells))]
        row = dict(zip(header, padded, strict=False))
        if filled[-1] >= len(header):
            row[OVERFLOW] = (
                f"{where}: has {filled[-1] + 1} cells, the header names "
                f"{counted(len(header), 'column')}. A "
                "cell with the delimiter or a line break in it needs quotation marks."
            )
        yield where, row
    if header is None:
        raise StudyError(
            f"{label}: has no header with two columns (a question and its answer, say)."
        )


def _header(cells: Sequence[Any]) -> list[str]:
    names: list[str] = []
    seen: Counter[str] = Counter()
    for number, cell in enumerate(cells, start=1):
        name = " ".join(str(cell if cell is not None else "").split()) or f"column {number}"
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    while names and names[-1] == f"column {len(names)}":
        names.pop()
    return names


def _rows(text: io.TextIOWrapper, label: str, delimiter: str) -> Iterator[tuple[str, dict]]:
    sample = text.read(_SAMPLE)
    first, _, rest = sample.partition("\n")
    above = 0
    if first.strip().lower().startswith("sep=") and len(first.strip()) == 5:  # Excel's own hint
        delimiter, sample, above = first.strip()[4], rest, 1
    chosen = delimiter or delimiter_of(sample)
    lines = _lines(sample, text)

    def cells() -> Iterator[tuple[str, list[str]]]:
        reader = csv.reader(lines, delimiter=chosen)
        for row in reader:
            yield f"{label}, line {reader.line_num + above}", [readable(cell) for cell in row]

    yield from named(cells(), label)


def encoding_of(stream: IO[bytes]) -> str:
    """The encoding that must be named for a file: "" for UTF-8 and where a mark says it."""
    start = stream.read(_SAMPLE)
    if _marked(start):
        return ""
    decoder = codecs.getincrementaldecoder("utf-8")()
    piece = start
    try:
        while piece:
            decoder.decode(piece)
            piece = stream.read(_SAMPLE)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return guessed(start if piece is start else piece)
    return "utf-16-le" if b"\0" in start[:200] else ""


def delimiter_of(sample: str) -> str:
    """The delimiter that gives most of the first rows the same number of cells, and many; ","
    where none gives more than one."""
    best, found = (0.0, 0), ","
    for delimiter in DELIMITERS:
        try:
            reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
            counts = [len(row) for row, _ in zip(reader, range(_SAMPLE_ROWS), strict=False) if row]
        except csv.Error:
            continue
        # The sample may end within a row.
        cells, same = Counter(counts[:-1] or counts).most_common(1)[0] if counts else (1, 0)
        if cells > 1 and (same / len(counts), cells) > best:
            best, found = (same / len(counts), cells), delimiter
    return found


def decoded(raw: bytes) -> tuple[str, str]:
    """A whole file as text, and the encoding: that of its mark, UTF-8, or what it looks like."""
    encoding = _marked(raw) or "utf-8"
    try:
        return raw.decode(encoding), encoding
    except UnicodeDecodeError:
        encoding = guessed(raw[:_SAMPLE])
        return raw.decode(encoding, errors="replace"), encoding


def guessed(raw: bytes) -> str:
    """The encoding that bytes look like which are not UTF-8."""
    import charset_normalizer

    even, odd = raw[0:2000:2].count(0), raw[1:2000:2].count(0)
    if max(even, odd) > 200:
        return "utf-16-be" if even > odd else "utf-16-le"
    if _is_western(raw):
        return "cp1252"
    best = charset_normalizer.from_bytes(raw).best()
    return best.encoding.replace("_", "-") if best else "cp1252"


def _is_western(raw: bytes) -> bool:
    """Whether what is not ASCII stands alone between letters, and is what Western languages write.

    Statistics of letters fail where these are few: a table in English with three names in it.
    """
    runs = re.findall(rb"[\x80-\xff]+", raw)
    text = b"".join(runs).decode("cp1252", errors="replace")
    alone = sum(len(run) == 1 for run in runs)
    return alone >= 0.8 * len(runs) and sum(map(_WESTERN.__contains__, text)) >= 0.9 * len(text)


def _marked(raw: bytes) -> str:
    return next((encoding for mark, encoding in _MARKS if raw.startswith(mark)), "")


def _advice(raw: bytes, error: UnicodeDecodeError, encoding: str) -> str:
    around = raw if len(error.object) > len(raw) else error.object
    likely = guessed(around)
    if likely == encoding:
        return "Save the file as UTF-8."
    return f"Save it as UTF-8, or say what it is: `encoding: {likely}` looks likely."


def _lines(sample: str, text: io.TextIOWrapper) -> Iterator[str]:
    """The lines of a text of which the beginning has been read."""
    lines = list(io.StringIO(sample, newline=""))
    last = lines.pop() if lines else ""
    yield from lines
    if last.endswith("\n") or (last := last + text.readline()):
        yield last
    yield from text


class _Again(io.RawIOBase):
    """A stream with what was read of it in front again."""

    def __init__(self, start: bytes, rest: IO[bytes]):
        self._start, self._rest = start, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._start:
            piece, self._start = self._start[: len(buffer)], self._start[len(buffer) :]
        else:
            piece = self._rest.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)
