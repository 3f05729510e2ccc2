"""How a study was made: what each stage took, with which code and machines, and the study file."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML

from rag_study.analysis.study_results import StudyResults
from rag_study.common import meter
from rag_study.common.wording import NOT_KNOWN, is_number

# What makes up a run's id: the study file says the same in fewer words.
_SHOWN_ELSEWHERE = ("identity: parameters", "identity: upstream", "identity: stage", "tokens: ")


def reproduction_of(results: StudyResults) -> dict[str, Any]:
    """What a reader needs to repeat the study: `stages` (totals of each stage, and of all of them
    last), `facts` (every other recorded fact with its distinct values) and `parameters` (YAML).

    Sums leave out runs that did not record the quantity; nothing recorded is said, not shown as 0.
    """
    facts: dict[str, list[str]] = {}
    for run in results.provenance:
        for key, value in _flat(run):
            measured = key in ("run_id", "stage", *meter.MEASURED)
            if not measured and not key.startswith(_SHOWN_ELSEWHERE):
                facts.setdefault(key, [])
                if value not in facts[key]:
                    facts[key].append(value)
    shown = {
        key: ", ".join(sorted(values)) if len(values) <= 3 else f"{len(values)} different values"
        for key, values in facts.items()
    }
    return {
        "stages": _stages(results),
        "facts": shown,
        "parameters": _yaml(_declared(results.study)),
    }


def _stages(results: StudyResults) -> list[dict[str, Any]]:
    """The rows of `meter.totals` as words; none where no run has told its stage."""
    runs = [run for run in results.provenance if "stage" in run]
    return [
        {
            "stage": "all stages" if row["stage"] == "all" else row["stage"],
            "runs": row["runs"],
            "wall": duration(row["wall_seconds"]),
            "core": duration(row["core_seconds"]),
            "memory": _amount(row["peak_memory_mb"], " MB"),
            "gpu_memory": _amount(row["peak_gpu_memory_mb"], " MB", "–"),
            **{
                kind: _amount(row[f"tokens_{kind}"], "", "–")
                for kind in ("read", "written", "trained")
            },
        }
        for row in meter.totals(runs)
    ]


def _amount(value: float | None, unit: str, unknown: str = NOT_KNOWN) -> str:
    return f"{value:,.0f}{unit}" if is_number(value) else unknown


def _flat(value: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    pairs = []
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            pairs += _flat(inner, f"{prefix}{key}: ")
        elif inner is not None and inner != "":
            pairs.append((f"{prefix}{key}", str(inner)))
    return pairs


def duration(seconds: float) -> str:
    if not is_number(seconds):
        return NOT_KNOWN
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"


def _declared(study: Mapping[str, Any]) -> Mapping[str, Any]:
    """A study file's content; of several studies together, that of each."""
    parts = study.get("parts")
    return {"name": study["name"], "studies": parts} if parts else study


def _yaml(study: Mapping[str, Any]) -> str:
    stream = io.StringIO()
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False
    writer.dump(json.loads(json.dumps(dict(study), default=str)), stream)
    return stream.getvalue()
