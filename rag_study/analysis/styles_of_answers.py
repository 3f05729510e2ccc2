"""The styles of a study's answers, beside the scores of answers whose merit is known.

Between `evaluation.judging.style`, which makes the rungs, and `audit`, which asks what style makes
of a difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from rag_study.common.text import contains
from rag_study.evaluation.judging import style
from rag_study.evaluation.judging.style import FORMS, STYLES
from rag_study.evaluation.metrics import REFERENCE, Metrics
from rag_study.evaluation.refusals import is_empty


@dataclass(frozen=True)
class Mixture:
    """The styles of a state less those of its base: `weights` (len(STYLES),), which sum to 0.

    `words_base`, `words_tuned` are mean lengths; `beyond` is how far the two shares of answers
    longer than any rung are apart.
    """

    weights: np.ndarray
    words_base: float
    words_tuned: float
    beyond: float


MEAN_COLUMNS = [
    "dataset",
    "judge",
    "metric",
    "merit",
    "style",
    "words",
    "mean",
    "ci_low",
    "ci_high",
    "n_questions",
]


class StyledAnswers:
    """Styles of single answers, and the rungs' scores.

    `results` are those of the study, `rungs` the scored style rungs with `dataset` and `judge`.
    `passages` and `shown` are optional: PASSAGE_COLUMNS of `evidence`, and its rows (search and
    passages) with the index of the results, or of more; without them no answer counts as copied.
    """

    def __init__(
        self,
        results: pd.DataFrame,
        rungs: pd.DataFrame,
        shown: pd.DataFrame | None = None,
        passages: pd.DataFrame | None = None,
    ) -> None:
        self._rungs = rungs
        self._wide: dict[tuple, pd.DataFrame | None] = {}
        self._knots: dict[str, np.ndarray] = {}
        shown = None if shown is None else shown.reindex(results.index)
        self.answers = _features(results, shown, passages)
        self._right = _decided_right(results)

    def difference(self, dataset: str, pairs: pd.DataFrame) -> Mixture:
        """Of pairs of answers (columns of `answers` with `_base` and `_tuned`). Answers that say
        nothing have no style and do not count."""
        knots = self._knots_of(dataset)
        weights, words, beyond = {}, {}, {}
        for side in ("base", "tuned"):
            spoken = pairs[pairs[f"spoken_{side}"]]
            lengths = spoken[f"words_{side}"].to_numpy(float)
            has = spoken[[f"{name}_{side}" for name in FORMS]].set_axis(list(FORMS), axis=1)
            mixed = style.mixture(lengths, has, knots)
            weights[side] = mixed.mean(axis=0) if len(spoken) else np.zeros(len(STYLES))
            words[side] = float(lengths.mean()) if len(spoken) else 0.0
            known = len(spoken) and not np.isnan(knots).all()
            beyond[side] = float(style.beyond(lengths, knots).mean()) if known else 0.0
        both = weights["base"].any() and weights["tuned"].any()
        return Mixture(
            weights["tuned"] - weights["base"] if both else np.zeros(len(STYLES)),
            words["base"],
            words["tuned"],
            abs(beyond["tuned"] - beyond["base"]),
        )

    def rungs(self, dataset: str, judge: str, metric: str, merit: str) -> pd.DataFrame | None:
        """One row per question: `question_id`, `group` and a column for each style with its score;
        None where the metric was not scored."""
        key = (dataset, judge, metric, merit)
        if key not in self._wide:
            self._wide[key] = self._pivot(*key)
        return self._wide[key]

    def decided_right(self, rows: pd.DataFrame) -> pd.Series:
        """Which of these rows of the results the string decides to be right."""
        return self._right.reindex(rows.index)

    def _of(self, dataset: str) -> pd.DataFrame:
        if self._rungs.empty:
            return self._rungs
        return self._rungs[self._rungs["dataset"] == dataset]

    def _knots_of(self, dataset: str) -> np.ndarray:
        if dataset not in self._knots:
            rungs = self._of(dataset)
            unknown = np.full(len(STYLES), np.nan)
            self._knots[dataset] = unknown if rungs.empty else style.length_knots(rungs)
        return self._knots[dataset]

    def _pivot(self, dataset: str, judge: str, metric: str, merit: str) -> pd.DataFrame | None:
        rungs = self._of(dataset)
        if rungs.empty or metric not in rungs:
            return None
        rows = rungs[(rungs["merit"] == merit) & rungs[metric].notna()]
        # What needs no judge is the same beside each of them.
        rows = rows[rows["judge"] == judge] if judge else rows
        rows = rows.drop_duplicates(["question_id", "style"])
        if rows.empty:
            return None
        wide = rows.assign(**{metric: rows[metric].astype(float)}).pivot(
            index=["question_id", "group"], columns="style", values=metric
        )
        return wide.reindex(columns=list(STYLES)).reset_index()


def style_means(rungs: pd.DataFrame, metrics: Metrics) -> pd.DataFrame:
    """MEAN_COLUMNS: the mean score of each style's right and wrong answers, by every judge and
    metric with a margin, with 95 % t intervals over questions; `words` is their median length."""
    rows: list[tuple[Any, ...]] = []
    if rungs.empty:
        return pd.DataFrame(columns=MEAN_COLUMNS)
    scorers = [
        (judge, metric, part)
        for judge, part in rungs.groupby("judge", sort=True)
        for metric in metrics.judged
        if metric in part
    ]
    once = rungs.drop_duplicates(["dataset", "question_id", "style", "merit"])
    scorers += [("", name, once) for name in REFERENCE if name in once]
    for judge, metric, part in scorers:
        if metrics[metric].margin is None:
            continue
        scored = part.dropna(subset=[metric])
        for (dataset, merit), of_merit in scored.groupby(["dataset", "merit"], sort=True):
            for style_name, rows_of in of_merit.groupby("style", sort=False):
                values = rows_of[metric].astype(float)
                half = float(stdtrit(max(1, len(values) - 1), 0.975)) * values.sem()
                ends = (values.mean() - half, values.mean() + half)
                words = float(rows_of["answer_length"].median())
                name = (dataset, judge, metric, merit, style_name, words)
                rows.append((*name, values.mean(), *ends, len(values)))
    return pd.DataFrame(rows, columns=MEAN_COLUMNS)


def _features(
    results: pd.DataFrame, shown: pd.DataFrame | None, passages: pd.DataFrame | None
) -> pd.DataFrame:
    """words, spoken and FORMS of every answer, with the index of the results."""
    texts: dict[tuple[str, str], str] = {}
    if passages is not None and not passages.empty:
        keys = zip(passages["search"], passages["passage"], strict=True)
        texts = dict(zip(keys, passages["text"], strict=True))
    searches = shown["search"] if texts and shown is not None else pd.Series("", results.index)
    ids = shown["passages"] if texts and shown is not None else pd.Series(None, results.index)
    refused = (
        results["refusal_rate"] if "refusal_rate" in results else pd.Series(0.0, results.index)
    )
    rows = []
    for answer, question, search, chunks, refusal in zip(
        results["answer"].fillna("").astype(str),
        results["question"].fillna("").astype(str),
        searches,
        ids,
        refused,
        strict=True,
    ):
        # Answers from elsewhere have no passages that are known.
        ids_shown = () if np.ndim(chunks) == 0 else chunks
        given = tuple(texts[search, i] for i in ids_shown if (search, i) in texts)
        spoken = not is_empty(answer) and refusal != 1.0
        rows.append((spoken, *_forms(answer, question, given)))
    table = pd.DataFrame(rows, columns=["spoken", *FORMS], index=results.index).astype(bool)
    return table.assign(words=results["answer_length"].astype(float))


@lru_cache(maxsize=100_000)
def _forms(answer: str, question: str, passages: tuple[str, ...]) -> tuple[bool, ...]:
    found = style.forms(answer, question, passages)
    return tuple(found[name] for name in FORMS)


def _decided_right(results: pd.DataFrame) -> pd.Series:
    """Whether the answer names all key points or, where a question has none, holds the reference.

    Nothing less: what holds another right answer may be less complete than the reference.
    """
    points = (
        results["key_point_recall"] if "key_point_recall" in results else pd.Series(dtype=float)
    )
    points = points.reindex(results.index).astype(float)
    refused = (
        results["refusal_rate"] if "refusal_rate" in results else pd.Series(0.0, results.index)
    )
    holds = [
        isinstance(answer, str) and bool(contains(answer, str(reference or "")))
        for answer, reference in zip(results["answer"], results["reference"], strict=True)
    ]
    right = pd.Series(holds, index=results.index).where(points.isna(), points >= 1.0)
    return right.astype(bool) & (refused != 1.0)
