"""What the data of a study is like, as far as questions, answers and documents tell it: no model
is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rag_study import data
from rag_study.analysis.feasibility.asked import Asked
from rag_study.common import run_folder
from rag_study.common.errors import StudyError
from rag_study.common.text import contains, length
from rag_study.data.schema import Document, Question
from rag_study.evaluation.judging.fitness import KINDS, kind_of
from rag_study.evaluation.languages import language_of, script_shares
from rag_study.retrieval.bm25 import WordIndex
from rag_study.study import stages

# Of larger corpora the words are not counted; of more questions, so many are searched for.
_MOST_DOCUMENTS, _MOST_SEARCHED = 20_000, 200


def record(asked: Asked) -> dict[str, Any]:
    """Questions, groups, languages, and kinds of answers of the test questions, as JSON values;
    shares are of the test questions."""
    number, worth = asked.groups
    test = asked.test
    texts = [f"{q.question} {q.reference}" for q in test]
    sizes = Counter(question.group or question.id for question in test)
    kinds = Counter(map(kind_of, test))
    # ROUGE-L gives every text a score, and a long right answer in other words a low one.
    unscored = [not question.answers and not question.key_points for question in test]
    return {
        "dataset": asked.name,
        "read": asked.pools is not None,
        "pools": {name: len(questions) for name, questions in (asked.pools or {}).items()},
        "test_questions": len(test),
        "groups": number,
        "groups_worth": worth,
        "largest_group": max(sizes.values(), default=0),
        "train_size": asked.train_size,
        "answer_types": dict(Counter(question.answer_type for question in test)),
        "answers": {kind: kinds[kind] / len(test) for kind in KINDS} if test else {},
        "only_by_judge": sum(unscored) / len(test) if test else None,
        "language": language_of(texts) or None,
        "scripts": {name: round(share, 3) for name, share in script_shares(texts).items()},
    }


def search_record(asked: Asked, documents: Sequence[Document], top_k: int) -> dict[str, Any]:
    """What a search of the test questions has to do with: documents, gold ones, whether the answer
    stands in them, and how often the commonest search by words finds one of them among the best
    `top_k` documents."""
    by_id = {document.doc_id: document for document in documents}
    with_gold = [q for q in asked.test if any(doc_id in by_id for doc_id in q.gold_doc_ids)]
    answered = [q for q in with_gold if q.answers and q.answer_type not in ("yesno", "list")]
    standing = [_stands(question, by_id) for question in answered]
    words = [length(document.text) for document in documents]
    return {
        "dataset": asked.name,
        "documents": len(documents),
        "copies": sum(document.copy_of is not None for document in documents),
        "words_per_document": float(np.median(words)) if words else None,
        "gold": len(with_gold) / len(asked.test) if asked.test else None,
        "answer_in_gold": float(np.mean(standing)) if standing else None,
        "top_k": top_k,
        "found_by_words": _found_by_words(asked, documents, with_gold, top_k),
    }


def documents_of(asked: Asked) -> Sequence[Document] | None:
    """The documents of a data set; None where they have not been read."""
    if asked.pools is None:
        return None
    if stages.is_done(asked.prepared):
        return data.load_corpus(run_folder.RunFolder(asked.prepared.run_id).path)
    return data.load(*asked.dataset.source).documents


def _stands(question: Question, by_id: Mapping[str, Document]) -> bool:
    texts = [by_id[doc_id].text for doc_id in question.gold_doc_ids if doc_id in by_id]
    return any(contains(text, answer) for text in texts for answer in question.answers)


def _found_by_words(
    asked: Asked, documents: Sequence[Document], questions: Sequence[Question], top_k: int
) -> float | None:
    own = asked.dataset.retrieval_scope == "own"
    if own or not questions or not top_k < len(documents) <= _MOST_DOCUMENTS:
        return None
    try:
        index = WordIndex.of([f"{document.title} {document.text}" for document in documents])
    except StudyError:
        return None  # of words that it counts there are none
    searched = questions[:: max(1, len(questions) // _MOST_SEARCHED)]
    hits = 0
    for question in searched:
        best = np.argsort(-index.scores(question.question), kind="stable")[:top_k]
        hits += any(documents[place].doc_id in question.gold_doc_ids for place in best)
    return hits / len(searched)
