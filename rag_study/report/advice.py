"""The table of `analysis.next_steps` as people read it: in the report, a terminal, a notebook."""

from __future__ import annotations

import textwrap
from typing import Any

import pandas as pd

from rag_study.common.wording import counted, is_number

NOTHING = (
    "Nothing follows from these numbers: no rule had figures that were sure enough to say more "
    "than the verdict."
)


def step_rows(steps: pd.DataFrame) -> list[dict[str, Any]]:
    """The steps for the report's page, the most important first."""
    return [{**row, "time": _time(row["minutes"])} for row in steps.to_dict("records")]


def steps_text(steps: pd.DataFrame, most: int = 1, width: int = 80) -> str:
    """The steps as lines of at most `width` characters, broken between words; what is to be copied
    is not broken. '' without any step."""
    if steps.empty:
        return ""
    lines = ["What to do next"]
    for row in steps.head(most).to_dict("records"):
        first = f"{row['rank']}. "
        wrapped = textwrap.wrap(
            row["sentence"],
            width,
            initial_indent=first,
            subsequent_indent=" " * len(first),
            break_long_words=False,
            break_on_hyphens=False,
        )
        lines += ["", *wrapped]
        if row["lines"]:
            lines += ["   In the study file, instead of these keys:", *_indented(row["lines"])]
        if row["command"]:
            lines += ["   Then:" if row["lines"] else "   Type:", *_indented(row["command"])]
        if time := _time(row["minutes"]):
            lines += [f"   {time}"]
    if len(steps) > most:
        lines += ["", f"{counted(len(steps) - most, 'further step')}: see the report."]
    return "\n".join(lines)


def _indented(text: str) -> list[str]:
    return [f"      {line}" for line in text.splitlines()]


def _time(minutes: float) -> str:
    """How long a step takes, in words; '' where that is not known."""
    if not is_number(minutes):
        return ""
    much = (
        counted(max(1, round(minutes)), "minute") if minutes < 90 else f"{minutes / 60:.1f} hours"
    )
    return f"About {much} on this machine, as its finished runs tell."
