"""What is said of a study before it is planned or run, at once: can it answer its question?

Nothing here imports pandas, builds a ladder or reads a past study: `plan` stays instant.
"""

from __future__ import annotations

from collections.abc import Sequence

from rag_study.analysis.feasibility import asked as asking
from rag_study.analysis.feasibility import groups, judges, looks, machine
from rag_study.analysis.feasibility.asked import Asked
from rag_study.analysis.feasibility.findings import NOTE, Finding
from rag_study.analysis.run_names import refuse_same_names
from rag_study.common.errors import StudyError
from rag_study.common.wording import counted
from rag_study.models.architectures import has_untrained_state
from rag_study.study import stages
from rag_study.study.config import StudyConfig
from rag_study.study.stages import StageRun


def refuse_impossible(runs: Sequence[StageRun], study: StudyConfig) -> None:
    """Raise StudyError for a judge's check that is still to be done and too small for any judge,
    and for different runs that the tables would call alike."""
    refuse_same_names(runs, study)
    to_do = [run for run in runs if run.stage.name == "validate_judge" and not stages.is_done(run)]
    for judge, least in judges.too_small(study.judges):
        if any(run.point.judge == judge.single for run in to_do):
            raise StudyError(
                f"judges: {judge.display_name}, ladder_size: "
                f"{counted(judge.ladder_size, 'question')} cannot show that any judge is valid, "
                "even one without a mistake; with what its criteria "
                f"require, {least} can. Set `ladder_size: {least}`, better 60."
            )


def refuse_without_verdict(study: StudyConfig, found: Sequence[Finding]) -> None:
    """Raise StudyError, with what to change, where these findings leave no verdict possible."""
    if found:
        reasons = "\n".join(f"- {finding.words}" for finding in found)
        raise StudyError(
            f"{study.name}: no verdict is possible, so the study cannot answer its question.\n"
            f"{reasons}\nTo run it all the same, add --anyway."
        )


def outlook(runs: Sequence[StageRun], study: StudyConfig) -> list[Finding]:
    """A sentence for each data set: how many questions in how many groups, and what is wrong; and
    what the study needs that is not installed."""
    wanted = asks_for_verdict(runs)
    possible = " A verdict is possible." if wanted else ""
    found = []
    for asked in asking.of_study(runs, study):
        said = Finding(NOTE, "questions", sentence(asked) + possible * (asked.pools is not None))
        found.append((groups.finding(asked) if wanted else None) or said)
        found += looks.findings(asked, study)
    return [*found, *machine.programs(runs)]


def asks_for_verdict(runs: Sequence[StageRun]) -> bool:
    """Whether a study trains anything that has an untrained state: only that is compared with a
    verdict."""
    return any(
        run.stage.name == "fine_tune" and has_untrained_state(run.point.model) for run in runs
    )


def sentence(asked: Asked) -> str:
    """How many questions are compared in how many groups, and how many are left to train on."""
    if asked.pools is None:
        return (
            f"{asked.name}: its questions are known once stage 01 has read them "
            "(rag-study run STUDY --only prepare_data)."
        )
    number, worth = asked.groups
    uneven = f", worth {worth:.0f} of one size" if round(worth) < number else ""
    return (
        f"{asked.name}: {len(asked.test)} of {counted(len(asked.pools['test']), 'test question')} "
        f"in {counted(number, 'independent group')}{uneven}; {len(asked.pools['train'])} to train "
        f"on, {len(asked.pools['validation'])} for validation."
    )
