"""Numbers and lists as people read them."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

NOT_KNOWN = "not computed"


def signed(value: float, metric: str = "", digits: int | None = None) -> str:
    """A difference with its sign, in these digits or the metric's own: "−0.05"."""
    if not is_number(value):
        return NOT_KNOWN
    if digits is None:
        digits = 1 if metric == "answer_length" else 2
    return f"{round(float(value), digits) + 0.0:+.{digits}f}".replace("-", "−")


def number(value: float, digits: int = 2) -> str:
    """A number with fixed digits and a true minus sign."""
    return f"{float(value):.{digits}f}".replace("-", "−") if is_number(value) else NOT_KNOWN


def rounded_up(value: float) -> str:
    """A number of questions to two significant digits, never too few: 587 -> "590"."""
    step = 10 ** max(0, len(str(int(value))) - 2)
    return f"{math.ceil(value / step) * step:,}"


def is_number(value: Any) -> bool:
    """Whether there is a finite number to show."""
    return isinstance(value, numbers.Real) and math.isfinite(value)


def counted(amount: int, noun: str) -> str:
    """An amount with its noun: "1 run", "1,200 runs"."""
    return f"{amount:,} {noun}{'' if amount == 1 else 's'}"


def listed(words: Sequence[str]) -> str:
    """At least one word, joined as in a sentence: "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def p_words(p: float) -> str:
    """A p value with three digits; '' where there is none."""
    return "" if not is_number(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"
