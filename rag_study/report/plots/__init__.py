"""The figures of a study, each drawn from one table and returned as a matplotlib Figure.

Means carry 95 % intervals. Series differ in colour (seaborn's colour-blind safe palette), marker
and line style, so that they can be told apart in a grey print. No function shows a figure: a
notebook displays the returned object, `save` writes it. A table without usable rows gives a
figure that says so.
"""

from rag_study.report.plots.canvas import save
from rag_study.report.plots.costs import cost_against_effect
from rag_study.report.plots.decomposition import context_or_memory, loss_decomposition
from rag_study.report.plots.effects import effects_forest, retention_forest
from rag_study.report.plots.ladder import calibration, judge_ladder
from rag_study.report.plots.means import context_interaction, train_size_curves
from rag_study.report.plots.retrieval import retrieval_quality
from rag_study.report.plots.scores import score_distributions
from rag_study.report.plots.training import loss_curve

__all__ = [
    "calibration",
    "context_interaction",
    "context_or_memory",
    "cost_against_effect",
    "effects_forest",
    "judge_ladder",
    "loss_curve",
    "loss_decomposition",
    "retention_forest",
    "retrieval_quality",
    "save",
    "score_distributions",
    "train_size_curves",
]
