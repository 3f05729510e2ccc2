"""Extractive readers on the questions whose passages hold an answer."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from rag_study.analysis.extractable import extractable
from rag_study.study.readers import names_alone

RECIPE = SimpleNamespace(method="lora", train_size=4, train_format="with_context")
STUDY = SimpleNamespace(models=["random-llama", "all-minilm-l6-v2"], trainings=[RECIPE])


def table(seed=0, questions=60):
    """Recall of a base and of a reader; the passages of every third question hold no answer."""
    draw = np.random.default_rng(seed)
    shared = {
        **{"dataset": "d", "model": "random-llama", "train_format": "", "train_size": 0},
        **{"variant": "", "seed": 0, "prompting": "default", "retriever": "dense"},
        **{"chunk_size": 128, "top_k": 2, "context": "retrieved", "judge": ""},
    }
    (reader,) = names_alone(STUDY.models, STUDY.trainings)
    rows = []
    for number in range(questions):
        held = number % 3 > 0
        for method, chance in (("none", 0.4), (reader, 0.9 * held)):
            recall = float(draw.random() < chance)
            asked = {"question_id": f"q{number}", "group": f"g{number // 2}", "method": method}
            rows.append(
                {**shared, **asked, "answer_in_context": int(held), "answer_recall": recall}
            )
    return pd.DataFrame(rows), reader


def test_differences_are_those_of_the_questions_that_can_be_pointed_at():
    results, reader = table()
    found = extractable(results, STUDY, n_resamples=200)
    found = found[found["metric"] == "answer_recall"]
    assert list(found["method"]) == [reader]
    row = found.iloc[0]
    held = results[results["answer_in_context"] == 1]
    means = held.groupby("method")["answer_recall"].mean()
    assert row["n_questions"] == 40
    assert row["difference"] == pytest.approx(means[reader] - means["none"])
    assert row["ci_low"] < row["difference"] < row["ci_high"]
    assert not row["primary"]


def test_a_study_without_such_a_reader_has_none():
    results, _ = table()
    without = SimpleNamespace(models=["random-llama", "random-t5"], trainings=[RECIPE])
    assert extractable(results, without).empty
    assert extractable(results.iloc[:0], STUDY).empty
