"""Real kernels running small notebooks that end in every way a notebook can end."""

import json
import multiprocessing
import os
import signal
import subprocess
import threading
import time

import nbformat
import psutil
import pytest

from rag_study.common import run_folder
from rag_study.common.errors import StudyError
from rag_study.study import notebook_cells, plan, stages
from rag_study.study.groups import Point
from rag_study.study.running import runner
from rag_study.study.running.runner import Options
from rag_study.study.stages import is_done

PARAMETERS = {"dataset": {"name": "fictional", "num_worlds": 84}}
POINT = Point.model_validate(PARAMETERS)
BEGIN = (
    "from rag_study.study import active_run\n"
    "run = active_run.begin('prepare_data', globals())\nprint('begun')"
)
FINISH = "run.finish({'answer': 42})"


@pytest.fixture
def notebook(tmp_path, monkeypatch, outputs):
    """Replace 01's notebook by one with the given cells; returns its stage run."""
    own = property(lambda stage: tmp_path / f"{stage.notebook}.ipynb")
    monkeypatch.setattr(stages.Stage, "path", own)

    def make(*cells):
        book = nbformat.v4.new_notebook()
        names = "\n".join(f"{key} = {value!r}" for key, value in PARAMETERS.items())
        book.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "x"}
        book.cells = [nbformat.v4.new_code_cell(c) for c in (names, BEGIN, *cells)]
        book.cells[0]["metadata"]["tags"] = ["parameters"]
        for cell in book.cells[1:]:
            cell["metadata"]["tags"] = ["stage"]
        nbformat.write(book, tmp_path / "01_prepare_data.ipynb")
        notebook_cells.forget_notebooks()
        return plan.stage_run("prepare_data", POINT)

    yield make
    notebook_cells.forget_notebooks()


def test_a_notebook_that_finishes_is_done(notebook):
    run = notebook(FINISH)
    status = runner.execute(run).status
    folder = run_folder.RunFolder(run.run_id)
    assert status.state == "done"
    assert is_done(run)
    assert json.loads((folder.path / "metrics.json").read_text()) == {"answer": 42}
    provenance = json.loads((folder.path / "provenance.json").read_text())
    assert provenance["peak_memory_mb"] > 0
    assert provenance["core_seconds"] >= 0  # some systems' clocks are too coarse for so little
    assert provenance["tries"] == status.tries == 1
    assert provenance["versions"]["papermill"]
    assert "begun" in (folder.path / "log.txt").read_text()
    executed = nbformat.read(folder.path / "notebook.ipynb", as_version=4)
    assert any("injected-parameters" in c.metadata.get("tags", []) for c in executed.cells)


def test_what_is_saved_while_a_study_runs_changes_nothing_in_it(notebook, tmp_path):
    run = notebook("print('as planned')", FINISH)
    file = tmp_path / "01_prepare_data.ipynb"
    edited = nbformat.read(file, as_version=4)
    edited.cells[0]["source"] = "nothing = 'is left of the parameters'"
    edited.cells[2]["source"] = "raise ValueError('edited')"
    nbformat.write(edited, file)
    assert runner.execute(run).outcome == "done"
    folder = run_folder.RunFolder(run.run_id)
    assert "as planned" in folder.log_tail(20)
    executed = nbformat.read(folder.path / "notebook.ipynb", as_version=4)
    assert "print('as planned')" in [cell["source"] for cell in executed.cells]
    assert json.loads((folder.path / "provenance.json").read_text())["identity"] == run.identity
    file.unlink()
    assert runner.execute(run).outcome == "reused"


def test_a_kernel_is_told_its_run_and_begins_no_other_stage(notebook):
    told = (
        "import rag_study.study.batch as batch\n"
        "assert batch.planned_run().run_id == run.run_id\n"
        "assert batch.planned_run().parameters == run.run.parameters"
    )
    assert runner.execute(notebook(told, FINISH)).outcome == "done"
    other = "active_run.begin('index_corpus', globals())"
    ended = runner.execute(notebook(other, FINISH))
    assert ended.outcome == "failed"
    assert "started as a run of prepare_data, and begins index_corpus" in ended.status.message


def test_kernels_are_python_as_it_comes_whatever_the_runner_was_started_with(notebook, monkeypatch):
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")  # without docstrings transformers does not load
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    monkeypatch.setenv("PYTHONUTF8", "0")
    started = (
        "import sys\n"
        "assert sys.flags.optimize == 0 and sys.flags.utf8_mode == 1\n"
        "print('塔', file=sys.__stdout__, flush=True)"
    )
    run = notebook(started, FINISH)
    ended = runner.execute(run)
    assert ended.outcome == "done", ended.status.message
    assert "塔" in run_folder.RunFolder(run.run_id).log_tail(20)


def test_an_error_is_failed_with_its_message_and_keeps_the_log(notebook):
    run = notebook("print('so far')\nraise ValueError('the bridge is out')", FINISH)
    status = runner.execute(run).status
    assert status.state == "failed"
    assert status.message == "ValueError: the bridge is out"
    assert "so far" in run_folder.RunFolder(run.run_id).log_tail(50)
    assert "the bridge is out" in run_folder.RunFolder(run.run_id).log_tail()
    assert not is_done(run)


def test_an_error_for_people_is_one_line(notebook):
    run = notebook("from rag_study.common.errors import StudyError\nraise StudyError('say a name')")
    status = runner.execute(run).status
    assert (status.state, status.message) == ("failed", "say a name")
    assert "Traceback" not in run_folder.RunFolder(run.run_id).log_tail(50)


def test_a_killed_kernel_is_killed_though_the_notebook_looks_complete(notebook):
    run = notebook("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", FINISH)
    assert runner.execute(run).outcome == "killed"
    assert not is_done(run)
    assert not run_folder.RunFolder(run.run_id).is_locked()


def test_a_notebook_that_never_finishes_its_run_is_not_done(notebook):
    assert runner.execute(notebook("print('no finish')")).outcome == "killed"


def test_done_before_the_kernel_dies_is_done(notebook):
    run = notebook(FINISH, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert runner.execute(run).outcome == "done"


def test_a_cell_over_its_time_limit_is_a_timeout_and_its_kernel_is_gone(notebook):
    run = notebook("import time\nprint('waiting')\ntime.sleep(600)", FINISH)
    ended = runner.execute(run, Options(cell_timeout=15))
    folder = run_folder.RunFolder(run.run_id)
    assert ended.outcome == ended.status.state == folder.status().state == "timeout"
    assert "more than 15 seconds" in ended.status.message
    assert "waiting" in folder.log_tail(200)  # a kernel that is shut down may complain at length
    assert (folder.path / "notebook.ipynb").exists()
    assert not folder.is_locked()
    assert not is_done(run)


def test_a_clock_that_is_moved_back_meanwhile_does_no_harm(notebook):
    past = "import time\nyesterday = time.time() - 86400\ntime.time = lambda: yesterday"
    run = notebook(past, FINISH)
    status = runner.execute(run).status
    assert status.state == "done"
    assert status.finished < status.started
    assert 0 <= status.seconds < 600
    assert is_done(run)


@pytest.fixture
def interruptible():
    """Ctrl-C is heard, also where the tests were started in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_the_kernel_and_leaves_killed(notebook):
    run = notebook("import time\ntime.sleep(600)", FINISH)
    folder = run_folder.RunFolder(run.run_id)

    def interrupt():
        while folder.status().state != "running":
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        runner.execute(run)
    status = folder.status()
    assert (status.state, status.message) == ("killed", "stopped")
    assert not psutil.pid_exists(status.pid)
    assert not folder.is_locked()


def execute_elsewhere(run, connection):
    connection.send(runner.execute(run).outcome)


def test_two_runners_at_once_execute_a_run_once(notebook):
    run = notebook("import time\ntime.sleep(2)", FINISH)
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    other = context.Process(target=execute_elsewhere, args=(run, theirs))
    other.start()
    outcomes = {runner.execute(run).outcome, ours.recv()}
    other.join()
    assert outcomes == {"done", "reused"}
    assert run_folder.RunFolder(run.run_id).status().tries == 1


def test_memory_that_runs_out_is_a_failure_that_says_so(notebook):
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))"
    run = notebook(f"{limit}\nmuch = bytearray(2**32)", FINISH)
    ended = runner.execute(run)
    assert ended.outcome == "failed"
    assert ended.status.message.startswith("MemoryError")
    assert "bytearray" in run_folder.RunFolder(run.run_id).log_tail(30)


@pytest.fixture
def small_disk(tmp_path, monkeypatch):
    """An outputs folder on a disk of its own; returns what mounts it again with other options."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this user may not mount a disk")
    monkeypatch.setenv("RAG_STUDY_OUTPUTS", str(disk / "outputs"))
    yield lambda options: subprocess.run(
        ["mount", "-o", f"remount,{options}", str(disk)], check=True
    )
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk_fails_the_run_and_with_space_it_is_done(notebook, small_disk):
    write = (
        "from rag_study.common import files\n"
        "if run.store.status().tries == 1:\n"
        "    files.write_text(run.folder / 'result.txt', 'x' * 2_000_000)"
    )
    run = notebook(write, FINISH)
    ended = runner.execute(run)
    folder = run_folder.RunFolder(run.run_id)
    assert ended.outcome == "failed"
    assert "No space left on device" in ended.status.message
    assert not (folder.path / "result.txt").exists()
    assert not list(folder.path.rglob(".new-*"))
    assert not is_done(run)
    small_disk("size=64m")
    assert runner.execute(run).outcome == "done"


def test_a_disk_that_cannot_be_written_is_a_failure_and_can_be_looked_at(small_disk):
    run = plan.stage_run("prepare_data", POINT)
    run_folder.RunFolder(run.run_id).acquire().release()
    small_disk("ro")
    ended = runner.execute(run)
    assert ended.outcome == "failed"
    assert "Read-only file system" in ended.status.message
    assert run_folder.RunFolder(run.run_id).status().state == "pending"
    with pytest.raises(StudyError, match="nothing can be written or locked there"):
        run_folder.check_writable()
