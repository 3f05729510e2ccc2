"""The index of the passages: vectors (FAISS), word statistics (BM25), or both, in one folder; the
vectors may be in a served store instead (`stores`).

What LlamaIndex needs lies there in LlamaIndex's own form; beside it lies a table of the passages in
the order of the index, so that a search need not read the document store.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag_study.common import files
from rag_study.common.errors import StudyError
from rag_study.retrieval import stores
from rag_study.retrieval.bm25 import WordIndex
from rag_study.retrieval.embedding import Embedder
from rag_study.retrieval.settings import check_retriever

if TYPE_CHECKING:
    from llama_index.core import VectorStoreIndex
    from llama_index.core.schema import TextNode

PASSAGES_FILE = "passages.parquet"
VECTORS_FILE = "default__vector_store.json"  # LlamaIndex's name; FAISS writes its own format
BM25_FOLDER = "bm25"


@dataclass
class PassageIndex:
    """Passages in the order of the index, and what they can be searched with.

    `texts` are with their titles, as they were embedded. `vector_store` is a LlamaIndex vector
    store that knows passage i as `store_ids[i]`. What an index was built without is None.
    """

    chunk_ids: list[str]
    doc_ids: list[str]
    texts: list[str]
    vector_store: Any | None = None
    store_ids: list[str] | None = None
    bm25: WordIndex | None = None

    def needs(self, part: str) -> Any:
        """The vector store ("vector_store") or the word statistics ("bm25").

        Raises StudyError where the index was built without them.
        """
        value = getattr(self, part)
        if value is None:
            retriever = "dense" if part == "vector_store" else "bm25"
            raise StudyError(
                f"the index was built without what a {retriever} search needs. Build it with "
                f'build_index(..., retriever="{retriever}"), or "hybrid" for both.'
            )
        return value


def build_index(
    nodes: Sequence[TextNode],
    embedding: Embedder,
    folder: Path,
    retriever: str = "dense",
    store: str | None = None,
) -> PassageIndex:
    """Index passages and keep in `folder` what the retriever needs.

    dense: vectors in FAISS (exact inner product), or in the served `store` (`store_names`); bm25:
    word statistics, and nothing is embedded; hybrid: both. Raises StudyError for no passages at
    all, for one that the embedding model could not read whole, for a store that cannot be used, and
    for bm25 where no passage has a word.
    """
    from llama_index.core import StorageContext
    from llama_index.core.schema import MetadataMode

    check_retriever(retriever)
    if not nodes:
        raise StudyError(
            "the corpus has no passage to index: it has no document, or none with text."
        )
    texts = [node.get_content(MetadataMode.EMBED) for node in nodes]
    index = PassageIndex([n.node_id for n in nodes], [n.ref_doc_id for n in nodes], texts)
    folder.mkdir(parents=True, exist_ok=True)
    # Of an earlier index nothing may be taken for a part of this one, also after a kill.
    for left in (PASSAGES_FILE, VECTORS_FILE, stores.STORE_FILE):
        (folder / left).unlink(missing_ok=True)
    shutil.rmtree(folder / BM25_FOLDER, ignore_errors=True)
    storage = StorageContext.from_defaults()
    storage.docstore.add_documents(nodes)
    if retriever != "bm25":
        _check_lengths(index, embedding)
        vectors = embedding.embed_passages(texts)
        if store:
            _check_comparison(embedding)
            served = stores.fill(store, nodes, vectors)
            served.write(folder)
            index.vector_store, index.store_ids = served.open(), stores.ids_of(len(nodes))
        else:
            index.vector_store = _faiss_store(vectors)
            index.store_ids = [str(position) for position in range(len(nodes))]
        storage = StorageContext.from_defaults(storage.docstore, vector_store=index.vector_store)
        storage.index_store.add_index_struct(_structure(index))
    storage.persist(str(folder))
    if retriever != "dense":
        index.bm25 = WordIndex.of(texts)
        index.bm25.save(folder / BM25_FOLDER)
    files.write_parquet(folder / PASSAGES_FILE, _table(index))
    return index


def open_index(folder: Path) -> PassageIndex:
    """Open what `build_index` wrote, without reading LlamaIndex's document store.

    Raises StudyError where there is no index, or its store is not as it was.
    """

    if not (folder / PASSAGES_FILE).exists():
        raise StudyError(f"{folder}: there is no index here. Run stage 02 (index_corpus) first.")
    table = files.read_parquet(folder / PASSAGES_FILE)
    index = PassageIndex(*(table[c].tolist() for c in ("chunk_id", "doc_id", "text")))
    if served := stores.Served.read(folder):
        index.vector_store, index.store_ids = served.open(), stores.ids_of(len(table))
    elif _has_vectors(folder):
        from llama_index.vector_stores.faiss import FaissVectorStore

        index.vector_store = FaissVectorStore.from_persist_dir(str(folder))
        index.store_ids = [str(position) for position in range(len(table))]
    if (folder / BM25_FOLDER).is_dir():
        index.bm25 = WordIndex.open(folder / BM25_FOLDER)
    return index


def load_index(folder: Path, embedding: Embedder) -> VectorStoreIndex:
    """The index of `folder` as LlamaIndex's own, for its query engines and chat engines."""
    from llama_index.core import StorageContext, VectorStoreIndex, load_index_from_storage

    store = open_index(folder).needs("vector_store")
    if stores.Served.read(folder):  # which holds the texts as well
        return VectorStoreIndex.from_vector_store(store, embed_model=embedding.llama)
    storage = StorageContext.from_defaults(vector_store=store, persist_dir=str(folder))
    return load_index_from_storage(storage, embed_model=embedding.llama)


def of_llama_index(index: VectorStoreIndex, *, with_bm25: bool = False) -> PassageIndex:
    """Any LlamaIndex vector index, whatever its vector store, as an index to search here.

    The document store must hold the texts. Word statistics are made on the spot where asked for.
    """
    from llama_index.core.schema import MetadataMode

    store_ids = list(index.index_struct.nodes_dict)
    nodes = index.docstore.get_nodes(list(index.index_struct.nodes_dict.values()))
    texts = [node.get_content(MetadataMode.EMBED) for node in nodes]
    return PassageIndex(
        chunk_ids=[node.node_id for node in nodes],
        doc_ids=[node.ref_doc_id for node in nodes],
        texts=texts,
        vector_store=index.vector_store,
        store_ids=store_ids,
        bm25=WordIndex.of(texts) if with_bm25 else None,
    )


def _check_lengths(index: PassageIndex, embedding: Embedder) -> None:
    prefix = embedding.model.passage_prefix
    lengths = embedding.lengths([f"{prefix}{text}" for text in index.texts])
    for chunk_id, length in zip(index.chunk_ids, lengths, strict=True):
        if length > embedding.window:
            raise StudyError(
                f"passage '{chunk_id}' has {length} tokens with its title; the embedding model "
                f"reads {embedding.window} and would ignore the rest. Lower retrieval.chunk_size."
            )


def _check_comparison(embedding: Embedder) -> None:
    if not embedding.model.cosine:
        raise StudyError(
            f"retrieval.store: {embedding.model.name} compares vectors by their inner product, "
            "served stores by the cosine. Leave `store` out for this model (FAISS)."
        )


def _faiss_store(vectors: Any) -> Any:
    import faiss
    from llama_index.vector_stores.faiss import FaissVectorStore

    # All at once: LlamaIndex itself would copy every vector to a list and add it alone.
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    return FaissVectorStore(faiss_index=flat)


def _structure(index: PassageIndex) -> Any:
    from llama_index.core.data_structs import IndexDict

    return IndexDict(
        index_id="passages",
        nodes_dict=dict(zip(index.store_ids or (), index.chunk_ids, strict=True)),
    )


def _has_vectors(folder: Path) -> bool:
    # Without a FAISS index LlamaIndex keeps an empty store of its own, in JSON, by the same name.
    with (folder / VECTORS_FILE).open("rb") as file:
        return file.read(1) != b"{"


def _table(index: PassageIndex) -> Any:
    import pandas as pd

    columns = {"chunk_id": index.chunk_ids, "doc_id": index.doc_ids, "text": index.texts}
    return pd.DataFrame(columns)
