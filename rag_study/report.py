"""The report of a study: one HTML file that stands alone, and its verdict in words.

Verdicts are those of `effects.compare`; nothing is decided here. What could not be computed is
said, never left out and never shown as zero.
"""

from __future__ import annotations

import base64
import io
import json
import math
import numbers
import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text
from ruamel.yaml import YAML

from rag_study import plots
from rag_study.effects import METRICS, MIN_CLUSTERS

NOT_KNOWN = "not computed"
EXAMPLES = 5
# base64 makes 4 bytes of 3: embedded figures stay below 4 MB, the whole report below 5 MB.
FIGURE_BYTES = 3_000_000
_CUT_ANSWER = 600
_RUN = ["dataset", "model", "prompting", "retriever", "chunk_size", "top_k"]
_RECIPE = ["method", "train_format", "seed"]
_VERDICT_CLASSES = {
    "helps": "helps",
    "hurts": "hurts",
    "no difference that matters": "same",
    "cannot tell": "unknown",
    "no verdict": "none",
}


def _no_table() -> pd.DataFrame:
    return pd.DataFrame()


@dataclass(frozen=True)
class StudyResults:
    """Everything that a report shows.

    `study` is the study file as a dict. `results`, `summary`, `comparisons`, `interactions` are
    the tables of `effects` (comparisons with `attrs["skipped"]`). `judge_checks` has one dict per
    judge: judge, valid, auc, auc_low, auc_high, n, reason. `ladder_auc`: scorer, criterion, rung,
    auc, auc_low, auc_high, n. `retrieval`: as `plots.retrieval_quality`. `missing` names the runs
    without a result: run_id, stage, state, message. `provenance`, one dict per run: run_id, stage,
    wall_seconds, peak_memory_mb and what `provenance.collect` gives. `figures` maps a caption to a
    PNG; the first one is shown under the verdict. `notes` are sentences shown beside the verdict.
    """

    study: Mapping[str, Any]
    results: pd.DataFrame = field(default_factory=_no_table)
    summary: pd.DataFrame = field(default_factory=_no_table)
    comparisons: pd.DataFrame = field(default_factory=_no_table)
    interactions: pd.DataFrame = field(default_factory=_no_table)
    judge_checks: Sequence[Mapping[str, Any]] = ()
    ladder_auc: pd.DataFrame = field(default_factory=_no_table)
    retrieval: pd.DataFrame = field(default_factory=_no_table)
    missing: Sequence[Mapping[str, Any]] = ()
    provenance: Sequence[Mapping[str, Any]] = ()
    figures: Mapping[str, Path] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def invalid_judges(self) -> set[str]:
        """Judges whose scores carry no verdict: checked without success, or not checked at all."""
        invalid = {check["judge"] for check in self.judge_checks if not check.get("valid")}
        if "reason" in self.comparisons:
            invalid |= plots.untrusted_judges(self.comparisons)
        return invalid


# --- The verdict in words -----------------------------------------------------------------------


def headline(results: StudyResults) -> str:
    """The answer of the study in at most three sentences: verdict, main difference, what the
    verdict rests on."""
    comparisons = results.comparisons
    if comparisons.empty:
        missing = len(results.missing)
        why = f"; {_count(missing, 'run')} failed or did not finish" if missing else ""
        return f"No answer yet. No trained model could be compared with its base model{why}."
    primary = comparisons[comparisons["primary"]]
    if primary.empty:
        return (
            f"No verdict. {_count(len(comparisons), 'difference')} between trained and base models "
            f"{'was' if len(comparisons) == 1 else 'were'} computed, but none is a primary "
            f"comparison. {_why_none_primary(results)}"
        )
    row = _headline_row(comparisons)
    return f"{_verdict_sentence(primary)} {_change_sentence(row, primary)} {_carrier(results)}"


def headline_verdict(comparisons: pd.DataFrame) -> str:
    """The verdict that the headline's first words give; 'no verdict' without primary rows."""
    row = _headline_row(comparisons)
    return "no verdict" if row is None or not row["primary"] else str(row["verdict"])


def _headline_row(comparisons: pd.DataFrame) -> pd.Series | None:
    """The comparison that the headline and the examples are about: a primary one with the most
    telling verdict, and among these the largest change in margins. Without primary comparisons
    the largest change of a metric that no judge gave."""
    if comparisons.empty:
        return None
    rows = comparisons[comparisons["primary"]]
    if rows.empty:
        rows = comparisons[(comparisons["judge"] == "") & comparisons["margin"].notna()]
    if rows.empty:
        return None
    importance = {verdict: rank for rank, verdict in enumerate(_VERDICT_CLASSES)} | {"hurts": 0}
    size = (rows["difference"].abs() / rows["margin"].fillna(1.0)).fillna(-1.0)
    order = pd.DataFrame({"rank": rows["verdict"].map(importance).fillna(9), "size": -size})
    return rows.loc[order.sort_values(["rank", "size"], kind="stable").index[0]]


def _verdict_sentence(primary: pd.DataFrame) -> str:
    counts = Counter(primary["verdict"])
    total = len(primary)
    leading = next((v for v in _VERDICT_CLASSES if counts[v]), "no verdict")
    said = {**{v: v.capitalize() for v in _VERDICT_CLASSES}, "cannot tell": "Cannot tell yet"}
    if total == 1:
        return f"{said[leading]}."
    formats = primary["train_format"].unique()
    scope = f"{total} primary comparisons"
    if len(formats) == 1:
        scope += f" (all {plots.format_label(formats[0])})"
    if len(counts) == 1:
        every = "any" if leading in ("cannot tell", "no verdict") else "all"
        return f"{said[leading]}, in {every} of the {scope}."
    rest = {
        "no difference that matters": "no difference that matters in {}",
        "cannot tell": "{} cannot be told yet",
        "no verdict": "{} without a verdict",
    }
    if counts["helps"] and counts["hurts"]:
        start = f"Mixed: helps in {counts['helps']} and hurts in {counts['hurts']} of {scope}"
        shown = {"helps", "hurts"}
    else:
        start = f"{said[leading]} in {counts[leading]} of {scope}"
        shown = {leading}
        if leading == "cannot tell":
            start = f"Cannot tell yet in {counts[leading]} of {scope}"
    others = [text.format(counts[v]) for v, text in rest.items() if counts[v] and v not in shown]
    return "; ".join([start, *others]) + "."


def _change_sentence(row: pd.Series, primary: pd.DataFrame) -> str:
    where = [
        f"{word} {row[column]}"
        for column, word in (("dataset", "on"), ("model", "with"))
        if primary[column].nunique() > 1
    ]
    context = plots.context_label(row["context"])
    subject = " ".join(
        [
            f"{context[0].upper()}{context[1:]},",
            f"{plots.method_label(row['method'])} on {int(row['train_size'])} examples",
            plots.format_label(row["train_format"]),
        ]
    )
    questions = _count(int(row["n_questions"]), "question")
    change = f"{in_text(row['metric'])}{' ' if where else ''}{' '.join(where)}"
    difference = signed(row["difference"], row["metric"])
    interval = "no interval can be computed"
    if _is_number(row["ci_low"]) and _is_number(row["ci_high"]):
        ends = (signed(row[name], row["metric"]) for name in ("ci_low", "ci_high"))
        interval = f"95 % interval {' to '.join(ends)}"
    verb = {"helps": "raised", "hurts": "lowered"}.get(row["verdict"], "changed")
    text = f"{subject} {verb} {change} by {difference} ({interval}, {questions})"
    margin = f"{row['margin']:g}"
    match row["verdict"]:
        case "helps" | "hurts":
            text += f"; differences of {margin} or more matter here"
        case "no difference that matters":
            text += f", and its 90 % interval lies inside the margin of ±{margin}"
        case "cannot tell" if pd.notna(row["n_needed"]):
            text += f"; about {rounded_up(row['n_needed'])} questions would settle it"
        case "cannot tell":
            text += "; the difference is too close to the margin to be settled by more questions"
        case "no verdict" if row["n_clusters"] < MIN_CLUSTERS:
            groups = _count(int(row["n_clusters"]), "independent group")
            text += f"; {groups} of questions {'is' if row['n_clusters'] == 1 else 'are'} too few"
            text += f", a verdict needs {MIN_CLUSTERS}"
        case "no verdict":
            text += "; the study declares no margin for this metric"
    if len(primary) > 1:
        text = f"The largest change: {text[0].lower()}{text[1:]}"
    return f"{text}."


def _carrier(results: StudyResults) -> str:
    """What the verdict rests on, and why."""
    primary = results.comparisons[results.comparisons["primary"]]
    metrics = _listed([in_text(m) for m in METRICS if m in set(primary["metric"])])
    judges = sorted(set(primary["judge"]) - {""})
    checks = {check["judge"]: check for check in results.judge_checks}
    if judges:
        named = _listed([f"{judge}{_ranking_words(checks.get(judge))}" for judge in judges])
        passed = "which passed its check" if len(judges) == 1 else "which passed their checks"
        return f"The verdict rests on {metrics} as scored by {named}, {passed}."
    by_reference = f"The verdict rests on {metrics}, measured against the reference answers,"
    invalid = sorted(results.invalid_judges)
    if not invalid:
        return f"{by_reference} because the study has no judge."
    named = _listed([f"{judge}{_ranking_words(checks.get(judge))}" for judge in invalid])
    failed = "the judge {} did not pass its check" if len(invalid) == 1 else "no judge passed: {}"
    return f"{by_reference} because {failed.format(named)}."


def _why_none_primary(results: StudyResults) -> str:
    invalid = sorted(results.invalid_judges)
    if invalid:
        return (
            f"The scores of {_listed(invalid)} carry no verdict: the judge's check was not passed."
        )
    return "The study's primary contexts and metrics are not among the results."


def _ranking_words(check: Mapping[str, Any] | None) -> str:
    """The judge's AUC without the term, for a reader who opens the report cold."""
    if not check or not _is_number(check.get("auc")):
        return ""
    share = f"{check['auc']:.0%}".replace("%", " %")
    return f" (it ranks a right above a wrong answer in {share} of pairs; 50 % is guessing)"


# --- Numbers and words --------------------------------------------------------------------------


def signed(value: float, metric: str = "") -> str:
    """A difference with its sign, in the metric's digits: "−0.05"."""
    if not _is_number(value):
        return NOT_KNOWN
    digits = 1 if metric == "answer_length" else 2
    return f"{round(float(value), digits) + 0.0:+.{digits}f}".replace("-", "−")


def number(value: float, digits: int = 2) -> str:
    """A number with fixed digits and a true minus sign."""
    return f"{float(value):.{digits}f}".replace("-", "−") if _is_number(value) else NOT_KNOWN


def rounded_up(value: float) -> str:
    """A number of questions to two significant digits, never too few: 587 -> "590"."""
    step = 10 ** max(0, len(str(int(value))) - 2)
    return f"{math.ceil(value / step) * step:,}"


def in_text(metric: str) -> str:
    """The metric's label as it stands inside a sentence: "answer recall", "ROUGE-L"."""
    label = plots.metric_label(metric)
    return label[0].lower() + label[1:] if label[1:2].islower() else label


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and math.isfinite(value)


def _auc_words(check: Mapping[str, Any]) -> str:
    """AUC with its interval where there is one; '' for a judge without AUC."""
    if not _is_number(check.get("auc")):
        return ""
    text, low, high = number(check["auc"]), check.get("auc_low"), check.get("auc_high")
    known = _is_number(low) and _is_number(high)
    return f"{text} ({number(low)} to {number(high)})" if known else text


def _count(amount: int, noun: str) -> str:
    return f"{amount:,} {noun}{'' if amount == 1 else 's'}"


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _p_value(p: float) -> str:
    return "" if not _is_number(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


# --- Tables -------------------------------------------------------------------------------------


def effects_table(comparisons: pd.DataFrame, most_others: int = 12) -> Table:
    """The comparisons for a terminal of 100 columns: primary rows, then up to `most_others` of the
    others, dimmed."""
    table = Table(
        title="Trained − base, with 95 % intervals",
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
    )
    if comparisons.empty:
        table.add_column("No trained model could be compared with its base model.")
        return table
    factors = plots.differing(comparisons, [*_RUN, "train_format", "seed"])
    several_judges = comparisons["judge"].replace("", None).nunique() > 1
    untrusted = plots.untrusted_judges(comparisons)
    table.add_column("State", no_wrap=True)
    if factors:
        table.add_column("Run", overflow="fold")
    table.add_column("Context", no_wrap=True)
    table.add_column("Metric", overflow="fold", min_width=12)
    # Both do not fit into 100 columns.
    for name in ("Difference", "n") if factors else ("Base → trained", "Difference", "n"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Verdict", max_width=15)
    colours = {"helps": "bold green", "hurts": "bold red", "cannot tell": "yellow"}
    rows = _primary_first(comparisons)
    others = int((~rows["primary"]).sum())
    for row in rows.head(len(rows) - max(0, others - most_others)).to_dict("records"):
        metric, low, high = row["metric"], row["ci_low"], row["ci_high"]
        interval = f"({signed(low, metric)}, {signed(high, metric)})" if _is_number(low) else "(?)"
        verdict = row["verdict"] or ("judge not valid" if row["judge"] in untrusted else "")
        judge = f", {row['judge']}" if several_judges and row["judge"] else ""
        # As Text below, not as markup: names may hold square brackets.
        means = f"{number(row['mean_base'])} → {number(row['mean_tuned'])}"
        cells = [
            plots.state_label(row),
            *([" · ".join(plots.factor_words(row, factors))] if factors else []),
            row["context"],
            plots.metric_label(metric) + judge,
            *([] if factors else [means]),
            f"{signed(row['difference'], metric)} {interval}",
            str(row["n_questions"]),
        ]
        table.add_row(
            *(Text(cell) for cell in cells),
            Text(verdict, style=colours.get(verdict, "")),
            style="" if row["primary"] else "dim",
        )
    if others > most_others:
        table.caption = f"and {others - most_others} other differences, which are in the report"
    return table


def _ordered(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows by run, then contexts and metrics in the order in which people read them."""
    metrics = list(METRICS)
    order = frame.assign(
        trained=frame["method"] != "none",
        context_rank=frame["context"].map(plots.context_rank),
        metric_rank=frame["metric"].map(metrics.index),
    )
    keys = [*_RUN, "trained", *_RECIPE, "train_size", "context_rank", "metric_rank", "judge"]
    return frame.loc[order.sort_values(keys, kind="stable").index]


def _primary_first(comparisons: pd.DataFrame) -> pd.DataFrame:
    return _ordered(comparisons).sort_values("primary", ascending=False, kind="stable")


def _effects_rows(results: StudyResults) -> list[dict[str, Any]]:
    comparisons = results.comparisons
    if comparisons.empty:
        return []
    factors = plots.differing(comparisons, [*_RUN, "train_format", "seed"])
    invalid = results.invalid_judges
    return [
        {
            "state": plots.state_label(row),
            "factors": " · ".join(plots.factor_words(row, factors)),
            "context": row["context"],
            "metric": plots.metric_label(row["metric"]),
            "judge": row["judge"],
            "invalid": row["judge"] in invalid,
            "base": number(row["mean_base"]),
            "tuned": number(row["mean_tuned"]),
            "difference": signed(row["difference"], row["metric"]),
            "low": signed(row["ci_low"], row["metric"]),
            "high": signed(row["ci_high"], row["metric"]),
            "p": _p_value(row["p_holm"]),
            "mde": number(row["mde"]),
            "n": row["n_questions"],
            "clusters": row["n_clusters"],
            "margin": f"{row['margin']:g}" if _is_number(row["margin"]) else "none",
            "verdict": row["verdict"],
            "css": _VERDICT_CLASSES.get(row["verdict"], ""),
            "reason": row["reason"],
            "primary": bool(row["primary"]),
        }
        for row in _primary_first(comparisons).to_dict("records")
    ]


def _means_table(results: StudyResults) -> dict[str, Any]:
    """One row per run and context, one column per metric (and judge)."""
    summary = results.summary
    if summary.empty:
        return {"columns": [], "rows": []}
    checks = {check["judge"]: check for check in results.judge_checks}
    invalid = results.invalid_judges
    pairs = summary[["metric", "judge"]].drop_duplicates().itertuples(index=False, name=None)
    pairs = sorted(pairs, key=lambda pair: (list(METRICS).index(pair[0]), pair[1]))
    columns = [
        {
            "label": plots.metric_label(metric),
            "judge": judge,
            "auc": _auc_words(checks.get(judge, {})),
            "invalid": judge in invalid,
        }
        for metric, judge in pairs
    ]
    factors = plots.differing(summary, [*_RUN, "train_format", "seed"])
    keys = [*_RUN, *_RECIPE, "train_size", "context"]
    rows = []
    for _, part in _ordered(summary).groupby(keys, sort=False, dropna=False):
        first = part.iloc[0]
        cells = {(row.metric, row.judge): row for row in part.itertuples()}
        rows.append(
            {
                "state": plots.state_label(first),
                "factors": " · ".join(plots.factor_words(first, factors)),
                "context": first["context"],
                "n": int(part["n_questions"].max()),
                "cells": [_mean_cell(cells.get(pair)) for pair in pairs],
            }
        )
    return {"columns": columns, "rows": rows}


def _mean_cell(row: Any) -> dict[str, str]:
    if row is None or not _is_number(row.mean):
        return {"mean": "–", "interval": ""}
    known = _is_number(row.ci_low) and _is_number(row.ci_high)
    interval = f"{number(row.ci_low)}–{number(row.ci_high)}" if known else "no interval"
    return {"mean": number(row.mean), "interval": interval}


def _interaction_rows(results: StudyResults) -> list[dict[str, Any]]:
    frame = results.interactions
    if frame.empty:
        return []
    factors = plots.differing(frame, [*_RUN, "train_format", "seed"])
    return [
        {
            "state": plots.state_label(row),
            "factors": " · ".join(plots.factor_words(row, factors)),
            "context": row["context"],
            "metric": plots.metric_label(row["metric"]),
            "judge": row["judge"],
            "invalid": row["judge"] in results.invalid_judges,
            "none": signed(row["difference_none"], row["metric"]),
            "with_context": signed(row["difference_context"], row["metric"]),
            "interaction": signed(row["interaction"], row["metric"]),
            "low": signed(row["ci_low"], row["metric"]),
            "high": signed(row["ci_high"], row["metric"]),
            "p": _p_value(row["p_value"]),
            "n": row["n_questions"],
        }
        for row in _ordered(frame).to_dict("records")
    ]


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return frame.to_dict("records")


# --- Examples -----------------------------------------------------------------------------------


def examples(results: StudyResults, most: int = EXAMPLES) -> dict[str, Any]:
    """The questions with the largest gains and losses, in the headline's comparison and metric.

    Returns {"about": sentence, "gains": rows, "losses": rows}; the sentence says it when there is
    nothing to show. Ties are resolved by question id.
    """
    row = _headline_row(results.comparisons)
    if row is None or results.results.empty:
        return {"about": "There is no comparison to take examples from.", "gains": [], "losses": []}
    answers, metric = results.results, row["metric"]
    same = answers["context"] == row["context"]
    for column in _RUN:
        same &= answers[column] == row[column]
    if row["judge"]:
        same &= answers["judge"] == row["judge"]
    tuned = same & (answers["train_size"] == row["train_size"])
    for column in _RECIPE:
        tuned &= answers[column] == row[column]
    base = same & (answers["method"] == "none")
    pairs = (
        answers[base]
        .drop_duplicates("question_id")
        .merge(
            answers.loc[tuned, ["question_id", "answer", metric]].drop_duplicates("question_id"),
            on="question_id",
            suffixes=("_base", "_tuned"),
        )
    )
    pairs["change"] = (pairs[f"{metric}_tuned"] - pairs[f"{metric}_base"]).astype(float)
    about = (
        f"{plots.metric_label(metric)}, {plots.context_label(row['context'])}: "
        f"{plots.method_label(row['method'])} on {int(row['train_size'])} examples "
        f"{plots.format_label(row['train_format'])}, {row['model']} on {row['dataset']}. "
        f"Of {_count(int(pairs['change'].notna().sum()), 'question')}, "
        f"{int((pairs['change'] > 0).sum())} scored higher and "
        f"{int((pairs['change'] < 0).sum())} lower than with the base model."
    )

    def largest(sign: int) -> list[dict[str, Any]]:
        side = pairs[pairs["change"] * sign > 0].sort_values("question_id")
        side = side.iloc[(-side["change"] * sign).argsort(kind="stable")].head(most)
        return [
            {
                "id": pair["question_id"],
                "question": pair["question"],
                "reference": pair["reference"],
                "base": _cut(pair["answer_base"]),
                "tuned": _cut(pair["answer_tuned"]),
                "base_score": number(pair[f"{metric}_base"]),
                "tuned_score": number(pair[f"{metric}_tuned"]),
            }
            for pair in side.to_dict("records")
        ]

    return {"about": about, "gains": largest(1), "losses": largest(-1)}


def _cut(answer: Any) -> str:
    text = "" if pd.isna(answer) else str(answer)
    return text if len(text) <= _CUT_ANSWER else f"{text[:_CUT_ANSWER]}… (cut here)"


# --- Limits and making --------------------------------------------------------------------------


def limits(results: StudyResults) -> list[str]:
    """What a reader must know before acting on the report, one sentence or two each."""
    found = []
    for check in results.judge_checks:
        if not check.get("valid"):
            reason = check.get("reason") or "it did not pass its check"
            found.append(
                f"The judge {check['judge']} is not valid: {reason}. Its scores are shown, marked, "
                "and carry no verdict."
            )
    if not results.judge_checks:
        found.append("No judge was checked, so no verdict rests on a judge.")
    comparisons = results.comparisons
    if not comparisons.empty:
        rows = comparisons[comparisons["primary"]]
        rows = comparisons if rows.empty else rows
        questions, groups = rows["n_questions"].min(), rows["n_clusters"].min()
        found.append(
            f"The smallest comparison has {_count(int(questions), 'question')} in "
            f"{_count(int(groups), 'independent group')}. What it could have detected is in the "
            "table: the smallest detectable difference."
        )
        per_state = comparisons.groupby([*_RUN, "method", "train_format", "train_size"])["seed"]
        if per_state.nunique().min() == 1:
            found.append(
                "One training seed per model state: a verdict concerns that one adapter. Another "
                "seed, which draws other training examples, may come out differently."
            )
        else:
            found.append(
                "Each training seed is compared separately; a verdict concerns one adapter."
            )
    found += list(comparisons.attrs.get("skipped", []))
    if "truncated" in results.results and not results.results.empty:
        found.append(_truncated_sentence(results.results))
    else:
        found.append("The share of answers cut at the token limit is not known.")
    if results.missing:
        states = Counter(str(run.get("state", "missing")) for run in results.missing)
        parts = ", ".join(f"{amount} {state}" for state, amount in sorted(states.items()))
        found.append(
            f"{_count(len(results.missing), 'run')} of the study gave no result ({parts}); "
            "they are listed below and count nowhere as zero."
        )
    return found


def _truncated_sentence(answers: pd.DataFrame) -> str:
    keys = [*_RUN, *_RECIPE, "train_size", "context"]
    once = answers.drop_duplicates([*keys, "question_id"])
    shares = once.groupby(keys, dropna=False)["truncated"].mean().dropna()
    if shares.empty:
        return "The share of answers cut at the token limit is not known."
    worst = dict(zip(keys, shares.idxmax(), strict=True))
    text = f"{once['truncated'].mean():.1%} of all answers were cut at the token limit"
    if shares.max() > 0:
        text += (
            f", at most {shares.max():.1%} ({plots.state_label(worst)} of {worst['model']} on "
            f"{worst['dataset']}, context {worst['context']})"
        )
    return text.replace("%", " %") + "."


def _making(results: StudyResults) -> dict[str, Any]:
    """Wall time and memory by stage, and every other recorded fact with its distinct values."""
    frame = pd.DataFrame([dict(run) for run in results.provenance])
    stages = []
    if "stage" in frame:
        for name in ("wall_seconds", "peak_memory_mb"):
            frame[name] = pd.to_numeric(frame.get(name), errors="coerce")
        for stage, part in frame.groupby("stage", sort=True):
            seconds, memory = part["wall_seconds"], part["peak_memory_mb"]
            stages.append(
                {
                    "stage": stage,
                    "runs": len(part),
                    "total": _duration(seconds.sum(min_count=1)),
                    "longest": _duration(seconds.max()),
                    "memory": f"{memory.max():,.0f} MB" if memory.notna().any() else NOT_KNOWN,
                }
            )
    facts: dict[str, list[str]] = {}
    for run in results.provenance:
        for key, value in _flat(run):
            if key not in ("run_id", "stage", "wall_seconds", "peak_memory_mb"):
                facts.setdefault(key, [])
                if value not in facts[key]:
                    facts[key].append(value)
    shown = {
        key: ", ".join(sorted(values)) if len(values) <= 3 else f"{len(values)} different values"
        for key, values in facts.items()
    }
    return {"stages": stages, "facts": shown, "parameters": _yaml(results.study)}


def _flat(value: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    pairs = []
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            pairs += _flat(inner, f"{prefix}{key}: ")
        elif inner is not None:
            pairs.append((f"{prefix}{key}", str(inner)))
    return pairs


def _duration(seconds: float) -> str:
    if not _is_number(seconds):
        return NOT_KNOWN
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"


def _yaml(study: Mapping[str, Any]) -> str:
    stream = io.StringIO()
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False
    writer.dump(json.loads(json.dumps(dict(study), default=str)), stream)
    return stream.getvalue()


# --- The page -----------------------------------------------------------------------------------


def build_report(results: StudyResults, out: Path | str) -> Path:
    """Render the report and write it to `out`, replacing the file in one step. Returns its path.

    Figures are embedded up to FIGURE_BYTES; a figure beyond that, or whose file does not exist, is
    named in the report instead.
    """
    out = Path(out)
    effects_rows = _effects_rows(results)
    figures = _embedded(results)
    comparisons = results.comparisons
    checks = [
        {**check, "auc_words": _auc_words(check) or NOT_KNOWN} for check in results.judge_checks
    ]
    unchecked = sorted(results.invalid_judges - {check["judge"] for check in checks})
    html = (
        _environment()
        .get_template("report.html.j2")
        .render(
            name=results.study.get("name", "study"),
            headline=headline(results),
            headline_css=_VERDICT_CLASSES[headline_verdict(comparisons)],
            notes=results.notes,
            figures=figures,
            effects=effects_rows,
            n_primary=sum(row["primary"] for row in effects_rows),
            formats=sorted({plots.format_label(f) for f in comparisons.get("train_format", [])}),
            closed_book="closed_book" in set(comparisons.get("train_format", [])),
            checks=checks,
            unchecked=unchecked,
            ladder=_records(results.ladder_auc),
            retrieval=_records(results.retrieval),
            means=_means_table(results),
            interactions=_interaction_rows(results),
            examples=examples(results),
            limits=limits(results),
            missing=[
                {key: run.get(key, "") for key in ("run_id", "stage", "state", "message")}
                for run in results.missing
            ],
            making=_making(results),
        )
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as stream:
            stream.write(html)
        os.chmod(unfinished, 0o644)
        os.replace(unfinished, out)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise
    return out


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    environment.filters["label"] = plots.metric_label
    environment.globals["not_known"] = NOT_KNOWN
    environment.filters["rung"] = lambda rung: (
        plots.RUNGS.get(rung, rung).replace("-\n", "").replace("\n", " ")
    )
    return environment


def _embedded(results: StudyResults) -> list[dict[str, Any]]:
    """Caption, alternative text and data URI of every figure; `problem` where there is none."""
    left, figures = FIGURE_BYTES, []
    judged = [w for m in METRICS.values() if m.judged for w in (m.name, m.label.lower())]
    for caption, path in results.figures.items():
        words = caption if " " in caption else caption.replace("_", " ")
        figure = {
            "caption": words,
            "alt": f"Figure: {words}. The values stand in the tables of this report.",
            "uri": "",
            "width": 0,
            "problem": "",
            # The image itself says which judge; this is for readers who do not see it.
            "doubtful": bool(results.invalid_judges)
            and any(word in caption.lower() for word in judged),
        }
        path = Path(path)
        if not path.is_file():
            figure["problem"] = "This figure could not be drawn."
        elif path.stat().st_size > left:
            figure["problem"] = f"Left out to keep the report small; see {path.name}."
        else:
            left -= path.stat().st_size
            png = path.read_bytes()
            encoded = base64.b64encode(png).decode("ascii")
            # Bytes 16 to 20 of a PNG are its width. Shown at 110 pixels an inch, text of the
            # figure is as large as that of the page.
            figure["width"] = round(int.from_bytes(png[16:20], "big") * 110 / 150)
            figure["uri"] = f"data:image/png;base64,{encoded}"
        figures.append(figure)
    return figures
