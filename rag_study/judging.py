"""The judge: accuracy and completeness of an answer from 1 to 5, and whether it can be believed.

No text is generated. The prompt ends where the score's digit comes; one forward pass gives the
probabilities of the digits 1 to 5, and the score is their expectation (the weighting of G-Eval,
Liu et al. 2023, without its sampling). Both criteria share the long first part of the prompt.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from rag_study import metrics, prompts
from rag_study.errors import StudyError
from rag_study.generation import left_pad
from rag_study.models import LanguageModel
from rag_study.qa_datasets.schema import Question
from rag_study.store import RunFolder
from rag_study.text import normalise

CRITERIA = tuple(prompts.CRITERIA)
# Longer candidates are cut (and counted): a judge's prompt must keep its question and rubric.
MAX_CANDIDATE_WORDS = 300
REFUSAL = "I am sorry, but I do not know the answer to this question."
LOWER_RUNGS = ("other_question", "refusal", "empty")
# A valid judge tells right answers from answers to other questions at least this well.
VALID_AUC = 0.90


@dataclass(frozen=True)
class Item:
    """One answer to be judged."""

    question: str
    reference: str
    candidate: str


class Judge:
    """A causal language model that grades answers.

    Raises StudyError when the model's tokenizer has no five single tokens for the five digits.
    """

    def __init__(self, lm: LanguageModel):
        self._lm = lm
        try:
            self._digits = prompts.digit_tokens(lm.tokenizer)
        except ValueError as error:
            raise StudyError(f"{lm.name} cannot be a judge: {error}.") from error

    def score(self, items: Sequence[Item]) -> list[dict[str, Any]]:
        """Scores of one batch: a dict per item with, for each criterion c, `judge_<c>` (1..5),
        `judge_<c>_p` (the five probabilities, summing to 1), `judge_<c>_mass` (how much of the
        whole distribution the digits have), `judge_<c>_entropy` (nats); and `cut` (0 or 1).
        """
        import torch

        words = [item.candidate.split() for item in items]
        rendered = [
            prompts.judge_prompt(
                self._lm.tokenizer,
                item.question,
                item.reference,
                " ".join(w[:MAX_CANDIDATE_WORDS]),
            )
            for item, w in zip(items, words, strict=True)
        ]
        rows: list[dict[str, Any]] = [{"cut": int(len(w) > MAX_CANDIDATE_WORDS)} for w in words]
        with torch.inference_mode():
            for name, probabilities, mass in self._probabilities(rendered):
                for row, p, m in zip(rows, probabilities.tolist(), mass.tolist(), strict=True):
                    row[f"judge_{name}"] = sum(digit * q for digit, q in enumerate(p, start=1))
                    row[f"judge_{name}_p"] = p
                    row[f"judge_{name}_mass"] = m
                    row[f"judge_{name}_entropy"] = _entropy(p)
        return rows

    def _probabilities(
        self, rendered: Sequence[tuple[list[int], dict[str, list[int]]]]
    ) -> Iterator:
        """Yield (criterion, digit probabilities (batch, 5), digit mass (batch,))."""
        import torch

        lm = self._lm
        prefix, mask = left_pad([ids for ids, _ in rendered], lm.tokenizer.pad_token_id)
        prefix, mask = prefix.to(lm.device), mask.to(lm.device)
        batch = len(rendered)
        cache = lm.model(
            input_ids=prefix,
            attention_mask=mask,
            position_ids=(mask.cumsum(dim=1) - 1).clamp(min=0),
            use_cache=True,
            logits_to_keep=1,
        ).past_key_values
        for name in CRITERIA:
            ending = torch.tensor(rendered[0][1][name], device=lm.device).expand(batch, -1)
            width = ending.shape[1]
            steps = torch.arange(width, device=lm.device)
            logits = lm.model(
                input_ids=ending,
                attention_mask=torch.cat([mask, mask.new_ones(batch, width)], dim=1),
                position_ids=mask.sum(dim=1, keepdim=True) + steps,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]
            cache.crop(-width)  # back to the shared prefix for the next criterion
            all_probabilities = logits.double().softmax(dim=-1)
            digits = all_probabilities[:, self._digits]
            mass = digits.sum(dim=-1)
            yield name, digits / mass[:, None], mass


def judge_answers(
    judge: Judge,
    answers: pd.DataFrame,
    questions: Sequence[Question],
    batch_size: int,
    folder: RunFolder,
) -> Iterator[list[dict[str, Any]]]:
    """Score an answers table (context, question_id, position, answer) in the batches in which it
    was answered; yields rows of context, question_id, reference metrics and the judge's scores."""
    by_id = {question.id: question for question in questions}
    for context, part in answers.groupby("context", sort=False):
        # By position, not by count: a question without an answer must not shift the batches.
        for number, rows in part.groupby(part["position"] // batch_size, sort=True):
            batch = [
                ({"context": context, "question_id": row.question_id}, row.answer)
                for row in rows.sort_values("position").itertuples()
            ]
            score = partial(_score_batch, judge, batch, by_id)
            yield folder.part(f"{context}-{number * batch_size:05d}", score)


def judge_ladder(
    judge: Judge,
    rungs: Sequence[dict[str, str]],
    questions: Sequence[Question],
    batch_size: int,
    folder: RunFolder,
) -> Iterator[list[dict[str, Any]]]:
    """Score a ladder; yields its rows with the reference metrics and the judge's scores."""
    by_id = {question.id: question for question in questions}
    for start in range(0, len(rungs), batch_size):
        batch = [(row, row["candidate"]) for row in rungs[start : start + batch_size]]
        score = partial(_score_batch, judge, batch, by_id)
        yield folder.part(f"ladder-{start:05d}", score)


def _score_batch(
    judge: Judge, batch: Sequence[tuple[dict[str, Any], str]], by_id: dict[str, Question]
) -> list[dict[str, Any]]:
    """Each row (which names its question) with all scores of the answer beside it."""
    asked = [by_id[row["question_id"]] for row, _ in batch]
    items = [
        Item(question.question, question.reference, answer)
        for question, (_, answer) in zip(asked, batch, strict=True)
    ]
    return [
        row | metrics.score(answer, question) | judged
        for (row, answer), question, judged in zip(batch, asked, judge.score(items), strict=True)
    ]


def ladder(questions: Sequence[Question]) -> list[dict[str, str]]:
    """Answers of known quality to each question: the judge's check.

    Rungs: `reworded` (right, but not the reference string: the data's own rewording, else a
    second answer, else a sentence around the reference), `other_question` (the reference of the
    next question with another answer), `refusal` (where it is not the right answer), `empty`.
    Columns: question_id, rung, candidate.
    """
    rows = []
    for number, question in enumerate(questions):
        others = [*questions[number + 1 :], *questions[:number]]
        candidates = {
            "reworded": reword(question),
            "other_question": _other_answer(question, others),
            "refusal": None if question.answer_type == "unanswerable" else REFUSAL,
            "empty": "",
        }
        rows += [
            {"question_id": question.id, "rung": rung, "candidate": text}
            for rung, text in candidates.items()
            if text is not None
        ]
    return rows


def reword(question: Question) -> str:
    """A right answer that is not the reference string."""
    reference = question.reference
    if question.rewording:
        return question.rewording
    for answer in question.answers:
        if normalise(answer) != normalise(reference):
            return answer
    return f"The answer to this is {reference}."


def ladder_auc(scores: pd.DataFrame, judge_name: str) -> pd.DataFrame:
    """How well the judge, and the reference metrics beside it, rank `reworded` above each rung.

    `scores` is the ladder with its scores. Columns: scorer (the judge's name or the metric),
    criterion ("" for metrics), rung, auc, auc_low, auc_high (95 %), n (questions on the smaller
    side).
    """
    scorers = [(f"judge_{name}", judge_name, name) for name in CRITERIA]
    scorers += [(name, name, "") for name in metrics.REFERENCE]
    rows = []
    for column, scorer, criterion in scorers:
        high = scores.loc[scores["rung"] == "reworded", column].dropna().to_numpy(float)
        for rung in LOWER_RUNGS:
            low = scores.loc[scores["rung"] == rung, column].dropna().to_numpy(float)
            if len(high) and len(low):
                auc = auc_with_interval(high, low)
                rows.append((scorer, criterion, rung, *auc, min(len(high), len(low))))
    columns = ["scorer", "criterion", "rung", "auc", "auc_low", "auc_high", "n"]
    return pd.DataFrame(rows, columns=columns)


def auc_with_interval(high: Any, low: Any) -> tuple[float, float, float]:
    """(AUC, lower, upper 95 % bound) of scores that should be high against ones that should be low.

    AUC is the share of pairs in the right order, ties half (Mann-Whitney); its interval is
    DeLong's (DeLong et al. 1988) on the logit scale. Where the AUC is 0 or
    1 the variance is 0; there the bound is the exact binomial one for the smaller side
    (Clopper-Pearson), so that few questions never look like certainty.
    """
    order = (high[:, None] > low[None, :]) + 0.5 * (high[:, None] == low[None, :])
    auc = float(order.mean())
    n = min(len(high), len(low))
    if auc in (0.0, 1.0) or n < 2:
        interval = stats.binomtest(round(auc * n), n).proportion_ci(method="exact")
        return auc, float(interval.low), float(interval.high)
    by_high, by_low = order.mean(axis=1), order.mean(axis=0)
    variance = by_high.var(ddof=1) / len(high) + by_low.var(ddof=1) / len(low)
    logit, width = np.log(auc / (1 - auc)), 1.96 * np.sqrt(variance) / (auc * (1 - auc))
    bounds = 1 / (1 + np.exp(-(logit + np.array([-width, width]))))
    return auc, float(bounds[0]), float(bounds[1])


def check(auc_table: pd.DataFrame, judge_name: str) -> dict[str, Any]:
    """Whether a judge is valid: the lower bound for reworded answers against another question's
    answers must reach 0.90 on every criterion. Returns judge, valid, auc (the worst criterion's),
    auc_low, auc_high, n, reason.
    """
    of_judge = auc_table["scorer"] == judge_name
    rows = auc_table[of_judge & (auc_table["rung"] == "other_question")]
    if rows.empty:
        reason = "all its test questions have the same answer, so it could not be checked"
        numbers = dict.fromkeys(("auc", "auc_low", "auc_high"))
        return {"judge": judge_name, "valid": False, **numbers, "n": 0, "reason": reason}
    worst = rows.sort_values("auc_low").iloc[0]
    valid = bool(worst["auc_low"] >= VALID_AUC)
    bound = f"lower 95 % bound {worst['auc_low']:.2f}"
    reason = (
        f"tells right answers from answers to other questions with AUC {worst['auc']:.2f} "
        f"({bound}, {worst['criterion']}); {VALID_AUC:.2f} is needed"
    )
    return {
        "judge": judge_name,
        "valid": valid,
        **{key: float(worst[key]) for key in ("auc", "auc_low", "auc_high")},
        "n": int(worst["n"]),
        "reason": reason,
    }


def _other_answer(question: Question, others: Sequence[Question]) -> str | None:
    """The reference of the first question whose answer is not right here too."""
    right = {normalise(a) for a in (question.reference, *question.answers)}
    for other in others:
        if normalise(other.reference) not in right:
            return other.reference
    return None


def _entropy(probabilities: Sequence[float]) -> float:
    return -sum(p * math.log(p) for p in probabilities if p > 0)
