"""What each model state cost: time, tokens and memory of its training and of its answers."""

from __future__ import annotations

import json
from typing import Any

from rag_study.common import run_folder
from rag_study.study.stages import StageRun, all_upstream

COLUMNS = [
    "training_minutes",
    "training_tokens",
    "training_memory_mb",
    "seconds_per_answer",
    "tokens_per_answer",
    "answering_memory_mb",
]


def of_run(judged: StageRun) -> dict[str, float | None]:
    """COLUMNS for the model state behind a `judge_answers` run; None: not recorded or no training.

    Training counts what a continual training did before. Minutes and seconds are wall time, of a
    training with its evaluations, of an answer the mean over all contexts (of a run that was
    resumed or extended nobody knows it: the last part's alone was measured). Tokens are those of
    prompts and completions, memory is the process's peak (in
    `training` that of the GPU where there is one).
    """
    costs: dict[str, float | None] = dict.fromkeys(COLUMNS)
    answering = judged.needs("generate_answers")
    if answering is None:
        return costs
    trained = [r for r in all_upstream(answering) if r.stage.name == "fine_tune"]
    if trained:
        runs = {run.run_id: run for run in trained}.values()
        metrics = [record_of(run, "metrics.json") for run in runs]
        tokens = [record_of(run, "provenance.json").get("tokens") or {} for run in runs]
        seconds = _sum(entry.get("training_seconds") for entry in metrics)
        costs["training_minutes"] = None if seconds is None else seconds / 60
        costs["training_tokens"] = _sum(entry.get("trained") for entry in tokens)
        costs["training_memory_mb"] = max(entry.get("peak_memory_mb", 0) for entry in metrics)
    metrics, made = record_of(answering, "metrics.json"), record_of(answering, "provenance.json")
    if metrics.get("answers") and "wall_seconds" in made and made.get("tries", 1) == 1:
        costs["seconds_per_answer"] = made["wall_seconds"] / metrics["answers"]
    costs["answering_memory_mb"] = made.get("peak_memory_mb")
    processed = _sum(metrics.get(name) for name in ("prompt_tokens", "answer_tokens"))
    if metrics.get("answers") and processed is not None:
        costs["tokens_per_answer"] = processed / metrics["answers"]
    return costs


def record_of(run: StageRun, name: str) -> dict[str, Any]:
    """What a run wrote to a JSON file of its folder; {} where that is not here."""
    file = run_folder.RunFolder(run.run_id).path / name
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def _sum(values: Any) -> float | None:
    numbers = [value for value in values if value is not None]
    return sum(numbers) if numbers else None
