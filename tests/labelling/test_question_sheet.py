"""The sheet of written questions goes out, is filled in elsewhere, and comes back."""

import csv
import io

import office
import pytest

from rag_study.common.errors import StudyError
from rag_study.labelling import question_sheet
from rag_study.questions import kinds, store
from rag_study.questions.kinds import Task
from rag_study.questions.passages import Place
from rag_study.retrieval.passage import Passage

REPLIES = {
    "factoid": "Question: Which gene did Okafor find in 2019?\nAnswer: SEPT2",
    "list": "Question: What do the mills of Lugo grind?\nAnswer: rye; oats",
    "summary": "Question: How did Lugo pay for its mills?\nAnswer: =It sold land, lent the rest "
    "of it.\nPoints: sold land; lent",
    "unanswerable": "Question: Who painted the mills of Lugo?",
}


@pytest.fixture
def kept():
    rows = []
    for kind, reply in REPLIES.items():
        task = Task(kind, (Place(Passage(f"{kind}@0", kind, "Lugo", "A text, long."), kind),))
        question = kinds.question_of(task, kinds.read_reply(kind, reply))
        row = {"name": task.name, "kind": kind, "model": "m", "reason": "", "groups": [kind]}
        rows.append(row | {"passages": ["Lugo\nA text, long."], "question": store.row_of(question)})
    return rows


@pytest.fixture
def sheet(tmp_path, kept):
    file = tmp_path / "sheet.csv"
    question_sheet.write(file, kept)
    return file


def ids(kept):
    return {row["kind"]: row["question"]["id"] for row in kept}


def rows_of(file):
    return list(csv.DictReader(io.StringIO(file.read_text("utf-8-sig"), newline="")))


def fill(file, kept, cells, delimiter=",", encoding="utf-8-sig"):
    """Write cells, {kind: {column: text}}, as a spreadsheet might save them."""
    of = {question_id: kind for kind, question_id in ids(kept).items()}
    rows = [row | cells.get(of[row["id"]], {}) for row in rows_of(file)]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    file.write_bytes(text.getvalue().encode(encoding))


def test_a_sheet_shows_everything_and_acts_on_no_spreadsheet(sheet, kept):
    rows = rows_of(sheet)
    assert len(rows) == 4
    assert not any(cell.startswith("=") for row in rows for cell in row.values())
    by_kind = {row["kind"]: row for row in rows}
    assert by_kind["list"]["answer"] == "rye; oats"
    assert by_kind["summary"]["points"] == "sold land; lent"
    assert "nothing" in by_kind["unanswerable"]["answer"]
    said = (sheet.parent / "sheet-instructions.txt").read_text()
    assert "4 questions" in said
    assert "--read sheet.csv" in said
    with pytest.raises(StudyError, match="may hold"):
        question_sheet.write(sheet, kept)


def test_struck_out_mended_and_not_read_are_told_apart(sheet, kept):
    cells = {
        "factoid": {"good": "no"},
        "list": {"new_answer": "rye; oats; maize"},
        "summary": {"good": "Yes"},
    }
    fill(sheet, kept, cells)
    read = question_sheet.read(sheet, kept)
    assert read.said == {
        ids(kept)["factoid"]: {"verdict": "struck_out"},
        ids(kept)["list"]: {"verdict": "mended", "answer": "rye; oats; maize"},
        ids(kept)["summary"]: {"verdict": "fine"},
    }
    assert "1 row with nothing filled in" in read.notes[0]


@pytest.mark.parametrize(
    ("delimiter", "encoding"), [(";", "utf-8"), ("\t", "utf-16"), (";", "cp1252")]
)
def test_a_sheet_may_be_saved_in_another_form(sheet, kept, delimiter, encoding):
    fill(
        sheet,
        kept,
        {"list": {"good": "nein"}, "summary": {"new_question": "Für was?"}},
        delimiter,
        encoding,
    )
    said = question_sheet.read(sheet, kept).said
    assert said[ids(kept)["list"]] == {"verdict": "struck_out"}
    assert said[ids(kept)["summary"]]["question"] == "Für was?"


def test_a_workbook_is_read_as_well(sheet, kept, tmp_path):
    rows = rows_of(sheet)
    rows[0]["good"] = "no"
    book = tmp_path / "sheet.xlsx"
    office.workbook(book, {"Sheet": [[*rows[0]], *([*row.values()] for row in rows)]})
    assert question_sheet.read(book, kept).said == {rows[0]["id"]: {"verdict": "struck_out"}}


def test_what_a_spreadsheet_changes_is_no_mending(sheet, kept):
    fill(sheet, kept, {"factoid": {"answer": "02-Sep", "good": "yes"}})
    read = question_sheet.read(sheet, kept)
    assert read.said[ids(kept)["factoid"]] == {"verdict": "fine"}
    assert any("answer" in note and "new_" in note for note in read.notes)


def test_what_a_person_changes_in_its_place_is(sheet, kept):
    fill(sheet, kept, {"list": {"question": "What is ground by the mills of Lugo in winter?"}})
    said = question_sheet.read(sheet, kept).said[ids(kept)["list"]]
    assert said == {
        "verdict": "mended",
        "question": "What is ground by the mills of Lugo in winter?",
    }


def test_what_cannot_be_read_is_said_with_its_row(sheet, kept, tmp_path):
    with pytest.raises(StudyError, match="no row is filled in"):
        question_sheet.read(sheet, kept)
    fill(sheet, kept, {"list": {"good": "x"}})
    with pytest.raises(StudyError, match="neither yes nor no"):
        question_sheet.read(sheet, kept)
    other = tmp_path / "other.csv"
    other.write_text("name,good\nAnn,yes\n")
    with pytest.raises(StudyError, match="columns id and good"):
        question_sheet.read(other, kept)
    other.write_text("id,good\nmade-000,yes\n")
    with pytest.raises(StudyError, match="of these questions"):
        question_sheet.read(other, kept)
    one = ids(kept)["list"]
    other.write_text(f"id,good\n{one},yes\n{one},no\n")
    with pytest.raises(StudyError, match="stands there twice"):
        question_sheet.read(other, kept)
    other.write_text(f"id,good\n{one},yes\n{one},perhaps\n")
    with pytest.raises(StudyError, match="neither yes nor no"):
        question_sheet.read(other, kept)
    with pytest.raises(StudyError, match="no such file"):
        question_sheet.read(tmp_path / "none.csv", kept)


def test_what_people_said_becomes_the_questions_of_the_study(kept, tmp_path):
    from rag_study.common.files import read_jsonl

    of = ids(kept)
    with store.Store(tmp_path / "made") as made:
        made.add(kept)
        made.review(
            {
                of["factoid"]: {"verdict": "struck_out"},
                of["list"]: {"verdict": "mended", "answer": "rye; oats; maize"},
                of["summary"]: {"verdict": "mended", "points": "sold land; lent the rest"},
            }
        )
    rows = {row["written_as"]: row for row in read_jsonl(tmp_path / "made" / "questions.jsonl")}
    assert set(rows) == {"list", "summary", "unanswerable"}
    assert rows["list"]["answers"] == ["rye, oats, maize"]
    assert rows["list"]["key_points"] == [["rye"], ["oats"], ["maize"]]
    assert rows["summary"]["key_points"] == [["sold land"], ["lent the rest"]]
    assert rows["summary"]["reviewed"] == {"read": 3, "struck_out": 1, "mended": 2}
