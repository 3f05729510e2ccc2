"""What a training did, kept beside its weights: one that is done is read, not repeated."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import pandas as pd

from rag_study.common import files
from rag_study.common.run_folder import RunFolder

RESULT_FILE = "training.json"


@dataclass(frozen=True)
class TrainingResult:
    """What training did. `history` has one row per log: step, train_loss, validation_loss.

    Losses are nats per completion token. `best_step` is the step with the lowest held-out loss;
    `validation_loss` is that of the saved weights, which are the best with early stopping and
    else the last. `seconds` is the whole training with its evaluations, over all tries of a run
    that was resumed; `tokens_per_second` counts prompts and completions over the steps alone.
    """

    history: pd.DataFrame
    base_validation_loss: float
    validation_loss: float
    best_step: int
    optimizer_steps: int
    trainable_parameters: int
    tokens_per_second: float
    seconds: float
    peak_memory_mb: float

    def keep(self, folder: RunFolder, fingerprint: str) -> None:
        """Write it beside the weights; `fingerprint` stands for all that they depend on."""
        history = self.history.astype(object).where(self.history.notna(), None)
        content = asdict(self) | {"history": history.to_dict("list"), "fingerprint": fingerprint}
        files.write_json(folder.path / RESULT_FILE, content)

    @classmethod
    def of_done(cls, folder: RunFolder, fingerprint: str) -> TrainingResult | None:
        """What `keep` wrote, of a run that is done; None for one that is not, or of another
        fingerprint."""
        file = folder.path / RESULT_FILE
        if folder.status().state != "done" or not file.exists():
            return None
        content = files.read_json(file)
        if content.pop("fingerprint") != fingerprint:
            return None
        return cls(pd.DataFrame(content.pop("history")).astype(float), **content)
