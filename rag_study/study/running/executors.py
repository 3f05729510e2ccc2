"""Where stage runs execute: one after the other in this process (here), in worker processes of this
machine, or on a cluster (both in `dask_executor`).

An executor is given runs in an order that respects dependencies and tells when each has begun and
how it ended. What is done is known from the run folders alone, so any of them can go on where
another was stopped, and results do not depend on which it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rag_study.study.running.runner import Ended, Options, execute
from rag_study.study.stages import StageRun

Work = Callable[[StageRun, Options, Callable[[], None]], Ended]
Tell = Callable[[StageRun, Ended | None], None]


class Executor:
    """Runs stage runs one after the other in this process; the others build on it.

    `work` does one stage run; `say` is told, for people, where it is done. Used as a context: when
    it is left, whatever still runs is stopped.
    """

    workers = 1

    def __init__(self, work: Work = execute, say: Callable[[str], None] = lambda _: None):
        self.work = work
        self.say = say
        self.draining = False

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop what still runs."""

    def drain(self) -> None:
        """Start nothing more; what runs already is finished."""
        self.draining = True

    def run(self, runs: Sequence[StageRun], options: Options, tell: Tell) -> None:
        """Have the runs done, each after what it needs.

        `tell` is called in this thread: with None when a run begins, and with how it ended. What
        it raises ends the call. A run that was never begun because of `drain` is not told of.
        """
        for run in runs:
            if self.draining:
                return
            tell(run, self.work(run, options, lambda run=run: tell(run, None)))
