"""What advice is made of: the main comparison of a study, its base, and a contest of all states.

The *main* question is the study's own: its first primary context and metric that has primary
comparisons, on the data, model and search with the most of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from rag_study.analysis.cluster_means import ClusterTotals, cluster_means
from rag_study.analysis.decomposition import clusters_of, decompose
from rag_study.analysis.effects import of_recipes
from rag_study.analysis.next_steps.study_lines import StudyLines
from rag_study.analysis.pairing import BASE_COLUMNS, DEFAULT, PEOPLE
from rag_study.analysis.states import format_label, is_base, state_label
from rag_study.analysis.study_results import StudyResults
from rag_study.data.schema import Question
from rag_study.evaluation.metrics import COUNTERPARTS, Metrics
from rag_study.study.config import StudyConfig

ALPHA = 0.05
STATE = ["method", "train_format", "train_size", "variant", "prompting"]


@dataclass(frozen=True)
class Mean:
    """A mean with its 95 % interval and the number of questions it is over."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class State:
    """A model state in the contest: its row of the tables, how many seeds it has, its mean."""

    row: Mapping[str, Any]
    seeds: int
    mean: float

    @property
    def trained(self) -> bool:
        return self.row["train_size"] > 0

    @property
    def words(self) -> str:
        label = state_label(self.row)
        extra = format_label(self.row["train_format"]) if self.trained else ""
        return ", ".join(filter(None, (label, extra, self.row["variant"])))


@dataclass(frozen=True)
class Against:
    """The best state less another one: the difference with simultaneous intervals, at 95 %
    (`low`, `high`) and at 90 % for a test that nothing matters."""

    other: State
    difference: float
    low: float
    high: float
    low90: float
    high90: float


@dataclass(frozen=True)
class Contest:
    """All states of the main question. `others` are in the order of their means. The best was
    picked by the same questions: so the intervals hold for all `pairs` of states at once
    (Bonferroni), whichever of them had come out best, and know of the spread between seeds where a
    state has several."""

    best: State
    others: tuple[Against, ...]
    pairs: int
    n: int


@dataclass(frozen=True)
class Measured:
    """The tables of a study with what is asked of them. `pools` are the questions by data set and
    pool, as far as they can be had."""

    results: StudyResults
    study: StudyConfig
    file: StudyLines
    pools: Mapping[str, Mapping[str, list[Question]]]

    @property
    def metrics(self) -> Metrics:
        return self.results.metrics

    @cached_property
    def primary(self) -> pd.DataFrame:
        comparisons = self.results.comparisons
        return comparisons[comparisons["primary"]] if len(comparisons) else comparisons

    @cached_property
    def main(self) -> dict[str, Any]:
        """BASE_COLUMNS, context, metric and judge of the main question; {} without one."""
        rows, primary = self.primary, self.study.primary
        rows = rows[rows["judge"] != PEOPLE] if len(rows) else rows
        if rows.empty:
            return {}
        order = [*primary.metrics, *primary.reference_metrics]
        for context in primary.contexts:
            for metric in order:
                found = rows[(rows["context"] == context) & (rows["metric"] == metric)]
                if len(found):
                    keys = [*BASE_COLUMNS, "context", "metric", "judge"]
                    counts = found.groupby(keys, sort=False, dropna=False).size()
                    return dict(zip(keys, counts.idxmax(), strict=True))
        return {}

    def of_main(self, table: pd.DataFrame, without: tuple[str, ...] = ()) -> pd.DataFrame:
        """The rows of a table that are about the main question, but for some of its columns."""
        if table.empty or not self.main:
            return table.iloc[:0]
        same = pd.Series(True, index=table.index)
        for name, value in self.main.items():
            if name not in without:
                same &= table[name] == value
        return table[same]

    @cached_property
    def effects(self) -> pd.DataFrame:
        """Trained states against the usual base in the main question, a row for each recipe."""
        rows = self.of_main(self.results.comparisons)
        usual = (rows["baseline"] == DEFAULT) & (rows["train_size"] > 0) if len(rows) else []
        return of_recipes(rows[usual]) if len(rows) else rows

    @property
    def margin(self) -> float:
        margin = self.metrics[self.main["metric"]].margin
        return math.nan if margin is None else float(margin)

    @property
    def metric(self) -> str:
        """The main metric as it stands in a sentence."""
        return self.metrics.in_text(self.main["metric"])

    def pool(self, dataset: str, name: str) -> int | None:
        """Number of questions in a pool of a data set; None where that is not known."""
        pools = self.pools.get(dataset)
        return len(pools[name]) if pools else None

    def asked(self, dataset: str) -> int:
        """How many test questions of a data set the study asks for; 0 where it has no such set."""
        sizes = {one.display_name: one.test_size for one in self.study.datasets}
        return sizes.get(dataset, 0)

    @cached_property
    def base_answers(self) -> pd.DataFrame:
        """The base's answers to the main data with retrieved passages, as `decompose` has them: by
        strings, so that no judge has to be trusted."""
        results = self.results.results
        if results.empty:
            return results
        rows = results[is_base(results)]
        for name in BASE_COLUMNS:
            wanted = self.main.get(name)
            rows = rows[rows[name] == (rows[name].iloc[0] if wanted is None else wanted)]
            if rows.empty:
                return rows
        table = decompose(rows)
        return table.drop_duplicates("question_id")

    def share(self, values: pd.Series, least: float = 0.0) -> Mean | None:
        """The mean of values of `base_answers` from `least` to 1; None below two groups."""
        known = values.dropna().astype(float)
        rows = self.base_answers.loc[known.index]
        if rows.empty or rows["group"].nunique() < 2:
            return None
        totals = ClusterTotals.of(known.to_numpy()[None], clusters_of(rows), least, 1.0)
        ((low, high),) = cluster_means(totals).intervals
        return Mean(float(known.mean()), float(low[0]), float(high[0]), len(known))

    @property
    def recall_margin(self) -> float:
        return float(self.metrics[COUNTERPARTS["judge_accuracy"]].margin or ALPHA)

    @cached_property
    def contest(self) -> Contest | None:
        """None with fewer than two states, or fewer than two groups that all of them answered."""
        rows = self.of_main(self.results.results, ("metric", "judge"))
        if rows.empty:
            return None
        rows = rows[rows["judge"] == self.main["judge"]] if self.main["judge"] else rows
        rows = rows[(rows["train_size"] > 0) | (rows["method"] == "none")]
        rows = rows.drop_duplicates([*STATE, "seed", "question_id"])
        metric = self.main["metric"]
        by_seed = rows.pivot(index="question_id", columns=[*STATE, "seed"], values=metric)
        by_seed = by_seed.astype(float).dropna()
        names = by_seed.columns.droplevel("seed")
        states = list(dict.fromkeys(names))
        groups = rows.drop_duplicates("question_id").set_index("question_id").loc[by_seed.index]
        if len(states) < 2 or groups["group"].nunique() < 2:
            return None
        values = np.stack([by_seed.loc[:, names == s].mean(axis=1).to_numpy() for s in states])
        of_seeds = [by_seed.loc[:, names == state].mean().to_numpy() for state in states]
        made = [
            State(dict(zip(STATE, state, strict=True)), len(seeds), float(mean))
            for state, seeds, mean in zip(states, of_seeds, values.mean(axis=1), strict=True)
        ]
        order = sorted(range(len(made)), key=lambda i: (-made[i].mean, made[i].trained))
        best, pairs = order[0], len(made) * (len(made) - 1) // 2
        low, high = self.metrics[metric].limits
        clusters = clusters_of(groups.reset_index())
        levels = (1 - ALPHA / pairs, 1 - 2 * ALPHA / pairs)
        against = []
        for i in order[1:]:
            totals = ClusterTotals.of(
                (values[best] - values[i])[None], clusters, low - high, high - low
            )
            found = cluster_means(totals, levels)
            ends = _with_seeds(found, levels, (of_seeds[best], of_seeds[i]))
            against.append(Against(made[i], made[best].mean - made[i].mean, *ends))
        return Contest(made[best], tuple(against), pairs, len(by_seed))


def _with_seeds(
    found: Any, levels: tuple[float, ...], seeds: tuple[np.ndarray, ...]
) -> list[float]:
    """Ends of the intervals of one difference, with the spread between the seeds of both states:
    a t interval with the fewest degrees of freedom that any part of it has, where that is wider."""
    spread = [(s.var(ddof=1) / len(s), len(s) - 1) for s in seeds if len(s) > 1]
    spread = [(variance, df) for variance, df in spread if variance > 0]
    mean, ends = float(found.mean[0]), []
    se = math.sqrt(float(found.se[0]) ** 2 + sum(variance for variance, _ in spread))
    df = min([float(found.df[0]), *(df for _, df in spread)])
    for level, interval in zip(levels, found.intervals[:, :, 0], strict=True):
        half = float(stdtrit(df, (1 + level) / 2)) * se if spread else 0.0
        ends += [min(float(interval[0]), mean - half), max(float(interval[1]), mean + half)]
    return ends
