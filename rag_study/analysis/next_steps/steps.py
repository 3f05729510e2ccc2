"""What to do next, from a study's own numbers: the rules in their order, with lines and minutes.

A rule speaks only where its numbers, with their uncertainty, carry what it says, and each sentence
has the number in it. The lines that a step proposes were put into the study file and planned, so
that they can be run; a step whose lines cannot be is left out.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Callable, Iterator

import pandas as pd

from rag_study.analysis.feasibility import asked as asking
from rag_study.analysis.next_steps import of_models, of_numbers, of_training
from rag_study.analysis.next_steps.measured import Measured
from rag_study.analysis.next_steps.step import Step
from rag_study.analysis.next_steps.study_lines import StudyLines
from rag_study.analysis.study_results import STEP_COLUMNS, StudyResults, no_steps
from rag_study.common.errors import StudyError
from rag_study.study import plan
from rag_study.study.config import StudyConfig
from rag_study.study.running import costs
from rag_study.study.stages import StageRun

# The most important first: what nobody can rely on comes before what may be better.
RULES: tuple[Callable[[Measured], Iterator[Step]], ...] = (
    of_numbers.judge,
    of_numbers.too_few_groups,
    of_numbers.cannot_tell,
    of_models.search_or_model,
    of_models.best,
    of_training.style,
    of_training.forgetting,
    of_training.train_size,
    of_training.untested,
    of_numbers.more_labels,
)


def next_steps(results: StudyResults, study: StudyConfig) -> pd.DataFrame:
    """STEP_COLUMNS, the most important step first; `numbers` are those of the sentence as JSON,
    `lines` those that replace the same keys in the study file, and `minutes` what the command then
    takes on this machine (NaN where that is not known: for people's work, or too few runs).

    Empty for several studies together, which have no file to change.
    """
    file = StudyLines.of(study)
    if file is None:
        return no_steps()
    runs = plan.expand(study)
    pools = {one.name: one.pools for one in asking.of_study(runs, study) if one.pools}
    measured = Measured(results, study, file, pools)
    machine, rows = _this_machine(), []
    for step in (step for rule in RULES for step in rule(measured)):
        minutes = math.nan
        if step.change:
            try:
                changed = plan.expand(file.changed(step.change))
            except StudyError:
                continue
            minutes = _minutes(changed, machine)
        rows.append(
            {
                "rank": len(rows) + 1,
                "rule": step.rule,
                "sentence": step.sentence,
                "numbers": json.dumps(dict(step.numbers)),
                "command": _command(step, file),
                "lines": file.lines(step.change),
                "minutes": minutes,
            }
        )
    return pd.DataFrame(rows, columns=STEP_COLUMNS)


def _command(step: Step, file: StudyLines) -> str:
    command = step.command or ("run {file}" if step.change else "")
    return f"rag-study {command.format(file=shlex.quote(file.typed_path))}" if command else ""


def _this_machine() -> costs.Machine | None:
    try:
        return costs.find_machine(None)
    except StudyError:
        return None


def _minutes(runs: list[StageRun], machine: costs.Machine | None) -> float:
    """Minutes of what is not done, by the run times measured here."""
    if machine is None:
        return math.nan
    hours = costs.estimate(runs, machine).rows[-1]["hours"]
    return 60 * hours if math.isfinite(hours) else math.nan
