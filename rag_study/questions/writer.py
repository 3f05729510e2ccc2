"""The model that writes questions and answers them: on this machine, or behind a server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from rag_study.answering import generation, served
from rag_study.answering.generation import Settings
from rag_study.common import machine
from rag_study.common.reasoning import answer_in
from rag_study.data.schema import Question
from rag_study.models import endpoint, loading, names, sampling
from rag_study.models.prompts import AS_USUAL, Prompting
from rag_study.models.server_errors import QuestionRefused
from rag_study.models.session import Session
from rag_study.retrieval.passage import Passage

# Of a second try at the same passage: the likeliest reply would be the first again.
TEMPERATURE, TOP_P = 0.8, 0.95
# What is asked for short answers is asked so that they come short.
BRIEF = Prompting("brief")
# Tasks at a time: more waste more where a command is stopped, fewer leave a server idle.
BATCH_LOCAL, BATCH_SERVED = 8, 16


class Writer(ABC):
    """Replies to requests, and answers to questions, None where a server refuses one alone.

    Each reply may have `reasoning` tokens more than are asked for. All raise StudyError where the
    model cannot answer at all.
    """

    batch: int

    def __init__(self, reasoning: int):
        self._reasoning = reasoning

    def __enter__(self) -> Writer:
        return self

    @abstractmethod
    def __exit__(self, *error: object) -> None: ...

    @abstractmethod
    def replies(
        self, requests: Sequence[tuple[str, str]], new_tokens: int, temperature: float = 0.0
    ) -> list[str | None]:
        """Replies to requests, each (the name that its draws go by, text)."""

    def answers(
        self,
        questions: Sequence[Question],
        passages: Sequence[Sequence[Passage]],
        new_tokens: int,
        prompting: Prompting = AS_USUAL,
    ) -> list[str | None]:
        """Answers to questions with given passages, asked as a study asks."""
        if not questions:
            return []
        rows = self._rows(questions, passages, new_tokens + self._reasoning, prompting)
        return [None if row["lost"] else row["answer"] for row in rows]

    @abstractmethod
    def _rows(
        self,
        questions: Sequence[Question],
        passages: Sequence[Sequence[Passage]],
        new_tokens: int,
        prompting: Prompting,
    ) -> list[dict[str, Any]]: ...


def open_writer(name: str, reasoning: int = 0) -> Writer:
    """The model of this name, as a study file has it; each of its replies may have so many tokens
    more, for a model that reasons. Raises StudyError where it cannot be had."""
    return _Served(name, reasoning) if names.is_endpoint(name) else _Local(name, reasoning)


class _Local(Writer):
    batch = BATCH_LOCAL

    def __init__(self, name: str, reasoning: int):
        super().__init__(reasoning)
        machine.apply_threads(machine.resolve_threads(0))
        self._lm = loading.load_generator(name, machine.resolve_dtype("auto"))

    def __exit__(self, *error: object) -> None:
        pass

    def replies(
        self, requests: Sequence[tuple[str, str]], new_tokens: int, temperature: float = 0.0
    ) -> list[str | None]:
        settings = Settings(new_tokens + self._reasoning, temperature=temperature, top_p=TOP_P)
        return [*generation.reply_batch(self._lm, requests, settings)] if requests else []

    def _rows(self, *asked: Any) -> list[dict[str, Any]]:
        return generation.answer_batch(self._lm, *asked)


class _Served(Writer):
    batch = BATCH_SERVED

    def __init__(self, name: str, reasoning: int):
        super().__init__(reasoning)
        self._session = Session(endpoint.connect(name))

    def __exit__(self, *error: object) -> None:
        self._session.__exit__(*error)

    def replies(
        self, requests: Sequence[tuple[str, str]], new_tokens: int, temperature: float = 0.0
    ) -> list[str | None]:
        pending = [
            self._session.submit(self._reply, name, text, new_tokens, temperature)
            for name, text in requests
        ]
        return [future.result() for future in pending]

    def _reply(self, name: str, text: str, new_tokens: int, temperature: float) -> str | None:
        messages = [{"role": "user", "content": endpoint.clean(text)}]
        seed = sampling.item_seed(0, "instruction", name)
        try:
            completion = self._session.complete(
                messages, new_tokens + self._reasoning, temperature, TOP_P, seed
            )
        except QuestionRefused:
            return None
        return answer_in(completion.text).text

    def _rows(self, *asked: Any) -> list[dict[str, Any]]:
        return served.answer_batch(self._session, *asked)
