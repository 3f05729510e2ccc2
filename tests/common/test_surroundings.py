"""What a process finds where it is started: locale, home, user, temporary folder, quota."""

import errno
import getpass
import os
import pwd
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from rag_study.common import control_groups, files, machine, surroundings
from rag_study.common.errors import StudyError
from rag_study.common.paths import PROJECT_ROOT

CACHES = ("RAG_STUDY_CACHE", "IPYTHONDIR", "MPLCONFIGDIR", "LLAMA_INDEX_CACHE_DIR")
CACHES += ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Another folder of temporary files, given by its name below the test's own."""

    def use(name):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        return folder

    return use


def test_sockets_lie_where_their_paths_are_short_enough(temporary):
    assert surroundings.sockets_dir() != str(temporary("t" * 120))
    assert len(surroundings.sockets_dir()) <= surroundings.LONGEST_SOCKETS_DIR
    # Letters are counted as they are written: these are three bytes each.
    assert surroundings.sockets_dir() != str(temporary("塔" * 40))


def test_that_there_is_no_place_for_sockets_is_said(temporary, monkeypatch):
    long = temporary("t" * 120)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(StudyError, match="cannot lie there") as caught:
        surroundings.sockets_dir()
    assert str(long) in str(caught.value)


@pytest.mark.parametrize("left", [{"f_bavail": 1}, {"f_favail": 0}])
def test_temporary_files_lie_where_there_is_room(temporary, monkeypatch, left):
    full = temporary("full")
    monkeypatch.setenv("TMPDIR", str(full))
    room = {"f_bavail": 10**6, "f_frsize": 4096, "f_files": 9, "f_favail": 9}
    monkeypatch.setattr(
        os,
        "statvfs",
        lambda folder: SimpleNamespace(**(room | (left if folder == str(full) else {}))),
    )
    surroundings.settle()
    assert os.environ["TMPDIR"] == tempfile.gettempdir() == "/tmp"
    assert surroundings.sockets_dir() == "/tmp"


def test_without_any_folder_for_temporary_files_nothing_begins(monkeypatch, tmp_path):
    def nowhere():
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(StudyError, match="Set TMPDIR to one that can, with 16 MB"):
        surroundings.settle()


def test_a_folder_of_temporary_files_that_is_not_there_is_forgotten(tmp_path):
    lines = (
        "import os, tempfile; from rag_study.common import surroundings; surroundings.settle();"
        "print(os.environ['TMPDIR'] == tempfile.gettempdir(), os.path.isdir(os.environ['TMPDIR']))"
    )
    done = in_locale("C.UTF-8", "-c", lines, TMPDIR=str(tmp_path / "t"))
    assert done.stdout == b"True True\n", done.stderr


@pytest.fixture
def nobody(monkeypatch, temporary):
    """A user with a number alone: no name, no home."""

    def unknown(number):
        raise KeyError(f"getpwuid(): uid not found: {number}")

    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME", "HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, "")  # so that what is set meanwhile is taken back
        monkeypatch.delenv(variable)
    for variable in (*CACHES, "HF_HOME"):
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    return temporary("t")


def test_a_user_without_name_and_home_is_given_them(nobody):
    with pytest.raises(KeyError):
        getpass.getuser()
    surroundings.settle()
    assert getpass.getuser() == f"user-{os.getuid()}"
    assert Path.home().parent == nobody
    assert Path.home().stat().st_mode & 0o777 == 0o700
    assert files.cache_dir().is_relative_to(Path.home())


@pytest.mark.parametrize("why", ["no right", "full"])
@pytest.mark.parametrize("models", [False, True])
def test_a_home_that_cannot_be_written_to_stays_and_nothing_is_written_there(
    nobody, tmp_path, monkeypatch, why, models
):
    home = tmp_path / "home"
    home.mkdir()
    if models:
        (home / ".cache" / "huggingface").mkdir(parents=True)
    before = sorted(home.rglob("*"))
    monkeypatch.setenv("HOME", str(home))
    if why == "full":
        make = tempfile.mkdtemp

        def mkdtemp(prefix, dir):
            if Path(dir).is_relative_to(home):
                raise OSError(errno.ENOSPC, "No space left on device")
            return make(prefix=prefix, dir=dir)

        monkeypatch.setattr(tempfile, "mkdtemp", mkdtemp)
    else:
        can = os.access

        def access(path, mode):
            return not Path(path).is_relative_to(home) and can(path, mode)

        monkeypatch.setattr(os, "access", access)
    surroundings.settle()
    assert os.environ["HOME"] == str(home)
    for variable in CACHES:
        assert Path(os.environ[variable]).is_relative_to(nobody), variable
    # Models that are there are read from there.
    assert ("HF_HOME" in os.environ) is not models
    assert sorted(home.rglob("*")) == before


def test_caches_that_are_named_and_cannot_be_had_lie_elsewhere(nobody, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    good = tmp_path / "mine"
    (tmp_path / "file").touch()
    monkeypatch.setenv("MPLCONFIGDIR", str(good))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "file" / "ipython"))
    surroundings.settle()
    assert os.environ["MPLCONFIGDIR"] == str(good)
    assert Path(os.environ["IPYTHONDIR"]).is_relative_to(nobody)
    assert "LLAMA_INDEX_CACHE_DIR" not in os.environ


def test_a_folder_of_somebody_else_is_not_taken_for_ones_own(nobody, monkeypatch):
    own = os.getuid()
    (nobody / f"rag-study-{own + 1}").mkdir()
    monkeypatch.setattr(os, "getuid", lambda: own + 1)
    with pytest.raises(StudyError, match="belongs to somebody else"):
        surroundings.settle()


def test_what_is_in_order_stays_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USER", "ada")
    before = dict(os.environ)
    surroundings.settle()
    assert dict(os.environ) == before


def in_locale(locale, *arguments, **variables):
    """A command of its own in a locale, without Python's own ways out; its bytes."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG"))}
    environment |= {"LC_ALL": locale, "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"} | variables
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, env=environment, cwd=PROJECT_ROOT
    )


def test_commands_work_in_a_locale_that_is_not_utf_8(write_study, outputs, tmp_path, own_data):
    place = tmp_path / "Türme 塔"
    place.mkdir()
    own_data.rename(place / "data")
    study = write_study(
        datasets=[{"name": "jsonl", "path": "data", "label": "Türme", "test_size": 8}]
    )
    moved = place / "stúdy.yaml"
    moved.write_text(study.read_text(encoding="utf-8"), encoding="utf-8")
    done = in_locale("C", "-m", "rag_study", "plan", str(moved), RAG_STUDY_OUTPUTS=str(place))
    assert done.returncode == 0, done.stderr
    assert b"prepare_data/jsonl-" in done.stdout
    wrong = in_locale("C", "-m", "rag_study", "plan", f"{moved}x")
    assert wrong.returncode == 2
    assert rb"T\xfcrme \u5854" in wrong.stderr  # in letters that every terminal has
    assert b"Traceback" not in wrong.stderr
    latin = in_locale("C", "-m", "rag_study", "plan", f"{moved}x", PYTHONIOENCODING="latin-1")
    assert "Türme \\u5854".encode("latin-1") in latin.stderr


def test_signs_that_a_terminal_lacks_are_said_in_others():
    lines = (
        "import os, sys; from rag_study.common import surroundings; surroundings.speak_utf8();"
        "left = 'RAG_STUDY_TERMINAL' in os.environ;"
        "print('\\u2026\\u00b7\\u2192\\u5854', sys.flags.utf8_mode, left)"
    )
    done = in_locale("C", "-c", lines, PYTHONPATH=str(PROJECT_ROOT))
    assert done.stdout.decode("ascii") == "...-->\\u5854 1 False\n", done.stderr


@pytest.mark.parametrize(
    ("encoding", "mode"), [("latin-1", "0"), ("ascii", "1"), ("cp1252:strict", "1")]
)
def test_what_a_terminal_lacks_is_said_otherwise_whoever_chose_its_encoding(encoding, mode):
    wanted = {"PYTHONIOENCODING": encoding, "PYTHONUTF8": mode}
    done = in_locale("C.UTF-8", "-m", "rag_study", "plan", "Türme 塔.yaml", **wanted)
    assert done.returncode == 2
    said = done.stderr.decode(encoding.partition(":")[0])
    assert "rme \\u5854.yaml: there is no such study file" in said
    assert "Traceback" not in said


def test_names_that_are_no_utf_8_are_refused_in_a_sentence(tmp_path, write_study):
    old = os.fsdecode(os.fsencode(tmp_path) + b"/T\xfcrme")
    os.mkdir(old)
    study, moved = write_study(), f"{old}/study.yaml"
    Path(moved).write_bytes(study.read_bytes())
    for named, outputs in ((moved, str(tmp_path)), (str(study), old)):
        command = ["-m", "rag_study", "run", named, "--anyway"]
        done = in_locale("C.UTF-8", *command, RAG_STUDY_OUTPUTS=outputs)
        assert done.returncode == 2
        assert b"rme" in done.stderr
        assert b"is not written in UTF-8. Rename" in done.stderr


def test_a_folder_that_is_deleted_under_a_command_is_said(tmp_path):
    lines = (
        f"import os; os.makedirs({str(tmp_path / 'gone')!r}); os.chdir({str(tmp_path / 'gone')!r});"
        f"os.rmdir({str(tmp_path / 'gone')!r}); from rag_study import cli; cli.main()"
    )
    done = in_locale("C.UTF-8", "-c", lines, PYTHONPATH=str(PROJECT_ROOT))
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: the folder in which this was started has been deleted")


@pytest.mark.parametrize("asked", ["--help", "--version"])
def test_a_reader_who_has_enough_and_a_full_disk_end_a_command_without_a_traceback(asked):
    command = [sys.executable, "-m", "rag_study", asked]
    how = {"stderr": subprocess.PIPE, "cwd": PROJECT_ROOT}
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=write, **how)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(command, stdout=full, **how)
    assert done.returncode == 1
    assert done.stderr.strip() == b"error: No space left on device"


def test_files_are_for_whom_the_umask_says(tmp_path):
    for mask, mode in ((0o022, 0o644), (0o077, 0o600)):
        before = os.umask(mask)
        try:
            files.write_text(tmp_path / f"{mask}.txt", "x")
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / f"{mask}.txt").stat().st_mode) == mode


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Control groups by their files; `own` is what the kernel says of this process."""

    def make(own, written):
        for name, content in written.items():
            file = tmp_path / "cgroup" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8")
        (tmp_path / "own").write_text(own, encoding="utf-8")
        monkeypatch.setattr(control_groups, "ROOT", tmp_path / "cgroup")
        monkeypatch.setattr(control_groups, "OWN_GROUPS", tmp_path / "own")
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))

    return make


@pytest.mark.parametrize(
    ("own", "written", "cores"),
    [
        ("0::/\n", {"cpu.max": "250000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 8),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),  # less than one is one
        # The limit of a group around it holds as well.
        ("0::/a/b\n", {"a/cpu.max": "300000 100000", "a/b/cpu.max": "max 100000"}, 3),
        ("0::/../elsewhere\n", {"cpu.max": "400000 100000"}, 4),
        (
            "4:cpu,cpuacct:/job\n1:name=systemd:/\n",
            {"cpu,cpuacct/job/cpu.cfs_quota_us": "600000"}
            | {"cpu,cpuacct/job/cpu.cfs_period_us": "100000"},
            6,
        ),
        # In a container the name is the one outside, and the tree begins with its own group.
        (
            "4:cpu:/docker/0123\n",
            {"cpu/cpu.cfs_quota_us": "150000", "cpu/cpu.cfs_period_us": "50000"},
            3,
        ),
        ("4:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
        ("", {}, 8),
    ],
)
def test_cores_are_those_within_the_quota(groups, own, written, cores):
    groups(own, written)
    assert machine.cores() == cores
    assert machine.resolve_threads(0) == cores
    assert machine.resolve_threads(5) == 5


def test_memory_is_that_within_the_limit(groups):
    stat = "anon 100\ninactive_file 300\n"
    groups("0::/job\n", {"job/memory.max": "1000", "job/memory.current": "700"})
    assert control_groups.memory() == (1000, 700)
    groups("0::/job\n", {"job/memory.stat": stat})
    assert control_groups.memory() == (1000, 400)
    assert machine.total_memory() == 1000
    groups("0::/job\n", {"job/memory.max": "max", "job/memory.events": "low 0\noom_kill 3\n"})
    assert control_groups.memory() is None
    assert control_groups.oom_kills() == 3
    old = {"memory/memory.limit_in_bytes": "2000", "memory/memory.usage_in_bytes": "500"}
    groups("7:memory:/\n", old | {"memory/memory.stat": "total_inactive_file 100"})
    assert control_groups.memory() == (2000, 400)
