"""The whole analysis of a study with looks: judges and audit count at every look as they do at all
questions, and the page says what was seen."""

import pandas as pd
import pytest
import styled_study as towns

from rag_study.analysis import analyse
from rag_study.analysis.looks import LOOK_COLUMNS
from rag_study.analysis.pairing import RUN_COLUMNS
from rag_study.analysis.study_results import StudyResults
from rag_study.report import page
from rag_study.report.headline import headline
from rag_study.study.config import load_study

LOOKS = [60, 120, 180]


@pytest.fixture(scope="module")
def asked():
    return towns.questions(LOOKS[-1])


def shown(results):
    """What stood in the prompts, as `collect` has it: with the index of the results."""
    evidence = results[[*RUN_COLUMNS, "context", "question_id", "judge"]].assign(
        search="index/one", passages=[["d1#0"]] * len(results)
    )
    text = {"search": "index/one", "passage": "d1#0", "title": "", "text": "It opened in 1847."}
    return {"evidence": evidence, "passages": pd.DataFrame([text])}


def analysed(asked, valid=True, looks=LOOKS, passages=False):
    judge = towns.Opinion(towns.fair)
    results = towns.answers(asked, judge, right_base=0.8, right_tuned=0.35)
    study = load_study("params/demo.yaml").model_copy(update={"looks": looks})
    order = pd.DataFrame(
        [("towns", q.id, q.group, i) for i, q in enumerate(asked)],
        columns=["dataset", "question_id", "group", "position"],
    )
    collected = StudyResults(
        study=study.model_dump(mode="json"),
        metrics=study.metrics,
        results=results,
        judge_checks=[towns.CHECK | {"valid": valid, "status": "valid" if valid else "not valid"}],
        styles=towns.rungs(asked[:50], judge),
        asked=order,
        **(shown(results) if passages else {}),
    )
    return analyse.analyse(collected, study, 200)


def test_a_clear_loss_is_settled_early_and_the_page_says_so(asked, tmp_path):
    found = analysed(asked)
    primary = found.comparisons[found.comparisons["primary"]]
    assert set(primary["judge"]) == {"strong"}
    assert set(primary["verdict"]) == {"hurts"}
    assert set(primary["n_questions"]) == {60}
    others = found.comparisons[~found.comparisons["primary"]]
    assert others["n_questions"].max() == LOOKS[-1]
    assert set(found.looks["n_asked"]) == {60}
    words = headline(found)
    assert "settled: 2 at 60" in words
    analyse.publish(tmp_path, found)
    assert list(pd.read_parquet(tmp_path / "looks.parquet").columns) == LOOK_COLUMNS
    html = page.build_report(found, tmp_path / "report.html").read_text()
    assert "What was seen at each look" in html
    assert "settled at the look at 60 of at most 180 questions" in html


def test_a_judge_that_is_not_valid_settles_nothing_at_any_look(asked):
    found = analysed(asked, valid=False)
    assert "strong" not in set(found.looks["judge"])
    primary = found.comparisons[found.comparisons["primary"]]
    assert "strong" not in set(primary["judge"])


def test_without_looks_nothing_is_said_of_them(asked, tmp_path):
    found = analysed(asked, looks=[])
    assert found.looks.empty
    assert found.looking == ""
    assert "at each look" not in page.build_report(found, tmp_path / "r.html").read_text()


def test_passages_in_the_prompts_change_nothing_of_what_is_seen(asked):
    with_passages = analysed(asked, passages=True).looks
    pd.testing.assert_frame_equal(with_passages, analysed(asked).looks)
