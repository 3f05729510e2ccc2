"""All that is known of a study beforehand, in tables and findings: what `rag-study check` shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rag_study.analysis.feasibility import asked as asking
from rag_study.analysis.feasibility import (
    carriers,
    contexts,
    data_facts,
    differences,
    gate,
    groups,
    judges,
    looks,
    machine,
)
from rag_study.analysis.feasibility.asked import Asked
from rag_study.analysis.feasibility.findings import LEVELS, NO_VERDICT, NOTE, PROBLEM, Finding
from rag_study.common.wording import counted
from rag_study.evaluation import ceiling
from rag_study.evaluation.judging.fitness import fit_sentences
from rag_study.models import names
from rag_study.study import readers, stages
from rag_study.study.config import StudyConfig
from rag_study.study.data_warnings import data_warnings
from rag_study.study.plan import answer_notes
from rag_study.study.sections import JudgeConfig
from rag_study.study.stages import StageRun

_UNASKED = {NO_VERDICT: NOTE}  # where no verdict is asked for, none is missed


@dataclass
class Feasibility:
    """What a study could show. Tables are rows of JSON values; `verdict` is whether any of its
    comparisons could carry one: None where that is not known before data is read, or where nothing
    is trained, so that none is asked for. `labels` are the metrics' names for people."""

    study: str
    verdict: bool | None = None
    data: list[dict[str, Any]] = field(default_factory=list)
    references: list[dict[str, Any]] = field(default_factory=list)
    search: list[dict[str, Any]] = field(default_factory=list)
    contexts: list[dict[str, Any]] = field(default_factory=list)
    judges: list[dict[str, Any]] = field(default_factory=list)
    differences: list[dict[str, Any]] = field(default_factory=list)
    models: list[dict[str, Any]] = field(default_factory=list)
    time: dict[str, Any] = field(default_factory=dict)
    disk: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return vars(self) | {"findings": [finding.record() for finding in self.findings]}


def check(runs: Sequence[StageRun], study: StudyConfig) -> Feasibility:
    """Everything that can be known of a study without running it; `runs` are its stage runs.

    Raises StudyError for data that cannot be read.
    """
    labels = {name: study.metrics.label(name) for name in study.metrics}
    made = Feasibility(study.name, labels=labels)
    size = differences.family_size(runs, study)
    against = []
    for asked in asking.of_study(runs, study):
        made.data.append(data_facts.record(asked))
        if asked.pools is None:
            made.findings.append(Finding(NOTE, "questions", gate.sentence(asked)))
            continue
        against.append(_of_data(made, asked, study, size))
    known = {row["judge"] for row in made.judges}  # these ladders have said it themselves
    made.findings += _too_small([j for j in study.judges if j.display_name not in known])
    made.findings += [Finding(NOTE, "data", text) for text in data_warnings(runs)]
    made.findings += [Finding(NOTE, "systems", text) for text in answer_notes(runs)]
    of_models = readers.notes(study.models, study.trainings)
    made.findings += [Finding(NOTE, "models", text) for text in of_models]
    left = [run for run in runs if not stages.is_done(run)]
    made.models, of_memory = machine.memory(runs)
    made.time, of_time = machine.time(runs)
    made.disk, of_disk = machine.disk(left)
    made.findings += [*machine.programs(runs), *of_memory, *of_time, *of_disk]
    if not gate.asks_for_verdict(runs):
        made.findings = [
            replace(one, level=_UNASKED.get(one.level, one.level)) for one in made.findings
        ]
        nothing = "Nothing is trained, so that no comparison carries a verdict."
        remedy = "`fine_tuning` names what is to be trained."
        if study.trainings and all(map(names.is_endpoint, study.models)):
            remedy = (
                "A model on a server is asked, never trained: name a hub id or a folder with its "
                "weights in `models`."
            )
        made.findings.append(Finding(NOTE, "questions", nothing, remedy))
    elif len(against) == len(made.data):
        made.verdict = not all(against)
    elif not all(against):
        made.verdict = True
    made.findings.sort(key=lambda finding: LEVELS.index(finding.level))
    return made


def blocking(runs: Sequence[StageRun], study: StudyConfig) -> list[Finding]:
    """Why no comparison of a study can carry a verdict; empty where one can, where it is not known
    yet, and where nothing is trained, so that no verdict is asked for."""
    if not gate.asks_for_verdict(runs):
        return []
    found = [
        groups.finding(asked)
        or _of_contexts(asked, study)
        or carriers.finding(asked, study, _ladders(asked, study))
        for asked in asking.of_study(runs, study)
    ]
    return found if found and all(found) else []


def _of_contexts(asked: Asked, study: StudyConfig) -> Finding | None:
    """Why no context that carries a verdict can be asked for; documents are read only where it may
    be so."""
    primary = study.primary.contexts
    if not {*primary} <= {*contexts.COUNTED}:
        return None
    documents = data_facts.documents_of(asked)
    if documents is None:
        return None
    found = contexts.findings(contexts.records(asked, primary, documents), primary)
    return next((one for one in found if one.level == NO_VERDICT), None)


def _ladders(asked: Asked, study: StudyConfig) -> Iterator[judges.Ladder]:
    return (judges.Ladder.of(judge, asked, study.metrics) for judge in study.judges)


def _of_data(made: Feasibility, asked: Asked, study: StudyConfig, family_size: int) -> bool:
    """Adds what is known of one data set; returns whether anything speaks against every verdict."""
    ladders = [*_ladders(asked, study)]
    found = [groups.finding(asked), carriers.finding(asked, study, ladders)]
    table = carriers.reference_scores(asked)
    made.references += [
        {key: None if value != value else value for key, value in row.items()}
        for row in table.to_dict("records")
    ]
    made.judges += [ladder.record() for ladder in ladders]
    found += [one for ladder in ladders for one in ladder.findings()]
    top_k = max(study.retrieval.top_k)
    if (documents := data_facts.documents_of(asked)) is not None:
        made.search.append(data_facts.search_record(asked, documents, top_k))
        possible = contexts.records(asked, study.contexts, documents)
        made.contexts += possible
        found += contexts.findings(possible, study.primary.contexts)
    metrics = _metrics(asked, study, ladders)
    rows = differences.records(asked, study, metrics, family_size)
    made.differences += rows
    if not any(one and one.level == NO_VERDICT for one in found):
        found.append(differences.finding(rows, study.metrics))
    found += looks.findings(asked, study)
    found.append(looks.expected(asked, study, rows, family_size, study.metrics))
    named = study.primary.reference_metrics
    said = [
        *ceiling.ceiling_sentences(table, named, study.metrics),
        *fit_sentences([judge.model for judge in study.judges], asked.test),
    ]
    made.findings += [one for one in found if one]
    made.findings += [Finding(NOTE, "scores", f"{asked.name}: {text}") for text in said]
    return any(one and one.level == NO_VERDICT for one in found)


def _metrics(asked: Asked, study: StudyConfig, ladders: Sequence[judges.Ladder]) -> list[str]:
    """The metrics that could carry a verdict on this data: judged ones first."""
    judged = [
        name for name in study.primary.metrics if any(ladder.can_carry(name) for ladder in ladders)
    ]
    return [*judged, *carriers.of_references(asked, study)[0]]


def _too_small(of: Sequence[JudgeConfig]) -> list[Finding]:
    return [
        Finding(
            PROBLEM,
            "judge",
            f"{judge.display_name}: {counted(judge.ladder_size, 'question')} cannot show that "
            "any judge is "
            "valid, even one without a mistake.",
            f"`ladder_size: {least}` can.",
        )
        for judge, least in judges.too_small(of)
    ]
