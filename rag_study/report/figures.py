"""Which figures a study has, in the order in which its report shows them."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from rag_study.analysis.decomposition import Right
from rag_study.analysis.study_results import StudyResults
from rag_study.evaluation.metrics import COUNTERPARTS
from rag_study.report import plots, question_tables
from rag_study.report.headline import headline_row, scored_headline_row
from rag_study.study.config import StudyConfig


def draw(study: StudyConfig, results: StudyResults, folder: Path) -> dict[str, Path]:
    """Draw and save all figures, as PNG and SVG; returns caption -> PNG, the headline figure first.

    As in the paper, accuracy and completeness against train size with one panel per model; here
    by the judge and by their counterparts among the reference metrics, answer recall and
    key-point recall. What carries the verdict comes first. Nothing is computed here.
    """
    context = study.primary.contexts[0]
    summary, invalid = results.summary, sorted(results.invalid_judges)
    row = headline_row(results.comparisons)
    judge_carries = row is not None and row["judge"] != ""
    known_metrics, judged, reference = results.metrics, study.judged_metrics, COUNTERPARTS.values()
    metrics = [*judged, *reference] if judge_carries else [*reference, *judged]
    drawn: list[tuple[str, str, Figure]] = []
    for metric in metrics:
        note = ""
        if known_metrics[metric].judged and invalid:
            note = f"judge not trusted, carries no verdict: {', '.join(invalid)}"
        label, margin = known_metrics[metric].label, known_metrics[metric].margin
        curves = plots.train_size_curves(summary, metric, context, margin, note, known_metrics)
        lines = plots.context_interaction(summary, metric, note, known_metrics)
        drawn += [
            (f"{label} by number of training examples", f"train_size_{metric}", curves),
            (f"{label} by passages in the prompt", f"context_{metric}", lines),
        ]
    right = Right()
    parts, followed = results.decomposition, results.follows
    drawn += [
        (
            "What training changed",
            "effects",
            plots.effects_forest(results.comparisons, invalid, known_metrics),
        ),
        (
            "Where answers go wrong",
            "where_answers_go_wrong",
            plots.loss_decomposition(parts, right, _notes(parts)),
        ),
        (
            "Who fell and who rose",
            "fell_and_rose",
            plots.flips(question_tables.flips_shown(results), question_tables.flip_words),
        ),
        (
            "Which questions lost most",
            "lost_most",
            plots.slice_map(question_tables.slices_shown(results, context), known_metrics),
        ),
        (
            "Scores of single answers",
            "scores",
            plots.score_distributions(
                results.results,
                summary,
                context,
                [*metrics, "answer_length"],
                invalid,
                known_metrics,
            ),
        ),
        ("Outside the task", "retention", plots.retention_forest(results.comparisons)),
        ("Cost and effect", "cost", _cost(results, context)),
        ("Retrieval", "retrieval", plots.retrieval_quality(results.retrieval)),
        (
            "The judge's check",
            "judge_ladder",
            plots.judge_ladder(results.ladder, results.ladder_auc, invalid, known_metrics),
        ),
    ]
    if not results.style_means.empty:
        styles = plots.style_means(results.style_means, invalid, known_metrics)
        drawn.append(("Long and short answers", "styles", styles))
    if not results.learning_curves.empty:
        curves = plots.learning_curves(
            results.learning_curves,
            metrics,
            context,
            f"judge not trusted, carries no verdict: {', '.join(invalid)}" if invalid else "",
            known_metrics,
        )
        drawn.append(("Along the training", "learning_curves", curves))
    if not followed.empty:
        figure = plots.context_or_memory(followed, right, _notes(followed))
        drawn.append(("Context or memory", "context_or_memory", figure))
    return {caption: plots.save(figure, folder, name) for caption, name, figure in drawn}


def _cost(results: StudyResults, context: str) -> Figure:
    """Cost against the metric that the headline is about."""
    row = scored_headline_row(results)
    metric, judge = ("answer_recall", "") if row is None else (row["metric"], row["judge"])
    where = context if row is None else row["context"]
    return plots.cost_against_effect(
        results.comparisons, results.costs, metric, where, judge, metrics=results.metrics
    )


def _notes(table) -> str:
    return " ".join(table.attrs.get("notes", []))
