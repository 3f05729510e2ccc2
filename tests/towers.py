"""A small corpus with its questions and search, shared by tests of contexts and generation."""

import pandas as pd

from rag_study.data.schema import Question

QUESTIONS = [
    Question(
        f"q{i}", f"Who built tower number {i * 37}?", (f"Person {i}",), gold_doc_ids=(f"d{i}",)
    )
    for i in range(7)
]
CHUNKS = pd.DataFrame(
    [(f"d{i}#{j}", f"d{i}", f"Tower {i}", f"Text {j} of {i}.") for i in range(7) for j in range(3)],
    columns=["chunk_id", "doc_id", "title", "text"],
).assign(tokens=10)
CHUNKS.loc[CHUNKS["chunk_id"] == "d2#2", "text"] = "It was built by Person 2."
HITS = pd.DataFrame(
    [
        (q.id, rank, f"d{(i + rank - 1) % 7}#0", f"d{(i + rank - 1) % 7}")
        for i, q in enumerate(QUESTIONS)
        for rank in (3, 1, 2)
    ],
    columns=["question_id", "rank", "chunk_id", "doc_id"],
)
