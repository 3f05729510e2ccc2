"""What fine-tuning changed: paired effects, intervals, corrections, power and verdicts.

The unit is the question, paired across runs and clustered by `group` (the paper, the article, the
world; a question without a group is a cluster of its own). The arithmetic is in `resampling`.

**One seed, one adapter.** A verdict concerns the adapter that was trained with that seed, not the
recipe: several seeds appear as separate rows.

Example:
    comparisons = compare(results, ["retrieved"], ["judge_accuracy"], ["answer_recall"],
                          margins={"judge_accuracy": 0.25}, judge_valid={"qwen": True})
    comparisons.attrs["skipped"]    # sentences: what could not be compared, and why
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from rag_study.metrics import JUDGED, METRICS, REFERENCE
from rag_study.resampling import TOLERANCE, bca_intervals, sign_flip_p_values, standard_errors
from rag_study.verdicts import MDE_FACTOR, add_verdicts

BASE_COLUMNS = ["dataset", "model", "prompting", "retriever", "chunk_size", "top_k"]
RUN_COLUMNS = [
    *("dataset", "model", "method", "train_format", "train_size", "seed", "prompting"),
    *("retriever", "chunk_size", "top_k"),
]
_KEY_COLUMNS = [*RUN_COLUMNS, "context", "metric", "judge"]
SUMMARY_COLUMNS = [*_KEY_COLUMNS, "mean", "ci_low", "ci_high", "n_questions", "n_clusters"]
COMPARISON_COLUMNS = [
    *_KEY_COLUMNS,
    *("n_questions", "n_clusters", "mean_base", "mean_tuned", "difference", "ci_low", "ci_high"),
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
    **dict.fromkeys((*RUN_COLUMNS[:4], "prompting", "retriever", "context"), "str"),
    **dict.fromkeys(("metric", "judge", "verdict", "reason"), "str"),
    "primary": "bool",
}

_BATCH = 256


# --- Reading and pairing the results table ----------------------------------------------------


@dataclass(frozen=True)
class _Scores:
    """The results table by blocks.

    `blocks` maps (run, context, judge) to question codes, ascending, and an array (n_questions,
    n_metrics) whose columns are REFERENCE for the judge '' and JUDGED for a named judge.
    `clusters` gives each question code its cluster code.
    """

    runs: pd.DataFrame
    clusters: np.ndarray
    blocks: dict[tuple[int, str, str], tuple[np.ndarray, np.ndarray]]


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
    def key(self) -> tuple[int, str, str, str]:
        return self.run, self.context, self.metric, self.judge


def _metrics_of(judge: str) -> tuple[str, ...]:
    return JUDGED if judge else REFERENCE


def _read(results: pd.DataFrame) -> _Scores:
    if results.empty:
        return _Scores(pd.DataFrame(columns=RUN_COLUMNS), np.empty(0, dtype=int), {})
    needed = [*RUN_COLUMNS, "context", "question_id", "group", "judge"]
    if missing := [name for name in needed if name not in results.columns]:
        raise ValueError(f"the results table lacks the columns {', '.join(missing)}")
    table = results.reset_index(drop=True)

    def codes(columns: list[str]) -> pd.Series:
        return table.groupby(columns, dropna=False, observed=True, sort=True).ngroup()

    group = table["group"].astype(object).where(table["group"].notna(), "").astype(str)
    ids = table["question_id"].astype(str)
    table = table.assign(
        context=table["context"].astype(str),
        judge=table["judge"].astype(object).where(table["judge"].notna(), "").astype(str),
        # The prefixes keep a question without a group apart from a group of the same name.
        group=("group " + group).where(group != "", "question " + ids),
    )
    table = table.assign(run=codes(RUN_COLUMNS), question=codes(["dataset", "question_id"]))
    table["cluster"] = codes(["dataset", "group"])
    keys = ["run", "context", "judge", "question"]
    table = table.sort_values(keys, ignore_index=True)
    if table.duplicated(keys).any():
        row = table[table.duplicated(keys)].iloc[0]
        raise ValueError(
            f"the results table holds the question {row['question_id']!r} of {row['dataset']!r} "
            f"twice for one run, context {row['context']!r} and judge {row['judge']!r}"
        )
    clusters = table[["question", "cluster"]].drop_duplicates().sort_values("question")
    if clusters["question"].duplicated().any():
        code = clusters["question"][clusters["question"].duplicated()].iloc[0]
        row = table[table["question"] == code].iloc[0]
        raise ValueError(
            f"the question {row['question_id']!r} of {row['dataset']!r} belongs to two groups"
        )
    blocks = {}
    once = table.drop_duplicates(["run", "context", "question"]).assign(judge="")
    for part, metrics in ((once, REFERENCE), (table[table["judge"] != ""], JUDGED)):
        part = part.reset_index(drop=True)
        questions = part["question"].to_numpy()
        values = part.reindex(columns=list(metrics)).astype(float).to_numpy()
        grouped = part.groupby(["run", "context", "judge"], sort=True)
        for (run, context, judge), rows in grouped.indices.items():
            rows = np.sort(rows)
            rows = rows[np.argsort(questions[rows], kind="stable")]
            blocks[int(run), context, judge] = (questions[rows], values[rows])
    runs = table.drop_duplicates("run").sort_values("run", ignore_index=True)[RUN_COLUMNS]
    return _Scores(runs, clusters["cluster"].to_numpy(), blocks)


@dataclass(frozen=True)
class _Pair:
    """Scores of a tuned run and its base on the questions both answered, (n, n_metrics) each."""

    questions: np.ndarray
    base: np.ndarray
    tuned: np.ndarray


def _describe(run: pd.Series) -> str:
    return (
        f"{run['method']} {run['train_format']} {run['train_size']} (seed {run['seed']}) of "
        f"{run['model']} on {run['dataset']}, prompting {run['prompting']}, {run['retriever']} "
        f"retrieval with chunks of {run['chunk_size']} and top {run['top_k']}"
    )


def _pair(scores: _Scores) -> tuple[dict[tuple[int, str, str], _Pair], list[str]]:
    """Pairs by (tuned run, context, judge), and sentences on what has no partner."""
    pairs, skipped = {}, []
    if scores.runs.empty:
        return pairs, skipped
    runs = scores.runs
    settings = runs.groupby(BASE_COLUMNS, dropna=False, observed=True).ngroup()
    is_base = runs["method"] == "none"
    if settings[is_base].duplicated().any():
        run = runs.loc[settings[is_base][settings[is_base].duplicated()].index[0]]
        raise ValueError(f"two base runs share the same settings: {_describe(run)}")
    base_of = {setting: run for run, setting in settings[is_base].items()}
    keys_of = defaultdict(set)
    for run, context, judge in scores.blocks:
        keys_of[run].add((context, judge))
    for run in runs.index[~is_base]:
        name, base = _describe(runs.loc[run]), base_of.get(settings[run])
        if base is None:
            skipped.append(f"{name}: there is no run of the untuned model to compare with")
            continue
        tuned_keys, base_keys = keys_of[run], keys_of[base]
        for context, judge in sorted(tuned_keys | base_keys):
            here = f"{name}: context {context!r}"
            in_both = (context, judge) in tuned_keys & base_keys
            only = "tuned" if (context, judge) in tuned_keys else "untuned"
            if not in_both and not judge:
                skipped.append(f"{here} was answered by the {only} model only")
            elif not in_both and (context, "") in tuned_keys & base_keys:
                skipped.append(f"{here}: judge {judge} scored the {only} model only")
            if not in_both:
                continue
            questions_t, tuned = scores.blocks[run, context, judge]
            questions_b, untuned = scores.blocks[base, context, judge]
            shared, at_t, at_b = np.intersect1d(
                questions_t, questions_b, assume_unique=True, return_indices=True
            )
            if len(shared):
                pairs[run, context, judge] = _Pair(shared, untuned[at_b], tuned[at_t])
            else:
                skipped.append(f"{here}: the two runs have no question in common")
    return pairs, skipped


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
    scores: _Scores, samples: list[_Sample], estimates: pd.DataFrame, columns: list[str]
) -> pd.DataFrame:
    if not samples:
        return pd.DataFrame({name: pd.Series(dtype=_DTYPES.get(name, float)) for name in columns})
    keys = pd.DataFrame([s.key[1:] for s in samples], columns=["context", "metric", "judge"])
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
    scores, samples = _read(results), []
    for (run, context, judge), (questions, values) in scores.blocks.items():
        for column, metric in enumerate(_metrics_of(judge)):
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
    """Every tuned run against the base of the same data, model, prompting and retrieval.

    Differences are tuned minus base, paired by question within a context; pairs with a missing
    score are dropped. Returns COMPARISON_COLUMNS, sorted by their key, in the metric's unit;
    `attrs["skipped"]` lists in sentences what could not be compared.

    The primary family is every comparison of a trained run (not of another system) in
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

    scores = _read(results)
    pairs, skipped = _pair(scores)
    samples = []
    for (run, context, judge), pair in pairs.items():
        for column, metric in enumerate(_metrics_of(judge)):
            base, tuned = pair.base[:, column], pair.tuned[:, column]
            both = ~np.isnan(base) & ~np.isnan(tuned)
            if not both.any():
                continue
            valid = not judge or judge_valid.get(judge, False)
            trained = scores.runs.loc[run, "train_size"] > 0  # else it is another system
            primary = trained and context in primary_contexts and metric in family and valid
            untrusted = "did not pass its check" if judge in judge_valid else "was not checked"
            margin = margins[metric]
            extra = {
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
    scores = _read(results)
    pairs, _ = _pair(scores)
    samples = []
    for (run, context, judge), pair in pairs.items():
        closed = pairs.get((run, "none", judge))
        if context == "none" or closed is None:
            continue
        shared, at, at_closed = np.intersect1d(
            pair.questions, closed.questions, assume_unique=True, return_indices=True
        )
        with_context = (pair.tuned - pair.base)[at]
        without = (closed.tuned - closed.base)[at_closed]
        for column, metric in enumerate(_metrics_of(judge)):
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
