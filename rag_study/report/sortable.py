"""Tables of notebooks that are sorted by a column's name, as those of the page are.

The same script goes with each table, and not a library: where no script runs (the code host, a
notebook that is not trusted), the table is the one that pandas writes, complete and readable.
"""

from __future__ import annotations

import pandas as pd

from rag_study.common.shown import plain_tables
from rag_study.report import markup

# So many rows are shown whole: what is cut out of a table cannot be sorted.
MOST_ROWS = 500
_STYLE = (
    ".sortable th button { font: inherit; color: inherit; background: none; border: 0; padding: 0; "
    "cursor: pointer; } .sortable th button::after { content: ' ↕'; opacity: .5; } "
    ".sortable th[aria-sort=ascending] button::after { content: ' ↑'; opacity: 1; } "
    ".sortable th[aria-sort=descending] button::after { content: ' ↓'; opacity: 1; } "
    "@media print { .sortable th button::after { content: ''; } }"
)


def sortable_tables() -> None:
    """Have the tables that a notebook shows from now on sorted by a click, or a key, on a column's
    name. Outside of notebooks nothing happens."""
    from IPython import get_ipython

    plain_tables()
    if (shell := get_ipython()) is not None:
        shell.display_formatter.formatters["text/html"].for_type(pd.DataFrame, html_of)


def html_of(frame: pd.DataFrame) -> str | None:
    """A table as HTML with the script that sorts it; with more than MOST_ROWS rows, or several
    rows of names, as pandas writes it."""
    with pd.option_context("display.max_rows", MOST_ROWS):
        html = frame._repr_html_()
    names = frame.columns.nlevels > 1 or any(frame.columns.names)
    if html is None or len(frame) > MOST_ROWS or len(frame) < 2 or names:
        return html
    script = markup.pages().get_template("sort_tables.js.j2").render()
    html = html.replace('class="dataframe', 'class="dataframe sortable', 1)
    return (
        f"{html}\n<style>{_STYLE}</style>\n<script>(function () {{\n{script}\n"
        'document.querySelectorAll("table.dataframe.sortable").forEach(makeSortable);\n'
        "})();</script>"
    )
