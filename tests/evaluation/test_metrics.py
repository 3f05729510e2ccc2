import random

import pandas as pd
import pytest

from rag_study.common.text import contains
from rag_study.data.schema import NO_ANSWER, Question
from rag_study.evaluation import criteria, reference, similarity
from rag_study.evaluation.metrics import METRICS, Metrics


def question(*answers, key_points=()):
    return Question("q", "?", answers, key_points=key_points)


@pytest.mark.parametrize(
    ("answer", "gold", "exact", "f1"),
    [
        ("The Eiffel Tower.", "eiffel tower", 1.0, 1.0),
        ("Paris, France", "Paris", 0.0, 2 / 3),
        ("london", "Paris", 0.0, 0.0),
        ("", "Paris", 0.0, 0.0),
        ("a b b", "b b b", 0.0, 2 * 2 / 5),  # articles go, tokens count as often as they occur
    ],
)
def test_squad_examples(answer, gold, exact, f1):
    assert reference.exact_match(answer, gold) == exact
    assert reference.token_f1(answer, gold) == pytest.approx(f1)


def test_the_best_of_several_answers_counts():
    scores = reference.score("It was in 1847", question("MDCCCXLVII", "1847"))
    assert scores["answer_recall"] == 1.0
    assert scores["exact_match"] == 0.0
    assert scores["answer_length"] == 4.0
    assert scores["key_point_recall"] is None


def test_a_summary_without_short_answers_is_compared_with_its_reference_alone():
    scores = reference.score("It melts ice.", Question("q", "?", (), reference="It melts all ice."))
    assert scores["rouge_l"] == pytest.approx(6 / 7)
    assert [scores[m] for m in ("exact_match", "token_f1", "answer_recall")] == [None] * 3


def test_a_refusal_is_right_where_nothing_can_be_answered():
    unanswerable = Question("q", "?", NO_ANSWER, answer_type="unanswerable")
    said = reference.score("I'm sorry, the document does not say that.", unanswerable)
    assert said["answer_recall"] == 1.0
    assert reference.score("Forty-two.", unanswerable)["answer_recall"] == 0.0


def test_contains_wants_whole_words_in_sequence():
    assert contains("made of tin, then sold", "tin") == 1.0
    assert contains("a tinker", "tin") == 0.0
    assert contains("New York is old", "York New") == 0.0
    assert contains("anything", "the") == 0.0
    assert contains("It is Orwell's novel", "Orwell") == 1.0
    assert contains("It is Orwell\u2019s novel", "Orwell") == 1.0
    assert contains("at Wendy's", "Wendy's") == 1.0
    assert contains("the Orwellian novel", "Orwell") == 0.0


def test_key_points_found():
    points = (("copper", "Cu"), ("salt",), ("amber",))
    assert reference.key_point_recall("Copper and amber.", points) == pytest.approx(2 / 3)
    assert reference.key_point_recall("Cu, copper.", points) == pytest.approx(1 / 3)
    assert reference.key_point_recall("", points) == 0.0


def test_rouge_l_against_a_plain_longest_common_subsequence():
    def lcs(a, b):
        if not a or not b:
            return 0
        if a[-1] == b[-1]:
            return lcs(a[:-1], b[:-1]) + 1
        return max(lcs(a[:-1], b), lcs(a, b[:-1]))

    rng = random.Random(0)
    for _ in range(20):
        words = ["stone", "river", "mill", "oak"]
        answer, gold = rng.choices(words, k=6), rng.choices(words, k=6)
        common = lcs(answer, gold)
        expected = 2 * common / 12
        assert reference.rouge_l(" ".join(answer), " ".join(gold)) == pytest.approx(expected)


def test_semantic_similarity_is_that_of_the_nearest_right_answer():
    from rag_study.retrieval import load_embedding

    asked = [question("a large dog", "tin"), question("a large dog"), question("a large dog")]
    found = similarity.semantic_similarity(
        load_embedding("all-minilm-l6-v2", cached=False), ["tin", "a big dog", ""], asked
    )
    assert found[0] == pytest.approx(1.0, abs=1e-5)
    assert 0.7 < found[1] < 1.0
    assert found[2] == 0.0
    assert similarity.semantic_similarity(None, [], []) == []


def test_refusals_are_counted_and_decimal_points_count():
    assert reference.score("I don't know.", question("1847"))["refusal_rate"] == 1.0
    assert reference.score("In 1847.", question("1847"))["refusal_rate"] == 0.0
    assert reference.exact_match("1.25", "125") == 0.0


def test_a_criterion_becomes_a_metric_behind_the_other_criteria():
    before = list(METRICS)
    further = METRICS.with_criteria([criteria.find("groundedness")], {"token_f1": 0.1})
    assert list(further)[: len(further.judged)] == [*METRICS.judged, "judge_groundedness"]
    assert further.label("judge_groundedness") == "Groundedness (judge)"
    assert further["token_f1"].margin == 0.1
    assert list(METRICS) == before
    assert METRICS["token_f1"].margin == 0.03


def test_metrics_written_as_a_table_are_the_same_when_read(tmp_path):
    further = METRICS.with_criteria([criteria.find("groundedness")])
    pd.DataFrame(further.records()).to_parquet(tmp_path / "metrics.parquet")
    table = pd.read_parquet(tmp_path / "metrics.parquet")
    read = Metrics.from_records(table.to_dict("records"))
    assert list(read.values()) == list(further.values())


def test_names_of_metrics_for_people():
    assert METRICS.in_text("answer_recall") == "answer recall"
    assert METRICS.in_text("rouge_l") == "ROUGE-L"
    assert METRICS.label("bleu") == "bleu"


@pytest.mark.parametrize(
    "text", ["青石桥在河边", "それは水車です", "อยู่ที่บ้าน", "यह मिल है।", "بغداد", "Звезда", "?"]
)
def test_equal_texts_have_full_marks_in_every_script(text):
    scores = reference.score(text, question(text))
    for metric in ("exact_match", "token_f1", "rouge_l", "answer_recall"):
        assert scores[metric] == 1.0, metric


def test_scripts_without_blanks_are_compared_by_letters():
    assert reference.token_f1("青石桥", "白石桥") == pytest.approx(2 / 3)
    assert reference.rouge_l("青石桥", "白石桥") == pytest.approx(2 / 3)
    assert reference.score("青石桥。", question("白石桥"))["answer_length"] == 3.0


def test_an_empty_answer_matches_nothing():
    for gold in ("A", "?", "The The", "1847"):
        scores = reference.score("", question(gold))
        for metric in ("exact_match", "token_f1", "rouge_l", "answer_recall"):
            assert scores[metric] == 0.0, metric


def test_sums_of_other_currencies_are_not_the_same():
    assert reference.token_f1("€25", "£25") == 0.5
    assert reference.exact_match("25", "£25") == 1.0
