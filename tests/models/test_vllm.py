"""A vLLM server of a stage run's own: what it is told, that it ends, and the same answers."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest
from towers import CHUNKS, HITS, QUESTIONS

from rag_study.answering import generation
from rag_study.answering.contexts import ContextBuilder
from rag_study.answering.generation import Settings
from rag_study.common import circumstances, run_folder, side_by_side
from rag_study.common.errors import StudyError
from rag_study.models import loading, vllm, vllm_model, vllm_server, watchdog
from rag_study.study import plan
from rag_study.training import peft
from rag_study.training.recipe import Recipe

STAND_IN = Path(__file__).parents[1] / "vllm_stand_in.py"


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """The stand-in for vLLM as the executable that is called; returns what it has recorded."""
    program, record = tmp_path / "bin" / "vllm", tmp_path / "record.jsonl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv(vllm.EXECUTABLE_VARIABLE, str(program))
    monkeypatch.setenv("STAND_IN_RECORD", str(record))

    def recorded(kind):
        lines = record.read_text().splitlines() if record.exists() else []
        return [line[kind] for line in map(json.loads, lines) if kind in line]

    return recorded


def served(tmp_path, start_timeout_s=60, **options):
    command = vllm.command(vllm.executable(), tmp_path, tmp_path, "float32", options)
    return vllm_server.Server(command, tmp_path / "vllm.log", start_timeout_s)


def all_gone(pids, within_s=30.0):
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        left = [p for p in pids if psutil.pid_exists(p)]
        left = [p for p in left if psutil.Process(p).status() != psutil.STATUS_ZOMBIE]
        if not left:
            return True
        time.sleep(0.1)
    return False


# --- The process ---------------------------------------------------------------------------------


def test_it_listens_here_alone_takes_its_key_only_and_ends_with_all_that_it_started(
    stand_in, tmp_path, monkeypatch
):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-server-0123456789")
    with served(tmp_path) as server:
        endpoint = server.endpoint("base")
        assert server.endpoint("base").url == endpoint.url  # started once
        assert endpoint.is_on_this_machine
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"{endpoint.url}/models", timeout=20)
        key = endpoint.key()[1]
    assert len(key) > 30
    assert not endpoint.key()[1]  # forgotten
    [pids], [environment] = stand_in("pids"), stand_in("environment")
    assert all_gone(pids)
    assert environment["VLLM_API_KEY"] == key
    assert "Answers were written by version 9.9 of vLLM." in circumstances.recall()
    assert "OPENAI_API_KEY" not in environment
    assert environment["VLLM_NO_USAGE_STATS"] == "1"
    assert key not in (tmp_path / "vllm.log").read_text()


def test_what_does_not_listen_to_a_signal_is_killed(stand_in, tmp_path, monkeypatch):
    monkeypatch.setenv("STAND_IN", "deaf")
    hasty = tmp_path / "hasty.py"
    text = Path(watchdog.__file__).read_text(encoding="utf-8")
    hasty.write_text(text.replace("GRACE_S = 15.0", "GRACE_S = 0.5"))
    monkeypatch.setattr(vllm_server, "_WATCHED", (sys.executable, "-P", str(hasty)))
    with served(tmp_path) as server:
        server.endpoint("base")
    assert all_gone(stand_in("pids")[0], 1)


OWNER = """
import sys, time
from pathlib import Path
from rag_study.models import vllm, vllm_server
folder = Path(sys.argv[1])
command = vllm.command(vllm.executable(), folder, folder, "float32", {})
server = vllm_server.Server(command, folder / "vllm.log")
print(server.endpoint("base").url, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_where_its_owner_is_killed(stand_in, tmp_path, how):
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout.readline().startswith("http://127.0.0.1:")
    owner.send_signal(how)
    owner.wait()
    owner.stdout.close()
    assert all_gone(stand_in("pids")[0])


def test_it_ends_where_its_watchdog_is_killed(stand_in, tmp_path):
    with served(tmp_path) as server:
        server.endpoint("base")
        main, dog, _ = stand_in("pids")[0]
        os.kill(dog, signal.SIGKILL)
        assert all_gone([main])


def test_one_that_does_not_start_says_why(stand_in, tmp_path, monkeypatch):
    monkeypatch.setenv("STAND_IN", "dies")
    with pytest.raises(StudyError, match="exit code 3") as told:
        served(tmp_path).endpoint("base")
    assert "Failed to infer device type" in str(told.value)
    assert str(tmp_path / "vllm.log") in str(told.value)
    said = (tmp_path / "vllm.log").read_text()
    assert "key: ***" in said
    assert "key: ***" in str(told.value)


def test_one_that_never_listens_is_given_up(stand_in, tmp_path, monkeypatch):
    monkeypatch.setenv("STAND_IN", "mute")
    with pytest.raises(StudyError, match="could not be asked after"):
        served(tmp_path, 3).endpoint("base")
    assert all_gone(stand_in("pids")[0], 5) if stand_in("pids") else True


def test_without_vllm_a_sentence_says_what_to_install(monkeypatch, tmp_path, write_study, command):
    monkeypatch.delenv(vllm.EXECUTABLE_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    study = str(write_study(answering={"engine": "vllm"}))
    code, said, _ = command("plan", study)
    assert code == 0
    assert "pip install vllm" in " ".join(said.split())
    code, _, said = command("run", study, "--anyway")
    assert code == 2
    assert "pip install vllm" in said
    assert "Traceback" not in said


# --- The answers ---------------------------------------------------------------------------------


def answers(lm, name, settings, pool=QUESTIONS):
    folder = run_folder.RunFolder(name)
    builder = ContextBuilder(CHUNKS, HITS, top_k=2)
    asked, extent = (dict.fromkeys(("none", "retrieved"), v) for v in (pool, len(pool)))
    batches = generation.generate_answers(lm, asked, builder, settings, extent, folder)
    return [row for batch in batches for row in batch]


def changed(model):
    import torch

    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_" in name or "lora" not in "".join(n for n, _ in model.named_parameters()):
                weight.add_(torch.randn_like(weight) * 0.1)
    return model


@pytest.mark.parametrize(("method", "strength"), [(None, 1.0), ("rslora", 0.4), ("full", 1.0)])
def test_answers_are_those_of_transformers(stand_in, outputs, tmp_path, method, strength):
    adapter = None
    if method:
        recipe, lm = Recipe(method=method, lora_rank=4), loading.load_generator("random-llama")
        adapter = tmp_path / "adapter"
        peft.save(changed(peft.wrap(lm, recipe)), lm, recipe, adapter)
    where = ("random-llama", "float32", adapter, None, strength)
    settings = Settings(12, batch_size=2)
    ours = answers(loading.load_generator(*where), "stage/x-1", settings)
    served = vllm_model.load_generator(tmp_path, {"max_num_seqs": 3}, *where[:3], strength)
    theirs = answers(served, "stage/x-2", settings)
    assert theirs == ours
    assert len({row["answer"] for row in ours}) > 3
    assert {row["truncated"] for row in ours} == {0, 1} or method  # end tokens, and limits
    [options], requests = stand_in("options"), stand_in("request")
    assert options["max_num_seqs"] == "3"
    assert options["generation_config"] == "vllm"
    assert options["enable_lora"] == (method == "rslora")
    assert all(request["temperature"] == 0 for request in requests)
    assert len(requests) == len(ours)
    assert all_gone(stand_in("pids")[0])


def test_of_strength_0_the_base_answers(stand_in, tmp_path):
    recipe, lm = Recipe(lora_rank=4), loading.load_generator("random-llama")
    peft.save(peft.wrap(lm, recipe), lm, recipe, tmp_path / "adapter")
    at = {"adapter_dir": tmp_path / "adapter", "name": "random-llama"}
    model = vllm_model.load_generator(tmp_path, {}, strength=0.0, **at)
    assert model.served_name == vllm.BASE
    assert "--enable-lora" not in model.server.command
    model = vllm_model.load_generator(tmp_path, {}, **at)
    assert model.served_name == vllm.STATE
    assert model.server.command[model.server.command.index("--max-lora-rank") + 1] == "8"


def test_what_was_answered_is_not_asked_again_and_no_server_starts(
    stand_in, outputs, tmp_path, monkeypatch
):
    monkeypatch.setenv("STAND_IN", "rule")
    settings = Settings(4, batch_size=2)
    served = vllm_model.load_generator(tmp_path, {}, "random-llama")
    first = answers(served, "stage/x-1", settings, QUESTIONS[:4])
    number = len(stand_in("request"))
    assert answers(served, "stage/x-1", settings, QUESTIONS[:4]) == first
    assert len(stand_in("request")) == number
    assert len(stand_in("options")) == 1


def test_a_sampled_answer_has_a_seed_of_its_own(stand_in, outputs, tmp_path, monkeypatch):
    monkeypatch.setenv("STAND_IN", "rule")
    served = vllm_model.load_generator(tmp_path, {}, "random-llama")
    answers(served, "stage/x-1", Settings(2, temperature=0.7, top_p=0.9), QUESTIONS[:4])
    requests = stand_in("request")
    assert {(r["temperature"], r["top_p"]) for r in requests} == {(0.7, 0.9)}
    assert len({r["seed"] for r in requests}) == len(requests)


@pytest.mark.parametrize(
    ("mode", "options", "words"),
    [("old", {}, "0.10.2"), ("rule", {"max_model_len": 60}, "max_model_len")],
)
def test_a_server_that_does_not_do_as_told_is_no_answer(
    stand_in, outputs, tmp_path, monkeypatch, mode, options, words
):
    monkeypatch.setenv("STAND_IN", mode)
    served = vllm_model.load_generator(tmp_path, options, "random-llama")
    pool = [q for q in QUESTIONS if q.id in ("q0", "q1")]
    with pytest.raises(StudyError, match=words):
        answers(served, "stage/x-1", Settings(40, batch_size=2), pool)
    assert all_gone(stand_in("pids")[0])


def test_results_come_in_order_and_none_is_begun_after_a_failure():
    begun = []

    def task(number):
        def run():
            begun.append(number)
            time.sleep(0.02 * (number % 3))
            if number == 5:
                raise StudyError("five")
            return number

        return run

    assert [*side_by_side.results(map(task, range(5)), 3)] == [*range(5)]
    begun.clear()
    with pytest.raises(StudyError, match="five"):
        [*side_by_side.results(map(task, range(50)), 2)]
    assert max(begun) < 10


# --- What it cannot do, and run ids --------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fine_tuning": [{"method": "ia3", "train_size": 4}]}, "vLLM has no IA3"),
        ({"fine_tuning": [{"method": "dora", "train_size": 4}]}, "vLLM has no DoRA"),
        ({"fine_tuning": [{"method": "prompt_tuning", "train_size": 4}]}, "no prompt tuning"),
        ({"fine_tuning": [{"method": "qlora", "train_size": 4}]}, "4-bit"),
        ({"fine_tuning": [{"lora_rank": 600, "train_size": 4}]}, "rank 512"),
        ({"fine_tuning": [{"method": "full", "strength": 0.5, "train_size": 4}]}, "strength 0.5"),
        ({"models": ["mixtral-8x7b-instruct"]}, "experts"),
        ({"answering": {"engine": "vllm", "context_gain": True}}, "context_gain"),
        ({"answering": {"engine": "server"}}, "http://host:port/v1#model-name"),
        ({"answering": {"engine": "sglang"}}, "allowed: 'transformers' or 'vllm'"),
        ({"answering": {"engine": "vllm", "vllm": {"quantization": "fp8"}}}, "unknown key"),
    ],
)
def test_what_vllm_cannot_do_is_refused_while_planning(write_study, changes, words):
    study = {"answering": {"engine": "vllm"}, **changes}
    with pytest.raises(StudyError, match=words):
        plan.expand(write_study(**study))


def ids(path):
    return [run.run_id for run in plan.expand(path) if run.stage.name == "generate_answers"]


def test_the_engine_is_in_the_ids_and_what_it_is_started_with_is_not(write_study):
    usual = ids(write_study())
    assert ids(write_study(answering={"engine": "transformers"})) == usual
    assert ids(write_study(answering={"vllm": {"max_num_seqs": 4}})) == usual
    other = ids(write_study(answering={"engine": "vllm"}))
    assert not {*other} & {*usual}
    options = {"max_num_seqs": 4, "tensor_parallel_size": 2}
    assert ids(write_study(answering={"engine": "vllm", "vllm": options})) == other


def test_a_model_on_a_server_is_asked_there_whatever_the_engine(write_study):
    models = ["http://127.0.0.1:9/v1#there"]
    usual = ids(write_study(models=models, fine_tuning=None))
    assert ids(write_study(models=models, fine_tuning=None, answering={"engine": "vllm"})) == usual


# --- vLLM itself ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_vllm_itself_writes_what_transformers_writes(outputs, tmp_path, monkeypatch):
    """The bundled model, and with an adapter (its judge's) that is weakened; ties are allowed."""
    try:
        vllm.executable()
    except StudyError as error:
        pytest.skip(str(error))
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    name, adapter = "smollm2-135m-instruct", Path(loading.__file__).parent / "judge_adapter"
    settings = Settings(8, batch_size=4)
    for where, strength in ((None, 1.0), (adapter, 0.5)):
        how = {"adapter_dir": where, "strength": strength}
        ours = answers(loading.load_generator(name, **how), f"ours/x-{strength}", settings)
        options = {"max_num_seqs": 4}
        served = vllm_model.load_generator(tmp_path, options, name, **how)
        theirs = answers(served, f"theirs/x-{strength}", settings)
        assert served.server._process is None
        assert [row["prompt_tokens"] for row in theirs] == [row["prompt_tokens"] for row in ours]
        same = [a["answer"] == b["answer"] for a, b in zip(ours, theirs, strict=True)]
        assert sum(same) >= len(same) - 2
