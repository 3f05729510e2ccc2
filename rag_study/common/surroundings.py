"""What a process finds where it is started: locale, home, user, temporary folder; and what is used
instead of those that do not serve.
"""

from __future__ import annotations

import codecs
import getpass
import os
import sys
import tempfile
from pathlib import Path

from rag_study.common import secrets
from rag_study.common.errors import StudyError

# Unix limits the path of a socket to 107 bytes: below the folder stand another and the socket, both
# with random names (these are Python's, for its fork server; those of kernels are shorter).
LONGEST_SOCKETS_DIR = 107 - len("/pymp-12345678/listener-12345678")
_TERMINAL = "RAG_STUDY_TERMINAL"
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
    if sys.flags.utf8_mode:
        _speak_to_terminal(os.environ.pop(_TERMINAL, "utf-8"))
        return
    files, screen = sys.getfilesystemencoding(), sys.stdout.encoding or "ascii"
    if {codecs.lookup(name).name for name in (files, _preferred())} == {"utf-8"}:
        return
    environment = {**os.environ, "PYTHONUTF8": "1", _TERMINAL: screen}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def _preferred() -> str:
    """The encoding of files that are opened without one."""
    import locale

    return locale.getencoding()


def _speak_to_terminal(encoding: str) -> None:
    if codecs.lookup(encoding).name == "utf-8":
        return
    codecs.register_error("rag_study.plain", _in_plain_signs)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding=encoding, errors="rag_study.plain")
    sys.stdin.reconfigure(encoding=encoding, errors="replace")


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
    """
    secrets.settle()
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["USER"] = f"user-{os.getuid()}"
    home = Path(os.path.expanduser("~"))
    if not home.is_absolute() or not home.is_dir():
        home = _own_folder()
        os.environ["HOME"] = str(home)
    if not os.access(home, os.W_OK | os.X_OK):
        # HOME stays: models that were downloaded may be read from there.
        for variable, name in (("IPYTHONDIR", "ipython"), ("MPLCONFIGDIR", "matplotlib")):
            os.environ.setdefault(variable, str(_own_folder() / name))
            Path(os.environ[variable]).mkdir(parents=True, exist_ok=True)
    if "RAG_STUDY_CACHE" not in os.environ and not _can_be_made(_usual_cache(home)):
        os.environ["RAG_STUDY_CACHE"] = str(_own_folder() / "cache")


def _usual_cache(home: Path) -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "rag-study"


def _can_be_made(folder: Path) -> bool:
    """Whether a folder can be written to, or be made."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


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
    for folder in (usual, "/tmp", "/var/tmp", "/dev/shm"):
        fits = len(os.fsencode(folder)) <= LONGEST_SOCKETS_DIR
        if fits and os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK):
            return folder
    raise StudyError(
        f"{usual}: this path is too long for the sockets of notebooks' kernels, and nothing can "
        f"be written to /tmp. Set TMPDIR to a folder of at most {LONGEST_SOCKETS_DIR} characters."
    )
