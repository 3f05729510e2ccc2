"""What a notebook of the project looks like. That they run is nbval's business."""

import ast
import json

import pytest

from rag_study.common.paths import PROJECT_ROOT
from rag_study.study.stages import STAGES

NOTEBOOKS = sorted((PROJECT_ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def book(request):
    return json.loads(request.param.read_text())


def sources(book):
    return ["".join(c["source"]) for c in book["cells"] if c["cell_type"] == "code"]


def test_there_is_one_notebook_per_stage_one_to_explore_and_one_that_trains_a_judge():
    stages = {s.notebook for s in STAGES.values()}
    assert {p.stem for p in NOTEBOOKS} == {*stages, "00_explore", "train_judge"}


def test_sources_carry_no_outputs(book):
    for cell in book["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_notebooks_are_thin(book):
    code = [c for c in book["cells"] if c["cell_type"] == "code"]
    steps = [c for c in code if "parameters" not in c["metadata"].get("tags", [])]
    lines = [
        line
        for source in ("".join(c["source"]) for c in steps)
        for line in source.splitlines()
        if line.strip() and not line.strip().startswith("#")
    ]
    assert len(lines) <= 120
    for source in sources(book):
        kinds = (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)
        assert not [n for n in ast.walk(ast.parse(source)) if isinstance(n, kinds)]


def test_a_notebook_opens_with_a_title_what_it_reads_and_what_it_writes(book):
    first = "".join(book["cells"][0]["source"])
    assert book["cells"][0]["cell_type"] == "markdown"
    assert first.startswith("# ")
    assert "*Reads*" in first
    assert "*Writes*" in first


def test_parameters_are_flat_typed_and_plain_json(book):
    cell = next(c for c in book["cells"] if "parameters" in c["metadata"].get("tags", []))
    for node in ast.parse("".join(cell["source"])).body:
        assert isinstance(node, ast.AnnAssign)
        json.dumps(ast.literal_eval(node.value))


def test_kernel_is_the_environments_own(book):
    assert book["metadata"]["kernelspec"]["name"] == "python3"
