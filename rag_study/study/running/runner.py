"""Runs stage runs: one papermill execution each, and the difference between its ways to end.

What is executed is the notebook as it was when the study was planned, and its kernel is told which
run it is: what people edit meanwhile changes nothing in a study that has begun.

Success is read from the status that the notebook's last cell writes, never from the notebook
file: a killed kernel or a cell over its time limit leaves a notebook that looks complete.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TextIO

from rag_study.common import checksums, control_groups, secrets, surroundings
from rag_study.common.errors import StudyError
from rag_study.common.run_folder import FOR_PEOPLE, RunFolder, Status
from rag_study.study import batch, stages
from rag_study.study.running import forks
from rag_study.study.stages import StageRun

START_TIMEOUT_S = 120
# Kernels fail to start now and then when a machine is busy, for no fault of the notebook.
KERNEL_STARTS = 3
# A worker of a cluster may have been started in any locale; logs are in UTF-8 whatever the terminal
# is; without docstrings (PYTHONOPTIMIZE=2) transformers cannot be imported.
_IN_KERNELS = {"PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8", "PYTHONOPTIMIZE": ""}


@dataclass(frozen=True)
class Options:
    """How stage runs are executed; nothing of it changes a result.

    `cell_timeout` is the most seconds that one cell may take, None for no limit.
    """

    keep_going: bool = False
    cell_timeout: int | None = None


USUAL = Options()
Attempt = Callable[[StageRun, RunFolder, int | None], Status]


class Ended(NamedTuple):
    """How a stage run ended: done, reused, blocked, failed, timeout or killed, and its status."""

    outcome: str
    status: Status


def attempt_notebook(run: StageRun, folder: RunFolder, cell_timeout: int | None) -> Status:
    """Execute the notebook, again where only its kernel did not start; the status it ended with.

    Nothing is raised for a notebook that fails, only KeyboardInterrupt when it is stopped.
    """
    attempt, clock = uuid.uuid4().hex, time.monotonic()
    try:
        for start in range(KERNEL_STARTS):
            with _log_of(folder, "a" if start else "w") as log:
                state, message, may_start = _run_notebook(run, folder, log, attempt, cell_timeout)
            status = folder.status()
            if status.attempt == attempt or not may_start:
                break
    except KeyboardInterrupt:
        # That a cell has lost its kernel nobody asks any more; asyncio would print a traceback.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        _record(folder, attempt, "killed", "stopped", clock)
        raise
    if status.state == "done" and status.attempt == attempt:
        with contextlib.suppress(OSError):  # results are whole; nobody reads these but people
            checksums.add(folder.path, FOR_PEOPLE)  # written to the end by this process
        return status
    return _record(folder, attempt, state, message, clock)


@contextmanager
def _log_of(folder: RunFolder, mode: str) -> Iterator[TextIO]:
    # Whatever a notebook prints, also halves of characters, its log takes it.
    file = folder.path / "log.txt"
    if mode == "w":
        file.unlink(missing_ok=True)
    # Two processes write, and each at its end.
    with file.open("a", buffering=1, encoding="utf-8", errors="backslashreplace") as log:
        try:
            yield secrets.MaskedStream(log)
        finally:
            secrets.hide_in_file(file)  # what programs wrote that the notebook has started


def _record(folder: RunFolder, attempt: str, state: str, message: str, clock: float) -> Status:
    """Write how an attempt ended. A full disk may refuse it; then `running` without a process
    stays on record, which everybody reads as killed."""
    before, message = folder.status(), secrets.hidden(message)
    ended = replace(
        before,
        state=state,
        message=message,
        attempt=attempt,
        started=before.started if before.attempt == attempt else time.time(),
        finished=time.time(),
        seconds=round(time.monotonic() - clock, 2),
    )
    if not folder.is_locked():  # else a notebook that someone has opened works on it
        try:
            folder.set_status(**ended.__dict__)
        except OSError as error:
            return replace(ended, message=f"{message} (not recorded: {_in_words(error)})")
    return ended


def execute(
    run: StageRun,
    options: Options = USUAL,
    started: Callable[[], None] = lambda: None,
    attempt: Attempt = attempt_notebook,
) -> Ended:
    """Have one stage run done, unless it is done already or something that it needs is not.

    The notebook runs in a kernel of its own. Nothing is raised for one that fails: the outcome
    says how it ended, and the executed notebook and `log.txt` stay in the run's folder. `started`
    is called when the work begins. While another process works on this very run it is waited for.
    `attempt` does the work itself: it writes the status it ended with, and returns it.
    """
    waiting = [needed for needed in run.upstream if not stages.is_done(needed)]
    partial = options.keep_going and run.is_comparison and len(waiting) < len(run.upstream)
    if waiting and not partial:
        return Ended("blocked", Status(message=_why_blocked(waiting)))
    folder = RunFolder(run.run_id)
    try:
        claim = folder.claim()
    except OSError as error:
        return Ended("failed", Status("failed", message=_in_words(error)))
    try:
        if not partial and stages.is_done(run):
            return Ended("reused", folder.status())
        started()
        status = attempt(run, folder, options.cell_timeout)
        return Ended(status.state, status)
    except OSError as error:
        return Ended("failed", replace(folder.status(), state="failed", message=_in_words(error)))
    finally:
        claim.release(force=True)


def _run_notebook(
    run: StageRun, folder: RunFolder, log: TextIO, attempt: str, cell_timeout: int | None
) -> tuple[str, str, bool]:
    """(state, message, whether another start may help) of one papermill execution."""
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill import execute_notebook
    from papermill.exceptions import PapermillExecutionError

    _mask_notebooks()
    killed_before, kernels = control_groups.oom_kills(), []
    with tempfile.TemporaryDirectory(
        prefix="rag-", dir=surroundings.sockets_dir(), ignore_cleanup_errors=True
    ) as private:
        try:
            notebook = Path(private, run.stage.path.name)
            notebook.write_text(run.notebook, encoding="utf-8")
            environment = batch.tell(run, Path(private)) | {"RAG_STUDY_ATTEMPT": attempt}
            execute_notebook(
                _literal(notebook),
                _literal(folder.path / "notebook.ipynb"),
                parameters=run.parameters,
                kernel_name="python3",
                progress_bar=False,
                start_timeout=START_TIMEOUT_S,
                execution_timeout=cell_timeout,
                stdout_file=log,
                stderr_file=log,
                kernel_manager_class=_kernel_manager(log, private, environment, kernels),
            )
        except PapermillExecutionError as error:
            log.write("\n".join(error.traceback) + "\n")
            kind = "" if error.ename == StudyError.__name__ else f"{error.ename}: "
            return "failed", f"{kind}{error.evalue}", False
        except CellTimeoutError:
            message = f"a cell took more than {cell_timeout} seconds (--cell-timeout)"
            log.write(f"{message}\n")
            return "timeout", message, False
        except DeadKernelError:
            return "killed", _why_dead(kernels, control_groups.oom_kills() > killed_before), True
        except OSError as error:
            return "failed", _in_words(error), False
        except Exception as error:
            # Kernels fail to start in many ways; the study goes on and the log has the reason.
            message = f"{type(error).__name__}: {error}"
            log.write(f"{message}\n")
            return "failed", message, True
    return "killed", "the notebook ended without finishing its run", False


@lru_cache(maxsize=1)
def _mask_notebooks() -> None:
    """Have papermill write notebooks without secrets, which cells may print or raise."""
    from papermill.iorw import LocalHandler, papermill_io

    class Masked(LocalHandler):
        def write(self, buf: str, path: str) -> None:
            super().write(secrets.hidden(buf), path)

    papermill_io.register("", Masked())  # for paths of every form


def _literal(path: Path) -> str:
    """A path for papermill, which puts values of parameters where braces are."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _kernel_manager(log: TextIO, sockets: str, environment: dict[str, str], kernels: list) -> type:
    """A kernel manager whose sockets are files of its own, not ports that others may take.

    Its kernels are given the variables of `environment`; their processes are appended to `kernels`.
    """
    from jupyter_client.manager import AsyncKernelManager

    class PrivateKernelManager(AsyncKernelManager):
        def __init__(self, **options: object):
            super().__init__(transport="ipc", connection_file=f"{sockets}/k.json", **options)

        async def _async_launch_kernel(self, kernel_cmd: list[str], **options: object) -> None:
            complete = {**os.environ, **options.pop("env", {}), **environment, **_IN_KERNELS}
            forked = forks.fork_kernel(kernel_cmd, complete, options.get("cwd"), Path(log.name))
            if forked is None:
                await super()._async_launch_kernel(
                    kernel_cmd, env=complete, stdout=log, stderr=log, **options
                )
            else:
                place = self.provisioner
                place.process, place.pid, place.pgid = forked, forked.pid, forked.pid
                self._reconcile_connection_info(place.connection_info)
            kernels.append(self.provisioner.process)

    # How a notebook ended is said by its run; papermill would also print it, of kernels that were
    # stopped on purpose as well.
    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    # A kernel of the same name in the user's home must not replace this environment's own.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    return PrivateKernelManager


def _why_dead(kernels: list, memory_ran_out: bool) -> str:
    if memory_ran_out:
        return "memory ran out: the system killed the kernel"
    code = kernels[-1].poll() if kernels else None
    if code == -signal.SIGKILL:
        return "the kernel was killed (signal 9), as systems do when memory runs out"
    ended = f"by signal {-code}" if code and code < 0 else f"with status {code}"
    return f"the kernel ended before the notebook did, {ended}"


def _in_words(error: OSError) -> str:
    where = f"{Path(error.filename)}: " if isinstance(error.filename, str) else ""
    return f"{where}{error.strerror or error}"


def _why_blocked(waiting: list[StageRun]) -> str:
    names = ", ".join(run.run_id for run in waiting[:3])
    more = f" and {len(waiting) - 3} more" if len(waiting) > 3 else ""
    return f"needs {names}{more}"
