"""What stands behind a score: the passages in the prompt and the judge's probabilities.

Kept per answer, beside the results, for whoever reads single answers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import pandas as pd

from rag_study import data
from rag_study.analysis.pairing import RUN_COLUMNS
from rag_study.answering.counterfactual import replace_answer
from rag_study.common import files, run_folder
from rag_study.evaluation.judging.judge import EXPLAINING
from rag_study.study.stages import StageRun

KEY_COLUMNS = [*RUN_COLUMNS, "context", "question_id", "judge"]
# `judged_in`: the run that scored the answer. `search`: the index whose passages these are.
# `passages`: their ids, best first. `<metric>_p`: the judge's probabilities of the scores 1 to 5.
# `<metric>_mass`: how much of its whole distribution these five have. `<metric>_model`: the score
# that they make. `evidence_...`: what a judge that weighs evidence found beside it.
_OF_ANSWERS = ("judged_in", "search", "passages", "prompt_tokens", "answer_tokens")
PASSAGE_COLUMNS = ["search", "passage", "title", "text"]
_CHANGED = "counterfactual"


def columns(judged_metrics: Sequence[str]) -> list[str]:
    """Columns of evidence beside KEY_COLUMNS, for a study with these judged metrics."""
    judged = (f"{metric}_{part}" for metric in judged_metrics for part in ("p", "mass", "model"))
    return [*_OF_ANSWERS, *judged, *(f"evidence_{name}" for name in EXPLAINING)]


class Evidence:
    """Gathers the evidence of several runs and, at the end, the text of every passage shown."""

    def __init__(self, judged_metrics: Sequence[str]) -> None:
        self.columns = columns(judged_metrics)
        self._used: dict[str, set[str]] = defaultdict(set)
        self._changed: dict[str, set[tuple[str, str, str]]] = defaultdict(set)
        self._prepared: dict[str, str] = {}

    def add(self, run: StageRun, scores: pd.DataFrame) -> pd.DataFrame:
        """The scores of a `judge_answers` run with all of `columns` (answers from another system
        have no passages)."""
        scores = scores.assign(judged_in=run.run_id)
        generated = run.needs("generate_answers")
        if generated is None:
            return scores.reindex(columns=[*scores.columns.difference(self.columns), *self.columns])
        search = generated.needs("index_corpus").run_id
        self._prepared[search] = run.needs("prepare_data").run_id
        shown = []
        for row in scores[["context", "question_id", "passages", "other_answer"]].itertuples():
            ids = list(row.passages)
            if row.context == _CHANGED:
                self._changed[search] |= {(i, row.question_id, row.other_answer) for i in ids}
                ids = [changed_id(i, row.question_id) for i in ids]
            else:
                self._used[search].update(ids)
            shown.append(ids)
        return scores.assign(search=search, passages=shown)

    def passages(self) -> pd.DataFrame:
        """PASSAGE_COLUMNS: every passage that stood in some prompt, once, as it stood there."""
        tables = []
        for search in sorted(self._prepared):
            chunks = files.read_parquet(
                run_folder.RunFolder(search).path / "chunks.parquet",
                columns=["chunk_id", "title", "text"],
            ).rename(columns={"chunk_id": "passage"})
            tables.append(chunks[chunks["passage"].isin(self._used[search])].assign(search=search))
            if self._changed[search]:
                tables.append(self._as_changed(search, chunks.set_index("passage")))
        if not tables:
            return pd.DataFrame(columns=PASSAGE_COLUMNS)
        return pd.concat(tables, ignore_index=True)[PASSAGE_COLUMNS]

    def _as_changed(self, search: str, chunks: pd.DataFrame) -> pd.DataFrame:
        pools = data.load_pools(run_folder.RunFolder(self._prepared[search]).path)
        questions = {question.id: question for pool in pools.values() for question in pool}
        rows = []
        for passage, question_id, other in sorted(self._changed[search]):
            place = {"search": search, "passage": changed_id(passage, question_id)}
            texts = chunks.loc[passage, ["title", "text"]].to_dict()
            question = questions[question_id]
            rows.append(place | {k: replace_answer(v, question, other) for k, v in texts.items()})
        return pd.DataFrame(rows)


def changed_id(passage: str, question_id: str) -> str:
    """The id of a passage as a counterfactual context has changed it for a question."""
    return f"{passage} changed for {question_id}"


def texts(passages: pd.DataFrame, search: str, ids: list[str]) -> list[dict[str, str]]:
    """Title and text of each passage that a row of evidence names, in its order."""
    rows = passages[(passages["search"] == search) & passages["passage"].isin(ids)]
    by_id = rows.set_index("passage")[["title", "text"]].to_dict("index")
    return [by_id[i] for i in ids if i in by_id]
