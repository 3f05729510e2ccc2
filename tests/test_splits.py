import random

import pytest

from rag_study import qa_datasets
from rag_study.errors import StudyError
from rag_study.qa_datasets.schema import QADataset, Question
from rag_study.qa_datasets.splits import with_groups


def questions(n, **fields):
    """n questions, further fields given as functions of the number."""
    return tuple(
        Question(f"q{i}", f"Question {i}?", (f"a{i}",), **{k: f(i) for k, f in fields.items()})
        for i in range(n)
    )


def pools_of(split):
    return {q.id: pool for pool, members in split.pools.items() for q in members}


def test_no_group_is_in_two_pools_and_nothing_is_lost():
    data = QADataset(questions(300, group=lambda i: f"g{i % 60}"), ())
    split = qa_datasets.split(data)
    groups = {pool: {q.group for q in members} for pool, members in split.pools.items()}
    assert not groups["train"] & groups["test"]
    assert not groups["train"] & groups["validation"]
    assert not groups["validation"] & groups["test"]
    assert sorted(pools_of(split)) == sorted(q.id for q in data.questions)


def test_shares_are_near_what_is_asked():
    sizes = qa_datasets.split(QADataset(questions(1000), ()), test_share=0.3).sizes()
    assert abs(sizes["test"] - 300) <= 1
    assert abs(sizes["validation"] - 100) <= 1


def test_the_order_of_the_file_does_not_matter():
    data = questions(200, group=lambda i: f"g{i % 50}")
    shuffled = list(data)
    random.Random(3).shuffle(shuffled)
    first, second = (qa_datasets.split(QADataset(tuple(d), ())) for d in (data, shuffled))
    assert first.pools == second.pools


def test_test_pool_takes_one_question_of_each_group_first():
    split = qa_datasets.split(QADataset(questions(400, group=lambda i: f"g{i % 100}"), ()))
    test = split.pools["test"]
    n_groups = len({q.group for q in test})
    assert len({q.group for q in test[:n_groups]}) == n_groups


def test_groups_are_derived_from_shared_documents_transitively():
    documents = [("d1",), ("d1", "d2"), ("d2", "d3"), ("d9",)]
    grouped, counts = with_groups(questions(4, gold_doc_ids=lambda i: documents[i]))
    assert grouped[0].group == grouped[1].group == grouped[2].group != grouped[3].group
    assert counts["joined by gold document"] == 2


def test_same_wording_is_one_group_even_across_given_groups():
    data = (
        Question("a", "Who built it?", ("x",), group="g1"),
        Question("b", "who built it", ("x",), group="g2"),
        Question("c", "Who sold it?", ("x",), group="g2"),
    )
    grouped, counts = with_groups(data)
    assert len({q.group for q in grouped}) == 1
    assert counts["joined by same wording"] == 1


def test_train_subsets_are_nested_and_differ_by_seed():
    pool = list(questions(100))
    small, large = (qa_datasets.train_subset(pool, n, seed=1) for n in (10, 50))
    assert large[:10] == small
    assert qa_datasets.train_subset(pool, 10, seed=2) != small
    with pytest.raises(StudyError, match="above the 100 questions"):
        qa_datasets.train_subset(pool, 101, seed=0)


def test_one_group_cannot_be_split():
    with pytest.raises(StudyError, match="too few to fill"):
        qa_datasets.split(QADataset(questions(50, group=lambda i: "one"), ()))


def test_prepared_data_reads_back(tmp_path):
    data = qa_datasets.load("fictional", num_worlds=20)
    split = qa_datasets.split(data)
    qa_datasets.save_prepared(tmp_path, data, split)
    assert {p: tuple(q) for p, q in qa_datasets.load_pools(tmp_path).items()} == split.pools
    assert tuple(qa_datasets.load_corpus(tmp_path)) == data.documents


def test_default_data_set_is_large_enough():
    sizes = qa_datasets.split(qa_datasets.load("fictional")).sizes()
    assert sizes["train"] >= 1000
    assert sizes["test"] >= 200
