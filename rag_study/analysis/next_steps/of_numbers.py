"""Rules about how much is known: is the judge to be believed, are there questions enough?"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import pandas as pd
from scipy.special import stdtrit

from rag_study.analysis.audit import TOGETHER
from rag_study.analysis.equivalence import NOT_KNOWN, PASSES
from rag_study.analysis.feasibility.groups import nearest_size
from rag_study.analysis.next_steps.measured import Measured
from rag_study.analysis.next_steps.step import Step
from rag_study.analysis.pairing import PEOPLE, RUN_COLUMNS
from rag_study.analysis.people import label_plan
from rag_study.analysis.planning import ALPHA, MANY, MIN_CLUSTERS, POWER, detectable, shortage
from rag_study.analysis.states import auc_words, state_label
from rag_study.analysis.verdicts import LOOKING_AGAIN
from rag_study.common.wording import counted, is_number, number, rounded_up, signed
from rag_study.evaluation.judging.requirements import NOT_SHOWN_VALID

_LABELS = 50  # questions that `rag-study label` draws, where nothing else is said
_MOST_SEEDS = 12
_SEEDS_MATTER = 0.5  # of the variance: from here on more questions bring less than more seeds


# --- The judge ------------------------------------------------------------------------------------


def judge(m: Measured) -> Iterator[Step]:
    """A judge that carries no verdict: a larger check where that would do, else people's labels."""
    if len(m.primary) and (m.primary["judge"] != "").any():
        return  # a judge is believed, or people have spoken: what more labels bring is another rule
    for check in m.results.judge_checks:
        audited = _audit_of(m, check["judge"])
        if check.get("valid") and audited is None:
            continue
        yield _larger_check(m, check, audited) or _labels(m, check, audited)


def _audit_of(m: Measured, judge: str) -> pd.Series | None:
    """The row of a judge's audit that keeps it from a verdict; None where none does."""
    table = m.results.audit
    if table.empty:
        return None
    rows = table[(table["source"] == TOGETHER) & (table["judge"] == judge)]
    rows = rows[rows["context"].isin(m.study.primary.contexts) & (rows["status"] != PASSES)]
    rows = rows[rows["metric"].isin(m.study.primary.metrics) & rows["bias"].notna()]
    return None if rows.empty else rows.loc[rows["bias"].abs().idxmax()]


def _larger_check(m: Measured, check: dict, audited: pd.Series | None) -> Step | None:
    """A larger `ladder_size`, where that may show the judge to be valid and the data has it."""
    known = next((j for j in m.study.judges if j.display_name == check["judge"]), None)
    every = sum(map(len, m.pools.get(check.get("dataset"), {}).values()))
    if known is None or not every:
        return None
    if not check.get("valid"):
        found = re.match(r"(\d+) questions?, ([\d,]+) are needed", str(check.get("shortage") or ""))
        if check.get("status") != NOT_SHOWN_VALID or not found:
            return None
        n, needed = int(found[1]), int(found[2].replace(",", ""))
        size = math.ceil(known.ladder_size * needed / max(n, 1))
        why = f"was not shown to be valid: its check has {check['shortage']}"
        numbers = {"n": n, "needed": needed}
    elif audited["status"] == NOT_KNOWN and is_number(audited["n_needed"]):
        size = n_needed = int(audited["n_needed"])
        why = (
            f"was not shown to be fair to both kinds of answers: style alone may make "
            f"{signed(audited['low'])} to {signed(audited['high'])} of a difference, "
            f"{audited['limit']:g} is allowed; about {n_needed} questions would show it"
        )
        numbers = {"low": audited["low"], "high": audited["high"], "needed": n_needed}
    else:
        return None
    size = int(rounded_up(1.1 * size).replace(",", ""))
    if not known.ladder_size < size <= every:
        return None
    return Step(
        "larger check of the judge",
        f"The judge {check['judge']} {why}. First check it on {size} questions.",
        {**numbers, "ladder_size": size},
        m.file.with_judge(check["judge"], ladder_size=size),
    )


def _labels(m: Measured, check: dict, audited: pd.Series | None) -> Step:
    """Labels by people, as many as carry a verdict."""
    name, numbers = check["judge"], {}
    if not check.get("valid"):
        auc = auc_words(check)
        why = "did not pass its check"
        if auc:
            why += f" (a right answer above a wrong one, AUC {auc}; 0.50 is guessing)"
            numbers["auc"] = check["auc"]
    else:
        why = (
            f"does not score both kinds of answers alike: style alone makes "
            f"{signed(audited['bias'])} of a difference ({signed(audited['low'])} to "
            f"{signed(audited['high'])}), {audited['limit']:g} is allowed"
        )
        numbers |= {"bias": audited["bias"], "limit": audited["limit"]}
    rows = m.results.comparisons
    rows = rows[rows["context"].isin(m.study.primary.contexts) & (rows["train_size"] > 0)]
    rows = rows[rows["metric"].isin(m.study.primary.metrics) & (rows["judge"] == name)]
    questions, seen = _LABELS, ""
    if len(rows):
        row = rows.loc[rows["se"].idxmax()]
        each = row["n_questions"] / row["n_effective"]  # questions to a group, as they are worth
        questions = min(max(_LABELS, math.ceil(MIN_CLUSTERS * each)), int(row["n_questions"]))
        worth = questions / each
        least = detectable(row["se"] * math.sqrt(row["n_effective"] / worth), max(worth - 1, 1.0))
        if is_number(least):
            seen = (
                f"; if people's grades spread as the judge's do, differences from {number(least)} "
                "on are found in four such samples of five"
            )
            numbers["detectable"] = float(least)
    context = m.study.primary.contexts[0]
    results = m.results.results
    states = results[(results["context"] == context) & (results["judge"] == name)]
    answers = questions * len(states[RUN_COLUMNS].drop_duplicates()) if len(states) else questions
    return Step(
        "labels",
        f"The judge {name} {why}. Before anything else, have people grade the answers to "
        f"{counted(questions, 'question')} ({counted(answers, 'answer')}){seen}.",
        {**numbers, "questions": questions, "answers": answers},
        command=f"label {{file}} --questions {questions}",
    )


def more_labels(m: Measured) -> Iterator[Step]:
    """What more labels would bring, for each difference that people estimated."""
    estimates = m.results.people.get("human_estimates")
    if estimates is None or estimates.empty:
        return
    rows = estimates[(estimates["quantity"] == "difference") & estimates["se"].notna()]
    rows = rows.sort_values("n_labelled", ascending=False, kind="stable")
    for row in rows.drop_duplicates([*RUN_COLUMNS, "context", "criterion"]).to_dict("records"):
        said = label_plan(row)
        if said:
            done = int(row["n_labelled"])
            yield Step(
                "more labels",
                f"{state_label(row)}, {row['criterion']}: people have graded "
                f"{counted(done, 'question')}; {said}.",
                {"labelled": done, "se": row["se"]},
            )


# --- Questions and seeds --------------------------------------------------------------------------


def too_few_groups(m: Measured) -> Iterator[Step]:
    """No verdict for want of independent groups: the number of questions that has them."""
    rows = m.primary[m.primary["verdict"] == "no verdict"] if len(m.primary) else m.primary
    for label, part in rows.groupby("dataset", sort=False):
        row = part.iloc[0]
        pool = m.pools.get(label)
        short = shortage(int(row["n_clusters"]), row["n_effective"])
        if not short or not pool:
            continue
        size = nearest_size(pool["test"], m.asked(label))
        numbers = {"n_clusters": int(row["n_clusters"]), "needed": MIN_CLUSTERS}
        sentence = f"{label}: {short}."
        if size is None:
            sentence += (
                f" Its test pool of {counted(len(pool['test']), 'question')} has not so many: a "
                "larger `test_share`, or questions about more documents, would."
            )
            yield Step("more groups", sentence, numbers, command="check {file}")
            continue
        sentence += f" {size} test questions have them."
        change = m.file.with_dataset(label, test_size=size)
        yield Step("more groups", sentence, {**numbers, "test_size": size}, change)


def cannot_tell(m: Measured) -> Iterator[Step]:
    """An open verdict: how many questions or seeds would settle it, as far as the pool goes."""
    rows = m.primary[(m.primary["verdict"] == "cannot tell")] if len(m.primary) else m.primary
    rows = rows[(rows["judge"] != PEOPLE) & rows["margin"].notna()]
    if rows.empty:
        return
    size = (rows["difference"] / rows["margin"]).abs()
    row = rows.loc[size.idxmax()].to_dict()
    found = f"{state_label(row)} on {row['dataset']}: " if len(rows) > 1 else ""
    name = m.metrics.in_text(row["metric"])
    found += (
        f"{counted(int(row['n_questions']), 'question')} cannot tell whether {name} changed "
        f"({signed(row['difference'], row['metric'])}, 95 % {signed(row['ci_low'], row['metric'])} "
        f"to {signed(row['ci_high'], row['metric'])}; {row['margin']:g} matters)."
    )
    if len(rows) > 1:
        found += f" It is the largest of {len(rows)} such comparisons."
    numbers = {name: float(row[name]) for name in ("difference", "ci_low", "ci_high", "margin")}
    numbers["n_questions"] = int(row["n_questions"])
    yield _more_seeds(m, row, found, numbers) or _more_questions(m, row, found, numbers)


def _precision(m: Measured, row: dict) -> float:
    """Margins over standard errors with which a true zero is shown to be none that matters, as in
    `planning.questions_for_no_difference`."""
    df = row["df"] if row["n_seeds"] > 1 else MANY
    return float(stdtrit(df, 1 - ALPHA / len(m.primary)) + stdtrit(df, (1 + POWER) / 2))


def _more_seeds(m: Measured, row: dict, found: str, numbers: dict) -> Step | None:
    """Where the seeds' spread is most of what is not known."""
    if row["n_seeds"] < 2 or not row["se"] > 0:
        return None
    of_seeds = min(row["seed_sd"] ** 2 / row["n_seeds"], row["se"] ** 2)
    share = of_seeds / row["se"] ** 2
    if share < _SEEDS_MATTER:
        return None
    left = (row["margin"] / _precision(m, row)) ** 2 - (row["se"] ** 2 - of_seeds)
    wanted = math.ceil(row["n_seeds"] * of_seeds / left) if left > 0 else _MOST_SEEDS
    wanted = int(min(max(wanted, row["n_seeds"] + 1), _MOST_SEEDS))
    now = [*m.study.seeds]
    seeds = [*now, *(n for n in range(wanted + len(now)) if n not in now)][:wanted]
    return Step(
        "more seeds",
        f"{found} {100 * share:.0f} % of its uncertainty is the spread between the "
        f"{row['n_seeds']} seeds ({number(row['seed_sd'])}), so more questions bring little: train "
        f"{wanted} seeds.",
        {**numbers, "share": share, "seed_sd": row["seed_sd"], "seeds": wanted},
        {"seeds": seeds},
    )


def _more_questions(m: Measured, row: dict, found: str, numbers: dict) -> Step:
    now, pool = int(row["n_questions"]), m.pool(row["dataset"], "test")
    plans = {"n_no_difference": row["n_no_difference"], "n_twice_margin": row["n_twice_margin"]}
    plans = {name: float(n) for name, n in plans.items() if is_number(n)}
    words = {
        "n_no_difference": "would show that nothing which matters changed",
        "n_twice_margin": "would find a true difference of twice the margin",
    }
    said = ", and ".join(f"about {rounded_up(n)} {words[name]}" for name, n in plans.items())
    said = f" {said[0].upper()}{said[1:]}." if said else " No number of questions settles it."
    numbers = numbers | plans
    most = max(now, m.asked(row["dataset"]))
    usable = [n for n in plans.values() if n > most and (pool is None or n <= pool)]
    if usable:
        size = int(rounded_up(max(usable)).replace(",", ""))
        size = size if pool is None else min(size, pool)
        said += f" Take {size} ({LOOKING_AGAIN})."
        change = m.file.with_dataset(row["dataset"], test_size=size)
        return Step("more questions", f"{found}{said}", numbers | {"test_size": size}, change)
    if plans and max(plans.values()) <= most:
        said += " So many were asked: the true difference lies near the margin."
    if pool is None:
        return Step("more questions", f"{found}{said}", numbers)
    # What the whole pool could show: its standard error, in margins.
    size = max(pool, now)
    least = row["se"] * math.sqrt(now / max(size, now)) * _precision(m, row)
    numbers |= {"pool": size, "margin_of_pool": least}
    said += (
        f" The test pool has {size}; with all of them a margin of {number(least)} could be shown "
        "to be kept. For less it takes more data."
    )
    change = m.file.with_dataset(row["dataset"], test_size=size) if size > most else {}
    return Step("more questions", f"{found}{said}", numbers, change)
