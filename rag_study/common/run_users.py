"""Who uses which runs now: a run that somebody needs is neither deleted nor begun from nothing.

The lock of a run keeps others from working on it while it is made. Its users come later: a study
that goes on elsewhere, a notebook that reads what the run wrote. Each of them keeps a file in the
outputs folder that names its runs, and holds the lock of that file for as long as it lives.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from rag_study.common.errors import StudyError
from rag_study.common.paths import outputs_dir

# Files of this process: it does not stand in its own way.
_own: set[Path] = set()


class User(NamedTuple):
    """A process that uses runs, and what it is about."""

    pid: int
    host: str
    about: str

    def __str__(self) -> str:
        return f"{self.about} (process {self.pid} on {self.host})"


@contextmanager
def using(run_ids: Iterable[str], about: str) -> Iterator[None]:
    """Be a user of runs until the context is left, or the process ends."""
    with _alone():
        path = _folder() / f"{os.getpid()}-{secrets.token_hex(4)}.json"
        file = path.open("x", encoding="utf-8")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        content = [User(os.getpid(), socket.gethostname(), about), sorted(set(run_ids))]
        file.write(json.dumps(content))
        file.flush()
        _own.add(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        _own.discard(path)
        file.close()


@contextmanager
def undisturbed(run_ids: Iterable[str]) -> Iterator[None]:
    """Nobody else uses these runs, and nobody begins to until the context is left. Raises
    StudyError where somebody does."""
    with _alone():
        there = users()
        for run_id in run_ids:
            if run_id in there:
                raise StudyError(
                    f"{run_id} is in use by {there[run_id]}. Wait for it or stop it, then start "
                    "again; nothing has been deleted."
                )
        yield


def users() -> dict[str, User]:
    """Run id -> who uses it now, apart from this process itself."""
    found: dict[str, User] = {}
    if not _folder().exists():
        return found
    with _alone():
        for path in sorted(set(_folder().glob("*.json")) - _own):
            try:
                with path.open(encoding="utf-8") as file:
                    if _is_held(file.fileno()):
                        user, run_ids = json.load(file)
                        found |= dict.fromkeys(run_ids, User(*user))
                    else:
                        path.unlink(missing_ok=True)  # its process has ended, however it did
            except (OSError, ValueError):
                continue  # it ended between the two looks
    return found


def _is_held(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _folder() -> Path:
    return outputs_dir() / ".users"


@contextmanager
def _alone() -> Iterator[None]:
    """Users come, and are looked for, one after the other."""
    _folder().mkdir(parents=True, exist_ok=True)
    with FileLock(_folder() / ".lock", is_singleton=True):
        yield
