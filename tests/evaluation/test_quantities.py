import pytest

from rag_study.evaluation.judging.quantities import Date, Quantity, alike, quantities, same


def one(text: str):
    found = quantities(text)
    assert len(found) == 1, f"{text}: {found}"
    return found[0]


@pytest.mark.parametrize("text", ["1e" + "9" * 5000, "9" * 5000 + "/" + "8" * 5000])
def test_numbers_without_end_are_no_error(text):
    assert all(isinstance(one, Quantity) for one in quantities(text))


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("2.4 million", "2,400,000"),
        ("2.4 million", "2 400 000 people"),
        ("17", "seventeen"),
        ("205", "two hundred and five"),
        ("a dozen", "12"),
        ("-7.5", "\u22127.5 °C"),
        ("-7", "minus 7"),
        ("-12 degrees", "12 degrees below zero"),
        ("6.5 %", "6.5 per cent"),
        ("6.5 %", "6,5%"),
        ("25 %", "0.25"),
        ("3 km", "3,000 metres"),
        ("2 hours", "120 minutes"),
        ("$3.2bn", "3.2 billion dollars"),
        ("40 mg", "40mg"),
        ("1.5M", "1,500,000"),
        ("4 x 10^3", "4000"),
        ("3rd", "third"),
        ("9 May 1931", "May 9, 1931"),
        ("9 May 1931", "1931-05-09"),
        ("9 May 1931", "9.5.1931"),
        ("9 May 1931", "the 9th of May, 1931"),
        ("4 March 1990", "4/3/1990"),
        ("4 March 1990", "3/4/1990"),
        ("1931", "9 May 1931"),
        ("May 1931", "9 May 1931"),
        ("1.234.567", "1,234,567"),
    ],
)
def test_these_say_the_same(asked, given):
    assert same(one(asked), one(given))


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("-7", "7"),
        ("7", "-7"),
        ("2.4 million", "2.4 billion"),
        ("2.4 million", "2.4"),
        ("2.4", "24"),
        ("31,204", "3,204"),
        ("31,204", "31,205"),
        ("6.5 %", "65 %"),
        ("6.5 %", "6.5 km"),
        ("3 km", "3 m"),
        ("3 kg", "3 km"),
        ("44 BC", "44"),
        ("9 May 1931", "9 June 1931"),
        ("9 May 1931", "8 May 1931"),
        ("9 May 1931", "9 May 1932"),
        ("9 May 1931", "1931"),  # says less than was asked
        ("1931", "9 May 1932"),
    ],
)
def test_these_say_something_else(asked, given):
    assert not same(one(asked), one(given))


@pytest.mark.parametrize("text", ["covid-19", "B12", "F-16", "IPv4", "no number", "version v2x"])
def test_parts_of_names_are_no_numbers(text):
    assert quantities(text) == ()


def test_a_range_and_a_list_mark_have_no_sign():
    assert [q.bare for q in quantities("1939–1945")] == [1939, 1945]
    assert [q.bare for q in quantities("pages 10-20")] == [10, 20]
    assert [q.bare for q in quantities("- 40 people")] == [40]
    assert [q.bare for q in quantities("(-3)")] == [-3]


def test_a_comma_is_decimal_only_where_it_cannot_group():
    assert [q.bare for q in quantities("1,234 and 1,23 and 0,123 and 1.234,5")] == [
        1234,
        1.23,
        0.123,
        1234.5,
    ]


def test_only_what_is_alike_can_stand_in_the_place_of_another():
    year, count, percent = one("1931"), one("12 people"), one("12 %")
    assert alike(year, one("4 May 1932"))
    assert not alike(year, count)
    assert alike(count, percent)  # the unit may have been forgotten
    assert not alike(one("3 km"), percent)
    assert isinstance(one("May 1931"), Date)
    assert isinstance(count, Quantity)
