"""The report of a study: one HTML file that stands alone.

It begins with the verdict in words. What could not be computed is said, never left out and never
shown as zero.
"""

from __future__ import annotations

import base64
import io
import json
import os
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from ruamel.yaml import YAML

from rag_study import tables
from rag_study.effects import BASE_COLUMNS
from rag_study.headline import StudyResults, headline, headline_row, headline_verdict
from rag_study.labels import (
    NOT_KNOWN,
    RECIPE,
    RUNGS,
    TRAIN_FORMATS,
    auc_words,
    context_label,
    counted,
    format_label,
    is_number,
    method_label,
    metric_label,
    number,
    state_label,
)
from rag_study.metrics import METRICS

EXAMPLES = 5
# base64 makes 4 bytes of 3: embedded figures stay below 4 MB, the whole report below 5 MB.
FIGURE_BYTES = 3_000_000
_CUT_ANSWER = 600


# --- Examples -----------------------------------------------------------------------------------


def examples(results: StudyResults, most: int = EXAMPLES) -> dict[str, Any]:
    """The questions with the largest gains and losses, in the headline's comparison and metric.

    Returns {"about": sentence, "gains": rows, "losses": rows}; the sentence says it when there is
    nothing to show. Ties are resolved by question id.
    """
    row = headline_row(results.comparisons)
    if row is None or results.results.empty:
        return {"about": "There is no comparison to take examples from.", "gains": [], "losses": []}
    answers, metric = results.results, row["metric"]
    same = answers["context"] == row["context"]
    for column in BASE_COLUMNS:
        same &= answers[column] == row[column]
    if row["judge"]:
        same &= answers["judge"] == row["judge"]
    tuned = same & (answers["train_size"] == row["train_size"])
    for column in RECIPE:
        tuned &= answers[column] == row[column]
    base = same & (answers["method"] == "none")
    pairs = (
        answers[base]
        .drop_duplicates("question_id")
        .merge(
            answers.loc[tuned, ["question_id", "answer", metric]].drop_duplicates("question_id"),
            on="question_id",
            suffixes=("_base", "_tuned"),
        )
    )
    pairs["change"] = (pairs[f"{metric}_tuned"] - pairs[f"{metric}_base"]).astype(float)
    about = (
        f"{metric_label(metric)}, {context_label(row['context'])}: "
        f"{method_label(row['method'])} on {int(row['train_size'])} examples "
        f"{format_label(row['train_format'])}, {row['model']} on {row['dataset']}. "
        f"Of {counted(int(pairs['change'].notna().sum()), 'question')}, "
        f"{int((pairs['change'] > 0).sum())} scored higher and "
        f"{int((pairs['change'] < 0).sum())} lower than with the base model."
    )

    def largest(sign: int) -> list[dict[str, Any]]:
        side = pairs[pairs["change"] * sign > 0].sort_values("question_id")
        side = side.iloc[(-side["change"] * sign).argsort(kind="stable")].head(most)
        return [
            {
                "id": pair["question_id"],
                "question": pair["question"],
                "reference": pair["reference"],
                "base": _cut(pair["answer_base"]),
                "tuned": _cut(pair["answer_tuned"]),
                "base_score": number(pair[f"{metric}_base"]),
                "tuned_score": number(pair[f"{metric}_tuned"]),
            }
            for pair in side.to_dict("records")
        ]

    return {"about": about, "gains": largest(1), "losses": largest(-1)}


def _cut(answer: Any) -> str:
    text = "" if pd.isna(answer) else str(answer)
    return text if len(text) <= _CUT_ANSWER else f"{text[:_CUT_ANSWER]}… (cut here)"


# --- Limits and making --------------------------------------------------------------------------


def limits(results: StudyResults) -> list[str]:
    """What a reader must know before acting on the report, one sentence or two each."""
    found = []
    for check in results.judge_checks:
        if not check.get("valid"):
            reason = check.get("reason") or "it did not pass its check"
            found.append(
                f"The judge {check['judge']} is not valid: {reason}. Its scores are shown, marked, "
                "and carry no verdict."
            )
    if not results.judge_checks:
        found.append("No judge was checked, so no verdict rests on a judge.")
    comparisons = results.comparisons
    if not comparisons.empty:
        rows = comparisons[comparisons["primary"]]
        rows = comparisons if rows.empty else rows
        questions, groups = rows["n_questions"].min(), rows["n_clusters"].min()
        found.append(
            f"The smallest comparison has {counted(int(questions), 'question')} in "
            f"{counted(int(groups), 'independent group')}. What it could have detected is in the "
            "table: the smallest detectable difference."
        )
        per_state = comparisons.groupby([*BASE_COLUMNS, "method", "train_format", "train_size"])[
            "seed"
        ]
        if per_state.nunique().min() == 1:
            found.append(
                "One training seed per model state: a verdict concerns that one adapter. Another "
                "seed, which draws other training examples, may come out differently."
            )
        else:
            found.append(
                "Each training seed is compared separately; a verdict concerns one adapter."
            )
    found += list(comparisons.attrs.get("skipped", []))
    if "truncated" in results.results and not results.results.empty:
        found.append(_truncated_sentence(results.results))
    else:
        found.append("The share of answers cut at the token limit is not known.")
    if results.missing:
        states = Counter(str(run.get("state", "missing")) for run in results.missing)
        parts = ", ".join(f"{amount} {state}" for state, amount in sorted(states.items()))
        found.append(
            f"{counted(len(results.missing), 'run')} of the study gave no result ({parts}); "
            "they are listed below and count nowhere as zero."
        )
    return found


def _truncated_sentence(answers: pd.DataFrame) -> str:
    keys = [*BASE_COLUMNS, *RECIPE, "train_size", "context"]
    once = answers.drop_duplicates([*keys, "question_id"])
    shares = once.groupby(keys, dropna=False)["truncated"].mean().dropna()
    if shares.empty:
        return "The share of answers cut at the token limit is not known."
    worst = dict(zip(keys, shares.idxmax(), strict=True))
    text = f"{once['truncated'].mean():.1%} of all answers were cut at the token limit"
    if shares.max() > 0:
        text += (
            f", at most {shares.max():.1%} ({state_label(worst)} of {worst['model']} on "
            f"{worst['dataset']}, context {worst['context']})"
        )
    return text.replace("%", " %") + "."


def _making(results: StudyResults) -> dict[str, Any]:
    """Wall time and memory by stage, and every other recorded fact with its distinct values."""
    frame = pd.DataFrame([dict(run) for run in results.provenance])
    stages = []
    if "stage" in frame:
        for name in ("wall_seconds", "peak_memory_mb"):
            frame[name] = pd.to_numeric(frame.get(name), errors="coerce")
        for stage, part in frame.groupby("stage", sort=True):
            seconds, memory = part["wall_seconds"], part["peak_memory_mb"]
            stages.append(
                {
                    "stage": stage,
                    "runs": len(part),
                    "total": _duration(seconds.sum(min_count=1)),
                    "longest": _duration(seconds.max()),
                    "memory": f"{memory.max():,.0f} MB" if memory.notna().any() else NOT_KNOWN,
                }
            )
    facts: dict[str, list[str]] = {}
    for run in results.provenance:
        for key, value in _flat(run):
            if key not in ("run_id", "stage", "wall_seconds", "peak_memory_mb"):
                facts.setdefault(key, [])
                if value not in facts[key]:
                    facts[key].append(value)
    shown = {
        key: ", ".join(sorted(values)) if len(values) <= 3 else f"{len(values)} different values"
        for key, values in facts.items()
    }
    return {"stages": stages, "facts": shown, "parameters": _yaml(results.study)}


def _flat(value: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    pairs = []
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            pairs += _flat(inner, f"{prefix}{key}: ")
        elif inner is not None:
            pairs.append((f"{prefix}{key}", str(inner)))
    return pairs


def _duration(seconds: float) -> str:
    if not is_number(seconds):
        return NOT_KNOWN
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"


def _yaml(study: Mapping[str, Any]) -> str:
    stream = io.StringIO()
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False
    writer.dump(json.loads(json.dumps(dict(study), default=str)), stream)
    return stream.getvalue()


# --- The page -----------------------------------------------------------------------------------


def build_report(results: StudyResults, out: Path | str) -> Path:
    """Render the report and write it to `out`, replacing the file in one step. Returns its path.

    Figures are embedded up to FIGURE_BYTES; a figure beyond that, or whose file does not exist, is
    named in the report instead.
    """
    out = Path(out)
    effects_rows = tables.effects_rows(results)
    figures = _embedded(results)
    comparisons = results.comparisons
    checks = [
        {**check, "auc_words": auc_words(check) or NOT_KNOWN} for check in results.judge_checks
    ]
    unchecked = sorted(results.invalid_judges - {check["judge"] for check in checks})
    html = (
        _environment()
        .get_template("report.html.j2")
        .render(
            name=results.study.get("name", "study"),
            headline=headline(results),
            headline_css=tables.VERDICT_CLASSES[headline_verdict(comparisons)],
            notes=results.notes,
            figures=figures,
            effects=effects_rows,
            n_primary=sum(row["primary"] for row in effects_rows),
            formats=sorted(
                {format_label(f) for f in comparisons.get("train_format", []) if f in TRAIN_FORMATS}
            ),
            closed_book="closed_book" in set(comparisons.get("train_format", [])),
            checks=checks,
            unchecked=unchecked,
            ladder=_records(results.ladder_auc),
            retrieval=_records(results.retrieval),
            means=tables.means_table(results),
            interactions=tables.interaction_rows(results),
            examples=examples(results),
            limits=limits(results),
            missing=[
                {key: run.get(key, "") for key in ("run_id", "stage", "state", "message")}
                for run in results.missing
            ],
            making=_making(results),
        )
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as stream:
            stream.write(html)
        os.chmod(unfinished, 0o644)
        os.replace(unfinished, out)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise
    return out


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return frame.to_dict("records")


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    environment.filters["label"] = metric_label
    environment.globals["not_known"] = NOT_KNOWN
    environment.filters["rung"] = lambda rung: (
        RUNGS.get(rung, rung).replace("-\n", "").replace("\n", " ")
    )
    return environment


def _embedded(results: StudyResults) -> list[dict[str, Any]]:
    """Caption, alternative text and data URI of every figure; `problem` where there is none."""
    left, figures = FIGURE_BYTES, []
    judged = [w for m in METRICS.values() if m.judged for w in (m.name, m.label.lower())]
    for caption, path in results.figures.items():
        words = caption if " " in caption else caption.replace("_", " ")
        figure = {
            "caption": words,
            "alt": f"Figure: {words}. The values stand in the tables of this report.",
            "uri": "",
            "width": 0,
            "problem": "",
            # The image itself says which judge; this is for readers who do not see it.
            "doubtful": bool(results.invalid_judges)
            and any(word in caption.lower() for word in judged),
        }
        path = Path(path)
        if not path.is_file():
            figure["problem"] = "This figure could not be drawn."
        elif path.stat().st_size > left:
            figure["problem"] = f"Left out to keep the report small; see {path.name}."
        else:
            left -= path.stat().st_size
            png = path.read_bytes()
            encoded = base64.b64encode(png).decode("ascii")
            # Bytes 16 to 20 of a PNG are its width. Shown at 110 pixels an inch, text of the
            # figure is as large as that of the page.
            figure["width"] = round(int.from_bytes(png[16:20], "big") * 110 / 150)
            figure["uri"] = f"data:image/png;base64,{encoded}"
        figures.append(figure)
    return figures
