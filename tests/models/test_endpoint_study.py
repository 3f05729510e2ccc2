"""A whole study of a model behind a server, by the command line; the server dies in the middle."""

import json
import subprocess
import sys
import threading
from urllib.parse import urlsplit

import pandas as pd
import pytest
from test_endpoint import KEY, Server, hangs_up, ok, send

from rag_study.common import run_folder
from rag_study.models import api_key
from rag_study.study import plan

ANSWERED = 11  # before the server dies
ASKED = 2 * 2 * 8  # two ways to ask, two contexts, questions


def rag_study(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "rag_study", *arguments], capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


def prompts_of(server):
    return [body["messages"][-1]["content"] for body in server.requests]


@pytest.mark.slow
def test_a_study_goes_on_where_its_server_died(outputs, write_study, monkeypatch):
    monkeypatch.setenv(api_key.KEY_VARIABLE, KEY)
    server, dying = Server(), threading.Event()

    def dies(handler, body):
        if not dying.is_set():
            dying.set()
            threading.Thread(target=server.close).start()
        hangs_up(handler, body)

    server.script = dict.fromkeys(range(ANSWERED, 1000), dies)
    study = write_study(
        models=[f"{server.url}#tower-model"],
        fine_tuning=None,
        prompting=["default", "brief"],
        contexts=["none", "retrieved"],
    )
    code, said = rag_study("run", str(study))
    assert code == 1, said
    assert "cannot be reached" in said
    assert "What was answered is kept" in said
    assert "Traceback" not in said
    answering = [r for r in plan.expand(study) if r.stage.name == "generate_answers"]
    folder = run_folder.RunFolder(answering[0].run_id)
    assert folder.status().state == "failed"
    kept = folder.all_parts()
    assert len(kept) == ANSWERED

    second = Server(urlsplit(server.url).port)
    code, said_then = rag_study("run", str(study))
    second.close()
    assert code == 0, said_then
    assert len(second.requests) == ASKED - ANSWERED
    assert not {row["answer"] for row in kept} & {text.strip() for text in prompts_of(second)}

    results = pd.read_parquet(run_folder.study_dir("small") / "results.parquet")
    assert len(results) == ASKED
    assert results["judge_accuracy"].notna().all()
    report = (run_folder.study_dir("small") / "report.html").read_text()
    assert "The model “tower-model” is behind a server" in report
    everything = [p.read_bytes() for p in outputs.rglob("*") if p.is_file()]
    assert len(everything) > 50
    leaks = [text for text in everything if KEY.encode() in text]
    assert not leaks
    assert KEY not in said + said_then


@pytest.mark.slow
def test_a_study_goes_on_without_the_answers_that_its_server_refuses(
    outputs, write_study, monkeypatch
):
    """They have no score, are no empty answers, and the report counts them; the key is nowhere."""
    monkeypatch.setenv(api_key.KEY_VARIABLE, KEY)
    server = Server()

    def respond(handler, body):
        said = body["messages"][-1]["content"]
        if "temperature" in body:
            error = {"param": "temperature", "message": f"unsupported with {KEY}"}
            send(handler, 400, json.dumps({"error": error}))
        elif sum(map(ord, said)) % 4 == 0:
            error = {"code": "content_filter", "message": f"content policy, {KEY}"}
            send(handler, 400, json.dumps({"error": error}))
        else:
            ok(handler, body)

    server.script = {"all": respond}
    study = write_study(
        models=[f"{server.url}#tower-model"],
        fine_tuning=None,
        prompting=["default", "brief"],
        contexts=["none", "retrieved"],
        servers={"concurrency": 2, "timeout_s": 20, "max_retries": 1},
    )
    code, said = rag_study("run", str(study))
    server.close()
    assert code == 0, said
    results = pd.read_parquet(run_folder.study_dir("small") / "results.parquet")
    lost = results["missing_reason"].notna()
    assert len(results) == ASKED
    assert 0 < lost.sum() < ASKED
    scores = ["judge_accuracy", "answer_recall", "token_f1", "refusal_rate", "answer_length"]
    assert results.loc[lost, [*scores, "answer"]].isna().all(axis=None)
    assert results.loc[~lost, scores[0]].notna().all()
    assert results.loc[lost, "judge_accuracy_missing"].str.contains("content policy").all()
    report = (run_folder.study_dir("small") / "report.html").read_text()
    assert "are missing and have no score" in report
    assert "`temperature` was left out" in report
    everything = [p.read_bytes() for p in outputs.rglob("*") if p.is_file()]
    assert not [text for text in everything if KEY.encode() in text]
    assert KEY not in said
