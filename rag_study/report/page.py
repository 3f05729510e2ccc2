"""The report of a study: one HTML file that stands alone.

It begins with the decision. What could not be computed is said, never left out and never
shown as zero.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from rag_study.analysis.pairing import ALL_SEEDS
from rag_study.analysis.states import (
    auc_words,
    context_label,
    format_label,
    method_label,
    search_names,
)
from rag_study.analysis.study_results import StudyResults
from rag_study.common import files, secrets
from rag_study.common.wording import NOT_KNOWN, counted, number
from rag_study.evaluation import ceiling
from rag_study.evaluation.judging.ladder import RUNGS
from rag_study.evaluation.judging.requirements import status_words
from rag_study.evaluation.judging.validity import TOGETHER, WRONG
from rag_study.evaluation.metrics import Metrics
from rag_study.labelling import tables as label_tables
from rag_study.report import (
    advice,
    audit_tables,
    explanation_tables,
    markup,
    question_tables,
    tables,
    tag_tables,
)
from rag_study.report.all_answers import all_answers, as_script, link_to
from rag_study.report.card import SHOWN, card_of
from rag_study.report.explorer import side_by_side
from rag_study.report.headline import headline, scored_headline_row
from rag_study.report.limits import limits
from rag_study.report.looks_table import looks_table
from rag_study.report.plots import svg
from rag_study.report.reproduction import reproduction_of
from rag_study.report.sections import in_sections
from rag_study.training.recipe import TRAIN_FORMATS

EXAMPLES = 5
# base64 makes 4 bytes of 3: embedded figures stay below 4 MB, the whole report below 5 MB.
FIGURE_BYTES = 3_000_000
_CUT = 600
# Figures that stand beside the table of their numbers, by section of the page.
_PLACES = {
    "What training changed": "effects",
    "Where answers go wrong": "decomposition",
    "Context or memory": "follows",
    "Who fell and who rose": "flips",
    "Which questions lost most": "slices",
    "Outside the task": "retention",
    "The judge's check": "judge",
    "Long and short answers": "styles",
    "Retrieval": "retrieval",
}
# Of the judge's check: its rungs, and the sides of a comparison that are no rungs.
_RUNGS = {**RUNGS, TOGETHER: "right answers", WRONG: "wrong answers"}
_DOUBTFUL = "uses a judge that is not trusted"
_PARTLY_DOUBTFUL = "grey panels are of a judge that is not trusted"
_ALL_METRICS = (
    "What training changed",
    "Scores of single answers",
    "The judge's check",
    "Long and short answers",
)


def build_report(results: StudyResults, out: Path | str) -> Path:
    """Render the report and write it to `out`, replacing the file in one step. Returns its path.

    Figures are embedded up to FIGURE_BYTES; one beyond that, or whose file does not exist, is named
    in the report instead.
    """
    out = Path(out)
    pages, content = _environment(results.metrics), _content(results)
    body = pages.get_template("report_body.html.j2").render(**content)
    body, contents = in_sections(_noted(body, results.written))
    frame = {"name": content["name"], "body": body, "contents": contents}
    frame |= {"answers": content["answers"], "answers_data": as_script(content["answers"])}
    html = pages.get_template("report.html.j2").render(**frame)
    # Not every text that a model writes can be encoded.
    html = secrets.hidden(html)
    files.write_with(out, lambda file: Path(file).write_text(html, "utf-8", "replace"))
    return out


def _noted(html: str, written: str) -> str:
    """The page with a note before every table on what was measured on, where a model wrote the
    questions. (In texts of others every bracket is escaped.)"""
    if not written:
        return html
    table = '<div class="scroll"'
    return html.replace(table, f'<p class="note">{written[0].upper()}{written[1:]}.</p>\n{table}')


def _content(results: StudyResults) -> dict[str, Any]:
    comparisons = results.comparisons
    effects = tables.effects_rows(results)
    card = card_of(results)
    checks = [
        {**check, "auc_words": auc_words(check) or NOT_KNOWN, "status_words": status_words(check)}
        for check in results.judge_checks
    ]
    trained_formats = set(comparisons.get("train_format", []))
    figures, answered = _embedded(results), all_answers(results)
    return {
        "name": results.study.get("name", "study"),
        "card": card,
        "shown": SHOWN,
        "headline": headline(results),
        "notes": results.notes,
        "further_steps": card.steps[1:],
        "no_steps": advice.NOTHING,
        "opening": figures[:1],
        "figures": figures[1:],
        "effects": effects,
        "looks": looks_table(results),
        "n_primary": sum(row["primary"] for row in effects),
        "several_seeds": ALL_SEEDS in set(comparisons.get("seed", [])),
        "formats": sorted({format_label(f) for f in trained_formats & set(TRAIN_FORMATS)}),
        "closed_book": "closed_book" in trained_formats,
        "prompts": tables.prompt_rows(results),
        "extractable": tables.extractable_rows(results),
        "retention": tables.retention_rows(results),
        "claims": explanation_tables.claim_rows(results),
        "trends": explanation_tables.trend_rows(results),
        "heterogeneity": explanation_tables.heterogeneity_rows(results),
        "sources": explanation_tables.source_rows(results),
        "lengths": explanation_tables.length_rows(results),
        "decomposition": explanation_tables.decomposition_table(results),
        "follows": explanation_tables.follows_table(results),
        "flips": question_tables.flip_rows(results),
        "flip_sentences": question_tables.flip_sentences(results),
        "flip_examples": _cut_examples(question_tables.flip_examples(results)),
        "slices": question_tables.slice_rows(results),
        "slice_sentences": question_tables.slice_sentences(results),
        "tags": {
            "effects": tag_tables.effects(results.tag_effects),
            "counts": tag_tables.counts(results.tag_counts),
            "notes": results.tag_effects.attrs.get("notes", []),
        },
        "decomposition_notes": results.decomposition.attrs.get("notes", []),
        "checks": checks,
        "unchecked": sorted(results.invalid_judges - {check["judge"] for check in checks}),
        "ladder": results.ladder_auc.to_dict("records"),
        "judge_facts": explanation_tables.judge_fact_rows(results),
        "agreement": explanation_tables.agreement_rows(results),
        "audit": audit_tables.audit_rows(results),
        "styles": audit_tables.style_table(results),
        "errors": audit_tables.error_rows(results),
        "error_sentences": audit_tables.error_sentences(results),
        "people": label_tables.for_report(results.people),
        "retrieval": _searched(results.retrieval),
        "ceiling_metrics": ceiling.MEASURED,
        "ceiling": results.ceiling.to_dict("records"),
        "means": tables.means_table(results),
        "interactions": tables.interaction_rows(results),
        "examples": examples(results),
        "answers": answered,
        "evidence_left_out": bool(answered and len(results.passages) and not answered["prompts"]),
        "limits": limits(results),
        "missing": [
            {key: run.get(key, "") for key in ("run_id", "stage", "state", "message")}
            for run in results.missing
        ],
        "reproduction": reproduction_of(results),
    }


# --- Examples -----------------------------------------------------------------------------------


def examples(results: StudyResults, most: int = EXAMPLES) -> dict[str, Any]:
    """The questions with the largest gains and losses, in the headline's comparison and metric.

    Returns {"about": sentence, "gains": rows, "losses": rows}; the sentence says it when there is
    nothing to show. Ties are resolved by question id.
    """
    row = scored_headline_row(results)
    if row is None or results.results.empty:
        nothing = {
            "about": "There is no comparison to take examples from.",
            "passages_known": False,
        }
        return {**nothing, "gains": [], "losses": []}
    metric = row["metric"]
    base, tuned = side_by_side.two_states(results.results, row)
    pairs = side_by_side.changes(base, tuned, metric, row["judge"])
    seen = results.evidence
    seen = side_by_side.two_states(seen, row)[1] if not seen.empty else seen
    seed = f", seed {side_by_side.seed_shown(tuned, row)}" if row["seed"] == ALL_SEEDS else ""
    about = (
        f"{results.metrics.label(metric)}, {context_label(row['context'])}: "
        f"{method_label(row['method'])} on {counted(int(row['train_size']), 'example')} "
        f"{format_label(row['train_format'])}{seed}, {row['model']} on {row['dataset']}. "
        f"Of {counted(int(pairs['change'].notna().sum()), 'question')}, "
        f"{int((pairs['change'] > 0).sum())} scored higher and "
        f"{int((pairs['change'] < 0).sum())} lower than with the base model."
    )

    def shown(pair: dict[str, Any]) -> dict[str, Any]:
        scores = side_by_side.scores(base, tuned, pair["question_id"], results.metrics)
        passages = side_by_side.passages_of(seen, results.passages, pair["question_id"])
        return {
            "id": pair["question_id"],
            "question": pair["question"],
            "reference": pair["reference"],
            "base": _cut(pair["answer_base"]),
            "tuned": _cut(pair["answer_tuned"]),
            "base_score": number(pair["score_base"]),
            "tuned_score": number(pair["score_tuned"]),
            "scores": [
                {
                    **score,
                    "invalid": score["judge"] in results.invalid_judges,
                    "base": number(score["base"]),
                    "tuned": number(score["tuned"]),
                }
                for score in scores
            ],
            "passages": [{"title": p["title"], "text": _cut(p["text"])} for p in passages],
        }

    def largest(sign: int) -> list[dict[str, Any]]:
        side = pairs[pairs["change"] * sign > 0].head(most)
        return [shown(pair) for pair in side.to_dict("records")]

    return {
        "about": about,
        "passages_known": not results.evidence.empty,
        "gains": largest(1),
        "losses": largest(-1),
    }


def _searched(per_k: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of the retrieval table, each with a name."""
    return [] if per_k.empty else per_k.assign(name=search_names(per_k)).to_dict("records")


def _cut_examples(found: dict[str, Any]) -> dict[str, Any]:
    texts = ("question", "reference", "answer_base", "answer_tuned")
    cut = {
        kind: [row | {name: _cut(row[name]) for name in texts} for row in found[kind]]
        for kind in ("fell", "rose")
    }
    return found | cut


def _cut(text: Any) -> str:
    text = "" if pd.isna(text) else str(text)
    return text if len(text) <= _CUT else f"{text[:_CUT]}… (cut here)"


# --- The page -----------------------------------------------------------------------------------


def _environment(metrics: Metrics) -> jinja2.Environment:
    environment = markup.pages()
    environment.filters["number"] = number
    environment.filters["label"] = metrics.label
    environment.filters["link"] = link_to
    environment.globals["not_known"] = NOT_KNOWN
    environment.filters["rung"] = lambda rung: _RUNGS.get(rung, rung)
    return environment


def _embedded(results: StudyResults) -> list[dict[str, Any]]:
    """Caption, alternative text and data URI of every figure; `problem` where there is none."""
    left, figures = FIGURE_BYTES, []
    judged = [w for m in results.metrics.values() if m.judged for w in (m.name, m.label.lower())]
    for caption, path in results.figures.items():
        words = caption if " " in caption else caption.replace("_", " ")
        figure = {
            "caption": words,
            "alt": svg.alt_of(path) or words,
            "place": _PLACES.get(caption, ""),
            "uri": "",
            "width": 0,
            "problem": "",
            "doubtful": "",
        }
        if results.invalid_judges and any(word in caption.lower() for word in judged):
            figure["doubtful"] = _DOUBTFUL
        elif results.invalid_judges and caption in _ALL_METRICS:
            figure["doubtful"] = _PARTLY_DOUBTFUL
        file = Path(path).with_suffix(".svg")
        if not file.is_file():
            figure["problem"] = "This figure could not be drawn."
        elif file.stat().st_size > left:
            figure["problem"] = f"Left out to keep the report small; see {file.name}."
        else:
            left -= file.stat().st_size
            figure["uri"], figure["width"] = svg.embedded(file)
        figures.append(figure)
    return figures
