import copy
import dataclasses
import gzip
import io
import json
import tarfile

import pytest

from rag_study import data as qa_datasets
from rag_study.common.errors import StudyError
from rag_study.data.registry import Source
from rag_study.data.schema import NO_ANSWER
from rag_study.data.sources import qasper
from rag_study.data.sources.qasper.answers import Annotation, decide

WIDE = "We measured the width of every bridge in the county with a steel tape and noted it twice."
LONG = (
    "Our tape is of steel, and we read it at noon when the sun has warmed all of it on both sides."
)
CAPTION = "Table 1: Widths of the bridges in metres."


def answer(**given):
    empty = {"unanswerable": False, "extractive_spans": [], "yes_no": None, "free_form_answer": ""}
    return {
        "answer": {**empty, "evidence": [], "highlighted_evidence": [], **given},
        "annotation_id": "a",
        "worker_id": "w",
    }


def question(number, *answers):
    return {
        "question": f" What about bridge {number}? ",
        "question_id": f"q{number}",
        "nlp_background": "two",
        "topic_background": "",
        "search_query": None,
        "answers": list(answers),
    }


def paper(*questions):
    """A paper with every gap that the official files have."""
    return {
        "title": "Bridges " + " ".join(f"word{i}" for i in range(20)),
        "abstract": "We look at bridges.\nThere are many of them in the county.",
        "full_text": [
            {"section_name": "Methods ::: Tape", "paragraphs": [f"{WIDE} ", "", LONG]},
            {"section_name": None, "paragraphs": ["It is so."]},
            {"section_name": "Results", "paragraphs": [WIDE]},
        ],
        "figures_and_tables": [{"file": "1-Table1-1.png", "caption": CAPTION}],
        "qas": list(questions),
    }


def papers():
    return {
        "2001.00001": paper(
            question(1, answer(extractive_spans=["steel tape"], evidence=[WIDE])),
            question(2, answer(yes_no=False, evidence=["FLOAT SELECTED: " + CAPTION])),
            question(3, answer(unanswerable=True)),
            question(4, answer()),
        ),
        "2001.00002": paper(question(5, answer(free_form_answer="At noon", evidence=[LONG]))),
    }


def columns(rows):
    return {key: [row.get(key) for row in rows] for key in rows[0]} if rows else {}


def hub_rows(content):
    """The papers as the hub has them: lists of objects are objects of lists."""
    rows = []
    for paper_id, original in content.items():
        row = copy.deepcopy(original)
        for qa in row["qas"]:
            qa["answers"] = columns(qa["answers"])
        for key in ("full_text", "qas", "figures_and_tables"):
            row[key] = columns(row[key])
        rows.append({"id": paper_id, **row})
    return rows


def write(path, content):
    path.write_text(json.dumps(content))
    return path


def load(path, **options):
    return qa_datasets.load("qasper", str(path), options=options)


def load_one(tmp_path, *answers, **options):
    """The data set and its question, for one question with these answers."""
    content = {"2001.00001": paper(question(1, *answers))}
    data = load(write(tmp_path / "qasper-dev-v0.3.json", content), **options)
    return data, data.questions[0]


def test_every_question_is_used_or_counted(tmp_path):
    path = write(tmp_path / "qasper-dev-v0.3.json", papers())
    data = load(path)
    raw = [qa for p in json.loads(path.read_text()).values() for qa in p["qas"]]
    without = [qa for qa in raw if qa["question_id"] == "q4"]
    assert data.read == len(raw) == 5
    assert data.dropped == {"no answer in the source": len(without)}
    assert {q.id for q in data.questions} == {"q1", "q2", "q3", "q5"}
    assert data.counts["annotations without an answer"] == 1
    assert data.counts["papers"] == 2


def test_documents_are_the_distinct_paragraphs_with_text(tmp_path):
    data, only = load_one(tmp_path, answer(yes_no=True))
    assert [d.doc_id for d in data.documents] == [f"2001.00001-{n}" for n in range(4)]
    abstract, wide, _, nameless = data.documents
    assert (abstract.text, wide.text) == (paper()["abstract"], WIDE)
    start = "Bridges " + " ".join(f"word{i}" for i in range(11)) + " …"
    assert abstract.title == f"{start} — Abstract"
    assert (wide.title, wide.extra["section"]) == (f"{start} — Methods: Tape", "Methods ::: Tape")
    assert nameless.title == start
    assert {d.scope for d in data.documents} == {only.scope, only.group} == {"2001.00001"}
    assert data.counts["paragraphs without text"] == 1
    assert data.counts["paragraphs repeated in their paper"] == 1


@pytest.mark.parametrize(
    ("given", "kind", "answer_type", "answers", "reference"),
    [
        ({"extractive_spans": ["one"]}, "extractive", "factoid", ("one",), "one"),
        ({"extractive_spans": ["one", "one"]}, "extractive", "factoid", ("one",), "one"),
        ({"extractive_spans": ["b", "a"]}, "extractive", "list", ("b, a",), "b, a"),
        ({"extractive_spans": [LONG]}, "extractive", "summary", (), LONG),
        ({"extractive_spans": ["a", LONG]}, "extractive", "summary", (), f"a, {LONG}"),
        ({"free_form_answer": " noon "}, "free_form", "factoid", ("noon",), "noon"),
        ({"free_form_answer": 30}, "free_form", "factoid", ("30",), "30"),
        ({"free_form_answer": LONG}, "free_form", "summary", (), LONG),
        ({"yes_no": True}, "yes_no", "yesno", ("Yes",), "Yes"),
        ({"yes_no": False}, "yes_no", "yesno", ("No",), "No"),
        # the evaluator's order
        ({"yes_no": True, "extractive_spans": ["a"]}, "extractive", "factoid", ("a",), "a"),
        ({"yes_no": True, "free_form_answer": "a"}, "free_form", "factoid", ("a",), "a"),
        ({"extractive_spans": [" "], "yes_no": True}, "yes_no", "yesno", ("Yes",), "Yes"),
        (
            {"unanswerable": True, "extractive_spans": ["a"]},
            *("unanswerable", "unanswerable", NO_ANSWER, NO_ANSWER[0]),
        ),
    ],
)
def test_answer_kinds(tmp_path, given, kind, answer_type, answers, reference):
    _, only = load_one(tmp_path, answer(**given))
    assert only.extra["answer_kind"] == kind
    assert (only.answer_type, only.answers, only.reference) == (answer_type, answers, reference)
    assert bool(only.key_points) == (answer_type == "list")


def words(text):
    return Annotation("free_form", text, (), (), ())


def spans(*texts):
    return Annotation("extractive", ", ".join(texts), texts, (), ())


YES, NO, NONE = (
    *(Annotation("yes_no", text, (), (), ()) for text in ("Yes", "No")),
    Annotation("unanswerable", "Unanswerable", (), (), ()),
)


@pytest.mark.parametrize(
    ("annotations", "kind", "answers", "reference", "agreement"),
    [
        ([YES], "yes_no", ("Yes",), "Yes", "one annotator"),
        ([NO, YES, YES], "yes_no", ("Yes",), "Yes", "disagree"),
        ([NO, YES], "yes_no", ("No",), "No", "disagree"),
        ([NONE, words("a")], "unanswerable", NO_ANSWER, NO_ANSWER[0], "disagree"),
        ([words("a"), NONE], "free_form", ("a",), "a", "disagree"),
        # two of three found an answer, though in two forms
        ([NONE, spans("a"), words("b")], "extractive", ("a", "b"), "a", "disagree"),
        ([words("b"), spans("a"), spans("c")], "extractive", ("a", "b", "c"), "a", "agree"),
        ([spans("a", "b"), spans("a")], "extractive", ("a, b", "a"), "a, b", "agree"),
        # a fuller reference with another annotator's short answer
        ([words(LONG), spans("a")], "free_form", ("a",), LONG, "agree"),
        ([NONE, NONE], "unanswerable", NO_ANSWER, NO_ANSWER[0], "agree"),
    ],
)
def test_several_annotators(annotations, kind, answers, reference, agreement):
    decision = decide(annotations)
    assert (decision.kind, decision.answers) == (kind, answers)
    assert (decision.reference, decision.agreement) == (reference, agreement)


@pytest.mark.parametrize(
    ("span", "others"),
    [
        ("Ledger BIBREF31", ("Ledger",)),
        ("Ledger (BIBREF3, BIBREF4)", ("Ledger",)),
        ("short tape (ST)BIBREF0 and longBIBREF1", ("short tape (ST) and long",)),
        ("BIBREF19", ()),
        ("the tape of BIBREF19", ()),
        ("BIBREF2 , BIBREF3", ()),
        ("Ledger", ()),
    ],
)
def test_an_answer_is_right_without_its_citations(span, others):
    assert decide([spans(span)]).answers == (span, *others)


def test_key_points_are_the_spans_of_the_reference():
    decision = decide([spans("Ledger BIBREF1", "tape"), spans("tape")])
    assert decision.key_points == (("Ledger BIBREF1", "Ledger"), ("tape",))
    assert decision.answers == ("Ledger BIBREF1, tape", "tape", "Ledger, tape")


def test_annotators_are_kept(tmp_path):
    _, only = load_one(tmp_path, answer(yes_no=True), answer(free_form_answer="a"), answer())
    assert only.extra["annotators"] == [
        {"kind": "yes_no", "answer": "Yes"},
        {"kind": "free_form", "answer": "a"},
    ]
    assert only.extra["nlp_background"] == "two"
    assert "topic_background" not in only.extra
    json.dumps(only.extra)


@pytest.mark.parametrize(
    ("evidence", "gold"),
    [
        ([WIDE], [1]),
        ([WIDE.replace(" ", "  \n")], [1]),
        (["We look at bridges. There are many of them in the county."], [0]),
        ([WIDE[10:60]], [1]),
        ([f"{WIDE} {LONG}"], [1, 2]),
        (["It is so."], [3]),
        ([LONG, WIDE, LONG], [2, 1]),
    ],
)
def test_evidence_becomes_gold_documents(tmp_path, evidence, gold):
    data, only = load_one(tmp_path, answer(yes_no=True, evidence=evidence))
    assert only.gold_doc_ids == tuple(f"2001.00001-{n}" for n in gold)
    assert data.counts["evidence passages of the answers used"] == len(evidence)
    assert only.extra["evidence_in"] == "text"
    assert not any("not found" in key or "without a gold" in key for key in data.counts)


def test_changed_evidence_is_found_by_its_highlighted_sentence(tmp_path):
    part = WIDE[3:60]
    given = {"evidence": [f"Formerly: {part} or so."], "highlighted_evidence": [part, LONG]}
    _, only = load_one(tmp_path, answer(yes_no=True, **given))
    assert only.gold_doc_ids == ("2001.00001-1",)


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        ("This stands nowhere in the whole of the paper.", "was not found in the paper"),
        ("so", "was not found in the paper"),
        ("Tape", "is a heading"),
        ("Methods ::: Tape", "is a heading"),
    ],
)
def test_evidence_that_leads_nowhere_is_counted(tmp_path, evidence, reason):
    data, only = load_one(tmp_path, answer(yes_no=True, evidence=[evidence]))
    assert only.gold_doc_ids == ()
    assert data.counts[f"evidence that {reason}"] == 1
    assert data.counts["answerable questions without a gold document"] == 1


def test_evidence_in_tables_needs_captions(tmp_path):
    given = answer(yes_no=True, evidence=[f"FLOAT SELECTED: {CAPTION}", LONG])
    other = answer(yes_no=True, evidence=["FLOAT SELECTED: Figure 9: A bridge."])
    data, only = load_one(tmp_path, given, other)
    assert only.gold_doc_ids == ("2001.00001-2",)
    assert data.counts["evidence in a table or figure"] == 2
    assert only.extra["evidence_in"] == "both"
    data, only = load_one(tmp_path, given, other, captions=True)
    assert only.gold_doc_ids == ("2001.00001-4", "2001.00001-2")
    assert data.documents[-1].text == CAPTION
    assert data.documents[-1].title.endswith("— Table or figure")
    assert data.counts["captions as documents"] == data.counts["evidence found by its caption"] == 1


def test_captions_are_missing_in_early_versions(tmp_path):
    content = papers()
    del content["2001.00001"]["figures_and_tables"]
    data = load(write(tmp_path / "a.json", content), captions=True)
    assert data.counts["papers without captions"] == 1


def test_only_evidence_of_the_answers_that_count(tmp_path):
    _, only = load_one(
        tmp_path,
        answer(yes_no=True, evidence=[WIDE]),
        answer(yes_no=False, evidence=[LONG]),
        answer(yes_no=True, evidence=["It is so."]),
    )
    assert only.gold_doc_ids == ("2001.00001-1", "2001.00001-3")


def test_official_archives_in_a_folder(tmp_path):
    content = papers()
    parts = {
        "qasper-train-dev-v0.3.tgz": {
            "./qasper-dev-v0.3.json": {"2001.00001": content["2001.00001"]},
            "./._qasper-dev-v0.3.json": "not data",
            "__MACOSX/._qasper-dev-v0.3.json": "not data",
        },
        "qasper-test-and-evaluator-v0.3.tgz": {
            "qasper-test-v0.3.json": {"2001.00002": content["2001.00002"]},
            "qasper_evaluator.py": "import json",
            "README.md": "# Qasper",
        },
    }
    for name, members in parts.items():
        with tarfile.open(tmp_path / name, "w:gz") as archive:
            for member, value in members.items():
                raw = (value if isinstance(value, str) else json.dumps(value)).encode()
                info = tarfile.TarInfo(member)
                info.size = len(raw)
                archive.addfile(info, io.BytesIO(raw))
    assert load(tmp_path).read == 5


def test_all_local_forms_are_the_same(tmp_path):
    import pyarrow
    import pyarrow.parquet

    content = papers()
    expected = load(write(tmp_path / "a.json", content))
    marked = b"\xef\xbb\xbf" + json.dumps(content, indent=1).replace("\n", "\r\n").encode()
    (tmp_path / "b.json").write_bytes(marked)
    (tmp_path / "c.json.gz").write_bytes(gzip.compress(marked))
    write(tmp_path / "d.json", hub_rows(content))
    (tmp_path / "e.jsonl").write_text("\n".join(map(json.dumps, hub_rows(content))))
    (tmp_path / "f.jsonl").write_text(
        "\n".join(json.dumps({"id": key} | value) for key, value in content.items())
    )
    pyarrow.parquet.write_table(
        pyarrow.Table.from_pylist(hub_rows(content)), tmp_path / "g.parquet"
    )
    for name in ("b.json", "c.json.gz", "d.json", "e.jsonl", "f.jsonl", "g.parquet"):
        assert load(tmp_path / name) == expected, name


def test_reads_the_hub(tmp_path, monkeypatch):
    import pyarrow
    import pyarrow.parquet

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "hub"
    files = []
    for split, (paper_id, content) in zip(("train", "test"), papers().items(), strict=True):
        place = folder / "qasper" / split / "0000.parquet"
        place.parent.mkdir(parents=True)
        table = pyarrow.Table.from_pylist(hub_rows({paper_id: content}))
        pyarrow.parquet.write_table(table, place)
        files.append(f"  - split: {split}\n    path: qasper/{split}/*.parquet\n")
    header = f"---\nconfigs:\n- config_name: qasper\n  data_files:\n{''.join(files)}---\n"
    (folder / "README.md").write_text(header)
    loader = dataclasses.replace(qasper.LOADER, hub=str(folder))
    monkeypatch.setattr(qasper, "LOADER", loader)
    options = qasper.QasperOptions(splits=("train", "test"))
    data = qasper.load(Source(options=options))
    assert (data.read, data.dropped) == (5, {"no answer in the source": 1})
    file = write(tmp_path / "a.json", papers())
    assert data == qasper.load(Source(file, options=qasper.QasperOptions()))
    data = qasper.load(Source(options=qasper.QasperOptions(splits=("test",))))
    assert [q.id for q in data.questions] == ["q5"]
    with pytest.raises(StudyError, match=r"split validation, .*cannot be read from the hub"):
        qasper.load(Source(options=qasper.QasperOptions(splits=("validation",))))


def test_a_paper_in_two_versions_is_that_of_the_newer(tmp_path):
    content = papers()
    write(tmp_path / "qasper-dev-v0.1.json", content)
    newer = copy.deepcopy(content)
    newer["2001.00002"]["full_text"][0]["paragraphs"].append("A new paragraph about bridges.")
    newer["2001.00002"]["qas"].append(question(6, answer(yes_no=True, evidence=[LONG])))
    newer["2001.00003"] = paper(question(1, answer(yes_no=True)))
    write(tmp_path / "qasper-dev-v0.3.json", newer)
    data = load(tmp_path)
    assert data.read == 12
    assert data.dropped == {
        "no answer in the source": 2,
        "same question read before": 4,
        "id of another paper's question": 1,
    }
    assert len(data.questions) == 5
    assert next(q for q in data.questions if q.id == "q6").gold_doc_ids == ("2001.00002-2",)
    assert "A new paragraph about bridges." in {d.text for d in data.documents}
    assert data.counts["papers read before (the first reading is used)"] == 2
    ids = [d.doc_id for d in data.documents]
    assert len(set(ids)) == len(ids) == 13


def test_questions_on_a_paper_without_text(tmp_path):
    content = papers()
    content["2001.00002"] |= {"abstract": None, "full_text": [], "title": None}
    data = load(write(tmp_path / "a.json", content))
    assert data.dropped["paper without text"] == 1


def changed(change):
    content = papers()
    change(content["2001.00002"])
    return content


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({}, "there is no question to use (it holds none)"),
        (changed(lambda p: p.pop("full_text")), "paper 2001.00002: is not in a format of `qasper`"),
        (changed(lambda p: p.pop("qas")), "it has the keys abstract"),
        (changed(lambda p: p.update(qas=["?"])), "paper 2001.00002, qas: must be a JSON object"),
        (changed(lambda p: p.update(title=["T"])), "`title` must be text"),
        (changed(lambda p: p["full_text"][0].update(paragraphs="x")), "`paragraphs` must be a"),
        (changed(lambda p: p["full_text"][0].update(paragraphs=[{}])), "must be text, this is an"),
        (changed(lambda p: p["qas"][0].pop("question")), "2001.00002, question 1: `question`"),
        (changed(lambda p: p["qas"][0].update(question_id="")), "`question_id` is missing"),
        (
            changed(lambda p: p["qas"][0]["answers"][0].pop("answer")),
            "question 1, answer 1, answer: must be a JSON object",
        ),
        (
            changed(lambda p: p["qas"][0]["answers"][0]["answer"].update(yes_no="Yes")),
            "question 1, answer 1: `yes_no` must be true, false or null",
        ),
        (
            changed(lambda p: p.update(qas={"question": ["a", "b"], "question_id": ["1"]})),
            "the columns of `qas` differ in length",
        ),
        ({"version": "1.1", "data": []}, "it has the keys data, version"),
        ([{"id": "1", "title": "t"}], "record 1: is not in a format of `qasper`"),
        ([["x"]], "must be a JSON object"),
        ("text", "it is text"),
        (
            {"1": paper(question(1, answer()), question(2))},
            "no question to use (2 no answer in the source)",
        ),
    ],
)
def test_bad_files_are_named(tmp_path, content, expected):
    path = write(tmp_path / "a.json", content)
    with pytest.raises(StudyError) as caught:
        load(path)
    assert expected in str(caught.value)
    assert str(path) in str(caught.value)


def test_damaged_and_missing_files(tmp_path):
    whole = gzip.compress(json.dumps(papers()).encode())
    (tmp_path / "a.json.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StudyError, match=r"a\.json\.gz: the compressed file is damaged"):
        load(tmp_path)
    (tmp_path / "a.json.gz").unlink()
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(StudyError, match="there is no data file for `qasper`"):
        load(tmp_path)
    with pytest.raises(StudyError, match="no such file"):
        load(tmp_path / "nowhere")


def test_options_are_checked(tmp_path):
    path = write(tmp_path / "a.json", papers())
    with pytest.raises(StudyError, match=r"`splits` chooses on the hub"):
        load(path, splits=["test"])
    with pytest.raises(StudyError, match=r"option 'splits\.0'"):
        load(path, splits=["dev"])
    with pytest.raises(StudyError, match=r"option 'splits'"):
        load(path, splits=[])
    # as the notebooks pass them
    spelt_out = qasper.QasperOptions().model_dump(mode="json")
    assert load(path, **spelt_out) == load(path)
