"""A batch of answers: prompts with as many passages as fit, batches of about equal lengths, and
what the model makes of them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rag_study.answering.contexts import Context, in_prompt_order
from rag_study.answering.rows import answer_row
from rag_study.common.errors import StudyError
from rag_study.data.schema import Question
from rag_study.models import chat_templates, prompts, sequence_to_sequence, span_reader
from rag_study.models.architectures import ENCODER_DECODER, EXTRACTIVE
from rag_study.models.language_model import LanguageModel, decoding, end_tokens, left_pad
from rag_study.models.memory import in_halves
from rag_study.models.prompts import Prompting
from rag_study.models.sampling import item_seed
from rag_study.models.vllm_model import VllmModel
from rag_study.retrieval.passage import Passage

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """How answers are generated.

    A batch holds `batch_size` questions at most, and `max_batch_tokens` at most with padding and
    answers (a single longer one is answered alone). `max_context_tokens` limits the passages of a
    prompt, 0: only the model's window does. `temperature` 0 is greedy search; above it, `seed`
    and the question decide every draw.
    """

    max_new_tokens: int
    batch_size: int = 8
    max_batch_tokens: int = 16_384
    max_context_tokens: int = 0
    passage_order: str = "best_first"
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Item:
    """A question with its prompt; `kept` of its passages, best first, are in it."""

    question: Question
    context: Context
    kept: tuple[Passage, ...]
    ids: list[int]
    place: dict[str, str | int]  # context and position, the first columns of its row


def make_item(
    lm: LanguageModel,
    question: Question,
    context: Context,
    settings: Settings,
    prompting: Prompting,
    place: dict[str, str | int],
) -> Item:
    """The question's prompt with as many of its passages, best first, as leave room for an answer.

    Whole passages are dropped, the question never is: StudyError when it does not fit alone.
    """
    passages = context.passages or ()
    if settings.max_context_tokens:
        passages = passages[: _within(lm, passages, settings.max_context_tokens)]
    if lm.kind == EXTRACTIVE:  # reads on in further windows, so that nothing is dropped
        read = _read(lm, question, passages, settings)
        ids = [token for window in read.windows for token in window.input_ids]
        return Item(question, context, tuple(passages), ids, place)
    for number in range(len(passages), -1, -1):
        kept = passages[:number]
        shown = [(p.title, p.text) for p in in_prompt_order(kept, settings.passage_order)]
        ids = prompts.answer_prompt(lm.tokenizer, question.question, shown, prompting)
        if len(ids) + settings.max_new_tokens <= lm.max_length:
            return Item(question, context, kept, ids, place)
    raise StudyError(
        f"question '{question.id}' has {len(ids)} tokens, which with {settings.max_new_tokens} new "
        f"ones is above the window of {lm.name} ({lm.max_length}). Shorten it or take it out."
    )


def _within(lm: LanguageModel, passages: Sequence[Passage], max_tokens: int) -> int:
    """How many passages, from the best on, have `max_tokens` together as a prompt lists them."""
    used = 0
    for number, passage in enumerate(passages):
        text = prompts.PASSAGE.format(number=1, title=passage.title, text=passage.text)
        used += len(lm.tokenizer.encode(f"{text}\n\n", add_special_tokens=False))
        if used > max_tokens:
            return number
    return len(passages)


def fill_batches(items: Iterable[Item], settings: Settings) -> Iterator[list[Item]]:
    """The batches of a window, longest prompts first: what is too large shows at once."""
    batch: list[Item] = []
    room = 0
    # Equal lengths keep their order, so that a batch is the same in every run.
    for item in sorted(items, key=lambda item: -len(item.ids)):
        if len(batch) == room:
            if batch:
                yield batch
            fit = settings.max_batch_tokens // (len(item.ids) + settings.max_new_tokens)
            batch, room = [], max(1, min(settings.batch_size, fit))
        batch.append(item)
    if batch:
        yield batch


# --- The model -------------------------------------------------------------------------------


def answer_items(lm: LanguageModel, items: Sequence[Item], settings: Settings) -> list[dict]:
    """The rows of a batch. One that does not fit into memory is answered in halves."""
    rows_of = _pointed_at if lm.kind == EXTRACTIVE else _written

    def too_large(item: Item) -> StudyError:
        return StudyError(
            f"question '{item.question.id}' with {len(item.ids)} tokens does not fit "
            f"into memory with {lm.name}, even alone. Lower top_k or max_context_tokens."
        )

    def warn(number: int) -> None:
        _log.warning("out of memory with %d questions at once; answering in halves", number)

    parts = in_halves(lambda some: rows_of(lm, some, settings), items, too_large, warn)
    return [row for rows in parts for row in rows]


def _pointed_at(lm: LanguageModel, items: Sequence[Item], settings: Settings) -> list[dict]:
    """The rows of a batch by an extractive reader. Nothing is written, so nothing is cut."""
    readings = [_read(lm, item.question, item.kept, settings) for item in items]
    found = span_reader.answers(lm, readings)
    return [
        item.place
        | answer_row(
            item.question, item.context, item.kept, span.text, span.tokens, 0, len(item.ids)
        )
        for item, span in zip(items, found, strict=True)
    ]


def _read(
    lm: LanguageModel, question: Question, kept: Sequence[Passage], settings: Settings
) -> span_reader.Reading:
    shown = [(p.title, p.text) for p in in_prompt_order(kept, settings.passage_order)]
    return span_reader.read(lm, question.question, shown)


def _written(lm: LanguageModel, items: Sequence[Item], settings: Settings) -> list[dict]:
    """The rows of a batch by a model that writes."""
    ends = end_tokens(lm)
    answers = new_tokens(lm, items, settings)
    rows = []
    for item, new in zip(items, answers, strict=True):
        length = next((i for i, token in enumerate(new) if token in ends), len(new))
        text, cut = prompts.answer_text(lm.tokenizer, item.ids, new[:length])
        truncated = int(cut or length == len(new))
        if (
            chat_templates.is_plain(lm.tokenizer)
            and (first := chat_templates.first_turn(text)) != text
        ):
            text, truncated = first, 0
            length = len(lm.tokenizer.encode(first, add_special_tokens=False))
        row = answer_row(
            item.question, item.context, item.kept, text, length, truncated, len(item.ids)
        )
        rows.append({**item.place, **row})
    return rows


def new_tokens(lm: LanguageModel, items: Sequence[Item], settings: Settings) -> list[list[int]]:
    """New token ids of each item, an end token and padding after it included.

    The model goes on until every row has ended, and then stops.
    """
    prompt_ids = [item.ids for item in items]
    places = [(str(item.place.get("context")), item.question.id) for item in items]
    seeds = [item_seed(settings.seed, *place) for place in places]
    if isinstance(lm, VllmModel):
        drawn = (settings.temperature, settings.top_p, seeds)
        return lm.new_tokens(prompt_ids, settings.max_new_tokens, *drawn)
    import torch

    from rag_study.models import prefill

    options: dict[str, Any] = {}
    if settings.temperature:
        from rag_study.models.sampling import SeededSampling

        sampling = SeededSampling(settings.temperature, settings.top_p, seeds)
        options["logits_processor"] = [sampling]
    if lm.kind == ENCODER_DECODER:
        return sequence_to_sequence.generate(lm, prompt_ids, settings.max_new_tokens, **options)
    input_ids, attention_mask = left_pad(prompt_ids, lm.tokenizer.pad_token_id)
    longest = input_ids.shape[1]
    cache = prefill.fixed_cache(lm, longest + settings.max_new_tokens)
    with torch.inference_mode():
        if cache is not None:
            prefill.read(lm, prompt_ids, cache)
            options["past_key_values"] = cache
        output = lm.model.generate(
            input_ids=input_ids.to(lm.device),
            attention_mask=attention_mask.to(lm.device),
            max_new_tokens=settings.max_new_tokens,
            **decoding(lm),
            **options,
        )
    return output[:, longest:].tolist()
