"""What a runner tells the kernel of a batch run: which run it is, as it was planned.

A study is planned when it begins. The kernel takes that plan's word and looks neither at notebooks
nor at study files, which people may have edited since.
"""

from __future__ import annotations

import os
import pickle
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rag_study.study.stages import StageRun

_VARIABLE = "RAG_STUDY_RUN"


def tell(run: StageRun, folder: Path) -> dict[str, str]:
    """Environment for the kernel that executes a run; `folder` has to stay until it ends."""
    file = folder / "run.pickle"
    file.write_bytes(pickle.dumps(run))
    return {_VARIABLE: str(file)}


@lru_cache(maxsize=1)
def planned_run() -> StageRun | None:
    """The run that this process was started for; None where someone works by hand."""
    file = os.environ.get(_VARIABLE)
    return pickle.loads(Path(file).read_bytes()) if file else None


def study_text(file: Path) -> str | None:
    """What stood in a study file when the study was planned; None where nobody has told."""
    planned = planned_run()
    return planned.study_files.get(str(file.resolve())) if planned else None
