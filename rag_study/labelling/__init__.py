"""Answers for people to grade: the sample, its file, agreement with the judge, estimates; and the
sheet on which they read questions that a model wrote.

Reads a study's tables and writes its own beside them. Knows nothing of the page that shows them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "agreement": ["agree"],
        "csv_file": ["read", "write"],
        "labels": ["human_tables"],
        "sample": ["Sample", "draw", "load", "run_names"],
    },
)
