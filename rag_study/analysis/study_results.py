"""All tables of a study, read once and handed to report, figures and command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from rag_study.analysis.states import untrusted_judges
from rag_study.common import files
from rag_study.evaluation.metrics import METRICS, Metrics


def _no_table() -> pd.DataFrame:
    return pd.DataFrame()


STEP_COLUMNS = ["rank", "rule", "sentence", "numbers", "command", "lines", "minutes"]


def no_steps() -> pd.DataFrame:
    """The table of `next_steps` without any."""
    return pd.DataFrame(columns=STEP_COLUMNS)


def read_metrics(folder: Path) -> Metrics:
    """The scores of a study as written beside its results; without that, the usual ones."""
    file = folder / "metrics.parquet"
    if not file.exists():
        return METRICS
    return Metrics.from_records(files.read_parquet(file).to_dict("records"))


@dataclass(frozen=True)
class StudyResults:
    """Everything that a report shows.

    `study` is the study file as a dict, `metrics` what is known of the scores in it. `results` and
    `retention` (rows like `results`, in the context "retention") are what was measured; the tables
    from `summary` to `context_gain` are computed from them by `analyse.analyse` (comparisons with
    `attrs["skipped"]`, decomposition, follows, slices and tag_effects with `attrs["notes"]`), and
    `docs/results.md` lists their columns. `judge_checks` has one dict per judge, on its worst data
    set, as from `validity.check`, with the data set.
    `ladder` holds the scored answers of the checks, `ladder_auc` and `ladder_facts` the tables of
    `validity` with the data set (of the AUCs those of right answers against a rung),
    `judge_agreement` the table of its module. `styles` are the scored style rungs with data set and
    judge, `style_means` their means, `audit`, `judge_errors` and `error_terms` the tables of these
    modules; `people` has the
    tables of `labelling.human_tables`. `evidence` and `passages` are the tables of
    `evidence`, `costs` has one row per model state with the columns of `state_costs`.
    `answer_sources` has what `answer_sources.of_run` gives until `analyse` makes it that module's
    table; `courses` one row per trained state (`courses.of_run`), `learning_curves` is what follows
    of them. `retrieval`:
    as `plots.retrieval_quality`. `finished` has the ids of the runs that went in, `missing` names
    those without a result: run_id, stage, state, message. `provenance`, one dict per run: run_id,
    stage, what `meter.Meter` measures and `provenance.collect` gives.
    `ceiling` is what the references themselves score (`evaluation.ceiling`) with the data set,
    `data_warnings` says what searches could not read of the data and scores cannot do with them.
    `written` says "on questions that a model wrote" where it is so (`written_questions`).
    `asked` has the test questions in the order in which they are asked: dataset, question_id,
    group, position. `looks` is what was seen at each declared look (`looks.LOOK_COLUMNS`),
    `looking` says it in words, and `looked_before` where looks were taken without being declared.
    `decisions` (`analysis.decision`) and `next_steps` are the tables of their modules. `figures`
    maps a caption to a PNG; the first one is shown under the card. `notes` are sentences shown
    beside the verdict.
    """

    study: Mapping[str, Any]
    metrics: Metrics = METRICS
    results: pd.DataFrame = field(default_factory=_no_table)
    retention: pd.DataFrame = field(default_factory=_no_table)
    summary: pd.DataFrame = field(default_factory=_no_table)
    comparisons: pd.DataFrame = field(default_factory=_no_table)
    extractable: pd.DataFrame = field(default_factory=_no_table)
    looks: pd.DataFrame = field(default_factory=_no_table)
    interactions: pd.DataFrame = field(default_factory=_no_table)
    trends: pd.DataFrame = field(default_factory=_no_table)
    heterogeneity: pd.DataFrame = field(default_factory=_no_table)
    length_adjusted: pd.DataFrame = field(default_factory=_no_table)
    flips: pd.DataFrame = field(default_factory=_no_table)
    flip_examples: pd.DataFrame = field(default_factory=_no_table)
    slices: pd.DataFrame = field(default_factory=_no_table)
    tag_counts: pd.DataFrame = field(default_factory=_no_table)
    tag_effects: pd.DataFrame = field(default_factory=_no_table)
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
    styles: pd.DataFrame = field(default_factory=_no_table)
    style_means: pd.DataFrame = field(default_factory=_no_table)
    audit: pd.DataFrame = field(default_factory=_no_table)
    judge_errors: pd.DataFrame = field(default_factory=_no_table)
    error_terms: pd.DataFrame = field(default_factory=_no_table)
    people: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    retrieval: pd.DataFrame = field(default_factory=_no_table)
    evidence: pd.DataFrame = field(default_factory=_no_table)
    passages: pd.DataFrame = field(default_factory=_no_table)
    costs: pd.DataFrame = field(default_factory=_no_table)
    answer_sources: pd.DataFrame = field(default_factory=_no_table)
    courses: pd.DataFrame = field(default_factory=_no_table)
    learning_curves: pd.DataFrame = field(default_factory=_no_table)
    finished: Sequence[str] = ()
    missing: Sequence[Mapping[str, Any]] = ()
    provenance: Sequence[Mapping[str, Any]] = ()
    ceiling: pd.DataFrame = field(default_factory=_no_table)
    data_warnings: Sequence[str] = ()
    written: str = ""
    asked: pd.DataFrame = field(default_factory=_no_table)
    looked_before: str = ""
    looking: str = ""
    decisions: pd.DataFrame = field(default_factory=_no_table)
    next_steps: pd.DataFrame = field(default_factory=no_steps)
    figures: Mapping[str, Path] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def invalid_judges(self) -> set[str]:
        """Judges whose scores carry no verdict: checked without success, or not checked at all."""
        invalid = {check["judge"] for check in self.judge_checks if not check.get("valid")}
        if "reason" in self.comparisons:
            invalid |= untrusted_judges(self.comparisons)
        return invalid
