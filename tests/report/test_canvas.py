"""Layout and marks that the figures share."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest

from rag_study.report.plots import canvas

pytestmark = pytest.mark.filterwarnings("error")


def test_layout_has_the_panels_asked_for_and_leaves_no_figure_open():
    figure, axes = canvas.layout(4, panel=(2.5, 2.0), title="t", columns=3)
    assert figure.axes == axes
    assert len(axes) == 4
    assert plt.get_fignums() == []


def test_note_legend_and_caption_make_the_figure_taller():
    sizes = {"panel": (6.0, 2.0), "title": "t"}
    plain, _ = canvas.layout(1, **sizes)
    handles = [canvas.legend_handle("base", 0)]
    full, _ = canvas.layout(1, **sizes, note="careful", caption="n = 3", handles=handles)
    assert full.get_figheight() > plain.get_figheight() + 0.5
    assert [text.get_text() for text in full.texts] == ["t", "careful", "n\u00a0=\u00a03"]


def test_series_differ_in_more_than_colour():
    handles = [canvas.legend_handle(str(i), i) for i in range(8)]
    assert len({handle.get_marker() for handle in handles}) == 8
    assert len({str(handle.get_linestyle()) for handle in handles}) >= 4


def test_dodged_series_lie_around_their_place():
    shifts = [canvas.dodge(i, 3) for i in range(3)]
    assert sum(shifts) == pytest.approx(0)
    assert shifts == sorted(shifts)
    assert canvas.dodge(0, 1) == 0
