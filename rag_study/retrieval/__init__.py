"""Retrieval with LlamaIndex: cut the corpus, embed it, index it, search it, measure the search.

Knows which documents hold an answer, not what a model makes of its passages.

| module | it owns |
|---|---|
| `settings` | names of the retrievers, what chunk sizes are possible (needs no model: for plans) |
| `embedding`, `embedding_cache` | texts to vectors, each text once |
| `embedding_loading`, `embedding_server` | a model of this machine, or behind a server |
| `embedding_model`, `legibility` | which one is meant, and whether it can read the texts |
| `chunking`, `passage` | documents to passages; what a passage holds |
| `index` | the index on disk and in memory |
| `store_names`, `stores` | vectors in PostgreSQL or Qdrant: which is meant; filling and asking it |
| `words`, `bm25` | texts to words, in whatever script; their statistics |
| `search` | `retrieve`: dense, BM25, both fused, reranked |
| `reranking` | cross-encoder, or the generator's likelihood of the question |
| `reading` | what of the texts a search has not read |
| `metrics` | recall, precision, reciprocal rank, nDCG, answer in the context |
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "chunking": ["chunk_table", "count_cut_titles", "split_documents"],
        "embedding": ["Embedder"],
        "embedding_loading": ["load_embedding"],
        "index": ["PassageIndex", "build_index", "load_index", "open_index"],
        "metrics": ["question_metrics"],
        "reranking": [
            "CrossEncoderReranker",
            "QueryLikelihoodReranker",
            "Reranker",
            "load_cross_encoder",
            "load_reranker",
        ],
        "reading": ["Reading", "count_cut_questions"],
        "search": ["retrieve", "scopes_of"],
        "settings": ["RETRIEVERS", "check_chunking", "check_retriever"],
    },
)
