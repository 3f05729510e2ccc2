import numpy as np
import pandas as pd
import pytest

from rag_study import models, qa_datasets, retrieval
from rag_study.errors import StudyError
from rag_study.qa_datasets.schema import Document, Question


@pytest.fixture(scope="module")
def embedding():
    return retrieval.load_embedding("all-minilm-l6-v2")


@pytest.fixture(scope="module")
def data():
    return qa_datasets.load("fictional", options={"num_worlds": 10})


@pytest.fixture(scope="module")
def nodes(data, embedding):
    return retrieval.split_documents(list(data.documents), 64, 8, embedding)


def test_passages_keep_to_the_size_with_their_title_and_lose_no_text(data, nodes, embedding):
    chunks = retrieval.chunk_table(nodes, embedding)
    assert chunks["tokens"].max() <= 64 + 2  # the line end between title and text
    assert chunks["tokens"].max() <= models.EMBEDDING_WINDOW
    assert chunks["chunk_id"].is_unique
    assert set(chunks["doc_id"]) == {d.doc_id for d in data.documents}
    for document in data.documents:
        parts = chunks[chunks["doc_id"] == document.doc_id]
        assert (parts["title"] == document.title).all()
        words = set(" ".join(parts["text"]).split())
        assert set(document.text.split()) <= words


def test_search_is_exact_and_survives_the_disk(data, nodes, embedding, tmp_path):
    questions = list(data.questions[:12])
    built = retrieval.build_index(nodes, embedding, tmp_path / "index")
    hits = retrieval.retrieve(built, questions, 5, embedding)
    again = retrieval.load_index(tmp_path / "index", embedding)
    assert hits.equals(retrieval.retrieve(again, questions, 5, embedding))
    vectors = np.array([node.embedding for node in nodes])
    asked = np.array(embedding.get_text_embedding_batch([q.question for q in questions]))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    scores = asked @ vectors.T
    for row, question in enumerate(questions):
        mine = hits[hits["question_id"] == question.id]
        assert mine["rank"].tolist() == [1, 2, 3, 4, 5]
        np.testing.assert_allclose(mine["score"], np.sort(scores[row])[::-1][:5], atol=1e-5)
        assert mine["is_gold"].tolist() == [d in question.gold_doc_ids for d in mine["doc_id"]]


def test_a_title_that_leaves_no_room_is_named(embedding):
    with pytest.raises(StudyError, match="document 'd1': its title"):
        retrieval.split_documents([Document("d1", "long " * 60, "text")], 64, 8, embedding)


def test_metrics_by_hand():
    questions = [
        Question("a", "?", ("x",), gold_doc_ids=("d1", "d2"), group="g1"),
        Question("b", "?", ("x",), gold_doc_ids=("d9",), group="g2"),
        Question("c", "?", ("x",), group="g2"),
    ]
    order = {"a": ["d5", "d1", "d1", "d2"], "b": ["d1", "d2", "d3", "d4"], "c": ["d1"] * 4}
    hits = pd.DataFrame(
        [(q, r, d) for q, docs in order.items() for r, d in enumerate(docs, start=1)],
        columns=["question_id", "rank", "doc_id"],
    )
    table = retrieval.question_metrics(hits, questions, 4)
    a = table[table["question_id"] == "a"].set_index("k")
    assert a["recall"].tolist() == [0.0, 0.5, 0.5, 1.0]
    assert a["reciprocal_rank"].tolist() == [0.0, 0.5, 0.5, 0.5]
    assert (table[table["question_id"] == "b"]["recall"] == 0).all()
    assert "c" not in set(table["question_id"])  # no gold documents, nothing to measure
    by_k = retrieval.summarise_by_k(table).set_index("k")
    assert by_k.loc[4, "recall"] == 0.5
    assert by_k.loc[4, "mrr"] == 0.25
    assert by_k.loc[4, "n"] == 2
    assert by_k.loc[4, "recall_low"] <= 0.5 <= by_k.loc[4, "recall_high"]


def test_a_search_can_keep_to_the_questions_own_documents(data, nodes, embedding, tmp_path):
    index = retrieval.build_index(nodes, embedding, tmp_path / "index")
    questions = list(data.questions[:12])
    scopes = {d.doc_id: d.scope for d in data.documents}
    hits = retrieval.retrieve(index, questions, 4, embedding, scopes)
    everywhere = retrieval.retrieve(index, questions, len(nodes), embedding)
    for question in questions:
        own = hits[hits["question_id"] == question.id]
        assert {scopes[doc_id] for doc_id in own["doc_id"]} == {question.scope}
        allowed = everywhere[
            (everywhere["question_id"] == question.id)
            & (everywhere["doc_id"].map(scopes) == question.scope)
        ]
        assert own["chunk_id"].tolist() == allowed["chunk_id"].tolist()[:4]
    lost = [Question("q", "Where?", ("x",), gold_doc_ids=("fic-0001-d1",), scope="nowhere")]
    nothing = retrieval.retrieve(index, lost, 4, embedding, scopes)
    assert nothing.empty
    assert retrieval.question_metrics(nothing, lost, 4)["recall"].eq(0).all()
