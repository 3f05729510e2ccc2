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
    assert counts == {
        "answers in the file": 3,
        "to test questions": 2,
        "to other questions": 1,
        "of these to questions that the data does not have": 1,
    }


OTHERS = [Question("t0", "Who sold tower 0?", ("Ann",)), Question("0", "Who is it?", ("Bo",))]


def test_an_id_of_0_and_ids_in_another_unicode_form(tmp_path):
    questions = [Question("0", "Who is it?", ("Bo",)), Question("caf\u00e9", "Where?", ("x",))]
    path = tmp_path / "answers.jsonl"
    path.write_text('{"id": 0, "answer": "Bo"}\n{"id": "cafe\u0301", "answer": "x"}\n')
    table, _ = imported.read_answers(path, questions, "none")
    assert table["question_id"].tolist() == ["0", "caf\u00e9"]


def test_ids_that_have_slipped_are_refused_with_their_line(tmp_path):
    rows = [
        {"id": "q1", "question": QUESTIONS[1].question, "answer": "x"},
        {"id": "q2", "question": QUESTIONS[3].question, "answer": "x"},
    ]
    with pytest.raises(StudyError, match=r"line 2: id 'q2' is of the question .*slipped"):
        read(tmp_path, *rows)
    # Also where the id is of another pool, and where no question has this text.
    path = tmp_path / "answers.jsonl"
    for text in (QUESTIONS[0].question, "Which river is the longest?"):
        path.write_text(json.dumps({"id": "t0", "question": text, "answer": "x"}) + "\n")
        with pytest.raises(StudyError, match="line 1: id 't0' is of the question"):
            imported.read_answers(path, QUESTIONS, "none", OTHERS)


def test_texts_in_other_words_and_ids_of_another_system_are_fine(tmp_path):
    table, counts = read(
        tmp_path,
        {"id": "q0", "question": "So who built tower 0 then?", "answer": "a"},
        {"id": "log-77", "question": "Who built tower 3?", "answer": "b"},
        {"id": "log-78", "question": "How do I log in?", "answer": "c"},
    )
    assert table["question_id"].tolist() == ["q0", "q3"]
    assert counts["of these to questions that the data does not have"] == 1


def test_the_same_wording_goes_to_its_own_scope(tmp_path):
    questions = [
        Question(f"q{i}", "Which data were used?", ("x",), scope=f"paper {i}") for i in range(3)
    ]
    path = tmp_path / "answers.jsonl"
    row = {"question": "which data were used", "answer": "x"}
    path.write_text(json.dumps(row | {"scope": "paper 2"}) + "\n")
    table, _ = imported.read_answers(path, questions[1:], "none", questions[:1])
    assert table["question_id"].tolist() == ["q2"]
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(StudyError, match=r"line 1: 3 questions .* this wording.*`scope`"):
        imported.read_answers(path, questions[1:], "none", questions[:1])


def test_an_answer_that_is_nan_is_missing_and_not_a_word(tmp_path):
    table, _ = read(
        tmp_path,
        {"id": "q0", "answer": float("nan")},
        {"id": "q1", "answer": None},
        {"id": "q2", "answer": "nan"},
        {"id": "q3", "answer": ""},
    )
    assert table["answer"].isna().tolist() == [True, True, False, False]
    assert table["answer"].tolist()[2:] == ["nan", ""]
    assert table["missing_reason"].notna().tolist() == [True, True, False, False]


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
        ([{"id": "q1", "response": "x"}], "rename the column to `answer`"),
        ([{"user_input": "?", "answer": "x"}], "rename the column to `question`"),
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


ANSWER = '{{"question": "The discovery of Melbindol was made by whom?", "answer": "{}"}}\n'


@pytest.fixture
def with_system(write_study, tmp_path):
    (tmp_path / "answers.jsonl").write_text(ANSWER.format("y"))

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
    (tmp_path / "answers.jsonl").write_text(ANSWER.format("z"))
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


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"id": "x", "answer": "y"}\n', "of 1 answer, none is to a question of the test pool"),
        ('{"id": "x"}\n', "line 1: `answer` is missing"),
        ("", "holds no answers"),
        ('{"id": "fic-0010-4", "question": "Who?", "answer": "y"}\n', "line 1: id 'fic-0010-4'"),
    ],
)
def test_what_is_wrong_with_the_file_is_said_while_planning(with_system, tmp_path, line, expected):
    path = with_system()
    (tmp_path / "answers.jsonl").write_text(line)
    with pytest.raises(StudyError) as caught:
        plan.expand(path)
    assert expected in str(caught.value)


def test_plan_says_to_which_questions_the_answers_are(with_system, command):
    status, output, _ = command("plan", with_system())
    assert status == 0
    assert "1 answer: 1 to questions of the test pool, 0 to others" in output
