import json
from dataclasses import replace

import pytest

from rag_study.common import files, run_folder
from rag_study.common.errors import StudyError
from rag_study.common.machine import resolve_dtype
from rag_study.common.meter import Meter, totals
from rag_study.common.paths import PROJECT_ROOT
from rag_study.data.sources import own
from rag_study.study import plan
from rag_study.study.running import costs
from rag_study.study.running.costs import MACHINES, Machine

DEMO = PROJECT_ROOT / "params" / "demo.yaml"


@pytest.fixture(scope="module")
def demo():
    return plan.expand(DEMO)


def first(runs, stage):
    return next(run for run in runs if run.stage.name == stage)


def test_more_questions_passages_and_steps_are_more_tokens(write_study):
    def of(stage, **changes):
        return costs.tokens(
            [r for r in plan.expand(write_study(**changes)) if r.stage.name == stage][-1]
        )

    base, more = of("generate_answers"), of("generate_answers", retrieval={"top_k": 9})
    assert more["read"] > base["read"]
    assert more["written"] == base["written"] == 3 * 8 * 47
    limited = of("generate_answers", retrieval={"top_k": 9, "max_context_tokens": 300})
    assert base["read"] / 2 < limited["read"] < base["read"]  # one and a half passages, not three
    once = of("fine_tune", fine_tuning=[{"train_size": [4], "epochs": 1}])
    twice = of("fine_tune", fine_tuning=[{"train_size": [4], "epochs": 2}])
    assert twice["trained"] == 2 * once["trained"]
    by_steps = of("fine_tune", fine_tuning=[{"train_size": [4], "max_steps": 5}])
    assert by_steps["trained"] == pytest.approx(once["trained"] * 5 * 8 / 4)


def test_seconds_are_those_of_the_arithmetic(demo):
    machine = Machine("m", "", read=1e9, trained=2e9, written=3e9, overhead=7.0)
    run = first(demo, "generate_answers")
    taken = costs.seconds(run, {"read": 1000, "written": 80}, machine)
    steps = 80 / run.point.answering.batch_size
    expected = 7 + 2 * 0.135e9 * 1000 / 1e9 + 0.135e9 * 2 * steps / 3e9
    assert taken == pytest.approx(expected)


def test_this_machines_speed_is_found_in_its_finished_runs(outputs, demo):
    truth = Machine("truth", "", read=2e11, trained=1e11, written=5e9, overhead=11.0)
    truth = replace(truth, dtype=resolve_dtype("auto"))
    with pytest.raises(StudyError, match="not known yet"):
        costs.find_machine(None)
    done = [run for run in demo if not run.is_comparison]
    planned = [costs.tokens(run) for run in done]
    for number, run in enumerate(done):
        counted = {kind: n * (1 + 0.1 * number) for kind, n in planned[number].items()}
        told = {
            "stage": run.stage.name,
            "identity": run.identity,
            "tokens": counted,
            "wall_seconds": costs.seconds(run, counted, truth),
        }
        folder = run_folder.RunFolder(run.run_id)
        folder.set_status("done", extent=run.extent, tries=1)
        (folder.path / "provenance.json").write_text(json.dumps(told))
        files.write_yaml(folder.path / "params.yaml", run.parameters)
        (folder.path / "corpus.jsonl").write_text("x" * 300_000)
    for name, record in (("damaged", "{"), ("old", json.dumps(told | {"stage": "gone"}))):
        files.write_text(folder.path.with_name(name) / "provenance.json", record)
        files.write_yaml(folder.path.with_name(name) / "params.yaml", run.parameters)
    found = costs.find_machine(None)
    for speed in ("read", "trained", "written", "overhead"):
        assert getattr(found, speed) == pytest.approx(getattr(truth, speed), rel=1e-3)
    everything = costs.estimate(demo, found).rows[-1]
    assert everything["done"] == len(done)
    assert everything["runs"] == 1
    assert everything["hours_by_tokens"] == pytest.approx(everything["hours_taken"], rel=1e-3)
    assert everything["hours_predicted"] < everything["hours_taken"]


def test_the_papers_grid_on_gpus(outputs):
    runs = plan.expand(PROJECT_ROOT / "params" / "paper.yaml")
    fast, slow = (costs.estimate(runs, MACHINES[n]).rows[-1] for n in ("h100-80gb", "a100-80gb"))
    assert 0 < fast["hours"] < slow["hours"]
    assert fast["gpu_hours"] > fast["hours"]  # Mixtral takes two of them
    with pytest.raises(StudyError, match="id you mean 'h100-80gb'"):
        costs.find_machine("h100-80g")


def test_totals_sum_what_was_recorded_and_say_when_nothing_was():
    runs = [
        {"stage": "fine_tune", "wall_seconds": 10.0, "core_seconds": 15.0, "peak_memory_mb": 900.0}
        | {"tokens": {"trained": 100, "read": 7}},
        {"stage": "fine_tune", "wall_seconds": 20.0, "peak_memory_mb": 800.0},
        {"stage": "prepare_data", "wall_seconds": 1.0, "tokens": {}},
    ]
    training, _, everything = totals(runs)
    assert (training["stage"], training["runs"], training["wall_seconds"]) == ("fine_tune", 2, 30.0)
    assert (training["core_seconds"], training["peak_memory_mb"]) == (15.0, 900.0)
    assert (training["tokens_trained"], training["tokens_read"]) == (100, 7)
    assert training["tokens_written"] == 0
    assert training["peak_gpu_memory_mb"] is None
    assert (everything["stage"], everything["wall_seconds"]) == ("all", 31.0)
    assert totals([]) == []


def test_a_model_s_tokens_are_counted_as_read_written_and_trained(tiny):
    import torch

    meter = Meter()
    with torch.no_grad():
        tiny.model.generate(
            torch.full((2, 10), 5), max_new_tokens=4, min_new_tokens=4, do_sample=False
        )
    tiny.model.train()
    tiny.model(torch.full((3, 6), 5))
    tiny.model.eval()
    assert meter.read()["tokens"] == {"read": 20, "written": 2 * 3, "trained": 18}


def test_large_own_data_is_not_read_to_tell_what_it_takes(write_study, own_data, monkeypatch):
    mine = {"name": "own", "path": str(own_data), "test_size": 4}
    runs = plan.expand(write_study(datasets=[mine]))
    indexing = first(runs, "index_corpus")
    known = costs.tokens(indexing)["read"]
    monkeypatch.setattr(own, "_INSTANT_BYTES", 0)
    assert known > costs.tokens(indexing)["read"] == 0
