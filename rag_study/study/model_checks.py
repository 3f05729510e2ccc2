"""Whether the name of a model in a study can be one, before anything is loaded."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from rag_study.common.errors import StudyError
from rag_study.models import architectures, endpoint, folders, names


def check_language_model(name: str, also: Sequence[str] = ()) -> None:
    """As `check_model`, and for a model of which it is known that it cannot write text."""
    check_model(name, also)
    _check_kind(name, (architectures.DECODER,))


def check_reader(name: str) -> None:
    """Raise ValueError for a name of no model that answers questions, whatever its kind."""
    check_model(name, list(names.EMBEDDINGS))
    _check_kind(name, architectures.READERS)


def _check_kind(name: str, kinds: tuple[str, ...]) -> None:
    try:
        architectures.check(name, kinds)
    except StudyError as error:
        raise ValueError(str(error)) from None


def only_data(folder: Path, what: str) -> None:
    """Raise ValueError where a folder with a model would have code of its own run."""
    try:
        folders.check(folder, what)
    except StudyError as error:
        raise ValueError(str(error)) from None


def check_model(name: str, also: Sequence[str] = ()) -> None:
    """Raise ValueError for a name that is no model; `also` are names that would do as well."""
    if name.startswith(("http://", "https://")):
        try:
            endpoint.connect(name)
        except StudyError as error:
            raise ValueError(str(error)) from None
    if names.is_known(name) or name in also:
        names.check_installed(name)
        return
    if name in names.JUDGES:
        raise ValueError(f"'{name}' was trained to grade answers: it is a judge (`judges`)")
    presets = [*names.GENERATORS, *also]
    near = difflib.get_close_matches(name, presets, n=1, cutoff=0.4)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    raise ValueError(
        f"'{name}' is not a preset ({', '.join(presets)}), not a folder, "
        f"and not a hub id (owner/name){hint}"
    )
