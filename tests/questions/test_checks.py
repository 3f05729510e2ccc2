"""What rules say of a written question, in wordings that no prompt of the package has."""

import pytest

from rag_study.common.errors import StudyError
from rag_study.data.schema import NO_ANSWER, Question
from rag_study.questions import checks, kinds
from rag_study.questions.kinds import Task
from rag_study.questions.passages import Place
from rag_study.retrieval.passage import Passage

ABOUT = """What does the excerpt claim about salmon?
According to the article, which port was closed?
Which two towns are named in the paragraph?
What is the topic of this passage?
Based on the information provided, who paid?
How many ships are listed above?
What does the author suggest about tariffs?
In the text, what colour is the door?
What is stated in the document?
What did this study find?
How many patients took part in the study?
What does the report conclude about exports?
Which method do the authors prefer?
Welche Stadt wird im Text genannt?
Wovon handelt dieser Artikel?
D'après le document, qui a gagné ?
De quoi parle ce texte ?
¿Qué ciudad se menciona en este artículo?
Según el fragmento, ¿quién ganó?
Che cosa dice il testo?
Volgens de tekst, wie won er?
Segundo o texto, quem ganhou?
О чём говорится в этом отрывке?
根据这段文字的段落，谁赢了？
文中提到的城市是哪个？
この記事によると、誰が勝ちましたか？""".splitlines()
FINE = """Which passage did Amundsen sail through in 1905?
Who wrote the text of the Charter of the Forest?
Which article of the treaty bans tariffs?
Who is the author of Middlemarch?
What document must a driver carry in Spain?
Where in Vienna is the context of Klimt's frieze shown?
In which paragraph 175 trials was Hirschfeld heard?
How long is the story of Gilgamesh?
What did the story about the fox and the grapes teach?
Who led the Framingham study in 1950?
Which report of the IPCC named 1.5 degrees?
What information must a label in the EU give?
Welcher Artikel des Grundgesetzes schützt die Würde?
Quel passage relie deux océans ?
¿Qué documento firmó Bolívar en 1816?
谁写了这座城市的宪法？""".splitlines()


@pytest.mark.parametrize("question", ABOUT)
def test_questions_about_the_passage_are_found_in_any_language(question):
    assert checks.is_about_the_passage(question)


@pytest.mark.parametrize("question", FINE)
def test_texts_and_passages_may_be_asked_about(question):
    assert not checks.is_about_the_passage(question)


@pytest.mark.parametrize(
    ("question", "stands"),
    [
        ("Where did she study?", False),
        ("What was his first job at the mill?", False),
        ("When was it opened?", False),
        ("Who wrote the music of the film?", False),
        ("What is the song's title?", False),
        ("How many seasons has the show?", False),
        ("Who wrote the music of the film Vertigo?", True),
        ("Which Swede scored first in the game?", True),
        ("Where did Curie study before she moved?", True),
        ("Why does a monk shave his head?", True),
        ("What do bees do with pollen when they return to the hive?", True),
    ],
)
def test_somebody_is_named_before_a_pronoun(question, stands):
    assert checks.stands_by_itself(question) is stands


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("Who paid for the canal?", True),
        ("The canal was paid for by Ann.", False),
        ("Why?", False),
        ("I am here now. How can I help you today?", False),
        ("这条运河是谁付的钱？", True),
        ("这条运河是安付的钱。", False),
        ("คลองนี้ใครเป็นคนจ่ายเงิน", True),
        ("Who paid? " * 30 + "?", False),
    ],
)
def test_what_is_a_question(text, is_one):
    assert checks.is_question(text) is is_one


def task(kind, text="Anna Ruiz paid 40 crowns for the canal in 1871, and sold it with its mills."):
    passage = Passage("d@0", "d", "The canal", text)
    return Task(kind, (Place(passage, "d"),))


def fault(kind, reply):
    draft = kinds.read_reply(kind, reply)
    return checks.NO_REPLY if draft is None else checks.fault(task(kind), draft)


def test_an_answer_stands_in_the_passage_as_whole_words():
    asked = "Question: Who paid for the canal?\nAnswer: "
    assert fault("factoid", asked + "Anna Ruiz") == ""
    assert fault("factoid", asked + "anna ruiz.") == ""
    assert fault("factoid", asked + "Ann") == checks.NOT_IN_PASSAGE
    assert fault("factoid", asked + "Anna Ruiz of Lugo") == checks.NOT_IN_PASSAGE
    assert fault("factoid", asked) == checks.NO_REPLY


def test_all_of_a_list_and_all_points_of_a_summary_stand_there():
    asked = "Question: What was sold in 1871?\nAnswer: "
    assert fault("list", asked + "the canal; its mills") == ""
    assert fault("list", asked + "the canal; its locks") == checks.NOT_IN_PASSAGE
    assert fault("list", asked + "the canal") == checks.NO_FORM
    said = "Anna Ruiz paid {} crowns for it, and later she sold it.\nPoints: Anna Ruiz; {}"
    assert fault("summary", asked + said.format(40, "40 crowns")) == ""
    assert fault("summary", asked + said.format(50, "40 crowns")) == checks.NOT_IN_PASSAGE
    assert fault("summary", asked + said.format(40, "50 crowns")) == checks.NOT_IN_PASSAGE
    assert fault("summary", asked + "Anna did.\nPoints: Anna Ruiz; 40") == checks.NO_FORM


@pytest.mark.parametrize(
    "reply",
    [
        "Question: Who paid?\nAnswer: Anna Ruiz",
        "**Question:** Who paid?\n\n**Answer:** Anna Ruiz\n\nQuestion: And who sold?\nAnswer: Bo",
        "Sure!\n\n- Question: “Who paid?”\n- Answer: “Anna Ruiz”",
        "Q: Who paid?\nA: Anna Ruiz",
        '```json\n{"question": "Who paid?", "answer": "Anna Ruiz"}\n```',
        "### Question: Who paid?\n### Answer:\nAnna Ruiz",
        "Question：Who paid?\nAnswer：Anna Ruiz",
        "1. Question: Who paid?\n   Answer: Anna Ruiz\n\nThe passage says so in its first line.",
        "Frage: Who paid?\nAntwort: Anna Ruiz",
        "问题：Who paid?\n答案：Anna Ruiz",
        "Question: Who paid?\nAnswer: Anna Ruiz\nExplanation: it is the first name there.",
    ],
)
def test_replies_are_read_in_the_forms_that_models_give(reply):
    draft = kinds.read_reply("factoid", reply)
    assert (draft.question, draft.answer) == ("Who paid?", "Anna Ruiz")


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "Who paid? Anna.",
        "Question: ...\nAnswer: ...",
        "Question: <the question>\nAnswer: x",
        "{}",
    ],
)
def test_what_holds_no_question_is_none(reply):
    assert kinds.read_reply("factoid", reply) is None


def test_lists_are_read_with_semicolons_lines_or_commas():
    for answer in (
        "oak; ash; elm",
        "\n- oak\n- ash\n- elm",
        "oak, ash, elm.",
        "1. oak\n2. ash\n3. elm",
    ):
        draft = kinds.read_reply("list", f"Question: Which trees?\nAnswer: {answer}")
        assert draft.items == ("oak", "ash", "elm")


def test_what_is_right_is_what_a_study_calls_right():
    one = Question("q", "Who?", ("Anna Ruiz",))
    assert checks.is_right("It was Anna Ruiz.", one)
    assert not checks.is_right("Anna", one)
    summary = Question("q", "How?", (), "summary", "Ruiz paid.", (("Ruiz",), ("40",)))
    assert checks.is_right("Ruiz did.", summary)
    assert not checks.is_right("Nobody knows.", summary)
    nothing = Question("q", "Who?", NO_ANSWER, "unanswerable")
    assert checks.is_right("The passages do not mention it.", nothing)
    assert checks.is_right("Das weiß ich nicht.", nothing)
    assert not checks.is_right("Anna Ruiz", nothing)


def test_types_are_checked_with_the_nearest():
    assert kinds.parse_kinds("factoid, yes-no,factoid") == ("factoid", "yes_no")
    with pytest.raises(StudyError, match="did you mean 'factoid'"):
        kinds.parse_kinds("factoids")
    with pytest.raises(StudyError, match="names nothing"):
        kinds.parse_kinds(",")
