"""One run of a study: which of its stage runs have to be done, and how far that is."""

from __future__ import annotations

import contextlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from rag_study.common import run_users
from rag_study.common.run_folder import RunFolder, Status
from rag_study.study import plan, stages
from rag_study.study.running import cleanup, verification
from rag_study.study.running.executors import Executor
from rag_study.study.running.runner import USUAL, Ended, Options
from rag_study.study.stages import StageRun, is_done

FAILURES = ("failed", "timeout", "killed")
# A run of which nobody knows how long it takes.
_USUAL_SECONDS = 30.0
# What the expectation weighs against finished runs: so much of all that is planned, and so much of
# one run of the stage.
_TRUST, _TRUST_OF_STAGE = 0.1, 0.25
# From this share of a run's items on they alone say how long it takes.
_ITEMS_TELL = 0.25
# A run that takes longer than expected is thought to take so much of its time more, and one all of
# whose items are done so much to write them down.
_OVERDUE, _CLOSING = 0.25, 0.03
OnEvent = Callable[[str, StageRun, Status], None]


@dataclass
class Progress:
    """How far a run of a study is, kept up to date for whoever displays it.

    `outcomes` maps the id of each stage run that has ended to `done`, `reused`, `blocked` or one
    of FAILURES, `running` the id of each that has begun to the run and the moment (monotonic
    seconds). `workers` is how many run side by side, `expected` how many seconds each run is
    expected to take, by its id (`costs.expected`).
    """

    runs: list[StageRun]
    workers: int = 1
    expected: Mapping[str, float] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    outcomes: dict[str, str] = field(default_factory=dict)
    running: dict[str, tuple[StageRun, float]] = field(default_factory=dict)
    _taken: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))

    def count(self, *outcomes: str) -> int:
        return sum(outcome in outcomes for outcome in self.outcomes.values())

    @property
    def left(self) -> int:
        return len(self.runs) - len(self.outcomes) - len(self.running)

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.began

    def begin(self, run: StageRun) -> None:
        self.running[run.run_id] = (run, time.monotonic())

    def end(self, run: StageRun, outcome: str, status: Status) -> None:
        self.running.pop(run.run_id, None)
        self.outcomes[run.run_id] = outcome
        if outcome == "done" and status.seconds > 0 and run.run_id in self.expected:
            self._taken[run.stage.name].append((self._expected(run), status.seconds))

    def by_stage(self) -> dict[str, Counter[str]]:
        """Stage name -> how many of its runs are in which state, in the order of the stages."""
        table: dict[str, Counter[str]] = defaultdict(Counter)
        for run in self.runs:
            waiting = "running" if run.run_id in self.running else "left"
            table[run.stage.name][self.outcomes.get(run.run_id, waiting)] += 1
        return {name: table[name] for name in stages.STAGES if name in table}

    @property
    def seconds_left(self) -> float:
        """Estimated seconds until all is done; never 0 before that.

        What `expected` says, corrected by what finished runs of the same stage took, and of all
        stages where none has; of runs under way also by how many of their items are done.
        """
        rate = self._rate()
        running = [self._rest_of(run, began, rate) for run, began in list(self.running.values())]
        waiting = [
            self._expected(run) * rate(run.stage.name)
            for run in self.runs
            if run.run_id not in self.outcomes and run.run_id not in self.running
        ]
        # The workers are expected to be always busy, but nobody shares the longest run.
        return max([(sum(running) + sum(waiting)) / self.workers, *running])

    @property
    def share_done(self) -> float:
        """How much of the time that the whole takes is over, 0 to 1."""
        left = self.seconds_left
        return self.elapsed / (self.elapsed + left) if left else 1.0

    def _expected(self, run: StageRun) -> float:
        return self.expected.get(run.run_id, _USUAL_SECONDS)

    def _rest_of(self, run: StageRun, began: float, rate: Callable[[str], float]) -> float:
        """Seconds that a run under way still takes: by its items the more, the more are done."""
        spent = time.monotonic() - began
        rest = max(self._expected(run) * rate(run.stage.name) - spent, _OVERDUE * spent)
        done, total = RunFolder(run.run_id).progress() or (0, 0)
        if not total or not done:
            return rest
        share = min(done / total, 1.0)
        weight = min(share / _ITEMS_TELL, 1.0)
        rest = weight * spent * (1 - share) / share + (1 - weight) * rest
        return max(rest, _CLOSING * spent)

    def _rate(self) -> Callable[[str], float]:
        """How much longer than expected a run of a stage takes. What has finished is weighed
        against the expectation, so that a stage of seconds says little about one of hours."""
        everything = sum(self.expected.values())
        planned = {name: sum(pair[0] for pair in pairs) for name, pairs in self._taken.items()}
        taken = {name: sum(pair[1] for pair in pairs) for name, pairs in self._taken.items()}
        own = _TRUST * everything
        usual = (sum(taken.values()) + own) / (sum(planned.values()) + own) if own else 1.0

        def rate(stage: str) -> float:
            if not planned.get(stage):
                return usual
            own = _TRUST_OF_STAGE * planned[stage] / len(self._taken[stage])
            return (taken[stage] + own * usual) / (planned[stage] + own)

        return rate


def run_all(
    progress: Progress,
    executor: Executor,
    options: Options = USUAL,
    on_event: OnEvent = lambda *_: None,
    *,
    force: bool = False,
) -> None:
    """Do what is not done yet of the study's runs; with `force`, all of them from the beginning.

    A run whose upstream is not done is blocked; with `keep_going` the others still run, and the
    comparison shows what is there. Without it nothing is started after a failure. `on_event` is
    told "reused", "started", "ended" or "blocked". Raises StudyError when prepared data turns out
    to have too few questions for the study, when a finished run is damaged, and when a run to be
    forced is being worked on or used by somebody else.
    """

    def tell(run: StageRun, ended: Ended | None) -> None:
        if ended is None:
            progress.begin(run)
            on_event("started", run, Status())
            return
        progress.end(run, ended.outcome, ended.status)
        on_event(
            ended.outcome if ended.outcome in ("reused", "blocked") else "ended", run, ended[1]
        )
        if ended.outcome in FAILURES and not options.keep_going:
            executor.drain()
        if ended.outcome == "done" and run.stage.name == "prepare_data":
            plan.check_pools(progress.runs)  # before anything is trained on data that is not enough

    with contextlib.ExitStack() as uses:
        _begin(uses, progress.runs, force)
        _go(progress, executor, options, tell)


def _begin(uses: contextlib.ExitStack, runs: list[StageRun], force: bool) -> None:
    """Become a user of what the runs are and need; with `force`, have them begin from nothing."""
    needed = {one.run_id for run in runs for one in (*stages.all_upstream(run), run)}
    mine = [run for run in runs if not run.is_comparison]
    about = f"`rag-study run` of {len(runs)} stage runs"
    if not force:
        uses.enter_context(run_users.using(needed, about))
        verification.check(runs)
        return
    with run_users.undisturbed(run.run_id for run in mine):
        uses.enter_context(run_users.using(needed, about))
        folders = [RunFolder(run.run_id) for run in runs]
        for folder in folders:
            folder.check_free()  # of all of them, before any is cleared
        for folder in folders:
            folder.clear()
        for run in runs:
            if run.is_comparison:  # else, stopped now, its study would be known to nobody
                cleanup.announce(run)


def _go(
    progress: Progress,
    executor: Executor,
    options: Options,
    tell: Callable[[StageRun, Ended | None], None],
) -> None:
    waiting = []
    for run in progress.runs:
        status = RunFolder(run.run_id).status()
        if is_done(run, status):
            tell(run, Ended("reused", status))
        else:
            waiting.append(run)
    # The comparison needs everything else, and with `keep_going` also what has failed.
    comparisons = [run for run in waiting if run.is_comparison]
    others = [run for run in waiting if not run.is_comparison]
    with executor if waiting else contextlib.nullcontext():
        for batch in (others, comparisons):
            if batch and not executor.draining:
                progress.workers = executor.workers
                executor.run(batch, options, tell)
    why = Status(message="an earlier run failed; --keep-going runs the others all the same")
    for run in waiting:
        if run.run_id not in progress.outcomes:
            tell(run, Ended("blocked", why))
