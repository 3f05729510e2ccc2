import subprocess
import sys
import time

import pytest
from naps import nap, work

from rag_study.common import run_users
from rag_study.common.errors import StudyError
from rag_study.common.run_folder import RunFolder, Status
from rag_study.study import stages
from rag_study.study.running import study_run
from rag_study.study.running.executors import Executor
from rag_study.study.running.runner import USUAL
from rag_study.study.running.study_run import Progress


def test_the_estimate_comes_from_finished_runs_of_the_stage():
    runs = [nap(f"n{i}") for i in range(7)]
    progress = Progress(runs, workers=2)
    assert progress.seconds_left() == (0.0, 7)
    for run, seconds in zip(runs[:3], (10.0, 12.0, 50.0), strict=True):
        progress.end(run, "done", Status("done", seconds=seconds))
    assert progress.seconds_left() == (4 * 12.0 / 2, 0)
    progress.begin(runs[3])
    progress.running[runs[3].run_id] = (runs[3], time.monotonic() - 5)
    seconds, unknown = progress.seconds_left()
    assert abs(seconds - (3 * 12.0 + 7) / 2) < 1  # however busy the machine is
    assert unknown == 0
    assert progress.left == 3


def test_what_failed_says_nothing_about_how_long_it_takes():
    runs = [nap("a"), nap("b")]
    progress = Progress(runs)
    progress.end(runs[0], "failed", Status("failed", seconds=3.0))
    assert progress.seconds_left() == (0.0, 1)
    assert progress.count("failed", "killed") == 1


@pytest.mark.parametrize("used", [0, 1])
def test_what_somebody_uses_is_not_begun_from_nothing(outputs, monkeypatch, used):
    runs = [nap("first"), nap("second")]
    for run in runs:
        work(run, USUAL, lambda: None)
    user = run_users.User(7, "there", "a study elsewhere")
    monkeypatch.setattr(run_users, "users", lambda: {runs[used].run_id: user})
    with pytest.raises(StudyError, match=r"is in use by a study elsewhere \(process 7 on there\)"):
        study_run.run_all(Progress(runs), Executor(), force=True)
    assert all(stages.is_done(run) for run in runs)
    progress = Progress(runs)
    study_run.run_all(progress, Executor())  # beside it, what is done is used
    assert progress.count("reused") == 2


def test_who_runs_a_study_uses_its_runs_until_it_ends(outputs):
    runs, there = [nap("first"), nap("last", nap("first"))], []

    class Looking(Executor):
        def run(self, batch, options, tell):
            command = "from rag_study.common import run_users; print(*run_users.users())"
            told = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True)
            there.extend(told.stdout.split())

    study_run.run_all(Progress(runs), Looking())
    assert there == [run.run_id for run in runs]
    assert not list((outputs / ".users").glob("*.json"))


def test_nothing_begins_again_while_one_of_the_runs_is_being_worked_on(outputs):
    runs = [nap("first"), nap("second")]
    for run in runs:
        work(run, USUAL, lambda: None)
    lock = RunFolder(runs[1].run_id).acquire()
    try:
        with pytest.raises(StudyError, match=r"second-\w+ is being worked on by another"):
            study_run.run_all(Progress(runs), Executor(), force=True)
    finally:
        lock.release(force=True)
    assert all(stages.is_done(run) for run in runs)
