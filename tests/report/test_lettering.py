"""Names in figures: drawn as letters, whatever they hold, in figures that can be drawn."""

import warnings
from dataclasses import replace
from types import SimpleNamespace
from xml.etree import ElementTree

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hostile import NAMES
from matplotlib.text import Text
from study_tables import WEAK, answers, comparison, table

from rag_study.analysis import analyse, effects
from rag_study.analysis.study_results import StudyResults
from rag_study.report import figures, page, plots
from rag_study.report.plots import canvas, lettering


def texts_of(figure):
    figure.draw_without_rendering()
    return [text for text in figure.findobj(Text) if text.get_text()]


def summary(**names):
    frame = answers(12)
    parts = [
        frame.assign(**{column: value}) for column, values in names.items() for value in values
    ]
    return effects.summarise(pd.concat(parts, ignore_index=True), 50)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_can_be_drawn_as_letters(name, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = summary(dataset=[name, f"{name} too"])
        figure = plots.train_size_curves(rows, "answer_recall", "retrieved")
        texts = texts_of(figure)
        assert not any(text.get_parse_math() or text.get_usetex() for text in texts)
        shown = [text.get_text().replace("\n", "") for text in texts]
        begin = lettering.name(name)[:6].strip()
        assert any(begin in text for text in shown)
        canvas.save(figure, tmp_path, "figure")
    assert ElementTree.parse(tmp_path / "figure.svg").getroot().tag.endswith("svg")


@pytest.mark.parametrize("name", NAMES)
def test_rows_and_panels_take_every_name(name):
    rows = [
        comparison("no verdict", dataset=name, model=f"{name}2", judge=name, metric=metric)
        for metric in ("judge_accuracy", "judge_completeness")
    ]
    figure = plots.effects_forest(table(*rows))
    shown = "".join(text.get_text() for text in texts_of(figure))
    assert lettering.name(name, lettering.PART)[:6] in shown
    # However long a name is: matplotlib draws at most 2^16 pixels.
    assert max(figure.get_size_inches()) < 25


def test_long_names_stay_inside_the_figure():
    rows = summary(dataset=["short", "word " * 60, "x" * 400, "長い名前" * 90])
    figure = plots.train_size_curves(rows, "answer_recall", "retrieved")
    figure.draw_without_rendering()
    (legend,) = figure.legends
    box, whole = legend.get_window_extent(), figure.bbox
    assert box.x0 >= whole.x0 - 1
    assert box.x1 <= whole.x1 + 1
    for ax in figure.axes:
        assert not ax.get_tightbbox().overlaps(box)


def test_shortened_names_are_told_apart():
    long = "a" * 300
    one, other, again = lettering.names([f"{long}1{long}", f"{long}2{long}", f"{long}1{long}"])
    assert one != other
    assert one == again
    assert lettering.names(["base", "LoRA 8"]) == ["base", "LoRA 8"]


def test_a_character_without_a_font_is_named_and_one_with_a_font_is_drawn(monkeypatch):
    private = "\ue777"  # no font gives private characters a letter
    assert lettering.legible(f"a{private}b") == "a⟨U+E777⟩b"
    lettering.font_of.cache_clear()
    file = lettering._usual()
    monkeypatch.setattr(lettering, "_others", lambda: [("Another", "another.ttf")])
    characters = lettering._characters
    monkeypatch.setattr(
        lettering, "_characters", lambda f: {0x65E5} if f == "another.ttf" else characters(file)
    )
    assert lettering.font_of("日") == "Another"
    assert lettering.legible("日x") == "日x"
    figure, _ = canvas.layout(1, panel=(3, 2), title="日 title")
    lettering.set_fonts(figure)
    (title,) = [text for text in figure.texts if text.get_text() == "日 title"]
    assert title.get_fontfamily() == [lettering.FONT, "Another"]
    lettering.font_of.cache_clear()


def test_a_caller_who_draws_with_latex_gets_letters_too():
    with matplotlib.rc_context({"text.usetex": True, "text.parse_math": True}):
        figure = plots.retrieval_quality(
            pd.DataFrame(
                [{"dataset": "$a$ & b_1", "k": k, "n": 5, **dict.fromkeys(
                    ("recall", "recall_low", "recall_high", "mrr", "mrr_low", "mrr_high"), 0.5
                )} for k in (1, 2)]
            )
        )  # fmt: skip
    assert not any(text.get_usetex() or text.get_parse_math() for text in texts_of(figure))
    assert any("$a$ & b_1" in text.get_text() for text in texts_of(figure))
    assert np.isfinite(figure.get_size_inches()).all()


def test_words_that_are_read_from_the_right_move_nothing_beside_them():
    assert lettering.legible("on שלום עולם (12)") == "on \u2068שלום עולם\u2069 (12)"


def test_all_figures_and_the_page_of_a_study_with_hostile_names(tmp_path):
    frame = answers(24, judges=("weak",))
    parts = [
        frame.assign(dataset=name, model=f"{name} model", judge=f"{name} judge")
        for name in (NAMES[0], NAMES[9], NAMES[20])
    ]
    frame = pd.concat(parts, ignore_index=True)
    study = SimpleNamespace(
        judged_metrics=["judge_accuracy"],
        datasets=[],
        looks=[],
        models=[],
        trainings=[],
        primary=SimpleNamespace(
            contexts=["retrieved"], metrics=["judge_accuracy"], reference_metrics=["answer_recall"]
        ),
        margins={},
    )
    checks = [WEAK | {"judge": judge, "dataset": "x"} for judge in frame["judge"].unique()]
    found = StudyResults(study={"name": "hostile"}, results=frame, judge_checks=checks)
    found = analyse.analyse(found, study, n_resamples=50)
    drawn = figures.draw(study, found, tmp_path)
    for file in drawn.values():
        width, height = plt.imread(file).shape[1::-1]
        assert max(width, height) < 8000, file.name
    page.build_report(replace(found, figures=drawn), tmp_path / "report.html")
    said = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "\x1b" not in said
    assert NAMES[20][:30] in said
