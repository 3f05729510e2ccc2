"""An embedding model behind a server: a real server on loopback whose vectors count letters."""

import json
import string
import time

import numpy as np
import pytest
from test_endpoint import KEY, Server, says, send

from rag_study import retrieval
from rag_study.common.errors import StudyError
from rag_study.data.schema import Document, Question
from rag_study.models import api_key
from rag_study.study import plan
from rag_study.study.data_groups import Retrieval


def letters(text):
    return [text.lower().count(letter) for letter in string.ascii_lowercase] + [0.5]


def expected(texts):
    vectors = np.array([letters(text) for text in texts], dtype=float)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def embeds(handler, body, vector_of=letters):
    data = [{"index": i, "embedding": vector_of(text)} for i, text in enumerate(body["input"])]
    send(handler, 200, json.dumps({"object": "list", "data": data[::-1]}))


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("RAG_STUDY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.01)
    for name in (api_key.KEY_VARIABLE, api_key.OPENAI_KEY_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    server = Server()
    server.script = {"all": embeds}
    yield server
    server.close()


def name(server, model="multilingual-e5-small"):
    return f"{server.url}#{model}"


def test_vectors_come_in_the_order_of_the_texts_with_the_prefixes_of_the_family(server):
    embedding = retrieval.load_embedding(name(server), cached=False)
    texts = [f"{word} {'x' * n}" for n, word in enumerate(["mill", "river", "wage"] * 40)]
    vectors = embedding.embed_passages(texts)
    np.testing.assert_allclose(vectors, expected([f"passage: {t}" for t in texts]), atol=1e-6)
    np.testing.assert_allclose(
        embedding.embed_questions(["who"]), expected(["query: who"]), atol=1e-6
    )
    assert max(len(body["input"]) for body in server.requests) == 32
    assert {body["model"] for body in server.requests} == {"multilingual-e5-small"}


def test_what_is_beyond_the_window_is_not_sent(server):
    embedding = retrieval.load_embedding(name(server, "m"), window=40, cached=False)
    embedding.embed(["ж" * 500])
    (sent,) = server.requests[-1]["input"]
    assert len(sent.encode()) == 3 * (40 - 2)
    assert embedding.lengths([sent]) == [40]


def test_a_study_indexes_and_searches_with_it(server, tmp_path):
    search = Retrieval(embedding_model=name(server, "m"), chunk_size=64, chunk_overlap=8)
    embedding = retrieval.load_embedding(search.embedding_model, **search.embedding_options)
    documents = [Document(w, "", f"{w} " * 90) for w in ("jazz", "kiln", "ostrich")]
    nodes = retrieval.split_documents(documents, search.chunk_size, search.chunk_overlap, embedding)
    assert len(nodes) > 3
    retrieval.build_index(nodes, embedding, tmp_path / "index")
    questions = [Question(d.doc_id, d.doc_id, (), gold_doc_ids=(d.doc_id,)) for d in documents]
    hits = retrieval.retrieve(tmp_path / "index", questions, 2, embedding)
    assert hits["is_gold"].all()
    engine = retrieval.load_index(tmp_path / "index", embedding).as_retriever(similarity_top_k=1)
    assert "kiln" in engine.retrieve("kiln")[0].node.text


def test_a_texts_vector_is_asked_for_once_while_the_model_stays_the_same(server):
    def sent():
        return [text for body in server.requests for text in body["input"]]

    first = retrieval.load_embedding(name(server)).embed(["mill", "river"])
    again = retrieval.load_embedding(name(server)).embed(["river", "mill"])
    np.testing.assert_array_equal(first, again[::-1])
    assert sent().count("mill") == 1
    server.script["all"] = lambda handler, body: embeds(handler, body, lambda t: letters(t)[::-1])
    other = retrieval.load_embedding(name(server)).embed(["mill"])
    assert sent().count("mill") == 2
    np.testing.assert_allclose(other[0], first[0][::-1], atol=1e-6)


def test_the_key_goes_with_the_request_and_into_no_message(server, monkeypatch):
    monkeypatch.setenv(api_key.KEY_VARIABLE, KEY)
    retrieval.load_embedding(name(server), cached=False)
    assert server.headers[-1]["authorization"] == f"Bearer {KEY}"
    server.script["all"] = says(401, json.dumps({"error": {"message": f"bad key {KEY}"}}))
    with pytest.raises(StudyError, match="401") as refused:
        retrieval.load_embedding(name(server), cached=False)
    assert KEY not in str(refused.value)


def test_a_failure_that_passes_is_tried_again(server):
    server.script[0] = server.script[1] = says(503, "busy")
    retrieval.load_embedding(name(server), cached=False)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (says(200, '{"data": [{"embedding": "AAAA"}]}'), "no list of embeddings"),
        (says(200, '{"choices": [{"message": {"content": "hi"}}]}'), "no list of embeddings"),
        (says(200, '{"data": [{"embedding": [1]}, {"embedding": [2]}]}'), "1 texts .* 2 vectors"),
        (says(200, '{"data": [{"embedding": [0, 0]}]}'), "no numbers"),
        (says(404, '{"error": {"message": "no such model"}}'), "no such model"),
        (says(400, '{"error": {"message": "input too long: 900 tokens"}}'), "embedding_window"),
    ],
)
def test_what_is_no_vector_is_told(server, reply, said):
    server.script["all"] = reply
    with pytest.raises(StudyError, match=said):
        retrieval.load_embedding(name(server), cached=False)


def test_planning_asks_no_server_and_refuses_a_key_in_the_name(server):
    search = Retrieval(embedding_model=name(server), chunk_size=300)
    assert search.query_prefix == "query: "
    assert not server.requests
    with pytest.raises(ValueError, match=r"reads 510 tokens"):
        Retrieval(embedding_model=name(server), chunk_size=600)
    assert Retrieval(embedding_model=name(server), chunk_size=600, embedding_window=8191)
    with pytest.raises(ValueError, match="without a user, password") as refused:
        Retrieval(embedding_model="http://me:hunter2hunter2@host/v1#m")
    assert "hunter2" not in str(refused.value).split("[type")[0]


def test_a_study_files_settings_for_servers_reach_it(server, write_study, monkeypatch):
    """From the study file through the parameters of stages 02 and 03; no run's id knows of them."""
    own = {"concurrency": 2, "timeout_s": 5.0, "max_retries": 1}
    search = {"embedding_model": name(server, "m"), "chunk_size": 64}
    raft = [{"train_size": 4, "train_format": "raft", "num_distractors": 1}]
    ids = []
    for servers in ({}, own):
        runs = plan.expand(write_study(retrieval=search, fine_tuning=raft, servers=servers))
        asked = [run for run in runs if run.stage.name in ("index_corpus", "fine_tune")]
        assert {run.stage.name for run in asked} == {"index_corpus", "fine_tune"}
        for run in asked:
            assert own.items() <= run.parameters["servers"].items() or not servers
        ids.append([run.run_id for run in runs])
    assert ids[0] == ids[1]

    def slowly(handler, body):
        time.sleep(0.05)
        embeds(handler, body)

    server.script = {"all": slowly}
    embedding = retrieval.load_embedding(
        search["embedding_model"], servers=asked[0].point.servers.model_dump(), cached=False
    )
    server.most_busy = 0
    embedding.embed([f"mill {n}" for n in range(32 * 8)])
    assert server.most_busy == 2
    server.script, before = {"all": lambda h, b: send(h, 503, "{}")}, len(server.requests)
    with pytest.raises(StudyError):
        embedding.embed(["one more"])
    assert len(server.requests) - before == 2  # once, and once again
