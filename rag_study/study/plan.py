"""From a study to its stage runs: what is to be done, in which order, under which ids.

A *point* of the grid is one group of each kind (data set, retrieval, training, ...). Every stage
takes from it what it uses (`stages.STAGES` says what), and so does every stage before it. That is
all there is to dependencies: same values, same run.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rag_study import data
from rag_study.answering import imported
from rag_study.common import files, run_folder
from rag_study.common.errors import StudyError
from rag_study.common.messages import nearest
from rag_study.common.paths import located, portable
from rag_study.common.wording import counted
from rag_study.data.schema import Question
from rag_study.models import names
from rag_study.study import asked, merge, readers, stages
from rag_study.study.config import StudyConfig, load_study
from rag_study.study.grid import points
from rag_study.study.groups import Point
from rag_study.study.identity import identity_of, slug_of
from rag_study.study.notebook_cells import forget_notebooks, notebook_source
from rag_study.study.stages import (
    STAGES,
    Stage,
    StageRun,
    all_upstream,
    find_stage,
    parameters_of,
    stages_before,
)
from rag_study.study.training_groups import Training
from rag_study.training.recipe import SELF

Pools = Mapping[str, Sequence[Question]]

# What a stage cannot do without, and what is said where it is empty.
_MODEL = {"model": "the name of a model is required"}
_JUDGE = {"judge": "the key 'model' is required"}
_REQUIRED = {
    "prepare_data": {"dataset": "the key 'name' is required"},
    "write_training_answers": {"training": "whose answers, and from what, is required"} | _MODEL,
    "fine_tune": {"training": "{} is the base model, which is not trained"} | _MODEL,
    "generate_answers": _MODEL,
    "import_answers": {"system": "the keys 'name' and 'answers' are required"},
    "judge_answers": _JUDGE,
    "measure_retention": _MODEL | {"retention": "0 items are nothing to measure"},
    "probe_knowledge": _MODEL | {"knowledge": "how it is probed is required ({samples: 8})"},
    "validate_judge": _JUDGE,
    "compare": {"study_file": "the path of a study file is required"},
}


# What a comparison is told by the study file.
_ANALYSIS = {"name", "primary", "margins", "looks", "notes"}


@dataclass(frozen=True, eq=False, kw_only=True)
class Comparison(StageRun):
    """The run that compares what one study has done, or what several have done together; `study`
    is what their files say."""

    study: StudyConfig


def stage_run(name: str, point: Point, made: dict[str, StageRun] | None = None) -> StageRun:
    """The run of a stage at a point of the grid, with everything upstream of it.

    `made` holds the runs built so far: one that several others need is built (and its data read
    for the hash) only once.
    """
    made = {} if made is None else made
    stage = find_stage(name)
    for group, missing in _REQUIRED.get(stage.name, {}).items():
        if not getattr(point, group):
            raise StudyError(f"{group}: {missing}")
    if stage.name == "compare":
        return comparison(merge.load_studies([point.study_file, *point.others]))
    if stage.name == "measure_retention" and names.is_endpoint(point.model):
        raise StudyError("model: retention is not measured of a model behind a server")
    if stage.name == "fine_tune" and names.is_endpoint(point.model):
        raise StudyError("training: a model behind a server is not trained here; give {}")
    if stage.name == "write_training_answers" and not point.training.answers_are_written:
        raise StudyError("training: with answer_source gold, there is nothing to write; take self")
    if point.model and not point.system:
        readers.check(point.model, stage.name, point)
    point = _seen_by(stage, point)
    parameters = parameters_of(stage, point)
    key = json.dumps([stage.name, parameters])
    if key in made:
        return made[key]
    upstream = tuple(stage_run(before, point, made) for before in stages_before(stage, point))
    if stage.name == "fine_tune" and point.training.sequence:
        *before, _ = point.training.sequence
        earlier = point.training.model_copy(update={"sequence": before, "checkpoints": [1.0]})
        upstream += (stage_run("fine_tune", point.model_copy(update={"training": earlier}), made),)
    if stage.name == "fine_tune" and point.training.train_on != "all":
        upstream += (stage_run("probe_knowledge", point, made),)
    made[key] = StageRun(
        stage,
        parameters,
        upstream,
        slug_of(stage, point),
        identity_of(stage, point, upstream),
        notebook=notebook_source(stage.path),
        point=point,
    )
    return made[key]


def _seen_by(stage: Stage, point: Point) -> Point:
    """The point as it is for a stage.

    Training takes place on its own data sets (`training.sequence`, in this order), which need not
    be the one whose questions are asked. Whoever writes the answers for it is not trained itself,
    and depends on nothing of the training but what is asked. Seeds are drawn from where something
    is drawn. Another system is neither a model of the study nor trained here.
    """
    if point.system:
        point = point.model_copy(update={"model": "", "training": None})
    training, change = point.training, {}
    if stage.name in ("fine_tune", "measure_retention") and training and training.sequence:
        *before, last = training.sequence
        sequence = [*before, last] if before else []
        change = {"dataset": last, "training": training.model_copy(update={"sequence": sequence})}
    if stage.name == "write_training_answers":
        source = training.answer_source
        change["model"] = point.model if source == SELF else source
        change["training"] = Training(
            answer_source=SELF,
            answered_from=training.answered_from,
            asked=training.asked or training.subset(point.seed),
        )
    if not (training or point.answering.few_shot or point.answering.temperature):
        change["seed"] = 0
    change["retrieval"] = point.retrieval.deep_enough(point.answering.contexts)
    return point.model_copy(update=change)


def expand(study: StudyConfig | str | Path, *, whole: bool = False) -> list[StageRun]:
    """All stage runs of a study, or of the study of a file, each once, in an order that respects
    dependencies. A study that is run until all is settled asks each state for as many questions as
    its present step does (`asked`); with `whole`, for all.

    The last one is the comparison. Notebooks and study file are read now, and what they say is
    with the runs from here on. Raises StudyError when the data has fewer questions than the study
    asks for.
    """
    forget_notebooks()
    config = study if isinstance(study, StudyConfig) else load_study(study)
    runs: dict[str, StageRun] = {}
    made: dict[str, StageRun] = {}
    final: list[StageRun] = []
    step = None if whole else asked.asked_now(config)
    for point in points(config):
        for name in ("judge_answers", "measure_retention", "probe_knowledge", "validate_judge"):
            if name == "measure_retention" and not point.retention:
                continue
            if name == "probe_knowledge" and point.knowledge is None:
                continue
            run = stage_run(name, point, made)
            if name == "judge_answers" and step is not None:
                size = asked.size_of(config, step, answering(run).run_id)
                fewer = point.answering.model_copy(update={"test_size": size})
                run = stage_run(name, point.model_copy(update={"answering": fewer}), made)
            final += [] if run.run_id in runs else [run]
            for needed in (*all_upstream(run), run):
                runs.setdefault(needed.run_id, needed)
    check_pools(runs.values())
    check_slices(config, runs.values())
    return [*runs.values(), _compare_run(config, tuple(final))]


def answering(run: StageRun) -> StageRun:
    """The run whose answers a judge scores."""
    return run.needs("import_answers") or run.needs("generate_answers")


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
    """Raise StudyError when a pool is smaller than what a run asks of it, and when a file of
    another system's answers cannot be used.

    A data set that takes long to read is checked once its stage 01 is done.
    """
    sizes: dict[str, dict[str, int] | None] = {}
    for run in runs:
        prepared = run.needs("prepare_data")
        if prepared is None:
            continue
        if prepared.run_id not in sizes:
            sizes[prepared.run_id] = pool_sizes(prepared)
        there = sizes[prepared.run_id]
        if run.stage.name == "import_answers":
            answers_of(run, pools_of(prepared))
        for key, pool, size in _sizes_needed(run):
            if there is not None and size > there[pool]:
                share = prepared.point.dataset.test_share
                raise StudyError(
                    f"{key}: {counted(size, 'question')} {'is' if size == 1 else 'are'} asked "
                    "for, the "
                    f"{pool} pool of '{prepared.point.dataset.name}' has {there[pool]}. Lower "
                    f"{key}, or "
                    f"change test_share (now {share}), the share of all questions in the test pool."
                )


def check_slices(study: StudyConfig, runs: Iterable[StageRun]) -> None:
    """Raise StudyError where `slices` names a column that no question has.

    What takes long to read is not looked at; the comparison then says so.
    """
    prepared = [run for run in runs if run.stage.name == "prepare_data"]
    for dataset in study.datasets:
        same = [run for run in prepared if run.point.dataset.content == dataset.content]
        pools = pools_of(same[0]) if same and dataset.slices else None
        if not pools:
            continue
        there = {name: None for question in pools["test"] for name in question.single_values}
        columns = {"group", "answer_type", *(f"extra_{name}" for name in there)}
        for name, column in dataset.slice_columns.items():
            if column not in columns:
                raise StudyError(
                    f"{study.paths[0] if study.paths else study.name}: `slices` of "
                    f"'{dataset.display_name}' names '{name}', which is no column of its questions"
                    f"{nearest(name, ['answer_type', *there])}"
                )


def _sizes_needed(run: StageRun) -> Iterator[tuple[str, str, int]]:
    """How many questions of which pool a run needs, and which key says so."""
    if "test_size" in run.parameters.get("answering", {}):
        yield "test_size", "test", run.point.answering.test_size
    if run.stage.name == "fine_tune":
        yield "train_size", "train", run.point.training.train_size


def pool_sizes(prepared: StageRun) -> dict[str, int] | None:
    """How many questions each pool has, as far as that can be known while planning; else None."""
    if folder := _whole(prepared):  # reading thousands of questions takes a second
        with contextlib.suppress(OSError, ValueError, KeyError):  # damaged, and without checksums
            return files.read_json(folder / "metrics.json")["pools"]
    pools = pools_of(prepared)
    return pools and {pool: len(questions) for pool, questions in pools.items()}


def _whole(prepared: StageRun) -> Path | None:
    """The folder of a run that is done and not damaged. Planning does without it; `run` says so."""
    folder = run_folder.RunFolder(prepared.run_id)
    return folder.path if stages.is_done(prepared) and not folder.damages(quick=True) else None


def pools_of(prepared: StageRun) -> Pools | None:
    """The questions by pool, as far as they can be had while planning; else None."""
    if folder := _whole(prepared):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            return _saved(folder)
    dataset = prepared.point.dataset
    if data.registry.find(dataset.name).is_instant(data.source_of(*dataset.source)):
        return _divided(prepared)
    return None  # not kept: stage 01 may end while this process runs


# Reading and dividing thousands of questions takes a second.
_saved = lru_cache(maxsize=4)(data.load_pools)


@lru_cache(maxsize=4)
def _divided(prepared: StageRun) -> Pools:
    dataset = prepared.point.dataset
    return data.split(data.load(*dataset.source), dataset.test_share).pools


def answers_of(run: StageRun, pools: Pools | None) -> dict[str, int]:
    """What the file of another system's answers holds (`imported.check`)."""
    path = Path(run.point.system.answers)
    if pools is None:
        return imported.check(path)
    return imported.check(path, pools["test"], [*pools["validation"], *pools["train"]])


def answer_notes(runs: Iterable[StageRun]) -> list[str]:
    """A sentence on each file of another system's answers: to which questions they are."""
    return [
        f"{run.point.system.name}, {run.point.dataset.name}: "
        + imported.summary(answers_of(run, pools_of(run.needs("prepare_data"))))
        for run in runs
        if run.stage.name == "import_answers" and not stages.is_done(run)
    ]


def _compare_run(config: StudyConfig, final: tuple[StageRun, ...]) -> Comparison:
    stage = STAGES["compare"]
    first, *others = (portable(located(study_file)) for study_file in config.paths)
    point = Point.model_construct(study_file=first, others=others)
    identity = identity_of(stage, point, final) | {
        "extents": [run.extent for run in final],
        # Names in tables count where they are given, not where they are those of folders.
        "labels": [dataset.label or dataset.name for dataset in config.datasets],
        "slices": [dataset.slices for dataset in config.datasets],
        "judges": [judge.name or names.name_in_ids(judge.model) for judge in config.judges],
        "analysis": config.model_dump(include=_ANALYSIS, mode="json"),
    }
    texts = {
        str(file.resolve()): file.read_text(encoding="utf-8-sig")
        for file in (located(study_file) for study_file in config.paths)
    }
    return Comparison(
        stage,
        parameters_of(stage, point),
        final,
        config.name,
        identity,
        notebook=notebook_source(stage.path),
        study_files=texts,
        point=point,
        study=config,
    )
