"""The sample of answers that people label: which questions, which answers, in which order.

Questions are drawn by stratum: the mean score of a question's answers, by the judge or, without
one, by a reference metric, cuts the questions of a data set into STRATA ranges of equal width. The
number drawn in each goes with the square root of its size (power allocation, Bankier 1988), so that
rare scores are seen as well without making the means much less exact. Within a stratum every
question has the same chance. All chosen runs' answers to a drawn question are labelled; the same
text by several runs is labelled once.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rag_study.analysis.pairing import BASE_COLUMNS, RUN_COLUMNS
from rag_study.analysis.states import differing, factor_words, is_base, state_label
from rag_study.common import checksums
from rag_study.common.errors import StudyError
from rag_study.common.wording import counted, listed
from rag_study.evaluation.metrics import COUNTERPARTS, METRICS, Metrics
from rag_study.labelling.prediction_powered import collapse
from rag_study.study import study_tables

STRATA = 5
MIN_QUESTIONS = 4
# People compare few answers to one question well, and every run multiplies their work.
MAX_RUNS = 6
# Without a judge the first of these that every answer has (a summary has no short answers).
FALLBACK = (*COUNTERPARTS.values(), "token_f1", "rouge_l")
_MIN_STRATUM = 5
_NAMED = [*BASE_COLUMNS, "train_format", "variant", "seed"]


@dataclass(frozen=True)
class Sample:
    """A drawn sample and the key to it, which says who wrote what.

    `frame` lists every question that could have been drawn: dataset, question_id, group, stratum,
    drawn (0 or 1). `runs` are values of RUN_COLUMNS. `answers` lists what is labelled, in the order
    of the file: answer_id, dataset, question_id, question, reference, answer, runs (positions in
    `runs` of those that gave this answer). `stratified_by` names the score behind the strata.
    """

    name: str
    study: str
    context: str
    seed: int
    stratified_by: str
    frame: list[dict[str, Any]]
    runs: list[dict[str, Any]]
    answers: list[dict[str, Any]]

    @property
    def n_questions(self) -> int:
        return sum(question["drawn"] for question in self.frame)

    def save(self, folder: Path) -> None:
        """Write the key to the study's folder, where the labels will be looked up."""
        with study_tables.writing_labels(folder):
            checksums.write_signed(_key_file(folder, self.name), asdict(self))


def load(folder: Path, name: str) -> Sample:
    """Read a key. Raises StudyError when the study's folder has none of this name, or a damaged
    one."""
    file = _key_file(folder, name)
    try:
        return Sample(**checksums.read_signed(file, needed=False))
    except (ValueError, TypeError):
        raise StudyError(
            f"{file}: this key of the sample is damaged. Restore it, or draw the sample again:  "
            "rag-study label STUDY"
        ) from None
    except FileNotFoundError:
        names = sorted(path.stem for path in _key_file(folder, "x").parent.glob("*.json"))
        raise StudyError(
            f"no sample {name!r} was drawn for this study (drawn: {listed(names) or 'none'}); "
            f"its key would be {_key_file(folder, name)}."
        ) from None


def _key_file(folder: Path, name: str) -> Path:
    return folder / study_tables.LABEL_KEYS / f"{name}.json"


# --- Choosing runs --------------------------------------------------------------------------------


def run_names(runs: pd.DataFrame) -> list[str]:
    """A short name for every run, of what distinguishes it: "base", "lora-200-seed-1"."""
    shown = differing(runs, _NAMED)
    names = []
    for row in runs.to_dict("records"):
        words = [state_label(row), *factor_words(row, shown)]
        names.append(re.sub(r"[^a-z0-9.]+", "-", " ".join(words).lower()).strip("-"))
    repeated = {name for name in names if names.count(name) > 1}
    return [
        f"{name}-seed-{seed}" if name in repeated else name
        for name, seed in zip(names, runs["seed"], strict=True)
    ]


def choose_runs(runs: pd.DataFrame, patterns: Sequence[str]) -> pd.DataFrame:
    """The runs that match one of the patterns ("lora-*"; none: all), each with its base.

    Raises StudyError for a pattern without a match and for more than MAX_RUNS per question.
    """
    names = run_names(runs)
    listing = "\n".join(f"  {name}" for name in names)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise StudyError(f"--run {pattern}: this study has no such run. It has:\n{listing}")
    matched = [not patterns or any(fnmatchcase(n, p) for p in patterns) for n in names]
    chosen = runs[matched]
    bases = runs[is_base(runs)].merge(chosen[BASE_COLUMNS].drop_duplicates(), on=BASE_COLUMNS)
    chosen = pd.concat([bases, chosen]).drop_duplicates(RUN_COLUMNS, ignore_index=True)
    most = int(chosen.groupby("dataset").size().max())
    if most > MAX_RUNS:
        raise StudyError(
            f"{counted(most, 'answer')} to each question would have to be labelled, at most "
            f"{MAX_RUNS} make sense. Choose runs with --run NAME (several times; * stands for "
            f"anything; the base comes by itself):\n{listing}"
        )
    return chosen


# --- Drawing --------------------------------------------------------------------------------------


def draw(
    results: pd.DataFrame,
    study: str,
    context: str,
    n_questions: int,
    seed: int = 0,
    patterns: Sequence[str] = (),
    metrics: Metrics = METRICS,
) -> Sample:
    """Draw `n_questions` per data set from the results of a study, and the order of their answers.

    Raises StudyError for a context or run that the study does not have, and when it has fewer
    questions that all chosen runs answered.
    """
    here = results[(results["context"] == context) & results["answer"].notna()]
    here = here.sort_values([*RUN_COLUMNS, "question_id", "judge"], kind="stable")
    if here.empty:
        contexts = listed(sorted(results["context"].unique()))
        raise StudyError(f"--context {context}: there are no answers. Answered were: {contexts}.")
    if n_questions < MIN_QUESTIONS:
        raise StudyError(f"--questions {n_questions}: at least {MIN_QUESTIONS} are needed.")
    runs = choose_runs(here[RUN_COLUMNS].drop_duplicates(ignore_index=True), patterns)
    here = here.merge(runs.assign(run=range(len(runs))), on=RUN_COLUMNS)
    scored_by, scores = _scores(here, metrics)
    here = here.assign(score=scores)
    rng = np.random.default_rng(seed)
    frame, answers = [], []
    for dataset, rows in here.groupby("dataset", sort=True):
        questions = _answered_by_all(rows)
        if len(questions) < n_questions:
            raise StudyError(
                f"--questions {n_questions}: {dataset} has {counted(len(questions), 'question')} "
                "that all chosen runs answered and that have a score. Ask for fewer."
            )
        strata = stratify(questions["score"].to_numpy(), n_questions)
        drawn = draw_by_stratum(strata, n_questions, rng)
        frame += [
            {"dataset": dataset, "question_id": i, "group": g, "stratum": int(s), "drawn": int(d)}
            for i, g, s, d in zip(questions.index, questions["group"], strata, drawn, strict=True)
        ]
        answers += _answers(rows, rng.permutation(questions.index[drawn]), rng)
    content = [study, context, seed, scored_by, frame, runs.to_dict("records"), answers]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:6]
    answers = [{"answer_id": f"{digest}-{i:03d}", **a} for i, a in enumerate(answers, start=1)]
    return Sample(digest, study, context, seed, scored_by, frame, content[5], answers)


def _scores(rows: pd.DataFrame, metrics: Metrics) -> tuple[str, pd.Series]:
    """The name of the score behind the strata, and each row's."""
    judged = [name for name in metrics.judged if name in rows and rows[name].notna().any()]
    if judged:
        return "judge", rows[judged].astype(float).mean(axis=1)
    for name in FALLBACK:
        if name in rows and rows[name].notna().all():
            return name, rows[name].astype(float)
    raise StudyError("no score that every answer has: the sample cannot be stratified.")


def _answered_by_all(rows: pd.DataFrame) -> pd.DataFrame:
    """group and mean score by question_id, of questions with a scored answer of every run."""
    by_run = rows.groupby(["question_id", "run"])["score"].mean().unstack("run")
    complete = by_run.dropna().mean(axis=1).rename("score")
    groups = rows.drop_duplicates("question_id").set_index("question_id")["group"]
    groups = groups.where(groups.notna(), "").astype(str)
    return complete.to_frame().join(groups).sort_index()


def stratify(scores: np.ndarray, n_questions: int) -> np.ndarray:
    """Stratum codes (N,), ascending with the scores; at most one for every two drawn questions."""
    most = max(1, min(STRATA, n_questions // 4))
    edges = np.linspace(scores.min(), scores.max(), most + 1)[1:-1]
    return collapse(np.digitize(scores, edges), np.ones(len(scores), dtype=bool), _MIN_STRATUM)


def draw_by_stratum(strata: np.ndarray, n_questions: int, rng: np.random.Generator) -> np.ndarray:
    """Which questions (N,) are drawn: at least two of every stratum."""
    sizes = np.bincount(strata)
    wanted = n_questions * np.sqrt(sizes) / np.sqrt(sizes).sum()
    amounts = np.clip(np.floor(wanted).astype(int), 2, sizes)
    while amounts.sum() < n_questions:
        amounts[np.argmax(np.where(amounts < sizes, wanted - amounts, -np.inf))] += 1
    while amounts.sum() > n_questions:
        amounts[np.argmax(np.where(amounts > 2, amounts - wanted, -np.inf))] -= 1
    drawn = np.zeros(len(strata), dtype=bool)
    for stratum, amount in enumerate(amounts):
        drawn[rng.choice(np.flatnonzero(strata == stratum), amount, replace=False)] = True
    return drawn


def _answers(
    rows: pd.DataFrame, question_ids: Sequence[str], rng: np.random.Generator
) -> list[dict[str, Any]]:
    """The distinct answers to each question, in random order."""
    by_question = dict(tuple(rows.drop_duplicates(["question_id", "run"]).groupby("question_id")))
    answers = []
    for question_id in question_ids:
        of_question = by_question[question_id].sort_values("run")
        first = of_question.iloc[0]
        fields = {
            "dataset": str(first["dataset"]),
            "question_id": str(question_id),
            "question": str(first["question"]),
            "reference": str(first["reference"]),
        }
        texts = sorted(of_question["answer"].unique())
        for text in rng.permutation(np.array(texts, dtype=object)):
            gave = of_question.loc[of_question["answer"] == text, "run"].tolist()
            answers.append({**fields, "answer": str(text), "runs": gave})
    return answers
