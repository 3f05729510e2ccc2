"""What fine-tuning changed: paired effects, intervals, corrections, power and verdicts.

The unit is the question, paired across runs and clustered by `group` (the paper, the article, the
world; a question without a group is a cluster of its own). Which runs are paired is in `pairing`,
the arithmetic in `resampling`.

**One seed, one adapter.** A verdict concerns the adapter that was trained with that seed, not the
recipe: several seeds appear as separate rows.

Example:
    comparisons = compare(results, ["retrieved"], ["judge_accuracy"], ["answer_recall"],
                          margins={"judge_accuracy": 0.25}, judge_valid={"qwen": True})
    comparisons.attrs["skipped"]    # sentences: what could not be compared, and why
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from rag_study.metrics import METRICS
from rag_study.pairing import DEFAULT, RUN_COLUMNS, Scores, metrics_of, pair_runs, read
from rag_study.resampling import TOLERANCE, bca_intervals, sign_flip_p_values, standard_errors
from rag_study.verdicts import MDE_FACTOR, add_verdicts

_KEY_COLUMNS = [*RUN_COLUMNS, "context", "metric", "judge"]
SUMMARY_COLUMNS = [*_KEY_COLUMNS, "mean", "ci_low", "ci_high", "n_questions", "n_clusters"]
COMPARISON_COLUMNS = [
    *_KEY_COLUMNS,
    *("baseline", "n_questions", "n_clusters", "mean_base", "mean_tuned"),
    *("difference", "ci_low", "ci_high"),
    *("ci90_low", "ci90_high", "p_value", "p_holm", "effect_size", "mde", "n_needed"),
    *("primary", "margin", "verdict", "reason"),
]
INTERACTION_COLUMNS = [
    *_KEY_COLUMNS,
    *("n_questions", "n_clusters", "difference_none", "difference_context", "interaction"),
    *("ci_low", "ci_high", "p_value"),
]
_DTYPES = {
    **dict.fromkeys(("train_size", "seed", "chunk_size", "top_k"), "int64"),
    **dict.fromkeys(("n_questions", "n_clusters"), "int64"),
    **dict.fromkeys((*RUN_COLUMNS[:4], "variant", "prompting", "retriever", "context"), "str"),
    **dict.fromkeys(("baseline", "metric", "judge", "verdict", "reason"), "str"),
    "primary": "bool",
}

_BATCH = 256


@dataclass(frozen=True)
class _Sample:
    """Values of one table row, one per question, with the clusters of these questions."""

    run: int
    context: str
    metric: str
    judge: str
    values: np.ndarray
    clusters: np.ndarray
    extra: dict = field(default_factory=dict)

    @property
    def key(self) -> tuple[int, str, str, str, str]:
        return self.run, self.context, self.metric, self.judge, self.extra.get("baseline", "")


def _estimate(samples: list[_Sample], n_resamples: int, n_flips: int = 0) -> pd.DataFrame:
    """Mean, intervals, standard error, standard deviation and (if `n_flips`) p of every sample."""
    by_size, reduced = defaultdict(list), []
    for i, sample in enumerate(samples):
        _, codes = np.unique(sample.clusters, return_inverse=True)
        reduced.append((np.bincount(codes, weights=sample.values), np.bincount(codes)))
        by_size[len(reduced[-1][0])].append(i)
    columns = ["mean", "ci_low", "ci_high", "ci90_low", "ci90_high", "se", "p_value"]
    table = np.full((len(samples), len(columns)), np.nan)
    for indices in by_size.values():
        for start in range(0, len(indices), _BATCH):
            part = indices[start : start + _BATCH]
            sums = np.stack([reduced[i][0] for i in part])
            counts = np.stack([reduced[i][1] for i in part]).astype(float)
            intervals = bca_intervals(sums, counts, (0.95, 0.90), n_resamples)
            table[part, 0] = sums.sum(axis=1) / counts.sum(axis=1)
            table[part, 1:5] = intervals.reshape(4, -1).T
            table[part, 5] = standard_errors(sums, counts)
            if n_flips:
                table[part, 6] = sign_flip_p_values(sums, n_flips)
    frame = pd.DataFrame(table, columns=columns)
    frame["n_questions"] = [len(sample.values) for sample in samples]
    frame["n_clusters"] = [len(sums) for sums, _ in reduced]
    frame["sd"] = [
        float(np.std(sample.values, ddof=1)) if len(sample.values) > 1 else 0.0
        for sample in samples
    ]
    return frame


def _table(
    scores: Scores, samples: list[_Sample], estimates: pd.DataFrame, columns: list[str]
) -> pd.DataFrame:
    if not samples:
        return pd.DataFrame({name: pd.Series(dtype=_DTYPES.get(name, float)) for name in columns})
    keys = pd.DataFrame([s.key[1:4] for s in samples], columns=["context", "metric", "judge"])
    runs = scores.runs.iloc[[s.run for s in samples]].reset_index(drop=True)
    extra = pd.DataFrame([s.extra for s in samples])
    return pd.concat([runs, keys, extra, estimates], axis=1).reindex(columns=columns)


# --- Tables of the study ----------------------------------------------------------------------


def summarise(results: pd.DataFrame, n_resamples: int = 10_000) -> pd.DataFrame:
    """Mean of every metric per run and context (and judge), with a 95 % cluster interval.

    `results` has one row per run, context, question and judge. Returns SUMMARY_COLUMNS, one row
    per mean, in the metric's unit; judge is '' for reference metrics. Missing scores are left out
    (`n_questions` says how many are in) and a metric without any score gives no row.
    Raises ValueError for missing columns, for a question that occurs twice and for one in two
    groups.
    """
    scores, samples = read(results), []
    for (run, context, judge), (questions, values) in scores.blocks.items():
        for column, metric in enumerate(metrics_of(judge)):
            scored = ~np.isnan(values[:, column])
            if scored.any():
                clusters = scores.clusters[questions[scored]]
                samples.append(
                    _Sample(run, context, metric, judge, values[scored, column], clusters)
                )
    samples.sort(key=lambda sample: sample.key)
    return _table(scores, samples, _estimate(samples, n_resamples), SUMMARY_COLUMNS)


def compare(
    results: pd.DataFrame,
    primary_contexts: Sequence[str],
    primary_metrics: Sequence[str],
    reference_metrics: Sequence[str],
    margins: dict[str, float | None],
    judge_valid: dict[str, bool],
    n_resamples: int = 10_000,
) -> pd.DataFrame:
    """Every tuned run against the bases of the same data, model and retrieval.

    `baseline` names the base's prompting: the default one, and the prompt-only alternatives to
    training where the study has them (these are compared with the default one as well, as rows of
    method "none"). Differences are tuned minus base, paired by question within a context; pairs
    with a missing score are dropped. Returns COMPARISON_COLUMNS, sorted by their key, in the
    metric's unit; `attrs["skipped"]` lists in sentences what could not be compared.

    The primary family is every comparison of a trained run with the default base in
    `primary_contexts` of `primary_metrics`, over the whole table: judged metrics by valid judges (a
    judge absent from `judge_valid` is not valid). If no judge is valid, `reference_metrics` take
    the place of the judged ones. Scores have no say in this. `margins` overrides the defaults of
    METRICS; None takes a metric's margin away.

    `mde` is the difference that 80 % of such studies would detect (two-sided alpha .05, normal
    approximation); `effect_size` is d_z, the difference in standard deviations of the paired
    differences. The smallest p is 1 in 10,000 flips; families above 100 get 100 flips for each
    member, or Holm's correction could find nothing. See `verdicts` for the verdicts.

    Raises ValueError for an unknown metric, for two bases of one tuned run and as `summarise`.
    """
    if unknown := {*primary_metrics, *reference_metrics, *margins} - set(METRICS):
        raise ValueError(f"unknown metrics {sorted(unknown)}; there are {', '.join(METRICS)}")
    family = {name for name in primary_metrics if not METRICS[name].judged}
    if any(judge_valid.values()):
        family = set(primary_metrics)
    elif len(family) < len(set(primary_metrics)):
        family |= set(reference_metrics)
    family = {name for name in family if METRICS[name].margin is not None}
    margins = {name: metric.margin for name, metric in METRICS.items()} | margins

    scores = read(results)
    pairs, skipped = pair_runs(scores)
    samples = []
    for (run, context, judge, baseline), pair in pairs.items():
        trained = scores.runs.loc[run, "train_size"] > 0  # not a prompt, not another system
        for column, metric in enumerate(metrics_of(judge)):
            base, tuned = pair.base[:, column], pair.tuned[:, column]
            both = ~np.isnan(base) & ~np.isnan(tuned)
            if not both.any():
                continue
            valid = not judge or judge_valid.get(judge, False)
            primary = (
                trained
                and baseline == DEFAULT
                and context in primary_contexts
                and metric in family
                and valid
            )
            untrusted = "did not pass its check" if judge in judge_valid else "was not checked"
            margin = margins[metric]
            extra = {
                "baseline": baseline,
                "mean_base": base[both].mean(),
                "mean_tuned": tuned[both].mean(),
                "primary": primary,
                "margin": np.nan if margin is None else float(margin),
                "reason": "not a primary comparison" if valid else f"judge {judge} {untrusted}",
            }
            clusters = scores.clusters[pair.questions[both]]
            values = tuned[both] - base[both]
            samples.append(_Sample(run, context, metric, judge, values, clusters, extra))
    samples.sort(key=lambda sample: sample.key)
    family_size = sum(sample.extra["primary"] for sample in samples)
    estimates = _estimate(samples, n_resamples, max(10_000, 100 * family_size))
    estimates = estimates.rename(columns={"mean": "difference"})
    estimates["mde"] = MDE_FACTOR * estimates["se"]
    difference, sd = estimates["difference"].to_numpy(), estimates["sd"].to_numpy()
    spread = sd > TOLERANCE
    without_spread = np.where(np.abs(difference) <= TOLERANCE, 0.0, np.nan)
    estimates["effect_size"] = np.where(
        spread, difference / np.where(spread, sd, 1.0), without_spread
    )
    table = add_verdicts(_table(scores, samples, estimates, COMPARISON_COLUMNS))
    table.attrs["skipped"] = skipped
    return table


def interactions(results: pd.DataFrame, n_resamples: int = 10_000) -> pd.DataFrame:
    """Does fine-tuning change how much a context helps? Differences of differences.

    For every tuned run, metric and context c other than 'none': (tuned - base in c) - (tuned -
    base without context), paired by question over the four answers. Descriptive: no correction and
    no verdict. Returns INTERACTION_COLUMNS; intervals are at 95 %. Raises as `compare`.
    """
    scores = read(results)
    pairs, _ = pair_runs(scores)
    samples = []
    for (run, context, judge, baseline), pair in pairs.items():
        closed = pairs.get((run, "none", judge, baseline))
        tuned_run = scores.runs.loc[run, "method"] != "none" and baseline == DEFAULT
        if not tuned_run or context in ("none", "training") or closed is None:
            continue
        shared, at, at_closed = np.intersect1d(
            pair.questions, closed.questions, assume_unique=True, return_indices=True
        )
        with_context = (pair.tuned - pair.base)[at]
        without = (closed.tuned - closed.base)[at_closed]
        for column, metric in enumerate(metrics_of(judge)):
            change, change_none = with_context[:, column], without[:, column]
            both = ~np.isnan(change) & ~np.isnan(change_none)
            if both.any():
                change, change_none = change[both], change_none[both]
                extra = {
                    "difference_none": change_none.mean(),
                    "difference_context": change.mean(),
                }
                clusters = scores.clusters[shared[both]]
                values = change - change_none
                samples.append(_Sample(run, context, metric, judge, values, clusters, extra))
    samples.sort(key=lambda sample: sample.key)
    estimates = _estimate(samples, n_resamples, 10_000).rename(columns={"mean": "interaction"})
    return _table(scores, samples, estimates, INTERACTION_COLUMNS)
