"""Source files as they are distributed: plain, .gz, in an archive, Parquet, Arrow, in folders.

Everything is read as a stream, nothing is unpacked to disk, and what is wrong with a file is said
with its name and the record.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from rag_study.common import files, unpacking
from rag_study.common.errors import StudyError
from rag_study.data.reading import delimited, json_text, tables, workbooks
from rag_study.data.reading.fields import kind, mapping

# Bytes of a first line that are looked at to tell what a file holds.
_LONGEST_ROW = 1_000_000

ARCHIVES = (".tgz", ".tar.gz", ".tar", ".zip")
# RuntimeError: zipfile says so of members with a password or an unknown compression.
_DAMAGED = (*unpacking.DAMAGED, gzip.BadGzipFile, zipfile.BadZipFile, RuntimeError)
PLAIN = (".jsonl", ".json", ".jsonl.gz", ".json.gz", *tables.SUFFIXES)
# What people and their programs write: read only where a data set says so (`own`).
_DELIMITED = tuple(f"{end}{packed}" for end in delimited.SUFFIXES for packed in ("", ".gz"))
SPREADSHEETS = (*_DELIMITED, *workbooks.SUFFIXES)
SUFFIXES = (*PLAIN, *ARCHIVES)
# What `datasets` writes beside the rows: descriptions, and what it has computed before.
_DESCRIPTIONS = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json")
_COMPUTED = re.compile(r"cache-.*\.arrow")
# A folder of more is not what was meant, or takes hours to look through.
MOST_FILES = 200_000
# JSON up to this size is read at once; what is larger as a stream.
_AT_ONCE_BYTES = 64_000_000
_ROWS_KEYS = ("data", "rows")


@dataclass(frozen=True)
class SourceFile:
    """A file, or a member of an archive. `label` names it in messages."""

    path: Path
    member: str | None = None

    @property
    def label(self) -> str:
        return f"{self.path}:{self.member}" if self.member else str(self.path)

    @property
    def name(self) -> str:
        """The file's own name without folders and without `.gz`."""
        name = Path(self.member or self.path.name).name
        return name[: -len(".gz")] if name.lower().endswith(".gz") else name

    @property
    def is_table(self) -> bool:
        """Whether it is Parquet or Arrow."""
        return self.name.lower().endswith(tables.SUFFIXES)

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The uncompressed bytes. Raises StudyError for a damaged or unreadable file, and for one
        that unpacks to more than its size lets expect."""
        try:
            if self.member:
                with (
                    _member(self.path, self.member) as packed,
                    gzip.open(packed) if self.member.lower().endswith(".gz") else packed as file,
                    unpacking.limited(file, self.path) as limited,
                ):
                    yield limited
            elif self.path.suffix.lower() == ".gz":
                with gzip.open(self.path) as file, unpacking.limited(file, self.path) as limited:
                    yield limited
            else:
                with self.path.open("rb") as file:
                    yield file
        except _DAMAGED as error:
            raise StudyError(
                f"{self.label}: the compressed file is damaged or cut off ({error}). "
                "Get it again, or compress it again."
            ) from None
        except OSError as error:
            raise StudyError(f"{self.label}: cannot be read ({error.strerror or error}).") from None


def source_files(path: Path, dataset: str, expected: str) -> list[SourceFile]:
    """The data files at `path`: itself, those of the folder and below, or an archive's members.

    Sorted by name; hidden files are passed over. `expected` says in the message what should be
    there. Raises StudyError when nothing is.
    """
    if not path.exists():
        raise StudyError(f"{path}: there is no such file or folder (data set `{dataset}`).")
    sources = [
        file for p in (_data_files(path) if path.is_dir() else [path]) for file in _expand(p)
    ]
    if not sources:
        raise StudyError(
            f"{path}: there is no data file for `{dataset}` here ({', '.join(SUFFIXES)}); "
            f"expected: {expected}."
        )
    return sources


def fingerprint(path: Path) -> str:
    """Hash over the content of a file, or of all data files in a folder with their names from
    there on. Raises StudyError when there is nothing to read."""
    if path.is_dir():
        return files.content_hash(named_files(path))
    if not path.exists():
        raise StudyError(f"{path}: there is no such file or folder.")
    return files.digests([path])[0][:16]


def named_files(place: Path) -> list[tuple[str, Path]]:
    """The data files at a place, each with its name from there on; of a file by itself the name
    does not count and is "". Raises StudyError when there is no such place."""
    if place.is_dir():
        return [(path.relative_to(place).as_posix(), path) for path in _data_files(place)]
    if not place.exists():
        raise StudyError(f"{place}: there is no such file or folder.")
    return [("", place)]


def read_json(file: SourceFile) -> Any:
    """The whole file as one JSON value. Raises StudyError when it is none."""
    with file.open() as stream:
        return json_text.parse(json_text.decode(stream.read(), file.label), file.label)


@dataclass(frozen=True)
class Reading:
    """What spreadsheets do not say of themselves: the sheet, the encoding, the delimiter; "": as
    it looks."""

    sheet: str = ""
    encoding: str = ""
    delimiter: str = ""


def records(file: SourceFile, reading: Reading = Reading()) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (where, record) from JSON lines, a JSON array of objects or an object with such an
    array as `data` or `rows`, from Parquet or Arrow, CSV and its kin, or Excel.

    `where` names file and line or record for messages. Raises StudyError for anything else.
    """
    name = file.name.lower()
    if name.endswith(workbooks.SUFFIXES):
        yield from workbooks.rows(file.path, file.label, reading.sheet)
        return
    if name.endswith(delimited.SUFFIXES):
        encoding = reading.encoding
        if encoding:  # one of several files may be in another
            with file.open() as stream:
                encoding = encoding if delimited.encoding_of(stream) else ""
        with file.open() as stream:
            yield from delimited.rows(stream, file.label, encoding, reading.delimiter)
        return
    if file.is_table:
        if file.member:
            raise StudyError(f"{file.label}: tables are not read out of archives; unpack it first.")
        yield from tables.rows(file.path, file.label)
        return
    with file.open() as stream:
        first = stream.readline(_LONGEST_ROW).removeprefix(json_text.MARK).strip()
        more = bool(stream.read(4096).strip())
    if first.startswith(b"["):
        yield from _array(file)
    elif (rows := _rows_of_object(file, first, more)) is not None:
        for number, row in enumerate(rows, start=1):
            where = f"{file.label}, record {number}"
            inner = mapping(row, where)
            # The rows that the hub's server gives out.
            yield where, inner["row"] if isinstance(inner.get("row"), dict) else inner
    else:
        with file.open() as stream:
            yield from json_text.lines(stream, file.label)


def _rows_of_object(file: SourceFile, first: bytes, more: bool) -> list[Any] | None:
    """The rows of a file that is one JSON object, by itself or over several lines; else None."""
    try:
        content = json_text.loads(first, f"{file.label}, line 1")
    except (ValueError, RecursionError):
        content = None
        if first.startswith(b"{") and more:
            content = _at_once(file)
    else:
        content = None if more else content
    if not isinstance(content, dict):
        return None
    rows = next((content[key] for key in _ROWS_KEYS if isinstance(content.get(key), list)), None)
    if rows and all(isinstance(row, dict) for row in rows):
        return rows
    if first.endswith(b"}") and not more and not _is_by_column(content):
        return None  # one line of JSON lines
    if not _is_by_column(content):
        return [content]
    raise StudyError(
        f"{file.label}: holds columns, not rows. Save it with pandas as "
        'to_json(..., orient="records", lines=True).'
    )


def _is_by_column(content: dict[str, Any]) -> bool:
    """Whether it is what pandas writes by itself: {"id": {"0": ...}, "question": {"0": ...}}."""
    columns = list(content.values())
    if len(columns) < 2 or not all(isinstance(column, dict) and column for column in columns):
        return {"columns", "index", "data"} == content.keys()
    return all(column.keys() == columns[0].keys() and "0" in column for column in columns)


def records_under(file: SourceFile, key: str, unit: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """As `records`, from the list at `key` of a file that is one JSON object; `unit` names a record
    in messages. Yields nothing where there is no such list."""
    yield from _array(file, key, unit)


def holds_rows(file: SourceFile, key: str) -> bool:
    """Whether the file is a table, a JSON array or JSON lines, not one object with `key`."""
    if file.is_table or file.name.lower().endswith(".jsonl"):
        return True
    with file.open() as stream:
        first = stream.readline(_LONGEST_ROW).removeprefix(json_text.MARK).strip()
    if first.startswith(b"["):
        return True
    try:
        row = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(row, dict) and key not in row


def walk(folder: Path) -> list[Path]:
    """The files in a folder and below, sorted. Links to folders are not followed. Raises StudyError
    for a folder that has more files than a data set can have."""
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        if len(found) + len(names) <= MOST_FILES:
            found += (path for name in names if (path := Path(place, name)).is_file())
        else:
            raise StudyError(
                f"{folder}: has more than {MOST_FILES:,} files. Name the folder that holds the "
                "data, or save many small texts as rows of one file (JSON lines, CSV, Parquet)."
            )
    return sorted(found)


def _data_files(folder: Path) -> list[Path]:
    return [path for path in walk(folder) if _is_data(path.relative_to(folder))]


def is_description(path: Path) -> bool:
    """Whether a file is one that `datasets` writes beside the rows."""
    return path.name in _DESCRIPTIONS or _COMPUTED.fullmatch(path.name) is not None


def _is_data(path: Path) -> bool:
    if is_description(path):
        return False
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    return path.name.lower().endswith(SUFFIXES) and not hidden


def _expand(path: Path) -> list[SourceFile]:
    if not path.name.lower().endswith(ARCHIVES):
        return [SourceFile(path)]
    try:
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                unpacking.check_members(len(archive.infolist()), path)
                names = [m.filename for m in archive.infolist() if not m.is_dir()]
        else:
            with unpacking.open_tar(path) as (_, members):
                names = [m.name for m in members if m.isfile() and not m.issparse()]
    except (OSError, *_DAMAGED) as error:
        raise StudyError(
            f"{path}: the archive is damaged or cut off ({error}). Get it again."
        ) from None
    return [SourceFile(path, name) for name in sorted(names) if _is_data(Path(name))]


@contextmanager
def _member(path: Path, name: str) -> Iterator[IO[bytes]]:
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path) as archive, archive.open(name) as file:
            yield file
    else:
        with tarfile.open(path) as archive, archive.extractfile(name) as file:
            yield file


def _at_once(file: SourceFile) -> Any:
    """The whole file as one JSON value; None where it is none, or too large."""
    with file.open() as stream:
        raw = stream.read(_AT_ONCE_BYTES + 1)
    if len(raw) > _AT_ONCE_BYTES:
        return None
    try:
        return json_text.loads(raw.decode("utf-8-sig"), file.label)
    except (ValueError, RecursionError):
        return None


def _array(
    file: SourceFile, key: str = "", unit: str = "record"
) -> Iterator[tuple[str, dict[str, Any]]]:
    content = _at_once(file)
    if key:
        content = content.get(key) if isinstance(content, dict) else None
    if isinstance(content, list):
        for number, row in enumerate(content, start=1):
            where = f"{file.label}, {unit} {number}"
            yield where, mapping(row, where)
        return
    with file.open() as stream:
        yield from json_text.streamed_array(
            stream, file.label, f"{key}.item" if key else "item", unit
        )


def wrong_format(where: str, dataset: str, expected: str, value: Any) -> StudyError:
    """The error for a file or record that is in none of the formats of a data set."""
    if isinstance(value, dict):
        what = f"it has the keys {', '.join(sorted(map(str, value))[:12]) or '(none)'}"
    else:
        what = f"it is {kind(value)}"
    return StudyError(f"{where}: is not in a format of `{dataset}`; {what}. Expected: {expected}.")
