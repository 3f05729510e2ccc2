"""How much memory there is, and whether full fine-tuning fits into it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rag_study.errors import StudyError

if TYPE_CHECKING:
    from rag_study.models import LanguageModel

GB = 1e9


def check_full(lm: LanguageModel) -> None:
    """Raise StudyError when full fine-tuning cannot fit: weights, gradients and AdamW's two
    moments, 4 bytes each. Activations come on top and are not counted.
    """
    numbers = sum(p.numel() for p in lm.model.parameters())
    needed = 16 * numbers
    available = free_bytes() + lm.model.get_memory_footprint()
    if needed > available:
        raise StudyError(
            f"full fine-tuning of {lm.name} ({numbers / 1e9:.2f} billion parameters) needs at "
            f"least {needed / GB:.1f} GB for weights, gradients and optimizer; "
            f"{available / GB:.1f} GB are available. Use method lora or qlora instead."
        )


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


def total_bytes() -> float:
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
