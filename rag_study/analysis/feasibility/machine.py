"""Whether this machine bears a study: memory of its models, hours, and disk."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator, Sequence
from typing import Any

from rag_study.analysis.feasibility.findings import NOTE, PROBLEM, Finding
from rag_study.common import machine, run_folder
from rag_study.models import folders, methods, names
from rag_study.study import stages
from rag_study.study.running import costs, resources
from rag_study.study.stages import StageRun

_USES = {
    "index_corpus": "embed passages",
    "write_training_answers": "answer training questions",
    "fine_tune": "train",
    "generate_answers": "answer",
    "measure_retention": "answer",
    "probe_knowledge": "answer",
    "judge_answers": "grade",
    "validate_judge": "grade",
}
# Of the weights, what an adapter trains; in float32 with its two moments while it trains.
_ADAPTER_SHARE, _CHECKPOINT = 0.01, 3
_DOWNLOADED = 2.0  # bytes of a weight as it comes from the hub
_PER_RUN = 2_000_000  # notebook, tables and figures of a run, measured in the demo
_TIGHT = 0.9  # of the disk that is free


def memory(runs: Sequence[StageRun]) -> tuple[list[dict[str, Any]], list[Finding]]:
    """What each model takes for each of its uses, in the run that takes most, and whether the
    machine has it: rows of use, model, weights, bytes, fits (None where the size is not known), and
    what to do where it has not."""
    limit = machine.model_memory()
    most: dict[tuple[str, str], tuple[float, StageRun]] = {}
    for run in runs:
        largest = sorted(resources.models_of(run), key=lambda n: -(names.parameters_of(n) or 0.0))
        for name in largest[:1]:
            key, needed = (_use(run), name), resources.memory_of(run)
            if key not in most or needed > most[key][0]:
                most[key] = needed, run
    rows, findings = [], []
    for (use, name), (bytes_, run) in most.items():
        weights = names.parameters_of(name)
        needed = bytes_ if weights else None
        fits = None if needed is None else needed <= limit
        rows.append({"use": use, "model": name, "weights": weights, "bytes": needed, "fits": fits})
        if fits is None:
            findings.append(_unknown(name))
        elif not fits:
            findings.append(_too_large(run, use, name, needed, limit))
    return rows, [*dict.fromkeys(findings)]


def programs(runs: Sequence[StageRun]) -> list[Finding]:
    """What the runs that are not done need beside this package, and this machine does not have."""
    missing = resources.missing_program(run for run in runs if not stages.is_done(run))
    return [Finding(PROBLEM, "answers", missing)] if missing else []


def time(runs: Sequence[StageRun]) -> tuple[dict[str, Any], list[Finding]]:
    """Hours that what is not done takes, on this machine where its speed is known from finished
    runs, else on a slow one."""
    estimate = costs.estimate(runs, costs.this_machine())
    hours = estimate.rows[-1]["hours"]
    record = {"hours": hours, "machine": estimate.machine.name, "about": estimate.machine.about}
    return record, [Finding(NOTE, "time", note) for note in estimate.notes]


def disk(runs: Sequence[StageRun]) -> tuple[dict[str, Any], list[Finding]]:
    """Bytes that what is not done writes, downloads included, and bytes that are free."""
    left = [run for run in runs if not stages.is_done(run)]
    written = len(left) * _PER_RUN + sum(map(_trained, left)) + _largest_checkpoint(left)
    hub = {
        name
        for run in left
        for name in resources.models_of(run)
        if names.folder_of(name) is None and "/" in _source(name)
    }
    hub = {name for name in hub if folders.hub_snapshot(_source(name)) is None}
    loaded = sum(_DOWNLOADED * (names.parameters_of(name) or 0) for name in hub)
    place = run_folder.outputs_dir()
    there = next(folder for folder in (place, *place.resolve().parents) if folder.is_dir())
    free = shutil.disk_usage(there).free
    record = {"bytes": written + loaded, "downloaded": loaded, "free": free}
    if written + loaded <= _TIGHT * free:
        return record, []
    sentence = (
        f"The study writes about {_gb(written + loaded)} GB, of which {_gb(loaded)} GB are models "
        f"from the hub; {_gb(free)} GB are free at {there}."
    )
    remedy = "Free some, or set RAG_STUDY_OUTPUTS to a larger disk"
    full = any(_method(run) == "full" for run in left)
    more = "; `method: lora` keeps an adapter instead of all weights" if full else ""
    return record, [Finding(PROBLEM, "disk", sentence, f"{remedy}{more}.")]


def _use(run: StageRun) -> str:
    use = _USES[run.stage.name]
    return f"{use}, {_method(run)}" if run.stage.name == "fine_tune" else use


def _method(run: StageRun) -> str:
    return run.point.training.method if run.stage.name == "fine_tune" else ""


def _unknown(name: str) -> Finding:
    return Finding(
        NOTE,
        "memory",
        f"The size of {name} is not known before it is loaded, and so not whether it fits into "
        "memory.",
        "A size in its name (7B), or its files in a folder, would tell.",
    )


def _too_large(run: StageRun, use: str, name: str, needed: float, limit: float) -> Finding:
    kind = "GPU memory" if machine.has_gpu() else "memory"
    remedies = [
        f"`{change}` takes {_gb(bytes_)} GB" for change, bytes_ in _changes(run) if bytes_ <= limit
    ]
    return Finding(
        PROBLEM,
        "memory",
        f"{name} ({use}) takes about {_gb(needed)} GB of {kind}, this machine has {_gb(limit)} GB.",
        f"{remedies[0]}."
        if remedies
        else "Name a smaller model, or one on a server (http://host:port/v1#name)"
        + (" for what is not trained." if use.startswith("train") else "."),
    )


def _changes(run: StageRun) -> Iterator[tuple[str, float]]:
    """Changes of the study file with which a run takes less, the smallest change first, and the
    bytes that it takes then."""
    point = run.point

    def changed(**update: Any) -> float:
        return resources.memory_of(dataclasses.replace(run, point=point.model_copy(update=update)))

    smaller = point.compute.model_copy(update={"dtype": "bfloat16"})
    quantised = machine.has_gpu()  # bitsandbytes computes in 4 bits there
    if run.stage.name in ("judge_answers", "validate_judge"):
        if quantised:
            judge = point.judge.model_copy(update={"dtype": "4bit"})
            yield "judges: dtype: 4bit", changed(judge=judge)
        return
    if machine.resolve_dtype(point.compute.dtype) == "float32" and _method(run) != "full":
        yield "compute: {dtype: bfloat16}", changed(compute=smaller)
    if run.stage.name != "fine_tune":
        return
    can_checkpoint = methods.find(point.training.method).checkpointing
    if can_checkpoint and not point.training.gradient_checkpointing:
        training = point.training.model_copy(update={"gradient_checkpointing": True})
        yield "gradient_checkpointing: true", changed(training=training)
    size = point.training.batch_size
    while size > 1:
        size //= 2
        fewer = point.training.model_copy(update={"batch_size": size})
        yield f"batch_size: {size}", changed(training=fewer)
    for method in ("lora", *(["qlora"] if quantised else [])):
        if method != point.training.method and not (
            method == "lora" and methods.find(point.training.method).quantised
        ):
            training = point.training.model_copy(update={"method": method})
            yield f"method: {method}", changed(training=training)
            if method == "lora":
                yield (
                    "method: lora` with `compute: {dtype: bfloat16}",
                    changed(training=training, compute=smaller),
                )


def _trained(run: StageRun) -> float:
    """Bytes of the weights that a training leaves: those of its end, and of every checkpoint."""
    if run.stage.name != "fine_tune":
        return 0.0
    states = len({1.0, *run.point.training.checkpoints})
    weights = states * (names.parameters_of(run.point.model) or 0.0)
    if _method(run) == "full":
        return weights * {"float32": 4, "bfloat16": 2}[_dtype(run)]
    return 4 * _ADAPTER_SHARE * weights


def _largest_checkpoint(runs: Sequence[StageRun]) -> float:
    """Bytes of the checkpoint that one training at a time keeps beside."""
    sizes = [
        4 * _CHECKPOINT * (names.parameters_of(run.point.model) or 0.0) * _share(run)
        for run in runs
        if run.stage.name == "fine_tune"
    ]
    return max(sizes, default=0.0)


def _share(run: StageRun) -> float:
    return 1.0 if _method(run) == "full" else _ADAPTER_SHARE


def _dtype(run: StageRun) -> str:
    return machine.resolve_dtype(run.point.compute.dtype)


def _source(name: str) -> str:
    """The hub id behind a model's name; of one that comes in a package, its place there."""
    preset = names.GENERATORS.get(name) or names.EMBEDDINGS.get(name) or names.JUDGES.get(name)
    source = preset.source if preset else name
    return "" if ":" in source else source


def _gb(number: float) -> str:
    return f"{number / machine.GB:.1f}"
