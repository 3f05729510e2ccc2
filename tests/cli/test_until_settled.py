"""`rag-study run --until-settled`: who is asked how many questions, step by step."""

import json

import pandas as pd
import pytest

from rag_study.analysis import run_names
from rag_study.analysis.looks import LOOK_COLUMNS
from rag_study.cli import outcome
from rag_study.common import files, run_folder
from rag_study.common.errors import StudyError
from rag_study.common.run_folder import Status
from rag_study.study import asked, plan
from rag_study.study.config import load_study
from rag_study.study.running import study_run

LOOKS = {
    "looks": [4, 6, 8],
    "fine_tuning": [{"train_size": [4, 8]}],
    "prompting": ["default", "brief"],
    "retention": 0,
}


def sizes(runs):
    """Test questions by state: the train size, or how the base is asked."""
    return {
        run.point.training.train_size
        if run.point.training
        else run.point.answering.prompting: run.point.answering.test_size
        for run in runs
        if run.stage.name == "judge_answers"
    }


@pytest.fixture
def steps(monkeypatch):
    """Has every step done at once, and tells what was asked in each. The training on 4 examples is
    settled at the first look, that on 8 never."""
    told = []

    def do(progress, *_, **__):
        told.append(sizes(progress.runs))
        for run in progress.runs:
            before = run_folder.RunFolder(run.run_id).status().extent
            extent = {k: max(v, before.get(k, 0)) for k, v in run.extent.items()}
            run_folder.RunFolder(run.run_id).set_status("done", extent=extent)
            progress.end(run, "done", Status("done"))
        publish(progress.runs[-1], len(told))

    def publish(comparison, number):
        study, rows = comparison.study, []
        for run in comparison.upstream:
            if run.stage.name == "judge_answers" and run.point.training:
                key = run_names.columns_of(run) | {"dataset": run_names.label_of(run, study)}
                key |= {"variant": run_names.variants_of(comparison.upstream, study)[run.run_id]}
                first = run.point.training.train_size == 4
                for look in range(1, 2 if first else number + 1):
                    rows.append({**key, "look": look, "settled": first})
        folder = run_folder.study_dir(study.name)
        table = pd.DataFrame(rows).reindex(columns=LOOK_COLUMNS)
        files.write_parquet(folder / "looks.parquet", table)

    monkeypatch.setattr(study_run, "run_all", do)
    monkeypatch.setattr(outcome, "show_result", lambda *_: None)
    return told


def test_only_what_is_not_settled_goes_on_and_its_base_with_it(command, write_study, steps):
    path = write_study(**LOOKS)
    code, out, _ = command("run", path, "--until-settled", "--anyway")
    assert code == 0
    assert steps == [
        {"default": 4, "brief": 4, 4: 4, 8: 4},
        {"default": 6, "brief": 4, 4: 4, 8: 6},
        {"default": 8, "brief": 4, 4: 4, 8: 8},
    ]
    assert "2 model states, bases among them, go on to 6 questions" in out
    # Every command means the step that the study is at; again there is nothing to do.
    assert sizes(plan.expand(path)) == steps[-1]
    assert command("run", path, "--until-settled", "--anyway")[0] == 0
    assert steps[3:] == [steps[2]]
    rows = json.loads(command("plan", path, "--json")[1])
    assert {r["action"] for r in rows if r["stage"] != "compare"} == {"reuse"}
    # Without it all is asked, for good.
    assert command("run", path, "--anyway")[0] == 0
    assert set(steps[-1].values()) == {8}
    assert set(sizes(plan.expand(path)).values()) == {8}


def test_a_step_that_was_stopped_goes_on(command, write_study, steps, monkeypatch):
    path, do = write_study(**LOOKS), study_run.run_all

    def stop(progress, *_, **__):
        if len(steps) == 1:
            raise KeyboardInterrupt
        do(progress)

    monkeypatch.setattr(study_run, "run_all", stop)
    assert command("run", path, "--until-settled", "--anyway")[0] == 130
    assert sizes(plan.expand(path))[8] == 6
    monkeypatch.setattr(study_run, "run_all", do)
    assert command("run", path, "--until-settled", "--anyway")[0] == 0
    assert [step[8] for step in steps] == [4, 6, 8]
    # Begun from nothing it is at the first look again.
    steps.clear()
    assert command("run", path, "--until-settled", "--anyway", "--force")[0] == 0
    assert steps[0] == {"default": 4, "brief": 4, 4: 4, 8: 4}


def test_what_cannot_be_run_in_steps_says_why(command, write_study):
    code, _, err = command("run", write_study(), "--until-settled")
    assert (code, "Declare them before anything is answered" in err) == (2, True)
    code, _, err = command("run", write_study(**LOOKS), "--until-settled", "--only", "compare")
    assert (code, "leave out --only" in err) == (2, True)


def test_other_looks_begin_anew_and_a_damaged_record_is_said(write_study, outputs):
    study = load_study(write_study(**LOOKS))
    asked.ask(study, {"generate_answers/x": 6})
    assert asked.asked_now(study) == {"generate_answers/x": 6}
    assert asked.asked_now(study.model_copy(update={"looks": [4, 8]})) is None
    (outputs / "small" / asked.ASKED_FILE).write_text("{")
    with pytest.raises(StudyError, match=r"asked\.json: cannot be read"):
        asked.asked_now(study)


@pytest.mark.parametrize(
    ("looks", "words"),
    [
        ([8], "two or more"),
        ([4, 4, 8], "each larger"),
        ([6, 4, 8], "each larger"),
        ([4, 6], "the last one, 6, is at all test questions"),
        ([0, 8], "looks"),
    ],
)
def test_looks_that_make_no_sense_are_refused(write_study, looks, words):
    with pytest.raises(StudyError, match=words):
        load_study(write_study(looks=looks))
