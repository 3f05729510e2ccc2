"""Which embedding model is meant, and what its own files say of it. Nothing here loads a model.

sentence-transformers reads most of these files itself (how token vectors become one, whether its
length is made 1); what chunk sizes, prefixes and plans depend on is read here.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag_study.common.errors import StudyError
from rag_study.models import folders, names

# What files of sentence-transformers call the prompt of a question, and that of a passage.
_QUERY_PROMPTS, _PASSAGE_PROMPTS = ("query",), ("document", "passage", "corpus")
# Of a model on a hub: what loading reads, and no weights in other forms.
_DOWNLOADED = ["*.json", "*.txt", "*.model", "*.jinja", "*.safetensors"]
_OTHER_FORMS = ["onnx/*", "openvino/*"]
# Positions that models of these kinds count before the first token.
_OFFSET_POSITIONS = {"roberta": 2, "xlm-roberta": 2, "camembert": 2, "mpnet": 2}


@dataclass(frozen=True)
class EmbeddingModel:
    """`folder` holds the model's files; None for one on a hub that has not been downloaded yet.

    `window` is how many tokens it reads, special ones included (None: not told), and the prefixes
    are what it wants before questions and passages.
    """

    name: str
    folder: Path | None
    window: int | None
    query_prefix: str = ""
    passage_prefix: str = ""

    @property
    def vocabulary(self) -> Path | None:
        """The file of its tokenizer, where it has one in the form of `tokenizers`."""
        file = self.folder / "tokenizer.json" if self.folder else None
        return file if file and file.is_file() else None


def check_name(name: str) -> None:
    """Raise StudyError for a name that can be no embedding model."""
    if name in names.EMBEDDINGS:
        return
    kinds = f"a preset ({', '.join(names.EMBEDDINGS)}), a folder, or a hub id (owner/name)"
    if names.is_endpoint(name):
        raise StudyError(f"'{name}': a model on a server does not embed; name {kinds}")
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
    *,
    download: bool = False,
) -> EmbeddingModel:
    """The model of a name; prefixes that are not given are those of the model's own files.

    Raises StudyError for a name that cannot be, and with `download` where it cannot be had.
    """
    check_name(name)
    preset = names.EMBEDDINGS.get(name)
    if preset:
        folder = names.package_file(name, preset) if download or _is_installed(name) else None
        window = names.EMBEDDING_WINDOW
    else:
        folder = names.folder_of(name) or (_downloaded(name) if download else None)
        window = _window(folder) if folder else None
    prompts = _object(folder / "config_sentence_transformers.json") if folder else {}
    told = prompts.get("prompts") if isinstance(prompts.get("prompts"), dict) else {}
    return EmbeddingModel(
        name,
        folder,
        window,
        _first(told, _QUERY_PROMPTS) if query_prefix is None else query_prefix,
        _first(told, _PASSAGE_PROMPTS) if passage_prefix is None else passage_prefix,
    )


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
