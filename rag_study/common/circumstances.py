"""Under which circumstances a run came about that no parameter says, for its provenance.

A server that does not take a setting, a model without a chat template: whoever reads the result
must know. What was remembered goes into `provenance.json`, and from there into the report.
"""

from __future__ import annotations

import threading

_SENTENCES: dict[str, None] = {}
_LOCK = threading.Lock()


def remember(sentence: str) -> bool:
    """Keep a sentence, once for this process; whether it is new."""
    with _LOCK:
        new = sentence not in _SENTENCES
        _SENTENCES[sentence] = None
        return new


def recall() -> list[str]:
    """What was remembered, in its order."""
    with _LOCK:
        return [*_SENTENCES]
