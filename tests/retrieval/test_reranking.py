"""Rerankers: a tiny cross-encoder made here, and the random generator."""

import numpy as np
import pytest

from rag_study import retrieval
from rag_study.common.errors import StudyError
from rag_study.data.schema import Document, Question
from rag_study.models import prompts

WORDS = ["mill", "river", "burned", "when", "did", "who", "built", "bridge", "tower", "town"]


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """(folder of an index, questions, passages by chunk id)."""
    embedding = retrieval.load_embedding("all-minilm-l6-v2", cached=False)
    rng = np.random.default_rng(0)
    documents = [Document(f"d{i}", "", " ".join(rng.choice(WORDS, 12))) for i in range(9)]
    nodes = retrieval.split_documents(documents, 64, 8, embedding)
    folder = tmp_path_factory.mktemp("index")
    retrieval.build_index(nodes, embedding, folder, "bm25")
    questions = [
        Question("a", "When did the mill burn?", ("x",), gold_doc_ids=("d1",)),
        Question("b", "Who built the old bridge tower?", ("x",)),
        Question("c", "Qwrtz?", ("x",)),
    ]
    return folder, questions, {node.node_id: node.text for node in nodes}


def save_cross_encoder(folder, num_labels):
    """A random one with a vocabulary of a few words, as sentence-transformers saves it."""
    import torch
    from sentence_transformers import CrossEncoder
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    tokenizer = BertTokenizer(str(folder / "vocab.txt"), model_max_length=64)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
        num_labels=num_labels,
        initializer_range=0.5,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = BertForSequenceClassification(config).eval()
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    CrossEncoder(str(folder / "model"), device="cpu").save(str(folder / "saved"))
    return str(folder / "saved")


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory):
    return retrieval.load_cross_encoder(
        save_cross_encoder(tmp_path_factory.mktemp("cross-encoder"), 1)
    )


@pytest.fixture
def likelihood(tiny):
    return retrieval.QueryLikelihoodReranker(tiny, batch_size=4)


@pytest.mark.parametrize("kind", ["cross_encoder", "likelihood"])
def test_the_first_candidates_come_in_the_rerankers_order(searched, kind, request):
    folder, questions, texts = searched
    reranker = request.getfixturevalue(kind)
    first = retrieval.retrieve(folder, questions, 6, retriever="bm25")
    found = retrieval.retrieve(
        folder, questions, 3, retriever="bm25", reranker=reranker, candidates=6
    )
    for question in questions:
        candidates = first.loc[first["question_id"] == question.id, "chunk_id"].tolist()
        pairs = [(question.question, texts[chunk]) for chunk in candidates]
        scores = dict(zip(candidates, reranker.score(pairs), strict=True))
        mine = found[found["question_id"] == question.id]
        best = sorted(candidates, key=lambda chunk: (-scores[chunk], chunk))[:3]
        assert mine["chunk_id"].tolist() == best
        np.testing.assert_allclose(mine["score"], [scores[c] for c in best], atol=1e-5)
        assert mine["rank"].tolist() == list(range(1, len(best) + 1))
    assert "c" not in set(found["question_id"])  # nothing found, nothing to rank
    again = retrieval.retrieve(
        folder, questions, 3, retriever="bm25", reranker=reranker, candidates=6
    )
    assert found.equals(again)
    assert found["is_gold"].notna().tolist() == (found["question_id"] == "a").tolist()


def test_without_candidates_the_depth_is_reranked(searched, likelihood):
    folder, questions, _ = searched
    first = retrieval.retrieve(folder, questions, 4, retriever="bm25")
    found = retrieval.retrieve(folder, questions, 4, retriever="bm25", reranker=likelihood)
    for _, pair in first.merge(found, on=["question_id", "chunk_id"]).groupby("question_id"):
        assert len(pair) == 4


def test_equal_scores_come_in_the_order_of_the_index(searched):
    folder, questions, _ = searched

    class Indifferent:
        def score(self, pairs):
            return np.zeros(len(pairs))

    found = retrieval.retrieve(folder, questions, 9, retriever="bm25", reranker=Indifferent())
    for _, mine in found.groupby("question_id"):
        numbers = [int(doc.removeprefix("d")) for doc in mine["doc_id"]]
        assert numbers == sorted(numbers)


def test_a_cross_encoder_gives_its_logits(cross_encoder):
    import torch

    pairs = [("who built the mill", "the old mill"), ("when", "bridge tower river burned")]
    model = cross_encoder._model
    inputs = model.tokenizer(
        [q for q, _ in pairs], [p for _, p in pairs], padding=True, return_tensors="pt"
    )
    with torch.inference_mode():
        logits = model[0].auto_model(**inputs).logits[:, 0].numpy()
    np.testing.assert_allclose(cross_encoder.score(pairs), logits, atol=1e-6)
    assert cross_encoder.score([]).shape == (0,)


def test_question_likelihood_against_one_pair_at_a_time(tiny, likelihood):
    import torch

    pairs = [
        ("Who built it?", "Ada built the mill."),
        ("When?", "A longer passage. " * 5),
        ("", "x"),
    ]
    scores = likelihood.score(pairs)
    for (question, passage), score in zip(pairs[:2], scores[:2], strict=True):
        prompt = prompts.instruction_prompt(tiny.tokenizer, prompts.RERANK.format(passage=passage))
        asked = tiny.tokenizer.encode(question, add_special_tokens=False)
        with torch.inference_mode():
            logits = tiny.model(input_ids=torch.tensor([prompt + asked])).logits[0]
        logs = logits.log_softmax(dim=-1)
        own = [logs[len(prompt) + i - 1, token].item() for i, token in enumerate(asked)]
        assert score == pytest.approx(np.mean(own), abs=1e-5)
    assert scores[2] == 0


def test_a_passage_beyond_the_generators_window_is_said(likelihood):
    with pytest.raises(StudyError, match="more than the model's window"):
        likelihood.score([("Who?", "word " * 2000)])
    likelihood.score([("Who? " * 2000, "word")])  # of a long question the beginning is scored


def test_what_is_no_cross_encoder_is_said(tmp_path):
    with pytest.raises(StudyError, match="cannot be loaded"):
        retrieval.load_cross_encoder(str(tmp_path / "nothing"))
    with pytest.raises(StudyError, match="gives 3 numbers for a pair"):
        retrieval.load_cross_encoder(save_cross_encoder(tmp_path, 3))
