import pytest

from rag_study.data.schema import NO_ANSWER
from rag_study.evaluation.judging.ladder import REFUSAL
from rag_study.evaluation.judging.rungs.forms import FRAMES, SENTENCE_FRAMES
from rag_study.evaluation.refusals import is_empty, is_refusal


@pytest.mark.parametrize(
    "answer",
    [
        REFUSAL,
        *NO_ANSWER,
        "I don't know.",
        "Cannot tell.",
        "Unable to determine",
        "We were not able to find it.",
        "None of these documents mention the tower.",
        "Neither text says who built it.",
        "Nothing in the excerpts says so.",
        "The answer is nowhere in the passages.",
        "Not in the provided documents.",
        "This is not discussed in the articles.",
        "It is impossible to say from the text.",
        "No answer was found.",
        "The information is not available.",
        "I’m not sure",
        "I'm sorry, the document does not say that.",
        "The passages don't mention who built it.",
        "Based on the provided passages, there is no information about the tower.",
        "Sorry, I cannot answer that. Please provide more context.",
        "It is not known who built it.",
        "As an AI language model, I cannot answer.",
        "The information is not provided in the passages, so I cannot say.",
        "The question cannot be answered from the passages given above.",
        "The context does not contain enough information.",
        "No response.",
        "No submission was made",
        "no comment",
        "None given",
        "idk",
        "(blank)",
        "Answer pending",
        "TBD",
    ],
)
def test_these_only_say_that_they_do_not_answer(answer):
    assert is_refusal(answer)
    assert not is_empty(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "No",
        "I do not know the exact day, but it was in 1847.",
        "The passages do not say it. However, Ann built the tower.",
        "The unknown soldier",
        "This is not available in Norway.",
        "Not found in Norway.",
        "As an AI pioneer, Ann built it in 1950.",
        "Neither of the towers is of stone.",
        "It was not in the tower.",
        "Impossible",
        "The drug does not contain lactose.",
        "The paper does not use pretraining.",
        "No evidence of a link was found.",
        "There is no evidence that vitamin C prevents colds.",
        "The disease is not known to be hereditary.",
        "The gene was not found in mice.",
        "The term is for mills that were not found in the old charts",
        "The code is not provided.",
        "The structure cannot be determined by X-rays.",
        "The text states that he did not mention it to anyone",
        "I do not know. " + "Ann built it in the north of the town. " * 12,
        *(frame.format("the unknown builder of the tower") for frame in FRAMES),
        *(frame.format("The builder is not known to history.") for frame in SENTENCE_FRAMES),
    ],
)
def test_these_say_something(answer):
    assert not is_refusal(answer)


@pytest.mark.parametrize(
    ("repeated", "longer"),
    [
        ("I do not know. " * 20, "I do not know. " * 21),  # 80 and 84 words
        ("I do not know " + "x" * 1500, "I do not know " + "x" * 1600),  # letters, where no spaces
    ],
)
def test_a_long_answer_says_something_whatever_its_words(repeated, longer):
    assert is_refusal(repeated)
    assert not is_refusal(longer)


def test_an_answer_without_letters_and_digits_is_empty_in_any_script():
    assert all(map(is_empty, ("", "  \n", "...", "—", "<<<>>>")))
    assert not any(map(is_empty, ("7", "нет", "不知道", "no", "é")))
