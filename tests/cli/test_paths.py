"""Where notebooks, study files and outputs are, in a checkout and in an installed package."""

import pytest

from rag_study.cli import start
from rag_study.common import paths


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The package as pip installs it, with the working folder elsewhere; returns both folders."""
    package, work = tmp_path / "site-packages" / "rag_study", tmp_path / "work"
    for folder, file in (("params", "demo.yaml"), ("notebooks", "00_explore.ipynb")):
        (package / folder).mkdir(parents=True)
        (package / folder / file).write_bytes((paths.PROJECT_ROOT / folder / file).read_bytes())
    work.mkdir()
    monkeypatch.setattr(paths, "IS_CHECKOUT", False)
    monkeypatch.setattr(paths, "PROJECT_ROOT", package)
    monkeypatch.delenv("RAG_STUDY_OUTPUTS")
    monkeypatch.chdir(work)
    return package, work


def test_in_a_checkout_everything_is_in_the_project_wherever_one_is(tmp_path, monkeypatch):
    monkeypatch.delenv("RAG_STUDY_OUTPUTS")
    monkeypatch.chdir(tmp_path)
    project = paths.PROJECT_ROOT
    assert (project / "pyproject.toml").exists()
    assert paths.outputs_dir() == project / "outputs"
    assert paths.notebook("00_explore") == project / "notebooks" / "00_explore.ipynb"
    assert paths.portable(project / "params" / "demo.yaml") == "params/demo.yaml"
    assert paths.portable(tmp_path / "mine.yaml") == str(tmp_path / "mine.yaml")
    assert paths.located("params/demo.yaml") == project / "params" / "demo.yaml"


def test_installed_outputs_are_in_the_working_folder(installed):
    package, work = installed
    assert paths.outputs_dir() == work / "outputs"
    assert paths.notebook("00_explore") == package / "notebooks" / "00_explore.ipynb"
    assert paths.params_dir() == package / "params"


def test_outputs_are_where_the_variable_says(installed, monkeypatch, tmp_path):
    monkeypatch.setenv("RAG_STUDY_OUTPUTS", str(tmp_path / "elsewhere"))
    assert paths.outputs_dir() == tmp_path / "elsewhere"


def test_a_worker_elsewhere_is_told_the_working_folder(installed, monkeypatch, tmp_path):
    _, work = installed
    monkeypatch.setenv("RAG_STUDY_FOLDER", str(work))
    monkeypatch.chdir(tmp_path)
    (work / "mine.yaml").touch()
    assert paths.outputs_dir() == work / "outputs"
    assert paths.located("mine.yaml") == work / "mine.yaml"


def test_paths_of_parameters_mean_the_same_on_another_machine(installed):
    package, work = installed
    (work / "data").mkdir()
    (work / "data" / "questions.jsonl").touch()
    for there in (package / "params" / "demo.yaml", work / "data" / "questions.jsonl"):
        name = paths.portable(there)
        assert name in ("params/demo.yaml", "data/questions.jsonl")
        assert paths.located(name).resolve() == there
    assert paths.located("data/new.jsonl") == work / "data" / "new.jsonl"


def test_a_shipped_study_is_known_by_its_name_unless_a_file_has_it(installed):
    package, work = installed
    assert paths.study_file("demo") == package / "params" / "demo.yaml"
    assert str(paths.study_file("nosuch")) == "nosuch"
    (work / "params").mkdir()
    (work / "params" / "demo.yaml").touch()
    assert paths.study_file("demo").resolve() == work / "params" / "demo.yaml"
    (work / "demo").touch()
    assert str(paths.study_file("demo")) == "demo"


def test_notebooks_are_copied_to_be_edited_and_the_copies_are_used(installed, monkeypatch):
    _, work = installed
    assert start.copy_notebooks() == []
    copy = work / "notebooks" / "00_explore.ipynb"
    assert paths.notebook("00_explore").resolve() == copy
    monkeypatch.chdir(copy.parent)  # where its kernel is
    assert paths.outputs_dir() == work / "outputs"


def test_a_new_version_replaces_copies_that_nobody_edited(installed):
    package, work = installed
    start.copy_notebooks()
    shipped, copy = package / "notebooks" / "00_explore.ipynb", work / "notebooks/00_explore.ipynb"
    shipped.write_text(shipped.read_text().replace("# 00 ", "# New "))
    assert start.copy_notebooks() == []
    assert "# New " in copy.read_text()
    edited = copy.read_text().replace("# New ", "# Mine ")
    copy.write_text(edited)
    assert start.copy_notebooks() == []  # edited, but of this version
    shipped.write_text(shipped.read_text().replace("# New ", "# Newer "))
    assert start.copy_notebooks() == ["00_explore.ipynb"]
    assert copy.read_text() == edited


def test_a_broken_copy_is_named(installed, command_line):
    _, work = installed
    (work / "notebooks").mkdir()
    (work / "notebooks" / "00_explore.ipynb").write_text("{")
    code, _, err = command_line("lab")
    assert code == 2
    assert "notebooks/00_explore.ipynb: this is no notebook" in err.replace("\n", "")


def test_lab_opens_the_explorer_and_passes_options_on(installed, command_line, monkeypatch):
    _, work = installed
    started = []

    def instead(program, command, environment):
        started.append((command, environment))
        raise SystemExit(0)

    monkeypatch.setattr(start.os, "execve", instead)
    command_line("lab", "--no-browser", "--port", "9999", "--ServerApp.token=x")
    [(command, environment)] = started
    assert command[1:3] == ["-m", "jupyterlab"]
    assert f"--ServerApp.root_dir={work}" in command
    assert "--LabApp.default_url=/lab/tree/notebooks/00_explore.ipynb" in command
    assert {"--no-browser", "--port=9999", "--ServerApp.token=x"} <= {*command}
    assert environment["JUPYTER_PREFER_ENV_PATH"] == "1"
