import dataclasses
import itertools
import math
import random
import re
import time
from collections import Counter

import pytest

from rag_study import data as qa_datasets
from rag_study.common.errors import StudyError
from rag_study.data import near_duplicates
from rag_study.data.grouping import with_groups
from rag_study.data.schema import QADataset, Question

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
    grouping = with_groups(questions(4, gold_doc_ids=lambda i: documents[i]))
    grouped, counts = grouping.questions, grouping.counts
    assert grouped[0].group == grouped[1].group == grouped[2].group != grouped[3].group
    assert counts["joined by gold document"] == 2


def test_same_wording_is_one_group_even_across_given_groups():
    data = (
        Question("a", "Who built it?", ("x",), group="g1"),
        Question("b", "who built it", ("x",), group="g2"),
        Question("c", "Who sold it?", ("x",), group="g2"),
    )
    grouping = with_groups(data)
    grouped, counts = grouping.questions, grouping.counts
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
    weight = {w: math.log(1 + len(set(bags)) / sum(w in b for b in set(bags))) for w in words}

    def weigh(bag):
        return sum(weight[word] for word in bag)

    exact = {
        (f"q{j}", f"q{i}")
        for i in range(150)
        for j in range(i)
        if weigh(bags[i] & bags[j]) / weigh(bags[i] | bags[j]) >= near_duplicates.THRESHOLD
        and not any(c.isdigit() for w in bags[i] ^ bags[j] for c in w)
    }
    assert exact
    # Of questions in the same words, each has a pair with the first at least.
    assert found <= exact
    assert {bags[int(name[1:])] for pair in exact for name in pair} == {
        bags[int(name[1:])] for pair in found for name in pair
    }


def template(n, answer, **fields):
    """n questions of one template, each about something else."""
    syllables = ("ka", "lo", "mir", "ten", "vus", "ro")
    return [
        Question(
            f"t{i}",
            f"In which year did the {a}{b}{c} ferry carry its first passengers?",
            (answer(i),),
            **{k: f(i) for k, f in fields.items()},
        )
        for i, (a, b, c) in zip(range(n), itertools.product(syllables, repeat=3), strict=False)
    ]


def test_questions_of_one_template_are_no_near_duplicates():
    few_answers = template(200, lambda i: f"{1900 + i % 7}")
    assert near_duplicates.find_pairs(few_answers) == []
    grouping = with_groups(few_answers, [])
    assert grouping.counts["groups in all"] == 200
    # Two or three are too few to see the template by: capitals tell them apart.
    two = [
        Question(f"{i}", f"Who ran the long old ferry of {place} on the great lake?", ("Ann",))
        for i, place in enumerate(("Mirten", "Vusro"))
    ]
    assert near_duplicates.find_pairs(two) == []


def test_questions_about_other_documents_are_no_near_duplicates():
    texts = ("Who was the ferry's captain then?", "who was then captain of the ferry's")
    a, b = (Question(f"{i}", t, ("Ann",), gold_doc_ids=(f"d{i}",)) for i, t in enumerate(texts))
    c = dataclasses.replace(b, id="c", gold_doc_ids=())
    assert [(x.id, y.id) for x, y in near_duplicates.find_pairs([a, b, c])] == [
        ("0", "c"),
        ("1", "c"),
    ]


def test_the_search_for_near_duplicates_is_not_quadratic():
    def seconds(data):
        start = time.process_time()
        near_duplicates.find_pairs(data)
        return time.process_time() - start

    def copies(n):  # the worst: one wording, few answers, as many documents as questions
        return [
            Question(f"{i}", "What is the date of it?", (f"a{i % 3}",), gold_doc_ids=(f"d{i}",))
            for i in range(n)
        ]

    seconds(copies(100))
    assert seconds(copies(8000)) < 8 * max(seconds(copies(2000)), 0.05)


def test_paraphrases_with_the_same_answer_are_counted():
    test = template(200, lambda i: f"year {i}", group=lambda i: f"a{i}")
    train = [
        dataclasses.replace(
            q,
            id=f"p{q.id}",
            question=f"When was the maiden trip of the {q.question.split()[5]} ferry?",
            group=f"b{q.id}",
        )
        for q in test[::4]
    ]
    counted = qa_datasets.leakage({"test": test, "validation": [], "train": train})
    assert counted["paraphrase with the same answer in another pool"] == 50
    other_answers = [dataclasses.replace(q, answers=("x",), reference="x") for q in train]
    counted = qa_datasets.leakage({"test": test, "validation": [], "train": other_answers})
    assert counted["paraphrase with the same answer in another pool"] == 0


def test_near_duplicates_share_a_derived_group():
    data = similar({}, {}, {}, {})
    grouping = with_groups(data, near_duplicates.find_pairs(data))
    grouped, counts = grouping.questions, grouping.counts
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
    assert list(qa_datasets.leakage(pools).values()) == [1, 1, 1, 1, 1, 1]


def test_same_wording_of_another_scope_is_another_question():
    data = tuple(
        Question(f"q{i}", "Which baselines are used?", ("x",), scope=f"p{i}", group=f"p{i}")
        for i in range(60)
    )
    grouping = with_groups(data)
    grouped, counts = grouping.questions, grouping.counts
    assert counts["joined by same wording"] == 0
    assert len({q.group for q in grouped}) == 60


def test_train_subsets_are_nested_and_differ_by_seed():
    pool = list(questions(100))
    small, large = (qa_datasets.train_subset(pool, n, seed=1) for n in (10, 50))
    assert large[:10] == small
    assert qa_datasets.train_subset(pool, 10, seed=2) != small
    with pytest.raises(StudyError, match="above the 100 questions"):
        qa_datasets.train_subset(pool, 101, seed=0)


@pytest.mark.parametrize("number", [1, 2])
def test_fewer_questions_than_pools_are_no_fault_of_a_group(number):
    questions = [Question(f"q{i}", f"Who built mill {i}?", (f"Ann {i}",)) for i in range(number)]
    with pytest.raises(StudyError, match=r"too few .* no group\. More questions are needed\.$"):
        qa_datasets.split(QADataset(tuple(questions), ()))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"group": lambda i: "the handbook"},
            "'the handbook', which the data itself gives, has 50",
        ),
        ({"gold_doc_ids": lambda i: (f"d{i}", f"d{i + 1}")}, "share gold documents.*`group`"),
    ],
)
def test_what_cannot_be_split_is_said_with_what_joined_it(fields, words):
    with pytest.raises(StudyError, match="50 questions in 1 group, too few to fill") as caught:
        qa_datasets.split(QADataset(questions(50, **fields), ()))
    assert re.search(words, str(caught.value))


def test_same_wording_without_scope_is_said():
    data = tuple(Question(f"q{i}", "What is due?", (f"a{i}",)) for i in range(30))
    with pytest.raises(StudyError, match=r"the same wording.*`scope`"):
        qa_datasets.split(QADataset(data, ()))


@pytest.mark.parametrize("test_share", [0.1, 0.25, 0.6])
@pytest.mark.parametrize("size", [200, 320, 390])
def test_a_dominating_group_goes_to_training(size, test_share):
    data = questions(400, group=lambda i: "the handbook" if i < size else f"leaf {i}")
    split = qa_datasets.split(QADataset(data, ()), test_share)
    groups = {pool: {q.group for q in members} for pool, members in split.pools.items()}
    assert "the handbook" in groups["train"]
    assert len(groups["test"]) == len(split.pools["test"])  # none of more than one question
    assert split.groups["groups too large for the test pool (in training)"] == 1
    assert (
        split.groups["questions in these"] == split.groups["questions in the largest group"] == size
    )
    # What training takes is missing for the others in equal parts.
    rest = 400 - size
    share = min(test_share * 400, rest * test_share / (test_share + 0.1))
    assert abs(len(split.pools["test"]) - share) <= 1


def test_pools_of_very_uneven_groups():
    sizes = [max(1, 300 // (rank + 1)) for rank in range(300)]  # Zipf
    owners = [f"g{rank}" for rank, size in enumerate(sizes) for _ in range(size)]
    split = qa_datasets.split(QADataset(questions(len(owners), group=lambda i: owners[i]), ()))
    counts = Counter(q.group for q in split.pools["test"])
    total = sum(counts.values())
    assert total**2 / sum(n**2 for n in counts.values()) >= 20  # Kish
    assert abs(total - len(owners) / 4) <= 0.02 * len(owners)
    in_train = Counter(q.group for q in split.pools["train"])
    assert all(in_train[f"g{rank}"] == sizes[rank] for rank in range(3))


def test_groups_of_one_size_are_divided_by_chance():
    split = qa_datasets.split(QADataset(questions(400, group=lambda i: f"g{i % 10}"), ()))
    assert split.sizes() == {"train": 240, "validation": 40, "test": 120}
    assert split.groups["groups too large for the test pool (in training)"] == 0


@pytest.mark.parametrize("sizes", [(1, 1, 1), (30, 1, 1), (30, 30, 30), (5, 90, 5, 7)])
def test_three_groups_are_enough(sizes):
    owners = [f"g{n}" for n, size in enumerate(sizes) for _ in range(size)]
    split = qa_datasets.split(QADataset(questions(len(owners), group=lambda i: owners[i]), ()))
    assert min(split.sizes().values()) >= 1
    assert sum(split.sizes().values()) == len(owners)
    largest = max(sizes)
    if sizes.count(largest) == 1:
        assert len(split.pools["train"]) >= largest


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
