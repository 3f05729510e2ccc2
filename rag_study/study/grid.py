"""The points of a study's grid: every combination of data, search, model state and judge."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from rag_study.models import names
from rag_study.study.config import StudyConfig
from rag_study.study.groups import Answering, Dataset, Point
from rag_study.study.sections import DatasetConfig


def points(config: StudyConfig) -> Iterator[Point]:
    sets = {dataset.display_name: dataset.single for dataset in config.datasets}
    judges = [judge.single for judge in config.judges]
    for dataset in config.datasets:
        answering = Answering.model_construct(
            **dict(config.answering), contexts=list(config.contexts), test_size=dataset.test_size
        )
        shared = {
            "dataset": sets[dataset.display_name],
            "retention": config.retention,
            "semantic_similarity": config.semantic_similarity,
            "compute": config.compute,
            "servers": config.servers,
        }
        for model, search in itertools.product(config.models, config.retrieval.each()):
            here = {"model": model, "retrieval": search}
            asked = answering
            if served := names.is_endpoint(model):
                here["retention"] = 0
                asked = answering.model_copy(update={"engine": "transformers"})  # has no meaning
            for state in _states(config, dataset, sets, asked):
                if served and state.get("training"):
                    continue  # nothing is trained behind an endpoint
                for judge in judges:
                    yield Point.model_construct(**{**shared, **here, **state, "judge": judge})
        for system in config.systems:
            if system.dataset in (None, dataset.display_name):
                imported = {"system": system.single, "answering": answering, "retention": 0}
                for judge in judges:
                    yield Point.model_construct(**{**shared, **imported, "judge": judge})


def _states(
    config: StudyConfig, dataset: DatasetConfig, sets: dict[str, Dataset], answering: Answering
) -> Iterator[dict[str, Any]]:
    """What distinguishes the states of one model: how it is prompted, else how it was trained."""
    for prompting in config.prompting:
        prompted = answering.model_copy(update={"prompting": prompting})
        for seed in config.seeds if prompted.few_shot else [0]:
            yield {"answering": prompted, "seed": seed}
    for tuning in config.fine_tuning:
        if tuning.sequence and dataset.display_name not in tuning.sequence:
            continue
        sequence = [sets[label] for label in tuning.sequence]
        for recipe in tuning.each():
            training = recipe.model_copy(update={"sequence": sequence})
            for seed in config.seeds:
                yield {"answering": answering, "training": training, "seed": seed}
