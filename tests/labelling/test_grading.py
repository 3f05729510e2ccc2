import csv
import io
from dataclasses import replace

import pytest

from rag_study.common.errors import StudyError
from rag_study.labelling import csv_file, grading
from rag_study.labelling.questions import QUESTIONS
from rag_study.labelling.sample import Sample


@pytest.fixture
def sample():
    answers = [
        {
            "answer_id": f"abc123-{i:03d}",
            "dataset": "mine",
            "question_id": f"q{i // 2}",
            "question": f"Which one, {i // 2}?",
            "reference": "The second",
            "answer": text,
            "runs": [i % 2],
        }
        for i, text in enumerate(["=the first", "", "two\nlines; and more"])
    ]
    frame = [{"dataset": "mine", "question_id": f"q{i}", "drawn": 1} for i in range(2)]
    runs = [{"method": "none"}, {"method": "lora"}]
    return Sample("abc123", "small", "none", 0, "judge", frame, runs, answers)


@pytest.fixture
def path(sample, tmp_path):
    path = tmp_path / "answers.csv"
    csv_file.write(path, sample)
    return path


def session(path, sample, keys):
    """What was shown, and how many grades were given."""
    shown, typed = [], iter(keys)
    given = grading.grade(path, sample, shown.append, lambda: next(typed, ""))
    return "".join(shown), given


def grades(path, sample):
    return [g for answer in csv_file.read_grades(path, sample).values() for g in answer.values()]


def test_one_key_is_one_grade_and_is_kept_at_once(path, sample):
    seen = []

    def key():
        seen.append(grades(path, sample))
        return "54321q"[len(seen) - 1]

    assert grading.grade(path, sample, lambda text: None, key) == 5
    assert [sum(g is not None for g in given) for given in seen] == [0, 1, 2, 3, 4, 5]
    assert grades(path, sample) == [5, 4, 3, 2, 1, None]


def test_a_session_goes_on_where_the_last_one_stopped(path, sample):
    shown, given = session(path, sample, "55q")
    assert given == 2
    assert "6 grades to give" in shown
    shown, given = session(path, sample, "1")  # the end of the input stops as well
    assert given == 1
    assert "4 grades to give" in shown
    assert "=the first" not in shown  # it has its grades
    assert "(no answer)" in shown
    shown, given = session(path, sample, "234")
    assert (given, grades(path, sample)) == (3, [5, 5, 1, 2, 3, 4])
    assert "0 grades to give" in session(path, sample, "")[0]
    assert csv_file.read(path, sample).notes == []


def test_back_mends_and_skipping_leaves_open(path, sample):
    shown, given = session(path, sample, "5xb2s33q")
    assert grades(path, sample) == [2, None, 3, 3, None, None]
    assert given == 3
    assert "1 grade to give" not in shown
    assert session(path, sample, "q")[0].count("Accuracy") == 0  # completeness is what is left


def test_question_and_reference_are_shown_once_for_an_answer(path, sample):
    shown, _ = session(path, sample, "555555")
    assert shown.count("Which one, 0?") == 2
    assert shown.count("Reference  The second") == 3
    for text in QUESTIONS.values():
        assert shown.count(text.splitlines()[0]) == 3


def test_what_a_spreadsheet_made_of_the_file_stays(path, sample):
    rows = list(csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline="")))
    turned = [[*rows[0], "note"], *([*row, "mine"] for row in rows[:0:-1])]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";").writerows(turned)
    session(path, sample, "1q")
    after = list(
        csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline=""), delimiter=";")
    )
    assert [row["note"] for row in after] == ["mine"] * 3
    assert {row["answer_id"]: row["accuracy"] for row in after}["abc123-000"] == "1"
    assert csv_file.read_grades(path, sample)["abc123-000"]["accuracy"] == 1


def test_a_file_of_another_sample_is_refused_before_anything_is_asked(path, sample):
    others = [
        {**answer, "answer_id": f"zzz999-{i}", "question": f"Whose, {i}?", "answer": f"Hers, {i}"}
        for i, answer in enumerate(sample.answers)
    ]
    path.unlink()
    csv_file.write(path, replace(sample, name="zzz999", answers=others))
    with pytest.raises(StudyError, match="no row belongs to the sample"):
        session(path, sample, "5")
