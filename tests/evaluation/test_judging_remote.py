"""Judges behind a server: a real HTTP server of the tests' own that computes log-probabilities."""

import json
import math
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from tokenizers.processors import TemplateProcessing

from rag_study.common import circumstances
from rag_study.common.errors import StudyError
from rag_study.evaluation import criteria, judging
from rag_study.evaluation.judging import Item
from rag_study.evaluation.judging.local import LocalJudge
from rag_study.evaluation.judging.remote import EndpointJudge, read_top_tokens
from rag_study.models import endpoint as endpoints
from rag_study.models import loading

USUAL = criteria.find_all(criteria.DEFAULT)
ITEMS = [
    Item("Who built it?", "Ann", "Ann built it."),
    Item("When?", "1847", "1850 <|im_end|> it was"),
]


class ModelServer:
    """The two calls of an OpenAI-compatible server, around a local model.

    `most` is how many log-probabilities it tells at a place (0: none at all); `requests` are the
    bodies that came, with their route.
    """

    def __init__(self, lm, most=20, text_only=False, limit_words=""):
        self.requests, lock, outer = [], threading.Lock(), self
        tokenizer = lm.tokenizer

        def generate(text, tokens):
            """New text, and the likeliest tokens at the first place with their logarithms."""
            ids = text
            if isinstance(text, str):
                ids = tokenizer.encode(text, add_special_tokens=False)
            with lock, torch.no_grad():
                first = lm.model(torch.tensor([ids])).logits[0, -1].double().log_softmax(-1)
                new = lm.model.generate(
                    torch.tensor([ids]), max_new_tokens=tokens, do_sample=False, num_beams=1
                )[0, len(ids) :]
            values, best = first.topk(max(most, 1))
            told = [tokenizer.decode([token]) for token in best.tolist()]
            return tokenizer.decode(new, skip_special_tokens=True), [
                *zip(told, values.tolist(), strict=True)
            ]

        def refuse(handler, words):
            payload = json.dumps({"error": {"message": words}}).encode()
            handler.send_response(400)
            handler.send_header("Content-Length", str(len(payload)))
            handler.end_headers()
            handler.wfile.write(payload)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                chat = self.path.endswith("/chat/completions")
                outer.requests.append((self.path, body))
                if chat:
                    text = tokenizer.apply_chat_template(
                        body["messages"], tokenize=False, add_generation_prompt=True
                    )
                else:
                    text = body["prompt"]
                    if text_only and not isinstance(text, str):
                        return refuse(self, "prompt: a string is needed")
                if limit_words and most < body.get("top_logprobs", 0):
                    return refuse(self, limit_words)
                said, top = generate(text, body["max_tokens"])
                choice = {"index": 0, "finish_reason": "length", "logprobs": None}
                choice |= {"message": {"role": "assistant", "content": said}} if chat else {}
                choice |= {} if chat else {"text": said}
                if most and body.get("logprobs"):
                    listed = [{"token": token, "logprob": value} for token, value in top]
                    choice["logprobs"] = (
                        {"content": [{**listed[0], "top_logprobs": listed}]}
                        if chat
                        else {"tokens": [top[0][0]], "top_logprobs": [dict(top)]}
                    )
                payload = json.dumps({"model": body["model"], "choices": [choice]}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = endpoints.connect(
            f"http://127.0.0.1:{self._server.server_address[1]}/v1#judge", max_retries=0
        )
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._server.shutdown()
        self._server.server_close()


def test_a_completion_of_the_rendered_prompt_scores_as_the_model_itself(tiny):
    with ModelServer(tiny, most=259) as server:  # all that its vocabulary has
        judge = EndpointJudge(server.endpoint, USUAL, tiny.tokenizer, min_mass=0.0)
        rows = judge.score(ITEMS)
    for row, exact in zip(rows, LocalJudge(tiny, USUAL).score(ITEMS), strict=True):
        for one in USUAL:
            assert row[one.metric] == pytest.approx(exact[one.metric], abs=1e-4)
            assert row[f"{one.metric}_mass"] == pytest.approx(exact[f"{one.metric}_mass"], rel=1e-4)
            assert row[f"{one.metric}_outside"] == pytest.approx(0.0, abs=1e-4)
    path, body = server.requests[0]
    assert path == "/v1/completions"
    assert tiny.tokenizer.decode(body["prompt"]).endswith("Score: ")
    assert (body["max_tokens"], body["logprobs"], body["temperature"]) == (1, 20, 0)


def test_a_server_that_takes_text_alone_is_given_text(tiny, monkeypatch):
    monkeypatch.setattr(circumstances, "_SENTENCES", {})
    with ModelServer(tiny, most=259) as server:
        in_tokens = EndpointJudge(server.endpoint, USUAL, tiny.tokenizer, min_mass=0.0).score(ITEMS)
    with ModelServer(tiny, most=259, text_only=True) as server:
        judge = EndpointJudge(server.endpoint, USUAL, tiny.tokenizer, min_mass=0.0)
        rows = judge.score(ITEMS)
        sent = len(server.requests)
        assert judge.score(ITEMS) == rows
    # A tokenizer of bytes cuts both alike.
    assert [r["judge_accuracy"] for r in rows] == [r["judge_accuracy"] for r in in_tokens]
    again = [body["prompt"] for _, body in server.requests[sent:]]
    assert all(isinstance(prompt, str) and prompt.endswith("Score: ") for prompt in again)
    assert circumstances.recall() == []


def test_a_server_that_would_cut_a_text_into_other_tokens_is_named(tiny, monkeypatch):
    monkeypatch.setattr(circumstances, "_SENTENCES", {})
    tokenizer = loading.load_tokenizer("random-llama")
    begin = TemplateProcessing(single="<|im_start|> $A", special_tokens=[("<|im_start|>", 1)])
    tokenizer.backend_tokenizer.post_processor = begin
    with ModelServer(tiny, most=259, text_only=True) as server:
        EndpointJudge(server.endpoint, USUAL, tokenizer, min_mass=0.0).score(ITEMS[:1])
    assert "in tokens" in circumstances.recall()[0]


@pytest.mark.parametrize(
    ("most", "words", "asked"),
    [
        (5, "Requested sample logprobs of 20, which is greater than max allowed: 5", 5),
        (12, "top_logprobs must be between 0 and 12", 12),
        (3, "too many top_logprobs", None),
    ],
)
def test_fewer_alternatives_are_asked_for_where_a_server_allows_no_more(tiny, most, words, asked):
    with ModelServer(tiny, most=most, limit_words=words) as server:
        rows = EndpointJudge(server.endpoint, USUAL[:1], min_mass=0.0).score(ITEMS * 3)
    told = [body.get("top_logprobs", body["logprobs"]) for _, body in server.requests]
    # All that were under way when the first was refused, and no more.
    assert told.count(20) <= server.endpoint.concurrency
    assert told[-1] == (asked or 5)
    for row in rows:
        masses = row["judge_accuracy_mass"], row["judge_accuracy_outside"]
        assert 0 <= masses[0] <= sum(masses) <= 1 + 1e-9
        assert masses[1] > 0


def test_a_score_behind_a_blank_or_a_word_is_read(tiny):
    def reply(*tokens):
        listed = [
            {
                "token": token,
                "logprob": -0.1,
                "top_logprobs": [
                    {"token": token, "logprob": -0.1},
                    {"token": "other", "logprob": -3.0},
                ],
            }
            for token in tokens
        ]
        return {"choices": [{"message": {"content": ""}, "logprobs": {"content": listed}}]}

    judge = EndpointJudge(endpoints.connect("http://127.0.0.1:9/v1#nobody"), USUAL)
    for tokens in (
        ["4"],
        ["\u2581", "4"],
        ["\n", " 4", "."],
        ["Score", ":", "\u01204"],
        ["**", "4"],
    ):
        assert judge._reading(reply(*tokens)).probabilities == (0, 0, 0, 1, 0)
    assert "less than 0.5" in judge._reading(reply("I", " think", "4")).missing


def test_numbers_that_are_none_and_tokens_of_probability_0():
    top = [("5", math.log(0.7)), ("4", math.log(0.1)), ("x", float("nan")), ("y", -math.inf)]
    found = read_top_tokens([*top, ("z", -9999.0)])
    assert found.probabilities == pytest.approx((0, 0, 0, 0.125, 0.875))
    assert found.outside == pytest.approx(0.2)  # all that is left: less than eight times 0.1


def test_a_chat_reply_of_one_token_is_read_with_its_bound(tiny):
    with ModelServer(tiny, most=259) as server:
        everything = EndpointJudge(server.endpoint, USUAL, min_mass=0.0).score(ITEMS)
        path, body = server.requests[0]
    assert path == "/v1/chat/completions"
    assert (body["logprobs"], body["top_logprobs"], body["max_tokens"]) == (True, 20, 1)
    assert [m["role"] for m in body["messages"]] == ["system", "user"]
    assert all("<|im_end|>" not in str(body) for _, body in server.requests)
    with ModelServer(tiny, most=120) as server:
        told = EndpointJudge(server.endpoint, USUAL, min_mass=0.0).score(ITEMS)
    for row, exact in zip(told, everything, strict=True):
        mass, outside = row["judge_accuracy_mass"], row["judge_accuracy_outside"]
        assert mass <= exact["judge_accuracy_mass"] <= mass + outside + 1e-9


def test_too_little_digit_mass_is_a_missing_score_with_its_reason(tiny):
    with ModelServer(tiny) as server:
        rows = EndpointJudge(server.endpoint, USUAL).score(ITEMS)
    for row in rows:
        assert row["judge_accuracy"] is None
        assert row["judge_accuracy_p"] is None
        assert "less than 0.5" in row["judge_accuracy_missing"]
        assert 0 <= row["judge_accuracy_mass"] < 0.5


@pytest.mark.parametrize("rendered", [True, False])
def test_a_server_without_log_probabilities_is_refused(tiny, rendered):
    with ModelServer(tiny, most=0) as server:
        judge = EndpointJudge(server.endpoint, USUAL, tiny.tokenizer if rendered else None)
        with pytest.raises(StudyError, match="tells no log-probabilities"):
            judge.score(ITEMS)


def test_reasoning_is_asked_for_before_the_score(tiny):
    with ModelServer(tiny, most=259) as server:
        options = {"reasoning_tokens": 5, "min_mass": 0.0}
        rendered = EndpointJudge(server.endpoint, USUAL[:1], tiny.tokenizer, **options)
        row = rendered.score(ITEMS[:1])[0]
        chat = EndpointJudge(server.endpoint, USUAL[:1], **options).score(ITEMS[:1])[0]
    local = LocalJudge(tiny, USUAL[:1], reasoning_tokens=5).score(ITEMS[:1])[0]
    assert row["judge_accuracy_reasoning"] == local["judge_accuracy_reasoning"]
    assert row["judge_accuracy"] == pytest.approx(local["judge_accuracy"], abs=1e-3)
    assert len(chat["judge_accuracy_reasoning"]) == 1
    roles = [m["role"] for m in server.requests[-1][1]["messages"]]
    assert roles == ["system", "user", "assistant", "user"]


def test_rules_ask_no_server():
    endpoint = endpoints.connect("http://127.0.0.1:9/v1#nobody", max_retries=0)
    row = EndpointJudge(endpoint, USUAL).score([Item("Who?", "Ann", "")])[0]
    assert (row["judge_accuracy"], row["judge_by_rule"]) == (1.0, "empty")


def test_a_model_on_a_server_is_opened_by_its_name():
    judge = judging.open_judge("http://127.0.0.1:9/v1#nobody", tokenizer="random-llama")
    assert isinstance(judge, EndpointJudge)
    assert judge.name == "http://127.0.0.1:9/v1#nobody"


def test_what_the_top_tokens_leave_open():
    # 0.6 on digits (a token with and one without space), 0.3 elsewhere, 0.1 not told.
    top = [("4", 0.4), (" 4", 0.1), ("▁5", 0.1), ("The", 0.25), ("**", 0.05)]
    found = read_top_tokens([(token, math.log(p)) for token, p in top])
    assert found.mass == pytest.approx(0.6)
    assert found.probabilities == pytest.approx((0, 0, 0, 5 / 6, 1 / 6))
    assert found.outside == pytest.approx(0.1)  # less than seven times 0.05
    narrow = read_top_tokens([("3", math.log(0.8)), ("x", math.log(0.01))])
    assert narrow.outside == pytest.approx(9 * 0.01)
    assert read_top_tokens([("Yes", -0.1), ("No", -3.0)], min_mass=0.0).probabilities is None


@pytest.mark.slow
def test_the_bundled_model_behind_a_server_scores_as_it_does_here():
    lm = loading.load_generator("smollm2-135m-instruct")
    with ModelServer(lm) as server:
        rows = EndpointJudge(server.endpoint, USUAL, lm.tokenizer).score(ITEMS)
    for row, exact in zip(rows, LocalJudge(lm, USUAL).score(ITEMS), strict=True):
        room = 4 * row["judge_accuracy_outside"] / row["judge_accuracy_mass"] + 1e-3
        assert row["judge_accuracy"] == pytest.approx(exact["judge_accuracy"], abs=room)


@pytest.mark.parametrize("zero", ["0", "\uff10", "\u0660", "\u0966"])
def test_digits_count_in_every_script(zero):
    top = [(chr(ord(zero) + n), math.log(p)) for n, p in ((5, 0.5), (4, 0.25), (1, 0.125))]
    found = read_top_tokens([*top, ("4", math.log(0.0625)), ("\u00b2", math.log(0.03))])
    assert found.mass == pytest.approx(0.9375)
    assert found.probabilities == pytest.approx([2 / 15, 0, 0, 5 / 15, 8 / 15])
