import fcntl
import multiprocessing
import os
import signal
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from rag_study.common import checksums, files, run_folder
from rag_study.common.errors import StudyError
from rag_study.study import active_run
from rag_study.study.notebook_cells import notebook_source
from rag_study.study.stages import STAGES, StageRun, covers, is_done


def hold(run_id, ready):
    folder = run_folder.RunFolder(run_id)
    lock = folder.acquire()
    folder.set_status("running", **run_folder.started_now())
    ready.set()
    time.sleep(60)
    lock.release()


@pytest.fixture
def folder(outputs):
    return run_folder.RunFolder("stage/one-12345678")


def test_a_run_that_was_never_started_is_pending_and_leaves_no_folder(folder, outputs):
    assert folder.status().state == "pending"
    assert not folder.is_locked()
    assert not outputs.exists()


def test_a_killed_process_leaves_killed_not_running(folder):
    ready = multiprocessing.get_context("spawn").Event()
    process = multiprocessing.get_context("spawn").Process(target=hold, args=(folder.run_id, ready))
    process.start()
    assert ready.wait(30)
    assert folder.status().state == "running"
    assert folder.status().pid == process.pid
    with pytest.raises(StudyError, match=f"process {process.pid}"):
        folder.acquire(timeout=0.1)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert folder.status().state == "killed"
    folder.acquire(timeout=0.1).release()


def test_parts_are_made_once_and_read_back_the_same(folder):
    made = []

    def make():
        made.append(1)
        return [{"answer": "line\u2028separator", "score": 0.1 + 0.2, "none": None}]

    first = folder.part("none-00000", make)
    assert folder.part("none-00000", make) == first
    assert made == [1]


def test_a_failing_part_leaves_nothing_behind(folder):
    with pytest.raises(ZeroDivisionError):
        folder.part("x", lambda: [1 / 0])
    with pytest.raises(TypeError):
        folder.part("x", lambda: [{"not json": object()}])
    assert not list((folder.path / "parts").iterdir())


@pytest.mark.parametrize(
    "text", ["{half", "[]", "{}x", '{"state": 5}', '{"extent": {"none": "x"}}', '{"pid": null}']
)
def test_damaged_status_says_what_to_do(folder, text):
    folder.path.mkdir(parents=True)
    (folder.path / "status.json").write_text(text)
    with pytest.raises(StudyError, match="Delete the folder"):
        folder.status()


def test_tables_stay_those_of_before_until_the_new_ones_are_complete(outputs):
    compare = STAGES["compare"]
    source = notebook_source(compare.path)
    before, after = (
        StageRun(compare, {"n": n}, (), "mine", {"n": n}, notebook=source) for n in (1, 2)
    )
    numbers = {"comparisons": 1, "answers": 1, "missing": 0}
    first = active_run.ActiveRun(before)
    files.write_text(first.tables / "report.html", "before")
    first.finish(numbers)
    assert is_done(before)
    second = active_run.ActiveRun(after)
    files.write_text(second.tables / "report.html", "after")
    files.write_text(second.tables / "figures" / "new.png", "after")
    report = run_folder.study_dir("mine") / "report.html"
    assert (is_done(before), report.read_text()) == (True, "before")  # here it may be killed
    second.finish(numbers)
    assert (is_done(before), is_done(after), report.read_text()) == (False, True, "after")
    assert (report.parent / "figures" / "new.png").exists()
    assert not second.tables.exists()


def test_a_finished_run_is_looked_at_before_it_is_used(outputs):
    source = notebook_source(STAGES["compare"].path)
    first = StageRun(STAGES["prepare_data"], {}, (), "data", {}, notebook=source)
    last = StageRun(STAGES["compare"], {}, (first,), "last", {}, notebook=source)
    active = active_run.ActiveRun(first)
    for name in ("questions.jsonl", "adapter/weights.safetensors"):
        files.write_text(active.folder / name, "{}")
    active.finish({})
    active_run.ActiveRun(last)._lock.release(force=True)
    (active.folder / "adapter" / "weights.safetensors").write_text("[]")
    after_next = replace(last, upstream=(replace(last, slug="between"),))
    active_run.ActiveRun(after_next)._lock.release(force=True)  # who reads no weights
    with pytest.raises(StudyError, match=r"weights.safetensors"):
        active_run.ActiveRun(last)
    (active.folder / "adapter" / "weights.safetensors").write_text("{}")
    (active.folder / "questions.jsonl").write_text("[]")
    for run in (last, after_next, first):  # whoever needs it, and whoever would add to it
        with pytest.raises(
            StudyError, match=r"questions.jsonl: its content.*\n.*Delete the folder"
        ):
            active_run.ActiveRun(run)


def test_clear_keeps_the_lock_file_only(folder):
    folder.part("p", lambda: [{"a": 1}])
    folder.set_status("done")
    folder.clear()
    assert [p.name for p in folder.path.iterdir()] == [run_folder.LOCK_FILE]
    assert folder.status().state == "pending"


def test_a_run_that_begins_anew_while_somebody_looks_is_not_damaged(folder, monkeypatch):
    files.write_text(folder.path / "answers.txt", "yes")
    folder.seal()
    folder.set_status("done", sealed=True)
    (folder.path / "answers.txt").unlink()
    assert folder.damages()
    look, delete = checksums.damages, Path.unlink

    def only_the_first(path, **options):
        delete(path, **options)
        raise OSError("stopped")

    def begun_anew(*arguments, **options):
        with monkeypatch.context() as held, suppress(OSError):
            held.setattr(Path, "unlink", only_the_first)
            folder.clear()
        return look(*arguments, **options)

    monkeypatch.setattr(checksums, "damages", begun_anew)
    assert folder.damages() == []


@pytest.mark.parametrize(
    ("done", "asked", "expected"),
    [
        ({"none": 40}, {"none": 40}, True),
        ({"none": 40}, {"none": 41}, False),
        ({"none": 40, "oracle": 20}, {"oracle": 20}, True),
        ({"none": 40}, {"oracle": 1}, False),
        ({}, {"none": 1}, False),
        ({"none": 40}, {}, True),
    ],
)
def test_what_covers_what(done, asked, expected):
    assert covers(done, asked) is expected


def test_the_same_process_may_take_its_lock_again(folder):
    lock = folder.acquire(timeout=0.1)
    again = folder.acquire(timeout=0.1)
    assert folder.is_locked()
    again.release(force=True)
    assert not folder.is_locked()
    assert not lock.is_locked


def test_looking_at_a_lock_does_not_keep_anybody_from_it(folder):
    lock = folder.acquire(timeout=0.1)
    lock.release()
    looking = os.open(folder.path / run_folder.LOCK_FILE, os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    assert not folder.is_locked()
    os.close(looking)


def test_a_claim_waits_for_the_other_runner(folder):
    first, order = folder.claim(), []
    waiting = threading.Thread(target=lambda: order.append(folder.claim()))
    waiting.start()
    time.sleep(0.3)
    assert order == []
    first.release(force=True)
    waiting.join(30)
    assert len(order) == 1


def test_what_killed_writers_left_is_swept_away(folder):
    folder.part("p", lambda: [{"a": 1}])
    left = folder.path / "parts" / ".new-abc.jsonl"
    left.write_text("{half")
    assert files.is_leftover(left)
    files.sweep(folder.path)
    assert [p.name for p in (folder.path / "parts").iterdir()] == ["p.jsonl"]


def test_a_finished_run_that_is_begun_again_and_interrupted_is_whole(folder):
    """By hand, in a notebook: its progress begins anew, its results are as they were."""
    folder.part("first", lambda: [{"a": 1}])
    folder.set_progress(8, 8)
    folder.seal()
    folder.set_status("done", sealed=True)
    folder.set_progress(0, 8)
    folder.check()
    assert folder.damages(lambda name: True) == []
