"""How the training of each state went: how far, on how many questions, to which held-out loss."""

from __future__ import annotations

from typing import Any

import pandas as pd

from rag_study.analysis.pairing import BASE_COLUMNS, DEFAULT, RUN_COLUMNS
from rag_study.common import files, run_folder
from rag_study.study.stages import StageRun
from rag_study.training.recipe import checkpoint_step

_HISTORY = "history.parquet"
COLUMNS = [
    "training",
    "strength",
    "checkpoint",
    "step",
    "train_on",
    "questions",
    "base_held_out_loss",
    "held_out_loss",
]


def of_run(judged: StageRun) -> dict[str, Any] | None:
    """COLUMNS for the trained state behind a `judge_answers` run; None for a base.

    `checkpoint` is the share of the training's steps after which its weights were taken, `step` the
    step itself (with early stopping, that of the best weights) and `questions` how many it was
    trained on, of the kind `train_on`. Losses are nats per token of the answer, before the training
    and after the step; NaN for weights that were moved back towards the base (`strength`), which
    nobody measured.
    """
    answering = judged.needs("generate_answers")
    trained = answering and answering.needs("fine_tune")
    if trained is None or not (run_folder.RunFolder(trained.run_id).path / _HISTORY).exists():
        return None
    folder, how = run_folder.RunFolder(trained.run_id).path, judged.point.training
    record = files.read_json(folder / "metrics.json")
    history = files.read_parquet(folder / _HISTORY).set_index("step")
    losses = history["validation_loss"].dropna()
    step = checkpoint_step(how.checkpoint, int(losses.index[-1]))
    if how.early_stopping:
        step = record["best_step"]
    return {
        "training": trained.run_id,
        "strength": how.strength,
        "checkpoint": how.checkpoint,
        "step": step,
        "train_on": how.train_on,
        "questions": record["data"]["selected"],
        "base_held_out_loss": record["base_validation_loss"],
        "held_out_loss": float(losses[step]) if how.strength == 1 else float("nan"),
    }


def learning_curves(courses: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """The means of `summary` (`effects.summarise`) after shares of the steps, for trainings that
    answered at several; the base is share 0 of each of them. Columns: those of both tables."""
    columns = [*summary.columns, *COLUMNS]
    if courses.empty or summary.empty:
        return pd.DataFrame(columns=columns)
    one = ["training", "strength"]
    several = courses.groupby(one)["checkpoint"].transform("nunique") > 1
    states = courses[several]
    curves = summary.merge(states, on=RUN_COLUMNS)
    base = summary[(summary["method"] == "none") & (summary["prompting"] == DEFAULT)]
    at_start = states.drop_duplicates([*one, *BASE_COLUMNS])
    at_start = at_start.assign(checkpoint=0.0, step=0, held_out_loss=at_start["base_held_out_loss"])
    trained_as = [column for column in RUN_COLUMNS if column not in BASE_COLUMNS]
    start = base.drop(columns=trained_as).merge(at_start, on=BASE_COLUMNS)
    start["held_out_loss"] = start["held_out_loss"].where(start["strength"] == 1)
    table = pd.concat([curves[columns], start[columns]], ignore_index=True)
    return table.sort_values([*one, "context", "metric", "judge", "checkpoint"], ignore_index=True)
