"""What a process finds where it is started: locale, home, user, temporary folder; and what is used
instead of those that do not serve.
"""

from __future__ import annotations

import codecs
import contextlib
import getpass
import os
import sys
import tempfile
from pathlib import Path

from rag_study.common import paths, secrets
from rag_study.common.errors import StudyError

# Unix limits the path of a socket to 107 bytes: below the folder stand another and the socket, both
# with random names (these are Python's, for its fork server; those of kernels are shorter).
LONGEST_SOCKETS_DIR = 107 - len("/pymp-12345678/listener-12345678")
_TERMINAL = "RAG_STUDY_TERMINAL"
# Where temporary files may lie where the system's folder for them does not serve.
_TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm")
# Bytes that a folder of temporary files must have left: for a notebook of every worker.
_ROOM = 16e6
# Signs of our own lines, for a terminal that lacks them; others show as their numbers.
_PLAIN = str.maketrans(
    {"…": "...", "·": "-", "–": "-", "—": "-", "−": "-", "→": "->", "▸": ">", "±": "+/-"}
    | {"×": "x", "≥": ">=", "≤": "<=", "“": '"', "”": '"', "‘": "'", "’": "'", "é": "e"}
)


def speak_utf8() -> None:
    """Have this command run in Python's UTF-8 mode, whatever the locale is.

    In a locale of another encoding, names of files in other scripts cannot be said, and libraries
    write files that read otherwise elsewhere. The command is begun again with the mode on, which
    all its processes inherit; the terminal goes on being spoken to in its own encoding.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who started it: else a file takes its number
            mode = "r" if name == "stdin" else "w"
            nowhere = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115 - for good
            setattr(sys, name, nowhere)
    screen = os.environ.pop(_TERMINAL, None)
    if not sys.flags.utf8_mode:
        usual = {codecs.lookup(name).name for name in (sys.getfilesystemencoding(), _preferred())}
        if usual != {"utf-8"}:
            environment = {**os.environ, "PYTHONUTF8": "1", _TERMINAL: sys.stdout.encoding}
            os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
    _speak_to_terminal(screen)


def _preferred() -> str:
    """The encoding of files that are opened without one."""
    import locale

    return locale.getencoding()


def _speak_to_terminal(encoding: str | None) -> None:
    """In this encoding, else in that of each stream, whoever chose it ($PYTHONIOENCODING): what
    cannot be written in it is written otherwise. UTF-8 lacks the bytes of names of another one.
    """
    codecs.register_error("rag_study.plain", _in_plain_signs)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not where something else stands in for it
            stream.reconfigure(encoding=encoding, errors="rag_study.plain")
    if hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(encoding=encoding, errors="replace")


def stop_speaking() -> None:
    """Drop what could not be printed (nobody reads it any more, or the disk is full), which Python
    would try, and report, once more at its end."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _in_plain_signs(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end].translate(_PLAIN)
    return signs.encode("ascii", "backslashreplace").decode("ascii"), error.end


def settle() -> None:
    """Give a process that has no user name, or no home to write to, what its libraries ask for.

    Of containers that run under a number, and of batch systems, both are common: torch asks for
    the user's name, and IPython, matplotlib and this package write below the home. What this
    process is given, those that it starts inherit. Secrets are masked in what it prints and logs.

    Raises StudyError where this process works in a folder that has been deleted, which no other
    process could be started in.
    """
    secrets.settle()
    try:
        os.getcwd()
    except FileNotFoundError:
        raise StudyError(
            "the folder in which this was started has been deleted. Go to another one and start "
            "it again."
        ) from None
    _settle_temporary_files()
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["USER"] = f"user-{os.getuid()}"
    home = Path(os.path.expanduser("~"))
    if not home.is_absolute() or not os.path.isdir(home):
        home = _own_folder()
        os.environ["HOME"] = str(home)
    caches = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    for variable, usual, name in (
        ("IPYTHONDIR", home / ".ipython", "ipython"),
        ("JUPYTER_CONFIG_DIR", home / ".jupyter", "jupyter"),
        ("JUPYTER_DATA_DIR", home / ".local" / "share" / "jupyter", "jupyter_data"),
        ("MPLCONFIGDIR", caches / "matplotlib", "matplotlib"),
        ("LLAMA_INDEX_CACHE_DIR", caches / "llama_index", "llama_index"),
        ("RAG_STUDY_CACHE", caches / "rag-study", "cache"),
    ):
        if not _can_be_made(Path(os.environ.get(variable) or usual).expanduser()):
            os.environ[variable] = str(_own_folder() / name)
            Path(os.environ[variable]).mkdir(exist_ok=True)
    # HOME stays: models that were downloaded may be read from there.
    models = caches / "huggingface"
    if "HF_HOME" not in os.environ and not (os.path.exists(models) or _can_be_made(models)):
        os.environ["HF_HOME"] = str(_own_folder() / "huggingface")


def _settle_temporary_files() -> None:
    """Have all processes use one folder of temporary files that is there and has room."""
    try:
        usual = tempfile.gettempdir()
    except FileNotFoundError:  # none of Python's candidates can be written to
        usual = None
    places = [usual, *_TEMPORARY] if usual else _TEMPORARY
    chosen = next((folder for folder in places if _has_room(folder)), usual)
    if chosen is None:
        raise StudyError(
            "no folder for temporary files can be written to. Set TMPDIR to one that can, with "
            f"{_ROOM / 1e6:.0f} MB of free space."
        )
    if chosen != usual:
        tempfile.tempdir = chosen
    if chosen != os.environ.get("TMPDIR", usual):
        os.environ["TMPDIR"] = chosen


def _has_room(folder: str) -> bool:
    try:
        there = os.statvfs(folder)
    except OSError:
        return False
    # Some file systems count no files: all are 0 there.
    files = not there.f_files or there.f_favail > 0
    return (
        os.access(folder, os.W_OK | os.X_OK) and there.f_bavail * there.f_frsize > _ROOM and files
    )


def _can_be_made(folder: Path) -> bool:
    """Whether a folder can be written to, or be made. What a disk without space left, a quota or a
    file system of another kind says, only trying tells."""
    # os.path: Python 3.11's Path raises where a folder above may not be looked into.
    while not os.path.exists(folder) and folder != folder.parent:
        folder = folder.parent
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK | os.X_OK):
        return False
    try:
        os.rmdir(tempfile.mkdtemp(prefix=".rag-study-", dir=folder))
    except OSError:
        return False
    return True


def _own_folder() -> Path:
    """A folder of this user's own among the temporary files."""
    folder = Path(tempfile.gettempdir(), f"rag-study-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise StudyError(
            f"{folder}: belongs to somebody else. Set HOME to a folder that you can write to."
        )
    return folder


def sockets_dir() -> str:
    """A folder for sockets: the system's temporary one, or another where its path is too long.

    Raises StudyError where there is none that can be written to.
    """
    usual = tempfile.gettempdir()
    for folder in (usual, *_TEMPORARY):
        fits = len(os.fsencode(folder)) <= LONGEST_SOCKETS_DIR and paths.is_utf8(folder)
        if fits and os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK):
            return folder
    raise StudyError(
        f"{usual}: the sockets of notebooks' kernels cannot lie there, and nothing can be written "
        f"to /tmp. Set TMPDIR to a folder of at most {LONGEST_SOCKETS_DIR} characters that you can "
        "write to."
    )
