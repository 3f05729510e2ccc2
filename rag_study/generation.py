"""Answers in batches, one context condition (contexts.py) at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from rag_study import prompts
from rag_study.contexts import ContextBuilder, Passage
from rag_study.errors import StudyError
from rag_study.models import LanguageModel
from rag_study.prompts import AS_USUAL, Prompting
from rag_study.qa_datasets.schema import Question
from rag_study.store import RunFolder


def generate_answers(
    lm: LanguageModel,
    questions: Mapping[str, Sequence[Question]],
    builder: ContextBuilder,
    max_new_tokens: int,
    batch_size: int,
    extent: Mapping[str, int],
    folder: RunFolder,
    prompting: Prompting = AS_USUAL,
) -> Iterator[list[dict]]:
    """Answer the first `extent[context]` of each context's questions; yields rows by batch.

    A batch is always `batch_size` consecutive questions of the whole pool in one context, also
    where fewer are asked for: so its answers are the same bytes whether a run was resumed,
    enlarged or done at once. A batch that an earlier try finished is read from `folder`.
    Columns of a row: context, question_id, position, answer, answer_tokens, truncated,
    prompt_tokens, passages (chunk ids), dropped_passages, gold_in_context.
    """
    for context, asked in questions.items():
        if extent[context] > len(asked):
            raise StudyError(
                f"context {context}: {extent[context]} questions are asked for, there are only "
                f"{len(asked)}. Lower test_size."
            )
        for start in range(0, extent[context], batch_size):
            batch = asked[start : start + batch_size]
            passages = [builder.passages(question, context) for question in batch]
            answer = partial(answer_batch, lm, batch, passages, max_new_tokens, prompting)
            yield folder.part(f"{context}-{start:05d}", partial(_placed, answer, context, start))


def _placed(answer: Callable[[], list[dict]], context: str, start: int) -> list[dict]:
    """The rows of a batch with their context and their position in the pool."""
    return [{"context": context, "position": start + i, **row} for i, row in enumerate(answer())]


def in_whole_batches(test_size: int, batch_size: int) -> int:
    """How many questions are answered where `test_size` are asked for."""
    return -(-test_size // batch_size) * batch_size


def answer_batch(
    lm: LanguageModel,
    questions: Sequence[Question],
    passages: Sequence[list[Passage]],
    max_new_tokens: int,
    prompting: Prompting = AS_USUAL,
) -> list[dict]:
    """Greedy answers to one batch. Whole passages are dropped from the end where the window is
    too short for them; the question never is. Raises StudyError when it does not fit alone.
    """
    import torch

    encoded = [
        _fit(lm, question, chosen, max_new_tokens, prompting)
        for question, chosen in zip(questions, passages, strict=True)
    ]
    input_ids, attention_mask = left_pad([ids for ids, _ in encoded], lm.tokenizer.pad_token_id)
    with torch.inference_mode():
        output = lm.model.generate(
            input_ids=input_ids.to(lm.device),
            attention_mask=attention_mask.to(lm.device),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            eos_token_id=lm.tokenizer.eos_token_id,
            pad_token_id=lm.tokenizer.pad_token_id,
        )
    rows = []
    for question, chosen, (ids, kept), new in zip(
        questions, passages, encoded, output[:, input_ids.shape[1] :].tolist(), strict=True
    ):
        ended = lm.tokenizer.eos_token_id in new
        tokens = new[: new.index(lm.tokenizer.eos_token_id)] if ended else new
        gold_known = bool(question.gold_doc_ids)
        in_context = any(p.doc_id in question.gold_doc_ids for p in chosen[:kept])
        rows.append(
            {
                "question_id": question.id,
                "answer": lm.tokenizer.decode(tokens, skip_special_tokens=True).strip(),
                "answer_tokens": len(tokens),
                "truncated": int(not ended),
                "prompt_tokens": len(ids),
                "passages": [p.chunk_id for p in chosen[:kept]],
                "dropped_passages": len(chosen) - kept,
                "gold_in_context": int(in_context) if gold_known else None,
            }
        )
    return rows


def left_pad(sequences: Sequence[list[int]], pad_id: int) -> tuple:
    """(input ids, attention mask), both (batch, longest), padded on the left.

    The mask goes by position: some models' pad token is their end token.
    """
    import torch

    longest = max(len(ids) for ids in sequences)
    padded = torch.full((len(sequences), longest), pad_id)
    mask = torch.zeros((len(sequences), longest), dtype=torch.long)
    for row, ids in enumerate(sequences):
        padded[row, longest - len(ids) :] = torch.tensor(ids)
        mask[row, longest - len(ids) :] = 1
    return padded, mask


def _fit(
    lm: LanguageModel,
    question: Question,
    passages: list[Passage],
    max_new_tokens: int,
    prompting: Prompting,
) -> tuple[list[int], int]:
    """(prompt ids, number of passages kept) that leave room for the answer."""
    for kept in range(len(passages), -1, -1):
        texts = [(passage.title, passage.text) for passage in passages[:kept]]
        ids = prompts.answer_prompt(lm.tokenizer, question.question, texts, prompting)
        if len(ids) + max_new_tokens <= lm.max_length:
            return ids, kept
    raise StudyError(
        f"question '{question.id}' has {len(ids)} tokens, which with {max_new_tokens} new ones "
        f"is above the window of {lm.name} ({lm.max_length}). Shorten it or take it out."
    )
