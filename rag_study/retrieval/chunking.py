"""Documents to passages: LlamaIndex's sentence splitter, in the embedding model's tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rag_study.common.characters import readable
from rag_study.common.errors import StudyError
from rag_study.data.schema import Document
from rag_study.retrieval.embedding import Embedder
from rag_study.retrieval.settings import check_chunking

if TYPE_CHECKING:
    import pandas as pd
    from llama_index.core.schema import TextNode

# No sentence is so long: it is a table, a data dump, or text without sentence ends.
ENDLESS_SENTENCE = 10_000


def split_documents(
    documents: Sequence[Document], chunk_size: int, chunk_overlap: int, embedding: Embedder
) -> list[TextNode]:
    """Cut documents at sentence ends into nodes of at most `chunk_size` tokens with the title.

    Tokens are the embedding model's own (`Embedder.count_tokens`). Ids are "<doc_id>#<number>". A
    sentence that is too long is cut at clauses, words, letters, one of more than ENDLESS_SENTENCE
    characters at spaces only (counting every word of a megabyte would take long). A document
    without text has no passage. Raises StudyError when a title leaves no room for text, and for
    impossible sizes.
    """
    from llama_index.core import Document as LlamaDocument
    from llama_index.core.node_parser import SentenceSplitter

    check_chunking(chunk_size, chunk_overlap, embedding.window)
    sources = []
    for document in documents:
        title, text = readable(document.title), readable(document.text)
        if embedding.count_tokens(title) > chunk_size // 2:
            raise StudyError(
                f"document '{document.doc_id}': its title alone fills half a chunk of "
                f"{chunk_size} tokens. Shorten the title or raise retrieval.chunk_size."
            )
        if text.strip():
            sources.append(
                LlamaDocument(
                    text=text,
                    doc_id=document.doc_id,
                    metadata={"title": title} if title else {},
                    metadata_template="{value}",
                    text_template="{metadata_str}\n{content}",
                )
            )
    splitter = SentenceSplitter(
        chunk_size=chunk_size,
        chunk_overlap=chunk_overlap,
        # The splitter only asks for the length of what its tokenizer gives.
        tokenizer=lambda text: range(embedding.count_tokens(text)),
        chunking_tokenizer_fn=_sentence_cutter(chunk_size),
    )
    nodes = splitter.get_nodes_from_documents(sources)
    seen: dict[str, int] = {}
    for node in nodes:
        number = seen.get(node.ref_doc_id, 0)
        seen[node.ref_doc_id] = number + 1
        node.id_ = f"{node.ref_doc_id}#{number}"
    return nodes


def _sentence_cutter(chunk_size: int) -> Callable[[str], list[str]]:
    """LlamaIndex's sentence splitter, with endless sentences in pieces that fit a chunk."""
    from llama_index.core.node_parser.text.utils import split_by_sentence_tokenizer

    sentences = split_by_sentence_tokenizer()

    def cut(text: str) -> list[str]:
        pieces = []
        for sentence in sentences(text):
            endless = len(sentence) > ENDLESS_SENTENCE
            pieces += _pieces(sentence, chunk_size // 2) if endless else [sentence]
        return pieces

    return cut


def _pieces(text: str, size: int) -> list[str]:
    """The text in pieces of at most `size` characters, where possible up to a space."""
    pieces, start = [], 0
    while start < len(text):
        end = start + size
        if end < len(text):
            space = text.rfind(" ", start, end)
            end = space + 1 if space > start else end
        pieces.append(text[start:end])
        start = end
    return pieces


def chunk_table(nodes: Sequence[TextNode], embedding: Embedder) -> pd.DataFrame:
    """One row per passage: chunk_id, doc_id, title, text, tokens (title included)."""
    import pandas as pd
    from llama_index.core.schema import MetadataMode

    rows = [
        (
            node.node_id,
            node.ref_doc_id,
            node.metadata.get("title", ""),
            node.get_content(MetadataMode.NONE),
            embedding.count_tokens(node.get_content(MetadataMode.EMBED)),
        )
        for node in nodes
    ]
    return pd.DataFrame(rows, columns=["chunk_id", "doc_id", "title", "text", "tokens"])
