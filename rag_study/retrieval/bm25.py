"""Word statistics of the passages, and the BM25 scores that they give (bm25s)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rag_study.common import files
from rag_study.common.errors import StudyError
from rag_study.retrieval.words import Words

WORDS_FILE = "words.json"


@dataclass(frozen=True)
class WordIndex:
    """BM25 over passages in the order of the index, in Lucene's form (k1 1.5, b 0.75); `words` cuts
    questions as the passages were cut."""

    statistics: Any
    words: Words

    @classmethod
    def of(cls, texts: Sequence[str]) -> WordIndex:
        """Count the words of the passages. Raises StudyError where there is none in any."""
        import bm25s
        from bm25s.tokenization import Tokenized

        words = Words.of(texts)
        number_of: dict[str, int] = {}  # in the order of the texts: the same in every process
        ids = [[number_of.setdefault(w, len(number_of)) for w in words(text)] for text in texts]
        if not number_of:
            raise StudyError(
                "bm25 finds no word in any passage: it counts words of two or more letters that "
                "are not among the commonest of their language. Use the dense retriever for such "
                "texts."
            )
        statistics = bm25s.BM25()
        statistics.index(Tokenized(ids=ids, vocab=number_of), show_progress=False)
        return cls(statistics, words)

    @classmethod
    def open(cls, folder: Path) -> WordIndex:
        """Read what `save` wrote."""
        import bm25s

        statistics = bm25s.BM25.load(folder, show_progress=False)
        # An index of an earlier release is of English words.
        file = folder / WORDS_FILE
        language = files.read_json(file)["language"] if file.exists() else "english"
        return cls(statistics, Words(language))

    def save(self, folder: Path) -> None:
        self.statistics.save(folder, show_progress=False)
        files.write_json(folder / WORDS_FILE, {"language": self.words.language})

    def scores(self, text: str) -> np.ndarray:
        """Scores of all passages, (passages,) float32; 0 for those without a word of the text."""
        known = self.statistics.get_tokens_ids(self.words(text))
        if not known:
            return np.zeros(self.statistics.scores["num_docs"], dtype=np.float32)
        return self.statistics.get_scores_from_ids(known)
