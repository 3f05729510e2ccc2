"""From an answer to the executed notebooks of the runs that it came from."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from rag_study.common.run_folder import RunFolder
from rag_study.report import markup
from rag_study.study import differences
from rag_study.study.stages import STAGES


class Executed(NamedTuple):
    """An executed notebook: its name, and where it is from the folder that this process is in."""

    name: str
    link: str


def behind(judged_in: Iterable[str]) -> list[Executed]:
    """The notebooks of these runs of `judge_answers` and of all before them, in the order of the
    stages; without those that are there no longer."""
    found: dict[str, Path] = {}
    waiting = list(judged_in)
    while waiting:
        run_id = waiting.pop()
        file, known = RunFolder(run_id).path / "notebook.ipynb", differences.recorded(run_id)
        if run_id in found or known is None or not file.exists():
            continue
        found[run_id] = file
        waiting += known["identity"].get("upstream", [])
    order = list(STAGES)
    by_stage = sorted(found, key=lambda run_id: (order.index(run_id.partition("/")[0]), run_id))
    return [
        Executed(STAGES[run_id.partition("/")[0]].notebook, quote(os.path.relpath(found[run_id])))
        for run_id in by_stage
    ]


def links(sides: Iterable[tuple[str, Iterable[str]]]) -> str:
    """HTML with a link to each notebook behind an answer, by (title, runs that judged it). Front
    ends open a link from where the notebook lies that shows it. '' without any."""
    shown = [(title, behind(judged_in)) for title, judged_in in sides]
    if not any(notebooks for _, notebooks in shown):
        return ""
    return markup.pages().get_template("executed_notebooks.html.j2").render(sides=shown)
