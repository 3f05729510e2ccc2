"""How fast answers are judged, beside DeepEval's GEval on the same model.

The same answers (a ladder of the built-in data set), the same two criteria, the same weights, one
process, a fixed number of threads, warm-up, alternating. This project: one criterion and answer at
a time; both criteria after one pass for what they share; in batches; and so with the judge that was
trained to grade (its prompts are shorter, its adapter costs time). GEval at its best: fixed
evaluation steps, grades 1 to 5, once as it comes and once with a wrapper that forces the JSON it
asks for; its timeouts and telemetry are off. GEval also writes a reason for each score, which is
part of what it takes its time for. Run by hand, in an environment of its own on top of this one:

    pip install deepeval==4.3.1
    python benchmarks/judging.py --answers 32
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

os.environ["DEEPEVAL_TELEMETRY_OPT_OUT"] = "YES"
os.environ["DEEPEVAL_DISABLE_TIMEOUTS"] = "YES"

import torch
from deepeval.metrics import GEval
from deepeval.metrics.g_eval import Rubric
from deepeval.models import DeepEvalBaseLLM
from deepeval.test_case import LLMTestCase, SingleTurnParams

from rag_study import data as qa_datasets
from rag_study.evaluation import criteria
from rag_study.evaluation.judging import Item
from rag_study.evaluation.judging import prompts as judging_prompts
from rag_study.evaluation.judging.auc import clustered_auc
from rag_study.evaluation.judging.ladder import ladder
from rag_study.evaluation.judging.local import LocalJudge
from rag_study.models import loading
from rag_study.models.language_model import LanguageModel, end_tokens, left_pad

USUAL = criteria.find_all(criteria.DEFAULT)
ASKED = [SingleTurnParams.INPUT, SingleTurnParams.ACTUAL_OUTPUT, SingleTurnParams.EXPECTED_OUTPUT]
NEW_TOKENS = 96  # enough for a reason of two or three sentences and the score


@dataclass
class Tally:
    """What one way did: scores by criterion (None: failed), calls of the model, and tokens."""

    scores: list[dict[str, float | None]] = field(default_factory=list)
    calls: int = 0
    prompt_tokens: int = 0
    new_tokens: int = 0


class Wrapped(DeepEvalBaseLLM):
    """The model as DeepEval wants it.

    `forced`: the reply is the JSON that is asked for, with the reason as the model's own text and
    the score as its likeliest digit, and cannot fail to parse.
    """

    def __init__(self, lm: LanguageModel, tally: Tally, forced: bool):
        self._lm, self._tally, self._forced = lm, tally, forced

    def load_model(self) -> LanguageModel:
        return self._lm

    def get_model_name(self) -> str:
        return self._lm.name

    async def a_generate(self, prompt: str) -> str:
        return self.generate(prompt)

    def generate(self, prompt: str) -> str:
        ids = self._lm.tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], add_generation_prompt=True, return_dict=False
        )
        self._tally.calls += 1
        self._tally.prompt_tokens += len(ids)
        if not self._forced:
            return self._continued(ids, NEW_TOKENS)
        reason = self._continued([*ids, *self._encoded('{"reason": "')], NEW_TOKENS)
        reason = re.split(r'["\n]', reason)[0].replace("\\", "")
        opened = self._encoded(f'{{"reason": "{reason}", "score": ')
        digits = [self._lm.tokenizer.encode(d, add_special_tokens=False)[-1] for d in "12345"]
        with torch.inference_mode():
            logits = self._lm.model(torch.tensor([[*ids, *opened]]), logits_to_keep=1).logits[0, -1]
        self._tally.new_tokens += 1
        return json.dumps({"reason": reason, "score": 1 + int(logits[digits].argmax())})

    def _encoded(self, text: str) -> list[int]:
        return self._lm.tokenizer.encode(text, add_special_tokens=False)

    def _continued(self, ids: list[int], most: int) -> str:
        with torch.inference_mode():
            output = self._lm.model.generate(
                torch.tensor([ids]),
                max_new_tokens=most,
                do_sample=False,
                num_beams=1,
                eos_token_id=sorted(end_tokens(self._lm)),
                pad_token_id=self._lm.tokenizer.pad_token_id,
            )[0, len(ids) :]
        self._tally.new_tokens += len(output)
        return self._lm.tokenizer.decode(output, skip_special_tokens=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--trained", default="smollm2-135m-judge")
    parser.add_argument("--answers", type=int, default=32)
    parser.add_argument("--geval-answers", type=int, default=0, help="0: all of them")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float32"])
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    lm = loading.load_generator(given.model, given.dtype)
    items, rungs, ids = some_answers(given.answers)
    judge = LocalJudge(lm, USUAL)
    trained = LocalJudge(loading.load_judge(given.trained, given.dtype), USUAL, trained=True)
    few = given.geval_answers or len(items)
    ways: dict[str, tuple[int, Callable[[Sequence[Item]], Tally]]] = {
        "here, one prompt at a time": (len(items), lambda some: one_prompt(lm, some)),
        "here, shared prefix": (len(items), lambda some: in_batches(judge, some, 1)),
        "here, batches": (len(items), lambda some: in_batches(judge, some, given.batch_size)),
        f"here, batches, {given.trained}": (
            len(items),
            lambda some: in_batches(trained, some, given.batch_size),
        ),
        "GEval, fixed steps": (few, lambda some: by_geval(lm, some, forced=False)),
        "GEval, fixed steps, JSON forced": (few, lambda some: by_geval(lm, some, forced=True)),
    }
    for _, way in ways.values():
        way(items[:1])  # first calls are slower
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, Tally] = {}
    for _ in range(given.repeats):
        for name, (number, way) in ways.items():
            before = time.process_time()
            found[name] = way(items[:number])
            seconds[name].append((time.process_time() - before) / number)
    print("Processor seconds, median of the rounds. AUC: right answers against other questions'.")
    print("| way | answers/s | calls | prompt tokens | new tokens | failed | distinct | AUC |")
    print("|---|---|---|---|---|---|---|---|")
    for name, (number, _) in ways.items():
        tally = found[name]
        scores = [row["accuracy"] for row in tally.scores]
        known = [score for row in tally.scores for score in row.values() if score is not None]
        failed = 2 * number - len(known)
        auc = accuracy_auc(scores, rungs[:number], ids[:number])
        print(
            f"| {name} | {1 / statistics.median(seconds[name]):.2f} | {tally.calls} "
            f"| {tally.prompt_tokens} | {tally.new_tokens} | {failed} of {2 * number} "
            f"| {len(set(known))} | {auc} |"
        )
    prefill(lm, judge, items, given.batch_size, statistics.median(seconds["here, batches"]))


def some_answers(number: int) -> tuple[list[Item], list[str], list[str]]:
    """Answers of a ladder that no rule decides, with their rungs and question ids."""
    data = qa_datasets.load("fictional", "", "", {"num_worlds": 84})
    questions = random.Random(0).sample(list(data.questions), max(8, number // 3))
    by_id = {question.id: question for question in questions}
    rows = [
        row
        for row in ladder(questions)
        if row["rung"] in ("gold", "paraphrase", "other_question", "corrupted", "padded")
    ]
    rows = random.Random(1).sample(rows, number)
    items = [Item.of(by_id[row["question_id"]], row["candidate"]) for row in rows]
    return items, [row["rung"] for row in rows], [row["question_id"] for row in rows]


def one_prompt(lm: LanguageModel, items: Sequence[Item]) -> Tally:
    tally, digits = Tally(), judging_prompts.digit_tokens(lm.tokenizer)
    for item in items:
        prefix, endings = judging_prompts.judge_prompt(
            lm.tokenizer, item.question, item.reference, item.candidate
        )
        row: dict[str, float | None] = {}
        for name, ending in endings.items():
            with torch.inference_mode():
                ids = torch.tensor([prefix + ending])
                logits = lm.model(ids, logits_to_keep=1, use_cache=False).logits[0, -1]
            p = logits[digits].double().softmax(-1)
            row[name] = float(p @ torch.arange(1.0, 6.0, dtype=torch.double))
            tally.calls += 1
            tally.prompt_tokens += ids.shape[1]
        tally.scores.append(row)
    return tally


def in_batches(judge: LocalJudge, items: Sequence[Item], size: int) -> Tally:
    tally = Tally()
    ordered = sorted(range(len(items)), key=lambda n: -len(items[n].candidate))
    rows: list[dict] = [{} for _ in items]
    for start in range(0, len(items), size):
        batch = ordered[start : start + size]
        for n, scores in zip(batch, judge.score([items[n] for n in batch]), strict=True):
            rows[n] = {one.name: scores[one.metric] for one in USUAL}
        tally.calls += 1 + len(USUAL)
    tally.prompt_tokens = sum(tokens(judge, item) for item in items)
    tally.scores = rows
    return tally


def tokens(judge: LocalJudge, item: Item) -> int:
    """Tokens that must be read for an item: the prefix once, and each ending."""
    prompt = judge._prompt(item)
    return len(prompt.prefix) + sum(map(len, prompt.endings.values()))


def by_geval(lm: LanguageModel, items: Sequence[Item], forced: bool) -> Tally:
    tally = Tally()
    model = Wrapped(lm, tally, forced)
    metrics = {}
    for one in USUAL:
        asked, *grades, _ = one.rubric.splitlines()
        steps = [
            "Compare the actual output with the expected output.",
            asked.replace("candidate", "actual output").replace("reference", "expected output"),
        ]
        # Its grades go from 0 to 10.
        rubric = [
            Rubric(score_range=(int(g[0]), int(g[0])), expected_outcome=g[4:])
            for g in reversed(grades)
        ]
        metrics[one.name] = GEval(
            name=one.label,
            evaluation_steps=steps,
            evaluation_params=ASKED,
            rubric=rubric,
            model=model,
            async_mode=False,
        )
    for item in items:
        case = LLMTestCase(
            input=item.question, actual_output=item.candidate, expected_output=item.reference
        )
        row: dict[str, float | None] = {}
        for name, metric in metrics.items():
            try:
                metric.measure(case, _show_indicator=False)
                row[name] = metric.score
            except Exception:  # whatever its reading of a reply ends in is a failed score
                row[name] = None
        tally.scores.append(row)
    return tally


def accuracy_auc(scores: Sequence[float | None], rungs: Sequence[str], ids: Sequence[str]) -> str:
    def of(*names: str) -> tuple[list[float], list[str]]:
        rows = [
            (score, name)
            for score, rung, name in zip(scores, rungs, ids, strict=True)
            if rung in names and score is not None
        ]
        return [score for score, _ in rows], [name for _, name in rows]

    high, low = of("gold", "paraphrase"), of("other_question")
    if not high[0] or not low[0]:
        return "–"
    auc, bottom, top = clustered_auc(high[0], low[0], high[1], low[1])
    return f"{auc:.2f} ({bottom:.2f} to {top:.2f})"


def prefill(
    lm: LanguageModel, judge: LocalJudge, items: Sequence[Item], size: int, per_answer: float
) -> None:
    """The speed of reading, beside that of the bare model on as many full batches."""
    needed = sum(tokens(judge, item) for item in items) / len(items)
    ids, mask = left_pad([[1] * round(needed)] * size, lm.tokenizer.pad_token_id)
    rounds = []
    for _ in range(3):
        before = time.process_time()
        with torch.inference_mode():
            lm.model(ids, attention_mask=mask, logits_to_keep=1, use_cache=False)
        rounds.append(time.process_time() - before)
    bare = ids.numel() / statistics.median(rounds)
    print(
        f"\nReading: {needed / per_answer:.0f} tokens per processor second, the bare model "
        f"{bare:.0f} ({100 * needed / per_answer / bare:.0f} %)."
    )


if __name__ == "__main__":
    main()
