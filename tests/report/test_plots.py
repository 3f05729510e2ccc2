"""Figures: what is drawn is what the tables say, marked as it should be, the same every time."""

import matplotlib

matplotlib.use("Agg")

import base64
import hashlib
import math
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from rag_study.analysis.effects import COMPARISON_COLUMNS, SUMMARY_COLUMNS
from rag_study.analysis.pairing import ALL_SEEDS
from rag_study.evaluation.metrics import METRICS
from rag_study.report import plots
from rag_study.report.plots.costs import with_costs
from rag_study.report.plots.svg import alt_of, embedded
from rag_study.report.verdict_looks import LOOKS

pytestmark = pytest.mark.filterwarnings("error")

RUN = {
    **{"dataset": "fictional", "model": "tiny", "prompting": "default", "variant": ""},
    **{"retriever": "dense", "chunk_size": 192, "top_k": 3},
}
BASE = {"method": "none", "train_format": "none", "train_size": 0, "seed": 0}


def lora(size, seed=0):
    return {"method": "lora", "train_format": "closed_book", "train_size": size, "seed": seed}


def mean_row(state, mean, **changes):
    row = {**RUN, **state, "context": "retrieved", "metric": "answer_recall", "judge": ""}
    row |= {"mean": mean, "ci_low": mean - 0.1, "ci_high": mean + 0.15}
    return row | {"n_questions": 40, "n_clusters": 20} | changes


def summary_of(*rows):
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)


def comparison(state, difference, **changes):
    row = {**RUN, **state, "context": "retrieved", "metric": "answer_recall", "judge": ""}
    row |= {"difference": difference, "ci_low": difference - 0.1, "ci_high": difference + 0.1}
    row |= {"n_questions": 40, "n_clusters": 20, "n_seeds": 1, "margin": 0.03, "primary": True}
    row |= {"baseline": "default"}
    return row | {"verdict": "cannot tell", "reason": "too few"} | changes


def comparisons_of(*rows):
    return pd.DataFrame(rows, columns=COMPARISON_COLUMNS)


def marked_line(ax, marker):
    """Y values of the lines of means: those with a visible line and this marker."""
    return [
        line.get_ydata()
        for line in ax.lines
        if line.get_marker() == marker and line.get_linestyle() != "None"
    ]


def segments(ax):
    """Ends of all intervals drawn in a panel, as ((x, low), (x, high))."""
    return [s for collection in ax.collections for s in getattr(collection, "get_segments", list)()]


def words(figure):
    return " ".join(text.get_text() for text in figure.findobj(Text)).replace("\u00a0", " ")


def flat(figure):
    return " ".join(words(figure).split())


def test_train_size_curve_draws_the_means_and_intervals_of_the_table():
    summary = summary_of(
        mean_row(lora(200), 0.4), mean_row(BASE, 0.5), mean_row(lora(50), 0.6, n_questions=38)
    )
    figure = plots.train_size_curves(summary, "answer_recall", "retrieved", margin=0.03)
    (ax,) = figure.axes
    (means,) = marked_line(ax, "o")
    assert means == pytest.approx([0.5, 0.6, 0.4])
    ends = sorted((round(low[1], 6), round(high[1], 6)) for low, high in segments(ax))
    assert ends == [(0.3, 0.55), (0.4, 0.65), (0.5, 0.75)]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["base", "50", "200"]
    assert ax.get_ylim()[0] <= 0
    assert ax.get_ylim()[1] >= 1
    text = flat(figure)
    assert "n = 38 to 40 questions" in text
    assert "trained without passages" in text
    assert "training seed 0" in text
    assert "base mean ± 0.03" in text


def test_panels_are_models_and_lines_are_data_sets_that_differ_without_colour():
    rows = [
        mean_row(state, 0.5, model=model, dataset=dataset)
        for model in ("a", "b")
        for dataset in ("nq", "qasper", "bioasq")
        for state in (BASE, lora(50))
    ]
    figure = plots.train_size_curves(summary_of(*rows), "answer_recall", "retrieved")
    assert [ax.get_title("left") for ax in figure.axes] == ["a", "b"]
    (legend,) = figure.legends
    handles = legend.legend_handles
    assert [t.get_text() for t in legend.get_texts()] == ["bioasq", "nq", "qasper"]
    assert len({(h.get_marker(), h.get_linestyle()) for h in handles}) == 3


def test_every_judge_has_a_panel_and_the_note_is_shown():
    rows = [
        mean_row(state, 3.0, metric="judge_accuracy", judge=judge)
        for judge in ("strong", "weak")
        for state in (BASE, lora(50))
    ]
    note = "judge weak not trusted: does not carry the verdict"
    figure = plots.train_size_curves(
        summary_of(*rows), "judge_accuracy", "retrieved", margin=0.25, note=note
    )
    titles = [ax.get_title("left") for ax in figure.axes]
    assert titles == ["tiny\njudge: strong", "tiny\njudge: weak"]
    shown = [t for t in figure.texts if "not trusted" in t.get_text().replace("\n", " ")]
    assert len(shown) == 1
    assert shown[0].get_bbox_patch() is not None


def test_a_narrow_range_is_enlarged_and_says_so():
    summary = summary_of(
        mean_row(BASE, 3.0, metric="judge_accuracy", judge="j"),
        mean_row(lora(50), 3.1, metric="judge_accuracy", judge="j"),
    )
    figure = plots.train_size_curves(summary, "judge_accuracy", "retrieved")
    assert figure.axes[0].get_ylim()[1] < 4
    assert "part of the scale 1 to 5" in flat(figure)


def test_seeds_are_lines_of_their_own_from_the_same_base():
    rows = [mean_row(BASE, 0.5), mean_row(lora(50, 0), 0.6), mean_row(lora(50, 1), 0.7)]
    figure = plots.train_size_curves(summary_of(*rows), "answer_recall", "retrieved")
    assert marked_line(figure.axes[0], "o")[0] == pytest.approx([0.5, 0.6])
    assert marked_line(figure.axes[0], "s")[0] == pytest.approx([0.5, 0.7])
    assert "seed 1" in words(figure)


def test_contexts_stand_in_their_order_with_one_line_per_state():
    values = {"oracle": 0.7, "none": 0.1, "retrieved": 0.4}
    rows = [
        mean_row(state, value + shift, context=context)
        for state, shift in ((BASE, 0), (lora(200), -0.05), (lora(50), 0.05))
        for context, value in values.items()
    ]
    figure = plots.context_interaction(summary_of(*rows), "answer_recall")
    (ax,) = figure.axes
    names = [t.get_text() for t in ax.get_xticklabels()]
    assert names == ["without\npassages", "retrieved\npassages", "the right\npassages"]
    assert marked_line(ax, "o")[0] == pytest.approx([0.1, 0.4, 0.7])
    assert marked_line(ax, "s")[0] == pytest.approx([0.15, 0.45, 0.75])
    labels = [t.get_text() for t in figure.legends[0].get_texts()]
    assert labels == ["base", "LoRA 50", "LoRA 200"]
    assert len(segments(ax)) == 9


def test_forest_rows_scales_and_marks():
    judged = {"metric": "judge_accuracy", "judge": "weak", "margin": 0.25}
    excluded = {"primary": False, "verdict": "", "reason": "judge weak did not pass its check"}
    table = comparisons_of(
        comparison(lora(50), -0.2, verdict="hurts"),
        comparison(lora(200), 0.02, primary=False, verdict="", context="none"),
        comparison(lora(50), -0.6, **judged, **excluded),
        comparison(lora(50), 0.3, metric="token_f1", primary=False, verdict=""),
    )
    figure = plots.effects_forest(table)
    panels = {ax.get_title("left").split("\n")[0]: ax for ax in figure.axes}
    assert list(panels) == ["Accuracy (judge)", "Answer recall", "Token F1"]
    weak, recall = panels["Accuracy (judge)"], panels["Answer recall"]
    assert "NOT TRUSTED" in weak.get_title("left")
    assert weak.get_facecolor() != recall.get_facecolor()
    assert recall.get_xlim() == panels["Token F1"].get_xlim() != weak.get_xlim()
    labels = [t.get_text() for t in weak.get_yticklabels()]
    states = ["LoRA 50", "retrieved passages", "LoRA 200", "without passages"]
    assert labels == ["fictional · tiny", *states]

    drawn = {line.get_marker(): line for line in recall.lines if len(line.get_xdata()) == 1}
    assert drawn["<"].get_xdata()[0] == -0.2
    assert drawn["<"].get_ydata()[0] == 2
    assert drawn["<"].get_color() == LOOKS["hurts"].colour
    assert drawn["o"].get_markerfacecolor() == "white"
    assert any(np.allclose(s[:, 0], [-0.3, -0.1]) for s in segments(recall))
    assert "verdict: hurts" in words(figure)


def test_a_forest_too_tall_to_read_keeps_the_primary_contexts_and_says_what_is_left_out():
    rows = [
        comparison(lora(size), 0.1, context=context, primary=context == "retrieved")
        for size in range(1, 31)
        for context in ("none", "retrieved")
    ]
    figure = plots.effects_forest(comparisons_of(*rows))
    assert "30 other differences are in the table" in flat(figure)
    assert not any("without" in t.get_text() for t in figure.axes[0].get_yticklabels())


@pytest.mark.parametrize("n_seeds", [1, 3])
def test_a_forest_says_how_its_intervals_were_made(n_seeds):
    figure = plots.effects_forest(comparisons_of(comparison(lora(50), -0.2, n_seeds=n_seeds)))
    assert "bootstrap over 20 independent groups" in flat(figure)
    assert ("of several trainings Student's t" in flat(figure)) == (n_seeds > 1)


def test_retrieval_quality_draws_recall_and_reciprocal_rank():
    table = pd.DataFrame(
        [
            {"dataset": "nq", "k": k, "recall": r, "recall_low": r - 0.1, "recall_high": r + 0.05}
            | {"mrr": m, "mrr_low": m - 0.1, "mrr_high": m + 0.1, "n": 60}
            for k, r, m in ((1, 0.5, 0.5), (3, 0.8, 0.6), (10, 0.9, 0.62))
        ]
    )
    recall, rank = plots.retrieval_quality(table).axes
    assert marked_line(recall, "o")[0] == pytest.approx([0.5, 0.8, 0.9])
    assert marked_line(rank, "o")[0] == pytest.approx([0.5, 0.6, 0.62])
    assert [t.get_text() for t in recall.get_xticklabels()] == ["1", "3", "10"]


def test_every_search_has_its_line():
    ends = {"recall_low": 0.1, "recall_high": 0.9, "mrr_low": 0.1, "mrr_high": 0.9, "n": 60}
    table = pd.DataFrame(
        [
            {"dataset": "nq", "retriever": name, "chunk_size": size, "k": k, "mrr": 0.5, **ends}
            | {"recall": 0.5}
            for name in ("dense", "bm25")
            for size in (96, 192)
            for k in (1, 3)
        ]
    )
    figure = plots.retrieval_quality(table)
    assert marked_line(figure.axes[0], "o")[0] == pytest.approx([0.5, 0.5])  # not all in one
    for name in ("dense", "bm25"):
        for size in (96, 192):
            assert f"nq · {name} · chunks of {size} tokens" in flat(figure)


def test_loss_curve_circles_the_lowest_validation_loss():
    history = pd.DataFrame(
        {
            "step": [1, 2, 3, 4],
            "train_loss": [3.0, 2.0, 1.5, 1.0],
            "validation_loss": [math.nan, 2.2, math.nan, 2.4],
        }
    )
    figure = plots.loss_curve(history)
    lines = [list(line.get_ydata()) for line in figure.axes[0].lines]
    assert lines == [[3.0, 2.0, 1.5, 1.0], [2.2, 2.4], [2.2]]
    assert "2.200 at step 2" in flat(figure)


def empty(columns):
    return pd.DataFrame(columns=columns)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.train_size_curves(empty(SUMMARY_COLUMNS), "token_f1", "none", note="careful"),
        lambda: plots.train_size_curves(
            summary_of(mean_row(BASE, math.nan)), "answer_recall", "retrieved"
        ),
        lambda: plots.train_size_curves(
            summary_of(mean_row({**BASE, "prompting": "system", "variant": "ours"}, 0.4)),
            "answer_recall",
            "retrieved",
        ),
        lambda: plots.context_interaction(empty(SUMMARY_COLUMNS), "token_f1"),
        lambda: plots.effects_forest(empty(COMPARISON_COLUMNS)),
        lambda: plots.effects_forest(comparisons_of(comparison(lora(5), math.nan))),
        lambda: plots.retrieval_quality(empty(["dataset", "k", "recall", "mrr", "n"])),
        lambda: plots.loss_curve(empty(["step", "train_loss", "validation_loss"])),
        lambda: plots.judge_ladder(pd.DataFrame(), pd.DataFrame()),
        lambda: plots.retention_forest(pd.DataFrame()),
        lambda: plots.score_distributions(pd.DataFrame(), pd.DataFrame(), "none", ["token_f1"]),
        lambda: plots.cost_against_effect(
            empty(COMPARISON_COLUMNS), pd.DataFrame(), "token_f1", "none"
        ),
        lambda: plots.retrieval_quality(pd.DataFrame()),
    ],
)
def test_nothing_to_draw_gives_a_figure_that_says_so(draw, tmp_path):
    figure = draw()
    assert len(figure.axes) == 1
    assert figure.axes[0].texts[0].get_text()
    plots.save(figure, tmp_path, "nothing")


@pytest.mark.parametrize("metric", METRICS)
def test_one_question_without_interval_is_drawn(metric, tmp_path):
    unknown = {"ci_low": math.nan, "ci_high": math.nan, "n_questions": 1, "n_clusters": 1}
    summary = summary_of(
        mean_row(BASE, 1.0, metric=metric, **unknown),
        mean_row(lora(5), 1.0, metric=metric, **unknown),
    )
    figure = plots.train_size_curves(summary, metric, "retrieved", margin=math.nan)
    assert marked_line(figure.axes[0], "o")[0] == pytest.approx([1.0, 1.0])
    assert segments(figure.axes[0]) == []
    row = comparison(lora(5), 0.0, metric=metric, verdict="no verdict", margin=math.nan)
    row |= {"ci_low": math.nan, "ci_high": math.nan}
    plots.save(plots.effects_forest(comparisons_of(row)), tmp_path, "one")


def test_text_is_readable_and_inside_the_figure():
    long = "a-model-with-a-rather-long-name-of-42-chars"
    rows = [
        mean_row(state, 0.5, model=long, dataset=dataset)
        for dataset in ("natural-questions", "qasper")
        for state in (BASE, lora(50), lora(200))
    ]
    table = [comparison(lora(50), 0.1, model=long, metric=metric) for metric in METRICS]
    note = "The judge did not pass its check, so these scores do not carry the verdict. " * 2
    for figure in (
        plots.train_size_curves(summary_of(*rows), "answer_recall", "retrieved", 0.03, note),
        plots.context_interaction(summary_of(*rows), "answer_recall", note),
        plots.effects_forest(comparisons_of(*table)),
    ):
        figure.draw_without_rendering()
        width, height = figure.bbox.size
        for text in figure.findobj(Text):
            if text.get_visible() and text.get_text():
                assert text.get_fontsize() >= 9
        for text in figure.texts:
            box = text.get_window_extent()
            assert 0 <= box.x0 < box.x1 <= width + 1, text.get_text()
            assert 0 <= box.y0 < box.y1 <= height + 1, text.get_text()
        # Title, note, legend and caption do not run into one another or into the panels.
        blocks = [t.get_window_extent() for t in figure.texts]
        blocks += [legend.get_window_extent() for legend in figure.legends]
        blocks += [ax.get_tightbbox() for ax in figure.axes]
        heads, panels = blocks[: -len(figure.axes)], blocks[-len(figure.axes) :]
        for i, block in enumerate(heads):
            for other in [*heads[i + 1 :], *panels]:
                assert min(block.y1, other.y1) - max(block.y0, other.y0) < 6
        # Nor do the titles of neighbouring panels.
        titles = [ax._left_title.get_window_extent() for ax in figure.axes]
        for i, title in enumerate(titles):
            assert title.x1 <= width + 1
            assert not any(title.overlaps(other) for other in titles[i + 1 :])


def test_save_writes_the_same_bytes_again_and_leaves_nothing_open(tmp_path):
    table = comparisons_of(comparison(lora(50), -0.2), comparison(lora(200), 0.2))
    digests = []
    for folder in ("first", "second"):
        path = plots.save(plots.effects_forest(table), tmp_path / folder, "forest")
        assert path == tmp_path / folder / "forest.png"
        files = [path, path.with_suffix(".svg")]
        digests.append([hashlib.sha256(file.read_bytes()).hexdigest() for file in files])
    assert digests[0] == digests[1]
    assert b"<dc:date>" not in files[1].read_bytes()
    assert b"prefers-color-scheme: dark" in files[1].read_bytes()
    assert b"prefers-color-scheme" not in base64.b64decode(embedded(files[1])[0].partition(",")[2])
    assert plt.get_fignums() == []


def test_retention_shows_the_differences_outside_the_task_alone():
    outside = {"context": "retention", "primary": False, "verdict": ""}
    table = comparisons_of(
        comparison(lora(50), -0.2, metric="knowledge_accuracy", **outside),
        comparison(lora(50), 0.1, metric="general_text_nll", margin=math.nan, **outside),
        comparison(lora(50), 0.3),
        comparison(BASE, 0.4, metric="knowledge_accuracy", **outside),
    )
    figure = plots.retention_forest(table)
    titles = [" ".join(ax.get_title("left").split()) for ax in figure.axes]
    assert titles == ["General text (nats per token)", "Knowledge accuracy"]
    points = [[line.get_xdata()[0] for line in ax.lines][1:] for ax in figure.axes]
    assert points == [[0.1], [-0.2]]
    # Under no data set's name: the general sets are no part of it.
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["tiny", "LoRA 50"]
    assert "n = 40 items" in flat(figure)
    two = pd.concat([table, table.assign(dataset="mills")], ignore_index=True)
    labels = [t.get_text() for t in plots.retention_forest(two).axes[0].get_yticklabels()]
    heads = ["trained on fictional · tiny", "trained on mills · tiny"]
    assert labels == [heads[0], "LoRA 50", heads[1], "LoRA 50"]


def test_every_answer_is_a_dot_and_the_mean_is_that_of_the_table():
    rows = [
        {**RUN, **state, "context": "retrieved", "question_id": i, "judge": judge}
        | {"answer_recall": float(i % 2), "judge_accuracy": 1 + i / 2}
        for state in (BASE, lora(50))
        for judge in ("strong", "weak")
        for i in range(8)
    ]
    summary = summary_of(
        mean_row(BASE, 0.5), mean_row(lora(50), 0.6), mean_row(BASE, 3.0, context="none")
    )
    metrics = ["answer_recall", "judge_accuracy", "token_f1"]
    figure = plots.score_distributions(pd.DataFrame(rows), summary, "retrieved", metrics, {"weak"})
    titles = [" ".join(ax.get_title("left").split()) for ax in figure.axes]
    assert titles == [
        "Answer recall",
        "Accuracy (judge) strong",
        "Accuracy (judge) weak judge NOT TRUSTED",
    ]
    recall, strong, weak = figure.axes
    dots = [line for line in recall.lines if line.get_marker() == "."]
    assert [sorted(line.get_xdata()) for line in dots] == [[0.0] * 4 + [1.0] * 4] * 2
    means = [line.get_xdata()[0] for line in recall.lines if line.get_marker() == "D"]
    assert means == [0.5, 0.6]
    assert weak.get_facecolor() != strong.get_facecolor()
    assert [t.get_text() for t in recall.get_yticklabels()] == ["base", "LoRA 50"]
    assert "n = 8 questions per row" in flat(figure)


def cost_row(state, **changes):
    known = {"training_minutes": 4.0, "training_tokens": 9000.0, "training_memory_mb": 800.0}
    unknown = {"seconds_per_answer": None, "tokens_per_answer": None, "answering_memory_mb": None}
    return {**RUN, **state, **known, **unknown, **changes}


def test_costs_stand_under_the_difference_of_their_state():
    table = comparisons_of(
        comparison(lora(50), -0.2),
        comparison(lora(200), 0.1),
        comparison(BASE | {"prompting": "brief"}, 0.05, primary=False),
        comparison(lora(200), 0.9, context="none"),
    )
    free = dict.fromkeys(("training_minutes", "training_tokens", "training_memory_mb"))
    costs = pd.DataFrame(
        [
            cost_row(lora(50)),
            cost_row(lora(200), training_minutes=12.0),
            cost_row(BASE | {"prompting": "brief"}, **free),
        ]
    )
    figure = plots.cost_against_effect(table, costs, "answer_recall", "retrieved")
    minutes = figure.axes[0]
    assert minutes.get_xlabel() == "training time (minutes)"
    marks = {
        line.get_marker(): (line.get_xdata()[0], line.get_ydata()[0])
        for line in minutes.lines
        if line.get_marker() in "osD"
    }
    # Marks are moved apart by less than a twentieth of the scale.
    expected = {"o": (4.0, -0.2), "s": (12.0, 0.1), "D": (0.0, 0.05)}
    for marker, (x, y) in expected.items():
        assert marks[marker] == (pytest.approx(x, abs=0.6), y)
    assert len(figure.axes) == 3
    assert "Not recorded: tokens per answer" in flat(figure)


def test_the_cost_of_all_seeds_is_their_mean():
    table = comparisons_of(
        comparison(lora(50, ALL_SEEDS), 0.1, n_seeds=2),
        *(comparison(lora(50, s), 0.1) for s in (0, 1)),
    )
    costs = pd.DataFrame(
        [cost_row(lora(50, 0), training_minutes=2.0), cost_row(lora(50, 1), training_minutes=4.0)]
    )
    rows = with_costs(table, costs, "answer_recall", "retrieved", "")
    assert rows["seed"].tolist() == [ALL_SEEDS]
    assert rows["training_minutes"].tolist() == [3.0]


def every_figure():
    """Each kind of figure with names as a study has them, in several states and contexts."""
    formats = {"closed_book": 0.1, "with_context": -0.31}
    states = {name: lora(200) | {"train_format": name} for name in formats}
    contexts = ("none", "retrieved", "oracle", "distractor", "counterfactual")
    means = [
        mean_row(state, 0.5 + shift, context=context, model="a-model-135m-instruct")
        for state, shift in ((BASE, 0.0), *((states[name], d) for name, d in formats.items()))
        for context in contexts
    ]
    changed = {"model": "a-model-135m-instruct", "n_questions": 96, "n_clusters": 75}
    effects = [
        comparison(states[name], d, context=context, metric=metric, **changed)
        for name, d in formats.items()
        for context in contexts
        for metric in ("answer_recall", "token_f1", "answer_length")
    ]
    outside = [
        comparison(states[name], d, context="retention", metric=metric, primary=False, **changed)
        for name, d in formats.items()
        for metric, value in METRICS.items()
        if value.retention
    ]
    costs = [cost_row(states[name], model="a-model-135m-instruct", tokens_per_answer=122.1 + d,
                      training_minutes=0.9 + d) for name, d in formats.items()]  # fmt: skip
    summary, table = summary_of(*means), comparisons_of(*effects, *outside)
    return {
        "sizes": plots.train_size_curves(summary, "answer_recall", "retrieved", 0.03),
        "contexts": plots.context_interaction(summary, "answer_recall"),
        "effects": plots.effects_forest(table),
        "retention": plots.retention_forest(table),
        "costs": plots.cost_against_effect(
            table, pd.DataFrame(costs), "answer_recall", "retrieved"
        ),
    }


FIGURES = ("sizes", "contexts", "effects", "retention", "costs")


def names_of_ticks(axis, ends):
    low, high = sorted(ends)
    ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    return [tick.label1 for tick in ticks if tick.label1.get_visible() and tick.label1.get_text()]


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_is_clipped_and_no_name_runs_into_the_next(name):
    figure = every_figure()[name]
    figure.draw_without_rendering()
    width, height = figure.bbox.size
    below, texts = [], [*figure.texts, *figure.legends[0].get_texts()]
    for ax in figure.axes:
        below += names_of_ticks(ax.xaxis, ax.get_xlim())
        texts += [ax._left_title, ax.xaxis.label, ax.yaxis.label, *ax.texts]
        texts += names_of_ticks(ax.yaxis, ax.get_ylim())
    for text in [*texts, *below]:
        box = text.get_window_extent()
        assert not text.get_text() or -1 <= box.x0 < box.x1 <= width + 1, text.get_text()
        assert not text.get_text() or -1 <= box.y0 < box.y1 <= height + 1, text.get_text()
    boxes = [text.get_window_extent() for text in below]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])


def test_figures_speak_of_passages_as_people_do():
    for name, figure in every_figure().items():
        said = flat(figure)
        assert not {"oracle", "closed_book", "distractor", "counterfactual", "gold"} & set(
            said.lower().replace("·", " ").split()
        ), name


def test_the_alternative_text_says_what_is_seen(tmp_path):
    seen = {name: figure.alt for name, figure in every_figure().items()}
    assert "before training, 0.60 (0.50 to 0.75) with 200 examples" in seen["sizes"]
    assert "0.19 (0.09 to 0.34) with the right passages" in seen["contexts"]
    state = "LoRA 200, trained with the right passage, with retrieved passages"
    assert f"{state}: answer recall −0.31 (−0.41 to −0.21), cannot tell" in seen["effects"]
    assert "further values in the table" in seen["effects"]
    assert "knowledge accuracy +0.10 (+0.00 to +0.20)" in seen["retention"]
    assert "training time (minutes) 0.59" in seen["costs"]
    file = plots.save(every_figure()["costs"], tmp_path, "costs")
    assert alt_of(file) == seen["costs"]
    assert alt_of(tmp_path / "gone.png") == ""
    shown, beside = every_figure()["costs"]._repr_mimebundle_()
    assert base64.b64decode(shown["image/png"]).startswith(b"\x89PNG")
    assert beside["image/png"]["alt"] == seen["costs"]


def test_the_alternative_text_of_a_hostile_name_is_a_text(tmp_path):
    name = 'a</title><script>alert(1)</script>&amp;\x1b"\u202e'
    rows = [mean_row(state, 0.5, dataset=name) for state in (BASE, lora(50))]
    figure = plots.train_size_curves(summary_of(*rows), "answer_recall", "retrieved")
    file = plots.save(figure, tmp_path, "hostile")
    assert alt_of(file) == figure.alt
    assert "a</title><script>" in figure.alt
    assert ElementTree.parse(file.with_suffix(".svg")).getroot().tag.endswith("svg")
