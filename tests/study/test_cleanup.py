import pytest
from naps import nap, work

from rag_study.common import run_folder
from rag_study.common.errors import StudyError
from rag_study.study import plan
from rag_study.study.running import cleanup
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
        found = cleanup.find([study])
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
    assert cleanup.find([first]) == []
    beside.write_text("name: [broken")
    with pytest.raises(StudyError, match="nothing is cleaned"):
        cleanup.find([first])
    beside.unlink()
    far.unlink()
    assert [leftover.path for leftover in cleanup.find([first])] == [folder.path]
