"""The terminal's table: primary rows first, within 100 columns."""

import io
import re

import pytest
from rich.console import Console
from study_tables import comparison, table

from rag_study.report.tables import effects_table

pytestmark = pytest.mark.filterwarnings("error")


def printed(comparisons, **options):
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(effects_table(comparisons, **options))
    return console.export_text()


def test_terminal_table_has_primary_rows_first_and_fits():
    rows = [comparison("", 0.1, size=i, metric="token_f1", primary=False) for i in range(1, 31)]
    rows += [
        comparison("hurts", -0.2, size=500),
        comparison("", primary=False, metric="judge_accuracy", judge="weak")
        | {"reason": "judge weak did not pass its check", "size": 5},
    ]
    text = printed(table(*rows), most_others=4)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    first = next(line for line in lines if "LoRA" in line)
    assert re.search(
        r"LoRA 500 +retrieved +Answer recall +0.40 → 0.20 +−0.20 \(−0.30, −0.10\)", first
    )
    assert first.rstrip().endswith("hurts")
    assert text.count("LoRA") == 5
    assert "and 27 other differences" in text


def test_terminal_table_shows_brackets_in_names_as_they_are():
    rows = [comparison("helps", model="[bold]a"), comparison("helps", model="b")]
    assert "[bold]a" in printed(table(*rows))


def test_terminal_table_without_comparisons_says_so():
    assert "No trained model could be compared" in printed(table())
