"""Question-answering data sets, all brought into one schema and split without leakage.

`load` is the only way in; `load_pools` and `load_corpus` read what stage 01 wrote. Adding a data
set is a file in `sources/` and a name in `registry`. Knows nothing of models or of studies.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "loading": [
            "load",
            "load_corpus",
            "load_pools",
            "revision_of",
            "save_prepared",
            "source_of",
        ],
        "registry": ["Loader", "Options", "Source"],
        "schema": ["Document", "QADataset", "Question"],
        "splits": ["Split", "leakage", "split", "train_subset"],
    },
)
