"""Rows of answers: what is kept of every question that was asked."""

from __future__ import annotations

from collections.abc import Sequence

from rag_study.answering.contexts import Context
from rag_study.data.schema import Question
from rag_study.retrieval.passage import Passage, answer_among, gold_among


def answer_row(
    question: Question,
    context: Context,
    kept: Sequence[Passage],
    answer: str,
    answer_tokens: int | None,
    truncated: int | None,
    prompt_tokens: int | None,
) -> dict:
    """The row of one answer. `kept`, best first, are the passages that the prompt held.

    `passages` are their chunk ids; `gold_in_context` and `answer_in_context` are about them and
    None where that cannot be known; `truncated` is 1 for an answer cut at the token limit, also
    while the model still reasoned.
    """
    gold, answered = gold_among(question, kept), answer_among(question, kept)
    return {
        "question_id": question.id,
        "answer": answer,
        "answer_tokens": answer_tokens,
        "truncated": truncated,
        "prompt_tokens": prompt_tokens,
        "passages": [passage.chunk_id for passage in kept],
        "dropped_passages": len(context.passages or ()) - len(kept),
        "gold_in_context": None if gold is None else int(gold),
        "answer_in_context": None if answered is None else int(answered),
        "other_answer": context.other_answer,
        "missing_reason": None,
        "lost": 0,
    }


def left_out_row(question: Question, context: Context) -> dict:
    """The row of a question that cannot have the condition: no answer, but the reason."""
    row = dict.fromkeys(answer_row(question, context, (), "", None, None, None))
    return row | {
        "question_id": question.id,
        "passages": [],
        "missing_reason": context.missing_reason,
        "lost": 0,
    }


def lost_row(question: Question, context: Context, reason: str) -> dict:
    """The row of a question that was asked and has no answer (`lost`: 1), with the reason.

    Its scores are missing. It is not an empty answer, which a model gives and which is graded.
    """
    return left_out_row(question, context) | {"missing_reason": reason, "lost": 1}
