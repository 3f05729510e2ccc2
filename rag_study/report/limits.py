"""What a reader must know before acting on a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd

from rag_study.analysis.missing_scores import MOST_LOST
from rag_study.analysis.pairing import ALL_SEEDS, BASE_COLUMNS
from rag_study.analysis.states import RECIPE, state_label
from rag_study.analysis.study_results import StudyResults
from rag_study.common.wording import counted, listed
from rag_study.evaluation.judging.requirements import NOT_SHOWN_VALID, status_words
from rag_study.report.basis import audit_words, refused


def limits(results: StudyResults) -> list[str]:
    """What a reader must know before acting on the report, one sentence or two each."""
    sentences = []
    for check in results.judge_checks:
        if not check.get("valid"):
            reason = check.get("reason") or "it did not pass its check"
            sentences.append(
                f"The judge {check['judge']} {_is(check)}: {reason}. Its scores are shown, marked, "
                "and carry no verdict."
            )
        sentences += _ladder_sentence(check)
    judge, reason = refused(results)
    if judge:
        words = audit_words(judge, reason)
        sentences.append(
            f"{words[0].upper()}{words[1:]}: its differences between these two states are shown, "
            "marked, and carry no verdict."
        )
    if not results.judge_checks:
        sentences.append("No judge was checked, so no verdict rests on a judge.")
    comparisons = results.comparisons
    if not comparisons.empty:
        rows = comparisons[comparisons["primary"]]
        rows = comparisons if rows.empty else rows
        questions, groups = rows["n_questions"].min(), rows["n_clusters"].min()
        sentences.append(
            f"The smallest comparison has {counted(int(questions), 'question')} in "
            f"{counted(int(groups), 'independent group')}. What it could have detected is in the "
            "table: the smallest detectable difference."
        )
        sentences += _lost_sentence(rows)
        sentences.append(_seeds_sentence(comparisons))
    sentences += list(comparisons.attrs.get("skipped", []))
    if "truncated" in results.results and not results.results.empty:
        sentences.append(_truncated_sentence(results.results))
    else:
        sentences.append("The share of answers cut at the token limit is not known.")
    sentences += results.data_warnings
    sentences += _lost_sentences(results.results)
    sentences += _circumstances(results)
    if results.missing:
        states = Counter(str(run.get("state", "missing")) for run in results.missing)
        parts = ", ".join(f"{amount} {state}" for state, amount in sorted(states.items()))
        sentences.append(
            f"{counted(len(results.missing), 'run')} of the study gave no result ({parts}); "
            "they are listed below and count nowhere as zero."
        )
    return sentences


def _is(check: Mapping[str, Any]) -> str:
    """The judge's status as a predicate: what was not shown is no finding about the judge."""
    words = status_words(check)
    return f"{'was' if words.startswith(NOT_SHOWN_VALID) else 'is'} {words}"


def _ladder_sentence(check: Mapping[str, Any]) -> list[str]:
    """From which pools the questions of a judge's check are, where not all are test questions."""
    counts = check.get("pools") or {}
    others = {pool: n for pool, n in counts.items() if pool != "test" and n}
    if not others:
        return []
    named = listed([f"{n} of the {pool} pool" for pool, n in others.items()])
    return [
        f"Of the {counted(sum(counts.values()), 'question')} in the check of the judge "
        f"{check['judge']}, {named} stand beside those of the test pool, which has too few for all "
        "kinds of answers. No judge was trained on them."
    ]


def _lost_sentence(rows: pd.DataFrame) -> list[str]:
    """What the comparisons that carry verdicts lack, where they lack anything."""
    pairs = rows["n_questions"] + rows[["lost_base", "lost_tuned"]].max(axis=1)
    worst = (rows[["lost_base", "lost_tuned"]].max(axis=1) / pairs).fillna(0.0)
    if not worst.max() > 0:
        return []
    row = rows.loc[worst.idxmax()]
    base = counted(int(row["lost_base"]), "base answer")
    tuned = counted(int(row["lost_tuned"]), "trained answer")
    return [
        f"Some answers have no score: in the comparison that lost most, {base} and {tuned}. Where "
        f"more than {100 * MOST_LOST:g} % of the pairs are lost, or one side loses more than the "
        "other, a verdict is given only if it would be the same with the worst and the best scores "
        "in their place."
    ]


def _lost_sentences(answers: pd.DataFrame) -> list[str]:
    """How many answers were asked for and not given, for each model state and context."""
    if "missing_reason" not in answers or answers["missing_reason"].isna().all():
        return []
    keys = [*BASE_COLUMNS, "prompting", *RECIPE, "train_size", "context"]
    once = answers.drop_duplicates([*keys, "question_id"])
    sentences = []
    for state, rows in once.groupby(keys, dropna=False, sort=False):
        reasons = rows["missing_reason"].dropna()
        if reasons.empty:
            continue
        of = dict(zip(keys, state, strict=True))
        most = reasons.value_counts().index[0]
        sentences.append(
            f"{len(reasons)} of {counted(len(rows), 'answer')} of {of['model']} "
            f"({state_label(of)}) on {of['dataset']}, context {of['context']}, are missing and "
            f"have no score. The most frequent reason: {most}."
        )
    return sentences


def _circumstances(results: StudyResults) -> list[str]:
    """What was otherwise than it was asked for, as the runs have recorded it, each once."""
    told = [sentence for run in results.provenance for sentence in run.get("circumstances") or []]
    return [*dict.fromkeys(told)]


def _seeds_sentence(comparisons: pd.DataFrame) -> str:
    recipe = [*BASE_COLUMNS, "method", "train_format", "variant", "train_size"]
    trained = comparisons[comparisons["train_size"] > 0]
    single = trained[trained["seed"] != ALL_SEEDS]
    seeds = single.groupby(recipe)["seed"].nunique()
    if seeds.empty:
        return "No model was trained, so nothing here is about fine-tuning."
    if seeds.max() == 1:
        return (
            "One training seed per model state: a verdict concerns that one adapter. Another "
            "seed, which draws other training examples, may come out differently."
        )
    amount = f"{seeds.min()}" if seeds.min() == seeds.max() else f"{seeds.min()} to {seeds.max()}"
    return (
        f"Trained with {amount} seeds each: where there are several, the verdict is about all of "
        "them, and its interval holds their spread as well. Rows of single seeds are descriptive."
    )


def _truncated_sentence(answers: pd.DataFrame) -> str:
    keys = [*BASE_COLUMNS, "prompting", *RECIPE, "train_size", "context"]
    once = answers.drop_duplicates([*keys, "question_id"])
    shares = once.groupby(keys, dropna=False)["truncated"].mean().dropna()
    if shares.empty:
        return "The share of answers cut at the token limit is not known."
    worst = dict(zip(keys, shares.idxmax(), strict=True))
    text = f"{once['truncated'].mean():.1%} of all answers were cut at the token limit"
    if shares.max() > 0:
        text += (
            f", at most {shares.max():.1%} ({state_label(worst)} of {worst['model']} on "
            f"{worst['dataset']}, context {worst['context']})"
        )
    return text.replace("%", " %") + "."
