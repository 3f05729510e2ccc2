"""What fine-tuning changed: paired effects, intervals, corrections, power and verdicts.

The unit is the question, paired across runs and clustered by `group` (the paper, the article, the
world; a question without a group is a cluster of its own). Which runs are paired is in `pairing`,
how sure a mean is in `estimates`, the arithmetic in `resampling`.

**Seeds.** A row of one seed concerns the adapter that was trained with it, not the recipe. Where a
recipe was trained with several seeds there is one more row, of the seed ALL_SEEDS, about their
mean: its interval holds the spread between seeds, and it carries the verdict.

Example:
    comparisons = compare(results, ["retrieved"], ["judge_accuracy"], ["answer_recall"],
                          judge_valid={"qwen": True})
    comparisons.attrs["skipped"]    # sentences: what could not be compared, and why
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import NamedTuple

import numpy as np
import pandas as pd

from rag_study.analysis.carriers import Trust, assign
from rag_study.analysis.estimates import KEY_COLUMNS, Sample, estimate, join, pool, tabulate
from rag_study.analysis.looks import ONLY_LOOK, TEST_COLUMNS, Look
from rag_study.analysis.missing_scores import Lost
from rag_study.analysis.pairing import ALL_SEEDS, DEFAULT, RUN_COLUMNS, Gap, Scores, pair_runs, read
from rag_study.analysis.planning import detectable
from rag_study.analysis.resampling import TOLERANCE
from rag_study.analysis.states import gap_sentences
from rag_study.analysis.verdicts import add_verdicts
from rag_study.common.wording import listed
from rag_study.evaluation.metrics import METRICS, Metrics

SUMMARY_COLUMNS = [*KEY_COLUMNS, "mean", "ci_low", "ci_high", "n_questions", "n_clusters"]
COMPARISON_COLUMNS = (
    KEY_COLUMNS
    + (
        "baseline n_questions n_clusters n_effective n_seeds lost_base lost_tuned mean_base "
        "mean_tuned difference ci_low ci_high ci90_low ci90_high se df seed_sd p_value p_holm "
        "p_equivalence effect_size shrunken mde n_no_difference n_twice_margin primary margin "
        "audit verdict at_least_margin reason settles"
    ).split()
)
INTERACTION_COLUMNS = (
    KEY_COLUMNS
    + (
        "n_questions n_clusters n_seeds difference_none difference_context interaction ci_low "
        "ci_high se df seed_sd p_value"
    ).split()
)


# --- Tables of the study ----------------------------------------------------------------------


def summarise(
    results: pd.DataFrame, n_resamples: int = 10_000, metrics: Metrics = METRICS
) -> pd.DataFrame:
    """Mean of every metric per run and context (and judge), with a 95 % cluster interval.

    `results` has one row per run, context, question and judge; `metrics` are those of its study.
    Returns SUMMARY_COLUMNS, one row per mean, in the metric's unit; judge is '' for reference
    metrics. Missing scores are left out (`n_questions` says how many are in) and a metric without
    any score gives no row.
    Raises ValueError for missing columns, for a question that occurs twice and for one in two
    groups.
    """
    scores, samples = read(results, metrics), []
    for (run, context, judge), (questions, values) in scores.blocks.items():
        for column, metric in enumerate(scores.metrics_of(judge)):
            scored = ~np.isnan(values[:, column])
            if scored.any():
                answered = questions[scored]
                measured = (answered, values[scored, column], scores.clusters[answered])
                limits = scores.metrics[metric].limits
                samples.append(Sample(run, context, metric, judge, *measured, limits=limits))
    samples.sort(key=lambda s: (s.run, s.context, s.metric, s.judge))
    estimates = estimate(samples, n_resamples, n_flips=0)
    return tabulate(scores.runs, samples, estimates, SUMMARY_COLUMNS)


def compare(
    results: pd.DataFrame,
    primary_contexts: Sequence[str],
    primary_metrics: Sequence[str],
    reference_metrics: Sequence[str],
    judge_valid: dict[str, bool],
    n_resamples: int = 10_000,
    metrics: Metrics = METRICS,
    objections: Mapping[tuple[str, str], str] | None = None,
    audited: pd.DataFrame | None = None,
    people: pd.DataFrame | None = None,
    look: Look = ONLY_LOOK,
) -> pd.DataFrame:
    """Every tuned run against the bases of the same data, model and retrieval.

    `baseline` names the base's prompting: the default one, and the prompt-only alternatives to
    training where the study has them (these are compared with the default one as well, as rows of
    method "none"). Differences are tuned minus base, paired by question within a context; pairs
    with a missing score are dropped. Returns COMPARISON_COLUMNS, sorted by their key, in the
    metric's unit; `attrs["skipped"]` lists in sentences what could not be compared. `lost_base` and
    `lost_tuned` count the questions that the metric applies to and where base or trained answer has
    no score; what a verdict is worth then is in `missing_scores`.

    The primary family is what `carriers.assign` lets carry a verdict, over the whole table:
    comparisons of a trained run with the default base in `primary_contexts`, of `primary_metrics`
    by judges that are valid (`judge_valid`; a judge absent from it is not) and passed the audit for
    these two states (`audited`, the table of `audit.audit`; None: nothing was audited), else
    people's (`people`, rows of `people.people_rows`), else `reference_metrics`. Where a recipe has
    several seeds, the row of all seeds is in the family and those of single seeds are not.
    Margins are those of `metrics`. `objections` say by (metric, judge) why no row of these may
    carry a verdict (see `objections`).

    `mde` is the difference that 80 % of such studies would detect (`planning.detectable`);
    `effect_size` is d_z, the difference in standard deviations of the paired differences. See
    `verdicts` for the verdicts. `look` says which of the study's looks this is, and what was
    settled at earlier ones.

    Raises ValueError for an unknown metric, for a margin that is not above 0 or infinite, for two
    bases of one tuned run and as `summarise`.
    """
    if unknown := {*primary_metrics, *reference_metrics} - {*metrics}:
        raise ValueError(f"unknown metrics {sorted(unknown)}; there are {', '.join(metrics)}")
    margins = {name: metric.margin for name, metric in metrics.items()}
    if wrong := {name: m for name, m in margins.items() if m is not None and not 0 < m < np.inf}:
        raise ValueError(f"a margin is a number above 0: {wrong}")
    scores = read(results, metrics)
    samples, skipped, unscored = difference_samples(scores)
    for sample in samples:
        margin = margins[sample.metric]
        sample.extra["margin"] = np.nan if margin is None else float(margin)
        against = (objections or {}).get((sample.metric, sample.judge), "")
        sample.extra.update(objection=against, planning="")
    runs, samples = pool(scores.runs, samples)
    _object_to_lost_seeds(runs, samples, unscored)
    people = _with_base(people, runs)
    trust = Trust(judge_valid, audited)
    rows = pd.concat([_to_assign(runs, samples), people], ignore_index=True)
    rows["part"] = rows["part"].fillna(False).astype(bool)
    assigned = assign(rows, primary_contexts, primary_metrics, reference_metrics, trust, metrics)
    for sample, primary, reason in zip(
        samples, assigned["primary"], assigned["reason"], strict=False
    ):
        sample.extra.update(primary=bool(primary), reason=reason)
    for sample in samples:
        lost = [part.extra["lost"] for part in sample.parts or (sample,)]
        sample.extra["lost"] = reduce(Lost.together, lost)
        for part in sample.parts if sample.extra["primary"] else ():
            reason = f"one of {len(sample.parts)} seeds: the verdict is about all of them"
            part.extra.update(primary=False, reason=reason)
    table = _estimated(runs, samples, n_resamples)
    incomplete = [
        i for i, s in enumerate(samples) if s.extra["primary"] and s.extra["lost"].needs_bounds
    ]
    bounded = [i for i in incomplete if np.isfinite(samples[i].limits).all()]
    worst, best = (
        _at_end(end, runs, samples, bounded, table, n_resamples) for end in ("worst", "best")
    )
    people = _rows_of_people(people, assigned.iloc[len(samples) :], table)
    table, worst, best = (_beside(people, rows) for rows in (table, worst, best))
    incomplete = [i + len(people) for i in incomplete]
    table["audit"] = [trust.audited(tuple(row))[0] for row in table[KEY_COLUMNS].to_numpy()]
    table = add_verdicts(table, metrics, incomplete, worst, best, look)
    table = table[COMPARISON_COLUMNS + TEST_COLUMNS * bool(look.times)]
    table.attrs["skipped"] = gap_sentences(scores.runs, skipped)
    return table


def _estimated(runs: pd.DataFrame, samples: list[Sample], n_resamples: int) -> pd.DataFrame:
    """The comparisons with all that does not depend on verdicts."""
    estimates = estimate(samples, n_resamples).rename(columns={"mean": "difference"})
    estimates["mde"] = detectable(estimates["se"], estimates["df"])
    difference, sd = estimates["difference"].to_numpy(), estimates["sd"].to_numpy()
    spread = sd > TOLERANCE
    without_spread = np.where(np.abs(difference) <= TOLERANCE, 0.0, np.nan)
    estimates["effect_size"] = np.where(
        spread, difference / np.where(spread, sd, 1.0), without_spread
    )
    for name in ("lost_base", "lost_tuned"):
        counts = [getattr(sample.extra["lost"], name) for sample in samples]
        estimates[name] = np.array(counts, dtype="int64")
    return tabulate(runs, samples, estimates, [*COMPARISON_COLUMNS, "sd", "objection", "planning"])


def _at_end(
    end: str,
    runs: pd.DataFrame,
    samples: list[Sample],
    chosen: list[int],
    table: pd.DataFrame,
    n_resamples: int,
) -> pd.DataFrame:
    """The table with the missing scores of the `chosen` rows at the worst or at the best."""
    if not chosen:
        return table
    replaced = _estimated(runs, [_scored_at(samples[i], end) for i in chosen], n_resamples)
    kept = table.drop(index=chosen)
    return pd.concat([kept, replaced.set_axis(chosen)]).sort_index().astype(table.dtypes)


def _scored_at(sample: Sample, end: str) -> Sample:
    """A sample of all pairs, their missing scores at the worst or at the best for the training."""
    if sample.parts:
        parts = tuple(_scored_at(part, end) for part in sample.parts)
        joined = replace(join(parts), run=sample.run, parts=parts, extra=sample.extra)
        return replace(joined, spread_of=sample.spread_of)
    lost = sample.extra["lost"]
    if not (lost.lost_base or lost.lost_tuned):
        return sample
    unknown = np.full(len(lost.questions), np.nan)
    return replace(
        sample,
        questions=lost.questions,
        values=getattr(lost, end),
        clusters=lost.clusters,
        beside=dict.fromkeys(sample.beside, unknown),
    )


class Differences(NamedTuple):
    """A sample per row of `compare`, what it skips, and which (run, context, metric, judge,
    baseline) have no sample because no pair has scores on both sides."""

    samples: list[Sample]
    skipped: list[Gap]
    unscored: list[tuple[int, str, str, str, str]]


def difference_samples(scores: Scores) -> Differences:
    """Tuned minus base of single questions.

    `extra` names the baseline and says what was lost (`missing_scores.Lost`); the two scores stand
    beside the differences.
    """
    pairs, skipped = pair_runs(scores)
    applies = scores.questions_with_scores()
    samples, unscored = [], []
    for (run, context, judge, baseline), pair in pairs.items():
        for column, metric in enumerate(scores.metrics_of(judge)):
            asked = np.isin(pair.questions, applies[judge != "", metric])
            questions, base = pair.questions[asked], pair.base[asked, column]
            tuned, low_high = pair.tuned[asked, column], scores.metrics[metric].limits
            clusters = scores.clusters[questions]
            both = ~np.isnan(base) & ~np.isnan(tuned)
            if both.any():
                lost = Lost.of(questions, clusters, base, tuned, *low_high)
                base, tuned = base[both], tuned[both]
                measured = (questions[both], tuned - base, clusters[both])
                beside = {"mean_base": base, "mean_tuned": tuned}
                extra = {"baseline": baseline, "lost": lost}
                limits = widest(low_high)
                key = (run, context, metric, judge)
                samples.append(Sample(*key, *measured, beside, extra, limits=limits))
                continue
            if asked.any():
                unscored.append((run, context, metric, judge, baseline))
            if baseline == DEFAULT and not (np.isnan(base).all() and np.isnan(tuned).all()):
                name, by = scores.metrics.in_text(metric), f" by {judge}" * bool(judge)
                why = f"no question has scores of {name}{by} on both sides"
                skipped.append(Gap(run, context, why))
    return Differences(samples, skipped, unscored)


def _object_to_lost_seeds(
    runs: pd.DataFrame, samples: Sequence[Sample], unscored: Sequence[tuple]
) -> None:
    """No verdict, in place, on a recipe of which whole seeds have no score: those that could be
    graded would speak for those that could not."""

    def recipe(run: int) -> tuple:
        return tuple(runs.loc[run, [name for name in RUN_COLUMNS if name != "seed"]])

    lost = defaultdict(list)
    for run, *of in unscored:
        lost[recipe(run), *of].append(int(runs.loc[run, "seed"]))
    for sample in samples if lost else ():
        of = (sample.context, sample.metric, sample.judge, sample.extra["baseline"])
        if seeds := lost.get((recipe(sample.run), *of)):
            which = f"seed{'s' * (len(seeds) > 1)} {listed([str(seed) for seed in sorted(seeds)])}"
            words = f"no question of {which} has scores on both sides, and other seeds do not speak"
            sample.extra["objection"] = sample.extra["objection"] or f"{words} for these"


def widest(limits: tuple[float, float], times: int = 1) -> tuple[float, float]:
    """The ends of a sum of `times` differences of two scores with these limits."""
    reach = times * (limits[1] - limits[0])
    return -reach, reach


def of_recipes(comparisons: pd.DataFrame) -> pd.DataFrame:
    """The rows that speak for their recipe: of several seeds only that about all of them. Any table
    with KEY_COLUMNS, or some of them, and n_seeds."""
    keys = [name for name in (*KEY_COLUMNS, "baseline") if name in comparisons and name != "seed"]
    groups = comparisons.groupby(keys, dropna=False, observed=True)
    return comparisons[comparisons["n_seeds"] == groups["n_seeds"].transform("max")]


def _to_assign(runs: pd.DataFrame, samples: Sequence[Sample]) -> pd.DataFrame:
    """What `carriers.assign` reads, a row per sample."""
    parts = {id(part) for sample in samples for part in sample.parts}
    rows = runs.iloc[[s.run for s in samples]].reset_index(drop=True)
    return rows.assign(
        context=[s.context for s in samples],
        metric=[s.metric for s in samples],
        judge=[s.judge for s in samples],
        baseline=[s.extra["baseline"] for s in samples],
        margin=[s.extra["margin"] for s in samples],
        difference=[float(s.values.mean()) for s in samples],
        **dict.fromkeys(("n_effective", "ci_low", "ci_high"), np.nan),
        part=[id(s) in parts for s in samples],
    )


def _with_base(people: pd.DataFrame | None, runs: pd.DataFrame) -> pd.DataFrame:
    """People's rows of runs that are compared here."""
    if people is None or people.empty or runs.empty:
        return pd.DataFrame()
    known = people.merge(runs[RUN_COLUMNS].drop_duplicates(), on=RUN_COLUMNS)
    recipe = [name for name in RUN_COLUMNS if name != "seed"]
    pooled = runs.loc[runs["seed"] == ALL_SEEDS, recipe].drop_duplicates()
    several = known[recipe].merge(pooled, on=recipe, how="left", indicator="pooled")["pooled"]
    return known.assign(part=(several == "both").to_numpy() & (known["seed"] != ALL_SEEDS))


def _rows_of_people(
    people: pd.DataFrame, assigned: pd.DataFrame, table: pd.DataFrame
) -> pd.DataFrame:
    """People's rows in the form of the table, with what was assigned to them."""
    if people.empty:
        return table.iloc[:0]
    rows = people.assign(**assigned.set_axis(people.index), lost_base=0, lost_tuned=0, objection="")
    return rows.reindex(columns=table.columns)


def _beside(people: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """People's rows, then those of the table, numbered anew."""
    if people.empty:
        return table
    return pd.concat([people.astype(table.dtypes), table], ignore_index=True)


def interactions(
    results: pd.DataFrame, n_resamples: int = 10_000, metrics: Metrics = METRICS
) -> pd.DataFrame:
    """Does fine-tuning change how much a context helps? Differences of differences.

    For every tuned run, metric and context c other than 'none': (tuned - base in c) - (tuned -
    base without context), paired by question over the four answers, and once more for all seeds of
    a recipe. Descriptive: no correction and no verdict. Returns INTERACTION_COLUMNS; intervals are
    at 95 %. Raises as `compare`.
    """
    scores = read(results, metrics)
    runs, samples = pool(scores.runs, interaction_samples(scores))
    estimates = estimate(samples, n_resamples).rename(columns={"mean": "interaction"})
    return tabulate(runs, samples, estimates, INTERACTION_COLUMNS)


def interaction_samples(scores: Scores) -> list[Sample]:
    """The differences of differences of single questions (see `interactions`)."""
    pairs, _ = pair_runs(scores)
    samples = []
    for (run, context, judge, baseline), pair in pairs.items():
        closed = pairs.get((run, "none", judge, baseline))
        tuned_run = scores.runs.loc[run, "method"] != "none" and baseline == DEFAULT
        if not tuned_run or context in ("none", "training") or closed is None:
            continue
        shared, at, at_closed = np.intersect1d(
            pair.questions, closed.questions, assume_unique=True, return_indices=True
        )
        with_context = (pair.tuned - pair.base)[at]
        without = (closed.tuned - closed.base)[at_closed]
        for column, metric in enumerate(scores.metrics_of(judge)):
            change, change_none = with_context[:, column], without[:, column]
            both = ~np.isnan(change) & ~np.isnan(change_none)
            if both.any():
                change, change_none, answered = change[both], change_none[both], shared[both]
                beside = {"difference_none": change_none, "difference_context": change}
                measured = (answered, change - change_none, scores.clusters[answered])
                limits = widest(scores.metrics[metric].limits, 2)
                key = (run, context, metric, judge)
                samples.append(Sample(*key, *measured, beside, limits=limits))
    return samples
