"""The picture at the top of the README: a question, and a report's card under it.

    .venv/bin/python docs/theme/card_picture.py outputs/demo/report.html docs/card.png

A browser that is on this machine takes it, as it prints reports.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageChops

from rag_study.report.pdf import BROWSERS

WIDTH, HEIGHT, SCALE = 880, 1400, 2  # of the page; what is blank below is cut off
MARGIN, COLOURS = 24, 48
QUESTION = "Should we fine-tune the model of our question-answering system?"
PAGE = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><style>{style}
body {{ display: block; padding: 16px; }} .asked {{ font-size: 19px; margin: 0 0 10px; }}
.asked b {{ color: var(--link); }}</style>
<body><p class="asked">{question} <b>↓</b></p>{answer}{card}</body></html>"""


def page_of(report: str) -> str:
    """The question over the answer and the card of a report, in the report's own style."""
    parts = {
        "style": r"<style>(.*?)</style>",
        "answer": r'(<p class="answer .*?</p>)',
        "card": r'(<table class="card .*?</table>)',
    }
    found = {name: re.search(pattern, report, re.DOTALL) for name, pattern in parts.items()}
    if lacking := [name for name, match in found.items() if match is None]:
        sys.exit(f"The report has no {' and no '.join(lacking)}: is it of a finished study?")
    return PAGE.format(question=QUESTION, **{name: match[1] for name, match in found.items()})


def main(report: Path, picture: Path) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(f"No browser is here that could take the picture ({', '.join(BROWSERS)}).")
    with tempfile.TemporaryDirectory() as name:
        page, taken = Path(name, "card.html"), Path(name, "card.png")
        page.write_text(page_of(report.read_text(encoding="utf-8")), encoding="utf-8")
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        options += [f"--window-size={WIDTH},{HEIGHT}", f"--force-device-scale-factor={SCALE}"]
        options += [f"--user-data-dir={name}/profile", f"--screenshot={taken}", page.as_uri()]
        subprocess.run([browser, *options], check=True, capture_output=True, timeout=180)
        shot = Image.open(taken).convert("RGB")
    blank = Image.new("RGB", shot.size, shot.getpixel((0, shot.height - 1)))
    bottom = ImageChops.difference(shot, blank).getbbox()[3]
    shot = shot.crop((0, 0, shot.width, min(shot.height, bottom + MARGIN)))
    shot.quantize(COLOURS, dither=Image.Dither.NONE).save(picture, optimize=True)
    print(f"{picture}: {shot.width} x {shot.height}, {picture.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
