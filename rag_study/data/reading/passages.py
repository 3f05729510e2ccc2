"""Documents out of the passages that stand in the rows of questions themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from rag_study.common.errors import StudyError
from rag_study.data.reading import fields
from rag_study.data.schema import Document

_TEXTS = ("text", "content", "page_content", "passage", "contents", "body", "context")
_IDS = ("doc_id", "id", "_id", "passage_id", "docid")


class Passages:
    """The passages of all rows, each text once: identical ones are one document."""

    def __init__(self, documents: dict[str, Document]):
        """Passages are added to `documents`, by id; a text that one of them has is no new one."""
        self.documents = documents
        self._by_text = {_digest(document.text): doc_id for doc_id, document in documents.items()}

    def add(self, value: Any, where: str, key: str, title: str = "") -> list[str]:
        """The ids of the documents that a cell holds; `title` is that of those without one.
        Raises StudyError for what holds no texts.

        A text, a list of texts, of objects with a text, of [title, sentences] (HotpotQA), or
        PubMedQA's and the hub's objects of lists.
        """
        ids: dict[str, None] = {}
        for own_title, text, own_id in _passages(value, where, key):
            digest = _digest(text)
            doc_id = self._by_text.get(digest)
            if doc_id is None:
                doc_id = own_id or f"c-{digest.hex()[:12]}"
                if doc_id in self.documents:  # one id, several texts: passages of one document
                    doc_id = f"{doc_id}-{digest.hex()[:6]}"
                self._by_text[digest] = doc_id
                self.documents[doc_id] = Document(doc_id, own_title or title, text)
            ids[doc_id] = None
        return list(ids)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.strip().encode("utf-8", "replace"), digest_size=12).digest()


def _passages(value: Any, where: str, key: str) -> Iterator[tuple[str, str, str]]:
    """Title, text and id of each passage; "" where there is none."""
    if isinstance(value, str) and (printed := fields.printed_list(value)) is not None:
        value = printed
    if isinstance(value, Mapping):
        yield from _of_object(value, where, key)
        return
    for item in value if isinstance(value, list | tuple) else [value]:
        if fields.is_missing(item):
            continue
        if isinstance(item, Mapping):
            yield from _of_object(item, where, key)
        elif isinstance(item, list | tuple) and len(item) == 2 and isinstance(item[0], str):
            yield from _of_object({"title": item[0], "text": item[1]}, where, key)
        else:
            text = fields.optional_text({key: item}, key, where)
            if text:
                yield "", text, ""


def _of_object(value: Mapping[str, Any], where: str, key: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(value.get("contexts"), list | tuple):  # PubMedQA
        yield from _passages(list(value["contexts"]), where, key)
        return
    titles, sentences = value.get("title"), value.get("sentences")
    if isinstance(titles, list | tuple) and isinstance(sentences, list | tuple):  # HotpotQA, hub
        for title, text in zip(titles, sentences, strict=False):
            yield from _of_object({"title": title, "text": text}, where, key)
        return
    name = next((n for n in _TEXTS if not fields.is_missing(value.get(n))), None)
    if name is None:
        raise StudyError(
            f"{where}: `{key}` has an object without a text; it has the keys "
            f"{', '.join(map(str, value)) or '(none)'}. A passage is a text, or an object with "
            "`text` (and `title`, `id`)."
        )
    text = value[name]
    if isinstance(text, list | tuple):
        text = " ".join(str(part).strip() for part in text)
    text = fields.optional_text({key: text}, key, where)
    known = next((n for n in _IDS if not fields.is_missing(value.get(n))), None)
    if text:
        own_id = fields.identifier(dict(value), known, where) if known else ""
        yield fields.optional_text(dict(value), "title", where), text, own_id
