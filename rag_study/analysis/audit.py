"""Does a score treat the trained model's answers as it treats the base's?

A difference between two states compares two styles as well as two merits. A score may carry a
verdict about two states only if style alone makes little of their difference: **less than half the
margin** (LIMIT), which is declared with the margin, before anything is run. Judges and reference
metrics are audited alike, for every trained state against its base, in every context. Three sources
say how large the part of style is:

- *style rungs* (`evaluation.judging.style`): right and wrong answers to the study's own questions,
  of equal merit in every style. Each state's answers are a mixture of the rungs' styles; the
  difference of the two mixtures times the rungs' scores is what style alone would make of the
  difference, question by question. Right and wrong answers are tested apart, since a state has
  both in shares that nobody knows without a score to trust;
- *own answers*: questions to which both states' answers hold the reference (or all key points), so
  that the string decides that both are right. Their scores should not differ. Not for the metrics
  that do the deciding;
- *people*, where there are labels (`judge_errors`): the judge's error on the trained state less
  that on the base.

A source **passes** when the two one-sided tests at 5 % put the part of style inside the limit (the
90 % interval lies inside it; Schuirmann 1987); for the rungs, of right and of wrong answers both,
which keeps the level (intersection-union; Berger 1982). It **fails** when the 95 % interval (of the
rungs, Bonferroni over right and wrong) lies beyond the limit. Else it is **not known**. Each end of
an interval is the outer one of two: the t interval over groups of questions, robust to clusters,
with the degrees of freedom of groups of equal size (`cluster_means`), and BCa's, which knows skewed
differences (`resampling`).

Together: people decide where they say *passes* or *fails*. Without them a score that fails in one
source fails, and one passes that passes on the rungs and on the own answers, where these are
MIN_QUESTIONS or more, and so many that they would pass if none of them differed: rungs are made by
rule, and a judge may know all of them and yet stumble over what models write. What is *not known*
carries no verdict: it was not shown to be fair. Three things stay unseen: large errors so rare that
the questions of the check show none (`equivalence` allows for small ones on the rungs, and for all
of people's), styles that neither rungs nor own answers have, and a part of style that other shares
of right and wrong answers would show as another number (the larger of the two is reported).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from rag_study.analysis.equivalence import (
    FAILS,
    LIMIT,
    MIN_QUESTIONS,
    NOT_KNOWN,
    PASSES,
    Part,
    unseen_error,
)
from rag_study.analysis.estimates import KEY_COLUMNS
from rag_study.analysis.pairing import (
    ALL_SEEDS,
    BASE_COLUMNS,
    DEFAULT,
    PEOPLE,
    RUN_COLUMNS,
    judged_metrics,
)
from rag_study.analysis.states import is_base
from rag_study.analysis.styles_of_answers import Mixture, StyledAnswers
from rag_study.common.wording import counted, signed
from rag_study.evaluation.judging.style import MERITS, STYLES
from rag_study.evaluation.metrics import COUNTERPARTS, REFERENCE, Metrics

TOGETHER = "together"
RUNGS = {merit: f"style rungs, {merit}" for merit in MERITS}
OWN = "own answers"
# So much larger may the share of answers be, in one state, that are longer than any rung.
MAX_BEYOND = 0.10
AUDIT_COLUMNS = [
    *KEY_COLUMNS,
    "source",
    "n_questions",
    "n_clusters",
    "bias",
    "low",
    "high",
    "ci_low",
    "ci_high",
    "limit",
    "status",
    "reason",
    "words_base",
    "words_tuned",
    "n_needed",
]


def audit(
    results: pd.DataFrame,
    styled: StyledAnswers,
    metrics: Metrics,
    errors: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """AUDIT_COLUMNS: for every trained state, context, metric with a margin and judge, a row for
    each source that there is, and one for all TOGETHER.

    `results` are those of the study, `styled` their styles beside the rungs' scores, `errors` is
    the table of `judge_errors`. `bias` is what style
    makes of the difference tuned - base at equal merit; `reason` says in words what decided, and
    `n_needed` how many questions a check would take whose rungs do not tell.
    """
    if results.empty or "answer" not in results:
        return pd.DataFrame(columns=AUDIT_COLUMNS)
    auditor = _Auditor(results, styled, metrics, errors)
    return pd.DataFrame(list(auditor.rows()), columns=AUDIT_COLUMNS)


def with_bounds(comparisons: pd.DataFrame, audited: pd.DataFrame) -> pd.DataFrame:
    """The comparisons with `bounds_low` and `bounds_high`: what a difference may be once the part
    of style is taken out, without labels.

    The 95 % interval of the difference, less the least and the most that the style rungs allow
    style to make of it (95 %, over right and wrong answers: which of them a state's answers are is
    not known). NaN where no rung was scored.
    """
    rungs = audited[audited["source"].isin(RUNGS.values()) & audited["bias"].notna()]
    rungs = rungs.assign(
        least=rungs[["low", "ci_low"]].min(axis=1), most=rungs[["high", "ci_high"]].max(axis=1)
    )
    ends = rungs.groupby(KEY_COLUMNS, dropna=False).agg({"least": "min", "most": "max"})
    both = comparisons[KEY_COLUMNS].merge(ends.reset_index(), "left", KEY_COLUMNS)
    usual = (comparisons["baseline"] == DEFAULT).to_numpy()
    low = comparisons["ci_low"].to_numpy() - both["most"].to_numpy(float)
    high = comparisons["ci_high"].to_numpy() - both["least"].to_numpy(float)
    made = comparisons.assign(
        bounds_low=np.where(usual, low, np.nan), bounds_high=np.where(usual, high, np.nan)
    )
    made.attrs = dict(comparisons.attrs)
    return made


class _Auditor:
    def __init__(
        self,
        results: pd.DataFrame,
        styled: StyledAnswers,
        metrics: Metrics,
        errors: pd.DataFrame | None,
    ) -> None:
        self.styled, self.metrics = styled, metrics
        self.errors = {} if errors is None or errors.empty else _by_key(errors)
        keys = [*RUN_COLUMNS, "context"]
        judged = judged_metrics(results, metrics)
        named = [name for name in metrics if metrics[name].margin is not None]
        self.scorers = [("", name) for name in REFERENCE if name in results and name in named]
        judges = sorted(set(results["judge"].dropna()) - {""}) if "judge" in results else []
        self.scorers += [(j, name) for j in judges for name in judged if name in named]
        by_judge = {
            judge: dict(tuple(rows.groupby(keys, dropna=False, sort=True)))
            for judge, rows in [
                ("", results.drop_duplicates([*keys, "question_id"])),
                *((judge, results[results["judge"] == judge]) for judge in judges),
            ]
        }
        self.states = by_judge
        self.bases = {
            (*(key[RUN_COLUMNS.index(name)] for name in BASE_COLUMNS), key[-1]): key
            for key, rows in by_judge[""].items()
            if is_base(rows).iloc[0]
        }

    def _pairs(self) -> Iterator[tuple[tuple, list[tuple[tuple, tuple]]]]:
        """(key of the row, [(state, its base), ...]): each state alone, then all seeds together."""
        recipes: dict[tuple, list[tuple[tuple, tuple]]] = {}
        seed = RUN_COLUMNS.index("seed")
        for key, rows in self.states[""].items():
            if rows["train_size"].iloc[0] <= 0 or rows["method"].iloc[0] == "none":
                continue
            place = tuple(key[RUN_COLUMNS.index(name)] for name in BASE_COLUMNS)
            base = self.bases.get((*place, key[-1]))
            if base is None:
                continue
            recipe = (*key[:seed], ALL_SEEDS, *key[seed + 1 :])
            recipes.setdefault(recipe, []).append((key, base))
            yield key, [(key, base)]
        for recipe, pairs in recipes.items():
            if len(pairs) > 1:
                yield recipe, pairs

    def rows(self) -> Iterator[dict[str, Any]]:
        for key, pairs in self._pairs():
            joined = [self._paired("", *pair) for pair in pairs]
            both = pd.concat(joined, ignore_index=True)
            if both.empty:
                continue
            dataset = key[RUN_COLUMNS.index("dataset")]
            mixture = self.styled.difference(dataset, both)
            for judge, metric in self.scorers:
                scored = [self._scored(judge, metric, *pair) for pair in pairs]
                if all(rows.empty for rows in scored):
                    continue
                name = dict(zip([*RUN_COLUMNS, "context"], key, strict=True))
                name |= {"metric": metric, "judge": judge}
                scores = pd.concat(scored, ignore_index=True)
                yield from self._audited(name, mixture, scores)

    def _paired(self, judge: str, state: tuple, base: tuple) -> pd.DataFrame:
        mine, theirs = self.states[judge].get(state), self.states[judge].get(base)
        if mine is None or theirs is None:
            return pd.DataFrame()
        styles = self.styled.answers
        mine, theirs = (
            rows[["question_id", "group"]].join(styles, how="inner") for rows in (mine, theirs)
        )
        return mine.merge(theirs, on=["question_id", "group"], suffixes=("_tuned", "_base"))

    def _scored(self, judge: str, metric: str, state: tuple, base: tuple) -> pd.DataFrame:
        mine, theirs = self.states[judge].get(state), self.states[judge].get(base)
        if mine is None or theirs is None or mine[metric].isna().all():
            return pd.DataFrame()
        sides = []
        for rows in (mine, theirs):
            rows = rows[["question_id", "group", metric]].assign(
                right=self.styled.decided_right(rows)
            )
            sides.append(rows.rename(columns={metric: "score"}))
        both = sides[0].merge(sides[1], on=["question_id", "group"], suffixes=("_tuned", "_base"))
        return both.dropna(subset=["score_tuned", "score_base"])

    def _audited(
        self, name: dict[str, Any], mixture: Mixture, scores: pd.DataFrame
    ) -> Iterator[dict[str, Any]]:
        limit = LIMIT * self.metrics[name["metric"]].margin
        judge, metric = name["judge"], name["metric"]
        unseen = unseen_error(limit / LIMIT, self.metrics[metric].width)
        parts: dict[str, Part] = {}
        for merit in MERITS:
            rungs = self.styled.rungs(name["dataset"], judge, metric, merit)
            parts[RUNGS[merit]] = _from_rungs(RUNGS[merit], rungs, mixture.weights, unseen)
        if metric not in COUNTERPARTS.values():
            right = scores[scores["right_tuned"] & scores["right_base"]]
            change = (right["score_tuned"] - right["score_base"]).groupby(right["question_id"])
            # Seeds answer the same questions: one value for each, their mean.
            once = right.drop_duplicates("question_id")
            values = change.mean().loc[once["question_id"]].to_numpy(float)
            parts[OWN] = Part.of(OWN, values, _clusters(once), unseen)
        if error := self.errors.get(tuple(name[column] for column in KEY_COLUMNS)):
            parts[PEOPLE] = error
        status, reason, decided = _together(parts, limit, mixture, name)
        widest = max(
            (parts[RUNGS[m]] for m in MERITS),
            key=lambda part: -1.0 if np.isnan(part.bias) else abs(part.bias),
        )
        lengths = {"words_base": mixture.words_base, "words_tuned": mixture.words_tuned}
        for part in parts.values():
            yield {**name, **_cells(part, limit), **lengths, "status": part.status(limit)}
        needed = np.max([parts[RUNGS[m]].needed(limit) for m in MERITS])  # NaN: not by any number
        if all(parts[RUNGS[m]].status(limit) == PASSES for m in MERITS):
            needed = np.nan  # more questions in the check would tell nothing new
        whole = decided or widest
        yield {
            **name,
            **_cells(whole, limit),
            **lengths,
            "source": TOGETHER,
            "status": status,
            "reason": reason,
            "n_needed": needed if status == NOT_KNOWN else np.nan,
        }


def _from_rungs(
    source: str, rungs: pd.DataFrame | None, weights: np.ndarray, unseen: float
) -> Part:
    """`rungs` has one row per question: its group and a column for each style."""
    if rungs is None or rungs.empty:
        return Part(source, 0, 0)
    used = [name for name, w in zip(STYLES, weights, strict=True) if abs(w) > 1e-9]
    complete = rungs.dropna(subset=used)
    values = complete[used].to_numpy(float) @ weights[[list(STYLES).index(name) for name in used]]
    return Part.of(source, values, _clusters(complete), unseen, tests=len(MERITS))


def _together(
    parts: Mapping[str, Part], limit: float, mixture: Mixture, name: Mapping[str, Any]
) -> tuple[str, str, Part | None]:
    """Status, reason and the part that decided (None: several did, or none)."""
    status = {source: part.status(limit) for source, part in parts.items()}
    metric = name["metric"]
    if status.get(PEOPLE) in (PASSES, FAILS):
        decided = parts[PEOPLE]
        return status[PEOPLE], _words(decided, limit, metric), decided
    failed = [source for source, found in status.items() if found == FAILS]
    if failed:
        decided = max((parts[source] for source in failed), key=lambda part: abs(part.bias))
        return FAILS, _words(decided, limit, metric), decided
    if PEOPLE in parts and _points_beyond(parts[PEOPLE], limit):
        decided = parts[PEOPLE]
        return NOT_KNOWN, _words(decided, limit, metric), decided
    rungs = [parts[RUNGS[merit]] for merit in MERITS]
    if mixture.beyond > MAX_BEYOND:
        return (
            NOT_KNOWN,
            "answers of one state are much longer than all answers whose merit is known",
            None,
        )
    if any(np.isnan(part.bias) for part in rungs):
        fewest = min(part.n_questions for part in rungs)
        return (
            NOT_KNOWN,
            f"there {'is' if fewest == 1 else 'are'} {counted(fewest, 'question')} with answers of "
            "known merit in these styles, "
            f"{MIN_QUESTIONS} are needed",
            None,
        )
    worst = max(rungs, key=lambda part: max(abs(part.low), abs(part.high)))
    if any(status[RUNGS[merit]] != PASSES for merit in MERITS):
        return NOT_KNOWN, _words(worst, limit, metric), worst
    own = parts.get(OWN)
    if own is not None and own.can_pass(limit) and status[OWN] != PASSES:
        return NOT_KNOWN, _words(own, limit, metric), own
    return PASSES, _words(worst, limit, metric), worst


def _points_beyond(part: Part, limit: float) -> bool:
    """Whether labels show an error, and estimate it beyond the limit: too few to say that a judge
    fails, and enough not to let it pass."""
    shown = part.ci_low > 0 or part.ci_high < 0
    return bool(shown and abs(part.bias) > limit)


_SOURCES = {
    RUNGS["right"]: "on right answers of known merit",
    RUNGS["wrong"]: "on wrong answers of known merit",
    OWN: "on the study's own answers that hold the reference",
    PEOPLE: "against people's grades",
}

# What stands between source and number; of people the errors are known, whatever they come from.
_MAKES = ("style alone makes", "its errors make")


def _words(part: Part, limit: float, metric: str) -> str:
    digits = 3 if limit < 0.05 else 2
    passes = part.status(limit) == PASSES
    low, high = (part.low, part.high) if passes else (part.ci_low, part.ci_high)
    ends = f"{signed(low, digits=digits)} to {signed(high, digits=digits)}"
    bias, questions = signed(part.bias, digits=digits), counted(part.n_questions, "question")
    return (
        f"{_SOURCES[part.source]}, {_MAKES[part.source == PEOPLE]} {bias} of the difference "
        f"({ends}, {questions}), and ±{limit:.3g}, half the margin, is allowed"
    )


def _cells(part: Part, limit: float) -> dict[str, Any]:
    return {
        "source": part.source,
        "n_questions": part.n_questions,
        "n_clusters": part.n_clusters,
        "bias": part.bias,
        "low": part.low,
        "high": part.high,
        "ci_low": part.ci_low,
        "ci_high": part.ci_high,
        "limit": limit,
        "reason": "",
        "n_needed": np.nan,
    }


def _clusters(rows: pd.DataFrame) -> np.ndarray:
    """Codes of the groups of questions; one without a group is a cluster of its own."""
    group = rows["group"].fillna("").astype(str)
    ids = rows["question_id"].astype(str)
    return pd.factorize(("group " + group).where(group != "", "question " + ids))[0]


def _by_key(errors: pd.DataFrame) -> dict[tuple, Part]:
    """Parts by KEY_COLUMNS, from the rows of `judge_errors` that compare a state with its base."""
    rows = errors[errors["quantity"] == "difference"]
    return {
        tuple(row[name] for name in KEY_COLUMNS): Part(
            PEOPLE,
            row["n_questions"],
            row["n_clusters"],
            row["error"],
            row["se"],
            row["low"],
            row["high"],
            row["ci_low"],
            row["ci_high"],
        )
        for row in rows.to_dict("records")
    }
