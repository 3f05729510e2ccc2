"""What Linux's control groups, which containers and batch systems set, leave to this process.

Both versions: in the second a group holds all limits, in the first each controller has a tree of
its own. A limit of a group holds for all groups inside it, so the way up to the root is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")


class Memory(NamedTuple):
    """Bytes: the limit, and what is used of it. What was read of files is given back, and is not
    counted."""

    limit: int
    used: int


def cpus() -> float | None:
    """How many processors' time may be used; None without a quota."""
    quotas = []
    for folder in _groups("cpu"):
        if (whole := _text(folder / "cpu.max")) is not None:  # "max 100000" where there is none
            quota, period = whole.split()
        else:
            quota = _text(folder / "cpu.cfs_quota_us") or ""  # -1 where there is none
            period = _text(folder / "cpu.cfs_period_us") or ""
        if quota.isdecimal() and period.isdecimal() and int(period):
            quotas.append(int(quota) / int(period))
    return min(quotas, default=None)


def memory() -> Memory | None:
    """The limit of memory with the least room left in it; None without one."""
    limits = []
    for folder in _groups("memory"):
        if (limit := _text(folder / "memory.max")) is not None:
            used, given_back = "memory.current", "inactive_file"
        else:
            limit = _text(folder / "memory.limit_in_bytes")  # of about 2 ** 63 where there is none
            used, given_back = "memory.usage_in_bytes", "total_inactive_file"
        taken = _text(folder / used)
        if limit and limit.isdecimal() and taken and taken.isdecimal():
            files_read = _facts(folder / "memory.stat").get(given_back, 0)
            limits.append(Memory(int(limit), max(0, int(taken) - files_read)))
    return min(limits, key=lambda each: each.limit - each.used, default=None)


def oom_kills() -> int:
    """How many processes of these groups the system has killed for memory so far."""
    return max(
        (
            _facts(folder / name).get("oom_kill", 0)
            for folder in _groups("memory")
            for name in ("memory.events", "memory.oom_control")
        ),
        default=0,
    )


def _groups(controller: str) -> Iterator[Path]:
    """The folder of this process's group and of those around it, of either version.

    Inside a container the tree may begin at the container's own group, while the name of the group
    is told as it is outside: names that lead nowhere are passed over.
    """
    for line in (_text(OWN_GROUPS) or "").splitlines():
        _, controllers, name = line.split(":", 2)
        if not controllers:
            tree = ROOT / "unified" if (ROOT / "unified").is_dir() else ROOT
        elif controller in controllers.split(","):
            tree = next((ROOT / n for n in (controllers, controller) if (ROOT / n).is_dir()), ROOT)
        else:
            continue
        group = Path(name.strip("/"))
        for inner in (group, *group.parents) if group.parts else (group,):
            if (tree / inner).is_dir():
                yield tree / inner


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return None


def _facts(file: Path) -> dict[str, int]:
    """A file of names with numbers."""
    pairs = (line.split() for line in (_text(file) or "").splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}
