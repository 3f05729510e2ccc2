"""Which language the data is in, and what the scores cannot do there.

A look at scripts and, in Latin letters, at the commonest words: enough to say what a reader must
know, and no more than that. Nothing is scored differently because of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import regex

from rag_study.common.text import UNSPACED
from rag_study.common.wording import listed
from rag_study.data.schema import Question
from rag_study.evaluation import phrases

_SAMPLE, _CHARACTERS = 400, 400  # questions, and characters of each, that are looked at
_CLEAR = 0.05  # share of words among the commonest of a language by which it is known
# Of a script that several languages use: letters that only one of them has, then the usual one.
_BY_SCRIPT = {
    "Hangul": ((), "Korean"),
    "Thai": ((), "Thai"),
    "Lao": ((), "Lao"),
    "Khmer": ((), "Khmer"),
    "Myanmar": ((), "Burmese"),
    "Arabic": ((("Urdu", "ٹڈڑںےہ"), ("Persian", "پچژگ")), "Arabic"),
    "Devanagari": ((("Marathi", "ळ"),), "Hindi"),
    "Bengali": ((), "Bengali"),
    "Cyrillic": ((("Ukrainian", "іїєґ"), ("Serbian", "ђћџљњ"), ("Kazakh", "әғқңұ")), "Russian"),
    "Greek": ((), "Greek"),
    "Hebrew": ((), "Hebrew"),
    "Tamil": ((), "Tamil"),
    "Telugu": ((), "Telugu"),
    "Gujarati": ((), "Gujarati"),
    "Gurmukhi": ((), "Punjabi"),
    "Kannada": ((), "Kannada"),
    "Malayalam": ((), "Malayalam"),
    "Ethiopic": ((), "Amharic"),
    "Georgian": ((), "Georgian"),
    "Armenian": ((), "Armenian"),
}
_COMMON_WORDS = {
    "English": "the of and to in is was what who which when where how did does for on are by that",
    "Spanish": "el la los las de que y en un una es por con del se qué quién cuál cuándo dónde",
    "French": "le la les des de du et en un une est que qui dans par pour quel quelle où sur au",
    "Portuguese": "o a os as de que e em um uma é do da no na por com qual quem quando onde não",
    "German": "der die das und in ist von zu den mit wer was wann wo wie welche ein eine im wurde",
    "Indonesian": "yang di dan ke dari apa siapa kapan mana adalah untuk pada dengan ini itu dalam",
    "Italian": "il lo la gli di che e in un una è per con del della chi quando dove come quale si",
    "Dutch": "de het een en van in is op wie wat wanneer waar hoe welke te dat die door voor met",
    "Turkish": "ve bir bu ne kim nerede nasıl için ile hangi zaman kaç olan mı mi da de olarak",
    "Polish": "i w na z się nie jest co kto kiedy gdzie jak który która do to przez od oraz po",
    "Swedish": "och i att det som en ett är av på den för med vem vad när var hur vilken till",
    "Vietnamese": "là của và có ở trong được ai gì khi nào đâu các một những cho với người năm",
    "Finnish": "ja on ei että se oli kuka mikä milloin missä miten joka mitä ovat myös kun sen",
    "Hungarian": "a az és hogy egy nem van ki mi mikor hol hogyan melyik volt is meg de csak",
    "Romanian": "și în de la a cu pe un o este care ce cine când unde cum din pentru al ale",
    "Czech": "a v je na se že co kdo kdy kde jak který která do z s pro byl od po",
}  # fmt: skip
# Languages that write into one word what others keep apart (endings, particles, articles).
_JOINING = {"Korean", "Turkish", "Finnish", "Hungarian", "Arabic", "Hebrew", "Tamil", "Telugu",
            "Kannada", "Malayalam", "Kazakh"}  # fmt: skip


def language_of(texts: Sequence[str]) -> str:
    """The language that most of the texts are in, by its English name; "" where it is not known."""
    text = "\n".join(text[:_CHARACTERS] for text in _sampled(texts))
    shares = _scripts(text)
    if not shares:
        return ""
    kana = shares["Hiragana"] + shares["Katakana"]
    if kana + shares["Han"] > 0.5 * shares.total():
        return "Japanese" if kana > 0.1 * (kana + shares["Han"]) else "Chinese"
    script, letters = shares.most_common(1)[0]
    if letters <= 0.5 * shares.total():
        return ""
    if script in _BY_SCRIPT:
        own, usual = _BY_SCRIPT[script]
        counts = {name: sum(map(text.count, of)) for name, of in own}
        return next((name for name, n in counts.items() if n > 0.01 * letters), usual)
    return _by_common_words(text) if script == "Latin" else ""


def script_shares(texts: Sequence[str]) -> dict[str, float]:
    """The scripts of a sample of the texts with their shares of all letters, the commonest first;
    "other" for those that no language here is known by."""
    counts = _scripts("\n".join(text[:_CHARACTERS] for text in _sampled(texts)))
    return {name or "other": n / counts.total() for name, n in counts.most_common()}


def language_limits(questions: Sequence[Question]) -> list[str]:
    """What metrics and judge cannot do in the language of these questions, in sentences; none for
    English."""
    texts = [f"{q.question} {q.reference}" for q in questions]
    language = language_of(texts)
    if language == "English" or not texts:
        return []
    named = language or "a language that is not known to the study"
    sentences = []
    if _share_unspaced(texts) > 0.1:
        sentences.append(
            f"The data is in {named}, which sets no blanks between words: answers are compared "
            "letter by letter. Token F1, ROUGE-L and answer length count letters, and answer "
            "recall "
            "finds an answer inside a longer word as well."
        )
    if language in _JOINING:
        sentences.append(
            f"The data is in {language}, which joins to a word what other languages keep apart. An "
            "answer with another ending or particle is another word there. So answer recall, exact "
            "match and token F1 are too low, in all states alike."
        )
    if language not in phrases.names():
        sentences.append(
            f"The data is in {named}: refusals are not recognised in it, only in "
            f"{listed(phrases.names())}. So the share of refusals says nothing. A judge is asked "
            "about them like about any answer, and yes and no are compared as words."
        )
    sentences.append(
        f"The data is in {named}: a judge is asked in English, and its check puts English words "
        "around right and wrong answers. So the check shows less of what the judge can do here. "
        "What is measured outside the task is in English."
    )
    return sentences


def _sampled(texts: Sequence[str]) -> Sequence[str]:
    return texts[:: max(1, len(texts) // _SAMPLE)]


_LETTERS = {
    script: regex.compile(rf"\p{{Script={script}}}")
    for script in ("Latin", "Han", "Hiragana", "Katakana", *_BY_SCRIPT)
}
_LETTER = regex.compile(r"\p{L}")
_UNSPACED_LETTER = regex.compile(UNSPACED)


def _scripts(text: str) -> Counter[str]:
    """Letters by script; those of scripts that are not looked for are under ""."""
    letters = "".join(_LETTER.findall(text))
    counts = Counter({script: len(one.findall(letters)) for script, one in _LETTERS.items()})
    counts[""] = len(letters) - counts.total()
    return +counts


def _share_unspaced(texts: Sequence[str]) -> float:
    text = "".join(text[:_CHARACTERS] for text in _sampled(texts))
    letters = len(_LETTER.findall(text))
    return len(_UNSPACED_LETTER.findall(text)) / letters if letters else 0.0


def _by_common_words(text: str) -> str:
    words = Counter(regex.findall(r"[\p{L}\p{M}]+", text.casefold()))
    shares = {
        language: sum(words[word] for word in set(common.split())) / max(1, words.total())
        for language, common in _COMMON_WORDS.items()
    }
    best = max(shares, key=lambda language: shares[language])
    return best if shares[best] >= _CLEAR else ""
