import csv
import io
import re

import pytest

from rag_study.common.errors import StudyError
from rag_study.labelling import csv_file
from rag_study.labelling.questions import QUESTIONS
from rag_study.labelling.sample import Sample

HOSTILE = [
    "=HYPERLINK(1)",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "'=1",
    "'tis",
    'two\nlines, "quoted"; and more',
    "\r\nstarts with a line end",
    "Ünïcödé 日本語 −5",
    "",
    "bell \x07 and null \0",
    "x" * 40_000,
]


@pytest.fixture
def sample():
    answers = [
        {
            "answer_id": f"abc123-{i:03d}",
            "dataset": "mine",
            "question_id": f"q{i // 2}",
            "question": f"Which, {text[:20]}?",
            "reference": text[:30],
            "answer": text,
            "runs": [i % 2],
        }
        for i, text in enumerate(HOSTILE, start=1)
    ]
    frame = [{"dataset": "mine", "question_id": f"q{i}", "drawn": 1} for i in range(7)]
    runs = [{"method": "none"}, {"method": "lora"}]
    return Sample("abc123", "small", "none", 0, "judge", frame, runs, answers)


@pytest.fixture
def written(sample, tmp_path):
    path = tmp_path / "answers.csv"
    csv_file.write(path, sample)
    return path


def rows_of(path):
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline="")))


def save(path, rows, delimiter=",", encoding="utf-8"):
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys(), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))


def fill(rows, score="3"):
    return [row | dict.fromkeys(QUESTIONS, score) for row in rows]


def test_no_cell_is_a_formula_and_every_text_survives(written, sample):
    assert written.read_bytes().startswith(b"\xef\xbb\xbf")
    with written.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["answer_id", "question", "reference_answer", "answer", *QUESTIONS]
    for row, text in zip(rows, HOSTILE, strict=True):
        assert not any(cell and cell[0] in "=+-@\t\r" for cell in row.values())
        shown = csv_file.unescape(row["answer"])
        if len(text) > 32_000:
            assert shown == text[:32_000] + " … (cut here)"
        elif text.isprintable() or "\n" in text or "\t" in text:
            assert shown == (text or "(no answer)")
        else:
            assert shown == "bell   and null  "
        assert row["accuracy"] == row["completeness"] == ""


@pytest.mark.parametrize("text", HOSTILE)
def test_escaping_can_be_undone(text):
    assert csv_file.unescape(csv_file.escape(text)) == text


def test_no_name_of_a_run_or_its_order_is_in_the_file(written):
    text = written.read_text("utf-8-sig")
    assert "lora" not in text
    assert "runs" not in text


def test_the_instructions_have_the_questions(written, sample):
    told = written.with_name("answers-instructions.txt").read_text()
    assert "13 answers to 7 questions" in told
    for text in QUESTIONS.values():
        assert text in told


def test_a_file_that_may_hold_labels_is_not_written_over(written, sample):
    before = written.read_bytes()
    with pytest.raises(StudyError, match="may hold somebody's labels"):
        csv_file.write(written, sample)
    assert written.read_bytes() == before


def test_passages_have_a_column_of_their_own(sample, tmp_path):
    texts = {("mine", a["question_id"]): "[1] Title\n=text" for a in sample.answers}
    csv_file.write(tmp_path / "p.csv", sample, texts)
    rows = rows_of(tmp_path / "p.csv")
    assert csv_file.unescape(rows[0]["passages"]).splitlines() == ["[1] Title", "=text"]
    save(tmp_path / "p.csv", fill(rows))
    assert csv_file.read(tmp_path / "p.csv", sample).notes == []


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_what_spreadsheets_make_of_it_is_read(written, sample, delimiter, encoding):
    rows = fill(rows_of(written))
    rows[0]["accuracy"], rows[1]["accuracy"], rows[2]["accuracy"] = " 5 ", "4.0", "2,0"
    # Blanks, line ends and apostrophes change; rows are sorted; empty rows stand at the end.
    for row in rows:
        row["answer"] = row["answer"].replace("\n", "\r\n").strip().removeprefix("'")
    empty = dict.fromkeys(rows[0], "")
    save(written, [*rows[::-1], empty, empty], delimiter, encoding)
    assert csv_file.sample_name(written) == "abc123"
    labels = csv_file.read(written, sample)
    assert labels.notes == []
    assert [labels.scores[f"abc123-00{i}"]["accuracy"] for i in (1, 2, 3, 4)] == [5, 4, 2, 3]


@pytest.mark.parametrize(
    "cell", ["3 - fair", "3: fair", "3 (fair)", "03", "3.", "\u0663", "\ufeff3"]
)
def test_a_score_may_have_its_words_behind_it(written, sample, cell):
    save(written, [row | {"accuracy": cell} for row in fill(rows_of(written))])
    scores = csv_file.read(written, sample).scores
    assert {row["accuracy"] for row in scores.values()} == {3}


def test_lines_of_empty_cells_may_stand_before_the_header(written, sample):
    save(written, fill(rows_of(written)), ";")
    text = written.read_text("utf-8")
    written.write_text("sep=;\n;;;;;;\n\n" + text, "utf-8")
    assert csv_file.read(written, sample).notes == []
    written.write_text(";;;\n" + text.replace("accuracy", "x", 1), "utf-8")
    with pytest.raises(StudyError, match="line 2: no column accuracy"):
        csv_file.read(written, sample)


def test_empty_cells_are_not_labels_and_are_counted(written, sample):
    rows = fill(rows_of(written))
    rows[0]["accuracy"] = rows[1]["accuracy"] = " "
    for row in rows:
        row["completeness"] = ""
        row["remark"] = "hard"
    save(written, rows)
    labels = csv_file.read(written, sample)
    assert labels.scores["abc123-001"] == {"accuracy": None, "completeness": None}
    assert labels.notes[0].startswith("2 of 13 answers without a label for accuracy")
    assert labels.notes[1] == "No answer has a label for completeness."
    assert labels.notes[2] == "Columns that are not read: remark."


def changed(rows, number, **cells):
    return [row | cells if i == number else row for i, row in enumerate(rows)]


BAD = {
    "too high": (lambda r: changed(r, 0, accuracy="6"), r"line 2 \(abc123-001\): accuracy is '6'"),
    "too low": (lambda r: changed(r, 0, completeness="0"), "completeness is '0'"),
    "negative": (lambda r: changed(r, 0, accuracy="-1"), "accuracy is '-1'"),
    "fraction": (lambda r: changed(r, 2, accuracy="3.5"), "line 4 .*'3.5', not a whole number"),
    "date": (lambda r: changed(r, 2, accuracy="04-May"), "accuracy is '04-May'"),
    "of five": (lambda r: changed(r, 2, accuracy="4/5"), "accuracy is '4/5'"),
    "range": (lambda r: changed(r, 2, accuracy="3 - 4"), "accuracy is '3 - 4'"),
    "word": (lambda r: changed(r, 2, accuracy="good"), "accuracy is 'good'"),
    "no labels": (lambda r: fill(r, ""), "no label is filled in yet"),
    "no column": (
        lambda r: [{k: v for k, v in row.items() if k != "accuracy"} for row in r],
        "line 1: no column accuracy",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_is_named_with_its_line(written, sample, what):
    change, message = BAD[what]
    save(written, change(fill(rows_of(written))))
    with pytest.raises(StudyError, match=message):
        csv_file.read(written, sample)


LEFT_OUT = {
    "unknown id": (
        lambda r: changed(r, 1, answer_id="abc123-099", answer="else"),
        r"line 3 \(abc123-099\): this id is not of the sample",
    ),
    "no id": (lambda r: changed(r, 1, answer_id="", answer="else"), "line 3 .*without answer_id"),
    "twice": (lambda r: [*r, r[0] | {"accuracy": "1"}], "the same id, other cells"),
    "missing": (lambda r: r[1:], "1 row of the sample missing or left out: abc123-001"),
    "another text": (lambda r: changed(r, 2, answer="another"), "line 4 .*not the answer"),
    "another's": (
        lambda r: changed(r, 6, answer=r[11]["answer"]),
        r"line 8 \(abc123-007\): this is not the answer .*but that of another",
    ),
    "slipped": (
        lambda r: [
            a | {"answer_id": b["answer_id"]} for a, b in zip(r, r[1:] + r[:1], strict=True)
        ][-7:],
        "nor the question",
    ),
}


@pytest.mark.parametrize("what", LEFT_OUT)
def test_rows_that_cannot_be_matched_are_named_and_the_others_kept(written, sample, what):
    change, message = LEFT_OUT[what]
    rows = fill(rows_of(written), "3")
    save(written, [*change(rows), *([rows[12]] if what == "slipped" else [])])
    labels = csv_file.read(written, sample)
    assert re.search(message, "\n".join(labels.notes))
    assert list(labels.scores) == [a["answer_id"] for a in sample.answers]
    kept = [row["accuracy"] for row in labels.scores.values() if row["accuracy"] is not None]
    assert kept
    assert set(kept) == {3}


def test_a_row_whose_id_is_lost_is_found_by_its_texts(written, sample):
    rows = fill(rows_of(written), "3")
    rows[1] |= {"answer_id": "1,00E+23", "accuracy": "5"}
    save(written, rows)
    assert csv_file.read(written, sample).scores["abc123-002"]["accuracy"] == 5


def test_a_file_of_another_sample_is_refused(written, sample):
    rows = [
        row | {"answer_id": f"x{i}", "answer": "else"} for i, row in enumerate(rows_of(written))
    ]
    save(written, fill(rows))
    with pytest.raises(StudyError, match="no row belongs to the sample abc123"):
        csv_file.read(written, sample)


# What is written, and what spreadsheets of several countries leave of it.
REWRITTEN = {
    "OCT3": "03. Okt",
    "5/6": "05-Jun",
    "2-11": "2023-11-02",
    "00420": "420",
    "3E8": "3,00E+08",
    "98765432109876543": "9,87654E+16",
    "TRUE": "VRAI",
    "7:45": "07:45:00",
    "=B2": "#REF!",
    "12,5 %": "0,125",
    "“so” – it…": '"so" - it...',
    "Größe ≥ naïve": "Gr??e ? na?ve",
}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("first", ["", "sep=;\r\n"])
def test_labels_survive_what_a_spreadsheet_makes_of_the_answers(tmp_path, encoding, first):
    answers = [
        {
            "answer_id": f"9e1234-{i:03d}",
            "dataset": "mine",
            "question_id": f"q{i}",
            "question": f"Which mark has the café {i}?",
            "reference": text,
            "answer": text,
            "runs": [0],
        }
        for i, text in enumerate(REWRITTEN, start=1)
    ]
    sample = Sample("9e1234", "small", "none", 0, "judge", [], [{}], answers)
    csv_file.write(tmp_path / "a.csv", sample)
    rows = rows_of(tmp_path / "a.csv")
    made = []
    for number, (row, cell) in enumerate(zip(rows, REWRITTEN.values(), strict=True)):
        row = row | {"answer": cell, "reference_answer": cell, "accuracy": f"{1 + number % 5},0"}
        row["completeness"] = "'4"
        made.append({key.replace("_", " ").title(): row[key] for key in reversed(row)} | {"": ""})
    save(tmp_path / "a.csv", made[::-1], ";", encoding)
    if first:
        text = (tmp_path / "a.csv").read_bytes().decode(encoding)
        (tmp_path / "a.csv").write_bytes((first + text).encode(encoding))
    assert csv_file.sample_name(tmp_path / "a.csv") == "9e1234"
    labels = csv_file.read(tmp_path / "a.csv", sample)
    assert [row["accuracy"] for row in labels.scores.values()] == [1 + i % 5 for i in range(12)]
    assert {row["completeness"] for row in labels.scores.values()} == {4}
    assert any("answers looked otherwise than written" in note for note in labels.notes)
    assert any("Windows-1252" in note for note in labels.notes) == (encoding == "cp1252")


def test_lines_are_those_of_the_file_although_cells_have_several(written, sample):
    rows = fill(rows_of(written))
    save(written, changed(rows, 10, accuracy="9"))
    lines = written.read_text().splitlines()
    with pytest.raises(StudyError, match="not a whole number") as caught:
        csv_file.read(written, sample)
    number = int(str(caught.value).partition("line ")[2].split()[0])
    assert lines[number - 1].startswith("abc123-011")


def test_many_problems_are_told_together_and_cut(written, sample):
    save(written, fill(rows_of(written), "7"))
    with pytest.raises(StudyError) as caught:
        csv_file.read(written, sample)
    assert str(caught.value).count("\n") == 13
    assert "and 14 more" in str(caught.value)


def test_files_that_are_something_else(written, sample, tmp_path):
    with pytest.raises(StudyError, match="there is no such file"):
        csv_file.read(tmp_path / "no.csv", sample)
    for content in (b"PK\x03\x04", b"answer_id,answer\0"):
        written.write_bytes(content)
        with pytest.raises(StudyError, match="“CSV UTF-8”"):
            csv_file.read(written, sample)
    for content in (b"", b"\x81\x8d\x8f"):
        written.write_bytes(content)
        with pytest.raises(StudyError, match="no column"):
            csv_file.sample_name(written)
    written.write_text(",".join(["answer_id", "answer", *QUESTIONS]) + "\n")
    with pytest.raises(StudyError, match="the file has no rows"):
        csv_file.sample_name(written)
    written.write_text(",".join(["answer_id", "answer", *QUESTIONS]) + '\nabc123-001,"open')
    with pytest.raises(StudyError, match="not readable as CSV"):
        csv_file.read(written, sample)
