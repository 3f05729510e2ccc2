"""Rules about what makes answers better: the search, the model, the prompt, the training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from rag_study.analysis.claims import WORSE_WHEN_HIGHER
from rag_study.analysis.effects import of_recipes
from rag_study.analysis.next_steps.measured import ALPHA, Against, Contest, Mean, Measured
from rag_study.analysis.next_steps.step import Step, between, percent, shares_between
from rag_study.analysis.pairing import ALL_SEEDS, DEFAULT
from rag_study.analysis.states import format_label, state_label
from rag_study.common.wording import counted, is_number, listed, signed
from rag_study.evaluation.metrics import COUNTERPARTS
from rag_study.models.methods import METHODS
from rag_study.models.names import is_endpoint
from rag_study.models.prompts import PROMPTINGS
from rag_study.retrieval.settings import RETRIEVERS
from rag_study.study.sections import FineTuningConfig
from rag_study.training.recipe import TRAIN_FORMATS

# So many answers are wrong with the gold passages in the prompt before the model is to blame.
_WRONG_WITH_GOLD = 0.10
_REPLAY, _STRENGTH = 0.25, 0.5
_FIRST_TRAINING = {"method": "lora", "train_format": "with_context", "train_size": 200}


# --- The search, or the model ---------------------------------------------------------------------


def search_or_model(m: Measured) -> Iterator[Step]:
    """What keeps the base's answers from being right, the larger loss first: passages that were not
    found, or passages that were not used."""
    answers = m.base_answers
    if answers.empty:
        return
    shown = m.share(pd.to_numeric(answers["gold_in_context"]).rsub(1.0))
    gain = m.share(answers["right_oracle"] - answers["right"])
    wrong = m.share(1.0 - answers["right_oracle"])
    steps = [
        (gain.value if gain else 0.0, step)
        for step in (_search(m, shown, gain), _not_tried(m, shown, gain))
        if step
    ]
    if wrong and (step := _model(m, wrong)):
        steps.append((wrong.value, step))
    for _, step in sorted(steps, key=lambda pair: -pair[0]):
        yield step


def _search(m: Measured, missed: Mean | None, gain: Mean | None) -> Step | None:
    """An ideal search would change more than the margin, and chance does not explain it."""
    if not missed or not gain or gain.low <= 0 or gain.value < m.recall_margin:
        return None
    change, more, numbers = _other_search(m)
    numbers |= {"missed": missed.value, "missed_low": missed.low, "missed_high": missed.high}
    numbers |= {"gain": gain.value, "gain_low": gain.low, "gain_high": gain.high}
    sentence = (
        f"The search loses answers: for {percent(missed.value)} "
        f"{shares_between(missed.low, missed.high)} of the questions no gold passage was shown, "
        f"and with the gold passages the base is right on {percent(gain.value)} "
        f"{shares_between(gain.low, gain.high)} more of all questions. So much an ideal search "
        f"would bring.{more}"
    )
    return Step("search", sentence, numbers, change)


def _other_search(m: Measured) -> tuple[dict[str, Any], str, dict[str, float]]:
    """(change, words, numbers): more passages where more gold ones are among these, else another
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
                f" Of the gold passages {percent(once[k])} are among the first {k}, "
                f"{percent(once[best])} among the first {best}.",
                {"recall": float(once[k]), "recall_deeper": float(once[best])},
            )
    untested = [name for name in ("hybrid", *RETRIEVERS) if name not in tried.retriever]
    if untested:
        change = m.file.with_retrieval(retriever=[*tried.retriever, untested[0]])
        return change, f" Untested here: retriever {' and '.join(dict.fromkeys(untested))}.", {}
    return {}, " All retrievers were tried: another `embedding_model` is left.", {}


def _not_tried(m: Measured, missed: Mean | None, gain: Mean | None) -> Step | None:
    """What an ideal search would bring is not known without the context `oracle`."""
    if gain or not missed or missed.low <= m.recall_margin or "oracle" in m.study.contexts:
        return None
    return Step(
        "gold passages not tried",
        f"For {percent(missed.value)} {shares_between(missed.low, missed.high)} of the questions "
        "no gold passage was shown; what they would have brought is not known: add the context "
        "`oracle`.",
        {"missed": missed.value, "missed_low": missed.low, "missed_high": missed.high},
        m.file.also("contexts", "oracle", m.study.contexts),
    )


def _model(m: Measured, wrong: Mean) -> Step | None:
    if wrong.low < _WRONG_WITH_GOLD:
        return None
    numbers = {"wrong": wrong.value, "wrong_low": wrong.low, "wrong_high": wrong.high}
    sentence = (
        f"The model fails where the search does not: with the gold passages in its prompt the base "
        f"is wrong on {percent(wrong.value)} {shares_between(wrong.low, wrong.high)} of the "
        "questions, and no search mends these."
    )
    change: dict[str, Any] = {}
    formats = {name for entry in m.study.fine_tuning for name in entry.train_format}
    local = not any(map(is_endpoint, m.study.models))
    if formats & {"with_context", "raft"} or not local:
        sentence += " Training with passages was tried: a larger model is left (`models`)." * local
        sentence += " A larger model is left (`models`)." * (not local)
    else:
        entry = _like(m, train_format="with_context")
        change = {"fine_tuning": [*m.file.content.get("fine_tuning", []), entry]}
        sentence += " Untested here: training with passages in the prompt; or take a larger model."
    return Step("model", sentence, numbers, change)


def _like(m: Measured, **keys: Any) -> dict[str, Any]:
    """An entry of `fine_tuning` like that of the largest trained state; a usual one where nothing
    was trained."""
    rows = m.effects
    if rows.empty:
        size = min((n for d in m.pools if (n := m.pool(d, "train"))), default=200)
        return {**_FIRST_TRAINING, "train_size": min(200, size), **keys}
    return m.file.entry(_plain(rows.loc[rows["train_size"].idxmax()]), **keys)


def _plain(row: pd.Series) -> dict[str, Any]:
    """A row with plain numbers, which YAML has words for."""
    return {name: value.item() if hasattr(value, "item") else value for name, value in row.items()}


# --- The best state -------------------------------------------------------------------------------


def best(m: Measured) -> Iterator[Step]:
    """A state that is better than all others, or a prompt that is as good as the best training."""
    if not m.main or (contest := m.contest) is None:
        return
    first, k = contest.best, len(contest.others) + 1
    about = (
        f"picked as the best of {k}, with intervals for all {contest.pairs} pairs at once, on "
        f"{counted(contest.n, 'question')}"
    )
    if not first.trained:
        if step := _untrained(m, contest, about):
            yield step
        return
    for one in contest.others:
        margin = m.margin
        if not one.other.trained and one.low90 > -margin and one.high90 < margin:
            yield Step(
                "prompt instead of training",
                f"Prefer {one.other.words}, which takes no training: {first.words} is better in "
                f"{m.metric} by {_ends(m, one)}, and {margin:g} would matter ({about}).",
                _numbers(one, k),
                _untested_prompts(m),
            )
            return
    closest = min(contest.others, key=lambda one: one.low)
    if closest.low > 0:
        seeds = [*m.study.seeds, *(n for n in range(3) if n not in m.study.seeds)][:3]
        kept = m.file.entry(_plain(pd.Series(first.row)))
        fresh = {"fine_tuning": [kept], "seeds": seeds} if len(m.study.seeds) < 3 else {}
        sure = f" It is {counted(first.seeds, 'seed')} so far: train three." if fresh else ""
        yield Step(
            "best training",
            f"Of what was tried, {first.words} is the best in {m.metric}: "
            f"{_ends(m, closest)} more than {closest.other.words}, which comes nearest ({about})."
            f"{sure}",
            _numbers(closest, k),
            fresh,
        )


def _untrained(m: Measured, contest: Contest, about: str) -> Step | None:
    """No training: where the best state is an untrained one, and every trained one is worse."""
    trained = [one for one in contest.others if one.other.trained]
    if not trained or any(one.low <= 0 for one in trained):
        return None
    nearest = min(trained, key=lambda one: one.difference)
    return Step(
        "no training",
        f"Do not train as was tried here: {contest.best.words} is better in {m.metric} than all "
        f"{counted(len(trained), 'trained state')}, than {nearest.other.words}, the nearest, by "
        f"{_ends(m, nearest)} ({about}).",
        _numbers(nearest, len(contest.others) + 1),
        _untested_prompts(m),
    )


def _ends(m: Measured, one: Against) -> str:
    metric = m.main["metric"]
    return f"{signed(one.difference, metric)} {between(one.low, one.high, metric)}"


def _numbers(one: Against, k: int) -> dict[str, float]:
    return {"difference": one.difference, "low": one.low, "high": one.high, "states": k}


def _untested_prompts(m: Measured) -> dict[str, Any]:
    left = [name for name in PROMPTINGS if name not in m.study.prompting]
    return m.file.also("prompting", left[0], [DEFAULT]) if left else {}


# --- Style or substance ---------------------------------------------------------------------------


def style(m: Measured) -> Iterator[Step]:
    """The largest difference that chance does not explain, where it goes with the answers' length
    or where the strings do not see it."""
    rows = m.effects
    rows = rows[(rows["ci_low"] > 0) | (rows["ci_high"] < 0)] if len(rows) else rows
    if rows.empty:
        return
    row = rows.loc[rows["difference"].abs().idxmax()]
    metric = m.main["metric"]
    said = (
        f"{state_label(row)} changed {m.metric} by {signed(row['difference'], metric)} "
        f"{between(row['ci_low'], row['ci_high'], metric)}"
    )
    numbers = {name: float(row[name]) for name in ("difference", "ci_low", "ci_high")}
    found = _by_length(m, row, said, numbers) or _by_strings(m, row, said, numbers)
    if found is None:
        return
    sentence, numbers = found
    change: dict[str, Any] = {}
    if "brief" not in m.study.prompting:
        change = m.file.also("prompting", "brief", [DEFAULT])
        sentence += " A prompt for brief answers, which costs nothing, is untested here."
    elif (against := _against_brief(m, row)) is not None:
        ends = between(against["ci_low"], against["ci_high"], metric)
        sentence += (
            f" Against the base asked for brief answers it is "
            f"{signed(against['difference'], metric)} {ends}."
        )
        numbers |= {"against_brief": float(against["difference"])}
    yield Step("style", sentence, numbers, change)


def _same(table: pd.DataFrame, row: pd.Series, names: list[str]) -> pd.DataFrame:
    same = pd.Series(True, index=table.index)
    for name in names:
        same &= table[name] == row[name]
    return table[same]


_KEY = ["method", "train_format", "train_size", "variant", "seed", "prompting"]


def _by_length(
    m: Measured, row: pd.Series, said: str, numbers: Mapping[str, float]
) -> tuple[str, dict[str, float]] | None:
    rows = _same(m.of_main(m.results.length_adjusted), row, _KEY)
    rows = rows[rows["adjusted"].notna()] if len(rows) else rows
    if rows.empty:
        return None
    at_length, metric = rows.iloc[0], m.main["metric"]
    vanishes = at_length["ci_low"] <= 0 <= at_length["ci_high"]
    if not vanishes or abs(at_length["adjusted"]) > abs(row["difference"]) / 2:
        return None
    words = float(at_length["length_difference"])
    return (
        f"Style rather than substance: {said}, but at equal length by "
        f"{signed(at_length['adjusted'], metric)} "
        f"{between(at_length['ci_low'], at_length['ci_high'], metric)}; its answers have "
        f"{signed(words, 'answer_length')} words.",
        {**numbers, "adjusted": float(at_length["adjusted"]), "words": words},
    )


def _by_strings(
    m: Measured, row: pd.Series, said: str, numbers: Mapping[str, float]
) -> tuple[str, dict[str, float]] | None:
    """A judged difference that matters, where the strings of the answers show none that does."""
    counterpart = COUNTERPARTS.get(m.main["metric"])
    if not m.main["judge"] or counterpart is None or not abs(row["difference"]) >= m.margin:
        return None
    table = m.results.comparisons
    table = table[(table["metric"] == counterpart) & (table["judge"] == "")]
    table = table[table["baseline"] == DEFAULT]
    names = [name for name in m.main if name not in ("metric", "judge")]
    rows = _same(table, row, [*names, *_KEY])
    margin = m.metrics[counterpart].margin
    if rows.empty or margin is None:
        return None
    other = rows.iloc[0]
    if not (other["ci90_low"] > -margin and other["ci90_high"] < margin):
        return None
    return (
        f"Style rather than substance: {said}, but {m.metrics.in_text(counterpart)}, which looks "
        f"for the answer's words, by {signed(other['difference'])} "
        f"{between(other['ci_low'], other['ci_high'])}.",
        {**numbers, "counterpart": float(other["difference"])},
    )


def _against_brief(m: Measured, row: pd.Series) -> pd.Series | None:
    table = m.of_main(m.results.comparisons)
    rows = _same(table[table["baseline"] == "brief"], row, _KEY)
    return rows.iloc[0] if len(rows) and is_number(rows["ci_low"].iloc[0]) else None


# --- Forgetting, train sizes, what is untested ----------------------------------------------------


def forgetting(m: Measured) -> Iterator[Step]:
    """The largest loss outside the task that Bonferroni's correction over all of them leaves."""
    table = m.results.comparisons
    if table.empty:
        return
    rows = table[(table["context"] == "retention") & (table["baseline"] == DEFAULT)]
    rows = of_recipes(rows[rows["train_size"] > 0])
    sign = rows["metric"].map(lambda name: -1.0 if name in WORSE_WHEN_HIGHER else 1.0)
    worse = rows[(sign * rows["difference"] < 0) & (rows["p_value"] * len(rows) < ALPHA)]
    if worse.empty:
        return
    row = worse.loc[(worse["difference"].abs() / worse["se"]).idxmax()]
    what = m.metrics.in_text(row["metric"])
    sentence = (
        f"{state_label(row)} forgot: {what} outside the task changed by "
        f"{signed(row['difference'])} {between(row['ci_low'], row['ci_high'])}, one of "
        f"{len(rows)} measured changes."
    )
    tried = m.study.fine_tuning
    keys: dict[str, Any] = {}
    if not any(any(entry.replay) for entry in tried):
        keys["replay"] = _REPLAY
    weights = METHODS[row["method"]].family != "virtual" if row["method"] in METHODS else False
    if weights and all(one == 1 for entry in tried for one in entry.strength):
        keys["strength"] = [_STRENGTH, 1.0]
    names = {"replay": f"{percent(_REPLAY)} general examples in the training (`replay`)"}
    names["strength"] = f"half of the adapter (`strength: {_STRENGTH}`)"
    change: dict[str, Any] = {}
    if keys:
        sentence += f" Untested here: {listed([names[key] for key in keys])}."
        change = m.file.with_training(_plain(row), **keys)
    numbers = {name: float(row[name]) for name in ("difference", "ci_low", "ci_high", "p_value")}
    yield Step("forgetting", sentence, {**numbers, "changes": len(rows)}, change)


def train_size(m: Measured) -> Iterator[Step]:
    """The trend over train sizes: up to the next size, or stop."""
    rows = of_main_trends(m)
    if rows.empty:
        return
    tests = len(rows)
    for row in rows.sort_values("p_value").head(1).to_dict("records"):
        sizes, metric = [int(n) for n in row["train_sizes"].split(", ")], m.main["metric"]
        numbers = {name: float(row[name]) for name in ("slope", "ci_low", "ci_high", "p_value")}
        said = (
            f"{format_label(row['train_format']).capitalize()}: each doubling of the "
            f"{sizes[0]} to {sizes[-1]} examples changes {m.metric} by "
            f"{signed(row['slope'], metric)} {between(row['ci_low'], row['ci_high'], metric)}"
        )
        if row["p_value"] * tests < ALPHA and row["slope"] > 0:
            pool = m.pool(row["dataset"], "train")
            wanted = 2 * sizes[-1] if pool is None else min(2 * sizes[-1], pool)
            if wanted < 1.2 * sizes[-1]:
                yield Step(
                    "more training data",
                    f"{said}, and the train pool's {pool} questions are used up: more data would "
                    "go on.",
                    numbers | {"pool": pool},
                )
                continue
            like = {**row, "train_size": sizes[-1]}
            change = m.file.with_training(like, train_size=wanted)
            yield Step(
                "larger train size",
                f"{said}. Go on to {wanted}.",
                numbers | {"train_size": wanted},
                change,
            )
        elif row["p_value"] * tests < ALPHA:
            yield Step(
                "smaller train size",
                f"{said}: more data makes it worse. Stop at {sizes[0]}, or train otherwise.",
                numbers,
            )
        elif max(abs(row["gain_low"]), abs(row["gain_high"])) < m.margin:
            ends = between(row["gain_low"], row["gain_high"], metric)
            yield Step(
                "stop at this train size",
                f"{said}; from {sizes[0]} to {sizes[-1]} it comes to {signed(row['gain'], metric)} "
                f"{ends}, and {m.margin:g} would matter. More of it is not worth its time.",
                numbers | {"gain": float(row["gain"])},
            )


def of_main_trends(m: Measured) -> pd.DataFrame:
    """The trends of the main question, of several seeds that of all of them."""
    rows = m.of_main(m.results.trends)
    if rows.empty:
        return rows
    several = rows["n_seeds"] == rows["n_seeds"].max()
    return rows[several & ((rows["n_seeds"] == 1) | (rows["seed"] == ALL_SEEDS))]


def untested(m: Measured) -> Iterator[Step]:
    """Ways of training and asking that no state of the study has, where no training helped."""
    rows = m.effects
    if rows.empty or (rows["verdict"] == "helps").any() or (rows["ci_low"] > 0).any():
        return
    row, metric = rows.loc[rows["difference"].idxmax()], m.main["metric"]
    formats = {name for entry in m.study.fine_tuning for name in entry.train_format}
    left = [name for name in TRAIN_FORMATS if name not in formats]
    change: dict[str, Any] = {}
    words = [TRAIN_FORMATS[name].removeprefix("trained ") for name in left]
    added = [m.file.entry(_plain(row), train_format=name) for name in left]
    if "answer_source" in FineTuningConfig.model_fields:
        sources = {name for entry in m.study.fine_tuning for name in _several(entry.answer_source)}
        if "self" not in sources:
            words.append("on answers of the model's own (`answer_source`)")
            added.append(m.file.entry(_plain(row), answer_source="self"))
    if added:
        change["fine_tuning"] = [*m.file.content["fine_tuning"], *added]
    sentence_words = [f"training {listed(words)}"] if words else []
    if "few_shot" not in m.study.prompting:
        sentence_words.append("a few-shot prompt")
        change |= m.file.also("prompting", "few_shot", [DEFAULT])
    if not change:
        return
    yield Step(
        "untested",
        f"None of {counted(len(rows), 'trained state')} is shown to be better than the base; the "
        f"best changed {m.metric} by {signed(row['difference'], metric)} "
        f"{between(row['ci_low'], row['ci_high'], metric)}. Untested here: "
        f"{listed(sentence_words)}.",
        {
            "states": len(rows),
            **{name: float(row[name]) for name in ("difference", "ci_low", "ci_high")},
        },
        change,
    )


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
