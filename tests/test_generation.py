import pandas as pd
import pytest
import torch

from rag_study import generation, store
from rag_study.errors import StudyError
from rag_study.generation import ContextBuilder, Passage
from rag_study.qa_datasets.schema import Question

QUESTIONS = [
    Question(
        f"q{i}", f"Who built tower number {i * 37}?", (f"Person {i}",), gold_doc_ids=(f"d{i}",)
    )
    for i in range(7)
]
CHUNKS = pd.DataFrame(
    [(f"d{i}#{j}", f"d{i}", f"Tower {i}", f"Text {j} of {i}.") for i in range(7) for j in range(3)],
    columns=["chunk_id", "doc_id", "title", "text"],
)
CHUNKS.loc[CHUNKS["chunk_id"] == "d2#2", "text"] = "It was built by Person 2."
HITS = pd.DataFrame(
    [
        (q.id, rank, f"d{(i + rank - 1) % 7}#0", f"d{(i + rank - 1) % 7}")
        for i, q in enumerate(QUESTIONS)
        for rank in (3, 1, 2)
    ],
    columns=["question_id", "rank", "chunk_id", "doc_id"],
)


@pytest.fixture
def builder():
    return ContextBuilder(CHUNKS, HITS, top_k=2)


def run(lm, outputs, test_size, contexts=("none", "retrieved"), name="stage/x-1", batch_size=4):
    folder = store.RunFolder(name)
    builder = ContextBuilder(CHUNKS, HITS, top_k=2)
    questions = dict.fromkeys(contexts, QUESTIONS)
    extent = dict.fromkeys(contexts, test_size)
    batches = generation.generate_answers(lm, questions, builder, 6, batch_size, extent, folder)
    return [row for batch in batches for row in batch]


def test_contexts(builder):
    ids = [p.chunk_id for p in builder.passages(QUESTIONS[1], "retrieved")]
    assert ids == ["d1#0", "d2#0"]
    assert builder.passages(QUESTIONS[1], "none") == []
    with pytest.raises(StudyError, match="unknown context"):
        builder.passages(QUESTIONS[1], "other")


def test_oracle_keeps_to_the_retrieved_number_and_to_passages_with_the_answer(builder):
    ids = [p.chunk_id for p in builder.passages(QUESTIONS[2], "oracle")]
    assert ids == ["d2#2", "d2#0"]


def test_left_padding_by_position():
    ids, mask = generation.left_pad([[5, 6, 7], [8]], pad_id=5)
    assert ids.tolist() == [[5, 6, 7], [5, 5, 8]]
    assert mask.tolist() == [[1, 1, 1], [0, 0, 1]]  # the first 5 is text, not padding


def test_batches_give_the_answers_that_single_questions_give(tiny):
    passages = [[Passage("c", "d", "T", "word " * (i * 3))] if i else [] for i in range(7)]
    together = generation.answer_batch(tiny, QUESTIONS, passages, 8)
    alone = [
        generation.answer_batch(tiny, [q], [p], 8)[0]
        for q, p in zip(QUESTIONS, passages, strict=True)
    ]
    assert together == alone


def test_generation_matches_a_plain_greedy_loop(tiny):
    from rag_study import prompts

    row = generation.answer_batch(tiny, QUESTIONS[:1], [[]], 8)[0]
    ids = prompts.answer_prompt(tiny.tokenizer, QUESTIONS[0].question)
    assert row["prompt_tokens"] == len(ids)
    new = []
    with torch.no_grad():
        while len(new) < 8 and (not new or new[-1] != tiny.tokenizer.eos_token_id):
            logits = tiny.model(input_ids=torch.tensor([ids + new])).logits
            new.append(int(logits[0, -1].argmax()))
    assert row["answer"] == tiny.tokenizer.decode(new, skip_special_tokens=True).strip()
    assert row["truncated"] == int(new[-1] != tiny.tokenizer.eos_token_id)


def test_resumed_and_enlarged_runs_equal_one_that_was_done_at_once(tiny, outputs):
    at_once = run(tiny, outputs, 7, name="stage/once-1")
    run(tiny, outputs, 2, contexts=("none",), name="stage/grown-1")
    kept = store.RunFolder("stage/grown-1").path / "parts" / "none-00000.jsonl"
    before = kept.stat().st_mtime_ns
    grown = run(tiny, outputs, 7, name="stage/grown-1")
    assert grown == at_once
    assert kept.stat().st_mtime_ns == before


def test_passages_are_dropped_from_the_end_and_the_question_never(tiny):
    long = [Passage(f"c{i}", "d", "T", "word " * 500) for i in range(3)]
    row = generation.answer_batch(tiny, QUESTIONS[:1], [long], 4)[0]
    assert row["passages"] == ["c0"]
    assert row["dropped_passages"] == 2
    endless = Question("long", "why " * 3000, ("x",))
    with pytest.raises(StudyError, match=r"'long' has \d+ tokens"):
        generation.answer_batch(tiny, [endless], [[]], 4)


def test_gold_in_context_is_about_what_was_kept(tiny):
    row = generation.answer_batch(
        tiny, QUESTIONS[:1], [[Passage("c", "d1", "T", "x"), Passage("c", "d0", "T", "x")]], 2
    )[0]
    assert row["gold_in_context"] == 1
    unknown = Question("q", "Why?", ("x",))
    assert generation.answer_batch(tiny, [unknown], [[]], 2)[0]["gold_in_context"] is None


def test_a_passage_with_a_key_point_counts_where_there_is_no_short_answer():
    summary = Question(
        "q", "Why?", (), reference="Ice melts.", key_points=(("ice", "frost"), ("x",))
    )
    assert generation.contains_answer("The frost went.", summary)
    assert not generation.contains_answer("The office.", summary)
