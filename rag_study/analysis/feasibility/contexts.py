"""In which contexts the questions of a study can really be asked, by the rules of
`answering.contexts`: counted on whole documents, since there are no passages yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rag_study.analysis.feasibility.asked import Asked, groups_of
from rag_study.analysis.feasibility.findings import NO_VERDICT, NOTE, Finding
from rag_study.analysis.planning import shortage
from rag_study.common.wording import counted
from rag_study.data import train_subset
from rag_study.data.schema import Document, Question

# What a search finds and whether that is without the answer, only a search tells: `retrieved` and
# `distractor` are not here, and `none` takes nothing.
_OF_GOLD = ("oracle", "counterfactual")
COUNTED = (*_OF_GOLD, "training")


def records(
    asked: Asked, contexts: Sequence[str], documents: Sequence[Document]
) -> list[dict[str, Any]]:
    """One row for each context of COUNTED among these: how many questions the study asks for
    (`asked`), how many of them can be asked, in how many groups, and why not the others."""
    rows = []
    for context in contexts:
        if context == "training" and asked.train_size:
            size = min(asked.dataset.test_size, asked.train_size)
            possible = train_subset(list(asked.pools["train"]), asked.train_size, 0)[:size]
            rows.append(_record(asked, context, asked.dataset.test_size, possible, Counter()))
        elif context in _OF_GOLD:
            missing = _missing(asked, context, documents)
            possible = [q for q, reason in zip(asked.test, missing, strict=True) if reason is None]
            reasons = Counter(reason for reason in missing if reason)
            rows.append(_record(asked, context, len(asked.test), possible, reasons))
    return rows


def findings(rows: Sequence[Mapping[str, Any]], primary: Sequence[str]) -> list[Finding]:
    """What is said of contexts in which not all questions can be asked. Where these are the only
    ones that carry verdicts (`primary`), and too few groups are left in each, no verdict is
    possible."""
    short = {row["context"]: shortage(row["groups"], row["groups_worth"]) for row in rows}
    hopeless = bool(primary) and all(short.get(name) for name in primary)
    found = []
    for row in rows:
        name, left = row["context"], row["asked"] - row["possible"]
        if not left:
            continue
        carries = name in primary
        sentence = (
            f"{row['dataset']}: in the context {name}, {row['possible']} of "
            f"{counted(row['asked'], 'question')} can be asked{_why(row)}"
        )
        sentence += f"; {short[name]}." if carries and short[name] else "."
        level = NO_VERDICT if carries and hopeless else NOTE
        found.append(Finding(level, "contexts", sentence, _remedy(row)))
    return found


def _record(
    asked: Asked,
    context: str,
    number: int,
    possible: Sequence[Question],
    reasons: Mapping[str, int],
) -> dict[str, Any]:
    groups, worth = groups_of(possible)
    return {
        "dataset": asked.name,
        "context": context,
        "asked": number,
        "possible": len(possible),
        "groups": groups,
        "groups_worth": worth,
        "reasons": dict(sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))),
    }


def _missing(asked: Asked, context: str, documents: Sequence[Document]) -> list[str | None]:
    """Why each test question cannot have the context; None for one that can."""
    import pandas as pd

    from rag_study.answering.contexts import ContextBuilder

    named = {doc_id for question in asked.test for doc_id in question.gold_doc_ids}
    whole = [(f"{d.doc_id}#{n}", d) for n, d in enumerate(documents) if d.doc_id in named]
    rows = [(chunk_id, d.doc_id, d.title, d.text, 1) for chunk_id, d in whole]
    chunks = pd.DataFrame(rows, columns=["chunk_id", "doc_id", "title", "text", "tokens"])
    hits = pd.DataFrame(columns=["question_id", "rank", "chunk_id"])
    every = [question for pool in asked.pools.values() for question in pool]
    builder = ContextBuilder(chunks, hits, 1, every)
    return [builder.context(question, context).missing_reason for question in asked.test]


def _why(row: Mapping[str, Any]) -> str:
    if row["context"] == "training":
        return ", as many as are trained on"
    reasons = [f"{reason}: {number}" for reason, number in row["reasons"].items()]
    return f" ({'; '.join(reasons)})" if reasons else ""


def _remedy(row: Mapping[str, Any]) -> str:
    if row["context"] == "training":
        return ""
    if row["context"] == "oracle":
        return "Give the others `gold_doc_ids`, or leave this context out."
    return "Its comparisons are made with those alone."
