"""From answers to verdicts: collect, pair, estimate, compare, decide.

Tables in, tables out; nothing is worded or drawn for people here beyond the names of states.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["analyse", "collect", "estimates", "verdicts"],
    submod_attrs={"effects": ["compare"], "study_results": ["StudyResults"]},
)
