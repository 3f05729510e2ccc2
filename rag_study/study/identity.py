"""What a stage run's id is made of."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from rag_study import data
from rag_study.common.errors import StudyError
from rag_study.common.machine import resolve_dtype, resolve_threads
from rag_study.common.paths import located
from rag_study.data.reading import source_files
from rag_study.evaluation import criteria
from rag_study.models import names, prompts
from rag_study.retrieval import store_names
from rag_study.study.groups import Point
from rag_study.study.notebook_cells import notebook_source, stage_cells
from rag_study.study.stages import Stage, StageRun, used_by
from rag_study.training.recipe import SELF


@lru_cache(maxsize=32)
def notebook_code_hash(source: str) -> str:
    """Hash over the code of a notebook that computes and writes (`notebook_cells.stage_cells`).
    Outputs, metadata, parameters, and what people add to look at things do not count."""
    code = "\n\n".join(cell.source for cell in stage_cells(source))
    return hashlib.sha256(code.encode()).hexdigest()[:16]


# What comes with the package and is measured on or replayed. `plan` need not import what reads it.
BUNDLED_SETS = {
    "measure_retention": (
        "evaluation/retention_sets/general_text.jsonl",
        "evaluation/retention_sets/general_knowledge.jsonl",
        "evaluation/retention_sets/instructions.jsonl",
    ),
    "fine_tune": ("training/general_instructions.jsonl",),
}


def identity_of(stage: Stage, point: Point, upstream: tuple[StageRun, ...]) -> dict[str, Any]:
    """Everything that a run's result depends on. Paths, dates and extents are left out."""
    return {
        "stage": stage.name,
        "version": stage.version,
        "code": notebook_code_hash(notebook_source(stage.path)),
        "parameters": _resolved(used_by(stage, point)),
        "revisions": revisions(stage, point),
        "prompts": _prompts_hash(stage.name),
        "upstream": [run.run_id for run in upstream],
    }


# What 05 and validate_judge compare answers by.
SIMILARITY_MODEL = "all-minilm-l6-v2"
# What a judge weighs beside its model, and how: its scores depend on them.
EVIDENCE_FILES = (
    "evidence_weights.yaml",
    "evidence.py",
    "combination.py",
    "quantities.py",
    "cleaning.py",
)
# Keys that name a model; where it lies in a folder, its content says which it is.
_MODELS = {
    "judge": ("model", "tokenizer"),
    "retrieval": ("embedding_model", "reranker"),
    "training": ("answer_source",),
}


def _resolved(used: dict[str, Any]) -> dict[str, Any]:
    """With the precision and the threads that this machine takes where none are said, and models
    without their places."""
    if used.get("model"):
        used["model"] = names.name_in_ids(used["model"])
    for group, keys in _MODELS.items():
        models = used.get(group, {})
        models.update({key: _name_in_ids(models[key]) for key in keys if models.get(key)})
    if search := used.get("retrieval", {}):
        search.update({"store": store_names.kind_of(s)} if (s := search.get("store")) else {})
    if compute := used.get("compute"):
        dtype, threads = resolve_dtype(compute["dtype"]), resolve_threads(compute["threads"])
        used["compute"] = {"dtype": dtype, "threads": threads}
    return used


def _name_in_ids(name: str) -> str:
    """As `names.name_in_ids`, also where no model but the base itself is named."""
    return name if name == SELF else names.name_in_ids(name)


def revisions(stage: Stage, point: Point) -> dict[str, Any]:
    """What identifies the content of the models, data and files that a stage reads by itself."""
    loaded, contents = {}, {}
    if "model" in stage.uses:
        loaded["model"] = point.model
    if stage.name == "index_corpus":
        loaded["embedding_model"] = point.retrieval.embedding_model
        loaded["reranker"] = point.retrieval.reranker
    if "judge" in stage.uses:
        judge = point.judge
        loaded |= {"judge": judge.model, "judge_tokenizer": judge.tokenizer}
        loaded["judge_adapter"] = judge.adapter and str(located(judge.adapter))
        contents["criteria"] = [
            (criterion.name, criterion.fingerprint)
            for criterion in criteria.find_all(judge.criteria)
        ]
        if names.is_trained_judge(judge.model, judge.trained):
            contents["judge_evidence"] = _evidence_revision()
    if "semantic_similarity" in stage.uses and point.semantic_similarity:
        loaded["similarity_model"] = SIMILARITY_MODEL
    contents |= {key: names.revision_of(name) for key, name in loaded.items() if name}
    if stage.name == "prepare_data":
        contents["data"] = data.revision_of(*point.dataset.source)
    if stage.name == "measure_retention" or (stage.name == "fine_tune" and point.training.replay):
        contents["bundled"] = _bundled_revision(stage.name)
    if stage.name == "import_answers":
        file = located(point.system.answers)
        if file.is_dir():
            raise StudyError(f"system.answers: {file} is a folder; a file of JSON lines is needed")
        contents["answers"] = source_files.fingerprint(file)
    return contents


@lru_cache(maxsize=1)
def _evidence_revision() -> list[str]:
    folder = Path(__file__).parents[1] / "evaluation" / "judging"
    return [source_files.fingerprint(folder / file) for file in EVIDENCE_FILES]


@lru_cache(maxsize=2)
def _bundled_revision(stage_name: str) -> list[str]:
    package = Path(__file__).parents[1]
    return [source_files.fingerprint(package / file) for file in BUNDLED_SETS[stage_name]]


@lru_cache(maxsize=32)
def _prompts_hash(stage_name: str) -> str:
    return prompts.hash_for(stage_name)


def slug_of(stage: Stage, point: Point) -> str:
    """What a person reads in a run id. It holds no path: a folder may be renamed."""
    dataset = point.dataset.name if point.dataset else ""
    model, judge = (
        names.name_in_ids(name).rsplit("/", 1)[-1]
        for name in (point.model, point.judge.model if point.judge else "")
    )
    prompting = point.answering.prompting
    state = "base" if prompting == "default" else prompting
    if training := point.training:
        state = f"{training.method}-{training.train_format}-n{training.train_size}-s{point.seed}"
        if training.answers_are_written:
            source = _name_in_ids(training.answer_source).rsplit("/", 1)[-1]
            state += f"-{source}-{training.answered_from}"
    if point.system:
        state = point.system.name
    words = {
        "prepare_data": [dataset],
        "index_corpus": [dataset, f"c{point.retrieval.chunk_size}"],
        "write_training_answers": [dataset, model, training.answered_from if training else ""],
        "fine_tune": [dataset, model, state],
        "generate_answers": [dataset, model, state],
        "import_answers": [dataset, state],
        "judge_answers": [dataset, model, state],
        "measure_retention": [model, state],
        "probe_knowledge": [dataset, model],
        "validate_judge": [dataset, judge],
    }[stage.name]
    return re.sub(r"[^a-z0-9]+", "-", "-".join(words).lower()).strip("-")[:80]
