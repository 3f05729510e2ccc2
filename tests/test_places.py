"""A whole study where hardly anything is as usual: paths, locale, line ends, home, sockets."""

import json
import os
import subprocess
import sys

import pytest
from tiny_study import ALL_RUN, STUDY

from rag_study.common.paths import PROJECT_ROOT


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
    assert ALL_RUN in output
    assert "\\u6570\\u636e" in output  # where the report is, in the letters of the terminal
    folder = place / "out{}" / "anywhere"
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Türme {塔}" in page
    assert "Übung — 塔" in page
    status = json.loads(next((place / "out{}").rglob("status.json")).read_text(encoding="utf-8"))
    assert status["state"] == "done"
    assert run("status", study)[0] == 0
    assert not home.exists()


# A user of its own without rights: a number that has no name, over files of whoever runs the tests.
AS_A_NUMBER = ["unshare", "--user", "--map-user=12345", "--map-group=12345"]


def a_number_may_run():
    try:
        return subprocess.run([*AS_A_NUMBER, "true"], capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not a_number_may_run(), reason="no user namespaces on this machine")
def test_a_study_runs_as_a_number_with_a_home_that_cannot_be_written(place, tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o555)
    (tmp_path / "t").mkdir()
    environment = {
        **{"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT_ROOT), "OMP_NUM_THREADS": "1"},
        **{"HOME": str(home), "TMPDIR": str(tmp_path / "t"), "LC_ALL": "xx_XX.ISO-8859-1"},
        **{"PYTHONIOENCODING": "latin-1", "IPYTHONDIR": "/dev/null/ipython", "TERM": "dumb"},
        **{"RAG_STUDY_OUTPUTS": str(tmp_path / "out"), "TZ": "Nowhere/Else", "COLUMNS": "many"},
    }
    study = str(place / "stúdy {name}.yaml")
    program = [sys.executable, "-m", "rag_study", "run", study, "--anyway"]
    script = 'umask 077; ulimit -n 256; exec "$@" <&-'
    done = subprocess.run(
        [*AS_A_NUMBER, "bash", "-c", script, "bash", *program],
        capture_output=True,
        env=environment,
        cwd="/",
    )
    output = done.stdout.decode("latin-1")
    assert done.returncode == 0, output + done.stderr.decode("latin-1")
    assert ALL_RUN in output
    assert "Übung - \\u5854" in output
    assert list(home.iterdir()) == []
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if path.stat().st_mode & 0o077]
