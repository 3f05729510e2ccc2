import ast
import re
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import styled_study

from rag_study.common.text import contains, normalise
from rag_study.data.schema import Document, Question
from rag_study.evaluation import reference
from rag_study.evaluation.judging import style
from rag_study.evaluation.judging.style import FORMS, LENGTHS, STYLES


@pytest.fixture(scope="module")
def asked():
    return styled_study.questions(40)


@pytest.fixture(scope="module")
def rungs(asked):
    return pd.DataFrame(style.style_rungs(asked, styled_study.documents(asked)))


def test_every_style_holds_the_same_words_that_decide(asked, rungs):
    by_id = {question.id: question for question in asked}
    assert set(rungs["style"]) == set(STYLES)
    assert rungs.groupby(["question_id", "style"])["merit"].nunique().eq(2).all()
    for row in rungs.itertuples():
        question = by_id[row.question_id]
        scores = reference.score(row.candidate, question)
        assert scores["answer_recall"] == (row.merit == "right"), row.candidate
    # Right and wrong answer of a question differ in the core alone.
    for _, pair in rungs.groupby(["question_id", "style"]):
        right, wrong = pair.set_index("merit").loc[["right", "wrong"], "candidate"]
        core = by_id[pair["question_id"].iloc[0]].answers[0]
        assert re.sub(rf"\b{core}\b", "_", right) == re.sub(r"\b1[5-6]\d\d\b", "_", wrong)


def test_lengths_are_ordered_and_forms_are_what_they_say(asked, rungs):
    questions = rungs["question_id"].map({q.id: q.question for q in asked})
    lengths = rungs["candidate"].str.split().str.len()
    medians = lengths.groupby(rungs["style"]).median()
    assert list(medians[list(LENGTHS)]) == sorted(medians[list(LENGTHS)])
    assert 10 < medians["more"] < 30 < medians["long"] < 60 < medians["very_long"] < 130
    passages = {d.doc_id: d.text for d in styled_study.documents(asked)}
    own = rungs["question_id"].map({q.id: passages[q.gold_doc_ids[0]] for q in asked})
    for name in FORMS:
        has = [
            style.forms(candidate, question, [passage])[name]
            for candidate, question, passage in zip(rungs["candidate"], questions, own, strict=True)
        ]
        assert pd.Series(has)[(rungs["style"] == name).to_numpy()].all(), name
        plain = rungs["style"].isin(["short", "sentence"]).to_numpy()
        assert not pd.Series(has)[plain].any(), name


def test_what_is_added_says_nothing_about_the_answer():
    questions = [
        Question(
            "a", "Who painted the ceiling of the hall?", ("Lena Marwick",), gold_doc_ids=("x",)
        ),
        Question("b", "Who built the organ?", ("Otto Brandis",), gold_doc_ids=("y",)),
    ]
    told = "Lena Marwick painted it over four summers and a winter. "
    told += (
        "The hall has nine windows on its western side. Visitors pay nothing on Sundays at all. "
    )
    told += (
        "Otto Brandis came from a village near the coast. The roof was mended with slate in May."
    )
    documents = [Document("x", "", told), Document("y", "", told)]
    rows = style.style_rungs(questions, documents)
    longer = [r for r in rows if r["style"] in ("more", "long", "very_long", "passage")]
    assert longer
    for row in longer:
        assert row["candidate"].count("Marwick") + row["candidate"].count("Brandis") == 1


def test_questions_without_an_answer_or_another_of_their_kind_have_no_rungs():
    refused = Question("r", "What is unsaid?", ("unanswerable",), answer_type="unanswerable")
    only = Question("o", "Which river is it?", ("Dorne",))
    same = Question("s", "Which river runs there?", ("Dorne",))
    assert style.style_rungs([refused, only, same]) == []
    assert style.style_rungs([]) == []


def test_no_english_words_are_put_around_an_answer_in_another_language():
    asked = [
        Question("a", "这座桥是哪一年建成的？", ("1932年",)),
        Question("b", "这座塔是哪一年建成的？", ("1875年",)),
    ]
    rows = style.style_rungs(asked)
    assert {row["style"] for row in rows} == {"short", "sentence", "restated", "list"}
    assert not any(re.search("[A-Za-z]", row["candidate"]) for row in rows)
    right = [r for r in rows if r["question_id"] == "a" and r["merit"] == "right"]
    assert all(contains(row["candidate"], "1932年") for row in right)


def test_the_same_rungs_every_time(asked, rungs):
    again = style.style_rungs(asked, styled_study.documents(asked))
    assert again == rungs.to_dict("records")


# --- What real answers are ------------------------------------------------------------------------


def test_the_rungs_are_found_to_be_what_they_are(asked, rungs):
    """The mixture of a rung's own answers is that rung, or very near."""
    words = rungs["candidate"].str.split().str.len()
    knots = style.length_knots(rungs.assign(answer_length=words.astype(float)))
    passages = {d.doc_id: d.text for d in styled_study.documents(asked)}
    by_id = {question.id: question for question in asked}
    for place, name in enumerate(STYLES):
        chosen = rungs[rungs["style"] == name]
        has = pd.DataFrame(
            [
                style.forms(
                    r.candidate,
                    by_id[r.question_id].question,
                    [passages[by_id[r.question_id].gold_doc_ids[0]]],
                )
                for r in chosen.itertuples()
            ]
        )
        weights = style.mixture(words[chosen.index].to_numpy(), has, knots).mean(axis=0)
        assert weights.sum() == pytest.approx(1.0)
        assert weights[place] > 0.9, name


def test_an_answer_between_two_lengths_counts_to_both():
    knots = np.array([1.0, 4.0, 19.0, 43.0, 91.0, 17.0, 3.0, 34.0])
    has = pd.DataFrame({name: [False] * 4 for name in FORMS})
    weights = style.mixture(np.array([1.0, 9.0, 91.0, 500.0]), has, knots)
    assert weights[0, 0] == 1.0
    between = (np.log(10) - np.log(5)) / (np.log(20) - np.log(5))
    assert weights[1, 1:3] == pytest.approx([1 - between, between])
    assert weights[2:, 4] == pytest.approx([1.0, 1.0])
    assert list(style.beyond(np.array([91.0, 500.0]), knots)) == [False, True]
    # A form adds what it does to an answer of its own length, whatever the length of this one.
    listed = has.assign(list=True)
    added = style.mixture(np.array([1.0, 9.0, 91.0, 500.0]), listed, knots) - weights
    assert np.ptp(added, axis=0) == pytest.approx(np.zeros(8))
    assert added[0, 6] == 1.0
    assert added.sum() == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("answer", "form"),
    [
        ("- one\n- two", "list"),
        ("1. First thing\n2. Second thing", "list"),
        ("The answer is **Orwell**.", "list"),
        ("The mill by the river was opened in the year 1820.", "restated"),
        ("It was 1820.", None),
        ("In 3.5 hours", None),
        ("-5", None),
    ],
)
def test_forms_of_real_answers(answer, form):
    found = style.forms(answer, "In which year was the mill by the river opened?")
    assert [name for name, has in found.items() if has] == ([form] if form else [])


def test_copied_words_are_found_in_passages_alone():
    passage = "The bridge has seven arches of granite and was finished in the spring of 1841."
    copied = "It has seven arches of granite and was finished in the spring of 1841"
    assert style.forms(copied, "How old is it?", [passage])["passage"]
    assert not style.forms(copied, "How old is it?", [])["passage"]
    assert not style.forms("1841", "How old is it?", [passage])["passage"]


def test_the_style_rungs_share_no_words_with_the_material_of_the_packages_judge():
    """Sentences of the frames, and modules: nothing of the training material is in them."""
    folder = Path(style.__file__).parent
    tree = ast.parse((folder / "style.py").read_text())
    imported = {
        node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module
    }
    assert not any("training" in name or "corruption" in name for name in imported)
    frames = [normalise(f.format("")) for f in (*style._FRAMES, *style._TEXT_FRAMES)]
    material = "\n".join(
        normalise(path.read_text()) for path in folder.glob("training*") if path.is_file()
    )
    assert material
    assert not [frame for frame in frames if len(frame.split()) > 3 and frame in material]


def test_the_cost_of_a_check_counts_its_style_rungs(rungs):
    from rag_study.study.running import costs

    each = rungs.groupby("question_id").size()
    assert each.max() == 2 * len(STYLES) == costs._STYLE_RUNGS
    assert each.mean() > 0.9 * costs._STYLE_RUNGS


@pytest.mark.parametrize(
    ("question", "statement"),
    [
        ("What is the tallest peak of the range?", "The tallest peak of the range is Mount Vell."),
        ("who was the owner of the mill", "The owner of the mill was Mount Vell."),
        ("Which town was the last stop?", "The last stop was Mount Vell."),
        ("How tall is it?", ""),
        ("In which year was the mill opened?", ""),
    ],
)
def test_a_question_is_said_again_as_a_statement_where_a_rule_makes_one(question, statement):
    assert style._statement(question, "Mount Vell") == statement
    assert style._statement(question, "It is a whole sentence.") == ""


def test_documents_whose_lines_are_as_wide_as_a_page_have_sentences_as_well(asked):
    documents = styled_study.documents(asked)
    wrapped = [
        Document(doc_id=d.doc_id, title=d.title, text=textwrap.fill(d.text, 60)) for d in documents
    ]
    assert any("\n" in d.text for d in wrapped)
    assert style.style_rungs(asked, wrapped) == style.style_rungs(asked, documents)
