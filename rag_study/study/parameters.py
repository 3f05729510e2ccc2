"""The values of a notebook's parameters cell: which there are, and whether they are possible."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, ValidationError

from rag_study.common import paths
from rag_study.common.errors import StudyError
from rag_study.common.messages import dotted, nearest, problems
from rag_study.study.group import Group
from rag_study.study.groups import Compute
from rag_study.study.notebook_cells import notebook_parameters

Declared = TypeVar("Declared", bound=Group)


class JudgeMaterial(Group):
    """What a judge learns to grade from."""

    num_texts: int = Field(0, ge=0, description="written texts, 0: all")
    num_worlds: int = Field(25, ge=0, description="generated worlds of each of two styles")
    num_facts: int = Field(900, ge=0, description="short facts")
    passes: int = Field(3, ge=1, description="each with other wordings, mistakes, worlds and facts")
    max_tokens: int = Field(0, ge=0, description="of training, in all; 0: all there are")


class JudgeRecipe(Group):
    """How a judge is trained; a batch is of trees: the answers to one question, about 270 tokens
    and 5 scores."""

    learning_rate: float = Field(0.001, gt=0, lt=1)
    lora_rank: int = Field(16, ge=1, le=1024)
    batch_size: int = Field(8, ge=1)


class JudgeTraining(Group):
    """The parameters of the notebook `train_judge`, which is no stage of a study."""

    model: str
    material: JudgeMaterial = JudgeMaterial()
    training: JudgeRecipe = JudgeRecipe()
    seed: int = Field(0, ge=0)
    check_questions: int = Field(60, ge=1)
    start_from: str = ""
    save_to: str = ""
    compute: Compute = Compute()


def read(notebook: Path | str, namespace: dict[str, Any], kind: type[Declared]) -> Declared:
    """What a notebook declares, checked and typed; `namespace` is its `globals()`.

    Raises StudyError, in one line, for unknown names and keys and for values that cannot be.
    """
    path = paths.notebook(notebook) if isinstance(notebook, str) else notebook
    declared = notebook_parameters(path)
    for name in _injected(namespace):
        if name not in declared:
            known = _known(name, list(declared), kind)
            raise StudyError(f"{path.name}: unknown parameter '{name}'{known}")
    for name in declared:
        if name not in kind.model_fields:
            raise StudyError(
                f"{path.name}: unknown parameter '{name}'{nearest(name, [*kind.model_fields])}. "
                "In the parameters cell stand parameters only; help yourself in another cell."
            )
        if name not in namespace:
            raise StudyError(f"{path.name}: '{name}' is not set. Run the parameters cell first.")
    try:
        return kind.model_validate({name: namespace[name] for name in declared})
    except ValidationError as error:
        raise StudyError("; ".join(_lines(error, kind))) from None


def _known(name: str, declared: list[str], kind: type[Group]) -> str:
    """What to write for an unknown parameter: most were one of their own in version 0.1."""
    places = []
    for group in declared:
        keys = _group_at(kind, group).model_fields if _group_at(kind, group) is not kind else ()
        places += [f"{group}: {{{key}: ...}}" for key in keys if name in (key, f"{group}_{key}")]
    return f"; it is a key of a group: {' or '.join(places)}" if places else nearest(name, declared)


def _injected(namespace: dict[str, Any]) -> list[str]:
    """Names that papermill set, which itself only warns of those that the notebook lacks.

    IPython keeps the cells that were run in `In`; papermill's begins with its comment.
    """
    names = []
    for source in namespace.get("In", []):
        if source.startswith("# Parameters\n"):
            names += [
                target.id
                for node in ast.parse(source).body
                if isinstance(node, ast.Assign)
                for target in node.targets
                if isinstance(target, ast.Name)
            ]
    return names


def _lines(error: ValidationError, kind: type[Group]) -> list[str]:
    def keys_at(place: list[Any]) -> list[str]:
        return list(_group_at(kind, place[0]).model_fields)

    lines = []
    for place, text in problems(error, keys_at):
        # An unknown key is a matter of its group: "training: unknown key 'epoch'; did you mean".
        shown = place[:-1] if text.startswith("unknown key") and len(place) > 1 else place
        lines.append(f"{dotted(shown)}: {text}" if shown else text)
    return lines


def _group_at(kind: type[Group], name: str) -> type[Group]:
    """The class of a group by its name in `kind`, which may have it as `Group | None`."""
    annotation = kind.model_fields[name].annotation
    options = getattr(annotation, "__args__", (annotation,))
    return next(
        (option for option in options if isinstance(option, type) and issubclass(option, Group)),
        kind,
    )
