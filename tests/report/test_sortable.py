"""Tables that sort by a column's name: what goes before what, in a browser, with mouse and keys."""

import json
import subprocess
import sys

import pandas as pd
import pytest
from test_page_in_browser import BROWSER, opened

from rag_study.report import sortable

# Each column in the order in which it stands at first, and in the order of a rising sort.
COLUMNS = {
    "signed": (["+0.10", "−0.20", "not computed", "−0.05"],
               ["−0.20", "−0.05", "+0.10", "not computed"]),
    "ranges": (["15–20", "–", "2 to 30", "15–18"], ["2 to 30", "15–18", "15–20", "–"]),
    "p values": (["0.001", "< 0.001", "", "0.020"], ["< 0.001", "0.001", "0.020", ""]),
    "thousands": (["1,200", "999", "12 %", "NaN"], ["12 %", "999", "1,200", "NaN"]),
    "durations": (["2 h 5 min", "59.0 s", "3 min 1 s", "not recorded"],
                  ["59.0 s", "3 min 1 s", "2 h 5 min", "not recorded"]),
    "shares": (["3 of 20", "3 of 5", "−1 of 5", "?"], ["−1 of 5", "3 of 5", "3 of 20", "?"]),
    "with words": (["none", "0.5", "0.25", "1e-05"], ["1e-05", "0.25", "0.5", "none"]),
    "texts": (["LoRA 200", "base", "", "LoRA 50"], ["base", "LoRA 50", "LoRA 200", ""]),
    "texts with a number": (["2 apples", "ten pears", "a plum", "an egg"],
                            ["2 apples", "a plum", "an egg", "ten pears"]),
    "bounds": (["inf", "-inf", "0.0", "nan"], ["-inf", "0.0", "inf", "nan"]),
    "all missing": (["–", "–", "", "–"], ["–", "–", "", "–"]),
}  # fmt: skip
# Clicks every name twice, and tells what stood there after each click.
USE = """<script>
var table = document.querySelector("table"), told = {};
var heads = Array.from(table.tHead.rows[0].cells);
var column = function (place) {
  var rows = Array.from(table.tBodies[0].rows);
  return rows.map(function (row) { return row.cells[place].textContent; });
};
heads.forEach(function (head, place) {
  var button = head.querySelector("button"), name = head.textContent;
  heads[0].querySelector("button").click();
  if (head === heads[0]) button.click();  // begins with the order of the rows
  button.focus();
  button.click();
  var up = column(place), said = [head.getAttribute("aria-sort")];
  button.click();
  said.push(head.getAttribute("aria-sort"), document.querySelectorAll("[aria-sort]").length);
  said.push(document.activeElement === button && button.tabIndex);
  said.push(button.getAttribute("aria-label"));
  told[name] = [up, column(place), said];
});
document.title = JSON.stringify([told, document.querySelectorAll("th button").length]);
</script>"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_what_goes_before_what(tmp_path):
    frame = pd.DataFrame({name: before for name, (before, _) in COLUMNS.items()})
    html = sortable.html_of(frame)
    # Two tables of one notebook: each brings the script, none gets two buttons for a name.
    page = f"<title></title><body>{html}{html}{USE}</body>"
    title, said = opened(page, tmp_path)
    assert said == []
    told, buttons = json.loads(title.replace("&lt;", "<"))
    assert buttons == 2 * (1 + len(COLUMNS))
    for name, (_, rising) in COLUMNS.items():
        up, down, state = told[name]
        assert up == rising, name
        missing = [cell for cell in rising if cell in ("", "–", "?", "NaN", "nan", "none")
                   or cell.startswith("not ")]  # fmt: skip
        missing = missing if name != "texts with a number" else []
        there = [cell for cell in rising if cell not in missing]
        assert down == [*there[::-1], *missing], name
        assert state == ["ascending", "descending", 1, 0, None]
    assert told[""][0] == ["0", "1", "2", "3"]
    assert told[""][2][-1] == "order of the rows"


def test_tables_stay_readable_without_the_script_and_the_same_each_time():
    frame = pd.DataFrame({"cost": ["$1 & <b>", "$2"]})
    html = sortable.html_of(frame)
    assert html == sortable.html_of(frame)
    bare = frame._repr_html_()
    assert html.startswith(bare.replace('class="dataframe', 'class="dataframe sortable'))
    assert "&lt;b&gt;" in html


def test_what_is_cut_or_has_several_rows_of_names_is_not_sorted():
    long = pd.DataFrame({"n": range(sortable.MOST_ROWS + 1)})
    assert "<script" not in sortable.html_of(long)
    assert "501 rows" in sortable.html_of(long)
    whole = sortable.html_of(long.iloc[:-1])
    assert whole.count("<tr>") == sortable.MOST_ROWS
    assert "<script" in whole
    several = pd.DataFrame({("a", "b"): [1, 2], ("a", "c"): [3, 4]})
    assert "<script" not in sortable.html_of(several)
    assert "<script" not in sortable.html_of(pd.DataFrame({"n": [1]}))


def test_notebooks_show_their_tables_so():
    script = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "from rag_study.report.sortable import sortable_tables\n"
        "sortable_tables()\n"
        "import pandas as pd\n"
        "data, _ = shell.display_formatter.format(pd.DataFrame({'n': [1, 2]}))\n"
        "assert 'makeSortable' in data['text/html']\n"
        "assert 'makeSortable' not in data['text/plain']\n"
        "assert 'tex2jax_ignore' in data['text/html']\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
