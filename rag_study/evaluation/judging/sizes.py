"""How many questions a judge's check takes: what few of them can never show, whoever answers.

Needs neither scores nor pandas, so that a size which cannot pass is known while planning.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from rag_study.evaluation.criteria import Criterion

LEVEL = 0.95
# A requirement that fewer questions speak to is not checked, and a judge that was not checked on
# the general rungs was not shown to be valid. With 20 questions in perfect order the lower bound
# is 0.83.
MIN_QUESTIONS = 20


def flawless(n: int) -> float:
    """The lower 95 % bound of an AUC from `n` questions (at least 1) without a mistake (Clopper and
    Pearson 1934): no judge can have a higher one."""
    return ((1 - LEVEL) / 2) ** (1 / n)


def questions_for(bound: float) -> int:
    """Questions without which no judge's lower 95 % bound reaches `bound` (above 0, below 1)."""
    return max(MIN_QUESTIONS, math.ceil(math.log((1 - LEVEL) / 2) / math.log(bound) - 1e-9))


def least_ladder(criteria: Iterable[Criterion]) -> int:
    """The smallest ladder on which a judge can meet all that these criteria require: one that makes
    no mistake, to questions that all have the rungs."""
    bounds = [bound for criterion in criteria for bound in criterion.required.values()]
    return max(map(questions_for, bounds), default=MIN_QUESTIONS)
