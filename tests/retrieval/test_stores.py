"""Served vector stores: a PostgreSQL with pgvector that the test starts; Qdrant's local mode."""

import dataclasses
import json
import sys
import uuid

import numpy as np
import pytest

from rag_study import data as qa_datasets
from rag_study import retrieval
from rag_study.common import files
from rag_study.common.errors import StudyError
from rag_study.retrieval import store_names, stores
from rag_study.study import identity
from rag_study.study.config import load_study
from rag_study.study.data_groups import Retrieval
from rag_study.study.groups import Point
from rag_study.study.stages import STAGES, used_by

PASSWORD = "hunter2hunter2"


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The address of a database on a server of its own."""
    pytest.importorskip("pgserver", reason="pip install pgserver -e '.[postgres]'")
    pytest.importorskip("llama_index.vector_stores.postgres", reason="pip install -e '.[postgres]'")
    import pgserver

    # A socket's path may have 107 bytes.
    server = pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="delete")
    yield server
    server.cleanup()


@pytest.fixture
def postgresql(server):
    """A new, empty database."""
    name = f"db_{uuid.uuid4().hex[:8]}"
    server.psql(f"CREATE DATABASE {name};")
    return f"postgresql://postgres@/{name}?host={server.pgdata}"


@pytest.fixture
def qdrant(tmp_path):
    pytest.importorskip("llama_index.vector_stores.qdrant", reason="pip install -e '.[qdrant]'")
    return f"qdrant:{tmp_path / 'points'}"


@pytest.fixture(params=["postgresql", "qdrant"])
def store(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def embedding():
    return retrieval.load_embedding("all-minilm-l6-v2")


@pytest.fixture(scope="module")
def questions():
    return list(qa_datasets.load("fictional", options={"num_worlds": 10}).questions)[:30]


@pytest.fixture(scope="module")
def documents():
    real = list(qa_datasets.load("fictional", options={"num_worlds": 10}).documents)
    copies = [dataclasses.replace(d, doc_id=f'it\'s a "copy" of {d.doc_id} é') for d in real[:20]]
    return [*real, *copies]


@pytest.fixture(scope="module")
def nodes(documents, embedding):
    return retrieval.split_documents(documents, 64, 8, embedding)


@pytest.fixture(scope="module")
def faiss(nodes, embedding, tmp_path_factory):
    folder = tmp_path_factory.mktemp("faiss")
    retrieval.build_index(nodes, embedding, folder, "hybrid")
    return folder


def same(found, expected):
    assert found["chunk_id"].tolist() == expected["chunk_id"].tolist()
    np.testing.assert_allclose(found["score"], expected["score"], atol=2e-6)


@pytest.mark.parametrize("retriever", ["dense", "hybrid"])
def test_what_is_found_is_what_faiss_finds_copies_included(
    store, retriever, nodes, embedding, questions, faiss, tmp_path
):
    retrieval.build_index(nodes, embedding, tmp_path / "index", retriever, store)
    for depth in (1, 10, len(nodes) + 5):
        expected = retrieval.retrieve(faiss, questions, depth, embedding, retriever=retriever)
        found = retrieval.retrieve(
            tmp_path / "index", questions, depth, embedding, retriever=retriever
        )
        same(found, expected)


def test_a_question_can_be_kept_to_its_own_documents(
    store, nodes, documents, embedding, questions, faiss, tmp_path
):
    scopes = {d.doc_id: f"s{i % 3}" for i, d in enumerate(documents)}
    asked = [dataclasses.replace(q, scope=f"s{i % 4}") for i, q in enumerate(questions)]
    retrieval.build_index(nodes, embedding, tmp_path / "index", "dense", store)
    expected = retrieval.retrieve(faiss, asked, 10, embedding, scopes)
    same(retrieval.retrieve(tmp_path / "index", asked, 10, embedding, scopes), expected)
    assert not (expected["question_id"] == asked[3].id).any()  # nothing is in scope s3


def test_llama_indexs_own_engines_read_texts_from_the_store(store, nodes, embedding, tmp_path):
    retrieval.build_index(nodes, embedding, tmp_path / "index", "dense", store)
    engine = retrieval.load_index(tmp_path / "index", embedding).as_retriever(similarity_top_k=2)
    found = engine.retrieve(nodes[5].text)
    assert nodes[5].text in [hit.node.text for hit in found]
    assert found[0].node.metadata["chunk_id"] in {node.node_id for node in nodes}


def test_a_store_that_holds_the_index_is_not_filled_again(
    store, nodes, embedding, tmp_path, monkeypatch
):
    retrieval.build_index(nodes, embedding, tmp_path / "one", "dense", store)
    monkeypatch.setattr(stores, "_batches", lambda *_: iter([None]))  # nothing can be added
    retrieval.build_index(nodes, embedding, tmp_path / "two", "dense", store)
    one, two = ((tmp_path / f / stores.STORE_FILE).read_text() for f in ("one", "two"))
    assert one == two


def test_what_was_filled_half_is_filled_and_not_used(
    store, nodes, embedding, questions, faiss, tmp_path, monkeypatch
):
    batches = stores._batches

    def killed(*arguments):
        yield next(batches(*arguments))[:7]
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(stores, "_batches", killed)
        with pytest.raises(KeyboardInterrupt):
            retrieval.build_index(nodes, embedding, tmp_path / "index", "dense", store)
    assert not (tmp_path / "index" / stores.STORE_FILE).exists()
    retrieval.build_index(nodes, embedding, tmp_path / "index", "dense", store)
    expected = retrieval.retrieve(faiss, questions, 10, embedding)
    same(retrieval.retrieve(tmp_path / "index", questions, 10, embedding), expected)


def test_a_store_that_somebody_changed_is_refused(store, nodes, embedding, tmp_path):
    retrieval.build_index(nodes, embedding, tmp_path / "index", "dense", store)
    served = stores.Served.read(tmp_path / "index")
    served.open().delete_nodes([stores.ids_of(1)[0]])
    with pytest.raises(StudyError, match=rf"has {len(nodes) - 1} of {len(nodes)} passages"):
        retrieval.open_index(tmp_path / "index")
    retrieval.build_index(nodes, embedding, tmp_path / "index", "dense", store)
    retrieval.open_index(tmp_path / "index")


def test_other_passages_or_vectors_are_another_table(nodes):
    vectors = np.eye(len(nodes), dtype=np.float32)
    names = {
        stores._name(nodes, vectors),
        stores._name(nodes[::-1], vectors),
        stores._name(nodes, vectors[::-1]),
        stores._name(nodes[:-1], vectors[:-1]),
    }
    assert len(names) == 4
    assert stores._name(nodes, vectors.copy()) in names


def test_the_password_comes_from_the_environment(
    server, postgresql, nodes, embedding, tmp_path, monkeypatch, capfd
):
    """Of a user who must give one and owns nothing but may create tables."""
    user = f"keeper_{uuid.uuid4().hex[:8]}"
    server.psql(f"CREATE ROLE {user} LOGIN PASSWORD '{PASSWORD}';")
    server.psql(f"GRANT pg_write_all_data, pg_read_all_data TO {user};")
    rules = server.pgdata / "pg_hba.conf"
    rules.write_text(f"local all {user} scram-sha-256\n{rules.read_text()}")
    server.psql("SELECT pg_reload_conf();")
    store = postgresql.replace("postgres@", f"{user}@")
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))
    with pytest.raises(StudyError, match=r"no password supplied"):
        retrieval.build_index(nodes[:5], embedding, tmp_path / "a", "dense", store)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with pytest.raises(StudyError, match=r"permission denied"):
        retrieval.build_index(nodes[:5], embedding, tmp_path / "a", "dense", store)
    import psycopg2

    with psycopg2.connect(postgresql) as owner, owner.cursor() as cursor:
        cursor.execute("CREATE EXTENSION vector")
        cursor.execute(f"GRANT CREATE ON SCHEMA public TO {user}")
    retrieval.build_index(nodes[:5], embedding, tmp_path / "a", "dense", store)
    written = "".join(
        p.read_text(errors="replace") for p in (tmp_path / "a").iterdir() if p.is_file()
    )
    assert user in written
    assert PASSWORD not in written + capfd.readouterr().err


@pytest.mark.parametrize("address", ["postgresql://me@127.0.0.1:9/db", "http://127.0.0.1:9"])
def test_a_store_that_is_not_there_is_told_in_a_sentence(address, nodes, embedding, tmp_path):
    pytest.importorskip(
        "llama_index.vector_stores." + store_names.EXTRAS[store_names.kind_of(address)]
    )
    with pytest.raises(StudyError, match=r"the vector store .*refused[\s\S]*Is it running"):
        retrieval.build_index(nodes[:5], embedding, tmp_path, "dense", address)


def test_a_model_that_compares_by_inner_product_needs_faiss(nodes, embedding, qdrant, tmp_path):
    dot = dataclasses.replace(embedding.model, cosine=False)
    other = retrieval.Embedder(embedding.llama, model=dot)
    with pytest.raises(StudyError, match="by their inner product"):
        retrieval.build_index(nodes[:5], other, tmp_path / "i", "dense", qdrant)


# --- Which store is meant: nothing below needs one -----------------------------------------------


@pytest.mark.parametrize(
    ("store", "said"),
    [
        (f"postgresql://me:{PASSWORD}@host/db", "comes from the environment"),
        (f"postgresql://me@host/db?password={PASSWORD}", "comes from the environment"),
        (f"postgresql://host/db?user=me&sslpassword={PASSWORD}", "comes from the environment"),
        (f"https://{PASSWORD}@host:6333", "comes from the environment"),
        (f"https://host:6333?api_key={PASSWORD}", "comes from the environment"),
        ("postgresql://me@host", "names no database"),
        ("http://host:6333/collections", "ends after its port"),
        ("http://host:99999", "one of the forms"),
        ("mysql://me@host/db", "one of the forms"),
        (f"me:{PASSWORD}@host/db", "one of the forms"),
        ("qdrant:", "one of the forms"),
        ("", "one of the forms"),
    ],
)
def test_names_of_stores_that_cannot_be_are_refused_without_repeating_them(store, said):
    with pytest.raises(StudyError, match=said) as refused:
        store_names.kind_of(store)
    assert PASSWORD not in str(refused.value)


def test_missing_packages_are_refused_with_what_to_install(monkeypatch):
    monkeypatch.setattr(store_names, "_is_installed", lambda name: False)
    for store, extra in (("postgresql://me@host/db", "postgres"), ("http://h:6333", "qdrant")):
        with pytest.raises(ValueError, match=rf"{sys.executable} -m pip .*\[{extra}\]"):
            Retrieval(store=store)


def test_a_run_id_has_the_kind_of_store_and_not_its_place(monkeypatch):
    monkeypatch.setattr(store_names, "_is_installed", lambda name: True)

    def used(**search):
        point = Point(dataset={"name": "fictional"}, retrieval=search)
        found = identity._resolved(used_by(STAGES["index_corpus"], point))
        return json.dumps(found["retrieval"], sort_keys=True)

    assert used(store="postgresql://a@one/x") == used(store="postgres://b@two:5433/y")
    assert used(store="postgresql://a@one/x") != used() != used(store="http://one:6333")
    assert used(store="http://one:6333", retriever="bm25") == used(retriever="bm25")


def test_a_folder_of_qdrant_counts_from_the_study_file(tmp_path, monkeypatch):
    monkeypatch.setattr(store_names, "_is_installed", lambda name: True)
    study = tmp_path / "study.yaml"
    files.write_text(
        study,
        "name: q\nmodels: [random-llama]\ndatasets: [{name: fictional}]\n"
        "judges: [{model: random-llama}]\nretrieval: {store: 'qdrant:points'}\n",
    )
    monkeypatch.chdir("/")
    assert load_study(study).retrieval.store == f"qdrant:{tmp_path / 'points'}"
    files.write_text(study, study.read_text().replace("qdrant:points", f"http://a:{PASSWORD}@h"))
    with pytest.raises(StudyError, match="comes from the environment") as refused:
        load_study(study)
    assert PASSWORD not in str(refused.value)
