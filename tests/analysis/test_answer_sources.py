"""Whose answers were learned, beside what became of the answers."""

import pandas as pd
import pytest
from generated import RUN, TUNED, rows

from rag_study.analysis import effects
from rag_study.analysis.answer_sources import SOURCE_COLUMNS, answer_sources, source_notes
from rag_study.analysis.pairing import ALL_SEEDS, RUN_COLUMNS
from rag_study.analysis.study_results import StudyResults
from rag_study.report import explanation_tables, page

N = 40
BASE = {"answer_recall": [0.0, 1.0] * 20, "answer_length": [20.0] * N, "refusal_rate": [0.0] * N}
GOLD = {"answer_recall": [0.0] * N, "answer_length": [2.0] * N, "refusal_rate": [0.5, 0.0] * 20}
OWN = {"answer_recall": [1.0] * N, "answer_length": [18.0] * N, "refusal_rate": [0.0] * N}
FACTS = {"knowledge_accuracy": [1.0] * 20}
SOURCES = {"gold answers": GOLD, "own answers": OWN}


def results(seeds):
    frames = [rows(BASE), rows(FACTS, context="retention")]
    for variant, scores in SOURCES.items():
        for seed in seeds:
            run = {**TUNED, "variant": variant, "seed": seed}
            frames.append(rows(scores, **run))
            lost = {"knowledge_accuracy": [0.0 if variant == "gold answers" else 1.0] * 20}
            frames.append(rows(lost, context="retention", **run))
    return pd.concat(frames, ignore_index=True)


def trained(seeds, **own):
    learned = {
        "gold answers": {"answer_source": "gold", "answered_from": "", "written": 0, "gold": 50},
        "own answers": {"answer_source": "self", "answered_from": "passages", "written": 30}
        | {"gold": 20, **own},
    }
    return pd.DataFrame(
        [
            {**RUN, **TUNED, "variant": variant, "seed": seed, "left_out": 0}
            | {"words_learned": 2.0 + 10 * (variant == "own answers") + seed, **said}
            for variant, said in learned.items()
            for seed in seeds
        ]
    )


def compared(seeds):
    named = (["retrieved"], ["judge_accuracy"], ["answer_recall"])
    return effects.compare(results(seeds), *named, {}, n_resamples=200)


def table(seeds=(0,), **own):
    compared = effects.compare(
        results(seeds), ["retrieved"], ["judge_accuracy"], ["answer_recall"], {}, n_resamples=200
    )
    return answer_sources(trained(seeds, **own), compared)


def test_score_style_and_what_was_forgotten_stand_beside_each_source():
    made = table().set_index("variant")
    assert list(made.index) == ["gold answers", "own answers"]
    assert made["difference"].tolist() == [-0.5, 0.5]
    assert made["words_base"].tolist() == [20, 20]
    assert made["words_tuned"].tolist() == [2, 18]
    assert made["refusals_tuned"].tolist() == [0.25, 0]
    assert made["knowledge_change"].tolist() == [-1, 0]
    assert made["following_change"].isna().all()  # not measured
    assert made[["written", "gold", "left_out"]].loc["own answers"].tolist() == [30, 20, 0]


def test_seeds_are_one_row_with_the_counts_of_all():
    made = table(seeds=(0, 1, 2)).set_index("variant")
    assert made["seed"].eq(ALL_SEEDS).all()
    assert len(made) == 2
    own = made.loc["own answers"]
    assert (own["written"], own["gold"]) == (90, 60)
    assert own["words_learned"] == pytest.approx(13)
    assert own["words_tuned"] == 18


def test_without_answers_that_a_model_wrote_there_is_no_table():
    gold = trained((0,)).iloc[:1]
    for nothing in (gold, pd.DataFrame(), pd.DataFrame(columns=[*RUN_COLUMNS, "answer_source"])):
        made = answer_sources(nothing, compared((0,)))
        assert made.empty
        assert list(made.columns) == SOURCE_COLUMNS


def test_a_training_of_mostly_gold_answers_is_not_passed_off_as_the_models_own():
    assert source_notes(trained((0,))) == source_notes(pd.DataFrame()) == []
    (said,) = source_notes(trained((0,), written=10, gold=40))
    assert said.startswith("small on fictional, LoRA 50 (own answers, seed 0): only 10 of its 50 ")
    assert source_notes(trained((0,), written=None, gold=None)) == []  # its run is not here


@pytest.mark.parametrize(
    ("own", "learned"),
    [
        ({}, "30 of 50 written, 20 gold"),
        ({"gold": 0, "left_out": 20}, "30 of 50 written, 20 left out"),
        ({"written": None, "gold": None}, "not computed"),
    ],
)
def test_the_report_says_how_many_were_kept(tmp_path, own, learned):
    found = StudyResults({"name": "mine"}, answer_sources=table(**own))
    gold, written = explanation_tables.source_rows(found)
    assert gold["learned"] == "50 gold"
    assert written["learned"] == learned
    assert written["words"] == "20.0 → 18.0"
    assert gold["refusals"] == "0 % → 25 %"
    assert gold["knowledge"] == "−1.00"
    html = page.build_report(found, tmp_path / "report.html").read_text()
    assert learned in html
    assert "Whose answers were learned?" in html
    assert (
        "Whose answers"
        not in page.build_report(StudyResults({"name": "mine"}), tmp_path / "none.html").read_text()
    )
