"""Rows of Excel workbooks (.xlsx, .xlsm), read as a stream with openpyxl."""

from __future__ import annotations

import datetime
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rag_study.common.characters import readable_value
from rag_study.common.errors import StudyError
from rag_study.common.wording import listed
from rag_study.data.reading.delimited import named

SUFFIXES = (".xlsx", ".xlsm")
FORMER_SUFFIXES = (".xls", ".xlsb", ".ods", ".numbers")
# A file of Office is an archive; what unpacks to more was made to fill a memory.
MOST_UNPACKED_BYTES = 500_000_000
_MERGED = re.compile(rb'<mergeCell\s+ref="([A-Z]+)(\d+):([A-Z]+)(\d+)"')
_FORMULA = re.compile(rb"<f[\s>/]")


class NoValue:
    """A cell whose formula has no value: the program that wrote the file did not compute it."""

    text = "a formula without a value (open the file in a spreadsheet program and save it again)"

    def __repr__(self) -> str:
        return self.text


NO_VALUE = NoValue()


def check_archive(path: Path, most: int = MOST_UNPACKED_BYTES) -> None:
    """Raise StudyError for a file of Office that is no archive, or one that unpacks to too much."""
    try:
        with zipfile.ZipFile(path) as archive:
            # What is unpacked is never more than the archive's own list says.
            unpacked = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError):
        with path.open("rb") as file:
            start = file.read(8)
        # Office keeps what has a password, and what is older than 2007, in another container.
        old = start == bytes.fromhex("d0cf11e0a1b11ae1")
        why = "it has a password, or is in the format before 2007" if old else "it is damaged"
        raise StudyError(
            f"{path}: cannot be opened ({why}). Open it in its program and save it again, without "
            "a password."
        ) from None
    if unpacked > most:
        raise StudyError(
            f"{path}: unpacks to {unpacked / 1e6:,.0f} MB; at most {most / 1e6:,.0f} MB are read."
        )


def rows(path: Path, label: str, sheet: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (where, row) of the sheet of this name, by default of the only one that holds rows.

    A cell that is merged over several rows counts for each of them. A formula is its value, and
    `NO_VALUE` where the file has none; errors (#N/A) are missing. Raises StudyError for a file that
    is no workbook, an unknown sheet, or several that might be meant.
    """
    check_archive(path)
    values = _open(path, label, data_only=True)
    try:
        name = _chosen(values, label, sheet)
        merged, has_formulas = _marks(path, values[name])
        formulas = _open(path, label, data_only=False) if has_formulas else None
        cells = _cells(values[name], formulas and formulas[name], merged)
        numbered = ((f"{label}, sheet '{name}', row {n}", row) for n, row in cells)
        yield from named(numbered, f"{label}, sheet '{name}'")
    except (StudyError, GeneratorExit):
        raise
    except Exception as error:  # whatever a damaged sheet makes of its reader
        raise StudyError(
            f"{label}: the workbook is damaged ({type(error).__name__}: {error}). Open it in a "
            "spreadsheet program and save it again."
        ) from None
    finally:
        values.close()


def sheets(path: Path, label: str) -> list[str]:
    """The names of the sheets that hold at least one cell with something in it."""
    check_archive(path)
    book = _open(path, label, data_only=True)
    try:
        return [sheet.title for sheet in book.worksheets if _holds_something(sheet)]
    finally:
        book.close()


def _open(path: Path, label: str, data_only: bool) -> Any:
    import warnings

    import openpyxl

    try:
        with warnings.catch_warnings(action="ignore"):  # of extensions that hold no cells
            return openpyxl.load_workbook(path, read_only=True, data_only=data_only)
    except Exception as error:  # zipfile, lxml and openpyxl each have their own
        raise StudyError(
            f"{label}: is not a readable workbook ({type(error).__name__}: {error}). Open it in a "
            "spreadsheet program and save it again as .xlsx."
        ) from None


def _chosen(book: Any, label: str, sheet: str) -> str:
    names = [s.title for s in book.worksheets]
    if sheet:
        if sheet in names:
            return sheet
        raise StudyError(f"{label}: there is no sheet '{sheet}'; there are {listed(names)}.")
    filled = [s.title for s in book.worksheets if _holds_something(s)]
    if not filled:
        raise StudyError(f"{label}: the workbook is empty: no sheet holds anything.")
    if len(filled) > 1:
        quoted = listed([f"'{name}'" for name in filled])
        raise StudyError(
            f"{label}: has the sheets {quoted}. Say which one is meant: `sheet: {filled[0]}`."
        )
    return filled[0]


def _holds_something(sheet: Any) -> bool:
    sheet.reset_dimensions()  # what the file says of its size may be wrong
    return any(value is not None for row in sheet.iter_rows(values_only=True) for value in row)


def _cells(
    sheet: Any, formulas: Any, merged: Mapping[tuple[int, int], int]
) -> Iterator[tuple[int, list[Any]]]:
    """Every row that is there, with its number; merged cells filled downwards."""
    for each in (sheet, formulas):
        if each is not None:
            each.reset_dimensions()
    written = formulas.iter_rows() if formulas is not None else None
    filling: dict[int, tuple[int, Any]] = {}  # column -> (last row, value)
    for number, row in enumerate(sheet.iter_rows(), start=1):
        values = [_value(cell) for cell in row]
        for column, cell in enumerate(next(written, ()) if written else ()):
            is_formula = getattr(cell, "data_type", "") == "f"
            if is_formula and column < len(values) and values[column] is None:
                values[column] = NO_VALUE
        for column, (last, value) in list(filling.items()):
            if number > last:
                del filling[column]
            elif column < len(values):
                values[column] = value
            else:
                values += [None] * (column - len(values)) + [value]
        for column, value in enumerate(values, start=1):
            if (last := merged.get((number, column))) is not None:
                filling[column - 1] = (last, value)
        yield number, values


def _value(cell: Any) -> Any:
    if getattr(cell, "data_type", "n") == "e":  # #N/A, #REF!
        return None
    value = cell.value
    if isinstance(value, datetime.time | datetime.timedelta):
        return str(value)
    return readable_value(value)


def _marks(path: Path, sheet: Any) -> tuple[dict[tuple[int, int], int], bool]:
    """Of cells merged over several rows (row, column of the first) -> last row; and whether the
    sheet has formulas. openpyxl does not tell when it streams."""
    from openpyxl.utils import column_index_from_string

    merged, formulas, before = {}, False, b""
    with zipfile.ZipFile(path) as archive, archive.open(sheet._worksheet_path) as file:
        while chunk := file.read(1 << 20):
            text = before + chunk
            formulas = formulas or _FORMULA.search(text) is not None
            for column, first, _, last in _MERGED.findall(text):
                if int(last) > int(first):
                    place = int(first), column_index_from_string(column.decode())
                    merged[place] = int(last)
            before = text[-100:]
    return merged, formulas
