"""From a study to its stage runs: what is to be done, in which order, under which ids.

A *point* of the grid is a flat set of named values (data set, chunk size, model, train size, ...).
Every stage takes from it the values that its notebook declares in its parameters cell, and so
does every stage before it. That is all there is to dependencies: same values, same run.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag_study import data
from rag_study.common import run_folder
from rag_study.common.errors import StudyError
from rag_study.common.paths import located, portable
from rag_study.study import merge, stages
from rag_study.study.config import StudyConfig, load_study
from rag_study.study.grid import BASE, NO_DATA, NO_RETRIEVAL, points
from rag_study.study.identity import _identity, _slug
from rag_study.study.stages import (
    STAGES,
    Stage,
    StageRun,
    all_upstream,
    find_stage,
    notebook_parameters,
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Comparison(StageRun):
    """The run that compares what one study has done, or what several have done together; `study`
    is what their files say."""

    study: StudyConfig


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
        return comparison(merge.load_studies([point["study_file"], *point["others"]]))
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


def expand(study: StudyConfig | str | Path) -> list[StageRun]:
    """All stage runs of a study, or of the study of a file, each once, in an order that respects
    dependencies.

    The last one is the Comparison. Raises StudyError when the data has fewer questions than the
    study asks for.
    """
    config = study if isinstance(study, StudyConfig) else load_study(study)
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
    return [*runs.values(), _compare_run(config, tuple(final))]


def comparison(study: StudyConfig) -> Comparison:
    """The run that compares what one study has done, or what several have done together.

    Raises StudyError as `expand`.
    """
    if not isinstance(study, merge.MergedStudy):
        return expand(study)[-1]
    final: dict[str, StageRun] = {}
    for part in study.parts:
        for run in expand(part)[-1].upstream:
            final.setdefault(json.dumps([run.run_id, run.extent]), run)
    return _compare_run(study, tuple(final.values()))


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
    if stages.is_done(prepared):  # reading and dividing thousands of questions takes a second
        with contextlib.suppress(OSError, ValueError, KeyError):  # damaged from outside
            metrics = run_folder.RunFolder(prepared.run_id).path / "metrics.json"
            return json.loads(metrics.read_text())["pools"]
    given = prepared.parameters
    if data.registry.find(given["dataset"]).instant:
        keys = ("dataset", "dataset_path", "corpus_path", "dataset_options")
        dataset = data.load(*(given[key] for key in keys))
        return data.split(dataset, given["test_share"]).sizes()
    return None


def _compare_run(config: StudyConfig, final: tuple[StageRun, ...]) -> Comparison:
    stage = STAGES["compare"]
    first, *others = (portable(located(study_file)) for study_file in config.paths)
    identity = _identity(stage, {}, final) | {
        "extents": [run.extent for run in final],
        "labels": [dataset.display_name for dataset in config.datasets],
        "judges": [judge.display_name for judge in config.judges],
        "analysis": config.model_dump(include={"name", "primary", "margins", "notes"}, mode="json"),
    }
    parameters = {"study_file": first, "others": others}
    return Comparison(stage, parameters, final, config.name, identity, study=config)
