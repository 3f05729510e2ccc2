"""A study whose answers differ in style, and judges that like one style: shared by the tests of the
audit, of the verdicts that follow from it, and of the report."""

import zlib
from collections.abc import Callable
from random import Random

import numpy as np
import pandas as pd

from rag_study.analysis import analyse
from rag_study.analysis.pairing import RUN_COLUMNS
from rag_study.analysis.study_results import StudyResults
from rag_study.common.text import contains
from rag_study.data.schema import Document, Question
from rag_study.evaluation import criteria, reference
from rag_study.evaluation.judging.judge import Item, Judge, Reading
from rag_study.evaluation.judging.style import style_rungs
from rag_study.labelling.csv_file import Labels
from rag_study.labelling.labels import human_tables, store_labels
from rag_study.labelling.sample import draw
from rag_study.study.config import load_study

USUAL = criteria.find_all(criteria.DEFAULT)
RUN = {
    **{"dataset": "towns", "model": "tiny", "prompting": "default", "variant": ""},
    **{"retriever": "dense", "chunk_size": 192, "top_k": 3},
}
_NAMES = ("Brackwell", "Ostermoor", "Tilney", "Harrowgate", "Pendle", "Quarrington", "Sedgeley")
_KINDS = ("mill", "bridge", "chapel", "library", "market hall", "lighthouse", "tannery")
_TELLS = (
    "Visitors reach the place by a narrow road that follows the northern bank.",
    "A small museum in the old school keeps tools, letters and a model of the harbour.",
    "Every autumn people meet there to sell wool, honey and apples from the hills.",
)
# Of each place its own three sentences.
_TOLD = tuple(
    (
        f"From {{}} a {what} leads past {number} farms to the next valley.",
        f"Its {other} keeps {number} pairs of skates and an old clock for the winter.",
        f"In {{}} the {what} was mended with slate after {number} wet summers in a row.",
    )
    for what, other, number in (
        ("path", "school", "seven"),
        ("ditch", "inn", "nine"),
        ("lane", "parish", "four"),
        ("wall", "brewery", "eleven"),
        ("canal", "station", "three"),
        ("ridge", "dairy", "six"),
        ("fence", "forge", "two"),
    )
)


def questions(n: int, per_group: int = 1) -> list[Question]:
    """Questions with a year as their answer, each about a document of its own."""
    made = []
    for i in range(n):
        name = f"{_NAMES[i % 7]} {_KINDS[(i // 7) % 7]} no. {i}"
        made.append(
            Question(
                id=f"q{i:03d}",
                question=f"In which year was the {name} opened?",
                answers=(str(1500 + 3 * i),),
                gold_doc_ids=(f"d{i}",),
                group=f"g{i // per_group}",
            )
        )
    return made


def documents(asked: list[Question]) -> list[Document]:
    """A text about every question's subject, which does not hold the answer."""
    return [
        Document(
            question.gold_doc_ids[0], "", " ".join(t.format(_NAMES[i % 7]) for t in _TOLD[i % 7])
        )
        for i, question in enumerate(asked)
    ]


class Opinion(Judge):
    """A judge whose grade is a function of the item: what is audited here."""

    def __init__(self, grade: Callable[[Item], float], name: str = "strong") -> None:
        super().__init__(name, USUAL)
        self._grade = grade

    def _read(self, items):
        readings = [_reading(self._grade(item)) for item in items]
        return {criterion.name: readings for criterion in self.criteria}


def _reading(grade: float) -> Reading:
    grade = min(5.0, max(1.0, grade))
    below = min(4, int(grade))
    digits = [0.0] * 5
    digits[below - 1], digits[below] = 1 - (grade - below), grade - below
    return Reading(tuple(digits))


def right(item: Item) -> bool:
    return bool(contains(item.candidate, item.reference))


def words(item: Item) -> int:
    return len(item.candidate.split())


def fair(item: Item) -> float:
    return 4.7 if right(item) else 1.4


def likes_long(item: Item) -> float:
    """Tells right from wrong, and adds up to a point and a half for length."""
    return (3.4 if right(item) else 1.2) + 1.5 * min(words(item), 30) / 30


def likes_short(item: Item) -> float:
    return (4.9 if right(item) else 2.7) - 1.5 * min(words(item), 30) / 30


def noisy(spread: float) -> Callable[[Item], float]:
    """Fair on average, with an error of its own on every answer."""

    def grade(item: Item) -> float:
        rng = np.random.default_rng(hash_of(item.question + item.candidate))
        return (4.0 if right(item) else 2.0) + rng.normal(0, spread)

    return grade


def hash_of(text: str) -> int:
    return zlib.crc32(text.encode())


def long_answer(question: Question, text: str, random: Random) -> str:
    start = question.question.removeprefix("In which year was ").removesuffix("opened?")
    return f"{start[0].upper()}{start[1:]}was opened in {text}. {random.choice(_TELLS)}"


def short_answer(question: Question, text: str, random: Random) -> str:
    return text


def answers(
    asked: list[Question],
    judge: Judge,
    base: Callable = long_answer,
    tuned: Callable = short_answer,
    right_base: float = 0.6,
    right_tuned: float = 0.6,
    seed: int = 0,
    context: str = "retrieved",
) -> pd.DataFrame:
    """A results table of a base and a trained model, scored by a judge."""
    random, rows = Random(seed), []
    for size, styled, share in ((0, base, right_base), (200, tuned, right_tuned)):
        method, train_format = ("lora", "closed_book") if size else ("none", "none")
        state = {**RUN, "method": method, "train_format": train_format, "train_size": size}
        for question in asked:
            is_right = random.random() < share
            said = question.answers[0] if is_right else str(random.randrange(1000, 1400))
            answer = styled(question, said, random)
            scores = judge.score([Item.of(question, answer)])[0]
            rows.append(
                {
                    **state,
                    "seed": 0,
                    "context": context,
                    "question_id": question.id,
                    "group": question.group,
                    "answer_type": "factoid",
                    "question": question.question,
                    "reference": question.reference,
                    "answer": answer,
                    "truncated": 0,
                    "gold_in_context": 1.0,
                    "answer_in_context": 1.0,
                    "other_answer": None,
                    **reference.score(answer, question),
                    "judge": judge.name,
                    **{c.metric: scores[c.metric] for c in judge.criteria},
                    "is_right": is_right,
                }
            )
    table = pd.DataFrame(rows)
    return table.astype({"key_point_recall": float})


def rungs(asked: list[Question], judge: Judge) -> pd.DataFrame:
    """The style rungs of these questions with all scores, as a study has them."""
    by_id = {question.id: question for question in asked}
    made = style_rungs(asked, documents(asked))
    rows = []
    for row in made:
        question = by_id[row["question_id"]]
        scores = judge.score([Item.of(question, row["candidate"])])[0]
        rows.append(
            row
            | reference.score(row["candidate"], question)
            | {c.metric: scores[c.metric] for c in judge.criteria}
        )
    return pd.DataFrame(rows).assign(dataset="towns", judge=judge.name)


CHECK = {"judge": "strong", "valid": True, "auc": 0.97, "auc_low": 0.93, "auc_high": 0.99}
CHECK |= {"n": 60, "reason": "fine", "dataset": "towns"}


def label(folder, results: pd.DataFrame, grade: Callable[[dict], int], n: int = 50, seed: int = 0):
    """Tables of `human_tables` after people graded a sample of the answers; `grade` says a grade of
    a row of the results."""
    folder.mkdir(parents=True, exist_ok=True)
    results.to_parquet(folder / "results.parquet")
    sample = draw(results, "towns", "retrieved", n, seed)
    sample.save(folder)
    keys = [*RUN_COLUMNS, "question_id"]
    by_answer = {tuple(row[name] for name in keys): row for row in results.to_dict("records")}
    scores = {}
    for answer in sample.answers:
        run = sample.runs[answer["runs"][0]]
        row = by_answer[tuple({**run, "question_id": answer["question_id"]}[n] for n in keys)]
        scores[answer["answer_id"]] = dict.fromkeys(("accuracy", "completeness"), grade(row))
    store_labels(folder, sample, Labels(scores, []))
    return human_tables(folder, results)


def analysed(folder, asked, grade, people=None, labelled=None, tuned=short_answer):
    """The whole analysis of a study of `asked`, whose judge grades so; with labels where there is
    somebody to give them."""
    judge = Opinion(grade)
    results = answers(asked, judge, tuned=tuned, right_base=0.8, right_tuned=0.4)
    chosen = () if labelled is None else (labelled,)
    tables = label(folder, results, people, *chosen) if people else {}
    study = load_study("params/demo.yaml")
    collected = StudyResults(
        study=study.model_dump(mode="json"),
        metrics=study.metrics,
        results=results,
        judge_checks=[CHECK],
        styles=rungs(asked[:50], judge),
    )
    return analyse.analyse(collected, study, 300, people=tables)
