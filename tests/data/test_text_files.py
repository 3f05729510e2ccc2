"""Folders of PDFs, Word files, slides, pages and texts; and files that are damaged or hostile."""

import os
import time
import zipfile
from collections import Counter

import office
import pytest

from rag_study import data
from rag_study.common.errors import StudyError
from rag_study.data.reading import documents, extraction, gold, source_files, workbooks


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RAG_STUDY_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "docs"
    place.mkdir()
    return place


def read(place, most=0.9):
    counts = Counter()
    return documents.read(place, most, counts), counts


def parts(place):
    return {doc_id: (d.title, d.text) for doc_id, d in read(place)[0].items()}


def test_a_pdf_is_its_pages_with_its_headings(folder):
    pages = ["Speed is 900 rev-\nolutions.", "", "It weighs 20 kg."]
    office.pdf(folder / "pump.pdf", pages, outline={1: "Drive", 3: "Weight"})
    found, counts = read(folder)
    assert {i: (d.title, d.text, d.extra) for i, d in found.items()} == {
        "pump.pdf:p1": (
            "pump › Drive, page 1",
            "Speed is 900 revolutions.",
            {"file": "pump.pdf", "page": 1},
        ),
        "pump.pdf:p3": (
            "pump › Weight, page 3",
            "It weighs 20 kg.",
            {"file": "pump.pdf", "page": 3},
        ),
    }
    assert counts == {"files with documents": 1}


def test_word_has_sections_and_tables(folder):
    sections = {"Sick leave": "Twenty paid days.", "Holidays": "The office closes in August."}
    office.word(folder / "leave.docx", "Leave policy", sections, [["Grade", "Days"], ["A", "28"]])
    assert parts(folder) == {
        "leave.docx:1": ("Leave policy › Sick leave", "Twenty paid days."),
        "leave.docx:2": (
            "Leave policy › Holidays",
            "The office closes in August.\n\nGrade | Days\nA | 28",
        ),
    }


def test_slides_have_titles_and_notes(folder):
    office.slides(folder / "plan.pptx", {"Now": "Nine ships.", "Next": "Ten follows."}, "Falcon.")
    assert parts(folder) == {
        "plan.pptx:s1": ("plan › Now, slide 1", "Now\n\nNine ships."),
        "plan.pptx:s2": ("plan › Next, slide 2", "Next\n\nTen follows.\n\nFalcon."),
    }


def test_pages_of_the_web_have_sections_without_their_menus(folder):
    (folder / "help.html").write_text(
        "<title>Help</title><style>p {}</style><nav>menu</nav><h1>Reset</h1><p>Hold the <b>red</b> "
        "button<br>for nine seconds.</p><!-- no --><table><tr><td>a<td>b</table>"
        "<h2>More</h2>Text<script>x</script>",
        encoding="utf-8",
    )
    assert parts(folder) == {
        "help.html:1": ("Help › Reset", "Hold the red button\nfor nine seconds.\na | b"),
        "help.html:2": ("Help › Reset › More", "Text"),
    }


def test_markdown_has_sections_outside_its_code(folder):
    (folder / "notes.md").write_text(
        "---\ntitle: Notes\n---\nIntro.\n\n# One\n\nA.\n\n```\n# none\n```\n\n"
        "Two\n---\n\nB.\n\n# C\n"
    )
    assert parts(folder) == {
        "notes.md:1": ("Notes", "Intro."),
        "notes.md:2": ("Notes › One", "A.\n\n```\n# none\n```"),
        "notes.md:3": ("Notes › One › Two", "B."),
    }


def test_text_in_other_scripts_and_encodings_is_cut_into_parts(folder):
    (folder / "gebühr.txt").write_bytes(
        "Die Gebühr beträgt zwölf Euro – für Schüler.".encode("cp1252")
    )
    (folder / "文档.txt").write_text("水在一百度沸腾。" * 400, encoding="utf-16")
    found = parts(folder)
    assert found["gebühr.txt:1"] == ("gebühr", "Die Gebühr beträgt zwölf Euro – für Schüler.")
    pieces = [text for doc_id, (_, text) in found.items() if doc_id.startswith("文档")]
    assert "".join(pieces) == "水在一百度沸腾。" * 400
    assert all(len(text) <= 1500 and text.endswith("。") for text in pieces)
    assert found["文档.txt:1"][0] == "文档, part 1 of 3"


def test_names_in_two_unicode_forms_are_one(folder, tmp_path):
    (folder / "Re\u0301sume\u0301.txt").write_text("The fee is nineteen euros.")
    (tmp_path / "q.csv").write_text(
        "question,answers,gold_doc_ids\nWhat is it?,nineteen euros,R\u00e9sum\u00e9.txt\n",
        encoding="utf-8",
    )
    (question,) = data.load("own", str(tmp_path / "q.csv"), str(folder)).questions
    assert question.gold_doc_ids == ("R\u00e9sum\u00e9.txt:1",)


UNREADABLE = {
    "scan.pdf": (lambda path: office.pdf(path, ["", ""]), "has pages but no text: it is a scan"),
    "locked.pdf": (
        lambda path: office.pdf(path, ["x"], user_password="u", algorithm="AES-256"),
        "is protected by a password",
    ),
    "cut.pdf": (lambda path: path.write_bytes(b"%PDF-1.4\n1 0 obj\n<<"), "PDF|damaged|no text"),
    "none.pdf": (lambda path: path.write_bytes(b""), "PDF|damaged"),
    "none.docx": (lambda path: path.write_bytes(b"no archive"), "cannot be opened .it is damaged"),
    "old.pptx": (
        lambda path: path.write_bytes(bytes.fromhex("d0cf11e0a1b11ae1")),
        "has a password, or is in the format before 2007",
    ),
    "empty.txt": (lambda path: path.write_text(" \n"), "has no text"),
    "memo.doc": (
        lambda path: path.write_bytes(b"x"),
        "is doc, which is not read; save it as .docx",
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_cannot_be_read_is_named_and_left_out(folder, name):
    write, reason = UNREADABLE[name]
    write(folder / name)
    with pytest.raises(StudyError, match=rf"1 of 1 file cannot be read: {name} .*(?:{reason})"):
        read(folder)
    for number in range(4):
        (folder / f"good{number}.txt").write_text(f"Good text {number}.")
    found, counts = read(folder, 0.2)
    assert len(found) == 4
    (said,) = [key for key in counts if name in key]
    assert counts[said] == 1
    with pytest.raises(
        StudyError, match=r"1 of 5 files cannot .*At most 10% may be .`max_dropped`"
    ):
        read(folder, 0.1)


def test_a_pdf_that_only_its_owner_may_change_is_read(folder):
    office.pdf(
        folder / "a.pdf",
        ["Anyone reads."],
        user_password="",
        owner_password="o",
        algorithm="AES-128",
    )
    assert parts(folder)["a.pdf:p1"][1] == "Anyone reads."


def test_archives_that_unpack_to_too_much(folder, monkeypatch):
    office.word(folder / "bomb.docx", "T", {"H": "x"})
    with (
        zipfile.ZipFile(folder / "bomb.docx", "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("word/more.xml", "w") as member,
    ):
        for _ in range(111):
            member.write(b" " * 1_000_000)
    assert (folder / "bomb.docx").stat().st_size < 1_000_000
    with pytest.raises(StudyError, match=r"bomb.docx unpacks to 11[12] MB of text; at most 100 MB"):
        read(folder)
    path = office.workbook(folder / "bomb.xlsx", {"S": [["question", "answers"], ["a", "b"]]})
    monkeypatch.setattr(workbooks.check_archive, "__defaults__", (1000,))
    with pytest.raises(StudyError, match=r"bomb.xlsx: unpacks to 0 MB; at most"):
        data.load("own", str(path))


def test_files_that_are_too_large_or_take_too_long(folder, monkeypatch):
    with (folder / "huge.html").open("wb") as file:
        file.truncate(200_000_000)
    started = time.monotonic()
    with pytest.raises(StudyError, match=r"huge.html has 200 MB; at most 20 MB of this kind"):
        read(folder)
    assert time.monotonic() - started < 5
    (folder / "huge.html").unlink()
    (folder / "slow.txt").write_text("x")
    (folder / "quick.md").write_text("y")
    monkeypatch.setattr(documents, "SECONDS_PER_FILE", 0.001)
    with pytest.raises(StudyError, match=r"slow.txt takes more than 0.001 seconds to read"):
        read(folder)


def test_a_file_that_takes_too_much_memory_or_ends_its_reader(folder, monkeypatch):
    program = folder.parent / "dies.py"
    program.write_text("import os, sys\nsys.stdin.readline()\nos._exit(9)\n")
    monkeypatch.setenv("PYTHONPATH", str(folder.parent))
    (folder / "a.txt").write_text("x")
    monkeypatch.setattr(extraction, "__name__", "dies")
    with pytest.raises(StudyError, match=r"a.txt ends the program that reads it"):
        read(folder)


def test_folders_of_very_many_files_and_links(folder, tmp_path, monkeypatch):
    secret = tmp_path / "secret.txt"
    secret.write_text("not yours")
    (folder / "inside.txt").write_text("Inside.")
    (folder / "link.txt").symlink_to(secret)
    (folder / "again.txt").symlink_to(folder / "inside.txt")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "gone.txt").symlink_to(tmp_path / "nowhere.txt")
    found, counts = read(folder)
    assert [d.text for d in found.values()] == ["Inside.", "Inside."]
    assert any("link.txt is a link that leads out of the folder" in key for key in counts)
    monkeypatch.setattr(source_files, "MOST_FILES", 20)
    for number in range(30):
        (folder / f"{number}.log").write_text("")
    with pytest.raises(StudyError, match=r"has more than 20 files. Name the folder"):
        read(folder)


def test_what_was_read_is_kept_by_content(folder, monkeypatch):
    path = office.pdf(folder / "a.pdf", ["First."])
    assert parts(folder)["a.pdf:p1"][1] == "First."
    monkeypatch.setattr(extraction, "__name__", "no.such.module")
    assert parts(folder)["a.pdf:p1"][1] == "First."  # no program was needed
    monkeypatch.undo()
    office.pdf(path, ["Second."])
    assert parts(folder)["a.pdf:p1"][1] == "Second."


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("pump.pdf, p. 2", ["pump.pdf:p2"]),
        ("Pump.PDF#page=2", ["pump.pdf:p2"]),
        ("pump (S. 1-2)", ["pump.pdf:p1", "pump.pdf:p2"]),
        ("manuals\\pump.pdf", ["pump.pdf:p1", "pump.pdf:p2"]),
        ("pump.pdf p.1; deck.pptx slide 2", ["pump.pdf:p1", "deck.pptx:s2"]),
        ("annual%20report.pdf", ["annual report.pdf:p1"]),
        ("annual_report", ["annual report.pdf:p1"]),
        ("pump.pdf:p2", ["pump.pdf:p2"]),
        ("nothing.pdf", []),
    ],
)
def test_documents_by_the_names_that_tables_give_them(given, expected):
    made = {}
    for file, names in {
        "manuals/pump.pdf": ["pump.pdf:p1", "pump.pdf:p2"],
        "deck.pptx": ["deck.pptx:s1", "deck.pptx:s2"],
        "annual report.pdf": ["annual report.pdf:p1"],
    }.items():
        for page, name in enumerate(names, start=1):
            made[name] = data.Document(name, "", "t", extra={"file": file, "page": page})
    names = gold.Names(made)
    assert names.find_all(given) == expected
    assert names.find_all("pump.pdf", "2") == ["pump.pdf:p2"]
    with pytest.raises(LookupError, match="no text on page 9"):
        names.find_all("pump.pdf, page 9")


def test_a_table_beside_a_folder_of_pdfs(folder, tmp_path):
    for number in range(6):
        pages = [f"Pump {number} runs at {900 + number} turns.", f"It is made in Ville{number}x."]
        office.pdf(folder / f"pump{number}.pdf", pages)
    rows = [
        [f"Where is pump {n} made?", f"Ville{n}x", f"pump{n}.pdf" if n else "pumpe0.pdf"]
        for n in range(6)
    ]
    path = office.workbook(tmp_path / "q.xlsx", {"S": [["question", "answers", "File"], *rows]})
    named = {"gold_doc_ids": "File"}
    dataset = data.load("own", str(path), str(folder), {"columns": named})
    assert dataset.dropped == {"whose document is not there": 1}
    assert [q.gold_doc_ids for q in dataset.questions] == [
        (f"pump{n}.pdf:p2",) for n in range(1, 6)
    ]
    with pytest.raises(
        StudyError, match=r"names 'pumpe0.pdf', which docs does not have. Did you mean 'pump0"
    ):
        data.load("own", str(path), str(folder), {"columns": named, "max_dropped": 0})


def test_a_folder_that_cannot_be_entered_or_read(folder):
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    (folder / "a.txt").write_text("x")
    (folder / "a.txt").chmod(0)
    with pytest.raises(StudyError, match="cannot be read"):
        read(folder)


def test_a_name_that_is_no_text(folder):
    try:
        (folder / os.fsdecode(b"caf\xe9.txt")).write_text("Some text.")
    except OSError:
        pytest.skip("this file system takes no such names")
    (doc_id,) = read(folder)[0]
    assert doc_id == "caf\ufffd.txt:1"
