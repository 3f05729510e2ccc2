"""All questions with the answers of every state, for the page to show as they are wanted.

The page gets texts and marks as data; its script makes the rows that are looked at, so that a
thousand questions cost no more to open than ten.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pandas as pd
from markupsafe import Markup

from rag_study.analysis.decomposition import Right
from rag_study.analysis.flips import RIGHT_GRADE
from rag_study.analysis.pairing import BASE_COLUMNS, PEOPLE, RUN_COLUMNS
from rag_study.analysis.states import (
    context_label,
    context_rank,
    factor_words,
    is_base,
    state_label,
)
from rag_study.analysis.study_results import StudyResults
from rag_study.common.shown import visible
from rag_study.common.wording import is_number
from rag_study.report.headline import scored_headline_row
from rag_study.report.tables import run_factors

# Longer passages, all together, stay in the notebook 00_explore alone.
PASSAGE_CHARACTERS = 8_000_000
_SLICES = ("answer_type", "known_before")
_ANSWER = [*RUN_COLUMNS, "context", "question_id"]


def all_answers(results: StudyResults) -> dict[str, Any]:
    """What the page's script shows; {} without answers.

    `contexts` and `states` are labels, the latter with the place of their base (null for a base),
    and `first` is the context to begin with; `questions` are [id, data set, question, right answer,
    {kind: value}]; `answers` are [question, context, state, answer, right by its strings, the
    judge's grade, cut, refused, prompt] by places in the other lists, with null where something is
    not known. `prompts` are the lists of `passages` ([title, text]) that stood in prompts, best
    first. `judge` names whose grades they are, and from `grade` on an answer is right by them.
    """
    frame = results.results.reset_index(drop=True)
    if frame.empty or "answer" not in frame:
        return {}
    judge, metric = _judge(results)
    once = frame.drop_duplicates(_ANSWER).assign(right=lambda rows: Right().of(rows))
    if judge:
        graded = frame[(frame["judge"] == judge) & frame[metric].notna()]
        grades = graded.drop_duplicates(_ANSWER).set_index(_ANSWER)[metric].rename("grade")
        once = once.join(grades, on=_ANSWER)
    contexts = sorted(set(once["context"]), key=context_rank)
    states, of_row, bases = _states(once)
    asked = once.drop_duplicates(["dataset", "question_id"])
    asked = asked.sort_values(["dataset", "question_id"], kind="stable")
    places = {key: i for i, key in enumerate(_keys(asked))}
    kinds = [n for n in once if n in _SLICES or n.startswith("extra_")]
    passages, prompts, of_prompt = _passages(results)
    if prompts:
        once = once.join(of_prompt.rename("prompt"), on=_ANSWER)
    rows = once.assign(
        state=of_row,
        place=[places[key] for key in _keys(once)],
        shown_in=once["context"].map(contexts.index),
    )
    return {
        "judge": judge,
        "grade": RIGHT_GRADE,
        "contexts": [context_label(name) for name in contexts],
        "first": contexts.index("retrieved") if "retrieved" in contexts else 0,
        "passages": passages,
        "prompts": prompts,
        "states": [[visible(name), base] for name, base in zip(states, bases, strict=True)],
        "questions": [
            [*(_text(row[n]) for n in ("question_id", "dataset", "question", "reference")),
             {n.removeprefix("extra_").replace("_", " "): _text(row[n]) for n in kinds
              if _text(row[n])}]
            for row in asked.to_dict("records")
        ],
        "answers": [
            [row["place"], row["shown_in"], row["state"], _text(row["answer"]),
             _mark(row["right"]), _grade(row.get("grade")), _mark(row.get("truncated")),
             _mark(row.get("refusal_rate")), _place(row.get("prompt"))]
            for row in rows.to_dict("records")
        ],
    }  # fmt: skip


def link_to(question_id: str) -> str:
    """Where a page's links lead that open this question among all answers."""
    return f"#question-{quote(_text(question_id), safe='')}"


def as_script(content: dict[str, Any]) -> Markup:
    """The data as JSON inside a `script` of the page: nothing in a text can end it."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _judge(results: StudyResults) -> tuple[str, str]:
    """Whose grades stand beside: those that the headline is about, else the first judge's."""
    judges = sorted({name for name in results.results["judge"].dropna() if name})
    row = scored_headline_row(results)
    metrics = [name for name in results.metrics.judged if name in results.results]
    if not judges or not metrics:
        return "", ""
    if row is not None and row["judge"] not in ("", PEOPLE) and row["metric"] in metrics:
        return str(row["judge"]), str(row["metric"])
    return judges[0], metrics[0]


def _passages(results: StudyResults) -> tuple[list[list[str]], list[list[int]], pd.Series]:
    """(title and text of every passage, the lists of them by their places, the list of each
    answer's prompt); nothing of all where they would make the page too large."""
    seen, table = results.evidence, results.passages
    if seen.empty or table.empty or table["text"].str.len().sum() > PASSAGE_CHARACTERS:
        return [], [], pd.Series(dtype=float)
    place = {key: i for i, key in enumerate(zip(table["search"], table["passage"], strict=True))}
    prompts: dict[tuple[int, ...], int] = {}
    once = seen.drop_duplicates(_ANSWER).set_index(_ANSWER)
    of_answers = []
    for search, ids in zip(once["search"], once["passages"], strict=True):
        known = () if ids is None or isinstance(ids, float) else ids  # of another system: none
        shown = tuple(place[search, one] for one in known if (search, one) in place)
        of_answers.append(prompts.setdefault(shown, len(prompts)))
    texts = [[_text(title), _text(text)] for title, text in table[["title", "text"]].to_numpy()]
    return texts, [list(shown) for shown in prompts], pd.Series(of_answers, once.index)


def _states(once: pd.DataFrame) -> tuple[list[str], list[int], list[int | None]]:
    """Labels of the runs, the run of each row, and the place of each run's base."""
    factors = run_factors(once)
    groups = once.groupby(RUN_COLUMNS, dropna=False, sort=False)
    firsts = once.loc[[rows.index[0] for _, rows in groups]]
    order = firsts.assign(usual=~is_base(firsts)).sort_values(
        [*BASE_COLUMNS, "usual", "train_size", "method", "seed"], kind="stable"
    )
    labels = [
        ", ".join([state_label(row), *factor_words(row, factors)])
        for row in order.to_dict("records")
    ]
    keys = [tuple(row) for row in order[RUN_COLUMNS].astype(object).itertuples(index=False)]
    place = {key: i for i, key in enumerate(keys)}
    base_of = {
        tuple(row): i
        for i, row in enumerate(order[BASE_COLUMNS].itertuples(index=False))
        if is_base(order.iloc[[i]]).iloc[0]
    }
    settings = [tuple(row) for row in order[BASE_COLUMNS].itertuples(index=False)]
    bases = [base_of.get(key) for key in settings]
    bases = [None if base == i else base for i, base in enumerate(bases)]
    rows = once[RUN_COLUMNS].astype(object).itertuples(index=False)
    return labels, [place[tuple(row)] for row in rows], bases


def _keys(frame: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(frame["dataset"], frame["question_id"], strict=True))


def _text(value: Any) -> str:
    missing = value is None or (isinstance(value, float) and not is_number(value))
    return "" if missing else visible(str(value), lines=True, directions=True)


def _mark(value: Any) -> int | None:
    return int(value > 0) if is_number(value) else None


def _place(value: Any) -> int | None:
    return int(value) if is_number(value) else None


def _grade(value: Any) -> float | None:
    return round(float(value), 1) if is_number(value) else None
