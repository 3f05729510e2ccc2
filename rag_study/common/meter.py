"""What a run used: time, processor time, memory, tokens."""

from __future__ import annotations

import resource
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

# What `Meter.read` gives: told by run, and summed up by `totals`.
MEASURED = (
    "wall_seconds",
    "core_seconds",
    "peak_memory_mb",
    "peak_gpu_memory_mb",
    "tokens",
    "started",
    "finished",
    "tries",
)
# Tokens that went through the models of this process, by kind; padding is computed, so it counts.
_TOKENS: Counter[str] = Counter()


def peak_memory_mb() -> float:
    """Largest resident memory so far of this process, or of one that it started and that has ended
    (a server of its own), in megabytes."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return round(max(resource.getrusage(kind).ru_maxrss for kind in kinds) / 1024, 1)


class Meter:
    """Measures what a stage run takes, from when it is made to when it is read.

    Of a run that was interrupted and resumed it knows the last part only, time and tokens alike,
    so that tokens per second are right all the same.
    """

    def __init__(self) -> None:
        self._wall, self._cores = time.monotonic(), _core_seconds()
        self._tokens = Counter(_TOKENS)

    def read(self) -> dict[str, Any]:
        """`wall_seconds`; `core_seconds`, of this process and those that it started and that have
        ended; `peak_memory_mb` and `peak_gpu_memory_mb` (of its own tensors); `tokens` by kind."""
        return {
            "wall_seconds": round(time.monotonic() - self._wall, 2),
            "core_seconds": round(_core_seconds() - self._cores, 2),
            "peak_memory_mb": peak_memory_mb(),
            "peak_gpu_memory_mb": _peak_gpu_memory_mb(),
            "tokens": dict(Counter(_TOKENS) - self._tokens),
        }


def count_tokens(model: Any) -> None:
    """Count the tokens that a model (transformers) computes from now on: those it is trained on,
    reads, or writes one by one. Hung on its input embedding, which every pass goes through once
    (of an encoder-decoder both sides, which may share its weights).
    """

    def count(layer: Any, inputs: tuple[Any, ...], _output: Any) -> None:
        batch, length = inputs[0].shape[0], inputs[0].shape[-1]
        _TOKENS["trained" if layer.training else "read" if length > 1 else "written"] += (
            batch * length
        )

    embedding = model.get_input_embeddings()
    for layer in model.modules():
        shares = type(layer) is type(embedding) and layer.weight is embedding.weight
        if layer is embedding or shares:
            layer.register_forward_hook(count)


def add_tokens(kind: str, number: int) -> None:
    """Count tokens, "read" or "written", that another process has computed for this one."""
    _TOKENS[kind] += number


def totals(runs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the runs of a study took together: one row per stage, then one of them all.

    `runs` are the contents of their provenance.json. Rows have `stage` ("all" in the last),
    `runs`, `wall_seconds` and `core_seconds` (sums), `peak_memory_mb` and `peak_gpu_memory_mb`
    (the largest), `tokens_read`, `tokens_written` and `tokens_trained` (sums). A sum covers the
    runs that have recorded it; None where none has.
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for run in runs:
        groups.setdefault(run["stage"], []).append(run)

    def row(stage: str, members: list[Mapping[str, Any]]) -> dict[str, Any]:
        def known(key: str) -> list[float]:
            return [run[key] for run in members if run.get(key) is not None]

        def summed(values: list[float]) -> float | None:
            return round(sum(values), 2) if values else None

        counted = [run["tokens"] for run in members if run.get("tokens") is not None]
        return {
            "stage": stage,
            "runs": len(members),
            **{key: summed(known(key)) for key in ("wall_seconds", "core_seconds")},
            **{
                key: max(known(key), default=None)
                for key in ("peak_memory_mb", "peak_gpu_memory_mb")
            },
            **{
                f"tokens_{kind}": summed([tokens.get(kind, 0) for tokens in counted])
                for kind in ("read", "written", "trained")
            },
        }

    everything = [run for members in groups.values() for run in members]
    rows = [row(stage, members) for stage, members in groups.items()]
    return [*rows, row("all", everything)] if everything else []


def _core_seconds() -> float:
    process = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return process.ru_utime + process.ru_stime + children.ru_utime + children.ru_stime


def _peak_gpu_memory_mb() -> float | None:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    devices = range(torch.cuda.device_count())
    return round(sum(torch.cuda.max_memory_allocated(device) for device in devices) / 1e6, 1)
