"""The results of a study and its verdict in words.

Verdicts are those of `effects.compare`; nothing is decided here. What could not be computed is
said, never left out and never shown as zero.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from rag_study.labels import (
    context_label,
    counted,
    format_label,
    in_text,
    is_number,
    listed,
    method_label,
    rounded_up,
    signed,
    untrusted_judges,
)
from rag_study.metrics import METRICS
from rag_study.verdicts import MIN_CLUSTERS

# The most telling first.
VERDICTS = ("helps", "hurts", "no difference that matters", "cannot tell", "no verdict")


def _no_table() -> pd.DataFrame:
    return pd.DataFrame()


@dataclass(frozen=True)
class StudyResults:
    """Everything that a report shows.

    `study` is the study file as a dict. `results` and `retention` (rows like `results`, in the
    context "retention") are what was measured; the tables from `summary` to `context_gain` are
    computed from them by `analysis.analyse` (comparisons with `attrs["skipped"]`, decomposition and
    follows with `attrs["notes"]`), and `docs/results.md` lists their columns. `judge_checks` has
    one dict per judge, on its worst data set, as from `judging.validity.check`, with the data set.
    `ladder` holds the scored answers of the checks, `ladder_auc` and `ladder_facts` the tables of
    `validity` with the data set (of the AUCs those of right answers against a rung),
    `judge_agreement` the table of `judging.agreement`. `evidence` and `passages` are the tables of
    `evidence`, `costs` has one row per model state with the columns of `state_costs`. `retrieval`:
    as `plots.retrieval_quality`. `finished` has the ids of the runs that went in, `missing` names
    those without a result: run_id, stage, state, message. `provenance`, one dict per run: run_id,
    stage, what `provenance.Meter` measures and `provenance.collect` gives.
    `figures` maps a caption to a PNG; the first one is shown under the verdict. `notes` are
    sentences shown beside the verdict.
    """

    study: Mapping[str, Any]
    results: pd.DataFrame = field(default_factory=_no_table)
    retention: pd.DataFrame = field(default_factory=_no_table)
    summary: pd.DataFrame = field(default_factory=_no_table)
    comparisons: pd.DataFrame = field(default_factory=_no_table)
    interactions: pd.DataFrame = field(default_factory=_no_table)
    trends: pd.DataFrame = field(default_factory=_no_table)
    heterogeneity: pd.DataFrame = field(default_factory=_no_table)
    length_adjusted: pd.DataFrame = field(default_factory=_no_table)
    claims: pd.DataFrame = field(default_factory=_no_table)
    decomposition: pd.DataFrame = field(default_factory=_no_table)
    decomposition_changes: pd.DataFrame = field(default_factory=_no_table)
    follows: pd.DataFrame = field(default_factory=_no_table)
    context_gain: pd.DataFrame = field(default_factory=_no_table)
    judge_checks: Sequence[Mapping[str, Any]] = ()
    ladder: pd.DataFrame = field(default_factory=_no_table)
    ladder_auc: pd.DataFrame = field(default_factory=_no_table)
    ladder_facts: pd.DataFrame = field(default_factory=_no_table)
    judge_agreement: pd.DataFrame = field(default_factory=_no_table)
    retrieval: pd.DataFrame = field(default_factory=_no_table)
    evidence: pd.DataFrame = field(default_factory=_no_table)
    passages: pd.DataFrame = field(default_factory=_no_table)
    costs: pd.DataFrame = field(default_factory=_no_table)
    finished: Sequence[str] = ()
    missing: Sequence[Mapping[str, Any]] = ()
    provenance: Sequence[Mapping[str, Any]] = ()
    figures: Mapping[str, Path] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def invalid_judges(self) -> set[str]:
        """Judges whose scores carry no verdict: checked without success, or not checked at all."""
        invalid = {check["judge"] for check in self.judge_checks if not check.get("valid")}
        if "reason" in self.comparisons:
            invalid |= untrusted_judges(self.comparisons)
        return invalid


def headline(results: StudyResults) -> str:
    """The answer of the study in at most three sentences: verdict, main difference, what the
    verdict rests on."""
    return " ".join(filter(None, headline_parts(results)))


def headline_parts(results: StudyResults) -> tuple[str, str]:
    """The answer in two sentences (verdict and main difference), and a third on what it rests on
    ('' where there is no verdict)."""
    comparisons = results.comparisons
    if comparisons.empty:
        missing = len(results.missing)
        why = f"; {counted(missing, 'run')} failed or did not finish" if missing else ""
        return f"No answer yet. No trained model could be compared with its base model{why}.", ""
    primary = comparisons[comparisons["primary"]]
    if primary.empty:
        computed = (
            f"No verdict. {counted(len(comparisons), 'difference')} between trained and base "
            f"models {'was' if len(comparisons) == 1 else 'were'} computed, but none is a primary "
            f"comparison."
        )
        return computed, _why_none_primary(results)
    row = headline_row(comparisons)
    return f"{_verdict_sentence(primary)} {_change_sentence(row, primary)}", _carrier(results)


def headline_verdict(comparisons: pd.DataFrame) -> str:
    """The verdict that the headline's first words give; 'no verdict' without primary rows."""
    row = headline_row(comparisons)
    return "no verdict" if row is None or not row["primary"] else str(row["verdict"])


def headline_row(comparisons: pd.DataFrame) -> pd.Series | None:
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
    importance = {verdict: rank for rank, verdict in enumerate(VERDICTS)} | {"hurts": 0}
    size = (rows["difference"].abs() / rows["margin"].fillna(1.0)).fillna(-1.0)
    order = pd.DataFrame({"rank": rows["verdict"].map(importance).fillna(9), "size": -size})
    return rows.loc[order.sort_values(["rank", "size"], kind="stable").index[0]]


def _verdict_sentence(primary: pd.DataFrame) -> str:
    counts = Counter(primary["verdict"])
    total = len(primary)
    leading = next((v for v in VERDICTS if counts[v]), "no verdict")
    said = {**{v: v.capitalize() for v in VERDICTS}, "cannot tell": "Cannot tell yet"}
    if total == 1:
        return f"{said[leading]}."
    formats = primary["train_format"].unique()
    scope = f"{total} primary comparisons"
    if len(formats) == 1:
        scope += f" (all {format_label(formats[0])})"
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
    context = context_label(row["context"])
    subject = " ".join(
        [
            f"{context[0].upper()}{context[1:]},",
            f"{method_label(row['method'])} on {int(row['train_size'])} examples",
            format_label(row["train_format"]),
        ]
    )
    questions = counted(int(row["n_questions"]), "question")
    change = f"{in_text(row['metric'])}{' ' if where else ''}{' '.join(where)}"
    difference = signed(row["difference"], row["metric"])
    interval = "no interval can be computed"
    if is_number(row["ci_low"]) and is_number(row["ci_high"]):
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
            groups = counted(int(row["n_clusters"]), "independent group")
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
    metrics = listed([in_text(m) for m in METRICS if m in set(primary["metric"])])
    judges = sorted(set(primary["judge"]) - {""})
    checks = {check["judge"]: check for check in results.judge_checks}
    if judges:
        named = listed([f"{judge}{_ranking_words(checks.get(judge))}" for judge in judges])
        passed = "which passed its check" if len(judges) == 1 else "which passed their checks"
        return f"The verdict rests on {metrics} as scored by {named}, {passed}."
    by_reference = f"The verdict rests on {metrics}, measured against the reference answers,"
    invalid = sorted(results.invalid_judges)
    if not invalid:
        return f"{by_reference} because the study has no judge."
    named = listed([f"{judge}{_ranking_words(checks.get(judge))}" for judge in invalid])
    failed = "the judge {} did not pass its check" if len(invalid) == 1 else "no judge passed: {}"
    return f"{by_reference} because {failed.format(named)}."


def _why_none_primary(results: StudyResults) -> str:
    invalid = sorted(results.invalid_judges)
    if invalid:
        return (
            f"The scores of {listed(invalid)} carry no verdict: the judge's check was not passed."
        )
    return "The study's primary contexts and metrics are not among the results."


def _ranking_words(check: Mapping[str, Any] | None) -> str:
    """The judge's AUC without the term, for a reader who opens the report cold."""
    if not check or not is_number(check.get("auc")):
        return ""
    share = f"{check['auc']:.0%}".replace("%", " %")
    return f" (it ranks a right above a wrong answer in {share} of pairs; 50 % is guessing)"
