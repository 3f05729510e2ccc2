"""From a comparison's numbers to its verdict: margins, Holm's correction, what speaks against one.

What a verdict means is in docs/reading-the-result.md, for people.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit
from statsmodels.stats.multitest import multipletests

from rag_study.analysis.looks import ONLY_LOOK, TEST_COLUMNS, Look
from rag_study.analysis.missing_scores import lost_words
from rag_study.analysis.planning import (
    ALPHA,
    MANY,
    MAX_NEEDED,
    MIN_CLUSTERS,
    clusters_without_change,
    questions_for_change,
    questions_for_no_difference,
    shortage,
)
from rag_study.analysis.resampling import TOLERANCE
from rag_study.analysis.shrinkage import shrunken
from rag_study.common.wording import counted, rounded_up, signed
from rag_study.evaluation.metrics import METRICS, Metric, Metrics

# The most telling first.
VERDICTS = ("helps", "hurts", "no difference that matters", "cannot tell", "no verdict")
_ENDS = ["ci_low", "ci_high", "ci90_low", "ci90_high"]


def add_verdicts(
    comparisons: pd.DataFrame,
    metrics: Metrics = METRICS,
    incomplete: Sequence[int] = (),
    worst: pd.DataFrame | None = None,
    best: pd.DataFrame | None = None,
    look: Look = ONLY_LOOK,
) -> pd.DataFrame:
    """A copy of the table with p_holm, p_equivalence, shrunken, n_no_difference, n_twice_margin,
    verdict, at_least_margin, reason and settles of its primary rows.

    Holm's correction (Holm 1979) covers the primary rows and no others, once for the tests of a
    difference and once for those of no difference. Where several looks were declared, the p values
    that it corrects allow for them, rows that were settled at earlier ones are members of the
    family, and the primary rows' intervals are repeated ones (`looks`). In this order:

    - something speaks against a verdict (`objection`): 'no verdict';
    - both one-sided tests against +- margin are significant after correction (`equivalence_p`;
      Schuirmann 1987): 'no difference that matters';
    - p_holm < .05 and |difference| >= margin: 'helps' or 'hurts'; `at_least_margin` where all of
      the 95 % interval lies at or beyond the margin;
    - else 'cannot tell'.

    `incomplete` are the labels of rows that lost so many scores that their verdict must hold in
    `worst` and in `best` as well (see `missing_scores`): the same table with the missing scores of
    these rows at the ends of their scale, unchanged where a scale has none.
    Rows that are not primary get the verdict '' and keep their reason.
    """
    table = _decided(comparisons, metrics, look)
    if len(incomplete):
        extremes = [_decided(end, metrics, look) for end in (worst, best)]
        for label in incomplete:
            _hold_at_bounds(table, label, metrics, [end.loc[label] for end in extremes])
    return table


def _decided(comparisons: pd.DataFrame, metrics: Metrics, look: Look) -> pd.DataFrame:
    """The table with verdicts, as if every score were there."""
    table = comparisons.copy()
    table["primary"] = table["primary"].to_numpy(dtype=bool)
    if not look.settled.empty:
        table["primary"] &= look.is_open(table)
    rows = table[table["primary"]]
    tests = look.tests(rows, equivalence_p(rows)).reindex(table.index)
    table[TEST_COLUMNS] = tests
    for corrected, name in zip(("p_holm", "p_equivalence"), TEST_COLUMNS, strict=True):
        family = look.family(name, tests.loc[rows.index, name])
        table[corrected] = holm(family).reindex(table.index)
    table["shrunken"] = shrunken(rows).reindex(table.index)
    table.loc[rows.index, _ENDS] = look.widen(rows)[_ENDS]
    size = len(rows) + len(look.settled)
    made = [
        _decide(row, metrics[row["metric"]], size, look)
        if row["primary"]
        else {"verdict": "", "reason": row["reason"]}
        for row in table.to_dict("records")
    ]
    columns = ["verdict", "reason", "settles", "at_least_margin"]
    columns += ["n_no_difference", "n_twice_margin"]
    decided = pd.DataFrame([{"settles": ""} | one for one in made], table.index, columns)
    decided["at_least_margin"] = decided["at_least_margin"].eq(True)
    types = dict.fromkeys(("verdict", "reason", "settles"), "str")
    types |= dict.fromkeys(("n_no_difference", "n_twice_margin"), float)
    decided = decided.astype(types)
    for name in columns:
        table[name] = decided[name]
    return table


def false_discovery(p_values: pd.Series) -> pd.Series:
    """p values corrected so that of what is below .05 one in twenty is chance (Benjamini and
    Hochberg 1995), over all that are known; NaN elsewhere."""
    known = p_values.dropna()
    adjusted = multipletests(known, method="fdr_bh")[1] if len(known) else known
    return pd.Series(adjusted, known.index, float).reindex(p_values.index)


def holm(p_values: pd.Series) -> pd.Series:
    """Corrected p values; what could not be tested counts as 1."""
    if p_values.empty:
        return p_values.astype(float)
    corrected = multipletests(p_values.fillna(1.0).to_numpy(), method="holm")[1]
    return pd.Series(corrected, p_values.index)


def equivalence_p(rows: pd.DataFrame) -> pd.Series:
    """The larger p of the two one-sided tests that the difference is inside +- margin.

    Below .05 only where the 90 % interval lies inside: each test takes its standard error from its
    own end of that interval, so that skewed intervals give skewed tests. It is never less than that
    of the mean, as a short end of a skewed interval with few clusters is right less often than
    said.
    """
    quantile = stdtrit(rows["df"], 1 - ALPHA)
    down = np.maximum((rows["difference"] - rows["ci90_low"]) / quantile, rows["se"])
    up = np.maximum((rows["ci90_high"] - rows["difference"]) / quantile, rows["se"])
    with np.errstate(divide="ignore", invalid="ignore"):
        above = (rows["difference"] + rows["margin"] - TOLERANCE) / down
        below = (rows["margin"] - TOLERANCE - rows["difference"]) / up
    return pd.Series(stdtr(rows["df"], -np.minimum(above, below)), rows.index).fillna(1.0)


def verdict_words(row: Mapping[str, Any]) -> str:
    """The verdict of a row with its tier: "helps by at least the margin"."""
    certain = row.get("at_least_margin") in (True,)  # of tables without the column, or NaN: no
    return f"{row['verdict']}{' by at least the margin' * certain}"


def objection(row: dict) -> str:
    """What speaks against any verdict on a primary row, in words; '' where nothing does.

    This is the one place where reasons against a verdict come in: `objection` of the row holds what
    `analysis.objections` found about its metric and its judge.
    """
    if short := shortage(int(row["n_clusters"]), row["n_effective"]):
        return short
    return row.get("objection") or ""


def _decide(row: dict, metric: Metric, family_size: int, look: Look) -> dict:
    """Verdict, reason, planning numbers and whether a change is certain to reach the margin."""
    # What people's rows take to be settled is labels, not questions.
    of_people = row.get("planning", "")
    plan = {} if math.isnan(row["margin"]) or of_people else _plan(row, metric, family_size)
    if against := objection(row):
        return {"verdict": "no verdict", "reason": against, **plan}
    margin, difference, p_holm = row["margin"], row["difference"], row["p_holm"]
    digits = 3 if metric.high == 1.0 else 2
    low, high = row["ci_low"], row["ci_high"]
    named = f"interval{look.interval_words}"
    interval = f"the 95 % {named} {signed(low, digits=digits)} to {signed(high, digits=digits)}"
    corrected = f"{_p(p_holm)} after {look.correction_words}"
    inner = f"{signed(row['ci90_low'], digits=digits)} to {signed(row['ci90_high'], digits=digits)}"
    inside = f"the 90 % {named} {inner} lies inside the margin of ±{margin:g}"
    equivalence = f"{_p(row['p_equivalence'])} after {look.correction_words}"
    if row["p_equivalence"] < ALPHA:
        reason = f"{inside}; {equivalence}" if family_size > 1 else inside
        return {"verdict": "no difference that matters", "reason": reason, **plan}
    large = abs(difference) >= margin - TOLERANCE
    if p_holm < ALPHA and large:
        certain = low >= margin - TOLERANCE or high <= -margin + TOLERANCE
        reach = "lies at or beyond" if certain else "does not rule out a change below"
        reason = (
            f"the difference of {signed(difference, digits=digits)} reaches the margin of "
            f"{margin:g} ({corrected}); {interval} {reach} the margin"
        )
        verdict = "helps" if difference > 0 else "hurts"
        return {"verdict": verdict, "reason": reason, "at_least_margin": certain, **plan}

    if row["ci90_low"] > -margin + TOLERANCE and row["ci90_high"] < margin - TOLERANCE:
        why = f"{inside}, but {equivalence} over {counted(family_size, 'comparison')}"
    elif low < -margin and high > margin:
        why = f"{interval} holds both harm and benefit"
    elif low > margin or high < -margin:
        why = f"{interval} lies beyond the margin of {margin:g}"
    elif low < -margin or high > margin:
        side = "a harm" if low < -margin else "a benefit"
        why = f"{interval} holds both {side} that matters and a difference too small to matter"
    else:
        why = f"{interval} ends at the margin of {margin:g}"
    if large:
        why += f", and {corrected} over {counted(family_size, 'comparison')}"
    settles = of_people or look.further or planning_words(row | plan)
    return {"verdict": "cannot tell", "reason": f"{why}; {settles}", "settles": settles, **plan}


def _plan(row: dict, metric: Metric, family_size: int) -> dict[str, float]:
    """n_no_difference and n_twice_margin; never fewer than a verdict takes."""
    several = row["n_seeds"] > 1
    seeds = row["seed_sd"] / math.sqrt(row["n_seeds"]) if several else 0.0
    setting = (row["se"], row["n_questions"], row["margin"], family_size)
    further = (min(seeds, row["se"]), row["df"] if several else MANY)
    least = math.ceil(MIN_CLUSTERS * row["n_questions"] / row["n_effective"])
    none = questions_for_no_difference(*setting, *further)
    if row.get("sd", np.inf) <= TOLERANCE and metric.high is not None and not several:
        # All changed alike: the exact bound shrinks with 1 / n, not with its root.
        reach, alpha = metric.high - metric.low, ALPHA / family_size
        room = row["margin"] - abs(row["difference"])
        none = np.nan
        if room > TOLERANCE:
            clusters = clusters_without_change(room, reach, alpha)
            needed = math.ceil(clusters * row["n_questions"] / row["n_effective"])
            none = float(needed) if needed <= MAX_NEEDED else np.nan
    twice = questions_for_change(2 * row["margin"], *setting, *further)
    return {"n_no_difference": np.fmax(none, least) if none == none else none} | {
        "n_twice_margin": np.fmax(twice, least) if twice == twice else twice
    }


def planning_words(row: Mapping[str, Any]) -> str:
    """What more questions would do, from a row's two planning numbers."""
    none, twice = row["n_no_difference"], row["n_twice_margin"]
    if math.isnan(none) and math.isnan(twice):
        if row["n_seeds"] > 1:
            return "the seeds differ too much for more questions to settle it: train more seeds"
        return f"even {MAX_NEEDED:,} questions would not settle it"
    numbers = [
        f"{'about ' + rounded_up(n) if n == n else f'more than {MAX_NEEDED:,}'} questions {what}"
        for n, what in (
            (none, "would show that nothing matters if so it is"),
            (twice, "a true difference of twice the margin"),
        )
    ]
    return f"{numbers[0]}, {numbers[1]}; {LOOKING_AGAIN}"


LOOKING_AGAIN = "fix the number first, as looking again and again finds differences by chance"


def _hold_at_bounds(
    table: pd.DataFrame, label: int, metrics: Metrics, others: Sequence[pd.Series]
) -> None:
    """Takes the verdict of an incomplete row away unless it holds wherever missing scores lie."""
    row = table.loc[label]
    if row["verdict"] == "no verdict":
        return
    words, metric = lost_words(row), metrics[row["metric"]]
    if metric.high is None:
        reason = f"{words}, and {metric.name} has no highest value to suppose in their place"
    elif all(other["verdict"] == row["verdict"] for other in others):
        certain = row["at_least_margin"] and all(other["at_least_margin"] for other in others)
        table.loc[label, "at_least_margin"] = bool(certain)
        kept = f"{row['reason']}; {words}, but this holds whatever they would be"
        table.loc[label, "reason"] = kept
        return
    else:
        digits = 3 if metric.high == 1.0 else 2
        ends = [signed(other["difference"], digits=digits) for other in others]
        reason = (
            f"{words}: with the worst and the best of the scale in their place the difference "
            f"would be {ends[0]} and {ends[1]}, where “{row['verdict']}” does not hold"
        )
    table.loc[label, ["verdict", "reason", "settles"]] = "no verdict", reason, ""
    table.loc[label, "at_least_margin"] = False


def _p(p: float) -> str:
    return f"p {'< 0.001' if p < 0.001 else f'= {p:.3f}'}"
