"""Answers in batches, one context condition (contexts.py) at a time.

Prompts of about the same length are answered together. For this the pool of questions is cut into
windows of consecutive positions, the prompts of a window are sorted by length, longest first, and
batches are filled in this order. Windows and batches depend on the pool alone, never on how many
questions are asked for, so a run that was killed and resumed, enlarged or done at once answers the
same batches and writes the same bytes (thread count fixed).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from rag_study.answering.contexts import Context, ContextBuilder, in_prompt_order
from rag_study.common import side_by_side
from rag_study.common.errors import StudyError
from rag_study.common.run_folder import RunFolder
from rag_study.common.wording import counted
from rag_study.data.schema import Question
from rag_study.models import chat_templates, prompts, sequence_to_sequence, span_reader
from rag_study.models.architectures import ENCODER_DECODER, EXTRACTIVE
from rag_study.models.language_model import LanguageModel, decoding, end_tokens, left_pad
from rag_study.models.prompts import AS_USUAL, Prompting
from rag_study.models.sampling import item_seed
from rag_study.models.vllm_model import VllmModel
from rag_study.retrieval.passage import Passage, answer_among, gold_among

if TYPE_CHECKING:
    import pandas as pd

# Batches per window. Larger windows leave less padding, but more is answered beyond what a study
# asks for. Computed tokens over needed ones, for prompts whose lengths spread by 30 %, on average
# over test sizes of 16-120 and of 120-500, batches of 8: file order 1.50 and 1.44, windows of 2
# batches 1.41 and 1.29, of 4 1.50 and 1.20, of 8 1.81 and 1.19.
WINDOW = 2

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
class _Item:
    """A question with its prompt; `kept` of its passages, best first, are in it."""

    question: Question
    context: Context
    kept: tuple[Passage, ...]
    ids: list[int]
    place: dict[str, str | int]  # context and position, the first columns of its row


def generate_answers(
    lm: LanguageModel,
    questions: Mapping[str, Sequence[Question]],
    builder: ContextBuilder,
    settings: Settings,
    extent: Mapping[str, int],
    folder: RunFolder,
    prompting: Prompting = AS_USUAL,
) -> Iterator[list[dict]]:
    """Answer the first `extent[context]` of each context's questions; yields rows by batch.

    Whole batches are answered: every position below `in_whole_batches`, and what shares a batch
    with one of them. A batch that an earlier try finished is read from `folder`. For the columns
    see `answer_row` and `left_out_row`; context and position (in the pool) stand before them.
    Raises StudyError for a question that does not fit into the window, and when even one question
    does not fit into memory. A server of the model's own is ended with the last batch.
    """
    batches = _batches_to_do(lm, questions, builder, settings, extent, prompting)
    kept = (partial(folder.part, name, rows) for name, rows in batches)
    if not isinstance(lm, VllmModel):
        for rows in kept:
            yield rows()
        return
    with closing(lm):
        yield from side_by_side.results(kept, max(1, lm.at_once // settings.batch_size))


def _batches_to_do(
    lm: LanguageModel,
    questions: Mapping[str, Sequence[Question]],
    builder: ContextBuilder,
    settings: Settings,
    extent: Mapping[str, int],
    prompting: Prompting,
) -> Iterator[tuple[str, Callable[[], list[dict]]]]:
    """The batches of `generate_answers` in their order: the name of each, and what makes its rows.

    They are the same whatever computes the model, and however many are under way at once.
    """
    for context, pool in questions.items():
        wanted = positions_to_answer(context, extent[context], pool, settings)
        size = WINDOW * settings.batch_size
        for start in range(0, len(wanted), size):
            items, left_out = [], []
            for position in range(start, min(start + size, len(pool))):
                question, place = pool[position], {"context": context, "position": position}
                shown = builder.context(question, context)
                if shown.passages is None:
                    left_out.append(place | left_out_row(question, shown))
                else:
                    items.append(_item(lm, question, shown, settings, prompting, place))
            name = f"{context}-{start:05d}"
            if any(row["position"] in wanted for row in left_out):
                yield f"{name}-left-out", partial(list, left_out)
            for number, batch in enumerate(_batches(items, settings)):
                if any(item.place["position"] in wanted for item in batch):
                    yield f"{name}-{number:03d}", partial(_answer, lm, batch, settings)


def positions_to_answer(
    context: str, test_size: int, questions: Sequence[Question], settings: Settings
) -> range:
    """The positions that must be answered where the first `test_size` are asked for.

    Raises StudyError when there are not so many questions.
    """
    if test_size > len(questions):
        raise StudyError(
            f"context {context}: {counted(test_size, 'question')} are asked for, there are only "
            f"{len(questions)}. Lower test_size."
        )
    return range(min(in_whole_batches(test_size, settings.batch_size), len(questions)))


def in_whole_batches(test_size: int, batch_size: int) -> int:
    """How many questions are answered and judged where `test_size` are asked for."""
    return -(-test_size // batch_size) * batch_size


def answer_batch(
    lm: LanguageModel,
    questions: Sequence[Question],
    passages: Sequence[Sequence[Passage]],
    max_new_tokens: int,
    prompting: Prompting = AS_USUAL,
) -> list[dict]:
    """Greedy answers to questions with given passages, in one batch and without a run folder.

    Raises StudyError as `generate_answers`.
    """
    settings = Settings(max_new_tokens, len(questions))
    items = [
        _item(lm, question, Context(tuple(shown)), settings, prompting, {})
        for question, shown in zip(questions, passages, strict=True)
    ]
    return _answer(lm, items, settings)


def draw_batch(
    lm: LanguageModel, asked: Sequence[tuple[Question, Prompting]], settings: Settings, draw: str
) -> list[dict]:
    """Answers without passages to questions of which each is asked in its own way, in one batch and
    without a run folder; `draw` names what is sampled. Raises StudyError as `generate_answers`."""
    place: dict[str, str | int] = {"context": draw}
    items = [_item(lm, one, Context(()), settings, prompting, place) for one, prompting in asked]
    return _answer(lm, items, settings)


def reply_batch(
    lm: LanguageModel, instructions: Sequence[tuple[str, str]], settings: Settings
) -> list[str]:
    """Replies to instructions that are no questions of a task, in one batch; each is (the name that
    its draws go by, text). Raises StudyError as `generate_answers`."""
    items = []
    for name, text in instructions:
        ids = prompts.instruction_prompt(lm.tokenizer, text)
        if len(ids) + settings.max_new_tokens > lm.max_length:
            raise StudyError(
                f"the prompt for '{name}' has {len(ids)} tokens, which with "
                f"{settings.max_new_tokens} new ones is above the window of {lm.name} "
                f"({lm.max_length}). Take a model with a larger one."
            )
        place = {"context": "instruction"}
        items.append(_Item(Question(name, text, ("",)), Context(()), (), ids, place))
    return [row["answer"] for row in _answer(lm, items, settings)]


# --- Rows ------------------------------------------------------------------------------------


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


def at_a_glance(answers: pd.DataFrame) -> pd.DataFrame:
    """One row per context: `left_out`, questions that cannot have it, and means over the others.

    `passages` are those in the prompt, fewer than `top_k` where the search found no more.
    """
    columns = ["answer_tokens", "truncated", "prompt_tokens", "passages", "dropped_passages"]
    columns += ["gold_in_context", "answer_in_context"]
    number = answers["passages"].map(len).where(answers["missing_reason"].isna())
    answers = answers.assign(passages=number).astype(dict.fromkeys(columns, float))
    by_context = answers.groupby("context", sort=False)
    left_out = by_context["missing_reason"].count().rename("left_out")
    return by_context[columns].mean().join(left_out)


def nothing_said(number: int) -> str:
    """A sentence on that many answers, all of which are empty."""
    return (
        f"all of {counted(number, 'answer')} are empty. The model ends before it says anything: "
        "its weights may be damaged, its training may have failed, or the prompt may not suit it. "
        "Scores of these answers tell nothing else."
    )


def run_metrics(answers: pd.DataFrame) -> dict[str, Any]:
    """What a run's `metrics.json` tells; of contexts without any text in an answer, a warning is
    also logged. A server may keep to itself how many answers were cut and
    what the tokens were: None."""
    import pandas as pd

    kinds = dict.fromkeys(["truncated", "prompt_tokens", "answer_tokens"], "Float64")
    answered = answers[answers["missing_reason"].isna()].astype(kinds)
    sums = answered[["prompt_tokens", "answer_tokens"]].sum(min_count=1)
    cut, lost = answered["truncated"].mean(), int(answers["lost"].sum())
    warnings = [
        f"{context}: {nothing_said(len(rows))}"
        for context, rows in answered.groupby("context", sort=False)
        if not rows["answer"].str.strip().any()
    ]
    for warning in warnings:
        _log.warning(warning)
    return {
        "answers": len(answered),
        "left_out": len(answers) - len(answered) - lost,
        **({"lost": lost} if lost else {}),
        **({"warnings": warnings} if warnings else {}),
        "truncated": None if cut is pd.NA else float(cut),
        **{name: None if value is pd.NA else int(value) for name, value in sums.items()},
    }


# --- Prompts and batches ---------------------------------------------------------------------


def _item(
    lm: LanguageModel,
    question: Question,
    context: Context,
    settings: Settings,
    prompting: Prompting,
    place: dict[str, str | int],
) -> _Item:
    """The question's prompt with as many of its passages, best first, as leave room for an answer.

    Whole passages are dropped, the question never is: StudyError when it does not fit alone.
    """
    passages = context.passages or ()
    if settings.max_context_tokens:
        passages = passages[: _within(lm, passages, settings.max_context_tokens)]
    if lm.kind == EXTRACTIVE:  # reads on in further windows, so that nothing is dropped
        read = _read(lm, question, passages, settings)
        ids = [token for window in read.windows for token in window.input_ids]
        return _Item(question, context, tuple(passages), ids, place)
    for number in range(len(passages), -1, -1):
        kept = passages[:number]
        shown = [(p.title, p.text) for p in in_prompt_order(kept, settings.passage_order)]
        ids = prompts.answer_prompt(lm.tokenizer, question.question, shown, prompting)
        if len(ids) + settings.max_new_tokens <= lm.max_length:
            return _Item(question, context, kept, ids, place)
    raise StudyError(
        f"question '{question.id}' has {len(ids)} tokens, which with {settings.max_new_tokens} new "
        f"ones is above the window of {lm.name} ({lm.max_length}). Shorten it or take it out."
    )


def fit_prompt(
    lm: LanguageModel,
    question: Question,
    passages: Sequence[Passage],
    settings: Settings,
    prompting: Prompting = AS_USUAL,
) -> list[int]:
    """Token ids of the prompt that is answered with these settings, as many of the passages (best
    first) in it as leave room for an answer. Raises StudyError as `generate_answers`."""
    return _item(lm, question, Context(tuple(passages)), settings, prompting, {}).ids


def _within(lm: LanguageModel, passages: Sequence[Passage], max_tokens: int) -> int:
    """How many passages, from the best on, have `max_tokens` together as a prompt lists them."""
    used = 0
    for number, passage in enumerate(passages):
        text = prompts.PASSAGE.format(number=1, title=passage.title, text=passage.text)
        used += len(lm.tokenizer.encode(f"{text}\n\n", add_special_tokens=False))
        if used > max_tokens:
            return number
    return len(passages)


def _batches(items: Iterable[_Item], settings: Settings) -> Iterator[list[_Item]]:
    """The batches of a window, longest prompts first: what is too large shows at once."""
    batch: list[_Item] = []
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


def _answer(lm: LanguageModel, items: Sequence[_Item], settings: Settings) -> list[dict]:
    """The rows of a batch. One that does not fit into memory is answered in halves."""
    from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size

    try:
        rows = (_pointed_at if lm.kind == EXTRACTIVE else _written)(lm, items, settings)
    except RuntimeError as error:
        if not should_reduce_batch_size(error):
            raise
        rows = None
    if rows is None:  # outside the handler: the error holds on to what filled the memory
        clear_device_cache(garbage_collection=True)
        if len(items) == 1:
            raise StudyError(
                f"question '{items[0].question.id}' with {len(items[0].ids)} tokens does not fit "
                f"into memory with {lm.name}, even alone. Lower top_k or max_context_tokens."
            )
        _log.warning("out of memory with %d questions at once; answering in halves", len(items))
        half = len(items) // 2
        return _answer(lm, items[:half], settings) + _answer(lm, items[half:], settings)
    return rows


def _pointed_at(lm: LanguageModel, items: Sequence[_Item], settings: Settings) -> list[dict]:
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


def _written(lm: LanguageModel, items: Sequence[_Item], settings: Settings) -> list[dict]:
    """The rows of a batch by a model that writes."""
    ends = end_tokens(lm)
    answers = _generate(lm, items, settings)
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


def _generate(lm: LanguageModel, items: Sequence[_Item], settings: Settings) -> list[list[int]]:
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
