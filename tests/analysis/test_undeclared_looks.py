"""Comparisons of fewer questions that nobody declared, and what they do to the error."""

from rag_study.analysis.undeclared_looks import undeclared_looks
from rag_study.common import files
from rag_study.common.run_folder import RunFolder
from rag_study.study import asked, differences, plan


def compared_at(write_study, size, comparisons=12, done=True, **changes):
    """A finished comparison of the study at so many questions, as it is left behind."""
    data = [{"name": "fictional", "num_worlds": 84, "test_size": size}]
    run = plan.expand(write_study(datasets=data, retention=0, **changes), whole=True)[-1]
    return left_behind(run, comparisons, done)


def left_behind(run, comparisons=12, done=True):
    differences.record(run)
    folder = RunFolder(run.run_id)
    files.write_json(folder.path / "metrics.json", {"comparisons": comparisons})
    finished = [needed.run_id for needed in run.upstream] if done else []
    folder.set_status("done", extent=dict.fromkeys(finished, 1))
    return run


def said(write_study, size, **changes):
    run = compared_at(write_study, size, **changes)
    return undeclared_looks(run, run.study)


def test_earlier_looks_are_noticed_with_their_error(write_study, outputs):
    assert said(write_study, 8) == ""
    assert said(write_study, 8) == ""  # the same one again is no second look
    assert said(write_study, 16).count("at 8 of the 16 test questions") == 1
    words = said(write_study, 24)
    assert "at 8 and 16 of the 24 test questions" in words
    assert "3 times" in words
    assert "11 %" in words
    assert said(write_study, 4) == ""  # what was seen later says nothing about less


def test_where_nothing_was_seen_nothing_is_said(write_study, outputs):
    compared_at(write_study, 8, comparisons=0)
    compared_at(write_study, 12, done=False)
    compared_at(write_study, 16, models=["random-llama"], fine_tuning=[])
    assert said(write_study, 24) == ""


def test_looks_count_as_declared_only_where_they_were_before(write_study, outputs):
    looks = [8, 16, 24]
    data = [{"name": "fictional", "num_worlds": 84, "test_size": 24}]
    path = write_study(datasets=data, retention=0, looks=looks)
    study = plan.expand(path, whole=True)[-1].study
    asked.ask(study, {})
    step = plan.expand(path)[-1]
    left_behind(step)
    asked.ask(study, None)
    assert undeclared_looks(plan.expand(path)[-1], study) == ""
    # One that was made before anything was declared.
    compared_at(write_study, 12)
    path = write_study(datasets=data, retention=0, looks=looks)
    words = undeclared_looks(plan.expand(path)[-1], study)
    assert "at 12 of the 24 test questions" in words
    assert "among the `looks` declared now" in words
