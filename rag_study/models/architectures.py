"""What kind of model a name stands for, told from its configuration while a study is planned.

A *decoder* writes on from what it has read; an *encoder-decoder* (T5, BART) reads the prompt as a
whole and then writes; an *extractive* reader (BERT and its kin with a span head) points at the
answer in a passage and writes nothing.

Nothing is loaded, and transformers is not imported: which architectures it has is read from its
source, in a few milliseconds.
"""

from __future__ import annotations

import importlib.util
import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from rag_study.common.errors import StudyError
from rag_study.models import folders, names

DECODER, ENCODER_DECODER, EXTRACTIVE = "decoder", "encoder_decoder", "extractive"
# What every answering model of a study may be; a judge writes its score as a decoder does.
READERS = (DECODER, ENCODER_DECODER, EXTRACTIVE)
_SPAN_HEAD = "ForQuestionAnswering"
# What an encoder may have been trained for, so that a span head can be put in the place of its own.
_ENCODERS = ("Model", "ForMaskedLM", "ForPreTraining", _SPAN_HEAD)

# Heads of models that were trained for something else than to write text.
_OTHER_HEADS = (
    *("ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering"),
    *("ForMaskedLM", "ForMultipleChoice", "ForNextSentencePrediction", "ForPreTraining"),
    *("ForImageClassification", "ForCTC", "ForSequenceEmbedding", "ForRetrieval"),
    "ForRewardModel",
)


def check(name: str, kinds: tuple[str, ...] = (DECODER,)) -> None:
    """Raise StudyError, in one sentence, for a model that is of none of these kinds.

    Looked at are folders and what lies in the local hub cache; of another hub id nothing is known
    before it is loaded.
    """
    if (preset := names.preset(name)) and preset.kind not in kinds:
        raise StudyError(
            f"model '{name}' cannot be used here: it is {words_for(preset.kind)}, and "
            f"{words_for(kinds[0])} is needed."
        )
    file = _configuration(name)
    if file is None:
        return
    if not file.exists():
        raise StudyError(f"model '{name}': {_without_configuration(file.parent)}")
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StudyError(f"model '{name}': {file} cannot be read as JSON ({error}).") from None
    config = config if isinstance(config, dict) else {}
    if kind_by(config) not in kinds and (problem := problem_of(config)):
        raise StudyError(f"model '{name}' cannot be used: {problem}.")
    if names.folder_of(name):
        folders.check(file.parent, f"model '{name}'")


def kind_of(name: str) -> str:
    """The kind of a model by its name: DECODER, ENCODER_DECODER or EXTRACTIVE.

    A server's model, and a hub id of which nothing is here, count as decoders.
    """
    if preset := names.preset(name):
        return preset.kind
    return kind_by(_config_of(name)) or DECODER


def has_untrained_state(name: str) -> bool:
    """Whether a model answers without any training here: all that write, and extractive readers
    that come with a span head (trained on SQuAD, say). A new head points at random."""
    if kind_of(name) != EXTRACTIVE:
        return True
    return _head_of(_config_of(name)).endswith(_SPAN_HEAD)


def words_for(kind: str) -> str:
    """A kind for people, with its article."""
    return {
        DECODER: "a decoder (a causal language model)",
        ENCODER_DECODER: "an encoder-decoder",
        EXTRACTIVE: "an encoder, which reads a text as a whole and writes none",
    }[kind]


def kind_by(config: dict[str, Any]) -> str | None:
    """The kind of a model with this configuration, None where it is of none that answers here."""
    kind, head = config.get("model_type"), _head_of(config)
    here = architectures_here()
    if config.get("is_encoder_decoder"):
        return (
            ENCODER_DECODER if kind in here.sequence and not head.endswith(_OTHER_HEADS) else None
        )
    decodes = config.get("is_decoder") or config.get("causal")
    if kind in here.masked and kind in here.spans and not decodes:
        return EXTRACTIVE if not head or head.endswith(_ENCODERS) else None
    return DECODER if problem_of(config) is None else None


def _head_of(config: dict[str, Any]) -> str:
    """The class that a configuration names first, "" where it names none."""
    named = [a for a in config.get("architectures") or [] if isinstance(a, str)]
    return named[0] if named else ""


def _config_of(name: str) -> dict[str, Any]:
    file = _configuration(name)
    try:
        config = json.loads(file.read_text(encoding="utf-8")) if file else {}
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def problem_of(config: dict[str, Any]) -> str | None:
    """Why a model with this configuration cannot write text as a decoder, None where it can."""
    kind = config.get("model_type")
    if not isinstance(kind, str) or not kind:
        return "its config.json has no model_type, so that nobody knows what it is"
    head = _head_of(config)
    shown = head or kind
    if config.get("is_encoder_decoder"):
        return f"it is an encoder-decoder ({shown}), and a decoder (a causal model) is needed"
    known, causal, masked, _, _ = architectures_here()
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
    if kind in causal.keys() & masked and not (config.get("is_decoder") or config.get("causal")):
        return f"it is an encoder ({shown}), which reads a text as a whole and writes none"
    if head.endswith(_OTHER_HEADS) and head not in causal.values():
        return f"it is a {shown}, which was not made to write text"
    return None


class Architectures(NamedTuple):
    """What the installed transformers has: all kinds of models (`model_type`), the class of a
    causal language model by kind, and the kinds that fill gaps in a text (BERT and its kin; they
    write one only where their configuration makes decoders of them), that write after reading
    (T5), and that mark a span."""

    known: frozenset[str]
    causal: dict[str, str]
    masked: frozenset[str]
    sequence: frozenset[str]
    spans: frozenset[str]


@lru_cache(maxsize=1)
def architectures_here() -> Architectures:
    """Read from the source of transformers; empty where that is not as expected, and nothing can
    be told."""
    spec = importlib.util.find_spec("transformers")
    places = list(spec.submodule_search_locations or ()) if spec else []
    source = Path(places[0]) / "models" / "auto" / "modeling_auto.py" if places else None
    text = source.read_text(encoding="utf-8") if source and source.exists() else ""
    pairs = re.compile(r'\(\s*"([^"]+)",\s*"([^"]+)"')

    def mapping(task: str) -> dict[str, str]:
        table = re.search(rf"^MODEL_FOR_{task}_MAPPING_NAMES = .*?^\)", text, re.S | re.M)
        return dict(pairs.findall(table[0])) if table else {}

    return Architectures(
        frozenset(kind for kind, _ in pairs.findall(text)),
        mapping("CAUSAL_LM"),
        frozenset(mapping("MASKED_LM")),
        frozenset(mapping("SEQ_TO_SEQ_CAUSAL_LM")),
        frozenset(mapping("QUESTION_ANSWERING")),
    )


def _configuration(name: str) -> Path | None:
    """Where a model's config.json lies or ought to; None where no model of this name is here."""
    if not name or names.is_endpoint(name) or names.preset(name):
        return None
    if folder := names.folder_of(name):
        return folder / "config.json"
    snapshot = folders.hub_snapshot(name)
    file = snapshot and snapshot / "config.json"
    return file if file and file.exists() else None


def _without_configuration(folder: Path) -> str:
    if (folder / "adapter_config.json").exists():
        return (
            "the folder holds an adapter and no model; name the model that it was made from, and "
            "the folder as `adapter` where a key of this name is"
        )
    if [*folder.glob("*.gguf")]:
        return "the folder holds GGUF files; a model for transformers (config.json) is needed"
    return "the folder has no config.json, so that it holds no model for transformers"
