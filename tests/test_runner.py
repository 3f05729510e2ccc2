"""Real kernels running small notebooks that end in every way a notebook can end."""

import json

import nbformat
import pytest

from rag_study import grid, runner, store

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
