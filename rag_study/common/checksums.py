"""Whether files are as they were written: checksums, kept beside what they are of.

Whoever has finished writing a folder keeps the checksums of its files in it (`record`); whoever
uses them looks first (`damages`). The record, like every file that `write_signed` wrote, holds a
checksum of itself.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from rag_study.common import files, secrets
from rag_study.common.characters import readable_value

RECORD_FILE = "checksums.json"
_CHECK = "check"
# Reading is as much waiting for the disk as it is computing.
THREADS = min(8, (os.cpu_count() or 1) + 2)


class Damage(NamedTuple):
    """A file that is not as it was written, and in which way."""

    path: Path
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


def write_signed(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object with a checksum of its content, whole or not there."""
    # As it will stand in the file: a secret that is masked later would be taken for damage.
    content = secrets.hidden(readable_value(dict(content)))
    files.write_json(path, {**content, _CHECK: _signature(content)})


def read_signed(path: Path, *, needed: bool = True) -> dict[str, Any]:
    """Read what `write_signed` wrote. Raises ValueError where that is not what the file says; with
    `needed` false, a file without any checksum is taken as it is."""
    content = files.read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: no JSON object")
    check = content.pop(_CHECK, None)
    if (needed or check is not None) and check != _signature(content):
        raise ValueError(f"{path}: the content is not what its checksum says")
    return content


def _signature(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def record(folder: Path, names: Iterable[str], file: str = RECORD_FILE, **about: Any) -> None:
    """Keep the checksums of files in a folder, named by their paths inside it, in place of what was
    on record; `about` is kept beside them."""
    written = sorted(names)
    facts = zip(written, _facts([folder / name for name in written]), strict=True)
    write_signed(folder / file, {**about, "files": {name: list(fact) for name, fact in facts}})


def add(folder: Path, names: Iterable[str]) -> None:
    """Keep the checksums of further files, or of files that were written again."""
    known = recorded(folder) or {"files": {}}
    there = [name for name in names if (folder / name).is_file()]
    facts = _facts([folder / name for name in there])
    known["files"] |= {name: list(fact) for name, fact in zip(there, facts, strict=True)}
    write_signed(folder / RECORD_FILE, known)


def recorded(folder: Path, file: str = RECORD_FILE) -> dict[str, Any] | None:
    """What `record` kept; None where it kept nothing. Raises ValueError for a damaged record."""
    try:
        return read_signed(folder / file)
    except FileNotFoundError:
        return None


def all_files(folder: Path, but: Collection[str] = ()) -> list[str]:
    """The paths, inside a folder, of all its files but those that killed writers left, records,
    and those with one of these names."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not files.is_leftover(Path(name))]
        for name in names:
            path = Path(place, name)
            if name not in but and name != RECORD_FILE and not files.is_leftover(path):
                found.append(str(path.relative_to(folder)))
    return sorted(found)


def damages(
    folder: Path,
    file: str = RECORD_FILE,
    of: Callable[[str], bool] = lambda name: True,
    *,
    quick: bool = False,
) -> list[Damage]:
    """Files of a folder that are not as its record says; [] also where there is no record.

    Every byte is read. `quick` leaves that out where size, times and names of all files are those
    of a look that found nothing: for who shows results, not for who uses them. `of` says which of
    the files are looked at.
    """
    try:
        known = recorded(folder, file)
    except (ValueError, OSError):
        return [Damage(folder / file, "the record of checksums is damaged itself")]
    if known is None:
        return []
    looked_at = {name: fact for name, fact in known["files"].items() if of(name)}
    found, there = [], []
    for name, (size, _) in looked_at.items():
        try:
            now = (folder / name).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            found.append(Damage(folder / name, "is missing"))
            continue
        if now != size:
            found.append(Damage(folder / name, f"has {now:,} bytes, and {size:,} were written"))
        else:
            there.append(name)
    look = _look_of(folder, file, there) if quick and not found else None
    if look is not None and look.is_remembered():
        return []
    for name in there:
        if list(_fact(folder / name)) != looked_at[name]:
            found.append(Damage(folder / name, "its content is not what was written"))
    if look is not None and not found:
        look.remember()
    return sorted(found)


class _Look(NamedTuple):
    """A look at files as they were by size and times, and where it is remembered."""

    place: Path
    marks: str

    def is_remembered(self) -> bool:
        try:
            return self.place.read_text(encoding="utf-8") == self.marks
        except (OSError, ValueError):
            return False

    def remember(self) -> None:
        with suppress(OSError):  # a cache that cannot be written costs time, nothing else
            files.write_text(self.place, self.marks)


def _look_of(folder: Path, file: str, names: Sequence[str]) -> _Look:
    marks = []
    for name in (file, *names):
        status = (folder / name).stat()
        # The time of change (ctime) beside that of modification, which archives and `cp -p` set.
        marks.append([name, status.st_size, status.st_mtime_ns, status.st_ctime_ns])
    place, seen = (
        hashlib.sha256(json.dumps(key).encode()).hexdigest()
        for key in ([str(folder.resolve()), file], marks)
    )
    return _Look(files.cache_dir() / "looked-at" / place, seen)


def _facts(paths: Sequence[Path]) -> list[tuple[int, str]]:
    """Size in bytes and SHA-256 of each file."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(_fact, paths))


def _fact(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest
