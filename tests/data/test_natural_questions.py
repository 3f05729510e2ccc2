import gzip
import json
import re

import pytest

from rag_study import data as qa_datasets
from rag_study.common.errors import StudyError
from rag_study.data.registry import Source
from rag_study.data.sources import natural_questions as nq
from rag_study.data.sources.natural_questions import pages

URL = "https://en.wikipedia.org//w/index.php?title=Harbour_of_Ulmen&amp;oldid=7"
PAGE = (
    "Harbour of Ulmen - Wikipedia <H1> Harbour of Ulmen </H1> "
    "<P> The harbour was built by Ada Lenk and Bo Tarr in 1903 -- 05 . </P> "
    '<Table> <Tr> <Th_colspan="2"> Year </Th> <Th> Ships </Th> </Tr> '
    "<Tr> <Td> 1910 </Td> <Td> 12 , 000 </Td> </Tr> </Table> "
    "<Ul> <Li> North quay </Li> <Li> South quay ( closed ) </Li> </Ul> "
    "<P> It is `` well - known '' . </P>"
)
TOKENS = PAGE.split(" ")
NOTHING = {"start_token": -1, "end_token": -1, "candidate_index": -1}


def span(text):
    """The tokens of a piece of the page, as the data marks them."""
    words = text.split(" ")
    start = next(i for i in range(len(TOKENS)) if TOKENS[i : i + len(words)] == words)
    return {"start_token": start, "end_token": start + len(words)}


def block(text):
    """The smallest top-level passage around a piece of the page."""
    inner = span(text)
    return next(
        c
        for c in CANDIDATES
        if c["start_token"] <= inner["start_token"] and inner["end_token"] <= c["end_token"]
    )


CANDIDATES = [span(text) for text in re.findall(r"<(?:P|Table|Ul)> .*? </(?:P|Table|Ul)>", PAGE)]
LONG = {**block("Ada Lenk"), "candidate_index": 0}


def marked(*short, yes_no="NONE", long=LONG):
    return {
        "annotation_id": 1,
        "long_answer": long,
        "short_answers": [span(s) for s in short],
        "yes_no_answer": yes_no,
    }


def unmarked():
    return marked(long=NOTHING)


def simplified(number=1, *annotations, **changes):
    return {
        "document_text": PAGE,
        "long_answer_candidates": [{**c, "top_level": True} for c in CANDIDATES],
        "question_text": f"who built the harbour of ulmen {number}",
        "annotations": list(annotations) or [marked("Ada Lenk")],
        "document_url": URL,
        "example_id": number,
        **changes,
    }


def original(line):
    """The same record as an original line."""
    line = dict(line)
    tokens = line.pop("document_text").split(" ")
    return {
        **line,
        "document_title": "Harbour of Ulmen",
        "document_html": "<!DOCTYPE html>",
        "question_tokens": line["question_text"].split(),
        "document_tokens": [
            {"token": t.replace("_", " "), "html_token": t.startswith("<"), "start_byte": i}
            for i, t in enumerate(tokens)
        ],
    }


def hub_row(line):
    """The same record as the hub has it: lists of objects as objects of lists."""

    def columns(rows, *keys):
        return {key: [row.get(key, -1) for row in rows] for key in keys}

    spans = ("start_token", "end_token", "start_byte", "end_byte")
    tokens = original(line)["document_tokens"]
    return {
        "id": str(line["example_id"]),
        "document": {
            "html": "<!DOCTYPE html>",
            "title": "Harbour of Ulmen",
            "tokens": {
                **columns(tokens, "token", "start_byte"),
                "is_html": [t["html_token"] for t in tokens],
            },
            "url": line["document_url"],
        },
        "question": {"text": line["question_text"], "tokens": line["question_text"].split()},
        "long_answer_candidates": columns(line["long_answer_candidates"], *spans, "top_level"),
        "annotations": {
            "id": ["1" for _ in line["annotations"]],
            "long_answer": [
                {key: a["long_answer"].get(key, -1) for key in (*spans, "candidate_index")}
                for a in line["annotations"]
            ],
            "short_answers": [
                {**columns(a["short_answers"], *spans), "text": ["x" for _ in a["short_answers"]]}
                for a in line["annotations"]
            ],
            "yes_no_answer": [
                {"YES": 1, "NO": 0, "NONE": -1}[a["yes_no_answer"]] for a in line["annotations"]
            ],
        },
    }


def dpr(question="who built ulmen", answers=("Ada Lenk",), **changes):
    def context(title, text):
        return {"title": title, "text": text, "score": 1, "title_score": 0, "passage_id": "5"}

    return {
        "dataset": "nq_train_psgs",
        "question": question,
        "answers": list(answers),
        "positive_ctxs": [
            context("Ulmen", "Ada Lenk built it."),
            context("Quays", "A quay of Ada Lenk."),
        ],
        "negative_ctxs": [],
        "hard_negative_ctxs": [context("Tarr", "Bo Tarr."), context("Ships", "Twelve ships.")],
        **changes,
    }


def with_contexts(question="who built ulmen", **changes):
    gold = {"title": "Ulmen", "text": "Ada Lenk built it.", "hasanswer": True, "isgold": True}
    other = {"title": "Tarr", "text": "Bo Tarr.", "hasanswer": False, "isgold": False, "id": "3"}
    return {
        "question": question,
        "answers": ["Ada\u00a0Lenk", "Lenk"],
        "ctxs": [other, gold],
        "nq_annotated_gold": {
            "title": "Ulmen",
            "long_answer": "Ada Lenk built it. Twice.",
            "chunked_long_answer": "Ada Lenk built it.",
            "short_answers": ["Ada Lenk"],
        },
        **changes,
    }


def write(path, rows):
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def load(path, corpus=None, **options):
    return nq.load(Source(path, corpus, nq.NaturalQuestionsOptions(**options)))


@pytest.fixture
def lines(tmp_path):
    """Write simplified lines with these annotations each and load them."""

    def loaded(*records, **options):
        rows = [simplified(n, *annotations) for n, annotations in enumerate(records)]
        return load(write(tmp_path / "nq.jsonl", rows), **options)

    return loaded


def test_the_three_annotated_forms_give_the_same(tmp_path):
    import pandas as pd

    records = [
        simplified(1, marked("Ada Lenk")),
        simplified(2, marked(yes_no="YES")),
        simplified(3, marked("Ada Lenk", "Bo Tarr")),
        simplified(4, marked("well - known", long=block("well - known"))),
        simplified(5, marked()),
        simplified(6, unmarked()),
    ]
    write(tmp_path / "simplified.jsonl.gz", records)
    write(tmp_path / "nq-dev-00.jsonl.gz", map(original, records))
    pd.DataFrame(map(hub_row, records)).to_parquet(tmp_path / "hub.parquet")
    for passages in ("gold", "page"):
        loaded = [
            load(tmp_path / name, passages=passages)
            for name in ("simplified.jsonl.gz", "nq-dev-00.jsonl.gz", "hub.parquet")
        ]
        assert loaded[0] == loaded[1] == loaded[2]
    answered = sum(
        a["yes_no_answer"] != "NONE" or bool(a["short_answers"])
        for row in records
        for a in row["annotations"]
    )
    assert (loaded[0].read, len(loaded[0].questions)) == (len(records), answered) == (6, 4)
    assert dict(loaded[0].dropped) == {
        "only a long answer was marked, no short one": 1,
        "no answer was marked": 1,
    }


def test_a_question_and_its_gold_passage(lines):
    data = lines([marked("Ada Lenk")], [marked("1910", long=block("1910"))])
    question = data.questions[0]
    assert (question.id, question.answers, question.answer_type) == ("0", ("Ada Lenk",), "factoid")
    assert question.group == "Harbour of Ulmen"
    assert question.extra == {"annotators": 1, "answered_by": 1, "long_answer": "paragraph"}
    passage, table = data.documents
    assert question.gold_doc_ids == (passage.doc_id,)
    assert re.fullmatch(r"Harbour_of_Ulmen-[0-9a-f]{10}", passage.doc_id)
    assert passage.title == "Harbour of Ulmen"
    assert passage.text == "The harbour was built by Ada Lenk and Bo Tarr in 1903–05."
    assert table.text == "Year | Ships\n1910 | 12, 000"
    assert data.questions[1].extra["long_answer"] == "table"


def test_several_questions_share_a_passage(lines):
    data = lines([marked("Ada Lenk")], [marked("Bo Tarr")])
    assert len(data.documents) == 1
    assert data.questions[0].gold_doc_ids == data.questions[1].gold_doc_ids


def test_spans_of_one_annotator_are_a_list_and_of_several_alternatives(lines):
    data = lines(
        [marked("Ada Lenk", "Bo Tarr", "Ada Lenk")],
        [marked("Ada"), marked("Ada Lenk"), marked("Ada Lenk"), unmarked(), unmarked()],
        [marked("Ada Lenk", "Bo Tarr"), marked("Ada Lenk and Bo Tarr"), marked("Lenk", "Tarr")],
        [marked("Ada Lenk", "Bo Tarr"), marked("Ada Lenk")],
    )
    one, several, lists, tie = data.questions
    assert (one.answer_type, one.answers) == ("list", ("Ada Lenk, Bo Tarr",))
    assert one.key_points == (("Ada Lenk",), ("Bo Tarr",))
    assert (several.answer_type, several.answers) == ("factoid", ("Ada Lenk", "Ada"))
    assert several.extra["answered_by"] == 3
    assert lists.answers == ("Ada Lenk, Bo Tarr", "Lenk, Tarr", "Ada Lenk and Bo Tarr")
    assert (tie.answer_type, tie.answers) == ("factoid", ("Ada Lenk", "Ada Lenk, Bo Tarr"))


def test_annotators_who_disagree_on_yes_and_no(lines):
    yes, no, words = marked(yes_no="YES"), marked(yes_no="NO"), marked("Ada Lenk")
    data = lines([yes, no, no, words], [yes, no], [yes, words], [no, no, words, unmarked()])
    assert [q.id for q in data.questions] == ["0", "2", "3"]
    assert [q.answer_type for q in data.questions] == ["yesno", "factoid", "yesno"]
    assert data.questions[0].answers == ("No",)
    assert data.dropped == {"as many annotators say yes as no": 1}


def test_gold_is_the_long_answer_of_those_who_gave_the_reference(lines):
    other = block("well - known")
    data = lines(
        [marked("Ada Lenk", long=other), marked("Ada Lenk"), marked("Ada Lenk"), marked("Bo Tarr")],
        [marked("Ada Lenk", long=NOTHING)],
    )
    assert "built by" in next(
        d.text for d in data.documents if d.doc_id in data.questions[0].gold_doc_ids
    )
    assert data.questions[1].gold_doc_ids == ()
    assert data.questions[1].extra["long_answer"] is None
    assert data.counts == {"questions without a gold passage": 1}


def test_how_many_annotators_must_have_answered(lines):
    alone = [marked("Ada Lenk"), *[unmarked()] * 4]
    records = (alone, [marked("Ada Lenk"), marked("Ada"), unmarked()], [marked("Ada Lenk")])
    data = lines(*records)
    assert data.counts == {"questions that only one of several annotators answered": 1}
    strict = lines(*records, min_annotators=2)
    assert [q.id for q in strict.questions] == ["1", "2"]  # one annotator is all there is for "2"
    assert strict.dropped == {"answered by fewer than 2 annotators": 1}


def test_the_rest_of_the_page(lines):
    data = lines([marked("Ada Lenk"), marked("1910", long=block("1910"))], passages="page")
    # The table is a long answer of another annotator: no distractor.
    assert [d.text for d in data.documents] == [
        "The harbour was built by Ada Lenk and Bo Tarr in 1903–05.",
        "- North quay\n- South quay (closed)",
        'It is "well-known".',
    ]
    with pytest.raises(StudyError, match="there is no question to use"):
        lines([unmarked()], passages="page")


def test_short_answers_as_long_as_a_passage_are_none(lines):
    whole = PAGE[PAGE.index("The harbour") : PAGE.index("</Ul>") - 1]
    data = lines([marked(whole)], [marked("Ada Lenk"), marked(whole)], [marked("Ada Lenk", whole)])
    assert [q.answers for q in data.questions] == [("Ada Lenk",)]
    assert data.dropped == {"the short answer is longer than 20 words": 2}
    assert data.counts["short answers of more than 20 words, left out"] == 3


def test_marked_spans_without_text(lines):
    data = lines([marked("</Tr> </Table>")], [marked("Ada Lenk", "</P>")])
    assert data.dropped == {"the short answer has no text": 1}
    assert data.counts == {"short answers without text, left out": 2}
    assert data.questions[0].answers == ("Ada Lenk",)


def test_same_id_twice(tmp_path):
    rows = [simplified(1), simplified(2)]
    folder = tmp_path / "nq"
    folder.mkdir()
    write(folder / "a.jsonl", rows)
    write(folder / "b.jsonl.gz", [rows[1], simplified(3)])
    data = load(folder)
    assert (data.read, len(data.questions)) == (4, 3)
    assert data.dropped == {"same id and question as an earlier record": 1}
    write(folder / "b.jsonl.gz", [simplified(1, question_text="another")])
    with pytest.raises(StudyError, match=r"b\.jsonl\.gz, line 1: the id '1' belongs to another"):
        load(folder)


def test_what_is_wrong_with_an_annotated_record_is_named(tmp_path):
    def broken(**changes):
        return simplified(2, {**marked("Ada Lenk"), **changes})

    beyond = {"start_token": 5, "end_token": 9999}
    cases = [
        (broken(short_answers=[beyond]), "the tokens 5 to 9999 are marked"),
        (broken(long_answer=beyond), "the tokens 5 to 9999 are marked"),
        (broken(yes_no_answer="MAYBE"), "must be YES, NO or NONE"),
        (broken(short_answers=[{"start_token": None, "end_token": 3}]), "must be numbers"),
        (broken(short_answers="x"), "`short_answers` must be a list"),
        (simplified(2, {"yes_no_answer": "NONE"}), "`long_answer` is missing"),
        (simplified(2, question_text=" "), "`question_text` is missing or empty"),
        (simplified(2, document_text=None), "`document_text` must be text"),
        (simplified(2, annotations=None), "`annotations` must be a list"),
        ({"example_id": 5, "document_text": "a", "question_text": "b"}, "`annotations` is missing"),
    ]
    for row, message in cases:
        path = write(tmp_path / "nq.jsonl", [simplified(1), row])
        with pytest.raises(StudyError) as caught:
            load(path)
        assert message in str(caught.value)
        assert "nq.jsonl, line 2" in str(caught.value)
    row = original(simplified(2))
    row["document_tokens"][3] = "word"
    with pytest.raises(StudyError, match="must be objects with `token`"):
        load(write(tmp_path / "nq.jsonl", [row]))
    without = simplified(2)
    del without["long_answer_candidates"]
    write(tmp_path / "nq.jsonl", [without])
    assert len(load(tmp_path / "nq.jsonl").questions) == 1
    with pytest.raises(StudyError, match="`long_answer_candidates` is missing"):
        load(tmp_path / "nq.jsonl", passages="page")


def test_text_that_looks_like_a_tag_is_kept_where_the_data_says_it_is_text(tmp_path):
    row = original(simplified(1))
    place = span("Ada Lenk")["start_token"]
    row["document_tokens"][place]["token"] = "<br>"
    data = load(write(tmp_path / "nq.jsonl", [row]))
    assert data.questions[0].answers == ("<br> Lenk",)


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ("`` Opt - in , '' he said", '"Opt-in," he said'),
        ("the boys ' club did n't open at 8 : 00 p.m.", "the boys' club didn't open at 8:00 p.m."),
        ("Tom 's share is $ 5.50 or 3 % ( net )", "Tom's share is $5.50 or 3% (net)"),
        ("seasons 2017 -- 18 and / or 2019", "seasons 2017–18 and/or 2019"),
        ("its rank , # 1 [ 2 ] ; what ?", "its rank, #1 [2]; what?"),
        ("a < b and <b> c", "a < b and c"),
        ("<I> Ulmen </I> , a\u00a0port", "Ulmen, a port"),
    ],
)
def test_tokens_become_text(tokens, text):
    assert pages.answer_text(tokens.split(" ")) == text


@pytest.mark.parametrize(
    ("title", "url", "expected"),
    [
        ("", URL, "Harbour of Ulmen"),
        ("", "https://en.wikipedia.org/wiki/C%2B%2B_(port)#top", "C++ (port)"),
        ("Ulmen - Wikipedia", URL, "Ulmen"),
        ("", "", ""),
        ("", "http://example.org/", ""),
    ],
)
def test_titles(title, url, expected):
    assert pages.title_of(title, url) == expected


def test_dpr_records(tmp_path):
    rows = [
        dpr(),
        dpr("who else", ["Bo Tarr", "Bo Tarr", " "], hard_negative_ctxs=None),
        dpr("no passage", positive_ctxs=[]),
        dpr("no answer", []),
        dpr(),
        dpr(answers=["Bo Tarr"]),
        dpr("is it open", ["Yes"]),
    ]
    path = tmp_path / "biencoder-nq-dev.json.gz"
    path.write_bytes(gzip.compress(json.dumps(rows, indent=1).encode()))
    data = load(path)
    raw = json.loads(gzip.decompress(path.read_bytes()))
    assert data.read == len(raw) == 7
    assert data.dropped == {
        "no answer in the source": 1,
        "same question and answers as an earlier record": 1,
    }
    assert len({q.id for q in data.questions}) == len(data.questions) == 5
    first, second, third, other, yes = data.questions
    assert other.id == f"{first.id}-2"
    assert second.answers == ("Bo Tarr",)
    assert [d.title for d in data.documents] == ["Ulmen", "Quays"]
    assert first.gold_doc_ids == (data.documents[0].doc_id,)
    assert (first.group, third.group, third.gold_doc_ids) == ("Ulmen", None, ())
    assert yes.answer_type == "yesno"
    assert data.counts == {"questions without a gold passage": 1}
    more = load(path, hard_negatives=1)
    assert [d.title for d in more.documents] == ["Ulmen", "Quays", "Tarr"]


def test_nq_open_with_contexts(tmp_path):
    retrieved = [{"id": "1", "title": "Tarr", "text": "Bo Tarr.", "hasanswer": False}]
    rows = [
        with_contexts(),
        with_contexts("who again", ctxs=retrieved),
        with_contexts("who never", answers=[]),
        with_contexts("who at all", ctxs=[], nq_annotated_gold=None),
    ]
    data = load(write(tmp_path / "nq-open-oracle.jsonl.gz", rows))
    assert (data.read, len(data.questions)) == (len(rows), 3)
    assert data.questions[0].answers == ("Ada Lenk", "Lenk")
    assert sorted(d.title for d in data.documents) == ["Tarr", "Ulmen"]
    gold = next(d.doc_id for d in data.documents if d.title == "Ulmen")
    assert [q.gold_doc_ids for q in data.questions] == [(gold,), (gold,), ()]
    assert [q.group for q in data.questions] == ["Ulmen", "Ulmen", None]
    # The files of one set differ in the place of the gold context only.
    write(tmp_path / "nq-open-20-gold-at-9.jsonl.gz", rows[:1])
    both = load(tmp_path)
    assert both.dropped["same question and answers as an earlier record"] == 1


def test_nq_open_lines_need_a_corpus(tmp_path):
    path = write(
        tmp_path / "NQ-open.dev.jsonl",
        [{"question": "who", "answer": ["Ada"]}, {"question": "when", "answer": []}],
    )
    with pytest.raises(StudyError, match="no passages"):
        load(path)
    corpus = tmp_path / "psgs.tsv.gz"
    corpus.write_bytes(
        gzip.compress(b'id\ttext\ttitle\n1\t"A ""big"" port, Ada\'s."\tUlmen\n2\t\tEmpty\n')
    )
    data = load(path, corpus)
    assert [(d.doc_id, d.title, d.text) for d in data.documents] == [
        ("1", "Ulmen", 'A "big" port, Ada\'s.')
    ]
    assert (data.read, len(data.questions)) == (2, 1)
    assert data.dropped == {"no answer in the source": 1}
    assert data.counts == {
        "documents without text, left out": 1,
        "questions without a gold passage": 1,
    }
    for key in ("doc_id", "id", "_id"):
        write(tmp_path / "corpus.jsonl", [{key: 1, "text": "t"}])
        assert load(path, tmp_path / "corpus.jsonl").documents[0].doc_id == "1"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"doc_id": "1", "text": "t"}] * 2, "the document id '1' is there twice"),
        ([{"doc_id": "1", "body": "t"}], "is no document"),
        ([{"text": "t"}], "is no document"),
        ([{"doc_id": "1", "text": None}], "holds no document with text"),
        ([], "holds no document with text"),
    ],
)
def test_bad_corpora(tmp_path, rows, message):
    path = write(tmp_path / "nq.jsonl", [{"question": "who", "answer": ["Ada"]}])
    with pytest.raises(StudyError, match=message):
        load(path, write(tmp_path / "corpus.jsonl", rows))


def test_options_and_corpus_that_do_not_go_with_the_form(tmp_path):
    pages_file = write(tmp_path / "nq.jsonl", [simplified()])
    open_file = write(tmp_path / "dpr.jsonl", [dpr()])
    with pytest.raises(StudyError, match="bring their own passages"):
        load(pages_file, open_file)
    with pytest.raises(StudyError, match="`hard_negatives` is for DPR"):
        load(pages_file, hard_negatives=2)
    with pytest.raises(StudyError, match="needs whole pages"):
        load(open_file, passages="page")
    with pytest.raises(StudyError, match="option 'passages'"):
        qa_datasets.load("natural_questions", str(pages_file), options={"passages": "all"})


def test_two_forms_in_a_folder(tmp_path):
    write(tmp_path / "a.jsonl", [simplified()])
    write(tmp_path / "b.jsonl", [original(simplified(2))])
    with pytest.raises(StudyError, match=r"a\.jsonl has simplified.*b\.jsonl has original"):
        load(tmp_path)


@pytest.mark.parametrize(
    "row",
    [
        {"question": "who", "answer": "a text", "id": 3, "relevant_passage_ids": "[1]"},
        {"question": "who", "context": "c", "answers": {"text": ["a"]}},
        {"version": "1.1", "data": []},
        {"query": "who", "answer": "a passage"},
    ],
)
def test_files_of_other_data_sets(tmp_path, row):
    with pytest.raises(StudyError, match="is not in a format of `natural_questions`"):
        load(write(tmp_path / "other.jsonl", [row]))


def test_damaged_and_empty_files(tmp_path):
    path = write(tmp_path / "nq.jsonl.gz", [simplified(n) for n in range(200)])
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(StudyError, match="damaged or cut off"):
        load(path)
    path.write_bytes(gzip.compress(b""))
    with pytest.raises(StudyError, match="holds no records"):
        load(path)
    with pytest.raises(StudyError, match="there is no data file"):
        load(tmp_path / "empty" if (tmp_path / "empty").mkdir() is None else tmp_path)
    windows = tmp_path / "windows.jsonl"
    windows.write_bytes(b"\xef\xbb\xbf" + json.dumps(simplified()).encode() + b"\r\n\r\n")
    assert len(load(windows).questions) == 1


@pytest.fixture
def hub_copy(tmp_path, monkeypatch):
    """A folder in the layout of the hub, read without a network."""
    import datasets
    import pandas as pd

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_MODULES_CACHE", str(tmp_path / "modules"))

    def write_copy(folder, frames):
        place = tmp_path / folder
        header = "---\nconfigs:\n"
        for (config, split), rows in frames.items():
            (place / config).mkdir(parents=True, exist_ok=True)
            pd.DataFrame(rows).to_parquet(place / config / f"{split}-00000-of-00001.parquet")
            header += f"- config_name: {config}\n  data_files:\n"
            header += f"  - split: {split}\n    path: {config}/{split}-*\n"
        (place / "README.md").write_text(header + "---\n")
        return str(place)

    return write_copy


def test_the_hub(hub_copy, monkeypatch, tmp_path):
    rows = [simplified(1), simplified(2, marked("Ada Lenk", "Bo Tarr"), unmarked()), simplified(3)]
    frames = {
        ("dev", "validation"): [*map(hub_row, rows), hub_row(simplified(4, unmarked()))],
        ("default", "train"): [hub_row(simplified(9))],
    }
    monkeypatch.setattr(nq, "HUB_PAGES", hub_copy("pages", frames))
    data = load(None)
    assert (data.read, len(data.questions)) == (4, 3)
    assert data.dropped == {"no answer was marked": 1}
    assert data.questions[1].answer_type == "list"
    assert data.questions[:3] == load(write(tmp_path / "same.jsonl", rows)).questions
    assert len(load(None, config="default", splits=("train",)).questions) == 1
    with pytest.raises(StudyError, match="cannot be read from the hub"):
        load(None, splits=("train",))
    assert len(load(None, passages="page").documents) == 4


def test_nq_open_from_the_hub(hub_copy, monkeypatch, tmp_path):
    frames = {("nq_open", "validation"): [{"question": "who", "answer": ["Ada", "Lenk"]}]}
    monkeypatch.setattr(nq, "HUB_OPEN", hub_copy("open", frames))
    with pytest.raises(StudyError, match="no passages"):
        load(None, config="nq_open")
    corpus = write(tmp_path / "corpus.jsonl", [{"doc_id": "d", "text": "Ada"}])
    data = load(None, corpus, config="nq_open")
    assert data.questions[0].answers == ("Ada", "Lenk")
