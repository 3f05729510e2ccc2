"""What each model knew of each question before any training, in the classes of Gekhman et al.
(2024, arXiv 2405.05904, figure 2): from the answers of `evaluation.knowledge`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

import numpy as np
import pandas as pd

from rag_study.analysis.decomposition import Right
from rag_study.analysis.run_names import label_of
from rag_study.common import files, run_folder
from rag_study.data.schema import Question
from rag_study.evaluation.reference import answer_recall, key_point_recall
from rag_study.study import stages
from rag_study.study.config import StudyConfig
from rag_study.study.stages import StageRun
from rag_study.training.recipe import HIGHLY, KNOWN_BEFORE, MAYBE, UNKNOWN, WEAKLY
from rag_study.training.train_on import KNOWLEDGE

COLUMN = "known_before"
NOT_GRADED = "not graded"
COLUMNS = ["pool", "position", "question_id", "greedy_right", "sampled_right", COLUMN]


def classify(answers: pd.DataFrame, questions: Mapping[str, Question]) -> pd.DataFrame:
    """COLUMNS, one row per question of `answers` (rows of `knowledge.ask`), by pool and position.

    `greedy_right` and `sampled_right` are the shares of right answers, by their string as the
    reference decides it (`decomposition.Right`). Highly known: greedy answers are always right;
    maybe: sometimes; weakly: never, but samples sometimes; unknown: never at all. None where no
    answer can be graded so: the question has no answer that could be known, or none came back.
    """
    asked = [questions[question_id] for question_id in answers["question_id"]]
    given = answers["answer"].fillna("")
    scores = pd.DataFrame(
        {
            "answer_recall": [answer_recall(a, q) for a, q in zip(given, asked, strict=True)],
            "key_point_recall": [
                key_point_recall(a, q.key_points) for a, q in zip(given, asked, strict=True)
            ],
        },
        index=answers.index,
        dtype=float,
    )
    can_be_known = np.array([question.answer_type != "unanswerable" for question in asked], bool)
    right = Right().of(scores).where(answers["missing_reason"].isna() & can_be_known)
    greedy = answers["draw"].str.startswith("greedy")
    rows = answers.assign(greedy_right=right.where(greedy), sampled_right=right.where(~greedy))
    one = rows.groupby(["pool", "position", "question_id"], sort=True)
    table = one[["greedy_right", "sampled_right"]].mean().reset_index()
    greedily, sampled = table["greedy_right"], table["sampled_right"]
    table[COLUMN] = np.select(
        [greedily.isna() | sampled.isna(), greedily == 1, greedily > 0, sampled > 0],
        [None, HIGHLY, MAYBE, WEAKLY],
        UNKNOWN,
    )
    return table


def counts(table: pd.DataFrame) -> pd.DataFrame:
    """How many questions of a table of `classify` are of each class, by pool."""
    classes = [*chain(*KNOWN_BEFORE.values()), NOT_GRADED]
    kinds = table[COLUMN].fillna(NOT_GRADED)
    return pd.crosstab(kinds, table["pool"]).reindex(classes, fill_value=0).rename_axis(COLUMN)


def frame(comparison: StageRun, config: StudyConfig) -> pd.DataFrame:
    """Columns dataset (its label in tables), model, question_id, known_before: what the finished
    probes of a study's comparison say, of the questions that it asks for; empty without any."""
    tables = []
    for run in comparison.upstream:
        if run.stage.name == "probe_knowledge" and stages.is_done(run):
            table = files.read_parquet(run_folder.RunFolder(run.run_id).path / KNOWLEDGE)
            table = table[table["position"] < table["pool"].map(run.extent)]
            names = {"dataset": label_of(run, config), "model": run.point.model}
            tables.append(table.assign(**names)[["dataset", "model", "question_id", COLUMN]])
    if not tables:
        return pd.DataFrame(columns=["dataset", "model", "question_id", COLUMN])
    together = pd.concat(tables, ignore_index=True)
    return together.drop_duplicates(["dataset", "model", "question_id"], ignore_index=True)
