"""Answers that say nothing: how an empty answer and a refusal are recognised.

Both are scored by rule, never by a model (see `criteria.py`), so the rule is written down here. An
answer without a letter or digit is *empty*. An answer is a *refusal* when every one of its clauses
is one of

- a refusal: "I do not know", "cannot be answered", "the passages do not mention it",
  "unanswerable", and the further wordings of `_REFUSALS`;
- courtesy around it: "I am sorry", "please give me more context".

So "I do not know the exact day, but it was in 1847" is none: it answers something. English only;
what a refusal in another language deserves is left to the judge.
"""

from __future__ import annotations

import re
from functools import lru_cache

_SOURCE = (
    r"(?:passages?|texts?|documents?|contexts?|sources?|articles?|papers?|information|excerpts?|"
    r"materials?|abstracts?)"
)
_KNOW = r"(?:know|have|find|answer|tell|say|determine|provide|see|give|recall|help|be sure)"
_SUBJECT = r"(?:question|answer|information|details?|it|this|that)"
_DONE = r"(?:answered|determined|found|known|inferred|provided|given|available)"
_NEGATED = r"(?:do|does|did) not"
_NOT = r"(?:do not|did not|cannot|could not|am not able to|am unable to|are unable to|have not)"
# Narrow on purpose: "no evidence was found" and "the code is not provided" may be right answers.
_REFUSALS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?:i|we) {_NOT}(?: really| actually)? {_KNOW}\b",
        r"\b(?:i|we) (?:am|are) (?:not (?:sure|certain|aware)|unsure|unable)\b",
        r"\b(?:i|we) have (?:no|not enough|insufficient) (?:idea|information|knowledge)\b",
        rf"\b{_SOURCE}(?: (?!that\b)\w+){{0,4}} {_NEGATED}(?: \w+)? "
        r"(?:mention|say|state|specify|tell|indicate)\b",
        rf"\b{_SOURCE}(?: (?!that\b)\w+){{0,4}} {_NEGATED} (?:provide|give|contain|include|have) "
        r"(?:\w+ ){0,2}(?:information|answer|details?)\b",
        rf"\b{_SUBJECT}(?: \w+){{0,3}} (?:cannot|could not) be {_DONE}\b",
        rf"\A(?:cannot|could not) be {_DONE}\b",
        r"\b(?:is|are|was|were) (?:not|nowhere) (?:\w+ )?(?:mentioned|stated|specified)\b",
        rf"\b{_SUBJECT}(?: \w+){{0,3}} (?:is|are|was|were) not (?:\w+ )?{_DONE}\b(?! to\b)",
        rf"\A(?:not|nowhere) (?:\w+ )?(?:mentioned|stated|specified|{_DONE})\b",
        r"\b(?:there is|there are|contains?|ha[sd]|with) (?:no|not enough|insufficient) "
        r"(?:\w+ )?(?:information|answer|mention)\b",
        r"\A(?:no|not enough|insufficient) (?:\w+ )?(?:information|answer)\Z",
        r"\A(?:it is |this is |the question is |the answer is )?"
        r"(?:unanswerable|unknown|not answerable|unclear|n a)\Z",
        r"\Aas an ai\b",
        r"\A(?:dunno|idk|do not know|does not say)\b",
        r"\A(?:no|without) (?:\w+ )?(?:response|submission|reply|comment|attempt|idea)"
        r"(?: (?:was |is )?(?:given|provided|made|submitted|received|found))?\Z",
        r"\A(?:none|nothing|not|no answer) (?:was |is )?(?:given|provided|submitted|attempted)\Z",
    )
)
_COURTESY = re.compile(
    r"\A(?:(?:i am |we are )?(?:very |so )?sorry|apologies|i apologi[sz]e|unfortunately|"
    r"(?:please|could you|can you|if you)\b.*|(?:let me know|feel free|thank you|thanks)\b.*|"
    r"(?:based on|according to|from|in) the\b.{0,40}|answer|the answer)\Z"
)
_CLAUSES = re.compile(
    r"[.!?;:\n]+|,?\s+(?:but|however|although|though)\s+|,\s+(?=(?:i|we|it|the|this|there|but)\s)"
)
_CONTRACTIONS = (
    (re.compile(r"can['’]t\b"), "cannot"),
    (re.compile(r"n['’]t\b"), " not"),
    (re.compile(r"['’]m\b"), " am"),
    (re.compile(r"['’]re\b"), " are"),
    (re.compile(r"['’]s\b"), " is"),
    (re.compile(r"['’]ve\b"), " have"),
    (re.compile(r"\bcan not\b"), "cannot"),
)
# A longer answer says something, whatever it begins with.
_MOST_WORDS = 80


def is_empty(answer: str) -> bool:
    """Whether an answer has no letter and no digit, of any script."""
    return not any(letter.isalnum() for letter in answer)


@lru_cache(maxsize=10_000)
def is_refusal(answer: str) -> bool:
    """Whether an answer only says that it does not answer. An empty one is no refusal."""
    if len(answer) > 20 * _MOST_WORDS or len(answer.split()) > _MOST_WORDS:
        return False
    text = answer.lower()
    for pattern, words in _CONTRACTIONS:
        text = pattern.sub(words, text)
    clauses = [re.sub(r"[^\w]+", " ", clause).strip() for clause in _CLAUSES.split(text)]
    clauses = [clause for clause in clauses if clause]
    refused = [any(pattern.search(clause) for pattern in _REFUSALS) for clause in clauses]
    return any(refused) and all(
        refusal or _COURTESY.match(clause) for refusal, clause in zip(refused, clauses, strict=True)
    )
