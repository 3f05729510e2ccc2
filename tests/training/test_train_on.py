"""Training on what the model knew before, or did not."""

import pandas as pd
import pytest

from rag_study.common import files
from rag_study.common.errors import StudyError
from rag_study.data.schema import Question
from rag_study.training import train_on
from rag_study.training.pairs import select

POOL = [Question(f"q{i:02d}", f"Who built tower {i}?", (f"P{i}",), group=str(i)) for i in range(40)]
CLASSES = ("highly known", "maybe known", "weakly known", "unknown", None)


@pytest.fixture
def probed(tmp_path):
    rows = [
        {"pool": pool, "position": i, "question_id": f"q{i:02d}", "known_before": CLASSES[i % 5]}
        for pool in ("test", "train")
        for i in range(40 if pool == "train" else 5)
    ]
    files.write_parquet(tmp_path / train_on.KNOWLEDGE, pd.DataFrame(rows))
    return tmp_path


def test_known_are_three_classes_unknown_is_one_and_what_was_not_graded_is_neither(probed):
    known = train_on.of_kind("known", probed, 40)
    unknown = train_on.of_kind("unknown", probed, 40)
    assert known == {f"q{i:02d}" for i in range(40) if i % 5 < 3}
    assert unknown == {f"q{i:02d}" for i in range(40) if i % 5 == 3}
    # A larger probe of another study changes nothing for who asked for less.
    assert train_on.of_kind("known", probed, 10) == {f"q{i:02d}" for i in range(10) if i % 5 < 3}
    assert train_on.of_kind("all", None, 0) is None


def test_selected_are_those_of_the_kind_in_the_order_of_the_seed(probed):
    among = train_on.of_kind("known", probed, 40)
    everything = select(POOL, 40, 3)[0]
    wanted = [q.id for q in everything if q.id in among]
    few, counts = select(POOL, 8, 3, among=among)
    assert [q.id for q in few] == wanted[:8]
    assert counts["left out for what is known of them"] == 40 - 24
    assert counts["selected"] == 8
    many, counts = select(POOL, 30, 3, among=among)
    assert [q.id for q in many] == wanted
    assert counts["selected"] == 24


def test_fewer_are_said_and_too_few_are_refused(capsys, tmp_path):
    train_on.record(tmp_path, "unknown", POOL[:30], 30)
    assert capsys.readouterr().out == ""
    train_on.record(tmp_path, "unknown", POOL[:12], 30)
    assert "trained on 12 questions instead of 30" in capsys.readouterr().out
    assert train_on.saved(tmp_path) == {f"q{i:02d}" for i in range(12)}
    train_on.record(tmp_path, "unknown", POOL[:4], 4)  # so few were asked for
    for number in (0, 9):
        with pytest.raises(StudyError, match=f"only {number} of the train pool's .* unknown to it"):
            train_on.record(tmp_path, "unknown", POOL[:number], 30)


def test_without_a_kind_nothing_is_kept(tmp_path):
    train_on.record(tmp_path, "all", POOL[:3], 30)
    assert train_on.saved(tmp_path) is None
    assert train_on.saved(None) is None
