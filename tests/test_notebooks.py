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
    assert len(lines) <= 100
    for source in sources(book):
        kinds = (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)
        assert not [n for n in ast.walk(ast.parse(source)) if isinstance(n, kinds)]


def test_a_notebook_opens_with_a_title_what_it_reads_and_what_it_writes(book):
    first = "".join(book["cells"][0]["source"])
    assert book["cells"][0]["cell_type"] == "markdown"
    assert first.startswith("# ")
    assert "*Reads*" in first
    assert "*Writes*" in first


def assigned(source):
    """Names that a cell gives a value, by assignment, loop or import."""
    tree = ast.parse(source)
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and type(n.ctx) is ast.Store}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(one.asname or one.name).split(".")[0] for one in node.names}
    return names


def read(source):
    tree = ast.walk(ast.parse(source))
    return {n.id for n in tree if isinstance(n, ast.Name) and type(n.ctx) is ast.Load}


def test_cells_that_display_can_be_left_out(book):
    """What they alone name is used by no cell that computes or writes: those have their tag."""
    code = [c for c in book["cells"] if c["cell_type"] == "code"]
    cells = {"stage": "", "": "", "parameters": ""}
    for cell in code:
        (tag,) = cell["metadata"].get("tags", [""])
        cells[tag] += "".join(cell["source"]).removesuffix(";") + "\n"
    if not cells["stage"]:  # no stage of a study
        return
    assert not (assigned(cells[""]) - assigned(cells["stage"])) & read(cells["stage"])
    for writing in ("write_parquet", "write_text", "run.finish", "run.folder", "plots.save"):
        assert writing not in cells[""]


def test_no_cell_takes_the_name_of_a_parameter(book):
    """Or the cell that begins the run could not be run twice."""
    code = [c for c in book["cells"] if c["cell_type"] == "code"]
    told = next(c for c in code if "parameters" in c["metadata"].get("tags", []))
    names = assigned("".join(told["source"]))
    for cell in code:
        if cell is not told:
            assert not assigned("".join(cell["source"])) & names


def test_parameters_are_typed_and_plain_json(book):
    cell = next(c for c in book["cells"] if "parameters" in c["metadata"].get("tags", []))
    for node in ast.parse("".join(cell["source"])).body:
        assert isinstance(node, ast.AnnAssign)
        json.dumps(ast.literal_eval(node.value))


def test_kernel_is_the_environments_own(book):
    assert book["metadata"]["kernelspec"]["name"] == "python3"
