"""The tables, figures and report in a study's folder: brought there as one set, and looked at
before they are read.

A comparison writes them to its own folder and brings them here when all of them are there. What
people add to the folder (samples, labels) stays.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from rag_study.common import checksums, files
from rag_study.common.checksums import Damage
from rag_study.common.errors import StudyError
from rag_study.common.run_folder import CLAIM_FILE, LOCK_FILE, RunFolder, study_dir
from rag_study.common.wording import counted

# In a comparison's own folder, until the set is complete.
NEW_FOLDER = "tables"
# In a study's folder: the id of the comparison whose tables are there, whole.
MADE_BY_FILE = "made_by.txt"
# The records of the comparison's files and of the tables of people's labels.
LABELS_RECORD = "checksums-labels.json"
RECORDS = (checksums.RECORD_FILE, LABELS_RECORD)
# The folder of the keys to samples.
LABEL_KEYS = "label_keys"


def publish(new: Path, study: str, made_by: str, answers: int, missing: int) -> None:
    """Bring a complete set of tables to the study's folder, in place of the one there.

    `answers` is how many rows of scored answers it has, `missing` how many runs it would need
    further. Raises StudyError, and leaves what is there, where that is more than the new set has:
    numbers of a finished comparison, or any at all where this one has none.
    """
    folder = study_dir(study)
    with replacing(folder):
        refuse_less(folder, made_by, answers, missing)
        files.sweep(folder)
        before = _files_of(folder)
        files.write_text(new / MADE_BY_FILE, made_by + "\n")
        names = checksums.all_files(new)
        checksums.record(new, names, made_by=made_by, answers=answers, missing=missing)
        files.settle(new)
        # The record last: a set that was not brought whole is one that is damaged.
        for name in [*names, checksums.RECORD_FILE]:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(new / name, folder / name)
        for name in before - set(names):
            (folder / name).unlink(missing_ok=True)
        files.settle(folder)
    shutil.rmtree(new, ignore_errors=True)


def refuse_less(folder: Path, made_by: str, answers: int, missing: int) -> None:
    """Raise StudyError where a study's folder has more than the set of a comparison with so many
    rows of answers and so many runs missing (`publish`)."""
    there, finished = _answers_there(folder)
    if there == 0 or not missing or (answers > 0 and not (finished and answers < there)):
        return
    has = f"only {counted(answers, 'row')} of answers" if answers else "no answers at all"
    raise StudyError(
        f"{folder}: the tables there have {counted(there, 'row')} of scored answers and are "
        "left as they "
        f"are, because this comparison ({made_by}) has {has} so far: {missing} of its runs are "
        "missing. Finish the study (`rag-study status` says what is missing), or give it another "
        "`name`, or move the folder away."
    )


def _answers_there(folder: Path) -> tuple[int, bool]:
    """How many rows of scored answers a study's folder has, and whether no run is missing."""
    with suppress(ValueError, OSError):
        if (known := checksums.recorded(folder)) is not None:
            return known["answers"], not known["missing"]
    # Tables of an earlier version of the package, which kept no record, or whose record is damaged.
    with suppress(ValueError, OSError):
        import pyarrow.parquet

        return pyarrow.parquet.read_metadata(folder / "results.parquet").num_rows, False
    return 0, False  # nothing is there, or nothing that could be used


def _files_of(folder: Path) -> set[str]:
    try:
        known = checksums.recorded(folder)
    except (ValueError, OSError):
        return set()
    return set(known["files"]) if known else set()


def is_published(study: str, made_by: str) -> bool:
    """Whether the set in a study's folder is there and was made by this comparison."""
    folder = study_dir(study)
    try:
        if (folder / MADE_BY_FILE).read_text(encoding="utf-8").strip() != made_by:
            return False
    except (OSError, ValueError):
        return False
    return all((folder / name).exists() for name in _files_of(folder))


def finished(folder: Path) -> float:
    """When the comparison whose tables a study's folder has was finished, in seconds since 1970;
    without a record of it, when the tables were written."""
    with suppress(OSError, ValueError, StudyError):
        made_by = (folder / MADE_BY_FILE).read_text(encoding="utf-8").strip()
        if moment := RunFolder(made_by).status().finished:
            return moment
    return (folder / "results.parquet").stat().st_mtime


def damages(folder: Path, *, quick: bool = False) -> list[Damage]:
    """Files of a study's folder that are not as they were written."""
    with _held(folder, fcntl.LOCK_SH):
        return [d for record in RECORDS for d in checksums.damages(folder, record, quick=quick)]


def _is_read(name: str) -> bool:
    return name.endswith((".parquet", ".txt", "card.json"))


def remedy(folder: Path, damage: Damage) -> str:
    """What to do where a file of a study's folder is damaged."""
    of_labels = damage.path.name.startswith("human_") or damage.path.name == LABELS_RECORD
    if of_labels:
        return (
            f"Delete {folder / LABELS_RECORD} and the tables {folder}/human_*, then read the "
            "labels in again:  rag-study label STUDY --read FILE.csv"
        )
    return f"Have the tables of the study '{folder.name}' made again:  rag-study report STUDY"


@contextmanager
def reading(folder: Path, records: Sequence[str] = RECORDS) -> Iterator[None]:
    """Read a study's tables while nobody replaces them. Raises StudyError where one of them is not
    as it was written. What only people read, such as CSV files, they may also edit."""
    with _held(folder, fcntl.LOCK_SH):
        _check(folder, records)
        yield


def _check(folder: Path, records: Sequence[str]) -> None:
    found = [d for record in records for d in checksums.damages(folder, record, _is_read)]
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise StudyError(
            f"{found[0]}{more}; damaged or changed from outside.\n{remedy(folder, found[0])}"
        )


@contextmanager
def replacing(folder: Path) -> Iterator[None]:
    """Put other tables in a study's folder while nobody reads or replaces them."""
    folder.mkdir(parents=True, exist_ok=True)
    with _held(folder, fcntl.LOCK_EX):
        yield


@contextmanager
def writing_labels(folder: Path) -> Iterator[None]:
    """Write samples and tables of labels while nobody replaces the study's other tables; keeps the
    tables' checksums. Raises StudyError where one of them is damaged: it would be taken for good
    from now on."""
    with _held(folder, fcntl.LOCK_EX):
        _check(folder, [LABELS_RECORD])
        yield
        checksums.record(folder, [path.name for path in folder.glob("human_*.*")], LABELS_RECORD)


@contextmanager
def taking_labels_in(folder: Path) -> Iterator[None]:
    """Add labels to those that are there while no other process does the same."""
    with FileLock(folder / CLAIM_FILE):
        yield


def is_of_people(name: str) -> bool:
    """Whether a file, named by its path in a study's folder, holds samples or labels of people."""
    return name.startswith(("human_", f"{LABEL_KEYS}/")) or name == LABELS_RECORD


@contextmanager
def _held(folder: Path, kind: int) -> Iterator[None]:
    """Hold the lock of a study's folder; where nothing can be written, nobody replaces anything."""
    try:
        handle = os.open(folder / LOCK_FILE, os.O_CREAT | os.O_RDWR, 0o666)
    except OSError:
        if kind == fcntl.LOCK_EX:
            raise
        yield
        return
    try:
        fcntl.flock(handle, kind)
        yield
    finally:
        os.close(handle)
