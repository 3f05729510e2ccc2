"""A judge's figures on the ladder and on answers that people graded, in one table.

What `rag-study judge-report` shows. Nothing is said from the ladder alone: a judge that tells its
rungs apart may still treat the answers of two models unlike, which only people's grades show.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from rag_study.common import files
from rag_study.common.provenance import package_hash
from rag_study.common.shown import markdown as in_markdown
from rag_study.common.wording import counted
from rag_study.data.schema import Question
from rag_study.evaluation import reference
from rag_study.evaluation.judging import people, requirements, validity
from rag_study.evaluation.judging.judge import Item, Judge
from rag_study.evaluation.judging.ladder import RIGHT_RUNGS, ladder

BATCH = 8
_UNKNOWN = "–"
# (heading, key) of the columns of the table of people's grades, after the scorer.
COLUMNS = (
    ("AUC", "auc"),
    ("long − short, points", "long_short"),
    ("systems, Kendall", "kendall"),
    ("verdicts: people's found, turned round, the scorer's alone", "pairs"),
    ("kappa", "kappa"),
    ("rank correlation", "spearman"),
)
LABELS = {
    "answer_recall": "answer recall",
    "token_recall": "share of the reference's tokens",
    "token_f1": "token F1",
    "rouge_l": "ROUGE-L",
}


@dataclass
class Report:
    """Figures of judges: `ladder` (one row per judge, criterion and family), `people` (one per
    criterion and scorer) and what they were computed on. JSON values only."""

    judges: list[str] = field(default_factory=list)
    ladder: list[dict[str, Any]] = field(default_factory=list)
    people: list[dict[str, Any]] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)


def add_ladder(
    report: Report,
    judge: Judge,
    questions: Sequence[Question],
    size: int,
    revision: str,
    told: Callable[[int, int], Any],
) -> None:
    """Have the judge grade the ladder of `size` of the questions, and add what its check says.

    `told(done, all)` is called as it goes. What was graded is kept until all of it is (`_graded`).
    """
    rows = ladder(questions, size)
    by_id = {question.id: question for question in questions}
    items = [Item.of(by_id[row["question_id"]], row["candidate"]) for row in rows]
    scored = _graded(judge, items, f"{revision}:ladder", told)
    scores = pd.DataFrame([row | score for row, score in zip(rows, scored, strict=True)])
    references = [
        reference.score(row["candidate"], by_id[row["question_id"]]) | {"place": place}
        for place, row in enumerate(rows)
    ]
    scores = pd.concat([scores, pd.DataFrame(references)], axis=1)
    auc = validity.ladder_auc(scores, judge.name, judge.criteria)
    facts = validity.ladder_facts(scores, judge.name, judge.criteria)
    check = requirements.check(auc, facts, judge.name, judge.criteria)
    variants = validity.by_variant(scores, judge.criteria)
    for criterion in judge.criteria:
        found = check["criteria"][criterion.name]
        mistaken = variants[(variants["criterion"] == criterion.name) & (variants["variant"] == "")]
        shares = [
            _share(mistaken[mistaken["rung"].isin(RIGHT_RUNGS) == right]) for right in (True, False)
        ]
        report.ladder.append(
            {
                "judge": judge.name,
                "criterion": criterion.name,
                "valid": found["valid"],
                "status": found["status"],
                "families": found.get("families", {}),
                "reason": found["reason"],
                "right_below_3": shares[0],
                "wrong_above_3": shares[1],
            }
        )
    asked = len({row["question_id"] for row in rows})
    report.about["ladder"] = {"questions": asked, "answers": len(rows)}


def add_people(
    report: Report,
    judge: Judge,
    rows: Sequence[people.Graded],
    revision: str,
    told: Callable[[int, int], Any],
) -> None:
    """Have the judge grade answers that people graded, and add how far it agrees with them.

    The metrics that ask no model are added once, on the judge's scale: 1 + 4 times their value.
    """
    table = people.by_metrics(rows)
    items = [Item.of(row.as_question, row.answer) for row in rows]
    scored = pd.DataFrame(_graded(judge, items, f"{revision}:people", told))
    for criterion in judge.criteria:
        chosen = (table["criterion"] == criterion.name).to_numpy()
        if not chosen.any():
            continue
        part = table[chosen].assign(judge=scored.loc[chosen, criterion.metric].astype(float))
        known = {(row["scorer"], row["criterion"]) for row in report.people}
        scorers = {judge.name: part["judge"]}
        scorers |= {name: 1 + 4 * part[name] for name in people.BESIDE}
        for name, values in scorers.items():
            if (name, criterion.name) not in known:
                found = people.figures(part.assign(score=values), "score", criterion.margin)
                head = {"scorer": name, "criterion": criterion.name, "judge": name == judge.name}
                report.people.append(head | found)
    report.about["people"] = {
        "answers": len(table),
        "questions": int(table["group"].nunique()),
        "models": sorted(name for name in table["model"].unique() if name),
    }


def _graded(
    judge: Judge, items: Sequence[Item], revision: str, told: Callable[[int, int], Any]
) -> list[dict[str, Any]]:
    """Scores of the items in their order. Batches that are done are kept until all are, so that
    whoever stops it goes on from there."""
    criteria = [criterion.fingerprint for criterion in judge.criteria]
    # Everything about an item, whatever fields it has.
    key = json.dumps([judge.name, revision, package_hash(), criteria, list(map(repr, items))])
    place = files.cache_dir() / "judge-report" / hashlib.sha256(key.encode()).hexdigest()[:16]
    order = sorted(range(len(items)), key=lambda n: -len(items[n].candidate))
    found: list[dict[str, Any]] = [{} for _ in items]
    for start in range(0, len(order), BATCH):
        batch, file = order[start : start + BATCH], place / f"{start:06d}.jsonl"
        if file.exists():
            scores = files.read_jsonl(file)
        else:
            scores = judge.score([items[n] for n in batch])
            file.parent.mkdir(parents=True, exist_ok=True)
            files.write_jsonl(file, scores)
        for n, score in zip(batch, scores, strict=True):
            found[n] = score
        told(start + len(batch), len(items))
    shutil.rmtree(place, ignore_errors=True)
    return found


def _share(variants: pd.DataFrame) -> float | None:
    """Share of mistaken answers over several rungs."""
    answers = int(variants["n"].sum())
    return float((variants["mistaken"] * variants["n"]).sum() / answers) if answers else None


# --- As text --------------------------------------------------------------------------------------


def ladder_cells(row: dict[str, Any]) -> list[str]:
    """A row of the ladder's table: judge, criterion, verdict, families, mistaken answers."""
    by_state: dict[str, list[str]] = {}
    for family, state in row["families"].items():
        by_state.setdefault(state, []).append(family)
    states = (
        *(requirements.PASSES, requirements.FAILS, requirements.RARE),
        *(requirements.NOT_SHOWN, requirements.NOT_CHECKED),
    )
    return [
        row["judge"],
        row["criterion"],
        row["status"],
        "; ".join(
            f"{state}: {', '.join(by_state[state])}" for state in states if state in by_state
        ),
        _percent(row["right_below_3"]),
        _percent(row["wrong_above_3"]),
    ]


LADDER_HEADS = (
    "judge",
    "criterion",
    "check",
    "families of answers",
    "right, under 3",
    "wrong, over 3",
)


def people_cells(row: dict[str, Any]) -> list[str]:
    """A row of the table of people's grades: the scorer, then COLUMNS."""
    cells = [LABELS.get(row["scorer"], row["scorer"])]
    for _, key in COLUMNS:
        if key == "pairs":
            said = f"{row['pairs_same']} of {row['pairs_settled']}, {row['pairs_turned']}, "
            cells.append(f"{said}{row['pairs_alone']}" if row["pairs"] else _UNKNOWN)
            continue
        value, low, high = row[key], row.get(f"{key}_low"), row.get(f"{key}_high")
        sign = "+" if key == "long_short" else ""
        text = _UNKNOWN if value is None else f"{value:{sign}.2f}"
        if low is not None:
            text += f" ({low:{sign}.2f} to {high:{sign}.2f})"
        cells.append(text.replace("-", "−"))
    return cells


def notes(report: Report) -> list[str]:
    """What the tables were computed on, in sentences."""
    said = []
    if about := report.about.get("ladder"):
        said.append(
            f"Ladder: {counted(about['answers'], 'answer')} of known quality to "
            f"{counted(about['questions'], 'question')} of {about['data']}. It shows what a "
            "judge gets wrong, and never that it is "
            "right: people's grades do."
        )
    if about := report.about.get("people"):
        said.append(
            f"People: {counted(about['answers'], 'graded answer')} to "
            f"{counted(about['questions'], 'question')} of {about['file']}. Metrics are on the "
            "scale of the judge, 1 to 5; intervals at 95 %, "
            "over questions."
        )
        for criterion in dict.fromkeys(row["criterion"] for row in report.people):
            row = next(row for row in report.people if row["criterion"] == criterion)
            said.append(f"Long − short, {criterion}, at equal grade: {row['long_short_of']}.")
    return said


def tables(report: Report) -> Iterator[tuple[str, Sequence[str], list[list[str]]]]:
    """(title, headings, rows of cells): the ladder's, and people's by criterion; columns of which
    nothing is known are left out."""
    if report.ladder:
        yield "The ladder", LADDER_HEADS, [ladder_cells(row) for row in report.ladder]
    for criterion in dict.fromkeys(row["criterion"] for row in report.people):
        rows = [people_cells(row) for row in report.people if row["criterion"] == criterion]
        heads = ("scored by", *(head for head, _ in COLUMNS))
        kept = [n for n in range(len(heads)) if any(row[n] != _UNKNOWN for row in rows)]
        shown = [[row[n] for n in kept] for row in rows]
        yield f"Answers that people graded: {criterion}", [heads[n] for n in kept], shown


def markdown(report: Report) -> str:
    """The tables and notes as Markdown."""
    parts = []
    for title, heads, rows in tables(report):
        told = [[in_markdown(cell) for cell in row] for row in rows]
        lines = [heads, ["---"] * len(heads), *told]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        parts.append(f"{in_markdown(title)}:\n\n{table}")
    return "\n\n".join([*parts, *map(in_markdown, notes(report))]) + "\n"


def _percent(share: float | None) -> str:
    return _UNKNOWN if share is None else f"{share:.0%}".replace("%", " %")
