"""Gathers what the runs of a study wrote into the tables that the comparison works on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from rag_study import files, qa_datasets, store
from rag_study.config import StudyConfig
from rag_study.grid import StageRun, all_upstream
from rag_study.headline import StudyResults
from rag_study.metrics import JUDGED, REFERENCE
from rag_study.pairing import BASE_COLUMNS, RUN_COLUMNS

_SCALARS = (str, int, float)


def collect(comparison: StageRun, config: StudyConfig) -> StudyResults:
    """Read every finished run that the comparison needs; the others are listed as missing.

    What the comparison itself computes (summary, comparisons, interactions, figures) is empty.
    """

    def label(run: StageRun) -> str:
        given = run.needs("prepare_data").parameters
        return next(
            d.display_name
            for d in config.datasets
            if all(d.parameters[key] == value for key, value in given.items())
        )

    answered, systems, ladders, aucs, checks, searches = [], [], [], [], [], {}
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
        elif run.parameters["system"]:
            systems.append(_answers(run, label(run)))
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
    return StudyResults(
        study=config.model_dump(mode="json"),
        results=_concat([*answered, *_beside_each_base(systems, _concat(answered))]),
        judge_checks=_worst_by_judge(checks),
        ladder=_concat(ladders),
        ladder_auc=_concat(aucs),
        retrieval=_concat(retrieval),
        missing=missing,
        provenance=_provenance(comparison),
        finished=finished,
        notes=_notes(config),
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
                "reference": q.reference,
                **{f"extra_{k}": str(v) for k, v in q.extra.items() if isinstance(v, _SCALARS)},
            }
            for q in qa_datasets.load_pools(data)["test"]
        ]
    )
    scores = pd.read_parquet(folder / "scores.parquet")
    asked = scores["context"].isin(run.parameters["contexts"])
    scores = scores[asked & (scores["position"] < run.parameters["test_size"])]
    settings = {name: run.parameters[name] for name in RUN_COLUMNS if name != "dataset"}
    if run.parameters["system"]:
        settings |= {"method": run.parameters["system"], "train_format": ""}
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


def _beside_each_base(systems: list[pd.DataFrame], answered: pd.DataFrame) -> list[pd.DataFrame]:
    """The rows of other systems once for every base of their data set, to be compared with it."""
    if answered.empty:
        return systems
    bases = answered.loc[answered["method"] == "none", BASE_COLUMNS].drop_duplicates()
    return [
        table.drop(columns=BASE_COLUMNS[1:]).merge(bases, on="dataset")[table.columns]
        for table in systems
    ]


def _worst_by_judge(checks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A judge is valid for a study when it is valid on every data set of it."""
    worst: dict[str, dict[str, Any]] = {}
    for check in sorted(checks, key=lambda c: (c["valid"], c["auc_low"] or 0.0)):
        worst.setdefault(check["judge"], check)
    return [worst[judge] for judge in sorted(worst)]


def _provenance(comparison: StageRun) -> list[dict[str, Any]]:
    entries = {}
    for run in all_upstream(comparison):
        file = store.RunFolder(run.run_id).path / "provenance.json"
        if file.exists():
            entries[run.run_id] = json.loads(file.read_text())
    return list(entries.values())


def _concat(tables: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def publish(folder: Path, results: pd.DataFrame, comparisons: pd.DataFrame) -> None:
    """Write the study's two tables, each as Parquet and CSV."""
    for name, table in (("results", results), ("comparisons", comparisons)):
        files.write_parquet(folder / f"{name}.parquet", table)
        files.write_csv(folder / f"{name}.csv", table)


def _notes(config: StudyConfig) -> list[str]:
    """What a reader must know about the data and models of this study."""
    said = list(config.notes)
    if any(dataset.name == "fictional" for dataset in config.datasets):
        said.append(
            "The data set “fictional” is invented, text and facts alike: it shows how the study "
            "works and is no evidence about real questions."
        )
    if "random-llama" in config.models:
        said.append("The model “random-llama” has random weights: its answers are noise.")
    return said
