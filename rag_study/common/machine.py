"""What this machine has and can: processors, GPUs, memory, and what "auto" means on it."""

from __future__ import annotations

import os
import platform
import sys
from functools import lru_cache
from pathlib import Path

from rag_study.common import control_groups

GB = 1e9


@lru_cache(maxsize=1)
def _cpuinfo() -> dict[str, str]:
    """What Linux tells of this machine's first processor; empty elsewhere."""
    try:
        first, *_ = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def cpu_flags() -> frozenset[str]:
    """Instruction set flags of this processor; empty where the system does not tell."""
    told = _cpuinfo()
    return frozenset((told.get("flags") or told.get("Features") or "").split())


def cpu_name() -> str:
    """What this processor is called; where the system does not tell, its architecture."""
    return _cpuinfo().get("model name") or platform.processor() or platform.machine()


def cpu_vendor() -> str:
    """The maker of this processor as it names itself ("GenuineIntel", "AuthenticAMD"); "" where
    the system does not tell."""
    return _cpuinfo().get("vendor_id", "")


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


def cores() -> int:
    """Processors that this process may use, at least one: those that it is bound to, within the
    quota of a container. Threads beyond a quota would only wait for each other."""
    quota = control_groups.cpus()
    bound = len(os.sched_getaffinity(0))
    return bound if quota is None else max(1, min(bound, int(quota)))


def resolve_threads(threads: int) -> int:
    """Turn 0 into the number of processors that this process, or the planning one, may use."""
    return threads or int(os.environ.get("RAG_STUDY_THREADS") or cores())


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
    within = control_groups.memory()
    return min(free, within.limit - within.used) if within else free


def model_memory() -> float:
    """Bytes that a model may fill on this machine: of its GPUs where there are any, else of main
    memory."""
    if has_gpu():
        import torch

        if torch.cuda.is_available():
            count = torch.cuda.device_count()
            return float(sum(torch.cuda.mem_get_info(i)[1] for i in range(count)))
    return total_memory()


def total_memory() -> float:
    """Bytes of main memory of this machine, or what the limit of a container leaves of it."""
    import psutil

    total = psutil.virtual_memory().total
    within = control_groups.memory()
    return min(total, within.limit) if within else total
