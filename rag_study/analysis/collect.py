"""Gathers what the runs of a study wrote into the tables that the comparison works on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from rag_study import data
from rag_study.analysis import (
    answer_sources,
    courses,
    judge_agreement,
    known_before,
    state_costs,
    written_questions,
)
from rag_study.analysis.evidence import KEY_COLUMNS, Evidence
from rag_study.analysis.pairing import BASE_COLUMNS, DEFAULT, RUN_COLUMNS
from rag_study.analysis.run_names import (
    columns_of,
    index_of,
    judge_of,
    label_of,
    refuse_same_names,
    searches_of,
    variants_of,
)
from rag_study.analysis.states import state_label
from rag_study.analysis.study_results import StudyResults
from rag_study.analysis.undeclared_looks import undeclared_looks
from rag_study.common import files, run_folder
from rag_study.data.schema import Question
from rag_study.evaluation.ceiling import ceiling, ceiling_sentences
from rag_study.evaluation.judging import validity
from rag_study.evaluation.judging.fitness import fit_sentences
from rag_study.evaluation.judging.requirements import NOT_SHOWN_VALID
from rag_study.evaluation.languages import language_limits
from rag_study.evaluation.metrics import REFERENCE
from rag_study.models import names
from rag_study.study import readers, stages
from rag_study.study.config import StudyConfig
from rag_study.study.merge import MergedStudy
from rag_study.study.stages import StageRun, all_upstream
from rag_study.training import train_on

_EVIDENCE = ("gold_in_context", "answer_in_context", "other_answer", "reference_log_likelihood")


def collect(comparison: StageRun, config: StudyConfig) -> StudyResults:
    """Read every finished run that the comparison needs; the others are listed as missing.

    What is computed from it (`analysis.analyse`, `figures.draw`) is empty. Raises StudyError where
    two runs would have one name (studies that are reported together, say).
    """
    refuse_same_names(comparison.upstream, config)
    variants = variants_of(comparison.upstream, config)
    answered, systems, outside, learned, searches = [], [], [], [], {}
    ladders, aucs, facts, checks, styles = [], [], [], [], []
    retention: dict[tuple, Path] = {}
    questions: dict[str, pd.DataFrame] = {}
    of_data: dict[str, list[Question]] = {}  # the test questions by data set
    finished, missing, spent, seen = [], [], [], Evidence(config.judged_metrics)
    paths: list[pd.DataFrame] = []
    for run in comparison.upstream:
        folder = run_folder.RunFolder(run.run_id)
        if not stages.is_done(run):
            status = folder.status()
            # A finished run of fewer questions or contexts is not what this study asks for.
            state = "incomplete" if status.state == "done" else status.state
            entry = {"run_id": run.run_id, "stage": run.stage.name, "state": state}
            missing.append({**entry, "message": status.message})
            continue
        finished.append(run.run_id)
        if run.stage.name == "validate_judge":
            labels = {"judge": judge_of(run, config), "dataset": label_of(run, config)}
            ladders.append(files.read_parquet(folder.path / "ladder.parquet").assign(**labels))
            styles.append(files.read_parquet(folder.path / "styles.parquet").assign(**labels))
            for name, tables in (("auc", aucs), ("facts", facts)):
                table = files.read_parquet(folder.path / f"{name}.parquet")
                # The run knows its judge by the model's name, which several judges may share.
                table["scorer"] = table["scorer"].where(table["criterion"] == "", labels["judge"])
                tables.append(table.assign(dataset=labels["dataset"]))
            metrics = (folder.path / "metrics.json").read_text(encoding="utf-8")
            checks.append(json.loads(metrics)["check"] | labels)
        elif run.stage.name == "probe_knowledge":
            continue  # all of them together, see below
        elif run.stage.name == "measure_retention":
            retention[_state(run, run)] = folder.path / "retention.parquet"
        else:
            prepared, label = run.needs("prepare_data"), label_of(run, config)
            if prepared.run_id not in questions:
                questions[prepared.run_id] = questions_of(prepared)
                of_data[label] = _test_questions(prepared)
            judged = (run, config, questions[prepared.run_id], seen, label)
            if run.point.system is not None:
                systems.append(judged_answers(*judged, "", ""))
                continue
            if readers.stands_alone(run.point.model, run.point.training):
                search = searches_of(run, config)
                systems.append(judged_answers(*judged, variants[run.run_id], search))
                continue
            table = judged_answers(*judged, variants[run.run_id], searches_of(run, config))
            answered.append((table, run))
            state = table[RUN_COLUMNS].iloc[:1]
            spent.append(state.assign(**state_costs.of_run(run)))
            if run.point.training is not None:
                learned.append(state.assign(**answer_sources.of_run(run)))
            if course := courses.of_run(run):
                paths.append(state.assign(**course))
            index = run.needs("generate_answers").needs("index_corpus")
            searches[index.run_id] = (index, label)
    for table, run in answered:
        file = retention.get(_state(run, run.needs("generate_answers")))
        if file is not None and run.point.answering.prompting == DEFAULT:
            outside.append(_outside(files.read_parquet(file), table))
    retrieval = [
        files.read_parquet(
            run_folder.RunFolder(index.run_id).path / "retrieval_by_k.parquet"
        ).assign(dataset=name, **index_of(index, config))
        for index, name in searches.values()
    ]
    warnings = {}  # the same ones of several searches once
    for index, name in searches.values():
        record = files.read_json(run_folder.RunFolder(index.run_id).path / "metrics.json")
        warnings |= {f"{name}: {text}": None for text in record.get("warnings", ())}
    auc = _concat(aucs)
    tables = [table for table, _ in answered]
    everything = _concat([*tables, *_beside_each_base(systems, _concat(tables))])
    if len(everything) and isinstance(config, MergedStudy):
        everything = everything.drop_duplicates(KEY_COLUMNS, ignore_index=True)  # shared runs
    known = known_before.frame(comparison, config)
    if len(everything):
        everything = everything.merge(known, "left", ["dataset", "model", "question_id"])
    results = everything.drop(columns=seen.columns, errors="ignore")
    along = _by_state(paths, [*RUN_COLUMNS, *courses.COLUMNS])
    return StudyResults(
        study=config.model_dump(mode="json"),
        metrics=config.metrics,
        results=results,
        evidence=everything.reindex(columns=[*KEY_COLUMNS, *seen.columns]),
        passages=seen.passages(),
        costs=_by_state(spent, []),
        answer_sources=_by_state(learned, []),
        courses=along,
        retention=_concat(outside).drop_duplicates() if outside else pd.DataFrame(),
        judge_checks=_worst_by_judge(checks),
        ladder=_concat(ladders),
        ladder_auc=auc if auc.empty else validity.against_right_or_wrong(auc),
        ladder_facts=_concat(facts),
        styles=_concat(styles),
        judge_agreement=judge_agreement.between_judges(results, config.metrics),
        retrieval=_concat(retrieval),
        ceiling=_concat([ceiling(asked).assign(dataset=name) for name, asked in of_data.items()]),
        asked=_asked(of_data),
        looked_before=undeclared_looks(comparison, config),
        data_warnings=[*warnings, *_data_warnings(of_data, config), *_trained_on_fewer(along)],
        missing=missing,
        provenance=_provenance(comparison),
        finished=finished,
        notes=[*_notes(config), *written_questions.notes(of_data)],
        written=written_questions.phrase(of_data),
    )


def _state(run: StageRun, answering: StageRun) -> tuple:
    """What a model state is: the model, its training, and how far and how much it is applied."""
    trained, training = answering.needs("fine_tune"), run.point.training
    of = (trained.run_id, training.strength, training.checkpoint) if trained else None
    return run.point.model, of


def _outside(measured: pd.DataFrame, answered: pd.DataFrame) -> pd.DataFrame:
    """Retention in the form of the results: one row per item, which is a group of its own."""
    wide = measured.pivot(index="item_id", columns="metric", values="value").reset_index()
    wide = wide.rename(columns={"item_id": "question_id"}).rename_axis(columns=None)
    state = answered.iloc[0][RUN_COLUMNS].to_dict()
    return wide.assign(**state, group=wide["question_id"], context="retention", judge="")


def questions_of(prepared: StageRun) -> pd.DataFrame:
    """What is known of every question that can have been asked: those of test and training."""
    pools = data.load_pools(run_folder.RunFolder(prepared.run_id).path)
    return pd.DataFrame(
        [
            {
                "question_id": q.id,
                "group": q.group,
                "answer_type": q.answer_type,
                "question": q.question,
                "reference": q.reference,
                "gold_documents": len(q.gold_doc_ids) or float("nan"),
                **{f"extra_{k}": str(v) for k, v in q.single_values.items()},
            }
            for q in [*pools["test"], *pools["train"]]
        ]
    )


def _test_questions(prepared: StageRun) -> list[Question]:
    return data.load_pools(run_folder.RunFolder(prepared.run_id).path)["test"]


def _asked(of_data: Mapping[str, list[Question]]) -> pd.DataFrame:
    """The test questions in the order in which they are asked."""
    columns = ["dataset", "question_id", "group", "position"]
    rows = [
        (label, q.id, q.group or "", position)
        for label, questions in of_data.items()
        for position, q in enumerate(questions)
    ]
    return pd.DataFrame(rows, columns=columns)


def _data_warnings(of_data: Mapping[str, list[Question]], config: StudyConfig) -> list[str]:
    """What the metrics that may carry a verdict cannot do with the data, in sentences."""
    return [
        f"{name}: {sentence}"
        for name, asked in of_data.items()
        for sentence in [
            *language_limits(asked),
            *fit_sentences([judge.model for judge in config.judges], asked),
            *ceiling_sentences(ceiling(asked), config.primary.reference_metrics, config.metrics),
        ]
    ]


def _trained_on_fewer(courses: pd.DataFrame) -> list[str]:
    """A sentence for each training that had fewer questions than its size, for want of more that
    the model knew, or did not."""
    if courses.empty:
        return []
    fewer = courses[courses["questions"] < courses["train_size"]].drop_duplicates("training")
    return [
        f"{row['dataset']}: {row['model']}, {state_label(row)}, seed {row['seed']}: "
        + train_on.sentence(row["train_on"], row["questions"], row["train_size"])
        for row in fewer.to_dict("records")
    ]


def judged_answers(
    run: StageRun,
    config: StudyConfig,
    questions: pd.DataFrame,
    seen: Evidence,
    dataset: str,
    variant: str,
    search: str,
) -> pd.DataFrame:
    """Rows of one judged run: what was asked, answered and scored, with the run's settings."""
    folder = run_folder.RunFolder(run.run_id).path
    scores = files.read_parquet(folder / "scores.parquet")
    scores = scores[scores["position"] < scores["context"].map(run.extent).fillna(0)]
    scores = seen.add(run, scores)
    settings = columns_of(run) | {"retriever": search}
    table = scores.merge(questions, on="question_id", validate="many_to_one").assign(
        dataset=dataset, variant=variant, judge=judge_of(run, config), **settings
    )
    columns = [
        *RUN_COLUMNS,
        "context",
        "question_id",
        *questions.columns[1:],
        "answer",
        "missing_reason",
        "truncated",
        *_EVIDENCE,
        *REFERENCE,
        "judge",
        *config.judged_metrics,
        *(f"{name}_missing" for name in config.judged_metrics),
        "judge_by_rule",
        "judge_cut",
        *seen.columns,
    ]
    # Sorted, so that the table is the same bytes in whatever order the runs were finished.
    return table.sort_values(["context", "position"]).reindex(columns=columns)


def _beside_each_base(systems: list[pd.DataFrame], answered: pd.DataFrame) -> list[pd.DataFrame]:
    """The rows of other systems, and of models without an untrained state, once for every base of
    their data set (and their search, where they have one), to be compared with it."""
    if answered.empty:
        return systems
    bases = answered.loc[answered["method"] == "none", BASE_COLUMNS].drop_duplicates()
    beside = []
    for table in systems:
        searched = [c for c in BASE_COLUMNS[2:] if table[c].astype(bool).all()]
        shared = ["dataset", *searched]
        taken = [column for column in BASE_COLUMNS if column not in shared]
        beside.append(table.drop(columns=taken).merge(bases, on=shared)[table.columns])
    return beside


def _worst_by_judge(checks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A judge is valid for a study when it is valid on every data set of it."""
    worst: dict[str, dict[str, Any]] = {}

    def merit(check: dict[str, Any]) -> tuple[bool, bool, float]:
        not_shown = check.get("status") == NOT_SHOWN_VALID  # is no finding about the judge
        return check["valid"], not_shown, check["auc_low"] or 0.0

    for check in sorted(checks, key=merit):
        worst.setdefault(check["judge"], check)
    return [worst[judge] for judge in sorted(worst)]


def _provenance(comparison: StageRun) -> list[dict[str, Any]]:
    entries = {}
    for run in all_upstream(comparison):
        file = run_folder.RunFolder(run.run_id).path / "provenance.json"
        if file.exists():
            entries[run.run_id] = json.loads(file.read_text(encoding="utf-8"))
    return list(entries.values())


def _by_state(rows: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """One row per model state, whatever number of judges had it; `columns` where there is none."""
    if not rows:
        return pd.DataFrame(columns=columns)
    return _concat(rows).drop_duplicates(RUN_COLUMNS, ignore_index=True)


def _concat(tables: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _notes(config: StudyConfig) -> list[str]:
    """What a reader must know about the data and models of this study."""
    sentences = list(config.notes)
    if any(dataset.name == "fictional" for dataset in config.datasets):
        sentences.append(
            "The data set “fictional” is invented, text and facts alike: it shows how the study "
            "works and is no evidence about real questions."
        )
    sentences += [
        f"The model “{name}” has random weights: its answers are noise."
        for name in config.models
        if (known := names.preset(name)) and known.source == "random"
    ]
    sentences += readers.notes(config.models, config.trainings)
    for served in filter(names.is_endpoint, config.models):
        sentences.append(
            f"The model “{served.rpartition('#')[2]}” is behind a server, which gives neither "
            "weights nor likelihoods: it is not trained, and has no context gain and no retention."
        )
    return sentences
