"""How long own data of the largest size takes to be read and divided, and how much memory.

Writes questions and passages of invented words to a temporary folder, and reads them in a process
of its own as stage 01 does: load, split, save, leakage. Run by hand:

    python benchmarks/own_data.py --questions 100000 --passages 1000000 [--find-gold]
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

WORDS = 99

_READ = """
import resource, sys, time
from pathlib import Path
from rag_study import data

def say(step):
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(f"{step}: {used.ru_utime + used.ru_stime:.0f} s of a core, "
          f"{used.ru_maxrss / 1e6:.2f} GB at the peak", flush=True)

folder = Path(sys.argv[1])
dataset = data.load("own", str(folder))
say(f"{len(dataset.questions):,} questions, {len(dataset.documents):,} documents loaded")
split = data.split(dataset)
say(f"divided into {split.sizes()}")
data.save_prepared(folder / "out", dataset, split)
say("saved")
data.leakage(split.pools)
say("looked for leakage")
"""


def write(folder: Path, questions: int, passages: int, find_gold: bool) -> None:
    """`questions.jsonl` and `corpus.jsonl`; with `find_gold` the questions name no documents."""
    draw = random.Random(1)
    letters = [a + b for a in "bcdfghklmnprstvz" for b in "aeiou"]
    words = ["".join(draw.choices(letters, k=draw.randint(1, 4))) for _ in range(40_000)]
    weights = list(itertools.accumulate(1 / (n + 5) for n in range(len(words))))
    with (folder / "corpus.jsonl").open("w", encoding="utf-8") as file:
        for number in range(passages):
            text = draw.choices(words, cum_weights=weights, k=WORDS - 1)
            text.insert(50, f"Answer{number:07x}")
            row = {"doc_id": f"d{number}", "title": f"T{number}", "text": " ".join(text)}
            file.write(json.dumps(row) + "\n")
    with (folder / "questions.jsonl").open("w", encoding="utf-8") as file:
        for number in range(questions):
            place = number * passages // questions
            about = " ".join(draw.choices(words, cum_weights=weights, k=8))
            row = {"id": number, "question": f"What about {about}?"}
            row |= {"answers": [f"Answer{place:07x}"]}
            row |= {} if find_gold else {"gold_doc_ids": [f"d{place}"]}
            file.write(json.dumps(row) + "\n")


def main() -> None:
    """Write, read, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", type=int, default=100_000)
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--find-gold", action="store_true", help="no gold documents are given")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), given.questions, given.passages, given.find_gold)
        (Path(folder) / "out").mkdir()
        subprocess.run([sys.executable, "-c", _READ, folder], check=True)


if __name__ == "__main__":
    main()
