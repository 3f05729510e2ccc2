"""How fast questions are answered from passages, beside two usual ways to do it.

The same questions, passages, prompts and bundled model for all: this project; LlamaIndex's query
engine with its Hugging Face LLM, asked one by one; and transformers' `generate` in batches of the
same size in file order. Every way answers all questions in turn, several times in one process, and
the answers are compared. Run by hand (the query engine's LLM is a package of its own):

    pip install --no-deps llama-index-llms-huggingface==0.8.0
    python benchmarks/generation.py --questions 24 --new-tokens 40
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from unittest import mock

import torch
from llama_index.core import PromptTemplate
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from rag_study import data as qa_datasets
from rag_study.answering import generation
from rag_study.answering.contexts import Context
from rag_study.answering.generation import Settings
from rag_study.common import run_folder
from rag_study.data.schema import Question
from rag_study.models import adapters, language_model, linear_products, loading, prompts
from rag_study.models.language_model import LanguageModel
from rag_study.retrieval.passage import Passage

MODEL = "smollm2-135m-instruct"
Passages = dict[str, list[Passage]]  # by question id


class GivenContexts:
    """In place of a search: the passages are chosen before anything is timed."""

    def __init__(self, passages: Passages):
        self.passages = passages

    def context(self, question: Question, condition: str) -> Context:
        return Context(tuple(self.passages[question.id]))


class GivenPassages(BaseRetriever):
    """The same for LlamaIndex, by the question's text; a node holds what the project's prompt
    shows of a passage."""

    def __init__(self, passages: dict[str, list[Passage]]):
        self._nodes = {
            question: [
                TextNode(text=prompts.PASSAGE.format(number=n, title=p.title, text=p.text))
                for n, p in enumerate(chosen, start=1)
            ]
            for question, chosen in passages.items()
        }
        super().__init__()

    def _retrieve(self, query: QueryBundle) -> list[NodeWithScore]:
        return [NodeWithScore(node=node) for node in self._nodes[query.query_str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", type=int, default=24)
    parser.add_argument("--new-tokens", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--passages", type=int, default=4, help="per question, at most")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float32"])
    parser.add_argument("--adapter", type=Path, help="also with PEFT's own products")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    lm = loading.load_generator(MODEL, given.dtype, given.adapter)
    questions, passages = some_questions(given.questions, given.passages)
    settings = Settings(given.new_tokens, given.batch_size)
    ways: dict[str, Callable[[Sequence[Question]], list[str]]] = {
        "this project": partial(by_project, lm, passages, settings),
        "transformers, batches in file order": partial(by_file, lm, passages, settings),
    }
    llms = importlib.util.find_spec("llama_index.llms")  # a folder that several packages share
    if llms and importlib.util.find_spec("llama_index.llms.huggingface"):
        ways["LlamaIndex query engine, one by one"] = partial(by_engine, lm, passages, settings)
    else:
        print("LlamaIndex's query engine is left out: it needs llama-index-llms-huggingface")
    if given.adapter:
        plain = loading.load_generator(MODEL, given.dtype)
        plain.model = adapters.attach(plain.model, given.adapter, MODEL).eval()
        ways["this project with PEFT's own products"] = partial(
            by_project, plain, passages, settings
        )
    if given.dtype == "float32":
        with mock.patch.object(linear_products, "_has_quicker_float32", return_value=False):
            usual = loading.load_generator(MODEL, given.dtype)
        ways["this project, float32 by MKL"] = partial(by_project, usual, passages, settings)
    for way in ways.values():
        way(questions[:2])  # first calls are slower
    wall: dict[str, list[float]] = {name: [] for name in ways}
    used: dict[str, list[float]] = {name: [] for name in ways}
    answers: dict[str, list[str]] = {}
    for _ in range(given.repeats):
        for name, way in ways.items():
            before, used_before = time.perf_counter(), time.process_time()
            answers[name] = way(questions)
            wall[name].append(time.perf_counter() - before)
            used[name].append(time.process_time() - used_before)
    ours = next(iter(ways))
    print("| way | seconds | processor seconds | times slower | answers that differ |")
    print("|---|---|---|---|---|")
    for name in ways:
        seconds, cpu = statistics.median(wall[name]), statistics.median(used[name])
        slower = seconds / statistics.median(wall[ours])
        differ = sum(a != b for a, b in zip(answers[name], answers[ours], strict=True))
        print(
            f"| {name} | {seconds:.1f} | {cpu:.1f} | {slower:.2f} | {differ} of {len(questions)} |"
        )
    prefill(lm, questions, passages, given.batch_size, given.repeats)


def some_questions(number: int, most: int) -> tuple[list[Question], dict[str, list[Passage]]]:
    """Questions of the built-in data set, each with its gold document and up to `most` - 1 that
    follow it: prompts of different lengths, as a search gives them."""
    data = qa_datasets.load("fictional", "", "", {"num_worlds": 84})
    documents = [Passage(d.doc_id, d.doc_id, d.title, d.text) for d in data.documents]
    places = {passage.doc_id: place for place, passage in enumerate(documents)}
    rng = random.Random(0)
    questions = rng.sample([q for q in data.questions if q.gold_doc_ids], number)
    passages = {}
    for question in questions:
        place = places[question.gold_doc_ids[0]]
        passages[question.id] = documents[place : place + rng.randint(1, most)]
    return questions, passages


def rendered(lm: LanguageModel, question: Question, passages: Passages) -> list[int]:
    texts = [(p.title, p.text) for p in passages[question.id]]
    return prompts.answer_prompt(lm.tokenizer, question.question, texts)


def by_project(
    lm: LanguageModel, passages: Passages, settings: Settings, questions: Sequence[Question]
) -> list[str]:
    """As notebook 04 does it, run folder and all."""
    with tempfile.TemporaryDirectory() as outputs:
        os.environ["RAG_STUDY_OUTPUTS"] = outputs
        batches = generation.generate_answers(
            lm,
            {"retrieved": questions},
            GivenContexts(passages),
            settings,
            {"retrieved": len(questions)},
            run_folder.RunFolder("generate_answers/benchmark-1"),
        )
        rows = {row["position"]: row["answer"] for batch in batches for row in batch}
    return [rows[position] for position in range(len(questions))]


def by_file(
    lm: LanguageModel, passages: Passages, settings: Settings, questions: Sequence[Question]
) -> list[str]:
    """What a script of ten lines does: pad each batch to its longest prompt, and `generate`."""
    answers = []
    for start in range(0, len(questions), settings.batch_size):
        batch = questions[start : start + settings.batch_size]
        ids, mask = language_model.left_pad(
            [rendered(lm, question, passages) for question in batch], lm.tokenizer.pad_token_id
        )
        with torch.inference_mode():
            output = lm.model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=settings.max_new_tokens,
                do_sample=False,
                pad_token_id=lm.tokenizer.pad_token_id,
            )
        texts = lm.tokenizer.batch_decode(output[:, ids.shape[1] :], skip_special_tokens=True)
        answers += [text.strip() for text in texts]
    return answers


def by_engine(
    lm: LanguageModel, passages: Passages, settings: Settings, questions: Sequence[Question]
) -> list[str]:
    """LlamaIndex with the project's prompt as its template."""
    from llama_index.llms.huggingface import HuggingFaceLLM  # a package of its own

    user = prompts.ANSWER_WITH_CONTEXT.format(passages="{context_str}", question="{query_str}")
    messages = [
        {"role": "system", "content": prompts.ANSWER_SYSTEM},
        {"role": "user", "content": user},
    ]
    llm = HuggingFaceLLM(
        model=lm.model,
        tokenizer=lm.tokenizer,
        context_window=lm.max_length,
        max_new_tokens=settings.max_new_tokens,
        generate_kwargs={"do_sample": False, "pad_token_id": lm.tokenizer.pad_token_id},
    )
    engine = RetrieverQueryEngine.from_args(
        GivenPassages({q.question: passages[q.id] for q in questions}),
        llm=llm,
        text_qa_template=PromptTemplate(prompts.render(lm.tokenizer, messages)),
    )
    return [str(engine.query(question.question)).strip() for question in questions]


def prefill(
    lm: LanguageModel,
    questions: Sequence[Question],
    passages: Passages,
    batch_size: int,
    repeats: int,
) -> None:
    """Print how fast prompts are read: one new token per answer is asked for."""
    tokens = sum(len(rendered(lm, question, passages)) for question in questions)
    layers = [p for name, p in lm.model.named_parameters() if "layers" in name and p.ndim == 2]
    per_token = 2 * sum(p.numel() for p in layers)  # operations, without attention
    seconds, peaks = [], []
    square = torch.rand(1536, 1536).to(lm.model.dtype)
    for _ in range(repeats):
        start = time.perf_counter()
        by_project(lm, passages, Settings(1, batch_size), questions)
        seconds.append(time.perf_counter() - start)
        start = time.perf_counter()
        for _ in range(10):
            linear_products.linear(square, square, None)
        peaks.append(20 * 1536**3 / (time.perf_counter() - start))
    speed, peak = tokens / statistics.median(seconds), statistics.median(peaks)
    print(
        f"prompts: {tokens / len(questions):.0f} tokens each, read at {speed:.0f} tokens/s without "
        f"counting padding: {speed * per_token / peak:.0%} of the matrix product's "
        f"{peak / 1e9:.0f} GFLOP/s"
    )


if __name__ == "__main__":
    main()
