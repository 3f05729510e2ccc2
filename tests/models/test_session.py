"""What servers refuse: a field of all requests, one question, everything. A real server on loopback
that behaves as real ones do; see `Server` of test_endpoint."""

import base64
import html
import json
import logging
import threading
from urllib.parse import quote

import pytest
from test_endpoint import CHUNKS, HITS, KEY, QUESTIONS, Server, completion, connect, ok, run, send

from rag_study.answering import generation, served
from rag_study.answering.contexts import ContextBuilder
from rag_study.answering.generation import Settings
from rag_study.common import circumstances, run_folder, secrets
from rag_study.common.errors import StudyError
from rag_study.models import api_key
from rag_study.models.server_errors import QuestionRefused
from rag_study.models.session import Session


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.01)
    monkeypatch.setattr(circumstances, "_SENTENCES", {})
    for name in (api_key.KEY_VARIABLE, api_key.OPENAI_KEY_VARIABLE):
        monkeypatch.delenv(name, raising=False)


def refuses(status, error, when):
    """Refuses the requests whose body is so; answers the others."""

    def respond(handler, body):
        if when(body):
            send(handler, status, error if isinstance(error, str) else json.dumps(error))
        else:
            ok(handler, body)

    return respond


def about(word):
    return lambda body: word in body["messages"][-1]["content"]


@pytest.mark.parametrize(
    ("status", "error", "field"),
    [
        (400, {"error": {"message": "Unsupported value", "param": "temperature"}}, "temperature"),
        (400, {"error": {"message": "`temperature` does not support 0.0 here"}}, "temperature"),
        (422, {"detail": [{"loc": ["body", "temperature"], "msg": "extra"}]}, "temperature"),
        (400, {"error": {"message": "Unsupported parameter: 'max_tokens'"}}, "max_tokens"),
        (501, "temperature is not implemented", "temperature"),
    ],
)
def test_a_field_that_is_refused_is_left_out_and_recorded_once(
    server, outputs, caplog, status, error, field
):
    server.script = {"all": refuses(status, error, lambda body: field in body)}
    rows = run(connect(server, concurrency=1), 4)
    assert [row["lost"] for row in rows] == [0] * 4
    assert all(row["answer"] for row in rows)
    # Tried once with the field (and a passing failure again), then never again.
    assert sum(field in body for body in server.requests) == (4 if status >= 500 else 1)
    (sentence,) = circumstances.recall()
    assert field in sentence
    assert str(status) in sentence
    assert caplog.text.count(sentence) == 1
    if field == "max_tokens":
        assert {body.get("max_completion_tokens") for body in server.requests[1:]} == {16}


def test_several_fields_one_after_the_other(server, outputs):
    def respond(handler, body):
        refused = [name for name in ("seed", "top_p", "temperature") if name in body]
        if refused:
            error = {"error": {"message": f"unknown field {refused[0]}"}}
            send(handler, 400, json.dumps(error))
        else:
            ok(handler, body)

    server.script = {"all": respond}
    rows = run(connect(server, concurrency=2), 4, temperature=0.5, top_p=0.9)
    assert all(row["answer"] for row in rows)
    assert all(
        f"`{name}` was left out" in circumstances.recall()[0]
        and f"unknown field {name}" in circumstances.recall()[0]  # each with its reason
        for name in ("seed", "top_p", "temperature")
    )


def test_a_temperature_that_must_be_positive_becomes_a_low_one(server, outputs):
    error = {"error": "Input validation error: `temperature` must be strictly positive"}
    server.script = {"all": refuses(422, error, lambda body: body["temperature"] == 0)}
    run(connect(server, concurrency=1), 1, batch_size=1)
    assert [body["temperature"] for body in server.requests] == [0, 0.01]


@pytest.mark.parametrize(
    "error",
    [
        {"error": {"message": "System role not supported"}},
        {"detail": [{"loc": ["body", "messages", 0, "role"], "msg": "must be user or assistant"}]},
        {"error": "Only user and assistant turns are known here"},
        {"error": {"message": "A conversation has to start with a turn of the user"}},
        {"message": "the first message must come from the user"},
    ],
)
def test_a_server_without_a_system_role_gets_its_words_from_the_user(server, outputs, error):
    server.script = {"all": refuses(400, error, lambda b: b["messages"][0]["role"] == "system")}
    rows = run(connect(server, concurrency=1), 2, batch_size=2)
    assert rows[0]["answer"].startswith("You answer questions.\n\nQuestion: ")
    assert "the user's first turn" in circumstances.recall()[0]


PAGE = "<html><body>Blocked by the firewall</body></html>"
REFUSALS = [
    (400, {"error": {"message": "content management policy", "code": "content_filter"}}),
    (400, {"error": {"message": "I do not like this one"}}),
    (403, {"error": {"message": "Input was flagged by moderation"}}),
    (422, {"detail": "unprocessable"}),
    (500, {"error": {"message": "worker stumbled"}}),
    (200, {"error": {"message": "blocked by content policy"}}),
    (200, {"error": {"message": "strange", "code": 400}}),
    (200, {"choices": [{"error": {"code": 502, "message": "upstream"}, "finish_reason": "error"}]}),
    (200, {"choices": [{"message": {"content": ""}, "finish_reason": "content_filter"}]}),
    (200, {"choices": [{"message": {"content": "The f"}, "finish_reason": "content_filter"}]}),
    (200, PAGE),
    (403, PAGE),
]


@pytest.mark.parametrize(("status", "error"), REFUSALS)
def test_one_question_that_is_refused_is_missing_and_the_others_go_on(
    server, outputs, status, error
):
    server.script = {"all": refuses(status, error, about("tower 2?"))}
    rows = run(connect(server, max_retries=1), 4)
    assert [row["lost"] for row in rows] == [0, 0, 1, 0]
    assert [row["answer"] is None for row in rows] == [False, False, True, False]
    assert rows[2]["missing_reason"]
    assert rows[2]["truncated"] is rows[2]["answer_tokens"] is None
    # It is kept: nobody asks again.
    before = len(server.requests)
    assert run(connect(server), 4) == rows
    assert len(server.requests) == before


def test_a_server_that_refuses_all_ends_the_study(server, outputs):
    server.script = {"all": refuses(400, {"error": "bad model settings"}, lambda body: True)}
    with pytest.raises(StudyError, match="status 400: bad model settings"):
        run(connect(server), 4)


def test_a_server_that_dies_behind_its_gateway_loses_no_answers(server, outputs):
    server.script = dict.fromkeys(range(3), ok)
    server.script["all"] = lambda h, body: send(h, 502, "<html>Bad gateway</html>")
    with pytest.raises(StudyError, match="status 502"):
        run(connect(server, concurrency=1, max_retries=1), 8)
    kept = run_folder.RunFolder("generate_answers/x-1").all_parts()
    assert [row["lost"] for row in kept] == [0, 0, 0]


def test_when_every_question_is_refused_the_study_says_so(server, outputs):
    error = {"error": {"message": "flagged by moderation"}}
    server.script = {"all": refuses(400, error, about("tower"))}
    with pytest.raises(StudyError, match=r"answered none of 4 questions: .*flagged"):
        run(connect(server), 4)


def test_passages_are_dropped_until_the_prompt_fits(server, outputs):
    error = {"error": {"message": "This model's maximum context length is 60 tokens."}}
    server.script = {"all": refuses(400, error, about("[2]"))}
    rows = run(connect(server), 4, contexts=("retrieved",))
    assert [row["passages"] for row in rows][:2] == [["d1#0"], ["d2#0"]]
    assert {row["dropped_passages"] for row in rows} == {1}
    server.script = {"all": refuses(413, error, about("tower 3?"))}
    rows = run(connect(server), 4, contexts=("retrieved",), name="generate_answers/x-2")
    assert [row["lost"] for row in rows] == [0, 0, 0, 1]
    assert "context length is 60" in rows[3]["missing_reason"]


def test_a_stream_that_nobody_asked_for_is_an_answer(server, outputs):
    def respond(handler, body):
        words = body["messages"][-1]["content"].split(" ")
        chunks = [{"choices": [{"index": 0, "delta": {"content": f"{w} "}}]} for w in words]
        text = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
        send(handler, 200, f"{text}data: [DONE]\n\n", [("Content-Type", "text/event-stream")])

    server.script = {"all": respond}
    rows = run(connect(server), 2, batch_size=2)
    assert rows[1]["answer"] == "Question: Who built tower 1?"


@pytest.mark.parametrize(
    "error",
    [
        {"detail": "overloaded"},
        {"code": 50505, "message": "Service unavailable"},
        {"choices": [{"error": {"code": 502, "message": "upstream"}, "finish_reason": "error"}]},
        {"choices": [{"message": {"content": "I"}, "finish_reason": "abort"}]},
    ],
)
def test_a_failure_that_passes_is_tried_again_also_where_all_is_said_to_be_well(
    server, outputs, error
):
    server.script = {0: lambda handler, body: send(handler, 200, json.dumps(error)), "all": ok}
    (row,) = run(connect(server, concurrency=1), 1, batch_size=1)
    assert row["answer"] == "Question: Who built tower 0?"
    assert len(server.requests) == 2


def test_half_a_character_is_replaced_and_recorded(server, outputs):
    def respond(handler, body):
        send(handler, 200, json.dumps(completion(body)).replace("tower 1", "tower \\ud83d"))

    server.script = {"all": respond}
    rows = run(connect(server), 2, batch_size=2)
    assert rows[1]["answer"] == "Question: Who built tower \ufffd?"
    assert "half characters" in circumstances.recall()[0]


def test_run_metrics_count_what_is_lost(server, outputs):
    import pandas as pd

    server.script = {"all": refuses(400, {"error": "no"}, about("tower 2?"))}
    table = pd.DataFrame(run(connect(server), 4))
    counted = generation.run_metrics(table)
    assert (counted["answers"], counted["left_out"], counted["lost"]) == (3, 0, 1)


# --- The key -------------------------------------------------------------------------------------

TRICKY = 'sk-live/"q"+&<0123456789>'


def spellings(key):
    yield from (key, key.upper(), quote(key, safe=""), quote(quote(key, safe=""), safe=""))
    yield from (html.escape(key), json.dumps(key)[1:-1], json.dumps(json.dumps(key))[3:-3])
    yield from (key.encode().hex(), key.encode().hex().upper(), key.replace("/", "\\/"))
    yield "".join(f"\\u{ord(letter):04X}" for letter in key)
    yield "".join(f"\\x{ord(letter):02x}" for letter in key)
    yield "".join(f"%{ord(letter):02X}" for letter in key)
    for spelled in ("&#{};", "&#x{:X};", "={:02X}"):
        yield "".join(c if c.isalnum() else spelled.format(ord(c)) for c in key)
    yield from (html.escape(html.escape(key)), html.escape(json.dumps(key)[1:-1]))
    yield from (key.encode().hex(" "), key.encode().hex(":"))
    for before in ("", "B", "Be", "Bearer ", "user:"):
        yield base64.b64encode(f"{before}{key}".encode()).decode()
        yield base64.urlsafe_b64encode(f"{before}{key}:x".encode()).decode()


@pytest.mark.parametrize("key", [TRICKY, KEY])
def test_a_key_is_masked_in_every_spelling(key):
    for spelled in spellings(key):
        text = secrets.masked(f"Incorrect key {spelled} given", key)
        assert secrets.MASK in text, spelled
        # What base64 keeps at its ends is a few bits of what stands around the key.
        assert len(text) <= len("Incorrect key  given") + len(secrets.MASK) + 16, spelled
        assert key[3:8] not in text


def test_nothing_that_a_failing_run_writes_or_logs_holds_the_key(
    server, outputs, monkeypatch, caplog, capfd
):
    monkeypatch.setenv(api_key.KEY_VARIABLE, TRICKY)
    caplog.set_level(logging.DEBUG)
    every = [*spellings(TRICKY)]
    header = [f"x-echo-{n}: {text}" for n, text in enumerate(every) if "\\" not in text]
    lock, numbers = threading.Lock(), iter(range(10_000))

    def respond(handler, body):
        with lock:
            number = next(numbers)
        text = f"you sent {every[number % len(every)]}"
        headers = [tuple(line.split(": ", 1)) for line in header]
        if about("tower 1?")(body):
            send(handler, 400, json.dumps({"error": {"message": text}}), headers)
        elif about("tower 2?")(body):
            send(handler, 200, f"<p>{text}</p>", headers)
        elif about("tower 3?")(body):
            choices = [{"message": {"content": text}, "finish_reason": "stop"}]
            send(handler, 200, json.dumps(completion(body, choices=choices)), headers)
        elif about("tower 7?")(body):
            send(handler, 401, json.dumps({"detail": [{"msg": text}]}), headers)
        else:
            ok(handler, body)

    server.script = {"all": respond}
    with pytest.raises(StudyError, match="status 401") as caught:
        run(connect(server, max_retries=1, concurrency=1), 8)
    said = [str(caught.value), caplog.text, *capfd.readouterr(), *circumstances.recall()]
    said += [path.read_text() for path in outputs.rglob("*") if path.is_file()]
    assert len(said) > 9
    for text in said:
        for spelled in every:
            assert spelled not in text
        assert TRICKY[8:20] not in text


def test_an_error_carries_nothing_of_the_request(server, monkeypatch):
    monkeypatch.setenv(api_key.KEY_VARIABLE, KEY)
    server.script = {"all": refuses(400, {"error": KEY}, about("tower"))}
    with Session(connect(server)) as session, pytest.raises(QuestionRefused) as caught:
        session.complete([{"role": "user", "content": "tower"}], 4)
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert KEY not in str(caught.value)


def test_a_left_out_question_is_not_lost(server, outputs):
    builder = ContextBuilder(CHUNKS, HITS, top_k=2)
    rows = served.generate_answers(
        connect(server),
        {"counterfactual": QUESTIONS},
        builder,
        Settings(4, 2),
        {"counterfactual": 2},
        run_folder.RunFolder("generate_answers/x-1"),
    )
    (first, *_), *_ = rows
    assert first["missing_reason"]
    assert first["lost"] == 0
