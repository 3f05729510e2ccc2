"""Which judge a name stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rag_study.common import machine
from rag_study.common.paths import located
from rag_study.evaluation import criteria
from rag_study.evaluation.judging.judge import Judge
from rag_study.evaluation.judging.local import LocalJudge
from rag_study.evaluation.judging.remote import EndpointJudge
from rag_study.models import loading, names
from rag_study.models.endpoint import connect

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
    servers: Mapping[str, Any] | None = None,
) -> Judge:
    """The judge `name`: a preset, a hub id or a folder, or a model on a server.

    A preset that was trained to grade comes with its adapter.

    `dtype` is float32, bfloat16, auto, or 4bit. `adapter` is a folder with a PEFT adapter for a
    local judge. `tokenizer` names that of a model on a server, which is then asked for a completion
    of the rendered prompt; without it, by chat. `trained` as in `LocalJudge`; `servers` are options
    of `connect`. Raises StudyError for
    a judge that cannot be had or cannot score.
    """
    wanted = criteria.find_all(tuple(criteria_names))
    if names.is_endpoint(name):
        loaded_tokenizer = loading.load_tokenizer(tokenizer) if tokenizer else None
        server = connect(name, **(servers or {}))
        return EndpointJudge(server, wanted, loaded_tokenizer, reasoning_tokens, samples)
    quantised = dtype == FOUR_BIT
    lm = loading.load_judge(
        name,
        machine.resolve_dtype("auto" if quantised else dtype),
        adapter_dir=located(adapter) if adapter else None,
        quantised=quantised or None,
    )
    trained = names.is_trained_judge(name, trained)
    return LocalJudge(lm, wanted, reasoning_tokens, samples, trained)
