"""The stages of a study and their runs: which notebook, what comes before, what is done."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from rag_study.common import paths
from rag_study.common.errors import StudyError
from rag_study.common.run_folder import RunFolder, Status
from rag_study.study import study_tables
from rag_study.study.group import Group
from rag_study.study.groups import Point


@dataclass(frozen=True)
class Keys:
    """Some keys of a group: those that are named, or all but those."""

    named: frozenset[str]
    all_but: bool = False

    def __contains__(self, key: object) -> bool:
        return (key in self.named) != self.all_but


def only(*keys: str) -> Keys:
    return Keys(frozenset(keys))


def all_but(*keys: str) -> Keys:
    return Keys(frozenset(keys), all_but=True)


ALL = all_but()


@dataclass(frozen=True)
class Stage:
    """One notebook of the study.

    `version` is raised when the package changes what the stage computes. `uses` are the groups, and
    of each the keys, that the stage's own work depends on: they make its run id, together with
    the ids of the runs before it. `beside` are keys that it reads and that are not in the id as
    they are: how much is asked for, and places, whose content counts.
    """

    name: str
    notebook: str
    version: int
    upstream: tuple[str, ...] = ()
    uses: Mapping[str, Keys] = field(default_factory=dict)
    beside: Mapping[str, Keys] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return paths.notebook(self.notebook)


_ASKED = {"answering": only("contexts", "test_size")}
_JUDGE = {"judge": all_but("criteria", "adapter", "ladder_size"), "semantic_similarity": ALL}
_JUDGE_PLACES = {"judge": only("criteria", "adapter"), "servers": ALL}
STAGES = {
    stage.name: stage
    for stage in (
        Stage(
            "prepare_data",
            "01_prepare_data",
            8,
            uses={"dataset": all_but("path", "corpus", "retrieval_scope")},
            beside={"dataset": only("path", "corpus")},
        ),
        Stage(
            "index_corpus",
            "02_index_corpus",
            5,
            ("prepare_data",),
            uses={
                "dataset": only("retrieval_scope"),
                "retrieval": all_but("top_k", "max_context_tokens", "passage_order"),
                "compute": ALL,
            },
            beside={"servers": ALL},
        ),
        Stage(
            "write_training_answers",
            "03_write_training_answers",
            2,
            ("prepare_data", "index_corpus"),
            uses={
                "retrieval": only("top_k", "max_context_tokens", "passage_order"),
                "model": ALL,
                "training": only("answer_source", "answered_from"),
                "answering": only("max_new_tokens", "batch_size"),
                "compute": ALL,
            },
            beside={"training": only("asked"), "servers": ALL},
        ),
        Stage(
            "fine_tune",
            "03_fine_tune",
            6,
            ("prepare_data", "index_corpus", "write_training_answers"),
            uses={
                "retrieval": only("top_k"),
                "model": ALL,
                "training": all_but("strength", "checkpoint", "sequence", "asked"),
                "knowledge": all_but("test_questions"),
                "seed": ALL,
                "compute": ALL,
            },
            beside={"training": only("sequence"), "servers": ALL},
        ),
        Stage(
            "generate_answers",
            "04_generate_answers",
            7,
            ("prepare_data", "index_corpus", "fine_tune"),
            uses={
                "retrieval": only("top_k", "max_context_tokens", "passage_order"),
                "model": ALL,
                "training": only("strength", "checkpoint"),
                "seed": ALL,
                "answering": all_but("contexts", "test_size", "vllm"),
                "compute": ALL,
            },
            beside={"answering": only("contexts", "test_size", "vllm"), "servers": ALL},
        ),
        Stage(
            "import_answers",
            "04_import_answers",
            4,
            ("prepare_data",),
            uses={"system": only("name", "context")},
            beside={"system": only("answers"), "answering": only("test_size")},
        ),
        Stage(
            "judge_answers",
            "05_judge_answers",
            7,
            ("prepare_data", "generate_answers", "import_answers"),
            uses={**_JUDGE, "answering": only("batch_size"), "compute": ALL},
            beside={**_JUDGE_PLACES, **_ASKED},
        ),
        Stage(
            "measure_retention",
            "measure_retention",
            3,
            ("fine_tune",),
            uses={"model": ALL, "training": only("strength", "checkpoint"), "compute": ALL},
            beside={"retention": ALL},
        ),
        Stage(
            "probe_knowledge",
            "probe_knowledge",
            1,
            ("prepare_data",),
            uses={
                "model": ALL,
                "knowledge": all_but("test_questions", "train_questions"),
                "compute": ALL,
            },
            beside={"knowledge": only("test_questions", "train_questions"), "servers": ALL},
        ),
        Stage(
            "validate_judge",
            "validate_judge",
            8,
            ("prepare_data",),
            uses={
                **_JUDGE,
                "judge": all_but("criteria", "adapter"),
                "answering": only("batch_size"),
                "compute": ALL,
            },
            beside=_JUDGE_PLACES,
        ),
        Stage("compare", "06_compare", 8, beside={"study_file": ALL, "others": ALL}),
    )
}


def stages_before(stage: Stage, point: Point) -> tuple[str, ...]:
    """Names of the stages that come right before a stage at a point of the grid."""
    absent = {"generate_answers" if point.system else "import_answers"}
    if point.training is None:
        absent.add("fine_tune")
    elif not _reads_passages(stage, point):
        absent.add("index_corpus")
    if point.training is None or not point.training.answers_are_written:
        absent.add("write_training_answers")
    return tuple(name for name in stage.upstream if name not in absent)


def _reads_passages(stage: Stage, point: Point) -> bool:
    """Whether a stage that can do without the search's passages reads them; else True."""
    if stage.name == "fine_tune":
        return point.training.with_passages
    if stage.name == "write_training_answers":
        return point.training.answered_from == "passages"
    return True


def used_by(stage: Stage, point: Point) -> dict[str, dict[str, Any] | Any]:
    """The groups that a stage's own work depends on, with the values that count, as plain JSON."""
    uses = _uses(stage, point)
    return {name: _plain(getattr(point, name), (keys,)) for name, keys in uses.items()}


def _uses(stage: Stage, point: Point) -> dict[str, Keys]:
    """The same groups, with the keys that count."""
    uses = dict(stage.uses)
    if not _reads_passages(stage, point):
        del uses["retrieval"]
    if stage.name == "fine_tune" and point.training.train_on == "all":
        del uses["knowledge"]
    return uses


def parameters_of(stage: Stage, point: Point) -> dict[str, Any]:
    """What the stage's notebook is given: all groups that it declares, of each the keys that it or
    a stage before it uses. A group that nobody uses at this point is `{}`."""
    used: dict[str, list[Keys]] = {}
    for name, keys in _keys(stage, point):
        used.setdefault(name, []).append(keys)
    groups = {}
    for name in declared(stage):
        keys = used.get(name, [])
        value = getattr(point if keys else _NOTHING, name)
        groups[name] = _plain(value, keys)
    return groups


def declared(stage: Stage) -> list[str]:
    """The groups that a stage's notebook declares, in the order of `Point`."""
    names = {*stage.uses, *stage.beside}
    for before in stage.upstream:
        names |= set(declared(STAGES[before]))
    return [name for name in Point.model_fields if name in names]


def _keys(stage: Stage, point: Point) -> Iterator[tuple[str, Keys]]:
    yield from _uses(stage, point).items()
    yield from stage.beside.items()
    for before in stages_before(stage, point):
        yield from _keys(STAGES[before], point)


def _plain(value: Any, keys: Sequence[Keys]) -> Any:
    """A value as notebooks and run ids have it: a group as those of its keys that count."""
    if not isinstance(value, Group):
        return {} if value is None else value
    unused = value.unused
    return {
        key: inner
        for key, inner in value.model_dump(mode="json").items()
        if key not in unused and any(key in some for some in keys)
    }


_NOTHING = Point()


@dataclass(frozen=True, eq=False)
class StageRun:
    """One notebook with its groups of parameters; `run_id` names its folder.

    `parameters` are what the notebook is given, as plain JSON; `point` is the same, typed.
    `notebook` is its source and `study_files` (path -> text) what a comparison compares, as they
    were when the study was planned: people go on editing while it runs.
    """

    stage: Stage
    parameters: dict[str, Any]
    upstream: tuple[StageRun, ...]
    slug: str
    identity: dict[str, Any]
    notebook: str = field(default="", repr=False)
    study_files: dict[str, str] = field(default_factory=dict, repr=False)
    point: Point = field(default_factory=Point, repr=False)

    @cached_property
    def run_id(self) -> str:
        text = json.dumps(self.identity, sort_keys=True)
        return f"{self.stage.name}/{self.slug}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    @property
    def place(self) -> str:
        """Stage and slug: runs of one place differ in what the slug has no word for."""
        return place_of(self.run_id)

    @property
    def extent(self) -> dict[str, int]:
        """How much is asked for: questions by context, or by subset of the training pool; of a
        comparison, all of the study's runs."""
        if self.is_comparison:
            return {run.run_id: 1 for run in self.upstream}
        if self.stage.name == "measure_retention":
            return {"items": self.point.retention}
        if self.stage.name == "write_training_answers":
            return dict(self.point.training.asked)
        if self.stage.name == "probe_knowledge":
            asked = self.point.knowledge
            return {"test": asked.test_questions, "train": asked.train_questions}
        if "answering" not in self.stage.beside:
            return {}
        if self.point.system is not None:
            return {self.point.system.context: self.point.answering.test_size}
        extent = dict.fromkeys(self.point.answering.contexts, self.point.answering.test_size)
        if "training" in extent and self.point.training is not None:
            extent["training"] = min(extent["training"], self.point.training.train_size)
        return extent

    @property
    def is_comparison(self) -> bool:
        """Whether it is the run that all others of its study lead to; its slug is the study."""
        return self.stage.name == "compare"

    def needs(self, stage_name: str) -> StageRun | None:
        """The upstream run of a stage, or None (a base model has no fine-tuning run)."""
        return next((run for run in self.upstream if run.stage.name == stage_name), None)


def place_of(run_id: str) -> str:
    """A run's id without its hash."""
    return run_id.rpartition("-")[0]


def find_stage(name: str) -> Stage:
    """A stage by its name or its notebook's name. Raises StudyError with the nearest name."""
    for stage in STAGES.values():
        if name in (stage.name, stage.notebook):
            return stage
    near = difflib.get_close_matches(name, STAGES, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    raise StudyError(f"there is no stage '{name}'; stages: {', '.join(STAGES)}.{hint}")


def all_upstream(run: StageRun) -> Iterator[StageRun]:
    """Everything that a run needs, directly or not; what comes first in time comes first here."""
    for needed in run.upstream:
        yield from all_upstream(needed)
        yield needed


def is_done(run: StageRun, status: Status | None = None) -> bool:
    """Whether a run has done all that is asked of it (an extensible stage may have done less).

    `status` is the run's, where it has been read already.
    """
    status = status or RunFolder(run.run_id).status()
    return status.state == "done" and covers(status.extent, run.extent) and _is_published(run)


def covers(done: dict[str, int], wanted: dict[str, int]) -> bool:
    """Whether the extent `done` holds at least everything in `wanted`."""
    return all(done.get(item, 0) >= amount for item, amount in wanted.items())


def _is_published(run: StageRun) -> bool:
    """A comparison also needs its tables in the study's folder, all and by this very run."""
    return not run.is_comparison or study_tables.is_published(run.slug, run.run_id)
