"""From a study to its stage runs: what is to be done, in which order, under which ids.

A *point* of the grid is a flat set of named values (data set, chunk size, model, train size, ...).
Every stage takes from it the values that its notebook declares in its parameters cell, and so
does every stage before it. That is all there is to dependencies: same values, same run.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from rag_study import criteria, merging, models, paths, prompts, qa_datasets, store
from rag_study.config import StudyConfig, load_study
from rag_study.errors import StudyError
from rag_study.paths import located, portable
from rag_study.points import BASE, NO_DATA, NO_RETRIEVAL, points
from rag_study.provenance import resolve_dtype, resolve_threads
from rag_study.qa_datasets import reading


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
        return paths.notebook(self.notebook)


STAGES = {
    stage.name: stage
    for stage in (
        Stage("prepare_data", "01_prepare_data", 2),
        Stage("index_corpus", "02_index_corpus", 3, ("prepare_data",)),
        Stage("fine_tune", "03_fine_tune", 3, ("prepare_data", "index_corpus")),
        Stage(
            "generate_answers",
            "04_generate_answers",
            4,
            ("prepare_data", "index_corpus", "fine_tune"),
            ("contexts", "test_size"),
        ),
        Stage(
            "import_answers",
            "04_import_answers",
            2,
            ("prepare_data",),
            ("contexts", "test_size"),
        ),
        Stage(
            "judge_answers",
            "05_judge_answers",
            2,
            ("prepare_data", "generate_answers", "import_answers"),
            ("contexts", "test_size"),
        ),
        Stage("measure_retention", "measure_retention", 1, ("fine_tune",), ("retention",)),
        Stage("validate_judge", "validate_judge", 2, ("prepare_data",)),
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
        if self.is_comparison:
            return {run.run_id: 1 for run in self.upstream}
        if self.stage.name == "measure_retention":
            return {"items": self.parameters["retention"]}
        if not self.stage.extent:
            return {}
        asked = dict.fromkeys(self.parameters["contexts"], self.parameters["test_size"])
        if "training" in asked and self.parameters["train_size"]:
            asked["training"] = min(asked["training"], self.parameters["train_size"])
        return asked

    @property
    def is_comparison(self) -> bool:
        """Whether it is the run that all others of its study lead to; its slug is the study."""
        return self.stage.name == "compare"

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
        return comparison([point["study_file"], *point["others"]])
    point = _seen_by(stage, point)
    declared = notebook_parameters(stage.path)
    missing = sorted(set(declared) - set(point))
    if missing:
        raise StudyError(f"{stage.path.name} declares parameters that nothing sets: {missing}")
    parameters = {key: point[key] for key in declared}
    key = json.dumps([stage.name, parameters])
    if key in made:
        return made[key]
    needed = [name for name in stage.upstream if name not in _unused_stages(stage, point)]
    upstream = tuple(stage_run(before, point, made) for before in needed)
    if stage.name == "fine_tune" and point["after"]:
        earlier = point | {"trained_on": point["after"], "after": []}
        upstream += (stage_run("fine_tune", earlier, made),)
    identity = _identity(stage, parameters, upstream)
    made[key] = StageRun(stage, parameters, upstream, _slug(stage, point), identity)
    return made[key]


def _seen_by(stage: Stage, point: dict[str, Any]) -> dict[str, Any]:
    """The point with what does not matter to a stage set to "not used", so that runs are shared.

    Training takes place on its own data sets (`trained_on`, in this order), which need not be the
    one whose questions are asked.
    """
    if stage.name == "fine_tune":
        point = {"after": [], "trained_on": [], **point}
        if point["trained_on"]:
            *before, last = point["trained_on"]
            point = point | last | {"after": before, "trained_on": []}
    if stage.name == "measure_retention" and point.get("trained_on"):
        point = point | point["trained_on"][-1]
    if stage.name == "measure_retention" and point["method"] == "none":
        point = point | BASE | NO_DATA
    outside = stage.name in ("fine_tune", "measure_retention")
    if outside and point["train_format"] in ("none", "closed_book"):
        point = point | NO_RETRIEVAL
    return point


def _unused_stages(stage: Stage, point: dict[str, Any]) -> set[str]:
    """Stages that a point has no use for, though the notebook could read them."""
    unused = {"fine_tune"} if point.get("method", "none") == "none" else set()
    if stage.name == "fine_tune" and point["train_format"] == "closed_book":
        unused.add("index_corpus")
    return unused | {"generate_answers" if point.get("system") else "import_answers"}


def expand(study_file: str | Path) -> list[StageRun]:
    """All stage runs of a study, each once, in an order that respects dependencies.

    The last one is the comparison. Raises StudyError when the data has fewer questions than the
    study asks for.
    """
    config = load_study(study_file)
    runs: dict[str, StageRun] = {}
    made: dict[str, StageRun] = {}
    final: list[StageRun] = []
    for point in points(config):
        for name in ("judge_answers", "measure_retention", "validate_judge"):
            if name == "measure_retention" and not point["retention"]:
                continue
            run = stage_run(name, point, made)
            final += [] if run.run_id in runs else [run]
            for needed in (*all_upstream(run), run):
                runs.setdefault(needed.run_id, needed)
    check_pools(runs.values())
    return [*runs.values(), _compare_run(config, [study_file], tuple(final))]


def comparison(study_files: Sequence[str | Path]) -> StageRun:
    """The run that compares what one study has done, or what several have done together.

    Raises StudyError as `expand`, and for studies that cannot be merged.
    """
    if len(study_files) == 1:
        return expand(study_files[0])[-1]
    config = merging.load_studies(study_files)
    final: dict[str, StageRun] = {}
    for study_file in study_files:
        for run in expand(study_file)[-1].upstream:
            final.setdefault(json.dumps([run.run_id, run.extent]), run)
    return _compare_run(config, study_files, tuple(final.values()))


def check_pools(runs: Iterable[StageRun]) -> None:
    """Raise StudyError when a pool is smaller than what a run asks of it.

    A data set that takes long to read is checked once its stage 01 is done.
    """
    sizes: dict[str, dict[str, int] | None] = {}
    for run in runs:
        prepared = run.needs("prepare_data")
        if prepared is None:
            continue
        if prepared.run_id not in sizes:
            sizes[prepared.run_id] = _pool_sizes(prepared)
        for key, pool in (("test_size", "test"), ("train_size", "train")):
            asked, there = run.parameters.get(key, 0), sizes[prepared.run_id]
            if there is not None and asked > there[pool]:
                share = prepared.parameters["test_share"]
                raise StudyError(
                    f"{key}: {asked} questions are asked for, the {pool} pool of "
                    f"'{prepared.parameters['dataset']}' has {there[pool]}. Lower {key}, or "
                    f"change test_share (now {share}), the share of all questions in the test pool."
                )


def _pool_sizes(prepared: StageRun) -> dict[str, int] | None:
    if store.is_done(prepared):  # reading and dividing thousands of questions takes a second
        with contextlib.suppress(OSError, ValueError, KeyError):  # damaged from outside
            metrics = store.RunFolder(prepared.run_id).path / "metrics.json"
            return json.loads(metrics.read_text())["pools"]
    given = prepared.parameters
    if qa_datasets.registry.find(given["dataset"]).instant:
        keys = ("dataset", "dataset_path", "corpus_path", "dataset_options")
        dataset = qa_datasets.load(*(given[key] for key in keys))
        return qa_datasets.split(dataset, given["test_share"]).sizes()
    return None


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


def all_upstream(run: StageRun) -> Iterator[StageRun]:
    """Everything that a run needs, directly or not; what comes first in time comes first here."""
    for needed in run.upstream:
        yield from all_upstream(needed)
        yield needed


def _compare_run(
    config: StudyConfig, study_files: Sequence[str | Path], final: tuple[StageRun, ...]
) -> StageRun:
    stage = STAGES["compare"]
    first, *others = (portable(located(study_file)) for study_file in study_files)
    identity = _identity(stage, {}, final) | {
        "extents": [run.extent for run in final],
        "labels": [dataset.display_name for dataset in config.datasets],
        "judges": [judge.display_name for judge in config.judges],
        "analysis": config.model_dump(include={"name", "primary", "margins", "notes"}, mode="json"),
    }
    parameters = {"study_file": first, "others": others}
    return StageRun(stage, parameters, final, config.name, identity)


# What retention is measured on and what is replayed: the sets of `retention`, which `plan` need not
# import for their names.
BUNDLED_SETS = ("general_text", "general_knowledge", "instructions", "general_instructions")
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
        key: models.revision_of(own[key])
        for key in ("model", "judge", "judge_tokenizer", "embedding_model", "reranker")
        if own.get(key)
    }
    if "criteria" in parameters:
        revisions["criteria"] = [
            (one.name, one.fingerprint) for one in criteria.find_all(parameters["criteria"])
        ]
    if parameters.get("judge_adapter"):
        revisions["judge_adapter"] = models.revision_of(str(located(parameters["judge_adapter"])))
    if stage.name == "prepare_data":
        keys = ("dataset", "dataset_path", "corpus_path", "dataset_options")
        revisions["data"] = qa_datasets.revision_of(*(parameters[key] for key in keys))
    if stage.name == "measure_retention" or own.get("replay"):
        revisions["bundled"] = _bundled_revision()
    if stage.name == "import_answers":
        revisions["answers"] = reading.fingerprint(located(parameters["answers_path"]))
    return {
        "stage": stage.name,
        "version": stage.version,
        "code": notebook_code_hash(stage.path),
        "parameters": own,
        "revisions": revisions,
        "prompts": _prompts_hash(stage.name),
        "upstream": [run.run_id for run in upstream],
    }


@lru_cache(maxsize=1)
def _bundled_revision() -> list[str]:
    data = Path(__file__).with_name("data")
    return [reading.fingerprint(data / f"{name}.jsonl") for name in BUNDLED_SETS]


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
