"""What a study will cost: tokens of every stage run, and the seconds that a machine takes for them.

A token that is read or trained on costs arithmetic, 2 operations per weight that it uses and as
much again for each of training's two backward steps; a token that is written costs reading all
weights once per batch (Kaplan et al. 2020, arXiv 2001.08361, section 2.1; Pope et al. 2022, arXiv
2211.05102, section 2). How fast a machine does either is measured: by the finished runs in the
outputs folder for this machine, as written down in `MACHINES` for others.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rag_study import data
from rag_study.common import files, run_folder
from rag_study.common.errors import StudyError
from rag_study.common.machine import resolve_dtype
from rag_study.common.messages import nearest
from rag_study.common.run_folder import RunFolder
from rag_study.data import registry
from rag_study.models.architectures import EXTRACTIVE, kind_of
from rag_study.models.names import is_trained_judge, parameters_of
from rag_study.models.vllm import SEQUENCES
from rag_study.study import plan, stages
from rag_study.study.groups import Judge, Point
from rag_study.study.running import lengths, resources
from rag_study.study.stages import STAGES, StageRun
from rag_study.training.recipe import HELD_OUT, NUM_EXAMPLES

# Tokens of the judge's prompt, and of each criterion as any judge is told it and as one that was
# trained to grade, counted as in `lengths`.
_JUDGE_PROMPT, _CRITERION, _TRAINED_CRITERION = 47, 68, 12
_STYLE_RUNGS = 16  # a right and a wrong answer in each of `style.STYLES`
_STYLED = 45  # tokens of such an answer, on average
_LADDER_RUNGS = 9  # a question; refusals and empty answers are scored by rule
# The retention sets: items, tokens read and tokens written for each (a fact has four choices).
_RETENTION = ((216, 60, 0), (177, 4 * 40, 0), (78, 35, 39))
# Questions that are answered together where a notebook has no parameter for it.
_BATCH = 16
# Seconds until a vLLM server on a GPU has loaded its model and compiled: assumed, not measured.
_VLLM_START_S = 60.0
# Bytes of a document to a token of the embedding model.
_BYTES_PER_TOKEN = 4.2
# How often the held-out pairs are measured beside once per epoch.
_HELD_OUT_ROUNDS = 1
# Retrieved passages of each kind of context; None: the study's top_k.
_PASSAGES = {"none": 0, "training": 0, "retrieved": None, "distractor": None}
KINDS = ("read", "written", "trained")


@dataclass(frozen=True)
class Machine:
    """How fast a machine is: arithmetic operations per second when reading and when training, bytes
    of weights per second when writing, and seconds that every run takes beside that.

    `gpu_bytes` is the memory of one of its GPUs; a model that needs more takes several. `dtype` is
    what "auto" means on it.
    """

    name: str
    about: str
    read: float
    trained: float
    written: float
    overhead: float = 30.0
    gpu_bytes: float = math.inf
    dtype: str = "bfloat16"


# Data sheets: dense bfloat16 operations and memory bandwidth. The shares of them that transformers
# reaches are assumed, not measured: 0.4 reading, 0.35 training, 0.2 writing.
_SHARES = "data sheet × assumed efficiency, not measured"
MACHINES = {
    machine.name: machine
    for machine in (
        Machine(
            "laptop-2-cores",
            "2 slow cores with bfloat16, measured by the demo with 135 million weights: 1,759 "
            "tokens per second read, 607 trained, a batch's next tokens in 23 ms",
            read=1759 * 2 * 0.135e9,
            trained=607 * 6 * 0.135e9,
            written=44 * 2 * 0.135e9,
            overhead=1.3,
        ),
        Machine("a100-80gb", _SHARES, 0.4 * 312e12, 0.35 * 312e12, 0.2 * 2.04e12, gpu_bytes=80e9),
        Machine("h100-80gb", _SHARES, 0.4 * 989e12, 0.35 * 989e12, 0.2 * 3.35e12, gpu_bytes=80e9),
    )
}


@dataclass(frozen=True)
class Estimate:
    """What runs will cost on a machine.

    `rows`, one per stage and "all" as the last, have `stage`, `runs`, `tokens_read`,
    `tokens_written`, `tokens_trained`, `hours` and `gpu_hours` of runs that are not done, and for
    those that are (and were not interrupted): `done`, `hours_taken`, and the hours predicted from
    the plan (`hours_predicted`) and from the tokens that they had (`hours_by_tokens`): the error of
    the whole model, and that of the speeds alone. `notes` say what is not in it.
    """

    machine: Machine
    rows: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)


def estimate(runs: Sequence[StageRun], machine: Machine) -> Estimate:
    """Tokens and hours by stage, of what is to be done and, to compare, of what is done."""
    rows: dict[str, dict[str, Any]] = {}
    for run in runs:
        row = rows.setdefault(run.stage.name, _empty(run.stage.name))
        counted = tokens(run)
        hours = seconds(run, counted, machine) / 3600
        if record := _record_of(run):
            row["done"] += 1
            row["hours_taken"] += record["wall_seconds"] / 3600
            row["hours_predicted"] += hours
            row["hours_by_tokens"] += seconds(run, record["tokens"], machine) / 3600
        elif not stages.is_done(run):
            row["runs"] += 1
            row["hours"] += hours
            row["gpu_hours"] += hours * _gpus(run, machine)
            for kind, number in counted.items():
                row[f"tokens_{kind}"] += number
    everything = _empty("all")
    for row in rows.values():
        for key, value in row.items():
            if key != "stage":
                everything[key] += value
    return Estimate(machine, [*rows.values(), everything], _notes(runs))


def find_machine(name: str | None) -> Machine:
    """A machine by name, or this one (None) as measured by its finished runs.

    Raises StudyError for an unknown name, and when too little was run here to know.
    """
    if name is None:
        return measure(_finished())
    if name not in MACHINES:
        raise StudyError(
            f"there is no machine '{name}'; known: {', '.join(MACHINES)}{nearest(name, MACHINES)}. "
            "Without --machine it is this one, as measured by its finished runs."
        )
    return MACHINES[name]


def this_machine() -> Machine:
    """This machine as measured by its finished runs; a slow one where they do not tell yet."""
    try:
        return find_machine(None)
    except StudyError:
        return MACHINES["laptop-2-cores"]


def expected(runs: Iterable[StageRun], *, force: bool = False) -> dict[str, float]:
    """Seconds that each run is expected to take on this machine, by its id; without `force` only of
    those that are not done."""
    left = [run for run in runs if force or not stages.is_done(run)]
    machine = this_machine() if left else None
    found = {run.run_id: seconds(run, tokens(run), machine) for run in left}
    return {run_id: took for run_id, took in found.items() if math.isfinite(took)}


def tokens(run: StageRun) -> dict[str, float]:
    """Tokens that a run is expected to compute, by kind, padding included.

    Passages count as full chunks and answers as long as they may be, so this is on the high side.
    """
    point, stage = run.point, run.stage.name
    search, training, answering = point.retrieval, point.training, point.answering
    read = written = trained = 0.0
    if stage == "index_corpus":
        repeated = search.chunk_size / (search.chunk_size - search.chunk_overlap)
        read = (_corpus_tokens(run) or 0.0) * repeated * lengths.PADDING
    elif stage == "fine_tune":
        example = lengths.training_example(point)
        epochs, examples = training.epochs, training.train_size * training.epochs
        if training.max_steps:
            epochs, examples = 0, training.max_steps * training.batch_size
        trained = examples * example * lengths.PADDING
        measured = epochs + _HELD_OUT_ROUNDS + len(training.checkpoints) - 1
        read = HELD_OUT * example * measured * lengths.PADDING
    elif stage == "write_training_answers":
        # Subsets of several seeds overlap; that they do not is on the high side.
        questions = sum(run.extent.values()) + HELD_OUT
        number = lengths.GOLD_PASSAGES if training.answered_from == "passages" else 0
        examples = NUM_EXAMPLES if training.answered_from == "few_shot" else 0
        prompt = lengths.prompt(number, search.chunk_size, examples)
        read = questions * prompt * lengths.PADDING
        written = questions * (answering.max_new_tokens - 1)
    elif stage == "generate_answers":
        examples = answering.num_examples if answering.few_shot else 0
        for context, questions in run.extent.items():
            number = _PASSAGES.get(context, lengths.GOLD_PASSAGES)
            number = search.top_k if number is None else number
            number = min(number, lengths.most_passages(search))
            prompt = lengths.prompt(number, search.chunk_size, examples)
            read += questions * prompt * lengths.PADDING * (2 if answering.context_gain else 1)
            if kind_of(point.model) != EXTRACTIVE:
                written += questions * (answering.max_new_tokens - 1)
    elif stage == "judge_answers":
        answer = lengths.REFERENCE if point.system else answering.max_new_tokens
        read = sum(run.extent.values()) * _judged(point.judge, answer)
    elif stage == "validate_judge":
        ladder = _LADDER_RUNGS * _judged(point.judge, lengths.REFERENCE)
        styles = _STYLE_RUNGS * _judged(point.judge, _STYLED)
        read = point.judge.ladder_size * (ladder + styles)
    elif stage == "probe_knowledge":
        how, there = point.knowledge, plan.pool_sizes(run.needs("prepare_data")) or run.extent
        asked = sum(min(number, there[pool]) for pool, number in run.extent.items())
        answers = asked * (how.exemplar_sets + how.samples)
        prompt = lengths.prompt(0, 0, how.num_examples)
        read, written = answers * prompt * lengths.PADDING, answers * (how.max_new_tokens - 1)
    elif stage == "measure_retention":
        for items, each_read, each_written in _RETENTION:
            number = min(point.retention, items)
            read += number * each_read * lengths.PADDING
            written += number * each_written
    return {"read": read, "written": written, "trained": trained}


def _judged(judge: Judge, answer: float) -> float:
    """Tokens of the prompts about one answer, by all criteria."""
    trained = is_trained_judge(judge.model, judge.trained)
    criteria = len(judge.criteria) * (_TRAINED_CRITERION if trained else _CRITERION)
    return (
        _JUDGE_PROMPT + lengths.QUESTION + lengths.REFERENCE + answer + criteria
    ) * lengths.PADDING


def seconds(run: StageRun, counted: dict[str, float], machine: Machine) -> float:
    """Seconds that a run takes on a machine for so many tokens."""
    work = _work(run, counted, machine.dtype)
    start = _VLLM_START_S if resources.computes_by_vllm(run) else 0.0
    speed = {"read": machine.read, "written": machine.written, "trained": machine.trained}
    return machine.overhead + start + sum(work[kind] / speed[kind] for kind in KINDS)


def _work(run: StageRun, counted: dict[str, float], dtype: str | None = None) -> dict[str, float]:
    """Operations of reading and training, and bytes of weights that writing reads."""
    name = _model(run)
    active = parameters_of(name, active=True) or 0.0 if name else 0.0
    weights = parameters_of(name) or 0.0 if name else 0.0
    each = resources.bytes_per_weight(run, dtype)
    written = counted.get("written", 0)
    batch = run.point.answering.batch_size if "answering" in run.stage.uses else _BATCH
    if run.stage.name == "probe_knowledge":
        batch = run.point.knowledge.batch_size
    computed = counted.get("read", 0)
    if resources.computes_by_vllm(run):
        # As many at once as there are, up to what its server holds; then arithmetic counts, too.
        held = run.point.answering.vllm.max_num_seqs or SEQUENCES
        batch, computed = max(1, min(held, sum(run.extent.values()))), computed + written
    return {
        "read": 2 * active * computed,
        "trained": 6 * active * counted.get("trained", 0),
        "written": weights * each * written / batch,
    }


def measure(finished: Iterable[dict[str, Any]]) -> Machine:
    """This machine's speeds: non-negative least squares of the wall seconds of its finished runs
    on their work, relative to what they took. Raises StudyError when they do not determine it.
    """
    import numpy as np
    from scipy.optimize import nnls

    rows = [entry for entry in finished if entry["wall_seconds"] > 0]
    done = {kind: sum(entry["work"][kind] for entry in rows) for kind in KINDS}
    if missing := [kind for kind in KINDS if not done[kind]]:
        raise StudyError(
            f"the speed of this machine is not known yet: no finished run here has "
            f"{' or '.join(missing)} tokens with a model of known size. Run a small study first "
            f"(params/demo.yaml), or name a machine with --machine: {', '.join(MACHINES)}."
        )
    taken = np.array([entry["wall_seconds"] for entry in rows])
    work = np.array([[1.0, *(entry["work"][kind] for kind in KINDS)] for entry in rows])
    scale = work.max(axis=0)
    factors = nnls(work / scale / taken[:, None], np.ones(len(rows)))[0] / scale
    speed = {
        kind: float(1 / factor) if factor > 0 else math.inf
        for kind, factor in zip(KINDS, factors[1:], strict=True)
    }
    here = resolve_dtype("auto")
    about = f"this machine, measured by {len(rows)} finished runs"
    return Machine("this machine", about, **speed, overhead=float(factors[0]), dtype=here)


def _finished() -> list[dict[str, Any]]:
    """Work and seconds of every finished run in the outputs folder that ran in this precision; a
    run whose records cannot be read, damaged or of another release, tells nothing."""
    from ruamel.yaml.error import YAMLError

    finished = []
    for file in sorted((run_folder.outputs_dir() / "runs").glob("*/*/provenance.json")):
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
            compute = record["identity"]["parameters"].get("compute")
            if "tokens" not in record or (compute and compute["dtype"] != resolve_dtype("auto")):
                continue
            parameters = files.read_yaml(file.with_name("params.yaml"))
            point = Point.model_validate(parameters)
            run = StageRun(STAGES[record["stage"]], parameters, (), "", {}, point=point)
            work = _work(run, record["tokens"])
            finished.append({"wall_seconds": record["wall_seconds"], "work": work})
        except (ValueError, TypeError, LookupError, OSError, YAMLError):
            continue
    return finished


def _empty(stage: str) -> dict[str, Any]:
    numbers = ("hours", "gpu_hours", "hours_taken", "hours_predicted", "hours_by_tokens")
    counts = dict.fromkeys(("runs", "done", *(f"tokens_{kind}" for kind in KINDS)), 0)
    return {"stage": stage, **counts, **dict.fromkeys(numbers, 0.0)}


def _record_of(run: StageRun) -> dict[str, Any] | None:
    """The provenance of a run that is done and was not resumed, else None."""
    folder = RunFolder(run.run_id)
    status = folder.status()
    if not stages.is_done(run, status) or status.tries > 1:
        return None
    return json.loads((folder.path / "provenance.json").read_text(encoding="utf-8"))


def _gpus(run: StageRun, machine: Machine) -> int:
    """GPUs that a run takes: as many as hold its model; none on a machine without."""
    if math.isinf(machine.gpu_bytes) or _model(run) is None:
        return 0
    return math.ceil(resources.memory_of(run, machine.dtype) / machine.gpu_bytes)


def _model(run: StageRun) -> str | None:
    """Name of the model whose tokens a run's are; None where it runs none on this machine."""
    return next(iter(resources.models_of(run)), None)


def _notes(runs: Sequence[StageRun]) -> list[str]:
    names = {name for run in runs if (name := _model(run)) and not parameters_of(name)}
    notes = [
        f"The size of {name} is not known; only its runs' overhead is counted."
        for name in sorted(names)
    ]
    unread = {
        run.needs("prepare_data").point.dataset.name
        for run in runs
        if run.stage.name == "index_corpus" and _corpus_tokens(run) is None
    }
    if unread:
        notes.append(
            f"Embedding the documents of {', '.join(sorted(unread))} is not counted before stage "
            "01 has read them."
        )
    return notes


def _corpus_tokens(run: StageRun) -> float | None:
    """Tokens of the documents that an index run embeds; None where they have not been read."""
    prepared = run.needs("prepare_data")
    file = RunFolder(prepared.run_id).path / "corpus.jsonl"
    if stages.is_done(prepared):
        return file.stat().st_size / _BYTES_PER_TOKEN if file.exists() else None
    dataset = prepared.point.dataset
    if registry.find(dataset.name).is_instant(data.source_of(*dataset.source)):
        documents = data.load(*dataset.source).documents
        return sum(len(d.title) + len(d.text) for d in documents) / _BYTES_PER_TOKEN
    return None
