"""What a result was made with: code, versions, machine. And what the machine can do."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import resource
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

PROJECT_ROOT = Path(__file__).resolve().parent.parent
_PACKAGES = (
    *("torch", "transformers", "peft", "accelerate", "safetensors"),
    *("llama-index-core", "sentence-transformers", "faiss-cpu"),
    *("numpy", "pandas", "scipy", "statsmodels", "papermill", "nbclient", "ipykernel"),
)


def portable(path: Path | str) -> str:
    """The path as a parameter of runs: from the project where it lies inside, else absolute."""
    path = Path(path).resolve()
    return str(path.relative_to(PROJECT_ROOT) if path.is_relative_to(PROJECT_ROOT) else path)


def located(path: Path | str) -> Path:
    """Where a path of a parameter is: in the working folder, else in the project.

    Notebooks run in several folders.
    """
    path = Path(path)
    return path if path.is_absolute() or path.exists() else PROJECT_ROOT / path


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

    Emulated bfloat16 is slower than float32, so the processor's own instructions decide.
    """
    if dtype != "auto":
        return dtype
    native = {"avx512_bf16", "amx_bf16", "bf16"} & cpu_flags()
    return "bfloat16" if has_gpu() or native else "float32"


def resolve_threads(threads: int) -> int:
    """Turn 0 into the number of processors that this process may use."""
    return threads or len(os.sched_getaffinity(0))


def apply_threads(threads: int) -> None:
    """Hold torch and the numeric libraries to `threads` (results depend on the number)."""
    import sys

    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


@lru_cache(maxsize=1)
def package_hash() -> str:
    """Hash over the package's own code; tells whether a result was made by other code."""
    digest = hashlib.sha256()
    for path in sorted((PROJECT_ROOT / "rag_study").rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def collect() -> dict[str, Any]:
    """Everything about code and machine that a reader needs to repeat the run."""
    return {
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


def cpu_seconds() -> float:
    """Processor time of this process so far, over all its threads."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return round(spent.ru_utime + spent.ru_stime, 1)


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
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
