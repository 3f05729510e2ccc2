"""Answers side by side, for 00_explore: the tables, and the widgets around them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "tables": ["StudyAnswers", "display_static", "load", "study_names"],
        "widgets": ["Explorer"],
    },
)
