"""Search: dense, BM25, or both fused, and reranked.

Everything is exact and repeatable: scores do not depend on the other questions of the call, and
passages with equal scores come in the order of the index.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rag_study.common.characters import readable
from rag_study.common.errors import StudyError
from rag_study.data.schema import Document, Question
from rag_study.retrieval import stores
from rag_study.retrieval.embedding import Embedder
from rag_study.retrieval.index import PassageIndex, of_llama_index, open_index
from rag_study.retrieval.reranking import Reranker
from rag_study.retrieval.settings import check_retriever

if TYPE_CHECKING:
    import pandas as pd
    from llama_index.core import VectorStoreIndex

COLUMNS = ["question_id", "rank", "chunk_id", "doc_id", "score", "is_gold"]
RRF_K = 60  # Cormack, Clarke and Büttcher 2009
# Passages of each list that are fused, at least; deeper ones have almost no weight.
FUSED_DEPTH = 100
# FAISS is asked for so many more, because its sums are rounded differently from batch to batch.
_SPARE = 16
_ROUNDING = 1e-5
_DIGITS = 6  # of a score that a store computed in float32: equal texts get equal ones
_BLOCK = 64  # questions whose candidates' vectors are in memory at once

Ranking = list[tuple[int, float]]  # (position in the index, score), best first
Allowed = Sequence[np.ndarray | None]  # for each question the positions to search; None: all


def retrieve(
    index: PassageIndex | VectorStoreIndex | Path,
    questions: Sequence[Question],
    depth: int,
    embedding: Embedder | None = None,
    scopes: Mapping[str, str | None] | None = None,
    retriever: str = "dense",
    reranker: Reranker | None = None,
    candidates: int | None = None,
) -> pd.DataFrame:
    """The `depth` best passages of every question, fewer where there are no more.

    `index` is an index, the folder of one (quickest), or any LlamaIndex vector index. `embedding`
    is needed by `dense` and `hybrid`. `scopes` (doc_id -> scope) restricts each question that has
    a scope to the documents of it (its own paper or contract).

    `dense` ranks by cosine; `bm25` by BM25 (Lucene's form, k1 1.5, b 0.75; words as in `words`;
    passages without any word of the question are not found); `hybrid` by reciprocal rank
    fusion: the sum of 1 / (60 + rank) over both. A `reranker` puts the first `candidates` of these
    (default: `depth`) in a new order. Equal scores: in the order of the index.

    Columns: question_id, rank (from 1), chunk_id, doc_id, score (of whatever ranked last), is_gold
    (missing where the question names no gold document). Raises StudyError for an unknown
    retriever, a depth below 1, and an index without what the retriever needs.
    """
    check_retriever(retriever)
    if depth < 1:
        raise StudyError(f"retrieval depth {depth}: at least one passage is needed.")
    opened = _opened(index, retriever)
    texts = [readable(question.question) for question in questions]
    allowed = _allowed(opened, questions, scopes)
    first = max(depth, candidates or depth) if reranker else depth
    deep = max(first, FUSED_DEPTH) if retriever == "hybrid" else first
    rankings: list[list[Ranking]] = []
    if retriever != "bm25":
        if embedding is None:
            raise StudyError(f"a {retriever} search needs the embedding model.")
        rankings.append(dense_search(opened, embedding.embed_questions(texts), allowed, deep))
    if retriever != "dense":
        rankings.append(bm25_search(opened, texts, allowed, deep))
    fused = rankings[0]
    if retriever == "hybrid":
        fused = [fuse(both) for both in zip(*rankings, strict=True)]
    if reranker:
        fused = _reranked(reranker, opened, texts, [ranking[:first] for ranking in fused])
    return _table(opened, questions, [ranking[:depth] for ranking in fused])


def scopes_of(documents: Iterable[Document], retrieval_scope: str) -> dict[str, str | None] | None:
    """The `scopes` of `retrieve`: those of the documents where each question searches its "own",
    none where all search the whole "corpus"."""
    if retrieval_scope != "own":
        return None
    return {document.doc_id: document.scope for document in documents}


def dense_search(
    index: PassageIndex, vectors: np.ndarray, allowed: Allowed, depth: int
) -> list[Ranking]:
    """The nearest passages by inner product; `vectors` is (questions, dimensions), float32."""
    import faiss

    client = index.needs("vector_store").client
    if not isinstance(client, faiss.IndexFlatIP):  # a served store, or LlamaIndex's own
        return _search_store(index, vectors, allowed, depth)
    stored = _stored(client)
    rankings: dict[int, Ranking] = {}
    everywhere = [number for number, positions in enumerate(allowed) if positions is None]
    rankings |= zip(
        everywhere, _search_all(client, stored, vectors[everywhere], depth), strict=True
    )
    for number, positions in enumerate(allowed):
        if positions is not None:
            scores = _inner(stored[positions], vectors[number])
            rankings[number] = _best(positions, scores, depth)
    return [rankings[number] for number in range(len(vectors))]


def bm25_search(
    index: PassageIndex, texts: Sequence[str], allowed: Allowed, depth: int
) -> list[Ranking]:
    """The passages with the highest BM25 scores above 0, for each question's text."""
    statistics = index.needs("bm25")
    rankings: list[Ranking] = []
    for text, positions in zip(texts, allowed, strict=True):
        scores = statistics.scores(text)
        places = np.flatnonzero(scores > 0)
        if positions is not None:
            places = np.intersect1d(places, positions, assume_unique=True)
        rankings.append(_best(places, scores[places], depth))
    return rankings


def fuse(rankings: Iterable[Ranking]) -> Ranking:
    """Reciprocal rank fusion: score = sum of 1 / (RRF_K + rank) over the rankings.

    LlamaIndex's QueryFusionRetriever counts ranks from 0, asks for a language model although none
    is used, takes passages of equal text for one, and searches question by question.
    """
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, (position, _) in enumerate(ranking, start=1):
            scores[position] = scores.get(position, 0.0) + 1 / (RRF_K + rank)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def _opened(index: Any, retriever: str) -> PassageIndex:
    if isinstance(index, PassageIndex):
        return index
    if isinstance(index, (str, Path)):
        return open_index(Path(index))
    return of_llama_index(index, with_bm25=retriever != "dense")


def _allowed(
    index: PassageIndex, questions: Sequence[Question], scopes: Mapping[str, str | None] | None
) -> Allowed:
    within: dict[str, list[int]] = {}
    for position, doc_id in enumerate(index.doc_ids):
        if scopes is not None and (scope := scopes[doc_id]) is not None:
            within.setdefault(scope, []).append(position)
    if not within:
        return [None] * len(questions)
    arrays = {scope: np.array(positions) for scope, positions in within.items()}
    nothing = np.array([], dtype=int)
    return [None if q.scope is None else arrays.get(q.scope, nothing) for q in questions]


def _search_all(client: Any, stored: np.ndarray, vectors: np.ndarray, depth: int) -> list[Ranking]:
    """Search the whole FAISS index; ranked by sums in float64, whose rounding shows nowhere."""
    rankings: dict[int, Ranking] = {}
    pending, fetch = list(range(len(vectors))), depth + _SPARE
    while pending:
        fetch = min(fetch, client.ntotal)
        rough, positions = client.search(vectors[pending], fetch)
        unsettled = []
        for start in range(0, len(pending), _BLOCK):
            numbers = pending[start : start + _BLOCK]
            rows = slice(start, start + len(numbers))
            exact = _inner(stored[positions[rows]], vectors[numbers][:, None, :])
            for number, places, scores, last in zip(
                numbers, positions[rows], exact, rough[rows, -1], strict=True
            ):
                best = _best(places, scores, depth)
                # What was not fetched scores `last` at most, but for rounding.
                if fetch == client.ntotal or last + _ROUNDING < best[-1][1]:
                    rankings[number] = best
                else:
                    unsettled.append(number)
        pending, fetch = unsettled, fetch * 4
    return [rankings[number] for number in range(len(vectors))]


def _search_store(
    index: PassageIndex, vectors: np.ndarray, allowed: Allowed, depth: int
) -> list[Ranking]:
    from llama_index.core.vector_stores import VectorStoreQuery

    # Of passages with equal scores, a store returns any.
    fetched = min(depth + _SPARE, len(index.store_ids))
    place = {store_id: position for position, store_id in enumerate(index.store_ids)}
    rankings: list[Ranking] = []
    for vector, positions in zip(vectors, allowed, strict=True):
        if positions is not None and not len(positions):
            rankings.append([])
            continue
        chosen = None if positions is None else [index.store_ids[p] for p in positions]
        wanted = VectorStoreQuery(vector.tolist(), similarity_top_k=fetched, node_ids=chosen)
        result = stores.query(index.vector_store, wanted)
        places = np.array([place[store_id] for store_id in result.ids], dtype=int)
        scores = np.array(result.similarities, dtype=np.float64).round(_DIGITS)
        if positions is not None:  # some stores pass over `node_ids`
            inside = np.isin(places, positions)
            places, scores = places[inside], scores[inside]
        rankings.append(_best(places, scores, depth))
    return rankings


def _stored(client: Any) -> np.ndarray:
    """The vectors of a flat FAISS index, (passages, dimensions), without a copy."""
    import faiss

    values = faiss.rev_swig_ptr(client.get_xb(), client.ntotal * client.d)
    return values.reshape(client.ntotal, client.d)


def _inner(vectors: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Inner products over the last axis: products exact in float64, sums rounded to float32."""
    return (vectors.astype(np.float64) * others).sum(axis=-1).astype(np.float32)


def _best(positions: np.ndarray, scores: np.ndarray, depth: int) -> Ranking:
    order = np.lexsort((positions, -scores))[:depth]
    return list(zip(positions[order].tolist(), scores[order].tolist(), strict=True))


def _reranked(
    reranker: Reranker, index: PassageIndex, texts: Sequence[str], rankings: Sequence[Ranking]
) -> list[Ranking]:
    pairs = [
        (text, index.texts[position])
        for text, ranking in zip(texts, rankings, strict=True)
        for position, _ in ranking
    ]
    scores = np.asarray(reranker.score(pairs), dtype=np.float64)
    reranked, start = [], 0
    for ranking in rankings:
        positions = np.array([position for position, _ in ranking], dtype=int)
        new_scores = scores[start : start + len(positions)]
        start += len(positions)
        reranked.append(_best(positions, new_scores, len(positions)))
    return reranked


def _table(
    index: PassageIndex, questions: Sequence[Question], rankings: Sequence[Ranking]
) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for question, ranking in zip(questions, rankings, strict=True):
        for rank, (position, score) in enumerate(ranking, start=1):
            doc_id = index.doc_ids[position]
            gold = doc_id in question.gold_doc_ids if question.gold_doc_ids else None
            rows.append((question.id, rank, index.chunk_ids[position], doc_id, score, gold))
    return pd.DataFrame(rows, columns=COLUMNS).astype({"is_gold": "boolean"})
