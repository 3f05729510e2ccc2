"""Pairs that lack a score: how many, on which side, and what a verdict is worth without them.

Scores are seldom missing at random: a long or an empty answer is what a judge cannot grade and what
a server refuses. The differences of the pairs that are left may then show an effect where there is
none. A verdict on a row that lost many pairs, or lost them unevenly, must therefore hold in the two
extreme cases as well (Manski 1990; Horowitz and Manski 2000): each missing score of the trained
answers is the worst of its scale and each of the base's the best, and the other way round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import binomtest

from rag_study.common.wording import counted, listed

# The share of lost pairs up to which a verdict needs no bounds, if both sides lose alike.
MOST_LOST = 0.05
# Below this p of the exact McNemar test, base and trained lose differently.
_UNEVEN = 0.05


@dataclass(frozen=True)
class Lost:
    """What a comparison lost, of the questions that its metric applies to.

    `base_only`, `tuned_only` and `both` count the pairs by the side that has no score. `questions`
    and `clusters` (n_pairs,) are those of all pairs (empty where none is lost), `worst` and `best`
    (n_pairs,) their differences trained - base with the missing scores at the ends of the scale
    that are so for the training.
    """

    n_pairs: int
    base_only: int
    tuned_only: int
    both: int
    questions: np.ndarray
    clusters: np.ndarray
    worst: np.ndarray
    best: np.ndarray

    @classmethod
    def of(
        cls,
        questions: np.ndarray,
        clusters: np.ndarray,
        base: np.ndarray,
        tuned: np.ndarray,
        low: float,
        high: float,
    ) -> Lost:
        """From the scores of base and trained answers (n,), NaN where missing, and their scale."""
        no_base, no_tuned = np.isnan(base), np.isnan(tuned)
        if not (no_base | no_tuned).any():
            nothing = np.empty(0)
            return cls(len(base), 0, 0, 0, nothing, nothing, nothing, nothing)
        lost = (no_base & ~no_tuned, no_tuned & ~no_base, no_base & no_tuned)
        worst = np.where(no_tuned, low, tuned) - np.where(no_base, high, base)
        best = np.where(no_tuned, high, tuned) - np.where(no_base, low, base)
        amounts = (int(side.sum()) for side in lost)
        return cls(len(base), *amounts, questions, clusters, worst, best)

    def together(self, other: Lost) -> Lost:
        """What two seeds lost together; the pairs stay those of the first."""
        names = ("n_pairs", "base_only", "tuned_only", "both")
        added = {name: getattr(self, name) + getattr(other, name) for name in names}
        return replace(self, **added)

    @property
    def lost_base(self) -> int:
        return self.base_only + self.both

    @property
    def lost_tuned(self) -> int:
        return self.tuned_only + self.both

    @property
    def needs_bounds(self) -> bool:
        """Whether a verdict must also hold for missing scores at the ends of their scale.

        So above MOST_LOST, and where one side loses more than the other by the exact McNemar test
        (a binomial test on the pairs that only one side lost, p < .05).
        """
        one_side = self.base_only + self.tuned_only
        uneven = one_side > 0 and binomtest(self.base_only, one_side).pvalue < _UNEVEN
        return bool(uneven or one_side + self.both > MOST_LOST * self.n_pairs)


def lost_words(row: Mapping[str, Any]) -> str:
    """What a row of `comparisons` lost: "30 trained answers and 1 base answer have no score"."""
    sides = [
        counted(int(row[column]), noun)
        for column, noun in (("lost_tuned", "trained answer"), ("lost_base", "base answer"))
        if row[column]
    ]
    amount = int(row["lost_tuned"]) + int(row["lost_base"])
    return f"{listed(sides)} {'has' if amount == 1 else 'have'} no score"
