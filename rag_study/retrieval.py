"""Retrieval with LlamaIndex: cut the corpus, embed it, index it, search it, measure the search."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from rag_study import models
from rag_study.errors import StudyError
from rag_study.qa_datasets.schema import Document, Question

if TYPE_CHECKING:
    from llama_index.core import VectorStoreIndex
    from llama_index.core.schema import TextNode

EMBED_BATCH = 32


def load_embedding(name: str) -> Any:
    """The embedding model as LlamaIndex wants it; vectors have length 1."""
    import torch
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding
    from transformers.utils import logging

    logging.disable_progress_bar()
    preset = models.EMBEDDINGS[name]
    folder = models.package_file(name, preset)
    models.verify_checksum(folder / "model.safetensors", preset.revision)
    return HuggingFaceEmbedding(
        model_name=str(folder),
        embed_batch_size=EMBED_BATCH,
        device="cuda" if torch.cuda.is_available() else "cpu",
        normalize=True,
    )


def split_documents(
    documents: list[Document], chunk_size: int, chunk_overlap: int, embedding: Any
) -> list[TextNode]:
    """Cut documents at sentence ends into nodes of at most `chunk_size` tokens with the title.

    Tokens are the embedding model's own. Ids are "<doc_id>#<number>". Raises StudyError when a
    title leaves no room for text.
    """
    from llama_index.core import Document as LlamaDocument
    from llama_index.core.node_parser import SentenceSplitter

    tokenizer = embedding._model.tokenizer
    for document in documents:
        if len(tokenizer.tokenize(document.title)) > chunk_size // 2:
            raise StudyError(
                f"document '{document.doc_id}': its title alone fills half a chunk of "
                f"{chunk_size} tokens. Shorten the title or raise retrieval.chunk_size."
            )
    splitter = SentenceSplitter(
        chunk_size=chunk_size, chunk_overlap=chunk_overlap, tokenizer=tokenizer.tokenize
    )
    nodes = splitter.get_nodes_from_documents(
        [
            LlamaDocument(
                text=document.text,
                doc_id=document.doc_id,
                metadata={"title": document.title} if document.title else {},
                metadata_template="{value}",
                text_template="{metadata_str}\n{content}",
            )
            for document in documents
        ]
    )
    seen: dict[str, int] = {}
    for node in nodes:
        number = seen.get(node.ref_doc_id, 0)
        seen[node.ref_doc_id] = number + 1
        node.id_ = f"{node.ref_doc_id}#{number}"
    return nodes


def build_index(nodes: list[TextNode], embedding: Any, folder: Path) -> VectorStoreIndex:
    """Embed the nodes and keep the vector index (FAISS, exact inner product) in `folder`."""
    import faiss
    from llama_index.core import StorageContext, VectorStoreIndex
    from llama_index.core.schema import MetadataMode
    from llama_index.vector_stores.faiss import FaissVectorStore

    texts = [node.get_content(MetadataMode.EMBED) for node in nodes]
    # Sorted by length, a batch holds little padding; LlamaIndex itself takes them as they come.
    order = sorted(range(len(nodes)), key=lambda i: len(texts[i]))
    vectors = embedding.get_text_embedding_batch([texts[i] for i in order])
    for i, vector in zip(order, vectors, strict=True):
        nodes[i].embedding = vector
    store = FaissVectorStore(faiss_index=faiss.IndexFlatIP(len(vectors[0])))
    index = VectorStoreIndex(
        nodes,
        storage_context=StorageContext.from_defaults(vector_store=store),
        embed_model=embedding,
    )
    index.storage_context.persist(str(folder))
    return index


def load_index(folder: Path, embedding: Any) -> VectorStoreIndex:
    """Load an index that `build_index` wrote."""
    from llama_index.core import StorageContext, load_index_from_storage
    from llama_index.vector_stores.faiss import FaissVectorStore

    store = FaissVectorStore.from_persist_dir(str(folder))
    storage = StorageContext.from_defaults(vector_store=store, persist_dir=str(folder))
    return load_index_from_storage(storage, embed_model=embedding)


def retrieve(
    index: VectorStoreIndex,
    questions: list[Question],
    depth: int,
    embedding: Any,
    scopes: Mapping[str, str | None] | None = None,
) -> pd.DataFrame:
    """The `depth` best passages of every question, fewer where there are no more.

    `scopes` (doc_id -> scope) restricts each question that has a scope to the documents of it (its
    own paper or contract). Columns: question_id, rank (from 1), chunk_id, doc_id, score (cosine),
    is_gold (missing where the question names no gold document).
    """
    import faiss
    import numpy as np

    vectors_index = index.vector_store.client
    node_ids = [index.index_struct.nodes_dict[str(i)] for i in range(vectors_index.ntotal)]
    doc_ids = [index.docstore.get_node(node_id).ref_doc_id for node_id in node_ids]
    within: dict[str, list[int]] = {}
    for position, doc_id in enumerate(doc_ids):
        if scopes is not None and scopes[doc_id] is not None:
            within.setdefault(scopes[doc_id], []).append(position)
    texts = [question.question for question in questions]
    vectors = np.asarray(embedding.get_text_embedding_batch(texts), dtype=np.float32)
    parts: dict[str | None, list[int]] = {}
    for number, question in enumerate(questions):
        parts.setdefault(question.scope if within else None, []).append(number)
    found: dict[int, list[tuple[int, float]]] = {}
    for scope, numbers in parts.items():
        options = {}
        if scope is not None:
            chosen = np.array(within.get(scope, []), dtype=np.int64)
            options["params"] = faiss.SearchParameters(sel=faiss.IDSelectorBatch(chosen))
        scores, positions = vectors_index.search(vectors[numbers], depth, **options)
        for number, hits in zip(numbers, zip(positions, scores, strict=True), strict=True):
            found[number] = [(int(p), float(s)) for p, s in zip(*hits, strict=True) if p >= 0]
    rows = []
    for number, question in enumerate(questions):
        for rank, (position, score) in enumerate(found[number], start=1):
            doc_id = doc_ids[position]
            gold = doc_id in question.gold_doc_ids if question.gold_doc_ids else None
            rows.append((question.id, rank, node_ids[position], doc_id, score, gold))
    columns = ["question_id", "rank", "chunk_id", "doc_id", "score", "is_gold"]
    return pd.DataFrame(rows, columns=columns).astype({"is_gold": "boolean"})


def chunk_table(nodes: list[TextNode], embedding: Any) -> pd.DataFrame:
    """One row per passage: chunk_id, doc_id, title, text, tokens (title included)."""
    from llama_index.core.schema import MetadataMode

    tokenize = embedding._model.tokenizer.tokenize
    rows = [
        (
            node.node_id,
            node.ref_doc_id,
            node.metadata.get("title", ""),
            node.get_content(MetadataMode.NONE),
            len(tokenize(node.get_content(MetadataMode.EMBED))),
        )
        for node in nodes
    ]
    return pd.DataFrame(rows, columns=["chunk_id", "doc_id", "title", "text", "tokens"])


def question_metrics(hits: pd.DataFrame, questions: list[Question], depth: int) -> pd.DataFrame:
    """recall@k and reciprocal rank within k of every question with gold documents.

    One row per question and k = 1..depth: question_id, group, k, recall (share of the gold
    documents among the first k passages), reciprocal_rank (of the first gold passage, 0 if none).
    """
    by_question = dict(list(hits.groupby("question_id", sort=False)))
    rows = []
    for question in questions:
        gold = set(question.gold_doc_ids)
        if not gold:
            continue
        own = by_question.get(question.id, hits.iloc[:0])
        docs = own.sort_values("rank")["doc_id"].tolist()
        first = next((r for r, doc in enumerate(docs, start=1) if doc in gold), None)
        for k in range(1, depth + 1):
            recall = len(gold & set(docs[:k])) / len(gold)
            reciprocal = 1 / first if first and first <= k else 0.0
            rows.append((question.id, question.group, k, recall, reciprocal))
    columns = ["question_id", "group", "k", "recall", "reciprocal_rank"]
    return pd.DataFrame(rows, columns=columns)


def summarise_by_k(per_question: pd.DataFrame) -> pd.DataFrame:
    """Means over questions with 95 % cluster-bootstrap intervals, one row per k.

    Columns: k, recall, recall_low, recall_high, mrr, mrr_low, mrr_high, n (questions).
    """
    from rag_study.resampling import bca_intervals

    rows = []
    for k, part in per_question.groupby("k"):
        clusters = part.groupby("group", sort=True)[["recall", "reciprocal_rank"]].agg("sum")
        counts = part.groupby("group", sort=True).size().to_numpy(float)
        sums = clusters.to_numpy().T
        (bounds,) = bca_intervals(sums, counts[None, :].repeat(2, axis=0))
        recall, mrr = sums.sum(axis=1) / counts.sum()
        rows.append((k, recall, *bounds[:, 0], mrr, *bounds[:, 1], len(part)))
    columns = ["k", "recall", "recall_low", "recall_high", "mrr", "mrr_low", "mrr_high", "n"]
    return pd.DataFrame(rows, columns=columns)
