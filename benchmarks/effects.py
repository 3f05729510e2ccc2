"""Time and memory of the analysis on generated scores. By hand: see README.md.

    python benchmarks/effects.py --comparisons 2000 --questions 500

Each part runs in this one process, one after the other, on as many threads as OMP_NUM_THREADS says.
The scores are invented: clusters of one to four questions, answers that differ in a third of them.
"""

import argparse
import math
import os
import time

import numpy as np
import pandas as pd

from rag_study.analysis import effects
from rag_study.analysis.claims import claims
from rag_study.analysis.heterogeneity import heterogeneity
from rag_study.analysis.length_adjustment import length_adjusted
from rag_study.analysis.trends import trends
from rag_study.common.meter import peak_memory_mb

METRICS = ("answer_recall", "key_point_recall", "exact_match", "token_f1", "rouge_l")
JUDGED = ("judge_accuracy", "judge_completeness")
CONTEXTS = ("none", "retrieved", "oracle")
DATASETS = ("bioasq", "natural_questions", "qasper")
SIZES = (200, 500, 1000)


def generated(n_comparisons: int, n_questions: int, missing: float) -> pd.DataFrame:
    """Results of as many trained runs as give at least `n_comparisons` rows of one judge."""
    rng = np.random.default_rng(0)
    per_run = len(CONTEXTS) * (len(METRICS) + 1 + len(JUDGED))
    n_runs = math.ceil(n_comparisons / per_run / len(DATASETS) / len(SIZES)) * len(SIZES)
    frames = []
    for dataset in DATASETS:
        groups = np.sort(rng.integers(0, n_questions // 2, n_questions))
        ids = [f"{dataset}-{i:05d}" for i in range(n_questions)]
        base: dict[str, np.ndarray] = {}
        for number in range(-1, n_runs):
            method = "none" if number < 0 else f"method{number // len(SIZES)}"
            settings = {"dataset": dataset, "model": "model", "method": method}
            settings |= {"train_format": "none" if number < 0 else "closed_book"}
            settings |= {"train_size": 0 if number < 0 else SIZES[number % len(SIZES)], "seed": 0}
            settings |= {"variant": "", "prompting": "default", "retriever": "dense"}
            settings |= {"chunk_size": 192, "top_k": 3, "judge": "judge"}
            for context in CONTEXTS:
                scores = {}
                for metric in (*METRICS, *JUDGED, "answer_length"):
                    low, high = (1, 5) if metric in JUDGED else (0, 1)
                    if metric == "answer_length":
                        low, high = 1, 40
                    drawn = rng.uniform(low, high, n_questions).round(2)
                    before = base.setdefault(f"{context} {metric}", drawn)
                    changed = rng.random(n_questions) < 1 / 3
                    scores[metric] = np.where(changed, drawn, before)
                    scores[metric][rng.random(n_questions) < missing] = np.nan
                own = {"context": context, "question_id": ids, "group": groups, **scores}
                frames.append(pd.DataFrame({**settings, **own}))
    results = pd.concat(frames, ignore_index=True)
    return results.assign(group=results["dataset"] + "-" + results["group"].astype(str))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--comparisons", type=int, default=2000)
    parser.add_argument("--questions", type=int, default=500)
    parser.add_argument("--missing", type=float, default=0.0, help="share of scores without value")
    given = parser.parse_args()
    results = generated(given.comparisons, given.questions, given.missing)
    print(
        f"{len(results):,} rows, load {os.getloadavg()[0]:.1f}, {peak_memory_mb():,.0f} MB so far"
    )
    primary = {"primary_contexts": ["retrieved"], "primary_metrics": list(JUDGED)}
    options = {"reference_metrics": [], "judge_valid": {"judge": True}}
    made: dict[str, pd.DataFrame] = {}
    parts = {
        "summary": lambda: effects.summarise(results),
        "comparisons": lambda: effects.compare(results, **primary, **options),
        "interactions": lambda: effects.interactions(results),
        "trends": lambda: trends(results),
        "heterogeneity": lambda: heterogeneity(made["comparisons"]),
        "length_adjusted": lambda: length_adjusted(results, made["comparisons"]),
        "claims": lambda: claims(results, ["retrieved"], {"judge": True}),
    }
    start = time.perf_counter()
    for name, make in parts.items():
        begun, processor = time.perf_counter(), time.process_time()
        made[name] = make()
        seconds, used = time.perf_counter() - begun, time.process_time() - processor
        print(f"{name:16} {len(made[name]):6,} rows {seconds:6.1f} s ({used:.1f} s of processor)")
    print(f"{'all':16} {'':11} {time.perf_counter() - start:6.1f} s", end=", ")
    print(f"peak {peak_memory_mb():,.0f} MB, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
