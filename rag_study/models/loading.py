"""Models that answer, by name: bundled, random (for tests), from a hub, from a folder.

Nothing here imports torch at module level: planning a study needs only names and revisions.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from rag_study.common import checksums, files, meter
from rag_study.common.errors import StudyError
from rag_study.models import architectures, chat_templates, folders, prompts
from rag_study.models.architectures import ENCODER_DECODER, EXTRACTIVE
from rag_study.models.language_model import (
    LanguageModel,
    cast_weights,
    check_weights,
    use_own_decoding,
)
from rag_study.models.names import (
    JUDGES,
    Preset,
    bundled_names,
    folder_of,
    is_endpoint,
    package_file,
    preset,
    verify_checksum,
)

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


_CAUSAL = "AutoModelForCausalLM"
_CLASSES = {ENCODER_DECODER: "AutoModelForSeq2SeqLM", EXTRACTIVE: "AutoModelForQuestionAnswering"}
# What transformers calls the layer that scores every token as a span's beginning and end.
SPAN_HEAD = "qa_outputs"


def load_generator(
    name: str,
    dtype: str = "float32",
    adapter_dir: Path | None = None,
    quantised: bool | None = None,
    strength: float = 1.0,
) -> LanguageModel:
    """Load a model of any kind for inference or training, with an adapter if one is given.

    `dtype` is "float32" or "bfloat16"; an extractive reader computes in float32 always: it is
    small, and its head is trained in the precision that it has. `quantised` loads the base in
    4-bit (NF4); left out, the base is loaded as the adapter knew it in training. `strength` moves
    the tuned weights back towards the base: 1 is the adapter, 0 the base. Several GPUs hold one
    model together. Weights
    are read from safetensors only, and code that comes with a model is never run. Raises
    StudyError when the model cannot be had, is not 4-bit where it should be, has weights that are
    no numbers, or is not the one that the adapter was made for.
    """
    import torch

    from rag_study.models import adapters, linear_products

    if is_endpoint(name):
        raise StudyError(
            f"the model '{name}' is on a server and cannot be loaded here; endpoint.connect asks "
            "it for answers. It cannot be trained here either."
        )
    if adapter_dir is None and strength != 1:
        raise StudyError(f"strength {strength} needs an adapter to be applied to.")
    note = adapters.checked_note(adapter_dir, name, strength) if adapter_dir is not None else None
    if quantised is None:
        quantised = bool(note and note.quantised)
    kind = architectures.kind_of(name)
    dtype = "float32" if kind == EXTRACTIVE else dtype
    torch_dtype = getattr(torch, dtype)
    # Its backward pass gives NaN for masked bfloat16 sequences of some lengths (128 n + 64) on
    # Hopper GPUs: pytorch/pytorch#196678, in 2.11 to 2.13. Other kernels take over.
    torch.backends.cuda.enable_cudnn_sdp(False)
    if note is not None and note.method == "full":
        tokenizer = _load(name, torch_dtype, quantised, tokenizer_only=True)[1]
        model = _from_pretrained(str(adapter_dir), None, torch_dtype, quantised, name)
        if strength != 1:
            base = _load(name, torch_dtype, quantised)[0]
            adapters.blend(base, model, strength)
    else:
        model, tokenizer = _load(name, torch_dtype, quantised)
        if adapter_dir is not None:
            model = adapters.attach(model, adapter_dir, name, strength)
            linear_products.fuse(model)
    check_weights(model, f"the model '{name}'" + (f" with {adapter_dir}" if adapter_dir else ""))
    if kind != EXTRACTIVE:  # which writes nothing, and is asked without a template
        use_own_decoding(model)
        fit_tokenizer(name, model, tokenizer)
    model.eval()
    linear_products.quicken(model)
    meter.count_tokens(model)
    _read_the_head_once(model)
    return LanguageModel(name, model, tokenizer, dtype, quantised, kind)


def _read_the_head_once(model: Any) -> None:
    """Have the output head multiply a batch's last columns as one matrix, in place.

    Cut out of longer rows they do not lie together in memory, and PyTorch then multiplies row by
    row where weights are frozen, as an adapter's base is: with a copy of the whole head for each
    (57 MB of a model with 135 million weights in bfloat16, and most of a short batch's time). A
    single row passes for contiguous, and has the strides of the longer one all the same.
    """
    head = model.get_output_embeddings()
    if head is not None:
        head.register_forward_pre_hook(_with_rows_together)


def _with_rows_together(_head: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    hidden, *rest = inputs
    together = hidden.new_empty(hidden.shape).copy_(hidden) if hidden.shape[1] == 1 else hidden
    return (together.contiguous(), *rest)


def fit_tokenizer(name: str, model: Any, tokenizer: PreTrainedTokenizerBase) -> None:
    """Have a tokenizer use tokens that its model has, in place, for padding and as the end.

    Padding is masked by position everywhere, so that any token serves for it: Llama 2 has none, and
    some tokenizers name one behind the end of the embedding matrix. Raises StudyError where the
    chat template writes tokens that the model does not have, or nothing marks an end.
    """
    rows = model.get_input_embeddings().weight.shape[0]
    named = model.generation_config.eos_token_id
    ends = [named] if isinstance(named, int) else list(named or [])
    end = tokenizer.eos_token_id
    if end is None or end >= rows:
        end = next((token for token in ends if token < rows), None)
        if end is None:
            raise StudyError(
                f"the model '{name}' has no end token: neither its tokenizer nor its configuration "
                "names one that is in its vocabulary. Set eos_token in its tokenizer_config.json."
            )
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(end)
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id >= rows:
        tokenizer.pad_token = tokenizer.eos_token
    prompt = prompts.answer_prompt(tokenizer, "Who?", [("A title", "A text.")])
    if beyond := sorted({token for token in prompt if token >= rows}):
        shown = ", ".join(map(str, tokenizer.convert_ids_to_tokens(beyond)))
        raise StudyError(
            f"the chat template of '{name}' writes tokens that the model does not have ({shown}): "
            f"its embedding matrix has {rows} rows. Tokenizer and weights do not belong together."
        )


def load_judge(
    name: str, dtype: str, adapter_dir: Path | None = None, quantised: bool | None = None
) -> LanguageModel:
    """As `load_generator`; of a preset that was trained to grade, with its adapter."""
    trained = JUDGES.get(name)
    if trained is None:
        return load_generator(name, dtype, adapter_dir, quantised)
    adapter = Path(__file__).parent / trained.adapter
    verify_checksum(adapter / "adapter_model.safetensors", trained.revision)
    return replace(load_generator(trained.base, dtype, adapter, quantised), name=name)


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a preset, a hub id or a folder. Raises StudyError when it cannot be had."""
    import torch

    return _load(name, torch.float32, quantised=False, tokenizer_only=True)[1]


def _load(
    name: str, dtype: torch.dtype, quantised: bool, tokenizer_only: bool = False
) -> tuple[Any, Any]:
    """(model, tokenizer) of a name; the model is None where only the tokenizer is asked for."""
    from transformers import AutoTokenizer
    from transformers.utils.logging import disable_progress_bar, set_verbosity_error

    disable_progress_bar()  # a second of loading is not worth a bar in every notebook
    known, kind = preset(name), architectures.kind_of(name)
    if kind == EXTRACTIVE:
        set_verbosity_error()  # `_from_pretrained` says which weights are missing
    if known and known.source == "random":
        from rag_study.models.random_llama import build, build_t5

        model, tokenizer = build_t5() if kind == ENCODER_DECODER else build()
        chat_templates.prepare(tokenizer, name, reads_whole=kind == ENCODER_DECODER)
        if quantised:
            with tempfile.TemporaryDirectory() as folder:
                model.save_pretrained(folder)
                return _from_pretrained(folder, None, dtype, quantised, name), tokenizer
        return cast_weights(model.to(_first_device()), dtype), tokenizer
    location, revision = place_of(name)
    if folder := folder_of(name):
        folders.check(folder, f"model '{name}'")
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            location, revision=revision, trust_remote_code=False
        )
        if (found := architectures.kind_of(name)) != kind:  # its files have come just now
            raise StudyError(
                f"the model '{name}' turned out to be {architectures.words_for(found)} when it was "
                "downloaded. Run the study again: it is planned anew with what is known now."
            )
        chat_templates.prepare(tokenizer, name, reads_whole=kind == ENCODER_DECODER)
        if tokenizer_only:
            return None, tokenizer
        return _from_pretrained(location, revision, dtype, quantised, name), tokenizer
    except OSError as error:
        folder = folder_of(name)
        where = (
            f"It is read from {folder.resolve()}."
            if folder
            else "It is neither bundled nor in the local hub cache, or the hub cannot be reached. "
            f"Models that need no download: {', '.join(bundled_names())}."
        )
        raise StudyError(
            f"the model '{name}' cannot be loaded: {str(error).splitlines()[0]}\n{where}"
        ) from error
    except (ValueError, KeyError, ImportError) as error:
        # An architecture that is not known, code that would have to be run, a broken tokenizer.
        words = str(error).strip().splitlines() or [type(error).__name__]
        if "trust_remote_code" in str(error):
            words = [
                "it needs code that comes with it, which is never run. Use a version that "
                "transformers itself knows, or another model."
            ]
        raise StudyError(f"the model '{name}' cannot be loaded: {words[0]}") from error


def _from_pretrained(
    location: str, revision: str | None, dtype: torch.dtype, quantised: bool, name: str
) -> PreTrainedModel:
    import torch
    import transformers

    from rag_study.models import quantisation

    options: dict[str, Any] = {}
    if quantised:
        options["quantization_config"] = quantisation.four_bit_config(dtype)
        config = transformers.AutoConfig.from_pretrained(
            location, revision=revision, trust_remote_code=False
        )
        quantisation.check_config(name, config, dtype)
    kind = architectures.kind_of(name)
    with torch.random.fork_rng():  # what a new span head begins with, until `peft.wrap` draws it
        torch.manual_seed(0)
        model, loaded = getattr(transformers, _CLASSES.get(kind, _CAUSAL)).from_pretrained(
            location,
            revision=revision,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            device_map=_device_map(),
            output_loading_info=True,
            **options,
        )
    # transformers would go on with random numbers in their place.
    missing = sorted(loaded["missing_keys"])
    if kind == EXTRACTIVE and not architectures.has_untrained_state(name):
        missing = [key for key in missing if not key.startswith(f"{SPAN_HEAD}.")]
    if missing:
        raise StudyError(
            f"the files of '{name}' have no weights for {missing[0]}"
            f"{f' and {len(missing) - 1} others' if len(missing) > 1 else ''}: this is no whole "
            "language model, or one of another kind."
        )
    if quantised:
        quantisation.check_loaded(name, model)
    return model


def _device_map() -> str | dict[str, Any] | None:
    """Where accelerate puts the weights: spread over all GPUs that this process may use."""
    import torch

    if not torch.cuda.is_available():
        return None
    # Started by `accelerate launch` or torchrun, each process has a GPU and a model of its own.
    if "LOCAL_RANK" in os.environ or torch.cuda.device_count() == 1:
        return {"": _first_device()}
    return "auto"


def _first_device() -> str:
    import torch

    return f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if torch.cuda.is_available() else "cpu"


def place_of(name: str) -> tuple[str, str | None]:
    """(folder or hub id, revision or None) of a model that is not built on the spot, as
    transformers takes them."""
    known = preset(name)
    if known is None:
        folder = folder_of(name)
        return (str(folder), None) if folder else (name, None)
    if known.source.startswith("package:"):
        file = package_file(name, known)
        if file.is_dir():  # safetensors as they are
            verify_checksum(file / "model.safetensors", known.revision)
            return str(file), None
        return str(_converted(name, known)), None
    return known.source, known.revision


def _converted(name: str, known: Preset) -> Path:
    """Safetensors copy of a bundled GGUF file, made once (30 s) so that later loads take 1 s, and
    again where it is damaged."""
    target = files.cache_dir() / f"{name}-{known.revision[:12]}"

    def is_there() -> bool:
        return target.exists() and not checksums.damages(target, quick=True)

    def write(folder: Path) -> None:
        _convert(source, folder)
        checksums.record(folder, checksums.all_files(folder))

    if is_there():
        return target
    source = package_file(name, known)
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_suffix(".lock")):
        if not is_there():
            verify_checksum(source, known.revision)
            files.write_folder(target, write)
    return target


def _convert(source: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    gguf = {"pretrained_model_name_or_path": str(source.parent), "gguf_file": source.name}
    gguf["trust_remote_code"] = False
    model = AutoModelForCausalLM.from_pretrained(**gguf, dtype=torch.float32)
    # The dequantised weights are ordinary ones; the GGUF settings cannot be serialised.
    model.hf_quantizer.remove_quantization_config(model)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(**gguf).save_pretrained(folder)
