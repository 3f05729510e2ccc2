"""A whole study of a model behind a server, by the command line; the server dies in the middle."""

import gzip
import itertools
import json
import subprocess
import sys
import threading
from urllib.parse import urlsplit

import pandas as pd
import pytest
from spellings import telling, whole
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


def asked_of(server, write_study, **servers):
    """A study of a model behind the server; `servers` are settings of how it is asked."""
    return write_study(
        models=[f"{server.url}#tower-model"],
        fine_tuning=None,
        prompting=["default", "brief"],
        contexts=["none", "retrieved"],
        servers={"timeout_s": 20, **servers} if servers else None,
    )


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
    study = asked_of(server, write_study)
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
    study = asked_of(server, write_study, concurrency=2, max_retries=1)
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


# As a key is: another letter in each place, so that no part of it is a word of the study.
SECRET = 'zq/7"Kx+9&vW-2Lm<4Rt_8Yb'
FAULTS = ("text", "JSON", "gzip", "chunks", "redirect", "answer", "reasoning", "no completion")


@pytest.mark.slow
def test_no_file_and_no_screen_shows_a_key_that_the_server_repeats(
    outputs, write_study, monkeypatch, tmp_path
):
    monkeypatch.setenv(api_key.KEY_VARIABLE, SECRET)
    monkeypatch.setenv("OPENAI_LOG", "debug")
    monkeypatch.setenv("HTTPX_LOG_LEVEL", "debug")
    every = [text for _, text in whole(SECRET)]
    echoes = [("x-echo", text) for text in every if text.isprintable()]
    numbers, lock, server = itertools.count(), threading.Lock(), Server()

    def respond(handler, body):
        with lock:
            number = next(numbers)
        said = f"you sent {every[number % len(every)]} as Authorization: Bearer {SECRET}"
        error = json.dumps({"error": {"message": said, "code": "content_filter"}})
        message = {"role": "assistant", "content": "It is so."}
        reply = {"model": "m", "choices": [{"message": message, "finish_reason": "stop"}]}
        match FAULTS[number % len(FAULTS)]:
            case "text":
                send(handler, 400, f"content policy: {said}", echoes)
            case "JSON":
                send(handler, 400, error, echoes)
            case "gzip":
                raw = gzip.compress(error.encode())
                handler.send_response(400)
                handler.send_header("Content-Encoding", "gzip")
                handler.send_header("Content-Length", str(len(raw)))
                handler.end_headers()
                handler.wfile.write(raw)
            case "chunks":
                handler.protocol_version = "HTTP/1.1"
                handler.send_response(400)
                handler.send_header("Transfer-Encoding", "chunked")
                handler.end_headers()
                for letter in error.encode():
                    handler.wfile.write(b"1\r\n%c\r\n" % letter)
                handler.wfile.write(b"0\r\n\r\n")
            case "answer":
                message["content"] = said
                send(handler, 200, json.dumps(reply))
            case "reasoning":
                message["reasoning_content"] = said
                send(handler, 200, json.dumps(reply))
            case _ if number > 24:
                send(handler, 302, error, [("Location", f"{server.url}/{every[12]}")])
            case _:
                ok(handler, body)

    server.script = {"all": respond}
    study = asked_of(server, write_study, concurrency=1, max_retries=0)
    said = [rag_study("run", str(study), "--executor", "serial")]
    said += [rag_study("run", str(study), "--debug"), rag_study("status", str(study))]
    said += [rag_study("export", str(study), str(tmp_path / "study.tar.gz"))]
    server.close()
    assert said[0][0] == 1, said[0][1]
    texts = {" ".join(map(str, told)).encode() for told in said}
    texts |= {path.read_bytes() for path in outputs.rglob("*") if path.is_file()}
    texts.add(gzip.decompress((tmp_path / "study.tar.gz").read_bytes()))
    assert any(b"***" in text for text in texts)
    looked_for = {part.encode() for part in telling(SECRET)}
    assert not [(part, text[:80]) for part in looked_for for text in texts if part in text]
