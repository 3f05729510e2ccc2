"""Looks at growing data: what a study that declared them decides at each, and who goes on.

A study may declare at which numbers of test questions it will look (`looks`), the last being all.
At each look the comparisons of the states that are still open are made from the first so many
questions, by the rules of every study (`verdicts`), with p values and intervals that allow for the
looks (`spending`). A comparison that helps, hurts, or makes no difference that matters is
**settled**: it keeps the numbers of that look, and its place in the family of Holm's correction,
whatever comes later. A state of which all primary comparisons are settled is asked no further.

Nothing is remembered but answers and scores: every look is computed anew from the first questions,
which stay the same, so that a study that was stopped early and one that asked everything give the
same verdicts. How much information a look has is known before any question is answered
(`spending.times_of`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from rag_study.analysis.cluster_means import effective_clusters
from rag_study.analysis.estimates import KEY_COLUMNS
from rag_study.analysis.pairing import DEFAULT, RUN_COLUMNS
from rag_study.analysis.spending import Times, adjusted, adjusted_two_sided, levels, times_of
from rag_study.common.wording import counted, listed

SETTLED = ("helps", "hurts", "no difference that matters")
# What the tests of a difference and of none say once they allow for the looks, before Holm.
TEST_COLUMNS = ["p_looks", "p_looks_equivalence"]
LOOK_COLUMNS = [
    "look",
    "n_asked",
    "information",
    *KEY_COLUMNS,
    *"n_questions n_clusters n_effective difference se df margin ci_low ci_high".split(),
    *"ci90_low ci90_high p_value".split(),
    *TEST_COLUMNS,
    *"p_holm p_equivalence verdict at_least_margin settled reason".split(),
]
# What a state is: a run but for its seed.
RECIPE = [name for name in RUN_COLUMNS if name != "seed"]
_LEAST_LEVEL = 1e-10  # of an interval: no quantile of t is asked for beyond


@dataclass(frozen=True)
class Look:
    """The look at which comparisons are made; without arguments the only one, at all questions.

    `n_asked` of at most `most` questions; `times`: by data set the information at the looks up to
    this one, of which the last is now. `settled` are rows that were settled at earlier looks, with
    TEST_COLUMNS.
    """

    n_asked: int = 0
    most: int = 0
    times: Mapping[str, Times] = field(default_factory=dict)
    settled: pd.DataFrame = field(default_factory=pd.DataFrame)

    def is_open(self, table: pd.DataFrame) -> np.ndarray:
        """Which rows were not settled before."""
        known = set() if self.settled.empty else set(_tuples(self.settled, KEY_COLUMNS))
        return np.array([key not in known for key in _tuples(table, KEY_COLUMNS)], dtype=bool)

    def family(self, name: str, rows: pd.Series) -> pd.Series:
        """The p values of all members of the family: of these rows, and of those settled before."""
        if self.settled.empty:
            return rows
        before = self.settled[name].to_numpy(dtype=float)
        return pd.concat([rows, pd.Series(before, [f"settled {i}" for i in range(len(before))])])

    def tests(self, rows: pd.DataFrame, equivalence: pd.Series) -> pd.DataFrame:
        """TEST_COLUMNS of rows, from their p values at this look alone; NaN counts as 1."""
        found = pd.DataFrame({TEST_COLUMNS[0]: rows["p_value"], TEST_COLUMNS[1]: equivalence})
        found = found.astype(float).fillna(1.0)
        for dataset, index in self._by_times(rows):
            times = self.times[dataset]
            two_sided, one_sided = (found.loc[index, name].to_numpy() for name in TEST_COLUMNS)
            found.loc[index, TEST_COLUMNS[0]] = adjusted_two_sided(two_sided, times)
            found.loc[index, TEST_COLUMNS[1]] = adjusted(one_sided, times)
        return found

    def widen(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows with repeated confidence intervals (Jennison and Turnbull 1989): all looks' 95 %
        intervals hold the truth at once in 95 % of studies. Each end lies farther out by as much as
        the t quantile at the look's level is larger."""
        rows = rows.copy()
        for dataset, index in self._by_times(rows):
            df, difference = rows.loc[index, "df"], rows.loc[index, "difference"]
            for low, high, tail in (("ci_low", "ci_high", 0.025), ("ci90_low", "ci90_high", 0.05)):
                level = max(levels(self.times[dataset], tail)[-1], _LEAST_LEVEL)
                wider = stdtrit(df, 1 - level) / stdtrit(df, 1 - tail)
                for end in (low, high):
                    out = (rows.loc[index, end] - difference) * wider
                    rows.loc[index, end] = difference + out
        return rows

    def _by_times(self, rows: pd.DataFrame) -> Iterable[tuple[str, pd.Index]]:
        if self.times and len(rows):
            for dataset, part in rows.groupby("dataset", sort=False):
                yield dataset, part.index

    @property
    def interval_words(self) -> str:
        return " that allows for the looks" if self.times else ""

    @property
    def correction_words(self) -> str:
        return "Holm's correction" + " and that for the looks" * bool(self.times)

    @property
    def words(self) -> str:
        return f"the look at {self.n_asked} of at most {self.most} questions"

    @property
    def further(self) -> str:
        """What else will settle it: the looks to come; '' where there are none."""
        if self.n_asked == self.most:
            return ""
        return f"not settled at {self.words}, so that more are to be asked"


ONLY_LOOK = Look()


@dataclass(frozen=True)
class Looks:
    """The declared looks of a study, over its questions: `asked` has dataset, question_id, group
    and position of the test questions, in the order in which they are asked."""

    sizes: Sequence[int]
    asked: pd.DataFrame
    contexts: Sequence[str]

    def times(self, number: int) -> dict[str, Times]:
        """By data set the information fractions of the looks up to `number`, from 0."""
        found = {}
        for dataset, questions in self.asked.groupby("dataset", sort=False):
            group = questions["group"].fillna("").astype(str)
            name = ("group " + group).where(group != "", "question " + questions["question_id"])
            groups = [
                effective_clusters(name[questions["position"] < n].value_counts().to_numpy(float))
                for n in self.sizes
            ]
            found[dataset] = times_of(self.sizes, groups)[: number + 1]
        return found

    def replay(
        self, results: pd.DataFrame, compare: Callable[[pd.DataFrame, Look], pd.DataFrame]
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """(primary comparisons as they were settled, else as at the last look; all that was seen at
        every look, LOOK_COLUMNS).

        `compare` makes the comparisons of a part of the results, with TEST_COLUMNS. The looks end
        where a state that is still open has not been asked enough questions.
        """
        rows = results[results["context"].isin(self.contexts) & (results["prompting"] == DEFAULT)]
        names = ["dataset", "question_id"]
        order = rows.merge(self.asked[[*names, "position"]], on=names, how="left")["position"]
        rows = rows.assign(position=order.to_numpy())  # the index says which answer a row is
        trained = rows["train_size"].to_numpy() > 0
        state = _tuples(rows, RECIPE)
        answered = rows[trained].groupby([*RUN_COLUMNS, "context"], dropna=False, observed=True)
        there = (answered["position"].max() + 1).groupby(level=RECIPE, dropna=False).min()
        going_on = dict(zip(_tuples(there.index.to_frame(), RECIPE), there, strict=True))
        settled, left, seen = pd.DataFrame(), pd.DataFrame(), []
        for number, size in enumerate(self.sizes):
            if not going_on or min(going_on.values()) < size:
                break
            look = Look(size, self.sizes[-1], self.times(number), settled)
            wanted = np.array([s in going_on for s in state], dtype=bool) | ~trained
            first = wanted & ~(rows["position"].to_numpy() >= size)
            table = compare(rows[first].drop(columns="position"), look)
            table = table[table["primary"] & look.is_open(table)].reset_index(drop=True)
            now = table["verdict"].isin(SETTLED)
            table.loc[now, "reason"] += f"; settled at {look.words}"
            seen.append(self._seen(table.assign(settled=now), number, look))
            settled = pd.concat([settled, table[now]], ignore_index=True) if now.any() else settled
            left = table[~now]
            done = settled_states(pd.concat(seen, ignore_index=True))
            going_on = {s: n for s, n in going_on.items() if s not in done}
        every = [part for part in (settled, left) if len(part)]
        nothing = pd.DataFrame(columns=LOOK_COLUMNS)
        return (
            pd.concat(every, ignore_index=True) if every else pd.DataFrame(),
            pd.concat(seen, ignore_index=True) if seen else nothing,
        )

    def _seen(self, table: pd.DataFrame, number: int, look: Look) -> pd.DataFrame:
        """LOOK_COLUMNS of the comparisons that were open at a look."""
        information = table["dataset"].map({name: t[-1] for name, t in look.times.items()})
        about = {"look": number + 1, "n_asked": look.n_asked, "information": information}
        return table.assign(**about)[LOOK_COLUMNS]


def settled_states(looks: pd.DataFrame) -> set[tuple]:
    """The states (their RECIPE) of which every primary comparison is settled, by LOOK_COLUMNS."""
    last: dict[tuple, int] = {}
    found: dict[tuple, bool] = {}
    rows = zip(_tuples(looks, RECIPE), looks["look"], looks["settled"], strict=True)
    for state, look, settled in rows:  # the later looks come later
        kept = found.get(state, True) if last.get(state) == look else True
        last[state], found[state] = look, kept and bool(settled)
    return {state for state, settled in found.items() if settled}


def with_looks(comparisons: pd.DataFrame, looked: pd.DataFrame) -> pd.DataFrame:
    """The comparisons of all answers, in which those that `Looks.replay` made stand for the primary
    ones."""
    if looked.empty:
        return comparisons
    table, attrs = comparisons.copy(), comparisons.attrs
    of_default = table["baseline"] == DEFAULT
    where = {
        key: i
        for i, key in zip(table.index, _tuples(table, KEY_COLUMNS), strict=True)
        if of_default[i]
    }
    others = table["primary"]
    table.loc[others, "verdict"] = ""
    table.loc[others, "reason"] = "not what carried the verdict when it was settled"
    table.loc[others, ["primary", "at_least_margin"]] = False
    at = [where[key] for key in _tuples(looked, KEY_COLUMNS)]
    for name in comparisons.columns:
        table.loc[at, name] = looked[name].to_numpy()
    table = table.astype(comparisons.dtypes)
    table.attrs = attrs
    return table


def looks_sentence(looks: pd.DataFrame, sizes: Sequence[int]) -> str:
    """Where the primary comparisons of a study were settled, in a sentence."""
    if looks.empty:
        return ""
    counts = looks[looks["settled"]].groupby("n_asked").size()
    parts = [f"{n} at {asked}" for asked, n in counts.items()]
    last = looks.sort_values("look", kind="stable").drop_duplicates(KEY_COLUMNS, keep="last")
    if left := int((~last["settled"]).sum()):
        parts.append(f"{left} not, at {int(last.loc[~last['settled'], 'n_asked'].max())}")
    declared = listed([str(size) for size in sizes])
    return (
        f"Looks were declared at {declared} questions. Of "
        f"{counted(len(last), 'primary comparison')} settled: {listed(parts)}. P values and "
        "intervals allow for the looks; an estimate that ended a study early lies a little too far "
        "out on average."
    )


def _tuples(table: pd.DataFrame, columns: Sequence[str]) -> list[tuple]:
    return list(table[list(columns)].itertuples(index=False, name=None))
