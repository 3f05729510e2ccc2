"""One step of advice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rag_study.analysis.next_steps.study_lines import Change
from rag_study.common.wording import signed


@dataclass(frozen=True)
class Step:
    """`sentence` says what the study found and what follows; `numbers` are the figures in it, by
    name, unrounded. `change` is what the study file says then; `command`, with {file} for that
    file, is what to type, where it is not `run`."""

    rule: str
    sentence: str
    numbers: Mapping[str, float]
    change: Change = field(default_factory=dict)
    command: str = ""


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def between(low: float, high: float, metric: str = "") -> str:
    """A 95 % interval of a difference, in brackets."""
    return f"(95 % {signed(low, metric)} to {signed(high, metric)})"


def shares_between(low: float, high: float) -> str:
    return f"(95 % {100 * low:.0f} to {percent(high)})"
