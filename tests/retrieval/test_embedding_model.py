"""Embedding models other than the bundled one, and what they cannot read."""

import embedders
import numpy as np
import pytest

from rag_study import retrieval
from rag_study.analysis import run_names
from rag_study.common import files, run_folder
from rag_study.common.errors import StudyError
from rag_study.data.schema import Document, Question
from rag_study.retrieval import embedding_model
from rag_study.retrieval.legibility import legibility
from rag_study.study import plan
from rag_study.study.config import load_study
from rag_study.study.data_groups import Retrieval

GREEK = "Τον πύργο τον έχτισε η Άννα"
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789?.,αβγδεζηθικλμνξοπρστυφχψως"


@pytest.fixture(scope="module")
def greek(tmp_path_factory):
    prompts = {"query": "q ", "document": "d ", "clustering": "c "}
    folder = tmp_path_factory.mktemp("models") / "of my own"
    return embedders.make(folder, LETTERS, prompts=prompts)


@pytest.fixture(scope="module")
def loaded(greek):
    return retrieval.load_embedding(str(greek), cached=False)


def test_pooling_length_and_prefixes_are_those_of_the_models_files(loaded, greek):
    from sentence_transformers import SentenceTransformer

    own = SentenceTransformer(str(greek))
    assert loaded.window == 128
    assert loaded.room == 128 - 2 - 1
    texts = ["Who built it?", GREEK]
    for mine, prompt in ((loaded.embed_questions, "query"), (loaded.embed_passages, "document")):
        theirs = own.encode(texts, prompt_name=prompt, normalize_embeddings=True)
        np.testing.assert_allclose(mine(texts), theirs, atol=1e-6)
    assert not np.array_equal(loaded.embed_questions(texts), loaded.embed_passages(texts))


def test_prefixes_that_are_given_replace_them(greek):
    plain = retrieval.load_embedding(str(greek), cached=False, query_prefix="", passage_prefix="e ")
    assert plain.model.query_prefix == ""
    np.testing.assert_array_equal(plain.embed_questions(["a b"]), plain.embed(["a b"]))
    np.testing.assert_array_equal(plain.embed_passages(["a b"]), plain.embed(["e a b"]))
    assert plain.room == 128 - 2 - 1


def test_a_prefix_takes_its_room_from_the_passages(greek, tmp_path):
    long = retrieval.load_embedding(str(greek), cached=False, passage_prefix="a " * 100)
    documents = [Document("d", "", "b " * 200)]
    with pytest.raises(StudyError, match=r"chunk_size 100.*reads 26 tokens"):
        retrieval.split_documents(documents, 100, 8, long)
    nodes = retrieval.split_documents(documents, 26, 2, long)
    retrieval.build_index(nodes, long, tmp_path)  # which refuses what could not be read whole


@pytest.mark.parametrize(
    ("written", "window"),
    [
        ({"config.json": {"max_position_embeddings": 512}}, 512),
        ({"config.json": {"max_position_embeddings": 514, "model_type": "xlm-roberta"}}, 512),
        (
            {"config.json": {"max_position_embeddings": 512}}
            | {"sentence_bert_config.json": {"max_seq_length": 200}},
            200,
        ),
        ({"tokenizer_config.json": {"model_max_length": 1e30}}, None),
        ({"config.json": [], "tokenizer_config.json": {"model_max_length": 384}}, 384),
    ],
)
def test_the_window_is_the_least_of_what_the_files_say(tmp_path, written, window):
    (tmp_path / "model.safetensors").touch()
    for name, content in written.items():
        files.write_json(tmp_path / name, content)
    assert embedding_model.find(str(tmp_path)).window == window


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("all-minilm-l6", "not a preset.*did you mean 'all-minilm-l6-v2'"),
        ("random-llama", "is a language model, which does not embed"),
        ("http://localhost:1/v1", "the form http://host:port/v1#model-name"),
        ("", "is not a preset"),
    ],
)
def test_what_can_be_no_embedding_model_is_refused(name, message):
    with pytest.raises(StudyError, match=message):
        embedding_model.check_name(name)


def test_a_folder_without_weights_is_refused(tmp_path):
    with pytest.raises(StudyError, match="holds no embedding model"):
        embedding_model.find(str(tmp_path))


def test_damaged_weights_are_said(greek, tmp_path):
    import shutil

    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(greek, tmp_path / "copy")
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.LayerNorm.weight"][0] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    damaged = retrieval.load_embedding(str(folder))
    with pytest.raises(StudyError, match=r"gives no numbers \(NaN.*'some text'"):
        damaged.embed(["some text"])
    (folder / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(StudyError, match="cannot be loaded"):
        retrieval.load_embedding(str(folder))


def test_a_script_that_a_model_does_not_know_is_told_by_its_vocabulary(loaded):
    minilm = embedding_model.find("all-minilm-l6-v2").vocabulary
    # Of Georgian and Amharic it knows few letters or none; a rare sign among English is no harm.
    for poor in (["თბილისის კოშკი", "ქუთაისის ხიდი"], ["የአዲስ ድልድይ", "የጎንደር ግንብ"]):
        assert legibility(minilm, poor).is_poor
    fine = [f"Who built tower {i}, and for how much €?" for i in range(50)] + ["What a view 🦙!"]
    assert not legibility(minilm, fine).is_poor
    assert loaded.legibility([GREEK, "Who?"]).unknown < 0.2  # but for its accents
    assert loaded.legibility(["塔は", "橋は"]).different == 1
    assert legibility(minilm, []).unknown == 0
    assert legibility(None, ["x"]) is None
    assert legibility(minilm.with_name("nothing.json"), ["x"]) is None


def test_what_was_not_read_is_counted_and_said(loaded, tmp_path):
    documents = [
        Document("d", "塔" * 90, "橋は石で作られた。"),
        Document("e", "", "塔は木で作られた。"),
    ]
    questions = [Question("q", "誰が" * 200, ("x",)), Question("r", "いつ", ("x",))]
    nodes = retrieval.split_documents(documents, 64, 8, loaded)
    index = retrieval.build_index(nodes, loaded, tmp_path, "hybrid")
    reading = retrieval.Reading.of(questions, nodes, index, loaded)
    assert (reading.cut_questions, reading.cut_titles) == (1, 1)
    assert reading.record()["unknown_tokens"]["questions"] == 1
    assert reading.record()["word_language"] == ""
    text = "\n".join(reading.sentences())
    assert "1 of 2 questions are longer than the 128 tokens" in text
    assert "1 title would fill more than half" in text
    assert "does not know 100 % of the words and characters of the questions" in text
    words = retrieval.build_index(nodes, loaded, tmp_path, "bm25")
    assert retrieval.Reading.of(questions, nodes, words, loaded).of_passages is None


@pytest.fixture
def in_greek(write_study, own_data, greek, tmp_path):
    """A study with a model in a folder beside its file."""
    (tmp_path / "model").symlink_to(greek)

    def write(**retrieval):
        data = {"name": "jsonl", "path": "mine", "test_size": 8}
        return write_study(datasets=[data], retrieval={"chunk_size": 64, **retrieval})

    return write


def ids_of_indexes(study):
    return [run.run_id for run in plan.expand(study) if run.stage.name == "index_corpus"]


def test_a_folder_counts_from_the_study_file_and_its_content_is_in_the_id(
    in_greek, greek, tmp_path, monkeypatch
):
    import shutil

    monkeypatch.chdir("/")
    study = in_greek(embedding_model="model")
    assert load_study(study).retrieval.embedding_model == [str(greek)]
    before = ids_of_indexes(study)
    assert before != ids_of_indexes(in_greek())
    (tmp_path / "model").unlink()
    shutil.copytree(greek, tmp_path / "elsewhere")
    assert ids_of_indexes(in_greek(embedding_model="elsewhere")) == before
    assert ids_of_indexes(in_greek(embedding_model="./elsewhere")) == before
    assert ids_of_indexes(in_greek(embedding_model="elsewhere", query_prefix="w ")) != before
    with (tmp_path / "elsewhere" / "vocab.txt").open("a", encoding="utf-8") as file:
        file.write("more\n")
    assert ids_of_indexes(in_greek(embedding_model="elsewhere")) != before


def test_chunks_that_it_could_not_read_are_refused_in_the_plan(in_greek, command):
    status, _, errors = command("plan", in_greek(embedding_model="model", chunk_size=192))
    assert status == 2
    assert "chunk_size 192: the embedding model reads 126 tokens" in errors


def test_the_plan_says_what_cannot_be_read(in_greek, command, own_data):
    study = in_greek(embedding_model="model")
    assert "does not know" not in command("plan", study)[1]
    rows = files.read_jsonl(own_data / "questions.jsonl")
    for number, row in enumerate(rows):
        row["question"] = "誰が塔を建てた" + "一二三四五六七八九"[number % 9] * (1 + number // 9)
    files.write_jsonl(own_data / "questions.jsonl", rows)
    _, output, _ = command("plan", study)
    assert "does not know 100 % of the words and characters of the questions" in output
    assert "of the passages" not in output
    assert "does not know" not in command("plan", in_greek(retriever="bm25"))[1]
    # Once it has run, what it found is said.
    (index,) = ids_of_indexes(study)
    folder = run_folder.RunFolder(index)
    files.write_json(folder.path / "metrics.json", {"warnings": ["3 titles were cut."]})
    folder.set_status("done")
    assert "3 titles were cut." in command("plan", study)[1]


# --- Families, windows, comparisons ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "query", "passage"),
    [
        ("intfloat/multilingual-e5-small", "query: ", "passage: "),
        ("intfloat/E5-base-v2", "query: ", "passage: "),
        ("http://h/v1#intfloat/e5-large", "query: ", "passage: "),
        ("BAAI/bge-small-en-v1.5", "Represent this sentence for searching relevant passages: ", ""),
        ("intfloat/multilingual-e5-large-instruct", "", ""),  # its card asks for something else
        ("BAAI/bge-m3", "", ""),
        ("all-minilm-l6-v2", "", ""),
    ],
)
def test_prefixes_that_no_file_tells_are_those_of_the_family(name, query, passage):
    found = embedding_model.find(name)
    assert (found.query_prefix, found.passage_prefix) == (query, passage)
    bare = embedding_model.find(name, "", "")
    assert (bare.query_prefix, bare.passage_prefix) == ("", "")


def test_what_is_concluded_from_a_folders_name_is_said_and_its_files_go_first(tmp_path):
    plain = embedders.make(tmp_path / "e5-small", LETTERS)
    told = embedders.make(tmp_path / "own" / "e5-base", LETTERS, prompts={"query": "ask: "})
    search = Retrieval(embedding_model=str(plain), chunk_size=64)
    assert (search.query_prefix, search.passage_prefix) == ("query: ", "passage: ")
    assert "query_prefix" not in search.unused
    assert Retrieval(embedding_model=str(told), chunk_size=64).query_prefix == "ask: "
    assert Retrieval(embedding_model=str(plain), chunk_size=64, query_prefix="").query_prefix == ""


def test_a_window_may_be_narrowed_and_not_widened(greek):
    narrow = retrieval.load_embedding(str(greek), window=40)
    assert narrow.window == 40
    whole = retrieval.load_embedding(str(greek))  # whose vectors are kept apart
    text = "a " * 100
    assert not np.array_equal(narrow.embed([text]), whole.embed([text]))
    np.testing.assert_allclose(narrow.embed([text]), narrow.embed(["a " * 38]), atol=1e-6)
    with pytest.raises(ValueError, match="reads 38 tokens"):
        Retrieval(embedding_model=str(greek), chunk_size=100, embedding_window=40)
    with pytest.raises(ValueError, match="reads 128 tokens, not more"):
        Retrieval(embedding_model=str(greek), chunk_size=100, embedding_window=200)


def test_vectors_that_are_compared_as_they_are_keep_their_length(tmp_path):
    folder = embedders.make(tmp_path / "dot", LETTERS)
    files.write_json(folder / "config_sentence_transformers.json", {"similarity_fn_name": "dot"})
    embedding = retrieval.load_embedding(str(folder), cached=False)
    texts = ["mill mill", "river", "a longer text about nothing"]
    from sentence_transformers import SentenceTransformer

    own = SentenceTransformer(str(folder)).encode(texts)
    np.testing.assert_allclose(embedding.embed(texts), own, atol=1e-5)
    nodes = retrieval.split_documents([Document(t, "", t) for t in texts], 64, 8, embedding)
    retrieval.build_index(nodes, embedding, tmp_path / "index")
    hits = retrieval.retrieve(tmp_path / "index", [Question("q", "river", ())], 3, embedding)
    products = own @ SentenceTransformer(str(folder)).encode(["river"])[0]
    assert hits["doc_id"].tolist() == [texts[i] for i in np.argsort(-products)]


STUDY = """
name: two
models: [random-llama]
datasets: [{name: fictional, num_worlds: 10, test_size: 10}]
judges: [{model: random-llama, ladder_size: 20}]
retrieval:
  chunk_size: 64
  embedding_model: [all-minilm-l6-v2, own]
"""


def test_two_embedding_models_are_a_factor_and_told_apart_in_tables(tmp_path):
    embedders.make(tmp_path / "own", LETTERS)
    files.write_text(tmp_path / "two.yaml", STUDY)
    study = load_study(tmp_path / "two.yaml")
    runs = plan.expand(study)
    indexes = {run.run_id for run in runs if run.stage.name == "index_corpus"}
    assert len(indexes) == 2
    judged = [run for run in runs if run.stage.name == "judge_answers"]
    words = {run_names.searches_of(run, study) for run in judged}
    assert words == {"dense, embedded by all-minilm-l6-v2", f"dense, embedded by {tmp_path}/own"}
    files.write_text(tmp_path / "two.yaml", f"{STUDY}  query_prefix: 'q '\n")
    with pytest.raises(StudyError, match=r"all embedding models.*Leave it out"):
        load_study(tmp_path / "two.yaml")


def test_the_dimension_that_the_files_say_is_kept_and_another_one_is_another_model(
    tmp_path, monkeypatch
):
    """Matryoshka embeddings are cut by `truncate_dim`; here without any module that normalises, and
    with the first token's vector instead of the mean."""
    from sentence_transformers import SentenceTransformer

    monkeypatch.setenv("RAG_STUDY_CACHE", str(tmp_path / "cache"))
    folder = embedders.make(tmp_path / "cut", LETTERS)
    texts = ["mill mill", "a river"]
    for dimensions in (16, 6):
        told = {"truncate_dim": dimensions, "similarity_fn_name": "cosine"}
        files.write_json(folder / "config_sentence_transformers.json", told)
        embedding = retrieval.load_embedding(str(folder))
        assert embedding.dimensions == dimensions
        whole = SentenceTransformer(str(folder), truncate_dim=16).encode(texts)[:, :dimensions]
        assert not np.allclose(np.linalg.norm(whole, axis=1), 1, atol=0.1)  # its files leave it out
        expected = whole / np.linalg.norm(whole, axis=1, keepdims=True)
        np.testing.assert_allclose(embedding.embed(texts), expected, atol=1e-6)
        nodes = retrieval.split_documents([Document(t, "", t) for t in texts], 64, 8, embedding)
        retrieval.build_index(nodes, embedding, tmp_path / f"index{dimensions}")
        hits = retrieval.retrieve(
            tmp_path / f"index{dimensions}", [Question("q", "a river", ())], 1, embedding
        )
        assert hits["doc_id"].tolist() == ["a river"]
