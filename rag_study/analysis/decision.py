"""What to do with each trained recipe: deploy it, keep the base, or neither is proven.

The one place where that is decided. Nothing is tested here: the decision follows from the verdicts
on the comparisons that the study declared beforehand (`verdicts`), from what is known against the
score that carries them (`carriers`), and from the changes outside the task (`outside_task`).
`docs/reading-the-result.md` has the rule as a table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rag_study.analysis.carriers import AUDIT_FAILED, contradicts
from rag_study.analysis.effects import of_recipes
from rag_study.analysis.flips import BY_REFERENCE
from rag_study.analysis.outside_task import changes_outside
from rag_study.analysis.pairing import BASE_COLUMNS, PEOPLE, RUN_COLUMNS
from rag_study.analysis.resampling import TOLERANCE
from rag_study.analysis.states import against_base, is_base
from rag_study.analysis.study_results import StudyResults
from rag_study.evaluation.metrics import Metrics

DEPLOY, KEEP, OPEN = DECISIONS = ("deploy", "keep the base", "not proven")
RECIPE_COLUMNS = [name for name in RUN_COLUMNS if name != "seed"]
# Shares of cut answers that are so far apart stand beside the decision.
CUT_APART = 0.20
_TOLD = ["context", "metric", "judge", "verdict", "n_questions", "n_seeds", "difference", "ci_low"]
_TOLD += ["ci_high", "margin", "mean_base", "mean_tuned", "n_no_difference", "n_twice_margin"]
_TOLD += ["at_least_margin", "reason", "settles"]
_RIGHT = ["right_base", "right_tuned", "right_questions", "right_means"]
COSTS = ["training_minutes", "seconds_base", "seconds_tuned"]
_OUTSIDE = ["outside_metric", "outside_base", "outside_tuned", "outside_low", "outside_high"]
_OUTSIDE += ["outside_shown", "outside_matters"]
DECISION_COLUMNS = [
    *RECIPE_COLUMNS,
    *("decision", "cause", "n_primary", "n_helps", "people_disagree", "judge_unfair"),
    *_TOLD,
    *_RIGHT,
    *COSTS,
    *_OUTSIDE,
    *("cut_base", "cut_tuned"),
]


@dataclass(frozen=True)
class Evidence:
    """What is known of one recipe.

    `primary` are its declared comparisons with the base, `disputed` says that people's labels
    contradict the judge who carries one of them, `unfair` why the audit refused a declared score
    that nothing but a stand-in replaces ('' where it refused none), `forgets` that a loss outside
    the task is shown and matters.
    """

    primary: pd.DataFrame
    disputed: bool = False
    unfair: str = ""
    forgets: bool = False

    def any(self, verdict: str) -> bool:
        return bool((self.primary["verdict"] == verdict).any())

    @property
    def loss_ruled_out(self) -> bool:
        """Whether no declared comparison can be a loss that matters: those that cannot be told have
        intervals that end above it."""
        rows = self.primary
        above = rows["ci_low"] > TOLERANCE - rows["margin"]
        open_ = (rows["verdict"] == "cannot tell") & ~above
        return not open_.any()


# The rule: the first line that holds decides. `docs/reading-the-result.md` says it in words.
RULE: tuple[tuple[str, str, Callable[[Evidence], bool]], ...] = (
    ("worse", KEEP, lambda e: e.any("hurts") and not e.disputed),
    ("forgets", KEEP, lambda e: e.forgets),
    ("no verdict", OPEN, lambda e: (e.primary.empty and not e.unfair) or e.any("no verdict")),
    ("people disagree", OPEN, lambda e: e.disputed),
    ("judge unfair", OPEN, lambda e: bool(e.unfair)),
    ("better", DEPLOY, lambda e: e.any("helps") and e.loss_ruled_out),
    ("same", KEEP, lambda e: not e.any("helps") and not e.any("cannot tell")),
    ("cannot tell", OPEN, lambda e: True),
)


def decide(evidence: Evidence) -> tuple[str, str]:
    """(decision, cause) of a recipe, by the first line of RULE that holds."""
    return next((what, cause) for cause, what, holds in RULE if holds(evidence))


def decisions(results: StudyResults) -> pd.DataFrame:
    """DECISION_COLUMNS, one row for each trained recipe that was compared with its base.

    Those to be deployed come first, then they are in the order of their effects.

    The columns from `context` to `reason` are those of the comparison that tells most for the
    decision (of two that say the same the larger in margins); `right_*` are shares of right answers
    (`right_means`: what counts as right), `seconds_*` the time for one answer and
    `training_minutes` that of one training, `outside_*` the change outside the task that is most of
    a loss, `cut_*` shares of answers cut at the token limit. NaN or '' where it was not measured.
    """
    rows = against_base(results.comparisons)
    rows = rows[rows["train_size"] > 0] if len(rows) else rows
    if rows.empty:
        return pd.DataFrame(columns=DECISION_COLUMNS)
    outside = changes_outside(results.comparisons, results.metrics)
    declared = results.study.get("primary", {})
    contexts = declared.get("contexts") or sorted(set(rows.loc[rows["primary"], "context"]))
    metrics = declared.get("metrics") or sorted(set(rows.loc[rows["primary"], "metric"]))
    made = []
    for key, of_recipe in rows.groupby(RECIPE_COLUMNS, sort=False, dropna=False):
        recipe = dict(zip(RECIPE_COLUMNS, key, strict=True))
        lost = outside[_same(outside, recipe, RECIPE_COLUMNS)]
        asked = of_recipe[of_recipe["context"].isin(contexts)]
        evidence = Evidence(
            of_recipe[of_recipe["primary"]],
            _disputed(asked, settled=False),
            _unfair(asked[asked["metric"].isin(metrics)]),
            bool(lost["matters"].any()),
        )
        decision, cause = decide(evidence)
        row = {
            **recipe,
            "decision": decision,
            "cause": cause,
            "n_primary": len(evidence.primary),
            "n_helps": int((evidence.primary["verdict"] == "helps").sum()),
            "people_disagree": _disputed(asked, settled=True),
            "judge_unfair": evidence.unfair,
            **_telling(evidence.primary, cause, contexts),
            **_outside(lost, results.metrics),
        }
        for part in (_right, _costs, _cut):
            row |= part(results, recipe, row)
        made.append(row)
    table = pd.DataFrame(made, columns=DECISION_COLUMNS)
    size = (table["difference"] / table["margin"]).astype(float).fillna(-np.inf)
    order = pd.DataFrame({"what": table["decision"].map(DECISIONS.index), "size": -size})
    return table.loc[order.sort_values(["what", "size"], kind="stable").index].reset_index(
        drop=True
    )


# --- What speaks against the score that carries the verdict ---------------------------------------


def _disputed(rows: pd.DataFrame, *, settled: bool) -> bool:
    """Whether people's labels contradict a judge on these rows: one whose row carries a verdict, or
    (`settled`) any, also where the verdict rests on the labels for that reason."""
    people = rows[rows["judge"] == PEOPLE]
    judged = rows[(rows["judge"] != PEOPLE) & (rows["judge"] != "")]
    if not settled:
        people, judged = people[~people["primary"]], judged[judged["primary"]]
    return any(
        contradicts(label, row)
        for _, label in people.iterrows()
        for _, row in judged[_same(judged, label, ["context", "metric"])].iterrows()
    )


def _unfair(rows: pd.DataFrame) -> str:
    """Why the audit refused a declared score, where neither another judge nor people carry it."""
    refused = rows[rows["reason"].astype(str).str.startswith(AUDIT_FAILED)]
    carried = rows[rows["primary"]]
    for _, row in refused.iterrows():
        if not _same(carried, row, ["context", "metric"]).any():
            return f"{row['judge'] or row['metric']}: {row['reason'].removeprefix(AUDIT_FAILED)}"
    return ""


# --- What stands beside the decision --------------------------------------------------------------


def _telling(primary: pd.DataFrame, cause: str, contexts: list[str]) -> dict[str, Any]:
    """_TOLD of the comparison that tells most for the decision."""
    verdict = {"worse": "hurts", "better": "helps"}.get(cause, cause)
    rows = primary[primary["verdict"] == verdict]
    rows = primary if rows.empty else rows
    if rows.empty:
        nothing = dict.fromkeys(_TOLD, np.nan)
        return nothing | {
            "context": (contexts or [""])[0],
            "metric": "",
            "judge": "",
            "verdict": "",
        }
    size = (rows["difference"].abs() / rows["margin"]).fillna(-1.0)
    return rows.loc[size.idxmax(), _TOLD].to_dict()


def _right(results: StudyResults, recipe: dict, row: dict) -> dict[str, Any]:
    """Shares of right answers by the judge that carries the verdict, else by the reference."""
    unknown = dict.fromkeys(_RIGHT, np.nan) | {"right_means": ""}
    table = results.flips
    if table.empty:
        return unknown
    rows = table[_same(table, {**recipe, **row}, [*RECIPE_COLUMNS, "context"])]
    rows = of_recipes(rows)
    judge = row["judge"] if row["judge"] not in ("", PEOPLE) else ""
    of_judge = rows[(rows["judge"] == judge) & (rows["judge"] != "")]
    rows = of_judge if len(of_judge) else rows[rows["metric"] == BY_REFERENCE]
    if rows.empty:
        return unknown
    found = rows.iloc[0]
    names = ["right_base", "right_tuned", "n_questions", "definition"]
    return dict(zip(_RIGHT, found[names], strict=True))


def _costs(results: StudyResults, recipe: dict, row: dict) -> dict[str, Any]:
    """Minutes of one training, and seconds for one answer of the base and of the recipe."""
    table = results.costs
    if table.empty:
        return dict.fromkeys(COSTS, np.nan)
    each = table["seconds_per_answer"].astype(float)
    base, tuned = _base_and_tuned(table, recipe)
    minutes = table.loc[tuned, "training_minutes"].astype(float).mean()
    return dict(zip(COSTS, (minutes, each[base].mean(), each[tuned].mean()), strict=True))


def _cut(results: StudyResults, recipe: dict, row: dict) -> dict[str, Any]:
    answers = results.results
    if "truncated" not in answers:
        return {"cut_base": np.nan, "cut_tuned": np.nan}
    answers = answers[answers["context"] == row["context"]]
    once = answers.drop_duplicates([*RUN_COLUMNS, "question_id"])
    base, tuned = _base_and_tuned(once, recipe)
    cut = once["truncated"].astype(float)
    return {"cut_base": cut[base].mean(), "cut_tuned": cut[tuned].mean()}


def _outside(rows: pd.DataFrame, metrics: Metrics) -> dict[str, Any]:
    """The change outside the task that is most of a loss: of those that are shown, else of those
    that are shares, which everybody can read, else of all."""
    if rows.empty:
        unknown = {"outside_metric": "", "outside_shown": False, "outside_matters": False}
        return dict.fromkeys(_OUTSIDE, np.nan) | unknown
    shares = rows["metric"].map(lambda name: name in metrics and metrics[name].high == 1.0)
    for those in (rows["matters"], rows["shown"], shares):
        if those.any():
            rows = rows[those]
            break
    worst = rows.loc[(rows["gain"] / rows["se"].where(rows["se"] > 0)).fillna(0.0).idxmin()]
    names = ["metric", "mean_base", "mean_tuned", "ci_low", "ci_high", "shown", "matters"]
    return dict(zip(_OUTSIDE, worst[names], strict=True))


def _base_and_tuned(table: pd.DataFrame, recipe: dict) -> tuple[pd.Series, pd.Series]:
    base = is_base(table) & _same(table, recipe, BASE_COLUMNS)
    return base, _same(table, recipe, RECIPE_COLUMNS)


def _same(table: pd.DataFrame, row: Any, names: list[str]) -> pd.Series:
    """Which rows of a table have the values of a row in some columns."""
    same = pd.Series(True, index=table.index)
    for name in names:
        same &= table[name] == row[name]
    return same
