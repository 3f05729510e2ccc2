"""Checkpoints of a training that may be killed: whole or not there.

The Trainer writes a checkpoint's files in place. One counts only when `complete.json`, written
last, stands in it; before that, its predecessor is kept.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from rag_study.common import files

MARKER = "complete.json"
WEIGHTS = "trainable.safetensors"


class Checkpoints:
    """The last complete checkpoint of a training, and the best weights so far.

    `fingerprint` stands for the recipe and the data: checkpoints of another one are deleted.
    """

    def __init__(self, path: Path, fingerprint: str):
        self.path = path
        self._fingerprint = fingerprint
        facts = {}
        for folder in self._folders():
            try:
                facts[folder] = json.loads((folder / MARKER).read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
        valid = [f for f in facts if facts[f].get("fingerprint") == fingerprint]
        self.last = max(valid, key=lambda folder: facts[folder]["step"], default=None)
        self.facts: dict[str, Any] = facts.get(self.last, {})
        self._keep_only(self.last)

    def completed(self, step: int, **facts: Any) -> None:
        """Declare the Trainer's checkpoint of a step complete, and delete those before it."""
        self.last = self.path / f"checkpoint-{step}"
        files.settle(self.path)  # also the best weights, of which the checkpoint speaks
        facts = {"fingerprint": self._fingerprint, "step": step, **facts}
        files.write_json(self.last / MARKER, facts)
        self._keep_only(self.last)
        # By step, not by time of day: a clock may be set back, and what a killed process has left
        # of later steps is younger than what this checkpoint needs.
        steps = [int(file.stem.removeprefix("best-")) for file in self.path.glob("best-*")]
        needed = max((reached for reached in steps if reached <= step), default=None)
        for other in steps:
            if other != needed:
                self.best(other).unlink()

    def best(self, step: int) -> Path:
        """Where the weights of a step are kept that were the best so far.

        Those before them are kept until the next checkpoint: a run resumed from the last one may
        need them.
        """
        return self.path / f"best-{step}.safetensors"

    def clear(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def _folders(self) -> list[Path]:
        return sorted(self.path.glob("checkpoint-*"))

    def _keep_only(self, kept: Path | None) -> None:
        for folder in self._folders():
            if folder != kept:
                shutil.rmtree(folder, ignore_errors=True)


def save_trainable(model: Any, file: Path) -> None:
    """Write the weights that are trained, whole or not there."""
    from safetensors.torch import save_file

    weights = {n: p.detach().contiguous() for n, p in model.named_parameters() if p.requires_grad}
    file.parent.mkdir(parents=True, exist_ok=True)
    staging = file.with_name(f".new-{file.name}")
    save_file(weights, staging)
    staging.replace(file)


def load_trainable(model: Any, file: Path) -> None:
    """Read back what `save_trainable` wrote, into the same model."""
    import torch
    from safetensors.torch import load_file

    weights = load_file(file)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.copy_(weights[name])
