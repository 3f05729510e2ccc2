"""The report on three pages of paper: the card, the main table with its figure, the limits.

A browser that is on this machine prints the page; nothing is laid out a second time.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from rag_study.common import files
from rag_study.common.errors import StudyError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# Beside what the page does for every printer: one page a part, one figure, lists in small letters.
_MAKING = '<details class="section"><summary><h2 id="making">'
_PAGES = """<style>
.opening { break-before: page; } .section:has(#effects) { break-before: auto; }
.opening img { max-height: 75mm; } .section figure, .section details { display: none; }
.section ul { font-size: 8pt; line-height: 1.3; } .section h3 { margin: 8px 0 2px; }
.section pre { columns: 5; font-size: 5.8pt; line-height: 1.2; padding: 6px; margin: 0; }
</style></head>"""
_SECONDS = 180


def print_report(page: Path, target: Path) -> None:
    """Print the report `page` to the PDF file `target`, replacing it in one step.

    Raises StudyError where no browser of BROWSERS is on the path, or where it fails.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise StudyError(
            f"no browser was found that prints {page} ({', '.join(BROWSERS)}). Install Chromium, "
            "or open the page in any browser and print it: what is folded is left out."
        )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        html = page.read_text(encoding="utf-8").replace("</head>", _PAGES, 1)
        html = html.replace(_MAKING, _MAKING.replace("<details", "<details open"), 1)
        (folder / "report.html").write_text(html, encoding="utf-8")
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
        command += [f"--user-data-dir={folder / 'profile'}", "--no-pdf-header-footer"]
        command += [f"--print-to-pdf={folder / 'report.pdf'}", (folder / "report.html").as_uri()]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
            said = done.stderr.strip().splitlines()
        except subprocess.TimeoutExpired:
            said = [f"it did not end within {_SECONDS} seconds"]
        made = folder / "report.pdf"
        if not made.exists():
            why = said[-1] if said else "it said nothing"
            raise StudyError(f"{browser} could not print {page}: {why}")
        files.write_with(target, lambda file: shutil.copyfile(made, file))
