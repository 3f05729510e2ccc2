"""What declared looks are worth: errors, verdicts and questions beside a fixed number of questions.

    python benchmarks/looks.py [none] [margin] [effects] [undeclared] [--studies 1000] [--seed 1]

Simulated studies with a known truth go through the package's own estimates and verdicts
(`estimates.estimate`, `verdicts.add_verdicts`, bootstrap and sign flips included), once with four
looks and once with all questions at once. `none`: nothing differs; how often any comparison of a
family helps or hurts, and how often any is significant at all. `margin`: all differ by the margin;
how often any makes no difference. `effects`: verdicts and questions for effects of 0 to 2 margins.
`undeclared`: the error of looking without having declared it. Seeds are fixed by --seed.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import math
import time

import numpy as np
import pandas as pd

from rag_study.analysis.estimates import Sample, estimate
from rag_study.analysis.looks import SETTLED, Look, Looks
from rag_study.analysis.pairing import RUN_COLUMNS
from rag_study.analysis.planning import ALPHA
from rag_study.analysis.spending import error_of_looking
from rag_study.analysis.verdicts import add_verdicts, equivalence_p

SIZES = (50, 100, 200, 300)
MARGIN = 0.25
N_RESAMPLES = N_FLIPS = 1_000
N_CHECKED = 3  # studies of each condition whose verdicts the package itself gives as well
# What differences of single questions are like, and how questions come in groups.
KINDS = {
    "graded": "scores from 1 to 5 with a ceiling, groups of one to four",
    "skewed": "most a little better, few much worse; groups of very uneven size",
    "rare": "five in six do not change, the others by one to three points; groups of two",
    "heavy": "Student's t with 3 degrees of freedom; groups of one to eight",
}


def groups_of(rng: np.random.Generator, kind: str) -> np.ndarray:
    """The group of each question, in the order in which questions are asked."""
    n = SIZES[-1]
    if kind == "skewed":
        shares = 1 / np.sqrt(np.arange(1, 151))
        return rng.choice(150, n, p=shares / shares.sum())
    most = {"graded": 4, "rare": 2, "heavy": 8}[kind]
    sizes = np.full(n, 2) if most == 2 else rng.integers(1, most + 1, n)
    return rng.permutation(np.repeat(np.arange(n), sizes)[:n])


def differences(
    rng: np.random.Generator, kind: str, groups: np.ndarray, n_studies: int, family: int
) -> np.ndarray:
    """Differences (n_studies, family, n_questions) with mean 0; a family shares its base."""
    n, n_groups = len(groups), groups.max() + 1

    def noise(shape: tuple[int, ...]) -> np.ndarray:
        """Of variance 1, of which groups have a quarter."""
        if kind == "skewed":
            own, shared = (1 - rng.exponential(size=(*shape, k)) for k in (n, n_groups))
        elif kind == "heavy":
            own, shared = (rng.standard_t(3, (*shape, k)) / math.sqrt(3) for k in (n, n_groups))
        else:
            own, shared = (rng.normal(size=(*shape, k)) for k in (n, n_groups))
        return math.sqrt(0.25) * shared[..., groups] + math.sqrt(0.75) * own

    base, tuned = noise((n_studies, 1)), noise((n_studies, family))
    if kind == "graded":
        ability = 0.8 * noise((n_studies, 1))
        base, tuned = (np.clip(np.round(3.9 + ability + x), 1, 5) for x in (base, tuned))
        return tuned - base
    if kind == "rare":
        # Whether and how far an answer changes; the direction is the group's in part.
        size = 1 + rng.integers(0, 3, tuned.shape)
        changed = rng.random((n_studies, 1, n)) < 1 / 3
        changed = changed & (rng.random(tuned.shape) < 1 / 2)
        return changed * size * np.sign(tuned)
    return (0.8 * tuned + 0.6 * base) if kind == "skewed" else 0.8 * (tuned - base)


def table_of(
    values: np.ndarray, groups: np.ndarray, n: int, effect: float, margin: float
) -> pd.DataFrame:
    """The comparisons of all studies from the first n questions, as `effects.compare` has them."""
    samples = [
        Sample(0, "", "", "", np.arange(n), row[:n] + effect, groups[:n])
        for row in values.reshape(-1, values.shape[-1])
    ]
    table = estimate(samples, N_RESAMPLES, N_FLIPS).rename(columns={"mean": "difference"})
    keys = dict.fromkeys((*RUN_COLUMNS, "context", "judge"), "")
    family = np.tile(np.arange(values.shape[1]), values.shape[0])
    about = {"dataset": "data", "metric": "judge_accuracy", "train_size": family}
    return table.assign(**(keys | about), primary=True, margin=margin, reason="")


def decided(tables: list[pd.DataFrame], family: int, looks: Looks) -> dict[str, np.ndarray]:
    """How all studies ended that look at these tables one after the other, each array of shape
    (n_studies, family): verdict, n_asked, difference; and `significant` (n_studies,), whether any
    comparison was so at any look, large or not.

    P values, their change for the looks and margins are the package's, the steps of `add_verdicts`
    are taken for all studies at once; `check` sees to it that they come to the same.
    """
    shape = (-1, family)
    first = tables[0]
    verdict = np.full((len(first) // family, family), "", dtype=object)
    asked, difference = np.zeros(verdict.shape, dtype=int), np.zeros(verdict.shape)
    kept = np.ones((2, *verdict.shape))  # p values of what was settled
    significant = np.zeros(len(verdict), dtype=bool)
    for number, table in enumerate(tables):
        look = looks.at(number)
        tests = look.tests(table, equivalence_p(table))
        now = tests.to_numpy().T.reshape(2, *verdict.shape)
        going_on = verdict == ""
        now = np.where(going_on, now, kept)
        p_change, p_none = holm(now[0]), holm(now[1])
        values = table["difference"].to_numpy().reshape(shape)
        large = np.abs(values) >= table["margin"].to_numpy().reshape(shape)
        change = (p_change < ALPHA) & large
        found = np.where(change, np.where(values > 0, "helps", "hurts"), "")
        found = np.where(p_none < ALPHA, SETTLED[2], found)
        if number == len(tables) - 1:
            found = np.where(found == "", "cannot tell", found)
        significant |= ((p_change < ALPHA) & going_on).any(axis=1)
        new = going_on & (found != "")
        verdict[new], kept[:, new] = found[new], now[:, new]
        asked[new], difference[new] = look.n_asked, values[new]
    return {"verdict": verdict, "asked": asked, "difference": difference, "found": significant}


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's corrected p values within each row."""
    order = np.argsort(p, axis=1)
    times = p.shape[1] - np.arange(p.shape[1])
    corrected = np.maximum.accumulate(np.take_along_axis(p, order, 1) * times, axis=1)
    out = np.empty_like(p)
    np.put_along_axis(out, order, np.minimum(corrected, 1.0), 1)
    return out


def check(tables: list[pd.DataFrame], family: int, looks: Looks, ended: dict, study: int) -> None:
    """That the package's own verdicts of one study are those of `decided`."""
    settled = pd.DataFrame()
    for number, whole in enumerate(tables):
        look = looks.at(number, settled)
        table = whole.iloc[study * family : (study + 1) * family].reset_index(drop=True)
        table = add_verdicts(table[look.is_open(table)], look=look)
        now = table["verdict"].isin(SETTLED) | (number == len(tables) - 1)
        table = table.assign(n_asked=look.n_asked)[now]
        settled = pd.concat([settled, table], ignore_index=True) if now.any() else settled
        if now.all():
            break
    settled = settled.sort_values("train_size")
    assert list(settled["verdict"]) == list(ended["verdict"][study]), (settled, ended, study)
    assert list(settled["n_asked"]) == list(ended["asked"][study]), (settled, ended, study)


def simulated(
    kind: str, family: int, effect: float, n_studies: int, seed: int, margin: float = MARGIN
) -> dict:
    """What studies with looks and without found: {"looks": ..., "fixed": ...}, each with the share
    of studies with any verdict of a kind, of comparisons by verdict, and questions."""
    rng = np.random.default_rng([seed, family, sorted(KINDS).index(kind)])
    groups = groups_of(rng, kind)
    values = differences(rng, kind, groups, n_studies, family)
    asked = pd.DataFrame({"question_id": np.arange(len(groups)).astype(str), "dataset": "data"})
    asked = asked.assign(group=groups.astype(str), position=np.arange(len(groups)))
    tables = [table_of(values, groups, n, effect, margin) for n in SIZES]
    found = {}
    for name, sizes, seen in (("looks", SIZES, tables), ("fixed", SIZES[-1:], tables[-1:])):
        looks = _Known(sizes, asked, ["retrieved"])
        ended = decided(seen, family, looks)
        for study in range(min(N_CHECKED, n_studies)):
            check(seen, family, looks, ended, study)
        verdict = ended["verdict"]
        found[name] = {
            "any_change": np.isin(verdict, SETTLED[:2]).any(axis=1).mean(),
            "any_none": (verdict == SETTLED[2]).any(axis=1).mean(),
            "significant": ended["found"].mean(),
            "questions": ended["asked"].mean(),
            "bias": ended["difference"].mean() - effect,
            **{one: (verdict == one).mean() for one in (*SETTLED, "cannot tell")},
        }
    return found


class _Known(Looks):
    """Looks whose information is computed once for all studies."""

    def at(self, number: int, settled: pd.DataFrame | None = None) -> Look:
        if not hasattr(self, "_times"):
            object.__setattr__(self, "_times", self.times(len(self.sizes) - 1))
        times = {name: every[: number + 1] for name, every in self._times.items()}
        settled = pd.DataFrame() if settled is None else settled
        return Look(self.sizes[number], self.sizes[-1], times, settled)


def none(n_studies: int, seed: int) -> None:
    for kind, family in itertools.product(KINDS, (1, 4, 8)):
        found = simulated(kind, family, 0.0, n_studies, seed)
        words = "; ".join(
            f"{name}: any verdict of a change {of['any_change']:.3f}, any significant "
            f"{of['significant']:.3f}, questions {of['questions']:.0f}"
            for name, of in found.items()
        )
        print(f"none    {kind:7} family of {family}: {words}", flush=True)


def margin(n_studies: int, seed: int) -> None:
    for kind, family in itertools.product(KINDS, (1, 4, 8)):
        shares = {"looks": [], "fixed": []}
        for sign in (-1, 1):
            for name, of in simulated(kind, family, sign * MARGIN, n_studies, seed + 1).items():
                shares[name].append(of["any_none"])
        words = "; ".join(
            f"{name}: any “no difference” {' and '.join(f'{s:.3f}' for s in of)}"
            for name, of in shares.items()
        )
        print(f"margin  {kind:7} family of {family}, worse and better by it: {words}", flush=True)


def effects(n_studies: int, seed: int) -> None:
    conditions = itertools.product(("graded", "skewed"), (0.25, 0.4), (1, 4), (0, 0.5, 1, 2))
    for kind, wide, family, times in conditions:
        found = simulated(kind, family, times * wide, n_studies, seed + 2, wide)
        words = "; ".join(
            f"{name}: questions {of['questions']:.0f}, helps {of['helps']:.2f}, hurts "
            f"{of['hurts']:.2f}, no difference {of[SETTLED[2]]:.2f}, cannot tell "
            f"{of['cannot tell']:.2f}, mean estimate off by {of['bias']:+.3f}"
            for name, of in found.items()
        )
        fewer = 1 - found["looks"]["questions"] / found["fixed"]["questions"]
        print(
            f"effects {kind:7} margin {wide:g}, family of {family}, {times:g} margins: "
            f"{fewer:.0%} fewer; {words}",
            flush=True,
        )


def undeclared(n_studies: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for k in (1, 2, 3, 5, 10):
        sums = rng.normal(size=(max(n_studies, 100_000), k)).cumsum(axis=1)
        found = (np.abs(sums) > 1.959964 * np.sqrt(np.arange(1, k + 1))).any(axis=1).mean()
        said = error_of_looking(tuple((i + 1) / k for i in range(k)))
        print(f"undeclared, {k:2} equal looks: said {said:.4f}, found {found:.4f}", flush=True)


CONDITIONS = {f.__name__: f for f in (none, margin, effects, undeclared)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("conditions", nargs="*", metavar="CONDITION", help=", ".join(CONDITIONS))
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    gc.collect = lambda *args: 0  # statsmodels calls it for every correction
    for name in given.conditions or CONDITIONS:
        begun = time.perf_counter()
        CONDITIONS[name](given.studies, given.seed)
        print(f"{name}: {time.perf_counter() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()
