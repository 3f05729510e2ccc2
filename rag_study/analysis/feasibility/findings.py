"""What a check of a study finds: how bad it is, in a sentence, and what to change."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

# The worst first. Without a verdict the study's question stays open, whatever is computed.
NO_VERDICT, PROBLEM, NOTE = "no verdict", "problem", "note"
LEVELS = (NO_VERDICT, PROBLEM, NOTE)


@dataclass(frozen=True)
class Finding:
    """`topic` is what it is about (questions, judge, memory, ...), `remedy` the smallest change
    that helps, in terms of the study file; "" where there is none to name."""

    level: str
    topic: str
    sentence: str
    remedy: str = ""

    @property
    def words(self) -> str:
        return f"{self.sentence} {self.remedy}".strip()

    def record(self) -> dict[str, Any]:
        return asdict(self)
