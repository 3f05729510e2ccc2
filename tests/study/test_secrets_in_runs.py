"""What a run writes that prints, raises and logs its key; what is looked for is spelt here."""

import base64
import json
from urllib.parse import quote

import nbclient
import nbformat
import pytest
from test_runner import BEGIN, PARAMETERS, notebook  # noqa: F401 - a fixture

from rag_study.common import run_folder
from rag_study.study.running import runner

KEY = 'sk-live/"q"+0123456789ABCDEF'
SHOWS = """
import base64, json, logging, os, subprocess, sys, warnings
key = os.environ["RAG_STUDY_API_KEY"]
print(dict(os.environ))
said = base64.b64encode(f"user:{key}".encode())
print(json.dumps({"key": key}), said, key[::-1], file=sys.stderr)
os.system("printenv RAG_STUDY_API_KEY; printenv RAG_STUDY_API_KEY >&2; printenv >&2")
subprocess.run(["printenv"])
logging.basicConfig(level="DEBUG")
logging.getLogger("httpx").debug("headers %s", {"Authorization": f"Bearer {key}"})
warnings.warn(f"the key is {key}")
from IPython.display import HTML, display
display(HTML(f"<b>{key}</b>"), {"headers": key})
run.store.part("one", lambda: [{"answer": key.encode().hex()}])
"""


def spellings():
    yield from (KEY, KEY[::-1], KEY[:14], KEY.lower(), json.dumps(KEY)[1:-1])
    yield from (quote(KEY, safe=""), quote(KEY, safe="").lower(), KEY.encode().hex())
    yield from (json.dumps(json.dumps(KEY))[3:-3], "0123456789")
    for before in ("", "u", "us", "user:"):
        yield base64.b64encode(f"{before}{KEY}".encode()).decode()[8:32]


@pytest.mark.parametrize(
    "end",
    [
        "raise ValueError(f'Illegal header {key}')",
        "from rag_study.common.errors import StudyError\nraise StudyError(json.dumps(key))",
        "run.finish({'said': key})",
        "os._exit(3)",
    ],
)
def test_no_file_of_a_run_holds_its_key(notebook, outputs, monkeypatch, end):  # noqa: F811
    monkeypatch.setenv("RAG_STUDY_API_KEY", KEY)
    run = notebook(SHOWS, end)
    ended = runner.execute(run)
    folder = run_folder.RunFolder(run.run_id)
    assert "***" in (folder.path / "log.txt").read_text()
    assert "***" in (folder.path / "notebook.ipynb").read_text()
    json.loads((folder.path / "notebook.ipynb").read_text())
    texts = {str(path): path.read_bytes() for path in outputs.rglob("*") if path.is_file()}
    texts["status"] = ended.status.message.encode()
    found = [
        (path, spelled)
        for path, text in texts.items()
        for spelled in spellings()
        if spelled.encode() in text
    ]
    assert not found


def test_a_notebook_that_someone_runs_by_hand_shows_no_key(monkeypatch):
    monkeypatch.setenv("RAG_STUDY_API_KEY", KEY)
    book = nbformat.v4.new_notebook()
    cells = [
        "import os; from rag_study.common import surroundings; surroundings.settle()",
        "print(os.environ)\nraise ValueError(os.environ['RAG_STUDY_API_KEY'])",
    ]
    book.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbclient.NotebookClient(book, allow_errors=True).execute()
    assert json.dumps(book).count("***") > 2
    assert "0123456789" not in json.dumps(book)
