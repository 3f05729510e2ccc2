"""The parts of a study file: the groups, where some keys may be lists, and what a study adds."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)

from rag_study.common.messages import problems
from rag_study.common.paths import portable
from rag_study.common.shown import looks
from rag_study.data.registry import OWN
from rag_study.evaluation.metrics import COUNTERPARTS, REFERENCE
from rag_study.models.names import beside
from rag_study.retrieval import store_names
from rag_study.study.data_groups import Dataset, Retrieval
from rag_study.study.group import Group
from rag_study.study.groups import Answering, Context, Judge, System
from rag_study.study.training_groups import Knowledge, Training
from rag_study.training.recipe import GOLD, SELF

T = TypeVar("T")
ReferenceMetric = Literal[REFERENCE]


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


# A factor of the grid: one value or a list of them in the study file, a list here.
OneOrMore = Annotated[list[T], BeforeValidator(_listed), Field(min_length=1)]


class Section(Group):
    """A group in a study file: every value of every factor with every other one."""

    group: ClassVar[type[Group]]
    factors: ClassVar[tuple[str, ...]] = ()
    own_keys: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="after")
    def _every_combination_is_possible(self) -> Section:
        for key in self.factors:
            refuse_repeats(key, getattr(self, key))
        try:
            self.each()
        except ValidationError as error:
            explained = [
                ": ".join(filter(None, (".".join(map(str, place)), text)))
                for place, text in problems(error, lambda _: list(type(self).model_fields))
            ]
            raise ValueError("; ".join(explained)) from None
        return self

    def each(self) -> list[Any]:
        """The group once for every combination of its factors that makes a difference."""
        fixed = {key: getattr(self, key) for key in self.own_keys if key not in self.factors}
        made = []
        for values in itertools.product(*(getattr(self, key) for key in self.factors)):
            one = self.group.model_validate(fixed | dict(zip(self.factors, values, strict=True)))
            made += [] if one in made else [one]
        return made


def section_of(
    of: type[Group],
    factors: tuple[str, ...] = (),
    required: tuple[str, ...] = (),
    without: tuple[str, ...] = (),
) -> type[Section]:
    """The section of a study file that says a group: its keys, limits and defaults."""
    fields = {}
    for key, field in of.model_fields.items():
        if key not in without:
            kind = Annotated[(field.annotation, *field.metadata, Field())]
            default = [field.default] if key in factors else field.default
            default = ... if key in required else default
            declared = Field(default, description=field.description)
            fields[key] = (OneOrMore[kind] if key in factors else kind, declared)
    made = create_model(f"{of.__name__}Section", __base__=Section, **fields)
    made.group, made.factors, made.own_keys = of, factors, tuple(fields)
    return made


class DatasetConfig(Dataset):
    """A data set of a study, with how much of it is asked and its name in tables."""

    label: str | None = Field(None, description="name in tables; default: the folder's name")
    test_size: int = Field(100, ge=1, description="questions that are answered and compared")
    slices: list[str] = Field(
        [], description="columns of the questions by whose values effects are looked at, too"
    )

    @field_validator("slices")
    @classmethod
    def _each_once(cls, slices: list[str]) -> list[str]:
        refuse_repeats("slices", slices)
        return slices

    @property
    def display_name(self) -> str:
        if self.label or not self.path:
            return self.label or self.name
        return Path(self.path).name if self.name in OWN else self.name

    @property
    def single(self) -> Dataset:
        return Dataset.model_construct(**self.model_dump(exclude={"label", "test_size", "slices"}))

    @property
    def slice_columns(self) -> dict[str, str]:
        """The column of the results for each name in `slices`. One that `columns` says is the group
        or the kind of answer is known by that."""
        named = {name: key for key, name in self.model_extra.get("columns", {}).items()}
        fixed = ("group", "answer_type")
        read_as = {name: named.get(name, name) for name in self.slices}
        return {name: key if key in fixed else f"extra_{key}" for name, key in read_as.items()}


class SystemConfig(System):
    """A system of a study."""

    dataset: str | None = Field(None, description="label of its data set, where there are several")

    @property
    def single(self) -> System:
        return System.model_construct(**self.model_dump(exclude={"dataset"}))


_FACTORS = (
    "method",
    "train_format",
    "train_size",
    "replay",
    "label_noise",
    "answer_style",
    "answer_source",
    "answered_from",
    "otherwise",
    "train_on",
    "deduplicate",
    "strength",
)


class KnowledgeConfig(section_of(Knowledge, without=("test_questions",))):
    """How it is found out what the models know before any training, of the test questions and of so
    many of the train pool."""


class FineTuningConfig(
    section_of(
        Training,
        factors=_FACTORS,
        required=("train_size",),
        without=("sequence", "asked", "checkpoint"),
    )
):
    """Ways to fine-tune: every list is a factor, and every combination is trained."""

    sequence: list[str] = Field([], description="labels of data sets to train on, in this order")

    @model_validator(mode="before")
    @classmethod
    def _former_names(cls, content: Any) -> Any:
        former = {"train_sizes": "train_size", "strengths": "strength"}
        return renamed(content, former | {"train_batch_size": "batch_size"})

    @field_validator("answer_source", mode="before")
    @classmethod
    def _source_beside_the_study_file(cls, value: Any, info: ValidationInfo) -> Any:
        return [name if name in (GOLD, SELF) else _placed(name, info) for name in _listed(value)]

    @model_validator(mode="after")
    def _no_repeats(self) -> FineTuningConfig:
        refuse_repeats("sequence", self.sequence)
        if self.sequence and self.train_on != ["all"]:
            raise ValueError("train_on: what is known of several data sets is not; leave one out")
        return self

    def each(self) -> list[Training]:
        """As of any section, and for every checkpoint of a training the state that has it."""
        return [
            recipe.model_copy(update={"checkpoint": share})
            for recipe in super().each()
            for share in self.checkpoints
        ]


class RetrievalConfig(
    section_of(
        Retrieval,
        factors=(
            "retriever",
            "reranker",
            "embedding_model",
            "chunk_size",
            "chunk_overlap",
            "top_k",
            "max_context_tokens",
            "passage_order",
        ),
    )
):
    """How the corpus is cut and searched: every list is a factor. A folder with a model counts from
    the study file, and a folder of Qdrant, too."""

    @model_validator(mode="after")
    def _prefixes_are_of_one_model(self) -> RetrievalConfig:
        said = [key for key in ("query_prefix", "passage_prefix") if getattr(self, key) is not None]
        if said and len(self.embedding_model) > 1:
            raise ValueError(
                f"{said[0]}: it would stand before the texts of all embedding models. Leave it out "
                "(each model's own is taken), or write it to `prompts` in the model's "
                "config_sentence_transformers.json."
            )
        return self

    @field_validator("store", mode="before")
    @classmethod
    def _store_beside_the_study_file(cls, value: Any, info: ValidationInfo) -> Any:
        folder = (info.context or {}).get("folder")
        return store_names.beside(folder, value) if folder and isinstance(value, str) else value

    @field_validator("embedding_model", "reranker", mode="before")
    @classmethod
    def _beside_the_study_file(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, list):
            return [_placed(name, info) for name in value]
        return _placed(value, info)


class AnsweringConfig(section_of(Answering, without=("contexts", "test_size", "prompting"))):
    """How answers are generated; what is asked and in which contexts stands in the study itself."""


class JudgeConfig(Judge):
    """One judge. Several may share a model when their `name` tells them apart."""

    name: str | None = Field(None, max_length=60, description="in tables; default: the model's")

    @field_validator("model", "tokenizer", mode="before")
    @classmethod
    def _model_beside_the_study_file(cls, value: Any, info: ValidationInfo) -> Any:
        return _placed(value, info)

    @field_validator("criteria", "adapter")
    @classmethod
    def _beside_the_study_file(cls, value: Any, info: ValidationInfo) -> Any:
        folder = (info.context or {}).get("folder")
        if folder is None or value is None:
            return value
        if isinstance(value, str):
            return portable(folder / Path(value).expanduser())
        return [
            portable(folder / Path(name).expanduser()) if "." in name or "/" in name else name
            for name in value
        ]

    @property
    def display_name(self) -> str:
        return self.name or self.model

    @property
    def single(self) -> Judge:
        return Judge.model_construct(**self.model_dump(exclude={"name"}))


class PrimaryConfig(Group):
    """The comparisons that carry a verdict.

    `reference_metrics` take over where no judge passes its check.
    """

    contexts: list[Context] = Field(["retrieved"], min_length=1)
    metrics: list[str] = Field(list(COUNTERPARTS), min_length=1)
    reference_metrics: list[ReferenceMetric] = Field(list(COUNTERPARTS.values()), min_length=1)


def _placed(name: Any, info: ValidationInfo) -> Any:
    """The name of a model, of which a relative path counts from the study file's folder."""
    folder = (info.context or {}).get("folder")
    return beside(folder, name) if folder and isinstance(name, str) else name


def renamed(content: Any, former: Mapping[str, str]) -> Any:
    """What a study file says, with keys of earlier releases under their names of today."""
    if not isinstance(content, Mapping):
        return content
    for old, new in former.items():
        if old in content and new in content:
            raise ValueError(f"{old}: that is the former name of `{new}`, which is there too")
    return {former.get(key, key): value for key, value in content.items()}


def refuse_alike(key: str, names: Sequence[str]) -> None:
    """Refuse names that are the same, look the same, or cannot be seen."""
    refuse_repeats(key, names)
    seen: dict[str, str] = {}
    for name in names:
        look = looks(name)
        if name and not look:  # "" is the folder of the study file, whose name is not known yet
            raise ValueError(f"{key}: nothing of the name {name!a} can be seen; give it another")
        if look in seen:
            raise ValueError(f"{key}: {seen[look]!a} and {name!a} look the same; rename one")
        seen[look] = name


def refuse_repeats(key: str, values: Sequence[Any]) -> None:
    repeated = sorted({str(v) for v in values if values.count(v) > 1})
    if repeated:
        raise ValueError(f"{key}: {', '.join(repeated)} is given more than once")
