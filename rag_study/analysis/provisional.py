"""First results while a study goes on: primary comparisons of which both sides are judged.

Differences with their ordinary 95 % intervals, made of what is there as `effects.compare` makes
them of all, without audit and people's labels. They are no verdicts, which are about all primary
comparisons together, and nothing is written: no later comparison knows of them.
"""

from __future__ import annotations

import pandas as pd

from rag_study.analysis import effects
from rag_study.analysis.collect import judged_answers, questions_of
from rag_study.analysis.evidence import Evidence
from rag_study.analysis.looks import RECIPE
from rag_study.analysis.pairing import BASE_COLUMNS
from rag_study.analysis.run_names import columns_of, judge_of, label_of, searches_of, variants_of
from rag_study.analysis.states import differing, factor_words, is_base, state_label
from rag_study.common import files
from rag_study.common.run_folder import RunFolder
from rag_study.common.wording import counted
from rag_study.study.plan import Comparison
from rag_study.study.stages import StageRun, is_done


def first_effects(comparison: Comparison, judged: StageRun) -> pd.DataFrame:
    """The primary comparisons in which a run of `judge_answers` has a part that has just ended: of
    a trained state, its recipe with all seeds that are judged; of a base, every state beside it.

    Rows as of `effects.compare`, and `name`, what the state is called in the whole study, and
    `checked`, whether the judge has passed its check yet. Empty while one side is missing.
    """
    study, states = comparison.study, _states(comparison)
    one = states.loc[judged.run_id]
    base, trained = is_base(states), states["train_size"] > 0
    ours = base | trained  # not those of other systems, and of prompts
    if not ours[judged.run_id]:
        return pd.DataFrame()
    beside = (states[[*BASE_COLUMNS, "judge"]] == one[[*BASE_COLUMNS, "judge"]]).all(axis=1)
    if trained[judged.run_id]:
        trained &= (states[RECIPE] == one[RECIPE]).all(axis=1)
    wanted = beside & (base | trained)
    runs = [run for run in comparison.upstream if wanted.get(run.run_id, False) and is_done(run)]
    ids = [run.run_id for run in runs]
    if not (base[ids].any() and trained[ids].any()):
        return pd.DataFrame()
    questions, seen = questions_of(judged.needs("prepare_data")), Evidence(study.judged_metrics)
    answers = [
        judged_answers(run, study, questions, seen, *states.loc[run.run_id, _NAMES]) for run in runs
    ]
    results, primary = pd.concat(answers, ignore_index=True), study.primary
    results = results[results["context"].isin(primary.contexts)]
    checks = _checks(comparison)
    table = effects.compare(
        results.drop(columns=seen.columns),
        primary.contexts,
        primary.metrics,
        primary.reference_metrics,
        {judge.display_name: checks.get(judge.display_name, True) for judge in study.judges},
        metrics=study.metrics,
    )
    table = table[table["primary"]]
    factors = differing(states[ours], [*BASE_COLUMNS, "train_format", "variant"])
    several = states.loc[ours, "seed"].nunique() > 1
    names = [
        " · ".join(
            [
                state_label(row),
                *factor_words(row, factors),
                *([counted(row["n_seeds"], "seed")] if several else []),
            ]
        )
        for row in table.to_dict("records")
    ]
    return table.assign(name=names, checked=[judge in {"", *checks} for judge in table["judge"]])


# What tells the names of a state's tables, as `judged_answers` takes it.
_NAMES = ["dataset", "variant", "retriever"]


def _states(comparison: Comparison) -> pd.DataFrame:
    """How the tables know the state of each judged run of the study, done or not: RUN_COLUMNS and
    the judge, by run id."""
    study, variants = comparison.study, variants_of(comparison.upstream, comparison.study)
    rows = {
        run.run_id: columns_of(run)
        | {
            "dataset": label_of(run, study),
            "variant": variants[run.run_id],
            "retriever": searches_of(run, study) if run.point.model else "",
            "judge": judge_of(run, study),
        }
        for run in comparison.upstream
        if run.stage.name == "judge_answers"
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def _checks(comparison: Comparison) -> dict[str, bool]:
    """Whether each judge passed the checks of it that have been made; without those not checked."""
    valid: dict[str, bool] = {}
    for run in comparison.upstream:
        if run.stage.name == "validate_judge" and is_done(run):
            check = files.read_json(RunFolder(run.run_id).path / "metrics.json")["check"]
            judge = judge_of(run, comparison.study)
            valid[judge] = valid.get(judge, True) and bool(check["valid"])
    return valid
