"""Answers: the contexts in which a question is asked, generating, and answers from elsewhere.

Knows how a model answers, not how it was trained or what its answers are worth.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "contexts": ["Context", "ContextBuilder"],
        "generation": ["Settings", "generate_answers"],
        "imported": ["read_answers"],
    },
)
