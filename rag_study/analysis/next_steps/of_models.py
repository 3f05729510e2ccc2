"""Rules about what makes answers better: the search, the model, the prompt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from rag_study.analysis.next_steps.measured import Against, Contest, Mean, Measured, State
from rag_study.analysis.next_steps.step import Step, between, percent, shares_between
from rag_study.analysis.pairing import DEFAULT
from rag_study.common.wording import counted, signed
from rag_study.models.names import is_endpoint
from rag_study.models.prompts import PROMPTINGS
from rag_study.retrieval.settings import RETRIEVERS

# So many answers are wrong with the right passages in the prompt before the model is to blame.
_WRONG_WITH_GOLD = 0.10
_SEEDS = 3  # from which on a recipe has a spread


# --- The search, or the model ---------------------------------------------------------------------


def search_or_model(m: Measured) -> Iterator[Step]:
    """What keeps the base's answers from being right, the larger loss first: passages that were not
    found, or passages that were not used."""
    answers = m.base_answers
    if answers.empty:
        return
    gold = pd.to_numeric(answers["gold_in_context"])
    missed = m.share(1.0 - gold)
    gain = answers["right_oracle"] - answers["right"]
    found = []
    for part, rule in ((gain * (1.0 - gold), _search), (gain * gold, _distraction)):
        brought = m.share(part, -1.0)
        if missed and brought and (step := rule(m, missed, brought)):
            found.append((brought, step))
    wrong = m.share(1.0 - answers["right_oracle"])
    if wrong and (step := _model(m, wrong)):
        found.append((wrong, step))
    if missed and gain.isna().all() and (step := _not_tried(m, missed)):
        found.append((missed, step))
    for _, step in sorted(found, key=lambda pair: -pair[0].value):
        yield step


def _search(m: Measured, missed: Mean, gain: Mean) -> Step | None:
    """Where no right passage was shown, right passages bring the margin or more."""
    if gain.low <= 0 or gain.value < m.recall_margin:
        return None
    change, more, numbers = _other_search(m)
    return Step(
        "search",
        f"The search loses answers: for {percent(missed.value)} "
        f"{shares_between(missed.low, missed.high)} of the questions no right passage was shown; "
        f"with the right passages the base is right on so many of these that the share of right "
        f"answers rises by {points(gain)}. So much an ideal search would bring.{more}",
        numbers | _of("missed", missed) | _of("gain", gain),
        change,
    )


def _distraction(m: Measured, missed: Mean, gain: Mean) -> Step | None:
    """Where a right passage was shown among others, the right passages alone bring the margin."""
    if gain.low <= 0 or gain.value < m.recall_margin:
        return None
    sentence = (
        f"Other passages distract: a right passage was shown for {percent(1 - missed.value)} of "
        "the questions, and on these alone the base's share of right answers rises by "
        f"{points(gain)} "
        "with nothing but the right passages."
    )
    tops, change = m.study.retrieval.top_k, {}
    if min(tops) > 1:
        fewer = min(tops) // 2
        change = m.file.with_retrieval(top_k=[fewer, *tops])
        sentence += f" Untested here: fewer passages (`top_k: {fewer}`)."
    elif _trains(m) and not {"raft"} & _formats(m):
        change = {**_also_trained(m, "raft")}
        sentence += " Untested here: training with right and wrong passages (RAFT)."
    numbers = {"shown": 1 - missed.value, **_of("gain", gain)}
    return Step("distraction", sentence, numbers, change)


def points(gain: Mean) -> str:
    """A change of a share, in percentage points."""
    low, high = (f"{100 * end:.0f}" for end in (gain.low, gain.high))
    return f"{100 * gain.value:.0f} points (95 % {low} to {high})"


def _of(name: str, mean: Mean) -> dict[str, float]:
    return {name: mean.value, f"{name}_low": mean.low, f"{name}_high": mean.high}


def _other_search(m: Measured) -> tuple[dict[str, Any], str, dict[str, float]]:
    """(change, words, numbers): more passages where more right ones are among these, else another
    search that this study has not tried."""
    tried, table = m.study.retrieval, m.results.retrieval
    k = max(tried.top_k)
    if len(table) and "recall" in table:
        of_data = table[table["dataset"] == m.base_answers["dataset"].iloc[0]]
        once = of_data[~of_data["k"].duplicated(keep=False)].set_index("k")["recall"].dropna()
        deeper = once[(once.index > k) & (once.index <= 4 * k)]
        if k in once and len(deeper) and deeper.max() - once[k] >= m.recall_margin:
            best = int(deeper.index[deeper >= deeper.max() - m.recall_margin / 2][0])
            return (
                m.file.with_retrieval(top_k=[*tried.top_k, best]),
                f" Of the right passages {percent(once[k])} are among the first {k}, "
                f"{percent(once[best])} among the first {best}.",
                {"recall": float(once[k]), "recall_deeper": float(once[best])},
            )
    untested = [name for name in ("hybrid", *RETRIEVERS) if name not in tried.retriever]
    if untested:
        change = m.file.with_retrieval(retriever=[*tried.retriever, untested[0]])
        return change, f" Untested here: retriever {' and '.join(dict.fromkeys(untested))}.", {}
    return {}, " All retrievers were tried: another `embedding_model` is left.", {}


def _not_tried(m: Measured, missed: Mean) -> Step | None:
    """What an ideal search would bring is not known without the context `oracle`."""
    if missed.low <= m.recall_margin or "oracle" in m.study.contexts:
        return None
    return Step(
        "gold passages not tried",
        f"For {percent(missed.value)} {shares_between(missed.low, missed.high)} of the questions "
        "no right passage was shown; what they would have brought is not known: add the context "
        "`oracle`.",
        _of("missed", missed),
        m.file.also("contexts", "oracle", m.study.contexts),
    )


def _model(m: Measured, wrong: Mean) -> Step | None:
    if wrong.low < _WRONG_WITH_GOLD:
        return None
    sentence = (
        f"The model fails where the search does not: with the right passages in its prompt the "
        f"base is wrong on {percent(wrong.value)} {shares_between(wrong.low, wrong.high)} of the "
        "questions, and no search mends these."
    )
    change: dict[str, Any] = {}
    if not _trains(m):
        sentence += " A larger model is left (`models`)."
    elif _formats(m) & {"with_context", "raft"}:
        sentence += " Training with passages was tried: a larger model is left (`models`)."
    else:
        change = _also_trained(m, "with_context")
        sentence += " Untested here: training with passages in the prompt; or take a larger model."
    return Step("model", sentence, _of("wrong", wrong), change)


def _trains(m: Measured) -> bool:
    return not any(map(is_endpoint, m.study.models))


def _formats(m: Measured) -> set[str]:
    return {name for entry in m.study.fine_tuning for name in entry.train_format}


def _also_trained(m: Measured, train_format: str) -> dict[str, Any]:
    """One more training like that of the largest trained state, in another format; a usual one
    where nothing was trained."""
    if m.effects.empty:
        size = min((n for d in m.pools if (n := m.pool(d, "train"))), default=200)
        like = {"method": "lora", "train_format": train_format, "train_size": min(200, size)}
        return m.file.with_training(like)
    return m.file.with_training(
        m.effects.loc[m.effects["train_size"].idxmax()], train_format=train_format
    )


# --- The best state -------------------------------------------------------------------------------


def best(m: Measured) -> Iterator[Step]:
    """A state that is better than all others, or one without training that the best training does
    not surpass by the margin."""
    if not m.main or (contest := m.contest) is None:
        return
    first = contest.best
    trained = [one for one in contest.others if one.other.trained]
    about = counted(contest.n, "question")
    if contest.pairs > 1:
        about = (
            f"the best of {len(contest.others) + 1} was picked, so the intervals are for all "
            f"{contest.pairs} pairs at once; {about}"
        )
    if not first.trained and trained and all(one.low > 0 for one in trained):
        yield _no_training(m, first, trained, about)
    elif step := _prompt_instead(m, contest, trained, about):
        yield step
    elif first.trained and (nearest := min(contest.others, key=lambda one: one.low)).low > 0:
        yield _best_training(m, contest, nearest, about)


def _no_training(m: Measured, first: State, trained: list[Against], about: str) -> Step:
    nearest = min(trained, key=lambda one: one.difference)
    return Step(
        "no training",
        f"Do not train as was tried here: in {m.metric}, {first.words} is better than all of "
        f"{counted(len(trained), 'trained state')}, than the nearest ({nearest.other.words}) by "
        f"{_ends(m, nearest)} ({about}).",
        _numbers(nearest),
        _untested_prompts(m),
    )


def _prompt_instead(
    m: Measured, contest: Contest, trained: list[Against], about: str
) -> Step | None:
    """The best state without training, where the best training is not better by the margin."""
    first, margin = contest.best, m.margin
    if first.trained:
        one = next((one for one in contest.others if not one.other.trained), None)
        if one is None or not one.high90 < margin:
            return None
        kept, tuned, ends = one.other, first, (one.difference, one.low90, one.high90)
    else:
        if not trained or any(one.low90 <= -margin for one in trained):
            return None
        one = min(trained, key=lambda one: one.difference)
        kept, tuned, ends = first, one.other, (-one.difference, -one.high90, -one.low90)
    metric = m.main["metric"]
    difference, low, high = (signed(end, metric) for end in ends)
    return Step(
        "prompt instead of training",
        f"Prefer {kept.words}, which takes no training: {tuned.words}, the best training, changes "
        f"{m.metric} against it by {difference} (90 % {low} to {high}), where {margin:g} would "
        f"matter ({about}).",
        dict(zip(("difference", "low90", "high90"), ends, strict=True)) | {"margin": margin},
        _untested_prompts(m),
    )


def _best_training(m: Measured, contest: Contest, nearest: Against, about: str) -> Step:
    first = contest.best
    sentence = (
        f"Of what was tried, {first.words} is the best in {m.metric}: {_ends(m, nearest)} against "
        f"{nearest.other.words}, which comes nearest ({about})."
    )
    change: dict[str, Any] = {}
    if len(m.study.seeds) < _SEEDS:
        seeds = [*m.study.seeds, *(n for n in range(_SEEDS) if n not in m.study.seeds)][:_SEEDS]
        change = {"fine_tuning": [m.file.entry(first.row)], "seeds": seeds}
        sentence += (
            f" It is {counted(first.seeds, 'adapter')} so far; {_SEEDS} seeds would tell of the "
            "recipe."
        )
    return Step("best training", sentence, _numbers(nearest) | {"seeds": first.seeds}, change)


def _ends(m: Measured, one: Against) -> str:
    metric = m.main["metric"]
    return f"{signed(one.difference, metric)} {between(one.low, one.high, metric)}"


def _numbers(one: Against) -> dict[str, float]:
    return {"difference": one.difference, "low": one.low, "high": one.high}


def _untested_prompts(m: Measured) -> dict[str, Any]:
    left = [name for name in PROMPTINGS if name not in m.study.prompting]
    return m.file.also("prompting", left[0], [DEFAULT]) if left else {}
