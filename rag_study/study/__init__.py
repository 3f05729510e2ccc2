"""A study: its file, the grid of its runs, what identifies a run, and what a notebook begins.

`running/` executes what is planned here. Knows which stages there are, not how one computes.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "active_run": ["begin"],
        "config": ["StudyConfig", "load_study"],
        "plan": ["expand"],
        "stages": ["STAGES", "Stage", "StageRun"],
    },
)
