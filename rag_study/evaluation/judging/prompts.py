"""The prompt of a judge, and the tokens of the five grades in it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rag_study.evaluation.criteria import DEFAULT, PASSAGES, find_all
from rag_study.models.prompts import (
    JUDGE_PREFIX,
    JUDGE_REASONING,
    JUDGE_REPLY,
    JUDGE_SYSTEM,
    PASSAGE,
    clean,
    render_closed,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transformers import PreTrainedTokenizerBase

    from rag_study.evaluation.criteria import Criterion


# What a judge that was trained to grade is told: it has learned the rubric.
TRAINED_CRITERIA = {criterion.name: criterion.trained_rubric for criterion in find_all(DEFAULT)}


_MARKER = "\u241e"  # a symbol that no data holds; splits the rendered chat between its parts


def judge_prompt(
    tokenizer: PreTrainedTokenizerBase,
    question: str,
    reference: str,
    candidate: str,
    rubrics: Mapping[str, str] | None = None,
) -> tuple[list[int], dict[str, list[int]]]:
    """(token ids of the prefix that all criteria share, token ids of each criterion's ending).

    Prefix and ending together are the tokens of `judge_text` as a whole. The ending closes the
    user's turn and opens the reply up to where the digit comes. `rubrics`, by the criteria's names,
    are as `judge_rubric` gives them; left out: accuracy and completeness.
    """
    if rubrics is None:
        rubrics = {criterion.name: criterion.rubric for criterion in find_all(DEFAULT)}
    beginning = _beginning(tokenizer, question, reference, candidate)
    texts = [beginning + _ending(tokenizer, rubric) for rubric in rubrics.values()]
    lead = digit_lead(tokenizer)
    whole = [[*tokenizer.encode(text, add_special_tokens=False), *lead] for text in texts]
    # The last token of the beginning may become another one before what follows.
    alone = tokenizer.encode(beginning, add_special_tokens=False)
    shared = next(
        (i for i, tokens in enumerate(zip(alone, *whole, strict=False)) if len(set(tokens)) > 1),
        min(map(len, (alone, *whole))),
    )
    endings = {name: ids[shared:] for name, ids in zip(rubrics, whole, strict=True)}
    return alone[:shared], endings


def judge_text(
    tokenizer: PreTrainedTokenizerBase, question: str, reference: str, candidate: str, rubric: str
) -> str:
    """The prompt as text, up to "Score:" in the reply; the tokens of `digit_lead` follow it.

    Judges here and judges on servers are asked with the tokens of this one text.
    """
    return _beginning(tokenizer, question, reference, candidate) + _ending(tokenizer, rubric)


def reasoning_text(
    tokenizer: PreTrainedTokenizerBase, question: str, reference: str, candidate: str, rubric: str
) -> str:
    """The prompt as text, up to where a judge that reasons begins to write."""
    _, after = judge_frame(tokenizer)
    beginning = _beginning(tokenizer, question, reference, candidate)
    return f"{beginning}{rubric}\n{JUDGE_REASONING}{after}"


def _beginning(
    tokenizer: PreTrainedTokenizerBase, question: str, reference: str, candidate: str
) -> str:
    before, _ = judge_frame(tokenizer)
    return before + judge_prefix(question, reference, candidate, tokenizer)


def _ending(tokenizer: PreTrainedTokenizerBase, rubric: str) -> str:
    _, after = judge_frame(tokenizer)
    return f"{rubric}{after}{JUDGE_REPLY}"


@lru_cache(maxsize=8)
def judge_frame(tokenizer: PreTrainedTokenizerBase) -> tuple[str, str]:
    """What the chat template writes before the judge's prompt, and between it and the reply."""
    messages = [{"role": "system", "content": JUDGE_SYSTEM}, {"role": "user", "content": _MARKER}]
    before, after = render_closed(tokenizer, messages).split(_MARKER)
    return before, after


def judge_prefix(question: str, reference: str, candidate: str, tokenizer: Any) -> str:
    """The part of the judge's prompt that all criteria share, without control tokens.

    No candidate can close the fence around it: runs of three and more angle brackets are taken out.
    """
    return JUDGE_PREFIX.format(
        question=clean(question, tokenizer),
        reference=clean(reference, tokenizer),
        candidate=re.sub(r"[<>]{3,}", "", clean(candidate, tokenizer)) or "(no answer)",
    )


def judge_rubric(criterion: Criterion, passages: Sequence[tuple[str, str]], tokenizer: Any) -> str:
    """The rubric of a criterion, with the (title, text) passages in it where it wants them."""
    if not criterion.needs_passages:
        return criterion.rubric
    listed = "\n\n".join(
        PASSAGE.format(number=number, title=clean(title, tokenizer), text=clean(text, tokenizer))
        for number, (title, text) in enumerate(passages, start=1)
    )
    return criterion.rubric.replace(PASSAGES, listed or "(none)")


@lru_cache(maxsize=8)
def digit_lead(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Tokens between "Score:" and the digit (in many tokenizers a space of its own)."""
    return _digit_tokens(tokenizer)[0]


def digit_tokens(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Token ids of the digits 1 to 5 in the scoring position: five distinct single tokens.

    Raises ValueError for a tokenizer that has no such tokens; it cannot serve as a judge's.
    """
    return _digit_tokens(tokenizer)[1]


def _digit_tokens(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    stem = tokenizer.encode(JUDGE_REPLY, add_special_tokens=False)
    tails = []
    for digit in "12345":
        ids = tokenizer.encode(f"{JUDGE_REPLY} {digit}", add_special_tokens=False)
        if ids[: len(stem)] != stem or len(ids) == len(stem):
            raise ValueError(f"the tokenizer merges '{JUDGE_REPLY}' with the digit {digit}")
        tails.append(ids[len(stem) :])
    leads = {tuple(tail[:-1]) for tail in tails}
    digits = [tail[-1] for tail in tails]
    if len(leads) != 1 or len(set(digits)) != 5:
        raise ValueError(f"the digits 1 to 5 are not five single tokens here: {tails}")
    return list(leads.pop()), digits
