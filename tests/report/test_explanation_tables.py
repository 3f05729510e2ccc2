"""Tables that explain the effects, as words: what a cell says is what the table holds."""

import math

import pandas as pd
from study_tables import RUN, answers, full_study

from rag_study.analysis import decomposition
from rag_study.analysis.heterogeneity import HETEROGENEITY_COLUMNS
from rag_study.analysis.length_adjustment import STYLE_COLUMNS
from rag_study.analysis.study_results import StudyResults
from rag_study.analysis.trends import TREND_COLUMNS
from rag_study.report import explanation_tables

LORA = {**RUN, "method": "lora", "train_format": "closed_book", "train_size": 200, "seed": 0}
SCORED = {"context": "retrieved", "metric": "answer_recall", "judge": "", "n_questions": 40}


def test_a_claim_with_and_without_a_number():
    known = {"claim": "accuracy", "paper": "Base is better.", "answer": "supported", "judge": ""}
    known |= {"metric": "answer_recall", "estimate": -0.2, "ci_low": -0.3, "ci_high": -0.1}
    known |= {"n_questions": 40, "n_clusters": 40, "n_states": 2}
    known |= {"facts": '{"n_below": 2, "n_effective": 40, "spread": true, "state": "LoRA 50"}'}
    unknown = known | {"answer": "not tested", "n_questions": 0}
    unknown |= {"facts": '{"context": "retrieved", "lacking": "scores"}'}
    unknown |= dict.fromkeys(("estimate", "ci_low", "ci_high"), math.nan)
    rows = explanation_tables.claim_rows(StudyResults({}, claims=pd.DataFrame([known, unknown])))
    assert (rows[0]["estimate"], rows[0]["low"], rows[0]["n"]) == ("−0.20", "−0.30", 40)
    assert rows[0]["css"] == "hurts"
    assert rows[0]["said"] == (
        "2 of 2 states are shown to be below the base in answer recall; LoRA 50 changed by −0.20 "
        "(95 % interval −0.30 to −0.10)."
    )
    assert rows[1]["estimate"] == ""
    assert rows[1]["said"].startswith("No trained state has scores of answer recall with retrieved")
    assert explanation_tables.claim_rows(StudyResults({})) == []


def test_trends_are_of_a_recipe_and_not_of_a_size():
    row = LORA | SCORED | {"train_sizes": "50, 200", "slope": 0.05, "ci_low": 0.01, "ci_high": 0.09}
    row |= {"gain": 0.1, "gain_low": 0.02, "gain_high": 0.18, "p_value": 0.0004, "judge": "weak"}
    frame = pd.DataFrame([row], columns=TREND_COLUMNS)
    checks = [{"judge": "weak", "valid": False}]
    (found,) = explanation_tables.trend_rows(StudyResults({}, trends=frame, judge_checks=checks))
    assert found["state"] == "LoRA"
    assert (found["sizes"], found["slope"], found["gain"]) == ("50, 200", "+0.05", "+0.10")
    assert found["p"] == "< 0.001"
    assert found["invalid"]


def test_heterogeneity_names_its_data_sets():
    row = LORA | SCORED | {"datasets": "bioasq, qasper", "estimate": -0.1, "tau": 0.05, "i2": 0.4}
    row |= {"ci_low": -0.2, "ci_high": 0.0, "smallest": -0.2, "largest": 0.0, "p_value": 0.2}
    frame = pd.DataFrame([row], columns=HETEROGENEITY_COLUMNS)
    (found,) = explanation_tables.heterogeneity_rows(StudyResults({}, heterogeneity=frame))
    assert found["datasets"] == "bioasq, qasper"
    assert (found["estimate"], found["tau"], found["i2"]) == ("−0.10", "0.05", "40 %")


def test_the_share_of_length_is_only_told_of_a_change():
    row = LORA | SCORED | {"difference": 0.2, "length_difference": -14.2, "adjusted": 0.05}
    row |= {"ci_low": -0.1, "ci_high": 0.2, "share_by_length": 0.75, "extrapolated": True}
    frame = pd.DataFrame(
        [row, row | {"share_by_length": math.nan, "extrapolated": False}], columns=STYLE_COLUMNS
    )
    first, second = explanation_tables.length_rows(StudyResults({}, length_adjusted=frame))
    assert (first["length"], first["share"], first["extrapolated"]) == ("−14.2", "75 %", True)
    assert second["share"] == "no change to explain"


def test_categories_have_their_share_and_their_change_against_the_base():
    frame = answers()
    lost = decomposition.decompose(frame)
    results = full_study(
        frame,
        decomposition=decomposition.shares(lost),
        decomposition_changes=decomposition.changes(lost),
    )
    table = explanation_tables.decomposition_table(results)
    names = [column["name"] for column in table["columns"]]
    assert names == ["right, also without passages", "wrong despite a right passage"]
    assert [row["state"] for row in table["rows"]] == ["base", "LoRA 50", "LoRA 200"]
    base, tuned = table["rows"][0]["cells"], table["rows"][1]["cells"]
    # Right at first where i % 3 > 0, then wrong where i % 5 == 0 as well.
    assert [cell["share"] for cell in base] == ["67 %", "33 %"]
    assert base[0]["change"] == ""
    assert [cell["share"] for cell in tuned] == ["53 %", "47 %"]
    assert tuned[0]["change"].startswith("−13 points (")
    assert explanation_tables.decomposition_table(StudyResults({})) == {"columns": [], "rows": []}


def test_facts_of_the_judges_check_are_in_words():
    row = {"scorer": "qwen", "dataset": "nq", "criterion": "accuracy", "n": 40}
    facts = [
        row | {"fact": "monotonicity", "value": 0.914, "low": 0.88, "high": 0.95},
        row | {"fact": "repeatability", "value": 0.001, "low": math.nan, "high": math.nan},
    ]
    first, second = explanation_tables.judge_fact_rows(
        StudyResults({}, ladder_facts=pd.DataFrame(facts))
    )
    assert (first["value"], first["interval"], first["n"]) == ("91 %", "88 % to 95 %", 40)
    assert second["interval"] == "–"
    assert explanation_tables.judge_fact_rows(StudyResults({})) == []


def test_agreement_of_judges_has_its_intervals():
    row = {"criterion": "accuracy", "judge_a": "a", "judge_b": "b", "n": 80}
    for name, value in (("spearman", 0.5), ("kappa", math.nan), ("difference", -0.25)):
        row |= {name: value, f"{name}_low": value - 0.1, f"{name}_high": value + 0.1}
    (found,) = explanation_tables.agreement_rows(
        StudyResults({}, judge_agreement=pd.DataFrame([row]))
    )
    assert found["judges"] == "a and b"
    assert found["spearman"] == "0.50 (0.40 to 0.60)"
    assert found["kappa"] == "not computed"
