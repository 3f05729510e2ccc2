"""Making questions: what is tried next, the checks that ask the model, and what it all costs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rag_study.common.text import words
from rag_study.data import near_duplicates
from rag_study.data.schema import Question
from rag_study.evaluation.yes_no import agrees
from rag_study.models import prompts
from rag_study.models.prompts import AS_USUAL
from rag_study.questions import checks, kinds
from rag_study.questions.kinds import KINDS, Draft, Task
from rag_study.questions.passages import Place, Places
from rag_study.questions.store import Store, row_of
from rag_study.questions.writer import BRIEF, TEMPERATURE, Writer
from rag_study.retrieval.passage import Passage

# Tries at the same passage and kind, if all others have had theirs.
ROUNDS = 4
# Tokens of an answer in the second reading, short and long; and of a word, on average.
_ANSWER, _LONG_ANSWER = 40, 160
_TOKENS_PER_WORD, _PROMPT, _REQUEST = 1.4, 50, 150


@dataclass
class _Try:
    """A task on its way through the checks: why it ended, "" as long as it has not."""

    task: Task
    reason: str = ""
    draft: Draft | None = None
    question: Question | None = None
    answers: dict[str, str] = field(default_factory=dict)

    @property
    def passages(self) -> tuple[Passage, ...]:
        return tuple(place.passage for place in self.task.places)

    def row(self, model: str) -> dict[str, Any]:
        return {
            "name": self.task.name,
            "kind": self.task.kind,
            "model": model,
            "reason": self.reason,
            "groups": list(dict.fromkeys(place.group for place in self.task.places)),
            "passages": [passage.shown.strip() for passage in self.passages],
            "draft": None if self.draft is None else self.draft.__dict__,
            "question": None if self.question is None else row_of(self.question),
            "answers": self.answers,
        }


@dataclass(frozen=True)
class Cost:
    """What questions may cost: calls of the model and tokens, if every try is kept (`least`)
    and if all tries are needed (`most`). Tokens are counted from words, not by a tokenizer."""

    least_calls: int
    most_calls: int
    least_read: int
    most_read: int
    least_written: int
    most_written: int


def cost(places: Places, asked: dict[str, int], tries: int) -> Cost:
    """The cost of so many questions by kind, with up to `tries` tries for each."""
    mean = sum(words(place.passage.shown) for place in places.all) / len(places.all)
    calls, read, written = Counter(), Counter(), Counter()
    for kind, number in asked.items():
        two = kind == "two_documents"
        shown = mean * _TOKENS_PER_WORD * (2 if two else 1)
        new = kinds.NEW_TOKENS.get(kind, kinds.USUAL_NEW_TOKENS) / 2
        answer = _LONG_ANSWER / 2 if kind == "summary" else _ANSWER / 2
        readings = {"summary": 2, "unanswerable": 4, "two_documents": 2}.get(kind, 1)
        asks = 2 + {"summary": 2, "unanswerable": 0, "two_documents": 3}.get(kind, 1)
        each = shown * (1 + readings) + _REQUEST + _PROMPT * (asks - 1)
        for name, amount in (("least", number), ("most", number * tries)):
            calls[name] += asks * amount
            read[name] += each * amount
            written[name] += (new + answer * (asks - 1)) * amount
    return Cost(
        calls["least"],
        calls["most"],
        round(read["least"]),
        round(read["most"]),
        round(written["least"]),
        round(written["most"]),
    )


def shares(count: int, wanted: Sequence[str]) -> dict[str, int]:
    """How many questions of each kind, as even as can be."""
    whole, rest = divmod(count, len(wanted))
    return {kind: whole + (number < rest) for number, kind in enumerate(wanted)}


class Making:
    """Makes questions of documents' passages until there are as many of each kind as are asked for.

    `told` is called after every batch with (kept, asked for, tries).
    """

    def __init__(
        self,
        store: Store,
        places: Places,
        writer: Writer,
        model: str,
        told: Callable[[int, int, int], None] = lambda kept, asked, tries: None,
    ):
        self._store, self._places, self._writer, self._model = store, places, writer, model
        self._told = told

    def make(self, asked: dict[str, int], tries: int) -> None:
        """Go on until `asked` questions of each kind are kept, or a kind has had `tries` tries for
        each, or every passage its rounds. Raises StudyError where the model cannot answer."""
        waiting = {kind: self._tasks(kind) for kind in asked}
        while batch := self._next(waiting, asked, tries):
            tried = [_Try(task) for task in batch]
            self._write(tried)
            self._check(tried)
            self._store.add([one.row(self._model) for one in tried])
            kept = Counter(row["kind"] for row in self._store.standing)
            have = sum(min(kept[kind], number) for kind, number in asked.items())
            self._told(have, sum(asked.values()), len(self._store.tries))

    def _next(
        self, waiting: dict[str, Iterator[Task]], asked: dict[str, int], tries: int
    ) -> list[Task]:
        """The tasks of the next batch: of the kinds that lack most, as many as may be kept."""
        kept = Counter(row["kind"] for row in self._store.standing)
        begun = Counter(row["kind"] for row in self._store.tries)
        batch: list[Task] = []
        while len(batch) < self._writer.batch:
            lacking = [
                kind
                for kind, number in asked.items()
                if kind in waiting and kept[kind] < number and begun[kind] < number * tries
            ]
            if not lacking:
                break
            kind = min(lacking, key=lambda kind: kept[kind] / asked[kind])
            task = next(waiting[kind], None)
            if task is None:
                del waiting[kind]
                continue
            batch.append(task)
            kept[kind] += 1  # as if it were
            begun[kind] += 1
        return batch

    def _tasks(self, kind: str) -> Iterator[Task]:
        """What may be tried, in order; each kind begins at another passage."""
        if kind == "two_documents":
            order: list[tuple[Place, ...]] = [*self._places.pairs]
        else:
            order = [(place,) for place in self._places.all]
            start = [*KINDS].index(kind) * len(order) // len(KINDS)
            order = order[start:] + order[:start]
        for attempt in range(ROUNDS):
            for places in order:
                task = Task(kind, places, attempt)
                if not self._store.was_tried(task.name):
                    yield task

    # --- One batch -------------------------------------------------------------------------------

    def _write(self, tried: Sequence[_Try]) -> None:
        """Have the questions written, and read the replies."""
        taken: dict[str, list[str]] = defaultdict(list)
        for row in self._store.kept:
            for shown in row["passages"]:
                taken[shown].append(row["question"]["question"])
        groups = defaultdict(list)
        for one in tried:
            tokens = kinds.NEW_TOKENS.get(one.task.kind, kinds.USUAL_NEW_TOKENS)
            groups[tokens, TEMPERATURE if one.task.attempt else 0.0].append(one)
        for (tokens, temperature), members in groups.items():
            requests = [
                (m.task.name, m.task.request(taken[m.passages[0].shown.strip()])) for m in members
            ]
            replies = self._writer.replies(requests, tokens, temperature)
            for one, reply in zip(members, replies, strict=True):
                one.draft = None if reply is None else kinds.read_reply(one.task.kind, reply)
                if one.draft is None:
                    one.reason = checks.REFUSED if reply is None else checks.NO_REPLY
                    one.answers["reply"] = reply or ""
                    continue
                one.reason = checks.fault(one.task, one.draft)
                one.question = kinds.question_of(one.task, one.draft)

    def _check(self, tried: Sequence[_Try]) -> None:
        """Near-duplicates, then what only the model can say, cheapest first: what fails is not
        asked about again."""
        self._compare(tried)
        self._ask(tried, "again", self._shown, lambda one, said: self._right(one, said))
        self._ask(
            [one for one in tried if one.task.kind == "summary"],
            "entailed",
            lambda one: one.passages,
            lambda one, said: agrees(said, "yes") is True,
            checks.NOT_ENTAILED,
            lambda one: prompts.ENTAILED.format(answer=one.question.reference),
        )
        both = [one for one in tried if one.task.kind == "two_documents"]
        for number in (0, 1):
            self._ask(
                both,
                f"alone_{number + 1}",
                lambda one, number=number: one.passages[number : number + 1],
                lambda one, said: not self._right(one, said),
                checks.ONE_IS_ENOUGH,
            )
        self._ask(
            [one for one in tried if one.task.kind != "unanswerable"],
            "closed_book",
            lambda one: (),
            lambda one, said: not self._right(one, said),
            checks.KNOWN,
        )

    def _compare(self, tried: Sequence[_Try]) -> None:
        known = [Question(**_tuples(row["question"])) for row in self._store.kept]
        wordings = {near_duplicates.wording(question) for question in known}
        for one in tried:
            if one.reason:
                continue
            wording = near_duplicates.wording(one.question)
            near = near_duplicates.find_pairs([*_unscoped(known), *_unscoped([one.question])])
            if wording in wordings or any(one.question.id in (a.id, b.id) for a, b in near):
                one.reason = checks.DUPLICATE
                continue
            wordings.add(wording)
            known.append(one.question)

    def _shown(self, one: _Try) -> tuple[Passage, ...]:
        """Its passages; of a question that nothing is to answer, also what a search finds."""
        if one.task.kind != "unanswerable":
            return one.passages
        found = self._places.found(one.question.question, one.passages[0].chunk_id)
        return (*one.passages, *found)

    @staticmethod
    def _right(one: _Try, said: str) -> bool:
        return checks.is_right(said, one.question)

    def _ask(
        self,
        tried: Sequence[_Try],
        name: str,
        shown: Callable[[_Try], Sequence[Passage]],
        passes: Callable[[_Try, str], bool],
        reason: str = checks.NOT_ANSWERED,
        asked: Callable[[_Try], str] = lambda one: one.question.question,
    ) -> None:
        """Ask about all that have no fault so far; those that do not pass have this reason."""
        for long in (False, True):
            members = [
                one
                for one in tried
                if not one.reason and (one.task.kind in ("summary", "unanswerable")) == long
            ]
            if not members:
                continue
            questions = [Question(one.question.id, asked(one), ("",)) for one in members]
            said = self._writer.answers(
                questions,
                [shown(one) for one in members],
                _LONG_ANSWER if long else _ANSWER,
                AS_USUAL if long else BRIEF,
            )
            for one, answer in zip(members, said, strict=True):
                one.answers[name] = answer or ""
                if answer is None:
                    one.reason = checks.REFUSED
                elif not passes(one, answer):
                    one.reason = reason


def _unscoped(questions: Sequence[Question]) -> list[Question]:
    """Without their scope: written questions are to make sense without it."""
    return [Question(**{**q.__dict__, "scope": None}) for q in questions]


def _tuples(row: dict[str, Any]) -> dict[str, Any]:
    """A question's row as its fields are."""
    return row | {
        "answers": tuple(row["answers"]),
        "gold_doc_ids": tuple(row["gold_doc_ids"]),
        "key_points": tuple(map(tuple, row["key_points"])),
    }
