import re

import pandas as pd
import pytest
from towers import CHUNKS, HITS, QUESTIONS

from rag_study.answering import contexts
from rag_study.answering.contexts import ContextBuilder
from rag_study.common.errors import StudyError
from rag_study.common.text import contains
from rag_study.data.schema import NO_ANSWER, Question
from rag_study.data.sources import fictional
from rag_study.retrieval.passage import Passage, answer_among, answer_wordings, contains_answer


@pytest.fixture
def builder():
    return ContextBuilder(CHUNKS, HITS, top_k=2)


def ids(context):
    return [passage.chunk_id for passage in context.passages]


def test_contexts(builder):
    assert ids(builder.context(QUESTIONS[1], "retrieved")) == ["d1#0", "d2#0"]
    assert ids(builder.context(QUESTIONS[1], "none")) == []
    with pytest.raises(StudyError, match="unknown context"):
        builder.context(QUESTIONS[1], "other")


def test_oracle_keeps_to_the_retrieved_number_and_to_passages_with_the_answer(builder):
    assert ids(builder.context(QUESTIONS[2], "oracle")) == ["d2#2", "d2#0"]


def test_a_passage_with_a_key_point_counts_where_there_is_no_short_answer():
    summary = Question(
        "q", "Why?", (), reference="Ice melts.", key_points=(("ice", "frost"), ("x",))
    )
    assert contains_answer("The frost went.", summary)
    assert not contains_answer("The office.", summary)


def test_context_says_what_it_holds(builder):
    none, retrieved = (builder.context(QUESTIONS[1], c) for c in ("none", "retrieved"))
    assert (none.passages, none.gold_in_context, none.answer_in_context) == ((), False, False)
    assert (retrieved.gold_in_context, retrieved.answer_in_context) == (True, False)
    oracle = builder.context(QUESTIONS[2], "oracle")
    assert (oracle.gold_in_context, oracle.answer_in_context) == (True, True)
    unknown = builder.context(Question("q1", "Why?", ("x",)), "retrieved")
    assert (unknown.gold_in_context, unknown.answer_in_context) == (None, False)


@pytest.mark.parametrize("answer_type", ["yesno", "unanswerable"])
def test_answers_that_stand_anywhere_are_not_looked_for(answer_type):
    answers = ("No",) if answer_type == "yesno" else NO_ANSWER
    question = Question("q", "Was it?", answers, answer_type=answer_type)
    assert answer_among(question, [Passage("c", "d", "T", "No, unknown.")]) is None


def test_an_answer_may_stand_in_several_passages_by_its_key_points():
    question = Question(
        "q", "Which?", ("tin and ale",), key_points=(("tin",), ("ale", "beer")), answer_type="list"
    )
    tin, beer = Passage("c", "d", "T", "Tin was sold."), Passage("e", "f", "T", "Beer was sold.")
    assert answer_among(question, [tin, beer])
    assert not answer_among(question, [tin])


def test_oracle_keeps_to_the_token_budget_of_what_is_retrieved():
    chunks = CHUNKS.assign(tokens=[30 if c == "d2#0" else 10 for c in CHUNKS["chunk_id"]])
    builder = ContextBuilder(chunks, HITS, top_k=3)
    # Retrieved are d2#0 (30), d3#0 and d4#0: 50 tokens, which d2#2, d2#0 and d2#1 fill.
    assert ids(builder.context(QUESTIONS[2], "oracle")) == ["d2#2", "d2#0", "d2#1"]
    # q3 retrieves 30 tokens without the long passage; q1 has 10 + 30 + 10, all short.
    question = Question("q3", "Who?", ("Person 2",), gold_doc_ids=("d2",))
    assert ids(builder.context(question, "oracle")) == ["d2#2", "d2#1"]


def test_one_oracle_passage_is_given_whatever_its_length():
    chunks = CHUNKS.assign(tokens=[500 if c == "d2#2" else 10 for c in CHUNKS["chunk_id"]])
    context = ContextBuilder(chunks, HITS, top_k=2).context(QUESTIONS[2], "oracle")
    assert ids(context) == ["d2#2"]


def test_of_a_document_and_its_near_copy_the_oracle_shows_the_one_with_the_answer():
    copy = pd.DataFrame([("d1b#0", "d1", "Tower 1", "Text 0 of 1. Person 1 built it.", 10)])
    chunks = pd.concat([CHUNKS, copy.set_axis(CHUNKS.columns, axis=1)], ignore_index=True)
    context = ContextBuilder(chunks, HITS, top_k=3).context(QUESTIONS[1], "oracle")
    assert ids(context) == ["d1b#0"]
    unanswered = Question("q1", "Who?", ("Nobody",), gold_doc_ids=("d1",))
    context = ContextBuilder(chunks, HITS, top_k=3).context(unanswered, "oracle")
    assert ids(context) == ["d1#0", "d1#1", "d1#2"]


def test_oracle_prefers_passages_that_name_key_points():
    question = Question(
        "q1",
        "What?",
        (),
        reference="Text 2 and more.",
        key_points=(("text 2",), ("of 1",)),
        gold_doc_ids=("d0", "d1"),
        answer_type="summary",
    )
    context = ContextBuilder(CHUNKS, HITS, top_k=2).context(question, "oracle")
    assert ids(context) == ["d1#2", "d0#2"]


def test_without_gold_passages_there_is_no_oracle(builder):
    context = builder.context(Question("q1", "Why?", ("x",)), "oracle")
    assert context.passages is None
    assert context.missing_reason == "no gold passage is known"


def test_distractors_come_from_deeper_ranks_and_are_fewer_where_there_are_no_more(builder):
    assert ids(builder.context(QUESTIONS[1], "distractor")) == ["d2#0", "d3#0"]
    telling = Question("q1", "Who?", ("x",), key_points=(("of 2",),), gold_doc_ids=("d1",))
    few = builder.context(telling, "distractor")
    assert ids(few) == ["d3#0"]
    assert few.gold_in_context is False
    none = builder.context(Question("new", "Who?", ("x",)), "distractor")
    assert none.passages is None
    assert none.missing_reason == "the search found no passage without the answer"


def test_order_in_the_prompt():
    assert contexts.in_prompt_order("abc", "best_first") == ["a", "b", "c"]
    assert contexts.in_prompt_order("abc", "best_last") == ["c", "b", "a"]
    with pytest.raises(StudyError, match="unknown order of passages 'best'"):
        contexts.in_prompt_order("abc", "best")


# --- Real worlds ---------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["encyclopedia", "biomedical", "papers"])
def world(request):
    """(questions, builder): every document is a passage; the search finds gold ones and others."""
    data = fictional.generate(40, style=request.param)
    chunks = pd.DataFrame(
        [(f"{d.doc_id}#0", d.doc_id, d.title, d.text, 100) for d in data.documents],
        columns=["chunk_id", "doc_id", "title", "text", "tokens"],
    )
    documents = [d.doc_id for d in data.documents]
    found = [
        (question.id, list(dict.fromkeys([*question.gold_doc_ids, *documents[i : i + 40]])))
        for i, question in enumerate(data.questions[: len(documents) - 40])
    ]
    hits = pd.DataFrame(
        [(q, rank, f"{d}#0", d) for q, docs in found for rank, d in enumerate(docs, start=1)],
        columns=["question_id", "rank", "chunk_id", "doc_id"],
    )
    questions = data.questions[: len(found)]
    return questions, ContextBuilder(chunks, hits, 3, data.questions)


def test_counterfactuals_of_real_worlds_are_exact(world):
    questions, builder = world
    for question in questions:
        context = builder.context(question, "counterfactual")
        if question.answer_type != "factoid":
            assert context.missing_reason == f"{question.answer_type} question"
            continue
        oracle = builder.context(question, "oracle")
        assert context.other_answer == question.extra["other_answer"]
        assert ids(context) == ids(oracle)
        assert (context.gold_in_context, context.answer_in_context) == (True, False)
        shown = "\n".join(p.title + p.text for p in context.passages)
        assert contains(shown, context.other_answer)
        assert not any(contains(shown, answer) for answer in question.answers)
        fact = question.answers[0]
        for before, after in zip(oracle.passages, context.passages, strict=True):
            if len(re.findall(rf"\b{re.escape(fact)}\b", before.text)) == before.text.count(fact):
                assert after.text == before.text.replace(fact, context.other_answer)


def test_distractors_of_real_worlds_hold_neither_gold_nor_answer(world):
    questions, builder = world
    for question in questions:
        context = builder.context(question, "distractor")
        assert len(context.passages) == 3, question
        assert not any(p.doc_id in question.gold_doc_ids for p in context.passages)
        assert context.answer_in_context in (None, False)
        for wording in answer_wordings(question):
            assert not any(contains(p.title + "\n" + p.text, wording) for p in context.passages)


# --- Borrowed answers ----------------------------------------------------------------------------

GOLD = pd.DataFrame(
    [("g#0", "g", "The life of Ada Holm", "ADA HOLM led it; Holm and Ada  Holm left in 1847.", 20)],
    columns=["chunk_id", "doc_id", "title", "text", "tokens"],
)
POOL = [
    Question("p1", "Who sang?", ("Mira Voss",)),
    Question("p2", "Where is it?", ("Port Ellery",)),
    Question("p3", "When was it?", ("1902",)),
    Question("p4", "How long is it?", ("30 km",)),
    Question("p5", "Who, then?", ("Ada Holm Society",)),
]


def counterfactual(question, chunks=GOLD, pool=POOL):
    return ContextBuilder(chunks, HITS.iloc[:0], 2, pool).context(question, "counterfactual")


def test_every_wording_is_replaced_in_title_and_text():
    question = Question("q", "Who led it?", ("Ada Holm",), gold_doc_ids=("g",))
    context = counterfactual(question)
    assert context.other_answer == "Mira Voss"
    (passage,) = context.passages
    assert passage.title == "The life of Mira Voss"
    assert passage.text == "MIRA VOSS led it; Voss and Mira Voss left in 1847."


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        (Question("q", "Is it?", ("Yes",), "yesno", gold_doc_ids=("g",)), "yesno question"),
        (Question("q", "Who?", ("Ada Holm",)), "no gold passage is known"),
        (Question("q", "Who?", ("Bo",), gold_doc_ids=("g",)), "the answer does not stand in"),
        (
            Question("q", "Why?", ("Ada Holm", "left, in 1847"), gold_doc_ids=("g",)),
            "stands there in another form",
        ),
        (Question("q", "Why?", ("a b c d e f g h i",), gold_doc_ids=("g",)), "longer than 8 words"),
        (Question("q", "Which?", ("-",), gold_doc_ids=("g",)), "the answer is a sign"),
        (
            Question("q", "Why?", ("Ada",), key_points=(("Ada",), ("x",)), gold_doc_ids=("g",)),
            "not one short fact",
        ),
        (Question("q", "What?", ("left",), gold_doc_ids=("g",)), "no other answer of its kind"),
    ],
)
def test_impossible_counterfactuals_say_why(question, reason):
    context = counterfactual(question)
    assert context.passages is None
    assert reason in context.missing_reason


def test_a_wording_of_signs_alone_replaces_nothing():
    question = Question("q", "Who?", ("Ada Holm", "-"), gold_doc_ids=("g",))
    assert counterfactual(question) == counterfactual(
        Question("q", "Who?", ("Ada Holm",), gold_doc_ids=("g",))
    )


def test_the_choice_depends_on_nothing_but_ids():
    question = Question("q", "When was it?", ("1847", "in 1847"), gold_doc_ids=("g",))
    pool = [Question(f"p{i}", "When?", (str(1900 + i),)) for i in range(50)]
    first, again = (counterfactual(question, pool=p) for p in (pool, pool[::-1]))
    assert first == again
    (passage,) = first.passages
    assert passage.text.endswith(f"left in {first.other_answer}.")
    same = [Question(f"q{i}", "When?", ("1847",), gold_doc_ids=("g",)) for i in range(20)]
    assert len({counterfactual(q, pool=pool).other_answer for q in same}) > 10
