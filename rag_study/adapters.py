"""The ways to fine-tune: what each method needs, how its adapter is made, saved and loaded.

Nothing here imports torch at module level: planning a study needs only the names.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from rag_study import files, memory, models, prompts
from rag_study.errors import StudyError

if TYPE_CHECKING:
    from rag_study.finetuning import Recipe
    from rag_study.models import LanguageModel

NOTE_FILE = "rag_study.json"


@dataclass(frozen=True)
class Method:
    """A way to fine-tune. `label` is for people; `learning_rate` is where a search would begin.

    `family` decides which settings apply: "lora" has rank and alpha, "virtual" has
    num_virtual_tokens, "scaling" and "full" have neither. `options` go to PEFT's configuration.
    """

    label: str
    family: Literal["lora", "scaling", "virtual", "full"]
    learning_rate: float
    quantised: bool = False
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


# Learning rates: LoRA and QLoRA by Dettmers et al. 2023 (2e-4 up to 13B parameters), which DoRA
# (Liu et al. 2024) keeps; rsLoRA (Kalajdzievski 2023) scales by alpha / sqrt(rank), 4 times as
# much as LoRA at rank 16, hence a smaller step; IA3 by Liu et al. 2022 (3e-3); prompt and prefix
# tuning by PEFT's guides (3e-2, 1e-2); full fine-tuning by Touvron et al. 2023 (Llama 2: 2e-5).
METHODS: dict[str, Method] = {
    "lora": Method("LoRA", "lora", 2e-4),
    "qlora": Method("QLoRA (4-bit base)", "lora", 2e-4, quantised=True),
    "dora": Method("DoRA", "lora", 2e-4, options={"use_dora": True}),
    "rslora": Method("rsLoRA", "lora", 1e-4, options={"use_rslora": True}),
    "ia3": Method("IA3", "scaling", 3e-3),
    "prompt_tuning": Method("prompt tuning", "virtual", 3e-2),
    "prefix_tuning": Method("prefix tuning", "virtual", 1e-2),
    "full": Method("full fine-tuning", "full", 2e-5),
}


def find(name: str) -> Method:
    """A method by its name. Raises StudyError with the names there are."""
    if name not in METHODS:
        raise StudyError(f"there is no method '{name}'; methods: {', '.join(METHODS)}.")
    return METHODS[name]


def virtual_tokens(recipe: Recipe) -> int:
    """How many tokens of the window the method takes for itself."""
    return recipe.num_virtual_tokens if find(recipe.method).family == "virtual" else 0


def wrap(lm: LanguageModel, recipe: Recipe, start: Path | None = None) -> Any:
    """The model to train: the base with a fresh adapter in float32, or for `full` all of it.

    `start` is the folder of an earlier training by the same method, which is gone on with. For
    `full` the weights are brought to float32, whatever the base's precision: steps of 2e-5 are
    lost in the rounding of bfloat16. Raises StudyError when the method does not fit the model or
    the start, when target modules match nothing, or when memory cannot hold it.
    """
    import torch
    from peft import get_peft_model

    method = find(recipe.method)
    if getattr(lm.model, "peft_config", None):
        raise StudyError(
            f"this copy of {lm.name} carries an adapter already. Load it again before training."
        )
    if method.quantised != lm.quantised:
        needed = "in 4-bit (quantised=True)" if method.quantised else "unquantised"
        raise StudyError(f"method {recipe.method} needs {lm.name} loaded {needed}.")
    if recipe.method == "prefix_tuning" and recipe.gradient_checkpointing:
        raise StudyError(
            "gradient_checkpointing cannot be had with prefix_tuning: its prefixes are a cache, "
            "which checkpoints do not keep. Train without it, or by another method."
        )
    if recipe.target_modules is not None and method.family not in ("lora", "scaling"):
        raise StudyError(f"target_modules have no meaning for method {recipe.method}.")
    if start is not None:
        note = read_note(start)
        check_base(note, lm.name, start)
        if note is None or note.method != recipe.method:
            made = note.method if note else "unknown"
            raise StudyError(
                f"training by {recipe.method} cannot go on from the adapter in {start}, "
                f"whose method is {made}."
            )
    if method.family == "full":
        memory.check_full(lm)
        if start is not None:
            lm.model = models.load_generator(lm.name, lm.dtype, start).model
        return models.cast_weights(lm.model, torch.float32).requires_grad_(True)
    if start is not None:
        return attach(lm.model, start, lm.name, trainable=True)
    try:
        with warnings.catch_warnings():
            # Said of fused experts, for which PEFT sets the pattern itself and does follow it.
            warnings.filterwarnings("ignore", "The following (rank|alpha)_pattern keys")
            model = get_peft_model(lm.model, _configuration(lm, recipe, method))
    except ValueError as error:  # PEFT's NoMatchingPeftModuleError is one
        leaves = {name.rsplit(".", 1)[-1] for name in _linear_layers(lm.model)}
        raise StudyError(
            f"method {recipe.method} cannot be used on {lm.name}: {_first_line(error)}\n"
            f"Its linear layers are: {', '.join(sorted(leaves))} (target_modules)."
        ) from error
    if method.family == "virtual":
        _begin_with_text(model, lm, recipe)
    _keep_positions(model)
    return model


def _configuration(lm: LanguageModel, recipe: Recipe, method: Method) -> Any:
    import peft

    targets = recipe.target_modules
    targets = list(targets) if isinstance(targets, tuple) else targets
    if method.family == "lora":
        # For experts that are fused parameters (Mixtral, Qwen MoE in transformers 5), PEFT turns
        # "all-linear" and their former names into `target_parameters` by itself.
        return peft.LoraConfig(
            r=recipe.lora_rank,
            lora_alpha=recipe.lora_alpha,
            target_modules=targets or "all-linear",
            task_type="CAUSAL_LM",
            **method.options,
        )
    if method.family == "scaling":
        from peft.utils.constants import (
            TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING as FEED_FORWARD,
        )

        inputs = FEED_FORWARD.get(lm.model.config.model_type, [])
        if isinstance(targets, str):
            raise ValueError("IA3 takes target_modules as a list of names, not as one pattern")
        chosen = None if targets is None else [name for name in inputs if name in targets]
        return peft.IA3Config(
            target_modules=targets, feedforward_modules=chosen, task_type="CAUSAL_LM"
        )
    kind = peft.PromptTuningConfig if recipe.method == "prompt_tuning" else peft.PrefixTuningConfig
    return kind(num_virtual_tokens=recipe.num_virtual_tokens, task_type="CAUSAL_LM")


def _linear_layers(model: Any) -> list[str]:
    import torch

    outer = model.get_output_embeddings()
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not outer
    ]


def _begin_with_text(model: Any, lm: LanguageModel, recipe: Recipe) -> None:
    """Start virtual tokens where the model reads a plain instruction (Lester et al. 2021).

    Random starts cost hundreds of steps; small data has none to spare. A prefix starts as the
    keys and values of that text.
    """
    import torch
    from peft.tuners.cartridge.utils import initialize_kv_prefix_from_past_key_values

    text = lm.tokenizer.encode(prompts.ANSWER_SYSTEM)
    repeated = (text * -(-recipe.num_virtual_tokens // len(text)))[: recipe.num_virtual_tokens]
    ids = torch.tensor([repeated], device=lm.device)
    with torch.no_grad():
        if recipe.method == "prompt_tuning":
            start = lm.model.get_input_embeddings()(ids)[0].float()
            model.prompt_encoder[model.active_adapter].embedding.weight.copy_(start)
        else:
            cache = lm.model(input_ids=ids, use_cache=True).past_key_values
            pairs = [(layer.keys, layer.values) for layer in cache.layers]
            initialize_kv_prefix_from_past_key_values(model, past_key_values=pairs)


def _keep_positions(model: Any) -> None:
    """Let prompt tuning count positions by the mask, virtual tokens first.

    PEFT drops the position ids for it: then padding counts, and the answer to a question depends
    on the length of its neighbours in the batch.
    """
    import torch
    from peft import PeftType

    original = model._adjust_prompt_learning_kwargs

    def adjust(peft_config: Any, *, kwargs: dict[str, Any], **options: Any) -> None:
        positions = kwargs.get("position_ids")
        if peft_config.peft_type != PeftType.PROMPT_TUNING or positions is None:
            return original(peft_config, kwargs=kwargs, **options)
        kwargs["position_ids"] = None
        original(peft_config, kwargs=kwargs, **options)
        virtual = peft_config.num_virtual_tokens
        cache = kwargs.get("past_key_values")
        shifted = positions + virtual
        if cache is None or not cache.get_seq_length():  # the virtual tokens are in this pass
            first = torch.arange(virtual, device=positions.device).expand(len(positions), -1)
            shifted = torch.cat((first, shifted), dim=1)
        kwargs["position_ids"] = shifted
        return None

    model._adjust_prompt_learning_kwargs = adjust


@dataclass(frozen=True)
class Note:
    """What stands beside a saved adapter (`rag_study.json`): method and base model."""

    method: str
    base_model: str
    revision: str
    dtype: str
    quantised: bool
    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    settings: dict[str, Any] = field(default_factory=dict)


def save(model: Any, lm: LanguageModel, recipe: Recipe, folder: Path) -> None:
    """Write adapter (or for `full` the model, in the base's precision) and note, safetensors."""
    config = model.config
    if find(recipe.method).family == "full":
        model.save_pretrained(folder)
    else:
        model.peft_config[model.active_adapter].base_model_name_or_path = lm.name
        # "auto" would ask the hub whether the vocabulary has grown; it never does here.
        model.save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)
    note = Note(
        method=recipe.method,
        base_model=lm.name,
        revision=models.revision_of(lm.name),
        dtype=lm.dtype,
        quantised=lm.quantised,
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        num_hidden_layers=config.num_hidden_layers,
        settings=asdict(recipe),
    )
    files.write_json(folder / NOTE_FILE, asdict(note))


def read_note(folder: Path) -> Note | None:
    """The note beside an adapter, None for one that was made elsewhere.

    Raises StudyError when the folder holds no adapter at all.
    """
    folder = Path(folder)
    try:
        return Note(**json.loads((folder / NOTE_FILE).read_text()))
    except FileNotFoundError:
        if (folder / "adapter_config.json").exists():
            return None
        raise StudyError(f"{folder}: there is no adapter in this folder.") from None
    except (ValueError, TypeError) as error:
        raise StudyError(f"{folder / NOTE_FILE}: cannot be read ({error}).") from None


def check_base(note: Note | None, name: str, folder: Path) -> None:
    """Raise StudyError when an adapter was made from another base model, or another revision."""
    revision = models.revision_of(name)
    if note is not None and (note.base_model, note.revision) != (name, revision):
        raise StudyError(
            f"the adapter in {folder} was made from {note.base_model} "
            f"(revision {note.revision[:12]}), not from {name} (revision {revision[:12]}). "
            "Load that model, or train the adapter again on this one."
        )


def check_strength(note: Note | None, strength: float) -> None:
    """Raise StudyError for a strength outside 0 to 1, or for a method that has no half-way."""
    if not 0 <= strength <= 1:
        raise StudyError(f"strength {strength} must lie between 0 (base) and 1 (adapter).")
    if strength != 1 and note is not None and find(note.method).family == "virtual":
        raise StudyError(
            f"strength {strength} has no meaning for {find(note.method).label}: virtual tokens "
            "are read or not; there is nothing between the base and them. Use strength 1."
        )


def attach(
    base: Any, folder: Path, name: str, strength: float = 1.0, trainable: bool = False
) -> Any:
    """The base with the adapter of a folder on it, in float32 over whatever the base has.

    Raises StudyError when it does not fit the model.
    """
    from peft import PeftModel

    try:
        with warnings.catch_warnings():
            # PEFT only warns when weights are missing for some of the layers.
            warnings.filterwarnings("error", "Found missing adapter keys")
            warnings.filterwarnings("ignore", "The following (rank|alpha)_pattern keys")
            model = PeftModel.from_pretrained(
                base, str(folder), is_trainable=trainable, autocast_adapter_dtype=True
            )
    except (ValueError, RuntimeError, UserWarning) as error:
        raise StudyError(
            f"the adapter in {folder} does not fit {name}: {_first_line(error)}"
        ) from error
    _keep_positions(model)
    if strength != 1:
        _weaken(model, strength)
    return model


def _weaken(model: Any, strength: float) -> None:
    """W + strength · (W' - W) for every tuned weight (as in WiSE-FT, Wortsman et al. 2022)."""
    import torch
    from peft.tuners.ia3 import IA3Layer
    from peft.tuners.lora import LoraLayer

    changed = False
    for module in model.modules():
        if isinstance(module, LoraLayer):
            changed = True
            for adapter in module.scaling:
                if module.use_dora.get(adapter):
                    # What DoRA adds to the base's output holds its magnitudes, too.
                    magnitude = module.lora_magnitude_vector[adapter]
                    magnitude.register_forward_hook(
                        lambda _module, _inputs, added: strength * added
                    )
                else:
                    module.scaling[adapter] *= strength
        elif isinstance(module, IA3Layer):
            changed = True
            for scale in module.ia3_l.values():
                scale.data = torch.lerp(torch.ones_like(scale.data), scale.data, strength)
    if not changed:
        raise StudyError(f"strength {strength} has no meaning for this kind of adapter.")


def blend(base: Any, tuned: Any, strength: float) -> None:
    """Move a fully tuned model's weights back towards the base's, in place.

    Raises StudyError for 4-bit weights, between which there is nothing.
    """
    import torch

    with torch.no_grad():
        for before, after in zip(base.parameters(), tuned.parameters(), strict=True):
            if not after.is_floating_point():
                raise StudyError(f"strength {strength} needs an unquantised model.")
            mixed = torch.lerp(before.float().to(after.device), after.float(), strength)
            after.copy_(mixed.to(after.dtype))


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0]
