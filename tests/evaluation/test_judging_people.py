"""What a scorer is worth against people's grades."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from rag_study.common.errors import StudyError
from rag_study.evaluation.judging import people

CRITERIA = ("accuracy", "completeness")


def row(**fields):
    usual = {"question": "Who built it?", "references": ["Ada Moss"], "answer": "Moss", "grade": 1}
    return usual | fields


def write(path, *rows):
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def test_rows_as_they_come(tmp_path):
    file = write(
        tmp_path / "graded.jsonl",
        row(),
        row(references="Moss", grade=0.5, group=7, model="a", criterion="completeness"),
    )
    one, two = people.read(file, CRITERIA)
    assert (one.group, one.model, one.criterion) == ("Who built it?", "", "accuracy")
    assert (two.references, two.group, two.grade) == (("Moss",), "7", 0.5)
    packed = tmp_path / "graded.jsonl.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert people.read(packed, CRITERIA) == [one, two]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"grade": 3}, "`grade` is to be a number from 0 to 1"),
        ({"grade": None}, "`grade` is to be a number from 0 to 1"),
        ({"references": [" "]}, "`references`"),
        ({"answer": None}, "`answer` is to be a text"),
        ({"criterion": "tone"}, "`criterion` is 'tone'"),
        ({"question": ""}, "question"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path, wrong, said):
    file = write(tmp_path / "graded.jsonl", row(), row(**wrong))
    with pytest.raises(StudyError, match="line 2") as error:
        people.read(file, CRITERIA)
    assert said in str(error.value)


def test_an_empty_file_and_none(tmp_path):
    for file, said in (
        (tmp_path / "none.jsonl", "no such file"),
        (write(tmp_path / "e"), "no gra"),
    ):
        with pytest.raises(StudyError, match=said):
            people.read(file, CRITERIA)


def test_samples_keep_groups_together():
    rows = [
        people.Graded(str(n // 3), "q", ("a",), str(n), 1.0, "m", "accuracy") for n in range(60)
    ]
    drawn = people.sample(rows, 5)
    assert len(drawn) == 15
    assert people.sample(rows[::-1], 5) == drawn[::-1]
    assert people.sample(rows, 99) == rows


def graded(seed=0, groups=60, short=0.0, long=0.0):
    """Two systems, one of which writes ten times as much; a scorer that gives the sides more."""
    rng = np.random.default_rng(seed)
    rows = []
    for group in range(groups):
        for model, words, extra in (("brief", 2, short), ("wordy", 20, long)):
            grade = float(rng.random() < 0.6)
            score = 1 + 4 * grade + extra + rng.normal(0, 0.2)
            rows.append((str(group), model, words, grade, score))
    return pd.DataFrame(rows, columns=["group", "model", "words", "grade", "score"])


def test_a_scorer_that_likes_long_answers():
    fair, fond = (people.figures(graded(long=by), "score", 0.25) for by in (0.0, 0.9))
    assert fond["long_short"] == pytest.approx(fair["long_short"] + 0.9, abs=0.05)
    assert fair["long_short_low"] < 0 < fair["long_short_high"]
    assert fond["long_short_low"] > 0.7
    # Which the AUC does not show.
    assert fair["auc"] == fond["auc"] == 1.0
    assert fond["long_short_of"] == "wordy (20 words) less brief (2 words)"


def test_equal_grades_are_compared_only():
    """The longer answers are the better ones, and score so."""
    table = graded()
    table["grade"] = (table["model"] == "wordy").astype(float)
    assert people.figures(table, "score", 0.25)["long_short"] is None


def test_without_two_kinds_of_systems_lengths_are_cut_in_thirds():
    table = graded(long=0.5).assign(model="")
    table["words"] = np.where(table["score"].rank() % 2, 9, 10)
    is_long, said = people.short_and_long(table)
    assert said == "over 10 words less up to 9"
    assert set(is_long.dropna()) <= {True, False}


def test_a_verdict_turned_round():
    """People find the wordy one worse; a scorer that likes length finds it better."""
    table = graded(groups=120)
    worse = (table["model"] == "wordy") & (table.groupby("model").cumcount() % 2 == 0)
    table.loc[worse, ["grade", "score"]] = 0.0, 1.0
    fair = people.figures(table, "score", 0.25)
    fond = people.figures(
        table.assign(score=table["score"] + 3 * (table["model"] == "wordy")), "score", 0.25
    )
    counts = [f"pairs{kind}" for kind in ("", "_settled", "_same", "_turned", "_alone")]
    assert [fair[key] for key in counts] == [1, 1, 1, 0, 0]
    assert [fond[key] for key in counts] == [1, 1, 0, 1, 0]


def test_a_verdict_that_people_do_not_share():
    """Both are right equally often; a scorer that likes length finds a difference."""
    table = graded(long=1.0)
    table["grade"] = (table["group"].astype(int) % 2).astype(float)
    table["score"] = 1 + 4 * table["grade"] + (table["model"] == "wordy")
    found = people.figures(table, "score", 0.25)
    assert (found["pairs_turned"], found["pairs_alone"]) == (0, 1)


def test_the_order_of_systems():
    rows = []
    for group in range(30):
        for rank, model in enumerate("abc"):
            rows.append((str(group), model, 5, rank / 2, 1 + [2.0, 3.0, 1.0][rank]))
    table = pd.DataFrame(rows, columns=["group", "model", "words", "grade", "score"])
    found = people.figures(table, "score", 0.25)
    assert found["kendall"] == pytest.approx(stats.kendalltau([2, 3, 1], [0, 1, 2]).statistic)


def test_kappa_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    grades = rng.integers(0, 5, 80) / 4
    scores = np.clip(1 + 4 * grades + rng.normal(0, 1, 80), 1, 5)
    table = pd.DataFrame(
        {"group": range(80), "model": "", "words": 3, "grade": grades, "score": scores}
    )
    expected = cohen_kappa_score(
        np.round(scores).astype(int), (1 + 4 * grades).astype(int), weights="quadratic"
    )
    assert people.figures(table, "score", 0.25)["kappa"] == pytest.approx(expected)
    # Where people said right or wrong there is no partial grade to agree on.
    assert people.figures(graded(), "score", 0.25)["kappa"] is None


def test_one_answer_tells_nothing_and_breaks_nothing():
    found = people.figures(graded(groups=1).head(1), "score", 0.25)
    known = {"n", "missing", "groups", "long_short_n", "long_short_of"}
    assert all(found[key] in (None, 0) for key in set(found) - known)


def test_token_recall():
    assert people.token_recall("It was Ada who did", "Ada Moss") == 0.5
    assert people.token_recall("", "Ada Moss") == 0.0
