"""Extractive readers: an encoder with a span head, which points at the answer in the passages.

The passages stand one after the other behind the question, in windows of at most 512 tokens that
share STRIDE tokens, as in the scripts of BERT (Devlin et al. 2019). The answer is the span with the
highest sum of its two scores over all windows, in the text's own letters; it lies in one passage
and has at most LONGEST tokens. Where the first token of each window, which stands for *no answer*,
scores higher than every span (SQuAD 2.0, threshold 0), the reader says NO_ANSWER.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rag_study.common.errors import StudyError
from rag_study.models.language_model import LanguageModel, forward, right_pad
from rag_study.models.prompts import clean

if TYPE_CHECKING:
    import torch

WINDOW, STRIDE, LONGEST, QUESTION = 512, 128, 30, 64  # tokens, after Devlin et al.
NO_ANSWER = "No answer found."  # a refusal by `evaluation.refusals`, in words that it knows

Passages = Sequence[tuple[str, str]]  # titles and texts


@dataclass(frozen=True)
class Window:
    """A piece of what is read: token ids, which part each belongs to (question 0, passages 1; None
    for models without), and for tokens of passages where they stand in the text, else None."""

    input_ids: list[int]
    token_type_ids: list[int] | None
    places: list[tuple[int, int] | None]


@dataclass(frozen=True)
class Reading:
    """A question's passages as one text, and the windows in which it is read. `starts` are the
    positions in the text at which passages begin."""

    text: str
    starts: tuple[int, ...]
    windows: tuple[Window, ...]

    @property
    def tokens(self) -> int:
        return sum(len(window.input_ids) for window in self.windows)


@dataclass(frozen=True)
class Span:
    """An answer, and of how many tokens; `score` is by how much it is above no answer (logits)."""

    text: str
    tokens: int
    score: float


def read(lm: LanguageModel, question: str, passages: Passages) -> Reading:
    """The windows of a question and its passages, as they come. No passages, no windows.

    Raises StudyError for a tokenizer that cannot say where its tokens stand in a text.
    """
    tokenizer = lm.tokenizer
    if not tokenizer.is_fast:
        raise StudyError(
            f"the tokenizer of '{lm.name}' does not say where its tokens stand in a text; an "
            "extractive reader needs one with a tokenizer.json."
        )
    pieces = [f"{clean(t, tokenizer)}\n{clean(p, tokenizer)}".strip() for t, p in passages]
    starts = tuple(sum(len(piece) + 2 for piece in pieces[:i]) for i in range(len(pieces)))
    text = "\n\n".join(pieces)
    if not text:
        return Reading("", (), ())
    encoded = tokenizer(
        _beginning(tokenizer, clean(question, tokenizer)),
        text,
        truncation="only_second",
        max_length=window_of(lm),
        stride=STRIDE if window_of(lm) >= 2 * STRIDE + QUESTION else 0,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    types = encoded.get("token_type_ids") or [None] * len(encoded["input_ids"])
    windows = [
        Window(ids, kinds, [p if of == 1 else None for p, of in zip(places, parts, strict=True)])
        for ids, kinds, places, parts in zip(
            encoded["input_ids"],
            types,
            encoded["offset_mapping"],
            map(encoded.sequence_ids, range(len(types))),
            strict=True,
        )
    ]
    return Reading(text, starts, tuple(windows))


def window_of(lm: LanguageModel) -> int:
    """Tokens that are read at once: at most WINDOW, and what the model has positions for (RoBERTa
    and its kin count them from behind the padding)."""
    longest = min(WINDOW, lm.max_length, lm.tokenizer.model_max_length)
    for name, module in lm.model.named_modules():
        if (
            name.endswith("position_embeddings")
            and getattr(module, "padding_idx", None) is not None
        ):
            longest = min(longest, module.num_embeddings - module.padding_idx - 1)
    return longest


def answers(lm: LanguageModel, readings: Sequence[Reading]) -> list[Span]:
    """The best span of each reading, all windows in one pass."""
    import torch

    windows = [window for reading in readings for window in reading.windows]
    if not windows:
        return [Span(NO_ANSWER, 0, 0.0) for _ in readings]
    batch = batch_of(windows, lm.tokenizer.pad_token_id)
    with torch.inference_mode():
        output = forward(lm.model, **{name: part.to(lm.device) for name, part in batch.items()})
    starts, ends = output.start_logits.float().cpu(), output.end_logits.float().cpu()
    found, first = [], 0
    for reading in readings:
        rows = range(first, first + len(reading.windows))
        found.append(_best(reading, [(starts[row], ends[row]) for row in rows]))
        first += len(reading.windows)
    return found


def batch_of(windows: Sequence[Window], pad_id: int) -> dict[str, torch.Tensor]:
    """Tensors of windows, (number, longest) each, padded on the right."""
    input_ids, mask = right_pad([window.input_ids for window in windows], pad_id)
    batch = {"input_ids": input_ids, "attention_mask": mask}
    if windows[0].token_type_ids is not None:
        batch["token_type_ids"] = right_pad([w.token_type_ids for w in windows], 0)[0]
    return batch


def place_of(reading: Reading, wordings: Sequence[str]) -> tuple[int, int] | None:
    """Where the first of the wordings that stands in the text does so first: (beginning, end), in
    letters. Case and blanks do not count, borders of words do where there are some."""
    for wording in filter(None, map(str.split, wordings)):
        letters = r"\s+".join(map(re.escape, wording))
        whole = rf"(?<!\w){letters}(?!\w)"
        # Scripts that set no blanks between words have no borders to look for.
        for pattern in (whole,) if "".join(wording).isascii() else (whole, letters):
            if found := re.search(pattern, reading.text, re.IGNORECASE):
                return found.span()
    return None


def tokens_at(window: Window, place: tuple[int, int] | None) -> tuple[int, int]:
    """First and last token of a place in the text; (0, 0), no answer, where it is not all in the
    window."""
    inside = [n for n, at in enumerate(window.places) if at and at[1] > at[0]]
    if place is None or not inside:
        return 0, 0
    begin, end = place
    if begin < window.places[inside[0]][0] or end > window.places[inside[-1]][1]:
        return 0, 0
    touched = [n for n in inside if window.places[n][1] > begin and window.places[n][0] < end]
    return (touched[0], touched[-1]) if touched else (0, 0)


def _best(reading: Reading, scores: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> Span:
    import torch

    best, nothing = Span(NO_ANSWER, 0, -torch.inf), torch.inf
    for window, (start, end) in zip(reading.windows, scores, strict=True):
        nothing = min(nothing, float(start[0] + end[0]))
        inside = [n for n, at in enumerate(window.places) if at and at[1] > at[0]]
        if not inside:
            continue
        passage = torch.tensor([bisect_right(reading.starts, window.places[n][0]) for n in inside])
        sums = start[inside][:, None] + end[inside][None, :]
        apart = torch.arange(len(inside))[None, :] - torch.arange(len(inside))[:, None]
        possible = (apart >= 0) & (apart < LONGEST) & (passage[:, None] == passage[None, :])
        place = int(sums.masked_fill(~possible, -torch.inf).argmax())
        first, last = divmod(place, len(inside))
        if float(sums[first, last]) > best.score:
            begin, finish = window.places[inside[first]][0], window.places[inside[last]][1]
            text = reading.text[begin:finish].strip()
            best = Span(text, last - first + 1, float(sums[first, last]))
    if not best.text or nothing > best.score:
        return Span(NO_ANSWER, 0, best.score - nothing)
    return Span(best.text, best.tokens, best.score - nothing)


def _beginning(tokenizer: Any, question: str) -> str:
    """As much of a question as QUESTION tokens hold."""
    places = tokenizer(question, add_special_tokens=False, return_offsets_mapping=True)
    places = places["offset_mapping"][:QUESTION]
    return question[: places[-1][1]] if places else question
