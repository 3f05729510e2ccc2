import json

import pytest

from rag_study import data as qa_datasets
from rag_study.common.errors import StudyError


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
        ("questions.jsonl", {"id": "x", "question": "Why?"}, "no answer"),
        ("questions.jsonl", {"id": "x", "question": "Why?", "answers": []}, "no answer"),
        ("questions.jsonl", {"id": "x", "question": "Why?", "answers": [" "]}, "no answer"),
        ("questions.jsonl", {"id": "x", "answers": ["a"]}, "`question` is missing"),
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
    with pytest.raises(StudyError, match="no such folder"):
        load(tmp_path / "nowhere")
    (own_data / "questions.jsonl").write_text("\n")
    with pytest.raises(StudyError, match="holds no questions"):
        load(own_data)
    (own_data / "corpus.jsonl").unlink()
    with pytest.raises(StudyError, match=r"corpus\.jsonl is missing"):
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
