import random

import pytest

from rag_study import data as qa_datasets
from rag_study.common.errors import StudyError
from rag_study.data import near_duplicates
from rag_study.data.schema import QADataset, Question
from rag_study.data.splits import with_groups

KINDS = [
    f"{a}{b}" for a in ("marsh ", "rock ", "night ", "reed ") for b in ("bird", "fish", "moth")
]
PLACES = ("Ansel", "Bral", "Corm", "Dunlo", "Estrin", "Falk", "Gorm")


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


def similar(*fields):
    """Questions of which the first two ask the same in almost the same words."""
    texts = (
        "Who was the actor that played the captain in the first film?",
        "who played the captain in the first film, the actor",
        "Who was the actor that played the captain in the second film?",
        "Who directed the first film?",
    )
    answers = ("Ann Bell", "ann bell", "Cid Dow", "Ann Bell")
    return tuple(
        Question(f"s{i}", text, (answer,), **extra)
        for i, (text, answer, extra) in enumerate(zip(texts, answers, fields, strict=True))
    )


def test_near_duplicates_need_like_words_the_same_numbers_and_a_common_answer():
    def ask(number, text, answer, **fields):
        return Question(f"q{number}", text, (answer,), **fields)

    data = [
        ask(0, "Who won the world cup of 1998 in France?", "France"),
        ask(1, "who won the 1998 world cup in France", "France"),
        ask(2, "Who won the world cup of 1999 in France?", "France"),
        ask(3, "Who won the world cup of 1998 in France?", "Brazil"),
        ask(4, "who won the 1998 world cup in France", "France", scope="a paper"),
    ]
    assert [(a.id, b.id) for a, b in near_duplicates.find_pairs(data)] == [("q0", "q1")]


def test_near_duplicates_agree_with_comparing_every_pair():
    rng = random.Random(5)
    words = [f"w{i}x" for i in range(14)]
    data = [
        Question(f"q{i}", " ".join(rng.sample(words, rng.randint(3, 6))), ("a",))
        for i in range(150)
    ]
    found = {(a.id, b.id) for a, b in near_duplicates.find_pairs(data)}
    bags = [frozenset(q.question.split()) for q in data]
    exact = {
        tuple(sorted((f"q{i}", f"q{j}"), key=lambda name: int(name[1:])))
        for i in range(150)
        for j in range(i)
        if len(bags[i] & bags[j]) / len(bags[i] | bags[j]) >= near_duplicates.THRESHOLD
        and not any(c.isdigit() for w in bags[i] ^ bags[j] for c in w)
    }
    assert {tuple(sorted(p, key=lambda name: int(name[1:]))) for p in found} == exact


def test_near_duplicates_share_a_derived_group():
    grouped, counts = with_groups(data := similar({}, {}, {}, {}), near_duplicates.find_pairs(data))
    assert grouped[0].group == grouped[1].group
    assert len({q.group for q in grouped}) == 3
    assert counts["joined by near-duplicate"] == 1


def test_near_duplicates_across_given_groups_leave_the_training_side():
    texts = [
        f"Which {kind} lives in the {place} valley of the river?"
        for kind in KINDS
        for place in PLACES
    ]
    data = tuple(
        Question(f"{copy}{i}", text + copy, (f"answer {i}",), group=f"{copy}-group-{i}")
        for i, text in enumerate(texts)
        for copy in ("", " now")
    )
    split = qa_datasets.split(QADataset(data, ()))
    assert sum(split.dropped.values()) > 0
    assert sum(split.sizes().values()) + sum(split.dropped.values()) == len(data)
    leakage = qa_datasets.leakage(split.pools)
    assert list(leakage.values())[:3] == [0, 0, 0]
    # The test pool is what it would be without the copies' being looked for: only others give way.
    assert split.dropped["near-duplicate of a test question"] > 0


def test_leakage_is_seen_where_there_is_some():
    same = {"question": "Who built it?", "answers": ("x",), "gold_doc_ids": ("d",)}
    pools = {
        "test": [Question("a", **same, group="g"), Question("b", "Why then?", ("y",), group="h")],
        "validation": [],
        "train": [Question("c", **same, group="g")],
    }
    assert list(qa_datasets.leakage(pools).values()) == [1, 1, 1, 1, 1]


def test_same_wording_of_another_scope_is_another_question():
    data = tuple(
        Question(f"q{i}", "Which baselines are used?", ("x",), scope=f"p{i}", group=f"p{i}")
        for i in range(60)
    )
    grouped, counts = with_groups(data)
    assert counts["joined by same wording"] == 0
    assert len({q.group for q in grouped}) == 60


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
    data = qa_datasets.load("fictional", options={"num_worlds": 20})
    split = qa_datasets.split(data)
    qa_datasets.save_prepared(tmp_path, data, split)
    assert {p: tuple(q) for p, q in qa_datasets.load_pools(tmp_path).items()} == split.pools
    assert tuple(qa_datasets.load_corpus(tmp_path)) == data.documents


def test_default_data_set_is_large_enough():
    sizes = qa_datasets.split(qa_datasets.load("fictional")).sizes()
    assert sizes["train"] >= 1000
    assert sizes["test"] >= 200
