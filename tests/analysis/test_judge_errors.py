import numpy as np
import pandas as pd
import pytest
import styled_study as towns

from rag_study.analysis.equivalence import FAILS, NOT_KNOWN, PASSES
from rag_study.analysis.judge_errors import ERROR_COLUMNS, TERM_COLUMNS, error_terms, judge_errors
from rag_study.analysis.styles_of_answers import StyledAnswers
from rag_study.evaluation.metrics import METRICS

ASKED = towns.questions(80)


def graded(grade, people, tuned=towns.short_answer, asked=ASKED, chances=1.0):
    """A study's results, and labels of all its answers."""
    results = towns.answers(asked, towns.Opinion(grade), tuned=tuned)
    said = [float(people(row)) for row in results.to_dict("records")]
    labels = results.assign(inclusion_probability=chances, human_accuracy=said)
    return labels.assign(human_completeness=np.nan), results


def truth(row):
    return 5 if row["is_right"] else 1


def accuracy(table, quantity, size=200):
    rows = table[(table["quantity"] == quantity) & (table["train_size"] == size)]
    return rows[rows["metric"] == "judge_accuracy"].iloc[0]


def test_errors_are_the_judges_score_less_peoples():
    labels, results = graded(towns.likes_long, truth)
    table = judge_errors(labels, results, METRICS)
    assert list(table.columns) == ERROR_COLUMNS
    assert set(table["metric"]) == {"judge_accuracy"}  # nobody graded completeness
    errors = results["judge_accuracy"] - labels["human_accuracy"]
    for size in (0, 200):
        expected = errors[results["train_size"] == size].mean()
        assert accuracy(table, "error", size)["error"] == pytest.approx(expected)
    of_state = errors.groupby(results["train_size"]).mean()
    row = accuracy(table, "difference")
    assert row["error"] == pytest.approx(of_state[200] - of_state[0])
    assert row["status"] == FAILS
    assert row["limit"] == 0.125


def test_a_judge_that_is_strict_to_all_passes():
    def strict(item):
        return 3.0 if towns.right(item) else 1.0

    many = towns.questions(110)
    labels, results = graded(strict, lambda row: 4 if row["is_right"] else 2, asked=many)
    table = judge_errors(labels, results, METRICS)
    assert accuracy(table, "error")["error"] == pytest.approx(-1.0)
    assert accuracy(table, "difference")["status"] == PASSES


@pytest.mark.parametrize("n", [20, 80])
def test_labels_without_any_error_say_no_more_than_their_number_does(n):
    """Of n answers without an error about 3 / n of all may be wrong, by up to four points."""
    labels, results = graded(towns.fair, lambda row: 0, asked=towns.questions(n))
    labels["human_accuracy"] = results["judge_accuracy"].to_numpy()
    row = accuracy(judge_errors(labels, results, METRICS), "difference")
    assert (row["n_questions"], row["error"]) == (n, 0.0)
    assert row["high"] == pytest.approx(4 * (1 - 0.05 ** (1 / n)))
    assert row["status"] == NOT_KNOWN


def test_fewer_than_twenty_groups_tell_nothing():
    few = towns.questions(38, per_group=2)
    labels, results = graded(towns.likes_long, truth, asked=few)
    row = accuracy(judge_errors(labels, results, METRICS), "difference")
    assert (row["n_questions"], row["n_clusters"], row["status"]) == (38, 19, NOT_KNOWN)


def test_rare_questions_count_by_their_chance():
    labels, results = graded(towns.likes_long, truth)
    place = labels["question_id"].str[1:].astype(int)
    labels["inclusion_probability"] = np.where(place < 20, 0.1, 1.0)
    row = accuracy(judge_errors(labels, results, METRICS), "error")
    mine = results["train_size"] == 200
    errors = (results["judge_accuracy"] - labels["human_accuracy"])[mine]
    weights = 1 / labels["inclusion_probability"][mine]
    assert row["error"] == pytest.approx(np.average(errors, weights=weights))


def test_the_more_states_the_wider_the_intervals():
    labels, results = graded(towns.noisy(0.5), truth)
    again = [table[table["train_size"] > 0].assign(train_size=50) for table in (labels, results)]
    one = judge_errors(labels, results, METRICS)
    two = judge_errors(
        pd.concat([labels, again[0]], ignore_index=True),
        pd.concat([results, again[1]], ignore_index=True),
        METRICS,
    )
    narrow, wide = (accuracy(table, "difference") for table in (one, two))
    assert narrow["error"] == wide["error"]
    assert wide["high"] - wide["low"] > narrow["high"] - narrow["low"]


def test_labels_of_answers_that_have_changed_are_left_out():
    labels, results = graded(towns.fair, truth)
    results.loc[results["train_size"] == 200, "answer"] += " now"
    table = judge_errors(labels, results, METRICS)
    assert set(table["train_size"]) == {0}
    assert judge_errors(pd.DataFrame(), results, METRICS).empty


def test_at_the_limit_at_most_one_in_twenty_passes():
    rng = np.random.default_rng(3)
    labels, results = graded(towns.fair, truth)
    passed = 0
    for _ in range(150):
        noise = rng.normal(0, 0.2, len(results)) + 0.125 * (results["train_size"] > 0)
        shifted = results.assign(judge_accuracy=labels["human_accuracy"] + noise)
        row = accuracy(judge_errors(labels, shifted, METRICS), "difference")
        passed += row["status"] == PASSES
    assert passed / 150 <= 0.09


def test_what_an_error_goes_with():
    rng = np.random.default_rng(4)

    def mixed(question, text, random):
        styled = random.choice((towns.long_answer, towns.short_answer))
        answer = styled(question, text, random)
        return f"- {answer}" if random.random() < 0.5 else answer

    labels, results = graded(towns.fair, truth, tuned=mixed)
    styled = StyledAnswers(results, pd.DataFrame())
    length = np.log2(1 + results["answer_length"])
    listed = results["answer"].str.startswith("- ")
    noise = rng.normal(0, 0.1, len(results))
    scores = labels["human_accuracy"] + 0.3 * length - 0.5 * listed + noise
    table = error_terms(labels, results.assign(judge_accuracy=scores), styled, METRICS)
    assert list(table.columns) == TERM_COLUMNS
    found = table.set_index("term")
    for term, expected in (("length", 0.3), ("list", -0.5)):
        assert found.loc[term, "low"] < expected < found.loc[term, "high"]
        assert found.loc[term, "coefficient"] == pytest.approx(expected, abs=0.08)
    # All long answers say the question again here: that is told by their length already.
    assert "passage" not in found.index
    assert "restated" not in found.index


def test_a_question_of_several_seeds_is_one_labelled_question():
    labels, results = graded(towns.noisy(0.2), truth)
    labels, results = (
        pd.concat([rows, rows[rows["train_size"] > 0].assign(seed=1)]) for rows in (labels, results)
    )
    rows = judge_errors(labels, results, METRICS).query("quantity == 'difference'")
    assert set(rows["n_questions"]) == {labels["question_id"].nunique()}
    assert len(rows) == 3


def test_labelled_groups_that_are_uneven_count_for_what_they_are_worth():
    """Ten groups of nine and ten of one are worth 12 equal ones."""
    labels, results = graded(towns.fair, truth, asked=towns.questions(100))
    ids = sorted(labels["question_id"].unique())
    group = {name: f"g{min(i // 9, 9) if i < 90 else i}" for i, name in enumerate(ids)}
    labels, results = (
        rows.assign(group=rows["question_id"].map(group)) for rows in (labels, results)
    )
    assert labels["group"].nunique() == 20
    row = accuracy(judge_errors(labels, results, METRICS), "difference")
    assert row["status"] == NOT_KNOWN
