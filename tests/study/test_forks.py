"""Kernels that are copies of a process which has loaded what they need."""

import os
import shutil
import subprocess
import sys
import time

import psutil
import pytest

from rag_study.common.paths import PROJECT_ROOT
from rag_study.study.running import forks

COMMAND = [sys.executable, "-m", "ipykernel_launcher", "-f", "k.json"]


def is_copied_kernel(process):
    """Whether it is one, and has had torch from the beginning."""
    try:
        own_session = os.getsid(process.pid) == process.pid
        if not own_session or "forkserver" not in " ".join(process.cmdline()):
            return False
        return any("libtorch" in part.path for part in process.memory_maps())
    except (OSError, psutil.Error):
        return False


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="CUDA does not survive a fork")
@pytest.mark.parametrize("executor", [["serial"], ["local", "--workers", "1"]])
def test_every_executor_copies_kernels_which_write_to_the_log_of_their_run(executor, outputs):
    file = str(PROJECT_ROOT / "params" / "smoke.yaml")
    command = [sys.executable, "-m", "rag_study", "run", file, "--anyway", "--executor", *executor]
    runner = subprocess.Popen(
        [*command, "--only", "prepare_data"],
        stdout=subprocess.DEVNULL,
        env={**os.environ, "RAG_STUDY_OUTPUTS": str(outputs)},
    )
    copied = set()
    while runner.poll() is None:
        there = psutil.Process(runner.pid).children(recursive=True)
        copied.update(process.pid for process in there if is_copied_kernel(process))
        time.sleep(0.02)
    assert runner.returncode == 0
    assert len(copied) == 1
    (log,) = outputs.glob("runs/prepare_data/*/log.txt")
    assert log.parent.name in log.read_text()
    assert "Ctrl-C" not in log.read_text()


@pytest.mark.parametrize("name", ["HF_HOME", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES"])
def test_a_kernel_whose_variables_are_others_is_started_anew(name, monkeypatch, tmp_path):
    forks._first_variables()
    monkeypatch.setenv(name, "another")
    assert forks.fork_kernel(COMMAND, dict(os.environ), None, tmp_path / "log.txt") is None


def test_another_python_is_started_as_it_is(tmp_path):
    other = ["/usr/bin/python-of-another", *COMMAND[1:]]
    assert forks.fork_kernel(other, dict(os.environ), None, tmp_path / "log.txt") is None
