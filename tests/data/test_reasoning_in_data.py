import pytest

from rag_study.common.errors import StudyError
from rag_study.data.schema import Question
from rag_study.training import pairs


def test_reasoning_in_references_is_neither_compared_nor_trained_on():
    question = Question(
        "q",
        "Who?",
        ("<think>Lohr?</think>Orn", "[THINK]Lohr"),
        reference="<reasoning>Lohr?</reasoning>It was Orn.",
        rewording="<think>Lohr</think>",
    )
    assert question.answers == ("Orn",)
    assert question.reference == "It was Orn."
    assert question.rewording is None
    for style in ("as_given", "short", "long"):
        ((_, learned),), _ = pairs.with_answers([question], style)
        assert "Lohr" not in learned


def test_a_reference_that_is_nothing_but_reasoning_is_refused():
    with pytest.raises(StudyError, match="question 'q7': its answer is nothing but reasoning"):
        Question("q7", "Who?", ("<think>Lohr or",))
