"""From answers to verdicts: collect, pair, estimate, compare, decide.

Tables in, tables out; nothing is drawn here, and worded only what a table holds: names of states,
reasons of verdicts, notes, and the sentences of what to do next.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["analyse", "collect", "estimates", "verdicts"],
    submod_attrs={"effects": ["compare"], "study_results": ["StudyResults"]},
)
