"""When two texts say the same, as far as letters go: SQuAD's normalisation."""

from __future__ import annotations

import re
import string
from functools import lru_cache

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_POSSESSIVE = re.compile(r"['\u2019]s\b", re.IGNORECASE)
_PUNCTUATION = str.maketrans("", "", string.punctuation)


@lru_cache(maxsize=50_000)
def normalise(text: str) -> str:
    """Lower case, no punctuation, no English articles, single spaces.

    As in SQuAD's script, punctuation goes without a space in its place: "1.25" and "125" are the
    same here, and so are "well-known" and "wellknown".
    """
    text = _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION))
    return " ".join(text.split())


def contains(answer: str, gold: str) -> float:
    """1 when the gold answer stands in the answer as whole words, in sequence.

    "Orwell's" says "Orwell": without its punctuation alone it would be another word.
    """
    gold = normalise(gold)
    forms = (answer, _POSSESSIVE.sub("", answer))
    return float(bool(gold) and any(f" {gold} " in f" {normalise(form)} " for form in forms))


def tokens(text: str) -> list[str]:
    """The words of a text, without case and punctuation."""
    return re.findall(r"\w+", text.lower())
