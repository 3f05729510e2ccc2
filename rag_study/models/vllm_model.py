"""A language model whose weights are with a vLLM server of its own (`vllm_server`).

Its tokenizer, its window and its end tokens are here, so that prompts are made and answers are cut
by the same code as for a model of this process: the server is sent token ids, and gives them back.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rag_study.common import circumstances, files, machine, meter
from rag_study.common.errors import StudyError
from rag_study.common.run_folder import SERVER_LOG
from rag_study.models import adapters, folders, loading, vllm
from rag_study.models.endpoint import COMPLETIONS
from rag_study.models.language_model import LanguageModel, end_tokens, use_own_decoding
from rag_study.models.names import GENERATORS
from rag_study.models.session import Session
from rag_study.models.vllm_server import Server

# A reply may take long where hundreds are written at once; a server that has died is seen at once.
_TIMEOUT_S, _MAX_RETRIES = 3600.0, 1
# What is read of a model on the hub: neither pickles nor the same weights for other programs.
_READ = ("*.json", "*.safetensors", "*.model", "*.jinja", "*.txt", "*.tiktoken")
_NOT_READ = ("consolidated*", "params.json", "tekken.json", "original/*", "onnx/*")


@dataclass
class VllmModel(LanguageModel):
    """A model that a server of its own computes. `model` is its skeleton, without weights.

    `at_once` sequences are written side by side. The server starts when it is first asked, and
    `close` ends it; asked again, it starts again.
    """

    server: Server | None = None
    served_name: str = vllm.BASE
    at_once: int = 1
    scratch: TemporaryDirectory | None = None  # what the server reads beside the model

    def __post_init__(self) -> None:
        self._session: Session | None = None
        self._lock = threading.Lock()

    def new_tokens(
        self,
        prompts: Sequence[list[int]],
        max_new_tokens: int,
        temperature: float,
        top_p: float,
        seeds: Sequence[int],
    ) -> list[list[int]]:
        """The token ids that follow each prompt, the end token included; `seeds` decide the draws
        where `temperature` is above 0. May be called by several threads at once.

        Raises StudyError where the server does not start or does not answer.
        """
        session = self._asked()
        fields = session.endpoint.limit(max_new_tokens, COMPLETIONS)
        fields |= {"temperature": temperature, "top_p": top_p, "return_token_ids": True}
        # End tokens as for every model here; what the server holds for one does not count.
        fields |= {"stop_token_ids": sorted(end_tokens(self)), "ignore_eos": True}
        pending = [
            session.submit(self._one, session, {"prompt": ids, "seed": seed % 2**31, **fields})
            for ids, seed in zip(prompts, seeds, strict=True)
        ]
        return [future.result() for future in pending]

    def close(self) -> None:
        """End the server; nothing where it does not run."""
        with self._lock:
            session, self._session = self._session, None
            try:
                if session is not None:
                    session.__exit__()
            finally:
                self.server.stop()

    def _asked(self) -> Session:
        with self._lock:
            if self._session is None:
                options = {"timeout_s": _TIMEOUT_S, "max_retries": _MAX_RETRIES}
                endpoint = self.server.endpoint(
                    self.served_name, concurrency=self.at_once, **options
                )
                self._session = Session(endpoint)
            return self._session

    def _one(self, session: Session, fields: dict[str, Any]) -> list[int]:
        try:
            reply = session.ask(fields, COMPLETIONS)
        except StudyError as error:
            raise StudyError(f"{error}\nWhat vLLM said is in {self.server.log}.") from None
        choice = reply["choices"][0]
        new, ended = choice.get("token_ids"), choice.get("finish_reason")
        if not isinstance(new, list) or choice.get("prompt_token_ids") != fields["prompt"]:
            raise StudyError(
                "this vLLM does not tell the token ids that it reads and writes: 0.10.2 is the "
                "first version that does. Install a newer one."
            )
        if ended == "length" and len(new) < fields["max_tokens"]:
            raise StudyError(
                f"vLLM's window ended an answer after {len(new)} of {fields['max_tokens']} tokens: "
                f"it is shorter than that of {self.name} ({self.max_length}). Raise or leave out "
                "`max_model_len` in `answering: vllm`."
            )
        meter.add_tokens("read", len(fields["prompt"]))
        meter.add_tokens("written", len(new))
        # Which versions leave the end token out is not written down.
        stop = choice.get("stop_reason")
        is_left_out = isinstance(stop, int) and new[-1:] != [stop]
        return [*new, stop] if ended == "stop" and is_left_out else new


def load_generator(
    folder: Path,
    options: Mapping[str, Any],
    name: str,
    dtype: str = "float32",
    adapter_dir: Path | None = None,
    strength: float = 1.0,
) -> VllmModel:
    """As `loading.load_generator`, for a model that a vLLM server computes, in bfloat16 or float32.

    `options` are vLLM's own, by their names with underscores (None: vLLM's default); what vLLM says
    goes to a file in `folder`. Raises StudyError as `loading.load_generator`, where vLLM is not
    installed, and for what it cannot do (`vllm.refusal`).
    """
    executable = vllm.executable()
    scratch = files.scratch(folder)
    base = _folder_of(name, Path(scratch.name))
    note = adapters.checked_note(adapter_dir, name, strength) if adapter_dir is not None else None
    rank, whole, method = 0, base, note.method if note else None
    if (reason := vllm.refusal(name, method, strength)) is not None:
        raise StudyError(f"{reason}. Use `engine: transformers`.")
    adapter = adapter_dir if strength else None
    if adapter is not None and method == "full":
        whole, adapter = adapter, None
    elif adapter is not None:
        rank, adapter = _lora(adapter, strength, Path(scratch.name))
    model = _skeleton(whole)
    tokenizer = loading.load_tokenizer(name)
    use_own_decoding(model)
    loading.fit_tokenizer(name, model, tokenizer)
    usual = vllm.USUAL if machine.has_gpu() else vllm.USUAL_ON_CPU
    options = {**usual, **{name: value for name, value in options.items() if value is not None}}
    command = vllm.command(executable, whole, base, dtype, options, adapter, rank)
    circumstances.remember(
        f"The answers of '{name}' were written by vLLM (`engine: vllm`), which rounds otherwise "
        "than transformers: where two tokens are nearly as likely, it may write the other one."
    )
    return VllmModel(
        name,
        model,
        tokenizer,
        dtype,
        server=Server(command, folder / SERVER_LOG),
        served_name=vllm.BASE if adapter is None else vllm.STATE,
        at_once=options["max_num_seqs"],
        scratch=scratch,
    )


def _folder_of(name: str, scratch: Path) -> Path:
    """Where the files of a model lie; they are fetched or written where they do not yet."""
    preset = GENERATORS.get(name)
    if preset and preset.source == "random":
        from rag_study.models.random_llama import build

        for part in build():
            part.save_pretrained(scratch / "model")
        return scratch / "model"
    location, revision = loading.place_of(name)
    folder = Path(location)
    if not folder.is_dir():
        from huggingface_hub import snapshot_download

        try:
            folder = Path(
                snapshot_download(
                    location, revision=revision, allow_patterns=_READ, ignore_patterns=_NOT_READ
                )
            )
        except (OSError, ValueError) as error:
            raise StudyError(
                f"the model '{name}' cannot be loaded: {adapters.first_line(error)}"
            ) from error
    folders.check(folder, f"model '{name}'")
    return folder


def _skeleton(folder: Path) -> Any:
    """A model without its weights, with the end tokens that its makers name."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    if (folder / "generation_config.json").exists():
        model.generation_config = GenerationConfig.from_pretrained(folder)
    return model


def _lora(adapter: Path, strength: float, scratch: Path) -> tuple[int, Path]:
    """(rank, folder) of a LoRA adapter as it is to be served: another one where it is weakened.

    What LoRA adds is linear in its second matrix, so that this one times the strength is what
    `adapters.attach` makes of it. Raises StudyError where weights are no numbers, and for what vLLM
    would leave out without a word.
    """
    import torch
    from safetensors.torch import load_file, save_file

    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    if config.get("peft_type") != "LORA" or config.get("use_dora"):
        raise StudyError(f"vLLM reads LoRA adapters, and the one in {adapter} is none.")
    if parts := config.get("target_parameters") or config.get("modules_to_save"):
        raise StudyError(
            f"the adapter in {adapter} also changes {parts[0]}, which is no linear layer and which "
            "vLLM would leave as it is. Use `engine: transformers`."
        )
    tensors = load_file(adapter / "adapter_model.safetensors")
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise StudyError(
                f"{adapter} has weights that are no numbers (NaN or infinite), the first in "
                f"{name}: its training has failed. Train it again with a lower learning rate."
            )
    rank = max([config["r"], *(config.get("rank_pattern") or {}).values()])
    if strength == 1:
        return rank, adapter
    weakened = scratch / "adapter"
    weakened.mkdir()
    scaled = {n: t * strength if ".lora_B." in n else t for n, t in tensors.items()}
    save_file(scaled, weakened / "adapter_model.safetensors", {"format": "pt"})
    (weakened / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    return rank, weakened
