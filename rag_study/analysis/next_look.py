"""Which states of a study go on after a look, and how far."""

from __future__ import annotations

from collections import defaultdict

import pandas as pd

from rag_study.analysis.looks import RECIPE, settled_states
from rag_study.analysis.pairing import BASE_COLUMNS, DEFAULT
from rag_study.analysis.run_names import columns_of, label_of, searches_of, variants_of
from rag_study.study import plan, readers
from rag_study.study.config import StudyConfig
from rag_study.study.stages import StageRun


def next_look(
    comparison: StageRun, study: StudyConfig, looks: pd.DataFrame
) -> dict[str, int] | None:
    """How many questions each state is to be asked at the next look, by the id of the run that
    answers, after a comparison with this table of looks; None where nothing is left to be settled.

    A trained state that is not settled goes on, and its base with it. What has no base here, or no
    primary comparison that could be settled (other prompts, other systems), does not go on.
    """
    done, variants = settled_states(looks), variants_of(comparison.upstream, study)
    sizes: dict[str, int] = {}
    trained: dict[str, tuple] = {}
    bases: dict[tuple, list[str]] = defaultdict(list)
    for run in comparison.upstream:
        if run.stage.name != "judge_answers":
            continue
        answering = plan.answering(run).run_id
        sizes[answering] = run.point.answering.test_size
        if run.point.system is not None or run.point.answering.prompting != DEFAULT:
            continue
        if readers.stands_alone(run.point.model, run.point.training):
            continue
        row = {**columns_of(run), "dataset": label_of(run, study), "variant": variants[run.run_id]}
        row["retriever"] = searches_of(run, study)
        if run.point.training is None:
            bases[tuple(row[name] for name in BASE_COLUMNS)].append(answering)
        elif tuple(row[name] for name in RECIPE) not in done:
            trained[answering] = tuple(row[name] for name in BASE_COLUMNS)
    # A state that the study has got since is asked first what the others were.
    least = min((sizes[answering] for answering in trained), default=0)
    size = next((n for n in study.looks if n > least), study.looks[-1])
    further = dict(sizes)
    for answering, base in trained.items():
        for one in (answering, *bases[base]):
            further[one] = max(size, further[one])
    return None if further == sizes else further
