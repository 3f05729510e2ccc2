import pytest

from rag_study.evaluation.judging.evidence import evidence

WHO = "who designed the harbour light"


@pytest.mark.parametrize(
    ("question", "right", "answer"),
    [
        (WHO, "Ada Quill", "It was Ada Quill, an engineer from the north."),
        (WHO, "ADA QUILL", "ada quill"),
        (WHO, "Quill", "Ada Quill"),  # more exact than was asked
        (WHO, "Ada Quill", "Quill designed it."),
        (WHO, "Ada Quill", "A. Quill"),
        (WHO, "A. Quill", "Ada Quill designed it."),
        (WHO, "Ada Quill", "Ada M. Quill"),
        (WHO, "Ada Quill", "Ada Mary Quill"),
        (WHO, "Ada Quill", "Ada Quill; Bo Tarn only painted it."),
        (WHO, "Ada Quill", "Not Bo Tarn but Ada Quill."),
        (WHO, "Xiu Li", "XiuLi? No: Xiuli Ma's sister Xiu Li."),
        ("when did it open", "1931", "On 9 May 1931."),
        ("when did it open", "May 9, 1931", "It opened on 9 May 1931."),
        ("how many visitors came", "2.4 million", "There were 2,400,000 of them."),
        ("what share", "6.5%", "It was 6.5 per cent."),
        ("how cold was it", "-7 °C", "minus 7 degrees"),
        ("is it open", "Yes", "Yes, it is."),
        ("is it open", "No, it has been shut since May.", "No"),
        ("is it open", "Yes", "The answer is yes."),
        ("¿está abierto?", "Sí", "Sí, está abierto."),
        ("who sang it", "No Doubt", "It was No Doubt."),
    ],
)
def test_these_hold_the_right_answer(question, right, answer):
    found = evidence(question, [right], answer)
    assert found.match >= 0.9
    assert not found.denied
    assert not found.rivals


@pytest.mark.parametrize(
    ("question", "right", "answer"),
    [
        (WHO, "Ada Quill", "Bo Tarn"),
        (WHO, "Ada Quill", "Bo Quill"),  # a relative
        ("how cold was it", "-7 °C", "7 °C"),
        ("how cold was it", "7 °C", "-7 °C"),
        ("how many visitors came", "2.4 million", "2.4 billion"),
        ("how many visitors came", "31,204", "3,204"),
        ("how many visitors came", "31,204", "31,240"),
        ("what share", "6.5%", "65%"),
        ("what share", "6.5%", "6.5 km"),
        ("when did it open", "9 May 1931", "9 June 1931"),
        ("when did it open", "1931", "191"),
        ("in which years was it open", "1931 and 1950", "191 and 1950"),
        ("is it open", "Yes", "No, it is shut."),
        ("¿está abierto?", "Sí", "No, está cerrado."),
        ("who sang it", "No Doubt", "Yes"),
    ],
)
def test_these_do_not(question, right, answer):
    assert evidence(question, [right], answer).match == 0


def test_the_right_answer_that_fits_best_counts():
    found = evidence(WHO, ["Bo Tarn", "Ada Quill", "Quill"], "Surely Ada Quill.")
    assert (found.match, found.reference) == (1.0, "Ada Quill")


@pytest.mark.parametrize(
    "answer",
    [
        "It was not Ada Quill.",
        "It wasn't Ada Quill but Bo Tarn.",
        "Ada Quill is wrong.",
        "Bo Tarn, not to be confused with Ada Quill",
    ],
)
def test_what_is_taken_back_is_no_match(answer):
    found = evidence(WHO, ["Ada Quill", "by Ada Quill", "Quill"], answer)
    assert found.denied
    assert found.match == 0
    assert found.share == 0


@pytest.mark.parametrize(
    ("answer", "rivals"),
    [
        ("Maybe Bo Tarn, maybe Ada Quill.", 1),
        ("It could be Bo Tarn, Cy Dell or Ada Quill.", 2),
        ("Bo Tarn, Cy Dell, Ada Quill, Di Fenn", 3),
        ("Bo Tarn or Ada Quill", 1),
        ("Ada Quill, Northport, in 1931", 0),
    ],
)
def test_further_guesses_are_counted(answer, rivals):
    assert evidence(WHO, ["Ada Quill"], answer).rivals == rivals


def test_other_right_answers_are_no_rivals():
    found = evidence("who may enter", ["Ada Quill", "Bo Tarn"], "Ada Quill or Bo Tarn may enter.")
    assert found.rivals == 0


def test_words_of_the_question_tell_nothing():
    question = "what is the colour of the harbour light"
    said = evidence(question, ["the harbour light is green"], "the colour of the harbour light")
    right = evidence(question, ["the harbour light is green"], "green")
    assert said.share == 0
    assert right.share == 1


def test_half_of_a_long_answer_overlaps_as_the_whole_one_and_shares_less():
    first, second = (
        "The pump lifts brine from the lower basin.",
        "A valve closes when it overflows.",
    )
    whole = evidence("how does it work", [f"{first} {second}"], f"{first} {second}")
    half = evidence("how does it work", [f"{first} {second}"], first)
    assert half.overlap == whole.overlap == 1
    assert half.share < 0.7
    assert half.points == pytest.approx(0.5, abs=0.1)
    assert (whole.points, whole.facts) == (1, 2)


def test_one_common_word_is_little():
    right = "The pump lifts brine from the lower basin, and a valve closes when it overflows."
    assert evidence("how does it work", [right], "the pump").overlap < 0.4


def test_key_points_in_any_wording_make_an_answer_complete():
    points = (("Ada Quill", "Miss Quill"), ("1931",))
    half = evidence(WHO, ["Ada Quill, in 1931"], "Miss Quill did.", points)
    both = evidence(WHO, ["Ada Quill, in 1931"], "Miss Quill did, on 9 May 1931.", points)
    assert (half.points, both.points, both.facts) == (0.5, 1.0, 2)


def test_a_wrong_number_or_name_is_seen_in_a_long_answer():
    right = "In Northport Ada Quill raised the tower by 12 metres and repaired the lamp."
    number = evidence("what did she do", [right], right.replace("12", "21"))
    name = evidence("what did she do", [right], right.replace("Northport", "Easthaven"))
    assert number.other_number
    assert not name.other_number
    assert name.other_name
    assert not number.other_name


def test_other_scripts_are_compared_by_letters_and_numbers():
    assert evidence("誰が", ["東京"], "東京です").match == 1
    assert evidence("когда", ["в 1931 году"], "это было в 1931 году").match == 1
    assert evidence("когда", ["в 1931 году"], "это было в 1932 году").match == 0


@pytest.mark.parametrize("answer", ["", "?", "🙂", "a" * 20_000, "1" * 400, "(" * 3000, "\\ [x"])
def test_strange_answers_are_read(answer):
    assert evidence(WHO, ["Ada Quill (b. 1900)"], answer).match == 0
    assert evidence(WHO, [answer or "x"], "Ada Quill").match == 0
