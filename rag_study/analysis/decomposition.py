"""Where the loss comes from: every question of a model state in exactly one category.

`decompose` asks of each answer with retrieved passages whether it is right and, where it is not,
whether the search or the model is to blame; `follow` asks of each answer to a counterfactual
context whether it takes its fact from there or from memory. `shares` and `changes` turn either
into tables with intervals. All start from the results of a study (one row per run, context,
question and judge).

Example:
    table = decompose(results, Right("judge_accuracy", 4, judge="qwen"))
    shares(table), changes(table)
    table.attrs["notes"]    # sentences: contexts that were not answered, and what follows
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rag_study.analysis.cluster_means import ClusterTotals, cluster_means
from rag_study.analysis.pairing import BASE_COLUMNS, DEFAULT, RUN_COLUMNS
from rag_study.analysis.states import context_label
from rag_study.common.errors import StudyError
from rag_study.common.text import contains
from rag_study.common.wording import counted
from rag_study.data.schema import Question
from rag_study.evaluation.metrics import METRICS, Metrics
from rag_study.evaluation.reference import score

# category -> what it means. The first that holds is the question's, in this order.
CATEGORIES = {
    "not scored": "the answer has no value of the metrics that decide what is right",
    "right, also without passages": "right, and right without passages too: known from memory",
    "right, only with passages": "right, and wrong without passages",
    "right": "right; not answered without passages",
    "answered the unanswerable": "wrong: the documents do not say it, and the model did not say so",
    "wrong, gold unknown": "wrong, and the data does not say which passages hold the answer",
    "generation failure": "wrong although a right passage was in the prompt",
    "retrieval miss": "wrong, no right passage in the prompt, right with the right passages",
    "retrieval miss, wrong with gold too": "wrong without and with the right passages",
    "retrieval miss, gold not tried": "wrong, no right passage in the prompt, none tried either",
}
FOLLOWS = {
    "not scored": CATEGORIES["not scored"],
    "names both": "names the right answer and that of the changed passages",
    "follows context": "gives the answer that the changed passages state",
    "follows memory": "gives the right answer, which the changed passages do not state",
    "neither": "gives another answer or none",
}
LOG_LIKELIHOOD = "reference_log_likelihood"


@dataclass(frozen=True)
class Right:
    """The definition of a right answer: `metric` is at least `threshold`.

    Without a metric the reference decides. A question with short answers is right when one of them
    stands in the answer, or all of its key points do (a list in another order than those known). A
    question without short answers is right when at least half of its key points do: a summary
    within the token limit seldom names all, and to ask for all would make nearly every one wrong
    in every context. `judge` names the judge of a judged metric, `metrics` are those of the study.
    """

    metric: str = ""
    threshold: float = 1.0
    judge: str = ""
    metrics: Metrics = METRICS

    def __str__(self) -> str:
        if not self.metric:
            return (
                "a right answer or all key points stand in the answer; without short answers, "
                "at least half of the key points"
            )
        by = f" by {self.judge}" if self.judge else ""
        return f"{self.metrics.in_text(self.metric)}{by} of at least {self.threshold:g}"

    def of(self, rows: pd.DataFrame) -> pd.Series:
        """1.0 (right), 0.0 (wrong) or NaN (not scored) for each row of a results table."""
        if self.metric:
            values = rows[self.metric].astype(float)
            return (values >= self.threshold).astype(float).where(values.notna())
        recall = rows["answer_recall"].astype(float)
        points = rows["key_point_recall"].astype(float)
        short = (recall >= 1) | (points >= 1)
        right = short.where(recall.notna(), points >= 0.5).astype(float)
        return right.where(recall.notna() | points.notna())

    def rows(self, results: pd.DataFrame) -> pd.DataFrame:
        """One row per run, context and question: those of the judge, or any one of several.

        Raises StudyError when the metric is unknown or it is not clear whose scores are meant.
        """
        metric = self.metrics.get(self.metric)
        if self.metric and metric is None:
            raise StudyError(f"unknown metric '{self.metric}'; known: {', '.join(self.metrics)}")
        judges = [judge for judge in results["judge"].dropna().unique() if judge]
        if metric and metric.judged:
            if self.judge not in judges and (self.judge or len(judges) != 1):
                raise StudyError(
                    f"“right” is defined by {self.metric}, but its judge '{self.judge}' is not one "
                    f"of those that scored the answers: {', '.join(judges) or 'none'}."
                )
            results = results[results["judge"] == (self.judge or judges[0])]
        return results.drop_duplicates([*RUN_COLUMNS, "context", "question_id"])


def unjudged(
    answers: pd.DataFrame, questions: Mapping[str, Question], run: Mapping[str, Any]
) -> pd.DataFrame:
    """The answers of one model state (none of them left out) in the form of the results, before
    any judge has seen them. `questions` are by id, `run` has the columns of the run."""
    answered = [questions[question_id] for question_id in answers["question_id"]]
    scored = [score(answer, q) for answer, q in zip(answers["answer"], answered, strict=True)]
    return answers.assign(
        **pd.DataFrame(scored, index=answers.index),
        **{name: run.get(name, "") for name in RUN_COLUMNS},
        group=[question.group for question in answered],
        answer_type=[question.answer_type for question in answered],
        judge="",
    )


def decompose(
    results: pd.DataFrame,
    right: Right | None = None,
    context: str = "retrieved",
    evidence: str = "gold_in_context",
) -> pd.DataFrame:
    """The category of every question of every run that was answered in `context`.

    `evidence` is the column that says whether the prompt held a gold passage: `gold_in_context`,
    one of a gold document; or, stricter where documents have several passages, `answer_in_context`.

    Columns: RUN_COLUMNS, question_id, group, `evidence`, right, and right_none and right_oracle
    (1, 0, NaN: not answered there), category (a key of CATEGORIES). Sorted by run and question.
    `attrs["notes"]` says which contexts some run lacks and what cannot be told apart.
    Raises StudyError for a definition of right that the results do not hold.
    """
    right = right or Right()
    rows = right.rows(results)
    rows = rows.assign(right=right.of(rows))
    table = rows[rows["context"] == context]
    for other in ("none", "oracle"):
        there = rows.loc[rows["context"] == other, [*RUN_COLUMNS, "question_id", "right"]]
        there = there.rename(columns={"right": f"right_{other}"})
        table = table.merge(there, "left", [*RUN_COLUMNS, "question_id"], validate="one_to_one")
    gold = pd.to_numeric(table[evidence]).astype(float)
    is_right, memory, oracle = (table[c] for c in ("right", "right_none", "right_oracle"))
    unanswerable = table["answer_type"] == "unanswerable"
    holds = {
        "not scored": is_right.isna(),
        "right, also without passages": (is_right == 1) & (memory == 1),
        "right, only with passages": (is_right == 1) & (memory == 0),
        "right": is_right == 1,
        "answered the unanswerable": unanswerable,
        "wrong, gold unknown": gold.isna(),
        "generation failure": gold == 1,
        "retrieval miss": oracle == 1,
        "retrieval miss, wrong with gold too": oracle == 0,
    }
    table = _categorised(table, holds, "retrieval miss, gold not tried")
    columns = [evidence, "right", "right_none", "right_oracle"]
    return _finished(table, columns, _notes(rows, table, context))


def follow(results: pd.DataFrame, right: Right | None = None) -> pd.DataFrame:
    """What every answer to a counterfactual context takes its fact from.

    Columns: RUN_COLUMNS, question_id, group, right, right_none, category (a key of FOLLOWS). An
    answer follows the context when `other_answer` stands in it, and memory when it is right. The
    rows with `right_none` 1 tell most: there the model knows the right answer (as in Longpre et
    al. 2021, arXiv 2109.05052). Questions without a counterfactual are left out. Raises as
    `decompose`.
    """
    right = right or Right()
    rows = right.rows(results)
    rows = rows.assign(right=right.of(rows))
    table = rows[(rows["context"] == "counterfactual") & rows["other_answer"].notna()]
    without = rows.loc[rows["context"] == "none", [*RUN_COLUMNS, "question_id", "right"]]
    table = table.merge(
        without.rename(columns={"right": "right_none"}),
        "left",
        [*RUN_COLUMNS, "question_id"],
        validate="one_to_one",
    )
    pairs = zip(table["answer"], table["other_answer"], strict=True)
    # A missing answer says nothing.
    found = [isinstance(a, str) and contains(a, other) == 1 for a, other in pairs]
    says_other = pd.Series(found, table.index, bool)
    holds = {
        "not scored": table["right"].isna(),
        "names both": says_other & (table["right"] == 1),
        "follows context": says_other,
        "follows memory": table["right"] == 1,
    }
    missing = [] if len(table) else [f"No run has answers {context_label('counterfactual')}."]
    return _finished(_categorised(table, holds, "neither"), ["right", "right_none"], missing)


def _categorised(table: pd.DataFrame, holds: dict[str, pd.Series], otherwise: str) -> pd.DataFrame:
    category = np.select(list(holds.values()), list(holds), otherwise)
    return table.assign(category=category.astype(object))


def _finished(table: pd.DataFrame, columns: Sequence[str], notes: list[str]) -> pd.DataFrame:
    table = table[[*RUN_COLUMNS, "question_id", "group", *columns, "category"]]
    table = table.sort_values([*RUN_COLUMNS, "question_id"], ignore_index=True)
    table.attrs["notes"] = notes
    return table


def _notes(rows: pd.DataFrame, table: pd.DataFrame, context: str) -> list[str]:
    if table.empty:
        return [f"No run has answers {context_label(context)}."]
    notes = []
    runs = table[RUN_COLUMNS].drop_duplicates()
    for other, what in (
        ("none", "what they know from memory is not told apart from what passages gave"),
        ("oracle", "whether the right passages would have helped is not known"),
    ):
        there = rows.loc[rows["context"] == other, RUN_COLUMNS].drop_duplicates()
        lacking = len(runs) - len(runs.merge(there, on=RUN_COLUMNS))
        if lacking:
            notes.append(
                f"{lacking} of {counted(len(runs), 'model state')} "
                f"{'has' if lacking == 1 else 'have'} no answers {context_label(other)}: {what}."
            )
    return notes


# --- Tables with intervals --------------------------------------------------------------------


def shares(table: pd.DataFrame) -> pd.DataFrame:
    """The share of every category in each run, from a table of `decompose` or `follow`.

    Columns: RUN_COLUMNS, category, n (questions in it), share, ci_low, ci_high (95 %, bootstrap
    over groups), n_questions, n_clusters. A category that occurs in any run has a row in all; the
    shares of a run add up to 1.
    """
    categories = _present(table)
    rows = []
    for run, part in table.groupby(RUN_COLUMNS, sort=True, dropna=False):
        values = _indicators(part, categories)
        low, high, n_clusters = _intervals(values, clusters_of(part), (0.0, 1.0))
        for i, category in enumerate(categories):
            rows.append(
                {
                    **dict(zip(RUN_COLUMNS, run, strict=True)),
                    "category": category,
                    "n": int(values[:, i].sum()),
                    "share": values[:, i].mean(),
                    "ci_low": low[i],
                    "ci_high": high[i],
                    "n_questions": len(part),
                    "n_clusters": n_clusters,
                }
            )
    columns = ["category", "n", "share", "ci_low", "ci_high", "n_questions", "n_clusters"]
    return pd.DataFrame(rows, columns=[*RUN_COLUMNS, *columns])


def changes(table: pd.DataFrame) -> pd.DataFrame:
    """How the shares of every run differ from those of its base, paired by question.

    The base is the untuned model, asked as usual, of the same data and retrieval. Columns:
    RUN_COLUMNS, category, share_base, share, change, ci_low, ci_high (95 %), n_questions (those
    both answered), n_clusters. The changes of a run add up to 0. Descriptive: no correction for
    many comparisons, no verdict. Runs without a base have no rows.
    """
    categories = _present(table)
    rows = []
    for run, tuned, base in _with_base(table):
        both = tuned.merge(base[["question_id", "category"]], on="question_id", suffixes=("", "_b"))
        if both.empty:
            continue
        after = _indicators(both, categories)
        before = _indicators(both.assign(category=both["category_b"]), categories)
        low, high, n_clusters = _intervals(after - before, clusters_of(both), (-1.0, 1.0))
        for i, category in enumerate(categories):
            rows.append(
                {
                    **dict(zip(RUN_COLUMNS, run, strict=True)),
                    "category": category,
                    "share_base": before[:, i].mean(),
                    "share": after[:, i].mean(),
                    "change": (after - before)[:, i].mean(),
                    "ci_low": low[i],
                    "ci_high": high[i],
                    "n_questions": len(both),
                    "n_clusters": n_clusters,
                }
            )
    columns = ["category", "share_base", "share", "change", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=[*RUN_COLUMNS, *columns, "n_questions", "n_clusters"])


def context_gain(results: pd.DataFrame) -> pd.DataFrame:
    """What passages add to the log-likelihood of the reference answer (nats per token).

    One row per run and context other than `none`, over the questions with both. Columns:
    RUN_COLUMNS, context, gain, ci_low, ci_high (95 %), share_positive, and against the base on the
    questions both have: gain_base, change, change_low, change_high (NaN without a base and for
    it); n_questions, n_clusters. Empty where `reference_log_likelihood` was not measured.
    """
    columns = ["context", "gain", "ci_low", "ci_high", "share_positive", "gain_base", "change"]
    columns = [*RUN_COLUMNS, *columns, "change_low", "change_high", "n_questions", "n_clusters"]
    if LOG_LIKELIHOOD not in results:
        return pd.DataFrame(columns=columns)
    rows = results.drop_duplicates([*RUN_COLUMNS, "context", "question_id"])
    keys = [*RUN_COLUMNS, "question_id"]
    without = rows.loc[rows["context"] == "none", [*keys, LOG_LIKELIHOOD]]
    gained = rows.merge(without, on=keys, suffixes=("", "_without"))
    gained["gain"] = gained[LOG_LIKELIHOOD] - gained[f"{LOG_LIKELIHOOD}_without"]
    gained = gained[gained["gain"].notna() & ~gained["context"].isin(["none", "training"])]
    made = []
    for context, table in gained.groupby("context", sort=True):
        bases = {run: (tuned, base) for run, tuned, base in _with_base(table)}
        for run, part in table.groupby(RUN_COLUMNS, sort=True, dropna=False):
            low, high, n_clusters = _intervals(part[["gain"]].to_numpy(), clusters_of(part))
            row = {
                **dict(zip(RUN_COLUMNS, run, strict=True)),
                "context": context,
                "gain": part["gain"].mean(),
                "ci_low": low[0],
                "ci_high": high[0],
                "share_positive": (part["gain"] > 0).mean(),
                "n_questions": len(part),
                "n_clusters": n_clusters,
            }
            tuned, base = bases.get(run, (part.iloc[:0], part.iloc[:0]))
            both = tuned.merge(base[["question_id", "gain"]], on="question_id", suffixes=("", "_b"))
            if len(both):
                change = (both["gain"] - both["gain_b"]).to_numpy()[:, None]
                low, high, _ = _intervals(change, clusters_of(both))
                row |= {"gain_base": both["gain_b"].mean(), "change": change.mean()}
                row |= {"change_low": low[0], "change_high": high[0]}
            made.append(row)
    return pd.DataFrame(made, columns=columns)


def _present(table: pd.DataFrame) -> list[str]:
    """The categories that occur, in their order."""
    return [c for c in {**CATEGORIES, **FOLLOWS} if (table["category"] == c).any()]


def _indicators(table: pd.DataFrame, categories: Sequence[str]) -> np.ndarray:
    return (table["category"].to_numpy()[:, None] == np.array(categories, object)).astype(float)


def clusters_of(table: pd.DataFrame) -> np.ndarray:
    """Cluster codes, sorted as in `pairing.read`, so that intervals are those of the comparison:
    the group; a question without one is a cluster of its own."""
    group, single = table["group"].astype(object), "question " + table["question_id"].astype(str)
    has_group = group.notna() & (group != "")
    return pd.factorize(("group " + group.astype(str)).where(has_group, single), sort=True)[0]


def _intervals(
    values: np.ndarray, clusters: np.ndarray, limits: tuple[float, float] = (-np.inf, np.inf)
) -> tuple[np.ndarray, np.ndarray, int]:
    """(lower ends, upper ends, number of clusters) of the means of each column of `values`."""
    totals = ClusterTotals.of(values.T, clusters, *limits)
    ((low, high),) = cluster_means(totals).intervals
    return low, high, totals.sums.shape[1]


def _with_base(table: pd.DataFrame) -> Iterator[tuple[tuple, pd.DataFrame, pd.DataFrame]]:
    """(run, its rows, rows of its base) for every run that has one and is not one."""
    runs = dict(list(table.groupby(RUN_COLUMNS, sort=True, dropna=False)))
    bases: dict[tuple, dict[int, pd.DataFrame]] = {}
    for part in runs.values():
        row = part.iloc[0]
        if row["method"] == "none" and row["prompting"] == DEFAULT:
            bases.setdefault(tuple(row[BASE_COLUMNS]), {})[row["seed"]] = part
    for run, part in runs.items():
        row = part.iloc[0]
        if row["method"] != "none" or row["prompting"] != DEFAULT:
            by_seed = bases.get(tuple(row[BASE_COLUMNS]), {})
            if by_seed:
                yield run, part, by_seed.get(row["seed"], by_seed[min(by_seed)])
