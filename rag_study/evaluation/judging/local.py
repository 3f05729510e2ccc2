"""A judge on this machine: any causal language model, in any precision, with an adapter or not."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rag_study.common.errors import StudyError
from rag_study.evaluation.criteria import Criterion
from rag_study.evaluation.judging import prompts as judging_prompts
from rag_study.evaluation.judging.judge import Item, Judge, Reading, expectation
from rag_study.models import prompts
from rag_study.models.language_model import (
    LanguageModel,
    decoding,
    end_tokens,
    forward,
    left_pad,
    positions,
)
from rag_study.models.memory import in_halves
from rag_study.models.sampling import item_seed

if TYPE_CHECKING:
    import torch

# A batch of its own takes four passes more. On a processor they cost as much as so many tokens of
# padding (about 45 ms each beside 0.5 ms a token, two threads, bfloat16).
PASSES_IN_TOKENS = 400
# Of several samples. Of one, the likeliest words are taken.
TEMPERATURE = 0.7

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Prompt:
    """A rendered item: as much of the candidate as fits, the token ids of the prefix that the
    criteria share, and of each criterion's ending."""

    candidate: str
    prefix: list[int]
    endings: dict[str, list[int]]
    cut: bool


class LocalJudge(Judge):
    """A causal language model that grades answers.

    With `reasoning_tokens` it first writes so many tokens of reasoning at most for each criterion,
    then comes to the same scoring position; `samples` of them are drawn (one: greedily), and their
    probabilities averaged. `trained`: it was trained to grade, and is told the criteria's
    `trained_rubric`; its score is then one of several pieces of evidence. Raises StudyError when
    the model's tokenizer has no five single tokens for the five digits, and for a criterion that a
    trained judge does not know.
    """

    def __init__(
        self,
        lm: LanguageModel,
        criteria: Sequence[Criterion],
        reasoning_tokens: int = 0,
        samples: int = 1,
        trained: bool = False,
    ):
        super().__init__(lm.name, criteria, weighs_evidence=trained)
        self._lm, self._trained = lm, trained
        unknown = [
            criterion.name for criterion in criteria if trained and not criterion.trained_rubric
        ]
        if unknown:
            raise StudyError(
                f"{lm.name} was trained to grade, and not by '{unknown[0]}': the criterion has no "
                "`trained_rubric`. Give it to a judge that reads the whole rubric."
            )
        self._reasoning_tokens, self._samples = reasoning_tokens, samples
        tuned = getattr(lm.model, "peft_config", {}).values()
        if any(config.is_prompt_learning for config in tuned):
            raise StudyError(
                f"{lm.name} cannot be a judge with this adapter: its virtual tokens would be read "
                "anew with every criterion. Use one that changes weights (LoRA and its kind)."
            )
        try:
            self._digits = judging_prompts.digit_tokens(lm.tokenizer)
        except ValueError as error:
            raise StudyError(f"{lm.name} cannot be a judge: {error}.") from error

    def _read(self, items: Sequence[Item]) -> dict[str, list[Reading]]:
        rendered = [self._prompt(item) for item in items]
        by_criterion: dict[str, list[Reading]] = {
            criterion.name: [Reading(None, missing=self._too_long)] * len(items)
            for criterion in self.criteria
        }
        fitting = [(n, prompt) for n, prompt in enumerate(rendered) if prompt is not None]
        for batch in _batches(fitting):
            numbers, some = zip(*batch, strict=True)
            read = self._reason if self._reasoning_tokens else self._read_batch
            for name, readings in self._in_memory(read, [items[n] for n in numbers], some):
                for n, reading in zip(numbers, readings, strict=True):
                    by_criterion[name][n] = replace(reading, cut=rendered[n].cut)
        return by_criterion

    # --- Prompts ---------------------------------------------------------------------------------

    @property
    def _too_long(self) -> str:
        return (
            f"question, reference and rubric do not fit into {self.name}'s window of "
            f"{self._lm.max_length} tokens"
        )

    def _rubric(self, criterion: Criterion, item: Item) -> str:
        if self._trained:
            return criterion.trained_rubric
        return judging_prompts.judge_rubric(criterion, item.passages or (), self._lm.tokenizer)

    def _prompt(self, item: Item) -> _Prompt | None:
        """The item's prompt, with as much of the candidate as fits; None where nothing would."""
        tokenizer, candidate, cut = self._lm.tokenizer, item.candidate, False
        while True:
            prefix, endings = judging_prompts.judge_prompt(
                tokenizer,
                item.question,
                item.reference,
                candidate,
                {criterion.name: self._rubric(criterion, item) for criterion in self.criteria},
            )
            longest = max(map(len, endings.values())) + self._reasoning_tokens
            excess = len(prefix) + longest - self._lm.max_length
            if excess <= 0:
                return _Prompt(candidate, prefix, endings, cut)
            ids = tokenizer.encode(candidate, add_special_tokens=False)
            if not candidate or excess >= len(ids):
                return None
            shorter = tokenizer.decode(ids[: len(ids) - excess])
            # Half a letter may come back as a sign of its own, as long as what was cut.
            candidate = shorter if len(shorter) < len(candidate) else candidate[: len(shorter) // 2]
            cut = True

    # --- One pass for the prefix, one for each criterion -----------------------------------------

    def _in_memory(
        self, read: Any, items: Sequence[Item], some: Sequence[_Prompt]
    ) -> list[tuple[str, list[Reading]]]:
        """What `read` gives for the batch; one that does not fit into memory is read in halves."""
        import torch

        def compute(pairs: Sequence[tuple[Item, _Prompt]]) -> list[tuple[str, list[Reading]]]:
            with torch.inference_mode():
                return list(read([item for item, _ in pairs], [prompt for _, prompt in pairs]))

        def too_large(pair: tuple[Item, _Prompt]) -> StudyError:
            return StudyError(
                f"an answer with {len(pair[1].prefix)} tokens does not fit into memory with the "
                f"judge {self.name}, even alone."
            )

        def warn(number: int) -> None:
            _log.warning("out of memory with %d answers at once; judging in halves", number)

        parts = in_halves(compute, list(zip(items, some, strict=True)), too_large, warn)
        return [
            (of_one[0][0], [reading for _, readings in of_one for reading in readings])
            for of_one in zip(*parts, strict=True)
        ]

    def _read_batch(
        self, items: Sequence[Item], some: Sequence[_Prompt]
    ) -> Iterator[tuple[str, list[Reading]]]:
        """(criterion, readings), all criteria from one cache of the prefixes, in which what all
        prefixes begin with (question and right answer, in a batch of one question) is read once."""
        import torch

        lm, pad = self._lm, self._lm.tokenizer.pad_token_id
        stem = _common(prompt.prefix for prompt in some) if len(some) > 1 else []
        cache, mask = None, torch.ones(len(some), len(stem), dtype=torch.long, device=lm.device)
        if stem:
            ids = torch.tensor([stem], device=lm.device)
            cache = forward(
                lm.model, input_ids=ids, use_cache=True, logits_to_keep=1
            ).past_key_values
            cache.batch_repeat_interleave(len(some))
        rest = [prompt.prefix[len(stem) :] for prompt in some]
        prefix, rest_mask = (t.to(lm.device) for t in left_pad(rest, pad))
        mask = _joined(mask, rest_mask)
        cache = forward(
            lm.model,
            input_ids=prefix,
            attention_mask=mask,
            position_ids=positions(mask)[:, len(stem) :],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).past_key_values
        for criterion in self.criteria:
            # Endings with passages in them differ in length: masked places before them fill up.
            ending, ending_mask = left_pad([prompt.endings[criterion.name] for prompt in some], pad)
            ending, whole = ending.to(lm.device), _joined(mask, ending_mask.to(lm.device))
            width = ending.shape[1]
            logits = forward(
                lm.model,
                input_ids=ending,
                attention_mask=whole,
                position_ids=positions(whole)[:, -width:],
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]
            cache.crop(-width)  # back to the shared prefix for the next criterion
            yield criterion.name, self._readings(logits)

    def _readings(self, logits: torch.Tensor) -> list[Reading]:
        """From logits (batch, vocabulary) at the place of the digit."""
        digits = logits.double().softmax(dim=-1)[:, self._digits]
        mass = digits.sum(dim=-1)
        return [
            Reading(tuple(p), m)
            for p, m in zip((digits / mass[:, None]).tolist(), mass.tolist(), strict=True)
        ]

    # --- Reasoning -------------------------------------------------------------------------------

    def _reason(
        self, items: Sequence[Item], some: Sequence[_Prompt]
    ) -> Iterator[tuple[str, list[Reading]]]:
        """(criterion, readings) after the model's own reasoning, ending where it would score."""
        tokenizer = self._lm.tokenizer
        for criterion in self.criteria:
            texts = [
                judging_prompts.reasoning_text(
                    tokenizer,
                    item.question,
                    item.reference,
                    prompt.candidate,
                    self._rubric(criterion, item),
                )
                for item, prompt in zip(items, some, strict=True)
            ]
            prompt_ids = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
            drawn: list[list[Reading]] = []
            reasonings: list[list[str]] = []
            for sample in range(self._samples):
                seeds = [item_seed(sample, criterion.name, item.candidate) for item in items]
                reasonings.append(self._generate(prompt_ids, seeds))
                scored = [
                    tokenizer.encode(
                        f"{text}{reasoning}\n{prompts.JUDGE_REPLY}", add_special_tokens=False
                    )
                    + judging_prompts.digit_lead(tokenizer)
                    for text, reasoning in zip(texts, reasonings[-1], strict=True)
                ]
                drawn.append(self._at_the_end(scored))
            yield (
                criterion.name,
                [
                    averaged(of_item, texts)
                    for of_item, texts in zip(
                        zip(*drawn, strict=True), zip(*reasonings, strict=True), strict=True
                    )
                ],
            )

    def _generate(self, prompt_ids: Sequence[list[int]], seeds: Sequence[int]) -> list[str]:
        """Reasoning for each prompt, up to where the model itself would name a score."""
        lm = self._lm
        ids, mask = left_pad(prompt_ids, lm.tokenizer.pad_token_id)
        options: dict[str, Any] = {}
        if self._samples > 1:
            from rag_study.models.sampling import SeededSampling

            options["logits_processor"] = [SeededSampling(TEMPERATURE, 1.0, seeds)]
        output = lm.model.generate(
            input_ids=ids.to(lm.device),
            attention_mask=mask.to(lm.device),
            max_new_tokens=self._reasoning_tokens,
            **decoding(lm),
            **options,
        )[:, ids.shape[1] :].tolist()
        texts = []
        for new in output:
            length = next((i for i, token in enumerate(new) if token in end_tokens(lm)), len(new))
            texts.append(lm.tokenizer.decode(new[:length], skip_special_tokens=True))
        return [text.split(prompts.JUDGE_REPLY)[0].strip() for text in texts]

    def _at_the_end(self, sequences: Sequence[list[int]]) -> list[Reading]:
        lm = self._lm
        ids, mask = (t.to(lm.device) for t in left_pad(sequences, lm.tokenizer.pad_token_id))
        output = forward(
            lm.model,
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions(mask),
            use_cache=False,
            logits_to_keep=1,
        )
        return self._readings(output.logits[:, -1])


def averaged(readings: Sequence[Reading], texts: Sequence[str]) -> Reading:
    """Several samples of one score as one reading; those without a score are left out."""
    scored = [reading for reading in readings if reading.probabilities is not None]
    if not scored:
        return replace(readings[0], reasoning=tuple(texts))
    masses = [reading.mass for reading in scored]
    return Reading(
        tuple(sum(p) / len(scored) for p in zip(*(r.probabilities for r in scored), strict=True)),
        sum(masses) / len(masses),
        max((reading.outside for reading in scored if reading.outside is not None), default=None),
        reasoning=tuple(texts),
        samples=tuple(expectation(reading.probabilities) for reading in scored),
    )


def _batches(prompts: Sequence[tuple[int, _Prompt]]) -> Iterator[list[tuple[int, _Prompt]]]:
    """The prompts in batches, longest first, split where that saves more padding than it costs; the
    same for the same prompts."""
    batch: list[tuple[int, _Prompt]] = []
    in_order = sorted(prompts, key=lambda pair: -len(pair[1].prefix))
    for place, (number, prompt) in enumerate(in_order):
        shorter = len(batch[0][1].prefix) - len(prompt.prefix) if batch else 0
        if shorter * (len(in_order) - place) > PASSES_IN_TOKENS:
            yield batch
            batch = []
        batch.append((number, prompt))
    if batch:
        yield batch


def _common(prefixes: Iterable[list[int]]) -> list[int]:
    """The tokens that all begin with, of each at most all but the last one."""
    every = [prefix[:-1] for prefix in prefixes]
    different = (i for i, tokens in enumerate(zip(*every, strict=False)) if len(set(tokens)) > 1)
    return every[0][: next(different, min(map(len, every)))]


def _joined(*masks: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.cat(masks, dim=1)
