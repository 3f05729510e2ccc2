"""What a study's verdict rests on, and why on that, in one sentence.

`analysis.carriers` has decided it; here it is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from rag_study.analysis.carriers import AUDIT_FAILED, AUDIT_UNKNOWN
from rag_study.analysis.pairing import PEOPLE
from rag_study.analysis.study_results import StudyResults
from rag_study.common.wording import is_number, listed
from rag_study.evaluation.judging.requirements import NOT_SHOWN_VALID, status_words


def basis(results: StudyResults) -> str:
    """What the primary comparisons rest on."""
    primary = results.comparisons[results.comparisons["primary"]]
    if primary.empty:
        return _why_none(results)
    judge = primary["judge"]
    parts = [
        _on_people(results, primary[judge == PEOPLE]),
        _on_judges(results, primary[(judge != PEOPLE) & (judge != "")]),
        _on_metrics(results, primary[judge == ""]),
    ]
    return f"The verdict rests on {', and on '.join(filter(None, parts))}."


def refused(results: StudyResults) -> tuple[str, str]:
    """(judge, reason) of a judged comparison that its check allows and the audit does not, the
    failing ones first; ('', '') where there is none."""
    if "reason" not in results.comparisons:
        return "", ""
    rows = results.comparisons[results.comparisons["judge"] != ""]
    for prefix in (AUDIT_FAILED, AUDIT_UNKNOWN):
        found = rows[rows["reason"].astype(str).str.startswith(prefix)]
        contexts = results.study.get("primary", {}).get("contexts", [])
        primary = found[found["context"].isin(contexts)]
        if len(found):
            row = (primary if len(primary) else found).iloc[0]
            return str(row["judge"]), str(row["reason"])
    return "", ""


def audit_words(judge: str, reason: str) -> str:
    """Why the audit keeps a judge from carrying a verdict, as a clause."""
    why = reason.removeprefix(AUDIT_FAILED).removeprefix(AUDIT_UNKNOWN)
    if reason.startswith(AUDIT_FAILED):
        return f"the judge {judge} does not treat answers of base and trained model alike: {why}"
    return (
        f"the judge {judge} was not shown to treat answers of base and trained model alike: {why}"
    )


def _on_people(results: StudyResults, rows: pd.DataFrame) -> str:
    if rows.empty:
        return ""
    least, most = int(rows["n_questions"].min()), int(rows["n_questions"].max())
    questions = f"{least}" if least == most else f"{least} to {most}"
    judge, reason = refused(results)
    why = audit_words(judge, reason) if judge else _invalid(results) or "they contradict the judge"
    metrics = _metrics(results, rows).replace(" (judge)", "")
    return (
        f"what people would say of {metrics}, from their labels of {questions} questions, "
        f"because {why}"
    )


def _on_judges(results: StudyResults, rows: pd.DataFrame) -> str:
    if rows.empty:
        return ""
    checks = {check["judge"]: check for check in results.judge_checks}
    judges = sorted(set(rows["judge"]))
    named = listed([f"{judge}{ranking_words(checks.get(judge))}" for judge in judges])
    passed = "which passed its check" if len(judges) == 1 else "which passed their checks"
    if "audit" in rows and (rows["audit"] == "passes").all():
        passed += " and scored both kinds of answers alike"
    return f"{_metrics(results, rows)} as scored by {named}, {passed}"


def _on_metrics(results: StudyResults, rows: pd.DataFrame) -> str:
    if rows.empty:
        return ""
    judge, reason = refused(results)
    why = _invalid(results) or (audit_words(judge, reason) if judge else "the study has no judge")
    return f"{_metrics(results, rows)}, measured against the reference answers, because {why}"


def _metrics(results: StudyResults, rows: pd.DataFrame) -> str:
    carrying = set(rows["metric"])
    return listed([results.metrics.in_text(m) for m in results.metrics if m in carrying])


def _invalid(results: StudyResults) -> str:
    """Which judges did not pass their check, as a clause; '' where all did."""
    invalid = sorted(results.invalid_judges)
    checks = {check["judge"]: check for check in results.judge_checks}
    named = listed([f"{judge}{ranking_words(checks.get(judge))}" for judge in invalid] or [""])
    if not invalid:
        return ""
    if len(invalid) > 1:
        return f"no judge passed: {named}"
    words = status_words(checks.get(invalid[0], {}))
    if words.startswith(NOT_SHOWN_VALID):
        return f"the judge {invalid[0]} was {words}"
    return f"the judge {named} did not pass its check"


def _why_none(results: StudyResults) -> str:
    invalid = sorted(results.invalid_judges)
    judge, reason = refused(results)
    if judge:
        words = audit_words(judge, reason)
        return f"{words[0].upper()}{words[1:]}, and there is no other score to rest on."
    if invalid:
        return (
            f"The scores of {listed(invalid)} carry no verdict: the judge's check was not passed."
        )
    return "The study's primary contexts and metrics are not among the results."


def ranking_words(check: Mapping[str, Any] | None) -> str:
    """The judge's AUC without the term, or what it fails on, for a reader who opens the report
    cold."""
    if check and not check.get("valid") and check.get("fails"):
        return f" (it fails on {check['fails']})"
    if not check or not is_number(check.get("auc")):
        return ""
    share = f"{check['auc']:.0%}".replace("%", " %")
    return f" (it ranks a right above a wrong answer in {share} of pairs; 50 % is guessing)"
