"""The names by which data sets of other packages knew `rag_study.data` in version 0.1.

Imports by the old names work for one release more, with a warning that names the new one.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import warnings
from collections.abc import Sequence
from types import ModuleType
from typing import Any

FORMER_NAMES = {
    "rag_study.errors": "rag_study.common.errors",
    "rag_study.qa_datasets": "rag_study.data",
    "rag_study.qa_datasets.fields": "rag_study.data.reading.fields",
    "rag_study.qa_datasets.reading": "rag_study.data.reading.source_files",
    "rag_study.qa_datasets.registry": "rag_study.data.registry",
    "rag_study.qa_datasets.schema": "rag_study.data.schema",
}
_PACKAGE = "rag_study.qa_datasets"


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in FORMER_NAMES:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=name == _PACKAGE)

    def exec_module(self, module: ModuleType) -> None:
        name, now = module.__name__, FORMER_NAMES[module.__name__]
        warnings.warn(f"{name} is now {now}", DeprecationWarning, stacklevel=2)
        if name == _PACKAGE:  # its own modules are elsewhere now, some by other names
            module.__getattr__ = _from_package
        else:
            # The import system hands out what stands here after this call: the very same module.
            sys.modules[name] = importlib.import_module(now)


def _from_package(name: str) -> Any:
    former = f"{_PACKAGE}.{name}"
    if former in FORMER_NAMES:
        return importlib.import_module(former)
    return getattr(importlib.import_module(FORMER_NAMES[_PACKAGE]), name)


def install() -> None:
    """Make the former names importable."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())  # before what would find the files anew
