"""Processes that are forked from one that has loaded what they all need.

Loading torch and transformers takes a kernel five seconds of a slow core, more than many stages.
Python's fork server loads them once, and workers and kernels begin as copies of it: processes of
their own with a fresh state, as before.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from multiprocessing import connection, forkserver, resource_tracker
from pathlib import Path

from rag_study.common import surroundings

_CONTEXT = multiprocessing.get_context("forkserver")
# What has been loaded reads no variable again, so a kernel is forked only where all are as they
# were for the fork server; but for those that are read when they are used, and those that Dask and
# torch set in workers.
_READ_LATE = (
    "RAG_STUDY_",
    "JPY_",
    "PYTEST_",
    "DASK_",
    "JUPYTER_",
    "PYTHONHASHSEED",
    "TORCHINDUCTOR_",
)
_MODULE = "ipykernel_launcher"
_FOR_WORKERS = (
    "papermill",
    "distributed",
    "rag_study.cli",
    "rag_study.study.running.dask_executor",
)
# What nearly every stage loads; not matplotlib, which takes its backend from the kernel it is in.
_FOR_KERNELS = (
    "ipykernel.kernelapp",
    "pandas",
    "pyarrow.parquet",
    "scipy.stats",
    "torch",
    "transformers",
    "peft",
    "rag_study.models.loading",
    "rag_study.study.active_run",
)


def start_for_workers() -> None:
    """Start the fork server of this process, from which workers and their kernels come."""
    _start([*_FOR_WORKERS, *(_FOR_KERNELS if _kernels_fork() else ())])


def _start(modules: Sequence[str]) -> None:
    """Start this process's fork server, where none runs, and have it load the modules.

    Ctrl-C in a terminal reaches every process; the server and its workers, which inherit that,
    leave it to the runner.
    """
    _CONTEXT.set_forkserver_preload([*modules])
    with contextlib.ExitStack() as afterwards:
        if threading.current_thread() is threading.main_thread():
            before = signal.signal(signal.SIGINT, signal.SIG_IGN)
            afterwards.callback(signal.signal, signal.SIGINT, before)
        # Its socket lies among the temporary files, whose folder may have too long a path.
        afterwards.callback(setattr, tempfile, "tempdir", tempfile.tempdir)
        tempfile.tempdir = surroundings.sockets_dir()
        forkserver.ensure_running()
    _first_variables()


@contextlib.contextmanager
def _unheard() -> Iterator[None]:
    """What is started meanwhile has nobody who hears its errors: libraries warn when they are
    loaded, and a kernel tells in its log what concerns its run."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _is_forked() -> bool:
    """Whether this process, a worker, comes from a fork server, that of the runner."""
    return forkserver.get_inherited_fds() is not None


@lru_cache(maxsize=1)
def _first_variables() -> dict[str, str]:
    """Those that the fork server of this process has been started with."""
    return _LOADED_WITH if _is_forked() else _variables()


def _kernels_fork() -> bool:
    """Whether kernels can be copies: CUDA does not survive a fork, and its libraries look for a GPU
    when they are loaded; a process that Python calls a daemon (a worker of a cluster) starts none.
    """
    daemon = multiprocessing.current_process().daemon
    return not (daemon or shutil.which("nvidia-smi") or sys.flags.optimize)


def _variables() -> dict[str, str]:
    return {name: said for name, said in os.environ.items() if not name.startswith(_READ_LATE)}


_LOADED_WITH = _variables()  # of a worker: what its fork server had when it loaded this module


class ForkedKernel:
    """A kernel that is a copy of the fork server: what Jupyter needs of a `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, arguments: list[str], environment: dict[str, str], cwd: str, log: Path):
        self._process = _CONTEXT.Process(target=_kernel, args=(arguments, environment, cwd, log))
        self._process.start()
        self.pid = self._process.pid
        # Python would wait for it at its own end.
        atexit.register(self.kill)

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int | None:
        self._process.join(timeout)
        atexit.unregister(self.kill)
        return self.poll()

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def fork_kernel(
    command: list[str], environment: dict[str, str], cwd: str | None, log: Path
) -> ForkedKernel | None:
    """Start the kernel of a command as a copy of the fork server; None where it has to be started
    as any other program. What it prints is appended to the file `log`. The server is that of this
    process and starts with its first kernel, or of a worker the one that it comes from."""
    usual = command[:1] == [sys.executable] and _MODULE in command
    if not usual or not _kernels_fork() or _first_variables() != _variables():
        return None
    arguments = command[command.index(_MODULE) + 1 :]
    try:
        if _is_forked():
            # It is there to be used again, as Python says; but Python would start another one.
            forkserver._forkserver.ensure_running = resource_tracker.ensure_running
        else:
            with _unheard():
                _start(_FOR_KERNELS)
        return ForkedKernel(arguments, environment, cwd or os.getcwd(), log)
    except (OSError, EOFError):  # the server has died: the kernel says better why it cannot start
        return None


def _kernel(arguments: list[str], environment: dict[str, str], cwd: str, log: Path) -> None:
    """What a forked process does as a kernel: it finds all as a new program would."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _end_with(multiprocessing.parent_process().sentinel)
    # Its own, or what a killed kernel left would be told of by the runner.
    resource_tracker._resource_tracker._fd = None
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    tempfile.tempdir = None
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(file, stream.fileno())
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    sys.argv = [_MODULE, *arguments]
    import pandas as pd
    from ipykernel import kernelapp

    # It was loaded outside a notebook, and would fit tables to the width of a terminal.
    pd.set_option("display.max_columns", 20)
    # A kernel with a parent ends with it, and prints no advice on how to end it.
    parent = f"--IPKernelApp.parent_handle={os.getppid()}"
    try:
        kernelapp.launch_new_instance(argv=[*arguments, parent])
    finally:
        # Python leaves these out in processes that were forked by it.
        atexit._run_exitfuncs()


def _end_with(parent: int) -> None:
    """End this process when that which asked for it, whose `sentinel` this is, has ended."""

    def watch() -> None:
        connection.wait([parent])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
