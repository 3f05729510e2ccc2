"""The groups of settings that say how a model is trained, and what it knew before."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from rag_study.common.errors import StudyError
from rag_study.models import methods
from rag_study.study.data_groups import Dataset
from rag_study.study.group import Group, Share
from rag_study.study.model_checks import check_language_model
from rag_study.training.kernels import KERNELS
from rag_study.training.recipe import (
    ANSWER_STYLES,
    ANSWERED_FROM,
    GOLD,
    OTHERWISE,
    SELF,
    TRAIN_FORMATS,
    TRAIN_ON,
    Recipe,
    checkpoint_steps,
    optimizer_steps,
    subset_name,
    subset_of,
)

PartOfSteps = Annotated[float, Field(gt=0, le=1)]
# Settings that one family of methods has.
_FAMILY_OF = {"lora_rank": "lora", "lora_alpha": "lora", "num_virtual_tokens": "virtual"}


class Training(Group):
    """One way to fine-tune.

    `max_steps` replaces `epochs`. The learning rate, left out, is the method's own. The data sets
    of `sequence` are trained on one after the other; without it, the data set that is asked.
    `asked` says which training questions the source of the answers is asked: how many of each
    `recipe.subset_name`. All trainings of a study share them.
    """

    method: Literal[tuple(methods.METHODS)] = "lora"
    train_format: Literal[tuple(TRAIN_FORMATS)] = "closed_book"
    train_size: int = Field(200, ge=1, description="questions; subsets of one seed are nested")
    epochs: int = Field(3, ge=1, le=100)
    max_steps: int | None = Field(
        None, ge=1, description="optimizer steps, the same at every train size; replaces epochs"
    )
    learning_rate: float | None = Field(None, gt=0, lt=1)
    lora_rank: int = Field(16, ge=1, le=1024)
    lora_alpha: int = Field(32, ge=1)
    num_virtual_tokens: int = Field(20, ge=1, le=1024, description="prompt and prefix tuning")
    batch_size: int = Field(8, ge=1)
    early_stopping: bool = Field(False, description="keep the weights with the lowest loss")
    gradient_checkpointing: bool = Field(
        False, description="activations are computed again for the backward pass, not kept"
    )
    kernels: Literal[KERNELS] = Field(
        "standard", description="liger: fused ones on a GPU, of the package liger-kernel"
    )
    padding_free: bool = Field(False, description="batches as one row on a GPU, too")
    p_gold: Share = Field(0.8, description="raft: share of examples with the gold passage")
    num_distractors: int = Field(3, ge=1, le=20, description="raft: other passages per example")
    replay: float = Field(0.0, ge=0, lt=1, description="share of general instructions in the mix")
    label_noise: Share = Field(0.0, description="share of wrong answers")
    answer_style: Literal[ANSWER_STYLES] = Field("as_given", description="of gold answers")
    answer_source: str = Field(
        GOLD, description="whose answers are learned: gold, self (the base's own), or a model"
    )
    answered_from: Literal[tuple(ANSWERED_FROM)] = Field(
        "passages", description="what a model is shown when it writes them: the gold passages, ..."
    )
    otherwise: Literal[OTHERWISE] = Field(
        "gold", description="what a question gets whose written answer disagrees with the gold one"
    )
    train_on: Literal[TRAIN_ON] = Field(
        "all", description="questions of which kind, by what the model knew of them (`knowledge`)"
    )
    deduplicate: bool = Field(False, description="no near-duplicates among the questions")
    strength: Share = Field(1.0, description="1: the adapter, 0: the base, between: interpolated")
    checkpoints: list[PartOfSteps] = Field(
        [1.0], min_length=1, description="shares of the steps after which the weights are kept"
    )
    checkpoint: PartOfSteps = Field(1.0, description="of which of them the state has the weights")
    sequence: list[Dataset] = Field([])
    asked: dict[str, Annotated[int, Field(ge=1)]] = Field({})

    @field_validator("answer_source")
    @classmethod
    def _known_source(cls, name: str) -> str:
        if name not in (GOLD, SELF):
            check_language_model(name, also=(GOLD, SELF))
        return name

    @field_validator("asked")
    @classmethod
    def _known_subsets(cls, asked: dict[str, int]) -> dict[str, int]:
        for name in asked:
            subset_of(name)
        return asked

    @model_validator(mode="after")
    def _is_possible(self) -> Training:
        if self.strength != 1 and methods.METHODS[self.method].family == "virtual":
            raise ValueError(f"strength: {self.method} is there or not, nothing between")
        if self.padding_free and methods.METHODS[self.method].family == "virtual":
            raise ValueError(f"padding_free: {self.method} needs padded batches; leave one out")
        if self.gradient_checkpointing and not methods.METHODS[self.method].checkpointing:
            raise ValueError(
                "gradient_checkpointing: the prefixes of prefix_tuning are a cache, which "
                "checkpoints do not keep; leave one out"
            )
        if self.train_on != "all" and self.sequence:
            raise ValueError("train_on: what is known of several data sets is not; leave one out")
        if self.train_on != "all" and self.answers_are_written:
            raise ValueError("train_on: a model writes answers to all questions; leave one out")
        if self.checkpoint not in (1, *self.checkpoints):
            raise ValueError(f"checkpoint {self.checkpoint:g} is none of {self.checkpoints}")
        if self.checkpoints != [1]:
            self._check_checkpoints()
        if self.learning_rate is None:
            self.__dict__["learning_rate"] = methods.METHODS[self.method].learning_rate
        for key in self._idle:  # so that trainings that are the same are equal
            self.__dict__[key] = type(self).model_fields[key].default
        return self

    def _check_checkpoints(self) -> None:
        if self.early_stopping:
            raise ValueError("checkpoints: early_stopping keeps the best weights; leave one out")
        pairs = round(self.train_size / (1 - self.replay))
        steps = optimizer_steps(pairs, self.batch_size, self.epochs, self.max_steps)
        try:
            checkpoint_steps(self.checkpoints, steps)
        except StudyError as error:
            raise ValueError(str(error)) from None

    def recipe(self, seed: int) -> Recipe:
        """What `training.finetune` takes."""
        return Recipe(
            method=self.method,
            epochs=self.epochs,
            max_steps=self.max_steps or 0,
            learning_rate=self.learning_rate,
            lora_rank=self.lora_rank,
            lora_alpha=self.lora_alpha,
            num_virtual_tokens=self.num_virtual_tokens,
            batch_size=self.batch_size,
            seed=seed,
            early_stopping=self.early_stopping,
            checkpoints=tuple(self.checkpoints),
            gradient_checkpointing=self.gradient_checkpointing,
            kernels=self.kernels,
            padding_free=self.padding_free,
        )

    @property
    def answers_are_written(self) -> bool:
        """Whether a model writes the answers that are learned."""
        return self.answer_source != GOLD

    def subset(self, seed: int) -> dict[str, int]:
        """The questions of this training with a seed, as `asked` says them."""
        return {subset_name(seed, self.deduplicate): self.train_size}

    @property
    def _idle(self) -> frozenset[str]:
        """Keys about the source of the answers that mean nothing here."""
        if not self.answers_are_written:
            return frozenset(("answered_from", "otherwise", "asked"))
        return frozenset(("answer_style",) if self.otherwise == "left_out" else ())

    @property
    def with_passages(self) -> bool:
        return self.train_format != "closed_book"

    @property
    def unused(self) -> frozenset[str]:
        family = methods.METHODS[self.method].family
        keys = {key for key, owner in _FAMILY_OF.items() if owner != family}
        keys |= {"epochs"} if self.max_steps else {"max_steps"}
        keys |= self._idle if self.answers_are_written else self._idle | {"answer_source"}
        keys |= {"checkpoints", "checkpoint"} if self.checkpoints == [1] else set()
        keys |= {"train_on"} if self.train_on == "all" else set()
        keys |= {"kernels"} if self.kernels == "standard" else set()
        switches = ("gradient_checkpointing", "padding_free")
        keys |= {key for key in switches if not getattr(self, key)}
        return frozenset(
            keys if self.train_format == "raft" else keys | {"p_gold", "num_distractors"}
        )


class Knowledge(Group):
    """How it is found out what a model knows of questions before any training: how it is asked."""

    exemplar_sets: int = Field(4, ge=1, le=50, description="greedy answers, each behind its own")
    num_examples: int = Field(4, ge=1, le=32, description="examples before a question")
    samples: int = Field(8, ge=1, le=1000, description="sampled answers, spread over the sets")
    temperature: float = Field(0.5, gt=0, le=2, description="of the samples")
    max_new_tokens: int = Field(32, ge=1, le=2048)
    batch_size: int = Field(16, ge=1)
    test_questions: int = Field(0, ge=0, description="from the front of the test pool")
    train_questions: int = Field(500, ge=0, description="of the train pool; all, where it has less")
