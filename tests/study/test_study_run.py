import subprocess
import sys
import time
from dataclasses import replace

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


def planned(n, seconds=100.0, **options):
    runs = [nap(f"n{i}") for i in range(n)]
    return runs, Progress(runs, expected={run.run_id: seconds for run in runs}, **options)


def test_there_is_an_estimate_from_the_first_second_and_finished_runs_correct_it():
    runs, progress = planned(7, workers=2)
    assert progress.seconds_left == 7 * 100 / 2
    for run, seconds in zip(runs[:3], (10.0, 12.0, 14.0), strict=True):
        progress.end(run, "done", Status("done", seconds=seconds))
    # Four are left, and take nearly what the three took.
    assert 4 * 12 / 2 < progress.seconds_left < 4 * 20 / 2
    progress.end(runs[3], "failed", Status("failed", seconds=3000.0))
    assert progress.seconds_left < 3 * 20 / 2
    for run in runs[4:]:
        progress.end(run, "reused", Status("done", seconds=12.0))
    assert progress.seconds_left == 0
    assert progress.share_done == 1


def test_what_takes_seconds_says_little_about_what_takes_hours():
    runs, progress = planned(2)
    long = replace(nap("long"), stage=stages.Stage("sleep", "sleep", 1))
    progress.runs.append(long)
    progress.expected[long.run_id] = 7200.0
    for run in runs[:2]:
        progress.end(run, "done", Status("done", seconds=1.0))
    assert 0.7 * 7200 < progress.seconds_left < 7200


def test_a_run_that_takes_longer_than_expected_never_has_nothing_left(outputs):
    runs, progress = planned(1, 60.0)
    began = time.monotonic() - 600
    progress.running[runs[0].run_id] = (runs[0], began)
    progress.began = began
    assert progress.seconds_left > 100  # no items are told, ten minutes are over
    assert 0.5 < progress.share_done < 0.9
    folder = RunFolder(runs[0].run_id)
    folder.path.mkdir(parents=True)
    for done, low, high in ((1, 140, 3000), (50, 590, 610), (90, 60, 75), (100, 10, 30)):
        folder.set_progress(done, 100)
        assert low < progress.seconds_left < high, done


def test_the_estimate_goes_down_as_the_items_do(outputs, monkeypatch):
    """A run of 200 seconds that was expected to take 60, or 2,000."""
    for expected in (60.0, 2000.0):
        runs, progress = planned(1, expected)
        folder = RunFolder(runs[0].run_id)
        folder.path.mkdir(parents=True, exist_ok=True)
        wrong = []
        for spent in range(20, 200, 20):
            progress.running[runs[0].run_id] = (runs[0], time.monotonic() - spent)
            folder.set_progress(spent // 2, 100)
            wrong.append(abs(progress.seconds_left - (200 - spent)))
        assert wrong[-1] < 25
        assert wrong[-1] < wrong[0]


def test_nobody_shares_the_longest_run(outputs):
    runs, progress = planned(1, workers=8)
    progress.begin(runs[0])
    assert progress.seconds_left > 90


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
