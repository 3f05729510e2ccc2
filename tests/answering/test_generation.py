import json
import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch
from towers import CHUNKS, HITS, QUESTIONS

from rag_study.answering import generation
from rag_study.answering.contexts import ContextBuilder
from rag_study.answering.generation import Settings
from rag_study.common import run_folder
from rag_study.common.errors import StudyError
from rag_study.data.schema import Question
from rag_study.models import language_model, prompts
from rag_study.models.sampling import SeededSampling
from rag_study.retrieval.passage import Passage

MANY = [
    Question(f"m{i}", f"Who built {'the ' * (i * 7 % 11)}tower {i}?", (f"Person {i}",))
    for i in range(40)
]


def run(lm, extent, name="stage/x-1", questions=QUESTIONS, **settings):
    """Rows of a run, and what is on disk of it."""
    folder = run_folder.RunFolder(name)
    batches = generation.generate_answers(
        lm,
        dict.fromkeys(extent, questions),
        ContextBuilder(CHUNKS, HITS, top_k=2),
        Settings(**{"max_new_tokens": 6, "batch_size": 4} | settings),
        extent,
        folder,
    )
    rows = [row for batch in batches for row in batch]
    return rows, {file.name: file.read_bytes() for file in (folder.path / "parts").iterdir()}


def by_position(rows):
    return sorted(rows, key=lambda row: (row["context"], row["position"]))


def test_left_padding_by_position():
    ids, mask = language_model.left_pad([[5, 6, 7], [8]], pad_id=5)
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
    at_once, files = run(tiny, {"none": 40, "retrieved": 40}, "stage/once-1", MANY)
    for number, extent in enumerate([{"none": 3}, {"none": 17, "retrieved": 9}, {"retrieved": 40}]):
        _, grown = run(tiny, extent, "stage/grown-1", MANY)
        assert grown.items() <= files.items(), number
    parts = run_folder.RunFolder("stage/grown-1").path / "parts"
    killed = sorted(parts.iterdir())[1]
    killed.unlink()  # as if the process had ended in this batch
    kept = {file: file.stat().st_mtime_ns for file in parts.iterdir()}
    again, grown = run(tiny, {"none": 40, "retrieved": 40}, "stage/grown-1", MANY)
    assert (again, grown) == (at_once, files)
    assert all(file.stat().st_mtime_ns == time for file, time in kept.items())


def test_all_that_is_asked_for_is_answered_once_and_little_more(tiny, outputs):
    for asked in (1, 4, 5, 16, 17, 40):
        rows, _ = run(tiny, {"none": asked}, f"stage/n{asked}-1", MANY)
        positions = [row["position"] for row in by_position(rows)]
        assert len(set(positions)) == len(positions)
        assert set(range(generation.in_whole_batches(asked, 4))) <= set(positions)
        assert max(positions) < -(-asked // 8) * 8
        assert all(row["question_id"] == f"m{row['position']}" for row in rows)
    with pytest.raises(StudyError, match="41 questions are asked for"):
        run(tiny, {"none": 41}, questions=MANY)


def test_batches_hold_prompts_of_about_one_length_within_the_token_budget(tiny, outputs):
    rows, files = run(tiny, {"none": 40}, questions=MANY, max_batch_tokens=440)
    batches = [[json.loads(line) for line in files[name].splitlines()] for name in sorted(files)]
    lengths = [[row["prompt_tokens"] for row in batch] for batch in batches]
    assert {len(batch) for batch in lengths} >= {3, 4}
    for batch in lengths:
        assert len(batch) <= 4
        assert len(batch) * (max(batch) + 6) <= 440
        assert batch == sorted(batch, reverse=True)
    padded = sum(len(batch) * max(batch) for batch in lengths)
    by_file = [row["prompt_tokens"] for row in by_position(rows)]
    in_file_order = sum(4 * max(by_file[i : i + 4]) for i in range(0, 40, 4))
    assert padded - sum(by_file) < 0.6 * (in_file_order - sum(by_file))
    alone, _ = run(tiny, {"none": 4}, "stage/y-1", MANY, max_batch_tokens=1)
    assert len(alone) == 4  # a budget below one prompt: one at a time


def test_questions_that_cannot_have_a_context_are_there_with_their_reason(tiny, outputs):
    without_gold = [replace(q, gold_doc_ids=()) if i % 3 else q for i, q in enumerate(QUESTIONS)]
    rows, _ = run(tiny, {"oracle": 7}, questions=without_gold)
    assert [row["position"] for row in by_position(rows)] == list(range(7))
    missing = [row for row in rows if row["missing_reason"]]
    assert {row["position"] for row in missing} == {1, 2, 4, 5}
    assert missing[0]["missing_reason"] == "no gold passage is known"
    assert {row["answer"] for row in missing} == {None}
    assert all(list(row) == list(rows[0]) for row in rows)


def test_a_batch_that_does_not_fit_into_memory_is_answered_in_halves(tiny, caplog):
    """With as little memory as the system lets this process have for a while."""
    passages = [[Passage("c", "d", "T", f"{i} words " * 400)] for i in range(6)]
    enough = generation.answer_batch(tiny, QUESTIONS[:6], passages, 2)
    assert not caplog.records
    size = (
        int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
        * resource.getpagesize()
    )
    before = resource.getrlimit(resource.RLIMIT_AS)
    scarce = None
    for spare in (1, 2, 4, 8, 16, 32, 64):
        resource.setrlimit(resource.RLIMIT_AS, (size + spare * 2**20, before[1]))
        try:
            scarce = generation.answer_batch(tiny, QUESTIONS[:6], passages, 2)
            break
        except StudyError:  # not even one question: a little more, then
            continue
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)
    assert "answering in halves" in caplog.text
    assert scarce == enough


def test_a_question_that_alone_does_not_fit_into_memory_is_named(tiny, monkeypatch):
    def full(**options):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(tiny.model, "generate", full)
    with pytest.raises(StudyError, match=r"'q0' with \d+ tokens does not fit into memory"):
        generation.answer_batch(tiny, QUESTIONS, [[]] * 7, 2)


@pytest.mark.parametrize("top_p", [1.0, 0.5])
def test_samples_follow_the_probabilities_of_the_model(top_p):
    scores = torch.tensor([2.0, 1.0, 0.5, -1.0, -3.0])
    sampling = SeededSampling(0.7, top_p, range(4000))
    drawn = sampling(torch.zeros(4000, 1, dtype=torch.long), scores.expand(4000, 5)).argmax(1)
    counts = torch.bincount(drawn, minlength=5)
    expected = torch.softmax(scores / 0.7, 0)
    expected[expected.cumsum(0) - expected >= top_p] = 0  # the likeliest that hold top_p
    expected = expected / expected.sum()
    assert counts[expected == 0].sum() == 0
    if top_p == 1:
        assert (
            scipy.stats.chisquare(counts, 4000 * torch.softmax(scores.double() / 0.7, 0)).pvalue
            > 0.001
        )


def test_samples_do_not_depend_on_the_batch_and_do_on_the_seed(tiny, outputs):
    warm = {"temperature": 0.8, "top_p": 0.95, "questions": MANY}
    four, _ = run(tiny, {"none": 12}, "stage/four-1", **warm)
    one, _ = run(tiny, {"none": 12}, "stage/one-1", **warm, batch_size=1)
    other, _ = run(tiny, {"none": 12}, "stage/other-1", **warm, batch_size=1, seed=1)
    greedy, _ = run(tiny, {"none": 12}, "stage/greedy-1", questions=MANY, batch_size=1)
    four = [row for row in by_position(four) if row["position"] < 12]
    assert four == by_position(one)
    assert sum(a["answer"] != b["answer"] for a, b in zip(one, other, strict=True)) > 8
    assert sum(a["answer"] != b["answer"] for a, b in zip(one, greedy, strict=True)) > 8


def near_ties(lm, rows, others, prompt_of, within=1e-3):
    """Questions answered in two ways; asserts that the two likeliest tokens were then as close."""
    different = 0
    for a, b in zip(rows, others, strict=True):
        if a["answer"] == b["answer"]:
            continue
        different += 1
        prompt = prompt_of(a)
        one, two = (lm.tokenizer.encode(r["answer"], add_special_tokens=False) for r in (a, b))
        same = next(i for i, (x, y) in enumerate(zip(one, two, strict=False)) if x != y)
        with torch.inference_mode():
            logits = lm.model(input_ids=torch.tensor([prompt + one[:same]])).logits[0, -1]
        best, second = logits.topk(2).values
        assert best - second < within
    return different


def test_answers_one_by_one_and_in_batches_differ_at_near_ties_only(tiny, outputs):
    together, _ = run(tiny, {"none": 40}, "stage/many-1", MANY, batch_size=16, max_new_tokens=12)
    alone, _ = run(tiny, {"none": 40}, "stage/alone-1", MANY, batch_size=1, max_new_tokens=12)

    def prompt_of(row):
        return prompts.answer_prompt(tiny.tokenizer, MANY[row["position"]].question)

    assert near_ties(tiny, by_position(together), by_position(alone), prompt_of) < 4


def test_end_tokens_of_the_model_end_answers_and_the_last_one_the_batch(tiny, monkeypatch):
    """Answers end where the makers' settings say so too, and then nothing more is computed."""
    plain = generation.answer_batch(tiny, MANY[:6], [[]] * 6, 60)
    ends = [tiny.tokenizer.eos_token_id, *range(3, 43)]
    monkeypatch.setattr(tiny.model.generation_config, "eos_token_id", ends)
    calls = []
    hook = tiny.model.register_forward_hook(lambda *_: calls.append(1))
    rows = generation.answer_batch(tiny, MANY[:6], [[]] * 6, 60)
    hook.remove()
    lengths = [row["answer_tokens"] for row in rows]
    assert (
        len(calls) == 7 + max(lengths) + 1 < 60
    )  # what prompts share and six rests are read first
    assert len(set(lengths)) > 1
    for row, whole in zip(rows, plain, strict=True):
        assert whole["answer"].startswith(row["answer"])
        assert (row["truncated"], whole["truncated"]) == (0, 1)


def test_passages_are_dropped_from_the_end_and_the_question_never(tiny):
    long = [Passage(f"c{i}", "d", "T", "word " * 500) for i in range(3)]
    row = generation.answer_batch(tiny, QUESTIONS[:1], [long], 4)[0]
    assert row["passages"] == ["c0"]
    assert row["dropped_passages"] == 2
    endless = Question("long", "why " * 3000, ("x",))
    with pytest.raises(StudyError, match=r"'long' has \d+ tokens"):
        generation.answer_batch(tiny, [endless], [[]], 4)


def test_passages_beyond_the_limit_are_dropped_whole_and_the_worst_first(tiny, outputs):
    each = len(tiny.tokenizer.encode("[1] Tower 0\nText 0 of 0.\n\n"))
    for limit, kept in ((0, 2), (2 * each, 2), (2 * each - 1, 1), (each, 1), (1, 0)):
        rows, _ = run(tiny, {"retrieved": 4}, f"stage/l{limit}-1", max_context_tokens=limit)
        assert {len(row["passages"]) for row in rows} == {kept}
        assert {row["dropped_passages"] for row in rows} == {2 - kept}
    last, _ = run(
        tiny, {"retrieved": 4}, "stage/z-1", max_context_tokens=each, passage_order="best_last"
    )
    first, _ = run(tiny, {"retrieved": 4}, "stage/a-1", max_context_tokens=each)
    assert last == first  # with one passage left the order is the same, and it is the best one


def test_passages_stand_in_the_prompt_in_the_order_asked_for(tiny, outputs):
    first, _ = run(tiny, {"retrieved": 4}, "stage/f-1")
    last, _ = run(tiny, {"retrieved": 4}, "stage/l-1", passage_order="best_last")
    assert [row["passages"] for row in first] == [row["passages"] for row in last]
    assert [row["answer"] for row in first] != [row["answer"] for row in last]


def test_gold_in_context_is_about_what_was_kept(tiny):
    row = generation.answer_batch(
        tiny, QUESTIONS[:1], [[Passage("c", "d1", "T", "x"), Passage("c", "d0", "T", "x")]], 2
    )[0]
    assert row["gold_in_context"] == 1
    unknown = Question("q", "Why?", ("x",))
    assert generation.answer_batch(tiny, [unknown], [[]], 2)[0]["gold_in_context"] is None


def test_what_a_server_does_not_tell_is_missing_and_no_error(tiny, outputs):
    rows, _ = run(
        tiny, {"oracle": 7}, questions=[replace(QUESTIONS[0], gold_doc_ids=())] * 3 + QUESTIONS[3:]
    )
    answers = pd.DataFrame(rows)
    known = generation.run_metrics(answers)
    assert (known["answers"], known["left_out"]) == (4, 3)
    assert known["answer_tokens"] == answers["answer_tokens"].sum()
    glance = generation.at_a_glance(answers).loc["oracle"]
    assert (glance["left_out"], glance["gold_in_context"], glance["passages"]) == (3, 1, 2)
    assert glance["truncated"] == known["truncated"] == answers["truncated"].mean()
    silent = answers.assign(answer_tokens=None, prompt_tokens=None, truncated=None)
    assert set(generation.run_metrics(silent).values()) == {4, 3, None}
    assert np.isnan(generation.at_a_glance(silent).loc["oracle", "truncated"])


def test_a_model_that_says_nothing_is_said_so(tiny, outputs, caplog):
    answers = pd.DataFrame(run(tiny, {"oracle": 4, "none": 4})[0])
    answers["answer"], silent = "Ada", answers["context"] == "none"
    assert "warnings" not in generation.run_metrics(answers)
    answers.loc[silent, "answer"] = " \n"
    (said,) = generation.run_metrics(answers)["warnings"]
    assert said.startswith(f"none: all of {silent.sum()} answers are empty")
    assert said in caplog.messages
    answers.loc[silent.idxmax(), "answer"] = "x"
    assert "warnings" not in generation.run_metrics(answers)
