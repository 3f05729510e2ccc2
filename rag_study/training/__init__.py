"""Fine-tuning: training pairs, their tokens, the recipe, the adapter, the training loop.

Knows nothing of test questions and of how answers are scored.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "finetune": ["TrainingResult", "train"],
        "pairs": ["TrainingPair", "make_pairs", "select"],
        "recipe": ["Recipe"],
    },
)
