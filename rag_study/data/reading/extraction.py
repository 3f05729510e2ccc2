"""The text of one file: PDF, Word, slides, HTML, Markdown, plain text.

Run as a program it reads names of files from its input and writes what is in them, one file after
the other (`documents` starts it so): a file that takes too much time or memory ends this process,
and not the study. A part is a page of a PDF, a slide, or a section under a heading.
"""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rag_study.common import files
from rag_study.common.characters import readable
from rag_study.common.errors import StudyError
from rag_study.common.unwrapping import unwrapped
from rag_study.data.reading.delimited import decoded
from rag_study.data.reading.parts import cut
from rag_study.data.reading.workbooks import check_archive

# Raise it when the same files give other parts: what was read before is then read again.
VERSION = 2
# Of memory for one file. Larger ones than `most_bytes` would take more, or minutes.
MEMORY_BYTES = 3_000_000_000
_MOST_XML_BYTES = 100_000_000
_HEADINGS = 3  # levels of headings that begin a section
_LONGEST_TITLE = 200


@dataclass(frozen=True)
class Part:
    """One part of a file: `name` tells it from the others (p4, s2, 7), `page` is that of a PDF, or
    the number of a slide."""

    name: str
    title: str
    text: str
    page: int | None = None


@dataclass(frozen=True)
class Form:
    """How the text of one kind of file is read, and up to which size."""

    read: Callable[[Path], Iterable[Part]]
    most_bytes: int


class Unreadable(Exception):
    """Why a file gives no text, and what to do."""


def extract(path: Path) -> list[Part]:
    """The parts of a file that hold text. Raises Unreadable."""
    form = FORMS[path.suffix.lower()]
    try:
        parts = [part for part in form.read(path) if part.text.strip()]
    except Unreadable:
        raise
    except StudyError as error:
        raise Unreadable(str(error).removeprefix(f"{path}: ").partition(". ")[0]) from None
    except MemoryError:
        raise Unreadable(
            f"takes more than {MEMORY_BYTES / 1e9:.0f} GB of memory; divide it"
        ) from None
    except RecursionError:
        raise Unreadable("is nested too deeply") from None
    except Exception as error:  # every library has its own for what is damaged
        said = (str(error).strip().splitlines() or [""])[0][:200]
        raise Unreadable(f"is damaged ({type(error).__name__}: {said})") from None
    if not parts:
        raise Unreadable("has no text")
    return [
        Part(part.name, readable(part.title), readable(part.text).strip(), part.page)
        for part in parts
    ]


def sections(pieces: Iterable[tuple[int, str]], title: str) -> Iterator[Part]:
    """Parts out of (level of a heading, its text) and (0, text): a new one at every heading, with
    the headings above it in its title. Long ones are cut (`parts`)."""
    above: list[tuple[int, str]] = []
    texts: list[str] = []
    number = 0

    def section() -> Iterator[Part]:
        nonlocal number
        path = [title, *(text for _, text in above)]
        joined = " › ".join(dict.fromkeys(filter(None, path)))[:_LONGEST_TITLE]
        text = "\n\n".join(texts)
        pieces = cut(text)
        for place, (start, end) in enumerate(pieces, start=1):
            number += 1
            where = f", part {place} of {len(pieces)}" if len(pieces) > 1 else ""
            yield Part(str(number), joined + where, text[start:end])

    for level, text in pieces:
        text = text.strip("\n") if not level else " ".join(text.split())
        if not text.strip():
            continue
        if not level or level > _HEADINGS:
            texts.append(text)
            continue
        yield from section()
        texts = []
        above = [*((n, t) for n, t in above if n < level), (level, text)]
    yield from section()


def _pdf(path: Path) -> Iterator[Part]:
    import pypdf

    try:
        reader = pypdf.PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            raise Unreadable("is protected by a password; save it without one")
    except pypdf.errors.PdfReadError as error:
        raise Unreadable(f"is no readable PDF ({error})") from None
    headings = _outline(reader)
    texts, heading = [], ""
    for number, page in enumerate(reader.pages, start=1):
        heading = headings.get(number, heading)
        texts.append((number, heading, page.extract_text()))
    if texts and not any(text.strip() for _, _, text in texts):
        raise Unreadable(
            "has pages but no text: it is a scan. Recognise its text first (with OCRmyPDF, say)"
        )
    for number, heading, text in texts:
        title = " › ".join(filter(None, (path.stem, heading)))[:_LONGEST_TITLE]
        yield Part(f"p{number}", f"{title}, page {number}", unwrapped(text), number)


def _outline(reader: Any) -> dict[int, str]:
    """The heading that is in force from a page on, by the number of the page."""
    found: dict[int, str] = {}

    def walk(entries: list[Any]) -> None:
        for entry in entries:
            if isinstance(entry, list):
                walk(entry)
            elif (number := reader.get_destination_page_number(entry)) is not None:
                found[number + 1] = " ".join(str(entry.title or "").split())

    try:
        walk(reader.outline)
    except Exception:  # an outline is a help, and often damaged
        return {}
    return found


def _word(path: Path) -> Iterator[Part]:
    import docx
    from docx.table import Table

    check_archive(path)
    _check_xml(path)
    document = docx.Document(str(path))
    title, pieces = "", []
    for block in document.iter_inner_content():
        if isinstance(block, Table):
            pieces.append((0, "\n".join(_table(block))))
            continue
        style = (block.style.name if block.style is not None else "") or ""
        level = re.fullmatch(r"Heading (\d)", style)
        if style == "Title" and not title:
            title = " ".join(block.text.split())
        else:
            pieces.append((int(level[1]) if level else 0, block.text))
    yield from sections(pieces, title or path.stem)


def _table(table: Any) -> Iterator[str]:
    for row in table.rows:
        cells = dict.fromkeys(row.cells)  # a merged cell stands there several times
        texts = [" ".join(cell.text.split()) for cell in cells]
        if any(texts):
            yield " | ".join(texts)


def _slides(path: Path) -> Iterator[Part]:
    from pptx import Presentation

    check_archive(path)
    _check_xml(path)
    for number, slide in enumerate(Presentation(str(path)).slides, start=1):
        heading = slide.shapes.title.text_frame.text if slide.shapes.title is not None else ""
        title = " › ".join(filter(None, (path.stem, " ".join(heading.split()))))
        texts = [text for shape in slide.shapes for text in _shape(shape)]
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            texts.append(slide.notes_slide.notes_text_frame.text)
        text = "\n\n".join(filter(str.strip, texts))
        yield Part(f"s{number}", f"{title[:_LONGEST_TITLE]}, slide {number}", text, number)


def _shape(shape: Any) -> Iterator[str]:
    if getattr(shape, "shapes", None) is not None:  # a group
        for inner in shape.shapes:
            yield from _shape(inner)
    elif shape.has_text_frame:
        yield shape.text_frame.text
    elif getattr(shape, "has_table", False):
        rows = ([" ".join(c.text.split()) for c in row.cells] for row in shape.table.rows)
        yield "\n".join(" | ".join(row) for row in rows if any(row))


def _check_xml(path: Path) -> None:
    """Parts of Office's files are read at once, and take ten times their size in memory."""
    import zipfile

    with zipfile.ZipFile(path) as archive:
        xml = sum(m.file_size for m in archive.infolist() if m.filename.endswith((".xml", ".rels")))
    if xml > _MOST_XML_BYTES:
        raise Unreadable(
            f"unpacks to {xml / 1e6:,.0f} MB of text; at most {_MOST_XML_BYTES / 1e6:.0f} MB are "
            "read"
        )


_LEFT_OUT = ("script", "style", "noscript", "template", "svg", "nav", "footer", "head", "iframe")
_BLOCKS = frozenset(
    "p div section article main header ul ol li dl dt dd table tr blockquote pre figure br hr "
    "h4 h5 h6 address details summary aside form fieldset figcaption".split()
)


def _html(path: Path) -> Iterator[Part]:
    import bs4

    soup = bs4.BeautifulSoup(path.read_bytes(), "lxml")
    title = " ".join(soup.title.get_text().split()) if soup.title is not None else ""
    for tag in soup(_LEFT_OUT):
        tag.decompose()
    pieces: list[tuple[int, str]] = []
    text: list[str] = []

    def end() -> None:
        lines = (" ".join(line.split()).removesuffix(" |") for line in "".join(text).splitlines())
        pieces.append((0, "\n".join(filter(None, lines))))
        text.clear()

    def walk(node: Any) -> None:
        for child in node.children:
            if isinstance(child, bs4.Tag):
                name = child.name
                if re.fullmatch("h[1-3]", name):
                    end()
                    pieces.append((int(name[1]), child.get_text(" ")))
                    continue
                text.append("\n" if name in _BLOCKS else "")
                walk(child)
                text.append("\n" if name in _BLOCKS else " | " if name in ("td", "th") else "")
            elif type(child) is bs4.NavigableString:  # comments are of kinds of their own
                inside = node.name == "pre"
                text.append(str(child) if inside else re.sub(r"\s+", " ", str(child)))

    walk(soup)
    end()
    yield from sections(pieces, title or path.stem)


def _markdown(path: Path) -> Iterator[Part]:
    from markdown_it import MarkdownIt

    text, _ = decoded(path.read_bytes())
    lines = text.splitlines()
    title = path.stem
    if lines and lines[0].strip() == "---" and "---" in [line.strip() for line in lines[1:]]:
        end = [line.strip() for line in lines].index("---", 1)
        named = (re.match(r"title:\s*[\"']?(.+?)[\"']?\s*$", line) for line in lines[1:end])
        title = next((match[1] for match in named if match), title)
        lines = lines[end + 1 :]
    tokens = MarkdownIt().parse("\n".join(lines))
    pieces, start = [], 0
    for token, inline in itertools.pairwise(tokens):
        if token.type == "heading_open" and token.level == 0:
            pieces.append((0, "\n".join(lines[start : token.map[0]])))
            pieces.append((int(token.tag[1]), inline.content))
            start = token.map[1]
    pieces.append((0, "\n".join(lines[start:])))
    yield from sections(pieces, title)


def _text(path: Path) -> Iterator[Part]:
    lines = decoded(path.read_bytes())[0].splitlines()
    yield from sections([(0, unwrapped("\n".join(lines)))], path.stem)


FORMS = {
    ".pdf": Form(_pdf, 200_000_000),
    ".docx": Form(_word, 200_000_000),
    ".pptx": Form(_slides, 200_000_000),
    ".html": Form(_html, 20_000_000),
    ".htm": Form(_html, 20_000_000),
    ".xhtml": Form(_html, 20_000_000),
    ".md": Form(_markdown, 20_000_000),
    ".markdown": Form(_markdown, 20_000_000),
    ".txt": Form(_text, 50_000_000),
    ".rst": Form(_text, 50_000_000),
}


def main() -> None:
    """Read `path<tab>target` line by line; write the parts to the target as JSON lines, and say
    "done", or why there are none."""
    import logging
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    sys.setrecursionlimit(5000)
    replies, sys.stdout = sys.stdout, sys.stderr  # libraries print
    logging.disable()
    for line in sys.stdin:
        path, target = json.loads(line)
        try:
            files.write_jsonl(Path(target), map(asdict, extract(Path(path))))
            reply = "done"
        except Unreadable as error:
            reply = str(error)
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
