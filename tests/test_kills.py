"""Runners, workers and kernels killed at many moments: the tables come out the same, and nothing is
executed more often than the kills explain."""

import json
import os
import random
import subprocess
import sys
import time

import psutil
import pytest
from naps import begun, in_the_background, left_over

from rag_study.common import run_folder
from rag_study.common.paths import PROJECT_ROOT
from rag_study.study import plan

SMOKE = str(PROJECT_ROOT / "params" / "smoke.yaml")
COMMAND = [sys.executable, "-m", "rag_study", "run", SMOKE]
KINDS = ("runner", "worker", "kernel")
KILLS = 100
MEASURED = ("costs.csv",)  # what the runs took, which kills change
NAPS = """
import naps
from rag_study.study.running.dask_executor import LocalExecutor
from rag_study.study.running.study_run import Progress, run_all
first = naps.nap("first", seconds=0.3)
runs = [first, *(naps.nap(f"n{i}", first, seconds=0.3) for i in range(10))]
progress = Progress(runs)
run_all(progress, LocalExecutor(2, work=naps.work))
raise SystemExit(set(progress.outcomes.values()) - {"done", "reused"} != set())
"""


def processes_of(runner):
    """Processes by kind of a runner that may end at any moment: itself, workers, kernels."""
    found = {"runner": [], "worker": [], "kernel": []}
    try:
        found["runner"].append(psutil.Process(runner.pid))
        for child in psutil.Process(runner.pid).children(recursive=True):
            line = " ".join(child.cmdline())
            if os.getsid(child.pid) == child.pid:
                found["kernel"].append(child)
            elif "forkserver" in line and child.ppid() != runner.pid:
                found["worker"].append(child)
    except psutil.Error:
        pass
    return found


def at_work(runner):
    there = processes_of(runner)
    return bool(there["worker"] or there["kernel"])


def storm(commands, environment, kills, rng, longest):
    """Kill processes of a command at random moments, starting one of the commands when it has
    ended, until so many are killed or it is done. Returns kills by kind.
    """

    def start():
        return subprocess.Popen(rng.choice(commands), env=environment, stdout=subprocess.DEVNULL)

    counts, seen = dict.fromkeys(KINDS, 0), set()
    runner = start()
    while sum(counts.values()) < kills:
        if runner.poll() is not None:
            if runner.returncode == 0:
                break
            runner = start()
        # Mostly at work, sometimes while it starts; a busy machine takes its time for that.
        if rng.random() < 0.9:
            while runner.poll() is None and not at_work(runner):
                time.sleep(0.1)
        end = time.monotonic() + rng.uniform(0, longest)
        while time.monotonic() < end and runner.poll() is None:
            time.sleep(0.02)
        there = processes_of(runner)
        seen.update(process for members in there.values() for process in members)
        if runner.poll() is not None:
            continue
        kind = rng.choice([kind for kind, members in there.items() if members])
        try:
            rng.choice(there[kind]).kill()
        except psutil.NoSuchProcess:
            continue
        counts[kind] += 1
        if kind == "runner":
            runner.wait(60)
    runner.wait(3600)
    assert left_over(seen, seconds=60) == []
    return counts


def test_killed_runners_and_workers_lose_nothing(outputs):
    outputs.mkdir()
    command, environment = [sys.executable, "-c", NAPS], in_the_background(outputs)
    counts = storm([command], environment, 6, random.Random(1), longest=1.0)
    assert subprocess.run(command, env=environment).returncode == 0
    names = ["first", *(f"n{i}" for i in range(10))]
    states = [json.loads(f.read_text())["state"] for f in outputs.rglob("status.json")]
    assert states == ["done"] * len(names)
    # A runner's death ends what its two workers were at, a worker's death what it was at.
    assert set(begun()) == set(names)
    assert len(begun()) <= len(names) + 2 * counts["runner"] + counts["worker"]
    assert sum(counts.values()) >= 1


@pytest.mark.slow
def test_killed_at_any_moment_the_study_ends_with_the_same_tables(tmp_path, monkeypatch):
    def tables():
        files = sorted(run_folder.study_dir("smoke").glob("*.csv"))
        return {file.name: file.read_bytes() for file in files if file.name not in MEASURED}

    monkeypatch.setenv("RAG_STUDY_OUTPUTS", str(tmp_path / "calm"))
    calm = subprocess.run(COMMAND, capture_output=True, text=True)
    assert calm.returncode == 0, calm.stdout
    expected = tables()
    assert {"results.csv", "comparisons.csv", "summary.csv"} <= set(expected)

    # Executors take turns at random: each goes on where another was stopped.
    commands = [COMMAND, [*COMMAND, "--executor", "local", "--workers", "2"]]
    rng, told = random.Random(0), []
    while sum(sum(storm["kills"].values()) for storm in told) < KILLS:
        folder = tmp_path / f"stormy-{len(told)}"
        monkeypatch.setenv("RAG_STUDY_OUTPUTS", str(folder))
        left = KILLS - sum(sum(storm["kills"].values()) for storm in told)
        kills = storm(commands, dict(os.environ), left, rng, longest=25)
        last = subprocess.run(rng.choice(commands), capture_output=True, text=True)
        assert last.returncode == 0, last.stdout
        assert tables() == expected
        tries = [run_folder.RunFolder(run.run_id).status().tries for run in plan.expand(SMOKE)]
        told.append({"kills": kills, "executions again": sum(tries) - len(tries)})
        print(json.dumps(told[-1]), flush=True)
        # A runner's death ends what its workers were at, a worker's or kernel's its own run.
        assert min(tries) >= 1
        lost = 2 * kills["runner"] + kills["worker"] + kills["kernel"]
        assert told[-1]["executions again"] <= lost
        assert not list(folder.rglob(".new-*"))
