"""What people see: the page, its tables and figures, the explorer, the model card.

Shows the tables of `analysis` and computes no number of its own.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["export_adapter", "figures", "headline", "tables"],
    submod_attrs={"page": ["build_report"]},
)
