"""How long a large Natural Questions file takes to load, and how much memory.

Writes a file of simplified lines with invented text to a temporary folder and loads it in a
process of its own, once per choice of passages. Run by hand:

    python benchmarks/loading.py --megabytes 500
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

PARAGRAPHS = 90  # with the words below about as long as an average page of the data
WORDS = 60
# The share of questions with a short answer in the training set: 110,724 of 307,373.
ANSWERED = 0.36

_LOAD = """
import resource, sys, time
from pathlib import Path
from rag_study.data.sources.natural_questions import NaturalQuestionsOptions, load
from rag_study.data.registry import Source
start = time.perf_counter()
data = load(Source(Path(sys.argv[1]), None, NaturalQuestionsOptions(passages=sys.argv[2])))
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"passages: {sys.argv[2]}: {data.read} questions read, {len(data.questions)} used, "
      f"{len(data.documents)} documents, {seconds:.1f} s, peak memory {peak:.0f} MB")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=500, help="size of the text, unpacked")
    parser.add_argument("--gzip", action="store_true", help="pack the file, as the original is")
    parser.add_argument("--answered", type=float, default=ANSWERED, help="share with an answer")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"simplified.jsonl{'.gz' if given.gzip else ''}"
        size = write(path, given.megabytes * 1_000_000, given.answered)
        on_disk = path.stat().st_size
        print(f"{size / 1e6:.0f} MB of simplified lines, {on_disk / 1e6:.0f} MB on disk")
        for passages in ("gold", "page"):
            subprocess.run([sys.executable, "-c", _LOAD, str(path), passages], check=True)


def write(path: Path, size: int, answered: float) -> int:
    """Write lines until they hold `size` bytes; returns the bytes."""
    rng = random.Random(0)
    vocabulary = ["".join(rng.choices("abcdefghiklmnoprstuv", k=7)) for _ in range(5000)]
    written = number = 0
    with gzip.open(path, "wb", compresslevel=1) if path.suffix == ".gz" else path.open("wb") as f:
        while written < size:
            example = _example(number, rng, vocabulary, rng.random() < answered)
            line = json.dumps(example).encode() + b"\n"
            f.write(line)
            written += len(line)
            number += 1
    return written


def _example(number: int, rng: random.Random, vocabulary: list[str], answered: bool) -> dict:
    tokens, candidates = [], []
    for _ in range(PARAGRAPHS):
        start = len(tokens)
        tokens += ["<P>", *rng.choices(vocabulary, k=WORDS), ".", "</P>"]
        candidates.append({"start_token": start, "top_level": True, "end_token": len(tokens)})
    index = rng.randrange(PARAGRAPHS) if answered else -1
    start = candidates[index]["start_token"] if answered else -1
    long = {
        "start_token": start,
        "candidate_index": index,
        "end_token": candidates[index]["end_token"] if answered else -1,
    }
    short = [{"start_token": start + 2, "end_token": start + 4}] if answered else []
    return {
        "document_text": " ".join(tokens),
        "long_answer_candidates": candidates,
        "question_text": " ".join(rng.choices(vocabulary, k=8)),
        "annotations": [
            {
                "yes_no_answer": "NONE",
                "long_answer": long,
                "short_answers": short,
                "annotation_id": number,
            }
        ],
        "document_url": f"https://en.wikipedia.org//w/index.php?title=Page_{number}&amp;oldid=1",
        "example_id": number,
    }


if __name__ == "__main__":
    main()
