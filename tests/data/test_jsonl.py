import json

import pytest

from rag_study import data as qa_datasets
from rag_study.common.errors import StudyError
from rag_study.data.reading import fields, rows

NAN = float("nan")


def load(folder):
    return qa_datasets.load("jsonl", str(folder))


def append(folder, name, line):
    with (folder / name).open("a") as file:
        file.write((line if isinstance(line, str) else json.dumps(line)) + "\n")


def test_reads_questions_and_corpus(own_data):
    data = load(own_data)
    assert len(data.questions) == len(data.documents) == 40
    assert data.questions[3].answers == ("Person 3",)
    assert data.questions[3].gold_doc_ids == ("d3",)


def test_a_single_answer_may_be_a_string_and_ids_may_be_numbers(own_data):
    append(own_data, "questions.jsonl", {"id": 7, "question": "Is it so?", "answers": "yes"})
    last = load(own_data).questions[-1]
    assert (last.id, last.answers, last.answer_type) == ("7", ("yes",), "yesno")


@pytest.mark.parametrize(
    ("file", "line", "expected"),
    [
        ("questions.jsonl", "{not json", "line 41: is not JSON"),
        ("corpus.jsonl", '{"doc_id": "x"', "line 41: is not JSON"),
        ("corpus.jsonl", "[1, 2]", "must be a JSON object"),
        ("questions.jsonl", {"id": "q1", "question": "?", "answers": ["a"]}, "'q1' stands there"),
        ("corpus.jsonl", {"doc_id": "d1", "text": "t"}, "'d1' stands there twice"),
        ("corpus.jsonl", {"doc_id": "x", "text": ["t"]}, "`text` must be text"),
        (
            "questions.jsonl",
            {"id": "x", "question": "?", "answers": ["a"], "gold_doc_ids": ["nowhere"]},
            "names 'nowhere'",
        ),
        (
            "questions.jsonl",
            {"id": "x", "question": "?", "answers": ["a"], "answer_type": "essay"},
            "answer_type 'essay' is unknown",
        ),
        ("questions.jsonl", {"id": "x", "question": "?", "answers": {"a": 1}}, "list of texts"),
    ],
)
def test_bad_lines_are_named(own_data, file, line, expected):
    append(own_data, file, line)
    with pytest.raises(StudyError) as caught:
        load(own_data)
    assert expected in str(caught.value)
    assert f"{file}, line 41" in str(caught.value)


def test_missing_and_empty_files(own_data, tmp_path):
    with pytest.raises(StudyError, match="no such file or folder"):
        load(tmp_path / "nowhere")
    (own_data / "corpus.jsonl").rename(own_data / "elsewhere")
    with pytest.raises(StudyError, match=r"corpus\.jsonl is missing"):
        load(own_data)
    (own_data / "elsewhere").rename(own_data / "corpus.jsonl")
    (own_data / "questions.jsonl").write_text("\n")
    with pytest.raises(StudyError, match="holds no questions"):
        load(own_data)


def test_byte_order_mark_windows_line_ends_and_unicode_separators(own_data):
    text = (own_data / "questions.jsonl").read_text().replace("Who built", "Who\u2028built")
    (own_data / "questions.jsonl").write_bytes(
        b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()
    )
    assert len(load(own_data).questions) == 40


def test_bytes_that_are_no_text(own_data):
    with (own_data / "corpus.jsonl").open("ab") as file:
        file.write(b'{"doc_id": "x", "text": "\xff\xfe"}\n')
    with pytest.raises(StudyError, match="line 41: is not UTF-8"):
        load(own_data)


def test_fingerprint_follows_content_not_place(own_data, tmp_path):
    before = qa_datasets.revision_of("jsonl", str(own_data))
    moved = own_data.rename(tmp_path / "elsewhere")
    assert qa_datasets.revision_of("jsonl", str(moved)) == before
    append(moved, "corpus.jsonl", {"doc_id": "new", "text": "t"})
    assert qa_datasets.revision_of("jsonl", str(moved)) != before


def first(folder, name, **changes):
    """Change the first row of a file."""
    lines = (folder / name).read_text(encoding="utf-8").splitlines()
    row = {k: v for k, v in (json.loads(lines[0]) | changes).items() if v is not ...}
    (folder / name).write_text("\n".join([json.dumps(row), *lines[1:]]), encoding="utf-8")


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ("Ulm", ("Ulm",)),
        ([1984.0, 3.5, float("nan"), None], ("1984", "3.5")),
        ('["Ulm", "the town of Ulm"]', ("Ulm", "the town of Ulm")),
        ("['Ulm', 'O\\'Neill']", ("Ulm", "O'Neill")),
        ("['Ulm' 'Neu-Ulm']", ("Ulm", "Neu-Ulm")),
        ("[1, 2]", ("[1, 2]",)),
        ({"text": ["Ulm", "Ulm"], "answer_start": [3, 3]}, ("Ulm",)),
        ([{"text": "Ulm", "answer_start": 3}], ("Ulm",)),
        ({"value": "Ulm", "aliases": ["Ulma"], "type": "Wiki"}, ("Ulm", "Ulma")),
        ([["Ulm", "Ulma"]], ("Ulm", "Ulma")),
        ("nan", ("nan",)),
        ("half \ud83c", ("half \ufffd",)),
        (10**30, (f"1{'0' * 30}",)),
    ],
)
def test_answers_in_the_shapes_that_tools_write(own_data, answers, expected):
    first(own_data, "questions.jsonl", answers=answers)
    question = load(own_data).questions[0]
    assert question.answers == expected
    assert question.reference == expected[0]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"answers": True}, 'this is true: write "yes" or "no"'),
        ({"answers": [["a", "b"], ["c"]]}, "a list in a list.*`key_points`"),
        ({"answers": float("inf")}, "a number without end"),
        ({"answers": 1, "choices": ["a", "b"]}, "the place of a choice in `choices`"),
        ({"answers": ..., "answer": "x"}, "`answers` is missing.*rename `answer` to `answers`"),
        (
            {"id": ..., "_id": "x", "answers": ..., "ground_truth": "y"},
            "`id` and `answers` are missing.*rename `_id` to `id` and `ground_truth` to `answers`",
        ),
        ({"question": ..., "user_input": "x"}, "rename `user_input` to `question`"),
    ],
)
def test_what_cannot_be_an_answer_is_said_in_a_sentence(own_data, changes, expected):
    first(own_data, "questions.jsonl", **changes)
    with pytest.raises(StudyError, match=f"questions.jsonl, line 1: .*{expected}"):
        load(own_data)


@pytest.mark.parametrize(
    ("changes", "reason", "said"),
    [
        ({"answers": ...}, rows.NO_ANSWER_GIVEN, "has no answer"),
        ({"answers": []}, rows.NO_ANSWER_GIVEN, "has no answer"),
        ({"answers": [" ", float("nan")]}, rows.NO_ANSWER_GIVEN, "has no answer"),
        ({"answers": "NaT"}, rows.NO_ANSWER_GIVEN, "has no answer"),
        ({"answers": ["No Answer Present."]}, rows.NO_ANSWER_GIVEN, "`answer_type`: unanswerable"),
        ({"question": ...}, rows.NO_QUESTION, "`question` is missing or empty"),
        ({"question": "\u200b"}, rows.NO_QUESTION, "`question` is missing or empty"),
    ],
)
def test_rows_that_ask_or_answer_nothing_are_counted_up_to_a_share(own_data, changes, reason, said):
    first(own_data, "questions.jsonl", **changes)
    data = load(own_data)
    assert (data.read, len(data.questions), data.dropped) == (40, 39, {reason: 1})
    with pytest.raises(StudyError, match=f"1 of 40 rows cannot be used.*line 1: .*{said}"):
        qa_datasets.load("jsonl", str(own_data), "", {"max_dropped": 0.02})


def test_a_row_without_an_id_has_one_that_its_place_does_not_change(own_data):
    first(own_data, "questions.jsonl", id=float("nan"))
    before = load(own_data).questions[0].id
    lines = (own_data / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    (own_data / "questions.jsonl").write_text("\n".join(reversed(lines)), encoding="utf-8")
    assert load(own_data).questions[-1].id == before


def test_ids_as_pandas_writes_them_and_in_two_unicode_forms(own_data):
    first(own_data, "corpus.jsonl", doc_id="pre\u0301face.pdf")
    first(
        own_data, "questions.jsonl", id=7.0, gold_doc_ids=["pr\u00e9face.pdf"], group=float("nan")
    )
    question = load(own_data).questions[0]
    assert question.id == "7"
    assert question.gold_doc_ids == ("pr\u00e9face.pdf",)
    assert question.group is None
    again = json.dumps({"doc_id": "pr\u00e9face.pdf", "text": "t"})
    append(own_data, "corpus.jsonl", f"\n{again}")
    with pytest.raises(StudyError, match=r"line 41: doc_id .* stands there twice"):
        load(own_data)


LONG = "It was built by people who came from far away, " + "year after year, " * 5 + "again"


@pytest.mark.parametrize(
    ("answers", "reference", "expected"),
    [
        ([LONG], ..., ((), LONG, "summary")),
        ([LONG, "Ann"], ..., (("Ann",), LONG, "factoid")),
        (["Ann", LONG], ..., (("Ann",), "Ann", "factoid")),
        ([LONG], "By Ann.", ((), "By Ann.", "summary")),
        (["\u5efa" * 60], ..., ((), "\u5efa" * 60, "summary")),
    ],
)
def test_long_answers_are_for_the_judge_and_counted(own_data, answers, reference, expected):
    first(own_data, "questions.jsonl", answers=answers, reference=reference)
    data = load(own_data)
    question = data.questions[0]
    assert (question.answers, question.reference, question.answer_type) == expected
    assert data.counts == {fields.LONG_ANSWERS: 1}


def test_what_could_not_be_read_is_counted(own_data):
    first(own_data, "questions.jsonl", question="Who \udc00 built it?", answers="nan")
    first(own_data, "corpus.jsonl", text="Broken \ud83d text", extra={"x": float("nan")})
    data = load(own_data)
    assert data.counts == {rows.BROKEN: 2, rows.NAN_TEXT: 1}
    assert data.documents[0].text == "Broken \ufffd text"


def test_lists_of_ids_and_points_as_tables_print_them(own_data):
    first(own_data, "corpus.jsonl", doc_id=7)
    first(own_data, "questions.jsonl", gold_doc_ids="[7]", key_points="[['tin', 'Sn'], ['zinc']]")
    question = load(own_data).questions[0]
    assert question.gold_doc_ids == ("7",)
    assert question.key_points == (("tin", "Sn"), ("zinc",))


def test_marks_of_no_width_are_no_text(own_data):
    first(own_data, "questions.jsonl", answers=["\u200b", "\u2060\ufeff", "Ada"])
    assert load(own_data).questions[0].answers == ("Ada",)
    first(own_data, "corpus.jsonl", text="\u200b")
    with pytest.raises(StudyError, match=r"line 1: `text` is missing or empty"):
        load(own_data)


def test_parquet_and_whole_json_are_read_too(own_data):
    import pandas as pd

    before = load(own_data)
    for name in ("questions", "corpus"):
        table = pd.read_json(own_data / f"{name}.jsonl", lines=True)
        (own_data / f"{name}.jsonl").unlink()
        if name == "corpus":
            table.to_parquet(own_data / f"{name}.parquet")
        else:
            table.to_json(own_data / f"{name}.json", orient="records", indent=1)
    assert load(own_data) == before
