"""The study file: what may stand in it, and how it is read.

Unknown keys are refused. Every problem is reported in one message that names the file, the key,
what was given and what is allowed.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from rag_study import adapters, criteria, metrics, models, qa_datasets
from rag_study.errors import StudyError
from rag_study.explain import explain, nearest
from rag_study.provenance import located, portable
from rag_study.qa_datasets import registry
from rag_study.retrieval.settings import RETRIEVERS, check_chunking

# `training` asks questions that the model was trained on, without passages: does it know them by
# heart? Questions disjoint from training cannot show that.
Context = Literal["none", "retrieved", "oracle", "distractor", "counterfactual", "training"]
Method = Literal[tuple(adapters.METHODS)]
TrainFormat = Literal["closed_book", "with_context", "raft"]
AnswerStyle = Literal["as_given", "short", "long"]
T = TypeVar("T")
ReferenceMetric = Literal[metrics.REFERENCE]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


# A factor of the grid: one value or a list of them in the study file, a list here.
OneOrMore = Annotated[list[T], BeforeValidator(_listed), Field(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class DatasetConfig(_Part):
    """One data set: a name of `qa_datasets.registry`, where it is, and the data set's own options
    (further keys, checked against what the data set takes)."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str
    path: str | None = Field(None, description="file or folder; left out: the hub")
    corpus: str | None = Field(None, description="file or folder with documents of its own")
    label: str | None = Field(None, description="name in tables; default: the folder's name")
    test_size: int = Field(100, ge=1, description="questions that are answered and compared")
    test_share: float = Field(0.25, ge=0.05, le=0.8, description="share of the test pool")
    retrieval_scope: Literal["corpus", "own"] | None = Field(
        None, description="own: search the question's own paper or contract only"
    )

    @model_validator(mode="after")
    def _fits_the_data_set(self) -> DatasetConfig:
        try:
            known = registry.find(self.name).options.model_fields
            for key in self.model_extra:
                if key not in known:
                    near = nearest(key, [*DatasetConfig.model_fields, *known])
                    raise ValueError(f"unknown key '{key}'{near}")
            self._source()
        except StudyError as error:
            raise ValueError(str(error)) from None
        return self

    def _source(self) -> registry.Source:
        return qa_datasets.source_of(
            self.name, self.path or "", self.corpus or "", self.model_extra
        )

    @property
    def display_name(self) -> str:
        if self.label or not self.path:
            return self.label or self.name
        return Path(self.path).name if self.name == "jsonl" else self.name

    @property
    def parameters(self) -> dict[str, Any]:
        """The values by which the notebooks know the data set, all options spelt out."""
        options = self._source().options
        own = registry.find(self.name).searches_own_scope(options)
        return {
            "dataset": self.name,
            "dataset_path": self.path or "",
            "corpus_path": self.corpus or "",
            "dataset_options": options.model_dump(mode="json"),
            "test_share": self.test_share,
            "retrieval_scope": self.retrieval_scope or ("own" if own else "corpus"),
        }


class SystemConfig(_Part):
    """Answers that another system gave to the same questions, judged beside the study's own."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$", max_length=40)
    answers: str = Field(description="JSON lines: id or question, answer, optionally contexts")
    dataset: str | None = Field(None, description="label of its data set, where there are several")
    context: Context = Field("retrieved", description="the condition that it is compared in")


class FineTuningConfig(_Part):
    """Ways to fine-tune: every list is a factor, and every combination is trained.

    Numbers left out are the method's own (see `adapters.METHODS`) or PEFT's usual ones.
    """

    method: OneOrMore[Method] = ["lora"]
    train_format: OneOrMore[TrainFormat] = ["closed_book"]
    train_sizes: list[Annotated[int, Field(ge=1)]] = Field(min_length=1)
    epochs: int = Field(3, ge=1, le=100)
    max_steps: int | None = Field(
        None, ge=1, description="optimizer steps, the same at every train size; replaces epochs"
    )
    learning_rate: float | None = Field(None, gt=0, lt=1)
    lora_rank: int = Field(16, ge=1, le=1024)
    lora_alpha: int = Field(32, ge=1)
    num_virtual_tokens: int = Field(20, ge=1, le=1024)
    train_batch_size: int = Field(8, ge=1)
    early_stopping: bool = False
    p_gold: Share = Field(0.8, description="raft: share of examples with the gold passage")
    num_distractors: int = Field(3, ge=1, le=20, description="raft: other passages per example")
    replay: OneOrMore[Annotated[float, Field(ge=0, lt=1)]] = [0.0]
    label_noise: OneOrMore[Share] = [0.0]
    answer_style: OneOrMore[AnswerStyle] = ["as_given"]
    deduplicate: OneOrMore[bool] = [False]
    strengths: OneOrMore[Annotated[float, Field(ge=0, le=1)]] = [1.0]
    sequence: list[str] = Field([], description="labels of data sets to train on, in this order")

    @model_validator(mode="after")
    def _no_repeats(self) -> FineTuningConfig:
        for key in type(self).model_fields:
            if isinstance(value := getattr(self, key), list):
                _refuse_repeats(key, value)
        virtual = [m for m in self.method if adapters.METHODS[m].family == "virtual"]
        if self.strengths != [1.0] and virtual:
            raise ValueError(f"strengths: {', '.join(virtual)} is there or not, nothing between")
        return self


class RetrievalConfig(_Part):
    """How the corpus is cut and searched, and what of it is shown: every list is a factor.

    Lengths are in tokens of the embedding model, `max_context_tokens` in tokens of the answering
    model (0: only its window limits the passages).
    """

    retriever: OneOrMore[Literal[RETRIEVERS]] = ["dense"]
    reranker: OneOrMore[str] = [""]
    embedding_model: Literal["all-minilm-l6-v2"] = "all-minilm-l6-v2"
    chunk_size: OneOrMore[Annotated[int, Field(ge=32)]] = [192]
    chunk_overlap: OneOrMore[Annotated[int, Field(ge=0)]] = [32]
    top_k: OneOrMore[Annotated[int, Field(ge=1, le=50)]] = [3]
    max_context_tokens: OneOrMore[Annotated[int, Field(ge=0)]] = [0]
    passage_order: OneOrMore[Literal["best_first", "best_last"]] = ["best_first"]

    @model_validator(mode="after")
    def _chunks_are_possible(self) -> RetrievalConfig:
        for key, value in self:
            if isinstance(value, list):
                _refuse_repeats(key, value)
        try:
            for size in self.chunk_size:
                for overlap in self.chunk_overlap:
                    check_chunking(size, overlap)
        except StudyError as error:
            raise ValueError(str(error)) from None
        return self


class GenerationConfig(_Part):
    max_new_tokens: int = Field(48, ge=1, le=2048)
    num_examples: int = Field(4, ge=1, le=32, description="examples in a few_shot prompt")
    temperature: float = Field(0.0, ge=0, le=2, description="0: greedy")
    top_p: float = Field(1.0, gt=0, le=1)
    context_gain: bool = Field(False, description="also the likelihood of the reference answer")
    batch_size: int = Field(8, ge=1, description="questions answered together")


class JudgeConfig(_Part):
    """One judge. Several may share a model when their `name` tells them apart."""

    model: str
    name: str | None = Field(None, max_length=60, description="in tables; default: the model's")
    criteria: list[str] = Field(
        list(criteria.DEFAULT), min_length=1, description="names, or paths of own YAML files"
    )
    adapter: str | None = Field(None, description="folder with an adapter of a local judge")
    trained: bool = Field(False, description="the adapter, or the model, was trained to grade")
    dtype: Literal["float32", "bfloat16", "4bit"] | None = Field(
        None, description="left out: that of the study"
    )
    tokenizer: str | None = Field(
        None, description="of a model on a server: it is asked for completions instead of by chat"
    )
    reasoning_tokens: int = Field(0, ge=0, le=2048, description="0: the score at once")
    samples: int = Field(1, ge=1, le=50, description="of the reasoning, averaged")
    ladder_size: int = Field(60, ge=20, description="questions in the judge's check")

    @field_validator("criteria", "adapter")
    @classmethod
    def _beside_the_study_file(cls, given: Any, info: ValidationInfo) -> Any:
        folder = (info.context or {}).get("folder")
        if folder is None or given is None:
            return given
        if isinstance(given, str):
            return portable(folder / Path(given).expanduser())
        return [
            portable(folder / Path(name).expanduser()) if "." in name or "/" in name else name
            for name in given
        ]

    @model_validator(mode="after")
    def _can_score(self) -> JudgeConfig:
        try:
            for one in criteria.find_all(self.criteria):
                metrics.add_criterion(one)
        except StudyError as error:
            raise ValueError(str(error)) from None
        _check_model(self.model)
        remote = models.is_endpoint(self.model)
        local_only = [key for key in ("adapter", "trained", "dtype") if getattr(self, key)]
        if remote and local_only:
            raise ValueError(f"{local_only[0]}: a model on a server is as the server has it")
        if self.tokenizer and not remote:
            raise ValueError("tokenizer: a local judge has its own; it is for models on a server")
        if self.adapter and not located(self.adapter).is_dir():
            raise ValueError(f"adapter: there is no folder {self.adapter}")
        if self.samples > 1 and not self.reasoning_tokens:
            raise ValueError(
                "samples: without reasoning_tokens nothing is drawn, and all would be the same"
            )
        return self

    @property
    def display_name(self) -> str:
        return self.name or self.model

    @property
    def parameters(self) -> dict[str, Any]:
        """The values by which the notebooks know the judge."""
        return {
            "judge": self.model,
            "criteria": list(self.criteria),
            "judge_adapter": self.adapter or "",
            "judge_trained": self.trained,
            "judge_dtype": self.dtype or "",
            "judge_tokenizer": self.tokenizer or "",
            "reasoning_tokens": self.reasoning_tokens,
            "judge_samples": self.samples,
            "ladder_size": self.ladder_size,
        }


class PrimaryConfig(_Part):
    """The comparisons that carry a verdict.

    `reference_metrics` take over where no judge passes its check.
    """

    contexts: list[Context] = Field(["retrieved"], min_length=1)
    metrics: list[str] = Field(["judge_accuracy", "judge_completeness"], min_length=1)
    reference_metrics: list[ReferenceMetric] = Field(
        ["answer_recall", "key_point_recall"], min_length=1
    )


class ComputeConfig(_Part):
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: int = Field(0, ge=0, le=1024, description="0: as many as the machine has cores")


class StudyConfig(_Part):
    """A whole study. Every list is a factor of the grid; the base model is always run."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=60)
    models: list[str] = Field(min_length=1)
    datasets: list[DatasetConfig] = Field(min_length=1)
    systems: list[SystemConfig] = []
    fine_tuning: list[FineTuningConfig] = []
    prompting: list[Literal["default", "brief", "few_shot"]] = Field(["default"], min_length=1)
    contexts: list[Context] = Field(["none", "retrieved", "oracle"], min_length=1)
    retrieval: RetrievalConfig = Field(default_factory=RetrievalConfig)
    generation: GenerationConfig = GenerationConfig()
    retention: int = Field(1000, ge=0, description="items per task; 0: not measured")
    judges: list[JudgeConfig] = Field(min_length=1)
    seeds: list[Annotated[int, Field(ge=0)]] = Field([0], min_length=1)
    primary: PrimaryConfig = PrimaryConfig()
    semantic_similarity: bool = Field(True, description="also compare embeddings of the answers")
    margins: dict[str, Annotated[float, Field(gt=0)]] = {}
    compute: ComputeConfig = ComputeConfig()
    notes: list[str] = Field([], description="sentences for whoever reads the result")

    @field_validator("models")
    @classmethod
    def _known_models(cls, names: list[str]) -> list[str]:
        for name in names:
            if not models.is_endpoint(name):
                _check_model(name)
        return names

    @model_validator(mode="after")
    def _consistent(self) -> StudyConfig:
        if self.name == "runs":
            raise ValueError("name: 'runs' is the folder of all studies' runs; take another")
        for key in ("models", "contexts", "seeds", "prompting"):
            _refuse_repeats(key, getattr(self, key))
        _refuse_repeats("judges (by name)", [judge.display_name for judge in self.judges])
        scoring = [judge.model_dump(exclude={"name", "ladder_size"}) for judge in self.judges]
        if same := [j for j in self.judges if scoring.count(scoring[self.judges.index(j)]) > 1]:
            raise ValueError(f"judges: '{same[0].display_name}' stands there twice under two names")
        self._check_metrics()
        labels = [d.display_name for d in self.datasets]
        _refuse_repeats("datasets (by label)", labels)
        _refuse_repeats("systems (by name)", [s.name for s in self.systems])
        for system in self.systems:
            if system.dataset is None and len(labels) > 1:
                raise ValueError(f"systems: `{system.name}` needs `dataset:`, one of {labels}")
            if system.dataset is not None and system.dataset not in labels:
                raise ValueError(f"systems: there is no data set '{system.dataset}' in {labels}")
            if system.name in ("none", *adapters.METHODS):
                raise ValueError(f"systems: '{system.name}' is the name of a training method")
            if system.context not in self.contexts:
                raise ValueError(
                    f"systems: `{system.name}` is compared in '{system.context}', which "
                    f"`contexts` {self.contexts} does not have"
                )
        for tuning in self.fine_tuning:
            if unknown := [name for name in tuning.sequence if name not in labels]:
                raise ValueError(f"sequence names {unknown}, the data sets are {labels}")
        if self.generation.context_gain and any(map(models.is_endpoint, self.models)):
            raise ValueError("context_gain needs the model itself; a server does not tell it")
        if "default" not in self.prompting:
            raise ValueError("prompting: `default` is what the others are compared with; add it")
        missing = [c for c in self.primary.contexts if c not in self.contexts]
        if missing:
            raise ValueError(
                f"primary.contexts names {missing}, which `contexts` {self.contexts} does not have"
            )
        return self

    @property
    def judged_metrics(self) -> list[str]:
        """Metrics of all criteria that any of the judges scores, in the order of METRICS."""
        scored = {one.metric for judge in self.judges for one in criteria.find_all(judge.criteria)}
        return [name for name in metrics.METRICS if name in scored]

    def _check_metrics(self) -> None:
        judged = self.judged_metrics
        for name in self.primary.metrics:
            if name not in judged:
                near = nearest(name, judged)
                raise ValueError(f"primary.metrics: no judge scores '{name}'{near}")
        checked = {
            one.metric
            for judge in self.judges
            for one in criteria.find_all(judge.criteria)
            if one.required
        }
        for name in self.primary.metrics:
            if name not in checked:
                raise ValueError(
                    f"primary.metrics: '{name}' can carry no verdict, since its criterion has no "
                    "`required`: nothing says when a judge of it is to be believed"
                )
        for name in self.margins:
            if name not in (known := [*judged, *metrics.REFERENCE]):
                raise ValueError(f"margins: unknown metric '{name}'{nearest(name, known)}")


def load_study(path: Path | str) -> StudyConfig:
    """Read and check a study file. Raises StudyError with one message for all its problems.

    A relative data set `path` counts from the study file's own folder. A relative study file
    counts from the working folder, else from the project: notebooks run in several places.
    """
    path = located(path) if located(path).exists() else Path(path)
    try:
        config = StudyConfig.model_validate(_read_yaml(path), context={"folder": path.parent})
    except ValidationError as error:
        raise StudyError(explain(path, error, _keys_at)) from error

    def placed(value: str | None) -> str | None:
        return portable(path.parent / Path(value).expanduser()) if value else None

    datasets = [
        d.model_copy(update={"path": placed(d.path), "corpus": placed(d.corpus)})
        for d in config.datasets
    ]
    systems = [s.model_copy(update={"answers": placed(s.answers)}) for s in config.systems]
    return config.model_copy(update={"datasets": datasets, "systems": systems})


def _read_yaml(path: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import DuplicateKeyError
    from ruamel.yaml.error import YAMLError

    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.yaml")])
        hint = f" Did you mean {path.parent / near[0]}?" if near else ""
        raise StudyError(f"{path}: there is no such study file.{hint}") from None
    except IsADirectoryError:
        raise StudyError(f"{path}: is a folder; a study file (YAML) is needed.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: cannot be read as text ({error}).") from None
    try:
        content = YAML(typ="safe", pure=True).load(text)
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


def _check_model(name: str) -> None:
    if models.is_known(name):
        models.check_installed(name)
        return
    near = difflib.get_close_matches(name, models.GENERATORS, n=1, cutoff=0.4)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    raise ValueError(
        f"'{name}' is not a preset ({', '.join(models.GENERATORS)}), not a folder, "
        f"and not a hub id (owner/name){hint}"
    )


def _refuse_repeats(key: str, values: list[Any]) -> None:
    repeated = sorted({str(v) for v in values if values.count(v) > 1})
    if repeated:
        raise ValueError(f"{key}: {', '.join(repeated)} is given more than once")


def _keys_at(location: list[Any]) -> list[str]:
    inner: dict[str, type[BaseModel]] = {
        "systems": SystemConfig,
        "fine_tuning": FineTuningConfig,
        "retrieval": RetrievalConfig,
        "generation": GenerationConfig,
        "judges": JudgeConfig,
        "primary": PrimaryConfig,
        "compute": ComputeConfig,
    }
    part = inner.get(location[0], StudyConfig) if len(location) > 1 else StudyConfig
    return list(part.model_fields)
