"""Which runs are compared with which: the results table as paired scores.

The unit is the question, paired across runs, clustered by `group`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from rag_study.evaluation.metrics import METRICS, REFERENCE, RETENTION, Metrics

# What a run and its base have in common.
BASE_COLUMNS = ["dataset", "model", "retriever", "chunk_size", "top_k"]
# `variant` says in words what else distinguishes a training (its data, its strength).
RUN_COLUMNS = [
    "dataset",
    "model",
    "method",
    "train_format",
    "train_size",
    "variant",
    "seed",
    "prompting",
    "retriever",
    "chunk_size",
    "top_k",
]
FEW_SHOT = "few_shot"  # the prompting whose examples are drawn from a seed's training subset
DEFAULT = "default"  # the prompting that the others and every training are compared with
PEOPLE = "people"  # the `judge` of rows that people's labels gave
ALL_SEEDS = -1  # the `seed` of a row about all seeds of a recipe


@dataclass(frozen=True)
class Scores:
    """The results table by blocks.

    `blocks` maps (run, context, judge) to question codes, ascending, and an array (n_questions,
    n_metrics) whose columns are `metrics_of(judge)`. `clusters` gives each question code its
    cluster code. `judged` are the metrics that judges gave, `metrics` what is known of all.
    `unanswered` are the questions without an answer in all of the runs, ascending. `ids` has the
    question_id of each code.
    """

    runs: pd.DataFrame
    clusters: np.ndarray
    blocks: dict[tuple[int, str, str], tuple[np.ndarray, np.ndarray]]
    judged: tuple[str, ...] = ()
    metrics: Metrics = METRICS
    unanswered: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=int))
    ids: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=object))

    def metrics_of(self, judge: str) -> tuple[str, ...]:
        """Names of the columns of a block: a named judge's metrics, or those without a judge."""
        return self.judged if judge else (*REFERENCE, *RETENTION)

    def questions_with_scores(self) -> dict[tuple[bool, str], np.ndarray]:
        """The questions that a metric applies to, by (whether a judge gives it, metric), ascending.

        A judge's metrics apply to every question that it was shown. What compares with a reference
        applies where some run has a value: a question without short answers has none in any run.
        Of one that no run has answered nobody can tell, and it counts as lost.
        """
        applies = defaultdict(list)
        for (_, _, judge), (questions, values) in self.blocks.items():
            for column, metric in enumerate(self.metrics_of(judge)):
                known = questions if judge else questions[~np.isnan(values[:, column])]
                applies[bool(judge), metric].append(known)
        return {
            key: np.unique(np.concatenate([*known, self.unanswered]))
            for key, known in applies.items()
        }


def judged_metrics(results: pd.DataFrame, metrics: Metrics = METRICS) -> tuple[str, ...]:
    """The columns of a results table that hold judges' scores, in their order there."""
    return tuple(name for name in results.columns if name in metrics.judged)


def read(results: pd.DataFrame, metrics: Metrics = METRICS) -> Scores:
    """A results table by blocks; `metrics` are those of its study. A score that is infinite, as a
    model with broken weights has it, counts as missing. Raises ValueError for a table that cannot
    be one."""
    if results.empty:
        nothing = pd.DataFrame(columns=RUN_COLUMNS)
        return Scores(nothing, np.empty(0, dtype=int), {}, metrics=metrics)
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
    # What is asked outside the task is the same for the models of every data set.
    table["source"] = table["dataset"].where(table["context"] != "retention", "")
    for name, columns in (
        ("run", RUN_COLUMNS),
        ("question", ["source", "question_id"]),
        ("cluster", ["source", "group"]),
    ):
        table[name] = codes(columns)
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
    blocks, judged = {}, judged_metrics(results, metrics)
    once = table.drop_duplicates(["run", "context", "question"]).assign(judge="")
    scored = table[table["judge"] != ""]
    for part, names in ((once, (*REFERENCE, *RETENTION)), (scored, judged)):
        part = part.reset_index(drop=True)
        questions = part["question"].to_numpy()
        values = part.reindex(columns=list(names)).astype(float).to_numpy()
        values = np.where(np.isfinite(values), values, np.nan)
        grouped = part.groupby(["run", "context", "judge"], sort=True)
        for (run, context, judge), rows in grouped.indices.items():
            rows = np.sort(rows)
            rows = rows[np.argsort(questions[rows], kind="stable")]
            blocks[int(run), context, judge] = (questions[rows], values[rows])
    runs = table.drop_duplicates("run").sort_values("run", ignore_index=True)[RUN_COLUMNS]
    ids = table.drop_duplicates("question").sort_values("question")["question_id"].to_numpy(object)
    lost, of_questions = _unanswered(table), clusters["cluster"].to_numpy()
    return Scores(runs, of_questions, blocks, judged, metrics, lost, ids)


def _unanswered(table: pd.DataFrame) -> np.ndarray:
    """Codes of the questions whose answer is missing, for a reason, in every row of the task."""
    if "missing_reason" not in table:
        return np.empty(0, dtype=int)
    of_task = table[table["context"] != "retention"]
    lost = of_task["missing_reason"].notna().groupby(of_task["question"]).all()
    return np.sort(lost.index[lost].to_numpy(dtype=int))


@dataclass(frozen=True)
class Pair:
    """Scores of a tuned run and its base (the run `base_run`) on the questions both answered,
    (n, n_metrics) each."""

    base_run: int
    questions: np.ndarray
    base: np.ndarray
    tuned: np.ndarray


class Gap(NamedTuple):
    """What could not be paired: the run, where, and why ("only the base answered"). Without a
    context it is about all of them."""

    run: int
    context: str
    why: str


def pair_runs(scores: Scores) -> tuple[dict[tuple[int, str, str, str], Pair], list[Gap]]:
    """Pairs by (run, context, judge, baseline), and what has no partner.

    A baseline is an untuned run of the same settings, named by its prompting. Tuned runs are
    compared with each of them, and each other prompting with the default one.
    """
    pairs, skipped = {}, []
    if scores.runs.empty:
        return pairs, skipped
    runs = scores.runs
    settings = runs.groupby(BASE_COLUMNS, dropna=False, observed=True).ngroup()
    is_base = runs["method"] == "none"
    base_of: dict[tuple[int, str], dict[int, int]] = defaultdict(dict)
    for run in runs.index[is_base]:
        row = runs.loc[run]
        by_seed = base_of[settings[run], row["prompting"]]
        if row["seed"] in by_seed or (row["prompting"] == DEFAULT and by_seed):
            raise ValueError(f"two base runs share the same settings: {row.to_dict()}")
        by_seed[row["seed"]] = run
    keys_of = defaultdict(set)
    for run, context, judge in scores.blocks:
        keys_of[run].add((context, judge))
    promptings = sorted({DEFAULT, *runs["prompting"][is_base]}, key=lambda p: (p != DEFAULT, p))
    for run in runs.index[~(is_base & (runs["prompting"] == DEFAULT))]:
        row = runs.loc[run]
        for baseline in promptings if not is_base[run] else [DEFAULT]:
            by_seed = base_of.get((settings[run], baseline), {})
            base = by_seed.get(row["seed"])
            if base is None and by_seed and baseline != FEW_SHOT:  # others depend on no seed
                base = by_seed[min(by_seed)]
            if base is None:
                if baseline == DEFAULT:
                    skipped.append(Gap(run, "", "no base was run in the same settings"))
                continue
            matched, without = _pairs_of(scores, keys_of, run, base)
            pairs |= {(*key, baseline): pair for key, pair in matched.items()}
            if baseline == DEFAULT:
                asks = row["prompting"] != FEW_SHOT  # with training questions for its examples
                skipped += [gap for gap in without if asks or gap.context != "training"]
    return pairs, skipped


def _pairs_of(
    scores: Scores, keys_of: dict[int, set], run: int, base: int
) -> tuple[dict[tuple[int, str, str], Pair], list[Gap]]:
    pairs, skipped = {}, []
    tuned_keys, base_keys = keys_of[run], keys_of[base]
    for context, judge in sorted(tuned_keys | base_keys):
        in_both = (context, judge) in tuned_keys & base_keys
        only = "it" if (context, judge) in tuned_keys else "its base"
        if not in_both and not judge:
            skipped.append(Gap(run, context, f"only {only} answered"))
        elif not in_both and (context, "") in tuned_keys & base_keys:
            skipped.append(Gap(run, context, f"only {only} was scored by {judge}"))
        if not in_both:
            continue
        questions_t, tuned = scores.blocks[run, context, judge]
        questions_b, untuned = scores.blocks[base, context, judge]
        shared, at_t, at_b = np.intersect1d(
            questions_t, questions_b, assume_unique=True, return_indices=True
        )
        if len(shared):
            pairs[run, context, judge] = Pair(base, shared, untuned[at_b], tuned[at_t])
        else:
            skipped.append(Gap(run, context, "it and its base have no question in common"))
    return pairs, skipped
