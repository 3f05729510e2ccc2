"""What a reader must know before acting on a report."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from rag_study.analysis.pairing import ALL_SEEDS, BASE_COLUMNS
from rag_study.analysis.states import RECIPE, state_label
from rag_study.analysis.study_results import StudyResults
from rag_study.common.wording import counted


def limits(results: StudyResults) -> list[str]:
    """What a reader must know before acting on the report, one sentence or two each."""
    sentences = []
    for check in results.judge_checks:
        if not check.get("valid"):
            reason = check.get("reason") or "it did not pass its check"
            sentences.append(
                f"The judge {check['judge']} is not valid: {reason}. Its scores are shown, marked, "
                "and carry no verdict."
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
        sentences.append(_seeds_sentence(comparisons))
    sentences += list(comparisons.attrs.get("skipped", []))
    if "truncated" in results.results and not results.results.empty:
        sentences.append(_truncated_sentence(results.results))
    else:
        sentences.append("The share of answers cut at the token limit is not known.")
    sentences += results.search_warnings
    if results.missing:
        states = Counter(str(run.get("state", "missing")) for run in results.missing)
        parts = ", ".join(f"{amount} {state}" for state, amount in sorted(states.items()))
        sentences.append(
            f"{counted(len(results.missing), 'run')} of the study gave no result ({parts}); "
            "they are listed below and count nowhere as zero."
        )
    return sentences


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
