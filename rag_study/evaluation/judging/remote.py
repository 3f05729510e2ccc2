"""A judge behind an OpenAI-compatible server, which must tell log-probabilities.

Two ways to ask. With the model's tokenizer the prompt is rendered here as for a local judge, and
a *completion* of one token is asked for: the same place in the same prompt. Without it, a *chat*
whose reply is one token. A server tells the likeliest tokens only; what the digits may have beyond
these is bounded and recorded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rag_study.common.errors import StudyError
from rag_study.evaluation.criteria import Criterion
from rag_study.evaluation.judging import prompts as judging_prompts
from rag_study.evaluation.judging.judge import Item, Judge, Reading
from rag_study.evaluation.judging.local import TEMPERATURE, averaged
from rag_study.models import prompts
from rag_study.models.endpoint import CHAT, COMPLETIONS, CONTROL, Endpoint
from rag_study.models.sampling import item_seed

if TYPE_CHECKING:
    from openai import OpenAI
    from transformers import PreTrainedTokenizerBase

# OpenAI's and vLLM's most.
TOP_TOKENS = 20
# With less, the reply is more likely than not something else than a digit.
MIN_MASS = 0.5
# A digit may be a token by itself and one with a space before it.
_TOKENS_OF_DIGITS = 10


class EndpointJudge(Judge):
    """A model on a server that grades answers.

    A score whose digits have less than `min_mass` of the probability is missing, with this reason.
    `reasoning_tokens` and `samples` as in `LocalJudge`. Scoring raises StudyError when the server
    tells no log-probabilities, and as `Endpoint.ask`.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        criteria: Sequence[Criterion],
        tokenizer: PreTrainedTokenizerBase | None = None,
        reasoning_tokens: int = 0,
        samples: int = 1,
        min_mass: float = MIN_MASS,
    ):
        super().__init__(endpoint.name, criteria)
        self._endpoint, self._tokenizer, self._min_mass = endpoint, tokenizer, min_mass
        self._reasoning_tokens, self._samples = reasoning_tokens, samples
        if tokenizer is not None:
            try:
                judging_prompts.digit_tokens(tokenizer)
            except ValueError as error:
                raise StudyError(f"{endpoint.name} cannot be a judge: {error}.") from error

    def _read(self, items: Sequence[Item]) -> dict[str, list[Reading]]:
        with self._endpoint.session() as (client, pool):
            pending = {
                criterion.name: [pool.submit(self._ask, client, item, criterion) for item in items]
                for criterion in self.criteria
            }
            return {
                name: [future.result() for future in futures] for name, futures in pending.items()
            }

    def _ask(self, client: OpenAI, item: Item, criterion: Criterion) -> Reading:
        if criterion.needs_passages and not item.passages:
            return Reading(None)  # never shown: see `Judge.score`
        drawn = [self._sample(client, item, criterion, n) for n in range(self._samples)]
        if not self._reasoning_tokens:
            return drawn[0][0]
        return averaged([reading for reading, _ in drawn], [text for _, text in drawn])

    def _sample(
        self, client: OpenAI, item: Item, criterion: Criterion, number: int
    ) -> tuple[Reading, str]:
        """One score, and the reasoning before it ("" without)."""
        reasoning = ""
        if self._tokenizer is not None:
            tokenizer = self._tokenizer
            before, after = judging_prompts.judge_frame(tokenizer)
            text = (
                before
                + judging_prompts.judge_prefix(
                    item.question, item.reference, item.candidate, tokenizer
                )
                + judging_prompts.judge_rubric(criterion, item.passages or (), tokenizer)
            )
            if self._reasoning_tokens:
                text += f"\n{prompts.JUDGE_REASONING}{after}"
                fields = {"prompt": text, **self._drawing(item, criterion, number, COMPLETIONS)}
                reply = self._endpoint.ask(client, fields, COMPLETIONS)
                reasoning = _until_score(reply["choices"][0]["text"])
                text += f"{reasoning}\n"
            else:
                text += after
            lead = tokenizer.decode(judging_prompts.digit_lead(tokenizer))
            # Reasoning ends at the place where the reply begins without it: "Score:".
            return self._completion(client, f"{text}{prompts.JUDGE_REPLY}{lead}"), reasoning
        prefix = judging_prompts.judge_prefix(
            item.question, item.reference, item.candidate, CONTROL
        )
        rubric = judging_prompts.judge_rubric(criterion, item.passages or (), CONTROL)
        messages = [
            {"role": "system", "content": prompts.JUDGE_SYSTEM},
            {"role": "user", "content": prefix + rubric},
        ]
        if self._reasoning_tokens:
            messages[1]["content"] += f"\n{prompts.JUDGE_REASONING}"
            fields = {"messages": messages, **self._drawing(item, criterion, number, CHAT)}
            message = self._endpoint.ask(client, fields)["choices"][0]["message"]
            reasoning = _until_score(message.get("content") or "")
            messages += [
                {"role": "assistant", "content": reasoning},
                {"role": "user", "content": prompts.JUDGE_AFTER_REASONING},
            ]
        return self._chat(client, messages), reasoning

    def _drawing(
        self, item: Item, criterion: Criterion, number: int, route: str
    ) -> dict[str, int | float]:
        """Fields of a request for reasoning."""
        fields: dict[str, int | float] = self._endpoint.limit(self._reasoning_tokens, route)
        fields["temperature"] = 0
        if self._samples > 1:
            fields["temperature"] = TEMPERATURE
            fields["seed"] = item_seed(number, criterion.name, item.candidate) % 2**31
        return fields

    def _completion(self, client: OpenAI, prompt: str) -> Reading:
        fields = {"prompt": prompt, "temperature": 0, "logprobs": TOP_TOKENS}
        fields |= self._endpoint.limit(1, COMPLETIONS)
        reply = self._endpoint.ask(client, fields, COMPLETIONS)
        try:
            alternatives = reply["choices"][0]["logprobs"]["top_logprobs"][0]
            top = [(str(token), float(value)) for token, value in alternatives.items()]
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            top = []
        return self._reading(top)

    def _chat(self, client: OpenAI, messages: Sequence[Mapping[str, str]]) -> Reading:
        fields: dict[str, Any] = {"messages": messages, "temperature": 0, "logprobs": True}
        fields |= {"top_logprobs": TOP_TOKENS} | self._endpoint.limit(1)
        reply = self._endpoint.ask(client, fields)
        try:
            top_logprobs = reply["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
            top = [(str(entry["token"]), float(entry["logprob"])) for entry in top_logprobs]
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            top = []
        return self._reading(top)

    def _reading(self, top: Sequence[tuple[str, float]]) -> Reading:
        if len(top) < 2:
            raise StudyError(
                f"{self.name} tells no log-probabilities of its tokens, so it cannot be a judge: "
                "a score is read off the probabilities of the digits 1 to 5. Ask a server that has "
                f"them (vLLM, llama.cpp, OpenAI), with at least {TOP_TOKENS} tokens a place."
            )
        return read_top_tokens(top, self._min_mass)


def read_top_tokens(top: Sequence[tuple[str, float]], min_mass: float = MIN_MASS) -> Reading:
    """A reading from the likeliest (token, natural log-probability) of a place.

    A digit's probability is that of its tokens with and without a space. `outside` bounds what the
    digits have beyond `top`: each token that is not told has at most the least probability that is,
    and all of them together what is left of 1.
    """
    probabilities, n_digits = [0.0] * 5, 0
    for token, value in top:
        text = token.replace("\u2581", " ").replace("\u0120", " ").strip()
        if text in ("1", "2", "3", "4", "5"):
            probabilities[int(text) - 1] += math.exp(value)
            n_digits += 1
    masses = [math.exp(value) for _, value in top]
    left = max(0.0, 1.0 - sum(masses))
    outside = min(left, max(0, _TOKENS_OF_DIGITS - n_digits) * min(masses))
    mass = sum(probabilities)
    if mass < min_mass or mass == 0.0:
        return Reading(
            None,
            mass,
            outside,
            missing=f"the digits 1 to 5 have a probability of {mass:.2f}, less than {min_mass:g}",
        )
    return Reading(tuple(p / mass for p in probabilities), mass, outside)


def _until_score(text: str) -> str:
    return text.split(prompts.JUDGE_REPLY)[0].strip()
