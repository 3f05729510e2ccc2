"""Looks at a study's results that it did not declare, and what they do to its error.

Whoever compares at 60 questions, goes on to 100, and calls what is significant at either an effect,
finds one by chance more often than said. Comparisons leave their identity behind: an earlier one of
the same trained states with fewer questions has been seen.
"""

from __future__ import annotations

from pathlib import Path

from rag_study.analysis.spending import error_of_looking
from rag_study.common import files, run_folder
from rag_study.common.run_folder import RunFolder
from rag_study.common.wording import counted, listed
from rag_study.study import differences
from rag_study.study.config import StudyConfig
from rag_study.study.stages import StageRun


def undeclared_looks(comparison: StageRun, config: StudyConfig) -> str:
    """What is to be said of earlier comparisons of the same trained states with fewer questions; ''
    where there are none, and for those that belong to the looks which the study declares."""
    sizes = {
        run.run_id: _size(run.extent)
        for run in comparison.upstream
        if run.stage.name == "judge_answers" and run.point.training is not None
    }
    if not sizes:
        return ""
    seen: dict[int, str] = {}
    for path in sorted((run_folder.outputs_dir() / "runs" / "compare").glob("*")):
        if path.name != comparison.run_id.partition("/")[2]:
            size = _seen_at(path, sizes, list(config.looks))
            if size:
                seen.setdefault(size, path.name)
    if not seen:
        return ""
    most = max(sizes.values())
    error = error_of_looking(tuple(size / most for size in (*sorted(seen), most)))
    at = listed([str(size) for size in sorted(seen)])
    declared = "among the `looks` declared now" if config.looks else "declared (`looks`)"
    return (
        f"These states were compared before at {at} of the {most} test questions "
        f"({seen[min(seen)]}), which were no looks {declared}. Looked at "
        f"{counted(len(seen) + 1, 'time')}, a comparison without any effect comes out significant "
        f"at 5 % in about {100 * error:.0f} % of studies: the p values, intervals and verdicts "
        "here promise more than they keep. "
        "Questions that nobody has looked at, or looks declared beforehand, do not have that."
    )


def _seen_at(path: Path, sizes: dict[str, int], looks: list[int]) -> int:
    """At how many questions a finished comparison showed any of the states, where these are fewer
    than now and no look that is declared as it was then; else 0."""
    folder = RunFolder(f"compare/{path.name}")
    before = differences.recorded(folder.run_id)
    if before is None or folder.status().state != "done":
        return 0
    identity = before["identity"]
    if looks and identity.get("analysis", {}).get("looks") == looks:
        return 0
    metrics = folder.path / "metrics.json"
    if not metrics.exists() or not files.read_json(metrics).get("comparisons"):
        return 0  # nothing was there to be seen
    upstream, done = identity.get("upstream", []), folder.status().extent
    shown = [
        _size(extent)
        for run_id, extent in zip(upstream, identity.get("extents", []), strict=False)
        if run_id in done and _size(extent) < sizes.get(run_id, 0)
    ]
    return max(shown, default=0)


def _size(extent: dict[str, int]) -> int:
    return max(extent.values(), default=0)
