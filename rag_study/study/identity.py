"""What a stage run's id is made of."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from rag_study import data as qa_datasets
from rag_study.common.machine import resolve_dtype, resolve_threads
from rag_study.common.paths import located
from rag_study.data.reading import source_files
from rag_study.evaluation.judging import criteria
from rag_study.models import names, prompts
from rag_study.study.stages import Stage, StageRun, notebook_source, stage_cells


@lru_cache(maxsize=32)
def notebook_code_hash(source: str) -> str:
    """Hash over the code of a notebook that computes and writes (`stages.stage_cells`). Outputs,
    metadata, parameters, and what people add to look at things do not count."""
    code = "\n\n".join(cell.source for cell in stage_cells(source))
    return hashlib.sha256(code.encode()).hexdigest()[:16]


# What retention is measured on and what is replayed. `plan` need not import what reads it.
BUNDLED_SETS = (
    *("evaluation/retention_sets/general_text.jsonl",),
    *("evaluation/retention_sets/general_knowledge.jsonl",),
    *("evaluation/retention_sets/instructions.jsonl", "training/general_instructions.jsonl"),
)


# Places say nothing about content, and other data sets are in the hash as upstream runs.
_NOT_HASHED = (
    *("dataset_path", "corpus_path", "answers_path", "trained_on", "after"),
    *("criteria", "judge_adapter"),
)


def _identity(
    stage: Stage, parameters: dict[str, Any], upstream: tuple[StageRun, ...]
) -> dict[str, Any]:
    """Everything that a run's result depends on. Paths, dates and extents are left out."""
    own = {k: v for k, v in parameters.items() if k not in (*stage.extent, *_NOT_HASHED)}
    if "dtype" in own:
        own["dtype"] = resolve_dtype(own["dtype"])
    if "threads" in own:
        own["threads"] = resolve_threads(own["threads"])
    revisions = {
        key: names.revision_of(own[key])
        for key in ("model", "judge", "judge_tokenizer", "embedding_model", "reranker")
        if own.get(key)
    }
    if "criteria" in parameters:
        revisions["criteria"] = [
            (one.name, one.fingerprint) for one in criteria.find_all(parameters["criteria"])
        ]
    if parameters.get("judge_adapter"):
        revisions["judge_adapter"] = names.revision_of(str(located(parameters["judge_adapter"])))
    if stage.name == "prepare_data":
        keys = ("dataset", "dataset_path", "corpus_path", "dataset_options")
        revisions["data"] = qa_datasets.revision_of(*(parameters[key] for key in keys))
    if stage.name == "measure_retention" or own.get("replay"):
        revisions["bundled"] = _bundled_revision()
    if stage.name == "import_answers":
        revisions["answers"] = source_files.fingerprint(located(parameters["answers_path"]))
    return {
        "stage": stage.name,
        "version": stage.version,
        "code": notebook_code_hash(notebook_source(stage.path)),
        "parameters": own,
        "revisions": revisions,
        "prompts": _prompts_hash(stage.name),
        "upstream": [run.run_id for run in upstream],
    }


@lru_cache(maxsize=1)
def _bundled_revision() -> list[str]:
    package = Path(__file__).parents[1]
    return [source_files.fingerprint(package / file) for file in BUNDLED_SETS]


@lru_cache(maxsize=32)
def _prompts_hash(stage_name: str) -> str:
    return prompts.hash_for(stage_name)


def _slug(stage: Stage, point: dict[str, Any]) -> str:
    path = Path(point["dataset_path"])
    data = path.name if path.name and point["dataset"] == "jsonl" else point["dataset"]
    model = point.get("model", "").rsplit("/", 1)[-1]
    state = point.get("prompting") or "base"
    state = "base" if state == "default" else state
    if point.get("method", "none") != "none":
        state = "{method}-{train_format}-n{train_size}-s{seed}".format(**point)
    if point.get("system"):
        state = point["system"]
    judge = point.get("judge", "").rsplit("/", 1)[-1]
    words = {
        "prepare_data": [data],
        "index_corpus": [data, f"c{point.get('chunk_size')}"],
        "fine_tune": [data, model, state],
        "generate_answers": [data, model, state],
        "import_answers": [data, state],
        "judge_answers": [data, model, state],
        "measure_retention": [model, state],
        "validate_judge": [data, judge],
    }[stage.name]
    return re.sub(r"[^a-z0-9]+", "-", "-".join(words).lower()).strip("-")[:80]
