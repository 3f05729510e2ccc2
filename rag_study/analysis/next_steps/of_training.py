"""Rules about what training did: style or substance, forgetting, train sizes, what is untested."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from rag_study.analysis.effects import of_recipes
from rag_study.analysis.next_steps.measured import ALPHA, Measured
from rag_study.analysis.next_steps.step import Step, between, percent
from rag_study.analysis.outside_task import changes_outside
from rag_study.analysis.pairing import DEFAULT
from rag_study.analysis.states import format_label, state_label
from rag_study.common.wording import counted, is_number, listed, signed
from rag_study.evaluation.metrics import COUNTERPARTS
from rag_study.models.methods import METHODS
from rag_study.training.recipe import TRAIN_FORMATS

_REPLAY, _STRENGTH = 0.25, 0.5
_RECIPE = ["dataset", "model", "method", "train_format", "variant"]
_KEY = ["method", "train_format", "train_size", "variant", "seed", "prompting"]


def style(m: Measured) -> Iterator[Step]:
    """The largest difference that chance does not explain, where it goes with the answers' length
    or where the strings do not see it."""
    rows = m.effects
    # The largest is looked at: so each has to stand against the number of them (Bonferroni).
    rows = rows[rows["p_value"] * len(rows) < ALPHA] if len(rows) else rows
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


def _same(table: pd.DataFrame, row: Mapping[str, Any], names: list[str]) -> pd.DataFrame:
    same = pd.Series(True, index=table.index)
    for name in names:
        same &= table[name] == row[name]
    return table[same]


def _by_length(
    m: Measured, row: pd.Series, said: str, numbers: Mapping[str, float]
) -> tuple[str, dict[str, float]] | None:
    rows = _same(m.of_main(m.results.length_adjusted), row, _KEY)
    # Where all answers became longer, or shorter, none of equal length were seen.
    rows = rows[rows["adjusted"].notna() & ~rows["extrapolated"]] if len(rows) else rows
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


def forgetting(m: Measured) -> Iterator[Step]:
    """The largest loss outside the task that Bonferroni's correction over all of them leaves."""
    rows = changes_outside(m.results.comparisons, m.metrics)
    worse = rows[rows["shown"]]
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
        change = m.file.with_training(row, **keys)
    numbers = {name: float(row[name]) for name in ("difference", "ci_low", "ci_high", "p_value")}
    yield Step("forgetting", sentence, {**numbers, "changes": len(rows)}, change)


def train_size(m: Measured) -> Iterator[Step]:
    """The trend over train sizes: up to the next size, or stop."""
    rows = _trends(m)
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
                    f"{said}, and the train pool of {counted(pool, 'question')} is used up: "
                    "more data would "
                    "go on.",
                    numbers | {"pool": pool},
                )
                continue
            change = m.file.with_training({**row, "train_size": sizes[-1]}, train_size=wanted)
            alike = _same(m.effects, row, _RECIPE)
            gap = alike[alike["train_size"] == sizes[-1]]["difference"].max()
            if gap < 0:
                said += f"; at this rate the base is reached in {-gap / row['slope']:.1f} doublings"
            numbers |= {"train_size": wanted}
            yield Step("larger train size", f"{said}. Go on to {wanted}.", numbers, change)
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


def _trends(m: Measured) -> pd.DataFrame:
    """The trends of the main question, of several seeds that of all of them."""
    rows = m.of_main(m.results.trends)
    return rows if rows.empty else of_recipes(rows)


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
    added = [m.file.entry(row, train_format=name) for name in left]
    if "self" not in {name for entry in m.study.fine_tuning for name in entry.answer_source}:
        words.append("on answers of the model's own (`answer_source`)")
        added.append(m.file.entry(row, answer_source="self"))
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
