"""Index building and search beside LlamaIndex's default vector index, with equal results checked.

Two comparisons, each alternating between the two and reporting medians:

- a real corpus: cutting apart, everything from passages to a written index (embedding included),
  then searching it;
- random unit vectors, the same for both: the index alone, without the embedding.

LlamaIndex's side is what its documentation shows first: `VectorStoreIndex(nodes)` with its
`SimpleVectorStore`, `persist`, and a retriever that is asked one question after the other. Run by
hand, on a quiet machine:

    python benchmarks/retrieval.py
    python benchmarks/retrieval.py --data /path/to/folder --passages 0
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from llama_index.core import Settings, StorageContext, VectorStoreIndex
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.schema import NodeRelationship, QueryBundle, RelatedNodeInfo, TextNode

from rag_study import data as qa_datasets
from rag_study import retrieval
from rag_study.data.schema import Question
from rag_study.retrieval.embedding_model import EmbeddingModel

TOP_K = 10
TIED = 1e-5  # scores that differ by less differ by rounding
DIMENSIONS = 384
Hits = list[tuple[str, float]]  # (chunk id, score), best first


class Given:
    """Vectors made beforehand, in the place of an embedding model."""

    model = EmbeddingModel("given", None, window=256)
    window = 256

    def __init__(self, vectors: np.ndarray):
        self._vectors = vectors

    def embed(self, texts: list[str]) -> np.ndarray:
        return self._vectors[: len(texts)]

    embed_passages = embed_questions = embed

    def lengths(self, texts: list[str]) -> list[int]:
        return [1] * len(texts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder with questions.jsonl and corpus.jsonl")
    parser.add_argument("--worlds", type=int, default=870, help="of the fictional data set")
    parser.add_argument("--passages", type=int, default=100_000, help="random ones; 0: none")
    parser.add_argument("--asked", type=int, default=500, help="questions put to our index")
    parser.add_argument("--asked-one-by-one", type=int, default=5, help="to LlamaIndex's, random")
    parser.add_argument("--builds", type=int, default=1, help="repeats; one takes minutes")
    parser.add_argument("--repeats", type=int, default=3, help="of the searches")
    parser.add_argument("--no-corpus", action="store_true", help="random vectors only")
    given = parser.parse_args()
    Settings.llm = None  # the default would ask for a key
    if not given.no_corpus:
        corpus(given.data, given.worlds, given.builds, given.repeats)
    if given.passages:
        counts = given.passages, given.asked, given.asked_one_by_one
        vectors(*counts, given.builds, given.repeats)


def corpus(data: str | None, worlds: int, builds: int, repeats: int) -> None:
    """Passages of a data set: embedding, index, search."""
    if data:
        dataset = qa_datasets.load("jsonl", data)
    else:
        dataset = qa_datasets.load("fictional", options={"num_worlds": worlds})
    ours = retrieval.load_embedding("all-minilm-l6-v2", "auto", cached=False)
    exact = retrieval.load_embedding("all-minilm-l6-v2", cached=False)
    theirs = retrieval.load_embedding("all-minilm-l6-v2", cached=False).llama
    theirs.embed_batch_size = 10  # LlamaIndex's default
    nodes = retrieval.split_documents(dataset.documents, 128, 16, exact)
    for warm in (ours, exact):
        warm.embed(["The first call of a model takes longer."])
    theirs.get_text_embedding("The first call of a model takes longer.")
    questions = list(dataset.questions[:200])
    print(f"{len(dataset.documents)} documents, {len(nodes)} passages, {len(questions)} questions")
    with tempfile.TemporaryDirectory() as place:
        folders = {name: Path(place) / name for name in ("LlamaIndex", "float32", "as in runs")}
        built: dict[str, VectorStoreIndex] = {}

        def build_theirs() -> None:
            built["theirs"] = _build_theirs(nodes, theirs, folders["LlamaIndex"])

        tasks: dict[str, Callable[[], Any]] = {
            "LlamaIndex": build_theirs,
            "float32": lambda: retrieval.build_index(nodes, exact, folders["float32"]),
            "as in runs": lambda: retrieval.build_index(nodes, ours, folders["as in runs"]),
        }
        _report("build, embedding included", _alternating(tasks, builds))
        retriever = built["theirs"].as_retriever(similarity_top_k=TOP_K)
        found: dict[str, list[Hits]] = {}

        def ask_theirs() -> None:
            found["theirs"] = [_theirs(retriever.retrieve(q.question)) for q in questions]

        def ask_ours() -> None:
            hits = retrieval.retrieve(folders["float32"], questions, TOP_K, exact)
            found["ours"] = _ours(hits)

        searches = {"LlamaIndex": ask_theirs, "float32": ask_ours}
        times = _alternating(searches, repeats)
        _report(f"search for {len(questions)} questions, embedding included", times)
        _compare(found)


def vectors(passages: int, asked: int, one_by_one: int, builds: int, repeats: int) -> None:
    """Random unit vectors: the index alone."""
    rng = np.random.default_rng(0)
    stored = _unit(rng.standard_normal((passages, DIMENSIONS), dtype=np.float32))
    chosen = rng.integers(0, passages, asked)
    noise = 0.05 * rng.standard_normal((asked, DIMENSIONS), dtype=np.float32)
    queries = _unit(stored[chosen] + noise)
    nodes = [_node(number) for number in range(passages)]
    questions = [Question(f"q{number}", f"question {number}", ("",)) for number in range(asked)]
    print(f"\n{passages} random vectors of {DIMENSIONS} dimensions")
    with tempfile.TemporaryDirectory() as place:
        ours, theirs = Path(place) / "ours", Path(place) / "theirs"

        built: dict[str, Any] = {}

        def build_theirs() -> None:
            built.pop("theirs", None)  # two of them would not fit everywhere
            shutil.rmtree(theirs, ignore_errors=True)
            built["theirs"] = _build_theirs(with_vectors, MockEmbedding(DIMENSIONS), theirs)

        def build_ours() -> None:
            shutil.rmtree(ours, ignore_errors=True)
            retrieval.build_index(nodes, Given(stored), ours)

        with_vectors = [
            node.model_copy(update={"embedding": vector.tolist()})
            for node, vector in zip(nodes, stored, strict=True)
        ]
        times = _alternating({"LlamaIndex": build_theirs, "rag-study": build_ours}, builds)
        _report("build and write", times)
        with_vectors.clear()
        start = time.perf_counter()
        opened = retrieval.open_index(ours)
        print(f"open: rag-study {time.perf_counter() - start:.4g} s", flush=True)
        retriever = built["theirs"].as_retriever(similarity_top_k=TOP_K)
        found: dict[str, list[Hits]] = {}

        def ask_theirs() -> None:
            found["theirs"] = [
                _theirs(retriever.retrieve(QueryBundle("question", embedding=query.tolist())))
                for query in queries[:one_by_one]
            ]

        def ask_ours() -> None:
            hits = retrieval.retrieve(opened, questions, TOP_K, Given(queries))
            found["ours"] = _ours(hits)[:one_by_one]

        times = _alternating({"LlamaIndex": ask_theirs, "rag-study": ask_ours}, repeats)
        each = {
            "LlamaIndex": times["LlamaIndex"] / one_by_one,
            "rag-study": times["rag-study"] / asked,
        }
        _report("search, per question", each)
        _compare(found)


def _build_theirs(nodes: list[TextNode], embedding: Any, folder: Path) -> VectorStoreIndex:
    index = VectorStoreIndex(
        nodes, storage_context=StorageContext.from_defaults(), embed_model=embedding
    )
    index.storage_context.persist(str(folder))
    return index


def _node(number: int) -> TextNode:
    node = TextNode(text=f"passage {number} " + "word " * 80, id_=f"d{number // 4}#{number % 4}")
    node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=f"d{number // 4}")
    return node


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _theirs(found: list[Any]) -> Hits:
    return [(hit.node.node_id, hit.score) for hit in found]


def _ours(table: pd.DataFrame) -> list[Hits]:
    groups = table.groupby("question_id", sort=False)
    return [list(zip(part["chunk_id"], part["score"], strict=True)) for _, part in groups]


def _alternating(tasks: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median seconds of each task."""
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(repeats):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def _report(what: str, seconds: dict[str, float]) -> None:
    base = next(iter(seconds.values()))
    for name, value in seconds.items():
        print(f"{what}: {name} {value:.4g} s ({base / value:.3g} times as fast)", flush=True)


def _compare(found: dict[str, list[Hits]]) -> None:
    """Equal means: the same scores, and the same passages wherever scores are not tied."""
    identical = equal = 0
    for theirs, ours in zip(found["theirs"], found["ours"], strict=True):
        scores = np.array([[score for _, score in hits] for hits in (theirs, ours)])
        same_scores = np.abs(scores[0] - scores[1]).max() < TIED
        last = scores[1][-1]  # of passages tied with the last, some are cut off
        untied = [{i for i, score in hits if score > last + TIED} for hits in (theirs, ours)]
        identical += [i for i, _ in theirs] == [i for i, _ in ours]
        equal += bool(same_scores and untied[0] == untied[1])
    print(f"equal results: {equal} of {len(found['theirs'])} questions, {identical} in")
    print(f"identical order (scores within {TIED} count as tied)")


if __name__ == "__main__":
    main()
