"""Where stage runs execute: in this process, in worker processes (here), on a Dask cluster
(`dask_executor`).

An executor is given runs in an order that respects dependencies and tells when each has begun and
how it ended. What is done is known from the store alone, so any of them can go on where another
was stopped, and results do not depend on which it was.
"""

from __future__ import annotations

import contextlib
import graphlib
import heapq
import math
import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from rag_study.common import machine
from rag_study.common.machine import total_memory
from rag_study.common.run_folder import RunFolder, Status
from rag_study.study.running import resources
from rag_study.study.running.runner import Ended, Options, execute
from rag_study.study.stages import StageRun

# How often a run is given to another worker when its worker dies under it.
RETRIES = 2
# How long a worker that is told to stop may take to shut its notebook's kernel down.
STOP_S = 15
Work = Callable[[StageRun, Options, Callable[[], None]], Ended]
Tell = Callable[[StageRun, Ended | None], None]


class Executor:
    """Runs stage runs one after the other in this process; the others build on it.

    `work` does one stage run; `say` is told, for people, where it is done. Used as a context: when
    it is left, whatever still runs is stopped.
    """

    workers = 1

    def __init__(self, work: Work = execute, say: Callable[[str], None] = lambda _: None):
        self.work = work
        self.say = say
        self.draining = False

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop what still runs."""

    def drain(self) -> None:
        """Start nothing more; what runs already is finished."""
        self.draining = True

    def run(self, runs: Sequence[StageRun], options: Options, tell: Tell) -> None:
        """Have the runs done, each after what it needs.

        `tell` is called in this thread: with None when a run begins, and with how it ended. What
        it raises ends the call. A run that was never begun because of `drain` is not told of.
        """
        for run in runs:
            if self.draining:
                return
            tell(run, self.work(run, options, lambda run=run: tell(run, None)))


class LocalExecutor(Executor):
    """Worker processes on this machine, one stage run at a time in each.

    With `gpus` (device ids) there is one worker for each, which sees that one only. A worker that
    dies is replaced, and its run tried again up to `RETRIES` times.
    """

    def __init__(self, workers: int, gpus: Sequence[str] = (), **options: Any):
        super().__init__(**options)
        self.workers = len(gpus) or workers
        devices = list(gpus) or [None] * workers
        self._memory = math.inf if gpus else total_memory()
        self._workers = [_Worker(self.work, device) for device in devices]

    def __enter__(self) -> LocalExecutor:
        device = "one GPU each" if self._workers[0].gpu else "on this machine"
        self.say(f"{self.workers} worker{'s' if self.workers > 1 else ''}, {device}")
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.interrupt()
        for worker in self._workers:
            worker.close()

    def run(self, runs: Sequence[StageRun], options: Options, tell: Tell) -> None:
        order = {run.run_id: number for number, run in enumerate(runs)}
        by_id = {run.run_id: run for run in runs}
        graph = graphlib.TopologicalSorter(
            {run.run_id: [u.run_id for u in run.upstream if u.run_id in by_id] for run in runs}
        )
        graph.prepare()
        ready: list[tuple[int, str]] = []
        deaths: Counter[str] = Counter()
        while True:
            for run_id in graph.get_ready():
                heapq.heappush(ready, (order[run_id], run_id))
            if not self.draining:
                self._assign(ready, by_id, options)
            busy = {worker.connection: worker for worker in self._workers if worker.run}
            if not busy:
                return
            for connection in wait(list(busy)):
                worker = busy[connection]
                run = worker.run
                said = worker.hear()
                if said is None:
                    tell(run, None)
                    continue
                if said.outcome == "killed" and not worker.alive:
                    deaths[run.run_id] += 1
                    if deaths[run.run_id] <= RETRIES and not self.draining:
                        heapq.heappush(ready, (order[run.run_id], run.run_id))
                        continue
                tell(run, said)
                graph.done(run.run_id)

    def _assign(
        self, ready: list[tuple[int, str]], by_id: dict[str, StageRun], options: Options
    ) -> None:
        """Give idle workers the first of the ready runs, as long as memory suffices for all."""
        idle = [worker for worker in self._workers if worker.run is None]
        used = sum(resources.memory_of(worker.run) for worker in self._workers if worker.run)
        while ready and idle:
            run = by_id[ready[0][1]]
            needed = resources.memory_of(run)
            if used and used + needed > self._memory:
                return
            heapq.heappop(ready)
            used += needed
            idle.pop().begin(run, options)


class _Worker:
    """One worker process, started when it is first needed and again after it has died."""

    def __init__(self, work: Work, gpu: str | None):
        self.run: StageRun | None = None
        self.connection: Connection | None = None
        self.gpu = gpu
        self._work = work
        self._process: Any = None

    @property
    def alive(self) -> bool:
        return self._process is not None

    def begin(self, run: StageRun, options: Options) -> None:
        if self._process is None:
            # Not forked from this process, whose locks and threads a fork would take along, but
            # from one that has only loaded what all workers need.
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(["papermill", "rag_study.cli"])
            self.connection, theirs = context.Pipe()
            environment = {**os.environ, **machine.as_planned_here()}
            arguments = (theirs, self._work, self.gpu, environment)
            self._process = context.Process(target=_work_until_told, args=arguments)
            self._process.start()
            theirs.close()
        self.run = run
        with contextlib.suppress(OSError):  # it died while idle; `hear` finds out
            self.connection.send((run, options))

    def hear(self) -> Ended | None:
        """What the worker says next: None, its run has begun, or how it ended."""
        try:
            said = self.connection.recv()
        except (EOFError, OSError):
            self._process.join(STOP_S)
            message = f"its worker process died (exit status {self._process.exitcode})"
            self.close()
            status = RunFolder(self.run.run_id).status()
            said = Ended("killed", Status("killed", message=message, tries=status.tries))
        if said is not None:
            self.run = None
        return said

    def interrupt(self) -> None:
        if self._process is not None and self.run is not None:
            self._process.terminate()

    def close(self) -> None:
        if self._process is None:
            return
        self.connection.close()
        self._process.join(STOP_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process = None


def _work_until_told(
    connection: Connection, work: Work, gpu: str | None, environment: dict[str, str]
) -> None:
    """What a worker process does: one run after the other, until the connection is closed."""
    with contextlib.suppress(KeyboardInterrupt, EOFError, OSError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the runner decides
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # KeyboardInterrupt: cleans up
        threading.Thread(target=_end_with_the_runner, daemon=True).start()
        os.environ.clear()  # it is that of the first runner of this process
        os.environ.update(environment)
        if gpu is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = gpu
        while True:
            run, options = connection.recv()
            connection.send(in_any_case(work, run, options, lambda: connection.send(None)))


def in_any_case(work: Work, run: StageRun, options: Options, started: Callable[[], None]) -> Ended:
    """The work, or how it failed: an error must not end the worker or look like its death."""
    try:
        return work(run, options, started)
    except Exception as error:
        return Ended("failed", Status("failed", message=f"{type(error).__name__}: {error}"))


def _end_with_the_runner() -> None:
    wait([multiprocessing.parent_process().sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
