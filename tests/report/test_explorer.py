"""Answers to look at: what there is to choose, what is shown, and what the widgets do."""

import csv
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from urllib.parse import unquote

import pandas as pd
import pytest
from study_tables import STRONG, WEAK, answers, full_study, with_evidence

from rag_study.analysis import analyse
from rag_study.common import files, run_folder
from rag_study.common.errors import StudyError
from rag_study.evaluation import criteria
from rag_study.evaluation.metrics import METRICS
from rag_study.report.explorer import tables
from rag_study.report.explorer.tables import Score
from rag_study.report.explorer.widgets import Explorer


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """A folder with two finished studies; "two" has two models and a context more."""
    folder = tmp_path_factory.mktemp("outputs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAG_STUDY_OUTPUTS", str(folder))
        small = answers(8)
        more = answers(8, sizes=(50,)).assign(model="other")
        for name, frame in (("one", small), ("two", pd.concat([small, more], ignore_index=True))):
            found = full_study(frame, checks=[STRONG, WEAK], **with_evidence(frame))
            analyse.publish(run_folder.study_dir(name), found)
        yield folder


@pytest.fixture
def study(outputs, monkeypatch):
    monkeypatch.setenv("RAG_STUDY_OUTPUTS", str(outputs))
    return tables.load("two")


def test_all_states_beside_the_base_can_be_chosen(study):
    found = tables.selections(study)
    assert {(one.run["model"], one.label, one.context) for one in found} == {
        ("tiny", "LoRA 50", "none"),
        ("tiny", "LoRA 50", "retrieved"),
        ("tiny", "LoRA 200", "none"),
        ("tiny", "LoRA 200", "retrieved"),
        ("other", "LoRA 50", "none"),
        ("other", "LoRA 50", "retrieved"),
    }
    assert tables.preferred(found).context == "retrieved"


def test_a_judge_that_is_not_valid_is_called_that(study):
    chosen = tables.preferred(tables.selections(study))
    labels = list(tables.score_choices(study, chosen))
    assert "Accuracy (judge), weak (not trusted)" in labels
    assert "Answer recall" in labels
    assert "Key-point recall" not in labels  # nobody has one
    html = tables.side_by_side(study, chosen, "q000")
    assert html.count("judge not trusted") == 2  # one for each answer


TONE = """name: tone
label: Tone
rubric: "Is the answer friendly? Answer with one digit from 1 (rude) to 5 (very friendly)."
"""


def test_what_a_study_grades_is_known_to_a_process_that_reads_only_its_results(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("RAG_STUDY_OUTPUTS", str(tmp_path))
    (tmp_path / "tone.yaml").write_text(TONE)
    graded = criteria.find_all(["groundedness", str(tmp_path / "tone.yaml")])
    frame = answers(8).assign(judge_groundedness=2.0, judge_tone=4.0)
    metrics = METRICS.with_criteria(graded)
    found = full_study(frame, checks=[STRONG, WEAK], metrics=metrics, **with_evidence(frame))
    analyse.publish(run_folder.study_dir("graded"), found)
    (tmp_path / "tone.yaml").unlink()
    script = """
from rag_study.report.explorer import tables
study = tables.load("graded")
chosen = tables.preferred(tables.selections(study))
print(*tables.score_choices(study, chosen), sep="\\n")
print(tables.side_by_side(study, chosen, "q000"))
"""
    made = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert made.stdout.count("Groundedness (judge)") >= 2
    assert made.stdout.count("Tone (judge)") >= 2


def test_the_table_begins_with_the_largest_change_and_the_answers_are_escaped(study):
    chosen = next(one for one in tables.selections(study) if one.label == "LoRA 200")
    chosen = replace(chosen, context="retrieved")
    table = tables.changes_table(study, chosen, Score("answer_recall"))
    assert table.index[0] == "q005"
    assert table["change"].iloc[0] == -1.0
    html = tables.side_by_side(study, chosen, "q005")
    assert "answer 5 of 0" in html
    assert "answer 5 of 200" in html
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "wrong index" not in html
    assert "95 % interval" in tables.summary(study, chosen, Score("answer_recall"))


def test_widgets_narrow_the_choice_and_show_the_answers(study):
    seen = Explorer("two")
    assert seen.model.options == ("other", "tiny")
    seen.model.value = "tiny"
    seen.state.value = "LoRA 200"
    seen.context.value = "retrieved"
    seen.score.value = "Answer recall"
    assert "LoRA 200 against the base" in seen.about.value
    assert "answer 5 of 200" in seen.answers.value  # the largest change
    seen.after.click()
    assert "answer 5 of 200" not in seen.answers.value
    seen.loss.click()
    assert "answer 5 of 200" in seen.answers.value
    seen.table.selected_rows = [1]
    assert "answer 5 of 200" not in seen.answers.value
    seen.context.value = "none"
    assert "without passages" in seen.about.value
    assert "No passages were in the prompt" in seen.answers.value
    seen.study.value = "one"
    assert seen.model.value == "tiny"
    assert seen.context.value == "none"  # what can stay, stays
    assert seen.state.value == "LoRA 200"


def test_without_widgets_the_most_changed_answers_are_printed(study, capsys):
    tables.display_static("two", most=2)
    said = capsys.readouterr().out
    assert "against the base, with retrieved passages" in said
    assert said.count("IPython.core.display.HTML") == 2


def test_no_study_and_an_unknown_study_are_said(tmp_path, monkeypatch, capsys, outputs):
    with pytest.raises(StudyError, match=r"no results of a study 'three' .* \(there: two, one\)"):
        tables.load("three")
    monkeypatch.setenv("RAG_STUDY_OUTPUTS", str(tmp_path))
    tables.display_static()
    assert "There is no finished study" in capsys.readouterr().out


def test_a_study_of_the_base_alone_has_nothing_to_compare(study, monkeypatch):
    alone = study.results[study.results["method"] == "none"]
    assert tables.selections(replace(study, results=alone)) == []
    assert tables.preferred([]) is None


@pytest.fixture
def tagged(outputs, tmp_path, monkeypatch):
    """The explorer on a copy of the study "one", which is tagged by Ann."""
    monkeypatch.setenv("RAG_STUDY_OUTPUTS", str(tmp_path))
    shutil.copytree(outputs / "one", tmp_path / "one")
    seen = Explorer("one")
    seen.state.value, seen.context.value = "LoRA 200", "retrieved"
    seen.score.value = "Answer recall"
    seen.tagging.by.value = "Ann"
    return seen, tmp_path / "one"


def given(folder):
    with (folder / "tags.csv").open(encoding="utf-8-sig", newline="") as file:
        return [(r["question_id"], r["state"], r["by"], r["tags"]) for r in csv.DictReader(file)]


def tags_shown(seen):
    given = [side.given.children for side in seen.tagging.sides]
    return [[button.description.removesuffix(" ✕") for button in buttons] for buttons in given]


def give(seen, place, tag):
    entry = seen.tagging.sides[place].entry
    entry.value = tag
    assert entry.value == ""  # ready for the next one


def take_away(seen, place, tag):
    buttons = seen.tagging.sides[place].given.children
    next(button for button in buttons if button.description == f"{tag} ✕").click()


def test_answers_are_tagged_counted_and_tested(tagged):
    seen, folder = tagged
    base, other = seen.tagging.sides
    assert "Tags of base" in base.title.value
    assert "Tags of LoRA 200" in other.title.value
    shown = seen._changes.index[seen.table.selected_rows[0]]
    give(seen, 1, "made up")
    give(seen, 1, " too  long ")
    take_away(seen, 1, "made up")
    assert given(folder) == [(shown, "LoRA 200", "Ann", "too long")]
    assert tags_shown(seen) == [[], ["too long"]]
    assert [button.description for button in base.known.children] == ["+ too long"]
    assert seen.table.selected_rows == [0]
    seen.tagging.looked.click()  # marks the base's answer, too, and goes on
    assert given(folder) == [(shown, "LoRA 200", "Ann", "too long"), (shown, "base", "Ann", "ok")]
    now = seen._changes.index[seen.table.selected_rows[0]]
    assert now != shown
    assert now in seen.answers.value
    seen.tagging.sides[1].known.children[0].click()
    assert given(folder)[-1] == (now, "LoRA 200", "Ann", "too long")
    for _ in range(8):
        seen.tagging.looked.click()
    assert "looked at both answers to every question" in seen.tagging.said.value
    assert len(given(folder)) == 16
    cells = seen.tagging.table.df.iloc[0].tolist()
    assert cells == [
        *("LoRA 200", "with retrieved passages", "too long"),
        *(0, 2, 0, 2, 25.0, 0.5, 0.5, 8, 8),
    ]
    seen.context.value = "none"  # other answers: nobody has looked at them
    assert tags_shown(seen) == [[], []]


def test_others_tags_are_seen_and_stay(tagged):
    seen, folder = tagged
    also = Explorer("one")
    also.state.value, also.context.value = "LoRA 200", "retrieved"
    also.score.value = "Answer recall"
    also.tagging.by.value = "Ben <b>"
    give(seen, 0, "made up")
    give(also, 0, "typo")
    take_away(seen, 0, "made up")
    assert [row[2:] for row in given(folder)] == [("Ann", "ok"), ("Ben <b>", "typo")]
    assert tags_shown(seen)[0] == ["ok"]
    assert "Ben &lt;b&gt;: typo" in seen.tagging.sides[0].title.value
    take_away(seen, 0, "ok")  # she had not looked at it after all
    assert [row[3] for row in given(folder)] == ["", "typo"]


def test_a_spoiled_sheet_and_an_older_copy_are_said_in_the_explorer(tagged):
    seen, folder = tagged
    give(seen, 0, "made up")
    sheet = folder / "tags.csv"
    older = sheet.read_text("utf-8")
    assert seen.tagging._mend.layout.display == "none"
    give(seen, 0, "typo")
    sheet.write_text("answer_id,tags\n7,typo\n", "utf-8")
    seen.after.click()
    assert "line 2: “7” is not the answer_id" in seen.tagging.said.value
    assert seen.tagging.looked.disabled
    sheet.write_text(older, "utf-8")
    seen.before.click()
    assert "lacks tags of 1 answer" in seen.tagging.said.value
    assert seen.tagging._mend.layout.display == ""
    seen.tagging.back.click()
    assert tags_shown(seen)[0] == ["made up", "typo"]
    assert seen.tagging.said.value == ""


def test_the_same_answer_of_both_is_tagged_once(tagged):
    _, folder = tagged
    frame = pd.read_parquet(folder / "results.parquet").assign(answer="the same")
    full = full_study(frame, checks=[STRONG, WEAK], **with_evidence(frame))
    analyse.publish(folder, full)
    also = Explorer("one")
    also.state.value, also.context.value = "LoRA 200", "retrieved"
    assert "both (the same answer)" in also.tagging.sides[0].title.value
    assert also.tagging.sides[1].view.layout.display == "none"


@pytest.fixture
def executed(tmp_path, monkeypatch):
    """A finished study whose answers name the runs that judged them, with the notebooks of two
    judges' runs for the base and of those before; those of the trained state are gone."""
    monkeypatch.setenv("RAG_STUDY_OUTPUTS", str(tmp_path / "my outputs"))
    upstream = {
        "judge_answers/base-1": ["generate_answers/base-1"],
        "judge_answers/base-2": ["generate_answers/base-1"],
        "generate_answers/base-1": ["prepare_data/x-1", "index_corpus/x-1", "fine_tune/gone-1"],
        "index_corpus/x-1": ["prepare_data/x-1"],
        "prepare_data/x-1": [],
    }
    for run_id, needed in upstream.items():
        folder = run_folder.RunFolder(run_id)
        files.write_json(folder.path / "identity.json", {"identity": {"upstream": needed}})
        (folder.path / "notebook.ipynb").write_text("{}")
    frame = answers(8, judges=("weak", "strong"))
    seen = with_evidence(frame)
    by_judge = frame["judge"].map(
        {"weak": "judge_answers/base-1", "strong": "judge_answers/base-2"}
    )
    seen["evidence"]["judged_in"] = by_judge.where(frame["method"] == "none", "judge_answers/gone")
    analyse.publish(
        run_folder.study_dir("linked"), full_study(frame, checks=[STRONG, WEAK], **seen)
    )
    here = tmp_path / "notebooks"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


def test_from_an_answer_to_the_notebooks_behind_it(executed):
    study = tables.load("linked")
    html = tables.notebook_links(study, tables.preferred(tables.selections(study)), "q000")
    links = re.findall(r'<a href="([^"]*)">([^<]*)</a>', html)
    assert [name for _, name in links] == [
        "01_prepare_data",
        "02_index_corpus",
        "04_generate_answers",
        "05_judge_answers",
        "05_judge_answers",
    ]
    assert all((executed / unquote(link)).exists() for link, _ in links)
    assert " " not in "".join(link for link, _ in links)
    assert links[0][0] == "../my%20outputs/runs/prepare_data/x-1/notebook.ipynb"
    assert "LoRA" not in html  # its runs are gone
    seen = Explorer("linked")
    (output,) = seen.notebooks.outputs
    assert links[0][0] in output["data"]["text/html"]


def test_tables_that_name_no_runs_have_no_links(study):
    assert tables.notebook_links(study, tables.preferred(tables.selections(study)), "q000") == ""


def test_the_newest_study_is_the_one_that_was_finished_last(executed):
    """Not the one whose files were copied last."""
    for place, name in enumerate(("newer", "older", "linked")):
        folder = run_folder.study_dir(name)
        folder.mkdir(exist_ok=True)
        file = folder / "results.parquet"
        file.touch()
        os.utime(file, (1000 + place, 1000 + place))
        made_by = run_folder.RunFolder(f"compare/{name}-1")
        if name != "linked":
            (folder / "made_by.txt").write_text(made_by.run_id + "\n")
            made_by.set_status("done", finished=5000.0 - place)
    assert tables.study_names() == ["newer", "older", "linked"]
