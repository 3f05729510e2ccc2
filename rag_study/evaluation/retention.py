"""Retention: what fine-tuning costs outside the task.

Three sets that have nothing to do with any study's questions come with the package: general texts
(how likely does the model find them?), general knowledge (does it prefer right answers to wrong
ones?) and instructions whose keeping a few lines of code can check. The base and every tuned state
are measured on the same items, so differences are paired; each item is a cluster of its own. The
sets are too small to rank models by: read the difference between a tuned state and its base.

A fourth set, general instructions with responses, shares no item with them; `replay` trains on it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache, partial
from itertools import takewhile
from pathlib import Path
from typing import Any

import pandas as pd

from rag_study.common import files
from rag_study.common.errors import StudyError
from rag_study.common.run_folder import RunFolder
from rag_study.models import prompts
from rag_study.models.language_model import LanguageModel, decoding, end_tokens
from rag_study.models.likelihood import log_likelihoods, padded

_SENTENCE_END = r"[.!?]+[\"'”’)]*"
DATA = Path(__file__).with_name("retention_sets")
PART = 48  # items between two savings


@dataclass(frozen=True)
class Text:
    id: str
    genre: str
    text: str


@dataclass(frozen=True)
class Fact:
    """A question with four choices of one kind; `answer` is the place of the right one (0..3)."""

    id: str
    topic: str
    question: str
    choices: list[str]
    answer: int


@dataclass(frozen=True)
class Instruction:
    """`check` holds the kind (a key of `CHECKS`), the parameters of that function, and where a
    terse model would pass by saying next to nothing, `min_words`."""

    id: str
    instruction: str
    check: dict[str, Any]


Rows = list[dict[str, Any]]
SETS = {"general_text": Text, "general_knowledge": Fact, "instructions": Instruction}


@lru_cache
def load(name: str, folder: Path = DATA) -> tuple[Any, ...]:
    """The items of a set (a key of `SETS`), in an order that mixes their topics and kinds evenly.

    Raises StudyError with file and line for the first item that is wrong.
    """
    items: dict[str, Any] = {}
    for number, row in enumerate(files.read_jsonl(folder / f"{name}.jsonl"), start=1):
        problem = _problem(SETS[name], row) or ("the id stands twice" if row["id"] in items else "")
        if problem:
            raise StudyError(f"{folder / name}.jsonl, line {number}: {problem}.")
        items[row["id"]] = SETS[name](**row)
    return tuple(items.values())


def text_likelihood(lm: LanguageModel, texts: Sequence[Text], batch_size: int = 16) -> Rows:
    """How likely the model finds each text as plain text, without a chat around it.

    Rows, in the order of `texts`: id, nll_per_token (mean negative log-likelihood in nats), tokens
    (those scored), nll_per_byte (nats per UTF-8 byte of what was scored; unlike the former it can
    be compared between tokenizers). The begin token stands once where the tokenizer sets one, and
    then all of the text is scored; elsewhere the first token is only read.
    Raises StudyError for a text longer than the model's window.
    """

    def score(batch: Sequence[Text]) -> Iterator[dict[str, Any]]:
        cleaned = [prompts.clean(item.text, lm.tokenizer) for item in batch]
        ids = [lm.tokenizer.encode(text) for text in cleaned]
        totals = log_likelihoods(lm, [(sequence, len(sequence) - 1) for sequence in ids])
        for item, text, sequence, total in zip(batch, cleaned, ids, totals, strict=True):
            tokens, scored = len(sequence) - 1, text.removeprefix(lm.tokenizer.decode(sequence[:1]))
            nll = {"nll_per_token": -total / tokens, "nll_per_byte": -total / len(scored.encode())}
            yield {"id": item.id, "tokens": tokens, **nll}

    return _in_order(texts, score, batch_size)


def knowledge_margins(lm: LanguageModel, items: Sequence[Fact], batch_size: int = 16) -> Rows:
    """How far the model prefers the right answer to the best wrong one.

    The choices are not shown: each is scored as the reply to the question alone, so that a model
    that reads multiple choice badly, or has a favourite letter, is measured as well. The score of
    a choice is its mean log-probability per token: a sum would favour short choices, and a model
    and its tuned states share their tokens. Its end token is left out: when to stop is style.

    Rows, in the order of `items`: id, margin (nats per token; above 0 is right), correct (0 or 1;
    a tie is wrong). Near chance the margin still moves where `correct` hardly does.
    """

    def score(batch: Sequence[Fact]) -> Iterator[dict[str, Any]]:
        choices = [choice for item in batch for choice in _choice_tokens(lm, item)]
        totals = log_likelihoods(lm, choices, alike=4)
        means = [total / scored for total, (_, scored) in zip(totals, choices, strict=True)]
        for number, item in enumerate(batch):
            wrong = means[4 * number : 4 * number + 4]
            margin = wrong.pop(item.answer) - max(wrong)
            yield {"id": item.id, "margin": margin, "correct": int(margin > 0)}

    return _in_order(items, score, batch_size)


def instruction_following(
    lm: LanguageModel,
    items: Sequence[Instruction],
    batch_size: int = PART,
    max_new_tokens: int = 40,
) -> Rows:
    """Greedy answers to the instructions, and whether their form is the one asked for.

    Rows, in the order of `items`: id, answer, truncated (0 or 1), passed (0 or 1). Each instruction
    can be kept in about 25 tokens; an answer cut at `max_new_tokens` passes only where its
    beginning shows that it keeps to it (`SHOWN_EARLY`). A model tuned on short answers gains by
    that alone on the kinds `number`, `one_of` and `word_count`: look at a rise kind by kind.
    """
    import torch

    ends = end_tokens(lm)

    def score(batch: Sequence[Instruction]) -> Iterator[dict[str, Any]]:
        ids, mask = padded(lm, [_chat(lm, item.instruction) for item in batch])
        with torch.inference_mode():
            output = lm.model.generate(
                ids, attention_mask=mask, max_new_tokens=max_new_tokens, **decoding(lm)
            )
        for item, new in zip(batch, output[:, ids.shape[1] :].tolist(), strict=True):
            tokens = list(takewhile(lambda token: token not in ends, new))
            answer = lm.tokenizer.decode(tokens, skip_special_tokens=True).strip()
            cut = len(tokens) == len(new)
            kept = passes(answer, item.check) and (not cut or item.check["kind"] in SHOWN_EARLY)
            yield {"id": item.id, "answer": answer, "truncated": int(cut), "passed": int(kept)}

    return _in_order(items, score, batch_size)


_KNOWLEDGE = {"knowledge_margin": "margin", "knowledge_accuracy": "correct"}
# (task, set, measure, metric -> column of the measure)
_TASKS = (
    ("text", "general_text", text_likelihood, {"general_text_nll": "nll_per_token"}),
    ("knowledge", "general_knowledge", knowledge_margins, _KNOWLEDGE),
    ("instructions", "instructions", instruction_following, {"instruction_following": "passed"}),
)


def measure(lm: LanguageModel, folder: RunFolder, limit: int | None = None) -> pd.DataFrame:
    """All three measures, stacked: columns task, metric (of `metrics.RETENTION`), item_id, value.

    `limit` takes the first n items of each set. Every `PART` items are kept in `folder`, with the
    measures' own columns (tokens, answers): a run that was stopped goes on and ends the same.
    """
    stacked, done, total = [], 0, sum(len(load(name)[:limit]) for _, name, _, _ in _TASKS)
    for task, name, score, columns in _TASKS:
        items = load(name)[:limit]
        for start in range(0, len(items), PART):
            part = items[start : start + PART]
            part_name = f"{task}-{start:05d}-{len(part)}"
            rows = folder.part(part_name, partial(score, lm, part))
            done += len(part)
            folder.set_progress(done, total)
            stacked += [
                {"task": task, "metric": metric, "item_id": row["id"], "value": float(row[column])}
                for metric, column in columns.items()
                for row in rows
            ]
    return pd.DataFrame(stacked).sort_values(["task", "metric", "item_id"], ignore_index=True)


def passes(answer: str, check: dict[str, Any]) -> bool:
    """Whether an answer has the form asked for, be it right or wrong; never without a word."""
    options = {key: value for key, value in check.items() if key not in ("kind", "min_words")}
    kept = CHECKS[check["kind"]](answer.strip(), **options)
    return bool(kept) and len(_words(answer)) >= check.get("min_words", 1)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+(?:(?:['’-]|[.,](?=\d))[^\W_]+)*", text)


def _list_marks(answer: str, mark: str) -> list[str]:
    return re.findall(rf"^[ \t]*({mark})[ \t]+\S", answer, re.MULTILINE)


def _json_keys(answer: str, keys: Sequence[str]) -> bool:
    """One JSON object with just these keys; a code fence around it does no harm."""
    try:
        content = json.loads(re.sub(r"^```(?:json)?|```$", "", answer))
    except ValueError:
        return False
    return isinstance(content, dict) and sorted(content) == sorted(keys)


CHECKS: dict[str, Callable[..., Any]] = {
    "avoid": lambda answer, text: text not in answer.casefold(),
    "bullet_list": lambda answer, items: len(_list_marks(answer, "[-*•]")) == items,
    "comma_list": lambda answer, items: (
        [1 <= len(_words(part)) <= 3 for part in answer.split(",")] == [True] * items
    ),
    # Quotation marks around the answer and a full stop behind it do no harm.
    "ends_with": lambda answer, text: re.search(rf"(?i){re.escape(text)}[.!]?[\"'”’*)]*$", answer),
    "json_keys": _json_keys,
    "keyword": lambda answer, text, times: _words(answer.casefold()).count(text) >= times,
    "lower_case": lambda answer: answer.islower(),
    "max_words": lambda answer, words: len(_words(answer)) <= words,
    "number": lambda answer: re.fullmatch(r"-?\d[\d,]*(?:\.\d+)?\.?", answer),
    "numbered_list": lambda answer, items: (
        [int(mark[:-1]) for mark in _list_marks(answer, r"\d+[.)]")] == [*range(1, items + 1)]
    ),
    "one_of": lambda answer, choices: answer.rstrip(".!").casefold() in choices,
    "repeat": lambda answer, text: answer.strip('"“” ') == text,
    "sentences": lambda answer, count: (
        len(re.findall(rf"{_SENTENCE_END}(?=\s|$)", answer)) == count
        and re.search(rf"{_SENTENCE_END}$", answer)
    ),
    "starts_with": lambda answer, text: re.match(rf"(?i)[\"“*]*{re.escape(text)}(?!\w)", answer),
    "upper_case": lambda answer: answer.isupper(),
    "word_count": lambda answer, words: len(_words(answer)) == words,
    "wrapped": lambda answer, opening, closing: answer[:1] in opening and answer[-1:] in closing,
}
SHOWN_EARLY = frozenset({"avoid", "keyword", "lower_case", "starts_with", "upper_case"})


def _problem(kind: type, row: dict[str, Any]) -> str:
    """What is wrong with a row of a bundled file; "" if nothing is."""
    names = sorted(field.name for field in fields(kind))
    if sorted(row) != names or "" in row.values():
        return f"it needs the fields {', '.join(names)}, none of them empty"
    if kind is Fact and (len(set(row["choices"])) != 4 or row["answer"] not in range(4)):
        return "it needs four different choices and an answer from 0 to 3"
    if kind is Instruction:
        try:
            passes("x", row["check"])
        except (KeyError, TypeError) as error:
            return f"its check cannot be used: {error!r}"
    return ""


def _chat(lm: LanguageModel, text: str, lead: str = "") -> list[int]:
    """Token ids of the chat that ends where the reply begins, or goes on after `lead`."""
    user = {"role": "user", "content": prompts.clean(text, lm.tokenizer)}
    rendered = prompts.render_closed(
        lm.tokenizer, [{"role": "system", "content": prompts.RETENTION_SYSTEM}, user]
    )
    return lm.tokenizer.encode(rendered + lead, add_special_tokens=False)


def _choice_tokens(lm: LanguageModel, item: Fact) -> list[tuple[list[int], int]]:
    """For each choice: token ids of prompt and choice, and how many of them are the choice.

    Both are tokenised as one text, since a tokenizer may join across the border; what follows the
    prompt that all four share is the choice.
    """
    prompt = _chat(lm, item.question, prompts.RETENTION_LEAD)
    whole = [
        _chat(lm, item.question, f"{prompts.RETENTION_LEAD} {choice}") for choice in item.choices
    ]
    shared = [len(set(tokens)) == 1 for tokens in zip(prompt, *whole, strict=False)]
    start = [*shared, False].index(False)
    return [(ids, len(ids) - start) for ids in whole]


def _in_order(
    items: Sequence[Any], score: Callable[[Sequence[Any]], Iterator[dict]], batch_size: int
) -> Rows:
    """Rows of `score` over batches of items of similar length, in the order of the items."""
    by_length = sorted(items, key=lambda item: len(str(item)))
    starts = range(0, len(items), batch_size)
    rows = [row for start in starts for row in score(by_length[start : start + batch_size])]
    by_id = {row["id"]: row for row in rows}
    return [by_id[item.id] for item in items]
