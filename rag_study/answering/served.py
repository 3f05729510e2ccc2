"""Answers of a model behind a server, asked with the same messages as a local model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from rag_study.answering import generation
from rag_study.answering.contexts import Context, ContextBuilder, in_prompt_order
from rag_study.answering.generation import Settings
from rag_study.common.errors import StudyError
from rag_study.common.reasoning import answer_in
from rag_study.common.run_folder import RunFolder
from rag_study.data.schema import Question
from rag_study.models import prompts, sampling
from rag_study.models.endpoint import Endpoint, clean
from rag_study.models.prompts import AS_USUAL, Prompting

if TYPE_CHECKING:
    from openai import OpenAI


def generate_answers(
    endpoint: Endpoint,
    questions: Mapping[str, Sequence[Question]],
    builder: ContextBuilder,
    settings: Settings,
    extent: Mapping[str, int],
    folder: RunFolder,
    prompting: Prompting = AS_USUAL,
) -> Iterator[list[dict]]:
    """As `generation.generate_answers`, with the answers of a server; the rows have its name for
    the model, `served_model`, besides.

    Every answer is kept in `folder` at once: when the server fails for good, the StudyError comes
    after the answers under way are in, and the next run asks for the rest only.
    """
    if settings.max_context_tokens:
        raise StudyError(
            f"max_context_tokens needs the model's tokenizer, which {endpoint.url} does not give. "
            "Set it to 0 and limit the passages with top_k and chunk_size."
        )
    with endpoint.session() as (client, pool):
        pending = []
        for context, context_questions in questions.items():
            wanted = generation.positions_to_answer(
                context, extent[context], context_questions, settings
            )
            for position in wanted:
                answer = partial(
                    _answer,
                    endpoint,
                    client,
                    context_questions[position],
                    builder.context(context_questions[position], context),
                    settings,
                    prompting,
                    {"context": context, "position": position},
                )
                name = f"{context}-{position:05d}"
                pending.append(pool.submit(folder.part, name, answer))
        for start in range(0, len(pending), settings.batch_size):
            batch = pending[start : start + settings.batch_size]
            yield [row for future in batch for row in future.result()]


def _answer(
    endpoint: Endpoint,
    client: OpenAI,
    question: Question,
    context: Context,
    settings: Settings,
    prompting: Prompting,
    place: dict[str, str | int],
) -> list[dict]:
    """The row of one question, in a list as `RunFolder.part` takes it."""
    if context.passages is None:
        row = generation.left_out_row(question, context)
        return [{**place, **row, "served_model": None}]
    shown = in_prompt_order(context.passages, settings.passage_order)
    messages = prompts.answer_messages(
        clean(question.question),
        [(clean(p.title), clean(p.text)) for p in shown],
        Prompting(prompting.name, tuple((clean(q), clean(a)) for q, a in prompting.examples)),
    )
    seed = sampling.item_seed(settings.seed, str(place["context"]), question.id)
    completion = endpoint.complete(
        client, messages, settings.max_new_tokens, settings.temperature, settings.top_p, seed
    )
    text, cut = answer_in(completion.text)
    row = generation.answer_row(
        question,
        context,
        context.passages,
        text,
        completion.completion_tokens,
        1 if cut else completion.truncated,
        completion.prompt_tokens,
    )
    return [{**place, **row, "served_model": completion.served_model}]
