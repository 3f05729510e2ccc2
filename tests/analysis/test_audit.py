import numpy as np
import pandas as pd
import pytest
import styled_study as towns

from rag_study.analysis import effects
from rag_study.analysis.audit import AUDIT_COLUMNS, OWN, RUNGS, TOGETHER, audit, with_bounds
from rag_study.analysis.equivalence import FAILS, NOT_KNOWN, PASSES, Part
from rag_study.analysis.pairing import ALL_SEEDS
from rag_study.analysis.styles_of_answers import MEAN_COLUMNS, StyledAnswers, style_means
from rag_study.evaluation.metrics import METRICS

ASKED = towns.questions(60)


def audited(grade, tuned=towns.short_answer, base=towns.long_answer, asked=ASKED, **options):
    judge = towns.Opinion(grade)
    results = towns.answers(asked, judge, base, tuned)
    styled = StyledAnswers(results, towns.rungs(asked, judge))
    return audit(results, styled, METRICS, **options)


def status(table, metric="judge_accuracy", source=TOGETHER):
    rows = table[(table["metric"] == metric) & (table["source"] == source)]
    assert len(rows) == 1
    return rows.iloc[0]


# --- Judges that like a style ---------------------------------------------------------------------


@pytest.mark.parametrize(("grade", "sign"), [(towns.likes_long, -1), (towns.likes_short, 1)])
def test_a_judge_that_likes_a_length_fails_between_long_and_short_answers(grade, sign):
    table = audited(grade)
    for metric in ("judge_accuracy", "judge_completeness"):
        row = status(table, metric)
        assert row["status"] == FAILS
        # A point and a half for 30 words; the answers are apart by about 22.
        assert np.sign(row["bias"]) == sign
        assert 0.8 < abs(row["bias"]) < 1.3
        assert "half the margin" in row["reason"]
        for source in RUNGS.values():
            assert status(table, metric, source)["status"] == FAILS
    assert row["words_base"] > 15 > 2 > row["words_tuned"]


@pytest.mark.parametrize("grade", [towns.likes_long, towns.likes_short])
def test_the_same_judge_passes_where_both_states_answer_in_one_style(grade):
    table = audited(grade, tuned=towns.long_answer)
    assert status(table)["status"] == PASSES
    assert abs(status(table)["bias"]) < 0.05


def test_a_fair_judge_passes_and_metrics_of_overlap_do_not():
    table = audited(towns.fair)
    found = {
        row["metric"]: row["status"] for _, row in table[table["source"] == TOGETHER].iterrows()
    }
    assert found == {
        "judge_accuracy": PASSES,
        "judge_completeness": PASSES,
        "answer_recall": PASSES,
        "exact_match": FAILS,
        "token_f1": FAILS,
        "rouge_l": FAILS,
    }
    # What decides that an answer is right is not audited by it.
    assert not len(table[(table["metric"] == "answer_recall") & (table["source"] == OWN)])


def test_a_judge_that_is_unfair_to_right_answers_alone_fails():
    def grade(item):
        return 4.8 - 0.04 * min(towns.words(item), 40) if towns.right(item) else 1.0

    table = audited(grade)
    assert status(table, source=RUNGS["wrong"])["status"] == PASSES
    assert status(table, source=RUNGS["right"])["status"] == FAILS
    assert status(table)["status"] == FAILS


def test_a_judge_that_likes_lists_fails_where_one_state_makes_them():
    def grade(item):
        return (3.0 if towns.right(item) else 1.0) + 1.0 * ("- " in item.candidate)

    def listed(question, text, random):
        return f"- {towns.long_answer(question, text, random)}"

    assert status(audited(grade, tuned=listed))["status"] == FAILS
    assert status(audited(grade, tuned=listed))["bias"] == pytest.approx(1.0, abs=0.05)
    assert status(audited(grade))["status"] == PASSES


def test_the_studys_own_answers_show_what_no_rung_has():
    """Answers that end in a question are in no rung's style."""

    def grade(item):
        return (3.0 if towns.right(item) else 1.0) + 1.5 * item.candidate.endswith("?")

    def asking(question, text, random):
        return f"{towns.long_answer(question, text, random)} Does that help?"

    asked = towns.questions(120)
    table = audited(grade, tuned=asking, asked=asked)
    assert status(table, source=RUNGS["right"])["status"] == PASSES
    own = status(table, source=OWN)
    assert own["n_questions"] >= 20
    assert own["bias"] == pytest.approx(1.5)
    assert (own["status"], status(table)["status"]) == (FAILS, FAILS)


# --- What it cannot tell --------------------------------------------------------------------------


def test_few_questions_of_known_merit_tell_nothing():
    judge = towns.Opinion(towns.fair)
    results = towns.answers(ASKED, judge)
    few = towns.rungs(ASKED[:19], judge)
    row = status(audit(results, StyledAnswers(results, few), METRICS))
    assert row["status"] == NOT_KNOWN
    assert "there are 19 questions" in row["reason"]
    nothing = audit(results, StyledAnswers(results, pd.DataFrame()), METRICS)
    assert status(nothing)["status"] == NOT_KNOWN
    assert list(nothing.columns) == AUDIT_COLUMNS
    assert audit(pd.DataFrame(), None, METRICS).empty


def test_answers_much_longer_than_every_rung_are_not_vouched_for():
    def endless(question, text, random):
        return " ".join([towns.long_answer(question, text, random)] * 12)

    row = status(audited(towns.fair, base=endless))
    assert row["status"] == NOT_KNOWN
    assert "much longer" in row["reason"]
    both = status(audited(towns.fair, base=endless, tuned=endless))
    assert both["status"] == PASSES


def test_a_judge_of_great_spread_is_told_how_many_questions_it_takes():
    row = status(audited(towns.noisy(0.3)))
    assert row["status"] == NOT_KNOWN
    assert row["n_needed"] > len(ASKED)
    assert np.isnan(status(audited(towns.fair))["n_needed"])


def test_the_limit_is_half_of_the_margin_that_the_study_declares():
    judge = towns.Opinion(towns.likes_long)
    results = towns.answers(ASKED, judge)
    styled = StyledAnswers(results, towns.rungs(ASKED, judge))
    assert status(audit(results, styled, METRICS))["limit"] == 0.125
    wide = audit(results, styled, METRICS.with_criteria((), {"judge_accuracy": 3.0}))
    assert (status(wide)["limit"], status(wide)["status"]) == (1.5, PASSES)
    none = audit(results, styled, METRICS.with_criteria((), {"judge_accuracy": None}))
    assert not set(none["metric"]) & {"judge_accuracy"}


def test_refusals_and_empty_answers_have_no_style():
    def silent(question, text, random):
        return "I do not know." if random.random() < 0.5 else text

    def empty(question, text, random):
        return "" if random.random() < 0.5 else text

    for tuned in (silent, empty):
        table = audited(towns.likes_long, base=towns.short_answer, tuned=tuned)
        assert status(table)["status"] == PASSES, tuned


def test_all_seeds_of_a_recipe_are_audited_together():
    judge = towns.Opinion(towns.likes_long)
    seeds = [towns.answers(ASKED, judge, seed=seed).assign(seed=seed) for seed in (0, 1)]
    seeds[1] = seeds[1][seeds[1]["train_size"] > 0]
    results = pd.concat(seeds, ignore_index=True)
    table = audit(results, StyledAnswers(results, towns.rungs(ASKED, judge)), METRICS)
    rows = table[(table["metric"] == "judge_accuracy") & (table["source"] == TOGETHER)]
    assert list(rows["seed"]) == [0, 1, ALL_SEEDS]
    assert (rows["status"] == FAILS).all()
    keys = {tuple(row) for row in rows[["seed", "context", "judge"]].to_numpy()}
    compared = effects.compare(
        results, ["retrieved"], ["judge_accuracy"], [], {"strong": True}, 200
    )
    judged = compared[compared["metric"] == "judge_accuracy"]
    assert {tuple(row) for row in judged[["seed", "context", "judge"]].to_numpy()} == keys


def test_more_seeds_make_no_judge_less_fair():
    """Answers of several seeds to one question are not several questions: too few to say anything
    for one seed, they were taken for enough together, and could not pass."""
    judge, asked = towns.Opinion(towns.fair), towns.questions(30)
    seeds = [towns.answers(asked, judge, seed=seed).assign(seed=seed) for seed in (0, 1, 2)]
    tuned = [rows[rows["train_size"] > 0] for rows in seeds[1:]]
    results = pd.concat([seeds[0], *tuned], ignore_index=True)
    table = audit(results, StyledAnswers(results, towns.rungs(asked, judge)), METRICS)
    table = table[(table["metric"] == "judge_accuracy") & (table["seed"] == ALL_SEEDS)]
    [own] = table[table["source"] == OWN].to_dict("records")
    assert own["n_questions"] == own["n_clusters"] < 20
    assert list(table.loc[table["source"] == TOGETHER, "status"]) == [PASSES]


def test_rungs_alone_are_not_enough_where_own_answers_leave_it_open():
    """A judge that knows all rungs, and stumbles over some of what models write."""

    def grade(item):
        stumbles = towns.words(item) > 15 and "was opened in" in item.candidate
        stumbles &= towns.hash_of(item.question) % 3 == 0
        return (5.0 if towns.right(item) else 1.0) - 1.5 * (stumbles and towns.right(item))

    asked = towns.questions(90)
    table = audited(grade, asked=asked)
    assert all(status(table, source=RUNGS[m])["status"] == PASSES for m in RUNGS)
    own = status(table, source=OWN)
    assert own["bias"] > 0.125
    assert own["n_questions"] >= 20
    assert status(table)["status"] != PASSES
    assert "own answers" in status(table)["reason"]
    assert np.isnan(status(table)["n_needed"])


# --- Bounds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("grade", [towns.likes_long, towns.likes_short, towns.fair])
def test_bounds_hold_the_difference_without_style(grade):
    asked = towns.questions(200)
    judge = towns.Opinion(grade)
    results = towns.answers(asked, judge, right_base=0.7, right_tuned=0.5)
    table = audit(results, StyledAnswers(results, towns.rungs(asked[:60], judge)), METRICS)
    compared = effects.compare(
        results, ["retrieved"], ["judge_accuracy"], ["answer_recall"], {"strong": True}, 500,
        audited=table,
    )  # fmt: skip
    row = with_bounds(compared, table).query("metric == 'judge_accuracy'").iloc[0]
    # What the judge makes of right and wrong answers of one length, times the shares.
    reach = {towns.likes_long: 2.2, towns.likes_short: 2.2, towns.fair: 3.3}[grade]
    is_right = results.groupby("train_size")["is_right"].mean()
    truth = reach * (is_right[200] - is_right[0])
    assert row["bounds_low"] < truth < row["bounds_high"]
    if grade is not towns.fair:
        assert not row["ci_low"] < truth < row["ci_high"]


# --- The statistics, where the truth is known -----------------------------------------------------

LIMIT = 0.125


def spread(kind, rng, n, clusters):
    """Paired differences of mean 0."""
    of_cluster = rng.normal(0, 0.15, clusters.max() + 1)[clusters] * (kind == "clusters")
    if kind == "grades":  # whole grades, mostly alike
        return rng.choice([-1, 0, 1], n, p=[0.1, 0.8, 0.1])
    if kind == "skewed":
        return rng.gamma(1.0, 0.3, n) - 0.3
    return of_cluster + rng.normal(0, 0.3, n)


@pytest.mark.parametrize("kind", ["normal", "clusters", "grades", "skewed"])
@pytest.mark.parametrize("n", [40, 120])
def test_at_the_limit_at_most_one_in_twenty_passes(kind, n):
    rng = np.random.default_rng([5, n])
    clusters = np.repeat(np.arange(n // 2), 2) if kind == "clusters" else np.arange(n)
    runs, passed, failed = 400, 0, 0
    for _ in range(runs):
        sign = rng.choice([-1, 1])
        values = sign * (LIMIT + spread(kind, rng, n, clusters))
        found = Part.of("x", values, clusters, 1.0, tests=2).status(LIMIT)
        passed += found == PASSES
        failed += found == FAILS
    assert passed / runs <= 0.072  # 5 % and two standard errors of 400 runs
    assert failed / runs <= 0.05


def test_both_merits_must_pass_so_the_level_holds_for_the_two_together():
    rng = np.random.default_rng(7)
    passed = 0
    for _ in range(400):
        right = LIMIT + rng.normal(0, 0.3, 60)
        wrong = rng.normal(0, 0.3, 60)
        found = {
            Part.of("x", values, np.arange(60), 1.0, tests=2).status(LIMIT)
            for values in (right, wrong)
        }
        passed += found == {PASSES}
    assert passed / 400 <= 0.072


@pytest.mark.parametrize(("n", "sd", "least"), [(40, 0.2, 0.75), (60, 0.3, 0.65), (120, 0.4, 0.80)])
def test_a_fair_judge_of_realistic_spread_passes(n, sd, least):
    """The figures of docs/judge.md."""
    rng = np.random.default_rng([9, n])
    passed = 0
    for _ in range(150):
        parts = [Part.of("x", rng.normal(0, sd, n), np.arange(n), 1.0, tests=2) for _ in range(2)]
        passed += all(part.status(LIMIT) == PASSES for part in parts)
    assert passed / 150 >= least


def test_questions_needed_are_those_that_pass():
    rng = np.random.default_rng(11)
    part = Part.of("x", np.tile([-0.3, 0.3], 30), np.arange(60), 1.0)
    assert part.status(LIMIT) == PASSES
    wide = Part.of("x", np.tile([-0.8, 0.8], 30), np.arange(60), 1.0)
    assert wide.status(LIMIT) == NOT_KNOWN
    n = int(wide.needed(LIMIT))
    passed = sum(
        Part.of("x", rng.normal(0, 0.8, n), np.arange(n), 1.0).status(LIMIT) == PASSES
        for _ in range(400)
    )
    assert 0.72 < passed / 400 < 0.90
    assert np.isnan(Part.of("x", np.full(30, 0.2), np.arange(30), 1.0).needed(LIMIT))


@pytest.mark.parametrize(("n", "status"), [(20, NOT_KNOWN), (24, PASSES)])
def test_equal_values_say_no_more_than_their_number_does(n, status):
    """Without an error among 20, one in seven may be wrong (Clopper and Pearson)."""
    part = Part.of("x", np.zeros(n), np.arange(n), 1.0)
    assert part.high == pytest.approx(1 - 0.05 ** (1 / n))
    assert part.status(LIMIT) == status
    assert n <= part.needed(LIMIT) == max(n, 23)
    # Hardly different scores are no other evidence.
    near = Part.of("x", np.tile([-0.001, 0.001], n // 2), np.arange(n), 1.0)
    assert near.status(LIMIT) == status
    # What all answers show is known, however few they are.
    assert Part.of("x", np.full(n, 0.3), np.arange(n), 1.0).status(LIMIT) == FAILS


@pytest.mark.parametrize("n", [20, 40, 80])
def test_rare_errors_of_a_grade_seldom_pass_for_none(n):
    """A share of questions such that the whole makes the limit: most samples show few of them."""
    rng = np.random.default_rng([13, n])
    passed = sum(
        Part.of("x", (rng.random(n) < LIMIT).astype(float), np.arange(n), 1.0).status(LIMIT)
        == PASSES
        for _ in range(400)
    )
    assert passed / 400 <= 0.072


# --- Means by style -------------------------------------------------------------------------------


def test_means_by_style_are_those_of_the_rungs():
    judge = towns.Opinion(towns.likes_long)
    rungs = towns.rungs(ASKED, judge)
    table = style_means(rungs, METRICS)
    assert list(table.columns) == MEAN_COLUMNS
    assert "answer_length" not in set(table["metric"])
    for row in table[table["judge"] == "strong"].itertuples():
        part = rungs[(rungs["style"] == row.style) & (rungs["merit"] == row.merit)]
        assert row.mean == pytest.approx(part[row.metric].astype(float).mean())
        assert row.ci_low <= row.mean <= row.ci_high
        assert row.n_questions == part["question_id"].nunique()
    assert style_means(pd.DataFrame(), METRICS).empty


def test_no_number_of_questions_is_named_where_wrong_answers_would_never_pass():
    """Right answers are graded with noise, wrong ones beyond the limit: more of the one kind do
    not help."""
    noisy = towns.noisy(0.3)

    def grade(item):
        return noisy(item) if towns.right(item) else towns.likes_long(item)

    assert np.isnan(status(audited(grade))["n_needed"])
