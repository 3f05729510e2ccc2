import os

from rag_study.training.checkpoints import Checkpoints


def checkpoint(saved, step):
    (saved.path / f"checkpoint-{step}").mkdir(parents=True)
    saved.completed(step)


def best(saved, step, age):
    """Best weights of a step; `age` in seconds is what the clock says of them."""
    file = saved.best(step)
    file.write_bytes(b"")
    changed = file.stat().st_mtime - age
    os.utime(file, (changed, changed))


def kept(saved):
    return sorted(file.name for file in saved.path.glob("best-*"))


def test_best_weights_are_ordered_by_step_though_the_clock_was_set_back(tmp_path):
    saved = Checkpoints(tmp_path, "recipe")
    best(saved, 90, age=0)
    best(saved, 100, age=3600)
    checkpoint(saved, 120)
    assert kept(saved) == ["best-100.safetensors"]


def test_best_weights_of_a_killed_process_do_not_replace_those_a_checkpoint_needs(tmp_path):
    saved = Checkpoints(tmp_path, "recipe")
    best(saved, 20, age=60)
    checkpoint(saved, 25)
    best(saved, 40, age=30)  # then it was killed, before the next checkpoint
    again = Checkpoints(tmp_path, "recipe")
    assert again.facts["step"] == 25
    checkpoint(again, 30)
    assert kept(again) == ["best-20.safetensors"]


def test_checkpoints_without_best_weights_are_no_fault(tmp_path):
    saved = Checkpoints(tmp_path, "recipe")
    checkpoint(saved, 10)
    assert kept(saved) == []
    assert Checkpoints(tmp_path, "another recipe").last is None
