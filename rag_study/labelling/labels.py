"""What people said about a study's answers: the labels, whom they agree with, what they imply.

Labels are kept in the study's folder as `human_labels` (one row per labelled answer and run); the
other tables are computed from them and from the results as they are now, so that a judge that is
added later is compared with the same labels.

Example:
    tables = human_tables(run_folder.study_dir("demo"))    # {} before anything is labelled
    tables["human_estimates"].attrs["notes"]          # sentences a reader must know
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rag_study.analysis.pairing import BASE_COLUMNS, RUN_COLUMNS
from rag_study.analysis.states import is_base
from rag_study.common import files
from rag_study.common.wording import counted
from rag_study.evaluation.metrics import REFERENCE
from rag_study.labelling import agreement
from rag_study.labelling.csv_file import Labels
from rag_study.labelling.prediction_powered import estimate
from rag_study.labelling.questions import QUESTIONS
from rag_study.labelling.sample import Sample, load
from rag_study.study import study_tables

LABEL_COLUMNS = [
    "sample",
    "answer_id",
    *RUN_COLUMNS,
    "context",
    "question_id",
    "group",
    "question",
    "reference",
    "answer",
    "stratum",
    "inclusion_probability",
]
AGREEMENT_COLUMNS = [
    "sample",
    "dataset",
    "context",
    "criterion",
    "scorer",
    "judge",
    "n_answers",
    "n_questions",
    "n_clusters",
    *(f"{name}{end}" for name in agreement.STATISTICS for end in ("", "_low", "_high")),
]
ESTIMATE_COLUMNS = [
    "sample",
    *RUN_COLUMNS,
    "context",
    "quantity",
    "criterion",
    "scorer",
    "judge",
    "n_labelled",
    "n_questions",
    "n_clusters",
    "n_effective",
    "scorer_mean",
    "labels_mean",
    "labels_low",
    "labels_high",
    "estimate",
    "ci_low",
    "ci_high",
    "se",
    "df",
    "se_all",
    "tuning",
]
# The ends of a grade, and of a difference of two.
_GRADES, _DIFFERENCES = (1.0, 5.0), (-4.0, 4.0)
_ANSWER = [*RUN_COLUMNS, "context", "question_id"]


def store_labels(study_dir: Path, sample: Sample, labels: Labels) -> pd.DataFrame:
    """Write the labels of a sample to `human_labels`, in place of earlier ones of the same sample.

    Returns the whole table: LABEL_COLUMNS and human_<criterion> (1 to 5, NaN: not labelled).
    """
    frame = pd.DataFrame(sample.frame)
    chances = frame.groupby(["dataset", "stratum"])["drawn"].mean().rename("inclusion_probability")
    drawn = frame.join(chances, on=["dataset", "stratum"]).set_index(["dataset", "question_id"])
    rows = []
    for answer in sample.answers:
        question = drawn.loc[(answer["dataset"], answer["question_id"])]
        shared = {name: question[name] for name in ("group", "stratum", "inclusion_probability")}
        grades = labels.scores[answer["answer_id"]]
        shared |= {f"human_{name}": grades[name] for name in QUESTIONS}
        for run in answer["runs"]:
            run_columns = {"sample": sample.name, "context": sample.context, **sample.runs[run]}
            rows.append({**answer, **shared, **run_columns})
    columns = [*LABEL_COLUMNS, *(f"human_{name}" for name in QUESTIONS)]
    table = pd.DataFrame(rows)[columns]
    human = columns[len(LABEL_COLUMNS) :]
    table = table.astype(dict.fromkeys(human, float))
    file = study_dir / "human_labels.parquet"
    if file.exists():
        with study_tables.reading(study_dir, [study_tables.LABELS_RECORD]):
            before = files.read_parquet(file)
        table = pd.concat([before[before["sample"] != sample.name], table], ignore_index=True)
    publish(study_dir, human_labels=table)
    return table


def publish(study_dir: Path, **tables: pd.DataFrame) -> None:
    """Write the tables of labels to the study's folder by name, each as Parquet and CSV."""
    with study_tables.writing_labels(study_dir):
        for name, table in tables.items():
            files.write_parquet(study_dir / f"{name}.parquet", table)
            files.write_csv(study_dir / f"{name}.csv", table)


def human_tables(study_dir: Path, results: pd.DataFrame | None = None) -> dict[str, pd.DataFrame]:
    """`human_labels`, `human_agreement` and `human_estimates` of a study; {} without labels.

    `results` are the study's answers and scores, where they are newer than those in its folder.

    Agreement has AGREEMENT_COLUMNS: per sample, data set, criterion and scorer (a judge, whose name
    is in `judge` too, or a reference metric) the statistics of `agreement`; a text that several
    runs gave counts once. Estimates have ESTIMATE_COLUMNS: per run, criterion and judge the mean
    human score of the run ("mean") and that of the run less its base's on the same questions
    ("difference"), as `prediction_powered.estimate` gives it: `estimate` with `ci_low` and
    `ci_high` (95 %), beside `labels_mean` of the labels alone and the scorer's own `scorer_mean`.
    `tuning` is the weight of the scores (lambda), `df` the degrees of freedom of `se`, and `se_all`
    what would be left of it if all questions were labelled. All are in points of the scale from 1
    to 5, but `scorer_mean` has the scorer's unit. Without a judge the metric of the strata takes
    its place.

    Inclusion probabilities are those of the labelled questions: cells left empty count as not
    drawn. Labels of answers that have changed since are left out; `attrs["notes"]` says so.
    """
    file = study_dir / "human_labels.parquet"
    if not file.exists():
        return {}
    with study_tables.reading(study_dir, [study_tables.LABELS_RECORD]):
        labels = files.read_parquet(file)
    if results is None:
        with study_tables.reading(study_dir):
            results = files.read_parquet(study_dir / "results.parquet")
    agreements, estimates, notes = [], [], []
    for name, rows in labels.groupby("sample", sort=True):
        sample = load(study_dir, str(name))
        now = results[results["context"] == sample.context].drop_duplicates([*_ANSWER, "judge"])
        rows, changed = _unchanged(rows, now)
        if changed:
            notes.append(
                f"Sample {name}: the labels of {counted(changed, 'answer')} are left out, because "
                "the study has other answers now."
            )
        frame = pd.DataFrame(sample.frame)
        for dataset, part in frame.groupby("dataset", sort=True):
            view = _View.of(sample, str(dataset), part, rows, now)
            agreements += view.agreements()
            estimates += view.estimates()
            notes += view.notes()
    tables = {
        "human_labels": labels,
        "human_agreement": pd.DataFrame(agreements, columns=AGREEMENT_COLUMNS),
        "human_estimates": pd.DataFrame(estimates, columns=ESTIMATE_COLUMNS),
    }
    tables["human_estimates"].attrs["notes"] = notes
    return tables


def _unchanged(rows: pd.DataFrame, now: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The labels of answers that the results still have, and how many others there are."""
    current = now.drop_duplicates(_ANSWER).set_index(_ANSWER)["answer"]
    current_rows = current.reindex(pd.MultiIndex.from_frame(rows[_ANSWER])).to_numpy()
    same = current_rows == rows["answer"].to_numpy()
    return rows[same], int((~same).sum())


@dataclass(frozen=True)
class _View:
    """One data set of a sample: its questions in a fixed order, with labels and scores of each."""

    sample: Sample
    dataset: str
    questions: list[str]
    strata: np.ndarray
    clusters: np.ndarray
    runs: pd.DataFrame
    labels: pd.DataFrame
    scored: pd.DataFrame
    judges: list[str]

    @classmethod
    def of(
        cls,
        sample: Sample,
        dataset: str,
        frame: pd.DataFrame,
        labels: pd.DataFrame,
        now: pd.DataFrame,
    ) -> _View:
        runs = pd.DataFrame(sample.runs)
        runs = runs[runs["dataset"] == dataset]
        rows = now.merge(runs.assign(run=runs.index), on=RUN_COLUMNS)
        rows = rows[rows["question_id"].isin(frame["question_id"])]
        # A question without a group is a cluster of its own.
        clusters = ("group " + frame["group"]).where(
            frame["group"] != "", "question " + frame["question_id"]
        )
        judges = sorted(set(rows["judge"].dropna()) - {""})
        return cls(
            sample=sample,
            dataset=dataset,
            questions=frame["question_id"].tolist(),
            strata=frame["stratum"].to_numpy(),
            clusters=pd.factorize(clusters)[0],
            runs=runs,
            labels=labels[labels["dataset"] == dataset].merge(
                runs.assign(run=runs.index), on=RUN_COLUMNS
            ),
            scored=rows,
            judges=judges,
        )

    def _key(self) -> dict[str, Any]:
        return {"sample": self.sample.name, "dataset": self.dataset, "context": self.sample.context}

    def _labels_of(self, run: int, criterion: str) -> np.ndarray:
        rows = self.labels[self.labels["run"] == run].set_index("question_id")
        return rows[f"human_{criterion}"].reindex(self.questions).to_numpy(float)

    def _scores_of(self, run: int, judge: str, column: str) -> np.ndarray:
        rows = self.scored[self.scored["run"] == run]
        rows = rows[rows["judge"] == judge] if judge else rows.drop_duplicates("question_id")
        if column not in rows:
            return np.full(len(self.questions), np.nan)
        return rows.set_index("question_id")[column].reindex(self.questions).to_numpy(float)

    def _scorers(self, criterion: str) -> list[tuple[str, str]]:
        """(judge, column) of the judges, then ("", metric) of the reference metrics."""
        judged = [(judge, f"judge_{criterion}") for judge in self.judges]
        return judged + [("", metric) for metric in REFERENCE if metric in self.scored]

    def agreements(self) -> Iterator[dict[str, Any]]:
        for criterion in QUESTIONS:
            labels = np.concatenate([self._labels_of(run, criterion) for run in self.runs.index])
            once = ~self._repeated()
            for judge, column in self._scorers(criterion):
                scores = [self._scores_of(run, judge, column) for run in self.runs.index]
                scores = np.concatenate(scores)
                labelled = once & ~np.isnan(labels) & ~np.isnan(scores)
                if labelled.sum() < 2:
                    continue
                of_question = np.tile(np.arange(len(self.questions)), len(self.runs))
                question_of = of_question[labelled]
                numbers = agreement.agree(
                    labels[labelled],
                    scores[labelled],
                    self._weights(np.unique(question_of))[question_of],
                    self.clusters[question_of],
                    same_scale=bool(judge),
                )
                yield {
                    **self._key(),
                    "criterion": criterion,
                    "scorer": judge or column,
                    "judge": judge,
                    "n_answers": int(labelled.sum()),
                    "n_questions": len(np.unique(question_of)),
                    "n_clusters": len(np.unique(self.clusters[question_of])),
                    **numbers,
                }

    def _repeated(self) -> np.ndarray:
        """Which (run, question) hold the answer of an earlier run, in the order of `agreements`."""
        first = self.labels.sort_values("run").drop_duplicates("answer_id")
        firsts = set(zip(first["run"], first["question_id"], strict=True))
        return np.array([(r, q) not in firsts for r in self.runs.index for q in self.questions])

    def _weights(self, questions: np.ndarray) -> np.ndarray:
        """Inverse inclusion probabilities (N,) when the questions `asked` are the labelled ones."""
        labelled = np.bincount(self.strata[questions], minlength=self.strata.max() + 1)
        sizes = np.bincount(self.strata)
        return (sizes / np.maximum(labelled, 1))[self.strata]

    def estimates(self) -> Iterator[dict[str, Any]]:
        base_of = self._bases()
        for run in self.runs.index:
            for criterion in QUESTIONS:
                labels = self._labels_of(run, criterion)
                scorers = self._predictors(criterion)
                yield from self._rows(run, None, criterion, labels, scorers)
                if run in base_of:
                    paired = labels - self._labels_of(base_of[run], criterion)
                    yield from self._rows(run, base_of[run], criterion, paired, scorers)

    def _bases(self) -> dict[int, int]:
        """The base of every run that is not one."""
        bases = self.runs[is_base(self.runs)]
        of = {tuple(row[BASE_COLUMNS]): index for index, row in bases.iterrows()}
        keys = {index: tuple(row[BASE_COLUMNS]) for index, row in self.runs.iterrows()}
        return {i: of[key] for i, key in keys.items() if key in of and i not in bases.index}

    def _predictors(self, criterion: str) -> list[tuple[str, str]]:
        """(judge, column) of what predicts the labels; ("", "") where there is nothing."""
        metric = self.sample.stratified_by
        judged = [(judge, f"judge_{criterion}") for judge in self.judges]
        return judged or [("", metric if metric in self.scored else "")]

    def _rows(
        self,
        run: int,
        base: int | None,
        criterion: str,
        labels: np.ndarray,
        scorers: list[tuple[str, str]],
    ) -> Iterator[dict[str, Any]]:
        labelled = ~np.isnan(labels)
        if not labelled.any():
            return
        limits = _GRADES if base is None else _DIFFERENCES
        alone = estimate(labels, None, self.strata, self.clusters, limits)
        for judge, column in scorers:
            scores = self._scores_of(run, judge, column)
            if base is not None:
                scores = scores - self._scores_of(base, judge, column)
            # A judge that did not score every question cannot stand in for the labels.
            complete = not np.isnan(scores).any()
            joined = (labels, scores, self.strata, self.clusters, limits)
            estimated = estimate(*joined) if complete else alone
            yield {
                **self._key(),
                **self.runs.loc[run, RUN_COLUMNS].to_dict(),
                "quantity": "mean" if base is None else "difference",
                "criterion": criterion,
                "scorer": judge or column if complete else "",
                "judge": judge,
                "n_labelled": int(labelled.sum()),
                "n_questions": len(self.questions),
                "n_clusters": len(np.unique(self.clusters[labelled])),
                "n_effective": estimated.n_effective,
                "scorer_mean": float(scores.mean()) if complete else np.nan,
                "labels_mean": alone.mean,
                "labels_low": alone.low,
                "labels_high": alone.high,
                "estimate": estimated.mean,
                "ci_low": estimated.low,
                "ci_high": estimated.high,
                "se": estimated.se,
                "df": estimated.df,
                "se_all": estimated.se_all,
                "tuning": estimated.tuning,
            }

    def notes(self) -> Iterator[str]:
        for judge in self.judges:
            for criterion in QUESTIONS:
                column = f"judge_{criterion}"
                scores = [self._scores_of(run, judge, column) for run in self.runs.index]
                if np.isnan(scores).any():
                    yield (
                        f"The judge {judge} has not scored every answer on {self.dataset} for "
                        f"{criterion}: those estimates use the labels alone."
                    )
