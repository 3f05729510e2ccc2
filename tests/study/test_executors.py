"""The same runs on every executor: order, faults, and that nothing is left running."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import pytest
from naps import begun, diamond, in_the_background, left_over, nap, work

from rag_study.common import machine, run_folder
from rag_study.common.errors import StudyError
from rag_study.common.paths import PROJECT_ROOT
from rag_study.study import stages
from rag_study.study.running import dask_executor, resources
from rag_study.study.running.dask_executor import DaskExecutor, LocalExecutor
from rag_study.study.running.executors import Executor
from rag_study.study.running.runner import USUAL, Options
from rag_study.study.running.study_run import Progress, run_all

SMOKE = str(PROJECT_ROOT / "params" / "smoke.yaml")


@pytest.fixture(params=["serial", "local"])
def executor(request, outputs):
    outputs.mkdir()
    return Executor(work) if request.param == "serial" else LocalExecutor(2, work=work)


def go(executor, runs, **options):
    progress, events = Progress(runs), []
    run_all(progress, executor, Options(**options), lambda *event: events.append(event))
    return progress, events


@pytest.fixture
def short_folder():
    """A folder for temporary files that leaves room for the names of sockets."""
    with tempfile.TemporaryDirectory(prefix="t-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def workers_of(runner):
    """The processes forked from the one that the runner's workers are forked from."""
    return [
        child
        for child in runner.children(recursive=True)
        if "forkserver" in " ".join(child.cmdline()) and child.ppid() != runner.pid
    ]


def names(events, kind):
    return [run.slug for event, run, _ in events if event == kind]


def test_runs_come_after_what_they_need_and_are_done_once(executor):
    progress, events = go(executor, diamond())
    assert set(progress.outcomes.values()) == {"done"}
    told = [(event, run.slug) for event, run, _ in events]
    for i in range(3):
        assert told.index(("ended", "first")) < told.index(("started", f"middle-{i}"))
        assert told.index(("ended", f"middle-{i}")) < told.index(("started", "last"))
    assert sorted(begun()) == ["first", "last", "middle-0", "middle-1", "middle-2"]


def test_a_second_run_of_the_study_does_nothing(executor):
    go(executor, diamond()[:2])
    progress, events = go(Executor(work), diamond()[:2])
    assert set(progress.outcomes.values()) == {"reused"}
    assert names(events, "started") == []


def test_forced_runs_begin_again(executor):
    runs = diamond()[:2]
    go(executor, runs)
    written = run_folder.RunFolder(runs[0].run_id).path / "parts" / "part-0.jsonl"
    before = written.stat().st_mtime_ns
    progress = Progress(runs)
    run_all(progress, Executor(work), force=True)
    assert set(progress.outcomes.values()) == {"done"}
    assert written.stat().st_mtime_ns != before
    assert begun() == ["first", "middle-0"] * 2


@pytest.mark.parametrize("keep_going", [False, True])
def test_a_failure_stops_the_rest_or_blocks_what_needs_it(executor, keep_going):
    bad = nap("bad", fails=True)
    runs = [bad, nap("needs-bad", bad), *(nap(f"other-{i}", seconds=0.5) for i in range(4))]
    progress, events = go(executor, runs, keep_going=keep_going)
    outcomes = {run.slug: progress.outcomes[run.run_id] for run in runs}
    assert outcomes["bad"] == "failed"
    assert outcomes["needs-bad"] == "blocked"
    others = [outcomes[f"other-{i}"] for i in range(4)]
    if keep_going:
        assert others == ["done"] * 4
    else:
        # What had begun is finished, nothing more is begun.
        assert others == ["done"] * (executor.workers - 1) + ["blocked"] * (5 - executor.workers)
    assert [s.message for e, run, s in events if run is bad and e == "ended"] == ["it cannot sleep"]


def test_an_error_in_the_work_itself_is_a_failure_and_the_worker_lives(outputs):
    outputs.mkdir()
    runs = [nap("odd", seconds="no number"), nap("good")]
    progress, events = go(LocalExecutor(1, work=work), runs, keep_going=True)
    assert list(progress.outcomes.values()) == ["failed", "done"]
    assert "TypeError" in next(s.message for e, _, s in events if e == "ended")


def test_workers_run_side_by_side(outputs):
    outputs.mkdir()
    live, most = set(), 0

    def watch(event, run, status):
        nonlocal most
        (live.add if event == "started" else live.discard)(run.slug)
        most = max(most, len(live))

    runs = [nap(f"n{i}", seconds=0.4) for i in range(6)]
    run_all(Progress(runs), LocalExecutor(3, work=work), USUAL, watch)
    assert most == 3


def test_a_dead_worker_is_replaced_and_its_run_tried_again(outputs):
    outputs.mkdir()
    runs = [nap("frail", deaths=1), nap("deadly", deaths=9), nap("sound")]
    progress, events = go(LocalExecutor(2, work=work), runs, keep_going=True)
    outcomes = {run.slug: progress.outcomes[run.run_id] for run in runs}
    assert outcomes == {"frail": "done", "deadly": "killed", "sound": "done"}
    assert begun().count("frail") == 2
    assert begun().count("deadly") == 1 + dask_executor.RETRIES
    assert "workers that it was given to died" in next(
        s.message for e, r, s in events if s.state == "killed"
    )
    assert run_folder.RunFolder(runs[1].run_id).status().state == "killed"


def test_an_interrupt_leaves_no_process_and_nothing_done_is_lost(outputs, monkeypatch):
    # Without being told to stop, the long ones would be waited for and done.
    monkeypatch.setattr(dask_executor, "STOP_S", 120)
    outputs.mkdir()
    runs = [nap("short"), *(nap(f"long-{i}", seconds=60) for i in range(2))]
    started = []

    def interrupt(event, run, status):
        if event == "started":
            started.append(run.slug)
        if len(started) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_all(Progress(runs), LocalExecutor(2, work=work), USUAL, interrupt)
    assert workers_of(psutil.Process()) == []
    short, *long = [run_folder.RunFolder(run.run_id).status().state for run in runs]
    assert short == "done"
    # One that had only just begun may have left no trace yet.
    assert set(long) <= {"killed", "pending"}


def test_one_worker_per_gpu_sees_that_one_only(outputs):
    outputs.mkdir()
    runs = [nap(f"n{i}", seconds=0.5) for i in range(4)]
    executor = LocalExecutor(7, gpus=["3", "5"], work=work)
    assert executor.workers == 2
    _, events = go(executor, runs)
    assert {s.message for e, _, s in events if e == "ended"} == {"3", "5"}


def test_runs_that_do_not_fit_into_memory_together_wait(outputs, monkeypatch):
    outputs.mkdir()
    monkeypatch.setattr(resources, "memory_of", lambda run: 0.6 * machine.total_memory())
    live, most = set(), 0

    def watch(event, run, status):
        nonlocal most
        (live.add if event == "started" else live.discard)(run.slug)
        most = max(most, len(live))

    run_all(Progress(runs := [nap("a"), nap("b")]), LocalExecutor(2, work=work), USUAL, watch)
    assert most == 1
    assert all(stages.is_done(run) for run in runs)


def test_two_runners_share_the_work(outputs):
    outputs.mkdir()
    runs = [nap(f"n{i}", seconds=0.2) for i in range(6)]
    both = [Progress(runs), Progress(runs)]
    code = (
        "import naps; from rag_study.study.running.executors import Executor;"
        "from rag_study.study.running.study_run import Progress, run_all;"
        "run_all(Progress([naps.nap(f'n{i}', seconds=0.2) for i in range(6)]), Executor(naps.work))"
    )
    other = subprocess.Popen([sys.executable, "-c", code], env=in_the_background(outputs))
    run_all(both[0], LocalExecutor(2, work=work))
    assert other.wait(120) == 0
    assert sorted(begun()) == [f"n{i}" for i in range(6)]
    assert set(both[0].outcomes.values()) <= {"done", "reused"}


def test_a_run_of_a_dead_worker_does_not_wait_behind_another(outputs):
    outputs.mkdir()
    frail = nap("frail", deaths=1)
    # It ends when the third has begun, which needs the first.
    runs = [frail, nap("long", until=3), nap("after", frail)]
    progress, _ = go(LocalExecutor(2, work=work), runs)
    assert set(progress.outcomes.values()) == {"done"}
    assert sorted(begun()) == ["after", "frail", "frail", "long"]


def test_workers_that_cannot_be_started_again_are_said(outputs, monkeypatch):
    outputs.mkdir()

    async def start(worker_process):
        raise OSError("no more processes")

    def from_now_on(event, run, status):
        monkeypatch.setattr("distributed.nanny.WorkerProcess.start", start)

    with pytest.raises(StudyError, match="no other could be started"):
        run_all(
            Progress([nap("deadly", deaths=9)]), LocalExecutor(1, work=work), USUAL, from_now_on
        )


@pytest.mark.parametrize("dashboard", [False, True])
def test_nobody_but_this_machine_can_reach_the_workers(outputs, dashboard):
    outputs.mkdir()
    said = []
    with LocalExecutor(2, dashboard=dashboard, say=said.append):
        processes = [psutil.Process(), *workers_of(psutil.Process())]
        sockets = [c for p in processes for c in p.net_connections() if c.status == "LISTEN"]
        assert len(processes) == 3
        assert {c.laddr.ip for c in sockets} == {"127.0.0.1"}
    assert said[0].startswith("2 workers, on this machine")
    assert ("dashboard: http://127.0.0.1" in said[0]) is dashboard


def test_workers_have_the_environment_of_the_runner(outputs, monkeypatch):
    """Threads of numerical libraries decide about last digits."""
    outputs.mkdir()
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    before = dict(os.environ)
    _, events = go(LocalExecutor(1, work=work), [nap("n", shows="OMP_NUM_THREADS")])
    assert [s.message for e, _, s in events if e == "ended"] == ["3"]
    assert dict(os.environ) == before


def test_workers_settle_where_they_are(outputs, monkeypatch):
    """Those of a cluster have a home and temporary files of their own machine."""
    outputs.mkdir()
    monkeypatch.setenv("IPYTHONDIR", "/dev/null/ipython")
    _, events = go(LocalExecutor(1, work=work), [nap("n", shows="IPYTHONDIR")])
    [there] = [s.message for e, _, s in events if e == "ended"]
    assert os.path.isdir(there)


def test_a_study_of_which_all_is_done_starts_no_workers(outputs):
    outputs.mkdir()
    go(Executor(work), diamond())
    said = []
    progress, _ = go(LocalExecutor(2, work=work, say=said.append), diamond())
    assert set(progress.outcomes.values()) == {"reused"}
    assert said == []


def test_without_workers_no_dask_is_imported():
    code = "import sys, rag_study.cli; print({'dask', 'distributed'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


@pytest.mark.parametrize("how", ["Ctrl-C", pytest.param("SIGTERM", marks=pytest.mark.slow)])
def test_a_stopped_study_leaves_no_notebook_running(outputs, short_folder, how):
    command = [sys.executable, "-m", "rag_study", "run", SMOKE, "--executor", "local"]
    # A group of its own, as a terminal gives it: Ctrl-C goes to all processes in it.
    runner = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        # Tests that a shell has started in the background ignore Ctrl-C, and so would this.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        env={**os.environ, "TMPDIR": str(short_folder)},
    )
    prepare = outputs / "runs" / "prepare_data"
    while not list(prepare.glob("*/status.json")):
        assert runner.poll() is None
        time.sleep(0.1)
    there = psutil.Process(runner.pid).children(recursive=True)
    assert any(os.getsid(process.pid) == process.pid for process in there)  # a kernel
    if how == "Ctrl-C":
        os.killpg(runner.pid, signal.SIGINT)
    else:
        runner.terminate()
    shown, errors = runner.communicate(timeout=180)
    assert runner.returncode == 130
    assert "stopped; the same command goes on from here" in shown
    assert errors == ""
    assert left_over(there, seconds=10) == []
    told = [json.loads(file.read_text()) for file in prepare.glob("*/status.json")]
    assert [(status["state"], status["message"]) for status in told] == [("killed", "stopped")]
    assert not list(short_folder.glob("rag-*"))  # the kernels' sockets


def test_a_cluster_that_is_not_there_is_one_message(outputs, monkeypatch):
    monkeypatch.setattr(dask_executor, "CONNECT_S", 1)
    with (
        pytest.raises(StudyError, match="no Dask cluster with a worker can be reached"),
        DaskExecutor(address="tcp://127.0.0.1:9"),
    ):
        pass


@pytest.fixture
def by_hand(outputs, tmp_path):
    """A scheduler and two workers as people start them: their processes, and the scheduler file."""
    outputs.mkdir()
    file = tmp_path / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    commands = [[*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]]
    commands += [[*dask, "worker", "--nthreads", "1", "--resources", "GPU=1"]] * 2
    environment = in_the_background(tmp_path / "elsewhere")
    processes = [
        subprocess.Popen([*command, "--scheduler-file", str(file)], env=environment, cwd=tmp_path)
        for command in commands
    ]
    yield processes, file
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(30)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.slow
def test_a_scheduler_and_two_workers_started_by_hand(outputs, by_hand):
    processes, file = by_hand
    victim = threading.Timer(1.0, processes[1].send_signal, [signal.SIGTERM])
    runs = [nap(f"n{i}", seconds=1) for i in range(8)]

    def kill_one(event, run, status):
        if event == "started" and not victim.is_alive() and not victim.finished.is_set():
            victim.start()

    progress = Progress(runs)
    run_all(progress, DaskExecutor(scheduler_file=file, work=work), USUAL, kill_one)
    # A worker that is stopped may end its run and no longer say so; the next one finds it done.
    assert set(progress.outcomes.values()) <= {"done", "reused"}
    assert sorted(set(begun())) == sorted(run.slug for run in runs)
    assert os.path.isdir(outputs / "runs" / "nap")


@pytest.mark.slow
@pytest.mark.parametrize("keep_going", [False, True])
def test_a_scheduler_that_dies_is_said_and_another_executor_goes_on(by_hand, keep_going):
    processes, file = by_hand
    runs = [nap(f"n{i}", seconds=1) for i in range(4)]
    runs.append(nap("last", *runs))
    said = {}

    def kill_it(event, run, status):
        said[run.slug] = event, status.message
        if event == "ended" and status.state == "done":
            processes[0].kill()

    progress = Progress(runs)
    executor = DaskExecutor(scheduler_file=file, work=work)
    run_all(progress, executor, Options(keep_going=keep_going), kill_it)
    # What had begun is killed, unless nothing more had.
    assert set(progress.outcomes.values()) - {"killed"} == {"done", "blocked"}
    assert {message for _, message in said.values()} == {"", dask_executor.LOST}
    again = Progress(runs)
    run_all(again, Executor(work))
    assert set(again.outcomes.values()) == {"done", "reused"}
