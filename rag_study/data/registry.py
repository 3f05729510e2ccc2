"""Which data sets there are, and what each of them needs.

A data set is a module with a `LOADER`. Those of this package are listed here; others come from
installed packages (entry points of the group `rag_study.datasets`) or by their import path
(`my_package.my_module:LOADER`) in the study file. docs/add-a-dataset.md shows how.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from rag_study.common import files
from rag_study.common.errors import StudyError
from rag_study.data.reading import source_files
from rag_study.data.schema import QADataset

ENTRY_POINTS = "rag_study.datasets"
# Your own data, and what it was called when it was two files of JSON lines.
OWN = ("own", "jsonl")
_BUILT_IN = ("fictional", "own", "squad", "bioasq", "natural_questions", "qasper", "cuad", "tatqa")


class Options(BaseModel):
    """What a data set lets a study file choose; a loader with choices derives its own class."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Source:
    """Where to read a data set, and with which choices.

    `path` is a file or folder; None means the hub (or, for a generated data set, nothing).
    `corpus` is a file or folder with documents of its own, for data sets that take one.
    """

    path: Path | None = None
    corpus: Path | None = None
    options: Any = field(default_factory=Options)


@dataclass(frozen=True)
class Loader:
    """One data set. `load` raises StudyError, naming file and record, for bad data.

    `expected` says what `path` may be ("" where there is nothing to read), `hub` names the source
    where `path` is left out ("" where there is none). `takes_corpus`: `corpus` may be given.
    `own_scope` (or what it gives for the options): a search is restricted to the question's own
    scope unless the study file says otherwise. `instant` (or what it gives for a source): quick
    enough to be loaded while planning. `files` are those that `load` reads, each with the name that
    it counts by in run ids; left out, all data files at `path` and `corpus`
    (`reading.source_files`). `version` is part of the run ids: raise it when the same files give
    other questions or documents.
    """

    name: str
    load: Callable[[Source], QADataset]
    expected: str = ""
    hub: str = ""
    takes_corpus: bool = False
    own_scope: bool | Callable[[Any], bool] = False
    instant: bool | Callable[[Source], bool] = False
    files: Callable[[Source], Sequence[tuple[str, Path]]] | None = None
    version: int = 1
    options: type[Options] = Options

    def searches_own_scope(self, options: Any) -> bool:
        """Whether a search looks at the question's own documents only, by default."""
        return self.own_scope(options) if callable(self.own_scope) else self.own_scope

    def is_instant(self, source: Source) -> bool:
        """Whether this source is quick enough to be loaded while planning."""
        return self.instant(source) if callable(self.instant) else self.instant

    def revision(self, source: Source) -> str:
        """What identifies the content in run ids; a path or a date would not."""
        places = [place for place in (source.path, source.corpus) if place is not None]
        if places and self.files is not None:
            content = [files.content_hash(self.files(source))]
        else:
            content = [source_files.fingerprint(place) for place in places]
        return "-".join([f"v{self.version}", *content])


@lru_cache(maxsize=64)
def find(name: str) -> Loader:
    """The loader of a data set. Raises StudyError, with the nearest name, for an unknown one."""
    name = OWN[0] if name in OWN else name
    if name in _BUILT_IN:
        return importlib.import_module(f"rag_study.data.sources.{name}").LOADER
    if ":" in name:
        return _checked(name, _import(name))
    installed = {e.name: e for e in importlib.metadata.entry_points(group=ENTRY_POINTS)}
    if name in installed:
        try:
            loaded = installed[name].load()
        except Exception as error:
            raise StudyError(
                f"the data set '{name}' of the package {installed[name].dist.name} cannot be "
                f"imported: {type(error).__name__}: {error}"
            ) from error
        return _checked(name, loaded)
    available = [*_BUILT_IN, *sorted(installed)]
    near = difflib.get_close_matches(name, available, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    raise StudyError(
        f"unknown data set '{name}'; known: {', '.join(available)}, or the import path of your own "
        f"(module:LOADER){hint}"
    )


def _import(path: str) -> Any:
    module, _, attribute = path.partition(":")
    # The command line's entry point leaves the working folder out of the module search path.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:  # whatever someone else's module raises
        raise StudyError(
            f"the data set '{path}' cannot be imported: {type(error).__name__}: {error}"
        ) from error


def _checked(name: str, loader: Any) -> Loader:
    if not isinstance(loader, Loader):
        raise StudyError(
            f"'{name}' is a {type(loader).__name__}; a data set is a "
            "rag_study.data.registry.Loader (see docs/add-a-dataset.md)."
        )
    return loader
