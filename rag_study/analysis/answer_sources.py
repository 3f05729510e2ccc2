"""Whose answers each training learned, and what became of style, scores and everything else."""

from __future__ import annotations

from math import nan
from typing import Any

import pandas as pd

from rag_study.analysis import state_costs
from rag_study.analysis.effects import of_recipes
from rag_study.analysis.pairing import DEFAULT, RUN_COLUMNS
from rag_study.analysis.run_names import source_words
from rag_study.analysis.states import state_label
from rag_study.study.stages import StageRun
from rag_study.training.recipe import BY_MODEL, GOLD, IN_PLACE, LEFT_OUT

_COUNTS = {"written": BY_MODEL, "gold": IN_PLACE, "left_out": LEFT_OUT}
# What a comparison says of the style of answers, and of what lies outside the task.
_STYLE = {"answer_length": "words", "refusal_rate": "refusals"}
_OUTSIDE = {"knowledge_accuracy": "knowledge_change", "instruction_following": "following_change"}
_ALWAYS = "answer_recall"  # beside the primary metrics, in every context
SOURCE_COLUMNS = [
    *RUN_COLUMNS,
    "answer_source",
    "answered_from",
    *_COUNTS,
    "words_learned",
    "context",
    "metric",
    "judge",
    "difference",
    "ci_low",
    "ci_high",
    *(f"{words}_{side}" for words in _STYLE.values() for side in ("base", "tuned")),
    *_OUTSIDE.values(),
]


def of_run(judged: StageRun) -> dict[str, Any]:
    """Of the training behind a `judge_answers` run: the source of its answers, and how many of them
    a model wrote, are gold, or were left out; and their mean words. NaN where its run is not here.
    """
    training, trained = judged.point.training, judged.needs("generate_answers").needs("fine_tune")
    metrics = state_costs.record_of(trained, "metrics.json")
    counts, by_model = metrics.get("data", {}), training.answers_are_written
    if not by_model and counts:
        counts = {BY_MODEL: 0, IN_PLACE: counts["selected"], LEFT_OUT: 0}
    return {
        "answer_source": training.answer_source,
        "answered_from": training.answered_from if by_model else "",
        **{name: counts.get(said, nan) for name, said in _COUNTS.items()},
        "words_learned": metrics.get("answer_words", nan),
    }


def answer_sources(trained: pd.DataFrame, comparisons: pd.DataFrame) -> pd.DataFrame:
    """SOURCE_COLUMNS: a row for each comparison of a recipe with its base that is primary or of
    answer recall, where some training of the study learned answers that a model wrote; else empty.

    `trained` has RUN_COLUMNS and what `of_run` gives, of every trained state. A recipe of several
    seeds is one row (seed ALL_SEEDS): counts are those of all seeds together, words their mean.
    `words_` and `refusals_` are means of the answers given in the context; `_change` is the
    difference to the base outside the task, missing where it was not measured.
    """
    if trained.empty or comparisons.empty or (trained["answer_source"] == GOLD).all():
        return pd.DataFrame(columns=SOURCE_COLUMNS)
    recipe = [column for column in RUN_COLUMNS if column != "seed"]
    source = ["answer_source", "answered_from"]
    sums = {name: (name, lambda counts: counts.sum(min_count=1)) for name in _COUNTS}
    learned = trained.groupby([*recipe, *source], sort=False, dropna=False).agg(
        **sums, words_learned=("words_learned", "mean")
    )
    usual = of_recipes(comparisons[comparisons["baseline"] == DEFAULT])
    shown = usual[usual["primary"] | (usual["metric"] == _ALWAYS)]
    rows = shown.merge(learned.reset_index(), on=recipe)
    run, at = [*recipe, "seed"], [*recipe, "seed", "context"]
    for metric, words in _STYLE.items():
        means = usual[usual["metric"] == metric].drop_duplicates(at)
        means = means.rename(columns={f"mean_{s}": f"{words}_{s}" for s in ("base", "tuned")})
        rows = rows.merge(means[[*at, f"{words}_base", f"{words}_tuned"]], on=at, how="left")
    for metric, change in _OUTSIDE.items():
        outside = usual[usual["metric"] == metric].rename(columns={"difference": change})
        rows = rows.merge(outside[[*run, change]].drop_duplicates(run), on=run, how="left")
    return rows[SOURCE_COLUMNS].reset_index(drop=True)


def source_notes(trained: pd.DataFrame) -> list[str]:
    """A sentence on each training whose answers are said to be a model's and mostly are not; of
    `trained` as in `answer_sources`."""
    if trained.empty or (trained["answer_source"] == GOLD).all():
        return []
    by_model = trained[trained["answer_source"] != GOLD].dropna(subset=["written", "gold"])
    sentences = []
    for row in by_model[by_model["written"] < by_model["gold"]].to_dict("records"):
        said = row["variant"] or source_words(row["answer_source"])
        where = f"{row['model']} on {row['dataset']}, {state_label(row)}"
        number = row["written"] + row["gold"]
        sentences.append(
            f"{where} ({said}, seed {row['seed']}): only {row['written']:.0f} of its {number:.0f} "
            "training answers were written by a model, the others are gold. What is said of it is "
            "said of both."
        )
    return sentences
