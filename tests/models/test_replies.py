"""The forms in which servers tell texts, reasoning, why they ended, and log-probabilities."""

import json
import math

import pytest

from rag_study.models import replies, server_errors, streams


def chat(message, **choice):
    return {"choices": [{"index": 0, "message": message, **choice}]}


def choice(message, **more):
    return replies.choice_of(chat(message, **more))


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (chat({"content": "Lima"}), "Lima"),
        (
            chat({"content": [{"type": "text", "text": "Li"}, {"type": "text", "text": "ma"}]}),
            "Lima",
        ),
        (chat({"content": ["Li", "ma"]}), "Lima"),
        (chat({"content": {"type": "text", "text": "Lima"}}), "Lima"),
        (chat({"content": {"parts": [{"text": "Lima"}]}}), "Lima"),
        (
            chat(
                {
                    "content": [
                        {"type": "thinking", "thinking": [{"type": "text", "text": "Peru?"}]},
                        {"type": "text", "text": "Lima"},
                    ]
                }
            ),
            "Lima",
        ),
        (chat({"content": [{"type": "output_text", "text": "Lima"}]}), "Lima"),
        (chat({"content": None}), ""),
        (chat({"role": "assistant"}), ""),
        (chat({"content": None, "refusal": "I will not."}), "I will not."),
        (chat({"content": [{"type": "refusal", "refusal": "I will not."}]}), "I will not."),
        (chat({"content": "", "reasoning_content": "Peru's capital"}), ""),
        (chat({"text": "Lima"}), "Lima"),
        (chat("Lima"), "Lima"),
        ({"choices": [{"text": "Lima"}]}, "Lima"),
        (chat({"content": "a \ud83d b"}), "a \ufffd b"),
    ],
)
def test_texts(reply, text):
    assert replies.text_of(replies.choice_of(reply)) == text


@pytest.mark.parametrize(
    "reply", [{}, [], None, {"choices": []}, {"choices": ["x"]}, {"choices": [{"message": 3}]}]
)
def test_no_completion(reply):
    assert replies.choice_of(reply) is None


@pytest.mark.parametrize(
    "message",
    [
        {"content": None, "reasoning_content": "first, Peru"},
        {"content": "x", "reasoning": "first, Peru"},
        {"content": "x", "reasoning": {"content": "first, Peru"}},
        {"content": "x", "thinking": "first, Peru"},
        {"content": "x", "thinking_blocks": [{"type": "thinking", "thinking": "first, Peru"}]},
        {"content": "x", "reasoning_details": [{"type": "reasoning.text", "text": "first, Peru"}]},
        {
            "content": [
                {"type": "thinking", "thinking": "first, Peru"},
                {"type": "text", "text": "x"},
            ]
        },
    ],
)
def test_reasoning(message):
    assert replies.reasoning_of(choice(message)) == "first, Peru"
    assert "Peru" not in replies.text_of(choice(message))


@pytest.mark.parametrize(
    ("reason", "cut", "lost"),
    [
        ("stop", 0, False),
        ("length", 1, False),
        ("MAX_TOKENS", 1, False),
        ("eos_token", 0, False),
        (None, None, False),
        ("content_filter", 0, True),
        ("SAFETY", 0, True),
        ("error", 0, True),
        ("tool_calls", 0, False),
    ],
)
def test_why_it_ended(reason, cut, lost):
    told = choice({"content": "It was"}, finish_reason=reason)
    assert replies.cut_at_limit(told) == cut
    assert (replies.withheld(told) is not None) == lost


@pytest.mark.parametrize(
    "told",
    [
        chat({"content": None, "tool_calls": [{"id": "1"}]}, finish_reason="tool_calls"),
        chat({"content": "", "function_call": {"name": "look_up"}}, finish_reason="stop"),
        chat({"content": " "}, finish_reason="tool_use"),
        {"choices": [{"index": 0, "finish_reason": "content_filter"}]},
        {"choices": [{"index": 0, "finish_reason": "abort", "message": {"content": "It"}}]},
    ],
)
def test_what_is_no_answer_is_missing_and_not_empty(told):
    assert replies.withheld(replies.choice_of(told))


def test_an_answer_that_was_cut_before_its_first_word_is_empty():
    told = replies.choice_of({"choices": [{"index": 0, "finish_reason": "length"}]})
    assert (replies.text_of(told), replies.cut_at_limit(told), replies.withheld(told)) == (
        "",
        1,
        None,
    )


def test_an_error_in_a_choice_withholds_it():
    told = replies.choice_of({"choices": [{"error": {"code": 502, "message": "upstream"}}]})
    assert replies.withheld(told) == "upstream"


@pytest.mark.parametrize(
    ("reply", "words", "status"),
    [
        ({"detail": "Worker overloaded, come back"}, "Worker overloaded, come back", 503),
        ({"code": 50603, "message": "System busy", "data": None}, "System busy", 503),
        ({"errors": [{"message": "no such route", "code": 7}], "success": False}, "no such", 400),
        ({"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}, "rate limit", 429),
        ({"error_code": 17, "error_msg": "daily quota reached"}, "daily quota", 429),
        ({"choices": [], "error": {"message": "x", "code": 502}}, "x", 502),
        ({"choices": [{"error": {"message": "y", "code": 502}}]}, "y", 502),
        ({"choices": [{"message": {"content": "I"}, "finish_reason": "error"}]}, "failed", 503),
    ],
)
def test_errors_of_a_reply_that_says_that_all_is_well(reply, words, status):
    error = replies.error_of(reply)
    assert words in replies.words_of_error(error)
    assert server_errors.status_of_error(error) == status
    assert words in server_errors.error_in(json.dumps(reply))[0]


@pytest.mark.parametrize(
    "reply",
    [
        chat({"content": "message"}),
        {"choices": [{"text": "error"}], "detail": "none", "message": "fine"},
        {"message": {"role": "assistant", "content": "Lima"}, "done": True},
        {"choices": [], "usage": {}},
    ],
)
def test_what_is_no_error(reply):
    assert replies.error_of(reply) is None


@pytest.mark.parametrize(
    ("value", "number"), [(7, 7), (7.0, 7), ("7", None), (None, None), (-1, None)]
)
def test_counts(value, number):
    assert replies.count({"prompt_tokens": value}, "prompt_tokens") == number
    assert replies.count("none", "prompt_tokens") is None


GRADES = {"2": 0.6, " 3": 0.25, "\u01204": 0.1}
LISTED = [{"token": token, "logprob": math.log(p)} for token, p in GRADES.items()]
MAPPED = {token: math.log(p) for token, p in GRADES.items()}
SHAPES = [
    chat({}, logprobs={"content": [{**LISTED[0], "top_logprobs": LISTED}]}),
    chat({}, logprobs={"content": [{**LISTED[0], "top_logprobs": LISTED[1:]}]}),
    chat({"logprobs": {"content": [{**LISTED[0], "top_logprobs": LISTED}]}}),
    {"choices": [{"text": "2", "logprobs": {"content": [{**LISTED[0], "top_logprobs": LISTED}]}}]},
    {"choices": [{"text": "2", "logprobs": {"tokens": ["2"], "top_logprobs": [MAPPED]}}]},
    chat(
        {}, logprobs={"tokens": ["2"], "token_logprobs": [math.log(0.6)], "top_logprobs": [MAPPED]}
    ),
    chat({}, logprobs={"tokens": ["2"], "top_logprobs": [LISTED]}),
    chat({}, logprobs={"content": None, "top_logprobs": [MAPPED]}),
    {
        **chat({}),
        "completion_probabilities": [{"token": "2", "logprob": -0.5, "top_logprobs": LISTED}],
    },
    {
        **chat({}),
        "completion_probabilities": [
            {"content": "2", "probs": [{"tok_str": t, "prob": p} for t, p in GRADES.items()]}
        ],
    },
    {
        **chat({}),
        "completion_probabilities": [
            {
                "token": "2",
                "prob": 0.6,
                "top_probs": [{"token": t, "prob": p} for t, p in GRADES.items()],
            }
        ],
    },
    chat(
        {},
        logprobs={
            "content": [
                {
                    "token": "token_id:17",
                    "logprob": math.log(0.6),
                    "bytes": [50],
                    "top_logprobs": [
                        {
                            "token": f"token_id:{n}",
                            "bytes": [*t.replace("\u0120", " ").encode()],
                            "logprob": math.log(p),
                        }
                        for n, (t, p) in enumerate(GRADES.items())
                    ],
                }
            ]
        },
    ),
    chat(
        {},
        logprobs={
            "top_logprobs": [
                {
                    str(n): {"decoded_token": t, "logprob": v}
                    for n, (t, v) in enumerate(MAPPED.items())
                }
            ]
        },
    ),
]


SHAPES += [
    chat({}, logprobs={"content": {"tokens": ["2"], "top_logprobs": [MAPPED]}}),
    chat(
        {},
        logprobs={"tokens": ["2"], "top_tokens": [[*MAPPED]], "top_logprobs": [[*MAPPED.values()]]},
    ),
    chat(
        {},
        logprobs={
            "content": [{"top_logprobs": {"tokens": [*MAPPED], "logprobs": [*MAPPED.values()]}}]
        },
    ),
    chat({}, logprobs=[MAPPED]),
    chat({}, logprobs=[LISTED]),
    chat(
        {},
        logprobs={"content": [{**LISTED[0], "top_logprobs": [[*pair] for pair in MAPPED.items()]}]},
    ),
    chat(
        {},
        logprobs={
            "content": [
                {
                    "token": "",
                    "top_logprobs": [
                        {"token": "", "bytes": [*t.replace("\u0120", " ").encode()], "logprob": v}
                        for t, v in MAPPED.items()
                    ],
                }
            ]
        },
    ),
    # The token that was written, rounded and without its blank.
    chat(
        {},
        logprobs={
            "content": [
                {
                    "token": "2",
                    "logprob": -0.511,
                    "top_logprobs": [
                        {"token": f"\u2581{replies.plain(t)}", "logprob": v}
                        for t, v in MAPPED.items()
                    ],
                }
            ]
        },
    ),
]


@pytest.mark.parametrize("reply", SHAPES)
def test_log_probabilities(reply):
    told = {replies.plain(t): math.exp(v) for t, v in replies.places_of(reply)[0].alternatives}
    assert told == pytest.approx({"2": 0.6, "3": 0.25, "4": 0.1}, abs=0.01)
    assert len(replies.places_of(reply)[0].alternatives) == 3


def test_what_is_no_number_is_left_out():
    text = (
        '{"choices": [{"message": {}, "logprobs": {"content": [{"token": "2", "logprob": -0.5,'
        '"top_logprobs": [{"token": "2", "logprob": -0.5}, {"token": "3", "logprob": null},'
        '{"token": "4", "logprob": NaN}, {"token": "5", "logprob": -Infinity},'
        '{"token": "1", "logprob": "-inf"}, {"token": "x"}, {"logprob": -2}, null]}]}}]}'
    )
    told = replies.places_of(json.loads(text))[0].alternatives
    assert told == (("2", -0.5), ("5", -math.inf), ("1", -math.inf))


@pytest.mark.parametrize(
    "reply",
    [
        chat({}),
        chat({}, logprobs=None),
        chat({}, logprobs={}),
        chat({}, logprobs={"content": []}),
        chat({}, logprobs={"content": None}),
        chat({}, logprobs={"tokens": ["2"], "token_logprobs": [-0.1], "top_logprobs": None}),
        chat({}, logprobs={"top_logprobs": [None]}),
    ],
)
def test_none_are_told(reply):
    assert replies.places_of(reply) == []


@pytest.mark.parametrize("token", ["4", " 4", "\u25814", "\u01204", "4\u010a", "<0x34>", "\n4"])
def test_a_digit_in_the_spelling_of_a_vocabulary(token):
    assert replies.plain(token) == "4"


# --- What servers refuse -------------------------------------------------------------------------

TOO_LONG = [
    "This model's maximum context length is 512 tokens. However, your messages have 900 tokens.",
    "'max_tokens' or 'max_completion_tokens' is too large: 48. This model's maximum context length "
    "is 512 tokens and your request has 500 input tokens",
    "the request exceeds the available context size, try increasing it",
    "Requested tokens (900) exceed context window of 512",
    "`inputs` tokens + `max_new_tokens` must be <= 512. Given: 900 `inputs` tokens",
    "prompt is too long: 208310 tokens > 200000 maximum",
    "Input token count (900) exceeds the maximum number of tokens allowed",
    "Please reduce the length of the messages.",
]
FILTERED = [
    "The response was filtered: the prompt triggered Azure OpenAI's content management policy.",
    "Your request was flagged by our moderation system",
    "prompt was blocked by the safety filter",
    "Input data may contain inappropriate content.",
]
FIELDS = [
    ("Unsupported value: 'temperature' does not support 0 with this model.", "temperature"),
    ('Unknown name "seed": Cannot find field.', "seed"),
    ("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", "max_tokens"),
    ("`temperature` and `top_p` cannot both be specified for this model.", "top_p"),
    ("Requested sample logprobs of 20, which is greater than max allowed: 5", "logprobs"),
    ("top_logprobs must be between 0 and 5", "top_logprobs"),
    ("Something else is wrong", None),
]
SENT = {"messages": [], "temperature": 0, "top_p": 1, "seed": 1, "max_tokens": 4, "logprobs": True}
SENT |= {"top_logprobs": 20}


@pytest.mark.parametrize("said", TOO_LONG)
def test_too_long(said):
    failure = server_errors.Failure("", 400, said)
    assert failure.too_long
    assert failure.refused_field(SENT) is None
    assert not server_errors.Failure("", 429, said).too_long


@pytest.mark.parametrize("said", FILTERED)
@pytest.mark.parametrize("status", [400, 403])
def test_filtered(said, status):
    failure = server_errors.Failure("", status, said)
    assert (failure.filtered, failure.too_long, failure.of_the_server) == (True, False, False)
    assert failure.refused_field(SENT) is None


@pytest.mark.parametrize(("said", "name"), FIELDS)
def test_the_field_that_is_refused(said, name):
    assert server_errors.Failure("", 400, said).refused_field(SENT) == name
    assert server_errors.Failure("", 401, said).refused_field(SENT) is None


def test_the_field_of_a_validation_error():
    """As pydantic says it: where, what, and the whole input, which names other fields."""
    detail = [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted", "input": SENT}]
    words, _, name = server_errors.error_in(json.dumps({"detail": detail}))
    assert words == "Extra inputs are not permitted (body.seed)"
    assert server_errors.Failure("", 422, words, name).refused_field(SENT) == "seed"


@pytest.mark.parametrize(
    ("said", "now", "number"),
    [
        ("top_logprobs must be between 0 and 5", 20, 5),
        ("Requested sample logprobs of 20, which is greater than max allowed: 10", 20, 10),
        ("Invalid value for 'logprobs': must be less than or equal to 0", 20, 0),
        ("too many logprobs", 20, 5),
        ("too many logprobs", 5, None),
        ("logprobs is not supported by gpt-5.1 or 4o", 5, None),
    ],
)
def test_fewer_alternatives(said, now, number):
    assert server_errors.fewer(said, now) == number


# --- Streams that nobody asked for ---------------------------------------------------------------


def events(*chunks, end="data: [DONE]\n\n"):
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + end


def part(delta, **choice):
    return {"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": None} | choice]}


def test_a_stream_is_put_together():
    place = {"token": "2", "logprob": -0.5, "top_logprobs": LISTED}
    text = ": ping\n\nevent: message\n" + events(
        part({"role": "assistant", "content": ""}),
        part({"reasoning_content": "Pe"}),
        part({"reasoning_content": "ru?"}),
        part({"content": "Li"}, logprobs={"content": [place]}),
        {"choices": [{"index": 1, "delta": {"content": "another"}}]},
        part({"role": "assistant", "content": "ma"}, logprobs={"content": [place]}),
        part({}, finish_reason="length"),
        {"choices": [], "usage": {"completion_tokens": 2}},
    )
    reply = streams.value_of(text)
    told = replies.choice_of(reply)
    assert (replies.text_of(told), replies.reasoning_of(told)) == ("Lima", "Peru?")
    assert (replies.cut_at_limit(told), len(replies.places_of(reply))) == (1, 2)
    assert (reply["model"], replies.count(reply["usage"], "completion_tokens")) == ("m", 2)


@pytest.mark.parametrize("before", ["\ufeff", "\n\n  ", ": working on it\n\n: still\n\n"])
def test_what_stands_before_a_reply(before):
    reply = chat({"content": "Li\nma\u2028: data: x"})
    assert streams.value_of(before + json.dumps(reply, indent=1, ensure_ascii=False)) == reply


def test_a_stream_of_a_completion():
    text = events({"choices": [{"index": 0, "text": "Li"}]}, {"choices": [{"text": "ma"}]})
    assert replies.text_of(replies.choice_of(streams.value_of(text))) == "Lima"


def test_a_stream_without_lines_between_its_events():
    text = events(part({"content": "Li"}), part({"content": "ma"})).replace("\n\n", "\n")
    assert replies.text_of(replies.choice_of(streams.value_of(text))) == "Lima"


def test_a_stream_that_was_cut_off_is_a_failure_that_passes():
    text = events(part({"content": "Li"}), part({"content": "m"}), end="")
    error = replies.error_of(streams.value_of(text))
    assert server_errors.status_of_error(error) == 503
    ended = text + events(part({}, finish_reason="stop"), end="")
    assert replies.text_of(replies.choice_of(streams.value_of(ended))) == "Lim"


def test_an_error_in_a_stream_is_the_reply():
    text = events(part({"content": "Li"}), {"error": {"message": "overloaded"}}, end="")
    assert replies.error_of(streams.value_of(text)) == {"message": "overloaded"}
    assert server_errors.error_in(text)[0] == "overloaded"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[" * 100_000,
        ": only a comment\n",
        "<html></html>",
        "data: {half",
        "data: [1]\n\n",
        "data:\n",
    ],
)
def test_what_is_neither_json_nor_a_stream(text):
    assert streams.value_of(text) is None
