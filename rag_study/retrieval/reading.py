"""What of the texts a search has not read, and what that means, for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rag_study.common.characters import readable
from rag_study.common.wording import counted
from rag_study.data.schema import Question
from rag_study.retrieval.chunking import count_cut_titles
from rag_study.retrieval.embedding import Embedder
from rag_study.retrieval.index import PassageIndex
from rag_study.retrieval.legibility import Legibility

if TYPE_CHECKING:
    from llama_index.core.schema import TextNode


@dataclass(frozen=True)
class Reading:
    """Questions and titles of which only the beginnings were read, how legible the questions and
    the passages were to the embedding model, and the language whose stems BM25 counted.

    What did not take part in the search is 0 or None; a `word_language` of "" is none at all.
    """

    model: str
    window: int
    questions: int
    cut_questions: int
    cut_titles: int
    of_questions: Legibility | None
    of_passages: Legibility | None
    word_language: str | None

    @classmethod
    def of(
        cls,
        questions: Sequence[Question],
        nodes: Sequence[TextNode],
        index: PassageIndex,
        embedding: Embedder,
    ) -> Reading:
        """How these questions and passages were read for this index."""
        asked = [readable(question.question) for question in questions]
        dense = index.vector_store is not None
        return cls(
            model=embedding.model.name,
            window=embedding.window,
            questions=len(questions),
            cut_questions=count_cut_questions(questions, embedding) if dense else 0,
            cut_titles=count_cut_titles(nodes),
            of_questions=embedding.legibility(asked) if dense else None,
            of_passages=embedding.legibility(index.texts) if dense else None,
            word_language=index.bm25.words.language if index.bm25 else None,
        )

    def sentences(self) -> list[str]:
        """What a reader of the result must know; empty where everything was read."""
        found = []
        if self.cut_questions:
            found.append(
                f"{self.cut_questions} of {counted(self.questions, 'question')} are longer than "
                f"the {self.window} tokens that {self.model} reads: only their beginnings were "
                "searched for."
            )
        if self.cut_titles:
            found.append(
                f"{counted(self.cut_titles, 'title')} would fill more than half of a passage: only "
                "the beginning was searched in; models are shown the whole title."
            )
        read = {"questions": self.of_questions, "passages": self.of_passages}
        found += [of.sentence(self.model, what) for what, of in read.items() if of and of.is_poor]
        return found

    def record(self) -> dict[str, Any]:
        """For a run's metrics."""
        read = {"questions": self.of_questions, "passages": self.of_passages}
        return {
            "cut_questions": self.cut_questions,
            "cut_titles": self.cut_titles,
            "unknown_tokens": {what: of.unknown for what, of in read.items() if of},
            "word_language": self.word_language,
            "warnings": self.sentences(),
        }


def count_cut_questions(questions: Sequence[Question], embedding: Embedder) -> int:
    """How many questions are longer than the embedding model's window: a dense search reads only
    their beginnings."""
    prefix = embedding.model.query_prefix
    lengths = embedding.lengths([f"{prefix}{readable(q.question)}" for q in questions])
    return sum(length > embedding.window for length in lengths)
