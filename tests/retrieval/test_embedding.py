"""Vectors do not depend on their batch, and no text is embedded twice."""

import numpy as np
import pytest

from rag_study import retrieval
from rag_study.common import machine
from rag_study.common.errors import StudyError
from rag_study.models import names
from rag_study.retrieval import embedding as embedding_module
from rag_study.retrieval.embedding_cache import EmbeddingCache, key_of

TEXTS = [f"The {w} of the old town burned in {y}." for w in ("mill", "bridge") for y in range(20)]
TEXTS += ["Short.", "A much longer text " * 9, "Short.", ""]


@pytest.fixture(scope="module")
def plain():
    return retrieval.load_embedding("all-minilm-l6-v2", cached=False)


class Counting:
    """LlamaIndex's model, keeping what it was asked for."""

    def __init__(self, llama):
        self.llama, self.asked = llama, []

    def __getattr__(self, name):
        return getattr(self.llama, name)

    def get_text_embedding_batch(self, texts):
        self.asked += texts
        return self.llama.get_text_embedding_batch(texts)


@pytest.fixture
def counting(plain, tmp_path):
    return retrieval.Embedder(Counting(plain.llama), EmbeddingCache(tmp_path, plain.dimensions))


def test_vectors_are_the_models_in_the_order_of_the_texts(plain):
    vectors = plain.embed(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), plain.dimensions)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    expected = [plain.llama.get_text_embedding(text) for text in TEXTS]
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    assert plain.embed([]).shape == (0, plain.dimensions)


@pytest.fixture
def threads():
    import torch

    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize(("dtype", "room"), [("float32", 1e-6), ("bfloat16", 1e-3)])
def test_a_vector_does_not_depend_on_the_texts_beside_it(plain, dtype, room, threads):
    if dtype == "bfloat16":
        plain = retrieval.load_embedding("all-minilm-l6-v2", dtype, cached=False)
    threads(1)
    together = plain.embed(TEXTS)
    assert together.dtype == np.float32
    # Equal to the last bit where it was tried; kernels that we have not seen may round otherwise.
    for count in (1, 2):
        threads(count)
        for number in (0, 7, 25, 40, 41):
            alone = plain.embed([TEXTS[number]])[0]
            np.testing.assert_allclose(alone, together[number], atol=room)


def test_batches_need_no_padding_and_are_never_small(plain, monkeypatch):
    batches = []
    embed = plain.llama.get_text_embedding_batch

    def recorded(texts):
        batches.append(plain.lengths(texts))
        return embed(texts)

    monkeypatch.setattr(type(plain.llama), "get_text_embedding_batch", lambda _, t: recorded(t))
    plain.embed(TEXTS)
    assert len(batches) > 3
    assert all(len(set(lengths)) == 1 for lengths in batches)
    assert all(sum(lengths) >= embedding_module._LEAST_TOKENS for lengths in batches)


def test_bfloat16_is_close_and_of_length_one(plain):
    half = retrieval.load_embedding("all-minilm-l6-v2", "bfloat16", cached=False)
    vectors = half.embed(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert (vectors * plain.embed(TEXTS)).sum(axis=1).min() > 0.999


def test_only_new_texts_are_embedded(counting, plain):
    first = counting.embed(TEXTS[:30])
    assert set(counting.llama.asked) == set(TEXTS[:30])
    counting.llama.asked.clear()
    again = counting.embed(TEXTS)
    assert set(counting.llama.asked) == set(TEXTS) - set(TEXTS[:30])
    np.testing.assert_array_equal(again[:30], first)
    np.testing.assert_allclose(again, plain.embed(TEXTS), atol=1e-6)


def test_what_was_embedded_survives_a_kill(counting, plain, monkeypatch):
    monkeypatch.setattr(embedding_module, "KEPT_TOGETHER", 8)
    monkeypatch.setattr(embedding_module, "EMBED_BATCH", 4)
    batch, calls = counting.llama.get_text_embedding_batch, []

    def killed(texts):
        calls.append(texts)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return batch(texts)

    counting.llama.get_text_embedding_batch = killed
    with pytest.raises(KeyboardInterrupt):
        counting.embed(TEXTS)
    done = set(counting.llama.asked)
    counting.llama.asked.clear()
    counting.llama.get_text_embedding_batch = batch
    np.testing.assert_allclose(counting.embed(TEXTS), plain.embed(TEXTS), atol=1e-6)
    assert len(done & set(counting.llama.asked)) < 8  # those after the last file
    assert len(set(counting.llama.asked)) < len(set(TEXTS)) - 8


def test_a_damaged_file_counts_as_absent(counting, plain, tmp_path):
    counting.embed(TEXTS[:20])
    counting.llama.asked.clear()
    (stored,) = tmp_path.glob("*.parquet")
    stored.write_bytes(stored.read_bytes()[: stored.stat().st_size // 2])
    (tmp_path / ".new-abc.parquet").write_bytes(b"half")
    np.testing.assert_allclose(counting.embed(TEXTS[:20]), plain.embed(TEXTS[:20]), atol=1e-6)
    assert set(counting.llama.asked) == set(TEXTS[:20])


def test_the_cache_takes_many_vectors(tmp_path):
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((4000, 8), dtype=np.float32)
    keys = [key_of(str(number)) for number in range(len(vectors))]
    cache = EmbeddingCache(tmp_path, 8)
    for start in range(0, 4000, 1000):
        stop = start + 1000
        cache.write(dict(zip(keys[start:stop], vectors[start:stop], strict=True)))
    wanted = keys[::7]
    found = cache.read([*wanted, key_of("not there")])
    assert set(found) == set(wanted)
    np.testing.assert_array_equal([found[key] for key in wanted], vectors[::7])
    assert EmbeddingCache(tmp_path / "none", 8).read(wanted) == {}
    assert EmbeddingCache(tmp_path, 9).read(wanted) == {}


def test_the_cache_lies_apart_by_revision_and_precision(tmp_path, monkeypatch):
    monkeypatch.setenv("RAG_STUDY_CACHE", str(tmp_path))
    for dtype in ("float32", "bfloat16"):
        retrieval.load_embedding("all-minilm-l6-v2", dtype).embed(["Same text."])
    revision = names.EMBEDDINGS["all-minilm-l6-v2"].revision[:16]
    folders = sorted(path.name for path in (tmp_path / "embeddings").iterdir())
    assert [name.rsplit("-", 1)[0] for name in folders] == [
        f"{revision}-bfloat16",
        f"{revision}-float32",
    ]
    auto = retrieval.load_embedding("all-minilm-l6-v2", "auto")
    assert str(auto.llama._model.dtype) == f"torch.{machine.resolve_dtype('auto')}"


def test_lengths_are_of_whole_texts_and_endless_words_count_by_their_parts(plain):
    assert plain.lengths(["", "one two", "word " * 400]) == [2, 4, 402]
    assert plain.count_tokens("one two") == 2
    assert plain.count_tokens("a" * 100) > 10
    assert plain.count_tokens("a" * 1000) == 10 * plain.count_tokens("a" * 100)
    assert plain.count_tokens("") == 0


def test_an_unknown_model_is_said():
    with pytest.raises(StudyError, match=r"'minilm' is not a preset.*did you mean 'all-minilm"):
        retrieval.load_embedding("minilm")
