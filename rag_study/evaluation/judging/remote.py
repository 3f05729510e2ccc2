"""A judge behind an OpenAI-compatible server, which must tell log-probabilities.

Two ways to ask. With the model's tokenizer the prompt is rendered here as for a local judge, and
a *completion* of one token is asked for: the same place in the same prompt. Without it, a *chat*
whose reply is one token. A server tells the likeliest tokens only; what the digits may have beyond
these is bounded and recorded.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rag_study.common import circumstances
from rag_study.common.errors import StudyError
from rag_study.evaluation.criteria import Criterion
from rag_study.evaluation.judging import prompts as judging_prompts
from rag_study.evaluation.judging.judge import Item, Judge, Reading
from rag_study.evaluation.judging.local import TEMPERATURE, averaged
from rag_study.models import prompts, replies
from rag_study.models.endpoint import CHAT, COMPLETIONS, CONTROL, Endpoint
from rag_study.models.sampling import item_seed
from rag_study.models.server_errors import QuestionRefused
from rag_study.models.session import Session

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# OpenAI's and vLLM's most. Servers that allow fewer are asked for fewer.
TOP_TOKENS = 20
# Of the reply in a chat, where its first token is a blank, a sign or "Score".
SCORE_TOKENS = 4
# With less, the reply is more likely than not something else than a digit.
MIN_MASS = 0.5
# A digit may be a token by itself and one with a space before it.
_TOKENS_OF_DIGITS = 10
# What servers write for "none": minus infinity, and numbers far below any that is computed.
LEAST_LOGARITHM = -99.0


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
        self._tokens, self._as_tokens = 1, True  # of a chat's reply; how a prompt is sent
        if tokenizer is not None:
            try:
                judging_prompts.digit_tokens(tokenizer)
            except ValueError as error:
                raise StudyError(f"{endpoint.name} cannot be a judge: {error}.") from error

    def _read(self, items: Sequence[Item]) -> dict[str, list[Reading]]:
        with Session(self._endpoint) as session:
            pending = {
                criterion.name: [
                    session.submit(self._ask, session, item, criterion) for item in items
                ]
                for criterion in self.criteria
            }
            return {
                name: [future.result() for future in futures] for name, futures in pending.items()
            }

    def _ask(self, session: Session, item: Item, criterion: Criterion) -> Reading:
        if criterion.needs_passages and not item.passages:
            return Reading(None)  # never shown: see `Judge.score`
        try:
            drawn = [self._sample(session, item, criterion, n) for n in range(self._samples)]
        except QuestionRefused as refusal:
            return Reading(None, missing=str(refusal))
        if not self._reasoning_tokens:
            return drawn[0][0]
        return averaged([reading for reading, _ in drawn], [text for _, text in drawn])

    def _sample(
        self, session: Session, item: Item, criterion: Criterion, number: int
    ) -> tuple[Reading, str]:
        """One score, and the reasoning before it ("" without)."""
        reasoning = ""
        if self._tokenizer is not None:
            tokenizer = self._tokenizer
            rubric = judging_prompts.judge_rubric(criterion, item.passages or (), tokenizer)
            asked = (tokenizer, item.question, item.reference, item.candidate, rubric)
            if self._reasoning_tokens:
                text = judging_prompts.reasoning_text(*asked)
                fields = self._drawing(item, criterion, number, COMPLETIONS)
                reasoning = _reasoning(self._completion(session, text, fields))
                # It ends at the place where the reply begins without it: "Score:".
                text += f"{reasoning}\n{prompts.JUDGE_REPLY}"
            else:
                text = judging_prompts.judge_text(*asked)
            lead = judging_prompts.digit_lead(tokenizer)
            fields = {"temperature": 0, "logprobs": TOP_TOKENS}
            fields |= self._endpoint.limit(1, COMPLETIONS)
            return self._reading(self._completion(session, text, fields, lead)), reasoning
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
            reasoning = _reasoning(session.ask(fields))
            # Many servers take no turn that is empty.
            messages += [{"role": "assistant", "content": reasoning or "(no reasoning)"}]
            messages += [{"role": "user", "content": prompts.JUDGE_AFTER_REASONING}]
        return self._chat(session, messages), reasoning

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

    def _completion(
        self, session: Session, text: str, fields: Mapping[str, Any], lead: Sequence[int] = ()
    ) -> dict[str, Any]:
        """The reply to a prompt: a text, and the tokens before the digit behind it.

        It is sent in the tokens that a local judge reads. A server that takes text alone is given
        that: with the same tokenizer, it cuts it into the same tokens.
        """
        if self._as_tokens:
            ids = self._tokenizer.encode(text, add_special_tokens=False)
            try:
                return session.ask({"prompt": [*ids, *lead], **fields}, COMPLETIONS)
            except QuestionRefused as refusal:
                if refusal.too_long:
                    raise
        written = text + (" " if lead else "")
        reply = session.ask({"prompt": written, **fields}, COMPLETIONS)
        if self._as_tokens:
            self._as_tokens = False
            ids = self._tokenizer.encode(text, add_special_tokens=False)
            # Servers put a token for the beginning before a text, where the tokenizer has one.
            if self._tokenizer.encode(written) != [*ids, *lead]:
                circumstances.remember(
                    f"{self.name} takes no prompt in tokens and was given text, which it cuts into "
                    "other tokens than a judge on this machine: scores may differ by hundredths."
                )
        return reply

    def _chat(self, session: Session, messages: Sequence[Mapping[str, str]]) -> Reading:
        fields: dict[str, Any] = {"messages": messages, "temperature": 0, "logprobs": True}
        fields |= {"top_logprobs": TOP_TOKENS} | self._endpoint.limit(self._tokens)
        reply = session.ask(fields)
        places = replies.places_of(reply)
        if self._tokens == 1 and places and _place_of_score(places) is None:
            self._tokens = SCORE_TOKENS
            return self._chat(session, messages)
        return self._reading(reply)

    def _reading(self, reply: Mapping[str, Any]) -> Reading:
        places = replies.places_of(reply)
        top = places[_place_of_score(places) or 0].alternatives if places else ()
        if len(top) < 2:
            raise StudyError(
                f"{self.name} tells no log-probabilities of its tokens, so it cannot be a judge: "
                "a score is read off the probabilities of the digits 1 to 5. Ask a server that has "
                f"them (vLLM, llama.cpp, OpenAI), with at least {TOP_TOKENS} tokens a place."
            )
        return read_top_tokens(top, self._min_mass)


def _place_of_score(places: Sequence[replies.Place]) -> int | None:
    """Where a reply has its score: the first place behind blanks, signs and the word "Score"; None
    where nothing else is told."""
    for number, place in enumerate(places):
        token = replies.plain(place.token)
        if any(letter.isalnum() for letter in token) and token.lower() not in ("score", "s"):
            return number
    return None


def read_top_tokens(top: Sequence[tuple[str, float]], min_mass: float = MIN_MASS) -> Reading:
    """A reading from the likeliest (token, natural log-probability) of a place.

    A digit's probability is that of its tokens with and without a space. `outside` bounds what the
    digits have beyond `top`: each token that is not told has at most the least probability that is,
    and all of them together what is left of 1.
    """
    probabilities, n_digits = [0.0] * 5, 0
    top = [(token, value) for token, value in top if not math.isnan(value)]
    for token, value in top:
        text = replies.plain(token)
        # Digits of every script count: a judge may write a full-width one.
        digit = unicodedata.decimal(text, 0) if len(text) == 1 else 0
        if 1 <= digit <= 5:
            probabilities[digit - 1] += math.exp(value)
            n_digits += 1
    # A token of probability 0 bounds nothing: servers write it for those that they do not look at.
    masses = [math.exp(value) for _, value in top if value > LEAST_LOGARITHM]
    left = max(0.0, 1.0 - sum(masses))
    outside = min(left, max(0, _TOKENS_OF_DIGITS - n_digits) * min(masses, default=1.0))
    mass = sum(probabilities)
    if mass < min_mass or mass == 0.0:
        return Reading(
            None,
            mass,
            outside,
            missing=f"the digits 1 to 5 have a probability of {mass:.2f}, less than {min_mass:g}",
        )
    return Reading(tuple(p / mass for p in probabilities), mass, outside)


def _reasoning(reply: Mapping[str, Any]) -> str:
    """What a judge wrote before its score, where the server keeps it apart or in the text."""
    choice = reply["choices"][0]
    texts = (replies.reasoning_of(choice), replies.text_of(choice))
    return "\n".join(filter(None, texts)).split(prompts.JUDGE_REPLY)[0].strip()
