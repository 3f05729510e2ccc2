import json
import random

import pytest

from rag_study import data as qa_datasets
from rag_study import retrieval
from rag_study.answering import contexts
from rag_study.data import copies
from rag_study.data.schema import Document

WORDS = [a + b for a in ("ka", "lo", "mi", "te", "vu") for b in ("ran", "sel", "dor", "pim", "t")]


def text(seed, n=80):
    return " ".join(random.Random(seed).choices(WORDS, k=n))


def originals(*texts, **fields):
    documents = [
        Document(f"d{i}", "", t, **{k: f(i) for k, f in fields.items()})
        for i, t in enumerate(texts)
    ]
    return copies.originals(documents)


def test_the_same_text_but_for_case_and_blanks():
    one = text(1)
    assert originals(one, text(2), one.upper(), one.replace(" ", "\n")) == {"d2": "d0", "d3": "d0"}


def test_almost_the_same_text():
    one = text(1)
    assert originals(one, one + " and some more words here") == {"d1": "d0"}
    assert originals(one, one.replace(" ", ", ", 3) + ".") == {"d1": "d0"}
    assert originals(one, one[: len(one) // 2]) == {}


@pytest.mark.parametrize(
    ("a", "b"), [("in 2018", "in 2019"), ("by Anna", "by Berta"), ("in C++", "in C#"), ("-5", "5.")]
)
def test_texts_that_a_number_a_name_or_a_sign_tells_apart_are_two(a, b):
    assert originals(f"{text(1)} {a} {text(2)}", f"{text(1)} {b} {text(2)}") == {}


def test_short_texts_of_other_titles_and_texts_of_other_scopes_are_two():
    a, b = (Document(f"d{i}", f"{n} mill", "It was built in 1700.") for i, n in enumerate("AB"))
    assert copies.originals([a, b]) == {}
    assert originals(text(1), text(1), scope=lambda i: f"s{i}") == {}


def test_what_was_changed_in_some_places_is_found_among_many():
    rng = random.Random(0)
    texts = [text(seed) for seed in range(300)]
    changed = []
    for one in texts[:40]:
        words = one.split()
        words[rng.randrange(len(words))] = "anders"
        changed.append(" ".join(words))
    assert originals(*texts, *changed) == {f"d{300 + i}": f"d{i}" for i in range(40)}


def test_one_document_under_two_ids_is_one_for_groups_search_and_contexts(own_data, tmp_path):
    """A question names the copy, and the search finds the original, or the other way round."""
    rows = [json.loads(line) for line in (own_data / "corpus.jsonl").read_text().splitlines()]
    again = [row | {"doc_id": f"copy of {row['doc_id']}"} for row in rows[:20]]
    (own_data / "corpus.jsonl").write_text("\n".join(map(json.dumps, [*rows, *again])))
    asked = [json.loads(line) for line in (own_data / "questions.jsonl").read_text().splitlines()]
    more = [
        {"id": f"x{i}", "question": f"Whose work is {i}?", "answers": ["x"]}
        | {"gold_doc_ids": [f"copy of d{i}", f"d{i}"]}
        for i in range(20)
    ]
    (own_data / "questions.jsonl").write_text("\n".join(map(json.dumps, [*asked, *more])))
    data = qa_datasets.load("jsonl", str(own_data))
    assert data.counts[copies.COPIES] == 20
    assert data.questions[-1].gold_doc_ids == ("d19",)
    assert qa_datasets.split(data).groups["joined by gold document"] == 20
    qa_datasets.save_prepared(tmp_path, data, qa_datasets.split(data))
    corpus = qa_datasets.load_corpus(tmp_path)
    assert corpus == list(data.documents)

    embedding = retrieval.load_embedding("all-minilm-l6-v2", cached=False)
    nodes = retrieval.split_documents(corpus, 64, 8, embedding)
    chunks = retrieval.chunk_table(nodes, embedding)
    assert chunks["chunk_id"].is_unique
    assert chunks["doc_id"].tolist()[-20:] == [f"d{i}" for i in range(20)]
    index = retrieval.build_index(nodes, embedding, tmp_path / "index", "bm25")
    question = data.questions[3]  # Who built tower 3?
    hits = retrieval.retrieve(index, [question], 60, retriever="bm25")
    metrics = retrieval.question_metrics(hits, [question], 60)
    gold = hits[hits["doc_id"] == "d3"]
    assert len(gold) == 2
    assert gold["is_gold"].all()
    assert metrics["recall"].max() == 1
    builder = contexts.ContextBuilder(chunks, hits, 2)
    assert [p.chunk_id for p in builder.context(question, "oracle").passages] == ["d3#0"]
    assert not {p.doc_id for p in builder.distractors(question)} & {"d3"}
