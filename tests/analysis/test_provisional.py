"""First results of a study that goes on: of what is judged so far, and of nothing else."""

import numpy as np
import pandas as pd
import pytest

from rag_study import data as qa_datasets
from rag_study.analysis import effects
from rag_study.analysis.provisional import first_effects
from rag_study.common import files
from rag_study.common.paths import PROJECT_ROOT
from rag_study.common.run_folder import RunFolder
from rag_study.evaluation.metrics import REFERENCE
from rag_study.study import plan

SIZE = 40


class Going:
    """A study of which runs are finished one by one, with scores drawn at random."""

    def __init__(self, path):
        self.runs = plan.expand(path)
        self.comparison = self.runs[-1]
        data = qa_datasets.load("fictional", options={"num_worlds": 84})
        split = qa_datasets.split(data)
        self.questions = split.pools["test"][:SIZE]
        prepared = RunFolder(self.runs[0].run_id)
        qa_datasets.save_prepared(prepared.path, data, split)
        prepared.set_status("done")
        self.scores = {}

    def judged(self, size=0, seed=0, prompting="default"):
        (run,) = (
            run
            for run in self.runs
            if run.stage.name == "judge_answers"
            and not run.point.system
            and (run.point.training.train_size if run.point.training else 0) == size
            and run.point.seed == seed
            and run.point.answering.prompting == prompting
        )
        return run

    def finish(self, run):
        """Write the scores of a judged run, and return what is known then."""
        rng = np.random.default_rng(len(self.scores))
        values = rng.normal(3 + len(self.scores) / 4, 1, SIZE).clip(1, 5)
        self.scores[run.run_id] = values
        rows = [
            {
                "context": context,
                "question_id": question.id,
                "position": position,
                "answer": "x",
                "missing_reason": None,
                "passages": [],
                "other_answer": None,
                **dict.fromkeys(REFERENCE, values[position] / 5),
                # With passages; without any, everything is the same in every state.
                "judge_accuracy": values[position] if context == "retrieved" else 3.0,
                "judge_completeness": 6 - values[position] if context == "retrieved" else 3.0,
            }
            for context in ("none", "retrieved", "oracle")
            for position, question in enumerate(self.questions)
        ]
        folder = RunFolder(run.run_id)
        files.write_parquet(folder.path / "scores.parquet", pd.DataFrame(rows))
        folder.set_status("done", extent=run.extent)
        return first_effects(self.comparison, run)

    def check(self, valid):
        run = next(run for run in self.runs if run.stage.name == "validate_judge")
        files.write_json(RunFolder(run.run_id).path / "metrics.json", {"check": {"valid": valid}})
        RunFolder(run.run_id).set_status("done")


@pytest.fixture
def going(write_study, outputs):
    def make(**changes):
        asked = {"name": "fictional", "num_worlds": 84, "test_size": SIZE}
        usual = {"datasets": [asked], "fine_tuning": [{"train_size": [4, 8]}], "retention": 0}
        return Going(write_study(**(usual | changes)))

    return make


def test_a_comparison_is_known_once_both_sides_are_judged(going):
    study = going(prompting=["default", "brief"])
    base, small, large = (study.judged(size) for size in (0, 4, 8))
    assert study.finish(base).empty
    assert study.finish(study.judged(prompting="brief")).empty  # compared with, but not primary
    rows = study.finish(small).set_index("metric")
    assert set(rows.index) == {"judge_accuracy", "judge_completeness"}
    change = study.scores[small.run_id] - study.scores[base.run_id]
    assert rows.loc["judge_accuracy", "difference"] == pytest.approx(change.mean())
    assert rows.loc["judge_completeness", "difference"] == pytest.approx(-change.mean())
    assert set(rows["context"]) == {"retrieved"}
    assert set(rows["n_questions"]) == {SIZE}
    assert set(rows["name"]) == {"LoRA 4"}
    # Of the next training it is that one alone that is new.
    assert set(study.finish(large)["train_size"]) == {8}


def test_the_interval_is_that_of_the_comparison(going):
    study = going()
    base, tuned = study.judged(), study.judged(8)
    study.finish(base)
    row = study.finish(tuned).set_index("metric").loc["judge_accuracy"]
    by_hand = pd.DataFrame(
        [
            {
                **{"dataset": "any", "model": "m", "retriever": "dense", "chunk_size": 1},
                **{"top_k": 1, "variant": "", "seed": 0, "prompting": "default", "method": method},
                **{"train_format": method, "train_size": size, "context": "retrieved"},
                **{"question_id": q.id, "group": q.group, "judge": "j", "judge_accuracy": value},
            }
            for method, size, run in (("none", 0, base), ("lora", 8, tuned))
            for q, value in zip(study.questions, study.scores[run.run_id], strict=True)
        ]
    )
    of_all = effects.compare(by_hand, ["retrieved"], ["judge_accuracy"], [], {"j": True})
    expected = of_all[of_all["metric"] == "judge_accuracy"].iloc[0]
    for end in ("ci_low", "ci_high"):
        assert row[end] == pytest.approx(expected[end])
    assert row["n_clusters"] == expected["n_clusters"] < SIZE


def test_a_base_that_is_judged_last_completes_all_states(going):
    study = going()
    for size in (4, 8):
        assert study.finish(study.judged(size)).empty
    assert sorted(study.finish(study.judged())["train_size"]) == [4, 4, 8, 8]


def test_seeds_of_a_recipe_are_taken_together(going):
    study = going(seeds=[0, 1], fine_tuning=[{"train_size": [8]}])
    study.finish(study.judged())
    first = study.finish(study.judged(8))
    both = study.finish(study.judged(8, seed=1))
    assert set(first["name"]) == {"LoRA 8 · 1 seed"}
    assert set(both["name"]) == {"LoRA 8 · 2 seeds"}
    base, *tuned = study.scores.values()
    change = np.mean(tuned, axis=0) - base
    accuracy = both.set_index("metric").loc["judge_accuracy"]
    assert accuracy["difference"] == pytest.approx(change.mean())


def test_a_judge_that_failed_its_check_is_not_asked(going):
    study = going()
    study.finish(study.judged())
    before = study.finish(study.judged(4))
    assert not before["checked"].any()
    study.check(valid=True)
    assert study.finish(study.judged(8))["checked"].all()
    study.check(valid=False)
    after = first_effects(study.comparison, study.judged(4))
    assert set(after["judge"]) == {""}
    assert set(after["metric"]) == {"answer_recall", "key_point_recall"}
    assert after["checked"].all()


def test_trainings_have_the_names_that_tell_them_apart_in_the_whole_study(going):
    study = going(fine_tuning=[{"train_format": ["closed_book", "with_context"], "train_size": 8}])
    study.finish(study.judged())
    tuned = [r for r in study.runs if r.stage.name == "judge_answers" and r.point.training]
    (name,) = set(study.finish(tuned[0])["name"])
    assert name == "LoRA 8 · trained without passages"


def test_another_system_changes_no_name(going):
    answers = PROJECT_ROOT / "params" / "smoke_answers.jsonl"
    study = going(systems=[{"name": "theirs", "answers": str(answers)}])
    theirs = next(r for r in study.runs if r.stage.name == "judge_answers" and r.point.system)
    assert first_effects(study.comparison, theirs).empty
    study.finish(study.judged())
    assert set(study.finish(study.judged(4))["name"]) == {"LoRA 4"}
