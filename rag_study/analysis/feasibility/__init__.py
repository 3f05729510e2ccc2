"""Whether a study can answer its question at all, told before anything is computed.

`asked` says what it asks of its data, `groups` whether a verdict is possible, `judges` whether its
judges can be shown to be valid, `differences` what could be seen, `machine` whether the machine
bears it; `gate` is what `plan` and `run` need of it at once, `whole` all of it. No model is run:
what is counted is the data, and every rule is that of the stage which it foresees.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "findings": ["Finding"],
        "gate": ["outlook", "refuse_impossible", "refuse_without_verdict"],
        "whole": ["Feasibility", "blocking", "check"],
    },
)
