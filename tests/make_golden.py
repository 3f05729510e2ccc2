"""Run the smoke study and keep its executed notebooks and numbers: `make golden`.

nbval runs the golden notebooks again (with the parameters that papermill put in) and compares
every output, numbers with a tolerance (golden_numbers.py). A change in them is explained in the
commit that makes it.

Answers are compared word by word on every processor. That holds as long as no token of the random
model is nearly tied with the next best: of the study's 10,816 the closest led by 1e-4 of a logit.
Kernels of AVX2 and AVX512 and plain ones differed by 5e-6 in the middle and 6e-5 at most. Where a
test fails for an answer that another processor wrote, a new seed in random_llama.py is the remedy.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import pandas as pd

GOLDEN = Path(__file__).parent / "golden"
COLUMNS = [
    *("method", "train_size", "prompting", "baseline", "context", "metric", "judge"),
    *("mean_base", "mean_tuned", "difference"),
    *("ci_low", "ci_high", "p_value", "verdict"),
]


def main() -> None:
    with tempfile.TemporaryDirectory() as outputs:
        os.environ["RAG_STUDY_OUTPUTS"] = outputs
        study = "params/smoke.yaml"
        subprocess.run([sys.executable, "-m", "rag_study", "run", study], check=True)
        from rag_study.common import run_folder
        from rag_study.study import plan
        from rag_study.study.running import runner

        # Of several runs of a stage the last is kept: the largest train size.
        last = {run.stage.notebook: run for run in plan.expand(study)}
        written = written_answers_of(last["03_fine_tune"])
        runner.execute(written)
        last[written.stage.notebook] = written
        for name, run in last.items():
            book = nbformat.read(
                run_folder.RunFolder(run.run_id).path / "notebook.ipynb", as_version=4
            )
            clean(book)
            nbformat.write(book, GOLDEN / f"{name}.ipynb")
        table = pd.read_parquet(run_folder.study_dir("smoke") / "comparisons.parquet")
        table[COLUMNS].round(4).to_csv(GOLDEN / "smoke_comparisons.csv", index=False)


def written_answers_of(trained):
    """The run of 03_write_training_answers that a training of the smoke study would read if it
    learned its base's own answers, which none of that study does."""
    from rag_study.study import plan

    source = {"answer_source": "self", "answered_from": "passages"}
    training = trained.point.training.model_copy(update=source)
    point = trained.point.model_copy(update={"training": training})
    return plan.stage_run("write_training_answers", point)


def clean(book: nbformat.NotebookNode) -> None:
    """Take out times, paths and pictures: what differs from run to run or is large."""
    book.metadata.pop("papermill", None)
    for number, cell in enumerate(book.cells):
        cell["id"] = f"cell-{number:02d}"
        cell.metadata = {k: v for k, v in cell.metadata.items() if k == "tags"}
        for output in cell.get("outputs", []):
            if "data" in output:
                output.data.pop("image/png", None)


if __name__ == "__main__":
    main()
