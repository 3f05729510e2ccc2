"""What the intervals and verdicts are worth: simulated studies with a known truth.

    python benchmarks/intervals.py [uneven] [rare] [seeds] [missing] [picked] [--studies 1000]

Without names all of them run (about 40 minutes on one core with 1000 studies). Every line gives the
condition and what was found; what they say is in docs/reading-the-result.md. Seeds are fixed.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import math
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.stats import norm

from rag_study.analysis.estimates import Sample, estimate, join
from rag_study.analysis.missing_scores import Lost
from rag_study.analysis.shrinkage import shrunken
from rag_study.analysis.verdicts import MIN_CLUSTERS, add_verdicts, equivalence_p

N_RESAMPLES = 1_000
N_FLIPS = 1_000


# --- Data with a known truth --------------------------------------------------------------------


def sizes(kind: str, n_groups: int, n_questions: int) -> np.ndarray:
    """Numbers of questions of the groups, at least one each."""
    shares = {
        "equal": np.ones(n_groups),
        "root": np.arange(1, n_groups + 1) ** -0.5,
        "zipf": 1 / np.arange(1, n_groups + 1),
        "one 60 %": np.r_[1.5 * (n_groups - 1), np.ones(n_groups - 1)],
    }[kind]
    return np.maximum(1, np.round(shares / shares.sum() * n_questions)).astype(int)


def scores(
    rng: np.random.Generator, groups: np.ndarray, kind: str, share: float, n: int
) -> np.ndarray:
    """Values (n, n_questions) with mean 0, of whose variance groups have the `share`."""
    n_groups = groups.max() + 1

    def noise(*shape: int) -> np.ndarray:
        if kind == "skewed":
            return rng.exponential(size=shape) - 1
        return rng.normal(size=shape)

    own = noise(n, len(groups))
    values = math.sqrt(share) * noise(n, n_groups)[:, groups] + math.sqrt(1 - share) * own
    if kind == "binary":
        return (values < norm.ppf(0.15)).astype(float) - 0.15
    return values


def table_of(samples: list[Sample], margin: float, metric: str = "judge_accuracy") -> pd.DataFrame:
    table = estimate(samples, N_RESAMPLES, N_FLIPS).rename(columns={"mean": "difference"})
    return table.assign(metric=metric, primary=True, margin=margin, reason="")


def verdicts(table: pd.DataFrame, families: np.ndarray) -> np.ndarray:
    """Verdicts of the rows, corrected within each family."""
    parts = [add_verdicts(part)["verdict"] for _, part in table.groupby(families, sort=True)]
    return np.concatenate(parts)


# --- Conditions ---------------------------------------------------------------------------------


def uneven(n_studies: int) -> None:
    """Coverage of 95 % intervals, and how often a change of one margin is called none."""
    for kind, n_groups in itertools.product(("one 60 %", "zipf", "root", "equal"), (20, 60)):
        groups = np.repeat(np.arange(n_groups), sizes(kind, n_groups, 4 * n_groups))
        of_uneven(f"{kind:9}{n_groups:4} groups", groups, n_studies)
    groups = np.repeat(np.arange(400), sizes("zipf", 400, 1600))
    of_uneven("zipf      400 groups", groups, n_studies)


def of_uneven(name: str, groups: np.ndarray, n_studies: int) -> None:
    for kind, share in itertools.product(("normal", "skewed", "binary"), (0.0, 0.5)):
        rng = np.random.default_rng([1, len(groups), int(10 * share)])
        values = scores(rng, groups, kind, share, n_studies)
        samples = [Sample(0, "", "", "", np.arange(len(v)), v, groups) for v in values]
        table = table_of(samples, math.nan)
        held = ((table["ci_low"] <= 0) & (table["ci_high"] >= 0)).mean()
        width = (table["ci_high"] - table["ci_low"]).mean() / (2 * 1.96 * table["difference"].std())
        # A margin that intervals of a true zero would fit into; the truth lies exactly at it.
        margin = 3 * table["difference"].std()
        missed = 0.0
        for truth in (-margin, margin):
            at_margin = table.assign(margin=margin)
            at_margin[["difference", "ci90_low", "ci90_high"]] += truth
            missed = max(missed, (equivalence_p(at_margin) < 0.05).mean())
        enough = table["n_effective"] >= MIN_CLUSTERS
        print(
            f"{name} worth {table['n_effective'].iloc[0]:5.1f}, {kind:7} group effects "
            f"{share:.1f}: coverage {held:.3f}, width {width:.2f} of the ideal, "
            + (f"“no difference” at the margin {missed:.3f}" if enough.all() else "no verdict"),
            flush=True,
        )


def rare(n_studies: int) -> None:
    """Yes/no metrics of which hardly a question changes."""
    for n, (up, down) in itertools.product(
        (20, 40, 100, 200, 500),
        ((0.0, 0.005), (0.0, 0.02), (0.01, 0.01), (0.0, 0.05), (0.02, 0.04), (0.05, 0.05)),
    ):
        rng = np.random.default_rng([2, n])
        draws = rng.random((n_studies, n))
        values = (draws < up).astype(float) - (draws > 1 - down)
        samples = [
            Sample(0, "", "", "", np.arange(n), v, np.arange(n), limits=(-1.0, 1.0)) for v in values
        ]
        table = table_of(samples, 0.03, "answer_recall")
        truth = up - down
        held = ((table["ci_low"] <= truth) & (table["ci_high"] >= truth)).mean()
        width = table["ci_high"] - table["ci_low"]
        print(
            f"{n:4} questions, {up:.1%} rise, {down:.1%} fall: coverage {held:.3f}, width at least "
            f"{width.min():.3f}, on average {width.mean():.3f}",
            flush=True,
        )


def seeds(n_studies: int) -> None:
    """Recipes of several seeds, four in a family, 100 questions in pairs."""
    conditions = [
        *(((spread,) * 4, k) for spread in (0.05, 0.1, 0.2) for k in (2, 3, 4, 5, 10)),
        *(((0.05, 0.05, 0.05, 0.4), k) for k in (2, 3, 5)),
    ]
    for spreads, n_seeds in conditions:
        found = {}
        for effect in (0.0, 0.5):
            rng = np.random.default_rng([3, n_seeds, int(100 * spreads[0])])
            samples = []
            for _ in range(n_studies):
                for spread in spreads:
                    samples.append(recipe(rng, effect, spread, n_seeds))
            table = table_of(samples, 0.25)
            called = verdicts(table, np.repeat(np.arange(n_studies), len(spreads)))
            held = (table["ci_low"] <= effect) & (table["ci_high"] >= effect)
            by_recipe = held.to_numpy().reshape(n_studies, -1).mean(axis=0)
            found[effect] = called.reshape(n_studies, -1), by_recipe
        called, by_recipe = found[0.0]
        print(
            f"{n_seeds:3} seeds, spread {', '.join(map(str, dict.fromkeys(spreads)))}: coverage "
            f"{by_recipe.mean():.3f} (least of a recipe {by_recipe.min():.3f}), no difference "
            f"found {(called == 'no difference that matters').mean():.2f}, any wrong "
            f"{np.isin(called, ['helps', 'hurts']).any(axis=1).mean():.3f}; twice the margin found "
            f"{(found[0.5][0] == 'helps').mean():.2f}",
            flush=True,
        )


def recipe(rng: np.random.Generator, effect: float, spread: float, n_seeds: int) -> Sample:
    """All seeds of a recipe; half of a question's own noise is the same for every seed."""
    clusters = np.repeat(np.arange(50), 2)
    shared = scores(rng, clusters, "normal", 0.25, 1)[0]
    own = scores(rng, clusters, "normal", 0.25, n_seeds)
    parts = tuple(
        Sample(0, "", "", "", np.arange(100), effect + shift + (shared + values) / 2**0.5, clusters)
        for shift, values in zip(rng.normal(0, spread, n_seeds), own, strict=True)
    )
    return replace(join(parts), parts=parts, spread_of=("a metric",))


def missing(n_studies: int) -> None:
    """No effect, and the worse part of the trained answers has no score."""
    for n, share in itertools.product((60, 200, 1000), (0.02, 0.04, 0.1, 0.5)):
        rng = np.random.default_rng([4, n])
        wrong = kept = 0
        for _ in range(max(50, n_studies // 10)):
            base, tuned = np.clip(rng.normal(3, 1, (2, n)), 1, 5)
            tuned[np.argsort(tuned)[: round(share * n)]] = np.nan
            verdict = with_missing(base, tuned)
            wrong += verdict in ("helps", "hurts")
            kept += verdict != "no verdict"
        total = max(50, n_studies // 10)
        print(
            f"{n:5} questions, worst {share:.0%} of the trained answers unscored: wrong "
            f"{wrong / total:.3f}, any verdict {kept / total:.2f}",
            flush=True,
        )


def with_missing(base: np.ndarray, tuned: np.ndarray, margin: float = 0.25) -> str:
    """The verdict on accuracy of answers of which some have no score."""
    questions = np.arange(len(base))
    lost = Lost.of(questions, questions, base, tuned, 1.0, 5.0)
    there = ~np.isnan(base) & ~np.isnan(tuned)
    kept = Sample(0, "", "", "", questions[there], (tuned - base)[there], questions[there])
    ends = [Sample(0, "", "", "", questions, end, questions) for end in (lost.worst, lost.best)]
    tables = [
        table_of([sample], margin).assign(lost_base=lost.lost_base, lost_tuned=lost.lost_tuned)
        for sample in (kept, *ends)
    ]
    incomplete = [0] if lost.needs_bounds else []
    return add_verdicts(tables[0], incomplete=incomplete, worst=tables[1], best=tables[2])[
        "verdict"
    ].iloc[0]


def picked(n_studies: int) -> None:
    """The largest estimated change of a family against what is true of it, in standard errors."""
    for size, spread in itertools.product((2, 4, 10, 30), (0.0, 0.5, 1.0, 2.0)):
        rng = np.random.default_rng([5, size])
        plain, drawn = [], []
        for _ in range(n_studies):
            truth = rng.normal(0, spread, size)
            rows = pd.DataFrame({"difference": truth + rng.normal(size=size)})
            rows = rows.assign(se=1.0, margin=1.0)
            largest = int(rows["difference"].abs().argmax())
            sign = math.copysign(1.0, rows["difference"][largest])
            plain.append(sign * (rows["difference"][largest] - truth[largest]))
            drawn.append(sign * (shrunken(rows)[largest] - truth[largest]))
        plain, drawn = np.array(plain), np.array(drawn)
        print(
            f"{size:3} comparisons, true spread {spread:.1f}: the largest is too large by "
            f"{plain.mean():+.2f}, drawn together by {drawn.mean():+.2f}; root mean square error "
            f"{np.sqrt((plain**2).mean()):.2f} and {np.sqrt((drawn**2).mean()):.2f}",
            flush=True,
        )


CONDITIONS = {f.__name__: f for f in (uneven, rare, seeds, missing, picked)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("conditions", nargs="*", choices=[[], *CONDITIONS], default=[])
    parser.add_argument("--studies", type=int, default=1000)
    given = parser.parse_args()
    # statsmodels' multipletests collects garbage in each call: 0.2 s, too much for thousands.
    gc.collect = lambda *args: 0
    for name in given.conditions or CONDITIONS:
        print(f"--- {name}: {CONDITIONS[name].__doc__}", flush=True)
        CONDITIONS[name](given.studies)


if __name__ == "__main__":
    main()
