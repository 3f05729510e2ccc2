"""What was seen at each declared look, as a table of the report."""

from __future__ import annotations

from rag_study.analysis.states import context_label, of_people, state_label
from rag_study.analysis.study_results import StudyResults
from rag_study.common.wording import number, p_words, signed
from rag_study.labelling.tables import Shown
from rag_study.report.tables import common_cells, run_factors


def looks_table(results: StudyResults) -> Shown | None:
    """One row for each comparison that was open at a look; None where none was declared."""
    looks = results.looks
    if looks.empty:
        return None
    factors, rows = run_factors(looks), []
    for row in looks.to_dict("records"):
        metric = row["metric"]
        interval = f"({signed(row['ci_low'], metric)}, {signed(row['ci_high'], metric)})"
        setting = common_cells(row, factors, results)["factors"]
        state = ", ".join(filter(None, (state_label(row), setting)))
        rows.append(
            [
                state,
                context_label(row["context"]),
                of_people(results.metrics.label(metric), row["judge"]),
                row["verdict"] if row["settled"] else f"open ({row['verdict']})",
                f"{row['n_asked']:,}",
                number(row["information"]),
                f"{signed(row['difference'], metric)} {interval}",
                p_words(row["p_holm"]),
                p_words(row["p_equivalence"]),
            ]
        )
    return Shown(
        "What was seen at each look, with 95 % intervals that allow for all looks",
        ["Model state", "Context", "Metric", "Decided"],
        ["Questions", "Information", "Difference", "p of a difference", "p of none"],
        rows,
        frozenset(i for i, settled in enumerate(looks["settled"]) if not settled),
    )
