"""How many tokens prompts and training examples are expected to have, before any is made.

Counted in the demo with its model's tokenizer. Passages count as full chunks, so this is on the
high side.
"""

from __future__ import annotations

import math

from rag_study.study.groups import Point, Retrieval

QUESTION, REFERENCE = 14, 6
PROMPT, PROMPT_WITH_PASSAGES = 20, 44
# Tokens of a language model to those of the embedding model; batches are padded by so much.
MORE_TOKENS, PADDING = 1.15, 1.1
GOLD_PASSAGES = 1.2


def prompt(number: float, chunk_size: int, examples: int = 0) -> float:
    """Tokens of a prompt with its question, that many passages and examples before it."""
    instructions = PROMPT_WITH_PASSAGES if number else PROMPT
    shown = number * chunk_size * MORE_TOKENS + examples * (QUESTION + REFERENCE)
    return instructions + QUESTION + shown


def most_passages(search: Retrieval) -> float:
    """Full chunks that fit into `max_context_tokens`: infinite without a limit."""
    return search.max_context_tokens / (search.chunk_size * MORE_TOKENS) or math.inf


def training_example(point: Point) -> float:
    """Tokens of an example that a training reads, its answer included."""
    training = point.training
    shown = {"with_context": GOLD_PASSAGES, "raft": 1 + training.num_distractors}
    learned = point.answering.max_new_tokens if training.answers_are_written else REFERENCE
    return prompt(shown.get(training.train_format, 0), point.retrieval.chunk_size) + learned
