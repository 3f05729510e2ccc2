"""`rag-study init`: from a folder to a study file."""

import office
import pytest
from ruamel.yaml import YAML

from rag_study.study import plan
from rag_study.study.config import load_study


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with manuals and a workbook, beside where the commands run."""
    place = tmp_path / "Our pümps 2026"
    (place / "manuals").mkdir(parents=True)
    rows = []
    for number in range(20):
        pages = [f"Pump {number} runs at {900 + number} turns.", f"Made in Ville{number}x."]
        office.pdf(place / "manuals" / f"pump{number}.pdf", pages)
        rows.append([f"How fast does pump {number} run?", f"{900 + number} turns", "", "Ann"])
        rows[-1][2] = f"pump{number}.pdf, p. 1"
        rows.append([f"Where does Ville produce item {number}?", f"Ville{number}x", "", "Bob"])
    rows[7][1] = None
    header = ["Question", "Right answer", "Document", "Asked by"]
    office.workbook(place / "faq.xlsx", {"FAQ": [header, *rows], "Old": [["nothing"]]})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAG_STUDY_CACHE", str(tmp_path / "cache"))
    return place


def test_a_folder_becomes_a_study_that_can_be_planned(command, folder, tmp_path, outputs):
    code, out, _ = command("init", str(folder))
    assert code == 0
    written = tmp_path / "params" / "our-pumps-2026.yaml"
    text = written.read_text(encoding="utf-8")
    assert text.startswith("# Written by `rag-study init`")
    assert YAML(typ="safe").load(text)["datasets"] == [
        {
            "name": "own",
            "path": "../Our pümps 2026/faq.xlsx",
            "corpus": "../Our pümps 2026/manuals",
            "columns": {
                "question": "Question",
                "answers": "Right answer",
                "gold_doc_ids": "Document",
            },
            "sheet": "FAQ",
            "label": "our-pumps-2026",
            "test_share": 0.5,
            "test_size": 20,
        }
    ]
    least = load_study(written).judges[0].ladder_size
    assert least == 36  # with fewer questions no judge is shown to be valid, and `plan` refuses
    assert "39 of 40 rows" in out
    assert "without an answer" in out
    assert "20 pdf" in out
    assert "rag-study run   params/our-pumps-2026.yaml" in out
    runs = plan.expand(load_study(written))
    assert runs[0].stage.name == "prepare_data"
    assert not outputs.exists()


def test_a_study_file_is_not_replaced_unasked(command, folder):
    assert command("init", str(folder), "--name", "mine")[0] == 0
    code, _, err = command("init", str(folder), "--name", "mine")
    assert code == 2
    assert "is there already" in err
    assert command("init", str(folder), "--name", "mine", "--force")[0] == 0


@pytest.mark.parametrize("name", ["Our Study", "../elsewhere"])
def test_a_name_that_no_study_can_have_writes_nothing(command, folder, tmp_path, name):
    code, _, err = command("init", str(folder), "--name", name)
    assert (code, "name" in err) == (2, True)
    assert not [*tmp_path.rglob("*.yaml")]


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda place: None, "there is no table with questions and their answers"),
        (lambda place: (place / "a.md").write_text("# A\n\nB."), "there are documents (1 md)"),
        (
            lambda place: (place / "a.csv").write_text("colour,size\nred,3\n"),
            "a.csv has colour, size",
        ),
        (
            lambda place: (place / "a.csv").write_text("question,answer\nWhy?,because\n"),
            "no documents beside it",
        ),
        (
            lambda place: office.workbook(place / "a.xlsx", {"A": []}),
            "Not read: .*no sheet holds anything",
        ),
    ],
)
def test_what_is_missing_is_said(command, tmp_path, monkeypatch, write, said):
    import re

    monkeypatch.chdir(tmp_path)
    place = tmp_path / "data"
    place.mkdir()
    write(place)
    code, _, err = command("init", str(place))
    assert code == 2
    assert re.search(said.replace("(", r"\(").replace(")", r"\)"), " ".join(err.split()))
    assert not (tmp_path / "params").exists()


def test_questions_that_cannot_be_divided_are_written_with_what_to_do(
    command, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    asked = [{"question": f"Is it {n}?", "answers": ["so"], "group": "one"} for n in range(30)]
    place = tmp_path / "data"
    place.mkdir()
    office.lines(place / "questions.jsonl", asked)
    office.lines(place / "corpus.jsonl", [{"doc_id": "d", "text": "It is so."}])
    code, out, _ = command("init", str(place))
    assert code == 0
    assert "It cannot run yet: the data has 30 questions in 1 group" in " ".join(out.split())
    assert (tmp_path / "params" / "data.yaml").exists()


def test_one_of_several_tables_is_chosen_and_the_others_are_named(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "data"
    place.mkdir()
    for name, number in (("survey", 30), ("faq", 40)):
        rows = [
            f"What is the {name} {n}?,answer{n}x,Text with answer{n}x in it." for n in range(number)
        ]
        (place / f"{name}.csv").write_text("\n".join(["question,answer,context", *rows]))
    code, out, _ = command("init", str(place))
    assert code == 0
    assert "Questions: faq.csv." in out
    assert "not used: survey.csv" in out
    code, out, _ = command("init", str(place), "--questions", str(place / "survey.csv"), "--force")
    assert code == 0
    assert "30 of 30 rows" in out


def test_the_walk_prints_what_the_guide_shows(command, tmp_path, monkeypatch):
    import example_folder

    from rag_study.common.paths import PROJECT_ROOT

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAG_STUDY_CACHE", str(tmp_path / "cache"))
    example_folder.make(tmp_path / "our-reports")
    code, out, _ = command("init", "our-reports")
    assert code == 0
    guide = (PROJECT_ROOT / "docs" / "own-data.md").read_text(encoding="utf-8")
    assert out.strip() in guide
    written = (tmp_path / "params" / "our-reports.yaml").read_text(encoding="utf-8")
    assert written.partition("name: ")[2] in guide
