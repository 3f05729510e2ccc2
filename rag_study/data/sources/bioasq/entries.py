"""Questions as BioASQ's files and rag-mini-bioasq's rows have them, brought into one form."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rag_study.common.errors import StudyError
from rag_study.data.reading import fields
from rag_study.data.sources.bioasq.corpus import document_id

TYPES = ("yesno", "factoid", "list", "summary")
_QUESTION_KEYS = {"body", "type", "ideal_answer", "exact_answer", "snippets"}
_YES_OR_NO = re.compile(r"\W*(yes|no|true|false)(?:\W*$|\s*[,.;:!–—-]\s)", re.IGNORECASE)
_NUMBERS = re.compile(r"\[?[\d\s,'\"]*\]?")


@dataclass(frozen=True)
class Entry:
    """One question as one file has it.

    `answer_type` is "" where it is none of the four. `exact` has one tuple per item of the answer
    (one in all but lists), each with its interchangeable wordings; `unclear` says that there is a
    text where yes or no should be. `evidence` are the documents of its snippets, `named` those
    that it lists.
    """

    id: str
    question: str
    answer_type: str
    ideal: tuple[str, ...]
    exact: tuple[tuple[str, ...], ...]
    evidence: tuple[str, ...]
    named: tuple[str, ...]
    source: str
    unclear: bool = False

    @property
    def wording(self) -> str:
        """The question without case and spacing."""
        return " ".join(self.question.casefold().split())

    @property
    def richness(self) -> tuple[int, int]:
        """How much is known about the right answer, to choose between versions."""
        return sum(map(len, self.exact)), len(self.ideal)


def is_question(row: dict[str, Any]) -> bool:
    """Whether a record is a question of BioASQ Task B."""
    return "body" in row or len(_QUESTION_KEYS & row.keys()) > 1


def is_mini_question(row: dict[str, Any]) -> bool:
    """Whether a record is a question of rag-mini-bioasq."""
    return {"question", "answer", "relevant_passage_ids"} <= row.keys()


def from_question(
    row: dict[str, Any], where: str, source: str, add_snippet: Callable[[dict[str, Any], str], str]
) -> Entry:
    """A question of Task B; `add_snippet` takes each snippet and gives its document ("": none).

    Raises StudyError for a record without id or question, and for values of the wrong kind.
    """
    question_id, question = fields.text(row, "id", where), fields.text(row, "body", where)
    answer_type = re.sub(r"[^a-z]", "", fields.optional_text(row, "type", where).lower())
    answer_type = answer_type if answer_type in TYPES else ""
    answers = row.get("exact_answer")
    exact = _exact(answers, answer_type, f"{where}, `exact_answer`")
    snippets = fields.optional_items(row, "snippets", where)
    evidence = [
        add_snippet(fields.mapping(snippet, place), place)
        for number, snippet in enumerate(snippets, start=1)
        for place in [f"{where}, snippet {number}"]
    ]
    named = map(document_id, fields.texts(row, "documents", where))
    return Entry(
        question_id,
        question,
        answer_type,
        _distinct(_strings(row.get("ideal_answer"), f"{where}, `ideal_answer`")),
        exact,
        tuple(dict.fromkeys(filter(None, evidence))),
        tuple(dict.fromkeys(filter(None, named))),
        source,
        unclear=answer_type == "yesno" and not exact and any(_strings(answers, where)),
    )


def from_mini_question(row: dict[str, Any], where: str, source: str) -> Entry:
    """A row of rag-mini-bioasq: its answer is an ideal answer, or just yes or no."""
    answer = fields.optional_text(row, "answer", where)
    exact = _yes_or_no([answer]) if len(answer.split()) == 1 else ()
    return Entry(
        fields.text(row, "id", where),
        fields.text(row, "question", where),
        "yesno" if exact else "summary",
        (answer,) if answer and not exact else (),
        exact,
        (),
        _passage_ids(row["relevant_passage_ids"], where),
        source,
    )


def _passage_ids(value: Any, where: str) -> tuple[str, ...]:
    """A list of numbers; one of the two editions has it as text, "[1, 2]"."""
    if isinstance(value, str):
        if not _NUMBERS.fullmatch(value.strip()):
            raise StudyError(f"{where}: `relevant_passage_ids` must be a list of numbers.")
        value = re.findall(r"\d+", value)
    listed = fields.texts({"relevant_passage_ids": value}, "relevant_passage_ids", where)
    return tuple(dict.fromkeys(map(document_id, listed)))


def _exact(value: Any, answer_type: str, where: str) -> tuple[tuple[str, ...], ...]:
    if answer_type == "yesno":
        return _yes_or_no(_strings(value, where))
    if answer_type == "factoid":
        wordings = _distinct(_strings(value, where))
        return (wordings,) if wordings else ()
    return _listed(value, where)


def _yes_or_no(texts: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """The answer as one item; () unless all texts say the same."""
    matches = [_YES_OR_NO.match(text) for text in texts]
    decisions = {match[1].lower() in ("yes", "true") if match else None for match in matches}
    if len(decisions) != 1 or None in decisions:
        return ()
    return (("Yes" if decisions.pop() else "No",),)


def _listed(value: Any, where: str) -> tuple[tuple[str, ...], ...]:
    """The items of a list, each with its synonyms; an item that stands there twice counts once."""
    # One list too many around the whole: [[["a"], ["b"]]].
    while (
        isinstance(value, list)
        and len(value) == 1
        and isinstance(value[0], list)
        and any(isinstance(item, list) for item in value[0])
    ):
        value = value[0]
    items, seen = [], set()
    for item in value if isinstance(value, list) else [value]:
        wordings = _distinct(_strings(item, where))
        folded = {wording.casefold() for wording in wordings}
        if not folded <= seen:
            items.append(wordings)
            seen |= folded
    return tuple(items)


def _strings(value: Any, where: str) -> Iterator[str]:
    """All texts in a value, however deep the lists in it; empty ones are left out."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting += reversed(item)
        elif item is None or item != item:  # null, or a table's NaN
            continue
        elif isinstance(item, bool):
            yield "yes" if item else "no"
        elif isinstance(item, str | int | float):
            if stripped := str(item).strip():
                yield stripped
        else:
            raise StudyError(
                f"{where}: must be text or lists of texts, this is {fields.kind(item)}."
            )


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    """The texts without those that differ from an earlier one in case or spacing only."""
    first: dict[str, str] = {}
    for text in texts:
        first.setdefault(" ".join(text.casefold().split()), text)
    return tuple(first.values())
