"""What the scores of a study cannot do with its data, as far as it is known before it has run."""

from __future__ import annotations

from collections.abc import Iterable

from rag_study import data
from rag_study.common import run_folder
from rag_study.evaluation.languages import language_limits
from rag_study.study import stages
from rag_study.study.stages import StageRun


def data_warnings(runs: Iterable[StageRun]) -> list[str]:
    """Sentences about the language of each data set, each once. Data that takes long to read is
    looked at once its stage 01 is done."""
    found: dict[str, None] = {}
    for run in runs:
        if run.stage.name != "prepare_data":
            continue
        dataset = run.point.dataset
        if stages.is_done(run):
            questions = data.load_pools(run_folder.RunFolder(run.run_id).path)["test"]
        elif data.registry.find(dataset.name).instant:
            questions = list(data.load(*dataset.source).questions)
        else:
            continue
        found |= {f"{dataset.name}: {sentence}": None for sentence in language_limits(questions)}
    return list(found)
