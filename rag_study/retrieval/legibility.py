"""How much of the texts an embedding model can read: the share of tokens that it does not know.

To a model that does not know a script, whole words are one and the same "unknown" token, and texts
that say different things become the same vector. Told by the model's vocabulary alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Emoji and rare signs are unknown to many models: more than this is another script.
MOST_UNKNOWN = 0.05
# Texts that differ and are the same to the model, of all.
MOST_ALIKE = 0.1
_TOGETHER = 1024


@dataclass(frozen=True)
class Legibility:
    """What a model's vocabulary makes of some texts: the share of tokens that are unknown to it,
    how many texts there are, and how many different ones for the model."""

    unknown: float
    texts: int
    different: int

    @property
    def is_poor(self) -> bool:
        alike = 1 - self.different / self.texts if self.texts else 0.0
        return self.unknown > MOST_UNKNOWN or alike > MOST_ALIKE

    def sentence(self, model: str, what: str) -> str:
        """For people: `what` are these texts ("questions")."""
        unknown = f"{self.unknown:.0%}".replace("%", " %")
        alike = ""
        if self.different < self.texts:
            alike = f"; {self.texts} different ones are {self.different} to it"
        return (
            f"the embedding model {model} does not know {unknown} of the words and characters of "
            f"the {what}{alike}. What is found with it says little about retrieval: name a model "
            "that knows the language (retrieval.embedding_model), or use the retriever bm25."
        )


def legibility(vocabulary: Path | None, texts: Sequence[str]) -> Legibility | None:
    """How a model with this vocabulary (`EmbeddingModel.vocabulary`) reads the texts, each distinct
    one once; None where it cannot be told."""
    if vocabulary is None:
        return None
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(vocabulary))
    except Exception:  # of one type, whatever is wrong; loading the model says what
        return None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    unknown_id = _unknown_id(tokenizer)
    distinct = list(dict.fromkeys(texts))
    tokens = unknown = 0
    seen: set[tuple[int, ...]] = set()
    for start in range(0, len(distinct), _TOGETHER):
        part = distinct[start : start + _TOGETHER]
        for encoded in tokenizer.encode_batch(part, add_special_tokens=False):
            tokens += len(encoded.ids)
            unknown += encoded.ids.count(unknown_id)
            seen.add(tuple(encoded.ids))
    return Legibility(unknown / tokens if tokens else 0.0, len(distinct), len(seen))


def _unknown_id(tokenizer: Any) -> int | None:
    """The token for what is not in the vocabulary; byte-level ones have none."""
    named = getattr(tokenizer.model, "unk_token", None)
    for token in (named,) if named else ("<unk>", "[UNK]"):  # a unigram model does not tell its own
        if (number := tokenizer.token_to_id(token)) is not None:
            return number
    return None
