"""Why something would run again: what a finished run was made with that the planned one is not.

A run's id says that something differs; what it is stands in the identities that runs keep in their
folders. Nothing here decides what is run.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from rag_study.common import files, run_folder
from rag_study.common.provenance import package_hash
from rag_study.common.run_folder import RunFolder
from rag_study.common.wording import counted
from rag_study.models import names
from rag_study.study import identity
from rag_study.study.notebook_cells import stage_cells
from rag_study.study.stages import StageRun, place_of

IDENTITY_FILE = "identity.json"
# What another notebook, another version of the package or another machine makes different, though
# nobody asks for anything else.
NOT_ASKED_FOR = frozenset({"notebook", "package", "machine"})

_REVISIONS = {
    "data": "the data have",
    "answers": "the imported answers have",
    "model": "the files of the model have",
    "judge": "the files of the judge have",
    "judge_adapter": "the judge's adapter has",
    "judge_tokenizer": "the judge's tokenizer has",
    "embedding_model": "the files of the embedding model have",
    "reranker": "the files of the reranker have",
    "similarity_model": "the model of semantic similarity has",
    "criteria": "the judge's criteria have",
    "judge_evidence": "the judge's weighing of evidence has",
    "bundled": "the questions that come with the package have",
}
_OF_PACKAGE = ("similarity_model", "criteria", "judge_evidence", "bundled")
_ELSEWHERE = (
    "stage",
    "version",
    "code",
    "parameters",
    "revisions",
    "prompts",
    "upstream",
    "extents",
)
_MISSING = object()


class Difference(NamedTuple):
    """One thing that differs: what it is part of (asked, data, upstream, or one of NOT_ASKED_FOR),
    and the sentence for people."""

    part: str
    words: str


class Earlier(NamedTuple):
    """A finished run at the same place (`StageRun.place`), and how the planned one differs."""

    run_id: str
    differences: list[Difference]


def record(run: StageRun) -> None:
    """Keep in a run's folder what its id is made of, and the cells that compute."""
    cells = [(cell.number, cell.digest) for cell in stage_cells(run.notebook)]
    content = {"identity": run.identity, "cells": cells}
    files.write_json(RunFolder(run.run_id).path / IDENTITY_FILE, content)


def recorded(run_id: str) -> dict[str, Any] | None:
    """What `record` kept of a run; of one that is older its provenance has the identity."""
    for name in (IDENTITY_FILE, "provenance.json"):
        if RunFolder(run_id).damages(of=name.__eq__):
            continue
        try:
            content = json.loads((RunFolder(run_id).path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(content, dict) and isinstance(content.get("identity"), dict):
            return content
    return None


def is_of_other_code(package: str) -> bool:
    """Whether a run with this hash of the package's code was made by other code than this."""
    return package != package_hash()


def of_other_code(run_ids: Collection[str]) -> list[str]:
    """A sentence on finished runs whose results are used though other code has made them."""
    if not run_ids:
        return []
    count = f"{counted(len(run_ids), 'run')} {'was' if len(run_ids) == 1 else 'were'}"
    example = f"such as {min(run_ids)}" if len(run_ids) > 1 else min(run_ids)
    return [
        f"{count} made by another version of the package ({example}) and reused. Where that may "
        "matter, `rag-study run STUDY --force` makes all of the study again."
    ]


def from_earlier(runs: Sequence[StageRun], study: Sequence[StageRun]) -> dict[str, Earlier]:
    """Run id -> the finished run that is nearest to it, for those of the runs that have one.

    What the `study` needs itself is not among them: it is another point of the grid.
    """
    needed = {run.run_id for run in study}
    there: dict[str, list[str]] = {}
    for stage in {run.stage.name for run in runs}:
        for path in sorted((run_folder.outputs_dir() / "runs" / stage).glob("*-????????")):
            if (run_id := f"{stage}/{path.name}") not in needed:
                there.setdefault(place_of(run_id), []).append(run_id)
    nearest = {}
    for run in runs:
        earlier = []
        for run_id in there.get(run.place, ()):
            status, before = RunFolder(run_id).status(), recorded(run_id)
            if status.state == "done" and before is not None:
                differing = between(before, run)
                earlier.append((len(differing), -status.finished, Earlier(run_id, differing)))
        if earlier:
            nearest[run.run_id] = min(earlier)[-1]
    return nearest


def between(before: dict[str, Any], run: StageRun) -> list[Difference]:
    """What differs between a recorded run (`recorded`) and a planned one, at least one thing."""
    old, new = before["identity"], json.loads(json.dumps(run.identity))
    return [
        *_in_code(old, new, before.get("cells"), run),
        *_in_values(old, new, run),
        *_in_revisions(old, new),
        *_in_upstream(old.get("upstream", []), new["upstream"]),
    ] or [Difference("package", "the package names its runs otherwise now")]


def since_planned(run: StageRun) -> list[Difference]:
    """What of the files that a planned run reads is no longer as its id says."""
    now = identity.revisions(run.stage, run.point)
    return list(_in_revisions(run.identity, run.identity | {"revisions": now}))


def is_asked_for(run_id: str, run: StageRun) -> bool:
    """Whether a run in the outputs folder is what a planned one asks for, but for the notebooks,
    the package and the machine that it was made with."""
    if run_id == run.run_id:
        return True
    before = recorded(run_id)
    if before is None:
        return False
    parts = {difference.part for difference in between(before, run)}
    needed = before["identity"].get("upstream", [])
    if parts - NOT_ASKED_FOR - {"upstream"}:
        return False
    places = ({place_of(upstream_id) for upstream_id in needed}, {u.place for u in run.upstream})
    if run.is_comparison and places[0] != places[1]:
        return False
    for upstream_id in needed:
        stage = upstream_id.partition("/")[0]
        same = [planned for planned in run.upstream if planned.stage.name == stage]
        if run.is_comparison:  # thousands may be of one stage; one of them has the same name
            same = [planned for planned in same if planned.place == place_of(upstream_id)]
        elif not same:
            continue  # the package has the stage read something else now
        gone = not RunFolder(upstream_id).path.exists()
        if not any(gone or is_asked_for(upstream_id, planned) for planned in same):
            return False
    return True


def _in_code(
    old: dict[str, Any], new: dict[str, Any], cells: list[tuple[int, str]] | None, run: StageRun
) -> Iterator[Difference]:
    if old.get("code") != new["code"]:
        yield Difference("notebook", _cells(cells, run))
    if old.get("version") != new["version"]:
        yield Difference("package", f"the package does {run.stage.name} otherwise now")
    if old.get("prompts") != new["prompts"]:
        yield Difference("package", "the prompt has changed")


def _cells(before: list[tuple[int, str]] | None, run: StageRun) -> str:
    """Which cells of the notebook are others, by their numbers after "Run all"."""
    now = [(cell.number, cell.digest) for cell in stage_cells(run.notebook)]
    changed, added, gone = [], [], []
    if before:
        old, new = ([digest for _, digest in cells] for cells in (before, now))
        for what, i, j, m, n in difflib.SequenceMatcher(None, old, new, False).get_opcodes():
            if what != "equal":
                both = min(j - i, n - m)
                changed += [number for number, _ in now[m : m + both]]
                added += [number for number, _ in now[m + both : n]]
                gone += [number for number, _ in before[i + both : j]]
    phrases = [
        f"{_counted(cells)} of {run.stage.notebook} {'has' if len(cells) == 1 else 'have'} {verb}"
        for cells, verb in ((changed, "changed"), (added, "been added"), (gone, "been removed"))
        if cells
    ]
    return ", ".join(phrases) or f"{run.stage.notebook} has changed"


def _counted(numbers: list[int]) -> str:
    if len(numbers) == 1:
        return f"cell {numbers[0]}"
    return f"cells {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def _in_values(old: dict[str, Any], new: dict[str, Any], run: StageRun) -> Iterator[Difference]:
    """Parameters that have other values; of a comparison also what its analysis is told."""
    raw = _flat(run.parameters)
    # How much is asked of each run is a list as long as the list of runs.
    extents = [len(side.get("extents", ())) for side in (old, new)]
    if extents[0] == extents[1] and old.get("extents") != new.get("extents"):
        yield Difference("asked", "more or fewer questions are asked for")
    for part in ("parameters", *(key for key in new if key not in _ELSEWHERE)):
        before, now = (_flat(side.get(part, {}), part) for side in (old, new))
        for key in sorted({*before, *now}):
            was, value = before.get(key, _MISSING), now.get(key, _MISSING)
            if was == value:
                continue
            name = key.removeprefix("parameters.").removeprefix("analysis.")
            past, present = ("were", "are") if re.search(r"[^s]s$", name) else ("was", "is")
            if value is _MISSING:
                yield Difference("package", f"{name} {past} {_short(was)}, and not set now")
            elif was is _MISSING:
                yield Difference("package", f"{name} {present} {_short(value)}, and not set before")
            else:
                # What "auto" and 0 stand for is decided by the machine.
                setting = (name.rpartition(".")[2], raw.get(name))
                part_of = "machine" if setting in (("dtype", "auto"), ("threads", 0)) else "asked"
                words = f"{name} {past} {_short(was)}, {present} {_short(value)}"
                yield Difference(part_of, words)


def _in_revisions(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Difference]:
    before, now = (side.get("revisions", {}) for side in (old, new))
    was, values = (_flat(side.get("parameters", {})) for side in (old, new))
    for key in sorted({*before, *now}):
        if before.get(key) == now.get(key):
            continue
        # Another name says it already.
        places = (key, f"{key}.model", key.replace("_", ".", 1), f"retrieval.{key}")
        named = [place for place in places if place in values]
        if any(values[place] != was.get(place) for place in named):
            continue
        words = _REVISIONS.get(key, f"the {key.replace('_', ' ')} has")
        part = "data"
        if (
            key in _OF_PACKAGE
            or key not in before
            or any(_is_preset(values[place]) for place in named)
        ):
            part = "package"
        if key == "data" and _without_version(before.get(key)) == _without_version(now.get(key)):
            part, words = "package", "how the package reads the data has"
        yield Difference(part, f"{words} changed")


def _is_preset(name: Any) -> bool:
    return name in {**names.GENERATORS, **names.EMBEDDINGS, **names.JUDGES}


def _without_version(revision: Any) -> str:
    """Of a data set's revision what its files say; "v2-" before it is the reader's version."""
    return re.sub(r"^v\d+-?", "", str(revision))


def _in_upstream(before: Sequence[str], now: Sequence[str]) -> Iterator[Difference]:
    for stage in dict.fromkeys(run_id.partition("/")[0] for run_id in (*now, *before)):
        old, new = (
            {run_id for run_id in ids if run_id.startswith(f"{stage}/")} for ids in (before, now)
        )
        gained, lost = len(new - old), len(old - new)
        if not gained and not lost:
            continue
        if not gained:
            words = f"{counted(lost, f'{stage} run')} fewer"
        elif gained == 1:
            words = f"{'another' if lost else 'one more'} {stage} run"
        else:
            words = f"{gained} {'other' if lost else 'more'} {stage} runs"
        yield Difference("upstream", f"needs {words}")


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested settings by their dotted names."""
    if not isinstance(value, dict):
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        flat |= _flat(inner, f"{prefix}.{key}" if prefix else key)
    return flat


def _short(value: Any) -> str:
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
