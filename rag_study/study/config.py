"""The study file: what may stand in it, and how it is read.

Unknown keys are refused. Every problem is reported in one message that names the file, the key,
what was given and what is allowed.
"""

from __future__ import annotations

import difflib
import itertools
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from rag_study.common import files
from rag_study.common.errors import StudyError
from rag_study.common.messages import explain, nearest
from rag_study.common.paths import located, params_dir, portable
from rag_study.evaluation import criteria, metrics
from rag_study.models import methods
from rag_study.models.names import beside, is_endpoint
from rag_study.study import batch, readers
from rag_study.study.group import Group
from rag_study.study.groups import Answering, Compute, Context, Prompting, Servers
from rag_study.study.model_checks import check_engine, check_reader
from rag_study.study.sections import (
    AnsweringConfig,
    DatasetConfig,
    FineTuningConfig,
    JudgeConfig,
    KnowledgeConfig,
    PrimaryConfig,
    RetrievalConfig,
    SystemConfig,
    refuse_alike,
    refuse_repeats,
    renamed,
)
from rag_study.study.training_groups import Training


class _AsWritten(dict[str, Any]):
    """What a study file says. Studies that say the same are equal however they are written."""

    __hash__ = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _AsWritten)


class StudyConfig(Group):
    """A whole study. Every list is a factor of the grid; the base model is always run."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=60)
    models: list[str] = Field(min_length=1)
    datasets: list[DatasetConfig] = Field(min_length=1)
    systems: list[SystemConfig] = Field([])
    fine_tuning: list[FineTuningConfig] = Field([])
    prompting: list[Prompting] = Field(["default"], min_length=1)
    contexts: list[Context] = Field(["none", "retrieved", "oracle"], min_length=1)
    retrieval: RetrievalConfig = Field(default_factory=RetrievalConfig)
    answering: AnsweringConfig = AnsweringConfig()
    knowledge: KnowledgeConfig | None = Field(None, description="left out: only for `train_on`")
    retention: int = Field(1000, ge=0, description="items per task; 0: not measured")
    judges: list[JudgeConfig] = Field(min_length=1)
    seeds: list[Annotated[int, Field(ge=0)]] = Field([0], min_length=1)
    primary: PrimaryConfig = PrimaryConfig()
    semantic_similarity: bool = Field(True, description="also compare embeddings of the answers")
    looks: list[Annotated[int, Field(ge=1)]] = Field(
        [], description="numbers of test questions at which to look; the last is test_size"
    )
    margins: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field({})
    compute: Compute = Compute()
    servers: Servers = Servers()
    notes: list[str] = Field([], description="sentences for whoever reads the result")

    @model_validator(mode="before")
    @classmethod
    def _former_names(cls, content: Any) -> Any:
        return renamed(content, {"generation": "answering"})

    _path: Path | None = PrivateAttr(None)
    _written: _AsWritten = PrivateAttr(default_factory=lambda: _AsWritten())

    @property
    def paths(self) -> list[Path]:
        """The files that say it: one, or several of studies that are reported on together."""
        return [self._path] if self._path else []

    @property
    def written(self) -> dict[str, Any]:
        """What its file says, key by key, as it was when the file was read."""
        return self._written

    @field_validator("models")
    @classmethod
    def _known_models(cls, models: list[str], info: ValidationInfo) -> list[str]:
        folder = (info.context or {}).get("folder")
        placed = [beside(folder, name) if folder else name for name in models]
        for name in placed:
            check_reader(name)
        return placed

    @model_validator(mode="after")
    def _consistent(self) -> StudyConfig:
        if self.name == "runs":
            raise ValueError("name: 'runs' is the folder of all studies' runs; take another")
        for key in ("models", "contexts", "seeds", "prompting"):
            refuse_repeats(key, getattr(self, key))
        refuse_alike("judges (by name)", [judge.display_name for judge in self.judges])
        scoring = [judge.model_dump(exclude={"name", "ladder_size"}) for judge in self.judges]
        if same := [j for j in self.judges if scoring.count(scoring[self.judges.index(j)]) > 1]:
            raise ValueError(f"judges: '{same[0].display_name}' stands there twice under two names")
        self._check_metrics()
        labels = [d.display_name for d in self.datasets]
        refuse_alike("datasets (by label)", labels)
        refuse_alike("systems (by name)", [s.name for s in self.systems])
        for system in self.systems:
            if system.dataset is None and len(labels) > 1:
                raise ValueError(f"systems: `{system.name}` needs `dataset:`, one of {labels}")
            if system.dataset is not None and system.dataset not in labels:
                raise ValueError(f"systems: there is no data set '{system.dataset}' in {labels}")
            if system.name in ("none", *methods.METHODS):
                raise ValueError(f"systems: '{system.name}' is the name of a training method")
            if system.context not in self.contexts:
                raise ValueError(
                    f"systems: `{system.name}` is compared in '{system.context}', which "
                    f"`contexts` {self.contexts} does not have"
                )
        for tuning in self.fine_tuning:
            if unknown := [name for name in tuning.sequence if name not in labels]:
                raise ValueError(f"sequence names {unknown}, the data sets are {labels}")
        self._check_written_answers()
        kinds = {kind for tuning in self.fine_tuning for kind in tuning.train_on}
        if kinds - {"all"}:
            self.__dict__["knowledge"] = self.knowledge or KnowledgeConfig()
        if self.answering.context_gain and any(map(is_endpoint, self.models)):
            raise ValueError("context_gain needs the model itself; a server does not tell it")
        for model in self.models:
            if not is_endpoint(model):  # is asked where it is, whatever the engine
                recipes = [recipe for tuning in self.fine_tuning for recipe in tuning.each()]
                for recipe in (None, *recipes):
                    check_engine(self.answering, model, recipe)
        if "default" not in self.prompting:
            raise ValueError("prompting: `default` is what the others are compared with; add it")
        for model in self.models:
            states = [{"answering": self._asked(), "training": one} for one in self.trainings]
            states += [{"answering": self._asked()}]
            if not any(True for _ in readers.states_of(model, states)):
                raise ValueError(" ".join(("models:", *readers.notes([model], self.trainings))))
        missing = [c for c in self.primary.contexts if c not in self.contexts]
        if missing:
            raise ValueError(
                f"primary.contexts names {missing}, which `contexts` {self.contexts} does not have"
            )
        return self

    @model_validator(mode="after")
    def _looks_end_at_all_questions(self) -> StudyConfig:
        if not self.looks:
            return self
        if len(self.looks) < 2 or any(b <= a for a, b in itertools.pairwise(self.looks)):
            raise ValueError(
                f"looks: {self.looks} must be two or more numbers of test questions, each larger "
                "than the one before, as [50, 100, 200]; leave it out to look once"
            )
        for dataset in self.datasets:
            if dataset.test_size != self.looks[-1]:
                raise ValueError(
                    f"looks: the last one, {self.looks[-1]}, is at all test questions, and "
                    f"`test_size` of {dataset.display_name} is {dataset.test_size}; make them equal"
                )
        return self

    def _check_written_answers(self) -> None:
        written = [r for t in self.fine_tuning for r in t.each() if r.answers_are_written]
        if "training" in self.contexts and any(r.otherwise == "left_out" for r in written):
            raise ValueError(
                "otherwise: with `left_out` it is not known before which questions are trained on, "
                "which the context `training` asks; take `gold`, or that context out"
            )
        served = [r for r in written if is_endpoint(r.answer_source)]
        if any(r.answered_from == "passages" for r in served) and any(
            self.retrieval.max_context_tokens
        ):
            raise ValueError(
                "answer_source: a server does not give the tokenizer that `max_context_tokens` "
                "needs; set that to 0, or take another `answered_from`"
            )

    @property
    def trainings(self) -> list[Training]:
        """Every way to fine-tune, once for each of its combinations."""
        return [training for tuning in self.fine_tuning for training in tuning.each()]

    def _asked(self) -> Answering:
        return Answering.model_construct(**dict(self.answering), contexts=list(self.contexts))

    @property
    def judged_metrics(self) -> list[str]:
        """Metrics of all criteria that any of the judges scores, in the order of `metrics`."""
        scored = {criterion.metric for criterion in self._graded()}
        return [name for name in self.metrics if name in scored]

    @property
    def metrics(self) -> metrics.Metrics:
        """Every score that the study's answers can have, with the study's own margins."""
        return metrics.METRICS.with_criteria(self._graded(), self.margins)

    def _graded(self) -> list[criteria.Criterion]:
        return [c for judge in self.judges for c in criteria.find_all(judge.criteria)]

    def _check_metrics(self) -> None:
        graded = {criterion.metric: criterion.label for criterion in self._graded()}
        refuse_alike("criteria (by label)", list(graded.values()))
        judged = self.judged_metrics
        for name in self.primary.metrics:
            if name not in judged:
                near = nearest(name, judged)
                raise ValueError(f"primary.metrics: no judge scores '{name}'{near}")
        checked = {criterion.metric for criterion in self._graded() if criterion.required}
        for name in self.primary.metrics:
            if name not in checked:
                raise ValueError(
                    f"primary.metrics: '{name}' can carry no verdict, since its criterion has no "
                    "`required`: nothing says when a judge of it is to be believed"
                )
        for name in self.margins:
            if name not in (allowed := [*judged, *metrics.REFERENCE]):
                raise ValueError(f"margins: unknown metric '{name}'{nearest(name, allowed)}")
            metric, margin = self.metrics[name], self.margins[name]
            if metric.high is not None and margin >= metric.high - metric.low:
                raise ValueError(
                    f"margins: {name} lies between {metric.low:g} and {metric.high:g}, so that no "
                    f"difference is beyond {margin:g}; three points of a hundred are "
                    f"{0.03 * (metric.high - metric.low):g}"
                )


def load_study(path: Path | str) -> StudyConfig:
    """Read and check a study file. Raises StudyError with one message for all its problems.

    A relative data set `path` counts from the study file's own folder. A relative study file
    counts from the working folder, else from the project: notebooks run in several places. In a
    batch run it is the file as it was when the study began.
    """
    text = batch.study_text(located(path))
    path = located(path) if text is not None or located(path).exists() else Path(path)
    return study_of(_content(path, _read(path) if text is None else text), path)


def study_of(content: dict[str, Any], path: Path) -> StudyConfig:
    """The study of a file at `path` that says this. Raises as `load_study`."""
    try:
        config = StudyConfig.model_validate(content, context={"folder": path.parent})
    except ValidationError as error:
        raise StudyError(explain(path, error, _keys_at)) from error

    def placed(value: str | None) -> str | None:
        return portable(path.parent / Path(value).expanduser()) if value else None

    datasets = [
        d.model_copy(update={"path": placed(d.path), "corpus": placed(d.corpus)})
        for d in config.datasets
    ]
    systems = [s.model_copy(update={"answers": placed(s.answers)}) for s in config.systems]
    placed_study = config.model_copy(update={"datasets": datasets, "systems": systems})
    placed_study._path, placed_study._written = path, _AsWritten(content)
    return placed_study


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        candidates = {file.name: str(file) for file in path.parent.glob("*.yaml")}
        if not path.suffix:  # a name, which those that come with the package have
            candidates |= {file.stem: file.stem for file in params_dir().glob("*.yaml")}
        near = difflib.get_close_matches(path.name, candidates)
        hint = f" Did you mean {candidates[near[0]]}?" if near else ""
        raise StudyError(f"{path}: there is no such study file.{hint}") from None
    except IsADirectoryError:
        raise StudyError(f"{path}: is a folder; a study file (YAML) is needed.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: cannot be read as text ({error}). Save it as UTF-8.") from None


def _content(path: Path, text: str) -> dict[str, Any]:
    from ruamel.yaml.constructor import DuplicateKeyError
    from ruamel.yaml.error import YAMLError

    try:
        content = files.parse_yaml(text)
    except DuplicateKeyError as error:
        line = error.problem_mark.line + 1
        problem = error.problem.splitlines()[0]
        raise StudyError(
            f"{path}, line {line}: {problem}. Each key may stand once; delete one of them."
        ) from None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise StudyError(f"{path}{where}: this is not valid YAML ({what}).") from None
    if content is None:
        raise StudyError(f"{path}: the file is empty. params/demo.yaml is an example to copy.")
    if not isinstance(content, dict):
        raise StudyError(
            f"{path}: a study file is a YAML mapping (`name: ...`, `models: ...`), "
            f"this is a {type(content).__name__}."
        )
    return content


def _keys_at(location: list[Any]) -> list[str]:
    inner: dict[str, type[BaseModel]] = {
        "systems": SystemConfig,
        "fine_tuning": FineTuningConfig,
        "retrieval": RetrievalConfig,
        "answering": AnsweringConfig,
        "knowledge": KnowledgeConfig,
        "judges": JudgeConfig,
        "primary": PrimaryConfig,
        "compute": Compute,
        "servers": Servers,
    }
    part = inner.get(location[0], StudyConfig) if len(location) > 1 else StudyConfig
    return list(part.model_fields)
