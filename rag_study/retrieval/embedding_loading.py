"""Loading the embedding model of a name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rag_study.common import files, machine, meter
from rag_study.common.errors import StudyError
from rag_study.models import folders, names
from rag_study.retrieval import embedding_model
from rag_study.retrieval.embedding import EMBED_BATCH, Embedder
from rag_study.retrieval.embedding_cache import EmbeddingCache


def load_embedding(
    name: str,
    dtype: str = "float32",
    *,
    query_prefix: str | None = None,
    passage_prefix: str | None = None,
    window: int | None = None,
    servers: Mapping[str, Any] | None = None,
    cached: bool = True,
) -> Embedder:
    """The embedding model of a preset, a folder or a hub id, as sentence-transformers loads it:
    pooling, window and prefixes (unless they are given) are those of its own files. For one on a
    server, see `embedding_server`; `servers` are then options of its `Endpoint`.

    `dtype` is float32, bfloat16, or auto (as the hardware is). Vectors are kept in the user's cache
    folder, apart for each revision, precision and kind of device, unless `cached` is false. Raises
    StudyError for an unknown name, and for weights that are not there, not the ones on record, or
    no embedding model's.
    """
    if names.is_endpoint(name):
        from rag_study.retrieval import embedding_server

        model = embedding_model.find(name, query_prefix, passage_prefix, window)
        return embedding_server.connect(model, servers or {}, cached=cached)
    import torch
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding
    from transformers.utils import logging

    logging.disable_progress_bar()
    model = embedding_model.find(name, query_prefix, passage_prefix, window, download=True)
    preset = names.EMBEDDINGS.get(name)
    if preset:
        names.verify_checksum(model.folder / "model.safetensors", preset.revision)
    dtype = machine.resolve_dtype(dtype)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        llama = HuggingFaceEmbedding(
            model_name=str(model.folder),
            max_length=model.window,
            embed_batch_size=EMBED_BATCH,
            device=device,
            normalize=model.cosine,
            query_instruction=model.query_prefix,  # for LlamaIndex's own engines (`load_index`)
            trust_remote_code=False,
            model_kwargs={"dtype": getattr(torch, dtype), "use_safetensors": True},
        )
    except Exception as error:  # of many kinds: files that are missing, damaged, another model's
        raise StudyError(
            f"the embedding model '{name}' cannot be loaded: {str(error).strip().splitlines()[0]}\n"
            "Give the folder of a sentence-transformers model with safetensors, or its hub id."
        ) from error
    if not isinstance(llama.max_length, int):
        raise StudyError(
            f"the embedding model '{name}' does not say how many tokens it reads: write "
            '{"max_seq_length": 512}, with its number, to sentence_bert_config.json in its folder.'
        )
    meter.count_tokens(llama._model[0].auto_model)
    embedder = Embedder(llama, model=model)
    if not cached:
        return embedder
    revision = preset.revision if preset else folders.revision(model.folder)
    # What is beyond the window is not in a vector.
    narrow = f"-{window}" if window else ""
    place = files.cache_dir() / "embeddings" / f"{revision[:16]}-{dtype}-{device}{narrow}"
    return Embedder(llama, EmbeddingCache(place, embedder.dimensions), model)
