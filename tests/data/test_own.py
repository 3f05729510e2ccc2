"""Questions in every form that people have them in, with columns named by the study file."""

import csv
import json
import os

import office
import pandas as pd
import pytest

from rag_study import data
from rag_study.common.errors import StudyError
from rag_study.data.reading import columns, gold, rows
from rag_study.data.sources.own import looking

TOWNS = [f"{a}{b}burg" for a in ("Alt", "Neu", "Bad", "Ober", "Süd", "Nord") for b in "abcdefgh"]
FACTS = [
    {
        "q": f"Who founded the settlement of {town} long ago?",
        "a": f"Baron {town[::-1].title()}",
        "c": f"The settlement of {town} was founded by Baron {town[::-1].title()} in {1500 + n}.",
    }
    for n, town in enumerate(TOWNS)
]


def table(**names):
    """The facts with other names for q, a and c."""
    return [{names[key]: fact[key] for key in names_of(names)} for fact in FACTS]


def names_of(names):
    return [key for key in ("q", "a", "c") if key in names]


def write_csv(path, listed, delimiter=",", encoding="utf-8"):
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, list(listed[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(listed)
    return path


def load(path, corpus="", **options):
    return data.load("own", str(path), str(corpus or ""), options)


def proposed(folder):
    """What `init` proposes, loaded."""
    settings = dict(looking.look(folder).settings)
    place, corpus = settings.pop("path"), settings.pop("corpus", "")
    assert settings.pop("name") == "own"
    return load(place, corpus, **settings), settings


def check(dataset):
    """All facts are there, each with its own passage as gold document."""
    assert [q.question for q in dataset.questions] == [fact["q"] for fact in FACTS]
    assert [q.answers for q in dataset.questions] == [(fact["a"],) for fact in FACTS]
    texts = {document.doc_id: document.text for document in dataset.documents}
    for question, fact in zip(dataset.questions, FACTS, strict=True):
        (doc_id,) = question.gold_doc_ids
        assert fact["c"].strip() in texts[doc_id]


CSV = {
    "semicolons in cp1252": (";", "cp1252", {"encoding": "cp1252"}),
    "tabs in UTF-16": ("\t", "utf-16", {}),
    "pipes with a mark": ("|", "utf-8-sig", {}),
    "commas": (",", "utf-8", {}),
}


@pytest.mark.parametrize("kind", CSV)
def test_delimited_text_in_any_encoding(tmp_path, kind):
    delimiter, encoding, settings = CSV[kind]
    listed = table(q="Frage", a="Antwort", c="Kontext")
    write_csv(tmp_path / "fragen.csv", listed, delimiter, encoding)
    dataset, found = proposed(tmp_path)
    check(dataset)
    named = {"question": "Frage", "answers": "Antwort", "gold_contexts": "Kontext"}
    assert found == {"columns": named} | settings


def test_cells_with_delimiters_line_breaks_and_quotation_marks(tmp_path):
    text = (
        'question,answers,contexts\n"Who, when?","He said ""no""","One,\ntwo; three lines here"\n'
    )
    (tmp_path / "a.csv").write_text("sep=,\n" + text, encoding="utf-8")
    (question,) = load(tmp_path / "a.csv").questions
    assert (question.question, question.answers) == ("Who, when?", ('He said "no"',))


def test_a_file_in_another_encoding_is_told_with_the_one_that_it_looks_like(tmp_path):
    listed = table(q="question", a="answers", c="contexts")
    path = write_csv(tmp_path / "x.csv", listed, encoding="cp1252")
    with pytest.raises(StudyError, match=r"not text in utf-8.*`encoding: cp1252` looks likely"):
        load(path)
    with pytest.raises(StudyError, match="no encoding 'klingon'"):
        load(path, encoding="klingon")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no header with two columns"),
        ("only one column\nx\n", "no header with two columns"),
        ("question,answers,contexts\na,b,c\nc,d,e,f\n", "line 3: has 4 cells, the header names 3"),
        ('question,answers\n"never ends,b\n', "no documents|quotation mark"),
    ],
)
def test_damaged_delimited_text_is_a_sentence(tmp_path, text, said):
    (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    with pytest.raises(StudyError, match=said):
        load(tmp_path / "x.csv")


@pytest.mark.parametrize(
    "write",
    [
        lambda folder, rows_: office.lines(folder / "qa.jsonl", rows_),
        lambda folder, rows_: (folder / "qa.json").write_text(json.dumps(rows_)),
        lambda folder, rows_: pd.DataFrame(rows_).to_parquet(folder / "qa.parquet"),
        lambda folder, rows_: office.workbook(
            folder / "qa.xlsx", {"S": [list(rows_[0]), *(list(row.values()) for row in rows_)]}
        ),
    ],
    ids=["jsonl", "json", "parquet", "xlsx"],
)
def test_simple_rows_with_a_context(tmp_path, write):
    write(tmp_path, table(q="question", a="answer", c="context"))
    dataset, settings = proposed(tmp_path)
    check(dataset)
    assert settings == {"columns": {"answers": "answer", "gold_contexts": "context"}}


def test_a_folder_as_datasets_saves_it(tmp_path):
    import datasets

    listed = table(q="question", a="answer", c="context")
    parts = {"train": listed[:30], "test": listed[30:]}
    made = {name: datasets.Dataset.from_list(rows_) for name, rows_ in parts.items()}
    datasets.DatasetDict(made).save_to_disk(str(tmp_path / "saved"))
    dataset, _ = proposed(tmp_path / "saved")
    assert {q.question for q in dataset.questions} == {fact["q"] for fact in FACTS}


def test_ragas_of_old_and_new(tmp_path):
    old = [
        {"question": f["q"], "answer": "a bot's", "contexts": [f["c"], FACTS[0]["c"]]}
        | {"ground_truth": f["a"]}
        for f in FACTS
    ]
    (tmp_path / "old").mkdir()
    pd.DataFrame(old).to_csv(tmp_path / "old" / "x.csv", index=False)  # lists as printed
    dataset, settings = proposed(tmp_path / "old")
    check(dataset)
    assert settings == {"columns": {"answers": "ground_truth"}}
    assert dataset.counts[gold.FOUND_NEAR] == len(FACTS)

    new = [
        {"user_input": f["q"], "response": "a bot's", "reference": f["a"]}
        | {"retrieved_contexts": [FACTS[1]["c"]], "reference_contexts": [f["c"]]}
        for f in FACTS
    ]
    (tmp_path / "new").mkdir()
    office.lines(tmp_path / "new" / "x.jsonl", new)
    check(proposed(tmp_path / "new")[0])


def test_beir_with_answers_in_its_metadata(tmp_path):
    queries = [
        {"_id": f"q{n}", "text": f["q"], "metadata": {"answer": f["a"]}}
        for n, f in enumerate(FACTS)
    ]
    office.lines(tmp_path / "queries.jsonl", queries)
    corpus = [{"_id": f"d{n}", "title": "", "text": f["c"]} for n, f in enumerate(FACTS)]
    office.lines(tmp_path / "corpus.jsonl", corpus)
    (tmp_path / "qrels").mkdir()
    lines = [f"q{n}\td{n}\t1\nq{n}\td0\t0\n" for n in range(len(FACTS))]
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines))
    dataset, settings = proposed(tmp_path)
    check(dataset)
    assert settings == {"columns": {"answers": "answer"}}
    (tmp_path / "qrels" / "dev.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\n")
    with pytest.raises(StudyError, match=r"dev.tsv, line 2: a line of qrels has three columns"):
        load(tmp_path, columns={"answers": "answer"})


def test_kilt(tmp_path):
    asked = [
        {
            "id": str(n),
            "input": f["q"],
            "output": [{"answer": f["a"], "provenance": [{"wikipedia_id": n}]}, {"provenance": []}],
        }
        for n, f in enumerate(FACTS)
    ]
    office.lines(tmp_path / "nq-dev-kilt.jsonl", asked)
    pages = [
        {"wikipedia_id": n, "wikipedia_title": f"T{n}", "text": [f"T{n}\n", f["c"]]}
        for n, f in enumerate(FACTS)
    ]
    office.lines(tmp_path / "kilt_knowledgesource.json", pages)
    dataset, _ = proposed(tmp_path)
    check(dataset)
    assert dataset.documents[3].title == "T3"


@pytest.mark.parametrize(
    ("key", "role", "said", "user", "bot"),
    [
        ("messages", "role", "content", "user", "assistant"),
        ("conversations", "from", "value", "human", "gpt"),
    ],
)
def test_chats(tmp_path, key, role, said, user, bot):
    def chat(fact):
        turns = [("system", "Be kind."), (user, "Hi"), (bot, "Hello"), (user, fact["q"])]
        turns.append((bot, fact["a"]))
        return [{role: who, said: text} for who, text in turns]

    office.lines(tmp_path / "chats.jsonl", [{key: chat(fact)} for fact in FACTS])
    sections = "\n\n".join(f"# Section {n}\n\n{f['c']}" for n, f in enumerate(FACTS))
    (tmp_path / "towns.md").write_text(sections, encoding="utf-8")
    dataset, settings = proposed(tmp_path)
    check(dataset)
    assert settings == {}
    assert dataset.counts[columns.EXCHANGES] == len(FACTS)


def test_passages_in_the_shapes_that_data_sets_have(tmp_path):
    shapes = [
        "One text of a passage.",
        ["One text of a passage.", "Another text of it."],
        [{"title": "T", "text": "Text in an object."}],
        [["Hotpot", ["First sentence.", "Second one."]]],
        {"title": ["A", "B"], "sentences": [["Of A."], ["Of B."]]},
        {"contexts": ["PubMed one.", "PubMed two."], "labels": ["X", "Y"]},
        "['printed by pandas', 'as a list']",
    ]
    asked = [
        {"question": f"Number {n}?", "answers": ["none of these"], "gold_contexts": shape}
        for n, shape in enumerate(shapes)
    ]
    dataset = load(office.lines(tmp_path / "x.jsonl", asked))
    texts = {d.doc_id: (d.title, d.text) for d in dataset.documents}
    found = [[texts[i] for i in q.gold_doc_ids] for q in dataset.questions]
    assert found == [
        [("", "One text of a passage.")],
        [("", "One text of a passage."), ("", "Another text of it.")],
        [("T", "Text in an object.")],
        [("Hotpot", "First sentence. Second one.")],
        [("A", "Of A."), ("B", "Of B.")],
        [("", "PubMed one."), ("", "PubMed two.")],
        [("", "printed by pandas"), ("", "as a list")],
    ]
    bad = {"question": "Why?", "answers": ["x"], "gold_contexts": [{"score": 1}]}
    with pytest.raises(StudyError, match=r"line 1: `gold_contexts` has an object without a text"):
        load(office.lines(tmp_path / "y.jsonl", [bad]))


def test_columns_are_checked_with_the_nearest_name(tmp_path):
    listed = table(q="Question text", a="Right answer", c="Evidence")
    path = write_csv(tmp_path / "x.csv", listed)
    named = {"question": "Question txt", "answers": "Right answer", "gold_contexts": "Evidence"}
    with pytest.raises(
        StudyError, match=r"'Question txt', a column that is not there\. Did you mean"
    ):
        load(path, columns=named)
    with pytest.raises(StudyError, match=r"unknown key 'answer'; did you mean 'answers'"):
        load(path, columns={"answer": "x"})
    with pytest.raises(StudyError, match=r"columns: \{question: Question text, answers: Right ans"):
        load(path)
    check(load(path, columns=named | {"question": "Question text"}))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["Qestion", "Anser"], {"question": "Qestion", "answers": "Anser"}),
        (
            ["user_input", "response", "reference"],
            {"question": "user_input", "answers": "reference"},
        ),
        (["question", "answers", "note"], {}),
        (["问题", "答案"], {"question": "问题", "answers": "答案"}),
        (["prompt", "output"], {"question": "prompt", "answers": "output"}),
        (["question", "answer", "ground_truth"], {"answers": "ground_truth"}),
    ],
)
def test_names_are_proposed(names, expected):
    assert columns.proposed(names, columns.QUESTION_COLUMNS) == expected


def test_workbooks_with_titles_merged_cells_sheets_and_formulas(tmp_path):
    head = ["Question", "Answer", "Evidence"]
    body = [[f["q"], f["a"], f["c"]] for f in FACTS]
    body[1][2] = body[2][2] = None  # merged with the one above
    title = ["Questions of 2026", None, None]
    office.workbook(
        tmp_path / "x.xlsx",
        {"FAQ": [title, [], head, *body], "Notes": [["to do"]]},
        {"FAQ": ["A1:C1", "C4:C6"]},
    )
    named = {"question": "Question", "answers": "Answer", "gold_contexts": "Evidence"}
    with pytest.raises(StudyError, match=r"sheets 'FAQ' and 'Notes'.*`sheet: FAQ`"):
        load(tmp_path / "x.xlsx", columns=named)
    with pytest.raises(StudyError, match="no sheet 'Faq'"):
        load(tmp_path / "x.xlsx", columns=named, sheet="Faq")
    dataset = load(tmp_path / "x.xlsx", columns=named, sheet="FAQ")
    golds = [q.gold_doc_ids for q in dataset.questions]
    assert golds[0] == golds[1] == golds[2] != golds[3]
    assert proposed(tmp_path)[1] == {"columns": named, "sheet": "FAQ"}


def test_a_formula_without_a_value_and_an_error_leave_the_row_out(tmp_path):
    body = [[f["q"], f["a"], f["c"]] for f in FACTS]
    body[4][1] = '="Baron "&B3'
    path = office.workbook(tmp_path / "x.xlsx", {"S": [["question", "answers", "contexts"], *body]})
    dataset = load(path)
    assert dataset.dropped == {"with a formula without a value": 1}
    with pytest.raises(StudyError, match="open the file in a spreadsheet program and save it"):
        load(path, max_dropped=0)


def test_workbooks_that_are_none(tmp_path):
    path = tmp_path / "x.xlsx"
    path.write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(StudyError, match=r"cannot be opened .it is damaged"):
        load(path)
    path.write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 600)
    with pytest.raises(StudyError, match="has a password, or is in the format before 2007"):
        load(path)
    office.workbook(path, {"Empty": []})
    with pytest.raises(StudyError, match="no sheet holds anything"):
        load(path)
    (tmp_path / "old.xls").write_bytes(b"x")
    with pytest.raises(StudyError, match=r"save it as \.xlsx"):
        load(tmp_path / "old.xls")


def test_rows_left_out_are_counted_with_their_reason(tmp_path):
    listed = table(q="question", a="answers", c="contexts")
    listed[3]["answers"] = ""
    listed[5]["question"] = " "
    listed.append(listed[7])
    dataset = load(write_csv(tmp_path / "x.csv", listed))
    reasons = {rows.NO_ANSWER_GIVEN: 1, rows.NO_QUESTION: 1, "the same row again": 1}
    assert (dataset.dropped, dataset.read) == (reasons, len(listed))
    for row in listed[:15]:
        row["answers"] = ""
    with pytest.raises(StudyError, match=r"rows cannot be used .without an answer: 14.*line 2: "):
        load(write_csv(tmp_path / "y.csv", listed))


def test_answers_are_looked_for_where_no_document_is_given(tmp_path):
    asked = [{"question": f["q"], "answers": f["a"]} for f in FACTS]
    asked[0]["answers"] = "Not in any document"
    asked[1]["answers"] = "settlement"
    asked[2]["answers"] = "no"
    asked[3]["answers"] = "in"
    office.lines(tmp_path / "questions.jsonl", asked)
    corpus = [{"doc_id": n, "text": f["c"]} for n, f in enumerate(FACTS)]
    corpus.append({"doc_id": "copy", "text": FACTS[9]["c"]})
    office.lines(tmp_path / "corpus.jsonl", corpus)
    dataset = load(tmp_path)
    found = [q.gold_doc_ids for q in dataset.questions]
    assert found[:4] == [(), (), (), ()]
    assert found[4:] == [(str(n),) for n in range(4, len(FACTS))]
    counted = {reason: dataset.counts[reason] for reason in (gold.NOWHERE, gold.AMBIGUOUS)}
    assert counted == {gold.NOWHERE: 1, gold.AMBIGUOUS: 1}
    assert dataset.counts[gold.TOO_SHORT] == 2
    assert not any(q.gold_doc_ids for q in load(tmp_path, find_gold=False).questions)


def test_a_document_with_the_answers_to_everything_is_no_gold_document(tmp_path):
    asked = [{"question": f["q"], "answers": f["a"]} for f in FACTS]
    office.lines(tmp_path / "questions.jsonl", asked)
    whole = {"doc_id": "book", "text": " ".join(f["c"] for f in FACTS)}
    office.lines(tmp_path / "corpus.jsonl", [whole])
    dataset = load(tmp_path)
    assert dataset.counts[gold.COARSE] == len(FACTS)
    assert data.split(dataset, 0.5).sizes()["test"] > 20


def test_ids_stay_where_rows_are_added_and_sorted(tmp_path):
    listed = table(q="question", a="answers", c="contexts")
    before = {q.question: q.id for q in load(write_csv(tmp_path / "a.csv", listed)).questions}
    moved = load(write_csv(tmp_path / "b.csv", listed[::-1][:30])).questions
    assert all(before[q.question] == q.id for q in moved)


def test_what_a_data_set_is_in_run_ids(tmp_path):
    listed = table(q="question", a="answers", c="contexts")
    path = write_csv(tmp_path / "a.csv", listed)
    before = data.revision_of("own", str(path))
    (tmp_path / "b.csv").write_text("beside it")
    (tmp_path / "sub").mkdir()
    moved = path.rename(tmp_path / "sub" / "a.csv")
    assert data.revision_of("own", str(moved)) == before
    write_csv(moved, listed[1:])
    assert data.revision_of("own", str(moved)) != before


def test_rows_inside_an_object_and_names_with_several_words(tmp_path):
    listed = table(q="Customer question", a="The answer", c="context")
    (tmp_path / "x.json").write_text(json.dumps({"version": "2", "examples": listed}))
    dataset, settings = proposed(tmp_path)
    check(dataset)
    named = {"question": "Customer question", "answers": "The answer", "gold_contexts": "context"}
    assert settings == {"columns": named}


def test_questions_and_documents_in_two_sheets_of_one_workbook(tmp_path):
    asked = [["question", "answers"], *([f["q"], f["a"]] for f in FACTS)]
    texts = [["name", "text"], *([f"d{n}", f["c"]] for n, f in enumerate(FACTS))]
    office.workbook(tmp_path / "x.xlsx", {"Texts": texts, "Asked": asked})
    dataset, settings = proposed(tmp_path)
    check(dataset)
    assert settings == {"columns": {"doc_id": "name"}, "sheet": "Asked", "corpus_sheet": "Texts"}


def test_two_files_of_which_one_is_in_another_encoding(tmp_path):
    write_csv(tmp_path / "faq.csv", table(q="question", a="answers"))
    texts = [{"doc_id": n, "text": f["c"]} for n, f in enumerate(FACTS)]
    write_csv(tmp_path / "texts.csv", texts, ";", "cp1252")
    dataset, settings = proposed(tmp_path)
    check(dataset)
    assert settings == {"encoding": "cp1252"}


def test_a_repository_of_the_hub_with_its_card(tmp_path):
    (tmp_path / "data").mkdir()
    rows_ = table(q="question", a="answer", c="context")
    pd.DataFrame(rows_).to_parquet(tmp_path / "data" / "train-00000-of-00001.parquet")
    (tmp_path / "README.md").write_text("# Card\n\nWhat this is.")
    check(proposed(tmp_path)[0])


def test_queries_of_beir_without_answers_are_told(tmp_path):
    office.lines(tmp_path / "queries.jsonl", [{"_id": "q", "text": "Why?", "metadata": {}}])
    office.lines(tmp_path / "corpus.jsonl", [{"_id": "d", "title": "", "text": "Because."}])
    with pytest.raises(StudyError, match="no table with questions and their answers"):
        looking.look(tmp_path)


def test_a_title_column_is_that_of_the_passages(tmp_path):
    listed = [
        row | {"Heading": f"T{n}"}
        for n, row in enumerate(table(q="question", a="answers", c="context"))
    ]
    dataset = load(
        write_csv(tmp_path / "x.csv", listed),
        columns={"gold_contexts": "context", "title": "Heading"},
    )
    check(dataset)
    assert dataset.documents[5].title == "T5"


def test_large_data_and_pipes_are_not_read_while_planning(tmp_path):
    loader = data.registry.find("own")
    path = write_csv(tmp_path / "a.csv", table(q="question", a="answers"))
    place = tmp_path / "corpus.jsonl"
    place.write_text("")
    assert loader.is_instant(data.source_of("own", str(path), str(place), {}))
    with place.open("wb") as file:
        file.truncate(200_000_000)
    assert not loader.is_instant(data.source_of("own", str(path), str(place), {}))
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(StudyError, match="neither a file nor a folder"):
        load(tmp_path / "pipe.csv")


@pytest.mark.parametrize(("again", "expected"), [(False, {"id": "qid"}), (True, {})])
def test_ids_are_proposed_where_they_are_some(tmp_path, again, expected):
    listed = [
        {"qid": n} | row for n, row in enumerate(table(q="question", a="answers", c="contexts"))
    ]
    listed[-1]["qid"] = 0 if again else "last"
    write_csv(tmp_path / "x.csv", listed)
    dataset, settings = proposed(tmp_path)
    assert settings.get("columns", {}) == expected
    assert len({q.id for q in dataset.questions}) == len(FACTS)
