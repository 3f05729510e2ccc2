"""What a stage run needs of a machine, and what this machine has."""

from __future__ import annotations

import math
from collections.abc import Iterable

from rag_study.common import machine
from rag_study.common.errors import StudyError
from rag_study.common.machine import cores, resolve_dtype, resolve_threads
from rag_study.models import vllm
from rag_study.models.architectures import EXTRACTIVE, kind_of
from rag_study.models.names import is_endpoint, parameters_of
from rag_study.study.running import lengths
from rag_study.study.stages import StageRun
from rag_study.training.kernels import missing_for

# Interpreter, torch and data of a notebook, in bytes; measured at 0.6 to 1.0 GB on a CPU.
_OWN_MEMORY = 1e9
# Activations, and keys and values, beside the weights.
_BESIDE_WEIGHTS = 1.25
_BYTES = {"float32": 4.0, "bfloat16": 2.0}
# NF4 with its quantisation constants; weights, gradients and two moments of AdamW in float32.
_QUANTISED_BYTES, _FULL_TRAINING_BYTES = 0.6, 16.0
# What a training keeps of every token of its batch for the backward pass: layers times width, which
# for models of about 30 layers grows as the root of their weights. Measured at 0.8 to 1.1 MB with
# 135 million, on a CPU in both precisions.
_ACTIVATIONS, _OF_WEIGHTS = 1e6, 135e6
# Of that with gradient checkpointing; measured at 0.4 in float32, and less in bfloat16.
_CHECKPOINTED = 0.5


def labels(run: StageRun) -> dict[str, float]:
    """The resources that a run takes, by the names that workers of a cluster declare: `GPU` (1
    where a model is run) and `MEMORY` (bytes for models, where their size is known)."""
    if not models_of(run):
        return {}
    return {"GPU": 1, "MEMORY": memory_of(run)}


def memory_of(run: StageRun, auto: str | None = None) -> float:
    """Bytes that a run is expected to take; only its own process's where no size is known.

    `auto` is what the dtype "auto" means on the machine in question, None: this one.
    """
    weights = max((parameters_of(name) or 0 for name in models_of(run)), default=0)
    kept = _OWN_MEMORY + _BESIDE_WEIGHTS * bytes_per_weight(run, auto) * weights
    return kept + (_activations(run, weights) if run.stage.name == "fine_tune" else 0)


def _activations(run: StageRun, weights: float) -> float:
    training = run.point.training
    tokens = training.batch_size * lengths.training_example(run.point) * lengths.PADDING
    kept = _CHECKPOINTED if training.gradient_checkpointing else 1
    return tokens * kept * _ACTIVATIONS * math.sqrt(weights / _OF_WEIGHTS)


def bytes_per_weight(run: StageRun, auto: str | None = None) -> float:
    """Bytes that a run keeps for every weight of its model, with what training adds to them."""
    training = run.point.training if "training" in run.stage.uses else None
    if training and run.stage.name == "fine_tune" and training.method == "full":
        return _FULL_TRAINING_BYTES
    if training and training.method == "qlora":
        return _QUANTISED_BYTES
    if "model" in run.stage.uses and run.point.model and kind_of(run.point.model) == EXTRACTIVE:
        return _BYTES["float32"]  # whatever the others compute in
    judge = run.point.judge if "judge" in run.stage.uses else None
    if judge and judge.dtype == "4bit":
        return _QUANTISED_BYTES
    dtype = run.point.compute.dtype if "compute" in run.stage.uses else "float32"
    dtype = (judge and judge.dtype) or dtype
    return _BYTES[auto if auto and dtype == "auto" else resolve_dtype(dtype)]


def default_workers(runs: Iterable[StageRun]) -> int:
    """How many runs the cores of this machine carry side by side.

    The threads of a run are part of its id (results depend on them), so they decide how many
    workers there are, never the other way round.
    """
    threads = max(
        resolve_threads(run.point.compute.threads) if "compute" in run.stage.uses else 1
        for run in runs
    )
    return max(1, cores() // threads)


def missing_program(runs: Iterable[StageRun]) -> str | None:
    """What runs need beside this package and this machine does not have, in a sentence."""
    runs = list(runs)
    kernels = {run.point.training.kernels for run in runs if run.stage.name == "fine_tune"}
    for name in sorted(kernels):
        if missing := missing_for(name, machine.has_gpu()):
            return missing
    if any(computes_by_vllm(run) for run in runs):
        try:
            vllm.executable()
        except StudyError as error:
            return str(error)
    return None


def computes_by_vllm(run: StageRun) -> bool:
    """Whether a vLLM server that the run starts computes its model."""
    return run.stage.name == "generate_answers" and run.point.answering.engine == "vllm"


def models_of(run: StageRun) -> list[str]:
    """Names of the models that a run loads on its own machine."""
    point = run.point
    match run.stage.name:
        case "index_corpus":
            models = [point.retrieval.embedding_model, point.retrieval.reranker]
        case "fine_tune" if point.training.with_passages:
            models = [point.model, point.retrieval.reranker]
        case "write_training_answers" if point.training.answered_from == "passages":
            models = [point.model, point.retrieval.reranker]
        case "fine_tune" | "write_training_answers" | "generate_answers":
            models = [point.model]
        case "measure_retention" | "probe_knowledge":
            models = [point.model]
        case "judge_answers" | "validate_judge":
            models = [point.judge.model]
        case _:
            models = []
    return [name for name in models if name and not is_endpoint(name)]
