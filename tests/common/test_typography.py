import pytest

from rag_study.common.typography import aligned, cut_around, first_place


@pytest.mark.parametrize("text", ["Ada", "ﬁve “mills”", "e\u0301t\u00ade", "青石桥", "", "\u200b"])
def test_every_character_knows_where_it_comes_from(text):
    plain, places = aligned(text)
    assert len(places) == len(plain) + 1
    assert places == sorted(places)
    assert places[-1] == len(text)
    assert all(text[at] for at in places[:-1])


def test_the_first_place_of_a_wording():
    text = "The ﬁrst mill—Mel O’Hara’s—stands."
    assert first_place(text, ["Mel O'Hara"]) == text.index("Mel")
    assert first_place(text, ["Orn", "first mill"]) == text.index("ﬁrst")
    assert first_place(text, ["Orn", ""]) is None
    assert first_place(text, []) is None


def test_a_long_text_is_cut_around_a_place():
    text = " ".join(f"w{number}" for number in range(100))
    place = text.index("w50")
    cut = cut_around(text, place, 10)
    assert cut.split() == [f"w{number}" for number in range(45, 55)]
    assert cut_around(text, 0, 10).split() == [f"w{number}" for number in range(10)]
    assert cut_around(text, 0, 100) == text


def test_texts_without_blanks_are_cut_by_their_letters():
    text = "磨坊在河边。" * 40 + "青石桥" + "水车很老。" * 40
    cut = cut_around(text, text.index("青石桥"), 20)
    assert "青石桥" in cut
    assert 36 <= len(cut) <= 50
