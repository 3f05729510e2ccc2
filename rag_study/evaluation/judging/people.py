"""Answers that people graded, and how far a scorer agrees with them.

A judge that ranks one list of wrong answers below another may still treat two kinds of answers
unlike. So beside the AUC: what it gives to long answers more than to short ones that people grade
the same, in which order it puts systems, and which verdicts between two systems it turns round.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from rag_study.common.errors import StudyError
from rag_study.common.text import compared, length
from rag_study.data.reading import fields
from rag_study.data.reading.source_files import SourceFile, records
from rag_study.data.schema import Question
from rag_study.evaluation import reference
from rag_study.evaluation.judging.auc import clustered_auc
from rag_study.evaluation.judging.validity import mean_with_bounds

# Metrics without a model that stand beside a judge, on their scale from 0 to 1.
BESIDE = ("answer_recall", "token_recall", "token_f1", "rouge_l")
RIGHT_FROM = 0.5  # people's grade from which an answer counts as right
# Of two systems the one writes shortly and the other does not from here on, in words.
TWICE = 2.0
MIN_GROUPS = 5  # fewer have no interval


@dataclass(frozen=True)
class Graded:
    """One answer with people's grade of it, 0 (wrong) to 1 (right). `group` is what answers to one
    question share, `model` who answered, `criterion` what was graded."""

    group: str
    question: str
    references: tuple[str, ...]
    answer: str
    grade: float
    model: str
    criterion: str

    @property
    def as_question(self) -> Question:
        """The question with all its right answers."""
        return Question(f"{self.group}:{self.question}", self.question, self.references)


def read(path: Path, criteria: Sequence[str]) -> list[Graded]:
    """The graded answers of a file of JSON lines (also .gz, a JSON array, or Parquet).

    A row has `question`, `references` (a list, or one text), `answer` and `grade` (0 to 1), and may
    have `group` (its question), `model` and `criterion` (the first of `criteria`). Raises
    StudyError, naming file and line, for a row that cannot be used.
    """
    if not path.is_file():
        raise StudyError(f"{path}: there is no such file.")
    rows = [_graded(row, where, criteria) for where, row in records(SourceFile(path))]
    if not rows:
        raise StudyError(f"{path}: there is no graded answer in it.")
    return rows


def _graded(row: dict[str, Any], where: str, criteria: Sequence[str]) -> Graded:
    question = fields.text(row, "question", where)
    given = row.get("references")
    references = (given,) if isinstance(given, str) else fields.texts(row, "references", where)
    references = tuple(text for text in references if text.strip())
    if not references:
        raise StudyError(f"{where}: `references` has no right answer in it.")
    grade, answer = row.get("grade"), row.get("answer")
    if not isinstance(grade, (int, float)) or not 0 <= grade <= 1:
        raise StudyError(f"{where}: `grade` is to be a number from 0 to 1, here it is {grade!r}.")
    if not isinstance(answer, str):
        raise StudyError(f"{where}: `answer` is to be a text, here it is {answer!r}.")
    criterion = row.get("criterion") or criteria[0]
    if criterion not in criteria:
        raise StudyError(
            f"{where}: `criterion` is {criterion!r}; the judge is asked about "
            f"{', '.join(criteria)}. Name others with --criterion."
        )
    group, model = row.get("group"), row.get("model")
    return Graded(
        str(question if group is None else group),
        question,
        references,
        answer,
        float(grade),
        "" if model is None else str(model),
        criterion,
    )


def sample(rows: Sequence[Graded], groups: int) -> list[Graded]:
    """All rows of so many groups; the same for the same rows, whatever their order."""

    def place(group: str) -> str:
        return hashlib.sha256(group.encode()).hexdigest()

    kept = set(sorted({row.group for row in rows}, key=place)[:groups])
    return [row for row in rows if row.group in kept]


def by_metrics(rows: Sequence[Graded]) -> pd.DataFrame:
    """The rows as a table, with `words` and the metrics of BESIDE."""
    table = []
    for row in rows:
        scores = reference.score(row.answer, row.as_question)
        scores["token_recall"] = max(token_recall(row.answer, text) for text in row.references)
        head = asdict(row) | {"words": length(row.answer)}
        table.append(head | {name: scores[name] for name in BESIDE})
    return pd.DataFrame(table)


def token_recall(answer: str, right: str) -> float:
    """Share of the right answer's tokens that stand in the answer, as often as they occur."""
    said, wanted = map(Counter, compared(answer, right))
    return (wanted & said).total() / wanted.total() if wanted else 0.0


def figures(table: pd.DataFrame, column: str, margin: float) -> dict[str, Any]:
    """How far the scores in `column` (points, 1 to 5) agree with people's `grade`.

    Keys, each None where the answers do not tell: `auc`, `auc_low`, `auc_high` (right against
    wrong, clusters are groups), `spearman`, `long_short` (points that long answers get more than
    short ones of the same question and grade) with `_low`, `_high`, `_n`, `kendall` (of systems'
    means), `kappa` (quadratic, where people gave grades between), and of pairs of systems `pairs`,
    `pairs_settled` (people find one better, or both equal), `pairs_same` (of these, the scorer
    finds the same), `pairs_turned` (both are sure, of opposite things) and `pairs_alone` (the
    scorer is sure of a difference, and people are not). `n` answers, `missing` without a score,
    `groups`.
    """
    known = table.dropna(subset=[column])
    values = known[column].to_numpy(dtype=float)
    grades, groups = known["grade"].to_numpy(dtype=float), known["group"].to_numpy()
    right = grades >= RIGHT_FROM
    found: dict[str, Any] = {"n": len(known), "missing": len(table) - len(known)}
    found["groups"] = int(known["group"].nunique())
    found |= dict.fromkeys(("auc", "auc_low", "auc_high", "spearman", "kendall", "kappa"))
    if 0 < right.sum() < len(right):
        auc = clustered_auc(values[right], values[~right], groups[right], groups[~right])
        found |= dict(zip(("auc", "auc_low", "auc_high"), auc, strict=True))
    if len(known) > 2 and np.ptp(values) > 0 and np.ptp(grades) > 0:
        found["spearman"] = float(stats.spearmanr(values, grades).statistic)
    if ((grades > 0) & (grades < 1)).any():
        found["kappa"] = quadratic_kappa(values, 1 + 4 * grades)
    found |= _long_less_short(known, column)
    found |= _systems(known, column, margin)
    return found


def quadratic_kappa(scores: np.ndarray, grades: np.ndarray) -> float | None:
    """Cohen's (1968) weighted kappa of whole grades from 1 to 5, weights squared differences; None
    where either side has one grade only."""
    a, b = (np.clip(np.round(values), 1, 5) for values in (scores, grades))
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    by_chance = np.mean((a[:, None] - b[None, :]) ** 2)
    return float(1 - np.mean((a - b) ** 2) / by_chance)


def short_and_long(table: pd.DataFrame) -> tuple[pd.Series, str]:
    """(True for long answers, False for short ones, None for neither; which these are in words).

    By who answered, where the systems fall into two kinds of which the one writes at least twice as
    much as the other (median words, split at the largest ratio); else by thirds of the lengths.
    """
    medians = table.groupby("model")["words"].median().clip(lower=1).sort_values()
    ratios = (medians.to_numpy()[1:] / medians.to_numpy()[:-1]) if len(medians) > 1 else []
    if len(ratios) and max(ratios) >= TWICE:
        cut = int(np.argmax(ratios)) + 1
        sides = medians.index[:cut], medians.index[cut:]
        words = [table.loc[table["model"].isin(side), "words"].median() for side in sides]
        said = f"{', '.join(sides[1])} ({words[1]:.0f} words) less "
        said += f"{', '.join(sides[0])} ({words[0]:.0f} words)"
        return table["model"].isin(sides[1]).astype(object), said
    low, high = table["words"].quantile([1 / 3, 2 / 3])
    is_long = table["words"].map(lambda n: True if n > high else False if n <= low else None)
    return is_long.astype(object), f"over {high:.0f} words less up to {low:.0f}"


def _long_less_short(table: pd.DataFrame, column: str) -> dict[str, Any]:
    is_long, said = short_and_long(table)
    part = table.assign(long=is_long).dropna(subset=["long"])
    # Equal grade: wrong, in part, right.
    part = part.assign(grade=np.digitize(part["grade"], (0.25, 0.75)), long=part["long"] == True)  # noqa: E712
    means = part.groupby(["group", "grade", "long"])[column].mean().unstack("long")
    names = ("long_short", "long_short_low", "long_short_high", "long_short_n")
    found = dict(zip(names, (None, None, None, 0), strict=True)) | {"long_short_of": said}
    if {True, False} <= set(means.columns):
        differences = (means[True] - means[False]).dropna().groupby("group").mean()
        value, low, high = mean_with_interval(differences.to_numpy(dtype=float))
        found |= dict(zip(names, (value, low, high, len(differences)), strict=True))
    return found


def _systems(table: pd.DataFrame, column: str, margin: float) -> dict[str, Any]:
    """Kendall's tau-b of the systems' means, and verdicts between any two of them.

    A verdict is better or worse where the 95 % interval of the mean difference within groups is on
    one side of 0, and equal where it lies within the margin (points of 4).
    """
    counts = ("pairs", "pairs_settled", "pairs_same", "pairs_turned", "pairs_alone")
    found: dict[str, Any] = {"kendall": None, **dict.fromkeys(counts, 0)}
    scaled = table.assign(people=1 + 4 * table["grade"])
    means = scaled.groupby("model")[[column, "people"]].mean()
    if len(means) > 2 and (means.nunique() > 1).all():
        found["kendall"] = float(stats.kendalltau(means[column], means["people"]).statistic)
    wide = scaled.groupby(["group", "model"])[[column, "people"]].mean().unstack("model")
    for one, other in combinations(means.index, 2):
        both = pd.DataFrame(
            {name: wide[name, one] - wide[name, other] for name in (column, "people")}
        ).dropna()
        if len(both) < MIN_GROUPS:
            continue
        scorer, judged = (
            _verdict(both[name].to_numpy(dtype=float), margin) for name in (column, "people")
        )
        differ, sure = ("better", "worse"), scorer in ("better", "worse")
        found["pairs"] += 1
        found["pairs_settled"] += judged != "unknown"
        found["pairs_same"] += judged != "unknown" and scorer == judged
        found["pairs_turned"] += sure and judged in differ and scorer != judged
        found["pairs_alone"] += sure and judged not in differ
    return found


def _verdict(differences: np.ndarray, margin: float) -> str:
    _, low, high = mean_with_interval(differences)
    if low is None or high is None:
        return "unknown"
    if low > 0 or high < 0:
        return "better" if low > 0 else "worse"
    return "equal" if -margin < low and high < margin else "unknown"


def mean_with_interval(values: np.ndarray) -> tuple[float | None, float | None, float | None]:
    """Mean and t interval; None for what there are too few values for."""
    n = len(values)
    if n < MIN_GROUPS:
        return (float(values.mean()) if n else None), None, None
    return mean_with_bounds(pd.Series(values))[:3]
