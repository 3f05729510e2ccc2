"""Whether a model is one that writes text, told from its configuration while a study is planned.

Nothing is loaded, and transformers is not imported: which architectures it has is read from its
source, in a few milliseconds.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from rag_study.common.errors import StudyError
from rag_study.models import folders, names

# Heads of models that were trained for something else than to write text.
_OTHER_HEADS = (
    *("ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering"),
    *("ForMaskedLM", "ForMultipleChoice", "ForNextSentencePrediction", "ForPreTraining"),
    *("ForImageClassification", "ForCTC", "ForSequenceEmbedding", "ForRetrieval"),
    "ForRewardModel",
)


def check(name: str) -> None:
    """Raise StudyError, in one sentence, for a model that cannot write text here.

    Looked at are folders and what lies in the local hub cache; of another hub id nothing is known
    before it is loaded.
    """
    file = _configuration(name)
    if file is None:
        return
    if not file.exists():
        raise StudyError(f"model '{name}': {_without_configuration(file.parent)}")
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StudyError(f"model '{name}': {file} cannot be read as JSON ({error}).") from None
    problem = problem_of(config if isinstance(config, dict) else {})
    if problem is not None:
        raise StudyError(f"model '{name}' cannot be used: {problem}.")
    if names.folder_of(name):
        folders.check(file.parent, f"model '{name}'")


def problem_of(config: dict[str, Any]) -> str | None:
    """Why a model with this configuration cannot write text here, None where it can."""
    kind = config.get("model_type")
    if not isinstance(kind, str) or not kind:
        return "its config.json has no model_type, so that nobody knows what it is"
    architectures = [a for a in config.get("architectures") or [] if isinstance(a, str)]
    shown = architectures[0] if architectures else kind
    if config.get("is_encoder_decoder"):
        return f"it is an encoder-decoder ({shown}), and only decoders (causal models) are studied"
    known, causal, encoders = architectures_here()
    if causal and kind not in causal:
        if kind in known:
            return f"a {shown} is no causal language model, which writes text token by token"
        if config.get("auto_map"):
            return (
                f"its architecture '{kind}' is code that comes with the model, which is never run; "
                "use a version of the model that transformers itself knows"
            )
        return (
            f"the installed transformers does not know the architecture '{kind}'; a newer one may, "
            "or there is a typing error in its config.json"
        )
    if kind in encoders and not (config.get("is_decoder") or config.get("causal")):
        return f"it is an encoder ({shown}), which reads a text as a whole and writes none"
    if architectures and architectures[0].endswith(_OTHER_HEADS) and shown not in causal.values():
        return f"it is a {shown}, which was not made to write text"
    return None


@lru_cache(maxsize=1)
def architectures_here() -> tuple[frozenset[str], dict[str, str], frozenset[str]]:
    """(all kinds of models, class of a causal language model by kind, kinds that also fill gaps) of
    the installed transformers; empty where its source is not as expected, and nothing can be told.

    Those that fill gaps in a text (BERT and its kin) write one only where their configuration makes
    decoders of them.
    """
    spec = importlib.util.find_spec("transformers")
    places = list(spec.submodule_search_locations or ()) if spec else []
    source = Path(places[0]) / "models" / "auto" / "modeling_auto.py" if places else None
    if source is None or not source.exists():
        return frozenset(), {}, frozenset()
    text = source.read_text(encoding="utf-8")
    pairs = re.compile(r'\(\s*"([^"]+)",\s*"([^"]+)"')

    def mapping(task: str) -> dict[str, str]:
        table = re.search(rf"^MODEL_FOR_{task}_MAPPING_NAMES = .*?^\)", text, re.S | re.M)
        return dict(pairs.findall(table[0])) if table else {}

    causal, masked = mapping("CAUSAL_LM"), mapping("MASKED_LM")
    known = frozenset(kind for kind, _ in pairs.findall(text))
    return known, causal, frozenset(causal.keys() & masked.keys())


def _configuration(name: str) -> Path | None:
    """Where a model's config.json lies or ought to; None where no model of this name is here."""
    if not name or names.is_endpoint(name) or name in names.GENERATORS:
        return None
    if folder := names.folder_of(name):
        return folder / "config.json"
    owner, _, rest = name.partition("/")
    cached = _hub_cache() / f"models--{owner}--{rest}"
    try:
        revision = (cached / "refs" / "main").read_text().strip()
    except OSError:
        return None
    file = cached / "snapshots" / revision / "config.json"
    return file if file.exists() else None


def _hub_cache() -> Path:
    for variable, inner in (
        ("HF_HUB_CACHE", ""),
        ("HUGGINGFACE_HUB_CACHE", ""),
        ("HF_HOME", "hub"),
    ):
        if os.environ.get(variable):
            return Path(os.environ[variable]).expanduser() / inner
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "huggingface" / "hub"


def _without_configuration(folder: Path) -> str:
    if (folder / "adapter_config.json").exists():
        return (
            "the folder holds an adapter and no model; name the model that it was made from, and "
            "the folder as `adapter` where a key of this name is"
        )
    if [*folder.glob("*.gguf")]:
        return "the folder holds GGUF files; a model for transformers (config.json) is needed"
    return "the folder has no config.json, so that it holds no model for transformers"
