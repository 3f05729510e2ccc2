"""Stacked bars: what is drawn is what the table says, and it can be read."""

import matplotlib

matplotlib.use("Agg")

import itertools

import pandas as pd
import pytest
from matplotlib.text import Text

from rag_study.analysis.decomposition import CATEGORIES, FOLLOWS, Right
from rag_study.analysis.pairing import RUN_COLUMNS
from rag_study.report import plots
from rag_study.report.plots import decomposition as plots_decomposition

pytestmark = pytest.mark.filterwarnings("error")

LONG = "natural-questions-of-a-rather-long-name"
SHARES = [0.05, 0.31, 0.02, 0.28, 0.17, 0.09, 0.08]


def table(n_states, categories=CATEGORIES, dataset="nq", model="tiny", variant="", values=SHARES):
    """Shares of `n_states` states, of every other category."""
    names = list(categories)[:: max(1, len(categories) // len(values))][: len(values)]
    rows = []
    for i in range(n_states):
        base = {"method": "none", "train_format": "none", "train_size": 0, "seed": 0}
        tuned = {"method": "lora", "train_format": "closed_book", "train_size": 50 * i, "seed": 0}
        run = {
            **{"dataset": dataset, "model": model, "prompting": "default", "retriever": "dense"},
            **{"chunk_size": 192, "top_k": 3, "variant": variant * i and f"{variant} {i}"},
            **(tuned if i else base),
        }
        rotated = values[i % len(values) :] + values[: i % len(values)]
        for name, share in zip(names, rotated, strict=False):
            rows.append({**run, "category": name, "share": share, "n": 1, "n_questions": 60 + i})
    return pd.DataFrame(rows, columns=[*RUN_COLUMNS, "category", "share", "n", "n_questions"])


def bars(figure):
    (ax,) = figure.axes
    return [patch for patch in ax.patches if patch.get_width() > 0]


def words(figure):
    text = " ".join(text.get_text() for text in figure.findobj(Text))
    return " ".join(text.replace("\u00a0", " ").replace("\u2009", " ").split())


def test_bars_are_the_shares_of_the_table():
    figure = plots_decomposition.loss_decomposition(table(2), Right())
    by_height = {}
    for bar in bars(figure):
        by_height.setdefault(bar.get_y(), []).append(bar)
    base, tuned = (by_height[y] for y in sorted(by_height))
    assert sorted(b.get_width() for b in base) == pytest.approx(sorted(SHARES))
    assert sum(b.get_width() for b in tuned) == pytest.approx(1)
    for one, after in itertools.pairwise(base):
        assert after.get_x() == pytest.approx(one.get_x() + one.get_width())
    text = words(figure)
    assert "n = 60 to 61" in text
    assert "at least half of the key points" in text
    assert "31 %" in text
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == [
        "nq\u00a0· tiny",
        "base",
        "LoRA 50",
    ]


def test_categories_differ_without_colour_and_are_all_known():
    assert set(plots_decomposition._FILLS) == {*CATEGORIES, *FOLLOWS}
    figure = plots_decomposition.loss_decomposition(table(1), Right())
    wrong = [
        handle.get_hatch()
        for handle in figure.legends[0].legend_handles
        if not handle.get_label().startswith(("right", "not scored"))
    ]
    assert len(set(wrong)) == len(wrong)
    assert len(figure.legends[0].legend_handles) == len(SHARES)


def test_the_base_comes_first_and_data_sets_have_headings():
    shares = pd.concat([table(2, dataset="qasper"), table(2)])
    system = table(1).assign(method="acme")
    figure = plots_decomposition.loss_decomposition(pd.concat([system, shares]), Right())
    labels = [t.get_text().replace("\u00a0", " ") for t in figure.axes[0].get_yticklabels()]
    assert labels == ["nq · tiny", "base", "acme", "LoRA 50", "qasper · tiny", "base", "LoRA 50"]


def test_more_bars_than_can_be_read_are_left_out_and_counted():
    figure = plots_decomposition.loss_decomposition(table(45), Right())
    assert "5 further model states are in the table" in words(figure)
    assert len(figure.axes[0].get_yticks()) == plots_decomposition.MOST_BARS + 1


def test_nothing_to_draw_says_so(tmp_path):
    for draw in (plots_decomposition.loss_decomposition, plots_decomposition.context_or_memory):
        figure = draw(table(0), Right(), note="careful")
        assert "No question was answered" in words(figure)
        plots.save(figure, tmp_path, "nothing")


@pytest.mark.parametrize(("n_states", "long"), [(2, True), (5, False), (12, True)])
def test_no_text_runs_into_another(n_states, long):
    names = (
        {"dataset": LONG, "model": "a-model-with-a-rather-long-name-of-42-chars"} if long else {}
    )
    variant = "answers long, deduplicated, 3 distractors, replay 20 %" if long else ""
    note = "2 of 2 model states were not answered in the context “oracle”. " * 2 if long else ""
    follows = table(n_states, FOLLOWS, variant=variant, values=[0.1, 0.02, 0.6, 0.2, 0.08], **names)
    losses = table(n_states, variant=variant, **names)
    for figure in (
        plots_decomposition.loss_decomposition(losses, Right(), note),
        plots_decomposition.context_or_memory(follows, Right("judge_accuracy", 4, "qwen"), note),
    ):
        figure.draw_without_rendering()
        (ax,) = figure.axes
        width, height = figure.bbox.size
        boxes = [text.get_window_extent() for text in (*ax.texts, *ax.get_yticklabels())]
        for i, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[i + 1 :])
        for text in ax.texts:
            own = [b.get_window_extent() for b in bars(figure)]
            box = text.get_window_extent()
            assert any(b.x0 <= box.x0 and box.x1 <= b.x1 and b.y0 <= box.y0 for b in own)
        for text in (*figure.texts, *ax.get_yticklabels()):
            box = text.get_window_extent()
            assert -1 <= box.x0 < box.x1 <= width + 1, text.get_text()
            assert -1 <= box.y0 < box.y1 <= height + 1, text.get_text()
        blocks = [t.get_window_extent() for t in figure.texts if t.get_text()]
        blocks += [figure.legends[0].get_window_extent(), ax.get_tightbbox()]
        for i, block in enumerate(blocks):
            for other in blocks[i + 1 :]:
                assert min(block.y1, other.y1) - max(block.y0, other.y0) < 6
        assert min(text.get_fontsize() for text in figure.findobj(Text)) >= 9
