"""How time and memory of every stage grow with the questions, the passages and the states.

    python benchmarks/growth.py [questions] [passages] [states] [--factors 1 10 100]

Studies of the built-in data set with a model of random weights (two layers, so that what is
measured is this package's own work and not the model's) are run one run after another at 1, 10 and
100 times a small size, one of the three sizes at a time. Of each stage's runs the processor seconds
and the peak memory that they recorded are taken, medians where there are several. What a run costs
at the smallest size is mostly the start of its notebook, so exponents are those of what comes on
top of the smallest, between the last two sizes (1: linear); above 1.1 it is marked. States are all
of one training, weakened to so many strengths.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median

import yaml

# At factor 1. A world of the data set has six questions, and about four passages of this size.
QUESTIONS, WORLDS, STATES = 20, 50, 1
# Of added work that is less than this, an exponent is rounding.
LEAST_SECONDS, LEAST_MEGABYTES = 1.0, 20.0
Sizes = tuple[int, int, int]  # questions, worlds, states
Costs = dict[str, tuple[float, float]]  # stage -> processor seconds, megabytes


def sizes(axis: str, factor: int, most: int) -> Sizes:
    if axis == "questions":  # all from one corpus, in which the most of them find their place
        return QUESTIONS * factor, max(WORLDS, QUESTIONS * most), STATES
    if axis == "passages":
        return QUESTIONS, WORLDS * factor, STATES
    return QUESTIONS, WORLDS, STATES * factor


def study(questions: int, worlds: int, states: int) -> dict[str, object]:
    strengths = [round(1 - place / states, 6) for place in range(states)]
    return {
        "name": "growth",
        "models": ["random-llama"],
        "datasets": [
            {"name": "fictional", "num_worlds": worlds, "test_size": questions, "test_share": 0.5}
        ],
        "fine_tuning": [{"train_size": 8, "epochs": 1, "strength": strengths}],
        "contexts": ["none", "retrieved", "oracle"],
        "retrieval": {"chunk_size": 128, "chunk_overlap": 16, "top_k": 2, "retriever": "bm25"},
        "answering": {"max_new_tokens": 4},
        "retention": 12,
        "semantic_similarity": False,
        "judges": [{"model": "random-llama", "ladder_size": 20}],
        "compute": {"dtype": "float32", "threads": 1},
    }


def costs(of: Sizes) -> Costs:
    """What the stages of one study took, in an outputs folder of its own, and the report."""
    with tempfile.TemporaryDirectory(prefix="growth-") as name:
        file, outputs = Path(name) / "growth.yaml", Path(name) / "outputs"
        file.write_text(yaml.safe_dump(study(*of)))
        environment = {**os.environ, "RAG_STUDY_OUTPUTS": str(outputs), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "rag_study", "run", str(file), "--anyway"]
        subprocess.run(
            [*command, "--executor", "serial"],
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        by_stage: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for record in outputs.glob("runs/*/*/provenance.json"):
            about = json.loads(record.read_text())
            by_stage[about["stage"]].append((about["core_seconds"], about["peak_memory_mb"]))
    return {
        stage: (median(cost[0] for cost in found), median(cost[1] for cost in found))
        for stage, found in by_stage.items()
    }


def exponent(values: list[float], factors: list[int], least: float) -> str:
    """Of what the last two sizes cost beyond the first. Where one of them is rounding: "flat", or
    what the largest adds."""
    before, after = values[-2] - values[0], values[-1] - values[0]
    if after < least:
        return "flat"
    if before < least:
        return f"adds {after:.0f}"
    found = math.log(after / before) / math.log(
        (factors[-1] - factors[0]) / (factors[-2] - factors[0])
    )
    return f"{found:.2f}" + (" (!)" if found > 1.1 else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    axes = ("questions", "passages", "states")
    parser.add_argument("axes", nargs="*", choices=[[], *axes], default=[])
    parser.add_argument(
        "--factors", type=int, nargs="+", default=[1, 10, 100], help="from three on"
    )
    given = parser.parse_args()
    factors = sorted(given.factors)
    if len(factors) < 3:
        parser.error("--factors: an exponent beyond the start of a notebook needs three sizes")
    for axis in given.axes or axes:
        found = []
        for factor in factors:
            found.append(costs(sizes(axis, factor, factors[-1])))
            print(f"{axis} times {factor}: load {os.getloadavg()[0]:.1f}", flush=True)
        head = [f"{axis} × {factor}: s, MB" for factor in factors]
        print(f"\n| stage | {' | '.join(head)} | exponent of s | of MB |")
        print("|---" * (len(factors) + 3) + "|")
        for stage in found[0]:
            took = [each[stage] for each in found]
            cells = [f"{seconds:.1f}, {memory:.0f}" for seconds, memory in took]
            seconds, memory = ([cost[i] for cost in took] for i in (0, 1))
            ends = [
                exponent(seconds, factors, LEAST_SECONDS),
                exponent(memory, factors, LEAST_MEGABYTES),
            ]
            print(f"| {stage} | {' | '.join(cells)} | {' | '.join(ends)} |")
        print(flush=True)


if __name__ == "__main__":
    main()
