"""What an answer is worth: reference metrics, refusals, the judge, and what is forgotten.

Scores single answers, whoever gave them; differences between model states are for `analysis`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "metrics": ["Metric"],
        "reference": ["exact_match", "rouge_l", "score", "token_f1"],
        "refusals": ["is_refusal"],
        "similarity": ["semantic_similarity"],
    },
)
