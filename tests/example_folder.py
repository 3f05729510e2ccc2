"""The folder of the walk in docs/own-data.md: `python tests/example_folder.py FOLDER [WORLDS]`.

Reports as PDFs and a workbook of questions, as a team might have them, made from invented worlds:
some questions have no answer yet, one report is a scan, and a sheet of notes lies beside.
"""

import sys
from pathlib import Path

import office

from rag_study import data

HEADER = ["Question", "Right answer", "Report", "Page", "Asked by"]


def make(folder: Path, worlds: int = 40) -> Path:
    """Write `reports/*.pdf`, one for each world, a page for each document, and `questions.xlsx`."""
    world = data.load("fictional", "", "", {"num_worlds": worlds})
    (folder / "reports").mkdir(parents=True)
    pages: dict[str, list[str]] = {}
    place = {}
    for document in world.documents:
        name = f"report-{document.scope.rpartition('-')[2]}.pdf"
        pages.setdefault(name, []).append(f"{document.title}\n{_lines(document.text)}")
        place[document.doc_id] = name, len(pages[name])
    for name, texts in pages.items():
        office.pdf(folder / "reports" / name, texts)
    office.pdf(folder / "reports" / "scan-of-1998.pdf", ["", ""])
    rows = []
    for number, question in enumerate(world.questions):
        name, page = place[question.gold_doc_ids[0]]
        answer = question.reference if number % 40 else None
        rows.append([question.question, answer, name, page, ("Ada", "Ben", "Cleo")[number % 3]])
    office.workbook(folder / "questions.xlsx", {"Questions": [HEADER, *rows], "Notes": [["to do"]]})
    return folder


def _lines(text: str) -> str:
    """The text in lines as a page has them, without brackets, which PDF would take for its own."""
    words, lines = text.replace("(", "").replace(")", "").split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) > 90:
            lines.append("")
        lines[-1] += f"{word} "
    return "\n".join(line.strip() for line in lines)


if __name__ == "__main__":
    make(Path(sys.argv[1]), *map(int, sys.argv[2:3]))
