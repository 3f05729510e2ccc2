"""Answers of a model behind a server, asked with the same messages as a local model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from rag_study.answering import generation
from rag_study.answering.contexts import Context, ContextBuilder, in_prompt_order
from rag_study.answering.generation import Settings
from rag_study.answering.rows import answer_row, left_out_row, lost_row
from rag_study.common.errors import StudyError
from rag_study.common.reasoning import answer_in
from rag_study.common.run_folder import RunFolder
from rag_study.common.wording import counted
from rag_study.data.schema import Question
from rag_study.models import prompts, sampling
from rag_study.models.endpoint import Endpoint, clean
from rag_study.models.prompts import AS_USUAL, Prompting
from rag_study.models.server_errors import QuestionRefused
from rag_study.models.session import Session
from rag_study.retrieval.passage import Passage


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
    after the answers under way are in, and the next run asks for the rest only. A question that the
    server refuses alone has a row without an answer, with the reason. Raises StudyError when it
    refuses every one.
    """
    if settings.max_context_tokens:
        raise StudyError(
            f"max_context_tokens needs the model's tokenizer, which {endpoint.url} does not give. "
            "Set it to 0 and limit the passages with top_k and chunk_size."
        )
    reasons, answered = [], 0
    with Session(endpoint) as session:
        pending = []
        for context, context_questions in questions.items():
            wanted = generation.positions_to_answer(
                context, extent[context], context_questions, settings
            )
            for position in wanted:
                answer = partial(
                    _answer,
                    session,
                    context_questions[position],
                    builder.context(context_questions[position], context),
                    settings,
                    prompting,
                    {"context": context, "position": position},
                )
                name = f"{context}-{position:05d}"
                pending.append(session.submit(folder.part, name, answer))
        for start in range(0, len(pending), settings.batch_size):
            batch = pending[start : start + settings.batch_size]
            rows = [row for future in batch for row in future.result()]
            reasons += [row["missing_reason"] for row in rows if row["lost"]]
            answered += sum(row["missing_reason"] is None for row in rows)
            yield rows
    if reasons and not answered:
        raise StudyError(
            f"{endpoint.name} answered none of {counted(len(reasons), 'question')}: "
            f"{reasons[0]}. When the "
            f"server has changed, delete {folder.path} to ask again."
        )


def answer_batch(
    session: Session,
    questions: Sequence[Question],
    passages: Sequence[Sequence[Passage]],
    max_new_tokens: int,
    prompting: Prompting = AS_USUAL,
) -> list[dict]:
    """Answers to questions with given passages, without a run folder; of those that the server
    refuses alone the rows have no answer. Raises StudyError when it refuses all."""
    pending = [
        session.submit(
            _answer,
            session,
            question,
            Context(tuple(shown)),
            Settings(max_new_tokens),
            prompting,
            {"context": "given"},
        )
        for question, shown in zip(questions, passages, strict=True)
    ]
    return [row for future in pending for row in future.result()]


def draw_batch(
    session: Session, asked: Sequence[tuple[Question, Prompting]], settings: Settings, draw: str
) -> list[dict]:
    """As `generation.draw_batch`; of questions that the server refuses alone the rows have no
    answer."""
    place: dict[str, str | int] = {"context": draw}
    pending = [
        session.submit(_answer, session, one, Context(()), settings, prompting, place)
        for one, prompting in asked
    ]
    return [row for future in pending for row in future.result()]


def _answer(
    session: Session,
    question: Question,
    context: Context,
    settings: Settings,
    prompting: Prompting,
    place: dict[str, str | int],
) -> list[dict]:
    """The row of one question, in a list as `RunFolder.part` takes it.

    Where the prompt is too long for the server's model, whole passages are dropped, the worst
    first, as for a model on this machine.
    """
    if context.passages is None:
        row = left_out_row(question, context)
        return [{**place, **row, "served_model": None}]
    seed = sampling.item_seed(settings.seed, str(place["context"]), question.id)
    kept = context.passages
    while True:
        messages = _messages(question, in_prompt_order(kept, settings.passage_order), prompting)
        try:
            completion = session.complete(
                messages, settings.max_new_tokens, settings.temperature, settings.top_p, seed
            )
        except QuestionRefused as refusal:
            if refusal.too_long and kept:
                kept = kept[:-1]
                continue
            row = lost_row(question, context, str(refusal))
            return [{**place, **row, "served_model": None}]
        text, cut = answer_in(completion.text)
        row = answer_row(
            question,
            context,
            kept,
            text,
            completion.completion_tokens,
            1 if cut else completion.truncated,
            completion.prompt_tokens,
        )
        return [{**place, **row, "served_model": completion.served_model}]


def _messages(
    question: Question, shown: Sequence[Passage], prompting: Prompting
) -> list[dict[str, str]]:
    return prompts.answer_messages(
        clean(question.question),
        [(clean(p.title), clean(p.text)) for p in shown],
        Prompting(prompting.name, tuple((clean(q), clean(a)) for q, a in prompting.examples)),
    )
