"""From a study to its stage runs: what is to be done, in which order, under which ids.

A *point* of the grid is a flat set of named values (data set, chunk size, model, train size, ...).
Every stage takes from it the values that its notebook declares in its parameters cell, and so
does every stage before it. That is all there is to dependencies: same values, same run.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from rag_study import models, prompts, qa_datasets
from rag_study.config import StudyConfig, load_study
from rag_study.errors import StudyError
from rag_study.provenance import PROJECT_ROOT, resolve_dtype, resolve_threads

NOTEBOOKS = PROJECT_ROOT / "notebooks"
BASE = {
    "method": "none",
    "train_format": "none",
    "train_size": 0,
    "seed": 0,
    "epochs": 0,
    "learning_rate": 0.0,
    "lora_rank": 0,
    "lora_alpha": 0,
    "train_batch_size": 0,
}
# 02 keeps at least so many passages per question, so that a smaller top_k needs no new search.
MIN_RETRIEVAL_DEPTH = 10


@dataclass(frozen=True)
class Stage:
    """One notebook of the study.

    `version` is raised when the package changes what the stage computes. `extent` names the
    parameters that only say how much is asked for; they do not enter the run id.
    """

    name: str
    notebook: str
    version: int
    upstream: tuple[str, ...] = ()
    extent: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        return NOTEBOOKS / f"{self.notebook}.ipynb"


STAGES = {
    stage.name: stage
    for stage in (
        Stage("prepare_data", "01_prepare_data", 1),
        Stage("index_corpus", "02_index_corpus", 1, ("prepare_data",)),
        Stage("fine_tune", "03_fine_tune", 1, ("prepare_data",)),
        Stage(
            "generate_answers",
            "04_generate_answers",
            1,
            ("prepare_data", "index_corpus", "fine_tune"),
            ("contexts", "test_size"),
        ),
        Stage(
            "judge_answers",
            "05_judge_answers",
            1,
            ("prepare_data", "generate_answers"),
            ("contexts", "test_size"),
        ),
        Stage("validate_judge", "validate_judge", 1, ("prepare_data",)),
        Stage("compare", "06_compare", 1),
    )
}


@dataclass(frozen=True, eq=False)
class StageRun:
    """One notebook with one set of parameter values; `run_id` names its folder."""

    stage: Stage
    parameters: dict[str, Any]
    upstream: tuple[StageRun, ...]
    slug: str
    identity: dict[str, Any]

    @cached_property
    def run_id(self) -> str:
        text = json.dumps(self.identity, sort_keys=True)
        return f"{self.stage.name}/{self.slug}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    @property
    def extent(self) -> dict[str, int]:
        """How much is asked for: questions by context; of a comparison, all of the study's runs."""
        if self.stage.name == "compare":
            return {run.run_id: 1 for run in self.upstream}
        if not self.stage.extent:
            return {}
        return dict.fromkeys(self.parameters["contexts"], self.parameters["test_size"])

    def needs(self, stage_name: str) -> StageRun | None:
        """The upstream run of a stage, or None (a base model has no fine-tuning run)."""
        return next((run for run in self.upstream if run.stage.name == stage_name), None)


def find_stage(name: str) -> Stage:
    """A stage by its name or its notebook's name. Raises StudyError with the nearest name."""
    for stage in STAGES.values():
        if name in (stage.name, stage.notebook):
            return stage
    near = difflib.get_close_matches(name, STAGES, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    raise StudyError(f"there is no stage '{name}'; stages: {', '.join(STAGES)}.{hint}")


def stage_run(
    name: str, point: dict[str, Any], made: dict[str, StageRun] | None = None
) -> StageRun:
    """The run of a stage at a point of the grid, with everything upstream of it.

    `made` holds the runs built so far: one that several others need is built (and its data read
    for the hash) only once.
    """
    made = {} if made is None else made
    stage = find_stage(name)
    if stage.name == "compare":
        return expand(study_file=point["study_file"])[-1]
    declared = notebook_parameters(stage.path)
    missing = sorted(set(declared) - set(point))
    if missing:
        raise StudyError(f"{stage.path.name} declares parameters that nothing sets: {missing}")
    parameters = {key: point[key] for key in declared}
    key = json.dumps([stage.name, parameters])
    if key in made:
        return made[key]
    upstream = tuple(
        stage_run(before, point, made)
        for before in stage.upstream
        if not (before == "fine_tune" and point["method"] == "none")
    )
    identity = _identity(stage, parameters, upstream)
    made[key] = StageRun(stage, parameters, upstream, _slug(stage, point), identity)
    return made[key]


def expand(study_file: str | Path) -> list[StageRun]:
    """All stage runs of a study, each once, in an order that respects dependencies.

    The last one is the comparison. Raises StudyError when the data has fewer questions than the
    study asks for.
    """
    config = load_study(study_file)
    check_sizes(config)
    runs: dict[str, StageRun] = {}
    made: dict[str, StageRun] = {}
    final: list[StageRun] = []
    for point in _points(config):
        for name in ("judge_answers", "validate_judge"):
            run = stage_run(name, point, made)
            final += [] if run.run_id in runs else [run]
            for needed in (*all_upstream(run), run):
                runs.setdefault(needed.run_id, needed)
    return [*runs.values(), _compare_run(config, _portable(study_file), tuple(final))]


def check_sizes(config: StudyConfig) -> None:
    """Raise StudyError when a pool is smaller than what the study asks of it."""
    for index, dataset in enumerate(config.datasets):
        loaded = qa_datasets.load(dataset.name, dataset.path or "", dataset.num_worlds)
        sizes = qa_datasets.split(loaded, dataset.test_share).sizes()
        name = dataset.display_name
        if dataset.test_size > sizes["test"]:
            raise StudyError(
                f"datasets[{index}].test_size: {dataset.test_size} test questions are asked for, "
                f"the test pool of '{name}' has {sizes['test']}. Lower test_size, or raise "
                f"test_share (now {dataset.test_share})."
            )
        for number, tuning in enumerate(config.fine_tuning):
            if max(tuning.train_sizes) > sizes["train"]:
                raise StudyError(
                    f"fine_tuning[{number}].train_sizes: {max(tuning.train_sizes)} training "
                    f"questions are asked for, the train pool of '{name}' has {sizes['train']}."
                )


@lru_cache(maxsize=32)
def notebook_parameters(path: Path) -> dict[str, Any]:
    """Names and defaults in a notebook's `parameters` cell, read without running it."""
    for cell in _code_cells(path):
        if "parameters" in cell["metadata"].get("tags", []):
            return {
                target.id: ast.literal_eval(node.value)
                for node in ast.parse("".join(cell["source"])).body
                if isinstance(node, ast.Assign | ast.AnnAssign)
                for target in ([node.target] if isinstance(node, ast.AnnAssign) else node.targets)
            }
    raise StudyError(f"{path}: the notebook has no cell tagged `parameters`.")


@lru_cache(maxsize=32)
def notebook_code_hash(path: Path) -> str:
    """Hash over a notebook's code; outputs, metadata and the parameters cell do not count."""
    sources = [
        "".join(cell["source"]).strip()
        for cell in _code_cells(path)
        if "parameters" not in cell["metadata"].get("tags", [])
    ]
    return hashlib.sha256("\n\n".join(sources).encode()).hexdigest()[:16]


def _code_cells(path: Path) -> list[dict[str, Any]]:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def _points(config: StudyConfig) -> Iterator[dict[str, Any]]:
    for dataset in config.datasets:
        for model in config.models:
            for tuning in ({}, *_tunings(config)):
                for prompting in config.prompting:
                    shared = {
                        "dataset": dataset.name,
                        "dataset_path": dataset.path or "",
                        "num_worlds": dataset.num_worlds,
                        "test_share": dataset.test_share,
                        "test_size": dataset.test_size,
                        **config.retrieval.model_dump(),
                        "retrieval_depth": max(MIN_RETRIEVAL_DEPTH, config.retrieval.top_k),
                        "model": model,
                        **BASE,
                        **tuning,
                        "prompting": prompting,
                        "contexts": list(config.contexts),
                        **config.generation.model_dump(),
                        **config.compute.model_dump(),
                    }
                    for judge in config.judges:
                        yield shared | {"judge": judge.model, "ladder_size": judge.ladder_size}


def _tunings(config: StudyConfig) -> Iterator[dict[str, Any]]:
    for tuning in config.fine_tuning:
        fields = tuning.model_dump(exclude={"train_sizes"})
        for train_size in tuning.train_sizes:
            for seed in config.seeds:
                yield {**fields, "train_size": train_size, "seed": seed}


def all_upstream(run: StageRun) -> Iterator[StageRun]:
    """Everything that a run needs, directly or not; what comes first in time comes first here."""
    for needed in run.upstream:
        yield from all_upstream(needed)
        yield needed


def _compare_run(config: StudyConfig, study_file: str, final: tuple[StageRun, ...]) -> StageRun:
    stage = STAGES["compare"]
    identity = _identity(stage, {}, final) | {
        "extents": [run.extent for run in final],
        "labels": [dataset.display_name for dataset in config.datasets],
        "analysis": config.model_dump(include={"name", "primary", "margins", "notes"}, mode="json"),
    }
    return StageRun(stage, {"study_file": study_file}, final, config.name, identity)


def _identity(
    stage: Stage, parameters: dict[str, Any], upstream: tuple[StageRun, ...]
) -> dict[str, Any]:
    """Everything that a run's result depends on. Paths, dates and extents are left out."""
    own = {k: v for k, v in parameters.items() if k not in (*stage.extent, "dataset_path")}
    if "dtype" in own:
        own["dtype"] = resolve_dtype(own["dtype"])
    if "threads" in own:
        own["threads"] = resolve_threads(own["threads"])
    revisions = {
        key: models.revision_of(own[key])
        for key in ("model", "judge", "embedding_model")
        if key in own
    }
    if stage.name == "prepare_data":
        revisions["data"] = qa_datasets.revision_of(own["dataset"], parameters["dataset_path"])
    return {
        "stage": stage.name,
        "version": stage.version,
        "code": notebook_code_hash(stage.path),
        "parameters": own,
        "revisions": revisions,
        "prompts": prompts.hash_for(stage.name),
        "upstream": [run.run_id for run in upstream],
    }


def _slug(stage: Stage, point: dict[str, Any]) -> str:
    data = Path(point["dataset_path"]).name or point["dataset"]
    model = point.get("model", "").rsplit("/", 1)[-1]
    state = "base"
    if point.get("method", "none") != "none":
        state = "{method}-{train_format}-n{train_size}-s{seed}".format(**point)
    judge = point.get("judge", "").rsplit("/", 1)[-1]
    words = {
        "prepare_data": [data],
        "index_corpus": [data, f"c{point.get('chunk_size')}"],
        "fine_tune": [data, model, state],
        "generate_answers": [data, model, state],
        "judge_answers": [data, model, state],
        "validate_judge": [data, judge],
    }[stage.name]
    return re.sub(r"[^a-z0-9]+", "-", "-".join(words).lower()).strip("-")[:80]


def _portable(study_file: str | Path) -> str:
    """The study file's path as a parameter: from the project where it lies inside."""
    path = Path(study_file)
    path = (path if path.exists() else PROJECT_ROOT / path).resolve()
    return str(path.relative_to(PROJECT_ROOT) if path.is_relative_to(PROJECT_ROOT) else path)
