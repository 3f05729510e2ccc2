"""Which judge a name stands for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rag_study import criteria, endpoints, metrics, models, provenance
from rag_study.judging.judge import Judge
from rag_study.judging.local import LocalJudge
from rag_study.judging.remote import EndpointJudge
from rag_study.provenance import located

FOUR_BIT = "4bit"


def open_judge(
    name: str,
    criteria_names: Sequence[str] = criteria.DEFAULT,
    dtype: str = "float32",
    adapter: str | Path = "",
    tokenizer: str = "",
    reasoning_tokens: int = 0,
    samples: int = 1,
    trained: bool = False,
) -> Judge:
    """The judge `name`: a preset, a hub id or a folder, or a model on a server.

    A preset that was trained to grade comes with its adapter.

    `dtype` is float32, bfloat16, auto, or 4bit. `adapter` is a folder with a PEFT adapter for a
    local judge. `tokenizer` names that of a model on a server, which is then asked for a completion
    of the rendered prompt; without it, by chat. `trained` as in `LocalJudge`. The criteria become
    known as metrics. Raises StudyError for a judge that cannot be had or cannot score.
    """
    wanted = criteria.find_all(tuple(criteria_names))
    for one in wanted:
        metrics.add_criterion(one)
    if models.is_endpoint(name):
        known = models.load_tokenizer(tokenizer) if tokenizer else None
        endpoint = endpoints.connect(name)
        return EndpointJudge(endpoint, wanted, known, reasoning_tokens, samples)
    quantised = dtype == FOUR_BIT
    lm = models.load_judge(
        name,
        provenance.resolve_dtype("auto" if quantised else dtype),
        adapter_dir=located(adapter) if adapter else None,
        quantised=quantised or None,
    )
    trained = models.is_trained_judge(name, trained)
    return LocalJudge(lm, wanted, reasoning_tokens, samples, trained)
