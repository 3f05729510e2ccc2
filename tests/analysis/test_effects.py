"""Statistics of the study: scipy, plain loops and simulations are the oracles."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from study_tables import cluster_sums

from rag_study.analysis import effects
from rag_study.analysis.cluster_means import effective_clusters
from rag_study.analysis.effects import COMPARISON_COLUMNS, compare, interactions, summarise
from rag_study.analysis.pairing import RUN_COLUMNS
from rag_study.analysis.planning import questions_for_change, questions_for_no_difference
from rag_study.analysis.resampling import bca_intervals, standard_errors
from rag_study.analysis.verdicts import add_verdicts
from rag_study.evaluation.metrics import METRICS, REFERENCE, RETENTION, Metrics

RUN = {
    **{"dataset": "fictional", "model": "small", "method": "none", "train_format": "none"},
    **{"train_size": 0, "seed": 0, "variant": "", "prompting": "default", "retriever": "dense"},
    **{"chunk_size": 192, "top_k": 3},
}
TUNED = {"method": "lora", "train_format": "closed_book", "train_size": 50}
FLOATS = ["difference", "ci_low", "ci_high", "ci90_low", "ci90_high", "p_value", "mde"]


def rows(scores, context="retrieved", judge="", groups=None, **run):
    """Rows of the results table of one run; `scores` maps a metric to one value per question."""
    n = len(next(iter(scores.values())))
    ids = [f"q{i:04d}" for i in range(n)]
    fixed = {**RUN, **run, "context": context, "judge": judge}
    return pd.DataFrame({**fixed, "question_id": ids, "group": groups or ids, **scores})


def study(base, tuned, metric="answer_recall", groups=None, judge="", **run):
    return pd.concat(
        [
            rows({metric: base}, groups=groups, judge=judge, **run),
            rows({metric: tuned}, groups=groups, judge=judge, **{**TUNED, **run}),
        ],
        ignore_index=True,
    )


def of_recall(margin):
    """The metrics with this margin of answer recall."""
    return METRICS.with_criteria((), {"answer_recall": margin})


def compared(
    results, contexts=("retrieved",), metrics=("answer_recall",), known=METRICS, **options
):
    defaults = {"reference_metrics": (), "judge_valid": {}, "n_resamples": 1000}
    return compare(results, contexts, metrics, **{**defaults, "metrics": known, **options})


def only(table, metric, context="retrieved", judge=""):
    chosen = (table["metric"] == metric) & (table["context"] == context)
    (row,) = table[chosen & (table["judge"] == judge)].to_dict("records")
    return row


@pytest.fixture
def quick_holm(monkeypatch):
    """statsmodels' multipletests collects garbage in each call: 0.2 s, too much for hundreds."""
    monkeypatch.setattr("gc.collect", lambda *args: 0)


def replicated(rng, effect, n_studies, family, n_questions, spread=1.0):
    """Comparisons of many independent studies in one table, verdicts given study by study."""
    frames = []
    groups = [f"g{i // 2}" for i in range(n_questions)]
    for number in range(n_studies):
        base = rng.normal(3, 1, size=n_questions)
        frames.append(rows({"judge_accuracy": base}, groups=groups, judge="j", model=str(number)))
        for i in range(family):
            shared = np.repeat(rng.normal(size=n_questions // 2), 2) * spread * 0.5
            noise = rng.normal(size=n_questions) * spread * math.sqrt(0.75)
            tuned = {"judge_accuracy": base + effect + shared + noise}
            run = {**TUNED, "model": str(number), "variant": str(i)}
            frames.append(rows(tuned, groups=groups, judge="j", **run))
    options = {"judge_valid": {"j": True}}
    table = compared(pd.concat(frames, ignore_index=True), (), ("judge_accuracy",), **options)
    table["primary"] = True
    return [add_verdicts(part) for _, part in table.groupby("model")]


@pytest.mark.usefixtures("quick_holm")
def test_family_wise_error_without_an_effect():
    studies = replicated(np.random.default_rng(7), 0.0, n_studies=400, family=4, n_questions=80)
    significant = np.mean([(part["p_holm"] < 0.05).any() for part in studies])
    wrong = np.mean([part["verdict"].isin(["helps", "hurts"]).any() for part in studies])
    tolerance = 3 * math.sqrt(0.05 * 0.95 / 400)
    assert wrong <= significant <= 0.05 + tolerance
    # Holm is not so conservative here that the test could not fail.
    assert significant >= 0.05 - tolerance
    assert wrong <= 0.05


@pytest.mark.usefixtures("quick_holm")
@pytest.mark.parametrize(("effect", "verdict"), [(0.5, "helps"), (-0.5, "hurts")])
def test_twice_the_margin_is_found(effect, verdict):
    studies = replicated(np.random.default_rng(8), effect, n_studies=60, family=4, n_questions=100)
    found = np.mean([(part["verdict"] == verdict).mean() for part in studies])
    assert found >= 0.80
    opposite = "hurts" if verdict == "helps" else "helps"
    assert not any((part["verdict"] == opposite).any() for part in studies)


def test_the_planned_number_of_questions_settles_it_in_80_percent():
    rng = np.random.default_rng(9)
    setting = {"se": 0.25, "n_questions": 16, "margin": 0.25, "family_size": 4}
    for truth in (0.0, 0.45, 0.5):
        needed = (
            questions_for_change(truth, **setting)
            if truth
            else questions_for_no_difference(**setting)
        )
        n, n_sims = int(needed), 1500
        values = truth + rng.normal(size=(n_sims, n))
        low, high = bca_intervals(values, np.ones_like(values), (1 - 2 * 0.05 / 4,), 1000)[0]
        if not truth:
            settled = (low > -0.25) & (high < 0.25)
        else:
            z = values.mean(axis=1) / stats.sem(values, axis=1)
            settled = (2 * stats.norm.sf(np.abs(z)) < 0.05 / 4) & (values.mean(axis=1) >= 0.25)
        assert settled.mean() == pytest.approx(0.80, abs=0.04)


# --- The comparisons table --------------------------------------------------------------------


def test_small_example_by_hand():
    base = [0.0, 1.0, 0.5, 0.5, 0.0]
    tuned = [1.0, 1.0, 0.5, 1.0, 1.0]
    table = compared(study(base, tuned, groups=["a", "a", "b", "c", "c"]))
    assert list(table.columns) == COMPARISON_COLUMNS
    row = only(table, "answer_recall")
    assert {name: row[name] for name in RUN_COLUMNS} == {**RUN, **TUNED}
    # Differences 1, 0 | 0 | .5, 1: cluster sums 1, 0, 1.5 over 2, 1, 2 questions.
    assert (row["n_questions"], row["n_clusters"]) == (5, 3)
    assert row["mean_base"] == pytest.approx(0.4)
    assert row["mean_tuned"] == pytest.approx(0.9)
    assert row["difference"] == pytest.approx(0.5)
    # Of the 8 sign flips, all with |sum| 2.5 or more: +++ , +-+ and their mirrors.
    assert row["p_value"] == pytest.approx(4 / 8)
    # Squares of the differences from their mean: .25, .25, .25, 0, .25 -> variance 1 / 4.
    assert row["effect_size"] == pytest.approx(0.5 / math.sqrt(1.0 / 4))
    # Clusters of 2, 1, 2 are worth 25 / 9 equal ones.
    effective = 25 / 9
    assert row["n_effective"] == pytest.approx(effective)
    # Residuals of the clusters 1 - 1, 0 - .5, 1.5 - 1, over the questions of the others.
    jackknife = 2 / 3 * ((0.5 / 4) ** 2 + (0.5 / 3) ** 2)
    # Within clusters squares sum to .5 + 0 + .125, with 2 degrees of freedom; between them there is
    # less than that says: the model's variance is that of five independent questions.
    model = 0.625 / 2 / 5
    variance = jackknife + (1 - (effective / 3) ** 2) * (model - jackknife)
    assert (row["se"], row["df"]) == pytest.approx((math.sqrt(variance), effective - 1))
    assert row["mde"] == pytest.approx(
        (stats.t.ppf(0.975, effective - 1) + stats.t.ppf(0.8, effective - 1)) * math.sqrt(variance)
    )
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((0.0, 0.75), abs=0.1)
    assert row["ci_low"] <= row["ci90_low"] <= row["ci90_high"] <= row["ci_high"]
    assert row["verdict"] == "no verdict"
    assert "3 independent groups" in row["reason"]
    assert "at least 20" in row["reason"]


def test_pairs_with_a_missing_score_are_dropped():
    rng = np.random.default_rng(10)
    base, tuned = rng.random(40), rng.random(40)
    base[3] = tuned[5] = np.nan
    results = study(base, tuned)
    lost = (results["question_id"] == "q0007") & (results["method"] == "none")
    row = only(compared(results[~lost]), "answer_recall")
    kept = np.delete(np.arange(40), [3, 5, 7])
    assert (row["n_questions"], row["n_clusters"]) == (37, 37)
    assert row["difference"] == pytest.approx((tuned - base)[kept].mean())
    assert row["mean_base"] == pytest.approx(base[kept].mean())


def test_a_metric_without_scores_gives_no_row():
    results = study(np.zeros(25), np.ones(25))
    results["key_point_recall"] = np.nan
    results.loc[results["method"] == "none", "rouge_l"] = 0.5
    table = compared(results)
    assert list(table["metric"]) == ["answer_recall"]
    (said,) = table.attrs["skipped"]
    assert "no question has scores of ROUGE-L on both sides" in said


def full_study(n=60, seed=11):
    """Two data sets, two tuned runs each, two contexts, two judges; some scores are missing."""
    rng = np.random.default_rng(seed)
    frames = []
    for dataset in ("nq", "fictional"):
        groups = [f"{dataset}-{i // 2}" for i in range(n)]
        groups[:3] = [None] * 3
        for run in ({}, {**TUNED, "train_size": 200}, TUNED):
            for context in ("retrieved", "none"):
                names = list(REFERENCE)
                reference = {name: rng.integers(0, 11, size=n) / 10 for name in names}
                reference["key_point_recall"][4:9] = np.nan
                for judge in ("strong", "weak"):
                    judged = {m.name: rng.uniform(1, 5, n) for m in METRICS.values() if m.judged}
                    judged["judge_accuracy"][rng.integers(0, n)] = np.nan
                    judged = {name: values + (0.8 if run else 0) for name, values in judged.items()}
                    fixed = {"groups": groups, "judge": judge, "dataset": dataset, **run}
                    frames.append(rows({**reference, **judged}, context, **fixed))
    return pd.concat(frames, ignore_index=True)


FULL = {
    "metrics": ("judge_accuracy", "judge_completeness"),
    "reference_metrics": ("answer_recall",),
    "judge_valid": {"strong": True, "weak": False},
}


def test_tables_do_not_depend_on_the_order_of_rows_nor_on_other_comparisons():
    results = full_study()
    shuffled = results.sample(frac=1, random_state=1)
    # The same reference score occurs once per judge, and either may come first.
    assert len(shuffled) == len(results)
    for tabulate in (lambda r: compared(r, **FULL), summarise, interactions):
        table, again = tabulate(results), tabulate(shuffled)
        pd.testing.assert_frame_equal(table, again, check_exact=True)
        assert table.to_csv().encode() == again.to_csv().encode()

    table = compared(results, **FULL)
    part = compared(results[(results["dataset"] == "nq") & (results["train_size"] < 200)], **FULL)
    same = table[(table["dataset"] == "nq") & (table["train_size"] < 200)]
    assert len(part) == len(same) == 2 * (len(REFERENCE) + 2 * 2)
    np.testing.assert_array_equal(part[FLOATS], same[FLOATS])


def test_rows_are_complete_sorted_and_unique():
    table = compared(full_study(), **FULL)
    keys = [*RUN_COLUMNS, "context", "metric", "judge"]
    assert len(table) == 4 * 2 * (len(REFERENCE) + 2 * 2)
    assert not table.duplicated(keys).any()
    pd.testing.assert_frame_equal(table, table.sort_values(keys, ignore_index=True))
    assert (table.loc[~table["metric"].str.startswith("judge"), "judge"] == "").all()
    assert set(table.loc[table["metric"].str.startswith("judge"), "judge"]) == {"strong", "weak"}


def test_holm_covers_the_primary_family_and_nothing_else():
    table = compared(full_study(), **FULL)
    primary = table[table["primary"]]
    assert len(primary) == 4 * 2
    assert set(primary["context"]) == {"retrieved"}
    assert set(primary["metric"]) == {"judge_accuracy", "judge_completeness"}
    assert set(primary["judge"]) == {"strong"}
    p = np.sort(primary["p_value"].to_numpy())
    by_hand = np.minimum(np.maximum.accumulate(p * np.arange(len(p), 0, -1)), 1.0)
    np.testing.assert_allclose(np.sort(primary["p_holm"]), by_hand)
    rest = table[~table["primary"]]
    assert (
        rest[["p_holm", "p_equivalence", "n_no_difference", "n_twice_margin"]].isna().all(axis=None)
    )
    assert (rest["verdict"] == "").all()
    assert (primary["verdict"] != "").all()
    assert (rest.loc[rest["judge"] != "weak", "reason"] == "not a primary comparison").all()


def test_an_invalid_judge_never_carries_a_verdict():
    results = full_study()
    weak = compared(results, **FULL).query("judge == 'weak'")
    assert (weak["verdict"] == "").all()
    assert not weak["primary"].any()
    assert (weak["reason"] == "judge weak did not pass its check").all()
    assert weak["p_value"].notna().all()

    unchecked = compared(results, **{**FULL, "judge_valid": {"strong": True}})
    weak = unchecked[unchecked["judge"] == "weak"]
    assert not weak["primary"].any()
    assert (weak["reason"] == "judge weak was not checked").all()


def test_without_a_valid_judge_the_reference_metrics_carry_the_verdict():
    table = compared(full_study(), **{**FULL, "judge_valid": {"strong": False, "weak": False}})
    primary = table[table["primary"]]
    assert set(primary["metric"]) == {"answer_recall"}
    assert len(primary) == 4
    assert (primary["margin"] == 0.03).all()


def test_declared_reference_metrics_stay_primary_whatever_the_judges_are():
    options = {**FULL, "metrics": ("judge_accuracy", "token_f1")}
    for valid, expected in (
        (True, {"judge_accuracy", "token_f1"}),
        (False, {"answer_recall", "token_f1"}),
    ):
        table = compared(full_study(), **{**options, "judge_valid": {"strong": valid}})
        assert set(table.loc[table["primary"], "metric"]) == expected
    no_judges = {"metrics": ("token_f1",), "judge_valid": {}}
    table = compared(full_study(), **{**FULL, **no_judges})
    assert set(table.loc[table["primary"], "metric"]) == {"token_f1"}


def test_answer_length_is_never_primary():
    results = study(np.full(30, 18.0), np.full(30, 2.0), metric="answer_length")
    row = only(compared(results, metrics=("answer_length",)), "answer_length")
    assert (row["primary"], row["verdict"], row["difference"]) == (False, "", -16.0)
    assert math.isnan(row["margin"])


def test_margins_of_the_study_override_the_defaults():
    results = study(np.zeros(30), np.tile([0.019, 0.021], 15))
    row = only(compared(results), "answer_recall")
    assert (row["margin"], row["verdict"]) == (0.03, "no difference that matters")
    row = only(compared(results, known=of_recall(0.01)), "answer_recall")
    assert (row["margin"], row["verdict"]) == (0.01, "helps")
    row = only(compared(results, known=of_recall(None)), "answer_recall")
    assert (row["primary"], row["verdict"]) == (False, "")
    assert math.isnan(row["margin"])
    with pytest.raises(ValueError, match=r"unknown metrics \['recall'\]"):
        compared(results, metrics=("recall",))


def test_large_families_get_enough_flips_for_holm():
    frames = [rows({"answer_recall": np.zeros(20)})]
    for i in range(600):
        frames.append(rows({"answer_recall": np.full(20, 0.5)}, **{**TUNED, "variant": str(i)}))
    table = compared(pd.concat(frames, ignore_index=True), n_resamples=100)
    assert len(table) == 600
    assert (table["verdict"] == "helps").all()
    # 600 tests with 10,000 flips could not have gone below 600 / 10,001.
    assert table["p_holm"].max() < 0.05


def test_twenty_clusters_are_needed_for_a_verdict():
    base = np.zeros(40)
    for clusters, verdict in ((19, "no verdict"), (20, "helps")):
        groups = [f"g{i % clusters}" for i in range(40)]
        row = only(compared(study(base, base + 0.5, groups=groups)), "answer_recall")
        assert (row["n_clusters"], row["verdict"]) == (clusters, verdict)


@pytest.mark.parametrize(("base", "tuned"), [(0.3, 0.3), (0.1, 0.4), (0.9, 0.2)])
def test_constant_differences_have_an_interval_with_width(base, tuned):
    groups = [f"g{i // 3}" for i in range(70)]
    table = compared(study(np.full(70, base), np.full(70, tuned), groups=groups))
    row = only(table, "answer_recall")
    assert row["difference"] == pytest.approx(tuned - base)
    # Of 24 clusters, one in seven may differ unseen; those may change by all that the scale leaves.
    share = 1 - 0.025 ** (1 / effective_clusters(np.array([3.0] * 23 + [1.0])))
    difference = tuned - base
    assert row["ci_low"] == pytest.approx(difference - share * (1 + difference))
    assert row["ci_high"] == pytest.approx(difference + share * (1 - difference))
    assert row["ci_low"] < row["ci90_low"] < row["difference"] < row["ci90_high"] < row["ci_high"]
    assert row["mde"] > 0.1
    if base == tuned:
        assert (row["p_value"], row["effect_size"]) == (1.0, 0.0)
        assert row["verdict"] == "cannot tell"  # 24 clusters rule out too little
    else:
        assert math.isnan(row["effect_size"])
        assert row["verdict"] == ("helps" if tuned > base else "hurts")


def test_one_question_and_one_cluster():
    row = only(compared(study([0.0], [1.0])), "answer_recall")
    assert (row["n_questions"], row["difference"], row["p_value"]) == (1, 1.0, 1.0)
    assert all(math.isnan(row[name]) for name in ("ci_low", "ci_high", "mde", "effect_size"))
    assert row["verdict"] == "no verdict"
    row = only(compared(study([0.0, 0.5], [1.0, 0.5], groups=["a", "a"])), "answer_recall")
    assert (row["n_clusters"], row["verdict"]) == (1, "no verdict")
    assert summarise(study([0.0], [1.0]))["mean"].tolist() == [1.0, 0.0]


def test_empty_results_give_empty_tables_with_all_columns():
    whole = study(np.zeros(3), np.ones(3))
    for results in (pd.DataFrame(), whole.iloc[:0], whole[whole["method"] == "none"]):
        table = compared(results)
        assert (list(table.columns), len(table)) == (COMPARISON_COLUMNS, 0)
        assert table["primary"].dtype == bool
        assert table["difference"].dtype == float
        assert table.attrs["skipped"] == []
        assert list(interactions(results).columns) == effects.INTERACTION_COLUMNS
    assert list(summarise(pd.DataFrame()).columns) == effects.SUMMARY_COLUMNS


def test_what_cannot_be_compared_is_said():
    scores = {"answer_recall": np.arange(25) / 25}
    other = rows(scores, **TUNED, model="orphan")
    part = pd.concat([rows(scores, "oracle", **TUNED), rows(scores, "none", **TUNED)])
    judged = rows({**scores, "judge_accuracy": np.ones(25)}, judge="j", **{**TUNED, "variant": "x"})
    table = compared(
        pd.concat([study(np.zeros(25), np.ones(25)), other, part, judged], ignore_index=True)
    )
    assert set(table["model"]) == {"small"}
    assert len(table) == 2
    assert sorted(table.attrs["skipped"]) == [
        "LoRA 50 (orphan on fictional): no base was run in the same settings.",
        "LoRA 50 (small on fictional): only it answered without passages and with the right "
        "passages.",
        "LoRA 50, x (small on fictional): only it was scored by j with retrieved passages.",
    ]

    apart = study(np.zeros(25), np.ones(25))
    apart.loc[apart["method"] == "none", "question_id"] += "-other"
    table = compared(apart)
    assert table.empty
    assert "no question in common" in table.attrs["skipped"][0]


def test_bases_are_matched_by_everything_but_the_training():
    frames = [
        study(np.full(25, level), np.full(25, 0.5), top_k=k) for level, k in ((0.1, 3), (0, 5))
    ]
    table = compared(pd.concat(frames, ignore_index=True))
    assert dict(zip(table["top_k"], table["difference"], strict=True)) == pytest.approx(
        {3: 0.4, 5: 0.5}
    )
    unset = study(np.zeros(25), np.ones(25), retriever=None, chunk_size=np.nan)
    assert only(compared(unset), "answer_recall")["difference"] == 1.0


def test_contradictory_tables_are_refused():
    results = study(np.zeros(25), np.ones(25))
    with pytest.raises(ValueError, match="'q0000' of 'fictional' twice for one run"):
        compared(pd.concat([results, results.iloc[:1]]))
    with pytest.raises(ValueError, match="two base runs share the same settings"):
        compared(pd.concat([results, rows({"answer_recall": np.ones(25)}, seed=1)]))
    with pytest.raises(ValueError, match="lacks the columns top_k"):
        compared(results.drop(columns="top_k"))
    results.loc[3, "group"] = "elsewhere"
    with pytest.raises(ValueError, match="'q0003' of 'fictional' belongs to two groups"):
        compared(results)


def test_questions_without_a_group_are_clusters_of_their_own():
    groups = [None, np.nan, "", "q0000", *["shared"] * 4]
    row = only(compared(study(np.zeros(8), np.ones(8), groups=groups)), "answer_recall")
    assert row["n_clusters"] == 5


def test_reference_scores_count_once_with_several_judges():
    results = full_study()
    table = compared(results, **FULL)
    one = compared(results[results["judge"] == "strong"], **FULL)
    reference = table[table["judge"] == ""].reset_index(drop=True)
    assert (reference["n_questions"] <= 60).all()
    pd.testing.assert_frame_equal(
        reference[FLOATS], one[one["judge"] == ""].reset_index(drop=True)[FLOATS]
    )


def test_summary_gives_means_with_cluster_intervals():
    results = full_study()
    table = summarise(results, n_resamples=2000)
    assert len(table) == 2 * 3 * 2 * (len(REFERENCE) + 2 * 2)
    base = table[(table["dataset"] == "nq") & (table["method"] == "none")]
    row = only(base, "judge_accuracy", judge="strong")
    chosen = (results["dataset"] == "nq") & (results["method"] == "none")
    chosen &= (results["judge"] == "strong") & (results["context"] == "retrieved")
    scores = results.loc[chosen].dropna(subset="judge_accuracy")
    assert row["mean"] == pytest.approx(scores["judge_accuracy"].mean())
    assert row["n_questions"] == len(scores) == 59
    labels = scores["group"].fillna(scores["question_id"])
    assert row["n_clusters"] == labels.nunique()
    sums, counts = cluster_sums(scores["judge_accuracy"], labels.factorize(sort=True)[0])
    low, high = bca_intervals(sums, counts, (0.95,), 2000)[0, :, 0]
    error = standard_errors(sums, counts)[0]
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high), abs=0.15 * error)


def test_interactions_are_differences_of_differences():
    rng = np.random.default_rng(12)
    base, noise = rng.random(50), rng.normal(size=50)
    frames = [
        rows({"answer_recall": base}, "none"),
        rows({"answer_recall": base + 0.4}, "retrieved"),
        rows({"answer_recall": base + 0.1}, "none", **TUNED),
        rows({"answer_recall": base + 0.2 + noise}, "retrieved", **TUNED),
        rows({"answer_recall": base}, "oracle", **TUNED),
    ]
    frames[2].loc[7, "answer_recall"] = np.nan
    table = interactions(pd.concat(frames, ignore_index=True))
    row = only(table, "answer_recall")
    assert len(table) == 1
    kept = np.delete(noise, 7)
    assert row["n_questions"] == 49
    assert row["difference_none"] == pytest.approx(0.1)
    assert row["difference_context"] == pytest.approx(-0.2 + kept.mean())
    assert row["interaction"] == pytest.approx(-0.3 + kept.mean())
    oracle = stats.ttest_1samp(kept - 0.3, 0)
    interval = oracle.confidence_interval()
    width = interval.high - interval.low
    assert row["ci_low"] == pytest.approx(interval.low, abs=0.1 * width)
    assert row["ci_high"] == pytest.approx(interval.high, abs=0.1 * width)
    assert row["p_value"] == pytest.approx(oracle.pvalue, abs=0.02)


def test_the_metrics_table_is_complete():
    judged = [name for name, metric in METRICS.items() if metric.judged]
    assert judged == ["judge_accuracy", "judge_completeness"]
    assert list(METRICS)[len(judged) :] == [
        *("answer_recall", "key_point_recall"),
        *("exact_match", "token_f1", "rouge_l", "semantic_similarity", "refusal_rate"),
        "answer_length",
        *RETENTION,
    ]
    for metric in METRICS.values():
        if metric.retention:
            continue
        assert metric.judged == metric.name.startswith("judge_")
        described = metric.name in ("answer_length", "refusal_rate")
        expected = 0.25 if metric.judged else None if described else 0.03
        assert metric.margin == expected


@pytest.mark.parametrize(
    ("n", "verdict"), [(40, "cannot tell"), (120, "no difference that matters")]
)
def test_equal_answers_settle_nothing_until_there_are_enough_of_them(n, verdict):
    row = only(compared(study(np.zeros(n), np.zeros(n))), "answer_recall")
    assert row["verdict"] == verdict
    if verdict == "cannot tell":
        # The exact one-sided bound for no event in n at 95 % reaches the margin of 0.03 at n = 99.
        needed = int(row["n_no_difference"])
        bound = stats.binomtest(0, needed).proportion_ci(0.90, method="exact").high
        before = stats.binomtest(0, needed - 1).proportion_ci(0.90, method="exact").high
        assert bound <= 0.03 < before
        assert "holds both harm and benefit" in row["reason"]


def test_judged_metrics_are_those_of_the_table():
    own = replace(METRICS["judge_accuracy"], name="judge_tone", label="Tone (judge)")
    known = Metrics([own, *METRICS.values()])
    results = study(np.full(30, 3.0), np.tile([3.5, 3.6], 15), metric="judge_tone", judge="j")
    results["judge_tone_missing"] = 0.0
    table = compared(results, metrics=("judge_tone",), judge_valid={"j": True}, known=known)
    assert table["metric"].tolist() == ["judge_tone"]
    assert table["verdict"].tolist() == ["helps"]


@pytest.mark.parametrize("sign", [1, -1])
def test_all_scores_may_change_by_exactly_the_margin(sign):
    base = np.full(40, 3.0)
    results = study(base, base + sign * 0.5, "judge_accuracy", judge="j")
    table = compare(
        results,
        ["retrieved"],
        ["judge_accuracy"],
        [],
        {"j": True},
        200,
        METRICS.with_criteria((), {"judge_accuracy": 0.5}),
    )
    row = only(table, "judge_accuracy", judge="j")
    assert abs(row["difference"]) == 0.5
    assert math.isnan(row["n_no_difference"])  # no number of questions shows what is not so


def test_no_verdict_speaks_against_its_own_interval():
    """All answers changed alike, and by little: as many others as the exact bounds allow may change
    by as much as the scale has room for."""
    table = compared(study(np.full(60, 0.5), np.full(60, 0.53)), known=of_recall(0.02))
    row = only(table, "answer_recall")
    assert row["ci_low"] < 0 < row["ci_high"]
    assert row["p_value"] > 0.05
    assert row["verdict"] == "cannot tell"


@pytest.mark.parametrize("margin", [0.0, -0.1, math.inf, math.nan])
def test_a_margin_is_a_number_above_zero(margin):
    with pytest.raises(ValueError, match="a margin is a number above 0"):
        compared(study([0.0] * 20, [1.0] * 20), known=of_recall(margin))


def test_the_examples_of_another_seed_are_no_base():
    few = {"prompting": "few_shot", "method": "none", "train_format": "none", "train_size": 0}
    scores = {"answer_recall": [0.0, 1.0] * 15}
    parts = [rows(scores), rows(scores, seed=0, **few)]
    parts += [rows(scores, **{**TUNED, "seed": seed}) for seed in (0, 1)]
    table = compared(pd.concat(parts, ignore_index=True))
    beside = table[(table["baseline"] == "few_shot") & (table["method"] == "lora")]
    assert beside["seed"].tolist() == [0]
