"""What to do next, made from a study's own numbers.

`steps` has the rules in their order and makes the table; `of_numbers` and `of_models` are the
rules: how much is known, and what makes answers better. `measured` is what they ask of the tables,
`study_lines` the study file with a change.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={"steps": ["next_steps"]})
