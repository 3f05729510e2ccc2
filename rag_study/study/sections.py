"""The parts of a study file, each a section with its keys, defaults and limits."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from rag_study import data
from rag_study.answering.conditions import CONDITIONS, ORDERS
from rag_study.common.errors import StudyError
from rag_study.common.messages import nearest
from rag_study.common.paths import located, portable
from rag_study.data import registry
from rag_study.evaluation.judging import criteria
from rag_study.evaluation.metrics import COUNTERPARTS, REFERENCE
from rag_study.models import methods, names
from rag_study.retrieval.settings import RETRIEVERS, check_chunking
from rag_study.training.recipe import ANSWER_STYLES, TRAIN_FORMATS

Context = Literal[tuple(CONDITIONS)]
Method = Literal[tuple(methods.METHODS)]
TrainFormat = Literal[tuple(TRAIN_FORMATS)]
AnswerStyle = Literal[ANSWER_STYLES]
T = TypeVar("T")
ReferenceMetric = Literal[REFERENCE]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


# A factor of the grid: one value or a list of them in the study file, a list here.
OneOrMore = Annotated[list[T], BeforeValidator(_listed), Field(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class DatasetConfig(Part):
    """One data set: a name of `data.registry`, where it is, and the data set's own options
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
        return data.source_of(self.name, self.path or "", self.corpus or "", self.model_extra)

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


class SystemConfig(Part):
    """Answers that another system gave to the same questions, judged beside the study's own."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$", max_length=40)
    answers: str = Field(description="JSON lines: id or question, answer, optionally contexts")
    dataset: str | None = Field(None, description="label of its data set, where there are several")
    context: Context = Field("retrieved", description="the condition that it is compared in")


class FineTuningConfig(Part):
    """Ways to fine-tune: every list is a factor, and every combination is trained.

    Numbers left out are the method's own (see `models.METHODS`) or PEFT's usual ones.
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
                refuse_repeats(key, value)
        virtual = [m for m in self.method if methods.METHODS[m].family == "virtual"]
        if self.strengths != [1.0] and virtual:
            raise ValueError(f"strengths: {', '.join(virtual)} is there or not, nothing between")
        return self


class RetrievalConfig(Part):
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
    passage_order: OneOrMore[Literal[ORDERS]] = ["best_first"]

    @model_validator(mode="after")
    def _chunks_are_possible(self) -> RetrievalConfig:
        for key, value in self:
            if isinstance(value, list):
                refuse_repeats(key, value)
        try:
            for size in self.chunk_size:
                for overlap in self.chunk_overlap:
                    check_chunking(size, overlap)
        except StudyError as error:
            raise ValueError(str(error)) from None
        return self


class GenerationConfig(Part):
    max_new_tokens: int = Field(48, ge=1, le=2048)
    num_examples: int = Field(4, ge=1, le=32, description="examples in a few_shot prompt")
    temperature: float = Field(0.0, ge=0, le=2, description="0: greedy")
    top_p: float = Field(1.0, gt=0, le=1)
    context_gain: bool = Field(False, description="also the likelihood of the reference answer")
    batch_size: int = Field(8, ge=1, description="questions answered together")


class JudgeConfig(Part):
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
            wanted = criteria.find_all(self.criteria)
        except StudyError as error:
            raise ValueError(str(error)) from None
        if self.model in names.JUDGES:
            names.check_installed(self.model)
            if self.adapter:
                raise ValueError(f"adapter: {self.model} has one already")
        else:
            check_model(self.model, also=list(names.JUDGES))
        unknown = [one.name for one in wanted if not one.trained_rubric]
        if unknown and names.is_trained_judge(self.model, self.trained):
            raise ValueError(
                f"criteria: a judge that was trained to grade knows none of '{unknown[0]}', which "
                "has no `trained_rubric`; name another judge for it"
            )
        remote = names.is_endpoint(self.model)
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


class PrimaryConfig(Part):
    """The comparisons that carry a verdict.

    `reference_metrics` take over where no judge passes its check.
    """

    contexts: list[Context] = Field(["retrieved"], min_length=1)
    metrics: list[str] = Field(list(COUNTERPARTS), min_length=1)
    reference_metrics: list[ReferenceMetric] = Field(list(COUNTERPARTS.values()), min_length=1)


class ComputeConfig(Part):
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: int = Field(0, ge=0, le=1024, description="0: as many as the machine has cores")


def check_model(name: str, also: Sequence[str] = ()) -> None:
    """Raise ValueError for a name that is no model; `also` are names that would do as well."""
    if names.is_known(name):
        names.check_installed(name)
        return
    if name in names.JUDGES:
        raise ValueError(f"'{name}' was trained to grade answers: it is a judge (`judges`)")
    presets = [*names.GENERATORS, *also]
    near = difflib.get_close_matches(name, presets, n=1, cutoff=0.4)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    raise ValueError(
        f"'{name}' is not a preset ({', '.join(presets)}), not a folder, "
        f"and not a hub id (owner/name){hint}"
    )


def refuse_repeats(key: str, values: list[Any]) -> None:
    repeated = sorted({str(v) for v in values if values.count(v) > 1})
    if repeated:
        raise ValueError(f"{key}: {', '.join(repeated)} is given more than once")
