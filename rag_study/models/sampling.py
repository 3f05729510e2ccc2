"""Sampling that gives an item the same answer in any batch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from transformers import TopPLogitsWarper


class SeededSampling:
    """Turns greedy search into sampling, with random numbers of its own for every row.

    The largest of the scores with Gumbel noise added is a sample from their softmax (the
    Gumbel-max trick; Maddison, Tarlow, Minka 2014). The noise of a row comes from the row's seed
    alone, so it matters neither what else is in the batch nor in which order it is answered.
    `temperature` must be above 0; `top_p` keeps the likeliest tokens that hold this probability
    together (Holtzman et al. 2020), 1 keeps all.
    """

    def __init__(self, temperature: float, top_p: float, seeds: Sequence[int]):
        self._temperature = temperature
        self._nucleus = TopPLogitsWarper(top_p) if top_p < 1 else None
        # On the CPU, where a seed means the same numbers on every machine.
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores (batch, vocabulary) whose largest entry in each row is the sample."""
        scores = scores.float() / self._temperature
        if self._nucleus is not None:
            scores = self._nucleus(input_ids, scores)
        noise = torch.empty(scores.shape)
        for row, generator in zip(noise, self._generators, strict=True):
            row.exponential_(generator=generator)
        return scores - noise.log().to(scores.device)


def item_seed(seed: int, context: str, question_id: str) -> int:
    """The seed with which one question is answered in one context."""
    return int(hashlib.sha256(repr((seed, context, question_id)).encode()).hexdigest()[:15], 16)
