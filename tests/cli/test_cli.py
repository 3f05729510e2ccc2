import io
import json
import re
import sys

import pandas as pd
import pytest
from study_tables import comparison, table

from rag_study import cli
from rag_study.cli import live
from rag_study.common import files, run_folder
from rag_study.common.paths import PROJECT_ROOT
from rag_study.report.card import Card, Row
from rag_study.study import active_run, config, differences, plan, stages
from rag_study.study.running import costs, study_run
from rag_study.study.running.study_run import Progress

SMOKE = str(PROJECT_ROOT / "params" / "smoke.yaml")


def test_plan_for_machines(command, outputs):
    code, out, _ = command("plan", SMOKE, "--json")
    rows = json.loads(out)
    assert code == 0
    assert {row["action"] for row in rows} == {"run"}
    assert rows[0]["stage"] == "prepare_data"
    assert rows[-1]["stage"] == "compare"
    assert not outputs.exists()


def test_plan_of_one_stage_is_blocked_without_what_it_needs(command):
    code, out, _ = command("plan", SMOKE, "--only", "fine_tune", "--json")
    rows = json.loads(out)
    assert code == 0
    assert {row["action"] for row in rows} == {"blocked"}
    assert rows[0]["note"].startswith("needs prepare_data/")


def test_status_of_a_study_never_run(command, outputs):
    code, out, _ = command("status", SMOKE)
    assert code == 1
    assert "0 of 20 stage runs are done" in out
    assert not outputs.exists()


def test_report_without_any_run_says_what_to_do(command, outputs):
    code, _, err = command("report", SMOKE)
    assert code == 2
    assert "Run it first" in err
    assert not outputs.exists()


def test_running_one_stage_without_its_upstream_fails_and_says_why(command):
    code, out, _ = command("run", SMOKE, "--only", "05_judge_answers")
    assert code == 1
    assert "needs prepare_data/" in out


@pytest.fixture
def finished(write_study, outputs):
    """The file of a study all of whose runs say that they are done; two rows of comparisons."""
    path = write_study()
    runs = plan.expand(path)
    for run in runs:
        run_folder.RunFolder(run.run_id).set_status("done", extent=run.extent)
    folder = run_folder.study_dir("small")
    files.write_parquet(folder / "comparisons.parquet", table(comparison("helps")))
    row = Row("LoRA", "deploy", "It got better.", "More.", "1 → 2", "1 s", "same", "", "Strings.")
    card = Card("Helps.", "deploy", [row], [], "")
    files.write_json(folder / "card.json", card.to_dict())
    step = {"rank": 1, "rule": "search", "sentence": "The search loses 12 % of all answers. " * 4}
    step |= {"numbers": "{}", "command": "rag-study run s.yaml", "lines": "retrieval: {top_k: 4}"}
    files.write_parquet(folder / "next_steps.parquet", pd.DataFrame([step | {"minutes": 7.2}]))
    files.write_text(folder / "made_by.txt", runs[-1].run_id + "\n")
    return path


@pytest.fixture
def reads(monkeypatch):
    """The study files that are read, in order."""
    paths, read = [], config._content

    def noted(path, text):
        paths.append(path)
        return read(path, text)

    monkeypatch.setattr(config, "_content", noted)
    return paths


@pytest.mark.parametrize("verb", ["plan", "status", "run"])
def test_a_command_reads_the_study_file_once(command, finished, reads, verb):
    code, out, _ = command(verb, finished)
    assert code == 0
    assert reads == [finished]
    assert ("Helps." in out) == (verb == "run")


def test_a_report_reads_the_study_file_once_and_so_does_its_notebook(
    command, finished, reads, monkeypatch
):
    def done(progress, *_, **__):
        for run in progress.runs:
            progress.end(run, "done", run_folder.Status("done"))

    monkeypatch.setattr(study_run, "run_all", done)
    code, out, _ = command("report", finished)
    assert (code, "Helps." in out) == (0, True)
    assert reads == [finished]
    reads.clear()
    run = active_run.begin("compare", {"study_file": str(finished), "others": []})
    assert run.run.study.name == "small"
    assert reads == [finished]


def test_the_card_for_a_ticket_is_written_from_the_report_that_is_there(command, finished):
    code, out, _ = command("report", finished, "--markdown")
    assert (code, "1 reused" in out) == (0, True)
    ticket = run_folder.study_dir("small") / "report.md"
    assert f"For a ticket: {ticket}" in out
    assert "| **deploy** | LoRA | It got better" in ticket.read_text(encoding="utf-8")


def test_a_run_ends_with_what_to_do_next(command, finished):
    code, out, _ = command("run", finished)
    assert code == 0
    steps = out[out.index("What to do next") : out.index("Report: ")].splitlines()
    assert (
        steps[2] == "1. The search loses 12 % of all answers. The search loses 12 % of all answers."
    )
    assert max(map(len, steps)) <= 80
    order = ["retrieval: {top_k: 4}", "rag-study run s.yaml", "About 7 minutes on this machine"]
    assert sorted(order, key="\n".join(steps).index) == order


BAD_STUDIES = {
    "unknown key": {"zebra": 1},
    "misspelt key": {"contxts": ["none"]},
    "wrong type": {"models": 3},
    "unknown model": {"models": ["gpt-17"]},
    "unknown data set": {"datasets": [{"name": "wikipedia"}]},
    "unknown method": {"fine_tuning": [{"method": "magic", "train_size": [4]}]},
    "train size above the data": {"fine_tuning": [{"train_size": [100_000]}]},
    "test size above the data": {"datasets": [{"name": "fictional", "test_size": 100_000}]},
    "slash in the name": {"name": "a/b"},
    "no such data folder": {"datasets": [{"name": "jsonl", "path": "nowhere"}]},
}


@pytest.mark.parametrize("verb", ["plan", "run", "status", "report"])
@pytest.mark.parametrize("what", BAD_STUDIES)
def test_bad_studies_give_one_message_and_leave_nothing(command, outputs, write_study, what, verb):
    path = write_study(**BAD_STUDIES[what])
    code, out, err = command(verb, path)
    assert code == 2
    assert err.startswith("error:")
    assert "Traceback" not in out + err
    assert not outputs.exists()
    assert sorted(p.name for p in path.parent.iterdir()) == ["small.yaml"]


def test_bad_lines_of_own_data_are_named(command, write_study, own_data, outputs):
    with (own_data / "corpus.jsonl").open("a") as file:
        file.write("{broken\n")
    path = write_study(datasets=[{"name": "jsonl", "path": str(own_data), "test_size": 4}])
    code, _, err = command("run", path)
    assert code == 2
    assert "corpus.jsonl, line 41" in err.replace("\n", "")
    assert not outputs.exists()


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_unknown_stage(command, verb):
    code, _, err = command(verb, SMOKE, "--only", "finetune")
    assert code == 2
    assert "Did you mean 'fine_tune'?" in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--workers", "2"], "--workers needs --executor local"),
        (["--scheduler", "tcp://127.0.0.1:9"], "need --executor dask"),
        (["--executor", "dask"], "--executor dask needs --scheduler or --scheduler-file"),
        (["--dashboard"], "--dashboard needs --executor local"),
        (["--executor", "local", "--scheduler-file", "x"], "need --executor dask"),
    ],
)
def test_options_that_do_not_go_together(command, outputs, options, said):
    code, _, err = command("run", SMOKE, *options)
    assert code == 2
    assert said in err
    assert not outputs.exists()


def test_the_cost_of_a_study_on_a_named_machine(command, outputs):
    code, out, _ = command("plan", SMOKE, "--cost", "--machine", "h100-80gb")
    assert code == 0
    assert "GPU hours" in out
    assert "not measured" in out
    code, out, _ = command("plan", SMOKE, "--cost")
    assert code == 0
    assert "Machine: laptop-2-cores" in out
    assert not outputs.exists()


def test_clean_shows_first_and_deletes_when_told(command, outputs):
    folder = run_folder.RunFolder("fine_tune/old-12345678")
    folder.set_status("done")
    code, out, _ = command("clean", SMOKE)
    assert code == 0
    assert "runs/fine_tune/old-12345678" in out
    assert "--delete deletes them" in out
    assert folder.status().state == "done"
    command("clean", SMOKE, "--delete")
    assert not folder.path.exists()
    assert "Nothing to clean" in command("clean", SMOKE)[1]


def test_results_move_from_one_outputs_folder_to_another(command, outputs, tmp_path, monkeypatch):
    run = plan.expand(SMOKE)[0]
    run_folder.RunFolder(run.run_id).set_status("done")
    file = tmp_path / "smoke.tar.gz"
    code, out, _ = command("export", SMOKE, file)
    assert code == 0
    assert "1 run," in out
    assert "19 runs not done" in out
    monkeypatch.setenv("RAG_STUDY_OUTPUTS", str(tmp_path / "elsewhere"))
    code, out, _ = command("import", file)
    assert code == 0
    assert "1 run imported, 0 there already" in out
    assert stages.is_done(run)


def test_status_shows_who_works_on_what(command, outputs):
    folder = run_folder.RunFolder(plan.expand(SMOKE)[0].run_id)
    lock = folder.acquire()
    folder.set_status("running", **run_folder.started_now())
    folder.set_progress(3, 40)
    _, out, _ = command("status", SMOKE)
    lock.release(force=True)
    assert f"3 of 40, process {folder.status().pid} on" in out
    assert "killed" in command("status", SMOKE)[1]


def test_plan_status_and_clean_say_why(command, outputs, write_study):
    for run in plan.expand(write_study(seeds=[0, 1])):
        differences.record(run)
        run_folder.RunFolder(run.run_id).set_status("done")
    study = write_study(seeds=[0, 1], compute={"dtype": "float32", "threads": 2})
    for verb in ("plan", "status"):
        _, out, _ = command(verb, study)
        assert "Done before, but differing from what the study needs now" in out
        assert "  fine_tune, 2 runs: " in out
        assert "threads were 1, are 2" in out
        assert "is done, but" not in out
        shown = command(verb, study, "--why")[1]
        assert shown.count("is done, but") == len(plan.expand(study)) - 1  # 01 has no threads
    rows = json.loads(command("plan", study, "--json")[1])
    assert [row["why"] for row in rows if row["stage"] == "prepare_data"] == [[]]
    assert all(row["why"] for row in rows if row["stage"] == "fine_tune")
    study = write_study(seeds=[0, 1])
    before = {run.run_id for run in plan.expand(study)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rag_study.study.identity._prompts_hash", lambda stage: f"new {stage}")
        kept = len(before - {run.run_id for run in plan.expand(study)})
        _, out, _ = command("clean", study)
    assert "Nothing to clean" in out
    assert f"{kept} runs (" in out
    assert "kept though notebooks, the package or the machine have changed since" in out


def test_the_live_view_counts_by_stage_and_estimates_from_the_first_second(outputs):
    from rich.console import Console

    runs = plan.expand(SMOKE)
    progress = Progress(runs, workers=2, expected=costs.expected(runs))
    progress.end(runs[0], "done", run_folder.Status("done", seconds=60.0))
    answering = max(runs, key=lambda run: len(run.run_id) * (run.stage.name == "generate_answers"))
    for run in (runs[1], answering):
        progress.begin(run)
    folder = run_folder.RunFolder(answering.run_id)
    folder.path.mkdir(parents=True)
    folder.set_progress(18, 1240)
    screen = Console(width=80, record=True, file=io.StringIO())
    screen.print(live.view(progress))
    shown = screen.export_text()
    assert "generate_answers" in shown
    assert re.search(rf"▸ +beginning +0:0\d  {runs[1].run_id}", shown)
    # The counter is in sight, and the whole name stands there.
    assert "▸   18 of 1240" in shown
    assert answering.run_id in "".join(line.strip() for line in shown.splitlines())
    assert "1 of 20 done, " in shown
    assert re.search(r"\d+ %, about \d+ min left", shown)


def test_debug_shows_the_traceback(monkeypatch, tmp_path):
    from rag_study.common.errors import StudyError

    monkeypatch.setattr(sys, "argv", ["rag-study", "plan", str(tmp_path / "no.yaml"), "--debug"])
    with pytest.raises(StudyError, match="no such study file"):
        cli.main()
