"""Where things are: notebooks, study files and outputs; and paths as parameters of runs.

Nothing else in the package knows. In a checkout everything lies in the project: `notebooks/`,
`params/`, `outputs/`, wherever a command is started. Installed from a wheel, notebooks and study
files lie inside the package and are read from there, while outputs, the reader's own study files
and edited notebooks lie in the working folder.
"""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

from rag_study.common.errors import StudyError

PACKAGE = Path(str(resources.files("rag_study")))
IS_CHECKOUT = (PACKAGE.parent / "pyproject.toml").is_file()
# The folder in which the project's own `notebooks` and `params` are.
PROJECT_ROOT = PACKAGE.parent if IS_CHECKOUT else PACKAGE
# The notebook by which a folder of copies is known (`rag-study lab`), and which it opens.
EXPLORE = "00_explore"


def working_dir() -> Path:
    """Where outputs go and relative paths count from: the project; installed, the working folder.

    Notebooks that are opened in JupyterLab or an editor work in their own folder: copies in
    `notebooks/` belong to the folder above. A worker elsewhere is told ($RAG_STUDY_FOLDER).
    """
    if IS_CHECKOUT:
        return PROJECT_ROOT
    if "RAG_STUDY_FOLDER" in os.environ:
        return Path(os.environ["RAG_STUDY_FOLDER"]).resolve()
    here = Path.cwd()
    copies = here.name == "notebooks" and (here / f"{EXPLORE}.ipynb").exists()
    return here.parent if copies else here


def outputs_dir() -> Path:
    """Where runs write: $RAG_STUDY_OUTPUTS, else `outputs/` of the working folder."""
    return Path(os.environ.get("RAG_STUDY_OUTPUTS") or working_dir() / "outputs")


def params_dir() -> Path:
    """The study files that come with the package."""
    return PROJECT_ROOT / "params"


def notebooks_dir() -> Path:
    """The notebooks that come with the package."""
    return PROJECT_ROOT / "notebooks"


def own_notebooks_dir() -> Path:
    """The notebooks that people may edit: in a checkout the same, else copies."""
    return working_dir() / "notebooks"


def notebook(name: str) -> Path:
    """The notebook of this name: the working folder's copy where there is one."""
    copy = own_notebooks_dir() / f"{name}.ipynb"
    return copy if copy.exists() else notebooks_dir() / copy.name


def is_utf8(path: Path | str) -> bool:
    """Whether a path can be written down: names from other systems may be of bytes that are no
    UTF-8, which stand in no notebook, run folder or table."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def in_utf8(path: Path | str) -> Path:
    """The path; raises StudyError where it cannot be written down."""
    if not is_utf8(path):
        raise StudyError(
            f"{path}: this name is not written in UTF-8. Rename the file or folder, for example "
            "with convmv."
        )
    return Path(path)


def study_file(name: str | Path) -> Path:
    """The study file that is meant: a path, or the name of one that comes with the package."""
    path = in_utf8(name)
    if path.exists() or path.suffix or len(path.parts) != 1:
        return path
    shipped = located(Path("params") / f"{name}.yaml")
    return shipped if shipped.exists() else path


def portable(path: Path | str) -> str:
    """The path as a parameter of runs: from the project where it lies inside, else absolute."""
    path = in_utf8(path).resolve()
    for folder in (PROJECT_ROOT.resolve(), working_dir().resolve()):
        if path.is_relative_to(folder):
            return str(path.relative_to(folder))
    return str(path)


def located(path: Path | str) -> Path:
    """Where a path of a parameter is: below the current folder, else in the working folder, else
    with the package.

    Notebooks run in several folders.
    """
    path = Path(path)
    if path.is_absolute() or path.exists():
        return path
    placed = working_dir() / path
    shipped = PROJECT_ROOT / path
    return shipped if shipped.exists() and not placed.exists() else placed
