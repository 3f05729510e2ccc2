"""The sheet of tags: what people give is kept, whoever else writes to it and with what."""

import csv
import io
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from rag_study.common import run_folder
from rag_study.common.errors import StudyError
from rag_study.study import answer_tags, study_tables
from rag_study.study.answer_tags import SEEN, Change, answer_id


@pytest.fixture
def folder(outputs):
    made = run_folder.study_dir("mine")
    made.mkdir(parents=True)
    return made


def answer(number):
    said = answer_id("data", "retrieved", f"q{number}", f"answer {number}")
    return {
        "answer_id": said,
        "question_id": f"q{number}",
        "state": "LoRA 200",
        "context": "with retrieved passages",
        "question": f"Which, {number}?",
        "answer": f"answer {number}",
    }


def give(folder, number, *tags, by="Ann", remove=()):
    answer_tags.change(folder, Change(answer(number), by, frozenset(tags), frozenset(remove)))


def said(folder):
    """What people said, by question and person."""
    ids = {answer(number)["answer_id"]: number for number in range(40)}
    return {
        (ids[one], person): set(tags)
        for one, people in answer_tags.read(folder).given.items()
        for person, tags in people.items()
    }


def sheet(folder):
    """The header and the rows of the file."""
    text = (folder / answer_tags.FILE).read_text("utf-8-sig")
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    return header, rows


def test_tags_are_given_taken_away_and_read_by_people(folder):
    assert answer_tags.read(folder).given == {}
    give(folder, 1, "wrong unit", " too  long ")
    give(folder, 1, "Wrong Unit; made up", by="Ben")
    give(folder, 2, SEEN)
    give(folder, 3, "made up")
    give(folder, 3, remove=["made up"])
    assert said(folder) == {
        (1, "Ann"): {"wrong unit", "too long"},
        (1, "Ben"): {"wrong unit", "made up"},  # spelled as it was first
        (2, "Ann"): set(),
        (3, "Ann"): set(),  # it was looked at all the same
    }
    assert answer_tags.read(folder).names == ["made up", "too long", "wrong unit"]
    give(folder, 3, remove=[SEEN])
    assert (3, "Ann") not in said(folder)
    header, rows = sheet(folder)
    assert tuple(header) == answer_tags.COLUMNS
    assert rows[0][1:] == [
        *("too long; wrong unit", "Ann", "q1", "LoRA 200", "with retrieved passages"),
        *("Which, 1?", "answer 1"),
    ]
    assert [row[1] for row in rows[2:]] == ["ok", ""]
    assert answer_tags.lost(folder) == []


def test_two_people_at_once_lose_nothing(folder):
    """Each with tags of the same answers, and of her own."""

    def tag(place):
        give(folder, place % 5, f"tag {place}", by=f"person {place % 2}")
        give(folder, 10 + place, SEEN, by=f"person {place % 2}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(tag, range(20)))
    found = said(folder)
    assert {p: set() for p in found if p[0] >= 10} == {
        (10 + place, f"person {place % 2}"): set() for place in range(20)
    }
    assert sum(len(tags) for tags in found.values()) == 20


@pytest.mark.parametrize(
    ("delimiter", "encoding"),
    [(",", "utf-8"), (";", "cp1252"), ("\t", "utf-16"), (";", "utf-8-sig")],
)
def test_what_a_spreadsheet_makes_of_the_file_stays(folder, delimiter, encoding):
    """Another delimiter and encoding, rows and columns in another order, columns of the person's
    own, one of them without a name; a row that is copied."""
    for number in range(4):
        give(folder, number, "too long")
    header, rows = sheet(folder)
    rows = [[f"note é {row[0][:3]}", "", *row[::-1], "beside"] for row in rows[::-1]]
    rows.append(rows[0])
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows([["My note", "", *header[::-1], ""], *rows, [""] * len(rows[0])])
    (folder / answer_tags.FILE).write_bytes(text.getvalue().encode(encoding))
    give(folder, 2, "wrong unit")
    give(folder, 9, "made up", by="=Ben")
    again = (folder / answer_tags.FILE).read_bytes().decode("utf-8-sig")
    new_header, *new_rows = csv.reader(io.StringIO(again, newline=""), delimiter=delimiter)
    assert new_header == ["My note", "", *header[::-1], ""]
    column = new_header.index("tags")
    for before, after in zip(rows, new_rows, strict=False):
        assert before[:column] + before[column + 1 :] == after[:column] + after[column + 1 :]
    assert [row[column] for row in new_rows] == [
        *("too long", "too long; wrong unit", "too long", "too long", "too long", "made up")
    ]
    assert said(folder)[9, "=Ben"] == {"made up"}
    assert said(folder)[2, "Ann"] == {"too long", "wrong unit"}
    assert "'=Ben" in again  # which a spreadsheet would take for a formula


def test_an_older_copy_that_is_saved_over_the_file_is_noticed_and_undone(folder):
    give(folder, 1, "too long")
    older = (folder / answer_tags.FILE).read_bytes()
    give(folder, 1, "wrong unit")
    give(folder, 2, SEEN)
    give(folder, 3, "made up", by="Ben")
    (folder / answer_tags.FILE).write_bytes(older)
    assert said(folder) == {(1, "Ann"): {"too long"}}
    (note,) = answer_tags.read(folder).notes
    assert "tags.csv lacks tags of 3 answers" in note
    give(folder, 4, "too long")  # work goes on, and what is lost stays known
    answer_tags.put_back(folder)
    assert answer_tags.read(folder).notes == []
    assert said(folder) == {
        (1, "Ann"): {"too long", "wrong unit"},
        (2, "Ann"): set(),
        (3, "Ben"): {"made up"},
        (4, "Ann"): {"too long"},
    }
    assert sheet(folder)[1][1][3:] == [*answer(4).values()][1:]


def test_what_somebody_takes_out_on_purpose_is_agreed_to(folder):
    give(folder, 1, "too long", "typo")
    give(folder, 2, "made up")
    file = folder / answer_tags.FILE
    text = file.read_text("utf-8").replace("too long; typo", "too long")
    file.write_text("".join(text.splitlines(keepends=True)[:2]), "utf-8")
    assert {one.add for one in answer_tags.lost(folder)} == {
        frozenset({"typo"}),
        frozenset({"made up"}),
    }
    answer_tags.accept(folder)
    assert answer_tags.read(folder).notes == []
    assert said(folder) == {(1, "Ann"): {"too long"}}
    file.unlink()
    assert len(answer_tags.lost(folder)) == 1
    # A line that a killed writer left half-written harms no other.
    with (folder / answer_tags.HISTORY).open("a") as history:
        history.write('{"when": "2026-01-01T')
    give(folder, 5, "too long")
    assert len(answer_tags.lost(folder)) == 1
    answer_tags.put_back(folder)
    assert set(said(folder)) == {(1, "Ann"), (5, "Ann")}


A1 = answer(1)["answer_id"]
BAD = {
    "no id": ("answer_id,tags\n,\n\n,too long\n", "line 4: “” is not the answer_id"),
    "an id that a spreadsheet spoiled": (
        f'answer_id,tags,question\n{A1},ok,"two\nlines"\n1.2E+11,too long,x\n',
        r"line 4: “1\.2E\+11” is not the answer_id",
    ),
    "no such column": ("id,tags\n1,ok\n", "line 1: no column answer_id. A file of tags has"),
    "a column twice": (f"answer_id,tags,Tags\n{A1},ok,ok\n", "line 1: tags stands there twice"),
    "cells beyond": (f"answer_id,tags\n{A1},too long,x\n", "line 2: more cells than columns"),
    "quotes without an end": (f'answer_id,tags\n{A1},"too\n', "after line 1: not readable as CSV"),
    "a workbook": ("PK\3\4", "is a workbook"),
}


@pytest.mark.parametrize(("text", "problem"), BAD.values(), ids=BAD)
def test_a_row_that_cannot_be_used_is_named_and_the_file_left_as_it_is(folder, text, problem):
    file = folder / answer_tags.FILE
    file.write_text(text)
    with pytest.raises(StudyError, match=problem) as caught:
        answer_tags.read(folder)
    assert str(file) in str(caught.value)
    with pytest.raises(StudyError, match=problem):
        give(folder, 1, "made up")
    assert file.read_text() == text
    assert answer_tags.lost(folder.parent / "none") == []
    tags = answer_tags.read_or_say(folder)
    assert not tags.given
    assert str(caught.value) in tags.notes[0]


def test_empty_cells_are_answers_that_nobody_has_looked_at(folder):
    (folder / answer_tags.FILE).write_text(
        f"Answer ID;Tags;By\n{A1};;Ann\n{answer(2)['answer_id']};OK;\n;;\n"
        f'{answer(3)["answer_id"]};"ok, made up|too;long";Ben\n'
    )
    assert said(folder) == {(2, ""): set(), (3, "Ben"): {"made up", "too", "long"}}


def test_a_folder_that_cannot_be_written_is_said(folder):
    if os.geteuid() == 0:
        (folder / answer_tags.HISTORY).mkdir()
    else:
        folder.chmod(0o500)
    with pytest.raises(StudyError, match=r"tags\.csv: tags cannot be kept there"):
        give(folder, 1, "made up")
    folder.chmod(0o700)


def test_tags_stay_when_the_tables_are_made_again_and_are_no_damage(folder):
    give(folder, 1, "made up")
    before = (folder / answer_tags.FILE).read_bytes()
    for _ in range(2):
        new = folder.parent / "new"
        new.mkdir()
        (new / "results.csv").write_text("there")
        study_tables.publish(new, "mine", "compare/mine-01234567", 1, 0)
    (folder / answer_tags.FILE).write_bytes(before + b"\r\n")  # a person's edit
    assert study_tables.damages(folder) == []
    assert said(folder) == {(1, "Ann"): {"made up"}}
