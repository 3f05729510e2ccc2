"""Which embedding model is meant, and what its own files say of it. Nothing here loads a model.

sentence-transformers reads most of these files itself (how token vectors become one, whether its
length is made 1); what chunk sizes, prefixes and plans depend on is read here.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag_study.common.errors import StudyError
from rag_study.models import endpoint, folders, names

# What files of sentence-transformers call the prompt of a question, and that of a passage.
_QUERY_PROMPTS, _PASSAGE_PROMPTS = ("query",), ("document", "passage", "corpus")
# What the cards of these models ask for and their files do not tell: the last part of the name, and
# what stands before questions and passages.
_FAMILIES = (
    (r"(multilingual-)?e5-(small|base|large)(-v2|-unsupervised)?", "query: ", "passage: "),
    (
        r"bge-(small|base|large)-en(-v1\.5)?",
        "Represent this sentence for searching relevant passages: ",
        "",
    ),
    (r"bge-(small|base|large)-zh(-v1\.5)?", "为这个句子生成表示以用于检索相关文章：", ""),
)
# Of a model on a server, nothing tells how much it reads. Most open ones read this, others more.
SERVED_WINDOW = 512
# Of a model on a hub: what loading reads, and no weights in other forms.
_DOWNLOADED = ["*.json", "*.txt", "*.model", "*.jinja", "*.safetensors"]
_OTHER_FORMS = ["onnx/*", "openvino/*"]
# Positions that models of these kinds count before the first token.
_OFFSET_POSITIONS = {"roberta": 2, "xlm-roberta": 2, "camembert": 2, "mpnet": 2}


@dataclass(frozen=True)
class EmbeddingModel:
    """`folder` holds the model's files; None for one on a hub that has not been downloaded yet.

    `window` is how many tokens it reads, special ones included (None: not told), and the prefixes
    are what it wants before questions and passages. With `cosine`, texts are compared by the cosine
    of their vectors, without it by the inner product of vectors of any length.
    """

    name: str
    folder: Path | None
    window: int | None
    query_prefix: str = ""
    passage_prefix: str = ""
    cosine: bool = True

    @property
    def vocabulary(self) -> Path | None:
        """The file of its tokenizer, where it has one in the form of `tokenizers`."""
        file = self.folder / "tokenizer.json" if self.folder else None
        return file if file and file.is_file() else None


def check_name(name: str) -> None:
    """Raise StudyError for a name that can be no embedding model."""
    if name in names.EMBEDDINGS:
        return
    if name.startswith(("http://", "https://")):
        endpoint.connect(name)
        return
    kinds = (
        f"a preset ({', '.join(names.EMBEDDINGS)}), a folder, a hub id (owner/name), or "
        "http://host:port/v1#model-name"
    )
    if name in names.GENERATORS or name in names.JUDGES:
        raise StudyError(f"'{name}' is a language model, which does not embed; name {kinds}")
    if not name or not names.is_known(name):
        near = difflib.get_close_matches(name, names.EMBEDDINGS, n=1, cutoff=0.4)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise StudyError(f"'{name}' is not {kinds}{hint}")
    folder = names.folder_of(name)
    if folder:
        folders.check(folder, f"embedding model '{name}'")
    if folder and not folders.weights(folder):
        raise StudyError(f"the folder '{name}' holds no embedding model: no *.safetensors is there")


def find(
    name: str,
    query_prefix: str | None = None,
    passage_prefix: str | None = None,
    window: int | None = None,
    *,
    download: bool = False,
) -> EmbeddingModel:
    """The model of a name. What is not given is what the model's own files say; the prefixes, where
    they say none, those of its family (E5, BGE).

    Raises StudyError for a name that cannot be, a `window` that is larger than the model's own, and
    with `download` where it cannot be had.
    """
    check_name(name)
    preset = names.EMBEDDINGS.get(name)
    if preset:
        folder = names.package_file(name, preset) if download or _is_installed(name) else None
        own = names.EMBEDDING_WINDOW
    elif names.is_endpoint(name):
        folder, own = None, None
        window = window or SERVED_WINDOW
    else:
        folder = names.folder_of(name) or (_downloaded(name) if download else None)
        own = _window(folder) if folder else None
    if own and window and window > own:
        raise StudyError(f"embedding_window {window}: {name} reads {own} tokens, not more.")
    settings = _object(folder / "config_sentence_transformers.json") if folder else {}
    told = settings.get("prompts") if isinstance(settings.get("prompts"), dict) else {}
    of_questions, of_passages = family_prefixes(name)
    if query_prefix is None:
        query_prefix = _first(told, _QUERY_PROMPTS) or of_questions
    if passage_prefix is None:
        passage_prefix = _first(told, _PASSAGE_PROMPTS) or of_passages
    cosine = not str(settings.get("similarity_fn_name")).startswith("dot")
    return EmbeddingModel(name, folder, window or own, query_prefix, passage_prefix, cosine)


def family_prefixes(name: str) -> tuple[str, str]:
    """(what stands before questions, before passages) of a model whose family is known by the last
    part of its name; else ("", "")."""
    last = re.split(r"[/#]", name.rstrip("/"))[-1].lower()
    for pattern, query, passage in _FAMILIES:
        if re.fullmatch(pattern, last):
            return query, passage
    return "", ""


def _is_installed(name: str) -> bool:
    try:
        names.check_installed(name)
    except StudyError:
        return False
    return True


def _downloaded(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        place = snapshot_download(name, allow_patterns=_DOWNLOADED, ignore_patterns=_OTHER_FORMS)
    except Exception as error:  # of many kinds: no network, no such id, no permission
        raise StudyError(
            f"the embedding model '{name}' cannot be had: {str(error).strip().splitlines()[0]}\n"
            "Give the folder of one, or the id of one on a hub that can be reached."
        ) from error
    folders.check(Path(place), f"embedding model '{name}'")
    return Path(place)


def _window(folder: Path) -> int | None:
    """The least of what sentence-transformers' file, the tokenizer and the positions allow."""
    config = _object(folder / "config.json")
    positions = config.get("max_position_embeddings")
    if isinstance(positions, int):
        positions -= _OFFSET_POSITIONS.get(str(config.get("model_type")), 0)
    said = [
        _object(folder / "sentence_bert_config.json").get("max_seq_length"),
        _object(folder / "tokenizer_config.json").get("model_max_length"),
        positions,
    ]
    # Tokenizers without a limit say 10 ** 30.
    limits = [int(n) for n in said if isinstance(n, (int, float)) and 0 < n < 1e7]
    return min(limits, default=None)


def _first(prompts: dict[str, Any], keys: tuple[str, ...]) -> str:
    return next((prompts[key] for key in keys if isinstance(prompts.get(key), str)), "")


def _object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
