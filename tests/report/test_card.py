"""The decision card in words: every kind of decision, on the page, a terminal and in a ticket."""

import json
import math
import re
from dataclasses import replace

import pandas as pd
import pytest
from study_tables import STRONG, WEAK, answers, comparison, decided, full_study, study

from rag_study.analysis.carriers import AUDIT_FAILED
from rag_study.analysis.pairing import ALL_SEEDS, PEOPLE
from rag_study.report import page
from rag_study.report.card import Card, card_markdown, card_of, card_text

pytestmark = pytest.mark.filterwarnings("error")


def judged(verdict, difference=0.4, **changes):
    row = {"metric": "judge_accuracy", "judge": "strong", "margin": 0.25}
    return comparison(verdict, difference, **row | changes)


def outside(difference=-0.2, **changes):
    row = {"context": "retention", "metric": "knowledge_accuracy", "primary": False}
    return comparison("", difference, **row | {"p_value": 0.0001} | changes)


REFUSED = judged("", 0.4, primary=False, reason=f"{AUDIT_FAILED}style makes +0.3 of it")
PEOPLE_S = judged("", -0.3, judge=PEOPLE, primary=False, ci_low=-0.5, ci_high=-0.1)
CASES = {
    "deploy": ([judged("helps")], "Deploy LoRA on 200", "got better by 0.40", "not measured"),
    "worse": ([judged("hurts", -0.4)], "not worth deploying",
              "got worse by 0.40 (95 % interval 0.30", "Another way of training"),
    "same": ([judged("no difference that matters", 0.0)], "not worth deploying",
             "Nothing that matters changed", "costs a training and brings nothing"),
    "open": ([judged("cannot tell", 0.1)], "not proven that the training helps",
             "anything from +0.00 to +0.20", "about 590 would show that nothing"),
    "no verdict": ([judged("no verdict")], "not proven", "There is no verdict: the reason", ""),
    "forgets": ([judged("helps"), outside()], "not worth deploying",
                "forgets what lies outside the task: knowledge accuracy went from 0.40 to 0.20",
                "On the task itself: helps"),
    "unfair": ([REFUSED], "not proven", "do not treat the answers of base and trained model alike "
               "(strong: style makes +0.3 of it)", "rag-study label"),
    "people": ([judged("helps"), PEOPLE_S], "not proven", "People's labels contradict the judge",
               "More labels"),
}  # fmt: skip


def squeezed(text):
    return " ".join(text.split())


@pytest.mark.parametrize("case", CASES)
def test_every_decision_is_said_alike_on_a_terminal_and_in_a_ticket(case):
    rows, *phrases = CASES[case]
    declared = {"primary": {"contexts": ["retrieved"], "metrics": ["judge_accuracy"]}}
    results = replace(study(*rows, judge_checks=[STRONG]), study=declared)
    card = card_of(decided(results))
    text = card_text(card, 80)
    assert max(map(len, text.splitlines())) <= 80
    ticket = card_markdown(card, "demo").replace("\\", "")
    for phrase in phrases:
        assert phrase in squeezed(text)
    assert phrases[1] in ticket
    assert card.answer in ticket
    assert not re.search(r"\b(nan|None|inf|Holm|p value)\b", text)
    assert Card.from_dict(json.loads(json.dumps(card.to_dict(), allow_nan=False))) == card


def test_several_trainings_are_counted_in_the_answer():
    opened = [judged("cannot tell", 0.1, size=n) for n in (1, 2)]
    kept = [judged("hurts", -0.4, size=n) for n in (3, 4)]
    helps = judged("helps", size=9)
    for rows, expected in (
        (opened, "not proven that any of 2 trainings helps"),
        (kept, "none of 2 trainings is worth deploying"),
        ([*opened, *kept], "nothing is proven about 2 of 4 trainings, and nothing speaks for"),
        ([*opened, *kept, helps], "Deploy LoRA on 9 examples, trained without passages (1 of 5"),
    ):
        assert expected in card_of(study(*rows)).answer
    text = card_text(card_of(study(*opened, *kept, helps)))
    assert "1 further training: see the report." in text
    assert "No answer yet" in card_of(study()).answer


def test_numbers_of_right_answers_cost_and_cut_answers_stand_beside():
    results = study(judged("helps"))
    beside = {"right_base": 0.5, "right_tuned": 0.75, "right_questions": 40, "right_means": "a 4"}
    beside |= {"training_minutes": 7.0, "seconds_base": 1.2, "seconds_tuned": 1.4}
    beside |= {"cut_base": 0.41, "cut_tuned": 0.02}
    (row,) = card_of(replace(results, decisions=results.decisions.assign(**beside))).rows
    assert row.right == "50 % → 75 % (20 → 30 of 40)"
    assert row.cost == "training 7\u00a0min; one answer 1.20 → 1.40\u00a0s"
    assert row.beside.startswith("Cut at the length limit: 41 % of the base's answers, 2 %")
    near = results.decisions.assign(cut_base=0.21, cut_tuned=0.02)
    assert card_of(replace(results, decisions=near)).rows[0].beside == ""
    seeds = results.decisions.assign(right_base=0.5, right_tuned=0.51, right_questions=40)
    assert card_of(replace(results, decisions=seeds)).rows[0].right == "50 % → 51 % of 40 questions"


def test_where_seeds_differ_too_much_the_card_asks_for_seeds():
    unsettled = {"n_no_difference": math.nan, "n_twice_margin": math.nan}
    several = judged("cannot tell", 0.1, seed=ALL_SEEDS, n_seeds=3, **unsettled)
    assert "More seeds" in squeezed(card_text(card_of(study(several))))
    assert "Hardly more questions" in squeezed(
        card_text(card_of(study(judged("cannot tell", 0.1, **unsettled))))
    )


def test_the_card_says_what_is_believed_for_each_training():
    rows = [judged("helps", size=50), comparison("cannot tell", 0.1, size=100)]
    card = card_of(study(*rows, judge_checks=[{**STRONG, "valid": True}]))
    assert len(card.believed) == 2
    weak = card_of(study(comparison("helps"), judge_checks=[WEAK]))
    assert "did not pass its check" in weak.believed[0]


def test_the_page_folds_what_is_not_on_the_first_screen(tmp_path):
    steps = pd.DataFrame(
        [{"rank": 1, "rule": "x", "sentence": "Do <this>.", "numbers": "{}", "minutes": 12.0,
          "command": "rag-study run x.yaml", "lines": "a: 1"}]
    )  # fmt: skip
    rows = [judged("hurts", -0.4, size=n) for n in range(1, 7)]
    results = full_study(answers(), next_steps=steps)
    results = replace(results, decisions=study(*rows).decisions)
    html = page.build_report(results, tmp_path / "r.html").read_text("utf-8")
    card = html[html.index('id="verdict"') : html.index('id="headline"')]
    assert card.count('<span class="verdict word same">keep the base</span>') == 6
    folded = card[card.index("<details><summary>2 more") : card.index("</details>")]
    assert folded.count("verdict word") == 2
    assert "a: 1\n\nrag-study run x.yaml</pre>" in card
    assert "Do &lt;this&gt;." in card
    assert "About 12 minutes" in card
    assert re.findall(r'<details class="section" open><summary><h2 id="(\w+)"', html) == [
        "effects",
        "limits",
    ]
    assert html.count('<details class="section"') == html.count("<h2 ")
