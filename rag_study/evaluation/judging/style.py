"""Style rungs: answers of equal merit in different styles, by which scores are audited.

What training changes for certain is the style of the answers: how long they are, in which form they
come. A score that goes with the style calls that an effect, however well it tells right from wrong.
Here each question of a check gets one right and one wrong answer, each in all of STYLES: the words
that decide (the *core*) are the same string everywhere, and so is everything else but what the
style adds. No model writes anything, so that equal merit is known and not judged.

The styles are of two kinds. LENGTHS are ordered: the core alone, a sentence around it, and that
sentence with about 15, 40 and 100 further words, which are sentences of the data set's own other
documents and hold no word of the right or the wrong answer. FORMS are what else answers differ in:
the question said again, a list in markdown, and words copied from the passage.

`mixture` says of real answers which of these they are, as weights that sum to 1 per answer: between
two lengths an answer counts to both (linearly in the logarithm of its words), and a form counts as
what it adds to an answer of its own length. So a mean score that depends on style alone is the
weights times the means of the rungs, and the difference of two states' weights says what style
would make of the difference of their means (`analysis.audit`).

Nothing here knows the ladder's rungs or the material that the package's judge was trained on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from random import Random

import numpy as np
import pandas as pd

from rag_study.common.text import contains, normalise
from rag_study.common.unwrapping import unwrapped
from rag_study.data.schema import Document, Question
from rag_study.evaluation.refusals import is_refusal

LENGTHS = {
    "short": "the answer alone",
    "sentence": "in a sentence",
    "more": "with about 15 words more",
    "long": "with about 40 words more",
    "very_long": "with about 100 words more",
}
FORMS = {
    "restated": "with the question said again",
    "list": "as a list in markdown",
    "passage": "with the passage's words",
}
STYLES = LENGTHS | FORMS
MERITS = ("right", "wrong")
# Of the rungs, before they are scored; the length of a scored one is a metric.
COLUMNS = ("question_id", "group", "style", "merit", "candidate", "answer_length")
# Words that the surplus of a style adds, about.
_SURPLUS = {"more": 15, "long": 40, "very_long": 100, "passage": 30}
# A reference of more words is a text; its shorter answers are the core then.
MAX_CORE_WORDS = 14
# Sentences that are taken for surplus.
_FEWEST, _MOST = 5, 30
_POOL = 400
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")
_ENGLISH = re.compile(
    r"\b(?:the|of|is|was|in|who|what|when|which|how|did|does|do|are|were|where|why|to)\b",
    re.IGNORECASE,
)
_SPACED = re.compile(r"\S\s+\S+\s+\S")
_BULLET = re.compile(r"^\s*(?:[-*•–]|\d{1,2}[.)])\s+\S", re.MULTILINE)
_BOLD = re.compile(r"\*\*[^*\n]+\*\*|^#{1,4} \S", re.MULTILINE)
# From this share of the question's words on an answer says the question again; from this share of
# its runs of four words on it is copied from its passages.
RESTATED, COPIED = 0.6, 0.5
_RUN = 4


def style_rungs(
    questions: Sequence[Question], documents: Iterable[Document] = (), seed: int = 0
) -> list[dict[str, str]]:
    """Rows of question_id, group, style, merit and candidate: each question's right and wrong
    answer in every style that can be made of it.

    The wrong answer is the core of another question of the same kind and about the same length,
    that is not right here. Questions without an answer, and those for which the data set has no
    such other, are left out; `passage` needs a gold document, the longer lengths need other text.
    """
    questions = [q for q in questions if not _unanswerable(q)]
    texts = {document.doc_id: document.text for document in documents}
    pool = list(_sentences_of(texts, questions))
    rows = []
    for number, question in enumerate(questions):
        random = Random(f"{seed}:style:{question.id}")
        right = core(question)
        wrong = _other_core(question, [*questions[number + 1 :], *questions[:number]])
        if wrong is None:
            continue
        kept_out = [right, wrong, *question.answers, *(w for p in question.key_points for w in p)]
        taken = _Surplus(kept_out)
        own = [s for i in question.gold_doc_ids if i in texts for s in _split(texts[i])]
        own_ids = set(question.gold_doc_ids)
        others = [s for doc_id, s in pool if doc_id not in own_ids]
        random.shuffle(others)
        added = {
            name: taken.of(own if name == "passage" else others, words)
            for name, words in _SURPLUS.items()
        }
        frame = random.randrange(len(_FRAMES))
        for merit, text in zip(MERITS, (right, wrong), strict=True):
            styled = _in_styles(text, question.question, frame, added)
            rows += [
                {
                    "question_id": question.id,
                    "group": question.group or "",
                    "style": style,
                    "merit": merit,
                    "candidate": styled[style],
                }
                for style in STYLES
                if style in styled
            ]
    return rows


def core(question: Question) -> str:
    """The words that make an answer to this question right: its reference, unless that is a text
    and the question has a short answer of one fact."""
    reference = question.reference
    whole = len(reference.split()) <= MAX_CORE_WORDS or len(question.key_points) > 1
    return (reference if whole or not question.answers else question.answers[0]).strip()


# --- What real answers are ------------------------------------------------------------------------


def length_knots(rungs: pd.DataFrame) -> np.ndarray:
    """Words (median of `answer_length`) of the rungs of each style in STYLES; NaN without any."""
    lengths = rungs.groupby("style")["answer_length"].median().reindex(list(STYLES))
    return lengths.to_numpy(float)


def forms(answer: str, question: str, passages: Iterable[str] = ()) -> dict[str, bool]:
    """Which of FORMS an answer has; `passages` are the texts that stood in its prompt."""
    answered = normalise(answer).split()
    asked = set(normalise(question).split())
    repeated = len(asked & set(answered)) / len(asked) if len(asked) > 2 else 0.0
    return {
        "restated": repeated >= RESTATED and len(answered) >= len(asked),
        "list": len(_BULLET.findall(answer)) > 0 or bool(_BOLD.search(answer)),
        "passage": copied_share(answer, passages) >= COPIED,
    }


def copied_share(answer: str, passages: Iterable[str]) -> float:
    """Share of an answer's runs of four words that stand in one of the passages; 0 for a shorter
    answer."""
    runs = _runs(answer)
    copied = {run for passage in passages for run in runs & _runs(passage)}
    return len(copied) / len(runs) if runs else 0.0


def mixture(words: np.ndarray, has: pd.DataFrame, knots: np.ndarray) -> np.ndarray:
    """Weights (n, len(STYLES)) of n answers, each row summing to 1.

    `words` (n,) are their lengths, `has` their `forms` (columns FORMS), `knots` as from
    `length_knots`. Answers beyond the shortest and the longest rung count as these.
    """
    names = list(STYLES)
    at = [i for i in range(len(LENGTHS)) if not np.isnan(knots[i])]
    # Rungs of equal length (long references) would not be in order.
    at = [i for n, i in enumerate(at) if n == 0 or knots[i] > max(knots[j] for j in at[:n])]
    weights = np.zeros((len(words), len(names)))
    if not at:
        return weights
    weights[:, at] = _between(np.asarray(words, dtype=float), knots[at])
    for name in FORMS:
        place = names.index(name)
        rows = has[name].to_numpy(bool)
        if rows.any() and not np.isnan(knots[place]):
            weights[rows, place] += 1.0
            weights[np.ix_(rows, at)] -= _between(knots[[place]], knots[at])
    return weights


def beyond(words: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Which answers (n,) are over half as long again as the longest rung: of these the rungs tell
    nothing."""
    return np.asarray(words, dtype=float) > 1.5 * np.nanmax(knots)


def _between(words: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Linear interpolation weights (n, len(knots)) in log(1 + words), clamped at the ends."""
    places, ends = np.log1p(words), np.log1p(knots)
    unit = np.eye(len(knots))
    return np.column_stack([np.interp(places, ends, unit[i]) for i in range(len(knots))])


@lru_cache(maxsize=4_000)
def _runs(text: str) -> frozenset[tuple[str, ...]]:
    words = normalise(text).split()
    return frozenset(zip(*(words[i:] for i in range(_RUN)), strict=False))


# --- Parts of the rungs ---------------------------------------------------------------------------

_FRAMES = ("The answer is {}.", "That would be {}.", "It should be {}.")
_TEXT_FRAMES = (
    "{} This answers the question.",
    "{} So much for the answer.",
    "{} That is the answer.",
)


def _in_styles(text: str, question: str, frame: int, added: Mapping[str, str]) -> dict[str, str]:
    """A core in every style. Outside English no words are put around it but the question's."""
    whole = text.endswith((".", "!", "?", "。")) or len(text.split()) > MAX_CORE_WORDS
    if _ENGLISH.search(question):
        sentence = (_TEXT_FRAMES if whole else _FRAMES)[frame].format(text)
        restated = _statement(question, text) or f"You ask: “{question.strip()}” {sentence}"
        listed = f"**Answer**\n\n- {text}"
    else:
        ending = "" if whole else "."
        sentence = f"{text}{ending}"
        restated = f"{question.strip()} {sentence}"
        listed = f"- {text}"
    styled = {"short": text, "sentence": sentence, "restated": restated, "list": listed}
    return styled | {name: f"{sentence} {extra}" for name, extra in added.items() if extra}


_WHAT_IS = re.compile(
    r"(?:who|what|where|when|which \w+)\s+(is|was|are|were)\s+(\S+(?:\s+\S+)*)", re.IGNORECASE
)


def _statement(question: str, text: str) -> str:
    """The question as a statement around a short answer: "What is the tallest peak of the range?",
    "The tallest peak of the range is Mount Vell."; "" where no rule makes one."""
    match = _WHAT_IS.fullmatch(question.strip().rstrip("?. "))
    if match is None or len(text.split()) > MAX_CORE_WORDS or text.endswith((".", "!", "?")):
        return ""
    verb, subject = match[1].lower(), match[2]
    return f"{subject[0].upper()}{subject[1:]} {verb} {text}."


class _Surplus:
    """Sentences that hold no word of certain texts."""

    def __init__(self, kept_out: Iterable[str]) -> None:
        self._texts = tuple(kept_out)
        self._words = {
            word
            for text in self._texts
            for word in normalise(text).split()
            if len(word) > 3 or any(letter.isdigit() for letter in word)
        }

    def _tells(self, sentence: str) -> bool:
        words = set(normalise(sentence).split())
        return bool(self._words & words) or any(contains(sentence, t) for t in self._texts)

    def of(self, sentences: Sequence[str], words: int) -> str:
        """Sentences of about this many words in all; "" where there are not enough."""
        chosen: list[str] = []
        amount = 0
        for sentence in sentences:
            size = _amount(sentence)
            if amount + size > 1.4 * words or self._tells(sentence):
                continue
            chosen.append(sentence)
            amount += size
            if amount >= 0.8 * words:
                return " ".join(chosen)
        return ""


def _sentences_of(
    texts: Mapping[str, str], questions: Sequence[Question]
) -> Iterator[tuple[str, str]]:
    """(document, sentence) of up to _POOL sentences, spread over the gold documents of the
    questions and, where these are too few, the others."""
    gold = [i for q in questions for i in q.gold_doc_ids if i in texts]
    order = list(dict.fromkeys([*gold, *sorted(texts)]))
    found = 0
    for doc_id in order:
        for sentence in _split(texts[doc_id])[:4]:
            yield doc_id, sentence
            found += 1
            if found >= _POOL:
                return


def _split(text: str) -> list[str]:
    return [
        sentence.strip()
        for sentence in _SENTENCE_END.split(unwrapped(text[:20_000]))
        if _FEWEST <= _amount(sentence) <= _MOST and "\n" not in sentence.strip()
    ]


def _amount(text: str) -> int:
    """Words of a text; in scripts without spaces, two letters count as one."""
    return max(len(text.split()), len(text) // 12 if _SPACED.search(text) else len(text) // 2)


def _other_core(question: Question, others: Sequence[Question]) -> str | None:
    """The core of another question that is wrong here, as like the right one as there is."""
    own = core(question)
    right = [own, question.reference, *question.answers]
    alike = sorted(
        others,
        key=lambda other: (
            other.answer_type != question.answer_type,
            abs(np.log1p(len(core(other))) - np.log1p(len(own))) > 0.3,
        ),
    )
    for other in alike:
        text = core(other)
        if not any(contains(text, r) or contains(r, text) for r in right):
            return text
    return None


def _unanswerable(question: Question) -> bool:
    return question.answer_type == "unanswerable" or is_refusal(question.reference)
