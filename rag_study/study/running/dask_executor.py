"""Dask as the place where stage runs execute: workers on this machine, or a cluster that there is.

Runs are given to Dask when what they need has ended, and on this machine also not before a worker
is idle and memory suffices. Processes, connections and placement are Dask's affair.
"""

from __future__ import annotations

import contextlib
import ctypes
import graphlib
import heapq
import logging
import math
import os
import queue
import tempfile
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rag_study.common import machine, paths, run_folder, secrets, surroundings
from rag_study.common.errors import StudyError
from rag_study.common.run_folder import RunFolder, Status
from rag_study.common.wording import counted
from rag_study.study.running import forks, resources
from rag_study.study.running.executors import Executor, Tell, Work
from rag_study.study.running.runner import Ended, Options
from rag_study.study.stages import StageRun

if TYPE_CHECKING:
    from distributed import Client, Future, SpecCluster

# How often a run is tried again when its worker dies under it. On a cluster its scheduler decides
# that (`distributed.scheduler.allowed-failures`).
RETRIES = 2
# How long workers that are told to stop may take to shut their notebooks' kernels down.
STOP_S = 15
# How long to look for a cluster's scheduler, and then (queues are long) for its first worker.
CONNECT_S, FIRST_WORKER_S = 30, 3600
# Whoever reaches a Dask scheduler can run code: ours listens to this machine alone.
LOOPBACK = "127.0.0.1"
LOCAL_SETTINGS = {
    # A run is given to Dask when a worker is idle, also again, so nothing ever waits at a busy one
    # for another to take it over.
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.work-stealing": False,
    # A worker is as good as its process: one that starts slowly, or is suspended, is not given up.
    "distributed.scheduler.worker-ttl": None,
    "distributed.deploy.lost-worker-timeout": "8760h",
    # Forked from a process that has loaded what all workers need (see `forks`).
    "distributed.worker.multiprocessing-method": "forkserver",
    # What Python calls a daemon may not have processes forked for it.
    "distributed.worker.daemon": False,
    # Kernels inherit the environment of the runner as it is.
    "distributed.nanny.pre-spawn-environ": {},
    # Workers wait for their kernels: nothing is learnt from looking at that many times a second.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "5s",
}
LOST = "the Dask cluster was lost: its scheduler does not answer any more"


class _Submitted(NamedTuple):
    """A run that Dask has been given and that has not ended."""

    run: StageRun
    future: Future


class DaskExecutor(Executor):
    """A Dask cluster that there is, at an address or named by the file of its scheduler.

    Stage runs carry the resource labels that the workers of the cluster declare (`GPU`, `MEMORY`
    in bytes).
    """

    retries = 0

    def __init__(
        self, address: str | None = None, scheduler_file: Path | None = None, **options: Any
    ):
        super().__init__(**options)
        self._place: dict[str, Any] = {"address": address, "scheduler_file": scheduler_file}
        self._client: Client | None = None
        self._submitted: dict[str, _Submitted] = {}
        self._begun: set[str] = set()
        self._lost = False

    @property
    def workers(self) -> int:
        return len(self._client.scheduler_info(-1)["workers"]) or 1 if self._client else 1

    def __enter__(self) -> DaskExecutor:
        self._connect()
        address, link = self._client.scheduler.address, self._client.dashboard_link
        self.say(f"Dask cluster {address}, {counted(self.workers, 'worker')}; dashboard: {link}")
        return self

    def __exit__(self, *_: object) -> None:
        if self._client is not None:
            futures = [submitted.future for submitted in self._submitted.values()]
            self._client.cancel([future for future in futures if not future.done()])
            self._client.close()
            self._client = None

    def drain(self) -> None:
        super().drain()
        waiting = [run_id for run_id in self._submitted if run_id not in self._begun]
        if waiting and not self._lost:
            self._client.cancel([self._submitted.pop(run_id).future for run_id in waiting])

    def run(self, runs: Sequence[StageRun], options: Options, tell: Tell) -> None:
        by_id = {run.run_id: run for run in runs}
        order = {run_id: number for number, run_id in enumerate(by_id)}
        graph = graphlib.TopologicalSorter(
            {run.run_id: [u.run_id for u in run.upstream if u.run_id in by_id] for run in runs}
        )
        graph.prepare()
        session = _Session(self._client, self.work, options)
        ready: list[tuple[int, str]] = []
        words: dict[str, Ended] = {}
        deaths: Counter[str] = Counter()
        while not self._lost:
            for run_id in graph.get_ready():
                heapq.heappush(ready, (order[run_id], run_id))
            while ready and not self.draining and self._has_room_for(by_id[ready[0][1]]):
                number, run_id = heapq.heappop(ready)
                future = session.submit(by_id[run_id], priority=-number)
                self._submitted[run_id] = _Submitted(by_id[run_id], future)
            if not self._submitted and (self.draining or not ready):
                session.close()
                return
            try:
                # From time to time without news: a worker that has died may be there again.
                run_id, news = session.heard.get(timeout=1)
            except queue.Empty:
                continue
            if run_id not in self._submitted:
                continue  # cancelled by `drain`
            if news is None:
                self._begun.add(run_id)
                tell(by_id[run_id], None)
            elif isinstance(news, Ended):
                # Not told yet: for Dask its worker is at it still. A worker that dies now has the
                # run done once more, which finds it done.
                words.setdefault(run_id, news)
            elif news.cancelled():
                # A client that has lost its scheduler has all its futures cancelled.
                self._lost = True
            elif _died(news) and deaths[run_id] < self.retries and not self.draining:
                deaths[run_id] += 1
                del self._submitted[run_id]
                heapq.heappush(ready, (order[run_id], run_id))
            else:
                run = by_id.pop(run_id)
                del self._submitted[run_id]
                graph.done(run_id)
                tell(run, words.get(run_id) or _without_a_word(news, run))
        for run_id, run in by_id.items():
            if run_id in self._begun:
                tell(run, Ended("killed", Status("killed", message=LOST)))
            else:
                tell(run, Ended("blocked", Status(message=LOST)))

    def _has_room_for(self, run: StageRun) -> bool:
        """Whether the run may be given to Dask now. A cluster gets all: what waits there tells one
        that grows and shrinks how large to be."""
        return True

    def _connect(self) -> None:
        from distributed import Client

        # A lost scheduler is told of in a line, without Dask's traceback.
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
        place = {key: value for key, value in self._place.items() if value}
        try:
            self._client = Client(**place, timeout=CONNECT_S, set_as_default=False)
            self._client.wait_for_workers(1, timeout=FIRST_WORKER_S)
        except (OSError, TimeoutError, ValueError) as error:
            self.__exit__()
            where = ", ".join(str(value) for value in place.values())
            raise StudyError(
                f"no Dask cluster with a worker can be reached at {where}: {error}\n"
                "docs/cluster.md says how to start one."
            ) from error


class LocalExecutor(DaskExecutor):
    """Worker processes on this machine, one stage run at a time in each.

    With `gpus` (device ids) there is one worker for each, which sees that one only. With
    `dashboard`, Dask shows what they do on a page that this machine alone can open.
    """

    retries = RETRIES

    def __init__(
        self, workers: int, gpus: Sequence[str] = (), dashboard: bool = False, **options: Any
    ):
        super().__init__(**options)
        self._devices = list(gpus) or [None] * workers
        self._memory = math.inf if gpus else machine.total_memory()
        self._dashboard = dashboard
        self._started = contextlib.ExitStack()
        self._cluster: SpecCluster | None = None

    @property
    def workers(self) -> int:
        return len(self._devices)

    def __enter__(self) -> LocalExecutor:
        import dask
        from distributed import Scheduler, SpecCluster

        self._started.enter_context(dask.config.set(LOCAL_SETTINGS))
        forks.start_for_workers()
        place = {"host": LOOPBACK, "port": 0, "dashboard_address": f"{LOOPBACK}:0"}
        scheduler = {"cls": Scheduler, "options": {**place, "dashboard": self._dashboard}}
        workers = {number: _nanny(device) for number, device in enumerate(self._devices)}
        try:
            cluster = SpecCluster(workers, scheduler, silence_logs=logging.CRITICAL)
            self._cluster = self._place["address"] = self._started.enter_context(cluster)
            self._connect()
        except BaseException as error:
            self.__exit__()
            if not isinstance(error, (OSError, RuntimeError, TimeoutError)):
                raise
            raise StudyError(
                f"the workers on this machine could not be started: {error}\n"
                "Without workers:  --executor serial"
            ) from error
        device = "one GPU each" if self._devices[0] else "on this machine"
        link = f"; dashboard: {self._client.dashboard_link}" if self._dashboard else ""
        self.say(f"{self.workers} worker{'s' if self.workers > 1 else ''}, {device}{link}")
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._client is not None and self._submitted:
                self._stop_work()
        finally:
            super().__exit__()
            self._started.close()

    def _stop_work(self) -> None:
        from distributed import wait

        self._client.run(_interrupt, on_error="ignore", wait=False)
        with contextlib.suppress(TimeoutError), self._client.as_current():
            wait([submitted.future for submitted in self._submitted.values()], STOP_S)

    def drain(self) -> None:
        # Nothing waits for a worker, and what has been given to one is finished.
        self.draining = True

    def _has_room_for(self, run: StageRun) -> bool:
        """Whether a worker is idle, and memory suffices for all."""
        alive = len(self._cluster.scheduler.workers)
        starters = {nanny.status.name for nanny in self._cluster.workers.values()}
        if not alive and starters <= {"closed", "failed"}:
            raise StudyError(
                "the workers on this machine died, and no other could be started.\n"
                "The same command goes on from here. Without workers:  --executor serial"
            )
        used = sum(resources.memory_of(submitted.run) for submitted in self._submitted.values())
        fits = not used or used + resources.memory_of(run) <= self._memory
        return fits and len(self._submitted) < alive


class _Session:
    """What one call of `run` has Dask do, and what is `heard` of it: (run id, what)."""

    def __init__(self, client: Client, work: Work, options: Options):
        self.heard: queue.SimpleQueue[tuple[str, Ended | Future | None]] = queue.SimpleQueue()
        self._client = client
        self._topic = f"rag-study-{uuid.uuid4().hex[:8]}"
        environment = machine.as_planned_here()
        environment["RAG_STUDY_OUTPUTS"] = str(run_folder.outputs_dir().resolve())
        environment["RAG_STUDY_FOLDER"] = str(paths.working_dir().resolve())
        self._fixed = (work, options, environment, self._topic)
        workers = client.scheduler_info(-1)["workers"].values()
        self._declared = {name for worker in workers for name in worker["resources"]}
        # How a run ended its worker says itself, before Dask knows that the task has ended: a
        # result would be lost with its worker, and be asked for again.
        client.subscribe_topic(self._topic, lambda event: self.heard.put(_heard(event[1])))

    def submit(self, run: StageRun, priority: int) -> Future:
        labels = {k: v for k, v in resources.labels(run).items() if k in self._declared}
        future = self._client.submit(
            _on_worker,
            run,
            *self._fixed,
            # Dask takes every character of it for the kind of the task: a kind of its own, whose
            # duration is never known. docs/cluster.md has schedulers take it for a minute: of tasks
            # taken for hours, one stays behind the task that its worker is at until that has run
            # for a quarter as long; taken for moments, it weighs nothing beside one that has been
            # running for long, and no idle worker takes it over either.
            key=f"{run.run_id}-{uuid.uuid4().hex[:8]}".replace("-", "_"),
            resources=labels or None,
            priority=priority,
            pure=False,
        )
        future.add_done_callback(lambda future: self.heard.put((run.run_id, future)))
        return future

    def close(self) -> None:
        self._client.unsubscribe_topic(self._topic)


def _died(future: Future) -> bool:
    """Whether a run was given up because workers died under it."""
    from distributed.scheduler import KilledWorker

    return future.status == "error" and isinstance(future.exception(), KilledWorker)


def _without_a_word(future: Future, run: StageRun) -> Ended:
    """How a run ended of whose end no worker has told."""
    if _died(future):
        return Ended("killed", Status("killed", message="the workers that it was given to died"))
    if future.status == "error":
        error = future.exception()
        return Ended("failed", Status("failed", message=f"{type(error).__name__}: {error}"))
    status = RunFolder(run.run_id).status()
    return Ended(status.state, status)


def _heard(event: dict[str, Any]) -> tuple[str, Ended | None]:
    if event["outcome"] is None:
        return event["run_id"], None
    return event["run_id"], Ended(event["outcome"], Status(**event["status"]))


def _on_worker(
    run: StageRun, work: Work, options: Options, environment: dict[str, str], topic: str
) -> None:
    """The work, on a worker. An error in it must not end the worker or look like its death."""
    from distributed import get_worker

    os.environ.update(environment)
    secrets.settle()
    worker = get_worker()

    def say(outcome: str | None, status: Status) -> None:
        event = {"run_id": run.run_id, "outcome": outcome, "status": asdict(status)}
        worker.log_event(topic, event)

    try:
        surroundings.settle()  # the worker of a cluster has a home and a TMPDIR of its own
        ended = work(run, options, lambda: say(None, Status()))
    except KeyboardInterrupt:  # see `_interrupt`
        ended = Ended("killed", Status("killed", message="stopped"))
    except StudyError as error:
        ended = Ended("failed", Status("failed", message=str(error)))
    except Exception as error:
        ended = Ended("failed", Status("failed", message=f"{type(error).__name__}: {error}"))
    say(ended.outcome, ended.status)


async def _interrupt(dask_worker: Any) -> None:
    """What Ctrl-C is to a runner, for the run that a worker is at, which a signal would not reach:
    its thread is not the main one. It looks up once a second, from waiting for its kernel."""
    for thread in dask_worker.active_threads:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt)
        )


def _nanny(gpu: str | None) -> dict[str, Any]:
    """One worker process, started again when it dies."""
    from distributed import Nanny

    options = {
        "host": LOOPBACK,
        "dashboard": False,
        "dashboard_address": f"{LOOPBACK}:0",
        "nthreads": 1,
        # Notebooks are processes of their own: a limit of the worker would not hold them.
        "memory_limit": 0,
        "env": {**os.environ, **({} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu})},
        # Dask itself removes there what workers that were killed have left behind.
        "local_directory": tempfile.gettempdir(),
        "silence_logs": logging.CRITICAL,
    }
    return {"cls": Nanny, "options": options}
