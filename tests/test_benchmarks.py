"""The benchmarks run in their smallest size: that they end, not what they say, is looked at."""

import os
import subprocess
import sys

import pytest

from rag_study.common.paths import PROJECT_ROOT

SMALLEST = {
    "plan": "grid.py plan --runs 40",
    "schedule": "grid.py schedule --runs 4 --seconds 0.1 --workers 1",
    "loading": "loading.py --megabytes 1",
    "own data": "own_data.py --questions 40 --passages 400",
    "search": "retrieval.py --no-corpus --passages 200 --asked 5 --builds 1 --repeats 1",
    "analysis": "effects.py --comparisons 20 --questions 8",
    "intervals": "intervals.py uneven --studies 2",
    "looks": "looks.py none --studies 3",
}
WITH_THE_MODEL = {
    "passages": "retrieval.py --worlds 10 --passages 0 --repeats 1",
    "answers": "generation.py --questions 2 --new-tokens 2 --batch-size 2 --repeats 1",
    "training": "finetuning.py --kinds closed_book --contenders this_project --examples 8",
    "growth": "growth.py questions --factors 1 2 3",
}


def _ends(command: str, tmp_path) -> None:
    ended = subprocess.run(
        [sys.executable, *f"benchmarks/{command}".split()],
        cwd=PROJECT_ROOT,
        env={**os.environ, "RAG_STUDY_OUTPUTS": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert ended.stdout.strip()


@pytest.mark.parametrize("name", SMALLEST)
def test_smallest(name, tmp_path):
    _ends(SMALLEST[name], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_THE_MODEL)
def test_smallest_with_the_model(name, tmp_path):
    _ends(WITH_THE_MODEL[name], tmp_path)
