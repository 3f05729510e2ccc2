"""What of a study's grid readers of other kinds have, and what is said of the rest."""

import json

import pandas as pd
import pytest

from rag_study.analysis import collect, run_names
from rag_study.common.errors import StudyError
from rag_study.study import plan, readers
from rag_study.study.config import load_study

TUNING = {
    "method": ["lora", "qlora"],
    "train_format": ["closed_book", "with_context"],
    "train_size": [4],
    "replay": [0, 0.2],
}
STUDY = {
    "models": ["random-llama", "random-t5", "all-minilm-l6-v2"],
    "fine_tuning": [TUNING],
    "prompting": ["default", "brief"],
    "contexts": ["none", "retrieved", "oracle"],
    "retention": 12,
    "answering": {"context_gain": True, "temperature": 0.5},
}


@pytest.fixture
def runs(write_study):
    return plan.expand(write_study(**STUDY))


def of(runs, stage, model):
    return [run for run in runs if run.stage.name == stage and run.point.model == model]


def test_a_reader_is_trained_and_asked_where_there_is_something_to_point_at(runs):
    (trained,) = of(runs, "fine_tune", "all-minilm-l6-v2")
    training = trained.point.training
    assert (training.method, training.train_format, training.replay) == ("lora", "with_context", 0)
    (answered,) = of(runs, "generate_answers", "all-minilm-l6-v2")
    assert answered.needs("fine_tune") is not None
    asked = answered.point.answering
    assert set(answered.extent) == {"retrieved", "oracle"}
    assert (asked.context_gain, asked.temperature) == (False, 0)
    assert not of(runs, "measure_retention", "all-minilm-l6-v2")


def test_an_encoder_decoder_has_all_but_retention_and_4_bit(runs):
    assert len(of(runs, "fine_tune", "random-llama")) == 8
    assert len(of(runs, "fine_tune", "random-t5")) == 4
    untrained = [r for r in of(runs, "generate_answers", "random-t5") if not r.point.training]
    assert {run.point.answering.prompting for run in untrained} == {"default", "brief"}
    assert not of(runs, "measure_retention", "random-t5")
    assert of(runs, "measure_retention", "random-llama")


def test_what_is_left_out_is_said(write_study):
    study = load_study(write_study(**STUDY))
    of_t5, of_reader = readers.notes(study.models, study.trainings)
    assert "random-t5" in of_t5
    assert "qlora is for decoders" in of_t5
    assert "closed_book has no passage" in of_reader
    assert "no untrained state" in of_reader
    assert "replay" in of_reader


def test_a_study_in_which_nothing_is_left_of_a_reader_is_refused(write_study):
    closed = {"method": "lora", "train_format": "closed_book", "train_size": [4]}
    given = {"train_format": "with_context", "train_size": [4]}
    for change in (
        {"fine_tuning": [closed]},
        {"fine_tuning": []},
        {"fine_tuning": [given], "contexts": ["none"], "primary": {"contexts": ["none"]}},
    ):
        with pytest.raises(StudyError, match="models: The model “all-minilm-l6-v2” is an extrac"):
            load_study(write_study(models=["all-minilm-l6-v2"], **change))


def test_a_trained_head_has_an_untrained_state(write_study, tmp_path):
    (tmp_path / "squad").mkdir()
    config = {"model_type": "bert", "architectures": ["BertForQuestionAnswering"]}
    (tmp_path / "squad" / "config.json").write_text(json.dumps(config))
    runs = plan.expand(write_study(models=["squad"], fine_tuning=[], retention=0))
    (answered,) = [run for run in runs if run.stage.name == "generate_answers"]
    assert answered.point.training is None
    (judged,) = [run for run in runs if run.stage.name == "judge_answers"]
    assert run_names.columns_of(judged)["method"] == "none"


@pytest.mark.parametrize(
    ("stage", "parameters", "words"),
    [
        ("fine_tune", {"training": {"train_format": "closed_book"}}, "closed_book has no passage"),
        ("fine_tune", {"training": {"train_format": "raft", "method": "ia3"}}, "for decoders"),
        ("generate_answers", {}, "no trained span head"),
        ("generate_answers", {"training": {"train_format": "raft"}}, "contexts: none"),
        ("measure_retention", {"training": {"train_format": "raft"}}, "retention is measured"),
    ],
)
def test_a_stage_by_hand_is_refused_with_words(stage, parameters, words):
    from rag_study.study.groups import Point

    point = Point.model_validate(
        {"dataset": {"name": "fictional"}, "model": "all-minilm-l6-v2"} | parameters
    )
    with pytest.raises(StudyError, match=f"'all-minilm-l6-v2', an extractive reader: .*{words}"):
        plan.stage_run(stage, point)


def test_judges_are_decoders(write_study):
    with pytest.raises(StudyError, match="'random-t5' cannot be used here: it is an encoder-dec"):
        load_study(write_study(judges=[{"model": "random-t5"}]))
    with pytest.raises(StudyError, match="'all-minilm-l6-v2' is not a preset"):
        load_study(write_study(judges=[{"model": "all-minilm-l6-v2"}]))


def test_a_readers_state_stands_beside_every_base_of_its_own_search():
    base = {"dataset": "d", "retriever": "dense", "chunk_size": 128, "method": "none"}
    answered = pd.DataFrame(
        [base | {"model": m, "top_k": k} for m in ("one", "two") for k in (2, 5)]
    )
    row = base | {"model": "bert", "method": "bert LoRA 4", "top_k": 5}
    system = {**row, "model": "", "retriever": "", "chunk_size": 0, "top_k": 0}
    of_reader, of_system = collect._beside_each_base(
        [pd.DataFrame([row]), pd.DataFrame([system])], answered
    )
    assert sorted(of_reader["model"]) == ["one", "two"]
    assert set(of_reader["top_k"]) == {5}
    assert len(of_system) == 4
    (alone,) = collect._beside_each_base([pd.DataFrame([row])], pd.DataFrame())
    assert list(alone["model"]) == ["bert"]
