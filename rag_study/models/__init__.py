"""Language models: their names, the ways to fine-tune them, loading, prompts, decoding, servers.

`prompts` has every prompt; `names` and `methods` load nothing and are all that planning needs.
Knows nothing of retrieval, of training or of what an answer is worth.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "language_model": ["LanguageModel"],
        "likelihood": ["log_likelihoods"],
        "loading": ["load_generator", "load_judge", "load_tokenizer"],
        "methods": ["METHODS", "Method"],
        "names": ["EMBEDDINGS", "GENERATORS", "JUDGES"],
    },
)
