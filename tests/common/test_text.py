"""Texts are compared by their words in every script; signs that carry meaning stay."""

import re
import unicodedata

import pytest

from rag_study.common import text
from rag_study.common.text import contains, length, normalise, same, tokens

HOLDS = {
    "unit without a blank": ("the dam is 420km long", "420 km"),
    "unit with a blank": ("a load of 7.5 kg", "7.5kg"),
    "number with its unit": ("it lasts 36hrs", "36"),
    "decimal comma": ("2,75 Liter", "2.75"),
    "thousands with points": ("12.345.678 Schafe", "12,345,678"),
    "thousands with points, and cents": ("kostet 9.876,50 €", "€9,876.50"),
    "square": ("an area of 30 m²", "30 m^2"),
    "square as a digit": ("takes O(k³) steps", "O(k^3)"),
    "power in braces": ("about 10^{-8} bar", "10⁻⁸"),
    "power of a program": ("7**5 ways", "7^5"),
    "multiplied": ("3·10^8 m/s", "3 × 10⁸"),
    "size with a letter": ("a 640x480 screen", "640×480"),
    "one side of a size": ("a 640x480 screen", "480"),
    "times": ("is 12× as fast", "12x"),
    "version": ("since v4.1 of it", "4.1"),
    "initials apart": ("by J. K. Lohr", "JK Lohr"),
    "initials of a state, apart": ("in the U. K.", "UK"),
    "flat": ("a sonata in E♭ major", "E♭"),
    "musical sharp": ("in G♯ minor", "G#"),
    "Korean particle": ("수도는 부여이다.", "부여"),
    "Korean particles": ("공주에서는 비가 왔다", "공주"),
    "number before Korean": ("그것은 1871년에 지어졌다", "1871년"),
    "letters before Korean": ("NASA는 발표했다", "NASA"),
    "Persian joiner for a blank": ("کتاب\u200cها اینجاست", "کتاب ها"),
    "Persian joined": ("کتابها اینجاست", "کتاب\u200cها"),
    "curly apostrophe": ("She is Ada O’Hara.", "Ada O'Hara"),
    "straight apostrophe": ("She is Ada O'Hara.", "Ada O’Hara"),
    "modifier apostrophe": ("on Oʻahu today", "O'ahu"),
    "acute accent for an apostrophe": ("Pat O´Neil", "Pat O'Neil"),
    "guillemets": ("« Ada Lohr »", "Ada Lohr"),
    "German quotes": ("„Ada Lohr“, sagt sie", "Ada Lohr"),
    "CJK brackets": ("『Ada Lohr』", "Ada Lohr"),
    "em dash without blanks": ("Ada Lohr—a smith", "Ada Lohr"),
    "two hyphens for a dash": ("Ada Lohr--a smith", "Lohr"),
    "ellipsis": ("Ada Lohr…and others", "Ada Lohr"),
    "Markdown": ("**Ada Lohr**", "Ada Lohr"),
    "HTML": ("<em>Ada Lohr</em>", "Ada Lohr"),
    "decomposed": (unicodedata.normalize("NFD", "Zoë Ångström"), "Zoë Ångström"),
    "ligature": ("an oﬃce in the ﬂoodplain", "office in the floodplain"),
    "oe": ("le bœuf", "boeuf"),
    "wide letters": ("ＡＤＡ　ＬＯＨＲ", "Ada Lohr"),
    "soft hyphen": ("river\u00adside", "riverside"),
    "zero-width": ("\u200bAda\u2060 Lohr\ufeff", "Ada Lohr"),
    "direction marks": ("\u2067Ada Lohr\u2069", "Ada Lohr"),
    "sharp s": ("GROSSE STRASSE", "große Straße"),
    "dotted capital": ("İzmir", "izmir"),
    "possessive": ("Lohr’s forge", "Lohr"),
    "elision": ("l’horloge", "horloge"),
    "contraction without its apostrophe": ("it doesnt move", "doesn't move"),
    "hyphen that the gold answer lacks": ("a well-worn path", "well worn"),
    "hyphen that the text lacks": ("a wellworn path", "well-worn"),
    "letters and a number": ("the B52 flew", "B-52"),
    "range": ("built 1871–1874", "1874"),
    "range with a hyphen": ("built 1871-1874", "1871"),
    "date": ("on 03.07.1911", "1911"),
    "slash": ("tin/zinc ore", "zinc"),
    "abbreviation": ("the U.K. coast", "UK"),
    "initials": ("J.K. Lohr", "J. K. Lohr"),
    "trade mark": ("Zolto™ pens", "Zolto"),
    "thousands": ("12,345,678 sheep", "12345678"),
    "thousands, Indian": ("1,23,456 sheep", "123456"),
    "thousands with a thin space": ("12\u202f345 sheep", "12,345"),
    "thousands with an apostrophe": ("12’345 sheep", "12,345"),
    "currency in the text alone": ("It cost €2,500.", "2,500"),
    "currency in the gold answer alone": ("It cost 2500.", "€2,500"),
    "currency behind": ("It cost 25 €.", "€25"),
    "minus signs": ("fell to \u221218 degrees", "-18"),
    "minus with an en dash": ("fell to –18 degrees", "−18"),
    "negative money": ("a result of -£3", "£-3"),
    "percent in words": ("12 per cent", "12%"),
    "percent is more than its number": ("12%", "12"),
    "half": ("2½ miles", "2 1/2"),
    "power": ("10⁻³ bar", "10^-3"),
    "leading point": (".75 litres", "0.75"),
    "C++": ("It is in C++, they say.", "C++"),
    "C beside C++": ("C, C++ or Rust", "C"),
    "a longer name with plus": ("Notepad++ opens", "notepad"),
    ".NET": ("runs on .NET", ".NET"),
    "dotted name": ("uses Vue.js now", "Vue"),
    "letter that is an article": ("Vitamin A", "vitamin a"),
    "letter before a verb": ("Block A is old", "Block A"),
    "letter alone": ("It is (A).", "A"),
    "letter first": ("A is right", "A"),
    "only articles": ("I heard The The.", "The The"),
    "sign alone": ("It is “!”", "!"),
    "article inside": ("Peter the Great", "Peter Great"),
    "Chinese": ("答案是青石桥。", "青石桥"),
    "Chinese with Latin": ("使用BERT-2模型", "BERT-2"),
    "Latin with Chinese": ("使用BERT-2模型", "模型"),
    "Chinese number": ("建于1931年", "1931"),
    "Japanese": ("それは水車小屋です", "水車小屋"),
    "middle dot": ("アダ・ロール", "アダロール"),
    "half-width kana": ("ｱﾀﾞ", "アダ"),
    "Thai": ("อยู่ที่เชียงใหม่ครับ", "เชียงใหม่"),
    "Lao": ("ຢູ່ວຽງຈັນ", "ວຽງຈັນ"),
    "Khmer": ("នៅភ្នំពេញ", "ភ្នំពេញ"),
    "Burmese": ("ရန်ကုန်မြို့", "ရန်ကုန်"),
    "Korean": ("그것은 부산 이다", "부산"),
    "Hindi": ("यह दिल्ली है।", "दिल्ली"),
    "Bengali": ("এটি ঢাকা।", "ঢাকা"),
    "Tamil": ("இது மதுரை.", "மதுரை"),
    "Arabic vowel marks": ("بَغْدَادُ", "بغداد"),
    "tatweel": ("بغــداد", "بغداد"),
    "Arabic digits": ("عام ١٩٣١", "1931"),
    "Persian digits and separator": ("۱٬۲۳۴", "1234"),
    "Devanagari digits": ("१९३१ में", "1931"),
    "Hebrew points": ("שָׁלוֹם", "שלום"),
    "Hebrew abbreviation": ("צה״ל", 'צה"ל'),
    "Greek final sigma": ("ΑΡΓΟΣ", "αργος"),
}  # fmt: skip
HOLDS_NOT = {
    "decimal comma is no separator": ("2,75 Liter", "75"),
    "decimal comma is not nothing": ("2,75 Liter", "275"),
    "ordinal": ("the 4th gate", "4"),
    "decade": ("in the 80s", "80"),
    "letters and digits are no unit": ("an mp4 file", "4"),
    "power and number": ("10^{8} bar", "108"),
    "flat and plain": ("in E♭", "E"),
    "another Korean word": ("수도는 부여군청", "부여"),
    "empty answer": ("", "A"),
    "empty gold answer": ("Ada", ""),
    "both empty": ("", " "),
    "C is not C++": ("C", "C++"),
    "C++ is not C": ("C++", "C"),
    "C# is not C": ("C#", "C"),
    "C# is not C++": ("C#", "C++"),
    "F* is not F": ("F*", "F"),
    "A+ is not A": ("A+", "A"),
    "blood groups": ("0 or B−", "B+"),
    "minus": ("\u221218", "18"),
    "no minus": ("18", "-18"),
    "decimal": ("35", "3.5"),
    "no decimal": ("3.5", "35"),
    "part of a decimal": ("3.5", "5"),
    "part of a number": ("12,345", "345"),
    "percent": ("12", "12%"),
    "currencies": ("€25", "£25"),
    "power": ("103", "10³"),
    "half": ("21/2", "2½"),
    "range is no number": ("1871-1874", "18711874"),
    "relation": ("5", "<5"),
    "letters of blocks": ("Block B", "Block A"),
    "letters of vitamins": ("vitamin C", "Vitamin A"),
    "article for a letter": ("A smith built it.", "A"),
    "question mark of a sentence": ("Who knows?", "?"),
    "part of a word": ("a tinker", "tin"),
    "diacritic": ("pate", "pâté"),
    "vowel sign": ("दिल्ली", "दिल्ल"),
    "part of a number before Chinese": ("1931年", "31"),
    "other order": ("Lohr Ada", "Ada Lohr"),
}


@pytest.mark.parametrize(("answer", "gold"), HOLDS.values(), ids=HOLDS)
def test_an_answer_holds_the_gold_answer(answer, gold):
    assert contains(answer, gold) == 1.0


@pytest.mark.parametrize(("answer", "gold"), HOLDS_NOT.values(), ids=HOLDS_NOT)
def test_an_answer_holds_something_else(answer, gold):
    assert contains(answer, gold) == 0.0


@pytest.mark.parametrize("texts", [*HOLDS.values(), *HOLDS_NOT.values()])
def test_every_text_is_the_same_as_itself_however_it_is_composed(texts):
    for given in filter(str.strip, texts):
        assert same(given, given)
        assert same(unicodedata.normalize("NFD", given), unicodedata.normalize("NFC", given))
        assert contains(given, given) == 1.0
        assert normalise(given)


def test_nothing_is_the_same_as_an_empty_text():
    for given in ("", " ", "\n", "\u200b"):
        assert not same(given, "A")
        assert not same("?", given)
        assert not same(given, given)


def test_what_normalises_to_nothing_is_compared_as_it_stands():
    assert normalise("The The") == "the the"
    assert normalise("A") == "a"
    assert normalise("?!") == "?!"
    assert not same("?", "!")
    assert not same("A", "The")
    assert same("a", "A.") is same("A.", "a")


def test_tokens_of_scripts_with_and_without_blanks():
    assert tokens("GPT-4模型") == ["gpt", "4", "模", "型"]
    assert tokens("The mill, 3.5 °C") == ["the", "mill", "3.5", "c"]
    assert tokens("हिन्दी में") == ["हिन्दी", "में"]
    assert tokens("한국어 문장") == ["한국어", "문장"]
    assert tokens("ไทย") == ["ไ", "ท", "ย"]
    assert tokens("ที่") == ["ที่"]  # a letter with its vowel and its tone


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", 0),
        ("…", 0),
        ("It was well-known — and Lohr’s.", 5),
        ("青石桥建于1931年。", 7),
        ("สวัสดี ครับ", 7),
        ("यह दिल्ली है।", 3),
        ("한국어 문장", 2),
    ],
)
def test_length_counts_words_and_letters_of_scripts_without_blanks(given, words):
    assert length(given) == words


ARTICLES = ("a", "an", "the")
PASSAGES = (
    "Ada O’Hara’s mill (built 1871–74, see p. 12) ground 1,250.5 t/yr of “Zolto” barley—its "
    "well-worn wheels, e.g. no. 7’s, ran at −4 °C, cost $2,300 in A$ and US$; 45% of it "
    "(c. 12.05.1911) fed co-op/guild horses; the U.S. bought C++ and .NET kits, vitamin A and "
    "vitamin A-rich feed, [12,13] and d’Artagnan’s 3rd–4th carts… Class A is a class of an age.",
    "Le moulin d’Ève — dit « L’Étoile » — coûta 2 500 € en 1871 ; l’eau l’a détruit.",
    "यह मिल १८७१ में दिल्ली के पास बनी; इसका नाम \"सितारा\" है।",
    "Мельница «Звезда», построенная в 1871–1874 гг., стоила 2 500 руб.",
)  # fmt: skip


@pytest.mark.parametrize("passage", PASSAGES)
def test_words_that_stand_in_a_passage_are_not_denied(passage):
    """Up to four neighbouring words, with the signs between them as they stand; sought by blanks
    alone, so the rule under test takes no part in it."""
    pieces = [m.span() for m in re.finditer(r"\S+", passage)]
    for first in range(len(pieces)):
        for last in range(first, min(first + 4, len(pieces))):
            answer = passage[pieces[first][0] : pieces[last][1]]
            words = answer.split()
            if answer in ARTICLES or not all(re.search(r"\w", w) for w in (words[0], words[-1])):
                continue
            assert contains(passage, answer) == 1.0, answer
            bare = answer.rstrip('.,;:)]”"»…— ').lstrip('([“"«—')
            assert not bare or contains(passage, bare) == 1.0, bare


def test_junk_harms_nothing():
    for given in ("\x00\x01\x02\x06", "\ud800 Ada", "\x06-A-\x04the ", "👩‍👩‍👧", "\u0301"):
        assert isinstance(normalise(given), str)
        assert length(given) <= 4
    assert contains("\ud800 Ada", "Ada") == 1.0
    assert text.plain("Ada") == "Ada"


def test_words_of_scripts_without_blanks_are_about_two_letters():
    assert text.words("It was well-known, in 1871.") == 5
    assert text.words("青石桥建于河边。") == 4
    assert text.words("") == 0


def test_signs_beside_letters_of_scripts_without_blanks_leave_no_gap():
    assert normalise("カ/T") == normalise("カ T") == "カ t"
    assert normalise("中£5元") == "中 5 元"
    assert contains("使用 GPT-模型-4", "模型 4") == 1.0
