"""The code cells of a stage's notebook: its parameters, and what computes and writes."""

from __future__ import annotations

import ast
import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from rag_study.common.errors import StudyError


class Cell(NamedTuple):
    """A cell whose code is part of what a stage computes. `number` counts code cells from 1, as
    JupyterLab does when all of them are run."""

    number: int
    source: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.source.encode()).hexdigest()[:16]


@lru_cache(maxsize=32)
def notebook_source(path: Path) -> str:
    """A notebook without its outputs, read once: what is hashed is what is executed, though
    somebody saves the file in between (see `forget_notebooks`)."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise StudyError(
            f"{path}: this notebook is gone. Restore it, or install the package again."
        ) from None
    try:
        notebook = json.loads(text)
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell |= {"outputs": [], "execution_count": None}
    except (ValueError, KeyError, TypeError):
        raise StudyError(
            f"{path}: this is no notebook (nbformat 4). Restore the file, or save it again."
        ) from None
    return json.dumps(notebook)


def forget_notebooks() -> None:
    """Have notebooks read again: a study or a notebook begins, and they may have been edited."""
    notebook_source.cache_clear()


@lru_cache(maxsize=32)
def stage_cells(source: str) -> tuple[Cell, ...]:
    """Of a notebook's source the cells that compute and write: those tagged `stage`. In a notebook
    that has none of them, all but the parameters cell."""
    cells = [
        (Cell(number, "".join(cell["source"]).strip()), cell["metadata"].get("tags", []))
        for number, cell in enumerate(_code_cells(source), start=1)
    ]
    tagged = tuple(cell for cell, tags in cells if "stage" in tags)
    return tagged or tuple(cell for cell, tags in cells if "parameters" not in tags)


def notebook_parameters(path: Path) -> dict[str, Any]:
    """Names and defaults in a notebook's `parameters` cell, read without running it. A default
    that is computed is `...`."""
    try:
        parameters = _parameters(notebook_source(path))
    except SyntaxError as error:
        raise StudyError(
            f"{path}: the parameters cell is no Python in line {error.lineno} ({error.msg})."
        ) from None
    if parameters is None:
        raise StudyError(f"{path}: the notebook has no cell tagged `parameters`.")
    return parameters


@lru_cache(maxsize=32)
def _parameters(source: str) -> dict[str, Any] | None:
    for cell in _code_cells(source):
        if "parameters" in cell["metadata"].get("tags", []):
            return {
                target.id: _literal(node.value)
                for node in ast.parse("".join(cell["source"])).body
                if isinstance(node, ast.Assign | ast.AnnAssign)
                for target in ([node.target] if isinstance(node, ast.AnnAssign) else node.targets)
                if isinstance(target, ast.Name)
            }
    return None


def _literal(node: ast.expr | None) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ...


def _code_cells(source: str) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(source)["cells"] if cell["cell_type"] == "code"]
