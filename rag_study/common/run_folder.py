"""The folders of runs and studies on disk: status, lock, progress, and what is kept of a run.

The status `done` is written last, when everything else of a run is in its place.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from rag_study.common import checksums, files
from rag_study.common.errors import StudyError
from rag_study.common.paths import in_utf8, outputs_dir

# The lock of whoever works on a run (the notebook's process), and that of whoever has it worked on
# (a runner). Two: a notebook can outlive its runner, and a runner has work before and after it.
LOCK_FILE = ".lock"
CLAIM_FILE = ".claim"
STATUS_FILE = "status.json"
# How far a run is, for whoever watches; a run that is opened again after its end begins anew.
PROGRESS_FILE = "progress.json"
# What no stage reads: whoever opens it in an editor and saves it damages no result.
SERVER_LOG = "vllm.log"
FOR_PEOPLE = ("notebook.ipynb", "log.txt", SERVER_LOG)


def is_read(name: str) -> bool:
    """Whether stages read a file of a run."""
    return name not in (PROGRESS_FILE, *FOR_PEOPLE)


def study_dir(study_name: str) -> Path:
    """Folder of a study's tables, figures and report."""
    return outputs_dir() / study_name


@dataclass(frozen=True)
class Status:
    """What is known of a stage run: pending, running, done, failed, timeout or killed.

    `extent` says how much of a stage is done, item -> amount: questions by context for answers and
    scores, the runs that went into a comparison; empty for stages that are done or not.
    `started` and `finished` are times of day, for people; `seconds` is measured with a clock that
    nobody sets. `attempt` names the execution that wrote the status, and `tries` counts how often
    the notebook has begun since the folder was empty. `sealed` says that the checksums of the run's
    files are on record.
    """

    state: str = "pending"
    extent: dict[str, int] = field(default_factory=dict)
    message: str = ""
    package_hash: str = ""
    pid: int = 0
    host: str = ""
    started: float = 0.0
    finished: float = 0.0
    seconds: float = 0.0
    attempt: str = ""
    tries: int = 0
    sealed: bool = False

    @classmethod
    def read(cls, file: Path) -> Status:
        """What a status file says. Raises ValueError or TypeError where it makes no sense."""
        status = cls(**checksums.read_signed(file, needed=False))
        for name, default in asdict(cls()).items():
            value = getattr(status, name)
            if not isinstance(value, (int, float) if isinstance(default, float) else type(default)):
                raise ValueError(f"{name}: {value!r}")
        if not all(isinstance(amount, int) for amount in status.extent.values()):
            raise ValueError(f"extent: {status.extent!r}")
        return status


class RunFolder:
    """The folder `outputs/runs/<stage>/<slug>-<hash8>` of one stage run."""

    def __init__(self, run_id: str):
        self.run_id = run_id
        self.path = outputs_dir() / "runs" / run_id

    def status(self) -> Status:
        """The status now. `running` without a process that holds the lock is `killed`."""
        status = self._read_status()
        if status.state == "running" and not self.is_locked():
            status = self._read_status()  # it may have ended between the two looks
            if status.state == "running":
                return replace(status, state="killed", message="its process ended too early")
        return status

    def _read_status(self) -> Status:
        file = self.path / STATUS_FILE
        try:
            return Status.read(file)
        except FileNotFoundError:
            return Status()
        except (ValueError, TypeError):
            raise StudyError(
                f"{file}: cannot be read; the file was damaged from outside.\n{self.remedy}"
            ) from None

    @property
    def remedy(self) -> str:
        """What to do where files of the run are damaged."""
        return f"Delete the folder {self.path} to have this run done again."

    def set_status(self, state: str, **fields: Any) -> None:
        checksums.write_signed(self.path / STATUS_FILE, asdict(Status(state=state, **fields)))

    def seal(self) -> None:
        """Keep the checksums of everything that the run has written, as it is now."""
        but = (LOCK_FILE, CLAIM_FILE, STATUS_FILE, PROGRESS_FILE, *FOR_PEOPLE)
        checksums.record(self.path, checksums.all_files(self.path, but))

    def damages(
        self, of: Callable[[str], bool] = is_read, *, quick: bool = False
    ) -> list[checksums.Damage]:
        """Files of a finished run that are not as it wrote them (`checksums.damages`), of those
        that stages read or that `of` chooses; [] also for a run that kept no checksums."""
        status = self.status()
        if status.state != "done" or not status.sealed:
            return []
        record = self.path / checksums.RECORD_FILE
        if record.exists():
            found = checksums.damages(self.path, of=of, quick=quick)
        else:
            found = [checksums.Damage(record, "is missing")]
        # Cleared or begun again meanwhile (`report` beside `verify`): that is no damage.
        return found if not found or self._read_status() == status else []

    def check(self, of: Callable[[str], bool] = is_read, *, quick: bool = False) -> None:
        """Look at files of a finished run before they are used. Raises StudyError where one is not
        as the run wrote it."""
        damages = self.damages(of, quick=quick)
        if not damages:
            return
        if not FileLock(self.path / LOCK_FILE, is_singleton=True).is_locked:  # by this process
            self.check_free()
        more = f" (and {len(damages) - 1} more)" if len(damages) > 1 else ""
        raise StudyError(f"{damages[0]}{more}; damaged or changed from outside.\n{self.remedy}")

    def check_free(self) -> None:
        """Raise StudyError where a living process works on this run."""
        if self.is_locked():
            raise self._busy()

    def _busy(self) -> StudyError:
        return StudyError(
            f"{self.run_id} is being worked on by another process "
            f"(process {self.status().pid}). Wait for it or stop it, then start again."
        )

    def is_locked(self) -> bool:
        """Whether a living process works on this run. Looking never keeps anybody from working,
        and is possible where nothing can be written.
        """
        try:
            handle = os.open(self.path / LOCK_FILE, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    def claim(self) -> FileLock:
        """Wait until no other runner has this run and no notebook works on it; then it is ours,
        until the lock is released or this process ends.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path / CLAIM_FILE)
        lock.acquire(poll_interval=0.5)
        while self.is_locked():
            time.sleep(0.2)
        return lock

    def acquire(self, timeout: float = 10.0) -> FileLock:
        """Take the run's lock; it is freed when the process ends, however it ends.

        A process that holds it already takes it again (a notebook whose first cell is run twice).
        Release it with `force=True`. Raises StudyError when another process keeps it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path / LOCK_FILE, is_singleton=True)
        try:
            lock.acquire(timeout=timeout)
        except Timeout:
            raise self._busy() from None
        return lock

    def part(
        self,
        name: str,
        make: Callable[[], list[dict]],
        fits: Callable[[list[dict]], bool] = lambda rows: True,
    ) -> list[dict]:
        """Rows of one batch: read if an earlier try finished it and they `fits`, else made and
        kept."""
        file = self.path / "parts" / f"{name}.jsonl"
        if file.exists() and fits(rows := self._rows(file)):
            return rows
        rows = make()
        files.write_jsonl(file, rows)
        return rows

    def all_parts(self) -> list[dict]:
        """Rows of all parts there are, by the parts' names: also those of earlier, larger runs."""
        parts = sorted((self.path / "parts").iterdir())
        return [row for file in parts for row in self._rows(file)]

    @staticmethod
    def _rows(file: Path) -> list[dict]:
        try:
            return files.read_jsonl(file)
        except ValueError:
            raise StudyError(
                f"{file}: this part of the results is damaged. Delete it, and start again: it is "
                "made again."
            ) from None

    def set_progress(self, done: int, total: int) -> None:
        files.write_json(self.path / PROGRESS_FILE, {"done": done, "total": total})

    def progress(self) -> tuple[int, int] | None:
        """(items done, items in all) as last told by the run, if it told."""
        try:
            counts = json.loads((self.path / PROGRESS_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return counts["done"], counts["total"]

    def clear(self) -> None:
        """Delete what the run has written, so that it starts from nothing."""
        lock = self.acquire()
        try:
            # The status first: whoever looks meanwhile does not see a run that is done.
            (self.path / STATUS_FILE).unlink(missing_ok=True)
            for item in self.path.iterdir():
                if item.name not in (LOCK_FILE, CLAIM_FILE):
                    shutil.rmtree(item) if item.is_dir() else item.unlink()
        finally:
            lock.release(force=True)

    def log_tail(self, lines: int = 8) -> str:
        try:
            text = (self.path / "log.txt").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.rstrip().splitlines()[-lines:])


def check_writable() -> None:
    """Raise StudyError when nothing can be written to the outputs folder."""
    folder = in_utf8(outputs_dir())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x" * 4096)
            file.flush()
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise StudyError(
            f"{folder}: nothing can be written or locked there ({error.strerror}). Results need a "
            "folder that can be written, with free space, on a file system with locks; the "
            "variable RAG_STUDY_OUTPUTS names another."
        ) from None


def started_now() -> dict[str, Any]:
    """Status fields that say who works on a run since when, and for which execution."""
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started": time.time(),
        "attempt": os.environ.get("RAG_STUDY_ATTEMPT", ""),
    }
