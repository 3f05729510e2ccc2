"""What of a study each kind of model can do (`models.architectures` knows the kinds).

What a model cannot do is left out of the grid and said; where nothing is left of it, the study is
refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rag_study.common.errors import StudyError
from rag_study.common.wording import listed
from rag_study.models import methods
from rag_study.models.architectures import (
    DECODER,
    ENCODER_DECODER,
    EXTRACTIVE,
    has_untrained_state,
    kind_of,
)

# Contexts that show nothing to point at.
_WITHOUT_PASSAGES = ("none", "training")
# Settings of a training by which an extractive reader learns nothing, and what they are otherwise.
_OF_WRITERS = {
    "replay": 0,
    "label_noise": 0,
    "strength": 1,
    "answer_source": "gold",
    "train_on": "all",
}


def why_not_trained(model: str, training: Any) -> str | None:
    """Why a model is not trained so (a group `Training`); None where it can be."""
    kind = kind_of(model)
    try:
        methods.check_kind(kind, training.method)
    except StudyError as error:
        return str(error).rstrip(".")
    if kind != EXTRACTIVE:
        return None
    if not training.with_passages:
        return f"train_format {training.train_format} has no passage to point at"
    for key, usual in _OF_WRITERS.items():
        if getattr(training, key) != usual:
            return f"{key} means nothing to a model that writes nothing"
    return None


def why_not_asked(model: str, answering: Any, training: Any = None) -> str | None:
    """Why a model is not asked so (a group `Answering`), trained or not; None where it can be."""
    if kind_of(model) != EXTRACTIVE:
        return None
    if training is None and not has_untrained_state(model):
        return "it has no trained span head, so that untrained it points anywhere"
    if answering.prompting != "default":
        return f"prompting {answering.prompting}: it reads the question alone"
    if blind := [context for context in answering.contexts if context in _WITHOUT_PASSAGES]:
        return f"contexts: {blind[0]} has no passage to point at"
    if answering.context_gain:
        return "context_gain: it gives no likelihood of an answer"
    return None


def check(model: str, stage: str, point: Any) -> None:
    """Raise StudyError where a stage is nothing for this kind of model."""
    why = None
    if stage == "fine_tune":
        why = why_not_trained(model, point.training)
    elif stage == "generate_answers":
        why = why_not_asked(model, point.answering, point.training)
    elif stage == "measure_retention" and kind_of(model) != DECODER:
        why = "retention is measured by what a decoder makes of plain texts"
    if why:
        raise StudyError(f"model '{model}', {_NAMES[kind_of(model)]}: {why}.")


def states_of(model: str, states: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Those states of a study's grid that a model can have, asked only what it can be asked."""
    for state in states:
        training, answering = state.get("training"), state["answering"]
        if kind_of(model) == EXTRACTIVE:
            contexts = [name for name in answering.contexts if name not in _WITHOUT_PASSAGES]
            fitting = {"contexts": contexts, "context_gain": False, "temperature": 0.0}
            answering = answering.model_copy(update=fitting)
        trainable = training is None or why_not_trained(model, training) is None
        if trainable and answering.contexts and not why_not_asked(model, answering, training):
            yield {**state, "answering": answering}


def stands_alone(model: str, training: Any) -> bool:
    """Whether a trained state has no untrained one of its own to be compared with."""
    return training is not None and bool(model) and not has_untrained_state(model)


def state_name(model: str, training: Any) -> str:
    """What tables call such a state beside other models: "all-minilm-l6-v2 LoRA 300"."""
    raft = " raft" if training.train_format == "raft" else ""
    method = methods.find(training.method).label
    return f"{Path(model).name} {method} {training.train_size}{raft}"


def names_alone(models: Sequence[str], trainings: Sequence[Any]) -> set[str]:
    """`state_name` of every state of a study that stands alone."""
    without = [model for model in models if not has_untrained_state(model)]
    return {state_name(model, training) for model in without for training in trainings}


def notes(models: Sequence[str], trainings: Sequence[Any]) -> list[str]:
    """What a reader of the study must know about its models that are no decoders."""
    sentences = []
    for model in models:
        if (kind := kind_of(model)) == DECODER:
            continue
        whys = dict.fromkeys(filter(None, (why_not_trained(model, one) for one in trainings)))
        told = [f"The model “{Path(model).name}” is {_NAMES[kind]}: {_LIMITS[kind]}."]
        told += [f"It is not trained by all of the study's recipes: {listed([*whys])}."] * bool(
            whys
        )
        if not has_untrained_state(model):
            told.append(
                "Its span head begins at random, so that it has no untrained state, and nothing "
                "here says whether training helped it. Its trained states stand beside the "
                "untrained state of every other model, as another system's answers do, without a "
                "verdict."
            )
        sentences.append(" ".join(told))
    return sentences


_NAMES = {
    DECODER: "a decoder",
    ENCODER_DECODER: "an encoder-decoder",
    EXTRACTIVE: "an extractive reader",
}
_LIMITS = {
    ENCODER_DECODER: "it reads the prompt as one text without turns, and has no retention",
    EXTRACTIVE: "it points at words of the passages and writes none. What does not stand there "
    "word for word (yes and no, most lists and summaries) it cannot learn and cannot answer, and "
    "these questions count as wrong. It is asked with passages only, and has no other prompts, no "
    "context gain and no retention",
}
