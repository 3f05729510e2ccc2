"""The names by which tables know a run: data set, model state, judge, search, variant."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from rag_study.study.config import StudyConfig
from rag_study.study.stages import StageRun

# What may differ in a search, and in a training, in words.
_SEARCHES = {
    **{"reranker": "reranked by {}", "chunk_overlap": "overlap {}"},
    **{"max_context_tokens": "at most {} tokens", "passage_order": "{}"},
}
_VARIANTS = {
    **{"epochs": "{} epochs", "max_steps": "{} steps", "learning_rate": "learning rate {:g}"},
    **{"lora_rank": "rank {}", "lora_alpha": "alpha {}", "num_virtual_tokens": "{} tokens"},
    **{"train_batch_size": "batches of {}", "early_stopping": "stopped early"},
    **{"p_gold": "gold in {:.0%}", "num_distractors": "{} distractors"},
    **{"replay": "replay {:.0%}", "label_noise": "{:.0%} wrong answers"},
    **{"answer_style": "answers {}", "deduplicate": "deduplicated", "strength": "strength {:g}"},
}
# What else of two studies may differ in how the same questions are answered, in words.
_ANSWERING = {
    **{"max_new_tokens": "at most {} new tokens", "temperature": "temperature {:g}"},
    **{"top_p": "top-p {:g}", "batch_size": "batches of {}"},
    **{"dtype": "{} weights", "threads": "threads: {}"},
}


def label_of(run: StageRun, config: StudyConfig) -> str:
    """The name in tables of the data set whose questions a run is about."""
    parameters = run.needs("prepare_data").parameters
    return next(
        d.display_name
        for d in config.datasets
        if all(d.parameters[key] == value for key, value in parameters.items())
    )


def judge_of(run: StageRun, config: StudyConfig) -> str:
    """The name in tables of the judge whose scores a run holds."""
    return next(
        judge.display_name
        for judge in config.judges
        if all(
            run.parameters[key] == value
            for key, value in judge.parameters.items()
            if key in run.parameters
        )
    )


def variants_of(runs: Sequence[StageRun], config: StudyConfig) -> dict[str, str]:
    """What distinguishes the trainings of one method and format beyond their size, in words.

    Only what differs within the study is said; "" where nothing does. Keys are run ids.
    """
    sets = {json.dumps(d.parameters, sort_keys=True): d.display_name for d in config.datasets}

    def words(key: str, value: Any) -> str:
        if key == "trained_on":
            names = [sets[json.dumps(dataset, sort_keys=True)] for dataset in value]
            return f"trained on {', then '.join(names)}" if names else ""
        return _VARIANTS[key].format(value) if value else ""

    groups: dict[tuple, list[StageRun]] = defaultdict(list)
    for run in runs:
        if run.stage.name == "judge_answers":
            groups[run.parameters["method"], run.parameters["train_format"]].append(run)
    variants = {}
    for members in groups.values():
        differing = [
            key
            for key in (*_VARIANTS, "trained_on")
            if len({json.dumps(run.parameters[key], sort_keys=True) for run in members}) > 1
        ]
        for run in members:
            phrases = [words(key, run.parameters[key]) for key in differing]
            variants[run.run_id] = ", ".join(filter(None, phrases))
    return variants


def searches_of(run: StageRun, config: StudyConfig) -> str:
    """The retriever's name with what else of the search differs within the study, in words."""
    parameters = run.parameters
    phrases = [parameters["retriever"], *answering_words(run, config)]
    for key, words in _SEARCHES.items():
        if len(getattr(config.retrieval, key)) > 1:
            phrases.append(words.format(parameters[key] or "none"))
    return ", ".join(phrases)


def answering_words(run: StageRun, config: StudyConfig) -> list[str]:
    """How the answers of a `judge_answers` run were made, in words, where the studies differ."""
    parts = [
        part.generation.model_dump() | part.compute.model_dump()
        for part in getattr(config, "parts", ())
    ]
    return [
        words.format(run.parameters[key])
        for key, words in _ANSWERING.items()
        if len({part[key] for part in parts}) > 1
    ]
