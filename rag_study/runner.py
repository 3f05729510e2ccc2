"""Runs stage runs: one papermill execution each, and the difference between its ways to end.

Success is read from the status that the notebook's last cell writes, never from the notebook
file: a killed kernel leaves a notebook that looks complete.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

from rag_study import grid, store
from rag_study.grid import StageRun
from rag_study.store import RunFolder, Status

START_TIMEOUT_S = 120


@dataclass
class Progress:
    """How far a run of a study is, kept up to date for whoever displays it.

    `outcomes` maps the id of each stage run that has ended to done, reused, failed (which here
    includes killed) or blocked.
    """

    total: int
    started: float
    outcomes: dict[str, str] = field(default_factory=dict)
    current: StageRun | None = None

    def count(self, *outcomes: str) -> int:
        return sum(outcome in outcomes for outcome in self.outcomes.values())

    @property
    def left(self) -> int:
        return self.total - len(self.outcomes) - int(self.current is not None)


def run_all(
    runs: list[StageRun],
    progress: Progress,
    *,
    force: bool = False,
    keep_going: bool = False,
    on_event: Callable[[str, StageRun, Status], None] = lambda *_: None,
) -> None:
    """Run what is not done yet, one after the other, in the order given.

    A run whose upstream is not done is blocked; with `keep_going` the others still run, and the
    comparison shows what is there. `on_event` is told "reused", "started", "ended" or "blocked".
    Raises StudyError when prepared data turns out to have too few questions for the study.
    """
    stopped = False
    for run in runs:
        waiting = [needed for needed in run.upstream if not store.is_done(needed)]
        partial = keep_going and run.stage.name == "compare" and len(waiting) < len(run.upstream)
        if stopped or (waiting and not partial):
            progress.outcomes[run.run_id] = "blocked"
            on_event("blocked", run, Status(message=_why_blocked(waiting)))
            continue
        if not (force or partial):
            _wait_until_free(run)
            if store.is_done(run):
                progress.outcomes[run.run_id] = "reused"
                on_event("reused", run, RunFolder(run.run_id).status())
                continue
        progress.current = run
        on_event("started", run, Status())
        status = execute(run, force=force)
        progress.current = None
        succeeded = status.state == "done"
        progress.outcomes[run.run_id] = "done" if succeeded else "failed"
        stopped = not (succeeded or keep_going)
        on_event("ended", run, status)
        if succeeded and run.stage.name == "prepare_data":
            grid.check_pools(runs)  # before anything is trained on data that is not enough


def execute(run: StageRun, *, force: bool = False) -> Status:
    """Execute one stage run's notebook in a kernel of its own and return how it ended.

    Nothing is raised for a failing notebook: the status says failed or killed, and the
    executed notebook and `log.txt` stay in the run's folder.
    """
    from nbclient.exceptions import DeadKernelError
    from papermill import execute_notebook
    from papermill.exceptions import PapermillExecutionError

    folder = RunFolder(run.run_id)
    if force:
        folder.clear()
    folder.path.mkdir(parents=True, exist_ok=True)
    began = time.time()
    state, message = "killed", "the kernel ended before the notebook did"
    # Socket paths are limited to 107 bytes, so their folder lies in the system's temporary one.
    sockets = tempfile.TemporaryDirectory(prefix="rag-", ignore_cleanup_errors=True)
    with (folder.path / "log.txt").open("w", buffering=1) as log, sockets:
        try:
            execute_notebook(
                str(run.stage.path),
                str(folder.path / "notebook.ipynb"),
                parameters=run.parameters,
                kernel_name="python3",
                progress_bar=False,
                start_timeout=START_TIMEOUT_S,
                stdout_file=log,
                stderr_file=log,
                kernel_manager_class=_kernel_manager(log, sockets.name),
            )
        except PapermillExecutionError as error:
            state, message = "failed", f"{error.ename}: {error.evalue}"
            log.write("\n".join(error.traceback) + "\n")
        except DeadKernelError:
            pass
        except Exception as error:
            # Kernels fail to start in many ways; the study goes on and the log has the reason.
            state, message = "failed", f"{type(error).__name__}: {error}"
            log.write(f"{message}\n")
    status = folder.status()
    if status.state == "done" and status.finished >= began:
        return status
    ended = {"finished": time.time(), "extent": status.extent}
    folder.set_status(state, message=message, **store.started_now(), **ended)
    return folder.status()


def _kernel_manager(log: TextIO, sockets: str) -> type:
    """A kernel manager whose sockets are files of its own, not ports that others may take."""
    from jupyter_client.manager import AsyncKernelManager

    class PrivateKernelManager(AsyncKernelManager):
        def __init__(self, **options: object):
            super().__init__(transport="ipc", connection_file=f"{sockets}/k.json", **options)

        async def _async_launch_kernel(self, kernel_cmd: list[str], **options: object) -> None:
            environment = {**os.environ, **options.pop("env", {}), "RAG_STUDY_BATCH": "1"}
            await super()._async_launch_kernel(
                kernel_cmd, env=environment, stdout=log, stderr=log, **options
            )

    # A kernel of the same name in the user's home must not replace this environment's own.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    return PrivateKernelManager


def _wait_until_free(run: StageRun) -> None:
    """Wait while another process (a second runner, a surviving kernel) works on the run."""
    folder = RunFolder(run.run_id)
    while folder.is_locked():
        time.sleep(0.5)


def _why_blocked(waiting: list[StageRun]) -> str:
    if not waiting:
        return "an earlier run failed; --keep-going runs the others all the same"
    names = ", ".join(run.run_id for run in waiting[:3])
    more = f" and {len(waiting) - 3} more" if len(waiting) > 3 else ""
    return f"needs {names}{more}"
