"""What a judge grades: criteria as data, one YAML file each.

Those that come with the package are in `rubrics`; a study may name the path of its own. A
criterion also says what each rung of the ladder (`ladder.py`) deserves, and how well a judge must
tell them apart to be believed.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rag_study.common import files
from rag_study.common.errors import StudyError
from rag_study.common.messages import explain
from rag_study.common.paths import located

PASSAGES = "{passages}"
DEFAULT = ("accuracy", "completeness")
Limited = Literal[
    "padding",
    "half",
    "number_form",
    "name_form",
    "form",
    "specific",
    "other_answer",
    "surroundings",
    "injection",
]
Grade = Annotated[float, Field(ge=1, le=5)]


class Criterion(BaseModel):
    """One question that a judge answers with a digit from 1 to 5.

    `rubric` ends in the request for one digit; where it holds `{passages}`, the passages that the
    candidate was given are put there. `trained_rubric` is what a judge is told that was trained to
    grade by this criterion, "" where there is no such judge. `empty`, `refusal` and
    `right_refusal` (of a question that cannot be answered) are scores given by rule, without
    asking the model; None: no score, since the criterion has no meaning there. `equal` is that of
    an answer which is a right one word by word; None: the model is asked. `deserves` is the
    grade of each rung of the ladder that the criterion knows one for. `required` has the least
    lower 95 % bound of the AUC of right answers against a rung; a criterion without it cannot be
    checked, and carries no verdict. `limits` has the most points by which what does not count may
    move a score (`requirements.LIMITED`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)
    label: str = Field(min_length=1, max_length=40)
    rubric: str = Field(min_length=20, max_length=4000)
    trained_rubric: str = Field("", max_length=400)
    empty: Grade | None = 1
    refusal: Grade | None = 1
    right_refusal: Grade | None = 5
    equal: Grade | None = None
    deserves: dict[str, Grade] = {}
    required: dict[str, Annotated[float, Field(gt=0.5, lt=1)]] = {}
    limits: dict[Limited, Annotated[float, Field(gt=0, le=4)]] = {}
    margin: float = Field(0.25, gt=0, le=4)

    @model_validator(mode="after")
    def _required_rungs_are_worse(self) -> Criterion:
        for rung in self.required:
            best = self.deserves.get("gold")
            if best is None or self.deserves.get(rung, best) >= best:
                raise ValueError(
                    f"required: '{rung}' needs a grade in `deserves` that is below that of 'gold'"
                )
        return self

    @property
    def metric(self) -> str:
        """Name of its column in tables, and of its metric."""
        return f"judge_{self.name}"

    @property
    def needs_passages(self) -> bool:
        return PASSAGES in self.rubric

    @property
    def fingerprint(self) -> str:
        """Hash over all that it says; part of the run ids."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


def shipped() -> list[str]:
    """Names of the criteria that come with the package."""
    return sorted(path.stem for path in _folder().glob("*.yaml"))


def find(name: str) -> Criterion:
    """A criterion by its name, or by the path of a YAML file (which holds a `.` or `/`).

    Raises StudyError for an unknown name and for a file that says no criterion.
    """
    names = ", ".join(shipped())
    if "." not in name and "/" not in name:
        if name not in shipped():
            raise StudyError(
                f"criterion '{name}': there is no such criterion. Known: {names}, or the path of "
                "your own."
            )
        return _shipped(name)
    path = located(Path(name).expanduser())
    if not path.is_file():
        raise StudyError(f"criterion '{name}': there is no such file. Known without one: {names}.")
    criterion = _read(path)
    if criterion.name in shipped():
        raise StudyError(
            f"{path}: '{criterion.name}' is the name of a criterion that comes with the package. "
            "Give your own another `name`."
        )
    return criterion


@lru_cache(maxsize=8)
def _shipped(name: str) -> Criterion:
    return _read(_folder() / f"{name}.yaml")


def _read(path: Path) -> Criterion:
    try:
        content = files.read_yaml(path)
    except Exception as error:
        first = str(error).splitlines()[0]
        raise StudyError(f"{path}: this is not valid YAML ({first}).") from None
    if not isinstance(content, dict):
        raise StudyError(f"{path}: a criterion is a YAML mapping (`name: ...`, `rubric: ...`).")
    try:
        return Criterion.model_validate(content)
    except ValidationError as error:
        raise StudyError(explain(path, error, _keys, "the criterion")) from None


def find_all(names: list[str] | tuple[str, ...]) -> tuple[Criterion, ...]:
    """The criteria of these names or paths. Raises StudyError as `find`, and for two of a name."""
    criteria = tuple(find(name) for name in names)
    repeated = {
        criterion.name
        for criterion in criteria
        if [c.name for c in criteria].count(criterion.name) > 1
    }
    if repeated:
        raise StudyError(f"the criterion '{repeated.pop()}' is named more than once.")
    return criteria


def _folder() -> Path:
    return Path(__file__).with_name("rubrics")


def _keys(location: list) -> list[str]:
    return list(Criterion.model_fields)
