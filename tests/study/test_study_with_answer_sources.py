"""Whose answers are learned, as a factor of the grid."""

from collections import Counter

import pytest

from rag_study.analysis import run_names
from rag_study.common.errors import StudyError
from rag_study.common.paths import PROJECT_ROOT
from rag_study.common.run_folder import RunFolder
from rag_study.study import plan, stages
from rag_study.study.config import load_study
from rag_study.study.running import costs, resources

SERVED = "http://localhost:1/v1#large"
WRITE = "write_training_answers"


def runs_of(path, stage):
    return [run for run in plan.expand(path) if run.stage.name == stage]


def tuned(**changes):
    return [{"train_size": [4], **changes}]


def test_gold_answers_are_learned_as_if_there_were_no_others(write_study):
    (usual,) = runs_of(write_study(), "fine_tune")
    path = write_study(fine_tuning=tuned(answered_from=["few_shot", "passages"], otherwise="gold"))
    (gold,) = runs_of(path, "fine_tune")
    assert gold.run_id == usual.run_id
    assert not {"answer_source", "answered_from", "otherwise", "asked"} & {
        *gold.parameters["training"]
    }
    assert not runs_of(path, WRITE)


def test_answers_are_written_once_for_all_sizes_seeds_and_methods(write_study):
    recipe = {"answer_source": ["gold", "self"], "method": ["lora", "ia3"]}
    path = write_study(fine_tuning=[{"train_size": [4, 9], **recipe}], seeds=[0, 5])
    (written,) = runs_of(path, WRITE)
    assert written.extent == {"seed 0": 9, "seed 5": 9}
    assert written.point.model == "random-llama"
    trained = runs_of(path, "fine_tune")
    assert len(trained) == 2 * 2 * 2 * 2
    needed = [run.needs(WRITE) for run in trained if run.point.training.answers_are_written]
    assert {run.run_id for run in needed} == {written.run_id}
    assert len(needed) == 8


def test_a_larger_study_has_the_same_run_do_more(write_study, outputs):
    (few,) = runs_of(write_study(fine_tuning=tuned(answer_source="self")), WRITE)
    RunFolder(few.run_id).path.mkdir(parents=True)
    RunFolder(few.run_id).set_status("done", extent=few.extent)
    assert stages.is_done(few)
    bigger = [{"train_size": [4, 6], "answer_source": "self"}]
    (more,) = runs_of(write_study(fine_tuning=bigger), WRITE)
    assert more.run_id == few.run_id
    assert not stages.is_done(more)
    other = tuned(answer_source="self", train_format="raft", learning_rate=0.01)
    (again,) = runs_of(write_study(fine_tuning=other), WRITE)
    assert again.run_id == few.run_id  # nothing of the training matters but what is asked


def test_passages_matter_only_where_they_are_shown(write_study):
    def ids(way, stage=WRITE, **retrieval):
        path = write_study(
            fine_tuning=tuned(answer_source="self", answered_from=way),
            retrieval={"chunk_size": 100, **retrieval},
        )
        (run,) = runs_of(path, stage)
        return run.run_id

    assert ids("passages") != ids("passages", top_k=2)
    assert ids("closed_book") == ids("closed_book", top_k=2)
    assert ids("few_shot") != ids("closed_book")
    # What is trained depends on it, though the training itself shows no passages.
    assert ids("passages", "fine_tune") != ids("passages", "fine_tune", chunk_size=120)


def test_a_model_that_is_named_and_is_the_base_writes_its_own_answers(write_study):
    sources = {"answer_source": ["self", "smollm2-135m-instruct"]}
    path = write_study(
        models=["random-llama", "smollm2-135m-instruct"], fine_tuning=tuned(**sources)
    )
    assert Counter(run.point.model for run in runs_of(path, WRITE)) == {
        "random-llama": 1,
        "smollm2-135m-instruct": 1,
    }
    trained = Counter(
        (run.point.model, run.point.training.answer_source) for run in runs_of(path, "fine_tune")
    )
    assert trained == {
        ("random-llama", "self"): 1,
        ("random-llama", "smollm2-135m-instruct"): 1,
        ("smollm2-135m-instruct", "self"): 1,
    }


def test_a_model_on_a_server_writes_for_models_that_are_trained_here(write_study):
    path = write_study(models=["random-llama", SERVED], fine_tuning=tuned(answer_source=SERVED))
    (written,) = runs_of(path, WRITE)
    assert written.point.model == SERVED
    assert resources.models_of(written) == []
    assert len(runs_of(path, "fine_tune")) == 1
    assert costs.tokens(written)["written"] == (4 + 40) * 47


def test_a_training_on_one_set_after_the_other_learns_answers_to_both(write_study):
    sets = [
        {"name": "fictional", "label": "one", "num_worlds": 84, "test_size": 8},
        {"name": "fictional", "label": "two", "style": "biomedical", "num_worlds": 84},
    ]
    path = write_study(
        datasets=[{**one, "test_size": 8} for one in sets],
        fine_tuning=tuned(answer_source="self", sequence=["one", "two"]),
    )
    first, second = runs_of(path, "fine_tune")
    assert second.needs("fine_tune") is not None
    assert [run.needs(WRITE).point.dataset.style for run in (first, second)] == [
        *("encyclopedia", "biomedical")
    ]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"fine_tuning": tuned(answer_source="slef")}, "'slef' is not a preset.*'self'"),
        ({"fine_tuning": tuned(answer_source="smollm2-135m-judge")}, "it is a judge"),
        ({"fine_tuning": tuned(answered_from="oracle")}, "answered_from"),
        ({"fine_tuning": tuned(asked={"seed 0": 4})}, "unknown key 'asked'"),
        (
            {
                "fine_tuning": tuned(answer_source="self", otherwise="left_out"),
                "contexts": ["none", "retrieved", "training"],
            },
            "otherwise: with `left_out`",
        ),
        (
            {"fine_tuning": tuned(answer_source=SERVED), "retrieval": {"max_context_tokens": 100}},
            "does not give the tokenizer",
        ),
    ],
)
def test_what_is_impossible_is_refused_before_anything_runs(write_study, changes, why):
    with pytest.raises(StudyError, match=why):
        plan.expand(write_study(**changes))


def test_a_notebook_is_told_what_to_write(write_study):
    (run,) = runs_of(write_study(fine_tuning=tuned(answer_source="self")), WRITE)
    by_hand = plan.stage_run(WRITE, type(run.point).model_validate(run.parameters))
    assert by_hand.run_id == run.run_id
    assert by_hand.extent == run.extent
    gold = run.point.model_copy(update={"training": plan.Training()})
    with pytest.raises(StudyError, match="there is nothing to write"):
        plan.stage_run(WRITE, gold)


def test_trainings_by_hand_are_those_of_the_study(write_study):
    path = write_study(
        fine_tuning=tuned(answer_source="self"), answering={"max_new_tokens": 9}, seeds=[2]
    )
    (run,) = runs_of(path, "fine_tune")
    point = type(run.point).model_validate(run.parameters)
    assert plan.stage_run("fine_tune", point).run_id == run.run_id
    alone = {key: value for key, value in run.parameters["training"].items() if key != "asked"}
    point = type(run.point).model_validate(run.parameters | {"training": alone})
    again = plan.stage_run("fine_tune", point)
    assert again.run_id == run.run_id
    assert again.needs(WRITE).extent == {"seed 2": 4}


def test_variants_say_whose_answers_and_no_more_than_differs(write_study):
    def words(**changes):
        path = write_study(fine_tuning=tuned(**changes))
        return set(run_names.variants_of(plan.expand(path), load_study(path)).values())

    sources = ["gold", "self", SERVED, "owner/llama-70b"]
    assert words(answer_source=sources) == {
        *("", "gold answers", "own answers", "answers of large", "answers of llama-70b")
    }
    both = {"answered_from": ["passages", "closed_book"], "otherwise": ["gold", "left_out"]}
    assert words(answer_source=["gold", "self"], **both) == {
        *("", "gold answers"),
        *(
            f"own answers, {way}, {rest}"
            for way in ("from passages", "closed book")
            for rest in ("else gold", "else left out")
        ),
    }


def test_the_study_that_comes_with_it_asks_each_way_once():
    path = PROJECT_ROOT / "params" / "teacher.yaml"
    written = runs_of(path, WRITE)
    assert sorted(run.point.training.answered_from for run in written) == [
        *("closed_book", "few_shot", "passages")
    ]
    assert len(runs_of(path, "fine_tune")) == 2 * (1 + 3)
