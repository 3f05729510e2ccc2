"""What every notebook does first and last: `begin` a stage run, `finish` it.

The same two calls serve a batch run (papermill) and a notebook that someone runs in JupyterLab:
same parameters, same run id, same folder. A batch run is told which run it is; by hand that follows
from the parameters and from the notebook as it is saved.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rag_study.common import (
    checksums,
    circumstances,
    files,
    machine,
    meter,
    provenance,
    run_folder,
    run_users,
    surroundings,
)
from rag_study.common.errors import StudyError
from rag_study.common.shown import plain_tables
from rag_study.common.wording import counted
from rag_study.models import adapters
from rag_study.study import batch, differences, parameters, plan, stages, study_tables
from rag_study.study.data_groups import Dataset, Retrieval
from rag_study.study.groups import Answering, Compute, Judge, Point, Servers, System
from rag_study.study.notebook_cells import forget_notebooks
from rag_study.study.stages import is_done
from rag_study.study.training_groups import Knowledge, Training

# Folders of a run: what was trained (`adapters.folder_in`), and what a search looks in.
_LARGE = ("adapter", "index/")


class ActiveRun:
    """A stage run that this process works on and holds the lock of. Raises StudyError where a file
    of a finished run that it needs is not as it was written.

    The groups of the notebook's parameters are attributes, checked and complete.
    """

    dataset: Dataset
    retrieval: Retrieval
    model: str
    seed: int
    training: Training | None
    knowledge: Knowledge | None
    answering: Answering
    system: System | None
    judge: Judge
    semantic_similarity: bool
    retention: int
    compute: Compute
    servers: Servers
    study_file: str
    others: list[str]

    def __init__(self, run: stages.StageRun):
        self.run = run
        vars(self).update(dict(run.point))
        self.store = run_folder.RunFolder(run.run_id)
        self.folder = self.store.path
        self._lock = self.store.acquire()
        self._meter = meter.Meter()
        before = self.store.status()
        self._about = {**run_folder.started_now(), "tries": before.tries + 1}
        self._done_before = before.extent
        files.sweep(self.folder)
        shutil.rmtree(self.tables, ignore_errors=True)  # of an attempt that was killed
        self._uses = ExitStack()
        needed = {one.run_id: one for one in stages.all_upstream(run)}
        self._uses.enter_context(run_users.using(needed, f"a notebook of {run.run_id}"))
        # Of this run itself because it may only be extended.
        self.store.check()
        with ThreadPoolExecutor(checksums.THREADS) as pool:
            list(pool.map(self._check, needed.values()))
        files.write_yaml(self.folder / "params.yaml", run.parameters)
        differences.record(run)
        if not is_done(run, before):
            self.store.set_status("running", extent=self._done_before, **self._about)
        elif before.sealed:
            checksums.add(self.folder, ["params.yaml", differences.IDENTITY_FILE])

    def _check(self, needed: stages.StageRun) -> None:
        """Look at what is read here of a run that is needed. Its weights and its index, which may
        be large, only the stage right after it reads."""
        is_next = any(needed.run_id == run.run_id for run in self.run.upstream)
        run_folder.RunFolder(needed.run_id).check(
            lambda name: run_folder.is_read(name) and (is_next or not name.startswith(_LARGE))
        )

    @property
    def run_id(self) -> str:
        return self.run.run_id

    @property
    def tables(self) -> Path:
        """Where a comparison puts what belongs in the study's folder: `finish` brings it there."""
        return self.folder / study_tables.NEW_FOLDER

    def input(self, stage_name: str) -> Path | None:
        """Folder of an upstream run; None where there is none (a base has no fine-tuning run)."""
        needed = self.run.needs(stage_name)
        return run_folder.RunFolder(needed.run_id).path if needed else None

    @property
    def adapter(self) -> Path | None:
        """Folder of the trained weights that the run's state has; None for a base model."""
        trained = self.input("fine_tune")
        return adapters.folder_in(trained, self.training.checkpoint) if trained else None

    def collect(self, batches: Iterable[list[dict]], total: int, size: int) -> list[dict]:
        """Go through batches of `size` items and return all their rows.

        The progress, of `total` items, is told to whoever watches from outside.
        """
        from tqdm.auto import tqdm

        rows: list[dict] = []
        # The bar is for people in JupyterLab; a batch run reports through progress.json.
        with tqdm(total=total, disable="JPY_SESSION_NAME" not in os.environ) as bar:
            self.store.set_progress(0, total)
            for new_rows in batches:
                rows += new_rows
                bar.update(min(size, total - bar.n))
                self.store.set_progress(min(len(rows), total), total)
        return rows

    def finish(self, metrics: dict[str, Any], extent: dict[str, int] | None = None) -> None:
        """Record metrics, provenance and checksums; the status `done` is written last.

        `extent` is given by a run that did less than what was asked (a study with missing runs).
        Otherwise what was asked now adds to what was done before. A comparison's metrics tell how
        many answers it has and how many runs are missing; raises StudyError where that is less
        than the tables there have (`study_tables.publish`).
        """
        if extent is None:
            extent = dict(self._done_before)
            for item, amount in self.run.extent.items():
                extent[item] = max(amount, extent.get(item, 0))
        measured, finished = self._meter.read(), time.time()
        files.write_json(self.folder / "metrics.json", metrics)
        files.write_json(
            self.folder / "provenance.json",
            {
                "run_id": self.run_id,
                "stage": self.run.stage.name,
                "identity": self.run.identity,
                "started": self._about["started"],
                "finished": finished,
                "tries": self._about["tries"],
                **measured,
                **provenance.collect(),
                "circumstances": circumstances.recall(),
            },
        )
        if self.run.is_comparison:
            if not self.tables.exists():
                raise StudyError(
                    f"{self.run.stage.path}: this notebook wrote no tables to `run.tables`, from "
                    "where they come to the study's folder. If it is a copy from an earlier "
                    "version of the package, delete it, or take that line over from the package's."
                )
            study_tables.publish(
                self.tables, self.run.slug, self.run_id, metrics["answers"], metrics["missing"]
            )
        self.store.seal()
        files.settle(self.folder)
        self.store.set_status(
            "done",
            extent=extent,
            package_hash=provenance.package_hash(),
            finished=finished,
            seconds=measured["wall_seconds"],
            sealed=True,
            **self._about,
        )
        self._uses.close()
        self._lock.release(force=True)


def begin(stage_name: str, namespace: dict[str, Any]) -> ActiveRun:
    """Start a stage run with the values of the notebook's parameters cell.

    `namespace` is the notebook's `globals()`. What the stage needs and is not there yet is run
    first, so a notebook works when it is the first one that someone opens. Raises StudyError
    when that fails or another process works on this very run.
    """
    surroundings.settle()
    plain_tables()
    stage, planned = stages.find_stage(stage_name), batch.planned_run()
    if planned is not None and planned.stage.name != stage.name:
        raise StudyError(
            f"this notebook was started as a run of {planned.stage.name}, and begins {stage.name}. "
            f"Restore {planned.stage.path.name}, or the name in its `begin`."
        )
    run = planned or _planned_by_hand(stage, namespace)
    if planned is not None and (changed := differences.since_planned(planned)):
        raise StudyError(
            f"{changed[0].words} since the study began. Start it again: what is made of them is "
            "another run."
        )
    machine.apply_threads(machine.resolve_threads(run.point.compute.threads))
    if planned is None:  # else the runner has seen to it
        _run_missing(run)
    return ActiveRun(run)


def _planned_by_hand(stage: stages.Stage, namespace: dict[str, Any]) -> stages.StageRun:
    forget_notebooks()
    run = plan.stage_run(stage.name, parameters.read(stage.path, namespace, Point))
    if not run.is_comparison:  # whose study has been looked at whole
        plan.check_pools([*stages.all_upstream(run), run])
    return run


def _run_missing(run: stages.StageRun) -> None:
    from rag_study.study.running import costs, runner

    missing = {one.run_id: one for one in _missing(run)}
    if missing:
        minutes = sum(costs.expected(missing.values()).values()) / 60
        takes = f"about {minutes:.0f} min" if minutes >= 1 else "less than a minute"
        what = counted(len(missing), "run")
        print(f"What this notebook reads is not all there: {what} first, {takes}.")
    for one in missing.values():
        print(f"  {one.run_id} ...")
        ended = runner.execute(one)
        if ended.outcome not in ("done", "reused"):
            raise StudyError(f"{one.run_id}: {ended.outcome}. {ended.status.message}")


def _missing(run: stages.StageRun) -> Iterator[stages.StageRun]:
    """What has to be done before a run, what comes first in time first."""
    for needed in run.upstream:
        if not is_done(needed):
            yield from _missing(needed)
            yield needed
