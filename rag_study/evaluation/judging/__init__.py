"""Judges: language models that grade answers from 1 to 5 by criteria, and whether to believe them.

No score is generated as text. The prompt ends where the score's digit comes; one forward pass gives
the probabilities of the digits 1 to 5, and the score is their expectation (the weighting of G-Eval,
Liu et al. 2023, without its sampling). All criteria share the long first part of the prompt, and
none sees the score of another. `scoring` grades the answers of a run and of a ladder, `validity`
says from the ladder what the grades are worth.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "judge": ["Item", "Judge"],
        "load": ["open_judge"],
        "scoring": ["judge_answers", "judge_ladder", "judge_repeatedly"],
    },
)
