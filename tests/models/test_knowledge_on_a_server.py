"""What a model behind a server knows: asked through it, classed as of any other."""

import json

import pandas as pd
from test_endpoint import KEY, Server, completion, send

from rag_study.analysis import known_before
from rag_study.answering.generation import Settings
from rag_study.common import run_folder
from rag_study.data.schema import Question
from rag_study.evaluation import knowledge
from rag_study.models import api_key, endpoint


def test_a_model_on_a_server_is_probed_the_same_way(outputs, monkeypatch):
    """It knows one answer when greedy, one only by chance, and refuses a question."""
    monkeypatch.setenv(api_key.KEY_VARIABLE, KEY)

    def respond(handler, body):
        question, sampled = body["messages"][-1]["content"], body.get("temperature", 0) > 0
        if "Refused" in question:
            error = {"code": "content_filter", "message": "content policy"}
            return send(handler, 400, json.dumps({"error": error}))
        right = "Known" in question or ("Chance" in question and sampled)
        reply = completion(body)
        reply["choices"][0]["message"]["content"] = "Ann Lee" if right else "Bob"
        return send(handler, 200, json.dumps(reply))

    server = Server()
    server.script = {"all": respond}
    pool = [
        Question(f"{word}?", f"{word}?", ("Ann Lee",), group=word)
        for word in ("Known", "Chance", "Unknown", "Refused", "Other")
    ]
    pools = {"test": pool[:0], "train": pool}
    ways = knowledge.draws(2, 2, 0.5)
    batches = knowledge.ask(
        endpoint.connect(f"{server.url}#m"),
        pools,
        {"test": 0, "train": 4},
        knowledge.Exemplars(pool, 2),
        ways,
        Settings(8, 2),
        run_folder.RunFolder("stage/served"),
    )
    answers = pd.DataFrame(row for batch in batches for row in batch)
    server.close()
    table = known_before.classify(answers, {q.id: q for q in pool})
    classes = table.set_index("question_id")["known_before"]
    assert classes["Known?"] == "highly known"
    assert classes["Chance?"] == "weakly known"
    assert classes["Unknown?"] == "unknown"
    assert pd.isna(classes["Refused?"])
    chats = [[one["content"] for one in body["messages"]] for body in server.requests]
    chats = [chat for chat in chats if len(chat) == 2 * 2 + 2]  # others ask how the server is
    assert len(chats) >= 4 * len(ways)
    assert not any(chat[-1] in chat[:-1] for chat in chats)
    counted = known_before.counts(table)["train"].to_dict()
    graded = {"highly known": 1, "maybe known": 0, "weakly known": 1, "unknown": 1}
    assert counted == graded | {"not graded": 1}
