"""The terminal's table: primary rows alone, within 80 columns."""

import io
import re

import pytest
from rich.console import Console
from study_tables import comparison, table

from rag_study.report.tables import effects_table

pytestmark = pytest.mark.filterwarnings("error")


def printed(comparisons, width=80):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(effects_table(comparisons))
    return console.export_text()


def test_terminal_table_has_primary_rows_alone_and_breaks_lines_between_words():
    rows = [comparison("", 0.1, size=i, metric="token_f1", primary=False) for i in range(1, 31)]
    rows += [
        comparison("hurts", -0.2, size=500, at_least_margin=True, model="small"),
        comparison("no difference that matters", size=1000, metric="key_point_recall", model="x"),
    ]
    text = printed(table(*rows))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert text.count("LoRA") == 2
    assert "with retrieved passages" in lines[0]
    assert "and 30 other differences" in text
    first = next(line for line in lines if "LoRA" in line)
    assert re.search(r"LoRA 500 · small +Answer recall +−0.20 \(−0.30,.−0.10\)", first)
    whole = set(re.findall(r"\w+", " ".join(lines)))
    for word in "hurts by at least the margin no difference that matters Key point".split():
        assert word in whole


def test_terminal_table_without_a_primary_row_says_so():
    text = printed(table(comparison("", primary=False), comparison("", 0.1, 50, primary=False)))
    assert "None of 2 differences carries a verdict" in " ".join(text.split())


def test_terminal_table_shows_brackets_in_names_as_they_are():
    rows = [comparison("helps", model="[bold]a"), comparison("helps", model="b")]
    assert "[bold]a" in printed(table(*rows))


def test_terminal_table_without_comparisons_says_so():
    assert "No trained model could be compared" in printed(table())
