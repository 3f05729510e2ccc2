"""Making an adapter with PEFT and saving it. `models.adapters` reads and attaches one."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag_study.common import files
from rag_study.common.errors import StudyError
from rag_study.common.machine import GB, free_bytes
from rag_study.models import language_model, loading, names, prompts
from rag_study.models.adapters import (
    NOTE_FILE,
    Note,
    attach,
    check_base,
    first_line,
    keep_positions,
    read_note,
)
from rag_study.models.architectures import DECODER, ENCODER_DECODER, EXTRACTIVE, has_untrained_state
from rag_study.models.language_model import forward, text_config
from rag_study.models.loading import SPAN_HEAD
from rag_study.models.methods import Method, check_kind, find

if TYPE_CHECKING:
    from rag_study.models.language_model import LanguageModel
    from rag_study.training.recipe import Recipe


_TASKS = {DECODER: "CAUSAL_LM", ENCODER_DECODER: "SEQ_2_SEQ_LM", EXTRACTIVE: "QUESTION_ANS"}


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
    check_kind(lm.kind, recipe.method)
    if getattr(lm.model, "peft_config", None):
        raise StudyError(
            f"this copy of {lm.name} carries an adapter already. Load it again before training."
        )
    if method.quantised != lm.quantised:
        needed = "in 4-bit (quantised=True)" if method.quantised else "unquantised"
        raise StudyError(f"method {recipe.method} needs {lm.name} loaded {needed}.")
    if recipe.gradient_checkpointing and not method.checkpointing:
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
        check_full(lm)
        if start is not None:
            lm.model = loading.load_generator(lm.name, lm.dtype, start).model
        if lm.kind == EXTRACTIVE and start is None:
            _draw_span_head(lm)
        return language_model.cast_weights(lm.model, torch.float32).requires_grad_(True)
    if start is not None:
        return attach(lm.model, start, lm.name, trainable=True)
    if lm.kind == EXTRACTIVE:
        _draw_span_head(lm)
    try:
        with warnings.catch_warnings():
            # Said of fused experts, for which PEFT sets the pattern itself and does follow it.
            warnings.filterwarnings("ignore", "The following (rank|alpha)_pattern keys")
            model = get_peft_model(lm.model, _configuration(lm, recipe, method))
    except ValueError as error:  # PEFT's NoMatchingPeftModuleError is one
        leaves = {name.rsplit(".", 1)[-1] for name in _linear_layers(lm.model)}
        raise StudyError(
            f"method {recipe.method} cannot be used on {lm.name}: {first_line(error)}\n"
            f"Its linear layers are: {', '.join(sorted(leaves))} (target_modules)."
        ) from error
    if method.family == "virtual":
        _begin_with_text(model, lm, recipe)
    keep_positions(model)
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
            # The head is trained whole (PEFT's QUESTION_ANS does it), not by matrices beside it.
            exclude_modules=[SPAN_HEAD] if lm.kind == EXTRACTIVE else None,
            task_type=_TASKS[lm.kind],
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
            target_modules=targets, feedforward_modules=chosen, task_type=_TASKS[lm.kind]
        )
    kind = peft.PromptTuningConfig if recipe.method == "prompt_tuning" else peft.PrefixTuningConfig
    return kind(num_virtual_tokens=recipe.num_virtual_tokens, task_type="CAUSAL_LM")


def _draw_span_head(lm: LanguageModel) -> None:
    """Draw a new span head's weights from the seed that is set; a trained head is kept."""
    if not has_untrained_state(lm.name):
        head = lm.model.get_submodule(SPAN_HEAD)
        head.weight.data.normal_(0.0, lm.model.config.initializer_range)
        head.bias.data.zero_()


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
            cache = forward(lm.model, input_ids=ids, use_cache=True).past_key_values
            pairs = [(layer.keys, layer.values) for layer in cache.layers]
            initialize_kv_prefix_from_past_key_values(model, past_key_values=pairs)


def save(model: Any, lm: LanguageModel, recipe: Recipe, folder: Path) -> None:
    """Write adapter (or for `full` the model, in the base's precision) and note, safetensors."""
    embeddings = model.get_input_embeddings().weight
    if find(recipe.method).family == "full":
        model.save_pretrained(folder, state_dict=_in_base_precision(model, lm))
    else:
        model.peft_config[model.active_adapter].base_model_name_or_path = lm.name
        # "auto" would ask the hub whether the vocabulary has grown; it never does here.
        model.save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)
    note = Note(
        method=recipe.method,
        base_model=lm.name,
        revision=names.revision_of(lm.name),
        dtype=lm.dtype,
        quantised=lm.quantised,
        vocab_size=embeddings.shape[0],
        hidden_size=embeddings.shape[1],
        num_hidden_layers=getattr(text_config(model.config), "num_hidden_layers", 0),
        settings=asdict(recipe),
    )
    files.write_json(folder / NOTE_FILE, asdict(note))


def _in_base_precision(model: Any, lm: LanguageModel) -> dict[str, Any]:
    """The state of a model whose weights are in float32 while it is trained. Weights that are tied
    stay tied; buffers stay as they are."""
    import torch

    rounded: dict[int, Any] = {}
    weights = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    return {
        name: rounded.setdefault(value.data_ptr(), value.to(getattr(torch, lm.dtype)))
        if name in weights
        else value
        for name, value in model.state_dict().items()
    }


def check_full(lm: LanguageModel) -> None:
    """Raise StudyError when full fine-tuning cannot fit: weights, gradients and AdamW's two
    moments, 4 bytes each. Activations come on top and are not counted.
    """
    numbers = sum(p.numel() for p in lm.model.parameters())
    needed = 16 * numbers
    available = free_bytes() + lm.model.get_memory_footprint()
    if needed > available:
        raise StudyError(
            f"full fine-tuning of {lm.name} ({numbers / 1e9:.2f} billion parameters) needs at "
            f"least {needed / GB:.1f} GB for weights, gradients and optimizer; "
            f"{available / GB:.1f} GB are available. Use method lora or qlora instead."
        )
