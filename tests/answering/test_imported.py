import json

import pytest

from rag_study.answering import imported
from rag_study.common.errors import StudyError
from rag_study.data.schema import Question
from rag_study.study import plan
from rag_study.study.config import load_study

QUESTIONS = [Question(f"q{i}", f"Who built tower {i}?", (f"Person {i}",)) for i in range(4)]


def read(tmp_path, *rows):
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return imported.read_answers(path, QUESTIONS, "retrieved")


def test_answers_are_found_by_id_or_by_wording_and_all_are_counted(tmp_path):
    table, counts = read(
        tmp_path,
        {"id": "q2", "answer": "Person 2", "contexts": ["Tower 2: Person 2.", "x"], "cost": 3},
        {"question": "who built TOWER 0", "answer": "", "contexts": ["nothing"]},
        {"id": "unknown", "answer": "x"},
    )
    assert table["question_id"].tolist() == ["q0", "q2"]
    assert table["position"].tolist() == [0, 2]
    assert table["answer"].tolist() == ["", "Person 2"]
    assert table["answer_in_context"].tolist() == [0, 1]
    assert counts == {"answers in the file": 3, "to test questions": 2, "to other questions": 1}


def test_reasoning_of_a_system_is_no_part_of_its_answer(tmp_path):
    table, _ = read(
        tmp_path,
        {"id": "q0", "answer": "<think>Person 9?</think>Person 0"},
        {"id": "q1", "answer": "[THINK]Person 1, or"},
        {"id": "q2", "answer": "Person 2"},
    )
    assert table["answer"].tolist() == ["Person 0", "", "Person 2"]
    assert table["truncated"].tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"id": "q1"}], "line 1: `answer` is missing"),
        ([{"answer": "x"}], "line 1: needs `id` or `question`"),
        ([{"id": "q1", "answer": ["x"]}], "line 1: `answer` must be text"),
        ([{"id": "q1", "answer": "x"}] * 2, "line 2: answers question 'q1' a second time"),
        ([{"id": "other", "answer": "x"}], "none is to a question of the test pool"),
        ([{"id": "q1", "answer": "x", "contexts": {}}], "line 1: `contexts` must be a list"),
    ],
)
def test_bad_files_are_named(tmp_path, rows, expected):
    with pytest.raises(StudyError) as caught:
        read(tmp_path, *rows)
    assert expected in str(caught.value)
    assert "answers.jsonl" in str(caught.value)


@pytest.fixture
def with_system(write_study, tmp_path):
    (tmp_path / "answers.jsonl").write_text('{"id": "x", "answer": "y"}\n')

    def write(**fields):
        system = {"name": "production", "answers": "answers.jsonl", **fields}
        return write_study(systems=[system], contexts=["none", "retrieved"])

    return write


def test_a_system_is_judged_and_never_generated(with_system, tmp_path):
    runs = plan.expand(with_system())
    ours = [run for run in runs if run.parameters.get("system", {}).get("name") == "production"]
    assert [run.stage.name for run in ours] == ["import_answers", "judge_answers"]
    assert [u.stage.name for u in ours[1].upstream] == ["prepare_data", "import_answers"]
    assert ours[1].extent == {"retrieved": 8}
    (tmp_path / "answers.jsonl").write_text('{"id": "x", "answer": "z"}\n')
    assert ours[0].run_id not in {run.run_id for run in plan.expand(with_system())}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"context": "oracle"}, "compared in 'oracle', which `contexts`"),
        ({"dataset": "other"}, "there is no data set 'other'"),
        ({"name": "lora"}, "is the name of a training method"),
        ({"anwers": "x"}, "did you mean 'answers'"),
    ],
)
def test_mistakes_in_the_study_file(with_system, fields, expected):
    with pytest.raises(StudyError) as caught:
        load_study(with_system(**fields))
    assert expected in str(caught.value)


def test_a_missing_file_is_named_while_planning(with_system, tmp_path):
    path = with_system()
    (tmp_path / "answers.jsonl").unlink()
    with pytest.raises(StudyError, match=r"answers\.jsonl: there is no such file"):
        plan.expand(path)
