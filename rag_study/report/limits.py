"""What a reader must know before acting on a report, in short sentences without internal names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd

from rag_study.analysis.carriers import AUDIT_FAILED
from rag_study.analysis.missing_scores import MOST_LOST
from rag_study.analysis.pairing import ALL_SEEDS, BASE_COLUMNS
from rag_study.analysis.states import RECIPE, context_label, factor_words, state_label
from rag_study.analysis.study_results import StudyResults
from rag_study.common.wording import counted, listed
from rag_study.evaluation.judging.requirements import NOT_SHOWN_VALID, status_words
from rag_study.report.basis import refused
from rag_study.report.tables import run_factors

_STATE = [*BASE_COLUMNS, "prompting", *RECIPE, "train_size", "context"]
_POOLS = {"train": "the training questions", "validation": "the validation questions"}
_MARKED = "Its scores are shown, marked, and decide nothing."
_WHY = "The section “Can the judge be believed?” says why."


def limits(results: StudyResults) -> list[str]:
    """What a reader must know before acting on the report, a few short sentences each."""
    sentences = []
    for check in results.judge_checks:
        if not check.get("valid"):
            sentences.append(f"The judge {check['judge']} {_is(check)}. {_MARKED} {_WHY}")
        sentences += _ladder_sentence(check)
    judge, reason = refused(results)
    if judge:
        sentences.append(_refused_sentence(judge, reason))
    if not results.judge_checks:
        sentences.append("No judge was checked, so no verdict rests on a judge.")
    comparisons = results.comparisons
    if not comparisons.empty:
        rows = comparisons[comparisons["primary"]]
        rows = comparisons if rows.empty else rows
        questions, groups = rows["n_questions"].min(), rows["n_clusters"].min()
        sentences.append(
            f"The smallest comparison has {counted(int(questions), 'question')} in "
            f"{counted(int(groups), 'independent group')}. The smallest difference that it could "
            "have shown stands in the table of effects."
        )
        sentences += _lost_sentence(rows)
        sentences.append(_seeds_sentence(comparisons))
    sentences += list(comparisons.attrs.get("skipped", []))
    sentences.append(_truncated_sentence(results.results))
    sentences += results.data_warnings
    sentences += _missing_sentences(results.results)
    sentences += _circumstances(results)
    if results.missing:
        states = Counter(str(run.get("state", "missing")) for run in results.missing)
        parts = ", ".join(f"{amount} {state}" for state, amount in sorted(states.items()))
        sentences.append(
            f"{counted(len(results.missing), 'run')} of the study gave no result ({parts}). What "
            "is missing is listed below and counts nowhere as zero."
        )
    return sentences


def _is(check: Mapping[str, Any]) -> str:
    """The judge's status as a predicate: what was not shown is no finding about the judge."""
    words = status_words(check)
    return f"{'was' if words.startswith(NOT_SHOWN_VALID) else 'is'} {words}"


def _refused_sentence(judge: str, reason: str) -> str:
    found = "does not treat" if reason.startswith(AUDIT_FAILED) else "was not shown to treat"
    return (
        f"The judge {judge} {found} answers of base and trained model alike. Its differences "
        f"between these two are shown, marked, and decide nothing. {_WHY}"
    )


def _ladder_sentence(check: Mapping[str, Any]) -> list[str]:
    """From which pools the questions of a judge's check are, where not all are test questions."""
    counts = check.get("pools") or {}
    others = {pool: n for pool, n in counts.items() if pool != "test" and n}
    if not others:
        return []
    named = listed([f"{n} from {_POOLS.get(pool, pool)}" for pool, n in others.items()])
    return [
        f"The check of the judge {check['judge']} has {counted(sum(counts.values()), 'question')}, "
        f"{named}. The test questions were too few for all kinds of answers. No judge was trained "
        "on any of these."
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
        f"Some answers have no score: in the comparison that lost most, {base} and {tuned}. Above "
        f"{100 * MOST_LOST:g} %, or where one side lost more, the worst and the best scores in "
        "their "
        "place must give the same verdict."
    ]


def _missing_sentences(answers: pd.DataFrame) -> list[str]:
    """How many answers were asked for and not given, for each model state and context."""
    if "missing_reason" not in answers or answers["missing_reason"].isna().all():
        return []
    once = answers.drop_duplicates([*_STATE, "question_id"])
    sentences = []
    for state, rows in once.groupby(_STATE, dropna=False, sort=False):
        reasons = rows["missing_reason"].dropna()
        if reasons.empty:
            continue
        verb = "is missing and has" if len(reasons) == 1 else "are missing and have"
        sentences.append(
            f"{len(reasons)} of {counted(len(rows), 'answer')} of {_named(state, once)} {verb} no "
            f"score. The most frequent reason: {reasons.value_counts().index[0]}."
        )
    return sentences


def _named(state: tuple, answers: pd.DataFrame) -> str:
    """A model state and what it was given, as far as the study has several: "base with retrieved
    passages"."""
    row = dict(zip(_STATE, state, strict=True))
    words = ", ".join([state_label(row), *factor_words(row, run_factors(answers))])
    return f"{words} {context_label(row['context'])}"


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
            "Each model was trained once (one seed): a verdict is about that one training. "
            "Another seed draws other examples and may come out differently."
        )
    amount = f"{seeds.min()}" if seeds.min() == seeds.max() else f"{seeds.min()} to {seeds.max()}"
    return (
        f"Trained with {amount} seeds each. Where there are several, the verdict is about all of "
        "them, and its interval holds their spread. Rows of single seeds have no verdict."
    )


def _truncated_sentence(answers: pd.DataFrame) -> str:
    unknown = "The share of answers cut at the length limit is not known."
    if "truncated" not in answers or answers.empty:
        return unknown
    once = answers.drop_duplicates([*_STATE, "question_id"])
    shares = once.groupby(_STATE, dropna=False)["truncated"].mean().dropna()
    if shares.empty:
        return unknown
    text = f"{once['truncated'].mean():.1%} of all answers were cut at the length limit"
    if shares.max() > 0:
        text += f", at most {shares.max():.1%} ({_named(shares.idxmax(), once)})"
    return text.replace("%", " %") + "."
