"""Lines that ended for want of room are joined; those that mean something are not."""

import textwrap

import pytest

from rag_study.common.unwrapping import unwrapped

PROSE = (
    "The post of first director went to Annike Nedvimann of Brelsostow, who held it for thirty "
    "years. The departments cover fungal disease, soil drainage and seed storage. In 1804 the "
    "library was lost in a fire, which spared the offices."
)


@pytest.mark.parametrize("width", [50, 72, 90])
def test_a_wrapped_paragraph_is_one_line_under_its_heading(width):
    wrapped = "Zelsorin Academy\n" + "\n".join(textwrap.wrap(PROSE, width))
    assert unwrapped(wrapped) == f"Zelsorin Academy\n{PROSE}"


def test_paragraphs_stay_apart():
    two = "\n\n".join("\n".join(textwrap.wrap(PROSE, 60)) for _ in range(2))
    assert unwrapped(two) == f"{PROSE}\n\n{PROSE}"


def test_a_divided_word_is_whole_again_and_names_keep_their_hyphen():
    assert unwrapped("an observa-\ntory near Baden-\nBaden") == "an observatory near Baden-\nBaden"


@pytest.mark.parametrize(
    "lines",
    [
        "Name and place of the institution    Founded     Closed\n"
        "Academy of the northern province     1745        1804",
        "year 2019 45.2 33.1 22.0 12.9 45.2 33.1 22.0\n"
        "year 2020 45.2 33.1 22.0 12.9 45.2 33.1 22.1",
        "- the first of the things that are on show in the museum\n"
        "- the second of the things that are on show in the museum",
        "1. the first step of the procedure is to open the valve\n"
        "2. the second step of the procedure is to close the valve",
        "| a long cell of a table in markdown | another one |\n"
        "| a long cell of a table in markdown | another two |",
        "Roses are red\nviolets are blue\nsugar is sweet\nand so are you",
        "Jonas Holmeberg\n12 Mill Lane\nRosdoholm",
    ],
)
def test_tables_lists_verses_and_addresses_stay(lines):
    assert unwrapped(lines) == lines


def test_blank_and_empty_texts():
    for text in ("", "\n \n", "a\n"):
        assert unwrapped(text) == text
