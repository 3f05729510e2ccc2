"""What all commands share: the console, the options, and how a line about a run looks."""

from __future__ import annotations

import re
import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from rag_study.common.paths import study_file
from rag_study.common.shown import visible
from rag_study.common.wording import counted
from rag_study.study.differences import Earlier
from rag_study.study.running.verification import Looked
from rag_study.study.stages import STAGES

# With the blanks before it: a command to the end of its line, words in backquotes, or one word.
_WORD = re.compile(r"(\s*)((?<=:  )\S.*|`[^`\n]+`\S*|\S+)")


class Terminal(Console):
    """A console on which texts are what they say: nothing in them is markup, and what would act on
    the terminal is named (`common.shown`)."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def say(self, text: str | Text, hanging: int = 0, **options: Any) -> None:
        """Print a sentence or a line. What does not fit on a terminal goes on in the next line,
        behind `hanging` blanks, and is never cut within a word, nor within what is there to be
        copied: words in backquotes, a command behind two blanks. Elsewhere lines stay whole."""
        text = self.render_str(text) if isinstance(text, str) else text
        if self.is_terminal:
            text = _folded(text, self.width, hanging)
        self.print(text, soft_wrap=True, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        # Before it is measured: a character with a name is wider than one without.
        return super().render_str(visible(text, lines=True), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            if not segment.control:
                segment = segment._replace(text=visible(segment.text, lines=True))
            yield segment


def _folded(text: Text, width: int, hanging: int) -> Text:
    """The text in lines of at most `width` cells, but for words that are longer."""
    lines = []
    for line in text.split("\n", allow_blank=True):
        is_command = line.plain.lstrip().startswith("rag-study ")
        breaks, indents, column = [], [], 0
        for word in [] if is_command else _WORD.finditer(line.plain):
            if column and column + cell_len(word[0]) > width:
                breaks.append(word.start(2))
                length = cell_len(word[2])
                indents.append(hanging if hanging + length <= width else 0)
                column = indents[-1] + length
            else:
                column += cell_len(word[0])
        first, *others = line.divide(breaks)
        indented = zip(indents, others, strict=True)
        lines += [first, *(Text(" " * blanks) + other for blanks, other in indented)]
    for line in lines:
        line.rstrip()
    return Text("\n").join(lines)


# Piped output is not a screen of 80 columns: ids and tables keep their lines whole.
console = Terminal(width=None if sys.stdout and sys.stdout.isatty() else 110)
# Of the reasons why the runs of a stage are not done, so many are said.
_SHOWN_REASONS = 2
COLOURS = {
    "done": "green",
    "reuse": "green",
    "reused": "green",
    "running": "cyan",
    "failed": "red",
    "timeout": "red",
    "killed": "red",
    "blocked": "yellow",
}

StudyFile = Annotated[
    Path,
    typer.Argument(
        metavar="STUDY", parser=study_file, help="a YAML file, or the name of a shipped study: demo"
    ),
]
StudyFiles = Annotated[
    list[Path], typer.Argument(metavar="STUDY...", parser=study_file, help="YAML files, or names")
]
Only = Annotated[
    str | None, typer.Option("--only", metavar="STAGE", help="this stage alone, e.g. fine_tune")
]
# Read in `main`, where errors are shown; the commands only make it known.
Debug = Annotated[bool, typer.Option("--debug", help="show the traceback of an error")]


Why = Annotated[
    bool, typer.Option("--why", help="under each run: what it differs in from one that is done")
]


def print_line(state: str, run_id: str, note: str) -> None:
    """One line per run, and its id whole: ids are there to be copied."""
    tail = ("  " + note, "dim") if note else ""
    console.say(line_of(coloured(state), f" {run_id}", tail), 11)


def print_why(earlier: Earlier) -> None:
    """Under the line of a run: all that it differs in from the one that is done."""
    words = "; ".join(difference.words for difference in earlier.differences)
    text = f"{' ' * 11}{earlier.run_id} is done, but {words}"
    console.say(text, 11, style="dim")


def print_reasons(earlier: Mapping[str, Earlier]) -> None:
    """What runs that are not done differ in from those that are, in one line for each stage."""
    stages: dict[str, list[Earlier]] = {}
    for run_id, run in earlier.items():
        stages.setdefault(run_id.partition("/")[0], []).append(run)
    if stages:
        console.say("Done before, but differing from what the study needs now (--why: each):")
    for stage, runs in sorted(stages.items(), key=lambda item: list(STAGES).index(item[0])):
        words = Counter(difference.words for run in runs for difference in run.differences)
        shown = "; ".join(reason for reason, _ in words.most_common(_SHOWN_REASONS))
        more = len(words) - _SHOWN_REASONS
        rest = f"; and {more} more" if more > 0 else ""
        count = counted(len(runs), "run")
        console.say(f"  {stage}, {count}: {shown}{rest}", 4)


def print_damages(looked: Looked) -> None:
    """Files that are not as they were written and what to do, which is said once for each run; and
    how many runs cannot be looked at."""
    for _, same in groupby(looked.damages, key=itemgetter(1)):
        for what, _ in (found := list(same)):
            console.say(line_of(("damaged", "red"), f"    {what}"), 11)
        console.say(f"{' ' * 11}{found[0][1]}", 11)
    if number := len(looked.unsealed):
        runs = "1 finished run is" if number == 1 else f"{number} finished runs are"
        console.say(
            f"{runs} of a version of the package that kept no checksums: used as before, but "
            "damage to them would not be noticed."
        )


def line_of(*parts: str | tuple[str, str] | Text) -> Text:
    """A line of texts, some with a style. (Text drops some control characters without a word.)"""
    named = (
        (visible(part[0], lines=True), part[1]) if isinstance(part, tuple)
        else visible(part, lines=True) if isinstance(part, str)
        else part
        for part in parts
    )  # fmt: skip
    return Text.assemble(*named)


def coloured(state: str) -> Text:
    return Text(f"{state:10}", style=COLOURS.get(state, "white"))


def clock(seconds: float) -> str:
    """Minutes and seconds, from an hour on hours, minutes and seconds."""
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def size(number: float) -> str:
    """Bytes in words."""
    for unit in ("bytes", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"


def as_typed(path: Path) -> str:
    """A path in a command that is there to be copied: with blanks, brackets or dollars, quoted."""
    return shlex.quote(str(path))


def first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else ""
