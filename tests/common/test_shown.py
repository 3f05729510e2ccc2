import pytest
import regex
from hostile import NAMES

from rag_study.common.shown import looks, shortened, visible

ACTING = regex.compile(r"[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@pytest.mark.parametrize("name", NAMES)
def test_nothing_acts_and_no_letter_is_lost(name):
    shown = visible(name)
    assert not ACTING.search(shown)
    codes = regex.findall(r"⟨U\+([0-9A-F ]+)⟩", shown)
    told = [chr(int(code, 16)) for part in codes for code in part.split()]
    assert told == ACTING.findall(name)
    assert regex.sub(r"⟨U\+[0-9A-F ]+⟩", "", shown) == ACTING.sub("", name)


@pytest.mark.parametrize("name", NAMES)
def test_a_text_with_a_place_of_its_own_keeps_its_lines_and_directions(name):
    shown = visible(name, lines=True, directions=True)
    assert shown.count("\n") == name.count("\n")
    assert ("\u202e" in shown) == ("\u202e" in name)
    assert not regex.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown)


def test_lines_end_as_they_do_elsewhere():
    assert visible("one\r\ntwo\rthree", lines=True) == "one\ntwo⟨U+000D⟩three"
    assert visible("one\r\ntwo") == "one⟨U+000D 000A⟩two"


def test_plain_texts_stay_as_they_are():
    for text in ("", "plain", "Straße 5 – “so”", "한국어", "naïve 👩‍👧"):
        assert visible(text) == text


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("most", [9, 40])
def test_a_short_form_has_beginning_and_end_and_cuts_no_character(name, most):
    short, seen = shortened(name, most), regex.findall(r"\X", name)
    if len(seen) <= most:
        assert short == name
        return
    begin, _, end = short.partition("…")
    assert len(regex.findall(r"\X", short)) <= most
    assert name.startswith(begin)
    assert name.endswith(end)
    assert regex.findall(r"\X", begin) == seen[: len(regex.findall(r"\X", begin))]


def test_names_that_look_the_same_are_known():
    assert looks("a\u200bb") == looks("ab\ufeff") == looks(" ab ")
    assert looks("ﬁne\u00a0name") == looks("fine name")
    assert looks("\u200b \u2060") == ""
    assert looks("שלום") != looks("עולם")
