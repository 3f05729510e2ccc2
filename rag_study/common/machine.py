"""What this machine has and can: processors, GPUs, memory, and what "auto" means on it."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path

GB = 1e9


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


def gpus() -> list[str]:
    """Ids of the NVIDIA devices that this process may use, as in CUDA_VISIBLE_DEVICES."""
    if not has_gpu():
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return visible.split(",")
    return [str(number) for number in range(len(list(Path("/dev").glob("nvidia[0-9]*"))))]


def free_bytes() -> int:
    """Bytes that can still be had: on the GPUs where there are any, else in main memory (also
    within the limit of a container, where Linux tells it).
    """
    import psutil
    import torch

    if torch.cuda.is_available():
        return sum(torch.cuda.mem_get_info(i)[0] for i in range(torch.cuda.device_count()))
    free = psutil.virtual_memory().available
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
        facts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no such file, or "max": no limit
        return free
    return min(free, limit - used + int(facts["inactive_file"]))  # files read are given back


def total_memory() -> float:
    """Bytes of main memory of this machine, or what the limit of a container leaves of it."""
    import psutil

    total = psutil.virtual_memory().total
    try:
        return min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):  # no such file, or "max": no limit
        return total


def oom_kills() -> int:
    """How many processes of this control group the system has killed for memory so far."""
    try:
        lines = Path("/sys/fs/cgroup/memory.events").read_text().splitlines()
        return int(dict(line.split() for line in lines)["oom_kill"])
    except (OSError, ValueError, KeyError):
        return 0  # not a Linux with control groups: it does not tell
