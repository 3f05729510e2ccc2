"""What says a right answer depends on its type: yes or no, a list, a fact."""

import pytest

from rag_study.data.schema import Question
from rag_study.evaluation.reference import answer_recall, list_items
from rag_study.evaluation.yes_no import agrees


@pytest.mark.parametrize(
    ("answer", "gold", "agreed"),
    [
        ("Yes.", "yes", True),
        ("Yes, although no effect was seen in mice.", "No", False),
        ("No, but yes for rats.", "no", True),
        ("The answer is: no", "No", True),
        ("The answer is yes", "Yes", True),
        ("The drug works, yes.", "Yes", True),
        ("There is no evidence for it.", "no", True),
        ("True.", "yes", True),
        ("That is not true.", "Yes", False),
        ("This isn't correct.", "no", True),
        ("The correct answer is no.", "No", True),
        ("The correct answer is no.", "Yes", False),
        ("Not really.", "no", True),
        ("Certainly not.", "no", True),
        ("No doubt it helps.", "yes", True),
        ("Of course.", "yes", True),
        ("Das ist nicht wahr.", "nein", True),
        ("Das ist nicht wahr.", "ja", False),
        ("Ce n'est pas vrai", "non", True),
        ("Eso no es cierto.", "sí", False),
        ("Это не правда", "нет", True),
        ("यह सही नहीं है।", "नहीं", True),
        ("It inhibits the enzyme.", "Yes", False),
        ("", "Yes", False),
        ("**Yes** - it does", "Yes", True),
        ("Yes—it does", "yes", True),
        ("Sí, aunque no en ratones.", "Sí", True),
        ("El fármaco no inhibe la enzima, pero sí", "Sí", True),
        ("No.", "Sí", False),
        ("Yes.", "Sí", True),
        ("Ja, aber nicht immer", "ja", True),
        ("Oui.", "non", False),
        ("Да, конечно", "да", True),
        ("是的，可以。", "是", True),
        ("答案是：否", "否", True),
        ("不是，没有效果", "是", False),
        ("对于患者有效", "是", False),
        ("はい、そうです", "はい", True),
        ("いいえ", "はい", False),
        ("हाँ, यह सही है।", "हाँ", True),
        ("نعم، بالتأكيد", "نعم", True),
        ("না", "হ্যাঁ", False),
        ("جی ہاں", "ہاں", True),
        ("Não, mas sim para ratos", "não", True),
        ("Ya, benar", "ya", True),
        ("1847", "1847", None),
        ("Nobody knows", "norway", None),
    ],
)
def test_an_answer_says_yes_or_no_by_what_it_says_first(answer, gold, agreed):
    assert agrees(answer, gold) is agreed


def test_yes_no_questions_are_recalled_by_it():
    question = Question("q", "Is it?", ("no",), answer_type="yesno")
    assert answer_recall("No, it is not.", question) == 1.0
    assert answer_recall("Yes. There is no doubt.", question) == 0.0
    other = Question("q", "Is it?", ("maybe",), answer_type="yesno")  # neither: by its words
    assert answer_recall("Well, maybe so", other) == 1.0
    assert answer_recall("Yes", other) == 0.0


def test_lists_are_recalled_by_all_their_points_in_any_order():
    points = (("tin",), ("zinc", "Zn"), ("lead",))
    question = Question("q", "Which?", ("tin, zinc and lead",), "list", key_points=points)
    assert answer_recall("Lead and Zn, besides some tin", question) == 1.0
    assert answer_recall("Lead and tin", question) == 0.0
    plain = Question("q", "Which?", ("tin, zinc and lead",), "list")
    assert answer_recall("Lead, tin; zinc", plain) == 1.0
    assert answer_recall("Lead, tin", plain) == 0.0
    assert answer_recall("tin, zinc and lead", plain) == 1.0


def test_facts_are_recalled_by_their_words_in_sequence():
    question = Question("q", "Who?", ("Ada, Orn",))
    assert answer_recall("Orn and Ada", question) == 0.0
    assert answer_recall("It was Ada Orn", question) == 1.0
    assert answer_recall("x", Question("q", "Why?", (), reference="So.")) is None


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("tin, zinc and lead", ["tin", "zinc", "lead"]),
        ("salt and pepper", ["salt", "pepper"]),  # as a whole it counts as well
        ("Vitamin E", ["Vitamin E"]),
        ("Salz & Pfeffer", ["Salz", "Pfeffer"]),
        ("塩と胡椒", ["塩", "胡椒"]),
        ("ملح وفلفل", ["ملح", "فلفل"]),
        ("", []),
        ("1,234 sheep, 5 goats", ["1,234 sheep", "5 goats"]),
        ("tin\nzinc", ["tin", "zinc"]),
        ("锡、锌和铅", ["锡", "锌", "铅"]),
        ("Zinn, Zink und Blei.", ["Zinn", "Zink", "Blei."]),
    ],
)
def test_what_a_list_names(text, items):
    assert list_items(text) == items
