"""Answers in batches, one context condition (contexts.py) at a time.

Prompts of about the same length are answered together. For this the pool of questions is cut into
windows of consecutive positions, the prompts of a window are sorted by length, longest first, and
batches are filled in this order. Windows and batches depend on the pool alone, never on how many
questions are asked for, so a run that was killed and resumed, enlarged or done at once answers the
same batches and writes the same bytes (thread count fixed).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from rag_study.answering.batch import Item, Settings, answer_items, fill_batches, make_item
from rag_study.answering.contexts import Context, ContextBuilder
from rag_study.answering.rows import left_out_row
from rag_study.common import side_by_side
from rag_study.common.errors import StudyError
from rag_study.common.run_folder import RunFolder
from rag_study.common.wording import counted
from rag_study.data.schema import Question
from rag_study.models import prompts
from rag_study.models.language_model import LanguageModel
from rag_study.models.prompts import AS_USUAL, Prompting
from rag_study.models.vllm_model import VllmModel
from rag_study.retrieval.passage import Passage

if TYPE_CHECKING:
    import pandas as pd

# Batches per window. Larger windows leave less padding, but more is answered beyond what a study
# asks for. Computed tokens over needed ones, for prompts whose lengths spread by 30 %, on average
# over test sizes of 16-120 and of 120-500, batches of 8: file order 1.50 and 1.44, windows of 2
# batches 1.41 and 1.29, of 4 1.50 and 1.20, of 8 1.81 and 1.19.
WINDOW = 2

_log = logging.getLogger(__name__)


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
    see `rows.answer_row` and `rows.left_out_row`; before them stand context and position (in the
    pool). Raises StudyError for a question that does not fit into the window, and when even one
    question does not fit into memory. A server of the model's own is ended with the last batch.
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
                    items.append(make_item(lm, question, shown, settings, prompting, place))
            name = f"{context}-{start:05d}"
            if any(row["position"] in wanted for row in left_out):
                yield f"{name}-left-out", partial(list, left_out)
            for number, batch in enumerate(fill_batches(items, settings)):
                if any(item.place["position"] in wanted for item in batch):
                    yield f"{name}-{number:03d}", partial(answer_items, lm, batch, settings)


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
        make_item(lm, question, Context(tuple(shown)), settings, prompting, {})
        for question, shown in zip(questions, passages, strict=True)
    ]
    return answer_items(lm, items, settings)


def draw_batch(
    lm: LanguageModel, asked: Sequence[tuple[Question, Prompting]], settings: Settings, draw: str
) -> list[dict]:
    """Answers without passages to questions of which each is asked in its own way, in one batch and
    without a run folder; `draw` names what is sampled. Raises StudyError as `generate_answers`."""
    place: dict[str, str | int] = {"context": draw}
    items = [
        make_item(lm, one, Context(()), settings, prompting, place) for one, prompting in asked
    ]
    return answer_items(lm, items, settings)


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
        items.append(Item(Question(name, text, ("",)), Context(()), (), ids, place))
    return [row["answer"] for row in answer_items(lm, items, settings)]


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
