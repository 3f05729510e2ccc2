"""Retrieval with LlamaIndex: cut the corpus, embed it, index it, search it, measure the search.

| module | it owns |
|---|---|
| `settings` | names of the retrievers, what chunk sizes are possible (needs no model: for plans) |
| `embedding`, `embedding_cache` | texts to vectors, each text once |
| `passages` | documents to passages |
| `index` | the index on disk and in memory |
| `search` | `retrieve`: dense, BM25, both fused, reranked |
| `reranking` | cross-encoder, or the generator's likelihood of the question |
| `retrieval_metrics` | recall, precision, reciprocal rank, nDCG, answer in the context |
"""

from rag_study.retrieval.chunking import chunk_table, split_documents
from rag_study.retrieval.embedding import Embedder, load_embedding
from rag_study.retrieval.index import PassageIndex, build_index, load_index, open_index
from rag_study.retrieval.metrics import question_metrics
from rag_study.retrieval.reranking import (
    CrossEncoderReranker,
    QueryLikelihoodReranker,
    Reranker,
    load_cross_encoder,
    load_reranker,
)
from rag_study.retrieval.search import count_cut_questions, retrieve, scopes_of
from rag_study.retrieval.settings import RETRIEVERS, check_chunking, check_retriever

__all__ = [
    "RETRIEVERS",
    "CrossEncoderReranker",
    "Embedder",
    "PassageIndex",
    "QueryLikelihoodReranker",
    "Reranker",
    "build_index",
    "check_chunking",
    "check_retriever",
    "chunk_table",
    "count_cut_questions",
    "load_cross_encoder",
    "load_embedding",
    "load_index",
    "load_reranker",
    "open_index",
    "question_metrics",
    "retrieve",
    "scopes_of",
    "split_documents",
]
