"""A Dask cluster as the place where stage runs execute: dependencies, placement and retries are
Dask's."""

from __future__ import annotations

import logging
import os
import queue
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag_study.common import machine, paths, run_folder
from rag_study.common.errors import StudyError
from rag_study.common.run_folder import RunFolder, Status
from rag_study.study.running import resources
from rag_study.study.running.executors import RETRIES, Executor, Tell, Work, in_any_case
from rag_study.study.running.runner import Ended, Options
from rag_study.study.stages import StageRun

if TYPE_CHECKING:
    from distributed import Client, Future

# How long to look for a cluster's scheduler, and then (queues are long) for its first worker.
CONNECT_S, FIRST_WORKER_S = 30, 3600
# Dask puts a task where its input is, and has idle workers take over what waits behind another. It
# compares durations for that: of unknown tasks that it takes for hours, one stays behind the task
# that its worker is at until that has run for a quarter as long; taken for moments, the tasks of a
# worker weigh nothing beside one that has been running elsewhere, and stay, too.
SCHEDULER = {
    "distributed.scheduler.allowed-failures": RETRIES,
    "distributed.scheduler.unknown-task-duration": "1m",
}
# Whoever reaches a Dask scheduler can run code: ours listens to this machine alone.
LOOPBACK = "127.0.0.1"
LOST = "the Dask cluster was lost: its scheduler does not answer any more"


class DaskExecutor(Executor):
    """A Dask cluster: dependencies, placement and retries are Dask's.

    Without `address` or `scheduler_file` a cluster is started on this machine, as `LocalExecutor`
    does it. Stage runs carry the resource labels that the workers of the cluster declare
    (`GPU`, `MEMORY` in bytes).
    """

    def __init__(
        self,
        address: str | None = None,
        scheduler_file: Path | None = None,
        workers: int = 1,
        gpus: Sequence[str] = (),
        **options: Any,
    ):
        super().__init__(**options)
        self._devices = list(gpus) or [None] * workers
        self._place = {"address": address, "scheduler_file": scheduler_file}
        self._cluster: Any = None
        self._client: Client | None = None
        self._futures: dict[str, Future] = {}
        self._begun: set[str] = set()
        self._lost = False

    @property
    def workers(self) -> int:
        return len(self._client.scheduler_info(-1)["workers"]) or 1 if self._client else 1

    @property
    def dashboard(self) -> str:
        return self._client.dashboard_link

    def __enter__(self) -> DaskExecutor:
        import dask
        from distributed import Client, Nanny, Scheduler, SpecCluster

        if not any(self._place.values()):
            dask.config.set(SCHEDULER)
            specification = {}
            for number, gpu in enumerate(self._devices):
                # Notebooks are processes of their own: a limit of the worker would not hold them.
                options = {"nthreads": 1, "memory_limit": 0, "env": machine.as_planned_here()}
                options |= {"host": LOOPBACK, "silence_logs": logging.CRITICAL}
                if gpu is not None:
                    options["env"] = options["env"] | {"CUDA_VISIBLE_DEVICES": gpu}
                    options["resources"] = {"GPU": 1}
                specification[number] = {"cls": Nanny, "options": options}
            place = {"host": LOOPBACK, "port": 0, "dashboard_address": f"{LOOPBACK}:0"}
            scheduler = {"cls": Scheduler, "options": place}
            self._cluster = SpecCluster(specification, scheduler, silence_logs=logging.ERROR)
            self._place["address"] = self._cluster.scheduler_address
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
        address = self._client.scheduler.address
        self.say(f"Dask cluster {address}, {self.workers} workers; dashboard: {self.dashboard}")
        return self

    def __exit__(self, *_: object) -> None:
        if self._client is not None:
            self._client.cancel([f for f in self._futures.values() if not f.done()])
            self._client.close()
            self._client = None
        if self._cluster is not None:
            self._cluster.close()
            self._cluster = None

    def drain(self) -> None:
        super().drain()
        if not self._lost:
            waiting = [f for run_id, f in self._futures.items() if run_id not in self._begun]
            self._client.cancel([future for future in waiting if not future.done()])

    def run(self, runs: Sequence[StageRun], options: Options, tell: Tell) -> None:
        if self._lost:
            for run in runs:
                tell(run, Ended("blocked", Status(message=LOST)))
            return
        # What workers say arrives before Dask knows that their task has ended, and stays known
        # when they die; a result would be lost with its worker, and be asked for again.
        events: queue.SimpleQueue[tuple[str, Ended | Future | None]] = queue.SimpleQueue()
        session = uuid.uuid4().hex[:8]
        topic = f"rag-study-{session}"
        self._client.subscribe_topic(topic, lambda event: events.put(_heard(event[1])))
        environment = machine.as_planned_here()
        environment["RAG_STUDY_OUTPUTS"] = str(run_folder.outputs_dir().resolve())
        environment["RAG_STUDY_FOLDER"] = str(paths.working_dir().resolve())
        declared = {
            name
            for worker in self._client.scheduler_info(-1)["workers"].values()
            for name in worker["resources"]
        }
        futures = self._futures = {}
        for number, run in enumerate(runs):
            labels = {k: v for k, v in resources.labels(run).items() if k in declared}
            future = self._client.submit(
                _on_dask_worker,
                self.work,
                run,
                options,
                environment,
                topic,
                [futures[u.run_id] for u in run.upstream if u.run_id in futures],
                key=_key(run, session),
                resources=labels or None,
                priority=-number,
                pure=False,
            )
            futures[run.run_id] = future
        for run_id, future in futures.items():
            future.add_done_callback(lambda future, run_id=run_id: events.put((run_id, future)))
        by_id = {run.run_id: run for run in runs}
        left = set(by_id)
        while left:
            run_id, said = events.get()
            if said is None and run_id in left:
                self._begun.add(run_id)
                tell(by_id[run_id], None)
            elif run_id in left:
                left.discard(run_id)
                run, ended = by_id[run_id], said
                if not isinstance(said, Ended):
                    ended = self._without_a_word(said, run)
                if ended is not None:
                    tell(run, ended)
        if not self._lost:
            self._client.unsubscribe_topic(topic)

    def _without_a_word(self, future: Future, run: StageRun) -> Ended | None:
        """How a run ended of whose end no worker has told; None for one that we have cancelled."""
        from distributed.scheduler import KilledWorker

        if future.status == "cancelled":
            # A client that has lost its scheduler has all its futures cancelled.
            self._lost = self._lost or not self.draining
            if not self._lost:
                return None
            if run.run_id in self._begun:
                return Ended("killed", Status("killed", message=LOST))
            return Ended("blocked", Status(message=LOST))
        error = future.exception() if future.status == "error" else None
        if error is None:
            status = RunFolder(run.run_id).status()
            return Ended(status.state, status)
        if isinstance(error, KilledWorker) and error.task == future.key:
            message = f"its workers died, {RETRIES + 1} one after the other"
            return Ended("killed", Status("killed", message=message))
        if isinstance(error, KilledWorker):
            return Ended("blocked", Status(message="the workers of a run that it needs died"))
        return Ended("failed", Status("failed", message=f"{type(error).__name__}: {error}"))


def _key(run: StageRun, session: str) -> str:
    """A key of which Dask takes every character for the kind of the task: a kind of its own, whose
    duration is never known (see SCHEDULER)."""
    return f"{run.run_id}-{session}".replace("-", "_")


def _heard(said: dict[str, Any]) -> tuple[str, Ended | None]:
    if said["outcome"] is None:
        return said["run_id"], None
    return said["run_id"], Ended(said["outcome"], Status(**said["status"]))


def _on_dask_worker(
    work: Work,
    run: StageRun,
    options: Options,
    environment: dict[str, str],
    topic: str,
    needed: list[None],
) -> None:
    """The work on a worker of the cluster. `needed` only makes Dask wait."""
    from distributed import get_worker

    os.environ.update(environment)
    worker = get_worker()

    def say(outcome: str | None, status: Status) -> None:
        told = {"run_id": run.run_id, "outcome": outcome, "status": asdict(status)}
        worker.log_event(topic, told)

    ended = in_any_case(work, run, options, lambda: say(None, Status()))
    say(ended.outcome, ended.status)
