"""Where the project's folders are, and how paths are written so that they hold elsewhere."""

from __future__ import annotations

from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]


def portable(path: Path | str) -> str:
    """The path as a parameter of runs: from the project where it lies inside, else absolute."""
    path = Path(path).resolve()
    return str(path.relative_to(PROJECT_ROOT) if path.is_relative_to(PROJECT_ROOT) else path)


def located(path: Path | str) -> Path:
    """Where a path of a parameter is: in the working folder, else in the project.

    Notebooks run in several folders.
    """
    path = Path(path)
    return path if path.is_absolute() or path.exists() else PROJECT_ROOT / path
