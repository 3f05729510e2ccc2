"""The results of a study and its verdict in words.

Verdicts are those of `effects.compare`; nothing is decided here. What could not be computed is
said, never left out and never shown as zero.
"""

from __future__ import annotations

from collections import Counter

import pandas as pd

from rag_study.analysis.pairing import PEOPLE, RUN_COLUMNS
from rag_study.analysis.states import (
    against_base,
    context_label,
    format_label,
    method_label,
    of_people,
)
from rag_study.analysis.study_results import StudyResults
from rag_study.analysis.verdicts import VERDICTS
from rag_study.common.wording import counted, is_number, signed
from rag_study.evaluation.metrics import Metrics
from rag_study.report.basis import basis


def headline(results: StudyResults) -> str:
    """The answer of the study in at most three sentences: verdict, main difference, what the
    verdict rests on; and what the looks at growing data make of it, where there were several."""
    return " ".join(filter(None, (*headline_parts(results), results.looking)))


def headline_parts(results: StudyResults) -> tuple[str, str]:
    """The answer in two sentences (verdict and main difference), and a third on what it rests on
    ('' where there is no verdict). It begins with whose questions they are, where a model's."""
    answer, rests_on = _parts(results)
    if results.written:
        where = f"{results.written[0].upper()}{results.written[1:]}"
        answer = f"{where}: {answer[0].lower()}{answer[1:]}"
    return answer, rests_on


def _parts(results: StudyResults) -> tuple[str, str]:
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
        return computed, basis(results)
    row = headline_row(comparisons)
    change = _change_sentence(row, primary, results.metrics)
    return f"{_verdict_sentence(primary)} {change}", basis(results)


def headline_row(comparisons: pd.DataFrame) -> pd.Series | None:
    """The comparison that the headline and the examples are about: a primary one with the most
    telling verdict, and among these the largest change in margins. Without primary comparisons
    the largest change from the base to a training in answers, by a metric that no judge gave."""
    if comparisons.empty:
        return None
    rows = comparisons[comparisons["primary"]]
    if rows.empty:
        rows = against_base(comparisons)
        rows = rows[(rows["judge"] == "") & rows["margin"].notna() & (rows["train_size"] > 0)]
    if rows.empty:
        return None
    importance = {verdict: rank for rank, verdict in enumerate(VERDICTS)} | {"hurts": 0}
    size = (rows["difference"].abs() / rows["margin"].fillna(1.0)).fillna(-1.0)
    order = pd.DataFrame({"rank": rows["verdict"].map(importance).fillna(9), "size": -size})
    return rows.loc[order.sort_values(["rank", "size"], kind="stable").index[0]]


def scored_headline_row(results: StudyResults) -> pd.Series | None:
    """`headline_row`, but where people's labels gave it that of a judge who scored the same
    answers: people have graded a few of them only."""
    row = headline_row(results.comparisons)
    if row is None or row["judge"] != PEOPLE:
        return row
    rows = results.comparisons
    same = (rows["judge"] != PEOPLE) & (rows["baseline"] == row["baseline"])
    for name in (*RUN_COLUMNS, "context", "metric"):
        same &= rows[name] == row[name]
    return rows[same].iloc[0] if same.any() else None


def _verdict_sentence(primary: pd.DataFrame) -> str:
    counts = Counter(primary["verdict"])
    total = len(primary)
    leading = next((v for v in VERDICTS if counts[v]), "no verdict")
    openings = {**{v: v.capitalize() for v in VERDICTS}, "cannot tell": "Cannot tell yet"}
    if total == 1:
        return f"{openings[leading]}."
    formats = primary["train_format"].unique()
    scope = f"{total} primary comparisons"
    if len(formats) == 1:
        scope += f" (all {format_label(formats[0])})"
    if len(counts) == 1:
        every = "any" if leading in ("cannot tell", "no verdict") else "all"
        return f"{openings[leading]}, in {every} of the {scope}."
    rest = {
        "no difference that matters": "no difference that matters in {}",
        "cannot tell": "{} cannot be told yet",
        "no verdict": "{} without a verdict",
    }
    if counts["helps"] and counts["hurts"]:
        start = f"Mixed: helps in {counts['helps']} and hurts in {counts['hurts']} of {scope}"
        shown = {"helps", "hurts"}
    else:
        start = f"{openings[leading]} in {counts[leading]} of {scope}"
        shown = {leading}
        if leading == "cannot tell":
            start = f"Cannot tell yet in {counts[leading]} of {scope}"
    others = [text.format(counts[v]) for v, text in rest.items() if counts[v] and v not in shown]
    return "; ".join([start, *others]) + "."


def _change_sentence(row: pd.Series, primary: pd.DataFrame, metrics: Metrics) -> str:
    where = [
        f"{word} {row[column]}"
        for column, word in (("dataset", "on"), ("model", "with"))
        if primary[column].nunique() > 1
    ]
    context = context_label(row["context"])
    subject = " ".join(
        [
            f"{context[0].upper()}{context[1:]},",
            f"{method_label(row['method'])} on {counted(int(row['train_size']), 'example')}",
            format_label(row["train_format"]),
        ]
    )
    noun = "labelled question" if row["judge"] == PEOPLE else "question"
    questions = counted(int(row["n_questions"]), noun)
    name = of_people(metrics.in_text(row["metric"]), row["judge"])
    change = f"{name}{' ' if where else ''}{' '.join(where)}"
    difference = signed(row["difference"], row["metric"])
    picked = ""
    if len(primary) > 1 and is_number(row["shrunken"]):
        allowed = signed(row["shrunken"], row["metric"])
        if allowed != difference:
            picked = f", or {allowed} allowing for its having been picked as the largest"
    interval = "no interval can be computed"
    if is_number(row["ci_low"]) and is_number(row["ci_high"]):
        ends = (signed(row[name], row["metric"]) for name in ("ci_low", "ci_high"))
        interval = f"95 % interval {' to '.join(ends)}"
    verb = {"helps": "raised", "hurts": "lowered"}.get(row["verdict"], "changed")
    text = f"{subject} {verb} {change} by {difference} ({interval}, {questions}){picked}"
    margin = f"{row['margin']:g}"
    match row["verdict"]:
        case "helps" | "hurts":
            whole = "all" if row["at_least_margin"] in (True,) else "not all"
            text += f"; differences of {margin} or more matter here, and {whole} of the interval is"
            text += " that large"
        case "no difference that matters":
            text += f", and its 90 % interval lies inside the margin of ±{margin}"
        case "cannot tell":
            text += f"; {row['settles']}"
        case "no verdict":
            text += f"; {row['reason']}"
    if len(primary) > 1:
        text = f"The largest change: {text[0].lower()}{text[1:]}"
    return f"{text}."
