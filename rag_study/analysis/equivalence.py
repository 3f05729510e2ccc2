"""Is what style makes of a difference small enough? Two one-sided tests, for every source alike.

What is tested, and what follows, is in `audit`. An interval that comes from the spread of values
knows nothing of errors that none of the questions shows: of equal values it has no width at all.
So a source passes only where there is room for these, too: in as large a share of all questions as
the exact binomial bound allows where none of n was in error (Clopper and Pearson 1934; about
3 / n), each by UNSEEN margins.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtrit

from rag_study.analysis.cluster_means import degrees_of_freedom, effective_clusters, most_changed
from rag_study.analysis.resampling import TOLERANCE, bca_intervals, standard_errors

# Of the margin: the most that style alone may make of a difference.
LIMIT = 0.5
PASSES, FAILS, NOT_KNOWN = "passes", "fails", "not known"
# A source with fewer questions says nothing (as `validity.MIN_QUESTIONS`); people: groups.
MIN_QUESTIONS = 20
ALPHA = 0.05
# How large an error is that no question shows, in margins: nearly one of the steps from 1 to 5,
# where the margin is a quarter of a point. The largest with which 20 groups without an error, the
# fewest that carry a verdict, can pass. People decide whatever all else says, and of their labels
# errors as wide as the scale are allowed for (`judge_errors`).
UNSEEN = 3.5
_RESAMPLES = 2_000


def unseen_error(margin: float, width: float) -> float:
    """How large an error that no question shows is allowed for: none is wider than the scale."""
    return min(UNSEEN * margin, width)


def groups_to_pass(room: float, unseen: float) -> float:
    """Groups of equal size without an error that leave no more than `room` for errors of the size
    `unseen`; 0 where there is room for one in every group."""
    return float(np.log(ALPHA) / np.log1p(-room / unseen)) if room < unseen else 0.0


@dataclass(frozen=True)
class Part:
    """What one source says of the part of style in a difference, in the metric's unit.

    `low`, `high` are the 90 % interval of the two one-sided tests, with room for errors of the size
    `unseen`; `ci_low`, `ci_high` the one that must lie beyond the limit for a failure.
    """

    source: str
    n_questions: int
    n_clusters: int
    bias: float = np.nan
    se: float = np.nan
    low: float = np.nan
    high: float = np.nan
    ci_low: float = np.nan
    ci_high: float = np.nan
    unseen: float = 0.0

    @classmethod
    def of(
        cls, source: str, values: np.ndarray, clusters: np.ndarray, unseen: float, tests: int = 1
    ) -> Part:
        """From one value per question; `unseen` is the size of an error that none of them shows.
        `tests`: how many share the 5 % of a failure."""
        n, groups = len(values), len(np.unique(clusters))
        if n < MIN_QUESTIONS or groups < 2:
            return cls(source, n, groups)
        _, codes = np.unique(clusters, return_inverse=True)
        sums, counts = np.bincount(codes, weights=values), np.bincount(codes).astype(float)
        se = float(standard_errors(sums[None], counts[None])[0])
        df = float(degrees_of_freedom(effective_clusters(counts)))
        part = cls.known(source, float(values.mean()), se, n, groups, df, unseen, tests)
        levels = (1 - 2 * ALPHA, 1 - ALPHA / tests)
        (near, far) = bca_intervals(sums[None], counts[None], levels, _RESAMPLES)[:, :, 0]
        # The t interval alone lets skewed differences pass too often, the other one few questions.
        return replace(
            part,
            low=min(part.low, near[0]),
            high=max(part.high, near[1]),
            ci_low=min(part.ci_low, far[0]),
            ci_high=max(part.ci_high, far[1]),
        )

    @classmethod
    def known(
        cls,
        source: str,
        bias: float,
        se: float,
        n: int,
        groups: int,
        df: float,
        unseen: float,
        tests: int = 1,
        passing: int = 1,
    ) -> Part:
        """From an estimate and its standard error with `df` degrees of freedom; `unseen` is the
        size of an error that no question shows. `passing`: how many share the 5 % of passing.
        """
        share = most_changed(0.0, df + 1, ALPHA / passing)
        near = max(float(stdtrit(df, 1 - ALPHA / passing)) * se, unseen * share)
        far = float(stdtrit(df, 1 - ALPHA / 2 / tests)) * se
        ends = (bias - near, bias + near, bias - far, bias + far)
        return cls(source, n, groups, bias, se, *ends, unseen)

    def status(self, limit: float) -> str:
        if np.isnan(self.low) or np.isnan(limit):
            return NOT_KNOWN
        if self.low >= -limit - TOLERANCE and self.high <= limit + TOLERANCE:
            return PASSES
        if self.ci_low > limit or self.ci_high < -limit:
            return FAILS
        return NOT_KNOWN

    def can_pass(self, limit: float) -> bool:
        """Whether it has so many groups that it would pass if no question differed."""
        if np.isnan(self.bias) or np.isnan(limit):
            return False
        return self.n_clusters >= groups_to_pass(limit + TOLERANCE, self.unseen)

    def needed(self, limit: float) -> float:
        """Questions with which this source would pass with 80 % power if its figures are true
        (Chow, Shao and Wang 2008, 3.2.3); NaN where it would not."""
        room = limit - abs(self.bias)
        if np.isnan(self.se) or room <= 0:
            return np.nan
        quantiles = stdtrit(1e9, 1 - ALPHA) + stdtrit(1e9, 0.9)
        by_spread = self.n_questions * (quantiles * self.se / room) ** 2
        # So many that, without an error among them, the exact bound leaves room enough.
        shown = np.ceil(groups_to_pass(room, self.unseen))
        return float(max(self.n_questions, np.ceil(by_spread), shown))
