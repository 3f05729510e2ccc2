"""The points of a study's grid: every combination of data, search, model state and judge."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from rag_study.models import architectures, names
from rag_study.study import readers
from rag_study.study.config import StudyConfig
from rag_study.study.data_groups import Dataset
from rag_study.study.groups import Answering, Point
from rag_study.study.sections import DatasetConfig
from rag_study.study.training_groups import Knowledge, Training
from rag_study.training.recipe import SELF

# (model, what it is shown) -> what it is asked, as `Training.asked` has it.
Asked = dict[tuple[str, str], dict[str, int]]


def points(config: StudyConfig) -> Iterator[Point]:
    sets = {dataset.display_name: dataset.single for dataset in config.datasets}
    judges = [judge.single for judge in config.judges]
    asked = _asked(config)
    for dataset in config.datasets:
        answering = Answering.model_construct(
            **dict(config.answering), contexts=list(config.contexts), test_size=dataset.test_size
        )
        shared = {
            "dataset": sets[dataset.display_name],
            "retention": config.retention,
            "knowledge": config.knowledge
            and Knowledge(**dict(config.knowledge), test_questions=dataset.test_size),
            "semantic_similarity": config.semantic_similarity,
            "compute": config.compute,
            "servers": config.servers,
        }
        for model, search in itertools.product(config.models, config.retrieval.each()):
            here = {"model": model, "retrieval": search}
            served = names.is_endpoint(model)
            if served or architectures.kind_of(model) != architectures.DECODER:
                here["retention"] = 0
            if architectures.kind_of(model) == architectures.EXTRACTIVE:
                here["knowledge"] = None  # without passages there is nothing to ask it
            engine = {"engine": "transformers"} if served else {}  # has no meaning there
            states = _states(config, dataset, sets, answering.model_copy(update=engine))
            for state in readers.states_of(model, states):
                if served and state.get("training"):
                    continue  # nothing is trained behind an endpoint
                if training := state.get("training"):
                    state["training"] = _with_source(training, model, asked)
                for judge in judges:
                    yield Point.model_construct(**{**shared, **here, **state, "judge": judge})
        for system in config.systems:
            if system.dataset in (None, dataset.display_name):
                imported = {"system": system.single, "answering": answering}
                imported |= {"retention": 0, "knowledge": None}
                for judge in judges:
                    yield Point.model_construct(**{**shared, **imported, "judge": judge})


def _states(
    config: StudyConfig, dataset: DatasetConfig, sets: dict[str, Dataset], answering: Answering
) -> Iterator[dict[str, Any]]:
    """What distinguishes the states of one model: how it is prompted, else how it was trained."""
    for prompting in config.prompting:
        prompted = answering.model_copy(update={"prompting": prompting})
        if prompted.few_shot:  # its examples are training questions with their answers
            contexts = [name for name in answering.contexts if name != "training"]
            prompted = prompted.model_copy(update={"contexts": contexts})
        for seed in config.seeds if prompted.few_shot else [0]:
            if prompted.contexts:
                yield {"answering": prompted, "seed": seed}
    for tuning in config.fine_tuning:
        if tuning.sequence and dataset.display_name not in tuning.sequence:
            continue
        sequence = [sets[label] for label in tuning.sequence]
        for recipe in tuning.each():
            training = recipe.model_copy(update={"sequence": sequence})
            for seed in config.seeds:
                yield {"answering": answering, "training": training, "seed": seed}


def _asked(config: StudyConfig) -> Asked:
    """What each model that writes answers is asked for all trainings of the study together."""
    asked: Asked = defaultdict(dict)
    trained = [model for model in config.models if not names.is_endpoint(model)]
    recipes = [recipe for tuning in config.fine_tuning for recipe in tuning.each()]
    for model, recipe, seed in itertools.product(trained, recipes, config.seeds):
        if recipe.answers_are_written:
            sizes = asked[_writer(recipe, model), recipe.answered_from]
            for name, size in recipe.subset(seed).items():
                sizes[name] = max(size, sizes.get(name, 0))
    return asked


def _with_source(training: Training, model: str, asked: Asked) -> Training:
    """The training of a model with what is asked of the source of its answers."""
    if not training.answers_are_written:
        return training
    writer = _writer(training, model)
    source = SELF if writer == model else writer
    sizes = dict(sorted(asked[writer, training.answered_from].items()))
    return training.model_copy(update={"answer_source": source, "asked": sizes})


def _writer(training: Training, model: str) -> str:
    return model if training.answer_source == SELF else training.answer_source
