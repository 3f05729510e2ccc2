"""How annotations become one question.

- An annotator answers with yes or no, or with spans, or not at all. A question is used when at
  least `min_annotators` answer it (of one annotator in the training files: that one).
- Yes or no against spans: the more frequent one decides, spans in a tie. Yes against no: the more
  frequent one; in a tie the question is dropped.
- Several spans of one annotator are a list. When more annotators list than name one span, the
  question is a list: the most frequent list gives reference and key points. Otherwise the most
  frequent span is the reference, and every other annotator's answer an alternative to it. In a
  tie the annotator who comes first counts.
- A span as long as a passage is no short answer (nor is a list with one).
- The gold passage is the long answer that most annotators with the reference answer marked. Long
  answers are evidence only: a question with nothing but a long answer is dropped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rag_study.common.errors import StudyError
from rag_study.common.text import contains
from rag_study.data.reading.fields import is_short
from rag_study.data.schema import Question
from rag_study.data.sources.natural_questions import pages
from rag_study.data.sources.natural_questions.annotated import Annotation, Example, Span
from rag_study.data.sources.natural_questions.collection import TOO_LONG, Collection


@dataclass(frozen=True)
class _Answer:
    """What one annotator answered, in words."""

    texts: tuple[str, ...]
    is_yes_no: bool
    long: Span | None

    @property
    def text(self) -> str:
        return ", ".join(self.texts)

    @property
    def key(self) -> frozenset[str]:
        return frozenset(text.casefold() for text in self.texts)


def collect(example: Example, where: str, options: Any, collection: Collection) -> None:
    """Make an example a question with its passages, or count why not."""
    if collection.repeated(example.id, example.question, where):
        return
    answering = [a for a in example.annotations if a.yes_no or a.short]
    if not answering:
        only_long = any(a.long for a in example.annotations)
        collection.dropped[
            "only a long answer was marked, no short one" if only_long else "no answer was marked"
        ] += 1
        return
    if len(answering) < min(options.min_annotators, len(example.annotations)):
        collection.dropped[f"answered by fewer than {options.min_annotators} annotators"] += 1
        return
    words = example.words()
    answers, reasons = _in_words(answering, words, where, collection)
    if not answers:
        collection.dropped[reasons[0]] += 1
        return
    decided = _decide(answers)
    if decided is None:
        collection.dropped["as many annotators say yes as no"] += 1
        return
    answer_type, texts, key_points, reference = decided
    if len(example.annotations) > 1 and len(answering) == 1:
        collection.counts["questions that only one of several annotators answered"] += 1
    gold, kind = _gold(answers, reference, example, words, where, collection)
    if options.passages == "page":
        _add_rest_of_page(example, words, where, collection)
    collection.add(
        Question(
            id=example.id,
            question=example.question,
            answers=texts,
            answer_type=answer_type,
            reference=reference.text,
            key_points=key_points,
            gold_doc_ids=gold,
            group=example.title or None,
            extra={
                "annotators": len(example.annotations),
                "answered_by": len(answering),
                "long_answer": kind,
            },
        )
    )


def _cut(words: list[str], span: Span, where: str) -> list[str]:
    start, end = span
    if not start <= end <= len(words):
        raise StudyError(
            f"{where}: the tokens {start} to {end} are marked, but the page has {len(words)}. "
            "The page's text must be as it was published."
        )
    return words[start:end]


def _in_words(
    annotations: list[Annotation], words: list[str], where: str, collection: Collection
) -> tuple[list[_Answer], list[str]]:
    """The annotators' answers, and why those of the others are none."""
    answers, reasons = [], []
    for marked in annotations:
        if marked.yes_no:
            answers.append(_Answer((marked.yes_no,), True, marked.long))
            continue
        texts: dict[str, str] = {}
        for span in marked.short:
            text = pages.answer_text(_cut(words, span, where))
            texts.setdefault(text.casefold(), text)
        if texts.pop("", None) is not None:
            collection.counts["short answers without text, left out"] += 1
        fit = collection.short(texts.values())
        if not texts:
            reasons.append("the short answer has no text")
        elif len(fit) < len(texts):  # a list without one of its items would be wrong
            reasons.append(TOO_LONG)
        else:
            answers.append(_Answer(fit, False, marked.long))
    return answers, reasons


def _decide(answers: list[_Answer]) -> tuple[str, tuple, tuple, _Answer] | None:
    """(answer type, answers, key points, the answer that is the reference), None in a tie."""
    spans = [a for a in answers if not a.is_yes_no]
    yes_no = [a for a in answers if a.is_yes_no]
    if len(yes_no) > len(spans):
        counted = Counter(a.text for a in yes_no).most_common()
        if len(counted) > 1 and counted[0][1] == counted[1][1]:
            return None
        verdict = counted[0][0]
        return "yesno", (verdict,), (), next(a for a in yes_no if a.text == verdict)
    votes = Counter(a.key for a in spans)
    by_votes = sorted(spans, key=lambda a: -votes[a.key])
    lists = [a for a in by_votes if len(a.texts) > 1]
    single = [a for a in by_votes if len(a.texts) == 1]
    if len(lists) > len(single):
        points = lists[0].texts
        # One span over the whole list is a right answer; one item of it is not.
        whole = [a.text for a in single if all(contains(a.text, point) for point in points)]
        key_points = tuple((point,) for point in points)
        return "list", _short([*(a.text for a in lists), *whole]), key_points, lists[0]
    return "factoid", _short(a.text for a in (*single, *lists)), (), single[0]


def _short(texts: Iterable[str]) -> tuple[str, ...]:
    """Distinct answers; a long enumeration is a reference, but nothing to match word for word."""
    return tuple(text for text in dict.fromkeys(texts) if is_short(text))


def _gold(
    answers: list[_Answer],
    reference: _Answer,
    example: Example,
    words: list[str],
    where: str,
    collection: Collection,
) -> tuple[tuple[str, ...], str | None]:
    """The gold passage's id, if there is one, and its kind."""
    agreeing = [a for a in answers if a.key == reference.key and a.is_yes_no == reference.is_yes_no]
    marked = Counter(a.long for a in agreeing if a.long)
    if not marked:
        return (), None
    passage = _cut(words, marked.most_common(1)[0][0], where)
    text = pages.passage_text(passage)
    if not text:
        collection.counts["gold passages without text"] += 1
        return (), None
    return (collection.passage(example.title, text),), pages.passage_kind(passage)


def _add_rest_of_page(
    example: Example, words: list[str], where: str, collection: Collection
) -> None:
    """The other top-level passages, without those that hold (or lie in) a marked long answer."""
    marked = [a.long for a in example.annotations if a.long]
    for start, end in example.top_level():
        if not any(start < m_end and m_start < end for m_start, m_end in marked):
            text = pages.passage_text(_cut(words, (start, end), where))
            if text:
                collection.passage(example.title, text)
