"""Documents to passages: LlamaIndex's sentence splitter, in the embedding model's tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rag_study.common.characters import readable
from rag_study.data.schema import Document
from rag_study.retrieval.embedding import Embedder
from rag_study.retrieval.settings import check_chunking

if TYPE_CHECKING:
    import pandas as pd
    from llama_index.core.schema import TextNode

# No sentence is so long: it is a table, a data dump, or text without sentence ends.
ENDLESS_SENTENCE = 10_000
# Key of a node with a title of which only the beginning is embedded.
WHOLE_TITLE = "whole_title"


def split_documents(
    documents: Sequence[Document], chunk_size: int, chunk_overlap: int, embedding: Embedder
) -> list[TextNode]:
    """Cut documents at sentence ends into nodes of at most `chunk_size` tokens with the title.

    Tokens are the embedding model's own (`Embedder.count_tokens`). Ids are "<doc_id>#<number>". A
    sentence that is too long is cut at clauses, words, letters, one of more than ENDLESS_SENTENCE
    characters at spaces only (counting every word of a megabyte would take long). A document
    without text has no passage. Of a title that would fill more than half a chunk the beginning is
    embedded (`count_cut_titles`), while models are shown all of it. Passages of a copy belong to
    the document that it is a copy of (`Document.copy_of`), and only their ids name the copy: what
    is found there is found. Raises StudyError for impossible sizes.
    """
    from llama_index.core import Document as LlamaDocument
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.core.schema import NodeRelationship, RelatedNodeInfo

    check_chunking(chunk_size, chunk_overlap, embedding.room)
    sources = []
    for document in documents:
        title, text = readable(document.title), readable(document.text)
        embedded = _beginning(title, chunk_size // 2, embedding)
        metadata = {"title": embedded, WHOLE_TITLE: title if embedded != title else ""}
        if text.strip():
            sources.append(
                LlamaDocument(
                    text=text,
                    doc_id=document.doc_id,
                    metadata={key: value for key, value in metadata.items() if value},
                    excluded_embed_metadata_keys=[WHOLE_TITLE],
                    excluded_llm_metadata_keys=[WHOLE_TITLE],
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
    copies = {document.doc_id: document.copy_of for document in documents if document.copy_of}
    for node in nodes:
        number = seen.get(node.ref_doc_id, 0)
        seen[node.ref_doc_id] = number + 1
        node.id_ = f"{node.ref_doc_id}#{number}"
        if original := copies.get(node.ref_doc_id):
            node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=original)
    return nodes


def count_cut_titles(nodes: Sequence[TextNode]) -> int:
    """Of how many documents only the beginning of the title was embedded."""
    return len({node.ref_doc_id for node in nodes if WHOLE_TITLE in node.metadata})


def _beginning(title: str, tokens: int, embedding: Embedder) -> str:
    """As much of a title as fits into so many tokens, up to a space where there is one."""
    if embedding.count_tokens(title) <= tokens:
        return title
    fits, too_long = 0, len(title)  # in characters
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if embedding.count_tokens(title[:middle]) <= tokens:
            fits = middle
        else:
            too_long = middle
    space = title.rfind(" ", fits // 2, fits + 1)
    return title[: space if space > 0 else fits].rstrip()


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
    """One row per passage: chunk_id, doc_id, title, text, tokens (of what is embedded, with the
    title; `title` is the whole one)."""
    import pandas as pd
    from llama_index.core.schema import MetadataMode

    rows = [
        (
            node.node_id,
            node.ref_doc_id,
            node.metadata.get(WHOLE_TITLE) or node.metadata.get("title", ""),
            node.get_content(MetadataMode.NONE),
            embedding.count_tokens(node.get_content(MetadataMode.EMBED)),
        )
        for node in nodes
    ]
    return pd.DataFrame(rows, columns=["chunk_id", "doc_id", "title", "text", "tokens"])
