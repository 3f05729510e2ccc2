"""Gathers what the runs of a study wrote into the tables that the comparison works on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rag_study import metrics, plots, qa_datasets, store
from rag_study.config import StudyConfig
from rag_study.effects import RUN_COLUMNS
from rag_study.grid import StageRun
from rag_study.metrics import JUDGED, METRICS, REFERENCE


@dataclass(frozen=True)
class Collected:
    """The finished part of a study, and what is missing.

    `results` has one row per run, context, question and judge. `judge_checks` has one entry per
    judge (its worst data set); `finished` are the ids of the runs that went in.
    """

    results: pd.DataFrame
    judge_checks: list[dict[str, Any]]
    ladder: pd.DataFrame
    ladder_auc: pd.DataFrame
    retrieval: pd.DataFrame
    missing: list[dict[str, Any]]
    provenance: list[dict[str, Any]]
    finished: list[str]


def collect(comparison: StageRun, config: StudyConfig) -> Collected:
    """Read every finished run that the comparison needs; the others are listed as missing."""
    labels = {(d.name, d.path or ""): d.display_name for d in config.datasets}

    def label(run: StageRun) -> str:
        return labels[run.parameters["dataset"], run.parameters["dataset_path"]]

    answered, ladders, aucs, checks, searches = [], [], [], [], {}
    finished, missing = [], []
    for run in comparison.upstream:
        folder = store.RunFolder(run.run_id)
        if not store.is_done(run):
            status = folder.status()
            # A finished run of fewer questions or contexts is not what this study asks for.
            state = "incomplete" if status.state == "done" else status.state
            entry = {"run_id": run.run_id, "stage": run.stage.name, "state": state}
            missing.append({**entry, "message": status.message})
            continue
        finished.append(run.run_id)
        if run.stage.name == "validate_judge":
            judge = run.parameters["judge"]
            own = {"judge": judge, "dataset": label(run)}
            ladders.append(pd.read_parquet(folder.path / "ladder.parquet").assign(**own))
            aucs.append(pd.read_parquet(folder.path / "auc.parquet").assign(dataset=label(run)))
            checks.append(json.loads((folder.path / "metrics.json").read_text())["check"] | own)
        else:
            answered.append(_answers(run, label(run)))
            index = run.needs("generate_answers").needs("index_corpus")
            searches[index.run_id] = (index, label(run))
    retrieval = [
        pd.read_parquet(store.RunFolder(index.run_id).path / "retrieval_by_k.parquet").assign(
            dataset=name
        )
        for index, name in searches.values()
    ]
    return Collected(
        results=_concat(answered),
        judge_checks=_worst_by_judge(checks),
        ladder=_concat(ladders),
        ladder_auc=_concat(aucs),
        retrieval=_concat(retrieval),
        missing=missing,
        provenance=_provenance(comparison),
        finished=finished,
    )


def reference_scores(answers: pd.DataFrame, questions: list[qa_datasets.Question]) -> pd.DataFrame:
    """The answers table with the reference metrics as further columns."""
    by_id = {question.id: question for question in questions}
    scores = [
        metrics.score(row.answer, by_id[row.question_id]) for row in answers.itertuples(index=False)
    ]
    return pd.concat(
        [answers.reset_index(drop=True), pd.DataFrame(scores, dtype=float)], axis="columns"
    )


def _answers(run: StageRun, dataset: str) -> pd.DataFrame:
    """Rows of one judged run: what was asked, answered and scored, with the run's settings."""
    folder = store.RunFolder(run.run_id).path
    data = store.RunFolder(run.needs("prepare_data").run_id).path
    questions = pd.DataFrame(
        [
            {
                "question_id": q.id,
                "group": q.group,
                "answer_type": q.answer_type,
                "question": q.question,
                "reference": q.answers[0],
            }
            for q in qa_datasets.load_pools(data)["test"]
        ]
    )
    scores = pd.read_parquet(folder / "scores.parquet")
    asked = scores["context"].isin(run.parameters["contexts"])
    scores = scores[asked & (scores["position"] < run.parameters["test_size"])]
    settings = {name: run.parameters[name] for name in RUN_COLUMNS if name != "dataset"}
    table = scores.merge(questions, on="question_id", validate="many_to_one").assign(
        dataset=dataset, judge=run.parameters["judge"], **settings
    )
    columns = [
        *RUN_COLUMNS,
        "context",
        "question_id",
        *questions.columns[1:],
        "answer",
        "truncated",
        "gold_in_context",
        *REFERENCE,
        "judge",
        *JUDGED,
    ]
    # Sorted, so that the table is the same bytes in whatever order the runs were finished.
    return table.sort_values(["context", "position"])[columns]


def _worst_by_judge(checks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A judge is valid for a study when it is valid on every data set of it."""
    worst: dict[str, dict[str, Any]] = {}
    for check in sorted(checks, key=lambda c: (c["valid"], c["auc_low"] or 0.0)):
        worst.setdefault(check["judge"], check)
    return [worst[judge] for judge in sorted(worst)]


def _provenance(comparison: StageRun) -> list[dict[str, Any]]:
    entries = {}
    for run in _with_upstream(comparison):
        file = store.RunFolder(run.run_id).path / "provenance.json"
        if run is not comparison and file.exists():
            entries[run.run_id] = json.loads(file.read_text())
    return list(entries.values())


def _with_upstream(run: StageRun) -> Iterator[StageRun]:
    for needed in run.upstream:
        yield from _with_upstream(needed)
    yield run


def _concat(tables: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def publish(folder: Path, results: pd.DataFrame, comparisons: pd.DataFrame) -> None:
    """Write the study's two tables, each as Parquet and CSV."""
    for name, table in (("results", results), ("comparisons", comparisons)):
        store.write_parquet(folder / f"{name}.parquet", table)
        store.write_csv(folder / f"{name}.csv", table)


def draw(
    study: StudyConfig,
    summary: pd.DataFrame,
    comparisons: pd.DataFrame,
    collected: Collected,
    folder: Path,
) -> dict[str, Path]:
    """Draw and save all figures of a study; returns caption -> PNG, the headline figure first.

    As in the paper, accuracy and completeness against train size with one panel per model; here
    by the judge and by their counterparts among the reference metrics, answer recall and
    key-point recall. What carries the verdict comes first.
    """
    context = study.primary.contexts[0]
    judges = {check["judge"]: check["valid"] for check in collected.judge_checks}
    invalid = sorted(judge for judge, valid in judges.items() if not valid)
    carrying = [m for m in REFERENCE if m in study.primary.reference_metrics]
    shown = list(dict.fromkeys([*carrying, "answer_recall", "key_point_recall", *JUDGED]))
    if any(judges.values()):
        shown.sort(key=lambda metric: not METRICS[metric].judged)
    figures = {}
    for metric in shown:
        note = ""
        if METRICS[metric].judged and invalid:
            note = f"judge not valid, carries no verdict: {', '.join(invalid)}"
        label = METRICS[metric].label
        margin = study.margins.get(metric, METRICS[metric].margin)
        curves = plots.train_size_curves(summary, metric, context, margin, note)
        figures[f"{label} against train size"] = plots.save(curves, folder, f"train_size_{metric}")
        lines = plots.context_interaction(summary, metric, note)
        figures[f"{label} by context"] = plots.save(lines, folder, f"context_{metric}")
    figures["Differences, tuned − base"] = plots.save(
        plots.effects_forest(comparisons, invalid), folder, "effects"
    )
    figures["Retrieval"] = plots.save(
        plots.retrieval_quality(collected.retrieval), folder, "retrieval"
    )
    figures["The judge's check"] = plots.save(
        plots.judge_ladder(collected.ladder, collected.ladder_auc, invalid), folder, "judge_ladder"
    )
    return figures


def notes(study: StudyConfig) -> list[str]:
    """What a reader must know about the data and models of this study."""
    said = []
    if any(dataset.name == "fictional" for dataset in study.datasets):
        said.append(
            "The data set “fictional” is invented, text and facts alike: it shows how the study "
            "works and is no evidence about real questions."
        )
    if "random-llama" in study.models:
        said.append("The model “random-llama” has random weights: its answers are noise.")
    return said
