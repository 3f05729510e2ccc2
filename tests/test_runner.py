"""Real kernels running small notebooks that end in every way a notebook can end."""

import json
import time

import nbformat
import pytest

from rag_study import grid, runner, store
from rag_study.runner import Progress

POINT = {
    "dataset": "fictional",
    "dataset_path": "",
    "corpus_path": "",
    "dataset_options": {"num_worlds": 84},
    "test_share": 0.25,
}
BEGIN = (
    "from rag_study import stages\nrun = stages.begin('prepare_data', globals())\nprint('begun')"
)
FINISH = "run.finish({'answer': 42})"


@pytest.fixture
def notebook(tmp_path, monkeypatch, outputs):
    """Replace 01's notebook by one with the given cells; returns its stage run."""
    monkeypatch.setattr(grid, "NOTEBOOKS", tmp_path)

    def make(*cells):
        book = nbformat.v4.new_notebook()
        names = "\n".join(f"{key} = {value!r}" for key, value in POINT.items())
        book.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "x"}
        book.cells = [nbformat.v4.new_code_cell(c) for c in (names, BEGIN, *cells)]
        book.cells[0]["metadata"]["tags"] = ["parameters"]
        nbformat.write(book, tmp_path / "01_prepare_data.ipynb")
        grid.notebook_parameters.cache_clear()
        grid.notebook_code_hash.cache_clear()
        return grid.stage_run("prepare_data", POINT)

    # The kernel is another process; this is how it learns where the notebooks are.
    boot = tmp_path / "sitecustomize.py"
    boot.write_text(
        "import rag_study.grid, pathlib\n"
        f"rag_study.grid.NOTEBOOKS = pathlib.Path({str(tmp_path)!r})\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    yield make
    grid.notebook_parameters.cache_clear()
    grid.notebook_code_hash.cache_clear()


def test_a_notebook_that_finishes_is_done(notebook):
    run = notebook(FINISH)
    status = runner.execute(run)
    folder = store.RunFolder(run.run_id)
    assert status.state == "done"
    assert store.is_done(run)
    assert json.loads((folder.path / "metrics.json").read_text()) == {"answer": 42}
    provenance = json.loads((folder.path / "provenance.json").read_text())
    assert provenance["peak_memory_mb"] > 0
    assert provenance["versions"]["papermill"]
    assert "begun" in (folder.path / "log.txt").read_text()
    executed = nbformat.read(folder.path / "notebook.ipynb", as_version=4)
    assert any("injected-parameters" in c.metadata.get("tags", []) for c in executed.cells)


def test_an_error_is_failed_with_its_message_and_keeps_the_log(notebook):
    run = notebook("print('so far')\nraise ValueError('the bridge is out')", FINISH)
    status = runner.execute(run)
    assert status.state == "failed"
    assert status.message == "ValueError: the bridge is out"
    assert "so far" in store.RunFolder(run.run_id).log_tail(50)
    assert "the bridge is out" in store.RunFolder(run.run_id).log_tail()
    assert not store.is_done(run)


def test_a_killed_kernel_is_killed_though_the_notebook_looks_complete(notebook):
    run = notebook("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", FINISH)
    assert runner.execute(run).state == "killed"
    assert not store.is_done(run)
    assert not store.RunFolder(run.run_id).is_locked()


def test_a_notebook_that_never_finishes_its_run_is_not_done(notebook):
    assert runner.execute(notebook("print('no finish')")).state != "done"


def test_done_before_the_kernel_dies_is_done(notebook):
    run = notebook(FINISH, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert runner.execute(run).state == "done"


def test_run_all_reuses_blocks_and_stops_or_goes_on(notebook, monkeypatch):
    bad = notebook("raise ValueError('no')")
    after = grid.StageRun(grid.STAGES["index_corpus"], {}, (bad,), "x", {"x": 1})
    events = []

    def tell(event, run, status):
        events.append((event, run.stage.name))

    for keep_going in (False, True):
        events.clear()
        progress = Progress(2, time.monotonic())
        runner.run_all([bad, after], progress, keep_going=keep_going, on_event=tell)
        assert events == [
            ("started", "prepare_data"),
            ("ended", "prepare_data"),
            ("blocked", "index_corpus"),
        ]
        assert list(progress.outcomes.values()) == ["failed", "blocked"]
        assert progress.left == 0

    good = notebook(FINISH)
    runner.run_all([good], Progress(1, time.monotonic()))
    events.clear()
    progress = Progress(1, time.monotonic())
    runner.run_all([good], progress, on_event=tell)
    assert events == [("reused", "prepare_data")]
    assert progress.count("reused") == 1
    written = (store.RunFolder(good.run_id).path / "metrics.json").stat().st_mtime_ns
    runner.run_all([good], Progress(1, time.monotonic()), force=True)
    assert (store.RunFolder(good.run_id).path / "metrics.json").stat().st_mtime_ns > written
