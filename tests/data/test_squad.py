import gzip
import json

import pytest

from rag_study.common.errors import StudyError
from rag_study.data import load
from rag_study.data.sources import squad

BRIDGE = "  The Old Bridge was built in 1871 by Ada Holm. It is 340 metres long."
TOWER = "The Tower of Ulvik has a café on top."


def span(context, text):
    return {"text": text, "answer_start": context.index(text)}


def qa(number, question="Who built it?", answers=(), **more):
    return {"id": f"q{number}", "question": question, "answers": list(answers), **more}


def article(title, context, *qas):
    return {"title": title, "paragraphs": [{"context": context, "qas": list(qas)}]}


def content():
    return {
        "version": "v2.0",
        "data": [
            article(
                "Old_Bridge_%C3%A9",
                BRIDGE,
                qa(
                    1,
                    answers=[
                        span(BRIDGE, "Holm"),
                        span(BRIDGE, "Ada Holm"),
                        span(BRIDGE, "Ada Holm"),
                    ],
                    is_impossible=False,
                ),
                qa(
                    2,
                    "Who painted it?",
                    is_impossible=True,
                    plausible_answers=[span(BRIDGE, "Ada Holm")],
                ),
            ),
            article("Tower", TOWER, qa(3, "What is on top?", [span(TOWER, "café")])),
        ],
    }


def write(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


def count_raw(value):
    return sum(len(p.get("qas") or []) for a in value["data"] for p in a["paragraphs"])


def adds_up(data, raw):
    assert data.read == raw == len(data.questions) + sum(data.dropped.values())
    ids = {d.doc_id for d in data.documents}
    assert len(ids) == len(data.documents)
    assert all(doc_id in ids for q in data.questions for doc_id in q.gold_doc_ids)
    assert len({q.id for q in data.questions}) == len(data.questions)


def test_the_original_form(tmp_path):
    data = load("squad", str(write(tmp_path / "dev-v2.0.json", content())))
    adds_up(data, count_raw(content()))
    built, painted, top = data.questions
    assert built.answers == ("Ada Holm", "Holm")  # the most frequent first
    assert (built.reference, built.answer_type, built.scope) == ("Ada Holm", "factoid", None)
    assert built.group == "Old Bridge é"
    assert built.gold_doc_ids == ("Old Bridge é-1",)
    assert painted.answer_type == "unanswerable"
    assert painted.gold_doc_ids == ("Old Bridge é-1",)
    assert painted.extra == {"plausible_answers": ["Ada Holm"]}
    assert top.answers == ("café",)
    assert data.documents[0].text == BRIDGE.strip()
    assert data.counts == {}


def test_answerable_only_counts_what_it_leaves_out(tmp_path):
    path = write(tmp_path / "dev.json", content())
    data = load("squad", str(path), options={"answerable_only": True})
    adds_up(data, 3)
    assert data.dropped == {"not answered by its text (answerable_only)": 1}
    with pytest.raises(StudyError, match="option 'split'"):
        load("squad", str(path), options={"split": "dev"})


def test_an_export_of_an_annotation_tool(tmp_path):
    """Numbers as ids, no title, no start, null, the same ids in every file."""
    first = {
        "data": [
            {
                "paragraphs": [
                    {
                        "context": TOWER,
                        "document_id": 5,
                        "qas": [
                            {
                                "id": 1,
                                "question": "What is there?",
                                "answers": [{"text": "a café", "answer_id": 8}],
                                "is_impossible": False,
                            },
                            {"id": 2, "question": "Where?", "answers": None},
                            {"id": 3, "question": " ", "answers": None},
                            {"id": 4, "question": "When?", "is_impossible": True, "answers": []},
                            {
                                "id": 5,
                                "question": "Why?",
                                "is_impossible": True,
                                "answers": [{"text": "café"}],
                            },
                        ],
                    },
                    {"context": "A paragraph without a question.", "qas": None},
                    {"context": None, "qas": [{"id": 6, "question": "Who?", "answers": []}]},
                ]
            }
        ]
    }
    second = {"data": [article(None, BRIDGE, {**qa(1, "How?", [{"text": "slowly"}]), "id": 1})]}
    second["data"][0]["paragraphs"].append(first["data"][0]["paragraphs"][0])
    write(tmp_path / "a.json", first)
    write(tmp_path / "b.json", second)
    data = load("squad", str(tmp_path))
    adds_up(data, count_raw(first) + count_raw(second))
    assert [q.id for q in data.questions] == ["1", "4", "1-2"]
    assert data.dropped == {
        "no answer in the source": 2,
        "question without text": 2,
        "marked as impossible, yet it has an answer": 2,
        "its text is empty": 1,
        "same question read before": 2,
    }
    assert data.counts == {
        "paragraphs without a question": 1,
        "ids that several questions have (a number was added)": 1,
        "answers that are not in their paragraph (kept)": 1,
    }
    assert [d.doc_id for d in data.documents] == ["paragraph-1", "paragraph-2", "paragraph-3"]
    assert data.questions[0].group is None


def test_answers_at_a_wrong_place_are_kept_and_counted(tmp_path):
    value = {
        "data": [
            article("T", TOWER, qa(1, answers=[{"text": "café", "answer_start": 3}])),
            article("U", BRIDGE, qa(2, answers=[{"text": "1872", "answer_start": 31.0}])),
        ]
    }
    data = load("squad", str(write(tmp_path / "x.json", value)))
    assert len(data.questions) == 2
    assert data.counts == {
        "answers not at their place in the paragraph (kept)": 1,
        "answers that are not in their paragraph (kept)": 1,
    }


def test_whole_documents_as_paragraphs_are_counted(tmp_path):
    text = "word " * 1500
    value = {"data": [article("T", text, qa(1, answers=[span(text, "word")]))]}
    data = load("squad", str(write(tmp_path / "x.json", value)))
    assert data.counts == {"paragraphs of more than 5,000 characters": 1}


def test_a_long_answer_is_the_reference_only(tmp_path):
    long = " ".join(["word"] * 21)
    value = {
        "data": [
            article(
                "T",
                f"{long} end",
                qa(1, answers=[span(long, long)]),
                qa(2, answers=[span(long, long), span(long, "word")]),
            )
        ]
    }
    one, two = load("squad", str(write(tmp_path / "x.json", value))).questions
    assert (one.answers, one.answer_type, one.reference) == ((), "summary", long)
    assert (two.answers, two.reference) == (("word",), "word")


ROWS = [
    {
        "id": "r1",
        "title": "Old_Bridge",
        "context": BRIDGE,
        "question": "Who built it?",
        "answers": {"text": ["Ada Holm"], "answer_start": [BRIDGE.index("Ada")]},
    },
    {
        "id": "r2",
        "title": "Old_Bridge",
        "context": BRIDGE,
        "question": "Who paid for it?",
        "answers": {"text": [], "answer_start": []},
    },
]


@pytest.mark.parametrize("form", ["rows.jsonl", "lines.json", "array.json", "rows.parquet"])
def test_rows(tmp_path, form):
    path = tmp_path / form
    if form == "array.json":
        write(path, ROWS)
    elif form == "rows.parquet":
        write_parquet(path, ROWS)
    else:
        path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(map(json.dumps, ROWS)).encode())
    data = load("squad", str(path))
    adds_up(data, 2)
    assert [q.answer_type for q in data.questions] == ["factoid", "unanswerable"]
    assert [d.doc_id for d in data.documents] == ["Old Bridge-1"]


def test_rows_without_answers_are_not_unanswerable(tmp_path):
    rows = [ROWS[0], ROWS[1] | {"answers": None}, ROWS[1] | {"id": "r3", "is_impossible": False}]
    data = load("squad", str(write(tmp_path / "rows.json", rows)))
    assert data.dropped == {"no answer in the source": 2}


def test_a_list_of_articles_without_the_object_around_it(tmp_path):
    data = load("squad", str(write(tmp_path / "articles.json", content()["data"])))
    adds_up(data, 3)


def write_parquet(path, rows):
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


def test_hub(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "squad_v2"
    (folder / "squad_v2").mkdir(parents=True)
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: squad_v2\n  default: true\n  data_files:\n"
        "  - split: train\n    path: squad_v2/train-*.parquet\n"
        "  - split: validation\n    path: squad_v2/validation-*.parquet\n---\n"
    )
    write_parquet(folder / "squad_v2" / "train-00000.parquet", ROWS)
    write_parquet(folder / "squad_v2" / "validation-00000.parquet", [ROWS[0] | {"id": "v1"}])
    both = load("squad", options={"repository": str(folder)})
    adds_up(both, 3)
    chosen = {"repository": str(folder), "config": "squad_v2", "splits": ["validation"]}
    assert [q.id for q in load("squad", options=chosen).questions] == ["v1"]
    assert squad.LOADER.hub == squad.SquadOptions().repository


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"version": "v2.0", "data": []}, "there are no questions"),
        ({"version": "v2.0"}, "not in a format of `squad`; it has the keys version"),
        ([], "there are no questions"),
        ([{"id": "1", "body": "?"}], "record 1: is not in a format of `squad`"),
        ({"data": [{"story": "x", "questions": []}]}, "article 1: is not in a format"),
        ({"data": ["x"]}, "article 1: must be a JSON object"),
        ({"data": [{"paragraphs": {}}]}, "`paragraphs` must be a list"),
        ({"data": [{"paragraphs": [{"qas": []}]}]}, "paragraph 1: `context` is missing"),
        ({"data": [article("T", TOWER, {"id": "1"})]}, "question 1: `question` is missing"),
        ({"data": [article("T", TOWER, {"question": "?"})]}, "question 1: `id` is missing"),
        ({"data": [article("T", TOWER, qa(1, answers=["x"]))]}, "must be a JSON object"),
        (
            {"data": [article("T", TOWER, qa(1, answers=[{"text": "x", "answer_start": "4"}]))]},
            "`answer_start` must be a number, this is text",
        ),
        (
            {"data": [article("T", TOWER, qa(1, is_impossible="maybe"))]},
            "`is_impossible` must be true or false",
        ),
        ([ROWS[0] | {"answers": {"text": ["a"], "answer_start": [1, 2]}}], "one `answer_start`"),
        (
            {"data": [article("T", TOWER, qa(1, answers=[]))]},
            "none of 1 question can be used (no answer in the source: 1)",
        ),
    ],
)
def test_bad_files_are_named(tmp_path, value, expected):
    path = write(tmp_path / "bad.json", value)
    with pytest.raises(StudyError) as caught:
        load("squad", str(path))
    assert expected in str(caught.value)
    assert "bad.json" in str(caught.value)


def test_damaged_files(tmp_path):
    whole = json.dumps(content(), indent=1)
    (tmp_path / "cut.json").write_text(whole[:-20])
    with pytest.raises(StudyError, match=r"cut\.json: is not valid JSON"):
        load("squad", str(tmp_path / "cut.json"))
    (tmp_path / "cut.json.gz").write_bytes(gzip.compress(whole.encode())[:-30])
    with pytest.raises(StudyError, match="damaged or cut off"):
        load("squad", str(tmp_path / "cut.json.gz"))
    (tmp_path / "empty.json").write_text("")
    with pytest.raises(StudyError, match="the file is empty"):
        load("squad", str(tmp_path / "empty.json"))
    (tmp_path / "other").mkdir()
    with pytest.raises(StudyError, match="no data file for `squad`"):
        load("squad", str(tmp_path / "other"))
