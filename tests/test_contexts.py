import pandas as pd
import pytest

from rag_study.contexts import ContextBuilder, contains_answer
from rag_study.errors import StudyError
from rag_study.qa_datasets.schema import Question

QUESTIONS = [
    Question(
        f"q{i}", f"Who built tower number {i * 37}?", (f"Person {i}",), gold_doc_ids=(f"d{i}",)
    )
    for i in range(7)
]
CHUNKS = pd.DataFrame(
    [(f"d{i}#{j}", f"d{i}", f"Tower {i}", f"Text {j} of {i}.") for i in range(7) for j in range(3)],
    columns=["chunk_id", "doc_id", "title", "text"],
)
CHUNKS.loc[CHUNKS["chunk_id"] == "d2#2", "text"] = "It was built by Person 2."
HITS = pd.DataFrame(
    [
        (q.id, rank, f"d{(i + rank - 1) % 7}#0", f"d{(i + rank - 1) % 7}")
        for i, q in enumerate(QUESTIONS)
        for rank in (3, 1, 2)
    ],
    columns=["question_id", "rank", "chunk_id", "doc_id"],
)


@pytest.fixture
def builder():
    return ContextBuilder(CHUNKS, HITS, top_k=2)


def test_contexts(builder):
    ids = [p.chunk_id for p in builder.passages(QUESTIONS[1], "retrieved")]
    assert ids == ["d1#0", "d2#0"]
    assert builder.passages(QUESTIONS[1], "none") == []
    with pytest.raises(StudyError, match="unknown context"):
        builder.passages(QUESTIONS[1], "other")


def test_oracle_keeps_to_the_retrieved_number_and_to_passages_with_the_answer(builder):
    ids = [p.chunk_id for p in builder.passages(QUESTIONS[2], "oracle")]
    assert ids == ["d2#2", "d2#0"]


def test_a_passage_with_a_key_point_counts_where_there_is_no_short_answer():
    summary = Question(
        "q", "Why?", (), reference="Ice melts.", key_points=(("ice", "frost"), ("x",))
    )
    assert contains_answer("The frost went.", summary)
    assert not contains_answer("The office.", summary)
