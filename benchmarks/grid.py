"""Planning, resuming and scheduling large studies: `python benchmarks/grid.py --help`.

The stage of most measurements only sleeps, so that what is measured is the study's own work. Every
figure comes with the processor seconds that it took and the machine's load: on a busy machine the
wall time says more about the others.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat

from rag_study.cli.study import planned
from rag_study.common import run_folder
from rag_study.common.paths import PROJECT_ROOT
from rag_study.common.run_folder import RunFolder, Status
from rag_study.study import plan
from rag_study.study.notebook_cells import notebook_source
from rag_study.study.running import runner, study_run
from rag_study.study.running.dask_executor import LocalExecutor
from rag_study.study.running.executors import Executor
from rag_study.study.running.runner import Ended, Options
from rag_study.study.running.study_run import Progress
from rag_study.study.stages import Stage, StageRun

STUDY = """\
name: large
models: [random-llama]
datasets: [{{name: fictional, num_worlds: 84, test_size: 8}}]
fine_tuning: [{{train_size: [4, 8]}}]
judges: [{{model: random-llama, ladder_size: 20}}]
compute: {{dtype: float32, threads: 1}}
seeds: {seeds}
"""
NOTEBOOK = """\
import os, time
from rag_study.common import run_folder
folder = run_folder.RunFolder(run_id)
about = run_folder.started_now()
time.sleep(seconds)
folder.set_status("done", **about)
"""


@dataclass(frozen=True)
class SleepStage(Stage):
    """A stage whose notebook lies in a folder of the benchmark's own."""

    folder: str = ""

    @property
    def path(self) -> Path:
        return Path(self.folder) / "sleep.ipynb"


@contextlib.contextmanager
def measured(what: str) -> Iterator[None]:
    def cores() -> float:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(usage.ru_utime + usage.ru_stime for usage in used)

    wall, before = time.monotonic(), cores()
    yield
    took, used = time.monotonic() - wall, cores() - before
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{what}: {took:.2f} s, {used:.2f} processor s, {memory:.0f} MB, "
        f"load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def large_study(folder: Path, runs: int) -> Path:
    """A study file with about so many stage runs: four for every training."""
    file = folder / "large.yaml"
    file.write_text(STUDY.format(seeds=list(range(runs // 8))))
    return file


def planning(folder: Path, count: int) -> None:
    file = large_study(folder, count)
    with measured(f"plan {count} stage runs"):
        runs = plan.expand(file)
        planned(runs)
    for run in runs:
        RunFolder(run.run_id).set_status("done", extent=run.extent, seconds=1.0)
    published = run_folder.study_dir("large")
    published.mkdir(parents=True)
    (published / "made_by.txt").write_text(runs[-1].run_id)
    with measured(f"resume {len(runs)} finished runs"):
        progress = Progress(plan.expand(file))
        study_run.run_all(progress, Executor())
    assert progress.count("reused") == len(runs)


def sleeper(folder: Path, number: int, seconds: float) -> StageRun:
    stage = SleepStage("sleep", "sleep", 1, folder=str(folder))
    given = {"run_id": "", "seconds": seconds}
    identity = {"number": number, "seconds": seconds}
    # A study executes its notebooks as they were when it was planned.
    source = notebook_source(stage.path) if stage.path.exists() else ""
    run = StageRun(stage, given, (), f"n{number}", identity, source)
    given["run_id"] = run.run_id
    return run


def without_kernel(run: StageRun, options: Options, started) -> Ended:
    return runner.execute(run, options, started, _sleep)


def _sleep(run: StageRun, folder: RunFolder, cell_timeout: int | None) -> Status:
    time.sleep(run.parameters["seconds"])
    folder.set_status("done", seconds=run.parameters["seconds"], **run_folder.started_now())
    return folder.status()


def scheduling(folder: Path, executor: Executor, count: int, seconds: float, what: str) -> None:
    """Time that `count` sleeping runs take beyond their sleep, from the first start to the end."""
    progress = Progress([sleeper(folder, number, seconds) for number in range(count)])
    first = []

    def seen(event: str, run: StageRun, status: Status) -> None:
        first or first.append(time.monotonic())
        if event == "ended" and status.state != "done":
            raise SystemExit(f"{run.run_id} {status.state}: {status.message}")

    with measured(what):
        study_run.run_all(progress, executor, on_event=seen)
    took = time.monotonic() - first[0]
    ideal = count * seconds / progress.workers
    print(
        f"  {progress.workers} workers, {count} runs of {seconds} s: {took:.1f} s after the first "
        f"start, overhead {(took - ideal) * progress.workers / count:.3f} s per run, "
        f"efficiency {ideal / took:.0%}",
        flush=True,
    )
    shutil.rmtree(run_folder.outputs_dir() / "runs" / "sleep")


def notebooks(folder: Path, workers: int, count: int, seconds: float) -> None:
    book = nbformat.v4.new_notebook()
    book.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "x"}
    parameters = nbformat.v4.new_code_cell('run_id: str = ""\nseconds: float = 0.0')
    parameters.metadata["tags"] = ["parameters"]
    book.cells = [parameters, nbformat.v4.new_code_cell(NOTEBOOK)]
    nbformat.write(book, folder / "sleep.ipynb")
    scheduling(folder, LocalExecutor(workers), count, seconds, f"notebooks on {workers} workers")


def study(file: str, executor: str) -> None:
    """A whole study in an outputs folder of its own."""
    with tempfile.TemporaryDirectory(prefix="rag-grid-") as outputs:
        options = ["--anyway", "--executor", executor]  # of few questions, too
        command = [sys.executable, "-m", "rag_study", "run", file, *options]
        environment = {**os.environ, "RAG_STUDY_OUTPUTS": outputs}
        with measured(f"{file}, {executor}"):
            subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["plan", "schedule", "notebooks", "study"])
    parser.add_argument("--runs", type=int, help="stage runs (10000, 500 and 60)")
    parser.add_argument("--seconds", type=float, help="sleep of one (0.1 and 20)")
    parser.add_argument("--workers", type=int, nargs="+", default=[8])
    parser.add_argument("--study", default=str(PROJECT_ROOT / "params" / "demo.yaml"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rag-grid-") as name:
        folder = Path(name)
        os.environ["RAG_STUDY_OUTPUTS"] = str(folder / "outputs")
        if given.what == "plan":
            planning(folder, given.runs or 10_000)
        elif given.what == "study":
            for executor in ("serial", "local"):
                study(given.study, executor)
        else:
            for workers in given.workers:
                if given.what == "notebooks":
                    notebooks(folder, workers, given.runs or 60, given.seconds or 20.0)
                    continue
                executor = LocalExecutor(workers, work=without_kernel)
                what = f"without a kernel, {workers} workers"
                scheduling(folder, executor, given.runs or 500, given.seconds or 0.1, what)


if __name__ == "__main__":
    import grid  # workers find the stage under its module's name, which __main__ is not

    grid.main()
