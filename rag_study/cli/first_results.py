"""What is told of a study's results while it runs: first differences, which are no verdicts."""

from __future__ import annotations

import warnings
from typing import Any

from rag_study.common.wording import counted, is_number, signed
from rag_study.study.plan import Comparison
from rag_study.study.running.study_run import Progress
from rag_study.study.stages import StageRun

HEADLINE = "So far, trained − base (provisional: the verdicts come at the end, over all):"


class FirstResults:
    """The first results of a study's primary comparisons; `sentences` has the latest on each, in
    the order in which they came."""

    def __init__(self, progress: Progress):
        self._progress = progress
        self._comparison: Comparison | None = next(
            (run for run in progress.runs if run.is_comparison), None
        )
        self.sentences: dict[tuple, str] = {}

    def after(self, run: StageRun) -> tuple[list[str], str]:
        """(sentences on the comparisons in which a run that is done has a part, why there are none
        from now on). Nothing that goes wrong here ends the study."""
        comparison = self._comparison
        if comparison is None or run.stage.name != "judge_answers" or self._compares_next():
            return [], ""
        try:
            with warnings.catch_warnings(action="ignore"):
                told = _sentences(comparison, run)
        except Exception as error:
            self._comparison = None
            what = " ".join(f"{type(error).__name__}: {error}".split())
            return [], f"First results cannot be shown ({what}); the study goes on without them."
        kept = {key: said for key, said in self.sentences.items() if key not in told}
        self.sentences = kept | told  # at once: another thread shows them
        return list(told.values()), ""

    def _compares_next(self) -> bool:
        """Whether all results come in a moment."""
        progress = self._progress
        return all(run.run_id in progress.outcomes or run.is_comparison for run in progress.runs)


def _sentences(comparison: Comparison, judged: StageRun) -> dict[tuple, str]:
    """One for each comparison, by what stays the same when further seeds of it are judged."""
    # Late: whoever only plans a study does not wait for pandas.
    from rag_study.analysis.looks import RECIPE
    from rag_study.analysis.provisional import first_effects
    from rag_study.analysis.states import context_label

    study, told = comparison.study, {}
    for row in first_effects(comparison, judged).to_dict("records"):
        about = [row["name"]]
        if len(study.primary.contexts) > 1:
            about.append(context_label(row["context"]))
        what = study.metrics.in_text(row["metric"]).removesuffix(" (judge)")
        if row["judge"] and len(study.judges) > 1:
            what += f" by {row['judge']}"
        unchecked = "" if row["checked"] else "; its judge is not checked yet"
        key = tuple(row[name] for name in (*RECIPE, "context", "metric", "judge"))
        told[key] = (
            f"{', '.join(about)}: {what} {_change(row)} on "
            f"{counted(row['n_questions'], 'question')}{unchecked}"
        )
    return told


def _change(row: dict[str, Any]) -> str:
    difference, *ends = (signed(row[n], row["metric"]) for n in ("difference", "ci_low", "ci_high"))
    interval = f"95 %: {ends[0]} to {ends[1]}" if is_number(row["ci_low"]) else "no interval"
    return f"{difference} ({interval})"
