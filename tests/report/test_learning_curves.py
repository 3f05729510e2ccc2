"""Learning curves: the states along one training, with the base before them."""

import matplotlib

matplotlib.use("Agg")

import math

import pandas as pd
import pytest
from test_plots import BASE, RUN, flat, lora, marked_line, mean_row, segments, summary_of

from rag_study.analysis import courses
from rag_study.analysis.pairing import RUN_COLUMNS
from rag_study.report import plots

pytestmark = pytest.mark.filterwarnings("error")

SHARES = (0.25, 0.5, 1.0)


def variant(share):
    return {"variant": f"after {share:.0%} of the steps"}


def course(state, share, training, strength=1.0):
    return {
        **{name: {**RUN, **state}[name] for name in RUN_COLUMNS},
        **{"training": training, "strength": strength, "checkpoint": share},
        **{"step": round(40 * share), "train_on": "all", "questions": 50},
        "base_held_out_loss": 3.0,
        "held_out_loss": 3 - share if strength == 1 else math.nan,
    }


@pytest.fixture
def tables():
    """(courses, summary) of two seeds with three checkpoints each, and a training without."""
    rows, means = [], [mean_row(BASE, 0.2), mean_row(BASE, 3.0, metric="judge_accuracy", judge="j")]
    for seed in (0, 1):
        for share in SHARES:
            state = lora(50, seed) | variant(share)
            rows.append(course(state, share, f"fine_tune/{seed}"))
            means.append(mean_row(state, 0.3 + 0.1 * seed + 0.1 * share))
            means.append(mean_row(state, 3 + share, metric="judge_accuracy", judge="j"))
    alone = lora(200)
    rows.append(course(alone, 1.0, "fine_tune/alone"))
    means += [mean_row(alone, 0.9), mean_row({**BASE, "prompting": "brief"}, 0.8)]
    return pd.DataFrame(rows), summary_of(*means)


def test_a_curve_has_its_trainings_states_and_the_base_at_its_start(tables):
    curves = courses.learning_curves(*tables)
    recall = curves[curves["metric"] == "answer_recall"]
    assert set(recall["training"]) == {"fine_tune/0", "fine_tune/1"}
    for seed, line in recall.groupby("training", sort=True):
        assert list(line["checkpoint"]) == [0.0, *SHARES]
        assert list(line["step"]) == [0, 10, 20, 40]
        assert list(line["held_out_loss"]) == [3.0, 2.75, 2.5, 2.0]
        first = 0.3 + 0.1 * int(seed[-1])
        assert list(line["mean"]) == pytest.approx([0.2, *(first + 0.1 * s for s in SHARES)])
    assert len(curves) == 2 * 2 * 4


def test_the_figure_shows_scores_with_intervals_and_the_loss(tables):
    curves = courses.learning_curves(*tables)
    figure = plots.learning_curves(curves, ["answer_recall", "judge_accuracy"], "retrieved")
    assert len(figure.axes) == 3
    recall, judged, loss = figure.axes
    assert list(marked_line(recall, "o")[0]) == pytest.approx([0.2, 0.325, 0.35, 0.4])
    assert list(marked_line(recall, "s")[0]) == pytest.approx([0.2, 0.425, 0.45, 0.5])
    assert list(marked_line(judged, "o")[0]) == [3, 3.25, 3.5, 4]
    assert list(marked_line(loss, "o")[0]) == [3, 2.75, 2.5, 2]
    assert len(segments(recall)) == 8
    assert segments(loss) == []
    assert [t.get_text() for t in recall.get_xticklabels()] == ["base", "25%", "50%", "100%"]
    assert "seed 0" in flat(figure)
    assert "a training of half the length is another one" in flat(figure)


def test_trainings_that_differ_in_what_they_are_trained_on_are_told_apart(tables):
    along, summary = tables
    for table in (along, summary):
        of_one = (table["train_size"] == 50) & (table["seed"] == 1)
        table.loc[of_one, "variant"] = "trained on known questions, " + table["variant"]
        table.loc[table["train_size"] == 50, "seed"] = 0
    figure = plots.learning_curves(
        courses.learning_curves(along, summary), ["answer_recall"], "retrieved"
    )
    recall = figure.axes[0]
    assert len(marked_line(recall, "o")) == len(marked_line(recall, "s")) == 1
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["LoRA 50", "LoRA 50 · trained on known questions"]


def test_weights_moved_back_have_scores_and_no_loss(tables):
    along, summary = tables
    half = along[along["training"] == "fine_tune/0"].assign(
        strength=0.5, held_out_loss=math.nan, train_format="closed_book"
    )
    half["variant"] = half["variant"] + ", strength 0.5"
    means = [mean_row(row, 0.25) for row in half[RUN_COLUMNS].to_dict("records")]
    curves = courses.learning_curves(
        pd.concat([along, half]), pd.concat([summary, summary_of(*means)])
    )
    figure = plots.learning_curves(curves, ["answer_recall"], "retrieved")
    recall, loss = figure.axes
    assert list(marked_line(recall, "o")[0]) == pytest.approx([0.2, 0.25, 0.25, 0.25])
    assert "strength 0.5" in flat(figure)
    assert marked_line(loss, "o") == []
    assert len(marked_line(loss, "s")) == 1


def test_without_checkpoints_there_is_no_curve(tables):
    along, summary = tables
    curves = courses.learning_curves(along[along["checkpoint"] == 1], summary)
    assert curves.empty
    figure = plots.learning_curves(curves, ["answer_recall"], "retrieved")
    assert "No training answered after several shares of its steps." in flat(figure)
    nothing = pd.DataFrame(columns=[*RUN_COLUMNS, *courses.COLUMNS])
    assert courses.learning_curves(nothing, summary).empty
