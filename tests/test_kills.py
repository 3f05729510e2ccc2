"""Runners, workers and kernels killed at many moments: the tables come out the same, and nothing is
executed more often than the kills explain."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import psutil
import pytest
from naps import begun, in_the_background

from rag_study import grid, store
from rag_study.provenance import PROJECT_ROOT

SMOKE = str(PROJECT_ROOT / "params" / "smoke.yaml")
COMMAND = [sys.executable, "-m", "rag_study.cli", "run", SMOKE]
TABLES = ("results.csv", "comparisons.csv")
KILLS = 100
NAPS = """
import naps
from rag_study.executors import LocalExecutor
from rag_study.study_run import Progress, run_all
first = naps.nap("first", seconds=0.3)
runs = [first, *(naps.nap(f"n{i}", first, seconds=0.3) for i in range(10))]
progress = Progress(runs)
run_all(progress, LocalExecutor(2, work=naps.work))
raise SystemExit(set(progress.outcomes.values()) - {"done", "reused"} != set())
"""


def processes_of(runner):
    """Process ids by kind of a runner that may end at any moment: itself, workers, kernels."""
    found = {"runner": [runner.pid], "worker": [], "kernel": []}
    try:
        for child in psutil.Process(runner.pid).children(recursive=True):
            line = " ".join(child.cmdline())
            if "ipykernel" in line:
                found["kernel"].append(child.pid)
            elif "forkserver" in line and child.ppid() != runner.pid:
                found["worker"].append(child.pid)
    except psutil.Error:
        pass
    return found


def at_work(runner):
    there = processes_of(runner)
    return bool(there["worker"] or there["kernel"])


def storm(command, environment, kills, rng, longest):
    """Kill processes of a command at random moments, starting it again when it has ended, until so
    many are killed or it is done. Returns kills by kind.
    """
    counts = dict.fromkeys(("runner", "worker", "kernel"), 0)
    runner = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    while sum(counts.values()) < kills:
        if runner.poll() is not None:
            if runner.returncode == 0:
                break
            runner = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        # Mostly at work, sometimes while it starts; a busy machine takes its time for that.
        if rng.random() < 0.9:
            while runner.poll() is None and not at_work(runner):
                time.sleep(0.1)
        end = time.monotonic() + rng.uniform(0, longest)
        while time.monotonic() < end and runner.poll() is None:
            time.sleep(0.02)
        there = processes_of(runner)
        if runner.poll() is not None:
            continue
        kind = rng.choice([kind for kind, members in there.items() if members])
        try:
            os.kill(rng.choice(there[kind]), signal.SIGKILL)
        except ProcessLookupError:
            continue
        counts[kind] += 1
        if kind == "runner":
            runner.wait(60)
    runner.wait(600)
    return counts


def test_killed_runners_and_workers_lose_nothing(outputs):
    outputs.mkdir()
    command, environment = [sys.executable, "-c", NAPS], in_the_background(outputs)
    counts = storm(command, environment, 6, random.Random(1), longest=1.0)
    assert subprocess.run(command, env=environment).returncode == 0
    names = ["first", *(f"n{i}" for i in range(10))]
    states = [json.loads(f.read_text())["state"] for f in outputs.rglob("status.json")]
    assert states == ["done"] * len(names)
    # A runner's death ends what its two workers were at, a worker's death what it was at.
    assert set(begun()) == set(names)
    assert len(begun()) <= len(names) + 2 * counts["runner"] + counts["worker"]
    assert sum(counts.values()) >= 1


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["serial", "local"])
def test_killed_at_any_moment_the_study_ends_with_the_same_tables(executor, tmp_path, monkeypatch):
    def tables():
        return {name: (store.study_dir("smoke") / name).read_bytes() for name in TABLES}

    monkeypatch.setenv("RAG_STUDY_OUTPUTS", str(tmp_path / "calm"))
    calm = subprocess.run(COMMAND, capture_output=True, text=True)
    assert calm.returncode == 0, calm.stdout
    expected = tables()

    rng, counts = random.Random(0), dict.fromkeys(("runner", "worker", "kernel"), 0)
    executions = lost = storms = 0
    command = [*COMMAND, "--executor", executor]
    workers = ["--workers", "2"] if executor == "local" else []
    while sum(counts.values()) < KILLS:
        storms += 1
        monkeypatch.setenv("RAG_STUDY_OUTPUTS", str(tmp_path / f"stormy-{storms}"))
        left = KILLS - sum(counts.values())
        new = storm([*command, *workers], dict(os.environ), left, rng, longest=25)
        last = subprocess.run([*command, *workers], capture_output=True, text=True)
        assert last.returncode == 0, last.stdout
        assert tables() == expected
        runs = grid.expand(SMOKE)
        tries = [store.RunFolder(run.run_id).status().tries for run in runs]
        executions += sum(tries) - len(runs)
        lost += 2 * new["runner"] + new["worker"] + new["kernel"]
        for kind, number in new.items():
            counts[kind] += number
        assert not list((tmp_path / f"stormy-{storms}").rglob(".new-*"))
    print(json.dumps({"kills": counts, "studies": storms, "executions again": executions}))
    assert executions <= lost
