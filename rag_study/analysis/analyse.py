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
from rag_study.analysis.claims import claims
from rag_study.analysis.heterogeneity import heterogeneity
from rag_study.analysis.length_adjustment import length_adjusted
from rag_study.analysis.objections import objections
from rag_study.analysis.pairing import RUN_COLUMNS, judged_metrics
from rag_study.analysis.study_results import StudyResults
from rag_study.analysis.trends import trends
from rag_study.common import files
from rag_study.common.wording import counted, listed
from rag_study.study.config import StudyConfig

# Fields of StudyResults that are written to the study's folder, under their own names.
TABLES = (
    "results",
    "retention",
    "summary",
    "comparisons",
    "interactions",
    "trends",
    "heterogeneity",
    "length_adjusted",
    "claims",
    "decomposition",
    "decomposition_changes",
    "follows",
    "context_gain",
    "costs",
    "ladder_auc",
    "ladder_facts",
    "judge_agreement",
    "ceiling",
)
# What stands behind single answers is Parquet alone: lists and long texts have no place in CSV.
EVIDENCE = ("evidence", "passages")


def analyse(collected: StudyResults, study: StudyConfig, n_resamples: int = 10_000) -> StudyResults:
    """What `collect.collect` found, with every table that is computed from it, and more notes."""
    valid = {check["judge"]: bool(check["valid"]) for check in collected.judge_checks}
    scored = pd.concat([collected.results, collected.retention], ignore_index=True)
    primary = study.primary
    named = [*primary.metrics, *primary.reference_metrics]
    against = objections(collected.results, collected.ceiling, named, collected.metrics)
    comparisons = effects.compare(
        scored,
        primary.contexts,
        primary.metrics,
        primary.reference_metrics,
        study.margins,
        valid,
        n_resamples,
        collected.metrics,
        against,
    )
    return replace(
        collected,
        comparisons=comparisons,
        summary=effects.summarise(scored, n_resamples, collected.metrics),
        interactions=effects.interactions(collected.results, n_resamples, collected.metrics),
        trends=trends(scored, n_resamples, collected.metrics),
        heterogeneity=heterogeneity(comparisons),
        length_adjusted=length_adjusted(collected.results, comparisons, collected.metrics),
        claims=claims(
            scored, primary.contexts, study.margins, valid, n_resamples, collected.metrics
        ),
        notes=[
            *collected.notes,
            *warnings(collected),
            *(f"{reason[0].upper()}{reason[1:]}." for reason in against.values()),
        ],
        **_decomposed(collected.results),
    )


def publish(folder: Path, analysed: StudyResults) -> None:
    """Write the TABLES of a study, its metrics and its judges' checks, each as Parquet and CSV, and
    the EVIDENCE as Parquet."""
    tables = {name: getattr(analysed, name) for name in TABLES}
    tables["metrics"] = pd.DataFrame(analysed.metrics.records())
    tables["judge_checks"] = pd.DataFrame([dict(check) for check in analysed.judge_checks])
    for name, table in tables.items():
        files.write_parquet(folder / f"{name}.parquet", table)
        files.write_csv(folder / f"{name}.csv", table)
    for name in EVIDENCE:
        files.write_parquet(folder / f"{name}.parquet", getattr(analysed, name))


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
    """What is odd about the results, in sentences: two versions of prompts, answers that a judge
    did not score."""
    sentences = _prompt_versions(collected.provenance)
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
