"""Answers that say nothing: how an empty answer and a refusal are recognised.

Both are scored by rule, never by a model (see `criteria.py`), so the rule is written down here. An
answer without a letter or digit is *empty*. An answer is a *refusal* when every one of its clauses
is one of

- a refusal: "I do not know", "cannot be answered", "the passages do not mention it",
  "unanswerable", and the further wordings of `refusals.yaml`;
- courtesy around it: "I am sorry", "please give me more context".

So "I do not know the exact day, but it was in 1847" is none: it answers something. The languages
are those of `refusals.yaml`; what a refusal in another language deserves is left to the judge, and
the report says so.
"""

from __future__ import annotations

from functools import lru_cache

from rag_study.common.text import length, plain
from rag_study.evaluation import phrases
from rag_study.evaluation.phrases import Phrases

# A longer answer says something, whatever it begins with.
_MOST_WORDS = 80


def is_empty(answer: str) -> bool:
    """Whether an answer has no letter and no digit, of any script."""
    return not any(letter.isalnum() for letter in answer)


@lru_cache(maxsize=10_000)
def is_refusal(answer: str) -> bool:
    """Whether an answer only says that it does not answer. An empty one is no refusal."""
    if len(answer) > 20 * _MOST_WORDS or length(answer) > _MOST_WORDS:
        return False
    text = plain(answer.replace("’", "'")).casefold()
    return any(_refuses(text, language) for language in phrases.languages())


def _refuses(text: str, language: Phrases) -> bool:
    if not language.sign.search(text):
        return False
    clauses = phrases.clauses(text, language)
    refused = [language.refusal.search(clause) is not None for clause in clauses]
    return any(refused) and all(
        refusal or language.courtesy.match(clause)
        for refusal, clause in zip(refused, clauses, strict=True)
    )
