"""Factors of training, and which runs they share."""

import re
from collections import Counter

import pytest

from rag_study.analysis import run_names
from rag_study.common.errors import StudyError
from rag_study.study import plan
from rag_study.study.config import load_study

TWO = [
    {"name": "fictional", "label": "one", "num_worlds": 84, "test_size": 8},
    {"name": "fictional", "label": "two", "style": "biomedical", "num_worlds": 84, "test_size": 8},
]


def stages(path):
    return Counter(run.stage.name for run in plan.expand(path))


def runs_of(path, stage):
    return [run for run in plan.expand(path) if run.stage.name == stage]


def test_every_combination_of_factors_is_trained_once(write_study):
    tuning = {
        **{"method": ["lora", "ia3"], "train_size": [4, 8], "label_noise": [0, 0.5]},
        "replay": 0.2,
    }
    trained = runs_of(write_study(fine_tuning=[tuning, tuning]), "fine_tune")
    assert len(trained) == 2 * 2 * 2
    assert {run.point.training.replay for run in trained} == {0.2}


def test_what_a_method_does_not_use_does_not_make_another_run(write_study):
    one = {"method": "ia3", "train_size": [4]}
    trained = runs_of(write_study(fine_tuning=[one, one | {"lora_rank": 4}]), "fine_tune")
    assert len(trained) == 1
    assert "lora_rank" not in trained[0].parameters["training"]
    assert trained[0].parameters["training"]["learning_rate"] == pytest.approx(3e-3)
    far = one | {"p_gold": 0.5, "train_format": "with_context"}
    trained = runs_of(write_study(fine_tuning=[far, far | {"p_gold": 0.9}]), "fine_tune")
    assert len(trained) == 1
    steps = one | {"max_steps": 5}
    trained = runs_of(write_study(fine_tuning=[steps, steps | {"epochs": 9}]), "fine_tune")
    assert len(trained) == 1


def test_closed_book_training_does_not_depend_on_retrieval_and_other_formats_do(write_study):
    def trained(train_format, chunk_size):
        tuning = {"train_format": train_format, "train_size": [4]}
        retrieval = {"chunk_size": chunk_size}
        return runs_of(write_study(fine_tuning=[tuning], retrieval=retrieval), "fine_tune")[0]

    assert trained("closed_book", 100).run_id == trained("closed_book", 120).run_id
    assert trained("closed_book", 100).needs("index_corpus") is None
    assert trained("raft", 100).run_id != trained("raft", 120).run_id
    assert trained("raft", 100).needs("index_corpus") is not None


def test_the_share_of_gold_passages_matters_to_raft_alone(write_study):
    def ids(train_format):
        tuning = {"train_format": train_format, "train_size": [4]}
        both = [tuning | {"p_gold": share} for share in (0.5, 0.9)]
        return {run.run_id for run in runs_of(write_study(fine_tuning=both), "fine_tune")}

    assert len(ids("raft")) == 2
    assert len(ids("with_context")) == 1
    assert len(ids("closed_book")) == 1


def test_gradient_checkpointing_is_a_training_of_its_own_only_where_it_is_asked_for(write_study):
    def fine_tune(**keys):
        path = write_study(fine_tuning=[{"train_size": [4], **keys}])
        [run] = runs_of(path, "fine_tune")
        return run

    plain, asked = fine_tune(), fine_tune(gradient_checkpointing=True)
    assert fine_tune(gradient_checkpointing=False).run_id == plain.run_id != asked.run_id
    assert asked.point.training.recipe(0).gradient_checkpointing


def test_strengths_share_one_training(write_study):
    path = write_study(fine_tuning=[{"train_size": [4], "strength": [0.5, 1]}])
    assert stages(path)["fine_tune"] == 1
    assert stages(path)["generate_answers"] == 3  # base and two strengths
    assert stages(path)["measure_retention"] == 3


def test_checkpoints_share_one_training_and_change_nothing_where_there_is_one(write_study):
    path = write_study(fine_tuning=[{"train_size": [16], "checkpoints": [0.5, 1]}])
    assert stages(path)["fine_tune"] == 1
    assert stages(path)["generate_answers"] == 3  # base, half way and the end
    assert stages(path)["measure_retention"] == 3
    names = run_names.variants_of(plan.expand(path)[-1].upstream, load_study(path))
    assert {*names.values()} == {"", "after 50% of the steps", "after 100% of the steps"}
    plain, said = (
        runs_of(write_study(fine_tuning=[{"train_size": [16], **more}]), "judge_answers")
        for more in ({}, {"checkpoints": [1]})
    )
    assert [run.run_id for run in plain] == [run.run_id for run in said]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"checkpoints": [0.1, 0.2, 1]}, "of 6 steps, two of 0.1, 0.2, 1 are after the same one"),
        ({"method": "prompt_tuning", "padding_free": True}, "needs padded batches"),
        ({"method": "prefix_tuning", "gradient_checkpointing": True}, "prefix_tuning are a cache"),
        ({"checkpoints": [0.5, 1], "early_stopping": True}, "early_stopping keeps the best"),
        ({"checkpoints": [0, 1]}, "checkpoints"),
        ({"checkpoints": [0.5, 0.5]}, "two of 0.5, 0.5 are after the same one"),
        ({"checkpoint": 0.5}, "unknown key 'checkpoint'"),
    ],
)
def test_checkpoints_that_cannot_be_are_refused(write_study, wrong, said):
    path = write_study(fine_tuning=[{"train_size": [16], **wrong}])
    with pytest.raises(StudyError, match=re.escape(said)):
        load_study(path)


def test_what_is_trained_on_depends_on_the_probe_and_only_where_it_must(write_study):
    def planned(**changes):
        tuning = [{"train_size": [16], "train_on": ["all", "known"]}]
        return plan.expand(write_study(fine_tuning=tuning, **changes))

    def of(runs, kind):
        (run,) = (
            r for r in runs if r.stage.name == "fine_tune" and r.point.training.train_on == kind
        )
        return run

    runs = planned()
    (probe,) = (run for run in runs if run.stage.name == "probe_knowledge")
    assert probe.extent == {"test": 8, "train": 500}
    assert of(runs, "all").needs("probe_knowledge") is None
    assert of(runs, "known").needs("probe_knowledge") is probe
    assert "knowledge" in of(runs, "known").parameters
    assert of(runs, "all").parameters["knowledge"] == {}
    larger = planned(datasets=[{"name": "fictional", "num_worlds": 84, "test_size": 9}])
    assert of(larger, "known").run_id == of(runs, "known").run_id
    further = planned(knowledge={"train_questions": 50})
    assert of(further, "known").run_id != of(runs, "known").run_id
    assert of(further, "known").needs("probe_knowledge").run_id == probe.run_id
    warmer = planned(knowledge={"temperature": 1.0})
    assert of(warmer, "known").run_id != of(runs, "known").run_id
    assert of(warmer, "all").run_id == of(runs, "all").run_id
    names = run_names.variants_of(runs[-1].upstream, load_study(runs[-1].study.paths[0]))
    assert {"trained on known questions"} < {*names.values()}


def test_knowledge_is_probed_where_it_is_asked_for_once_per_model_and_data_set(write_study):
    assert stages(write_study())["probe_knowledge"] == 0
    path = write_study(knowledge={"samples": 2}, datasets=TWO, seeds=[0, 1])
    assert stages(path)["probe_knowledge"] == 2
    by_hand = runs_of(path, "probe_knowledge")[0]
    assert plan.stage_run("probe_knowledge", by_hand.point).run_id == by_hand.run_id


def test_what_is_known_of_a_sequence_of_data_sets_is_not_asked(write_study):
    tuning = {"train_size": [16], "train_on": ["known"], "sequence": ["one", "two"]}
    with pytest.raises(StudyError, match="train_on: what is known of several data sets"):
        load_study(write_study(datasets=TWO, fine_tuning=[tuning]))


def test_one_adapter_is_one_retention_run_however_its_answers_are_made(write_study):
    """Neither the order of passages nor their limit changes what a model has forgotten."""
    ways = {"passage_order": ["best_first", "best_last"], "max_context_tokens": [0, 200]}
    tuning = [{"train_format": "raft", "train_size": [4]}]
    path = write_study(fine_tuning=tuning, retrieval=ways)
    assert stages(path) == {
        **{"prepare_data": 1, "index_corpus": 1, "fine_tune": 1, "generate_answers": 8},
        **{"judge_answers": 8, "measure_retention": 2, "validate_judge": 1, "compare": 1},
    }


def test_a_sequence_trains_on_one_after_the_other_and_answers_both(write_study):
    tuning = {"train_size": [4], "sequence": ["one", "two"]}
    path = write_study(datasets=TWO, fine_tuning=[tuning])
    first, second = runs_of(path, "fine_tune")
    assert first.parameters["dataset"]["style"] == "encyclopedia"
    assert second.parameters["dataset"]["style"] == "biomedical"
    assert second.needs("fine_tune").run_id == first.run_id
    answered = [r for r in runs_of(path, "generate_answers") if r.needs("fine_tune")]
    assert len(answered) == 2
    assert {r.needs("fine_tune").run_id for r in answered} == {second.run_id}
    assert len(runs_of(path, "measure_retention")) == 2  # base and trained, not once per data set
    words = set(run_names.variants_of(plan.expand(path), load_study(path)).values())
    assert words == {""}


def test_variants_say_what_differs_and_nothing_else(write_study):
    tuning = [
        {"train_size": [4], "label_noise": [0, 0.3]},
        {"train_size": [4], "strength": [0.5]},
        {"train_size": [4], "sequence": ["one", "two"]},
    ]
    path = write_study(datasets=TWO, fine_tuning=tuning)
    words = set(run_names.variants_of(plan.expand(path), load_study(path)).values())
    assert words == {
        *("", "strength 1", "strength 0.5", "30% wrong answers, strength 1"),
        "strength 1, trained on one, then two",
    }


def test_prompts_are_for_the_base_alone(write_study):
    path = write_study(prompting=["default", "brief", "few_shot"], seeds=[0, 1])
    asked = Counter(
        (r.point.training.method if r.point.training else "none", r.point.answering.prompting)
        for r in runs_of(path, "generate_answers")
    )
    assert asked == {
        **{("none", "default"): 1, ("none", "brief"): 1, ("none", "few_shot"): 2},
        ("lora", "default"): 2,
    }


def test_examples_in_a_prompt_are_not_asked_as_training_questions(write_study):
    both = write_study(prompting=["default", "few_shot"], contexts=["retrieved", "training"])
    asked = {
        run.point.answering.prompting: set(run.extent)
        for run in runs_of(both, "generate_answers")
        if run.point.training is None
    }
    assert asked == {"default": {"retrieved", "training"}, "few_shot": {"retrieved"}}


def test_no_more_training_questions_are_asked_than_were_trained_on(write_study):
    path = write_study(contexts=["retrieved", "training"])
    extents = [run.extent for run in runs_of(path, "generate_answers")]
    assert extents == [{"retrieved": 8, "training": 8}, {"retrieved": 8, "training": 4}]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"fine_tuning": [{"train_size": [4], "sequence": ["elsewhere"]}]}, "'elsewhere'"),
        ({"prompting": ["brief"]}, "`default` is what the others are compared with"),
        (
            {"fine_tuning": [{"method": "prompt_tuning", "train_size": [4], "strength": 0.5}]},
            "prompt_tuning is there or not",
        ),
        ({"fine_tuning": [{"method": "lara", "train_size": [4]}]}, "did you mean 'lora'"),
        ({"fine_tuning": [{"train_size": [4], "replay": 1.0}]}, "less than 1"),
        ({"fine_tuning": [{"train_size": [4], "label_noise": [0.1, 0.1]}]}, "more than once"),
    ],
)
def test_impossible_choices_are_refused(write_study, changes, expected):
    with pytest.raises(StudyError) as caught:
        load_study(write_study(**changes))
    assert expected in str(caught.value)
