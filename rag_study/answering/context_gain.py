"""The context gain: what passages add to the likelihood of the reference answer.

It shows what passages are worth to a model without generating and without a right or wrong: a
question's log-likelihood of its reference answer with passages less that without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from rag_study.answering.batch import Settings, make_item
from rag_study.answering.contexts import Context, ContextBuilder
from rag_study.common.errors import StudyError
from rag_study.data.schema import Question
from rag_study.models import prompts
from rag_study.models.language_model import LanguageModel
from rag_study.models.likelihood import log_likelihoods
from rag_study.models.prompts import AS_USUAL, Prompting
from rag_study.retrieval.passage import Passage


def reference_log_likelihood(
    lm: LanguageModel,
    questions: Sequence[Question],
    passages: Sequence[Sequence[Passage]],
    settings: Settings,
    prompting: Prompting = AS_USUAL,
) -> list[float]:
    """Mean log-likelihood per token (nats) of each question's reference answer.

    The prompt is the one that is answered with these `settings`: the same passages (best first) in
    the same order, and as many fewer where the window is too short. Only a reference longer than
    `max_new_tokens` can cost a further one. The reference follows as it does in training, but its
    end token is not scored: when to stop is style. Tokens are the model's own, so compare states
    of one model. Results do not depend on the batch size beyond rounding.

    Raises StudyError for a question that does not fit into the window with its reference.
    """
    sequences = []
    for question, shown in zip(questions, passages, strict=True):
        reference = prompts.completion(lm.tokenizer, question.reference)[:-1]
        if not reference:
            raise StudyError(f"question '{question.id}': no text is left of its reference answer.")
        room = replace(settings, max_new_tokens=max(settings.max_new_tokens, len(reference)))
        prompt = make_item(lm, question, Context(tuple(shown)), room, prompting, {}).ids
        # Behind reasoning that the template has opened, once that is closed.
        close = prompts.opened_by(lm.tokenizer, prompt)
        lead = lm.tokenizer.encode(f"{close}\n\n", add_special_tokens=False) if close else []
        sequences.append((prompt + lead + reference, len(reference)))
    means = [0.0] * len(sequences)
    by_length = sorted(range(len(sequences)), key=lambda i: len(sequences[i][0]))  # little padding
    for start in range(0, len(by_length), settings.batch_size):
        batch = by_length[start : start + settings.batch_size]
        totals = log_likelihoods(lm, [sequences[i] for i in batch])
        for i, total in zip(batch, totals, strict=True):
            means[i] = total / sequences[i][1]
    return means


def with_reference(
    lm: LanguageModel,
    answers: pd.DataFrame,
    questions: Mapping[str, Sequence[Question]],
    builder: ContextBuilder,
    settings: Settings,
    prompting: Prompting = AS_USUAL,
) -> pd.DataFrame:
    """The answers with a column `reference_log_likelihood` for the contexts in `questions`;
    missing where a question was left out. See `reference_log_likelihood`."""
    likelihoods = {}
    for context, pool in questions.items():
        rows = answers[(answers["context"] == context) & answers["missing_reason"].isna()]
        chosen = [pool[position] for position in rows["position"]]
        passages = [builder.context(question, context).passages for question in chosen]
        values = reference_log_likelihood(lm, chosen, passages, settings, prompting)
        likelihoods |= dict(zip(rows.index, values, strict=True))
    return answers.assign(reference_log_likelihood=pd.Series(likelihoods, dtype=float))
