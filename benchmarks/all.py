"""All benchmarks in sizes that fit into an hour, one after another, and one table of what they say.

    make bench        # or: python benchmarks/all.py [NAME ...] [--busy] [--threads 2]

Nothing is measured on a busy machine unless `--busy` says so: others' work moves even the ratios.
The table goes to `outputs/benchmarks-<date>.md`, headed by the machine and the versions; what a
benchmark cannot run for (a tool that is not installed) stands in its place in words.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from datetime import date
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import psutil

from rag_study.common import machine
from rag_study.common.errors import StudyError
from rag_study.common.paths import outputs_dir
from rag_study.models import vllm

HERE = Path(__file__).parent
# Share of all processors that others may be using, watched for so many seconds.
BUSY, WATCHED_S = 0.1, 5
PACKAGES = ("torch", "transformers", "peft", "trl", "llama-index-core", "faiss-cpu", "deepeval")
# What is started, with sizes of minutes on two slow cores, and the package that it needs beside.
BENCHMARKS: dict[str, tuple[list[str], str]] = {
    "plan": (["grid.py", "plan"], ""),
    "schedule": (["grid.py", "schedule"], ""),
    "notebooks": (["grid.py", "notebooks"], ""),
    "loading": (["loading.py"], ""),
    "retrieval": (["retrieval.py", "--worlds", "100", "--passages", "20000"], ""),
    "finetuning": (["finetuning.py"], "trl"),
    "generation": (["generation.py", "--questions", "16"], ""),
    "engines": (["engines.py", "--questions", "24", "--new-tokens", "32", "--rounds", "1"], "vllm"),
    "judging": (["judging.py", "--answers", "12", "--geval-answers", "4"], "deepeval"),
    "growth": (["growth.py", "--factors", "1", "4", "16"], ""),
}  # fmt: skip


def missing(package: str) -> str:
    """Why a benchmark cannot run here; empty where it can."""
    if package == "vllm":
        try:
            vllm.executable()
        except StudyError as error:
            return str(error)
    elif package and find_spec(package) is None:
        return f"not run: it needs the package {package} (benchmarks/README.md says how)"
    return ""


def busy() -> float:
    """Share of the processors that is in use while this process only waits."""
    return psutil.cpu_percent(interval=WATCHED_S) / 100


def head(threads: int) -> str:
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    memory = psutil.virtual_memory().total / 1e9
    about = [
        machine.cpu_name(),
        f"{psutil.cpu_count()} processors",
        f"{memory:.0f} GB",
        platform.system(),
        f"Python {platform.python_version()}",
        f"{machine.resolve_dtype('auto')} is its own precision",
        f"{threads} threads",
        *versions,
    ]
    return f"# Benchmarks of {date.today().isoformat()}\n\n{', '.join(about)}.\n"


def run(name: str, threads: int) -> str:
    """The section of one benchmark: its command, load before and after, and what it printed."""
    words, package = BENCHMARKS[name]
    title = f"\n## {name}\n\n"
    if why := missing(package):
        return f"{title}{why}\n"
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    before, begun = os.getloadavg()[0], time.monotonic()
    ended = subprocess.run(
        [sys.executable, str(HERE / words[0]), *words[1:]],
        env=environment,
        capture_output=True,
        text=True,
    )
    minutes, after = (time.monotonic() - begun) / 60, os.getloadavg()[0]
    command = f"python benchmarks/{' '.join(words)}"
    about = f"`{command}`: {minutes:.1f} minutes, load {before:.1f} to {after:.1f}"
    if ended.returncode:
        tail = "\n".join(ended.stderr.splitlines()[-5:])
        return f"{title}{about}; it ended with {ended.returncode}:\n\n```\n{tail}\n```\n"
    return f"{title}{about}\n\n{ended.stdout.strip()}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], default=[])
    parser.add_argument("--busy", action="store_true", help="measure on a busy machine, too")
    parser.add_argument("--threads", type=int, default=machine.cores())
    given = parser.parse_args()
    used = busy()
    if used > BUSY and not given.busy:
        raise SystemExit(
            f"Other work takes {used:.0%} of the processors, and nothing else would be measured. "
            "Wait for its end, or say --busy (make bench BENCH=--busy)."
        )
    file = outputs_dir() / f"benchmarks-{date.today().isoformat()}.md"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(head(given.threads))
    for name in given.names or BENCHMARKS:
        print(f"{name} …", flush=True)
        section = run(name, given.threads)
        print(section, flush=True)
        with file.open("a") as table:
            table.write(section)
    print(f"All of it: {file}")


if __name__ == "__main__":
    main()
