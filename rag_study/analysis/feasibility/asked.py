"""What a study asks of each of its data sets: questions by pool, how many, in which groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rag_study.analysis.cluster_means import effective_clusters
from rag_study.data.schema import Question
from rag_study.study import plan
from rag_study.study.config import StudyConfig
from rag_study.study.sections import DatasetConfig
from rag_study.study.stages import StageRun


@dataclass(frozen=True, eq=False)
class Asked:
    """One data set of a study. `pools` is None where the data has not been read (of the hub, before
    stage 01); `train_size` the largest one, 0 where nothing is trained on it."""

    dataset: DatasetConfig
    prepared: StageRun
    pools: plan.Pools | None
    train_size: int

    @property
    def name(self) -> str:
        return self.dataset.display_name

    @property
    def test(self) -> Sequence[Question]:
        """The questions that are answered and compared."""
        return self.pools["test"][: self.dataset.test_size] if self.pools else ()

    @property
    def groups(self) -> tuple[int, float]:
        """Groups of the test questions, and how many of equal size they are worth."""
        return groups_of(self.test)


def of_study(runs: Sequence[StageRun], study: StudyConfig) -> list[Asked]:
    """The data sets of a study, in their order; `runs` are its stage runs."""
    found = []
    for dataset in study.datasets:
        prepared = next(
            (
                run
                for run in runs
                if run.stage.name == "prepare_data"
                and run.point.dataset.content == dataset.single.content
            ),
            None,
        )
        if prepared is None:
            continue
        sizes = [
            run.point.training.train_size
            for run in runs
            if run.stage.name == "fine_tune"
            and run.needs("prepare_data") is not None
            and run.needs("prepare_data").run_id == prepared.run_id
        ]
        found.append(Asked(dataset, prepared, plan.pools_of(prepared), max(sizes, default=0)))
    return found


def groups_of(questions: Sequence[Question]) -> tuple[int, float]:
    """(groups, groups of equal size that they are worth) of these questions; a question without a
    group is one of its own."""
    sizes = Counter(question.group or question.id for question in questions)
    counts = np.array([*sizes.values()], dtype=float)
    return len(sizes), float(effective_clusters(counts)) if sizes else 0.0
