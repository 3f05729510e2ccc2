"""Against real servers on loopback: one of the tests' own, and `transformers serve`."""

import email.utils
import html
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import pandas as pd
import pytest

from rag_study.answering import generation, served
from rag_study.answering.contexts import ContextBuilder
from rag_study.answering.generation import Settings
from rag_study.common import run_folder
from rag_study.common.errors import StudyError
from rag_study.data.schema import Question
from rag_study.models import api_key, loading, names, prompts, session
from rag_study.models import endpoint as endpoints

KEY = "sk-test-0123456789-secret"
QUESTIONS = [
    Question(f"q{i}", f"Who built tower {i}?", (f"Person {i}",), gold_doc_ids=(f"d{i}",))
    for i in range(10)
]
CHUNKS = pd.DataFrame(
    [(f"d{i}#0", f"d{i}", f"Tower {i}", f"Person {i} built it.", 10) for i in range(10)],
    columns=["chunk_id", "doc_id", "title", "text", "tokens"],
)
HITS = pd.DataFrame(
    [
        (f"q{i}", rank, f"d{(i + rank) % 10}#0", f"d{(i + rank) % 10}")
        for i in range(10)
        for rank in (1, 2)
    ],
    columns=["question_id", "rank", "chunk_id", "doc_id"],
)


def completion(body, **changes):
    """A chat completion that says the last message back."""
    reply = {
        "id": "x",
        "object": "chat.completion",
        "model": f"{body['model']}-2024",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": body["messages"][-1]["content"] + " "},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 30, "completion_tokens": 7, "total_tokens": 37},
    }
    return reply | changes


class Server:
    """A small server. `script` maps the number of a request (from 0) to what happens to it."""

    def __init__(self, port=0):
        self.script, self.requests, self.headers, self.times = {}, [], [], []
        self.busy = self.most_busy = 0
        lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    number = len(outer.requests)
                    outer.requests.append(body)
                    outer.headers.append({k.lower(): v for k, v in self.headers.items()})
                    outer.times.append(time.monotonic())
                    outer.busy += 1
                    self.is_busy = True
                    outer.most_busy = max(outer.most_busy, outer.busy)
                try:
                    outer.script.get(number, outer.script.get("all", ok))(self, body)
                finally:
                    self.answered()

            def answered(self):
                """Before the reply is sent: whoever has it may ask again at once."""
                with lock:
                    outer.busy -= self.is_busy
                    self.is_busy = False

            def log_message(self, *arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def send(handler, status, text, headers=()):
    payload = text.encode()
    handler.answered()
    handler.send_response(status)
    for name, value in (*headers, ("Content-Length", str(len(payload)))):
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(payload)


def ok(handler, body):
    send(handler, 200, json.dumps(completion(body)))


def says(status, text, *headers):
    return lambda handler, body: send(handler, status, text, headers)


def hangs_up(handler, body):
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch):
    for name in (api_key.KEY_VARIABLE, api_key.OPENAI_KEY_VARIABLE):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.01)


def connect(server, **options):
    options = {"max_retries": 3, "timeout_s": 5.0} | options
    return endpoints.connect(f"{server.url}#tower-model", **options)


def run(endpoint, test_size=6, name="generate_answers/x-1", contexts=("none",), **settings):
    settings = Settings(**{"max_new_tokens": 16, "batch_size": 4} | settings)
    batches = served.generate_answers(
        endpoint,
        dict.fromkeys(contexts, QUESTIONS),
        ContextBuilder(CHUNKS, HITS, top_k=2),
        settings,
        dict.fromkeys(contexts, test_size),
        run_folder.RunFolder(name),
    )
    return [row for batch in batches for row in batch]


def asked(server):
    return [body["messages"][-1]["content"] for body in server.requests]


def test_rows_are_those_of_a_local_model_with_the_same_messages(server, outputs, tiny):
    rows = run(connect(server), contexts=("none", "retrieved"))
    assert [(r["context"], r["position"]) for r in rows] == [
        (context, position) for context in ("none", "retrieved") for position in range(8)
    ]
    local = next(
        generation.generate_answers(
            tiny,
            {"retrieved": QUESTIONS},
            ContextBuilder(CHUNKS, HITS, top_k=2),
            Settings(2, 4),
            {"retrieved": 4},
            run_folder.RunFolder("generate_answers/local-1"),
        )
    )
    assert [*local[0], "served_model"] == [*rows[0]]
    row, passages = rows[8], [("Tower 1", "Person 1 built it."), ("Tower 2", "Person 2 built it.")]
    messages = prompts.answer_messages(QUESTIONS[0].question, passages)
    assert messages in [body["messages"] for body in server.requests]
    assert row["answer"] == messages[-1]["content"].strip()
    assert row["passages"] == ["d1#0", "d2#0"]
    known = ("answer_tokens", "prompt_tokens", "truncated", "gold_in_context", "served_model")
    assert [row[key] for key in known] == [7, 30, 0, 0, "tower-model-2024"]
    sent = {key: server.requests[0][key] for key in ("model", "max_tokens", "temperature")}
    assert sent == {"model": "tower-model", "max_tokens": 16, "temperature": 0.0}


def test_sampling_sends_a_seed_per_question(server, outputs):
    run(connect(server), 2, batch_size=2, temperature=0.7, top_p=0.9, seed=3)
    run(connect(server), 2, name="generate_answers/x-2", batch_size=2, temperature=0.7, seed=3)
    seeds = [(body["messages"][-1]["content"], body["seed"]) for body in server.requests]
    assert len(set(seeds)) == 2
    assert len({seed for _, seed in seeds}) == 2
    assert {body["top_p"] for body in server.requests} == {0.9, 1.0}


def test_an_answer_cut_at_the_limit_or_refused(server, outputs):
    cut = [{"index": 0, "message": {"content": "It was"}, "finish_reason": "length"}]
    refused = [{"message": {"content": None, "refusal": "I cannot."}, "finish_reason": "stop"}]
    server.script = {
        0: lambda h, body: send(h, 200, json.dumps(completion(body, choices=cut))),
        1: lambda h, body: send(h, 200, json.dumps(completion(body, choices=refused, usage=None))),
    }
    rows = run(connect(server, concurrency=1), 2, batch_size=2)
    assert [(r["answer"], r["truncated"], r["answer_tokens"]) for r in rows] == [
        ("It was", 1, 7),
        ("I cannot.", 0, None),
    ]


def test_at_most_so_many_requests_at_once(server, outputs):
    def slow(handler, body):
        time.sleep(0.05)
        ok(handler, body)

    server.script = {"all": slow}
    run(connect(server, concurrency=3), 8)
    assert server.most_busy == 3


def test_failures_that_pass_are_tried_again(server, outputs):
    def late(handler, body):
        time.sleep(0.6)

    server.script = {
        0: says(500, "oops"),
        1: hangs_up,
        2: says(503, json.dumps({"error": {"message": "overloaded"}})),
        4: late,
        5: says(429, "slow down"),
    }
    rows = run(connect(server, concurrency=1, timeout_s=0.3), 4)
    assert [row["position"] for row in rows] == [0, 1, 2, 3]
    assert len(server.requests) == 9


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_kept_to(server, outputs, as_date):
    wait = email.utils.formatdate(time.time() + 2, usegmt=True) if as_date else "0.4"
    server.script = {0: says(429, "slow down", ("Retry-After", wait))}
    run(connect(server), 1, batch_size=1)
    assert server.times[1] - server.times[0] >= 0.39


def test_a_wait_that_is_too_long_ends_the_run(server, outputs):
    server.script = {"all": says(429, "later", ("Retry-After", "7200"))}
    with pytest.raises(StudyError, match="120 minutes"):
        run(connect(server), 1)


def test_pauses_grow(server, outputs, monkeypatch):
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.08)
    server.script = {"all": says(500, "no")}
    with pytest.raises(StudyError, match=r"status 500: no \(4 attempts\)"):
        run(connect(server), 1, batch_size=1)
    gaps = [b - a for a, b in zip(server.times, server.times[1:], strict=False)]
    assert len(gaps) == 4  # the last: would another question be answered?
    assert all(gap >= 0.04 * 2**i for i, gap in enumerate(gaps[:3]))


@pytest.mark.parametrize(
    ("status", "text", "message"),
    [
        (401, '{"error": {"message": "no key"}}', r"status 401: no key\n.*RAG_STUDY_API_KEY"),
        (403, "forbidden", "status 403: forbidden\n.*not allowed"),
        (404, '{"detail": "Not Found"}', "status 404: Not Found\n.*a model of this name"),
        (418, '{"error": {"message": "teapot"}}', "status 418: teapot\n.*OpenAI-compatible"),
        (302, "", r"status 302: \(nothing\)\n"),
        (429, '{"error": {"message": "Pay.", "code": "insufficient_quota"}}', "Pay.\n.*used up"),
        (200, "<html><body>Welcome</body></html>", "no chat completion: <html>"),
        (200, "", "no chat completion"),
        (200, "[]", "no chat completion"),
        (200, '{"choices": []}', "no chat completion"),
        (200, '{"choices": [{"message": 7}]}', "no chat completion"),
        (200, '{"error": {"message": "Invalid API key", "code": 401}}', "status 401: Invalid"),
        (200, '{"error": "model tower-model not found"}', "status 404: model tower-model not"),
    ],
)
def test_what_does_not_pass_is_said_at_once(server, outputs, status, text, message):
    server.script = {"all": says(status, text)}
    with pytest.raises(StudyError, match=message):
        run(connect(server, concurrency=1), 1, batch_size=1)
    asked_again = status in (403, 418) or "no chat completion" in message
    assert len(server.requests) == 1 + asked_again  # would another question be answered?


def test_what_was_answered_is_kept_when_the_server_dies(outputs):
    server = Server()
    died = threading.Event()

    def dies(handler, body):
        if not died.is_set():
            died.set()
            threading.Thread(target=server.close).start()
        hangs_up(handler, body)

    server.script = dict.fromkeys(range(5, 100), dies)
    with pytest.raises(StudyError, match=r"cannot be reached .*What was answered is kept"):
        run(connect(server, concurrency=2), 8)
    kept = [row["question_id"] for row in run_folder.RunFolder("generate_answers/x-1").all_parts()]
    assert len(kept) == 5
    again = Server()
    rows = run(connect(again), 8)
    again.close()
    assert [row["question_id"] for row in rows] == [q.id for q in QUESTIONS[:8]]
    rest = [q for q in QUESTIONS[:8] if q.id not in kept]
    assert sorted(asked(again)) == [f"Question: {q.question}" for q in rest]


def test_asking_for_more_only_adds(server, outputs):
    first = run(connect(server), 3)
    assert len(server.requests) == 4  # whole batches, as the judge wants them
    assert run(connect(server), 9)[:4] == first
    assert sorted(asked(server)) == sorted(f"Question: {q.question}" for q in QUESTIONS)
    with pytest.raises(StudyError, match="11 questions are asked for"):
        run(connect(server), 11)


def test_control_tokens_in_the_data_are_not_sent(server):
    endpoint = connect(server)
    question = Question("q", "Why <|im_end|></s>[/INST] so?", ("x",))
    with session.Session(endpoint) as asking:
        builder = ContextBuilder(CHUNKS, HITS, top_k=2)
        context = builder.context(question, "none")
        served._answer(
            asking, question, context, Settings(4), prompts.AS_USUAL, {"context": "none"}
        )
    assert server.requests[0]["messages"][-1]["content"].split() == ["Question:", "Why", "so?"]


def test_the_key_is_sent_and_written_nowhere(server, outputs, monkeypatch, caplog, capfd):
    monkeypatch.setenv(api_key.KEY_VARIABLE, KEY)
    caplog.set_level(logging.DEBUG)
    server.script = {
        0: says(500, f"your key {KEY} met a problem"),
        1: says(401, json.dumps({"error": {"message": f"Incorrect API key: {KEY}"}})),
        2: says(200, json.dumps({"no": KEY})),
        3: hangs_up,
        4: lambda h, body: send(h, 200, json.dumps(completion(body, model=KEY))),
    }
    endpoint = connect(server, concurrency=1, max_retries=1)
    said = [repr(endpoint), str(vars(endpoint))]
    for message in ("status 401", "no chat completion"):
        with pytest.raises(StudyError, match=message) as caught:
            run(endpoint, 1, batch_size=1)
        said += [str(caught.getrepr(style="long", showlocals=False, chain=True))]
        # Neither shown nor carried along: the client's own error holds the request with its key.
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
    run(endpoint, 1, batch_size=1)
    assert len(server.requests) == 5
    assert {headers["authorization"] for headers in server.headers} == {f"Bearer {KEY}"}
    written = [path.read_text() for path in outputs.rglob("*") if path.is_file()]
    assert len(written) == 1
    said += [*written, caplog.text, *capfd.readouterr()]
    assert not [text for text in said if KEY in text or "secret" in text]


ODD_KEY = 'sk/"secret"&<0123>'
SPELLED = (
    *(ODD_KEY, ODD_KEY.upper(), quote(ODD_KEY, safe=""), html.escape(ODD_KEY)),
    *(json.dumps(ODD_KEY), ODD_KEY.replace("/", "\\/")),
)


@pytest.mark.parametrize(
    "text",
    [
        *SPELLED,
        *(json.dumps({"error": {"message": f"not {spelled}"}}) for spelled in SPELLED),
        json.dumps({"detail": [{ODD_KEY: 1}]}),
        '{"detail": "' + "".join(f"\\u{ord(c):04x}" for c in ODD_KEY) + '"}',
    ],
)
def test_the_key_is_masked_in_any_spelling(server, outputs, monkeypatch, text):
    monkeypatch.setenv(api_key.KEY_VARIABLE, ODD_KEY)
    server.script = {"all": says(401, text)}
    with pytest.raises(StudyError, match=r"\*\*\*") as caught:
        run(connect(server), 1, batch_size=1)
    assert "secret" not in str(caught.value).lower()


def test_a_word_in_place_of_a_key_changes_no_answer(server, outputs, monkeypatch):
    """Local servers take any key; people set a word, which answers may have in them."""
    monkeypatch.setenv(api_key.KEY_VARIABLE, "none")
    choices = [{"message": {"content": "None of them, nonetheless."}}]
    server.script = {0: lambda h, body: send(h, 200, json.dumps(completion(body, choices=choices)))}
    assert run(connect(server), 1, batch_size=1)[0]["answer"] == "None of them, nonetheless."


def test_nothing_else_in_the_environment_is_sent_or_followed(server, outputs, monkeypatch):
    """The client reads variables that are meant for OpenAI's own server."""
    elsewhere = Server()
    monkeypatch.setenv("OPENAI_BASE_URL", elsewhere.url)
    for name in ("API_KEY", "ADMIN_KEY", "ORG_ID", "PROJECT_ID", "WEBHOOK_SECRET"):
        monkeypatch.setenv(f"OPENAI_{name}", KEY)
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"Authorization: Bearer {KEY}\nX-Team: {KEY}")
    run(connect(server), 1, batch_size=1)
    monkeypatch.setenv(api_key.KEY_VARIABLE, "its-own-key")
    run(connect(server), 1, name="generate_answers/x-2", batch_size=1)
    elsewhere.close()
    assert not elsewhere.requests
    without, with_key = server.headers
    assert with_key.pop("authorization") == "Bearer its-own-key"
    assert {*without} == {*with_key} <= {*session.SENT_HEADERS}
    assert KEY not in str(server.headers)


def test_when_one_request_fails_for_good_others_are_not_tried_again(server, outputs, monkeypatch):
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.3)

    def one_is_refused(handler, body):
        refused = body["messages"][-1]["content"].endswith("tower 0?")
        send(handler, *((401, "who are you?") if refused else (500, "no")))

    server.script = {"all": one_is_refused}
    with pytest.raises(StudyError, match="status 401: who are you"):
        run(connect(server, concurrency=2), 2, batch_size=2)
    assert len(server.requests) <= 2  # the other may not have been sent yet


def test_a_proxy_that_cannot_be_used_is_said_without_its_password(server, outputs, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "ftp://me:secret@proxy:21")
    elsewhere = endpoints.connect("http://models.invalid/v1#tower-model")
    with pytest.raises(StudyError, match="HTTP_PROXY, HTTPS_PROXY and ALL_PROXY") as caught:
        run(elsewhere, 1, batch_size=1)
    assert "secret" not in str(caught.value)
    assert len(run(connect(server), 1, batch_size=1)) == 1  # this machine needs none


def test_a_proxy_is_asked_for_all_but_this_machine_and_what_is_excepted(
    server, outputs, monkeypatch
):
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    proxy = Server()
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, proxy.url.removesuffix("/v1"))
    run(connect(server), 1, batch_size=1)
    assert (len(server.requests), len(proxy.requests)) == (1, 0)
    far = endpoints.connect("http://models.invalid/v1#x", max_retries=0)
    run(far, 1, name="generate_answers/x-2", batch_size=1)
    assert len(proxy.requests) == 1
    monkeypatch.setenv("NO_PROXY", "models.invalid")
    with pytest.raises(StudyError, match="cannot be reached"):
        run(far, 1, name="generate_answers/x-3", batch_size=1)
    proxy.close()


def test_which_key_goes_where(server, monkeypatch):
    def key(name, **options):
        return endpoints.connect(name, **options).key()[1]

    monkeypatch.setenv(api_key.OPENAI_KEY_VARIABLE, "for-openai")
    assert key("https://api.openai.com/v1#gpt-4") == "for-openai"
    assert key(f"{server.url}#x") == ""  # not another server's business
    assert key(f"{server.url}#x", key_variable="OPENAI_API_KEY") == "for-openai"
    monkeypatch.setenv(api_key.KEY_VARIABLE, "for-any")
    assert key("https://api.openai.com/v1#gpt-4") == "for-any"
    for broken in ("two words secret", "sécret"):
        monkeypatch.setenv(api_key.KEY_VARIABLE, broken)
        with pytest.raises(StudyError, match="RAG_STUDY_API_KEY holds is no key") as caught:
            key(f"{server.url}#x")
        assert broken not in str(caught.value)


def test_names():
    assert names.is_known("http://localhost:8000/v1#gpt-4")
    assert names.is_known("https://host/openai/v1#meta-llama/Llama-2-7b-chat-hf")
    for name in ("http://host:8000/v1", "http://host/v1#", "ftp://host/v1#x", "http:///v1#x"):
        assert not names.is_endpoint(name)
    assert names.revision_of("http://localhost:8000/v1#gpt-4") == "endpoint"
    with pytest.raises(StudyError, match=r"endpoint\.connect"):
        loading.load_generator("http://localhost:8000/v1#gpt-4")
    assert endpoints.connect("http://h:1/v1/#a/b").url == "http://h:1/v1"
    for name in ("gpt-4", "http://me:pw@h/v1#x", "http://h/v1?key=pw#x", "http://h:99999/v1#x"):
        with pytest.raises(StudyError, match="http://host:port/v1#model-name") as caught:
            endpoints.connect(name)
        assert "pw" not in str(caught.value)


def test_context_tokens_cannot_be_counted_here(server, outputs):
    with pytest.raises(StudyError, match="max_context_tokens needs the model's tokenizer"):
        run(connect(server), max_context_tokens=100)


@pytest.mark.slow
def test_transformers_serve_answers_like_the_local_model(outputs, tmp_path):
    """Greedy answers of the bundled model in float32, served and local, are the same."""
    from transformers.utils.import_utils import is_serve_available

    if not is_serve_available():
        pytest.skip("needs pip install 'transformers[serving]'")
    lm = loading.load_generator("smollm2-135m-instruct")
    folder = lm.model.config.name_or_path
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = "from transformers.cli.transformers import main; main()"
    options = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", program, "serve", folder, *options],
            stdout=log,
            stderr=log,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )
        try:
            # The first attempts meet a server that is still starting.
            endpoint = endpoints.connect(
                f"http://127.0.0.1:{port}/v1#{folder}", concurrency=1, max_retries=30
            )
            served = run(endpoint, 4, contexts=("none", "retrieved"), batch_size=1)
        finally:
            process.terminate()
            process.wait(30)
    local = [
        row
        for batch in generation.generate_answers(
            lm,
            dict.fromkeys(("none", "retrieved"), QUESTIONS),
            ContextBuilder(CHUNKS, HITS, top_k=2),
            Settings(16, 1),
            {"none": 4, "retrieved": 4},
            run_folder.RunFolder("generate_answers/local-1"),
        )
        for row in batch
    ]
    same = ("context", "question_id", "answer", "prompt_tokens", "passages")
    local.sort(key=lambda row: (row["context"], row["position"]))
    assert [[row[key] for key in same] for row in served] == [
        [row[key] for key in same] for row in local
    ]
