"""The names by which tables know a run: data set, model state, judge, search, variant."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from rag_study.common.errors import StudyError
from rag_study.common.wording import counted
from rag_study.study import readers
from rag_study.study.config import StudyConfig
from rag_study.study.data_groups import Dataset, Retrieval
from rag_study.study.stages import StageRun
from rag_study.training.recipe import ANSWERED_FROM, GOLD, SELF

# What may differ in a search, and in a training, in words.
_SEARCHES = {
    "reranker": "reranked by {}",
    "embedding_model": "embedded by {}",
    "chunk_overlap": "overlap {}",
    "max_context_tokens": "at most {} tokens",
    "passage_order": "{}",
}
_OF_AN_INDEX = ("reranker", "embedding_model", "chunk_overlap")
_VARIANTS: dict[str, str | Callable[[Any], str]] = {
    "answer_source": lambda source: source_words(source),
    "answered_from": ANSWERED_FROM.__getitem__,
    "otherwise": {"gold": "else gold", "left_out": "else left out"}.__getitem__,
    "epochs": lambda number: counted(number, "epoch"),
    "max_steps": lambda number: counted(number, "step"),
    "learning_rate": "learning rate {:g}",
    "lora_rank": "rank {}",
    "lora_alpha": "alpha {}",
    "num_virtual_tokens": lambda number: counted(number, "token"),
    "batch_size": "batches of {}",
    "early_stopping": "stopped early",
    "gradient_checkpointing": "with gradient checkpointing",
    "kernels": "{} kernels",
    "padding_free": "without padding",
    "p_gold": lambda share: f"gold in {_percent(share)}",
    "num_distractors": lambda number: counted(number, "distractor"),
    "replay": lambda share: f"replay {_percent(share)}",
    "label_noise": lambda share: f"{_percent(share)} wrong answers",
    "answer_style": lambda style: f"answers {style.replace('_', ' ')}",
    "train_on": "trained on {} questions",
    "deduplicate": "deduplicated",
    "strength": "strength {:g}",
    "checkpoint": lambda share: f"after {_percent(share)} of the steps",
}


def _percent(share: float) -> str:
    """With all its digits: two shares in one study are two names."""
    return f"{100 * share:.6g}%"


# What gold answers or those of a model do not have: nothing to be said of the others.
_OF_SOME_ANSWERS = ("answered_from", "otherwise", "answer_style")
# What else of two studies may differ in how the same questions are answered, in words.
_ANSWERING = {
    "max_new_tokens": "at most {} new tokens",
    "temperature": "temperature {:g}",
    "top_p": "top-p {:g}",
    "batch_size": "batches of {}",
    "dtype": "{} weights",
    "threads": "threads: {}",
}


def columns_of(run: StageRun) -> dict[str, Any]:
    """How the tables know a model state: the columns of a run but `dataset` and `variant`."""
    point, training = run.point, run.point.training
    answering = {"prompting": point.answering.prompting, "seed": point.seed}
    if point.system is not None:
        trained = {"method": point.system.name, "train_format": "", "train_size": 0}
        search = {"retriever": "", "chunk_size": 0, "top_k": 0}
        return {"model": "", **trained, **answering, **search}
    trained = {"method": "none", "train_format": "none", "train_size": 0}
    if training is not None:
        trained = {key: getattr(training, key) for key in trained}
    if readers.stands_alone(point.model, training):
        name = readers.state_name(point.model, training)
        trained = {"method": name, "train_format": "", "train_size": 0}
    search = {key: getattr(point.retrieval, key) for key in ("retriever", "chunk_size", "top_k")}
    return {"model": point.model, **trained, **answering, **search}


def label_of(run: StageRun, config: StudyConfig) -> str:
    """The name in tables of the data set whose questions a run is about."""
    return _label(run.needs("prepare_data").point.dataset, config)


def _label(dataset: Dataset, config: StudyConfig) -> str:
    return next(d.display_name for d in config.datasets if d.content == dataset.content)


def judge_of(run: StageRun, config: StudyConfig) -> str:
    """The name in tables of the judge whose scores a run holds."""
    # How large its check is says nothing about the scores.
    scoring = {"ladder_size": 0} if run.stage.name == "judge_answers" else {}
    wanted = run.point.judge.model_copy(update=scoring)
    return next(
        judge.display_name
        for judge in config.judges
        if judge.single.model_copy(update=scoring) == wanted
    )


def variants_of(runs: Sequence[StageRun], config: StudyConfig) -> dict[str, str]:
    """What distinguishes the trainings of one method and format beyond their size, in words.

    Only what differs within the study is said; "" where nothing does. Keys are run ids.
    """

    def words(training: dict[str, Any]) -> Iterator[str]:
        for key, said in _VARIANTS.items():
            if value := training.get(key):
                yield said.format(value) if isinstance(said, str) else said(value)
        if labels := training.get("sequence"):
            yield f"trained on {', then '.join(labels)}"

    groups: dict[tuple, dict[str, dict[str, Any]]] = defaultdict(dict)
    for run in runs:
        if run.stage.name == "judge_answers":
            settings = dict(run.parameters["training"])
            if training := run.point.training:
                settings["answer_source"] = training.answer_source  # gold is no parameter
                settings["sequence"] = [_label(dataset, config) for dataset in training.sequence]
            groups[settings.get("method"), settings.get("train_format")][run.run_id] = settings
    variants = {}
    for members in groups.values():
        values = {
            key: {json.dumps(settings.get(key)) for settings in members.values()}
            for key in (*_VARIANTS, "sequence")
        }
        for key in _OF_SOME_ANSWERS:
            values[key].discard("null")
        differing = [key for key, different in values.items() if len(different) > 1]
        for run_id, settings in members.items():
            variants[run_id] = ", ".join(words({key: settings.get(key) for key in differing}))
    return variants


def refuse_same_names(runs: Sequence[StageRun], config: StudyConfig) -> None:
    """Raise StudyError for two different runs that every table would call alike."""
    variants, named = variants_of(runs, config), {}
    for run in runs:
        if run.stage.name != "judge_answers" or run.point.system is not None:
            continue
        words = variants[run.run_id], searches_of(run, config), judge_of(run, config)
        name = (label_of(run, config), *columns_of(run).values(), *words)
        other = named.setdefault(name, run)
        if other.run_id != run.run_id:
            raise StudyError(
                f"{config.name}: two runs would have one name in all tables and figures, "
                f"{other.run_id} and {run.run_id}. What they differ in: {_difference(other, run)}. "
                "Ask for one of them, or for each in a study of its own."
            )


def _difference(one: StageRun, other: StageRun) -> str:
    """The settings in which two runs differ, with both values."""
    first, second = _settings(one), _settings(other)
    keys = [key for key in first if first[key] != second.get(key)]
    return ", ".join(f"{key} ({first[key]} and {second.get(key)})" for key in keys)


def _settings(run: StageRun) -> dict[str, Any]:
    """Every setting of a run by the group that it is in: "training.strength"."""
    groups = run.point.model_dump(mode="json").items()
    return {
        f"{name}.{key}": v for name, of in groups if isinstance(of, dict) for key, v in of.items()
    }


def source_words(source: str) -> str:
    """Whose answers a training learned: "gold answers", "own answers", "answers of llama-70b"."""
    if source in (GOLD, SELF):
        return {GOLD: "gold answers", SELF: "own answers"}[source]
    return f"answers of {short_name(source)}"


def short_name(model: str) -> str:
    """A model's name without the folder, owner or server that it is in."""
    return model.rpartition("#")[2].rstrip("/").rpartition("/")[2]


def searches_of(run: StageRun, config: StudyConfig) -> str:
    """The retriever's name with what else of the search differs within the study, in words."""
    search = run.point.retrieval
    phrases = [search.retriever, *answering_words(run, config)]
    return ", ".join([*phrases, *_differing(search, config, _SEARCHES)])


def index_of(index: StageRun, config: StudyConfig) -> dict[str, Any]:
    """The columns `retriever` and `chunk_size` of what an `index_corpus` run finds, whatever of it
    is shown."""
    search = index.point.retrieval
    words = ", ".join([search.retriever, *_differing(search, config, _OF_AN_INDEX)])
    return {"retriever": words, "chunk_size": search.chunk_size}


def _differing(search: Retrieval, config: StudyConfig, keys: Iterable[str]) -> Iterator[str]:
    for key in keys:
        if len(getattr(config.retrieval, key)) > 1:
            yield _SEARCHES[key].format(getattr(search, key) or "none")


def answering_words(run: StageRun, config: StudyConfig) -> list[str]:
    """How the answers of a `judge_answers` run were made, in words, where the studies differ."""
    parts = [
        part.answering.model_dump() | part.compute.model_dump()
        for part in getattr(config, "parts", ())
    ]
    values = run.point.answering.model_dump() | run.point.compute.model_dump()
    return [
        words.format(values[key])
        for key, words in _ANSWERING.items()
        if len({part[key] for part in parts}) > 1
    ]
