"""What reaches a real terminal (a pseudo-terminal of 80 columns), byte by byte."""

import io
import json
import os
import pty
import re
import shlex
import subprocess
import sys
from fcntl import ioctl
from struct import pack
from termios import TIOCSWINSZ

import pytest
from hostile import NAMES
from rich.cells import cell_len
from rich.text import Text

from rag_study.cli.console import Terminal
from rag_study.common.paths import PROJECT_ROOT
from rag_study.common.shown import shortened, visible

# What rich itself writes: colours.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_SAY = """
import json, sys
from rag_study.cli import _tell
from rag_study.cli.console import console, print_line
for name in json.loads(sys.argv[1]):
    console.print(name, soft_wrap=True)
    print_line("failed", "judge_answers/one", name)
    _tell(name)
"""
_TABLES = """
import json, sys
sys.path.insert(0, "tests")
from study_tables import comparison, table
from rag_study.cli.console import console
from rag_study.labelling.tables import Shown, for_terminal
from rag_study.report.tables import effects_table
names = json.loads(sys.argv[1])
rows = [comparison("no verdict", dataset=name, judge=name, metric="judge_accuracy",
                   size=50 + place) for place, name in enumerate(names)]
console.print(effects_table(table(*rows)))
console.print(for_terminal(Shown("[red]title", ["[b]Name"], ["n"], [[n, "1"] for n in names])))
"""


def on_terminal(code, *arguments):
    """All that a Python program writes to a terminal."""
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, pack("HHHH", 24, 80, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(PROJECT_ROOT)}
    for name in ("NO_COLOR", "COLUMNS"):
        environment.pop(name, None)
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        **{"stdin": theirs, "stdout": theirs, "stderr": theirs, "env": environment},
        cwd=PROJECT_ROOT,
    ) as process:
        os.close(theirs)
        written = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # Linux says so at the end
                break
            if not part:
                break
            written += part
    os.close(ours)
    assert process.returncode == 0, written.decode(errors="replace")
    return written.decode()


def acting(written):
    """Characters that act on the terminal, beside colours and ends of lines."""
    return re.findall(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", written)


def test_sentences_and_lines_show_every_text_as_it_is():
    written = _COLOUR.sub("", on_terminal(_SAY, json.dumps(NAMES))).replace("\r\n", "\n")
    assert acting(written) == []
    assert "\x1b" not in written
    letters = "".join(written.split())
    for name in NAMES:
        # A tab is drawn as blanks up to the next stop, and lines go on between words.
        shown = visible(name, lines=True).strip().split("\t")
        for part in shown:
            assert letters.count("".join(part.split())) >= 3, part


def test_tables_show_names_as_they_are_and_keep_their_columns():
    written = _COLOUR.sub("", on_terminal(_TABLES, json.dumps(NAMES))).replace("\r\n", "\n")
    assert acting(written) == []
    letters = re.sub(r"\s", "", written)
    for name in NAMES:
        shown = re.sub(r"\s", "", visible(shortened(name, 60)))
        first = shown[:8]
        assert first in letters, name


@pytest.mark.parametrize("command", ["label", "lab", "judge-report", "report"])
def test_help_swallows_nothing_in_brackets(command):
    code = f"from rag_study import cli; import sys; sys.argv[1:] = [{command!r}, '--help']\n"
    told = " ".join(_COLOUR.sub("", on_terminal(code + "cli.main()")).split())
    expected = {
        "label": "[all]",
        "lab": "[8888, or the next]",
        "judge-report": "[fictional]",
        "report": "outputs/<name>+<name>/",
    }
    assert expected[command] in told


def test_commands_to_copy_are_words_of_a_shell(write_study, outputs, command_line):
    study = write_study()
    study = study.rename(study.with_name("my [first] $tudy.yaml"))
    for command in ("report", "label"):
        code, _, said = command_line(command, str(study))
        assert code == 2
        words = shlex.split(said.splitlines()[-1].partition(":  ")[2])
        assert words == ["rag-study", "run", str(study)]


_LONG = (
    "Of 96 questions the search finds no passage for 40, so that `rag-study run params/mine.yaml "
    "--force` changes little, and 塔塔塔塔塔塔 is wide; see the file in the folder of the run."
)


@pytest.mark.parametrize("width", [80, 60, 33])
def test_what_does_not_fit_goes_on_between_words(width):
    screen = Terminal(width=width, force_terminal=True, file=io.StringIO(), color_system=None)
    screen.say(_LONG, 4)
    lines = screen.file.getvalue().splitlines()
    whole = "`rag-study run params/mine.yaml --force`"  # is there to be copied
    assert sum(whole in line for line in lines) == 1
    assert all(cell_len(line) <= width for line in lines if whole not in line)
    assert " ".join(line.strip() for line in lines) == _LONG
    assert all(line.startswith("    ") for line in lines[1:] if cell_len(line) <= width - 4)


def test_commands_and_ids_stay_whole_and_styles_stay_with_their_words():
    screen = Terminal(width=80, force_terminal=True, file=io.StringIO())
    command = f"rag-study run params/{'long-' * 14}name.yaml --keep-going"
    screen.say(f"Something of this study is missing. Have it done:  {command}")
    screen.say(f"  {command}   # and why")
    run_id = f"judge_answers/{'long-' * 10}bac1988e"
    screen.say(Text.assemble(("done      ", "green"), f" {run_id} (0:03)", ("  a note", "dim")), 11)
    lines = _COLOUR.sub("", screen.file.getvalue()).splitlines()
    assert lines == [
        "Something of this study is missing. Have it done:",
        command,
        f"  {command}   # and why",
        "done",
        f"{run_id} (0:03)",
        "           a note",
    ]


def test_elsewhere_lines_stay_whole():
    file = Terminal(width=80, file=io.StringIO())
    file.say(_LONG, 4)
    assert file.file.getvalue() == _LONG + "\n"
