"""The golden notebooks really guard: they have outputs to compare, and a changed number fails."""

import subprocess
import sys

import nbformat
import pytest

from rag_study.common.paths import PROJECT_ROOT
from rag_study.study import stages

GOLDEN = PROJECT_ROOT / "tests" / "golden"


@pytest.mark.parametrize("stage", stages.STAGES.values(), ids=lambda s: s.name)
def test_golden_notebooks_are_executed_copies_of_the_sources(stage):
    golden = nbformat.read(GOLDEN / f"{stage.notebook}.ipynb", as_version=4)
    source = nbformat.read(stage.path, as_version=4)
    code = [c for c in golden.cells if c.cell_type == "code"]
    # nbval compares nothing in a cell without an execution count.
    assert all(c.execution_count for c in code)
    assert any(c.outputs for c in code)
    assert sum("injected-parameters" in c.metadata.get("tags", []) for c in code) == 1
    kept = [c.source for c in code if "injected-parameters" not in c.metadata.get("tags", [])]
    assert kept == [c.source for c in source.cells if c.cell_type == "code"], "run `make golden`"


def test_a_changed_number_makes_nbval_fail(tmp_path):
    book = nbformat.read(GOLDEN / "01_prepare_data.ipynb", as_version=4)
    changed = 0
    for cell in book.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "in the source" in data.get("text/plain", ""):
                data["text/plain"] = data["text/plain"].replace("504", "505", 1)
                changed += "505" in data["text/plain"]
    assert changed == 1
    copies = {"same": GOLDEN / "01_prepare_data.ipynb", "changed": tmp_path / "changed.ipynb"}
    nbformat.write(book, copies["changed"])
    command = [sys.executable, "-m", "pytest", "-q", "--nbval", "--nbval-current-env"]
    status = {
        name: subprocess.run([*command, str(path)], capture_output=True, cwd=tmp_path).returncode
        for name, path in copies.items()
    }
    assert status == {"same": 0, "changed": 1}
