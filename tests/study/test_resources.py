import importlib.util
import os

import pytest

from rag_study.common import machine
from rag_study.models import names
from rag_study.study import plan
from rag_study.study.running import resources


@pytest.fixture
def cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))


@pytest.mark.parametrize(("threads", "workers"), [(1, 16), (4, 4), (12, 1), (0, 1), (64, 1)])
def test_threads_decide_how_many_run_side_by_side(write_study, cores, threads, workers):
    runs = plan.expand(write_study(compute={"dtype": "float32", "threads": threads}))
    assert resources.default_workers(runs) == workers


def test_the_planning_machine_decides_what_auto_means(write_study, cores, monkeypatch):
    auto = write_study(compute={"dtype": "auto", "threads": 0})
    ids = {}
    for cores_there in (16, 64):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, n=cores_there: set(range(n)))
        ids[cores_there] = [run.run_id for run in plan.expand(auto)]
    assert ids[16] != ids[64]
    monkeypatch.setenv("RAG_STUDY_THREADS", "16")
    monkeypatch.setenv("RAG_STUDY_DTYPE", "bfloat16")
    told = [run.run_id for run in plan.expand(auto)]
    monkeypatch.delenv("RAG_STUDY_THREADS")
    monkeypatch.delenv("RAG_STUDY_DTYPE")
    fixed = write_study(compute={"dtype": "bfloat16", "threads": 16})
    assert told == [run.run_id for run in plan.expand(fixed)]


def test_runs_with_a_model_need_a_gpu_and_its_memory(write_study):
    changes = {"models": ["llama2-7b-chat"], "compute": {"dtype": "bfloat16", "threads": 1}}
    changes["fine_tuning"] = [{"method": ["lora", "qlora", "full"], "train_size": [4]}]
    runs = plan.expand(write_study(**changes))
    prepare = next(run for run in runs if run.stage.name == "prepare_data")
    assert resources.labels(prepare) == {}
    assert resources.labels(runs[-1]) == {}
    need = {
        run.point.training.method: resources.labels(run)["MEMORY"] / 1e9
        for run in runs
        if run.stage.name == "fine_tune"
    }
    assert need["qlora"] < 9 < 6.74 * 2 < need["lora"] < 22 < 6.74 * 16 < need["full"]
    assert all(resources.labels(r)["GPU"] == 1 for r in runs if r.stage.name == "fine_tune")


def test_kernels_that_cannot_be_had_are_told_before_anything_runs(write_study, monkeypatch):
    def missing(**keys):
        runs = plan.expand(write_study(fine_tuning=[{"train_size": [4], **keys}]))
        return resources.missing_program(runs)

    monkeypatch.setattr(machine, "has_gpu", lambda: False)
    assert missing(padding_free=True) is None
    assert "needs a GPU" in missing(kernels="liger")
    monkeypatch.setattr(machine, "has_gpu", lambda: True)
    there, find = set(), importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n: n in there if n == "liger_kernel" else find(n)
    )
    assert "pip install liger-kernel" in missing(kernels="liger")
    there.add("liger_kernel")
    assert missing(kernels="liger") is None


def test_a_model_behind_an_endpoint_takes_nothing_here(write_study):
    url = "http://127.0.0.1:8000/v1#served"
    runs = plan.expand(write_study(models=[url], fine_tuning=None, retention=0))
    answers = next(run for run in runs if run.stage.name == "generate_answers")
    assert resources.labels(answers) == {}


def test_gpus_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr(machine, "has_gpu", lambda: True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert machine.gpus() == ["2", "5"]
    monkeypatch.setattr(machine, "has_gpu", lambda: False)
    assert machine.gpus() == []


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("mistral-7b-instruct", 7.24e9),
        ("someone/Big-Model-70B-Instruct", 70e9),
        ("someone/tiny-1.5b", 1.5e9),
        ("someone/small-350M", 350e6),
        ("someone/unsaid", None),
    ],
)
def test_sizes_of_models(name, parameters):
    assert names.parameters_of(name) == parameters


def test_a_mixture_of_experts_uses_a_part_of_its_weights():
    name = "mixtral-8x7b-instruct"
    assert names.parameters_of(name, active=True) < names.parameters_of(name) / 3
