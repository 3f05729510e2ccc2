"""Counts of people's tags and their paired test: by hand, against McNemar's, and by simulation."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.contingency_tables import mcnemar
from study_tables import answers

from rag_study.analysis.tag_effects import COUNT_COLUMNS, EFFECT_COLUMNS, paired_test, tag_tables
from rag_study.study.answer_tags import Tags, answer_id


def given(frame, said):
    """Tags by (question number, train size) and person; the context is `retrieved`."""
    rows = frame[frame["context"] == "retrieved"].set_index(["question_id", "train_size"])
    found = {}
    for (number, size), people in said.items():
        row = rows.loc[(f"q{number:03d}", size)]
        key = answer_id(row["dataset"], "retrieved", f"q{number:03d}", row["answer"])
        found.setdefault(key, {}).update({p: frozenset(tags) for p, tags in people.items()})
    return Tags(found, ["a note"])


def one(table, **values):
    for name, value in values.items():
        table = table[table[name] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_counts_and_the_test_by_hand():
    frame = answers(10)
    said = {}
    for number in range(8):  # the trained state of 200 made up seven answers, the base one
        said[number, 0] = {"Ann": ["made up"] if number == 0 else []}
        said[number, 200] = {"Ann": ["made up", "too long"] if number else []}
    said[8, 200] = {"Ann": ["made up"]}  # nobody looked at the base's answer
    said[9, 0] = {"Ann": ["made up"]}
    said[9, 200] = {"Ben": ["made up"]}  # another person: no pair
    counts, effects = tag_tables(frame, given(frame, said))
    assert list(counts) == COUNT_COLUMNS
    assert list(effects) == EFFECT_COLUMNS
    assert effects.attrs["notes"] == ["a note"]
    trained = one(counts, train_size=200, tag="made up")
    assert (trained["n_tagged"], trained["n_looked"], trained["n_answers"]) == (9, 10, 10)
    assert one(counts, train_size=0, tag="ok")["n_tagged"] == 7
    assert one(counts, train_size=0, tag="too long")["n_tagged"] == 0
    assert set(counts["train_size"]) == {0, 200}  # of 50 nothing was looked at
    made_up = one(effects, tag="made up")
    assert made_up[EFFECT_COLUMNS[12:-3]].tolist() == ["made up", 8, 8, 1, 7, 1, 7]
    assert made_up["difference"] == pytest.approx(6 / 8)
    assert made_up["p_value"] == pytest.approx(2 * (1 + 8) / 2**8)
    too_long = one(effects, tag="too long")
    assert too_long["p_value"] == pytest.approx(2 / 2**7)
    # Holm: the smaller of the two p values twice, then the larger.
    assert too_long["p_holm"] == pytest.approx(4 / 2**7)
    assert made_up["p_holm"] == pytest.approx(max(4 / 2**7, made_up["p_value"]))


def test_several_people_count_together_where_each_looked_at_both():
    frame = answers(3)
    said = {
        (0, 0): {"Ann": [], "Ben": [], "Eve": ["made up"]},
        (0, 200): {"Ann": [], "Ben": ["made up"]},
    }
    row = one(tag_tables(frame, given(frame, said))[1])
    assert (row["n_questions"], row["only_base"], row["only_tuned"]) == (1, 0, 1)
    assert row["p_value"] == 1.0


def test_edges_no_tags_one_question_all_the_same():
    frame = answers(4)
    for results, tags in (
        (frame, Tags()),
        (pd.DataFrame(), Tags({"a0123456789ab": {"Ann": frozenset({"x"})}})),
    ):
        counts, effects = tag_tables(results, tags)
        assert counts.empty
        assert effects.empty
        assert [*counts, *effects] == [*COUNT_COLUMNS, *EFFECT_COLUMNS]
    seen = {(n, size): {"Ann": []} for n in range(4) for size in (0, 200)}
    counts, effects = tag_tables(frame, given(frame, seen))
    assert counts["tag"].tolist() == ["ok", "ok"]
    assert effects.empty
    everywhere = {key: {"Ann": ["made up"]} for key in seen}
    row = one(tag_tables(frame, given(frame, everywhere))[1])
    assert (row["difference"], row["p_value"], row["p_holm"]) == (0, 1, 1)


def test_the_same_words_are_looked_at_once_and_make_no_difference():
    frame = answers(4).assign(answer="the same")
    tags = given(frame, {(0, 0): {"Ann": ["made up"]}})
    counts, effects = tag_tables(frame, tags)
    assert counts["n_looked"].tolist() == [1] * 6  # three states, tag and `ok`
    assert effects["train_size"].tolist() == [50, 200]
    assert (effects["with_tuned"] == 1).all()
    assert (effects["p_value"] == 1).all()


def test_tags_of_answers_that_the_study_no_longer_has_are_said():
    frame = answers(4)
    tags = given(frame, {(0, 0): {"Ann": ["made up"]}, (0, 200): {"Ann": []}})
    changed = frame.assign(answer=frame["answer"].where(frame["train_size"] == 0, "another"))
    counts, effects = tag_tables(changed, tags)
    assert effects.empty
    assert set(counts["train_size"]) == {0}
    assert effects.attrs["notes"][1:] == [
        "Tags of 1 answer are left out: the study has no such answer now."
    ]


def test_with_groups_of_one_question_it_is_mcnemars_exact_test():
    rng = np.random.default_rng(0)
    for n in (1, 2, 7, 30):
        for _ in range(20):
            had, has = rng.random(n) < 0.4, rng.random(n) < 0.6
            table = [[(had & has).sum(), (had & ~has).sum()], [(~had & has).sum(), 0]]
            found = paired_test(had, has, rng.permutation(n))["p_value"]
            assert found == pytest.approx(mcnemar(table, exact=True).pvalue)


@pytest.mark.parametrize("groups", [6, 15, 40])
def test_the_level_holds_where_questions_hang_together(groups):
    """Two states that are equally apt to the tag, groups of 1 to 5 questions of which most share
    their fate on either side: at most 5 % of tests at the level of 5 %; McNemar's has more."""
    rng = np.random.default_rng(groups)
    n_studies, wrong, naive = 600, 0, 0
    for _ in range(n_studies):
        clusters = np.repeat(np.arange(groups), rng.integers(1, 6, groups))
        sides = []
        for _ in range(2):
            shared = rng.random(groups)[clusters] < 0.4
            own = rng.random(len(clusters)) < 0.4
            sides.append(np.where(rng.random(len(clusters)) < 0.8, shared, own))
        had, has = sides
        wrong += paired_test(had, has, clusters)["p_value"] < 0.05
        naive += paired_test(had, has, np.arange(len(clusters)))["p_value"] < 0.05
    # Three standard errors of a share of 600.
    assert wrong / n_studies < 0.05 + 3 * np.sqrt(0.05 * 0.95 / n_studies)
    assert naive > wrong + 10
