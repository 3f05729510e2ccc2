"""How the annotators' answers to one Qasper question become its right answer.

An annotation is of one kind, by the order of the official evaluator: unanswerable, extractive
(spans of the paper), free_form, yes_no. The majority of the annotators decides between
unanswerable, yes or no, and an answer in words; spans and free-form text count as one there, as
they are two ways to write the same answer. Within words the more frequent form is the kind. A tie
goes to the first annotator.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rag_study.common.errors import StudyError
from rag_study.data.reading import fields
from rag_study.data.schema import NO_ANSWER

_CITATION = re.compile(r"\s*[(\[]?\s*BIBREF\d+(?:\s*[,;]?\s*BIBREF\d+)*\s*[)\]]?(?![\w'])")
# After these a citation is the answer's own word ("the method of BIBREF3").
_NEEDS_MORE = re.compile(
    r"(?:^|[^\w.)\]}$%]|\b(?:of|by|from|in|with|on|to|as|at|for|and|or|the|a|an|see|using|following))$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Annotation:
    """What one annotator answered; `text` is the answer as the official evaluator writes it."""

    kind: str
    text: str
    spans: tuple[str, ...]
    evidence: tuple[str, ...]
    highlighted: tuple[str, ...]


@dataclass(frozen=True)
class Decision:
    """The answer of a question; `counted` are the annotations it is made of, the reference first.

    `agreement`: one annotator / agree / disagree (on unanswerable, yes, no, or words).
    """

    kind: str
    answer_type: str
    answers: tuple[str, ...]
    reference: str
    key_points: tuple[tuple[str, ...], ...]
    counted: tuple[Annotation, ...]
    agreement: str


def annotation(row: dict[str, Any], where: str) -> Annotation | None:
    """The annotation in a row of `answers`, None when it holds no answer of any kind."""
    answer = fields.mapping(row.get("answer"), f"{where}, answer")
    spans = tuple(dict.fromkeys(fields.texts(answer, "extractive_spans", where)))
    free_form = fields.optional_text(answer, "free_form_answer", where)
    yes_no = _flag(answer, "yes_no", where)
    if _flag(answer, "unanswerable", where):
        return Annotation("unanswerable", "Unanswerable", (), (), ())
    if spans:
        kind, text = "extractive", ", ".join(spans)
    elif free_form:
        kind, text = "free_form", free_form
    elif yes_no is not None:
        kind, text = "yes_no", "Yes" if yes_no else "No"
    else:
        return None
    evidence = fields.texts(answer, "evidence", where)
    return Annotation(
        kind, text, spans, evidence, fields.texts(answer, "highlighted_evidence", where)
    )


def decide(annotations: Sequence[Annotation]) -> Decision:
    """One answer out of at least one annotation."""
    matter = _most(annotations, _matter)
    same_matter = [a for a in annotations if _matter(a) == matter]
    # Yes and No are one matter and two answers: those of the majority count.
    key = (lambda a: a.text) if matter == "yes_no" else (lambda a: a.kind)
    chosen = _most(same_matter, key)
    reference = next(a for a in same_matter if key(a) == chosen)
    counted = [a for a in same_matter if a.text == chosen] if matter == "yes_no" else same_matter
    counted = tuple(sorted(counted, key=lambda a: a is not reference))
    if len(annotations) == 1:
        agreement = "one annotator"
    else:
        agreement = "agree" if len(counted) == len(annotations) else "disagree"
    answer_type, answers, key_points = _answer(matter, counted)
    return Decision(
        reference.kind,
        answer_type,
        answers,
        NO_ANSWER[0] if matter == "unanswerable" else reference.text,
        key_points,
        counted,
        agreement,
    )


def _answer(matter: str, counted: tuple[Annotation, ...]) -> tuple[str, tuple, tuple]:
    """(answer type, answers, key points)."""
    reference = counted[0]
    if matter == "unanswerable":
        return "unanswerable", NO_ANSWER, ()
    if matter == "yes_no":
        return "yesno", (reference.text,), ()
    answers = tuple(
        dict.fromkeys(
            text
            for text in (*(a.text for a in counted), *map(_without_citations, counted))
            if text and fields.is_short(text)
        )
    )
    if len(reference.spans) > 1 and all(map(fields.is_short, reference.spans)):
        return "list", answers, tuple(map(_wordings, reference.spans))
    return ("factoid" if answers else "summary"), answers, ()


def _matter(annotation: Annotation) -> str:
    return "words" if annotation.kind in ("extractive", "free_form") else annotation.kind


def _most(annotations: Sequence[Annotation], key: Callable[[Annotation], str]) -> str:
    """The most frequent value; `Counter` keeps the order of first occurrence in a tie."""
    return Counter(map(key, annotations)).most_common(1)[0][0]


def _without_citations(annotation: Annotation) -> str:
    """The annotation's text without citations, which are placeholders ("BLEU BIBREF4") in Qasper;
    "" where it would not be an answer any more."""
    bare = [_bare(text) for text in annotation.spans or (annotation.text,)]
    return ", ".join(bare) if all(bare) else ""


def _wordings(span: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, (span, _bare(span)))))


def _bare(text: str) -> str:
    if any(_NEEDS_MORE.search(text[: match.start()]) for match in _CITATION.finditer(text)):
        return ""
    return _CITATION.sub("", text).strip()


def _flag(row: dict[str, Any], key: str, where: str) -> bool | None:
    value = row.get(key)
    if value is not None and not isinstance(value, bool):
        raise StudyError(f"{where}: `{key}` must be true, false or null.")
    return value
