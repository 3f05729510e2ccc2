"""Metrics against plain loops, scikit-learn and hand counts."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import ndcg_score

from rag_study import retrieval
from rag_study.analysis.retrieval import summarise_by_k
from rag_study.answering import contexts
from rag_study.data.schema import Question


def hits_of(order):
    rows = [(q, r, d, f"{d}#0") for q, docs in order.items() for r, d in enumerate(docs, start=1)]
    return pd.DataFrame(rows, columns=["question_id", "rank", "doc_id", "chunk_id"])


@pytest.fixture(scope="module")
def drawn():
    """(questions, documents found for each) at random: several gold documents, several passages
    of one, some questions with fewer passages than asked for, some with none."""
    rng = np.random.default_rng(0)
    questions, order = [], {}
    for number in range(60):
        gold = tuple(f"d{i}" for i in rng.choice(12, rng.integers(1, 5), replace=False))
        questions.append(
            Question(f"q{number}", "?", ("x",), gold_doc_ids=gold, group=f"g{number % 17}")
        )
        order[f"q{number}"] = [f"d{i}" for i in rng.integers(0, 12, rng.integers(0, 9))]
    return questions, order


def test_metrics_by_hand():
    questions = [
        Question("a", "?", ("x",), gold_doc_ids=("d1", "d2"), group="g1"),
        Question("b", "?", ("x",), gold_doc_ids=("d9",), group="g2"),
        Question("c", "?", ("x",), group="g2"),
    ]
    order = {"a": ["d5", "d1", "d1", "d2"], "b": ["d1", "d2", "d3", "d4"], "c": ["d1"] * 4}
    table = retrieval.question_metrics(hits_of(order), questions, 4)
    a = table[table["question_id"] == "a"].set_index("k")
    assert a["recall"].tolist() == [0.0, 0.5, 0.5, 1.0]
    assert a["reciprocal_rank"].tolist() == [0.0, 0.5, 0.5, 0.5]
    assert a["precision"].tolist() == [0, 1 / 2, 1 / 3, 2 / 4]
    second, fourth = 1 / np.log2(3), 1 / np.log2(5)
    np.testing.assert_allclose(
        a["ndcg"],
        [0, second / (1 + second), second / (1 + second), (second + fourth) / (1 + second)],
    )
    assert (table[table["question_id"] == "b"]["recall"] == 0).all()
    assert "c" not in set(table["question_id"])  # no gold documents, nothing to measure
    by_k = summarise_by_k(table).set_index("k")
    assert by_k.loc[4, "recall"] == 0.5
    assert by_k.loc[4, "mrr"] == 0.25
    assert by_k.loc[4, "n"] == 2
    assert by_k.loc[4, "recall_low"] <= 0.5 <= by_k.loc[4, "recall_high"]


def test_metrics_against_plain_loops(drawn):
    questions, order = drawn
    table = retrieval.question_metrics(hits_of(order), questions, 6)
    assert len(table) == 6 * len(questions)
    rows = iter(table.itertuples())
    for question in questions:
        docs, gold = order[question.id], set(question.gold_doc_ids)
        for k in range(1, 7):
            row = next(rows)
            assert (row.question_id, row.k, row.group) == (question.id, k, question.group)
            distinct = len({doc for doc in docs[:k] if doc in gold})
            assert row.recall == pytest.approx(distinct / len(gold))
            assert row.precision == pytest.approx(distinct / k)
            ranks = [rank for rank, doc in enumerate(docs[:k], start=1) if doc in gold]
            assert row.reciprocal_rank == pytest.approx(1 / ranks[0] if ranks else 0)


def test_ndcg_against_scikit_learn(drawn):
    questions, order = drawn
    table = retrieval.question_metrics(hits_of(order), questions, 6).set_index(["question_id", "k"])
    for question in questions:
        docs, gold = order[question.id], set(question.gold_doc_ids)
        gains = [float(doc in gold and doc not in docs[:i]) for i, doc in enumerate(docs)]
        gains += [0.0] * max(0, 6 - len(gains))  # nothing found there
        gains += [1.0] * int(len(gold) - sum(gains))  # the gold documents that were missed, last
        scores = -np.arange(len(gains), dtype=float)
        for k in range(1, 7):
            expected = ndcg_score([gains], [scores], k=k)
            assert table.loc[(question.id, k), "ndcg"] == pytest.approx(expected)


def test_means_and_counts_against_pandas(drawn):
    questions, order = drawn
    table = retrieval.question_metrics(hits_of(order), questions, 6)
    by_k = summarise_by_k(table).set_index("k")
    means = table.groupby("k")[["recall", "reciprocal_rank", "precision", "ndcg"]].mean()
    for name, column in [("mrr", "reciprocal_rank")] + [(n, n) for n in ("recall", "ndcg")]:
        np.testing.assert_allclose(by_k[name], means[column])
        assert (by_k[f"{name}_low"] <= by_k[name]).all()
        assert (by_k[f"{name}_high"] >= by_k[name]).all()
    assert (by_k["n"] == len(questions)).all()


def test_questions_without_a_group_are_clusters_of_their_own(drawn):
    questions, order = drawn
    table = retrieval.question_metrics(hits_of(order), questions, 2)
    alone = summarise_by_k(table.assign(group=None))
    pd.testing.assert_frame_equal(alone, summarise_by_k(table.assign(group=table["question_id"])))


def test_nothing_to_measure_gives_empty_tables():
    table = retrieval.question_metrics(hits_of({"a": ["d1"]}), [Question("a", "?", ("x",))], 3)
    assert table.empty
    assert summarise_by_k(table).empty


def test_whether_the_answer_is_in_the_context():
    texts = {"d1": "Nothing here.", "d2": "It was built by Ada Lund in 1802.", "d3": "In 1802."}
    chunks = pd.DataFrame(
        [(f"{d}#0", d, "Mill", text, 9) for d, text in texts.items()],
        columns=["chunk_id", "doc_id", "title", "text", "tokens"],
    )
    gold = {"gold_doc_ids": ("d2",), "group": "g"}
    questions = [
        Question("found", "Who?", ("Ada Lund",), **gold),
        Question("title", "What?", ("the mill",), **gold),
        Question("late", "When?", ("1802",), **gold),
        Question("missed", "Where?", ("Oslo",), **gold),
        Question("yesno", "Is it?", ("yes",), answer_type="yesno", **gold),
        Question("nothing", "Who?", ("Ada Lund",), **gold),
    ]
    order = {q.id: ["d1", "d2", "d3"] for q in questions}
    order["late"], order["nothing"] = ["d1", "d1", "d3"], []
    table = retrieval.question_metrics(hits_of(order), questions, 4, chunks)
    found = {q: t["answer_in_context"].tolist() for q, t in table.groupby("question_id")}
    assert found["found"] == [0, 1, 1, 1]
    assert found["title"] == [1, 1, 1, 1]
    assert found["late"] == [0, 0, 1, 1]
    assert found["missed"] == found["nothing"] == [0, 0, 0, 0]
    assert table[table["question_id"] == "yesno"]["answer_in_context"].isna().all()
    builder = contexts.ContextBuilder(chunks, hits_of(order), top_k=2)
    for question in questions:
        context = builder.context(question, "retrieved")
        here = table[(table["question_id"] == question.id) & (table["k"] == 2)]
        mine = here["answer_in_context"].iloc[0]
        assert context.answer_in_context == (None if pd.isna(mine) else bool(mine))
    by_k = summarise_by_k(table).set_index("k")
    assert by_k["answer_in_context"].tolist() == [0.2, 0.4, 0.6, 0.6]  # of five questions
    assert (by_k["n"] == 6).all()
    only_yesno = table[table["question_id"] == "yesno"]
    assert summarise_by_k(only_yesno)["answer_in_context"].isna().all()
