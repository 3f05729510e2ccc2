"""All tables of a study, computed once from what its runs wrote, and written to its folder.

Which columns they have is in `docs/results.md`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from rag_study.analysis import decomposition, effects
from rag_study.analysis.answer_sources import answer_sources, source_notes
from rag_study.analysis.audit import AUDIT_COLUMNS, audit, with_bounds
from rag_study.analysis.carriers import trusted_judges
from rag_study.analysis.claims import claims
from rag_study.analysis.courses import learning_curves
from rag_study.analysis.decision import decisions
from rag_study.analysis.extractable import extractable
from rag_study.analysis.flips import flips
from rag_study.analysis.heterogeneity import heterogeneity
from rag_study.analysis.judge_errors import ERROR_COLUMNS, TERM_COLUMNS, error_terms, judge_errors
from rag_study.analysis.length_adjustment import length_adjusted
from rag_study.analysis.looks import (
    LOOK_COLUMNS,
    ONLY_LOOK,
    Look,
    Looks,
    looks_sentence,
    with_looks,
)
from rag_study.analysis.objections import objections
from rag_study.analysis.pairing import PEOPLE, RUN_COLUMNS, judged_metrics
from rag_study.analysis.people import people_rows
from rag_study.analysis.slices import slices
from rag_study.analysis.states import context_label, state_label
from rag_study.analysis.study_results import StudyResults
from rag_study.analysis.styles_of_answers import MEAN_COLUMNS, StyledAnswers, style_means
from rag_study.analysis.tag_effects import tag_tables
from rag_study.analysis.trends import trends
from rag_study.answering.generation import nothing_said
from rag_study.common import files
from rag_study.common.wording import counted, listed
from rag_study.study import differences
from rag_study.study.answer_tags import Tags
from rag_study.study.config import StudyConfig

# Fields of StudyResults that are written to the study's folder, under their own names.
TABLES = (
    "results",
    "retention",
    "summary",
    "comparisons",
    "extractable",
    "looks",
    "interactions",
    "trends",
    "heterogeneity",
    "length_adjusted",
    "flips",
    "flip_examples",
    "slices",
    "tag_counts",
    "tag_effects",
    "claims",
    "decomposition",
    "decomposition_changes",
    "follows",
    "context_gain",
    "costs",
    "answer_sources",
    "courses",
    "learning_curves",
    "ladder_auc",
    "ladder_facts",
    "judge_agreement",
    "style_means",
    "audit",
    "judge_errors",
    "error_terms",
    "ceiling",
    "decisions",
    "next_steps",
)
# What stands behind single answers is Parquet alone: lists and long texts have no place in CSV.
EVIDENCE = ("evidence", "passages")


def analyse(
    collected: StudyResults,
    study: StudyConfig,
    n_resamples: int = 10_000,
    people: Mapping[str, pd.DataFrame] | None = None,
    tags: Tags | None = None,
) -> StudyResults:
    """What `collect.collect` found, with every table that is computed from it, and more notes.
    `people` are the tables of `labelling.human_tables` about these results,
    `tags` what they said in short (`study.answer_tags`)."""
    valid = {check["judge"]: bool(check["valid"]) for check in collected.judge_checks}
    people = people or {}
    audited = _audited(collected, study, people)
    scored = pd.concat([collected.results, collected.retention], ignore_index=True)
    primary = study.primary
    named = [*primary.metrics, *primary.reference_metrics]
    against = objections(collected.results, collected.ceiling, named, collected.metrics)

    def compare(rows: pd.DataFrame, audit_table: pd.DataFrame, look: Look) -> pd.DataFrame:
        return effects.compare(
            rows,
            primary.contexts,
            primary.metrics,
            primary.reference_metrics,
            valid,
            n_resamples,
            collected.metrics,
            against,
            audit_table,
            people_rows(people.get("human_estimates", pd.DataFrame()), collected.metrics),
            look,
        )

    def at_look(rows: pd.DataFrame, look: Look) -> pd.DataFrame:
        audited_then = _audited(replace(collected, results=rows), study, people)
        return compare(rows, audited_then["audit"], look)

    comparisons = compare(scored, audited["audit"], ONLY_LOOK)
    seen = pd.DataFrame(columns=LOOK_COLUMNS)
    looking = collected.looked_before
    if study.looks and not collected.results.empty:
        looks = Looks(study.looks, collected.asked, primary.contexts)
        looked, seen = looks.replay(collected.results, at_look)
        comparisons = with_looks(comparisons, looked)
        looking = " ".join(filter(None, [looks_sentence(seen, study.looks), looking]))
    comparisons = with_bounds(comparisons, audited["audit"])
    summary = effects.summarise(scored, n_resamples, collected.metrics)
    flipped, examples = flips(collected.results, collected.metrics, n_resamples)
    sliced = slices(
        collected.results,
        _measured_by(comparisons, primary.reference_metrics),
        {dataset.display_name: dataset.slice_columns for dataset in study.datasets},
        collected.metrics,
    )
    tag_counts, tag_effects = tag_tables(collected.results, tags or Tags())
    analysed = replace(
        collected,
        comparisons=comparisons,
        looks=seen,
        looking=looking,
        people=people,
        **audited,
        summary=summary,
        learning_curves=learning_curves(collected.courses, summary),
        extractable=extractable(collected.results, study, n_resamples, collected.metrics),
        interactions=effects.interactions(collected.results, n_resamples, collected.metrics),
        trends=trends(scored, n_resamples, collected.metrics),
        answer_sources=answer_sources(collected.answer_sources, comparisons),
        heterogeneity=heterogeneity(comparisons),
        length_adjusted=length_adjusted(collected.results, comparisons, collected.metrics),
        flips=flipped,
        flip_examples=examples,
        slices=sliced,
        tag_counts=tag_counts,
        tag_effects=tag_effects,
        claims=claims(
            scored,
            primary.contexts,
            trusted_judges(comparisons, valid),
            n_resamples,
            collected.metrics,
        ),
        notes=[
            *collected.notes,
            *warnings(collected),
            *source_notes(collected.answer_sources),
            *(f"{reason[0].upper()}{reason[1:]}." for reason in against.values()),
            *filter(None, [looking]),
            *sliced.attrs["notes"],
            *tag_effects.attrs["notes"],
        ],
        **_decomposed(collected.results),
    )
    return replace(analysed, decisions=decisions(analysed))


def _measured_by(
    comparisons: pd.DataFrame, reference_metrics: Sequence[str]
) -> list[tuple[str, str]]:
    """The (metric, judge) that effects by kind of question are measured by: those that carry the
    verdicts, or the reference metrics where scores carry none."""
    carrying = comparisons[comparisons["primary"] & (comparisons["judge"] != PEOPLE)]
    pairs = carrying[["metric", "judge"]].drop_duplicates().itertuples(index=False, name=None)
    return list(pairs) or [(metric, "") for metric in reference_metrics]


def publish(folder: Path, analysed: StudyResults) -> None:
    """Write the TABLES of a study, its metrics and its judges' checks, each as Parquet and CSV, and
    the EVIDENCE as Parquet. Where a model wrote the questions, `attrs["questions"]` of each says so
    (also in the Parquet file)."""
    tables = {name: getattr(analysed, name) for name in TABLES}
    tables["metrics"] = pd.DataFrame(analysed.metrics.records())
    tables["judge_checks"] = pd.DataFrame([dict(check) for check in analysed.judge_checks])
    for name, table in tables.items():
        if analysed.written:
            table.attrs["questions"] = analysed.written
        files.write_parquet(folder / f"{name}.parquet", table)
        files.write_csv(folder / f"{name}.csv", table)
    for name in EVIDENCE:
        files.write_parquet(folder / f"{name}.parquet", getattr(analysed, name))


def _audited(
    collected: StudyResults, study: StudyConfig, people: Mapping[str, pd.DataFrame]
) -> dict[str, pd.DataFrame]:
    """Whether scores treat the states' answers alike, by answers of known merit and by people."""
    results, labels = collected.results, people.get("human_labels", pd.DataFrame())
    if results.empty:
        nothing = pd.DataFrame(columns=ERROR_COLUMNS), pd.DataFrame(columns=TERM_COLUMNS)
        audited = pd.DataFrame(columns=AUDIT_COLUMNS)
        means = pd.DataFrame(columns=MEAN_COLUMNS)
        return {
            "audit": audited,
            "style_means": means,
            "judge_errors": nothing[0],
            "error_terms": nothing[1],
        }
    styled = StyledAnswers(results, collected.styles, collected.evidence, collected.passages)
    known = collected.metrics
    errors = judge_errors(labels, results, known)
    return {
        "audit": audit(results, styled, known, errors),
        "style_means": style_means(collected.styles, known),
        "judge_errors": errors,
        "error_terms": error_terms(labels, results, styled, known),
    }


def _decomposed(results: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Where answers go wrong, and what follows context or memory; with notes in `attrs`."""
    if results.empty:
        return {}
    lost, followed = decomposition.decompose(results), decomposition.follow(results)
    tables = {
        "decomposition": decomposition.shares(lost),
        "decomposition_changes": decomposition.changes(lost),
        "follows": decomposition.shares(followed),
        "context_gain": decomposition.context_gain(results),
    }
    tables["decomposition"].attrs["notes"] = lost.attrs["notes"]
    tables["follows"].attrs["notes"] = followed.attrs["notes"]
    return tables


def warnings(collected: StudyResults) -> list[str]:
    """What is odd about the results, in sentences: runs made by other code, two versions of
    prompts, models that answer nothing, answers that a judge did not score."""
    other_code = [
        run["run_id"]
        for run in collected.provenance
        if "package_hash" in run and differences.is_of_other_code(run["package_hash"])
    ]
    sentences = [
        *differences.of_other_code(other_code),
        *_prompt_versions(collected.provenance),
        *_empty_answers(collected.results),
    ]
    results = collected.results
    if results.empty:
        return sentences
    answer = [*RUN_COLUMNS, "context", "question_id"]
    answers = len(results.drop_duplicates(answer))
    judged = list(judged_metrics(results, collected.metrics))
    for judge, rows in results[results["judge"].fillna("") != ""].groupby("judge", sort=True):
        scored = int(rows[judged].notna().any(axis=1).sum())
        if scored < answers:
            sentences.append(
                f"Judge {judge} scored {scored:,} of {counted(answers, 'answer')}: its means and "
                "differences are about these alone, and may not hold for the others."
            )
    return sentences


def _empty_answers(results: pd.DataFrame) -> list[str]:
    """A sentence for each model state that gave no text for any question, though asked."""
    if results.empty:
        return []
    given = results.dropna(subset="answer").drop_duplicates(
        [*RUN_COLUMNS, "context", "question_id"]
    )
    said = given["answer"].astype(str).str.strip() != ""
    sentences = []
    for _, rows in given.groupby([*RUN_COLUMNS, "context"], sort=True, dropna=False):
        if not said[rows.index].any():
            row = rows.iloc[0]
            sentences.append(
                f"{row['model']} on {row['dataset']}, {state_label(row)}, "
                f"{context_label(row['context'])}: {nothing_said(len(rows))}"
            )
    return sentences


def _prompt_versions(provenance: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each kind of run that was made with several versions of the prompts."""
    versions: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for run in provenance:
        identity = run.get("identity") or {}
        if identity.get("prompts"):
            judge = identity.get("parameters", {}).get("judge", {}).get("model", "")
            kind = f"{run['stage']} by {judge}" if judge else run["stage"]
            versions[kind][identity["prompts"]].append(run["run_id"])
    return [
        f"The runs of {kind} were made with {len(by_prompts)} versions of the prompts (such as "
        f"{listed(sorted(min(runs) for runs in by_prompts.values()))}): differences between them "
        "may come from the prompts. Run the study again to make all of them alike."
        for kind, by_prompts in sorted(versions.items())
        if len(by_prompts) > 1
    ]
