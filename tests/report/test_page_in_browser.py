"""The report in a real browser: no errors, tables sort and search, hostile text does nothing."""

import re
import shutil
import subprocess
from html import unescape

import pytest
from hostile import NAMES
from study_tables import WEAK, answers, comparison, full_study, table

from rag_study.common.shown import visible
from rag_study.report import page as report

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")

ATTACK = '"><script>document.title = "owned"</script><img src=x onerror="document.title = 1">'
# Uses the page as a reader would, and tells what it found in the title of the document.
USE = """<script>
var section = function (id) { return document.getElementById(id).closest("details"); };
var table = section("effects").querySelector("table.sortable");
var fits = document.documentElement.scrollWidth <= window.innerWidth;
var folded = section("claims").open;
document.querySelector("nav a[href='#claims']").click();
window.dispatchEvent(new Event("hashchange"));
folded = [folded, section("claims").open];
document.getElementById("unfold").click();
var still = document.querySelectorAll("details.section:not([open])").length;
var button = table.querySelectorAll("thead button")[6];
var firsts = function () { return Array.from(table.tBodies).map(function (b) {
  return b.rows[0].cells[6].firstChild.textContent; }).join(" "); };
button.click(); var up = firsts(); button.click(); var down = firsts();
var field = document.querySelector("input[type=search]");
field.value = "few"; field.dispatchEvent(new Event("input"));
var left = Array.from(table.tBodies).filter(function (b) { return !b.hidden; }).length;
var images = Array.from(document.images).every(function (i) { return i.naturalWidth > 0; });
document.title = [up, down, left, images, table.tBodies[0].rows.length,
  table.querySelectorAll("th[aria-sort]").length, fits, folded, still].join(" | ");
</script>"""


def opened(html, tmp_path):
    """(title, everything said on the console) of the page when all its scripts have run."""
    return _opened(html, tmp_path)[:2]


def _opened(html, tmp_path):
    """As `opened`, and the page as it then is."""
    page = tmp_path / "page.html"
    page.write_text(html, encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    options += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    options += ["--enable-logging=stderr"]
    done = subprocess.run(
        [BROWSER, *options, f"--user-data-dir={tmp_path}/profile", "--dump-dom", page.as_uri()],
        **{"capture_output": True, "text": True, "timeout": 300},
    )
    (title,) = re.findall(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return title, said, done.stdout


def test_tables_sort_and_search_and_nothing_fails(tmp_path):
    differences = (0.1, -0.2, 0.3, -0.05)
    rows = [
        comparison("cannot tell", d, size=50 + i, reason="too few" if i % 2 else "too close")
        for i, d in enumerate(differences)
    ]
    results = full_study(answers(), comparisons=table(*rows))
    html = report.build_report(results, tmp_path / "report.html").read_text(encoding="utf-8")
    title, said = opened(html.replace("</body>", f"{USE}</body>"), tmp_path)
    assert said == []
    up, down, left, images, rows, sorted_by, *sections = title.split(" | ")
    # Nothing is wider than the window; a link of the contents opens its section, the button all.
    assert sections == ["true", "false,true", "0"]
    assert up.split() == ["−0.20", "−0.05", "+0.10", "+0.30"]
    assert down.split() == up.split()[::-1]
    # A row's reason moves and hides with it.
    assert (left, images, rows, sorted_by) == ("2", "true", "2", "1")


def test_hostile_text_does_nothing(tmp_path):
    frame = answers()
    for column in ("answer", "question", "reference", "model", "dataset"):
        frame[column] = ATTACK
    results = full_study(frame, checks=[{**WEAK, "reason": ATTACK}], notes=[ATTACK])
    html = report.build_report(results, tmp_path / "report.html").read_text(encoding="utf-8")
    title, said = opened(html, tmp_path)
    assert said == []
    assert title == "demo: does fine-tuning help?"


def test_every_text_stands_there_as_it_is(tmp_path):
    """Two questions with the largest gains and losses are shown for each of the names."""
    said_of = {}
    for place, name in enumerate(NAMES):
        frame = answers(3)
        tuned = frame["train_size"] > 0
        frame.loc[tuned, ["answer_recall", "judge_accuracy"]] = 1.0
        frame.loc[~tuned, ["answer_recall", "judge_accuracy"]] = 0.0
        for column in ("answer", "question", "reference", "model", "dataset", "judge"):
            frame[column] = name
        folder = tmp_path / str(place)
        folder.mkdir()
        results = full_study(frame, checks=[{**WEAK, "judge": name, "reason": name}], notes=[name])
        said_of[name] = report.build_report(results, folder / "r.html").read_text(encoding="utf-8")
    # One start of the browser for all: each page in a frame of its own would hide its scripts.
    bodies = [re.search(r"<body>(.*?)<script>", page, re.DOTALL)[1] for page in said_of.values()]
    head = said_of[NAMES[0]].partition("<body>")[0]
    title, said, page = _opened(f"{head}<body>{''.join(bodies)}</body></html>", tmp_path)
    assert said == []
    assert title == "demo: does fine-tuning help?"
    assert "<script" not in page.partition("<body>")[2]
    words = unescape(re.sub(r"<[^>]*>", "", page.replace("<wbr>", "")))
    for name in NAMES:
        # Questions, references and answers of the examples, whole and with their own direction.
        assert words.count(visible(name, lines=True, directions=True)) >= 6, name
    assert len(re.findall(r'<bdi dir="auto">', page)) > 6 * len(NAMES)
