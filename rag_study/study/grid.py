"""The points of a study's grid: every combination of data, model state and judge.

A point is a flat set of named values, one for everything that any notebook declares.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from rag_study.models import methods, names
from rag_study.study.config import StudyConfig
from rag_study.study.sections import DatasetConfig, FineTuningConfig

# A point has a value for everything that any notebook declares. These stand for "not used here":
# a base model has no training, training without passages has no retrieval, answers from elsewhere
# have neither.
BASE = {
    **{"method": "none", "train_format": "none", "train_size": 0, "seed": 0},
    **{"epochs": 0, "max_steps": 0, "learning_rate": 0.0, "train_batch_size": 0},
    **{"lora_rank": 0, "lora_alpha": 0, "num_virtual_tokens": 0, "early_stopping": False},
    **{"p_gold": 0.0, "num_distractors": 0, "replay": 0.0},
    **{"label_noise": 0.0, "answer_style": "as_given", "deduplicate": False},
    **{"strength": 1.0, "trained_on": [], "after": []},
}
NO_RETRIEVAL = {
    **{"embedding_model": "", "chunk_size": 0, "chunk_overlap": 0},
    **{"retriever": "", "reranker": "", "retrieval_scope": "", "retrieval_depth": 0},
    **{"top_k": 0, "max_context_tokens": 0, "passage_order": ""},
}
NO_DATA = {
    **{"dataset": "", "dataset_path": "", "corpus_path": "", "dataset_options": {}},
    "test_share": 0.0,
}
NO_SYSTEM = {"system": "", "answers_path": ""}
# Lists of a fine-tuning entry and the parameter that takes one value of each.
_FACTORS = {
    **{"method": "method", "train_format": "train_format", "train_sizes": "train_size"},
    **{"replay": "replay", "label_noise": "label_noise", "answer_style": "answer_style"},
    **{"deduplicate": "deduplicate", "strengths": "strength"},
}
# Settings that one family of methods has.
_SETTING_OF = {"lora_rank": "lora", "lora_alpha": "lora", "num_virtual_tokens": "virtual"}
# 02 keeps at least so many passages per question, so that a smaller top_k needs no new search.
MIN_RETRIEVAL_DEPTH = 10
DISTRACTOR_DEPTH = 30


def points(config: StudyConfig) -> Iterator[dict[str, Any]]:
    judges = [judge.parameters for judge in config.judges]
    for dataset in config.datasets:
        shared = {
            **dataset.parameters,
            "test_size": dataset.test_size,
            "contexts": list(config.contexts),
            **config.generation.model_dump(exclude={"num_examples"}),
            "num_examples": 0,
            "retention": config.retention,
            "similarity": config.semantic_similarity,
            **config.compute.model_dump(),
            **BASE,
            **NO_SYSTEM,
        }
        for model, search in itertools.product(config.models, _searches(config)):
            for state in _states(config, dataset):
                if names.is_endpoint(model) and state.get("method"):
                    continue  # nothing is trained behind an endpoint
                for judge in judges:
                    usual = {"model": model, "prompting": "default"}
                    if names.is_endpoint(model):
                        usual["retention"] = 0
                    yield shared | search | usual | state | judge
        for system in config.systems:
            if system.dataset in (None, dataset.display_name):
                own = {
                    **NO_RETRIEVAL,
                    **{"model": "", "prompting": "default", "max_new_tokens": 0},
                    **{"contexts": [system.context], "retention": 0},
                    **{"system": system.name, "answers_path": system.answers},
                }
                for judge in judges:
                    yield shared | own | judge


def _searches(config: StudyConfig) -> Iterator[dict[str, Any]]:
    """Every combination of the retrieval's factors."""
    settings = config.retrieval.model_dump()
    factors = [key for key, value in settings.items() if isinstance(value, list)]
    # Passages without the gold ones are looked for further down.
    least = DISTRACTOR_DEPTH if "distractor" in config.contexts else MIN_RETRIEVAL_DEPTH
    for values in itertools.product(*(settings[key] for key in factors)):
        search = settings | dict(zip(factors, values, strict=True))
        yield search | {"retrieval_depth": max(least, search["top_k"])}


def _states(config: StudyConfig, dataset: DatasetConfig) -> Iterator[dict[str, Any]]:
    """What distinguishes the states of one model: how it is prompted, else how it was trained."""
    for prompting in config.prompting:
        if prompting == "few_shot":
            for seed in config.seeds:
                examples = config.generation.num_examples
                yield {"prompting": prompting, "seed": seed, "num_examples": examples}
        else:
            yield {"prompting": prompting}
    sets = {d.display_name: d.parameters for d in config.datasets}
    for tuning in config.fine_tuning:
        if tuning.sequence and dataset.display_name not in tuning.sequence:
            continue
        trained_on = [sets[label] for label in tuning.sequence]
        for recipe in _recipes(tuning):
            for seed in config.seeds:
                yield {**recipe, "seed": seed, "trained_on": trained_on}


def _recipes(tuning: FineTuningConfig) -> Iterator[dict[str, Any]]:
    """Every combination of the factors; what a method or format does not use is "not used"."""
    fixed = tuning.model_dump(exclude={*_FACTORS, "sequence"})
    for values in itertools.product(*(getattr(tuning, key) for key in _FACTORS)):
        recipe = fixed | {_FACTORS[k]: v for k, v in zip(_FACTORS, values, strict=True)}
        method = methods.METHODS[recipe["method"]]
        recipe["learning_rate"] = recipe["learning_rate"] or method.learning_rate
        unused = {key for key, family in _SETTING_OF.items() if family != method.family}
        if recipe["max_steps"]:
            unused.add("epochs")
        if recipe["train_format"] != "raft":
            unused |= {"p_gold", "num_distractors"}
        yield {key: BASE[key] if key in unused or v is None else v for key, v in recipe.items()}
