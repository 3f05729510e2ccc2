"""How fast answers are written by each engine: transformers in this process, a vLLM server of its
own, and transformers' continuous batching, with the same prompts and token limits.

All answer the same questions with passages in turn, several times, and the answers are compared;
where they differ, how much likelier the one token was than the other (by transformers) tells
whether it was a tie. Seconds of processors are those of all processes. vLLM's server is started and
ended in every round, and its start is timed apart. Run by hand on a quiet machine, with vLLM's
executable on the PATH or in RAG_STUDY_VLLM:

    python benchmarks/engines.py --questions 120 --new-tokens 64 --threads 2
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from generation import MODEL, Passages, by_project, rendered, some_questions
from transformers import ContinuousBatchingConfig, GenerationConfig

from rag_study.answering.generation import Settings
from rag_study.common import machine
from rag_study.data.schema import Question
from rag_study.models import loading, vllm_model
from rag_study.models.language_model import LanguageModel, end_tokens

Round = tuple[float, float, float, list[str]]  # seconds to start and to answer, of processors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", type=int, default=120)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--passages", type=int, default=4, help="per question, at most")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--adapter", type=Path, help="folder of a LoRA adapter on the model")
    parser.add_argument("--dtype", default="float32", choices=["bfloat16", "float32"])
    parser.add_argument("--sequences", type=int, help="that vLLM writes side by side")
    parser.add_argument("--without", nargs="*", default=[], help="names of ways to leave out")
    given = parser.parse_args()
    machine.apply_threads(given.threads)
    lm = loading.load_generator(given.model, given.dtype, given.adapter)
    questions, passages = some_questions(given.questions, given.passages)
    settings = Settings(given.new_tokens, given.batch_size)
    folder = Path(tempfile.mkdtemp(prefix="engines-"))

    def by_vllm() -> Round:
        served = vllm_model.load_generator(
            folder, {"max_num_seqs": given.sequences}, given.model, given.dtype, given.adapter
        )
        used, begun = cpu_seconds(), time.perf_counter()
        served.server.endpoint(served.served_name)
        started = time.perf_counter()
        answers = by_project(served, passages, settings, questions)
        return started - begun, time.perf_counter() - started, cpu_seconds() - used, answers

    ways: dict[str, Callable[[], Round]] = {
        "transformers": lambda: timed(lambda: by_project(lm, passages, settings, questions)),
        "vllm": by_vllm,
        "continuous": lambda: timed(lambda: by_continuous(lm, passages, settings, questions)),
    }
    ways = {name: way for name, way in ways.items() if name not in given.without}
    by_project(lm, passages, settings, questions[:2])  # first calls are slower
    rounds: dict[str, list[Round]] = {name: [] for name in ways}
    for _ in range(given.rounds):
        for name, way in ways.items():
            rounds[name].append(way())
            print(f"{name}: {rounds[name][-1][:3]}, load {os.getloadavg()[0]:.1f}", flush=True)
    prompt = statistics.mean(len(rendered(lm, question, passages)) for question in questions)
    print(
        f"\n{len(questions)} questions, prompts of {prompt:.0f} tokens, {given.new_tokens} new "
        f"ones, {given.dtype}, {given.threads} thread(s), {given.rounds} round(s), medians\n"
    )
    print("| engine | start, s | answers, s | processor seconds | other answers |")
    print("|---|---|---|---|---|")
    reference = rounds["transformers"][-1][3]
    for name, done in rounds.items():
        start, answered, used = (statistics.median(r[i] for r in done) for i in range(3))
        pairs = [*zip(questions, reference, done[-1][3], strict=True)]
        other = [pair for pair in pairs if pair[1] != pair[2]]
        print(f"| {name} | {start:.1f} | {answered:.1f} | {used:.1f} | {len(other)} |")
        for question, ours, theirs in other:
            print(f"    {question.id}: nearest by {gap(lm, passages, question, ours, theirs):.5f}")
            print(f"      {ours!r}\n      {theirs!r}")


def timed(way: Callable[[], list[str]]) -> Round:
    used, begun = cpu_seconds(), time.perf_counter()
    answers = way()
    return 0.0, time.perf_counter() - begun, cpu_seconds() - used, answers


def cpu_seconds() -> float:
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, kinds))


def by_continuous(
    lm: LanguageModel, passages: Passages, settings: Settings, questions: Sequence[Question]
) -> list[str]:
    """transformers' `generate_batch`, with a cache for as many tokens as this takes at most."""
    prompts = [rendered(lm, question, passages) for question in questions]
    usual = GenerationConfig(
        max_new_tokens=settings.max_new_tokens,
        do_sample=False,
        eos_token_id=sorted(end_tokens(lm)),
        pad_token_id=lm.tokenizer.pad_token_id,
    )
    at_once = ContinuousBatchingConfig(max_batch_tokens=512, num_blocks=512)
    outputs = lm.model.generate_batch(prompts, usual, at_once, warmup=False)
    by_prompt = {tuple(o.prompt_ids): o.generated_tokens for o in outputs.values()}
    return [
        lm.tokenizer.decode(by_prompt[tuple(ids)], skip_special_tokens=True).strip()
        for ids in prompts
    ]


def gap(lm: LanguageModel, passages: Passages, question: Question, ours: str, theirs: str) -> float:
    """Where two answers part, by how many nats the one token was likelier than the other."""
    ends = [lm.tokenizer.eos_token_id]
    one, other = (
        [*lm.tokenizer.encode(text, add_special_tokens=False), *ends] for text in (ours, theirs)
    )
    place = next(i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    ids = torch.tensor([[*rendered(lm, question, passages), *one[:place]]])
    with torch.inference_mode():
        logits = lm.model(input_ids=ids.to(lm.device)).logits[0, -1].float().log_softmax(-1)
    return float(logits[one[place]] - logits[other[place]])


if __name__ == "__main__":
    main()
