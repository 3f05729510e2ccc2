import pytest
from naps import nap, work

from rag_study.common import files, run_folder, run_users
from rag_study.common.errors import StudyError
from rag_study.study import differences, plan, study_tables
from rag_study.study.running import cleanup, study_run
from rag_study.study.running.executors import Executor
from rag_study.study.running.runner import USUAL


def test_runs_that_no_study_needs_are_found_and_removed(write_study, outputs):
    outputs.mkdir()
    study = write_study()
    needed = [run_folder.RunFolder(run.run_id) for run in plan.expand(study)]
    for folder in needed:
        folder.set_status("done")
    half = needed[0].path / ".new-abc.json"
    half.write_text("{")
    old, busy = nap("old"), nap("busy")
    work(old, USUAL, lambda: None)
    lock = run_folder.RunFolder(busy.run_id).acquire()
    try:
        found = cleanup.find([study]).leftovers
        assert {leftover.path for leftover in found} == {
            run_folder.RunFolder(old.run_id).path,
            half,
        }
        assert all(leftover.size > 0 for leftover in found)
        assert half.exists()
        cleanup.remove(found)
    finally:
        lock.release(force=True)
    assert not run_folder.RunFolder(old.run_id).path.exists()
    assert not half.exists()
    assert run_folder.RunFolder(busy.run_id).path.exists()
    assert all(folder.status().state == "done" for folder in needed)


def test_other_studies_keep_what_they_need(write_study, outputs, tmp_path):
    first = write_study()
    beside = tmp_path / "beside.yaml"
    beside.write_text(first.read_text().replace("name: small", "name: beside"))
    far = tmp_path / "far" / "away.yaml"
    far.parent.mkdir()
    far.write_text(first.read_text().replace("name: small", "name: away"))
    compared = plan.expand(far)[-1]
    folder = run_folder.RunFolder(compared.run_id)
    folder.set_status("done")
    (folder.path / "params.yaml").write_text(f"study_file: {far}\n")
    known = {path.resolve() for path in cleanup.known_studies([first])}
    assert known == {first.resolve(), beside.resolve(), far.resolve()}
    assert cleanup.find([first]) == ([], [], [])
    beside.write_text("name: [broken")
    with pytest.raises(StudyError, match="nothing is cleaned"):
        cleanup.find([first])
    beside.unlink()
    far.unlink()
    assert [leftover.path for leftover in cleanup.find([first]).leftovers] == [folder.path]


def stale_and_leftover(study, runs):
    """Stages of the runs that `clean` keeps as asked for though outdated, and of those it offers,
    when these runs are in the outputs folder."""
    for run in runs:
        differences.record(run)
        run_folder.RunFolder(run.run_id).set_status("done")
    found = cleanup.find([study])
    return [{one.path.parent.name for one in some} for some in (found.outdated, found.leftovers)]


def test_runs_of_other_notebooks_prompts_and_packages_are_kept(
    write_study, outputs, notebooks, monkeypatch
):
    study = write_study()
    before = plan.expand(study)
    for file in notebooks.glob("*.ipynb"):
        file.write_text(file.read_text().replace("active_run.begin", "active_run . begin"))
    monkeypatch.setattr("rag_study.study.identity._prompts_hash", lambda stage: f"new {stage}")
    monkeypatch.setattr("rag_study.study.identity._bundled_revision", lambda *_: ["new"])
    after = {run.run_id for run in plan.expand(study)}
    assert not after & {run.run_id for run in before}
    kept, offered = stale_and_leftover(study, before)
    assert kept == {run.stage.name for run in before}
    assert offered == set()
    found = cleanup.find([study])
    assert len(found.outdated) == len(before)
    cleanup.remove(found.leftovers)
    assert all(run_folder.RunFolder(run.run_id).path.exists() for run in before)


def test_what_a_study_no_longer_asks_for_is_offered_with_what_was_made_from_it(
    write_study, outputs, own_data
):
    rate = {"train_size": [4], "learning_rate": 0.0002}
    before = plan.expand(write_study(fine_tuning=[rate]))
    study = write_study(fine_tuning=[rate | {"learning_rate": 0.001}])
    kept, offered = stale_and_leftover(study, before)
    assert kept == set()
    assert {"fine_tune", "generate_answers", "judge_answers", "compare"} <= offered
    assert not {"prepare_data", "index_corpus", "validate_judge"} & offered


def test_runs_on_data_that_have_changed_are_offered(write_study, outputs, own_data):
    study = write_study(datasets=[{"name": "jsonl", "path": str(own_data), "test_size": 4}])
    before = plan.expand(study)
    with (own_data / "corpus.jsonl").open("a") as file:
        file.write('{"doc_id": "new", "text": "one more"}\n')
    kept, offered = stale_and_leftover(study, before)
    assert kept == set()
    assert {"prepare_data", "index_corpus", "generate_answers", "compare"} <= offered


def test_what_auto_stands_for_on_another_machine_is_no_reason(write_study, outputs, monkeypatch):
    study = write_study(compute={"dtype": "auto", "threads": 0})
    monkeypatch.setattr("rag_study.study.identity.resolve_dtype", lambda _: "float16")
    monkeypatch.setattr("rag_study.study.identity.resolve_threads", lambda _: 77)
    elsewhere = plan.expand(study)
    monkeypatch.setattr("rag_study.study.identity.resolve_dtype", lambda _: "float32")
    monkeypatch.setattr("rag_study.study.identity.resolve_threads", lambda _: 1)
    kept, offered = stale_and_leftover(study, elsewhere)
    assert {"fine_tune", "compare"} <= kept
    assert offered == set()


def test_runs_that_somebody_uses_stay(write_study, outputs, monkeypatch):
    study, old, other = write_study(), nap("old"), nap("other")
    for run in (old, other):
        work(run, USUAL, lambda: None)
    before = cleanup.find([study]).leftovers
    assert len(before) == 2
    user = run_users.User(7, "there", "a study elsewhere")
    monkeypatch.setattr(run_users, "users", lambda: {old.run_id: user})
    (only,) = cleanup.find([study]).leftovers
    assert only.path == run_folder.RunFolder(other.run_id).path
    cleanup.remove(before)  # of which one has found a user meanwhile
    assert [run_folder.RunFolder(run.run_id).path.exists() for run in (old, other)] == [True, False]


def test_nothing_is_deleted_while_a_study_with_results_is_lost(write_study, tmp_path, command):
    first, far = write_study(), tmp_path / "far" / "away.yaml"
    far.parent.mkdir()
    far.write_text(first.read_text().replace("name: small", "name: away"))
    compared = plan.expand(far)[-1]
    cleanup.announce(compared)  # as `run` does when it begins
    run_folder.RunFolder(compared.run_id).set_status("done", extent=compared.extent)
    made_by = run_folder.study_dir("away") / study_tables.MADE_BY_FILE
    files.write_text(made_by, compared.run_id)
    work(nap("old"), USUAL, lambda: None)
    moved = far.rename(tmp_path / "far" / "moved.yaml")
    code, _, err = command("clean", str(first), "--delete")
    assert code == 2
    assert f"{far} is not there any more" in err
    assert run_folder.RunFolder(nap("old").run_id).path.exists()
    assert "not there any more" in command("clean", str(first))[1]
    assert command("clean", str(first), str(moved), "--delete")[0] == 0
    assert run_folder.RunFolder(compared.run_id).path.exists()
    assert not run_folder.RunFolder(nap("old").run_id).path.exists()


def test_a_study_that_has_begun_keeps_its_runs(write_study, outputs, tmp_path):
    first, far = write_study(), tmp_path / "far" / "away.yaml"
    far.parent.mkdir()
    far.write_text(first.read_text().replace("- 4\n", "- 3\n").replace("name: small", "name: away"))
    runs = plan.expand(far)
    assert {run.run_id for run in runs} != {run.run_id for run in plan.expand(first)}
    cleanup.announce(runs[-1])
    for run in runs[:-1]:
        run_folder.RunFolder(run.run_id).set_status("done")
    assert cleanup.find([first]).leftovers == []


def test_a_report_that_is_stopped_at_once_leaves_its_study_known(write_study, outputs, tmp_path):
    first, far = write_study(), tmp_path / "far" / "away.yaml"
    far.parent.mkdir()
    far.write_text(first.read_text().replace("- 4\n", "- 3\n").replace("name: small", "name: away"))
    runs = plan.expand(far)
    cleanup.announce(runs[-1])
    for run in runs:
        run_folder.RunFolder(run.run_id).set_status("done")

    class Stopped(Executor):
        def run(self, *arguments):
            raise KeyboardInterrupt

    progress = study_run.Progress([runs[-1]])
    with pytest.raises(KeyboardInterrupt):
        study_run.run_all(progress, Stopped(), force=True)
    assert run_folder.RunFolder(runs[-1].run_id).status().state == "pending"
    assert cleanup.find([first]).leftovers == []
