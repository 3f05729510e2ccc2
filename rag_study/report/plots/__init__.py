"""The figures of a study, each drawn from one table and returned as a matplotlib Figure.

Means carry 95 % intervals. Series differ in colour (seaborn's colour-blind safe palette), marker
and line style, so that they can be told apart in a grey print. No function shows a figure: a
notebook displays the returned object, `save` writes it. A table without usable rows gives a
figure that says so.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "canvas": ["save"],
        "costs": ["cost_against_effect"],
        "decomposition": ["context_or_memory", "loss_decomposition"],
        "effects": ["effects_forest", "retention_forest"],
        "flips": ["flips"],
        "ladder": ["calibration", "judge_ladder"],
        "slices": ["slice_map"],
        "styles": ["style_means"],
        "svg": ["alt_of"],
        "means": ["context_interaction", "train_size_curves"],
        "retrieval": ["retrieval_quality"],
        "scores": ["score_distributions"],
        "training": ["learning_curves", "loss_curve"],
    },
)
