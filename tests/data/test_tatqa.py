import json

import pytest

from rag_study.common.errors import StudyError
from rag_study.data import load
from rag_study.data.sources import tatqa
from rag_study.data.sources.tatqa import table_text
from rag_study.data.sources.tatqa.answers import forms, numbers

TABLE = [
    ["", "Years ended 30 June,", ""],
    ["(in millions)", "2019", "2018"],
    ["Revenue:", "", ""],
    ["Lamps", "$ 1,234", "$1,100"],
    ["Ladders", "(56)", "—"],
    ["", "1,178", "1,100"],
]


def question(number, answer, **more):
    return {
        **{"uid": f"q{number}", "order": number, "question": f"What is value {number} of lamps?"},
        **{"answer": answer, "derivation": "", "answer_type": "span", "answer_from": "table"},
        **{"rel_paragraphs": [], "req_comparison": False, "scale": ""},
        **more,
    }


def report(*questions, uid="r1", table=TABLE):
    return {
        "table": {"uid": uid, "table": table},
        "paragraphs": [
            {"uid": "a", "order": 1, "text": "Lamps sold well in the north."},
            {"uid": "b", "order": 2, "text": " "},
        ],
        "questions": list(questions),
    }


def read(tmp_path, *reports, name="tatqa_dataset_dev.json"):
    (tmp_path / name).write_text(json.dumps(reports))
    return load("tatqa", str(tmp_path))


def test_a_report_and_its_documents(tmp_path):
    rows = [
        question(1, ["$ 1,234"], scale="million"),
        question(2, ["sold well"], answer_from="text", rel_paragraphs=["1"]),
        question(3, 12.5, answer_type="arithmetic", scale="percent", derivation="(1,234-1,100)/1"),
        question(4, ["1"], answer_from="table-text", rel_paragraphs=["1", "2", "9"]),
    ]
    data = read(tmp_path, report(*rows))
    assert data.read == len(rows) == len(data.questions)
    assert [d.doc_id for d in data.documents] == ["r1-t1", "r1-p1"]
    assert data.documents[0].title == "Table"
    one, two, three, four = data.questions
    assert one.gold_doc_ids == ("r1-t1",)
    assert two.gold_doc_ids == ("r1-p1",)
    assert four.gold_doc_ids == ("r1-t1", "r1-p1")
    assert one.group == one.scope == data.documents[1].scope == "r1"
    assert one.reference == "$1,234 million"
    assert three.answers == ("12.5%", "12.5 percent", "12.5")
    assert three.extra == {
        "tatqa_answer_type": "arithmetic",
        "tatqa_answer_from": "table",
        "tatqa_scale": "percent",
        "tatqa_derivation": "(1,234-1,100)/1",
    }
    assert data.counts == {"evidence that is not in its report": 2}
    assert tatqa.LOADER.own_scope


def test_answers_of_every_kind(tmp_path):
    rows = [
        question(1, ["(71)", "65", "65"], answer_type="multi-span", scale="million"),
        question(2, "2", answer_type="count", derivation="2019##2018"),
        question(3, -43, answer_type="arithmetic", scale="thousand"),
        question(4, ["word " * 21]),
        question(5, ["word " * 21, "short"], answer_type="multi-span"),
        question(6, 13237.0, answer_type="arithmetic"),
        question(7, "9.4", answer_type="arithmetic", scale="percent"),
    ]
    data = read(tmp_path, report(*rows))
    several, count, change, long, longs, plain, text = data.questions
    assert (several.answer_type, several.reference) == (
        "list",
        "-71 million; 65 million; 65 million",
    )
    assert len(several.key_points) == 2
    assert {"-71 million", "(71)", "-71,000,000"} < set(several.key_points[0])
    assert count.answers == ("2", "two")
    assert change.answers == ("-43 thousand", "-43", "-43,000")
    assert (long.answers, long.answer_type) == ((), "summary")
    assert (longs.answers, longs.answer_type, longs.key_points) == ((), "summary", ())
    assert plain.answers == ("13,237",)
    assert text.reference == "9.4%"


@pytest.mark.parametrize(
    ("text", "scale", "expected"),
    [
        ("(9.4%)", "percent", ("-9.4%", "-9.4 percent", "-9.4", "(9.4%)")),
        ("$3.0 million", "million", ("$3.0 million",)),
        ("0.4", "million", ("0.4 million", "0.4", "400,000")),
        ("1.2345", "thousand", ("1.2345 thousand", "1.2345")),
        ("−298", "thousand", ("-298 thousand", "-298", "-298,000", "−298")),
        ("growth of lamps", "million", ("growth of lamps",)),
        ("7", "dozen", ("7 dozen", "7")),
    ],
)
def test_forms_of_numbers(text, scale, expected):
    assert forms(text, scale) == expected


def test_numbers_of_a_derivation():
    assert numbers("($1,320.50 - 86) / .5 * 1.00") == {"1320.5", "86", "0.5", "1"}


def test_questions_that_cannot_be_used(tmp_path):
    raw = {"uid": "q9", "order": 1, "question": "What is it?"}
    used = question(1, ["65"])
    empty = [question(2, []), question(3, ""), question(4, None), question(5, ["5"], question=" ")]
    reports = [report(used, used, *empty), report(raw, uid="r2")]
    data = read(tmp_path, *reports)
    assert data.read == sum(len(r["questions"]) for r in reports)
    assert len(data.questions) == 1
    assert data.dropped == {
        "same question read before": 1,
        "no answer in the source": 4,
        "question without text": 1,
    }
    assert data.counts["reports without a question to use (left out)"] == 1
    assert {d.scope for d in data.documents} == {"r1"}


def test_files_with_the_same_questions(tmp_path):
    raw = {"uid": "q1", "order": 1, "question": "What is value 1 of lamps?"}
    (tmp_path / "tatqa_dataset_test.json").write_text(json.dumps([report(raw)]))
    data = read(tmp_path, report(question(1, ["65"])), name="tatqa_dataset_test_gold.json")
    assert (data.read, len(data.questions), len(data.documents)) == (2, 1, 2)


def test_gold_parts_of_a_long_table(tmp_path):
    table = [["", "2019", "2018"]] + [
        [f"Cost of item {n} in the northern warehouses", f"{n}01", f"{n}02"] for n in range(10, 60)
    ]
    table += [["Lamps", "1001", "7"]]  # the value of item 10 again
    rows = [
        question(1, 3, answer_type="arithmetic", derivation="1101 - 5902"),
        question(2, ["5801"]),
        question(3, ["2019"]),
        question(4, ["1001"]),
        question(
            5,
            "2",
            answer_type="count",
            derivation="Lamps## Cost of item 11 in the northern warehouses",
        ),
    ]
    data = read(tmp_path, report(*rows, table=table))
    tables = {d.doc_id: d.text for d in data.documents if "-t" in d.doc_id}
    assert len(tables) > 5
    assert data.documents[0].title == f"Table, part 1 of {len(tables)}"

    def gold(number):
        return data.questions[number - 1].gold_doc_ids

    assert gold(1) == ("r1-t1", f"r1-t{len(tables)}")
    assert len(gold(2)) == 1
    assert "5801" in tables[gold(2)[0]]
    assert gold(3) == tuple(tables)
    assert gold(4) == (f"r1-t{len(tables)}",)  # the question names lamps
    assert gold(5) == ("r1-t1", f"r1-t{len(tables)}")
    assert data.counts == {
        "questions whose rows of a long table are not known (all of it is gold)": 1
    }


def lines(table):
    return "\n".join(p.text for p in table_text.passages(table)).split("\n")


def test_tables_as_text():
    assert lines(TABLE) == [
        "Years ended 30 June,",
        "(in millions)",
        "Revenue:",
        "Lamps, 2019: $ 1,234; 2018: $1,100",
        "Ladders, 2019: (56); 2018: —",
        "2019: 1,178; 2018: 1,100",
    ]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ([], []),
        ([["", ""], ["", ""]], []),
        ([["Cash", "5"]], ["Cash: 5"]),
        ([["", "2019"], ["", "£m"], ["Cash", "5"]], ["Cash, 2019 £m: 5"]),
        # A name over several columns belongs to each of them where it is needed.
        (
            [
                ["", "2019", "", "2018", ""],
                ["", "Men", "Women", "Men", "Women"],
                ["Aged 65", "86.8", "88.9", "87.3", "89.3"],
            ],
            ["Aged 65, 2019 Men: 86.8; 2019 Women: 88.9; 2018 Men: 87.3; 2018 Women: 89.3"],
        ),
        # Names broken over two rows, and a caption over all columns.
        (
            [
                ["", "", "12 weeks", ""],
                ["", "July 7,", "April 14,", "June 1,"],
                ["", "2019", "2019", "2018"],
                ["High", "$1.30", "$2", "$3"],
            ],
            ["12 weeks", "High, July 7, 2019: $1.30; April 14, 2019: $2; June 1, 2018: $3"],
        ),
        # A second header in the middle, and levels of sections.
        (
            [
                *(["", "2019", "2018"], ["Assets", "", ""], ["Current", "", ""]),
                *(["Cash", "5", "6"], ["", "2017", "2016"], ["Cash", "7", None]),
            ],
            ["Assets", "Current", "Cash, 2019: 5; 2018: 6", "Cash, 2017: 7"],
        ),
        # One cell in the middle of a table is no header.
        (
            [
                *(["", "2019", "2018"], ["Sales", "5", "6"], ["", "Balance sheet:", ""]),
                *(["Cash", "7", "8"], ["See note 3", "", ""]),
            ],
            ["Sales, 2019: 5; 2018: 6", "Balance sheet:", "Cash, 2019: 7; 2018: 8", "See note 3"],
        ),
        # Text in cells is no header once the columns have names; short rows are filled up.
        (
            [["Name", "Age", "Office"], ["Ada Holm", "54", "Chair"], ["Bo Lund", "n/a"]],
            ["Name", "Ada Holm, Age: 54; Office: Chair", "Bo Lund, Age: n/a"],
        ),
    ],
)
def test_headers_and_sections(table, expected):
    assert [line for line in lines(table) if line] == expected


def test_long_tables_repeat_captions_and_section():
    table = [["", "2019", "2018"], ["", "(in thousands)", ""], ["Expenses:", "", ""]]
    table += [[f"Warehouse {n}", f"{n},000", f"{n},500"] for n in range(1, 60)]
    found = table_text.passages(table)
    assert len(found) > 3
    assert all(p.lines[:2] == ["(in thousands)", "Expenses:"] for p in found)
    assert [row for p in found for row in p.rows] == list(range(3, 62))
    assert all(table_text.tokens(p.text) <= table_text.BUDGET for p in found)


def test_a_row_that_is_longer_than_a_passage_is_several_lines():
    table = [["", *(f"Column {n}" for n in range(80))], ["Row", *(f"{n},123" for n in range(80))]]
    found = table_text.passages(table)
    assert len(found) > 1
    assert all(p.text.startswith("Row, Column") for p in found)
    assert {row for p in found for row in p.rows} == {1}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([{"data": []}], "record 1: is not in a format of `tatqa`; it has the keys data"),
        ([], "there are no questions"),
        ([report() | {"questions": None}], "`questions` must be a list"),
        ([report(question(1, {"a": 1}))], "question 1: `answer` must be text, a number"),
        ([report(question(1, [["a"]]))], "question 1: `answer` must be a list of texts"),
        ([report({"question": "?"})], "question 1: `uid` is missing"),
        ([report(table=["x"])], "`table` must be a list of rows"),
        ([report() | {"table": []}], "table: must be a JSON object"),
        ([report() | {"paragraphs": [{"text": "x"}]}], "paragraph 1: `order` is missing"),
        ([report({"uid": "1", "question": "?"})], "no answer in the source: 1"),
    ],
)
def test_bad_files_are_named(tmp_path, content, expected):
    with pytest.raises(StudyError) as caught:
        read(tmp_path, *content)
    assert expected in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_path_is_required():
    with pytest.raises(StudyError, match="data set `tatqa` needs `path:`"):
        load("tatqa")
