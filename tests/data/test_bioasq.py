"""Invented questions in the forms of BioASQ's files and of rag-mini-bioasq."""

import dataclasses
import gzip
import json
from collections import Counter

import pytest

from rag_study import data as qa_datasets
from rag_study.common.errors import StudyError
from rag_study.data.reading import fields
from rag_study.data.registry import Source
from rag_study.data.sources import bioasq
from rag_study.data.sources.bioasq.corpus import document_id, merge

PUBMED = "http://www.ncbi.nlm.nih.gov/pubmed/"
FIRST = "Zorbin binds the Quell receptor in liver cells."
SECOND = "The Quell receptor in liver cells is coded by QUE1."


def snippet(document=101, text=FIRST, **place):
    return {"document": f"{PUBMED}{document}", "text": text, **place}


def question(number=1, kind="factoid", **changes):
    row = {
        "id": f"{number:024x}",
        "body": f"What does drug number {number} bind?",
        "type": kind,
        "documents": [f"{PUBMED}101"],
        "snippets": [snippet()],
        "ideal_answer": ["Zorbin binds the Quell receptor."],
        "exact_answer": [["Quell receptor", "QR"]],
    }
    return {key: value for key, value in (row | changes).items() if value is not ...}


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def golden(path, *questions):
    return write(path, {"questions": questions})


def load(path, corpus="", **options):
    return qa_datasets.load("bioasq", str(path), str(corpus), options)


def load_one(tmp_path, row):
    data = load(golden(tmp_path / "x_golden.json", row))
    (found,) = data.questions
    return found, data


@pytest.mark.parametrize(
    ("kind", "exact", "answers", "key_points"),
    [
        ("yesno", "yes", ("Yes",), [["Yes"]]),
        ("yesno", "NO.", ("No",), [["No"]]),
        ("yesno", ["Yes"], ("Yes",), [["Yes"]]),
        ("yesno", [["no"]], ("No",), [["No"]]),
        ("yesno", "Yes, in mice", ("Yes",), [["Yes"]]),
        ("yesno", True, ("Yes",), [["Yes"]]),
        ("yes/no", "no", ("No",), [["No"]]),
        ("factoid", "QR", ("QR",), [["QR"]]),
        ("factoid", ["QR", "Quell receptor"], ("QR", "Quell receptor"), [["QR", "Quell receptor"]]),
        ("factoid", [["QR", "Quell"]], ("QR", "Quell"), [["QR", "Quell"]]),
        ("factoid", [["QR"], ["Quell"]], ("QR", "Quell"), [["QR", "Quell"]]),
        ("Factoid", [[["QR"]], "qr", " "], ("QR",), [["QR"]]),
        ("factoid", 46, ("46",), [["46"]]),
        ("list", [["a", "A1"], ["b"]], ("a and b", "a, b"), [["a", "A1"], ["b"]]),
        ("list", ["a", "b", "c"], ("a, b and c", "a, b, c"), [["a"], ["b"], ["c"]]),
        ("list", ["a", ["b", "B2"], []], ("a and b", "a, b"), [["a"], ["b", "B2"]]),
        ("list", [[["a"], ["b"]]], ("a and b", "a, b"), [["a"], ["b"]]),
        ("list", [[["a", "A1"]], [["b"]]], ("a and b", "a, b"), [["a", "A1"], ["b"]]),
        ("list", [["a"], ["A"], ["b"]], ("a and b", "a, b"), [["a"], ["b"]]),
        ("list", [["a", "A1"]], ("a", "A1"), [["a", "A1"]]),
        ("list", "a", ("a",), [["a"]]),
        ("summary", ..., (), []),
        ("summary", None, (), []),
        ("summary", [["a"]], (), []),
    ],
)
def test_exact_answers_in_every_form(tmp_path, kind, exact, answers, key_points):
    found, data = load_one(tmp_path, question(kind=kind, exact_answer=exact))
    assert found.answers == answers
    assert [list(point) for point in found.key_points] == key_points
    assert found.answer_type == kind.lower().replace("/", "")
    assert found.reference == "Zorbin binds the Quell receptor."
    assert data.counts == {}


@pytest.mark.parametrize(
    ("ideal", "reference", "further"),
    [
        ("One.", "One.", []),
        ([" One. ", "Two.", "one.", "Three."], "One.", ["Two.", "Three."]),
        ([["One."], ["Two."]], "One.", ["Two."]),
        (["", "One."], "One.", []),
    ],
)
def test_ideal_answers(tmp_path, ideal, reference, further):
    found, _ = load_one(tmp_path, question(ideal_answer=ideal))
    assert found.reference == reference
    assert found.rewording == (further[0] if further else None)
    assert found.extra == {"source": "x_golden.json", "further_ideal_answers": further}


@pytest.mark.parametrize(
    ("kind", "exact", "reference"),
    [
        ("factoid", [["QR", "Quell"]], "QR"),
        ("list", [["a", "A1"], ["b"]], "a and b"),
        ("yesno", "yes", "Yes"),
        ("summary", ["It binds."], "It binds."),
    ],
)
@pytest.mark.parametrize("ideal", [..., None, [], "", [" "]])
def test_the_exact_answer_stands_in_for_a_missing_ideal_answer(
    tmp_path, kind, exact, reference, ideal
):
    found, data = load_one(tmp_path, question(kind=kind, exact_answer=exact, ideal_answer=ideal))
    assert found.reference == reference
    assert data.counts == {
        "questions without an ideal answer (the exact answer is the reference)": 1
    }


def test_a_missing_or_unclear_exact_answer_is_counted(tmp_path):
    path = golden(
        tmp_path / "x.json",
        question(1, exact_answer=...),
        question(2, "list", exact_answer=[[]]),
        question(3, "yesno", exact_answer="probably"),
        question(4, "yesno", exact_answer=["yes", "no"]),
        question(5, "yesno", exact_answer=None),
    )
    data = load(path)
    assert len(data.questions) == 5
    assert all(q.answers == q.key_points == () and q.reference for q in data.questions)
    assert data.counts == {
        "questions without an exact answer (but for summaries)": 3,
        "yes/no questions whose exact answer is neither": 2,
    }


def test_long_lists_and_long_answers_are_for_the_judge(tmp_path):
    many = [[f"gene {n}", f"G{n}"] for n in range(100)]
    found, data = load_one(tmp_path, question(kind="list", exact_answer=many))
    assert found.answers == ()
    assert found.key_points == tuple(map(tuple, many))
    assert data.counts == {fields.LONG_ANSWERS: 1}
    passage = "word " * 21
    found, _ = load_one(tmp_path, question(exact_answer=[[passage, "QR"]], ideal_answer=None))
    assert (found.answers, found.reference) == (("QR",), "QR")


def test_questions_that_cannot_be_used_are_counted(tmp_path):
    unusable = {"ideal_answer": None, "exact_answer": ...}
    path = golden(
        tmp_path / "x.json",
        question(1),
        question(2, **unusable),
        question(3, "yesno", ideal_answer=[], exact_answer="perhaps"),
        question(4, "essay"),
        question(5, None),
        question(6, ...),
    )
    data = load(path)
    assert data.read == len(json.loads(path.read_text())["questions"])
    assert data.dropped == {bioasq.NO_ANSWER_GIVEN: 2, bioasq.UNKNOWN_TYPE: 3}
    with pytest.raises(StudyError, match=r"no question to use \(1: no usable answer"):
        load(golden(path, question(1, **unusable)))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://www.ncbi.nlm.nih.gov/pubmed/123", "123"),
        ("https://www.ncbi.nlm.nih.gov/pubmed/123/", "123"),
        ("https://pubmed.ncbi.nlm.nih.gov/123/?from=x#abstract", "123"),
        ("https://www.ncbi.nlm.nih.gov/pubmed/?term=123", "123"),
        ("https://www.ncbi.nlm.nih.gov/pmc/articles/PMC45/", "PMC45"),
        ("https://example.org/papers/a-1?download=1", "a-1"),
        ("PMID: 123", "123"),
        (" 123 ", "123"),
    ],
)
def test_document_ids(address, expected):
    assert document_id(address) == expected


def test_snippets_that_overlap_are_one_text():
    whole = "The Quell receptor in liver cells is coded by QUE1 on chromosome 4."
    assert merge([FIRST, SECOND]) == [
        "Zorbin binds the Quell receptor in liver cells.",
        "The Quell receptor in liver cells is coded by QUE1.",
    ]
    assert merge([whole[:45], whole[20:]]) == [whole]
    assert merge([whole[20:], whole[:45]]) == [whole]
    assert merge([whole[40:], FIRST, whole, whole[50:]]) == [whole, FIRST]
    assert merge([whole[:25], whole[45:], whole[4:66]]) == [whole]
    assert merge(["It ends with so", "so it starts"]) == ["It ends with so", "so it starts"]


def test_the_corpus_may_lie_among_the_questions_or_apart(tmp_path):
    def revision(path, corpus=""):
        return qa_datasets.revision_of("bioasq", str(path), str(corpus))

    folder = tmp_path / "all"
    golden(folder / "x_golden.json", question())
    without = revision(folder)
    abstracts = write(folder / "abstracts" / "a.json", [{"pmid": 1, "text": FIRST}])
    inside = revision(folder, abstracts.parent)
    assert len({without, inside, revision(folder)}) == 3
    moved = abstracts.parent.rename(tmp_path / "corpus")
    assert revision(folder, moved) == inside
    write(moved / "a.json", [{"pmid": 1, "text": SECOND}])
    assert revision(folder, moved) != inside


def test_snippets_are_the_corpus(tmp_path):
    def placed(text, section, start, document=101):
        return snippet(
            document, text, beginSection=section, endSection=section, offsetInBeginSection=start
        )

    path = golden(
        tmp_path / "x.json",
        question(
            1,
            snippets=[
                placed("Last words.", "abstract", 300),
                placed("First  words\nof it.", "abstract", 0),
                snippet(103, "Later found."),
                placed("Earlier in the text.", "abstract", 7, 103),
                snippet(103, "Later found."),
                snippet(104, " "),
                {"text": "Nowhere."},
            ],
            documents=[f"{PUBMED}{n}" for n in (101, 102, 103, 104)],
        ),
        question(2, snippets=[placed("The title", "title", 0), snippet(102, "Of another.")]),
        question(3, snippets=..., documents=[f"{PUBMED}101"]),
        question(4, snippets=None, documents=None),
    )
    data = load(path)
    assert {d.doc_id: d.text for d in data.documents} == {
        "101": "The title First words of it. Last words.",
        "103": "Later found. Earlier in the text.",
        "102": "Of another.",
    }
    assert [q.gold_doc_ids for q in data.questions] == [("101", "103"), ("101", "102"), (), ()]
    assert data.counts == {
        "snippets without text or document": 2,
        "questions without a gold document": 2,
        "documents that questions name and nothing has a text of": 1,
    }
    assert all(q.group is q.scope is None for q in data.questions)


ABSTRACTS = [
    {"pmid": 101, "title": " On Zorbin. ", "abstractText": " A full abstract. ", "year": "2001"},
    {"pmid": "102", "title": "Named", "abstractText": "Named and not cited."},
    {"pmid": "900", "title": "Other", "abstractText": "Far off."},
    {"pmid": "901", "title": "Empty", "abstractText": None},
]


def renamed(id_key, text_key):
    return [
        {id_key: row["pmid"], "title": row["title"], text_key: row["abstractText"]}
        for row in ABSTRACTS
    ]


@pytest.mark.parametrize(
    "form", ["articles", "articles.gz", "marked", "array", "lines", "lines.json", "parquet", "same"]
)
def test_abstracts_take_the_place_of_snippets(tmp_path, form):
    import pandas as pd

    path = golden(
        tmp_path / "data" / "x.json",
        question(
            snippets=[snippet(), snippet(103, "Kept.")],
            documents=[f"{PUBMED}{n}" for n in (101, 102, 104)],
        ),
    )
    raw = json.dumps({"source": [1], "articles": ABSTRACTS}).encode()
    lines = "\r\n".join(map(json.dumps, renamed("doc_id", "text"))).encode()
    name, content = {
        "articles": ("c.json", raw),
        "articles.gz": ("c.json.gz", gzip.compress(raw)),
        "marked": (
            "c.json",
            b"\xef\xbb\xbf" + json.dumps({"articles": ABSTRACTS}, indent=1).encode(),
        ),
        "array": ("c.json", json.dumps(renamed("id", "passage")).encode()),
        "lines": ("c.jsonl", lines),
        "lines.json": ("c.json", lines),
        "parquet": ("c.parquet", b""),
        "same": ("data/corpus/c.jsonl", lines),
    }[form]
    corpus = tmp_path / name
    corpus.parent.mkdir(exist_ok=True)
    corpus.write_bytes(content)
    if form == "parquet":
        rows = [row | {"pmid": int(row["pmid"])} for row in renamed("pmid", "abstract")]
        pd.DataFrame(rows).to_parquet(corpus)
    # The corpus may lie in the folder of the questions.
    data = load(path.parent if form == "same" else path, corpus)
    texts = {d.doc_id: (d.title, d.text) for d in data.documents}
    assert texts == {
        "101": ("On Zorbin.", "A full abstract."),
        "103": ("", "Kept."),
        "102": ("Named", "Named and not cited."),
        "900": ("Other", "Far off."),
    }
    assert data.questions[0].gold_doc_ids == ("101", "103", "102")
    assert data.counts == {
        "abstracts without text": 1,
        "documents with snippets that `corpus` lacks (snippets kept)": 1,
        "documents that questions name and nothing has a text of": 1,
    }


def test_abstracts_twice_and_numbers_with_fractions(tmp_path):
    path = golden(tmp_path / "x.json", question())
    rows = [{"id": 101.0, "text": "Old."}, {"id": 101, "text": "New."}]
    data = load(path, write(tmp_path / "c.json", rows))
    assert [(d.doc_id, d.text) for d in data.documents] == [("101", "New.")]
    assert data.counts == {"abstracts given twice (the later one is used)": 1}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"articles": [{"pmid": 1, "abstractText": "a"}, {"pm', "not valid JSON in UTF-8 after"),
        ('{"articles": []}', "has no list `articles`"),
        ('{\n"data": [{"id": 1, "text": "a"}]}', "has no list `articles`"),
        ('{"data": []}', "it has the keys data"),
        ('[{"id": 1, "text": "a"}, 3]', "record 2: must be a JSON object"),
        ('{"articles": [3]}', "article 1: must be a JSON object"),
        ('[{"text": "a"}]', "record 1: is not in a format"),
        ('[{"id": 1, "words": "a"}]', "record 1: is not in a format"),
        ('[{"id": 1, "text": ["a"]}]', "record 1: `text` must be text"),
        ("", "is not in a format|has no list|not valid JSON"),
    ],
)
def test_bad_abstracts_are_named(tmp_path, content, expected):
    path = golden(tmp_path / "x.json", question())
    (tmp_path / "c.json").write_text(content)
    with pytest.raises(StudyError, match=expected) as caught:
        load(path, tmp_path / "c.json")
    assert "c.json" in str(caught.value)


def test_a_question_in_two_files_is_used_once(tmp_path):
    same = question(1, exact_answer=[["QR"]], snippets=[snippet(105, "Early.")])
    golden(tmp_path / "training9b.json", same, question(2, ideal_answer=["Old."]), question(3))
    golden(
        tmp_path / "training10b.json",
        question(1),
        question(2, ideal_answer=["New."]),
        question(4, body=" what does DRUG number 3\n bind?", exact_answer=[["Poor"]]),
        question(5),
        question(5),
    )
    data = load(tmp_path)
    raw = [row for f in tmp_path.iterdir() for row in json.loads(f.read_text())["questions"]]
    assert data.read == len(raw) == 8
    assert data.dropped == {bioasq.SAME_QUESTION: 4}
    assert len(data.questions) == 8 - 4 == len({row["id"] for row in raw} - {f"{4:024x}"})
    found = {int(q.id, 16): q for q in data.questions}
    # More answers win, then the later file; 10 comes after 9.
    assert found[1].answers == ("Quell receptor", "QR")
    assert found[2].reference == "New."
    assert found[2].extra["source"] == "training10b.json"
    assert found[3].answers == ("Quell receptor", "QR")
    # What any version cites is gold.
    assert found[1].gold_doc_ids == ("105", "101")


def test_the_same_id_with_other_wordings(tmp_path):
    golden(tmp_path / "a.json", question(1))
    golden(tmp_path / "b.json", question(1, body="What does the drug number 1 bind?"))
    golden(tmp_path / "c.json", question(1, body="Is ash a cause of asthma?"))
    golden(tmp_path / "d.json", question(1, body="Which gene codes QUE1?"))
    data = load(tmp_path)
    assert data.read == 4
    assert data.dropped == {bioasq.SAME_ID: 1}
    first = f"{1:024x}"
    assert [q.id for q in data.questions] == [first, f"{first}-2", f"{first}-3"]
    assert data.questions[0].question == "What does the drug number 1 bind?"
    assert data.counts == {"questions with the id of another question (made unique)": 2}


def test_a_folder_of_golden_files_is_counted_in_full(tmp_path):
    kinds = {"yesno": "yes", "factoid": ["QR"], "list": [["a"], ["b"]], "summary": ...}
    rows = [
        question(n, kind, exact_answer=kinds[kind]) for n, kind in enumerate([*kinds] * 30, start=1)
    ]
    for n in range(25):
        part = rows[n::25] + rows[n : n + 2]
        golden(tmp_path / f"Task{n // 5 + 7}BGoldenEnriched" / f"{n}_golden.json", *part)
    data = load(tmp_path)
    raw = [r for f in tmp_path.rglob("*.json") for r in json.loads(f.read_text())["questions"]]
    assert data.read == len(raw) == 170
    assert data.dropped == {bioasq.SAME_QUESTION: 50}
    assert {q.id for q in data.questions} == {row["id"] for row in raw}
    assert Counter(q.answer_type for q in data.questions) == Counter(r["type"] for r in rows)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"id": ...}, "question 2: `id` is missing"),
        ({"body": " "}, "question 2: `body` is missing or empty"),
        ({"body": ["x"]}, "question 2: `body` must be text"),
        ({"type": ["list"]}, "question 2: `type` must be text"),
        ({"ideal_answer": {"a": 1}}, "question 2, `ideal_answer`: must be text or lists"),
        ({"exact_answer": [[{"a": 1}]]}, "question 2, `exact_answer`: must be text or lists"),
        ({"snippets": {}}, "question 2: `snippets` must be a list"),
        ({"snippets": [snippet(), "x"]}, "question 2, snippet 2: must be a JSON object"),
        ({"snippets": [{"text": [1.5]}]}, "question 2, snippet 1: `text` must be text"),
        ({"documents": [{"url": "x"}]}, "question 2: `documents` must be a list of texts"),
    ],
)
def test_bad_records_are_named(tmp_path, change, expected):
    with pytest.raises(StudyError) as caught:
        load(golden(tmp_path / "x.json", question(1), question(2, **change)))
    assert f"{tmp_path / 'x.json'}, {expected}" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("x.json", b'{"questions": [{"id": "1", ', "not valid JSON"),
        ("x.json", b"", "empty"),
        ("x.json", b'{"questions": {}}', "`questions` must be a list"),
        ("x.json", b'{"questions": []}', "it holds none"),
        ("x.json", b'{"questions": [5]}', "question 1: must be a JSON object"),
        ("x.json", b'{"version": "1", "data": []}', "is not in a format of `bioasq`"),
        ("x.json", b'{\n"data": []}', "is not in a format of `bioasq`; it has the keys data"),
        ("x.json", b'"text"', "is not in a format of `bioasq`; it is text"),
        ("x.json", b'[{"id": 1, "text": "a"}]', "record 1: is not in a format of `bioasq`"),
        ("x.jsonl", b'{"question": "a", "answer": ["b"]}', "line 1: is not in a format"),
        ("x.json.gz", gzip.compress(b'{"questions": []}', mtime=0)[:-9], "damaged or cut off"),
        ("x.zip", b"PK\x03\x04", "archive is damaged"),
        ("x.txt", b"", "no data file"),
    ],
)
def test_bad_files_are_named(tmp_path, name, content, expected):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StudyError, match=expected) as caught:
        load(tmp_path if name == "x.txt" else tmp_path / name)
    assert str(tmp_path) in str(caught.value)


def test_other_local_forms_are_the_same(tmp_path):
    rows = [question(1), question(2, "summary", exact_answer=...)]
    expected = load(golden(tmp_path / "x.json", *rows))
    marked = json.dumps({"questions": rows}, indent=2).replace("\n", "\r\n").encode()
    (tmp_path / "y.json").write_bytes(b"\xef\xbb\xbf" + marked)
    (tmp_path / "z.json.gz").write_bytes(gzip.compress(marked))
    write(tmp_path / "list.json", rows)
    (tmp_path / "lines.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for name in ("y.json", "z.json.gz", "list.json", "lines.jsonl"):
        data = load(tmp_path / name)
        assert (data.read, data.documents) == (expected.read, expected.documents)
        assert [q.reference for q in data.questions] == [q.reference for q in expected.questions]


def test_without_any_text_the_way_out_is_named(tmp_path):
    path = golden(tmp_path / "x.json", question(snippets=[]))
    with pytest.raises(StudyError, match="no text to search"):
        load(path)
    corpus = write(tmp_path / "c.json", {"articles": ABSTRACTS})
    assert load(path, corpus).questions[0].gold_doc_ids == ("101",)


PASSAGES = [
    {"passage": "Quell is a receptor.", "id": 11},
    {"passage": " QUE1 is a gene.", "id": 12},
    {"passage": "nan", "id": 13},
]
MINI = {
    "train": [
        {"question": "What is Quell?", "answer": "It is a receptor of the liver.", "id": 0},
        {"question": "Is QUE1 a gene?", "answer": "yes", "id": 1},
    ],
    "test": [{"question": "Is ash a gene?", "answer": "No, ash is not a gene.", "id": 2}],
}
RELEVANT = [[11, 12], [12, 13], [99]]


def mini(split, as_text=False):
    return [
        row | {"relevant_passage_ids": str(RELEVANT[row["id"]]) if as_text else RELEVANT[row["id"]]}
        for row in MINI[split]
    ]


def check_mini(data):
    first, second, third = data.questions
    assert (first.id, first.answer_type, first.answers, first.key_points) == (
        "0",
        "summary",
        (),
        (),
    )
    assert (first.reference, first.gold_doc_ids) == ("It is a receptor of the liver.", ("11", "12"))
    assert (second.answer_type, second.answers, second.reference) == ("yesno", ("Yes",), "Yes")
    assert second.gold_doc_ids == ("12",)
    assert (third.answer_type, third.answers, third.gold_doc_ids) == ("summary", (), ())
    assert {d.doc_id: d.text for d in data.documents} == {
        "11": "Quell is a receptor.",
        "12": "QUE1 is a gene.",
    }
    assert data.read == sum(map(len, MINI.values()))
    assert data.counts == {
        "abstracts without text": 1,
        "questions without an ideal answer (the exact answer is the reference)": 1,
        "questions without a gold document": 1,
        "documents that questions name and nothing has a text of": 2,
    }


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_local_copies_of_rag_mini_bioasq(tmp_path, as_text, suffix):
    tables = {"passages": PASSAGES, **{split: mini(split, as_text) for split in MINI}}
    tables["1-train"] = tables.pop("train")
    write_tables(tmp_path, {f"{name}.{suffix}": rows for name, rows in tables.items()})
    check_mini(load(tmp_path))


def write_tables(folder, tables):
    import pandas as pd

    for name, rows in tables.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".parquet"):
            pd.DataFrame(rows).to_parquet(place)
        else:
            place.write_text("\n".join(map(json.dumps, rows)))


def test_bad_rows_of_rag_mini_bioasq(tmp_path):
    path = tmp_path / "x.jsonl"
    row = mini("train")[0]
    for change, expected in [
        ({"relevant_passage_ids": "[a]"}, "must be a list of numbers"),
        ({"relevant_passage_ids": {}}, "must be a list of texts"),
        ({"question": None}, "`question` is missing"),
    ]:
        path.write_text(json.dumps(row | change))
        with pytest.raises(StudyError, match=f"line 1: .*{expected}"):
            load(path)


def test_reads_the_hub(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "hub"
    write_tables(
        folder,
        {"text-corpus/test.parquet": PASSAGES}
        | {f"question-answer-passages/{split}.parquet": mini(split) for split in MINI},
    )
    (folder / "README.md").write_text(
        "---\nconfigs:\n"
        "- config_name: question-answer-passages\n  data_files:\n"
        "  - split: train\n    path: question-answer-passages/train*\n"
        "  - split: test\n    path: question-answer-passages/test*\n"
        "- config_name: text-corpus\n  data_files:\n"
        "  - split: test\n    path: text-corpus/test*\n---\n"
    )
    loader = dataclasses.replace(bioasq.LOADER, hub=str(folder))
    monkeypatch.setattr(bioasq, "LOADER", loader)
    data = bioasq.load(Source(options=bioasq.BioasqOptions()))
    check_mini(data)
    assert [q.extra["source"] for q in data.questions] == ["train", "train", "test"]
    test = bioasq.load(Source(options=bioasq.BioasqOptions(splits=("test",))))
    assert [q.id for q in test.questions] == ["2"]
    corpus = write(tmp_path / "c.json", [{"id": 99, "text": "On ash."}])
    data = bioasq.load(Source(corpus=corpus, options=bioasq.BioasqOptions()))
    assert data.questions[2].gold_doc_ids == ("99",)


def test_splits_belong_to_the_hub(tmp_path):
    with pytest.raises(StudyError, match="`splits` chooses on the hub"):
        load(golden(tmp_path / "x.json", question()), splits=["test"])


def test_task_b_and_its_small_edition_in_one_folder(tmp_path):
    golden(tmp_path / "a.json", question(1, "yesno", body="Is QUE1 a gene?", exact_answer="yes"))
    write_tables(tmp_path, {"b.jsonl": mini("train"), "c.jsonl": PASSAGES})
    data = load(tmp_path)
    assert (data.read, data.dropped) == (3, {bioasq.SAME_QUESTION: 1})
    both = data.questions[0]
    assert both.reference == "Zorbin binds the Quell receptor."
    assert both.gold_doc_ids == ("101", "12")
