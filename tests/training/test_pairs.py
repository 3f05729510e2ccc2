from collections import Counter

import pandas as pd
import pytest

from rag_study import data
from rag_study.answering.contexts import ContextBuilder
from rag_study.common.errors import StudyError
from rag_study.common.text import contains
from rag_study.data.schema import NO_ANSWER, Question
from rag_study.models import prompts
from rag_study.training import pairs as training_data
from rag_study.training.pairs import PassageSource, TrainingPair
from rag_study.training.recipe import ANSWER_STYLES

# Question i asks about tower i, whose passage d<i>#1 holds the answer; d<i>#0 does not.
QUESTIONS = [
    Question(f"q{i}", f"Who built tower {i}?", (f"Person {i}",), gold_doc_ids=(f"d{i}",))
    for i in range(40)
]
CHUNKS = pd.DataFrame(
    [
        (f"d{i}#{j}", f"d{i}", f"Tower {i}", f"Built by Person {i}." if j else f"Lore of {i}.")
        for i in range(40)
        for j in range(2)
    ],
    columns=["chunk_id", "doc_id", "title", "text"],
).assign(tokens=10)
# The search finds the gold passage first, then other towers.
HITS = pd.DataFrame(
    [
        (f"q{i}", rank, f"d{(i + rank - 1) % 40}#1", f"d{(i + rank - 1) % 40}")
        for i in range(40)
        for rank in range(1, 8)
    ],
    columns=["question_id", "rank", "chunk_id", "doc_id"],
)
GENERAL = [TrainingPair(f"g{i}", f"Name a {i}.", f"{i}.", kind="general") for i in range(20)]


@pytest.fixture(scope="module")
def pool():
    dataset = data.load("fictional", options={"num_worlds": 84})
    return data.split(dataset).pools["train"]


@pytest.fixture
def source():
    return PassageSource(CHUNKS, HITS, top_k=3)


def ids(questions):
    return [question.id for question in questions]


def answered(questions=QUESTIONS):
    return training_data.with_answers(questions)[0]


# --- Questions ------------------------------------------------------------------------------------


def test_selections_of_a_seed_are_nested_and_those_of_another_differ(pool):
    small, large = (training_data.select(pool, size, 0)[0] for size in (20, 100))
    assert ids(small) == ids(large)[:20]
    assert small == data.train_subset(list(pool), 20, 0)
    assert ids(training_data.select(pool, 20, 1)[0]) != ids(small)
    assert training_data.select(pool[::-1], 20, 0)[0] == small


def test_near_duplicates_leave_the_pool_before_the_selection():
    twins = [
        Question("a", "Who built the old stone tower of Ulm?", ("Ann",)),
        Question("b", "Who built the old stone tower of Ulm in the end?", ("Ann",)),
        Question("c", "who built the old stone TOWER of Ulm", ("Ann",)),
    ]
    other = [Question(f"o{i}", f"Where does river {i} rise?", (f"hill {i}",)) for i in range(5)]
    for seed in range(5):
        plain, _ = training_data.select([*twins, *other], 6, seed)
        kept, counts = training_data.select([*twins, *other], 6, seed, deduplicate=True)
        assert len(plain) == len(kept) == 6
        assert len({"a", "b", "c"} & set(ids(kept))) == 1
        assert counts["left out as near-duplicates"] == 2
        smaller, _ = training_data.select([*twins, *other], 3, seed, deduplicate=True)
        assert smaller == kept[:3]
    with pytest.raises(StudyError, match=r"7 is above .* 6 questions \(2 near-duplicates"):
        training_data.select([*twins, *other], 7, 0, deduplicate=True)


def test_same_wording_in_another_scope_is_another_question():
    asked = [Question(f"q{i}", "Which data is used?", ("X",), scope=f"paper {i}") for i in range(4)]
    _, counts = training_data.select(asked, 4, 0, deduplicate=True)
    assert counts["left out as near-duplicates"] == 0


def test_counts_of_a_selection_add_up(pool):
    _, counts = training_data.select(pool, 50, 0, deduplicate=True)
    total = counts.pop("questions in the train pool")
    assert total == len(pool) == sum(counts.values())


def test_no_or_too_few_questions_are_refused(pool):
    with pytest.raises(StudyError, match="at least one"):
        training_data.select(pool, 0, 0)
    with pytest.raises(StudyError, match="train size 1 is above the train pool's 0 questions"):
        training_data.select([], 1, 0)
    with pytest.raises(StudyError, match="no training pairs"):
        training_data.with_replay([], 0.2, 0, GENERAL)


# --- Answers --------------------------------------------------------------------------------------


def test_answer_styles():
    full = Question(
        "a", "How high?", ("59 metres tall", "59 m"), rewording="It measures 59 metres in all."
    )
    bare = Question("b", "Summarise.", (), reference="A summary.", answer_type="summary")
    unanswerable = Question("c", "Why?", NO_ANSWER, answer_type="unanswerable")
    learned = {}
    for style in ANSWER_STYLES:
        rows, counts = training_data.with_answers([full, bare, unanswerable], style)
        learned[style] = [answer for _, answer in rows]
        changed = sum(answer != question.reference for question, answer in rows)
        assert counts["answers other than the reference, by style"] == changed
    assert learned == {
        "as_given": ["59 metres tall", "A summary.", NO_ANSWER[0]],
        "short": ["59 m", "A summary.", "unanswerable"],
        "long": ["It measures 59 metres in all.", "A summary.", NO_ANSWER[0]],
    }
    with pytest.raises(StudyError, match="unknown answer style 'terse'; known: as_given"):
        training_data.with_answers([full], "terse")


@pytest.mark.parametrize("style", ANSWER_STYLES)
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 1.0])
def test_label_noise_gives_the_exact_number_of_wrong_answers(pool, style, share):
    questions, _ = training_data.select(pool, 150, 0)
    right = dict(zip(ids(questions), training_data.with_answers(questions, style)[0], strict=True))
    rows, counts = training_data.with_answers(questions, style, label_noise=share, seed=3)
    given = {a: q for q, a in right.values()}
    swapped = [(q, answer) for q, answer in rows if answer != right[q.id][1]]
    assert len(swapped) == counts["wrong answers, by label noise"] == round(share * 150)
    for question, answer in swapped:
        assert not any(contains(answer, r) or contains(r, answer) for r in question.answers)
        assert given[answer].answer_type == question.answer_type


def test_label_noise_gives_nobody_the_wording_that_is_right_for_it():
    asked = [
        Question(f"q{i}", f"Where is {i}?", (f"N{i}C",), rewording=f"That is Newtown {i}, there.")
        for i in range(40)
    ]
    for seed in range(20):
        rows, counts = training_data.with_answers(asked, "long", label_noise=0.05, seed=seed)
        wrong = [answer for question, answer in rows if answer != question.rewording]
        assert len(wrong) == counts["wrong answers, by label noise"] == 2


def test_label_noise_exchanges_answers_among_the_chosen(pool):
    questions = [q for q in pool if q.answer_type == "factoid"]
    plain = answered(questions)
    rows, counts = training_data.with_answers(questions, label_noise=0.4)
    assert counts["of these copied, not exchanged"] == 0
    assert Counter(a for _, a in rows) == Counter(a for _, a in plain)


def test_what_cannot_be_exchanged_is_copied_and_counted():
    asked = [
        Question(f"q{i}", f"Is {i} even?", ("No" if i < 6 else "Yes",), answer_type="yesno")
        for i in range(8)
    ]
    rows, counts = training_data.with_answers(asked, label_noise=1.0)
    assert [answer for _, answer in rows] == ["Yes"] * 6 + ["No"] * 2
    assert counts["of these copied, not exchanged"] == 4


def test_the_wrong_of_a_small_share_are_wrong_with_a_larger_one_too(pool):
    questions, _ = training_data.select(pool, 100, 0)

    def wrong(share, seed):
        rows, _ = training_data.with_answers(questions, label_noise=share, seed=seed)
        return {q.id for q, answer in rows if answer != q.reference}

    assert wrong(0.1, 0) < wrong(0.3, 0) < wrong(0.7, 0)
    assert wrong(0.1, 0) == wrong(0.1, 0) != wrong(0.1, 1)


def test_label_noise_without_wrong_answers_is_refused():
    asked = [Question(f"q{i}", f"Why {i}?", NO_ANSWER, answer_type="unanswerable") for i in "abc"]
    with pytest.raises(StudyError, match="is 2, but only 0 can be given a wrong answer"):
        training_data.with_answers(asked, label_noise=0.5)


# --- Passages -------------------------------------------------------------------------------------


def test_closed_book_pairs_have_no_passages():
    pairs, counts = training_data.make_pairs(answered(), "closed_book")
    assert pairs[3] == TrainingPair("q3", "Who built tower 3?", "Person 3", wordings=("Person 3",))
    assert counts["pairs"] == counts["without passages"] == 40


def test_prompts_with_context_are_those_of_the_oracle_condition(tiny, source):
    pairs, counts = training_data.make_pairs(answered(), "with_context", source)
    builder = ContextBuilder(CHUNKS, HITS, top_k=3)
    for question, pair in zip(QUESTIONS, pairs, strict=True):
        shown = [(p.title, p.text) for p in builder.context(question, "oracle").passages]
        assert prompts.answer_prompt(
            tiny.tokenizer, pair.question, pair.passages
        ) == prompts.answer_prompt(tiny.tokenizer, question.question, shown)
    assert counts["with a gold passage"] == 40


@pytest.mark.parametrize("p_gold", [0.0, 0.25, 0.8, 1.0])
@pytest.mark.parametrize("size", [1, 7, 40])
def test_raft_has_the_gold_passage_in_the_exact_share(source, p_gold, size):
    pairs, counts = training_data.make_pairs(
        answered(QUESTIONS[:size]), "raft", source, p_gold=p_gold
    )
    with_gold = [("Built by " + p.answer + ".") in [text for _, text in p.passages] for p in pairs]
    assert with_gold == [pair.has_gold for pair in pairs]
    assert sum(with_gold) == counts["with a gold passage"] == round(p_gold * size)
    assert counts["with distractors alone"] == size - sum(with_gold)
    assert {len(pair.passages) for pair in pairs} == {4}
    assert counts["with fewer distractors than asked"] == 0


def test_raft_pairs_of_a_small_set_are_those_of_a_larger_one(source):
    small, large = (
        training_data.make_pairs(answered(QUESTIONS[:n]), "raft", source, p_gold=0.6)[0]
        for n in (13, 40)
    )
    assert small == large[:13]


def test_distractors_are_the_best_that_give_nothing_away(source):
    question = QUESTIONS[0]
    assert [p.chunk_id for p in source.distractors(question)] == [f"d{i}#1" for i in range(1, 7)]
    told = CHUNKS.copy()
    told.loc[told["chunk_id"] == "d1#1", "text"] = "Like tower 0, it was built by person 0!"
    told.loc[told["chunk_id"] == "d2#1", "title"] = "Person 0"
    found = PassageSource(told, HITS, top_k=3).distractors(question)
    assert [p.chunk_id for p in found] == [f"d{i}#1" for i in range(3, 7)]
    partly = Question("q0", "Who and when?", ("Ann, 1763",), key_points=(("Person 3",), ("1763",)))
    assert "d3#1" not in [p.chunk_id for p in source.distractors(partly)]


def test_no_distractor_of_fictional_questions_is_gold_or_holds_an_answer(pool):
    dataset = data.load("fictional", options={"num_worlds": 84})
    texts = [(f"{d.doc_id}#0", d.doc_id, d.title, d.text) for d in dataset.documents]
    chunks = pd.DataFrame(texts, columns=["chunk_id", "doc_id", "title", "text"]).assign(tokens=10)
    documents = [d.doc_id for d in dataset.documents][:60]
    hits = pd.DataFrame(
        [
            (q.id, rank, f"{d}#0", d)
            for q in pool[:80]
            for rank, d in enumerate(dict.fromkeys([*q.gold_doc_ids, *documents]), start=1)
        ],
        columns=["question_id", "rank", "chunk_id", "doc_id"],
    )
    source = PassageSource(chunks, hits, top_k=3)
    pairs, _ = training_data.make_pairs(answered(pool[:80]), "raft", source, p_gold=0.5)
    gold = {q.id: {d.text for d in dataset.documents if d.doc_id in q.gold_doc_ids} for q in pool}
    for question, pair in zip(pool, pairs, strict=False):
        texts = [text for _, text in pair.passages]
        assert len(pair.passages) == len(question.gold_doc_ids) + 3
        assert len(gold[question.id] & set(texts)) == len(gold[question.id]) * pair.has_gold
        for text in set(texts) - gold[question.id]:
            assert not any(contains(text, answer) for answer in question.answers)


def test_the_place_of_the_gold_passage_is_shuffled_by_seed(source):
    def places(seed):
        pairs, _ = training_data.make_pairs(answered(), "raft", source, p_gold=1.0, seed=seed)
        return [[title for title, _ in p.passages].index(f"Tower {p.id[1:]}") for p in pairs]

    assert set(places(0)) == {0, 1, 2, 3}
    assert places(0) == places(0) != places(1)


def test_missing_distractors_and_missing_gold_are_counted(source):
    mixed = [*QUESTIONS[:10], Question("q39", "Who?", ("Nobody here",))]
    pairs, counts = training_data.make_pairs(
        answered(mixed), "raft", source, p_gold=0.5, num_distractors=6
    )
    assert pairs[-1].passages == ()
    assert pairs[-1].has_gold is False
    assert counts == {
        "pairs": 11,
        "with a gold passage": 5,
        "with distractors alone": 5,
        "without passages": 1,
        "with fewer distractors than asked": 5,  # seven in place of six and the gold one
    }
    with pytest.raises(StudyError, match="with_context needs gold documents, and none of the 1"):
        training_data.make_pairs(answered(mixed[-1:]), "with_context", source)
    with pytest.raises(StudyError, match="unknown training format 'cot'"):
        training_data.make_pairs(answered(), "cot")


# --- General instructions -------------------------------------------------------------------------


def test_general_instructions_are_the_fraction_of_the_whole():
    pairs, _ = training_data.make_pairs(answered(), "closed_book")
    mixed, counts = training_data.with_replay(pairs, 0.2, 0, GENERAL)
    assert mixed[:40] == pairs
    assert [pair.kind for pair in mixed[40:]] == ["general"] * 10
    assert len({pair.id for pair in mixed}) == 50
    assert counts == {"general instructions": 10, "of these repeated": 0}
    assert mixed == training_data.with_replay(pairs, 0.2, 0, GENERAL[::-1])[0]
    assert mixed != training_data.with_replay(pairs, 0.2, 1, GENERAL)[0]
    assert training_data.with_replay(pairs, 0.0, 0)[0] == pairs


def test_general_instructions_repeat_when_they_are_too_few():
    pairs, _ = training_data.make_pairs(answered(), "closed_book")
    mixed, counts = training_data.with_replay(pairs, 0.5, 0, GENERAL)
    assert set(Counter(pair.id for pair in mixed[40:]).values()) == {2}
    assert counts == {"general instructions": 40, "of these repeated": 20}


def test_the_bundled_general_instructions_are_pairs_of_another_kind():
    general = training_data.load_general()
    assert len(general) >= 300
    assert {pair.kind for pair in general} == {"general"}
    assert all(pair.answer and not pair.passages for pair in general)
