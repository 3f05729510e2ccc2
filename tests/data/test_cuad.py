import json

import pytest

from rag_study.common.errors import StudyError
from rag_study.data import load
from rag_study.data.reading import parts
from rag_study.data.schema import NO_ANSWER
from rag_study.data.sources import cuad

TITLE = "ACMEINC_01_02_2003-EX-10.1-SUPPLY AGREEMENT"
SENTENCE = "This Agreement shall be governed by the laws of Nordland and by no other law."
FILLER = "\n\n".join(
    f"{number}. The Seller shall deliver lot {number} of the goods on time and in good order."
    for number in range(1, 60)
)
HEAD = '\n SUPPLY AGREEMENT\n\nbetween Acme Inc. ("Seller") and Bolt Ltd. ("Buyer")'
CONTRACT = f"{HEAD}\n\n{FILLER}\n\n{SENTENCE}\n"
WORDING = (
    'Highlight the parts (if any) of this contract related to "{}" that should be reviewed by a '
    "lawyer. Details: {}"
)


def qa(clause, *texts, number="", context=CONTRACT):
    return {
        "id": f"{TITLE}__{clause}{number}",
        "question": WORDING.format(clause, "what it says"),
        "answers": [{"text": t, "answer_start": context.index(t)} for t in texts],
        "is_impossible": not texts,
    }


QUESTIONS = [
    qa("Document Name", "SUPPLY AGREEMENT"),
    qa("Parties", "Acme Inc.", "Seller", "Bolt Ltd.", "Buyer"),
    qa("Governing Law", SENTENCE + "\n"),
    qa("Exclusivity"),
]


def release(*qas, title=TITLE, context=CONTRACT):
    article = {"title": title, "paragraphs": [{"context": context, "qas": list(qas)}]}
    return {"version": "aok_v1.0", "data": [article]}


def write(path, value):
    path.write_text(json.dumps(value))
    return path


def count_raw(value):
    return sum(len(p["qas"]) for a in value["data"] for p in a["paragraphs"])


def test_the_release(tmp_path):
    path = write(tmp_path / "CUADv1.json", release(*QUESTIONS))
    data = load("cuad", str(path))
    assert data.read == count_raw(release(*QUESTIONS)) == len(data.questions)
    name, parties, law, exclusivity = data.questions
    assert name.id == f"{TITLE}__Document Name"
    assert (name.answers, name.answer_type) == (("SUPPLY AGREEMENT",), "factoid")
    assert name.question == QUESTIONS[0]["question"]
    assert name.extra == {"clause": "Document Name"}
    assert name.group == name.scope == TITLE
    assert parties.answer_type == "list"
    assert parties.reference == "Acme Inc.; Seller; Bolt Ltd.; Buyer"
    assert parties.key_points == (("Acme Inc.",), ("Seller",), ("Bolt Ltd.",), ("Buyer",))
    # A sentence is matched while it is short enough, and longer spans are judged only.
    assert law.answers == (SENTENCE,)
    assert law.gold_doc_ids == (data.documents[-1].doc_id,)
    assert (exclusivity.answers, exclusivity.gold_doc_ids) == (NO_ANSWER, ())
    assert exclusivity.answer_type == "unanswerable"
    assert data.counts == {"contracts": 1}
    assert cuad.LOADER.own_scope


def test_contracts_are_cut_without_loss(tmp_path):
    data = load("cuad", str(write(tmp_path / "CUADv1.json", release(*QUESTIONS))))
    assert len(data.documents) > 2
    assert "".join("".join(d.text for d in data.documents).split()) == "".join(CONTRACT.split())
    assert all(len(d.text) <= parts.PART_CHARACTERS for d in data.documents)
    assert all(d.text.endswith((".", ")")) for d in data.documents)
    assert data.documents[1].title == f"ACMEINC SUPPLY AGREEMENT, part 2 of {len(data.documents)}"
    assert {d.scope for d in data.documents} == {TITLE}


@pytest.mark.parametrize(
    "text",
    ["", " \n ", "x" * 5000, "word " * 2000, "A line.\n" * 700, "One. " * 100, "\n" * 4000 + "end"],
)
def test_cut_covers_everything(text):
    pieces = parts.cut(text)
    assert "".join(text[a:b] for a, b in pieces).split() == text.split()
    assert all(0 < b - a <= parts.PART_CHARACTERS for a, b in pieces)
    assert all(text[a:b].strip() for a, b in pieces)


def test_a_span_over_two_parts_has_both_as_gold(tmp_path):
    first = parts.cut(CONTRACT)[0][1]
    text = CONTRACT[first - 60 : first + 200]
    data = load("cuad", str(write(tmp_path / "c.json", release(qa("License Grant", text)))))
    (question,) = data.questions
    assert question.gold_doc_ids == (f"{TITLE}-1", f"{TITLE}-2")
    assert (question.answers, question.answer_type) == ((), "summary")
    assert question.reference == " ".join(text.split())
    assert data.counts["answers of more than 20 words (for the judge, not for matching)"] == 1


def test_spans_marked_in_pieces_and_out_of_order(tmp_path):
    first, second = SENTENCE[:30].strip(), SENTENCE[30:].strip()
    data = load("cuad", str(write(tmp_path / "c.json", release(qa("Law", second, first)))))
    assert data.questions[0].reference == SENTENCE
    text = "ACME INC. of Nordland and Bolt Ltd. (as Acme Inc.)"
    parties = qa("Parties", "Bolt Ltd.", "Acme Inc.", "ACME INC.", context=text)
    data = load("cuad", str(write(tmp_path / "c.json", release(parties, context=text))))
    assert data.questions[0].key_points == (("ACME INC.",), ("Bolt Ltd.",))


def test_spans_that_are_questions_of_their_own_are_joined(tmp_path):
    separate = [
        qa("Parties", "Acme Inc.", number="_0"),
        qa("Parties", "Bolt Ltd.", number="_1"),
        qa("Exclusivity"),
    ]
    write(tmp_path / "train_separate_questions.json", release(*separate))
    data = load("cuad", str(tmp_path))
    assert data.read == 3
    assert data.dropped == {"further span of a question, joined with its first": 1}
    assert data.questions[0].id == f"{TITLE}__Parties"
    assert data.questions[0].reference == "Acme Inc.; Bolt Ltd."
    # Beside the whole release the training file holds nothing new.
    write(tmp_path / "CUADv1.json", release(*QUESTIONS))
    data = load("cuad", str(tmp_path))
    assert (data.read, len(data.questions)) == (7, 4)
    assert data.dropped == {"same question read before": 3}


def test_answerable_only(tmp_path):
    path = write(tmp_path / "CUADv1.json", release(*QUESTIONS))
    data = load("cuad", str(path), options={"answerable_only": True})
    assert data.dropped == {"not answered by its text (answerable_only)": 1}
    assert len(data.questions) == 3


def test_spans_nowhere_and_at_wrong_places(tmp_path):
    wrong = qa("Parties", "Acme Inc.")
    wrong["answers"][0]["answer_start"] += 5
    missing = qa("Effective Date") | {"is_impossible": False}
    missing["answers"] = [{"text": "1 May 1999", "answer_start": 7}]
    data = load("cuad", str(write(tmp_path / "c.json", release(wrong, missing))))
    assert data.questions[0].gold_doc_ids == (f"{TITLE}-1",)
    assert data.questions[1].gold_doc_ids == ()
    assert data.counts == {
        "answers not at their place in the contract (kept)": 1,
        "answers that are not in their contract (kept)": 1,
        "contracts": 1,
    }


def test_two_texts_under_one_title(tmp_path):
    value = release(qa("Parties", "Acme Inc."))
    other = "A different text by Acme Inc."
    value["data"] += release(qa("Parties", "Acme Inc.", context=other), context=other)["data"]
    data = load("cuad", str(write(tmp_path / "c.json", value)))
    assert [q.id for q in data.questions] == [f"{TITLE}__Parties", f"{TITLE}__Parties-2"]
    assert data.questions[1].gold_doc_ids == (data.documents[-1].doc_id,)
    assert data.documents[-1].text == other


def test_rows_of_a_downloaded_copy(tmp_path):
    import pyarrow.parquet

    rows = [
        {
            **{"id": q["id"], "title": TITLE, "context": CONTRACT, "question": q["question"]},
            "answers": {key: [a[key] for a in q["answers"]] for key in ("text", "answer_start")},
        }
        for q in QUESTIONS
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "rows.parquet")
    data = load("cuad", str(tmp_path))
    assert (
        data.questions
        == load("cuad", str(write(tmp_path / "c.json", release(*QUESTIONS)))).questions
    )


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        (TITLE, "ACMEINC SUPPLY AGREEMENT"),
        ("AcmeLtd_20191209_F-1_EX-10.16_119_EX-10.16_Supply Agreement", "AcmeLtd Supply Agreement"),
        ("AcmeLtd_2019_EX-10.10_67_Co-Branding Agreement", "AcmeLtd Co-Branding Agreement"),
        ("Master contract", "Master contract"),
        ("x" * 200, "x" * 60),
    ],
)
def test_short_titles(title, expected):
    assert cuad.short_title(title) == expected


def test_errors(tmp_path):
    with pytest.raises(StudyError, match="data set `cuad` needs `path:`"):
        load("cuad")
    with pytest.raises(StudyError, match=r"c\.json, line 1: is not in a format of `cuad`"):
        load("cuad", str(write(tmp_path / "c.json", {"questions": []})))
    with pytest.raises(StudyError, match="there are no questions"):
        load("cuad", str(write(tmp_path / "c.json", release())))
