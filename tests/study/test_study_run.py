import time

from naps import nap

from rag_study.common.run_folder import Status
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
