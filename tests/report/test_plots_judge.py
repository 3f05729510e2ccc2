import pandas as pd
import pytest
from matplotlib.text import Text

from rag_study.evaluation.judging.ladder import RUNGS
from rag_study.report import plots

GRADES = {"gold": 4.8, "paraphrase": 4.6, "padded": 4.6, "corrupted": 3, "other_question": 1.5}
GRADES["injected"] = 1.6


def ladder_tables():
    ladder = pd.DataFrame(
        [
            {"judge": judge, "question_id": i, "rung": rung, "token_f1": level / 5}
            | {"judge_accuracy": level, "judge_completeness": level}
            for judge in ("strong", "weak")
            for rung, level in GRADES.items()
            for i in range(6)
        ]
    )
    auc = pd.DataFrame(
        [
            {"scorer": scorer, "criterion": criterion, "auc": value, "n": 6, "share": 1.0}
            | {"auc_low": value - 0.1, "auc_high": value + 0.02, "expected": "above"}
            | {"higher": higher, "rung": rung}
            for scorer, value in (("strong", 0.97), ("weak", 0.51), ("token_f1", 0.88))
            for criterion in ([""] if scorer == "token_f1" else ["accuracy"])
            for higher, rung in (
                ("padded", "wrong"),
                ("right", "corrupted"),
                ("right", "other_question"),
                ("right", "injected"),
            )
        ]
    )
    return ladder, auc


def test_ladder_shows_scores_and_the_auc_beside_each_rung():
    figure = plots.judge_ladder(*ladder_tables(), invalid_judges={"weak"})
    titles = [" ".join(ax.get_title("left").split()) for ax in figure.axes]
    assert titles == [
        "Accuracy (judge) strong",
        "Completeness (judge) strong",
        "Accuracy (judge) weak judge NOT TRUSTED",
        "Completeness (judge) weak judge NOT TRUSTED",
        "Token F1",
    ]
    strong, unknown, weak, _, metric = figure.axes
    text = [t.get_text() for t in strong.texts]
    assert text.count("0.97 (0.87–0.99)") == 4
    assert [t.get_text() for t in unknown.texts].count("unknown") == 4
    assert [t.get_text() for t in weak.texts].count("0.51 (0.41–0.53)") == 4
    assert [t.get_text() for t in metric.texts].count("0.88 (0.78–0.90)") == 4
    dots = [line for line in strong.lines if line.get_marker() == "."]
    assert [set(line.get_xdata()) for line in dots] == [{level} for level in GRADES.values()]
    labels = [label.get_text() for label in strong.get_yticklabels()]
    *general, family, rung = labels
    assert general == ["general", *(RUNGS[rung] for rung in list(GRADES)[:-1])]
    assert (family, rung) == ("injections", RUNGS["injected"])
    # The same answers under two judges are one answer to a reference metric.
    assert all(len(line.get_xdata()) == 6 for line in metric.lines if line.get_marker() == ".")


def test_calibration_shows_the_mean_at_each_grade_and_marks_an_invalid_judge():
    table = pd.DataFrame(
        [("accuracy", 1.0, 1.6, 1.2, 2.0, 30), ("accuracy", 5.0, 4.5, 4.2, 4.8, 30)],
        columns=["criterion", "deserves", "mean", "low", "high", "n"],
    )
    (ax,) = plots.calibration(table, "weak", valid=False).axes
    assert "NOT TRUSTED" in ax.get_title("left")
    assert any(list(line.get_ydata()) == [1.6, 4.5] for line in ax.lines)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.judge_ladder(pd.DataFrame(), pd.DataFrame()),
        lambda: plots.judge_ladder(
            pd.DataFrame(columns=["judge", "question_id", "rung"]),
            pd.DataFrame(columns=["scorer", "criterion", "rung", "auc"]),
        ),
        lambda: plots.calibration(pd.DataFrame(), "j", valid=True),
    ],
)
def test_nothing_to_draw_gives_a_figure_that_says_so(draw):
    (ax,) = draw().axes
    assert any("No answer" in text.get_text() for text in ax.texts)


def test_text_is_readable_and_inside_the_figure():
    figure = plots.judge_ladder(*ladder_tables(), invalid_judges={"weak"})
    figure.draw_without_rendering()
    width, height = figure.bbox.size
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text():
            assert text.get_fontsize() >= 9
    for text in figure.texts:
        box = text.get_window_extent()
        assert 0 <= box.x0 < box.x1 <= width + 1, text.get_text()
        assert 0 <= box.y0 < box.y1 <= height + 1, text.get_text()
