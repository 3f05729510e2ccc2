"""Stage runs that only sleep, fail or die, without a kernel: for the tests of executors."""

import os
import signal
import time

import psutil

from rag_study.common import run_folder
from rag_study.common.paths import PROJECT_ROOT
from rag_study.study import stages
from rag_study.study.running import runner

STAGE = stages.Stage("nap", "nap", 1)


def nap(
    name, *upstream, seconds=0.05, fails=False, deaths=0, until=0, shows="CUDA_VISIBLE_DEVICES"
):
    """A run that sleeps; one with `deaths` kills its process in that many of its tries, one with
    `until` sleeps until so many runs have begun. Its message is what the environment variable
    `shows` is."""
    parameters = {"seconds": seconds, "fails": fails, "deaths": deaths, "until": until}
    parameters["shows"] = shows
    return stages.StageRun(STAGE, parameters, upstream, name, {"name": name})


def work(run, options, started):
    """What `runner.execute` does, with a nap in place of a notebook."""
    return runner.execute(run, options, started, attempt)


def attempt(run, folder, cell_timeout):
    given, tries = run.parameters, folder.status().tries + 1
    lock = folder.acquire()
    about = {**run_folder.started_now(), "tries": tries}
    folder.set_status("running", **about)
    with (run_folder.outputs_dir() / "begun.txt").open("a") as file:
        file.write(f"{run.slug}\n")
    try:
        if tries <= given["deaths"]:
            os.kill(os.getpid(), signal.SIGKILL)
        # In steps, as one waits for a kernel: a thread hears of an interrupt between them.
        end = time.monotonic() + given["seconds"]
        while (left := end - time.monotonic()) > 0 or len(set(begun())) < given["until"]:
            time.sleep(min(0.1, max(0.01, left)))
        for number in range(3):
            folder.part(f"part-{number}", lambda: [{"run": run.slug}])
        shown = os.environ.get(given["shows"], "")
        state, message = ("failed", "it cannot sleep") if given["fails"] else ("done", shown)
        folder.set_status(state, message=message, seconds=given["seconds"], **about)
    finally:
        lock.release(force=True)
    return folder.status()


def begun():
    """Names of the runs in the order in which they began, one for every try."""
    return (run_folder.outputs_dir() / "begun.txt").read_text().split()


def in_the_background(outputs):
    """Environment for a process of its own that finds this module, too."""
    path = os.pathsep.join([str(PROJECT_ROOT), os.path.dirname(__file__)])
    return {**os.environ, "PYTHONPATH": path, "RAG_STUDY_OUTPUTS": str(outputs)}


def diamond():
    """A study of five runs: one that three need, and one that needs those."""
    first = nap("first")
    middle = [nap(f"middle-{i}", first, seconds=0.3) for i in range(3)]
    return [first, *middle, nap("last", *middle)]


def left_over(processes, seconds):
    """Those that live on after so many seconds; more than entries that nobody has asked for how
    they ended."""

    def is_alive(process):
        try:
            return process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    end = time.monotonic() + seconds
    while (alive := list(filter(is_alive, processes))) and time.monotonic() < end:
        time.sleep(0.1)
    return alive
