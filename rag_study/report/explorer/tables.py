"""Single answers to look at: what `notebooks/00_explore.ipynb` shows.

`load` reads a finished study's folder, `Selection` names what is compared with its base, and
`changes_table` and `side_by_side` show it. `Explorer` puts widgets around these; where there is no
front end to show widgets (a batch run), `display_static` shows the same as a page.

Example:
    study = load("demo")
    chosen = selections(study)[0]
    changes_table(study, chosen, Score("answer_recall"))
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from rag_study.analysis.pairing import DEFAULT, RUN_COLUMNS
from rag_study.analysis.states import (
    SETTINGS,
    context_label,
    context_rank,
    differing,
    factor_words,
    is_base,
    state_label,
)
from rag_study.analysis.study_results import read_metrics
from rag_study.common import files, run_folder
from rag_study.common.errors import StudyError
from rag_study.common.wording import is_number, number, signed
from rag_study.evaluation.metrics import METRICS, Metrics
from rag_study.report import markup
from rag_study.report.explorer import notebooks
from rag_study.report.explorer import side_by_side as answers
from rag_study.report.sortable import sortable_tables
from rag_study.study import answer_tags, study_tables

_TABLES = ("results", "comparisons", "evidence", "passages", "judge_checks")
# What a table of questions is called for people, and the columns it is made of.
_SHOWN = {
    "question_id": "id",
    "question": "question",
    "reference": "reference",
    "answer_base": "base answer",
    "answer_tuned": "other answer",
    "score_base": "base",
    "score_tuned": "other",
    "change": "change",
}


@dataclass(frozen=True)
class StudyAnswers:
    """The tables of a finished study that single answers are read from, and what its scores are."""

    name: str
    results: pd.DataFrame
    comparisons: pd.DataFrame
    evidence: pd.DataFrame
    passages: pd.DataFrame
    judge_checks: pd.DataFrame
    metrics: Metrics = METRICS

    @property
    def invalid_judges(self) -> set[str]:
        """Judges of the results that did not pass a check, or had none."""
        valid = set()
        if not self.judge_checks.empty:
            valid = set(self.judge_checks.loc[self.judge_checks["valid"].astype(bool), "judge"])
        return set(self.results["judge"].dropna()) - {""} - valid


@dataclass(frozen=True)
class Selection:
    """A model state other than the base, in one context; `run` has RUN_COLUMNS."""

    run: dict[str, Any] = field(hash=False)
    context: str
    label: str

    @property
    def row(self) -> dict[str, Any]:
        """As `side_by_side.two_states` takes it."""
        return {**self.run, "context": self.context}


@dataclass(frozen=True)
class Score:
    """A metric, and the judge where one gave it."""

    metric: str
    judge: str = ""


# --- What there is --------------------------------------------------------------------------------


def study_names() -> list[str]:
    """Names of the studies that have results, the newest first: by when their comparison was
    finished, which copied and imported files do not tell."""
    folders = [path.parent for path in run_folder.outputs_dir().glob("*/results.parquet")]
    return [folder.name for folder in sorted(folders, key=study_tables.finished, reverse=True)]


def load(name: str) -> StudyAnswers:
    """Read a study's tables. Raises StudyError, with what to do, where it has none or one is
    damaged."""
    folder = run_folder.study_dir(name)
    if not (folder / "results.parquet").exists():
        names = ", ".join(study_names()) or "none yet"
        raise StudyError(
            f"There are no results of a study '{name}' in {run_folder.outputs_dir()} "
            f"(there: {names}). Run one first: rag-study run smoke"
        )
    with study_tables.reading(folder):
        tables = {table: _read(folder / f"{table}.parquet") for table in _TABLES}
        return StudyAnswers(name, **tables, metrics=read_metrics(folder))


def _read(file: Path) -> pd.DataFrame:
    return files.read_parquet(file) if file.exists() else pd.DataFrame()


def selections(study: StudyAnswers) -> list[Selection]:
    """Every state and context that can be compared with its base, as people read them."""
    results = study.results
    if results.empty:
        return []
    runs = results[[*RUN_COLUMNS, "context"]].drop_duplicates()
    extra = differing(runs, ["train_format", "variant", "seed", *SETTINGS])
    runs = runs[~is_base(runs)]
    runs = runs.assign(rank=runs["context"].map(context_rank)).sort_values([*RUN_COLUMNS, "rank"])
    return [
        Selection(
            {name: row[name] for name in RUN_COLUMNS},
            row["context"],
            " · ".join([state_label(row), *factor_words(row, extra)]),
        )
        for row in runs.to_dict("records")
    ]


def score_choices(study: StudyAnswers, chosen: Selection) -> dict[str, Score]:
    """The scores that both answers of some question have, by their names for people. A judge
    that is not trusted is called that."""
    base, other = answers.two_states(study.results, chosen.row)
    choices = {}
    for name, metric in study.metrics.items():
        if name not in study.results:
            continue
        judges = sorted(set(other["judge"].dropna()) - {""}) if metric.judged else [""]
        for judge in judges:
            if not answers.changes(base, other, name, judge)["change"].notna().any():
                continue
            label = metric.label
            if judge:
                label += f", {judge}" + " (not trusted)" * (judge in study.invalid_judges)
            choices[label] = Score(name, judge)
    return choices


# --- What is shown --------------------------------------------------------------------------------


def changes_table(study: StudyAnswers, chosen: Selection, score: Score) -> pd.DataFrame:
    """One row per question, the largest change first, indexed by question id."""
    base, other = answers.two_states(study.results, chosen.row)
    table = answers.changes(base, other, score.metric, score.judge)
    return table[list(_SHOWN)].rename(columns=_SHOWN).round(3).set_index("id")


def summary(study: StudyAnswers, chosen: Selection, score: Score) -> str:
    """The comparison that the answers belong to, in one or two sentences."""
    about = f"{chosen.label} against the base, {context_label(chosen.context)}"
    rows = study.comparisons
    for name, value in {**chosen.row, "metric": score.metric, "judge": score.judge}.items():
        rows = rows[rows[name] == value] if not rows.empty else rows
    rows = rows[rows["baseline"] == DEFAULT] if not rows.empty else rows
    if rows.empty:
        return f"{about}. The study has no comparison of this score."
    row = rows.iloc[0]
    interval = ""
    if is_number(row["ci_low"]):
        ends = [signed(row[name], score.metric) for name in ("ci_low", "ci_high")]
        interval = f" (95 % interval {ends[0]} to {ends[1]})"
    verdict = ": ".join(filter(None, [row["verdict"], row["reason"]]))
    return (
        f"{about}: {study.metrics.label(score.metric)} changed by "
        f"{signed(row['difference'], score.metric)}{interval} over {row['n_questions']} "
        f"questions. {verdict[:1].upper()}{verdict[1:]}."
    )


def side_by_side(study: StudyAnswers, chosen: Selection, question_id: str) -> str:
    """The two answers to a question as HTML: scores, judge's probabilities, passages; escaped."""
    base, other = answers.two_states(study.results, chosen.row)
    question = other[other["question_id"] == question_id].iloc[0]
    seen = (study.evidence, study.evidence)
    if not study.evidence.empty:
        seen = answers.two_states(study.evidence, chosen.row)
    sides = [
        {
            "title": title,
            "answer": _answer(rows[rows["question_id"] == question_id].iloc[0]),
            "probabilities": [
                {**entry, "invalid": entry["judge"] in study.invalid_judges}
                for entry in answers.probabilities(evidence, question_id, study.metrics)
            ],
            "passages": answers.passages_of(evidence, study.passages, question_id),
        }
        for title, rows, evidence in (("base", base, seen[0]), (chosen.label, other, seen[1]))
    ]
    scores = [
        {**entry, "invalid": entry["judge"] in study.invalid_judges}
        for entry in answers.scores(base, other, question_id, study.metrics)
    ]
    return _template().render(
        question_id=question_id,
        question=question["question"],
        reference=question["reference"],
        context=context_label(chosen.context),
        other=question.get("other_answer"),
        sides=sides,
        same_passages=sides[0]["passages"] == sides[1]["passages"],
        passages_known=not study.evidence.empty,
        scores=scores,
    )


def answer_cells(
    study: StudyAnswers, chosen: Selection, questions: Iterable[str]
) -> dict[str, list[dict[str, str]]]:
    """What a sheet of tags says of the two answers to each question, the base's first
    (`answer_tags.COLUMNS`); the `answer_id` is '' where there is no answer."""
    sides = [
        rows.drop_duplicates("question_id").set_index("question_id").to_dict("index")
        for rows in answers.two_states(study.results, chosen.row)
    ]
    return {
        question: [
            _cells(side[question], question, state)
            for side, state in zip(sides, ("base", chosen.label), strict=True)
        ]
        for question in questions
    }


def _cells(row: dict[str, Any], question_id: str, state: str) -> dict[str, str]:
    given = isinstance(row["answer"], str)
    ids = (row["dataset"], row["context"], question_id, row["answer"])
    return {
        "answer_id": answer_tags.answer_id(*ids) if given else "",
        "question_id": str(question_id),
        "state": state,
        "context": context_label(row["context"]),
        "question": str(row["question"]),
        "answer": row["answer"] if given else "",
    }


def notebook_links(study: StudyAnswers, chosen: Selection, question_id: str) -> str:
    """HTML with links to the executed notebooks of the runs behind the two answers; '' where the
    tables do not name them, or they are gone."""
    if "judged_in" not in study.evidence:  # tables of an earlier version of the package
        return ""
    sides = zip(("base", chosen.label), answers.two_states(study.evidence, chosen.row), strict=True)
    return notebooks.links(
        (title, sorted(set(rows.loc[rows["question_id"] == question_id, "judged_in"])))
        for title, rows in sides
    )


def _answer(row: pd.Series) -> str:
    """The text, or why there is none."""
    reason = row.get("missing_reason")
    return row["answer"] if isinstance(row["answer"], str) else f"(no answer: {reason})"


def _template() -> jinja2.Template:
    environment = markup.pages()
    environment.filters["number"] = number
    return environment.get_template("side_by_side.html.j2")


def display_static(name: str = "", most: int = 3) -> None:
    """What the widgets would show first, as a page: the newest study's (or `name`'s) first state
    and the `most` questions that changed most. Says it when there is nothing to show."""
    from IPython.display import HTML, display

    sortable_tables()
    first = next(_first_choice(name), None)
    if first is None:
        print(nothing_to_show(name))
        return
    study, chosen, score = first
    table = changes_table(study, chosen, score)
    print(summary(study, chosen, score))
    display(table.head(10).reset_index())
    for question_id in table.index[:most]:
        links = notebook_links(study, chosen, question_id)
        display(HTML(side_by_side(study, chosen, question_id) + links))


def _first_choice(name: str) -> Iterator[tuple[StudyAnswers, Selection, Score]]:
    names = [name] if name else study_names()
    for study in map(load, names[:1]):
        chosen = preferred(selections(study))
        scores = score_choices(study, chosen) if chosen else {}
        if scores:
            yield study, chosen, next(iter(scores.values()))


def preferred(choices: list[Selection]) -> Selection | None:
    """What is shown first: a trained state with retrieved passages, where there is one."""
    order = sorted(
        choices,
        key=lambda selection: (selection.run["train_size"] == 0, selection.context != "retrieved"),
    )
    return order[0] if order else None


def nothing_to_show(name: str) -> str:
    """Why there are no answers to look at, in a sentence."""
    if not study_names():
        return (
            f"There is no finished study in {run_folder.outputs_dir()} yet. "
            "Run one first: rag-study demo, or rag-study run smoke, which needs a minute"
        )
    return f"The study {name or study_names()[0]} has no model state beside its base to compare."
