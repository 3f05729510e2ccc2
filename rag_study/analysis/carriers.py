"""What the verdict about two states may rest on: the one place where that is decided.

For every trained state against its base, in the study's primary contexts:

1. a judge that tells right from wrong (its check, `validity.check`) *and* passed the audit for
   these two states (`audit`): its scores of the declared criteria. So may a declared metric that
   needs no judge, where it passed the audit;
2. where none does, or where people's labels speak against it: the difference that people would
   see, with the judge's error taken out (`people_rows`), from MIN_CLUSTERS labelled groups on;
3. without labels, the reference metrics that the study names for this case, where these passed the
   audit: of one criterion its counterpart, of all criteria all of them;
4. else nothing, and each row says why.

Labels speak against a judge when the audit against people fails, or when its difference lies
outside the 95 % interval of the one with its error taken out. Scores of the answers have no other
say in this: what carries a verdict does not depend on what it would say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from rag_study.analysis.audit import TOGETHER
from rag_study.analysis.equivalence import FAILS, NOT_KNOWN
from rag_study.analysis.estimates import KEY_COLUMNS
from rag_study.analysis.pairing import DEFAULT, PEOPLE
from rag_study.analysis.planning import are_enough
from rag_study.evaluation.metrics import COUNTERPARTS, Metrics

# They begin a reason; `states.untrusted_judges` and the report know a row by them.
AUDIT_FAILED = "not alike for both kinds of answers: "
AUDIT_UNKNOWN = "not shown to be alike for both kinds of answers: "
CONTRADICTED = "people's labels speak against it"
_STATE = [name for name in KEY_COLUMNS if name not in ("metric", "judge")]


@dataclass(frozen=True)
class Trust:
    """What is known of the scores of a study, before any comparison is looked at.

    `judge_valid`: by judge, whether it passed its check. `audit`: the table of `audit.audit`, None
    where nothing was audited (then only the check counts).
    """

    judge_valid: Mapping[str, bool]
    audit: pd.DataFrame | None = None
    _found: dict[tuple, tuple[str, str]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.audit is not None:
            whole = self.audit[self.audit["source"] == TOGETHER]
            for row in whole[[*KEY_COLUMNS, "status", "reason"]].itertuples(index=False):
                self._found[tuple(row[: len(KEY_COLUMNS)])] = row.status, row.reason

    def audited(self, key: tuple) -> tuple[str, str]:
        """(status, reason) of a row by its KEY_COLUMNS; ('', '') where nothing was audited."""
        return self._found.get(key, ("", ""))

    def refusal(self, key: tuple, wanted: bool) -> str:
        """Why a score may not carry a verdict about this row's states; '' where it may. `wanted`:
        whether the row is one that a verdict could be about."""
        metric, judge = key[KEY_COLUMNS.index("metric")], key[KEY_COLUMNS.index("judge")]
        if judge and not self.judge_valid.get(judge, False):
            untrusted = "did not pass its check" if judge in self.judge_valid else "was not checked"
            return f"judge {judge} {untrusted}"
        status, reason = self.audited(key)
        if self.audit is not None and not status and wanted:
            status, reason = NOT_KNOWN, "it was not audited on these answers"
        if status == FAILS:
            return AUDIT_FAILED + reason
        # Where no rung was scored, metrics that only look for the answer's words stand as they did.
        no_rungs = self.audit is not None and not self._any_rungs
        if status == NOT_KNOWN and not (no_rungs and metric in COUNTERPARTS.values()):
            return AUDIT_UNKNOWN + reason
        return ""

    @property
    def _any_rungs(self) -> bool:
        return bool(
            (self.audit["source"].str.startswith("style rungs") & self.audit["bias"].notna()).any()
        )


def assign(
    rows: pd.DataFrame,
    contexts: Sequence[str],
    primary_metrics: Sequence[str],
    reference_metrics: Sequence[str],
    trust: Trust,
    metrics: Metrics,
) -> pd.DataFrame:
    """`primary` and `reason` of comparisons, with the index of `rows`.

    `rows` has KEY_COLUMNS, baseline, train_size, margin and difference; those of the judge PEOPLE,
    which are people's own, ci_low, ci_high and n_effective. `part` marks rows of single seeds where
    there is one of all of them: that one carries the verdict.
    """
    reason = pd.Series("not a primary comparison", index=rows.index, dtype=object)
    primary = pd.Series(False, index=rows.index)
    keys = {
        i: tuple(row)
        for i, row in zip(rows.index, rows[KEY_COLUMNS].itertuples(index=False), strict=True)
    }
    usual = (
        (rows["baseline"] == DEFAULT) & (rows["train_size"] > 0) & rows["context"].isin(contexts)
    )
    descriptive = [name for name in metrics if metrics[name].margin is None]
    usual &= ~rows["metric"].isin(descriptive)
    of_people = rows["judge"] == PEOPLE
    refusals = {
        i: "" if of_people[i] else trust.refusal(keys[i], bool(usual[i])) for i in rows.index
    }
    for i, refusal in refusals.items():
        reason[i] = refusal or reason[i]
    for _, state in rows[usual].groupby(_STATE, dropna=False, sort=False):
        chosen = _of_state(state, primary_metrics, reference_metrics, trust, metrics, refusals)
        primary[list(chosen)] = True
        for i, why in chosen.items():
            reason[i] = why or reason[i]
        _say_contradictions(state, primary, reason)
    return pd.DataFrame({"primary": primary, "reason": reason})


def _of_state(
    state: pd.DataFrame,
    primary_metrics: Sequence[str],
    reference_metrics: Sequence[str],
    trust: Trust,
    metrics: Metrics,
    refusals: Mapping[int, str],
) -> dict[int, str]:
    """The rows of one state and context that carry its verdict."""
    chosen: dict[int, str] = {}
    judged = [name for name in primary_metrics if metrics[name].judged]
    without: list[str] = []
    for name in primary_metrics:
        of_metric = state[state["metric"] == name]
        people = of_metric[
            (of_metric["judge"] == PEOPLE)
            & are_enough(of_metric["n_effective"])
            & ~of_metric["part"]
        ]
        scored = of_metric[of_metric["judge"] != PEOPLE]
        carrying = [i for i in scored.index if not refusals[i]]
        if len(people) and (
            not carrying or any(contradicts(people.iloc[0], scored.loc[i]) for i in carrying)
        ):
            chosen[people.index[0]] = ""
        elif carrying:
            chosen |= dict.fromkeys((i for i in carrying if not state.loc[i, "part"]), "")
        elif _looked_for(scored, trust) if name in judged else len(scored):
            without.append(name)
    nothing = bool(without) and not chosen
    stand_ins = _stand_ins(state, judged, without, reference_metrics, refusals, nothing)
    return chosen | dict.fromkeys(stand_ins, "")


def _looked_for(scored: pd.DataFrame, trust: Trust) -> bool:
    """Whether a criterion lacks a judge: no judge is valid, or those that are were refused here. A
    valid judge that has not scored these answers yet is waited for."""
    return not any(trust.judge_valid.values()) or any(
        trust.judge_valid.get(judge, False) for judge in scored["judge"]
    )


def _stand_ins(
    state: pd.DataFrame,
    judged: Sequence[str],
    without: Sequence[str],
    reference_metrics: Sequence[str],
    refusals: Mapping[int, str],
    nothing: bool,
) -> list[int]:
    """Rows of the reference metrics that stand for the metrics `without` a carrier; `nothing`
    carries the verdict yet."""
    lacking = [name for name in without if name in judged]
    if nothing or (lacking and len(lacking) == len(judged)):
        wanted = set(reference_metrics)
    else:
        wanted = {COUNTERPARTS[name] for name in lacking if name in COUNTERPARTS}
        wanted &= set(reference_metrics)
    rows = state[state["metric"].isin(wanted) & (state["judge"] == "") & ~state["part"]]
    return [i for i in rows.index if not refusals[i]]


def contradicts(people: pd.Series, judge: pd.Series) -> bool:
    """Whether a judge's difference lies outside the 95 % interval of the difference that people
    would see."""
    if np.isnan(people["ci_low"]):
        return False
    return not people["ci_low"] <= judge["difference"] <= people["ci_high"]


def _say_contradictions(state: pd.DataFrame, primary: pd.Series, reason: pd.Series) -> None:
    """Why a judge that passed everything else gives way to people's labels."""
    for i in state.index[primary[state.index] & (state["judge"] == PEOPLE)]:
        beside = state[(state["metric"] == state.loc[i, "metric"]) & (state["judge"] != PEOPLE)]
        for j in beside.index:
            if reason[j] == "not a primary comparison":
                reason[j] = f"{CONTRADICTED}: the verdict rests on them"


def trusted_judges(comparisons: pd.DataFrame, judge_valid: Mapping[str, bool]) -> dict[str, bool]:
    """`judge_valid` less the judges that carry none of the verdicts, for what is about a judge as a
    whole (the paper's claims). Where nothing is primary, `judge_valid` itself."""
    primary = comparisons[comparisons["primary"]]
    if primary.empty:
        return dict(judge_valid)
    carrying = set(primary["judge"])
    against = (AUDIT_FAILED, AUDIT_UNKNOWN, CONTRADICTED)
    refused = comparisons["reason"].astype(str).str.startswith(against)
    failing = set(comparisons.loc[refused & ~comparisons["judge"].isin(carrying), "judge"])
    return {judge: valid and judge not in failing for judge, valid in judge_valid.items()}
