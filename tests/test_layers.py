"""The contract of `pyproject.toml` on who imports whom holds, and notices when it does not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rag_study.common.paths import PROJECT_ROOT


@pytest.fixture
def copy(tmp_path):
    """A copy of the package, and `lint-imports` over it."""
    shutil.copytree(PROJECT_ROOT / "rag_study", tmp_path / "rag_study")
    shutil.copy(PROJECT_ROOT / "pyproject.toml", tmp_path)

    def lint():
        command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    return tmp_path / "rag_study", lint


def test_every_import_runs_downwards(copy):
    _, lint = copy
    linted = lint()
    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("common/text.py", "from rag_study.study import plan", "common is not allowed"),
        (
            "models/names.py",
            "def late():\n    from rag_study.cli import app",
            "models is not allowed",
        ),
        (
            "data/schema.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
            "    from rag_study.report.page import build_report",
            "data is not allowed",
        ),
        ("data/schema.py", "from rag_study.data import splits", "No cycles are allowed"),
    ],
    ids=["plain", "late", "for types", "circle"],
)
def test_an_import_upwards_or_round_is_noticed(copy, file, line, broken):
    package, lint = copy
    with (package / file).open("a") as module:
        module.write(f"\n{line}\n")
    linted = lint()
    assert linted.returncode == 1
    assert broken in linted.stdout
