"""Texts in pages and cards: read, never acting."""

import html
import re

import pytest
from hostile import NAMES
from markdown_it import MarkdownIt

from rag_study.common.shown import markdown, markdown_code, visible
from rag_study.report import markup

TEMPLATE = '<p title="{{ text | attribute }}">a {{ text }} b</p><div>{{ text | own }}</div>{{ 5 }}'


def text_of(page):
    return html.unescape(re.sub(r"<[^>]*>", "", page))


@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_every_text_as_letters(name):
    page = markup.pages().from_string(TEMPLATE).render(text=name)
    tags = {tag.split()[0] for tag in re.findall(r"</?([^>]+)>", page)}
    assert tags <= {"p", "div", "bdi", "wbr"}
    sentence, own = page.split("</p>")
    assert text_of(sentence) == f"a {visible(name, lines=True)} b"
    assert text_of(own) == visible(name, lines=True, directions=True) + "5"
    assert own.startswith('<div><bdi dir="auto">')
    (title,) = re.findall(r'title="([^"]*)"', page)
    assert html.unescape(title) == visible(name)


def test_words_that_are_read_from_the_right_move_nothing_beside_them():
    page = markup.pages().from_string("{{ text }}").render(text="on שלום עולם (12), then نص 3")
    assert page == "on <bdi>שלום עולם</bdi> (12), then <bdi>نص</bdi> 3"


def test_a_very_long_word_may_be_folded():
    page = markup.pages().from_string("{{ text }}").render(text="x" * 100)
    assert max(map(len, page.split("<wbr>"))) <= 30
    assert page.replace("<wbr>", "") == "x" * 100


@pytest.mark.parametrize("name", NAMES)
def test_a_card_has_every_text_in_one_line_without_marks(name):
    line = markdown(name)
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    page = reader.render(f"| n | m |\n|---|---|\n| {line} | {line} |\n")
    cells = re.findall(r"<td>(.*?)</td>", page, re.DOTALL)
    assert [html.unescape(cell) for cell in cells] == [visible(name).strip()] * 2
    assert "$" not in re.sub(r"\\.", "", line)
    cell = markdown_code(name)
    (told,) = re.findall(r"<code>(.*?)</code>", reader.render(cell))
    assert html.unescape(told) == visible(name)
