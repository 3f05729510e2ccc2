"""Which figures a study has, in the order in which its report shows them."""

from __future__ import annotations

from pathlib import Path

from rag_study import decomposition, plots
from rag_study.config import StudyConfig
from rag_study.headline import StudyResults
from rag_study.metrics import JUDGED, METRICS


def draw(study: StudyConfig, results: StudyResults, folder: Path) -> dict[str, Path]:
    """Draw and save all figures; returns caption -> PNG, the headline figure first.

    As in the paper, accuracy and completeness against train size with one panel per model; here
    by the judge and by their counterparts among the reference metrics, answer recall and
    key-point recall. What carries the verdict comes first.
    """
    context = study.primary.contexts[0]
    summary, invalid = results.summary, sorted(results.invalid_judges)
    reference = ["answer_recall", "key_point_recall"]
    judge_carries = any(check["valid"] for check in results.judge_checks)
    figures = {}
    for metric in [*JUDGED, *reference] if judge_carries else [*reference, *JUDGED]:
        note = ""
        if METRICS[metric].judged and invalid:
            note = f"judge not valid, carries no verdict: {', '.join(invalid)}"
        label = METRICS[metric].label
        margin = study.margins.get(metric, METRICS[metric].margin)
        curves = plots.train_size_curves(summary, metric, context, margin, note)
        figures[f"{label} against train size"] = plots.save(curves, folder, f"train_size_{metric}")
        lines = plots.context_interaction(summary, metric, note)
        figures[f"{label} by context"] = plots.save(lines, folder, f"context_{metric}")
    others = [
        ("Tuned − base", plots.effects_forest(results.comparisons, invalid), "effects"),
        ("Retrieval", plots.retrieval_quality(results.retrieval), "retrieval"),
        (
            "The judge's check",
            plots.judge_ladder(results.ladder, results.ladder_auc, invalid),
            "judge_ladder",
        ),
    ]
    right = decomposition.Right()
    lost = decomposition.decompose(results.results, right) if not results.results.empty else None
    if lost is not None and not lost.empty:
        notes = " ".join(lost.attrs["notes"])
        figure = plots.loss_decomposition(decomposition.shares(lost), right, notes)
        others.insert(1, ("Where answers go wrong", figure, "where_answers_go_wrong"))
        followed = decomposition.follow(results.results, right)
        if not followed.empty:
            notes = " ".join(followed.attrs["notes"])
            table = decomposition.shares(followed)
            figure = plots.context_or_memory(table, right, notes)
            others.insert(2, ("Context or memory", figure, "context_or_memory"))
    for caption, figure, name in others:
        figures[caption] = plots.save(figure, folder, name)
    return figures
