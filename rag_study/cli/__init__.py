"""The command line. `rag-study --help` names the commands; each is a function in this folder.

Commands read options and print; what they do is done by the folders below.

Exit status: 0 when everything asked for is done, 1 when a run failed or is missing, 2 for input
that cannot be used (one message, nothing written), 130 after Ctrl-C.

A new command is a function like its neighbours, and a line below.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.text import Text

from rag_study.cli import check, judge, label, questions, results, start, study
from rag_study.cli.console import Terminal
from rag_study.common import surroundings
from rag_study.common.errors import StudyError
from rag_study.common.version import __version__

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",  # as markup, defaults in square brackets would be swallowed
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"rag-study {__version__}")
        raise typer.Exit()


@app.callback()
def _all_commands(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="show the version"),
    ] = False,
) -> None:
    """Should the model in a RAG system be fine-tuned? One YAML file is one study."""


app.command()(start.init)
app.command()(questions.questions)
app.command()(start.demo)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(start.lab)
app.command()(check.check)
app.command()(study.plan)
app.command()(study.run)
app.command()(study.status)
app.command()(study.verify)
app.command()(study.report)
app.command()(label.label)
app.command("judge-report")(judge.judge_report)
app.command()(results.clean)
app.command("export")(results.export_results)
app.command("import")(results.import_results)
app.command("export-adapter")(results.export_adapter)


def main() -> None:
    """Entry point: errors meant for people become one message and exit status 2."""
    surroundings.speak_utf8()
    debug = "--debug" in sys.argv
    try:
        surroundings.settle()
        try:
            app(prog_name="rag-study")  # also for `python -m rag_study`
        finally:
            sys.stdout.flush()  # while it can be said that this fails
    except StudyError as error:
        if debug:
            raise
        _tell(str(error))
        sys.exit(2)
    except BrokenPipeError:  # `| head` has read enough
        surroundings.stop_speaking()
        sys.exit(1)
    except OSError as error:
        if debug:
            raise
        surroundings.stop_speaking()
        where = f"{error.filename}: " if error.filename else ""
        _tell(f"{where}{error.strerror or error}")
        sys.exit(1)


def _tell(message: str) -> None:
    terminal = Terminal(stderr=True)
    terminal.say(Text.assemble(("error:", "red"), " ", terminal.render_str(message)))
