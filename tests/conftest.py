"""Tests write to a folder of their own, and the smoke study runs before what builds on it.

`make test` runs them in two processes (pytest-xdist); each file stays in one of them, the smoke
study together with all notebooks.
"""

import gc
import os
import shutil
import sys
import tempfile

import golden_numbers
import pytest

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # two processes share the cores, kernels inherit it


def pytest_configure(config):
    """Set the outputs folder before anything starts, so that notebooks' kernels inherit it.

    Numbers in golden notebooks are compared with a tolerance.
    """
    if not config.pluginmanager.has_plugin("golden_numbers"):  # may be there by -p
        config.pluginmanager.register(golden_numbers, "golden_numbers")
    folder = tempfile.TemporaryDirectory(prefix="rag-study-tests-", ignore_cleanup_errors=True)
    config.add_cleanup(folder.cleanup)
    os.environ["RAG_STUDY_OUTPUTS"] = folder.name


def pytest_collection_modifyitems(items):
    """Run the smoke study's test first: notebooks after it find their upstream runs done."""

    def place(item):
        return "test_smoke_study" not in item.nodeid, ".ipynb" not in item.nodeid

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With several processes each file stays in one; the smoke study goes with the notebooks.

    They are the longest of all and come first; another process does the rest meanwhile.
    """
    from xdist.scheduler import LoadFileScheduling

    class Together(LoadFileScheduling):
        def _split_scope(self, nodeid):
            together = "test_smoke_study" in nodeid or ".ipynb" in nodeid
            return "the smoke study and notebooks" if together else super()._split_scope(nodeid)

    return Together(config, log)


@pytest.fixture(scope="module", autouse=True)
def short_collections():
    """statsmodels collects garbage in every correction: what lives so far need not be looked at."""
    gc.freeze()


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    """An empty outputs folder for one test."""
    folder = tmp_path / "outputs"
    monkeypatch.setenv("RAG_STUDY_OUTPUTS", str(folder))
    return folder


@pytest.fixture
def notebooks(tmp_path, monkeypatch):
    """Copies of the notebooks, which may be edited, in place of them; returns their folder."""
    from rag_study.common.paths import PROJECT_ROOT
    from rag_study.study import notebook_cells, stages

    folder = shutil.copytree(PROJECT_ROOT / "notebooks", tmp_path / "notebooks")
    own = property(lambda stage: folder / f"{stage.notebook}.ipynb")
    monkeypatch.setattr(stages.Stage, "path", own)
    yield folder
    notebook_cells.forget_notebooks()


@pytest.fixture
def write_study(tmp_path):
    """Write a study file from changes to a small valid one; returns its path."""
    from ruamel.yaml import YAML

    def write(**changes):
        content = {
            "name": "small",
            "models": ["random-llama"],
            "datasets": [{"name": "fictional", "num_worlds": 84, "test_size": 8}],
            "fine_tuning": [{"train_size": [4]}],
            "judges": [{"model": "random-llama", "ladder_size": 36}],
            "compute": {"dtype": "float32", "threads": 1},
        }
        for key, value in changes.items():
            content[key] = value
        path = tmp_path / "small.yaml"
        with path.open("w") as file:
            YAML().dump({k: v for k, v in content.items() if v is not None}, file)
        return path

    return write


@pytest.fixture
def own_data(tmp_path):
    """A small valid data set in the two-file form; returns its folder."""
    import json

    folder = tmp_path / "mine"
    folder.mkdir()
    with (
        (folder / "questions.jsonl").open("w") as questions,
        (folder / "corpus.jsonl").open("w") as corpus,
    ):
        for i in range(40):
            row = {"id": f"q{i}", "question": f"Who built tower {i}?", "answers": [f"Person {i}"]}
            print(json.dumps(row | {"gold_doc_ids": [f"d{i}"]}), file=questions)
            text = f"Tower {i} was built by Person {i}."
            print(json.dumps({"doc_id": f"d{i}", "title": f"Tower {i}", "text": text}), file=corpus)
    return folder


@pytest.fixture(scope="session")
def tiny():
    """The random model, loaded once."""
    import torch

    from rag_study.models import loading

    torch.set_num_threads(1)
    return loading.load_generator("random-llama")


@pytest.fixture
def command(command_line, outputs):
    """Run the command line with an empty outputs folder."""
    return command_line


@pytest.fixture
def command_line(monkeypatch, capsys):
    """Run the command line in this process; returns (exit status, output, errors)."""

    from rag_study import cli

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["rag-study", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        captured = capsys.readouterr()
        return caught.value.code or 0, captured.out, captured.err

    return run
