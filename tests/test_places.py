"""A whole study where hardly anything is as usual: paths, locale, line ends, home, sockets."""

import json
import os
import subprocess
import sys

import pytest

from rag_study.common.paths import PROJECT_ROOT

STUDY = """\
name: anywhere
models: [random-llama]
datasets: [{name: jsonl, path: dáta, label: "Türme {塔}", test_size: 8}]
fine_tuning: [{train_format: with_context, train_size: [4], epochs: 1}]
contexts: [none, retrieved]
retrieval: {retriever: bm25, chunk_size: 64, chunk_overlap: 8, top_k: 2}
answering: {max_new_tokens: 4}
retention: 0
semantic_similarity: false
judges: [{model: random-llama, ladder_size: 20}]
compute: {dtype: float32, threads: 1}
notes: ["Übung — 塔"]
"""


@pytest.fixture
def place(tmp_path, own_data):
    folder = tmp_path / "{my} 数据 #1 100% $HOME 'q' \"d\" 🦙 [x]"
    folder.mkdir()
    (folder / "dáta").mkdir()
    for file in own_data.iterdir():
        lines = file.read_bytes().replace(b"\n", b"\r\n")
        (folder / "dáta" / file.name).write_bytes(b"\xef\xbb\xbf" + lines)
    study = STUDY.replace("\n", "\r\n").encode("utf-8")
    (folder / "stúdy {name}.yaml").write_bytes(b"\xef\xbb\xbf" + study)
    return folder


def test_a_study_runs_anywhere(place, tmp_path):
    long = tmp_path / ("t" * 150)
    long.mkdir()
    home = tmp_path / "nowhere"
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("LC_", "LANG"))},
        **{"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "HOME": str(home)},
        **{"TMPDIR": str(long), "PYTHONPATH": str(PROJECT_ROOT), "COLUMNS": "40"},
        **{"RAG_STUDY_OUTPUTS": str(place / "out{}"), "RAG_STUDY_CACHE": str(place / "cache %s")},
    }
    command = [sys.executable, "-m", "rag_study"]
    study = str(place / "stúdy {name}.yaml")

    def run(*arguments):
        done = subprocess.run([*command, *arguments], capture_output=True, env=environment, cwd="/")
        return done.returncode, done.stdout.decode("ascii"), done.stderr.decode("ascii")

    code, output, errors = run("run", study, "--anyway", "--executor", "local", "--workers", "2")
    assert code == 0, output + errors
    assert "9 run, 0 reused, 0 failed, 0 blocked" in output
    assert "\\u6570\\u636e" in output  # where the report is, in the letters of the terminal
    folder = place / "out{}" / "anywhere"
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Türme {塔}" in page
    assert "Übung — 塔" in page
    status = json.loads(next((place / "out{}").rglob("status.json")).read_text(encoding="utf-8"))
    assert status["state"] == "done"
    assert run("status", study)[0] == 0
    assert not home.exists()
