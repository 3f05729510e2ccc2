"""Sheets of rows that people fill in with a spreadsheet or by hand: read with the line of each row,
and written so that nothing of theirs is lost.

What comes back from a spreadsheet may have semicolons or tabs for commas, another encoding, columns
of the person's own, columns without a name, and empty rows and columns at the end.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rag_study.common import files
from rag_study.common.cells import unescape
from rag_study.common.errors import StudyError
from rag_study.common.wording import listed
from rag_study.data.reading import delimited

_LINE_END = re.compile(r"\r\n|\r|\n")
_BEFORE_HEADER = re.compile(r"(?:(?:sep=.|[ \t,;|\"]*)\r?\n)+", re.IGNORECASE)

# A row by its columns: those with a name by that name, the others by their place. A cell that the
# row does not have is None.
Row = dict[str | int, str | None]


@dataclass(frozen=True)
class Sheet:
    """`rows` with the line in which each begins; `header` maps a column to its name as it stands in
    the file; `notes` are sentences on the form of the file."""

    rows: list[tuple[int, Row]]
    header: Mapping[str | int, str]
    delimiter: str = ","
    notes: list[str] = field(default_factory=list)


def read(path: Path, needed: Collection[str], what: str) -> Sheet:
    """The rows of a sheet that has at least the columns `needed`; `what` is it ("file of labels").

    Raises StudyError, with file and line, for what is no such sheet: no text, no such columns, more
    cells than columns, quotes without an end.
    """
    whole, notes = _text(path)
    before = _BEFORE_HEADER.match(whole)
    text = whole[before.end() :] if before else whole
    above = whole.count("\n") - text.count("\n")
    delimiter = max(",;\t|", key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[int, Row]] = []
    line = 1
    try:
        names = next(reader, [])
        columns = [column(name) or place for place, name in enumerate(names, start=1)]
        if missing := [name for name in needed if name not in columns]:
            raise StudyError(
                f"{path}, line {1 + above}: no column {listed(missing)}. A {what} "
                f"has at least the columns {listed([*needed])}."
            )
        if repeated := sorted({str(name) for name in columns if columns.count(name) > 1}):
            raise StudyError(f"{path}, line {1 + above}: {listed(repeated)} stands there twice.")
        for cells in reader:
            if not any(map(str.strip, cells)):
                continue
            if any(map(str.strip, cells[len(columns) :])):
                raise StudyError(
                    f"{path}, line {reader.line_num + above}: more cells than columns."
                )
            inside = sum(len(_LINE_END.findall(cell)) for cell in cells)
            line = reader.line_num - inside + above
            padded = [*cells, *[None] * len(columns)]
            rows.append((line, dict(zip(columns, padded, strict=False))))
    except csv.Error as error:
        raise StudyError(f"{path}, after line {line}: not readable as CSV ({error}).") from None
    return Sheet(rows, dict(zip(columns, names, strict=True)), delimiter, notes)


def write(
    path: Path, header: Mapping[str | int, str], rows: Sequence[Row], delimiter: str = ","
) -> None:
    """Write a sheet that spreadsheets open as it is, whole or not there. The cells are those of the
    file (`common.cells.escape`)."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(header.values())
    for row in rows:
        writer.writerow([row.get(name) or "" for name in header])
    files.write_text(path, "\ufeff" + text.getvalue())


def column(name: str | None) -> str:
    """A column's name as sheets are asked for it, whatever its case and blanks."""
    return re.sub(r"[\s_-]+", "_", unescape((name or "").strip()).lower()).strip("_")


def _text(path: Path) -> tuple[str, list[str]]:
    """The text of a file, with a note where it is in none of the encodings of Unicode."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise StudyError(f"{path}: there is no such file.") from None
    except OSError as error:
        raise StudyError(f"{path}: cannot be read ({error.strerror or error}).") from None
    if raw.startswith(b"PK"):
        raise StudyError(f"{path} is a workbook. Save its sheet as “CSV UTF-8”, then again.")
    text, encoding = delimited.decoded(raw)
    notes = []
    if not encoding.startswith("utf"):
        name = "Windows-1252" if encoding == "cp1252" else encoding
        notes.append(f"The file is not in UTF-8; it was read as {name}.")
    if "\0" in text:
        raise StudyError(f"{path} is not a CSV file. Save it as “CSV UTF-8”, then again.")
    return text, notes
