"""The commands about a study: plan, run, status, report."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from rag_study.analysis import feasibility
from rag_study.cli import live, outcome
from rag_study.cli.check import print_findings
from rag_study.cli.console import (
    Debug,
    Only,
    StudyFile,
    StudyFiles,
    Why,
    as_typed,
    clock,
    console,
    first_line,
    print_damages,
    print_line,
    print_reasons,
    print_why,
)
from rag_study.common import files, run_folder
from rag_study.common.errors import StudyError
from rag_study.common.machine import gpus
from rag_study.common.run_folder import RunFolder, Status
from rag_study.common.wording import counted
from rag_study.study import asked, differences, readers, stages, study_tables
from rag_study.study.config import StudyConfig
from rag_study.study.data_warnings import data_warnings
from rag_study.study.merge import load_studies
from rag_study.study.plan import Comparison, answer_notes, check_pools, comparison, expand
from rag_study.study.running import cleanup, costs, resources, study_run, verification
from rag_study.study.running.dask_executor import DaskExecutor, LocalExecutor
from rag_study.study.running.executors import Executor
from rag_study.study.running.runner import Options
from rag_study.study.running.study_run import Progress
from rag_study.study.stages import StageRun, is_done

_OTHER_CODE = "made by another version of the package"


def plan(
    study_file: StudyFile,
    only: Only = None,
    cost: Annotated[
        bool, typer.Option("--cost", help="tokens and hours that it will take")
    ] = False,
    machine: Annotated[
        str | None,
        typer.Option(
            help="with --cost: a machine of docs/cluster.md; left out: this one, as its finished "
            "runs measured it, or laptop-2-cores before there are any"
        ),
    ] = None,
    why: Why = False,
    as_json: Annotated[bool, typer.Option("--json", help="for machines")] = False,
    debug: Debug = False,
) -> None:
    """Show every stage run: its id, and whether it would be reused, run, or is blocked."""
    study = expand(study_file)
    feasibility.refuse_impossible(study, study[-1].study)
    runs = _chosen(study, only)
    if cost:
        chosen = costs.find_machine(machine) if machine else costs.this_machine()
        estimate = costs.estimate(runs, chosen)
        print(json.dumps(estimate.rows, indent=1)) if as_json else console.print(
            live.cost_table(estimate)
        )
        return
    rows = planned(runs)
    again = {row["run_id"] for row in rows if row["action"] != "reuse"}
    earlier = differences.from_earlier(
        [stage_run for stage_run in runs if stage_run.run_id in again], study
    )
    if as_json:
        for row in rows:
            differing = earlier[row["run_id"]].differences if row["run_id"] in earlier else []
            row["why"] = [difference.words for difference in differing]
        print(json.dumps(rows, indent=1))
        return
    if only is None:
        print_findings(feasibility.outlook(study, study[-1].study))
        console.say(f"More of this:  rag-study check {as_typed(study_file)}\n", style="dim")
    for row in rows:
        print_line(row["action"], row["run_id"], row["note"])
        if why and row["run_id"] in earlier:
            print_why(earlier[row["run_id"]])
    of_models = readers.notes(study[-1].study.models, study[-1].study.trainings)
    for sentence in [*of_models, *answer_notes(runs), *data_warnings(runs)]:
        console.say(sentence, style="yellow")
    print_reasons(earlier)
    counts = {a: sum(r["action"] == a for r in rows) for a in ("reuse", "run", "blocked")}
    console.print(
        f"{counted(len(rows), 'stage run')}: " + ", ".join(f"{n} {a}" for a, n in counts.items())
    )


def run(
    study_file: StudyFile,
    only: Only = None,
    force: Annotated[bool, typer.Option("--force", help="do again what is done")] = False,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="go on after a failure; compare what there is")
    ] = False,
    executor: Annotated[
        Literal["serial", "local", "dask"],
        typer.Option(
            help="one run after the other, Dask workers on this machine, or a Dask cluster there is"
        ),
    ] = "serial",
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="with local: runs side by side; left out: cores / threads, or one per GPU"
        ),
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="with dask: the address of a cluster, tcp://host:port")
    ] = None,
    scheduler_file: Annotated[
        Path | None, typer.Option(help="with dask: the file that its scheduler wrote")
    ] = None,
    dashboard: Annotated[
        bool, typer.Option("--dashboard", help="with local: a page of Dask that shows the workers")
    ] = False,
    cell_timeout: Annotated[
        int | None, typer.Option(min=1, help="most seconds for one cell of a notebook")
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="also where no verdict is possible (rag-study check)")
    ] = False,
    until_settled: Annotated[
        bool,
        typer.Option(
            "--until-settled",
            help="ask in steps, at the study's `looks`, and each state only as far as it takes",
        ),
    ] = False,
    debug: Debug = False,
) -> None:
    """Run what is not done yet, then print the effects and where the report is."""
    runs = expand(study_file, whole=True)
    if until_settled:
        _refuse_steps(study_file, runs[-1].study, only)
    ready = _ready(runs, only is not None or anyway, force=force)
    ready()
    options = Options(keep_going, cell_timeout)
    while True:
        if until_settled:
            runs = _begin_step(runs[-1].study, force=force)
        chosen = _chosen(runs, only)
        place = _executor(executor, chosen, workers, dashboard, scheduler, scheduler_file)
        left = [stage_run for stage_run in chosen if force or not is_done(stage_run)]
        # Workers elsewhere have programs of their own.
        if executor != "dask" and (missing := resources.missing_program(left)):
            raise StudyError(missing)
        run_folder.check_writable()
        if not until_settled and only is None:
            asked.ask(runs[-1].study, None)
        cleanup.announce(runs[-1])
        progress = _execute(chosen, options, place, force=force, prepared=ready)
        outcome.show_result(runs[-1], progress)
        if not all(
            progress.outcomes.get(stage_run.run_id) in ("done", "reused") for stage_run in chosen
        ):
            raise typer.Exit(1)
        if not (until_settled and _goes_on(runs[-1])):
            return
        force = False


def _refuse_steps(study_file: Path, study: StudyConfig, only: str | None) -> None:
    if only is not None:
        raise StudyError("--until-settled runs the whole study in steps; leave out --only.")
    if not study.looks:
        raise StudyError(
            f"{study_file}: --until-settled needs the numbers of test questions at which to look. "
            "Declare them before anything is answered: `looks: [50, 100, 200]`, of which the last "
            "is `test_size`."
        )


def _begin_step(study: StudyConfig, *, force: bool) -> list[StageRun]:
    """The runs of the present step of a study that is run in steps; the first, where none began."""
    if force or asked.asked_now(study) is None:
        asked.ask(study, {})
    return expand(study)


def _goes_on(comparison: Comparison) -> bool:
    """Whether anything is left to be settled; if so the next step is asked for, and said."""
    from rag_study.analysis.next_look import next_look

    folder = run_folder.study_dir(comparison.slug)
    with study_tables.reading(folder):
        looks = files.read_parquet(folder / "looks.parquet")
    further = next_look(comparison, comparison.study, looks)
    if further is None:
        return False
    asked.ask(comparison.study, further)
    most = max(further.values())
    states = counted(sum(size == most for size in further.values()), "model state")
    console.say(f"Not all is settled: {states}, bases among them, go on to {most} questions.")
    return True


def status(study_file: StudyFile, why: Why = False, debug: Debug = False) -> None:
    """Show what is done, running, failed and missing; also while another terminal runs it."""
    runs = expand(study_file)
    statuses = {stage_run.run_id: RunFolder(stage_run.run_id).status() for stage_run in runs}
    done = {
        stage_run.run_id for stage_run in runs if is_done(stage_run, statuses[stage_run.run_id])
    }
    earlier = differences.from_earlier(
        [stage_run for stage_run in runs if stage_run.run_id not in done], runs
    )
    other_code: list[str] = []
    for stage_run in runs:
        folder, current = RunFolder(stage_run.run_id), statuses[stage_run.run_id]
        finished = stage_run.run_id in done
        state = "incomplete" if current.state == "done" and not finished else current.state
        note = first_line(current.message)
        if current.state == "done":
            note = clock(current.seconds)
            if finished and differences.is_of_other_code(current.package_hash):
                other_code.append(stage_run.run_id)
                note += f", {_OTHER_CODE}"
        elif state == "running":
            tally = folder.progress()
            done_so_far = f"{tally[0]} of {tally[1]}, " if tally else ""
            note = f"{done_so_far}process {current.pid} on {current.host}"
        print_line(state, stage_run.run_id, note)
        if why and stage_run.run_id in earlier:
            print_why(earlier[stage_run.run_id])
    print_reasons(earlier)
    verb = "is" if len(done) == 1 else "are"
    console.print(f"{len(done)} of {counted(len(runs), 'stage run')} {verb} done.")
    _say_of_other_code(other_code)
    looked = verification.look_at(runs, quick=True)
    print_damages(looked)
    if len(done) < len(runs) or looked.damages:
        raise typer.Exit(1)


def verify(study_file: StudyFile, debug: Debug = False) -> None:
    """Compare every file of a study's finished runs, and of its tables, with its checksum."""
    looked = verification.look_at(expand(study_file))
    print_damages(looked)
    if looked.damages:
        count = len(looked.damages)
        console.print(f"{counted(count, 'file')} {'is' if count == 1 else 'are'} damaged.")
        raise typer.Exit(1)
    if not looked.runs:
        console.print("No run is done, so there is nothing to compare.")
    elif whole := looked.runs - len(looked.unsealed):
        console.print(f"{counted(whole, 'finished stage run')}: every file is as it was written.")


def report(
    study_files: StudyFiles,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="also the decision card as report.md, for a ticket")
    ] = False,
    pdf: Annotated[
        bool, typer.Option("--pdf", help="also report.pdf, three pages, by a browser that is here")
    ] = False,
    debug: Debug = False,
) -> None:
    """Build tables, figures and report again from what is done; of several studies, a common one.

    A common report is written to `outputs/<name>+<name>/`. With --markdown or --pdf the report that
    is there is used where it is up to date.
    """
    common = comparison(load_studies(study_files))
    if not any(is_done(needed) for needed in common.upstream):
        named = " ".join(map(str, study_files))
        raise StudyError(
            f"{named}: no run is done, so there is nothing to report.\n"
            f"Run it first:  rag-study run {as_typed(study_files[0])}"
        )
    run_folder.check_writable()
    force = not (markdown or pdf)
    progress = _execute([common], Options(keep_going=True), Executor(), force=force)
    outcome.show_result(common, progress)
    if not progress.count("done", "reused"):
        raise typer.Exit(1)
    outcome.write_also(common, markdown=markdown, pdf=pdf)


def _say_of_other_code(run_ids: list[str]) -> None:
    for sentence in differences.of_other_code(run_ids):
        console.say(sentence, style="yellow")


def _chosen(runs: list[StageRun], only: str | None) -> list[StageRun]:
    if only is None:
        return runs
    stage = stages.find_stage(only)
    return [stage_run for stage_run in runs if stage_run.stage is stage]


def planned(runs: list[StageRun]) -> list[dict[str, Any]]:
    """What `run` would do with each run, in order."""
    there: dict[str, bool] = {}  # run id -> whether it is done, or will be when it is needed

    def is_there(needed: StageRun) -> bool:
        if needed.run_id not in there:
            there[needed.run_id] = is_done(needed)
        return there[needed.run_id]

    rows = []
    for stage_run in runs:
        current = RunFolder(stage_run.run_id).status()
        waiting = [needed.run_id for needed in stage_run.upstream if not is_there(needed)]
        action, note = "run", ""
        if is_done(stage_run, current):
            action = "reuse"
            if differences.is_of_other_code(current.package_hash):
                note = f"{_OTHER_CODE}; --force makes it again"
        elif waiting:
            action, note = "blocked", f"needs {', '.join(waiting)}"
        elif current.state == "done":
            note = "adds to what is done"
        elif current.state == "running":
            note = f"process {current.pid} on {current.host} works on it"
        elif current.state != "pending":
            note = f"{current.state} before"
        there[stage_run.run_id] = action != "blocked"
        rows.append(
            {
                "run_id": stage_run.run_id,
                "stage": stage_run.stage.name,
                "action": action,
                "state": current.state,
                "note": note,
                "parameters": stage_run.parameters,
            }
        )
    return rows


def _executor(
    name: str,
    runs: list[StageRun],
    workers: int | None,
    dashboard: bool,
    scheduler: str | None,
    scheduler_file: Path | None,
) -> Executor:
    if name == "dask" and not (scheduler or scheduler_file):
        raise StudyError(
            "--executor dask needs --scheduler or --scheduler-file: the cluster to run on.\n"
            "Workers on this machine:  --executor local"
        )
    if name != "dask" and (scheduler or scheduler_file):
        raise StudyError("--scheduler and --scheduler-file need --executor dask.")
    if name != "local" and workers not in (None, 1):
        raise StudyError("--workers needs --executor local; a cluster has its own.")
    if name != "local" and dashboard:
        raise StudyError("--dashboard needs --executor local.")
    if name == "dask":
        return DaskExecutor(scheduler, scheduler_file, say=console.print)
    if name == "local":
        number = workers or resources.default_workers(runs)
        return LocalExecutor(number, gpus()[:workers], dashboard, say=console.print)
    return Executor()


def _ready(runs: list[StageRun], anyway: bool, *, force: bool) -> Callable[[], None]:
    """What raises StudyError for a study that cannot answer its question, as far as its data has
    been read; nothing for one that is done already, and for one that is to run `anyway`."""
    study = runs[-1].study
    left = [stage_run for stage_run in runs if force or not is_done(stage_run)]

    def refuse() -> None:
        if not anyway and not all(stage_run.is_comparison for stage_run in left):
            check_pools(runs)
            feasibility.refuse_impossible(left, study)
            feasibility.refuse_without_verdict(study, feasibility.blocking(runs, study))

    return refuse


def _execute(
    runs: list[StageRun],
    options: Options,
    executor: Executor,
    *,
    force: bool,
    prepared: Callable[[], None] = lambda: None,
) -> Progress:
    """Do what is left of the runs; `prepared` is called whenever data has been read."""
    # A cluster that wants its machine back says so with SIGTERM: it is to be as orderly as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    progress = Progress(runs, expected=costs.expected(runs, force=force))
    with live.shown(progress) as tell:

        def told(event: str, stage_run: StageRun, status: Status) -> None:
            tell(event, stage_run, status)
            if event == "ended" and stage_run.stage.name == "prepare_data":
                prepared()

        try:
            study_run.run_all(progress, executor, options, told, force=force)
        except KeyboardInterrupt:
            tell.stopped()
            raise typer.Exit(130) from None
    console.say(live.summary(progress))
    reused = [run_id for run_id, outcome in progress.outcomes.items() if outcome == "reused"]
    of_other_code = differences.is_of_other_code
    _say_of_other_code([r for r in reused if of_other_code(RunFolder(r).status().package_hash)])
    if len(reused) == len(runs):
        console.print("Nothing to do: everything asked for is done.")
    return progress
