"""`rag-study questions`, from a folder of documents to a study file."""

import csv
import io
import json

import pytest
from writing_server import WritingServer, text_of

from rag_study.models import api_key
from rag_study.study import plan
from rag_study.study.config import load_study


@pytest.fixture
def server(monkeypatch):
    for name in (api_key.KEY_VARIABLE, api_key.OPENAI_KEY_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    server = WritingServer(knows=range(0, 60, 7))
    yield server
    server.close()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Texts about towers beside where the commands run."""
    place = tmp_path / "Tower files"
    place.mkdir()
    for number in range(60):
        (place / f"tower{number}.txt").write_text(text_of(number))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAG_STUDY_CACHE", str(tmp_path / "cache"))
    return place


def test_documents_become_questions_a_sheet_and_a_study(command, server, folder, tmp_path):
    arguments = ("questions", folder.name, "--model", server.model, "--count", "40")
    code, out, _ = command(*arguments, "--types", "factoid")
    assert code == 0
    assert "60 documents, 60 passages of them" in out
    assert "120 calls of the model if every question is kept at once" in out
    assert "answered without the passage" in out
    made = tmp_path / "questions" / "tower-files"
    rows = [json.loads(line) for line in (made / "questions.jsonl").read_text().splitlines()]
    assert len(rows) == 40
    assert "rag-study init questions/tower-files/questions.jsonl --documents 'Tower files'" in out

    asked = len(server.requests)
    assert command(*arguments, "--types", "factoid")[0] == 0
    assert len(server.requests) == asked
    (folder / "tower1.txt").write_text(text_of(1).replace("clock", "dial"))
    code, _, errors = command(*arguments, "--types", "factoid")
    assert code == 2
    assert "made with another documents" not in errors
    assert "of other documents" in errors

    text = (made / "check-by-hand.csv").read_text("utf-8-sig")
    sheet = list(csv.DictReader(io.StringIO(text, newline="")))
    for number, row in enumerate(sheet[:20]):
        row["good"] = "no" if number < 3 else "yes"
    filled = io.StringIO(newline="")
    writer = csv.DictWriter(filled, sheet[0])
    writer.writeheader()
    writer.writerows(sheet)
    (tmp_path / "filled.csv").write_text(filled.getvalue())
    code, out, _ = command("questions", folder.name, "--read", "filled.csv")
    assert code == 0
    assert "20 questions read by people: 3 struck out, 0 mended" in out
    assert len((made / "questions.jsonl").read_text().splitlines()) == 37

    init = ("init", "questions/tower-files/questions.jsonl", "--documents", folder.name)
    code, out, _ = command(*init, "--name", "towers")
    assert code == 0
    assert "with gold documents: 37" in out
    study = load_study(tmp_path / "params" / "towers.yaml")
    assert plan.expand(study)[0].stage.name == "prepare_data"


def test_without_a_model_it_says_why_there_is_no_default(command, folder):
    code, _, errors = command("questions", folder.name)
    assert code == 2
    assert "--model is missing" in errors
    assert "too weak" in errors


def test_a_small_model_is_called_too_weak_before_it_begins(command, folder):
    code, out, errors = command(
        "questions", folder.name, "--model", "random-llama", "--types", "poem"
    )
    assert code == 2
    assert "random-llama is too weak for this" in out
    assert "there is no type 'poem'" in errors


def test_the_cost_alone_writes_nothing_and_asks_nothing(command, server, folder, tmp_path):
    arguments = ("questions", folder.name, "--model", server.model, "--count", "5", "--cost")
    code, out, _ = command(*arguments, "--types", "factoid,two_documents")
    assert code == 0
    assert "pairs of passages of two documents" in out
    assert "calls of the model" in out
    assert not server.requests
    assert not (tmp_path / "questions").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("none", "--model", "random-llama"), "there is no such file or folder"),
        (("Tower files", "--model", "gpt-5"), "is no address of a server"),
        (("Tower files", "--model", "random-llama", "--out", "Tower files/q"), "lies in"),
        (("Tower files", "--read", "sheet.csv"), "no questions were made there"),
        (("Tower files", "--read", "s.csv", "--model", "random-llama"), "stands alone"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(command, folder, arguments, said):
    code, _, errors = command("questions", *arguments)
    assert code == 2
    assert said in errors


def test_a_table_of_documents_is_read_whatever_its_columns_are(
    command, server, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    rows = [["Name", "Inhalt"], *([f"Tower {n}", text_of(n)] for n in range(30))]
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=";").writerows(rows)
    (tmp_path / "docs.csv").write_text(text.getvalue())
    code, out, errors = command(
        *("questions", "docs.csv", "--model", server.model, "--count", "4", "--types", "factoid")
    )
    assert (code, errors) == (0, "")
    lines = (tmp_path / "questions" / "docs" / "questions.jsonl").read_text().splitlines()
    assert len(lines) == 4
    init = ("init", "questions/docs/questions.jsonl", "--documents", "docs.csv", "--name", "t")
    code, out, _ = command(*init)
    assert "with gold documents: 4" in out


def test_sections_of_one_file_are_named_and_stay_together(command, server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAG_STUDY_CACHE", str(tmp_path / "cache"))
    (tmp_path / "notes").mkdir()
    for number in range(1, 7, 2):
        parts = (
            f"# Tower {n}; its walls, and bells\n\n{text_of(n)}\n" for n in (number, number + 1)
        )
        (tmp_path / "notes" / f"towers, part {number}.md").write_text("\n".join(parts))
    made = ("questions", "notes", "--model", server.model, "--count", "5", "--types", "factoid")
    assert command(*made)[0] == 0
    file = tmp_path / "questions" / "notes" / "questions.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(rows) == 5
    assert len({row["group"] for row in rows}) == 3
    assert all(row["gold_doc_ids"][0].startswith(row["group"]) for row in rows)
    code, out, _ = command("init", file, "--documents", "notes", "--name", "n")
    assert code == 0
    assert "with gold documents: 5" in out
