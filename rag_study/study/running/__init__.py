"""Executing the runs of a study: one after the other or in parallel, and what they will cost."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"runner": ["execute"], "study_run": ["run_all"]}
)
