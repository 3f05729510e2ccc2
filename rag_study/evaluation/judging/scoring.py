"""Grades for the answers of a run, and for the ladder that checks the judge."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd

from rag_study.answering.contexts import ContextBuilder
from rag_study.common.run_folder import RunFolder
from rag_study.common.typography import cut_around, first_place
from rag_study.data.schema import Document, Question
from rag_study.evaluation import reference
from rag_study.evaluation.criteria import Criterion
from rag_study.evaluation.judging.judge import Item, Judge
from rag_study.retrieval.passage import contains_answer

Passages = Sequence[tuple[str, str]]
# Answers of the ladder that are graded twice.
REPEATED = 24
# Of a gold document, for criteria that need passages: about what two retrieved ones hold.
MAX_PASSAGE_WORDS = 250
_LONGEST = 300  # characters of a text shown in a table


# Of which answer a score is: answers that were made again may be others under the same question.
_ANSWERED = "answer_digest"


def _digest(answer: str) -> str:
    return hashlib.sha256(answer.encode()).hexdigest()[:16]


def _are_of(digests: list[str], rows: list[dict]) -> bool:
    return [row.get(_ANSWERED) for row in rows] == digests


def judge_answers(
    judge: Judge,
    answers: pd.DataFrame,
    questions: Sequence[Question],
    batch_size: int,
    folder: RunFolder,
    passages: Mapping[tuple[str, str], Passages] | None = None,
) -> Iterator[list[dict[str, Any]]]:
    """Score an answers table (context, question_id, position, answer) in the batches in which it
    was answered; yields rows of context, question_id, reference metrics and the judge's scores.

    `passages` by (context, question id), from `passages_shown`, are for criteria that need them.
    """
    by_id = {question.id: question for question in questions}
    for context, part in answers.groupby("context", sort=False):
        # By position, not by count: a question without an answer must not shift the batches.
        for number, rows in part.groupby(part["position"] // batch_size, sort=True):
            batch = [
                (
                    {
                        "context": context,
                        "question_id": row.question_id,
                        _ANSWERED: _digest(row.answer),
                    },
                    row.answer,
                    (passages or {}).get((context, row.question_id)),
                )
                for row in rows.sort_values("position").itertuples()
            ]
            score = partial(_score_batch, judge, batch, by_id)
            fits = partial(_are_of, [row[_ANSWERED] for row, _, _ in batch])
            yield folder.part(f"{context}-{number * batch_size:05d}", score, fits)


def with_lost(answers: pd.DataFrame, judged: pd.DataFrame, judge: Judge) -> pd.DataFrame:
    """The answers with their scores: one row for each that was judged, and one without any score
    for each that is lost (`generation.lost_row`), whose reason stands in `<metric>_missing`."""
    lost = answers[answers["lost"] == 1]
    keys = ["context", "question_id", _ANSWERED]
    if judged.empty:
        judged = pd.DataFrame(columns=keys)
    digests = [None if pd.isna(text) else _digest(text) for text in answers["answer"]]
    scores = answers.assign(**{_ANSWERED: digests}).merge(judged, on=keys, validate="one_to_one")
    scores = scores.drop(columns=_ANSWERED)
    if lost.empty:
        return scores
    reasons = {f"{c.metric}_missing": lost["missing_reason"] for c in judge.criteria}
    together = pd.concat([scores, lost.assign(**reasons)], ignore_index=True)
    return together.sort_values(["context", "position"], ignore_index=True)


def judge_ladder(
    judge: Judge,
    rungs: Sequence[dict[str, str]],
    questions: Sequence[Question],
    batch_size: int,
    folder: RunFolder,
    passages: Mapping[str, Passages] | None = None,
    name: str = "ladder",
) -> Iterator[list[dict[str, Any]]]:
    """Score a ladder, or the style rungs (under another `name`); yields its rows with the reference
    metrics and the judge's scores, and with `place`, the row's number in `rungs`.

    The answers to one question are scored together, since what they begin with is read once: in
    batches of about `batch_size` (half as many again at most), of what is about equally long.
    """
    by_id = {question.id: question for question in questions}
    of_question: dict[str, list[tuple[dict[str, Any], str, Passages | None]]] = {}
    for place, row in enumerate(rungs):
        shown = (passages or {}).get(row["question_id"])
        entry = {"place": place, **row}, row["candidate"], shown
        of_question.setdefault(row["question_id"], []).append(entry)
    for number, entries in enumerate(of_question.values()):
        entries.sort(key=lambda entry: len(entry[1]), reverse=True)
        batches = max(1, round(len(entries) / batch_size))
        for part in range(batches):
            start, end = (len(entries) * k // batches for k in (part, part + 1))
            score = partial(_score_batch, judge, entries[start:end], by_id)
            yield folder.part(f"{name}-{number:04d}-{part}", score)


def in_order(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """What `judge_ladder` gave as a table in the order of the rungs; of none, a table with these
    columns."""
    table = pd.DataFrame(rows) if rows else pd.DataFrame(columns=[*columns, "place"])
    return table.sort_values("place", ignore_index=True)


def judge_repeatedly(
    judge: Judge,
    ladder: pd.DataFrame,
    questions: Sequence[Question],
    passages: Mapping[str, Passages] | None = None,
) -> pd.DataFrame:
    """The ladder with `<metric>_again` for up to REPEATED of the answers that the model was asked
    about, spread over the ladder, each graded a second time and alone; missing elsewhere."""
    by_id = {question.id: question for question in questions}
    table = ladder.copy()
    for criterion in judge.criteria:
        table[f"{criterion.metric}_again"] = pd.Series(float("nan"), index=table.index)
    graded = table.index[table["judge_by_rule"] == ""]
    for index in graded[:: max(1, -(-len(graded) // REPEATED))]:
        row = table.loc[index]
        shown = (passages or {}).get(row["question_id"])
        item = Item.of(by_id[row["question_id"]], row["candidate"], shown)
        scores = judge.score([item])[0]
        for criterion in judge.criteria:
            table.loc[index, f"{criterion.metric}_again"] = scores[criterion.metric]
    return table


def passages_shown(
    answers: pd.DataFrame, questions: Sequence[Question], builder: ContextBuilder
) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """(title, text) of what each answer was given, by (context, question id).

    Contexts without passages have none; there, groundedness has no meaning.
    """
    by_id = {question.id: question for question in questions}
    by_answer = {}
    for row in answers.itertuples():
        kept = set(row.passages)
        chosen = builder.context(by_id[row.question_id], row.context).passages if kept else ()
        shown = [(p.title, p.text) for p in chosen or () if p.chunk_id in kept]
        by_answer[row.context, row.question_id] = shown
    return by_answer


def gold_passages(
    questions: Sequence[Question], documents: Sequence[Document]
) -> dict[str, list[tuple[str, str]]]:
    """(title, beginning of the text) of the gold documents, by question id, for the ladder.

    The part around the first answer is taken where a document is long. Of a document and its
    copies one is enough: the first that holds an answer, else the first.
    """
    texts: dict[str, list[Document]] = {}
    for document in documents:
        texts.setdefault(document.copy_of or document.doc_id, []).append(document)
    return {
        question.id: [
            (chosen.title, _around_answer(chosen.text, question))
            for doc_id in question.gold_doc_ids
            if doc_id in texts
            for chosen in [_holding_answer(texts[doc_id], question)]
        ]
        for question in questions
    }


def _holding_answer(documents: Sequence[Document], question: Question) -> Document:
    holding = (document for document in documents if contains_answer(document.text, question))
    return next(holding, documents[0])


def _around_answer(text: str, question: Question) -> str:
    return cut_around(text, first_place(text, question.answers) or 0, MAX_PASSAGE_WORDS)


def _score_batch(
    judge: Judge,
    batch: Sequence[tuple[dict[str, Any], str, Passages | None]],
    by_id: dict[str, Question],
) -> list[dict[str, Any]]:
    """Each row (which names its question) with all scores of the answer beside it."""
    batch_questions = [by_id[row["question_id"]] for row, _, _ in batch]
    items = [
        Item.of(question, answer, shown)
        for question, (_, answer, shown) in zip(batch_questions, batch, strict=True)
    ]
    return [
        row | reference.score(answer, question) | judged
        for (row, answer, _), question, judged in zip(
            batch, batch_questions, judge.score(items), strict=True
        )
    ]


def extremes(
    scores: pd.DataFrame,
    questions: Sequence[Question],
    criterion: Criterion,
    text: str = "answer",
    most: int = 3,
) -> pd.DataFrame:
    """The answers with the highest and the lowest scores that the model itself gave, highest first.

    `text` is the column with the answer. Beside question, reference and answer stand the score and
    the probabilities of the five digits, as percentages. Empty where the model gave no score.
    """
    by_id = {question.id: question for question in questions}
    graded = scores[(scores["judge_by_rule"] == "") & scores[criterion.metric].notna()]
    graded = graded.sort_values(criterion.metric, ascending=False, kind="stable")
    graded = pd.concat([graded.head(most), graded.iloc[max(most, len(graded) - most) :]])
    rows = [
        {
            "score": round(row[criterion.metric], 2),
            "% of 1, 2, 3, 4, 5": " ".join(f"{100 * p:.0f}" for p in row[f"{criterion.metric}_p"]),
            "question": _cut(by_id[row["question_id"]].question),
            "reference": _cut(by_id[row["question_id"]].reference),
            text: _cut(row[text]),
        }
        for row in graded.to_dict("records")
    ]
    return pd.DataFrame(rows)


def _cut(words: str) -> str:
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"
