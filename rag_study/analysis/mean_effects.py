"""Mean effects of trained states, and what is shown about them: what `claims` are tested with.

A mean is taken over all questions of some samples (of one state, or of all states), clustered by
group; where the states have several seeds these are its parts, so that the spread between seeds is
in its standard error (see `estimates`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtr, stdtrit

from rag_study.analysis.effects import difference_samples
from rag_study.analysis.estimates import Sample, estimate, join
from rag_study.analysis.pairing import DEFAULT, RUN_COLUMNS, Scores
from rag_study.analysis.planning import are_enough
from rag_study.analysis.resampling import TOLERANCE
from rag_study.analysis.states import SETTINGS, differing, factor_words, state_label
from rag_study.evaluation.metrics import COUNTERPARTS


@dataclass(frozen=True)
class MeanEffect:
    """A mean effect with what its tests need."""

    value: float
    low: float
    high: float
    se: float
    df: float
    n_states: int
    n_questions: int
    n_clusters: int
    n_effective: float
    has_spread: bool
    name: str = ""

    def below(self, bound: float) -> float:
        """One-sided p value against the true mean not being below `bound`."""
        if not are_enough(self.n_effective) or not self.has_spread:
            return 1.0
        return float(stdtr(self.df, (self.value - bound) / self.se))

    def above(self, bound: float) -> float:
        return replace(self, value=-self.value).below(-bound)

    def minus(self, other: MeanEffect) -> MeanEffect:
        """The difference of two independent means, with Welch's degrees of freedom."""
        parts = np.array([self.se**2, other.se**2])
        se = float(np.sqrt(parts.sum()))
        df = parts.sum() ** 2 / (parts**2 / [self.df, other.df]).sum() if se > 0 else self.df
        value, half = self.value - other.value, float(stdtrit(df, 0.975)) * se
        return MeanEffect(
            value,
            value - half,
            value + half,
            se,
            df,
            min(self.n_states, other.n_states),
            self.n_questions + other.n_questions,
            min(self.n_clusters, other.n_clusters),
            min(self.n_effective, other.n_effective),
            self.has_spread or other.has_spread,
        )


_FACTORS = ["train_format", "variant", *SETTINGS]


class StudyEffects:
    """The effects of a study, for one judge or ('') for the reference metrics.

    `context` is the one that claims are about, `metrics` the names of accuracy and completeness,
    `margin` that of every metric (0 where there is none), `differences` the samples of all trained
    runs against their default bases.
    """

    def __init__(self, scores: Scores, context: str, judge: str, n_resamples: int):
        self.scores, self.context, self.judge = scores, context, judge
        self.n_resamples = n_resamples
        names = COUNTERPARTS if judge else COUNTERPARTS.values()
        self.metrics = dict(zip(("accuracy", "completeness"), names, strict=True))
        self.margin = {name: metric.margin or 0.0 for name, metric in scores.metrics.items()}
        trained = scores.runs["train_size"] > 0
        self.differences = [
            s
            for s in difference_samples(scores).samples
            if trained[s.run] and s.extra["baseline"] == DEFAULT and s.judge in ("", judge)
        ]

    @property
    def main(self) -> str:
        """The metric of the claims about averages: accuracy, or completeness where it is absent."""
        metrics = {s.metric for s in self.differences if s.context == self.context}
        first, second = self.metrics.values()
        return second if first not in metrics and second in metrics else first

    def of(self, metric: str, samples: Sequence[Sample] | None = None) -> list[Sample]:
        """The samples of a metric in the claims' context."""
        candidates = self.differences if samples is None else samples
        return [
            s
            for s in candidates
            if s.metric == metric and s.context == self.context and s.judge in ("", self.judge)
        ]

    def recipe(self, sample: Sample, without: Sequence[str] = ()) -> tuple:
        """What distinguishes a state: the settings of the run but its seed."""
        run = self.scores.runs.loc[sample.run]
        return tuple(run[name] for name in RUN_COLUMNS if name not in ("seed", *without))

    def grouped(self, samples: Sequence[Sample], key: Callable) -> dict[tuple, list[Sample]]:
        groups = defaultdict(list)
        for sample in samples:
            groups[key(sample)].append(sample)
        return dict(groups)

    def means(self, groups: Sequence[Sequence[Sample]]) -> list[MeanEffect]:
        """The mean over all questions of all samples of each group."""
        wholes = []
        for samples in groups:
            by_seed = self.grouped(samples, lambda s: self.scores.runs.loc[s.run, "seed"])
            seeds = tuple(join(members) for members in by_seed.values())
            parts = seeds if len(seeds) > 1 else ()
            of = (samples[0].metric,) if parts else ()
            wholes.append(replace(join(seeds), beside={}, parts=parts, spread_of=of))
        rows = estimate(wholes, self.n_resamples, n_flips=0).to_dict("records")
        return [
            MeanEffect(
                *(float(row[c]) for c in ("mean", "ci_low", "ci_high", "se", "df")),
                n_states=len({self.recipe(s) for s in samples}),
                n_questions=len(np.unique(whole.questions)),
                n_clusters=int(row["n_clusters"]),
                n_effective=float(row["n_effective"]),
                has_spread=bool(row["sd"] > TOLERANCE),
                name=self.words(samples[0]),
            )
            for samples, whole, row in zip(groups, wholes, rows, strict=True)
        ]

    def mean(self, samples: Sequence[Sample]) -> MeanEffect:
        return self.means([samples])[0]

    def states(self, metric: str) -> list[MeanEffect]:
        """The mean of every state in a metric."""
        return self.means(list(self.grouped(self.of(metric), self.recipe).values()))

    def words(self, sample: Sample) -> str:
        """The name of a state in a sentence."""
        run = self.scores.runs.loc[sample.run]
        factors = factor_words(run, differing(self.scores.runs, _FACTORS))
        details = f" ({', '.join(factors)})" if factors else ""
        return f"{state_label(run)}{details} of {run['model']} on {run['dataset']}"
