"""Files of the kinds that people have, written for tests: PDF, Word, slides, workbooks."""

import io
import json
from pathlib import Path


def pdf(path: Path, pages: list[str], outline: dict[int, str] | None = None, **protection) -> Path:
    """A PDF with a text on each page ("": none), headings by page number, and protection as pypdf
    takes it (`user_password`, ...)."""
    import pypdf

    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
    objects.append(font)
    kids = []
    for text in pages:
        lines = b" T* ".join(b"(%s) Tj" % line.encode("cp1252") for line in text.split("\n"))
        stream = b"BT /F1 11 Tf 14 TL 40 800 Td %s ET" % lines if text else b""
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 850] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % len(objects)
        )
        kids.append(len(objects))
    listed = b" ".join(b"%d 0 R" % kid for kid in kids)
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (listed, len(kids))
    body, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    body += b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table)
    body += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (
        size,
        len(body) - len(table) - len(b"xref\n0 %d\n0000000000 65535 f \n" % size),
    )
    if outline or protection:
        writer = pypdf.PdfWriter(clone_from=io.BytesIO(body))
        for page, title in (outline or {}).items():
            writer.add_outline_item(title=title, page_number=page - 1)
        if protection:
            writer.encrypt(**protection)
        with path.open("wb") as file:
            writer.write(file)
    else:
        path.write_bytes(body)
    return path


def word(path: Path, title: str, sections: dict[str, str], table: list[list[str]] = ()) -> Path:
    """A Word file with a title, headings with texts, and a table at its end."""
    import docx

    document = docx.Document()
    document.add_heading(title, 0)
    for heading, text in sections.items():
        document.add_heading(heading, 1)
        document.add_paragraph(text)
    if table:
        made = document.add_table(len(table), len(table[0]))
        for row, cells in enumerate(table):
            for column, text in enumerate(cells):
                made.cell(row, column).text = text
    document.save(path)
    return path


def slides(path: Path, each: dict[str, str], notes: str = "") -> Path:
    """Slides with their titles and texts, and notes to the last one."""
    import pptx

    deck = pptx.Presentation()
    for title, text in each.items():
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = text
    if notes:
        slide.notes_slide.notes_text_frame.text = notes
    deck.save(path)
    return path


def workbook(
    path: Path, sheets: dict[str, list[list]], merged: dict[str, list[str]] | None = None
) -> Path:
    """A workbook with sheets of rows, and the ranges of cells that are merged in each."""
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
        for cells in (merged or {}).get(name, []):
            sheet.merge_cells(cells)
    book.save(path)
    return path


def lines(path: Path, rows: list[dict]) -> Path:
    """JSON lines."""
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text(text, encoding="utf-8")
    return path
