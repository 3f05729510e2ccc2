"""The golden notebooks really guard: they have outputs to compare, and a changed number fails."""

import os
import subprocess
import sys

import nbformat
import pytest
from golden_numbers import same

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


@pytest.mark.parametrize(
    ("made", "recorded"),
    [
        ("mean 0.71", "mean 0.72"),
        ("9.99\n", " 10.0"),  # one letter more moves what stands beside it
        ("0.99998", "1.0"),
        ("-1.2e-06", "0.0"),
        ("4.123461", "4.123402"),
        ("by −0.00 (+0.1", "by +0.00 (+0.1"),
        ("in 53 % of pairs", "in 52 % of pairs"),
    ],
)
def test_differences_of_rounding_are_none(made, recorded):
    assert same(made, recorded)
    assert same(recorded, made)


@pytest.mark.parametrize(
    ("made", "recorded"),
    [
        ("mean 0.71", "mean 0.73"),
        ("-0.138", "0.138"),
        ("1.2e-06", "1.2e+06"),
        ("4.1244", "4.1234"),
        ("in 54 % of pairs", "in 52 % of pairs"),
        ("504 questions", "505 questions"),
        ("1, 2, 4", "1, 2, 3"),
        ("16,385 parameters", "16,384 parameters"),
        ("1 2", "12"),
        ("0.5 NaN", "0.5 0.1"),
        ("helps by 0.50", "hurts by 0.50"),
        ("index_corpus/fictional-c128-12345679", "index_corpus/fictional-c128-12345678"),
    ],
)
def test_counts_words_and_larger_differences_are(made, recorded):
    assert not same(made, recorded)
    assert not same(recorded, made)


def test_nbval_fails_for_a_changed_number_and_not_for_one_rounded_otherwise(tmp_path):
    """The mean length of a question, 9.7 words, and the number of questions, 504."""
    changes = {"rounded": ("9.7", "9.8"), "changed": ("9.7", "9.9"), "miscounted": ("504", "505")}
    for name, (old, new) in changes.items():
        book = nbformat.read(GOLDEN / "01_prepare_data.ipynb", as_version=4)
        shown = [o.data for c in book.cells for o in c.get("outputs", []) if "data" in o]
        (table,) = [data for data in shown if "25%" in data.get("text/plain", "")]
        for kind in ("text/plain", "text/html"):
            assert old in table[kind]
            table[kind] = table[kind].replace(old, new, 1)
        nbformat.write(book, tmp_path / f"{name}.ipynb")
    command = [sys.executable, "-m", "pytest", "-q", "-rf", "-p", "golden_numbers"]
    done = subprocess.run(
        [*command, "--nbval", "--nbval-current-env", str(tmp_path)],
        env=os.environ | {"PYTHONPATH": f"{GOLDEN.parent}{os.pathsep}{PROJECT_ROOT}"},
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    failed = [line.split("::")[0] for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert failed == ["FAILED changed.ipynb", "FAILED miscounted.ipynb"], done.stdout
