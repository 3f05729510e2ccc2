"""Passages, index and search; the embedding model is the real one."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.schema import MetadataMode
from llama_index.retrievers.bm25 import BM25Retriever

from rag_study import data as qa_datasets
from rag_study import retrieval
from rag_study.common.errors import StudyError
from rag_study.data.schema import Document, Question
from rag_study.models import names
from rag_study.retrieval import search
from rag_study.retrieval.embedding_cache import EmbeddingCache


@pytest.fixture(scope="module")
def embedding(tmp_path_factory):
    plain = retrieval.load_embedding("all-minilm-l6-v2", cached=False)
    cache = EmbeddingCache(tmp_path_factory.mktemp("vectors"), plain.dimensions)
    return retrieval.Embedder(plain.llama, cache)


@pytest.fixture(scope="module")
def data():
    return qa_datasets.load("fictional", options={"num_worlds": 10})


@pytest.fixture(scope="module")
def nodes(data, embedding):
    return retrieval.split_documents(list(data.documents), 64, 8, embedding)


@pytest.fixture(scope="module")
def folder(nodes, embedding, tmp_path_factory):
    folder = tmp_path_factory.mktemp("index")
    retrieval.build_index(nodes, embedding, folder, "hybrid")
    return folder


def embedded(nodes):
    return [node.get_content(MetadataMode.EMBED) for node in nodes]


def by_hand(nodes, positions, scores, depth):
    """Chunk ids, best first, ties in order; plain loops."""
    ranked = sorted(zip(positions, scores, strict=True), key=lambda pair: (-pair[1], pair[0]))
    return [nodes[position].node_id for position, _ in ranked[:depth]]


def chunk_ids(hits, question):
    return hits.loc[hits["question_id"] == question.id, "chunk_id"].tolist()


# --- Passages --------------------------------------------------------------------------------


def test_passages_keep_to_the_size_with_their_title_and_lose_no_text(data, nodes, embedding):
    chunks = retrieval.chunk_table(nodes, embedding)
    assert chunks["tokens"].max() <= 64
    assert chunks["tokens"].max() <= names.EMBEDDING_WINDOW
    assert chunks["chunk_id"].is_unique
    assert set(chunks["doc_id"]) == {d.doc_id for d in data.documents}
    for document in data.documents:
        parts = chunks[chunks["doc_id"] == document.doc_id]
        assert (parts["title"] == document.title).all()
        words = set(" ".join(parts["text"]).split())
        assert set(document.text.split()) <= words


@pytest.mark.parametrize("separator", [" ", ""])
def test_a_giant_without_sentence_ends_is_cut_and_nothing_is_lost(embedding, separator):
    rng = np.random.default_rng(0)
    vocabulary = ["".join(rng.choice(list("abcdefghij"), 6)) for _ in range(500)]
    text = separator.join(rng.choice(vocabulary, 50_000))[:300_000].strip()
    nodes = retrieval.split_documents([Document("d", "Giant", text)], 192, 0, embedding)
    assert separator.join(node.get_content(MetadataMode.NONE) for node in nodes) == text
    lengths = [embedding.count_tokens(t) for t in embedded(nodes)]
    # Where even words have no end, the count depends a little on where they are parted.
    assert max(lengths) <= (192 if separator else 200)
    assert np.median(lengths) > 96  # and not cut to crumbs
    assert max(embedding.lengths(embedded(nodes))) <= names.EMBEDDING_WINDOW


@pytest.mark.parametrize("long", ["Report on the towers of the coast, part " * 30, "塔" * 300])
def test_of_a_long_title_the_beginning_is_embedded_and_all_is_shown(embedding, tmp_path, long):
    text = "The tower was built by Ada. It is tall and stands at the coast. " * 8
    documents = [Document("d0", "Tower", text), Document("d1", long, text)]
    nodes = retrieval.split_documents(documents, 96, 8, embedding)
    assert retrieval.count_cut_titles(nodes) == 1
    assert max(embedding.lengths(embedded(nodes))) <= 96 + 2
    cut = next(node for node in nodes if node.ref_doc_id == "d1").metadata["title"]
    assert long.startswith(cut)
    assert 24 <= embedding.count_tokens(cut) <= 48
    table = retrieval.chunk_table(nodes, embedding)
    assert set(table.loc[table["doc_id"] == "d1", "title"]) == {long}
    assert table["tokens"].max() <= 96
    index = retrieval.build_index(nodes, embedding, tmp_path)
    assert not any(long in text for text in index.texts)
    # Passages of the second document are as long as those of the first: its title is in them once.
    assert retrieval.load_index(tmp_path, embedding).docstore.docs.keys() == set(index.chunk_ids)


def test_impossible_chunk_sizes_are_said_without_a_model():
    code = (
        "import sys; from rag_study import retrieval; retrieval.check_chunking(254, 253);"
        "print(sorted({'torch', 'pandas', 'llama_index'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    for size, overlap, said in [
        (255, 0, "chunk_size 255"),
        (0, 0, "chunk_size 0"),
        (64, 64, "chunk_overlap 64"),
        (64, 70, "chunk_overlap 70"),
        (64, -1, "chunk_overlap -1"),
    ]:
        with pytest.raises(StudyError, match=f"^{said}:"):
            retrieval.check_chunking(size, overlap)


def test_splitting_checks_the_sizes(embedding):
    with pytest.raises(StudyError, match="chunk_overlap 64"):
        retrieval.split_documents([Document("d", "", "text")], 64, 64, embedding)


def test_a_passage_beyond_the_window_is_refused_not_cut(nodes, embedding, tmp_path):
    long = nodes[0].model_copy(update={"text": "word " * 300})
    with pytest.raises(StudyError, match=r"passage '.*' has 3\d\d tokens"):
        retrieval.build_index([long], embedding, tmp_path)


def test_a_corpus_without_text_is_said(embedding, tmp_path):
    empty = [Document("a", "Title", " \n\t"), Document("b", "", "")]
    assert retrieval.split_documents(empty, 64, 8, embedding) == []
    with pytest.raises(StudyError, match="no passage to index"):
        retrieval.build_index([], embedding, tmp_path)


def test_characters_that_no_file_takes_do_no_harm(embedding, tmp_path):
    documents = [
        Document("d1", "Nul\0title", "The tower\0stands\ud800 here. \ud83d\ude00 It is old."),
        Document("d2", "", "Another text about a mill."),
    ]
    nodes = retrieval.split_documents(documents, 64, 8, embedding)
    retrieval.chunk_table(nodes, embedding).to_parquet(tmp_path / "chunks.parquet")
    retrieval.build_index(nodes, embedding, tmp_path / "index", "hybrid")
    question = Question("q", "Where does the\0 tower\udfff stand?", ("here",))
    for retriever in retrieval.RETRIEVERS:
        hits = retrieval.retrieve(tmp_path / "index", [question], 2, embedding, None, retriever)
        assert hits["doc_id"].iloc[0] == "d1"
    assert "😀" in nodes[0].text
    assert "stands\ufffd here" in nodes[0].text


# --- Search ----------------------------------------------------------------------------------


def test_dense_search_is_exact(data, nodes, embedding, folder):
    questions = list(data.questions[:12])
    hits = retrieval.retrieve(folder, questions, 5, embedding)
    vectors = np.array(embedding.llama.get_text_embedding_batch(embedded(nodes)))
    asked = np.array(embedding.llama.get_text_embedding_batch([q.question for q in questions]))
    scores = asked @ vectors.T
    for row, question in enumerate(questions):
        mine = hits[hits["question_id"] == question.id]
        assert mine["rank"].tolist() == [1, 2, 3, 4, 5]
        np.testing.assert_allclose(mine["score"], np.sort(scores[row])[::-1][:5], atol=1e-5)
        assert mine["is_gold"].tolist() == [d in question.gold_doc_ids for d in mine["doc_id"]]


@pytest.mark.parametrize("retriever", retrieval.RETRIEVERS)
def test_all_ways_to_the_same_index_agree(data, nodes, embedding, folder, tmp_path, retriever):
    questions = list(data.questions[:6])

    def hits(index):
        return retrieval.retrieve(index, questions, 5, embedding, None, retriever)

    def same(found, expected):
        # Questions that are embedded in other company: the last bits of scores are the kernel's.
        pd.testing.assert_frame_equal(found, expected, rtol=0, atol=1e-5)

    expected = hits(folder)
    same(hits(retrieval.build_index(nodes, embedding, tmp_path, retriever)), expected)
    same(hits(tmp_path), expected)
    if retriever != "bm25":
        same(hits(retrieval.load_index(tmp_path, embedding)), expected)
    alone = retrieval.retrieve(folder, questions[3:4], 5, embedding, None, retriever)
    same(alone, expected[expected["question_id"] == questions[3].id].reset_index(drop=True))


def test_llama_indexs_own_query_engine_part_finds_the_same(data, embedding, folder):
    question = data.questions[0]
    retriever = retrieval.load_index(folder, embedding).as_retriever(similarity_top_k=5)
    found = [hit.node.node_id for hit in retriever.retrieve(question.question)]
    hits = retrieval.retrieve(folder, [question], 5, embedding)
    assert found == hits["chunk_id"].tolist()


def test_any_vector_store_serves(data, nodes, embedding, folder):
    questions = list(data.questions[:6])
    scopes = retrieval.scopes_of(data.documents, "own")
    copies = [node.model_copy() for node in nodes]
    for node, vector in zip(copies, embedding.embed(embedded(nodes)), strict=True):
        node.embedding = vector.tolist()
    simple = VectorStoreIndex(
        copies, storage_context=StorageContext.from_defaults(), embed_model=embedding.llama
    )
    for given in (None, scopes):
        expected = retrieval.retrieve(folder, questions, 4, embedding, given)
        found = retrieval.retrieve(simple, questions, 4, embedding, given)
        assert found["chunk_id"].tolist() == expected["chunk_id"].tolist()
        np.testing.assert_allclose(found["score"], expected["score"], atol=1e-5)


def test_bm25_is_llama_indexs(data, nodes, folder):
    questions = list(data.questions[:12])
    hits = retrieval.retrieve(folder, questions, 5, retriever="bm25")
    theirs = BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=len(nodes))
    for question in questions:
        scores = {hit.node.node_id: hit.score for hit in theirs.retrieve(question.question)}
        ordered = [scores[node.node_id] for node in nodes]
        expected = by_hand(nodes, range(len(nodes)), ordered, 5)
        assert chunk_ids(hits, question) == expected
        mine = hits.loc[hits["question_id"] == question.id, "score"]
        np.testing.assert_allclose(mine, [scores[chunk] for chunk in expected], rtol=1e-6)


def test_bm25_finds_nothing_where_no_word_is_known(folder):
    questions = [Question("a", "Xyzzyx qwrtz?", ("x",)), Question("b", "What is the?", ("x",))]
    assert retrieval.retrieve(folder, questions, 5, retriever="bm25").empty


def test_bm25_embeds_nothing(nodes, embedding, tmp_path):
    retrieval.build_index(nodes, embedding, tmp_path, "bm25")
    opened = retrieval.open_index(tmp_path)
    assert opened.vector_store is None
    question = Question("q", "Where?", ("x",))
    with pytest.raises(StudyError, match="built without what a dense search needs"):
        retrieval.retrieve(tmp_path, [question], 3, embedding)
    with pytest.raises(StudyError, match="built without what a dense search needs"):
        retrieval.load_index(tmp_path, embedding)


def test_hybrid_is_the_sum_of_reciprocal_ranks(data, nodes, embedding, folder):
    questions = list(data.questions[:12])
    deep = search.FUSED_DEPTH
    ranks = {}
    for retriever in ("dense", "bm25"):
        hits = retrieval.retrieve(folder, questions, deep, embedding, None, retriever)
        for hit in hits.itertuples():
            ranks.setdefault((hit.question_id, hit.chunk_id), []).append(hit.rank)
    fused = retrieval.retrieve(folder, questions, 8, embedding, None, "hybrid")
    position = {node.node_id: i for i, node in enumerate(nodes)}
    for question in questions:
        scores = {
            position[chunk]: sum(1 / (60 + rank) for rank in given)
            for (asked, chunk), given in ranks.items()
            if asked == question.id
        }
        assert chunk_ids(fused, question) == by_hand(nodes, list(scores), scores.values(), 8)


@pytest.mark.parametrize("retriever", retrieval.RETRIEVERS)
def test_a_search_can_keep_to_the_questions_own_documents(
    data, nodes, embedding, folder, retriever
):
    questions = [*data.questions[:8], Question("free", "Who runs the mill?", ("x",))]
    scopes = retrieval.scopes_of(data.documents, "own")
    assert retrieval.scopes_of(data.documents, "corpus") is None
    hits = retrieval.retrieve(folder, questions, 4, embedding, scopes, retriever)
    for question in questions[:8]:
        own = hits[hits["question_id"] == question.id]
        assert {scopes[doc_id] for doc_id in own["doc_id"]} == {question.scope}
    everywhere = retrieval.retrieve(folder, questions, len(nodes), embedding, None, retriever)
    assert chunk_ids(hits, questions[8]) == chunk_ids(everywhere, questions[8])[:4]
    if retriever != "hybrid":  # there the ranks themselves change
        for question in questions[:8]:
            allowed = everywhere[
                (everywhere["question_id"] == question.id)
                & (everywhere["doc_id"].map(scopes) == question.scope)
            ]
            assert chunk_ids(hits, question) == allowed["chunk_id"].tolist()[:4]
    lost = [Question("q", "Where?", ("x",), gold_doc_ids=("fic-0001-d1",), scope="nowhere")]
    nothing = retrieval.retrieve(folder, lost, 4, embedding, scopes, retriever)
    assert nothing.empty
    assert retrieval.question_metrics(nothing, lost, 4)["recall"].eq(0).all()


@pytest.mark.parametrize("retriever", retrieval.RETRIEVERS)
def test_equal_passages_come_in_order_also_across_the_cut(embedding, tmp_path, retriever):
    # More equal ones than are fetched at first.
    documents = [Document(f"d{i:02d}", "", "The mill by the river burned down.") for i in range(60)]
    nodes = retrieval.split_documents(documents, 64, 8, embedding)
    retrieval.build_index(nodes, embedding, tmp_path, "hybrid")
    question = Question("q", "When did the mill burn down?", ("x",))
    hits = retrieval.retrieve(tmp_path, [question], 7, embedding, None, retriever)
    assert hits["doc_id"].tolist() == [f"d{i:02d}" for i in range(7)]


@pytest.mark.parametrize("retriever", retrieval.RETRIEVERS)
def test_asking_for_more_than_there_is_gives_all_there_is(embedding, tmp_path, retriever):
    documents = [Document(f"d{i}", "", f"The mill number {i} burned.") for i in range(3)]
    nodes = retrieval.split_documents(documents, 64, 8, embedding)
    retrieval.build_index(nodes, embedding, tmp_path, retriever)
    questions = [Question("q", "Which mill burned?", ("x",))]
    hits = retrieval.retrieve(tmp_path, questions, 50, embedding, None, retriever)
    assert hits["rank"].tolist() == [1, 2, 3]
    assert retrieval.retrieve(tmp_path, [], 3, embedding, None, retriever).empty


def test_questions_longer_than_the_window_are_counted(embedding, folder):
    questions = [Question("a", "Who? " * 200, ("x",)), Question("b", "Who?", ("x",))]
    assert retrieval.count_cut_questions(questions, embedding) == 1
    assert len(retrieval.retrieve(folder, questions, 3, embedding)) == 6


@pytest.mark.parametrize("retriever", retrieval.RETRIEVERS)
def test_documents_of_nothing_of_one_letter_and_all_alike_are_searched(
    embedding, tmp_path, retriever
):
    texts = ["", " \n", "x", "?", "塔", *["The mill burned in 1700."] * 4]
    documents = [Document(f"d{i}", "", text) for i, text in enumerate(texts)]
    nodes = retrieval.split_documents(documents, 64, 8, embedding)
    assert {node.ref_doc_id for node in nodes} == {f"d{i}" for i in range(2, 9)}
    retrieval.build_index(nodes, embedding, tmp_path, retriever)
    questions = [Question("q", "When did the mill burn?", ("x",)), Question("r", "?", ("x",))]
    hits = retrieval.retrieve(tmp_path, questions, 20, embedding, None, retriever)
    found = hits[hits["question_id"] == "q"]
    # Equal passages come in the order of the corpus.
    assert found["doc_id"].tolist()[:4] == ["d5", "d6", "d7", "d8"]
    assert found["score"].notna().all()


def test_wrong_use_is_said(embedding, folder, tmp_path):
    question = [Question("q", "Where?", ("x",))]
    with pytest.raises(StudyError, match="unknown retriever 'dence'"):
        retrieval.retrieve(folder, question, 3, embedding, None, "dence")
    with pytest.raises(StudyError, match="depth 0"):
        retrieval.retrieve(folder, question, 0, embedding)
    with pytest.raises(StudyError, match="needs the embedding model"):
        retrieval.retrieve(folder, question, 3)
    with pytest.raises(StudyError, match="there is no index here"):
        retrieval.retrieve(tmp_path, question, 3, embedding)


def test_bm25_without_words_is_said(embedding, tmp_path):
    nodes = retrieval.split_documents([Document("d", "", "§ 5 ∆ 7")], 64, 8, embedding)
    with pytest.raises(StudyError, match="bm25 finds no word"):
        retrieval.build_index(nodes, embedding, tmp_path, "bm25")


def test_a_folder_holds_the_last_index_only(nodes, embedding, tmp_path):
    retrieval.build_index(nodes, embedding, tmp_path, "hybrid")
    retrieval.build_index(nodes[:5], embedding, tmp_path, "dense")
    assert retrieval.open_index(tmp_path).bm25 is None
    retrieval.build_index(nodes[:5], embedding, tmp_path, "bm25")
    opened = retrieval.open_index(tmp_path)
    assert opened.vector_store is None
    assert opened.chunk_ids == [node.node_id for node in nodes[:5]]
