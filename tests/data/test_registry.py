"""A data set from outside the package, by entry point and by import path, from end to end."""

import subprocess
import sys
import textwrap

import pytest

from rag_study import data as qa_datasets
from rag_study.common.errors import StudyError
from rag_study.data import registry
from rag_study.study import plan
from rag_study.study.config import load_study

MODULE = """
from pydantic import Field

from rag_study.data.reading import source_files
from rag_study.data.registry import Loader, Options
from rag_study.data.schema import Document, QADataset, Question


class ManualOptions(Options):
    prefix: str = Field("m", description="of the ids")


def load(source):
    questions, documents = [], []
    for file in source_files.source_files(source.path, "manuals", "JSON lines of questions"):
        for where, row in source_files.records(file):
            number = len(questions)
            name = f"{source.options.prefix}{number}"
            documents.append(Document(name, "Manual", row["text"]))
            questions.append(Question(name, row["q"], (row["a"],), gold_doc_ids=(name,)))
    return QADataset(tuple(questions), tuple(documents))


LOADER = Loader("manuals", load, expected="a file", options=ManualOptions)
"""


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """A module outside the package and a file that it reads; returns the folder of both."""
    (tmp_path / "my_manuals.py").write_text(MODULE)
    with (tmp_path / "manuals.jsonl").open("w") as file:
        for i in range(40):
            file.write(
                f'{{"q": "What is part {i}?", "a": "Bolt {i}", "text": "Part {i}: Bolt {i}."}}\n'
            )
    monkeypatch.syspath_prepend(tmp_path)
    registry.find.cache_clear()
    yield tmp_path
    registry.find.cache_clear()
    sys.modules.pop("my_manuals", None)


def study(write_study, **fields):
    dataset = {"name": "my_manuals:LOADER", "path": "manuals.jsonl", "test_size": 8, **fields}
    return write_study(datasets=[dataset])


def test_by_import_path_in_a_study_file(outside, write_study):
    path = study(write_study, prefix="x")
    config = load_study(path)
    assert config.datasets[0].model_extra == {"prefix": "x"}
    prepared = plan.expand(path)[0]
    assert prepared.point.dataset.name == "my_manuals:LOADER"
    data = qa_datasets.load("my_manuals:LOADER", str(outside / "manuals.jsonl"))
    assert len(data.questions) == 40
    other = plan.expand(study(write_study, prefix="y"))[0]
    assert other.run_id != prepared.run_id


def test_by_entry_point(outside):
    info = outside / "my_manuals-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-manuals\nVersion: 1.0\n")
    entry = "[rag_study.datasets]\nmanuals = my_manuals:LOADER\nbroken = my_manuals:NOTHING\n"
    (info / "entry_points.txt").write_text(entry)
    assert registry.find("manuals").name == "manuals"
    with pytest.raises(StudyError, match="'broken' of the package my-manuals cannot be imported"):
        registry.find("broken")
    with pytest.raises(StudyError, match="did you mean 'manuals'"):
        registry.find("manual")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"prefx": "y"}, "unknown key 'prefx'; did you mean 'prefix'"),
        ({"prefix": 3}, "option 'prefix'"),
        ({"path": None}, "needs `path:`, a file"),
        ({"corpus": "x.jsonl"}, "takes no `corpus:`"),
        ({"name": "my_manuals:NOTHING"}, "cannot be imported: AttributeError"),
        ({"name": "no_module:LOADER"}, "cannot be imported: ModuleNotFoundError"),
        ({"name": "my_manuals:load"}, "is a function; a data set is a"),
        ({"name": "qaspar"}, "unknown data set 'qaspar'"),
    ],
)
def test_mistakes_are_named_in_the_study_files_message(outside, write_study, fields, expected):
    with pytest.raises(StudyError) as caught:
        load_study(study(write_study, **fields))
    assert expected in str(caught.value)
    assert "datasets[0]" in str(caught.value)


def test_a_data_set_that_says_which_files_it_reads(tmp_path):
    """Tables in CSV, for example, which `reading` does not know as data."""
    loader = registry.Loader(
        "tables", load=None, files=lambda source: [("faq.csv", source.path / "faq.csv")]
    )
    folder = tmp_path / "faq"
    folder.mkdir()
    (folder / "faq.csv").write_text("q,a")
    before = loader.revision(registry.Source(folder))
    (folder / "more.jsonl").write_text("{}")
    moved = folder.rename(tmp_path / "renamed")
    assert loader.revision(registry.Source(moved)) == before
    (moved / "faq.csv").write_text("q,b")
    assert loader.revision(registry.Source(moved)) != before
    assert loader.revision(registry.Source()) == "v1"  # from the hub


def test_the_guides_example_is_this_kind_of_module(pytestconfig):
    guide = (pytestconfig.rootpath / "docs" / "add-a-dataset.md").read_text()
    code = guide.split("```python\n")[1].split("```")[0]
    namespace = {}
    exec(compile(textwrap.dedent(code), "guide", "exec"), namespace)
    assert isinstance(namespace["LOADER"], registry.Loader)


def test_stage_01_runs_it_and_too_few_questions_are_said_before_anything_is_trained(
    outside, write_study, outputs
):
    path = study(write_study, test_size=30)
    assert len(plan.expand(path)) > 3  # reading the data is left to stage 01
    done = subprocess.run(
        [sys.executable, "-m", "rag_study", "run", str(path)],
        capture_output=True,
        text=True,
        cwd=outside,
    )
    assert "done       prepare_data" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 2
    assert "test_size: 30 questions are asked for" in done.stderr
    assert "started index_corpus" not in done.stdout


def test_that_no_verdict_is_possible_is_said_after_stage_01(outside, write_study, outputs):
    command = [sys.executable, "-m", "rag_study", "run", str(study(write_study, test_size=5))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=outside)
    assert "done       prepare_data" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 2
    assert "5 independent groups of test questions are too few" in done.stderr
    assert "started index_corpus" not in done.stdout


def test_names_of_version_0_1_are_the_same_modules():
    code = """
import warnings

with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    from rag_study.qa_datasets import fields, load, reading
    from rag_study.qa_datasets.registry import Loader
    from rag_study.qa_datasets import schema
    from rag_study.errors import StudyError
import rag_study.common
import rag_study.data
import rag_study.data.reading.source_files
assert reading is rag_study.data.reading.source_files
assert fields is rag_study.data.reading.fields
assert load is rag_study.data.load
assert Loader is rag_study.data.Loader
assert schema.Question is rag_study.data.Question
assert StudyError is rag_study.common.StudyError
print(*(str(warning.message) for warning in told), sep="\\n")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "rag_study.errors is now rag_study.common.errors" in done.stdout
    assert "rag_study.qa_datasets.registry is now rag_study.data.registry" in done.stdout


DOCUMENT = "Document('d', '', 'text')"
QUESTION = "Question('q', 'Who?', ('Ann',), gold_doc_ids=('d',))"


@pytest.mark.parametrize(
    ("questions", "documents", "expected"),
    [
        ([QUESTION, QUESTION], [DOCUMENT], "question 2 .'q'.: id 'q' stands there twice"),
        ([QUESTION], [DOCUMENT, DOCUMENT], "document 2 .'d'.: doc_id 'd' stands there twice"),
        ([QUESTION], ["Document('e', '', 'text')"], "gold_doc_ids names 'd', which its corpus"),
        (
            ["Question('q', ' ', ('Ann',))"],
            [DOCUMENT],
            "question 1 .*`question` is missing or empty",
        ),
        (["Question('q', 'Who?', ())"], [DOCUMENT], "question 1 .*has no answer"),
        (["Question('q', 'Who?', (float('nan'),))"], [DOCUMENT], "has no answer"),
        (["Question('q', 'Who?', ({'a': 1},))"], [DOCUMENT], "`answers` must be a list of texts"),
        (["Question('q', 'Who?', ('x',), 'essay')"], [DOCUMENT], "answer_type 'essay' is unknown"),
        (["{'id': 'q'}"], [DOCUMENT], "question 1: must be a Question, this is a dict"),
        ([QUESTION], ["Document('d', '', 5j)"], "`text` must be text"),
        ([QUESTION], [], "gold_doc_ids names 'd'"),
        ([], [DOCUMENT], "has no questions"),
        (["Question('q', 'Who?', ('x',), extra={'a': object()})"], [DOCUMENT], "`a` is .*JSON"),
        (["1 / 0"], [DOCUMENT], "its loader says ZeroDivisionError"),
    ],
)
def test_what_a_loader_returns_is_checked_as_own_files_are(outside, questions, documents, expected):
    body = f"QADataset(({', '.join([*questions, ''])}), ({', '.join([*documents, ''])}))"
    body = body.replace("(, )", "()")
    start = MODULE.index("    questions, documents = [], []")
    end = MODULE.index("LOADER =")
    code = f"{MODULE[:start]}    return {body}\n\n\n{MODULE[end:]}"
    (outside / "my_manuals.py").write_text(code)
    with pytest.raises(StudyError, match=expected):
        qa_datasets.load("my_manuals:LOADER", str(outside / "manuals.jsonl"))


def test_values_of_pandas_and_one_answer_without_a_list_are_read(outside):
    code = MODULE.replace(
        'Question(name, row["q"], (row["a"],), gold_doc_ids=(name,))',
        'Question(name, row["q"], row["a"], "factoid", float("nan"), (), [name], 3.0)',
    )
    (outside / "my_manuals.py").write_text(code)
    data = qa_datasets.load("my_manuals:LOADER", str(outside / "manuals.jsonl"))
    question = data.questions[5]
    assert (question.answers, question.reference, question.group) == (("Bolt 5",), "Bolt 5", "3")
    assert question.gold_doc_ids == ("m5",)
