"""All answers of a study as the page's data, and what a browser makes of them."""

import json
import math
import re
from urllib.parse import unquote

import pandas as pd
import pytest
from study_tables import STRONG, answers, full_study
from test_page_in_browser import BROWSER, opened

from rag_study.analysis.pairing import RUN_COLUMNS
from rag_study.analysis.study_results import StudyResults
from rag_study.report import page
from rag_study.report.all_answers import all_answers, as_script

USE = """<script>
var part = document.getElementById("answers").closest("details"), before = part.querySelector("td");
part.open = true;
part.dispatchEvent(new Event("toggle"));
(function () {
  var rows = function () { return part.querySelectorAll("tbody tr").length; };
  var choose = function (name, value) {
    var field = document.getElementById("answers-" + name);
    field.value = value; field.dispatchEvent(new Event("change"));
    return part.querySelector("output").textContent;
  };
  var said = [before === null, rows(), part.querySelector("output").textContent];
  said.push(choose("kind", "got worse"), choose("state", "1"), choose("kind", "refused"));
  said.push(choose("kind", "judge and string disagree"));
  choose("kind", ""); choose("state", "");
  var sorted = function (place) {
    var button = part.querySelectorAll("thead button")[place];
    button.click();
    var first = part.querySelector("tbody a").textContent;
    var head = part.querySelectorAll("thead th")[place];
    var focus = document.activeElement === head.firstChild;
    return first + " " + head.getAttribute("aria-sort") + " " + focus;
  };
  said.push(sorted(0), sorted(0), sorted(2), sorted(2));
  said.push(part.querySelectorAll("mark").length > 0, part.querySelectorAll("td script").length);
  location.hash = "#question-q007";
  window.dispatchEvent(new Event("hashchange"));
  said.push(rows(), part.querySelector("tbody a").textContent);
  var marks = Array.from(part.querySelectorAll(".passage mark"));
  marks = marks.map(function (m) { return m.textContent; });
  said.push(part.querySelectorAll(".passage").length, marks.join(","));
  location.hash = "#answers";
  window.dispatchEvent(new Event("hashchange"));
  said.push(rows());
  document.title = said.join(" | ");
})();
</script>"""


def shown_to(frame):
    """Evidence and passages: two for each question where passages are shown, the same for all."""
    keys = [*RUN_COLUMNS, "context", "question_id", "judge"]
    seen = frame[keys].assign(search="index")
    seen["passages"] = [
        [f"{row.question_id} a", f"{row.question_id} b"] if row.context == "retrieved" else []
        for row in seen.itertuples()
    ]
    ids = [f"{name} {part}" for name in frame["question_id"].unique() for part in "ab"]
    passages = pd.DataFrame({"search": "index", "passage": ids, "title": "The mill"})
    return seen, passages.assign(text="It was built in 1847, not in 18470 <script>x</script>.")


def test_passages_stand_once_and_each_answer_names_its_own():
    frame = answers(judges=("strong",))
    seen, passages = shown_to(frame)
    found = all_answers(full_study(frame, checks=[STRONG], evidence=seen, passages=passages))
    assert len(found["passages"]) == len(passages)
    assert len(found["prompts"]) == 30 + 1  # one for each question, and none
    for (question, context, _), answer in by_place(found).items():
        shown = [found["passages"][place] for place in found["prompts"][answer[-1]]]
        wanted = passages["passage"].str.startswith(found["questions"][question][0])
        assert shown == (passages[wanted][["title", "text"]].to_numpy().tolist() if context else [])


def test_passages_that_are_too_many_are_left_out_and_the_page_says_so(tmp_path, monkeypatch):
    frame = answers(judges=("strong",))
    seen, passages = shown_to(frame)
    results = full_study(frame, checks=[STRONG], evidence=seen, passages=passages)
    monkeypatch.setattr("rag_study.report.all_answers.PASSAGE_CHARACTERS", 100)
    html = page.build_report(results, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "The passages are left out" in html
    assert all_answers(results)["prompts"] == []


def test_every_question_of_the_page_is_a_link(tmp_path):
    frame = answers(judges=("strong",))
    frame["question_id"] = frame["question_id"].replace("q004", 'q "4"&#\u202e/x')
    html = page.build_report(full_study(frame, checks=[STRONG]), tmp_path / "r.html").read_text()
    links = set(re.findall(r'href="#question-([^"]*)"', html))
    asked = {question[0] for question in all_answers(full_study(frame))["questions"]}
    assert links
    assert {unquote(link) for link in links} <= asked


def by_place(found):
    return {tuple(row[:3]): row[3:] for row in found["answers"]}


def test_each_answer_stands_under_its_question_context_and_state():
    frame = answers(judges=("strong", "second"))
    frame.loc[frame["judge"] == "second", "judge_accuracy"] = 3.0
    frame = pd.concat([frame[frame["method"] != "none"], frame[frame["method"] == "none"]])
    found = all_answers(full_study(frame, checks=[STRONG]))
    assert found["judge"] == "strong"
    assert found["contexts"] == ["without passages", "with retrieved passages"]
    assert found["states"] == [["base", None], ["LoRA 50", 0], ["LoRA 200", 0]]
    assert found["questions"][4] == ["q004", "fictional", "Question 4?", "1847",
                                     {"answer type": "factoid"}]  # fmt: skip
    rows = by_place(found)
    assert len(rows) == len(found["answers"]) == 30 * 2 * 3
    assert rows[5, 1, 0] == ["answer 5 of 0", 1, 5.0, 0, None, None]
    assert rows[5, 1, 2] == ["answer 5 of 200", 0, 1.0, 0, None, None]
    assert rows[0, 0, 2] == ["answer 0 of 200", 0, 1.0, 1, None, None]
    assert (found["first"], found["passages"], found["prompts"]) == (1, [], [])


def test_studies_without_judge_answers_or_seeds_alike():
    assert all_answers(StudyResults({"name": "x"})) == {}
    frame = answers().assign(judge="").drop(columns=["judge_accuracy", "judge_completeness"])
    found = all_answers(StudyResults({"name": "x"}, results=frame))
    assert found["judge"] == ""
    assert {row[5] for row in found["answers"]} == {None}
    seeds = pd.concat([frame, frame[frame["method"] != "none"].assign(seed=1)])
    found = all_answers(StudyResults({"name": "x"}, results=seeds))
    assert [name for name, _ in found["states"]] == [
        "base", "LoRA 50, seed 0", "LoRA 50, seed 1", "LoRA 200, seed 0", "LoRA 200, seed 1"
    ]  # fmt: skip
    lost = frame.assign(answer=None, answer_recall=math.nan)
    found = all_answers(StudyResults({"name": "x"}, results=lost))
    assert {tuple(row[3:6]) for row in found["answers"]} == {("", None, None)}


def test_no_text_ends_the_script():
    text = "</script><script>alert(1)</script> & <!--"
    told = as_script({"a": text})
    assert not re.search("[<>&]", told)
    assert json.loads(told) == {"a": text}


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_a_reader_filters_and_links(tmp_path):
    frame = answers(n=70, judges=("strong",))
    frame["answer"] += [" in 1847 <script>document.title = 1</script>"] * len(frame)
    frame["refusal_rate"] = (frame["question_id"] == "q003") * 1.0
    frame.loc[frame["question_id"] == "q004", "judge_accuracy"] = 1.0
    seen, passages = shown_to(frame)
    results = full_study(frame, checks=[STRONG], evidence=seen, passages=passages)
    html = page.build_report(results, tmp_path / "report.html").read_text(encoding="utf-8")
    assert html.count("answer 5 of 200") <= 3  # as data, and maybe in the examples
    title, said = opened(html.replace("</body>", f"{USE}</body>"), tmp_path)
    assert said == []
    worse = sum(i % 3 > 0 and i % 5 == 0 for i in range(70))
    assert title.split(" | ") == [
        *("true", "50", "70 of 70 questions", f"{worse} of 70 questions"),
        *(f"{worse} of 70 questions", "1 of 70 questions", "1 of 70 questions"),
        *("q000 ascending true", "q069 descending true"),
        *("q000 ascending true", "q001 descending true"),
        *("true", "0", "1", "q007", "2", "1847,1847", "50"),
    ]
