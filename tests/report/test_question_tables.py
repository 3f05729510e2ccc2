"""Who fell, who rose and which questions lost most, as report and figures show them."""

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from study_tables import STRONG, answers, full_study

from rag_study.analysis.flips import flips
from rag_study.analysis.pairing import ALL_SEEDS
from rag_study.analysis.slices import slices
from rag_study.report import page, plots, question_tables
from rag_study.report.question_tables import flip_sentences, flip_words, slice_sentences

pytestmark = pytest.mark.filterwarnings("error")
HOSTILE = "<b>Ada</b> $x_1$"


@pytest.fixture(scope="module")
def study():
    """Training makes every fifth answer wrong, and all of one asker's with 200 examples."""
    frame = answers(n=60)
    asker = frame["question_id"].str[1:].astype(int) % 4 == 1
    frame["extra_Asked by"] = np.where(asker, HOSTILE, "Ben")
    lost = asker & (frame["train_size"] == 200)
    frame.loc[lost, ["answer_recall", "exact_match"]] = 0.0
    frame.loc[lost, "judge_accuracy"] = 1.0
    table, examples = flips(frame, n_resamples=200)
    by = slices(frame, [("answer_recall", "")], {"fictional": {"Asked by": "extra_Asked by"}})
    return full_study(frame, flips=table, flip_examples=examples, slices=by)


def words(figure):
    text = " ".join(text.get_text() for text in figure.findobj(Text))
    return " ".join(text.replace("\u00a0", " ").split())


def test_sentences_say_what_the_tables_say(study):
    first = flip_sentences(study)[-1]
    assert first.startswith("LoRA 200, with retrieved passages: of 60 questions 16 fell from right")
    assert first.endswith("0 rose from wrong to right, 24 stayed right and 20 stayed wrong: "
                          "more fell than rose, beyond chance.")  # fmt: skip
    (lost,) = [s for s in slice_sentences(study) if s.startswith("LoRA 200, with retrieved")]
    assert f"questions with “Asked by: {HOSTILE}” lost most" in lost
    assert "LoRA 50" not in " ".join(slice_sentences(study))


def test_what_may_be_chance_is_said_so(study):
    row = study.flips.iloc[0].to_dict() | {"p_fdr": 0.2}
    assert flip_words(row) == "the difference may be chance"
    assert flip_words(row | {"fell": 0, "rose": 0}) == "none changed"
    none = study.slices.assign(finding="")
    (said,) = slice_sentences(full_study(study.results, slices=none))
    assert said.startswith("No kind of question is known to have lost more than the rest")


def test_the_page_has_both_with_examples_and_no_markup_of_others(study, tmp_path):
    html = page.build_report(study, tmp_path / "report.html").read_text()
    for part in ('id="flips"', 'id="slices"', "fell from right to wrong", "answer 5 of 0"):
        assert part in html
    assert "<b>Ada</b>" not in html
    assert "&lt;b&gt;Ada&lt;/b&gt;" in html
    without = page.build_report(full_study(answers(), checks=[STRONG]), tmp_path / "none.html")
    assert "Cannot be computed: no trained model and its base answered" in without.read_text()


def test_bars_are_the_numbers_of_the_table(study):
    shown = question_tables.flips_shown(study)
    figure = plots.flips(shown, flip_words)
    (ax,) = figure.axes
    widths = sorted(patch.get_width() for patch in ax.patches)
    numbers = shown[["fell", "rose", "stayed_right", "stayed_wrong"]].div(
        shown["n_questions"], axis=0
    )
    assert widths == pytest.approx(sorted(w for w in numbers.to_numpy().ravel() if w > 0))
    assert "more fell than rose, beyond chance" in words(figure)
    # What is right after training begins at the line in the middle.
    assert any(patch.get_x() == pytest.approx(0) for patch in ax.patches)


def test_the_heat_map_marks_only_what_holds(study):
    shown = question_tables.slices_shown(study, "retrieved")
    assert set(shown["context"]) == {"retrieved"}
    said = words(plots.slice_map(shown))
    assert (
        said.count("▼") == 1 + (shown["finding"].isin(["lost most", "worse than the rest"])).sum()
    )
    assert "$x_1$ (15)" in said
    few = shown.assign(shrunken=np.nan)
    assert "too few groups" in " ".join(
        text.get_text() for text in plots.slice_map(few).legends[0].get_texts()
    )
    assert "No kind of question" in words(plots.slice_map(shown.iloc[:0]))
    assert "No trained model" in words(plots.flips(study.flips.iloc[:0], flip_words))


def test_of_several_seeds_the_row_of_all_speaks():
    first = answers(n=30, sizes=(50,))
    second = first[first["train_size"] > 0].assign(seed=1)
    table, examples = flips(pd.concat([first, second], ignore_index=True), n_resamples=200)
    results = full_study(first, flips=table, flip_examples=examples)
    assert set(question_tables.flips_shown(results)["seed"]) == {ALL_SEEDS}
    assert len(question_tables.flip_rows(results)) == len(table) / 3
