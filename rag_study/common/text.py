"""When two texts say the same, as far as letters go, in any script.

The rules of SQuAD's script (case, punctuation and English articles do not count) on Unicode's
terms. Texts are compared as NFKC, so that composed and decomposed letters, ligatures and wide
forms are one; marks that nobody sees (soft hyphens, zero-width and direction marks) are passed
over, and every script's digits are 0 to 9. Arabic and Hebrew are compared without vowel marks and
tatweel. Other diacritics count: "cafe" is not "café".

Signs that carry meaning stay: C, C++ and C# differ, −40 is not 40, 3.5 is not 35, 5 % is not 5,
.NET is not net. A hyphen, slash or point between letters joins or separates, as the other text has
it ("well-known", "well known", "wellknown"); between numbers it separates: "2018-2019" holds 2019.
So do what stands between a number and its unit ("5 km", "5km") and before a power (x², x^2, x2).
Thousands separators go, and a decimal comma is a point. A currency sign counts where both texts
have one. A Korean word may have its particles behind it ("서울은" holds "서울").

Scripts that set no blanks between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese and their
kin) are compared letter by letter: which letters make a word would be a guess. Chinese
traditional and simplified letters are different letters.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

import regex

# Signs on their way through the rules: what is found to carry meaning is set aside under a control
# character, so that no later rule takes it for punctuation.
_JOINER = "\x01"  # an apostrophe, or the point of an abbreviation
_SPLITTER = "\x02"  # a hyphen, slash or point between letters
_CURRENCY, _ARTICLE = "\x03", "\x04"  # before a currency sign, before an article
_POINT, _MINUS, _POWER, _PLUS, _SHARP, _STAR = "\x05", "\x06", "\x07", "\x0e", "\x0f", "\x10"
_LESS, _MORE, _SAME = "\x11", "\x12", "\x13"
_KEPT = str.maketrans(
    {_POINT: ".", _MINUS: "-", _POWER: "^", _PLUS: "+", _SHARP: "#", _STAR: "*"}
    | {_LESS: "<", _MORE: ">", _SAME: "="}
)

UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Line_Break=SA}ー]"
_UNSPACED_LETTER = regex.compile(rf"(?={UNSPACED})\X")
_WORD = regex.compile(rf"(?={UNSPACED})\X|(?:(?!{UNSPACED})\S)+")
_IGNORED = regex.compile(r"[\p{Default_Ignorable_Code_Point}™℠]+")

# What NFKC would run together: 10⁵, 3½, and 1 234 or 1'234 with a separator that joins.
_SUPERSCRIPT = re.compile(r"(?<=\d)[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_FRACTION = re.compile(r"(?<=[0-9])(?=[¼-¾⅐-⅞])")
_THIN_GROUPS = re.compile(r"(?<![\d.,])\d{1,3}(?:[\u00a0\u2009\u202f'’]\d{3})+(?![\d'’])")
# Persian and Urdu write endings apart behind a joiner of no width, behind a blank, or joined.
_NO_WIDTH = regex.compile(r"(?<=\p{Script=Arabic})\u200c(?=\p{Script=Arabic})")
# O− and Cl-, which only capitals tell from the first half of "t- und b-zellen".
_CHARGE = re.compile(r"(?<![\w.'’-])([A-Z][A-Za-z]?)[-−⁻](?=[\s,;:.!?)\]]|\Z)")

_QUOTES = '"“”„‟″«»‹›「」『』`〝〞〟❝❞❛❜'
_VOWEL_MARKS = (
    *range(0x0591, 0x05BE),
    *(0x05BF, 0x05C1, 0x05C2, 0x05C4, 0x05C5, 0x05C7, 0x0640, 0x0670),
    *range(0x0610, 0x061B),
    *range(0x064B, 0x0660),
    *range(0x06D6, 0x06DD),
    *range(0x06DF, 0x06E5),
    *(0x06E7, 0x06E8, 0x06EA, 0x06EB, 0x06EC, 0x06ED),
)


class _Table(dict):
    """What each character becomes (`str.translate`), found out when it is first met.

    Letters, marks and numbers stay, and so do the signs that a rule looks at. Quotes and opening
    brackets become blanks, further punctuation and symbols semicolons.
    """

    def __missing__(self, code: int) -> str | None:
        char = chr(code)
        kind = unicodedata.category(char)
        if kind == "Nd":
            value: str | None = str(unicodedata.decimal(char))
        elif kind == "Me":
            value = None
        elif kind[0] in "LMN" or kind == "Co":
            value = char
        elif kind == "Pd":
            value = "-"
        elif kind == "Sc":
            value = f" {_CURRENCY}{char} "
        elif kind[0] in "ZC" or kind in ("Ps", "Pi", "Pf"):
            value = " "
        else:
            value = ";"
        self[code] = value
        return value


_TABLE = _Table(
    dict.fromkeys(map(ord, _QUOTES), " ")
    | dict.fromkeys(map(ord, "—―⸺⸻〜〰"), ";")
    | dict.fromkeys(map(ord, "'´ʹʻʼʽˈ‘’‚‛′׳ꞌ"), "'")
    | dict.fromkeys(map(ord, "&_/⁄∕"), "/")
    | dict.fromkeys(_VOWEL_MARKS)
    | {ord(sign): sign for sign in ".,+#*<>=^%−×♭"}
    | {ord("·"): "*", ord("⋅"): "*", ord("♯"): "#"}
    | {ord("‰"): " ‰ ", ord("≤"): "<=", ord("≥"): ">=", ord("٫"): ".", ord("٬"): ",", ord("٪"): "%"}
    | {ord(_MINUS): _MINUS, ord("ı"): "i", ord("æ"): "ae", ord("œ"): "oe"}
)
_REST = str.maketrans(dict.fromkeys(".,;-−/+#*<>^'=×", " "))

_L = r"[^\W\d_]"  # a letter
# Units as they are often written without a blank, in lower case. Not s (the 90s), d (3d), k, a.
_UNITS = (
    "(?:[kcmnμ]?m[23]?|[kmμ]?g|[mcd]?l|ha|kph|kmh|mph|ft|lbs?|oz|h|hrs?|mins?|secs?|ms|am|pm|"
    "[kmgt]b|[kmg]?hz|[kmg]?w|kwh|[km]?v|kj|k?cal|k?pa|px|dpi|bn|mn|mln|usd|eur)"
)
# What Korean writes behind a noun: particles, and "is" in its forms.
_PARTICLES = (
    "(?:은|는|이|가|을|를|의|와|과|도|만|에|께서?|(?:에서|에게|한테)(?:서)?|으?로(?:서|써)?|까지|부터|마다|"
    "보다|처럼|이?나|이?며|이?고|이?랑|하고|조차|마저|밖에|이?다|입니다|이?었다|였다|이?었습니다|"
    "였습니다|이에요|예요|이?라고?|이?라는|이?란|인)"
)
_SIGNED = rf"(?=(?: {_CURRENCY}. )?\d)"  # before a number, or an amount of money
# In this order. Each is: the sign without which the rule has nothing to do, what is found, and
# what it becomes.
_RULES = tuple(
    (sign, re.compile(pattern), becomes)
    for sign, pattern, becomes in (
        ("-", r"-{2,}", ";"),
        # 1.234,50 and 1.234.567; 1,234.50; then 3,5, but not the 3 of "2,3,5".
        (
            ".",
            r"(?<![\w.,])\d{1,3}(?:(?:\.\d{3})+(?=,\d{1,2}(?![\d.,]\d|\d))|(?:\.\d{3}){2}(?![\d.]|,\d{3}))",
            lambda m: m[0].replace(".", ""),
        ),
        (",", r"(?<![\d.,])\d{1,3}(?:,\d{2,3})*,\d{3}(?!\d|,\d)", lambda m: m[0].replace(",", "")),
        (",", r"(?<![\w.,])(\d+),(?=\d{1,2}(?![\d]|[.,]\d))", r"\1."),
        # U.S.A.; example.com; .NET; .5; 3.5, but not 12.05.2019, which holds 2019.
        (".", rf"(?<![^\W_])({_L})\. (?={_L}\.)", r"\1."),  # T. S. is T.S.
        (".", rf"(?<![^\W_])(?:{_L}\.)+{_L}(?![^\W_])", lambda m: m[0].replace(".", _JOINER)),
        (".", rf"(?<=[^\W_])\.(?={_L})|(?<={_L})\.(?=\d)", _SPLITTER),
        (".", rf"(?<![\w.,;'%)])\.(?={_L})", _POINT),
        (".", r"(?<![\w.])\.(?=\d)", f"0{_POINT}"),
        (".", r"(?<![\d.])(\d+)\.(?=\d+(?!\.?\d))", rf"\1{_POINT}"),
        ("*", r"(?<=\d)\*\*(?=[-−]?\d)", "^"),
        ("^", r"(?<=\d)\^ ?([-−]?)(?=\d)", rf"{_POWER}\1"),
        ("^", rf"(?<={_L})\^ ?(?=\d)", _SPLITTER),
        # 4 × 4, 4x4, and the 2.5 * 10 of science; 4×, 4x.
        ("x", r"(?<=\d)x(?=\d)", " x "),
        ("*", r"(?<=\d) ?\* ?(?=\d)", " x "),
        ("×", r"(?<=\d)×(?![^\W\d])", f"{_SPLITTER}x "),
        ("×", r"×", " x "),
        ("v", rf"(?<![^\W_])v(?=\d+[.{_POINT}]\d)", f"v{_SPLITTER}"),
        ("", rf"(?<![\w{_SPLITTER}])(\d+)(?={_UNITS}(?![^\W_]))", rf"\1{_SPLITTER}"),
        (_POWER, rf"{_POWER}[-−]", f"{_POWER}{_MINUS}"),
        # A minus sign stands before a number, and not behind a word or number ("10 -20").
        ("−", rf"(?<![\w.;])−{_SIGNED}", _MINUS),
        ("-", rf"(?<![\w.,%;-])(?<!\d )-{_SIGNED}", _MINUS),
        (_CURRENCY, rf"{_MINUS} ({_CURRENCY}. )", rf" \1{_MINUS}"),
        # 5 € is € 5.
        (
            _CURRENCY,
            rf"(?<![\w{_POINT}{_MINUS}])({_MINUS}?\d+(?:{_POINT}\d+)?) +({_CURRENCY}\S) (?! *\d)",
            r" \2 \1 ",
        ),
        # C++, A+, F# and A* are words; behind longer ones and numbers the sign is a word.
        ("+", rf"(?<![\w+])({_L}{{1,2}})\+\+(?!\+)", rf"\1{_PLUS}{_PLUS} "),
        ("+", rf"(?<![\w+])({_L}{{1,2}})\+(?![\w+])", rf"\1{_PLUS}"),
        ("+", r"(?<=\w)\+\+(?!\w)", f" {_PLUS}{_PLUS} "),
        ("+", r"(?<=\w)\+(?!\w)", f" {_PLUS} "),
        ("#", rf"(?<![\w#])({_L}{{1,2}})#(?![\w#])", rf"\1{_SHARP}"),
        ("#", r"(?<=\w)#(?!\w)", f" {_SHARP} "),
        ("*", rf"(?<![\w*])({_L})\*(?![\w*])", rf"\1{_STAR}"),
        ("per", r"(?<=\d)[ -]*per ?cent\b", " % "),
        ("%", r"%", " % "),
        # At most 5; no arrow, no tag.
        ("<", r"(?<![-=<])<(=?) *(?=[\d\x06])", lambda m: f" {_LESS}{_SAME * len(m[1])} "),
        (">", r"(?<![-=>\w])>(=?) *(?=[\d\x06])", lambda m: f" {_MORE}{_SAME * len(m[1])} "),
        ("'", rf"(?<=[^\W_])'(?={_L})", _JOINER),
        ("-", rf"(?<={_L})-(?=[^\W_])|(?<=\d)-(?={_L})", _SPLITTER),
        ("/", rf"(?<={_L})/(?=[^\W_])|(?<=\d)/(?={_L})", _SPLITTER),
        # An article is followed by a word: "Class A" ends in none, and "A." is an answer.
        ("", r"(?<![\w'.\x01\x02-])(?=(?:a|an|the) +[^\W_])", _ARTICLE),
    )
)
_BEFORE_HANGUL = re.compile(r"(?<=[a-z0-9])(?=[가-힣])")  # 1947년, IBM은
_ONLY_ARTICLES = re.compile(r"(?:(?:a|an|the)(?: |\Z))*")
_VERB = re.compile(r"\s+(?:is|are|was|were|has|and|or|as|because|since)\b")
_DASHES = regex.compile(r"[\p{Pd}−]")
_UNQUOTED = str.maketrans(dict.fromkeys(_QUOTES, " "))
_HEBREW_ABBREVIATION = re.compile(r"(?<=[א-ת])[\"״”](?=[א-ת])")
_ARTICLES = re.compile(rf"{_ARTICLE}\w+ ")
_MONEY = re.compile(rf"{_CURRENCY}\S+ ?")


def plain(text: str) -> str:
    """One Unicode form for letters that look the same: NFKC, without marks that nobody sees."""
    if text.isascii():
        return text
    text = _SUPERSCRIPT.sub(lambda m: f"^{m[0]}", text)
    text = _THIN_GROUPS.sub(lambda m: re.sub(r"\D", "", m[0]), _FRACTION.sub(" ", text))
    text = _HEBREW_ABBREVIATION.sub("'", text.replace("´", "'"))
    return unicodedata.normalize("NFKC", _IGNORED.sub("", text))


def tokens(text: str) -> list[str]:
    """The words of a text in the form in which they are compared, articles among them; the letters
    (with their marks) of scripts without blanks."""
    return _forms(text).spellings[0].split()


@lru_cache(maxsize=50_000)
def normalise(text: str) -> str:
    """The text as it is compared: its words without English articles, a blank between each two.

    A text of which nothing is left so ("A", "The The", "?") is what it was, in lower case.
    """
    forms = _forms(text)
    return _as_it_stands(text) if forms.bare else forms.spellings[3].strip()


def same(answer: str, gold: str) -> bool:
    """Whether two texts have the same words. An empty text is the same as none, not even as an
    empty one."""
    given, wanted = _pair(answer, gold)
    if given.bare or wanted.bare:
        raw = _as_it_stands(answer)
        return raw != "" and raw == _as_it_stands(gold)
    return any(a == b for a, b in zip(given.spellings, wanted.spellings, strict=True))


def compared(answer: str, gold: str) -> tuple[list[str], list[str]]:
    """The words of both without articles, with currency signs where both have one."""
    pair = _pair(answer, gold)
    texts = zip(pair, (answer, gold), strict=True)
    given, wanted = (f.spellings[3] if not f.bare else _as_it_stands(t) for f, t in texts)
    return given.split(), wanted.split()


def contains(answer: str, gold: str) -> float:
    """1 when the gold answer stands in the answer as whole words, in sequence.

    "Orwell's" says "Orwell", "l'amour" says "amour", and "서울은" says "서울". An empty gold answer
    stands nowhere.
    """
    given, wanted = _pair(answer, gold)
    if wanted.bare:
        return float(same(answer, gold) or _stands_alone(answer, gold))
    pairs = list(zip(given.spellings, wanted.spellings, strict=True))
    return float(any(b in a for a, b in pairs) or any(_with_particle(a, b) for a, b in pairs))


def _with_particle(answer: str, gold: str) -> bool:
    """Whether the answer has the gold words with a Korean particle, or two, behind the last."""
    if not "가" <= gold[-2:-1] <= "힣":
        return False
    return re.search(rf"{re.escape(gold[:-1])}{_PARTICLES}{{1,2}} ", answer) is not None


def length(text: str) -> int:
    """Number of words, by the blanks between them; of letters in scripts without blanks. What has
    no letter and no digit counts nothing."""
    words = text.split() if text.isascii() else _WORD.findall(text)
    return sum(any(map(str.isalnum, word)) for word in words)


def words(text: str) -> int:
    """About how many words a text has, to tell short ones from long ones: two letters of a script
    without blanks count for one."""
    letters = 0 if text.isascii() else len(_UNSPACED_LETTER.findall(text))
    return length(text) - letters // 2


class _Forms(NamedTuple):
    """The ways to spell a text, each with a blank at both ends, so that `in` looks for whole words.

    The first three have their articles, the others none. Of each three the first joins what an
    apostrophe separates ("dont", "obrien") and splits the rest ("well known"), the second splits
    everything ("don t"), and the third joins everything ("wellknown"). `bare`: no word is left
    without the articles. `money`: a currency sign stands in the text.
    """

    spellings: tuple[str, ...]
    bare: bool
    money: bool


def _pair(answer: str, gold: str) -> tuple[_Forms, _Forms]:
    given, wanted = _forms(answer), _forms(gold)
    if given.money and wanted.money:
        return _forms(answer, True), _forms(gold, True)
    return given, wanted


def _forms(text: str, with_money: bool = False) -> _Forms:
    make = _kept_forms if len(text) < _LONG else _forms_of
    return make(text, with_money)


def _forms_of(text: str, with_money: bool) -> _Forms:
    marked = _marked(text)
    money = _CURRENCY in marked
    if money:
        marked = marked.replace(_CURRENCY, "") if with_money else _MONEY.sub("", marked)
    with_articles = marked.replace(_ARTICLE, "")
    without = _ARTICLES.sub("", marked) if with_articles != marked else marked
    spelt = _spellings(with_articles)
    spellings = spelt + (spelt if without == with_articles else _spellings(without))
    return _Forms(spellings, _ONLY_ARTICLES.fullmatch(spelt[0].strip()) is not None, money)


# Whole documents are met once or twice; of passages six spellings each are kept.
_LONG = 20_000
_kept_forms = lru_cache(maxsize=10_000)(_forms_of)


def _spellings(marked: str) -> tuple[str, str, str]:
    if _JOINER not in marked and _SPLITTER not in marked:
        one = _padded(marked)
        return one, one, one
    split, joined = marked.replace(_SPLITTER, " "), marked.replace(_SPLITTER, "")
    ways = split.replace(_JOINER, ""), split.replace(_JOINER, " "), joined.replace(_JOINER, "")
    joined_up, all_split, all_joined = map(_padded, ways)
    return joined_up, all_split, all_joined


def _padded(words: str) -> str:
    # A mark beside a letter that is a word by itself leaves two blanks.
    return f" {' '.join(words.split())} "


def _marked(text: str) -> str:
    """The words of a text, a blank between each two, with the marks that `_forms` acts on."""
    if "\u200c" in text:
        text = _NO_WIDTH.sub("-", text)
    text = plain(text).replace(_MINUS, " ")
    if "-" in text or "−" in text:
        text = _CHARGE.sub(rf"\1{_MINUS}", text)
    folded = text.lower() if text.isascii() else _casefolded(text)
    signs = folded.translate(_TABLE)
    if not signs.isascii():
        signs = _BEFORE_HANGUL.sub(_SPLITTER, signs)
    for sign, pattern, becomes in _RULES:
        if sign in signs:
            signs = pattern.sub(becomes, signs)
    signs = signs.translate(_REST).translate(_KEPT)
    if not signs.isascii():
        signs = _UNSPACED_LETTER.sub(r" \g<0> ", signs)
    return " ".join(signs.split())


def _casefolded(text: str) -> str:
    # A Turkish capital with its dot becomes an i and a dot of its own.
    return unicodedata.normalize("NFKC", text.casefold()).replace("i\u0307", "i")


def _as_it_stands(text: str) -> str:
    raw = _casefolded(plain(text))
    raw = _DASHES.sub("-", raw)
    return " ".join(raw.translate(_UNQUOTED).split()) or raw.strip()


def _stands_alone(answer: str, gold: str) -> bool:
    """Whether the answer says what is nothing but signs or articles, and means it: an "A" that no
    word follows, or a capital inside a sentence; a sign between blanks or brackets."""
    raw = _as_it_stands(gold)
    if not raw:
        return False
    if not raw[0].isalnum():
        sign = re.escape(raw)
        found = re.search(rf"(?<![^\s'(\[{{]){sign}(?![^\s')\]}}.,;:!?])", _as_it_stands(answer))
        return found is not None
    text = plain(answer)
    for match in re.finditer(
        rf"(?<![\w'’.-]){re.escape(plain(gold).strip())}(?![\w'’+#*−-])", text
    ):
        before, after = text[: match.start()].rstrip(), text[match.end() :]
        inside = before and before[-1] not in ".!?:\n" and match[0][0].isupper()
        if inside or not re.match(r"\s+[\"“(]*\w", after) or _VERB.match(after):
            return True
    return False
