"""Runner and kernels killed at many moments: the tables come out the same, nothing done twice."""

import os
import random
import re
import signal
import subprocess
import sys
import time

import pytest

from rag_study import grid, store
from rag_study.provenance import PROJECT_ROOT

SMOKE = str(PROJECT_ROOT / "params" / "smoke.yaml")
COMMAND = [sys.executable, "-m", "rag_study.cli", "run", SMOKE]
TABLES = ("results.csv", "comparisons.csv")


def tables():
    return {name: (store.study_dir("smoke") / name).read_bytes() for name in TABLES}


def running_kernel():
    """Process id of the notebook that is running now, if one is."""
    for run in grid.expand(SMOKE):
        status = store.RunFolder(run.run_id).status()
        if status.state == "running":
            return status.pid
    return None


@pytest.mark.slow
def test_killed_at_any_moment_the_study_ends_with_the_same_tables(tmp_path, monkeypatch):
    monkeypatch.setenv("RAG_STUDY_OUTPUTS", str(tmp_path / "calm"))
    calm = subprocess.run(COMMAND, capture_output=True, text=True)
    assert calm.returncode == 0, calm.stdout
    expected = tables()

    monkeypatch.setenv("RAG_STUDY_OUTPUTS", str(tmp_path / "stormy"))
    rng, output, kills = random.Random(0), "", 0
    for attempt in range(40):
        process = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True)
        deadline = time.monotonic() + rng.uniform(3, 22)
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.05)
        if process.poll() is None:
            victim = process.pid if attempt % 2 else running_kernel()
            if victim:
                os.kill(victim, signal.SIGKILL)
                kills += 1
        out, _ = process.communicate(timeout=300)
        output += out
        if process.returncode == 0:
            break
    assert process.returncode == 0, output
    assert kills >= 4
    assert tables() == expected
    ended = re.findall(r"done +(\S+) \(", output)
    assert len(ended) == len(set(ended))  # no stage run was done a second time
    assert not list((tmp_path / "stormy").rglob(".new-*"))
