"""Advice: from studies whose truth is known, each sentence with its number, each line usable."""

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from rag_study.analysis import effects
from rag_study.analysis.length_adjustment import length_adjusted
from rag_study.analysis.next_steps import next_steps, of_training
from rag_study.analysis.next_steps.measured import Measured
from rag_study.analysis.next_steps.study_lines import StudyLines
from rag_study.analysis.planning import questions_for_no_difference
from rag_study.analysis.study_results import StudyResults
from rag_study.analysis.trends import trends
from rag_study.common import files
from rag_study.report.advice import steps_text
from rag_study.study import plan
from rag_study.study.config import load_study

STUDY = """
name: made
models: [random-llama]
datasets: [{{name: fictional, num_worlds: {worlds}, test_size: {test_size}, test_share: 0.5}}]
fine_tuning:
  - {{method: lora, train_format: {train_format}, train_size: {sizes}}}
prompting: {prompting}
contexts: {contexts}
retrieval: {{chunk_size: 128, chunk_overlap: 16, top_k: 2}}
judges: [{{model: random-llama, ladder_size: 40}}]
seeds: {seeds}
"""
VALID = {"judge": "random-llama", "valid": True, "status": "valid", "auc": 0.97, "auc_low": 0.93}
VALID |= {"auc_high": 0.99, "n": 60, "reason": "fine", "dataset": "fictional", "shortage": ""}
INVALID = VALID | {"valid": False, "status": "not valid", "auc": 0.52, "auc_low": 0.41}
INVALID |= {"auc_high": 0.63}


class Made:
    """A study whose states are right with known shares; `right` says by (state, context) which,
    where a state is ("base" | "brief" | train size)."""

    def __init__(self, tmp_path, right, n=200, seed=0, **keys):
        settings = {
            "test_size": n, "train_format": "closed_book", "sizes": [50, 100],
            "prompting": ["default", "brief"], "contexts": ["none", "retrieved", "oracle"],
            "seeds": [0], "missed": 0.1, "check": VALID, "lengths": {}, "judged": None,
            "noise": 0.3, "of_seed": 0.0, "changes": {}, "trusted": False, "worlds": 80,
            "forgets": None,
        } | keys  # fmt: skip
        self.path = tmp_path / "made.yaml"
        files.write_text(self.path, STUDY.format(**settings))
        self.study = load_study(self.path)
        self.rng, self.s = np.random.default_rng(seed), settings
        self.n, self.right = n, right
        self.level = self.rng.uniform(size=n)
        self.gold = self.rng.uniform(size=n) > settings["missed"]
        prompts = [name for name in settings["prompting"] if name != "default"]
        rows = [
            row
            for state in ("base", *prompts, *settings["sizes"])
            for one in (settings["seeds"] if isinstance(state, int) else [0])
            for context in settings["contexts"]
            for row in self._rows(state, context, one)
        ]
        results, metrics, primary = pd.DataFrame(rows), self.study.metrics, self.study.primary
        scored = results
        if settings["forgets"] is not None:
            scored = pd.concat([results, self._outside()], ignore_index=True)
        comparisons = effects.compare(
            scored, primary.contexts, primary.metrics, primary.reference_metrics,
            {"random-llama": settings["trusted"]}, 200, metrics,
        )  # fmt: skip
        self.found = StudyResults(
            study=self.study.model_dump(mode="json"), metrics=metrics, results=results,
            judge_checks=[settings["check"]], comparisons=comparisons,
            trends=trends(results, 200, metrics),
            length_adjusted=length_adjusted(results, comparisons, metrics),
            **settings["changes"],
        )  # fmt: skip
        self.steps = next_steps(self.found, self.study)

    def _state(self, state, seed):
        trained = isinstance(state, int)
        return {
            "dataset": "fictional", "model": "random-llama",
            "method": "lora" if trained else "none",
            "train_format": self.s["train_format"] if trained else "none",
            "train_size": state if trained else 0, "variant": "", "seed": seed,
            "prompting": state if isinstance(state, str) and state != "base" else "default",
            "retriever": "dense", "chunk_size": 128, "top_k": 2,
        }  # fmt: skip

    def _rows(self, state, context, seed):
        usual = self.right.get(state, self.right.get("base", 0.5))
        share = self.right.get((state, context), self.right.get(("base", context), usual))
        share += self.rng.normal(0, self.s["of_seed"]) if isinstance(state, int) else 0.0
        mixed = np.where(
            self.rng.uniform(size=self.n) < self.s["noise"],
            self.rng.uniform(size=self.n),
            self.level,
        )
        right = (mixed < share).astype(float)
        if context == "retrieved":
            right *= self.gold
        words = self.s["lengths"].get(state, 10) + self.rng.integers(0, 5, self.n)
        judged = 1 + 4 * right if self.s["judged"] is None else self.s["judged"](right, words)
        state = self._state(state, seed)
        for i in range(self.n):
            yield {
                **state, "context": context, "question_id": f"q{i:04d}", "group": f"g{i}",
                "answer_type": "factoid", "question": f"Question {i}?", "reference": "1847",
                "answer": f"answer {right[i]}", "truncated": 0,
                "gold_in_context": float(self.gold[i]) if context == "retrieved" else
                (1.0 if context == "oracle" else np.nan),
                "answer_in_context": np.nan, "other_answer": None, "answer_recall": right[i],
                "key_point_recall": np.nan, "answer_length": float(words[i]),
                "judge": "random-llama", "judge_accuracy": float(judged[i]),
            }  # fmt: skip

    def _outside(self):
        lost, rows = self.s["forgets"], []
        for state in ("base", *self.s["sizes"]):
            for i in range(120):
                margin = 1.0 + 0.3 * np.sin(i) - (lost if state != "base" else 0.0)
                rows.append(
                    {**self._state(state, 0), "context": "retention", "question_id": f"r{i}",
                     "group": f"r{i}", "judge": "",
                     "knowledge_margin": margin + self.rng.normal(0, 0.3)}
                )  # fmt: skip
        return pd.DataFrame(rows)

    def step(self, rule):
        rows = self.steps[self.steps["rule"] == rule]
        assert len(rows) == 1, (rule, self.steps[["rule", "sentence"]].to_dict("records"))
        return rows.iloc[0]

    @property
    def rules(self):
        return set(self.steps["rule"])

    def recall(self, state, context="retrieved"):
        wanted = self._state(state, 0)
        rows = self.found.results
        for name in ("method", "train_size", "prompting"):
            rows = rows[rows[name] == wanted[name]]
        rows = rows[rows["context"] == context].sort_values(["seed", "question_id"])
        return rows["answer_recall"].to_numpy().reshape(-1, self.n).mean(axis=0)


def numbers(row):
    return json.loads(row["numbers"])


def forms(value):
    """How a number may stand in a sentence."""
    low = {f"{value:.0f}", f"{value:,.0f}", f"{value:.2f}", f"{value:+.2f}", f"{100 * value:.0f}"}
    low |= {f"{value:g}", f"{value:+.1f}", f"{value:.1f}"}
    return {text.replace("-", "−") for text in low}


def check(made, tmp_path):
    """What holds of all steps: a number of theirs in each, lines that can be planned."""
    content = files.parse_yaml(made.path.read_text())
    before = {run.run_id for run in plan.expand(made.path)}
    for row in made.steps.to_dict("records"):
        said = set(re.findall(r"[+−]?\d[\d,]*(?:\.\d+)?", row["sentence"]))
        found = [name for name, value in numbers(row).items() if forms(value) & said]
        assert found, row
        assert row["lines"] or row["command"] or row["rule"] in (
            "smaller train size", "stop at this train size", "more training data", "more labels",
            "more questions", "search", "model", "style", "forgetting", "no training",
            "prompt instead of training", "best training",
        )  # fmt: skip
        if row["lines"]:
            changed = tmp_path / "changed.yaml"
            files.write_yaml(changed, content | files.parse_yaml(row["lines"]))
            runs = plan.expand(changed)
            assert {run.run_id for run in runs} != before, row
            assert row["command"].startswith("rag-study run ")


def test_a_search_that_misses_is_said_first_with_what_an_ideal_one_would_bring(tmp_path):
    made = Made(tmp_path, {"base": 0.9}, missed=0.4)
    check(made, tmp_path)
    row = made.step("search")
    base, oracle = made.recall("base"), made.recall("base", "oracle")
    gain = ((oracle - base) * ~made.gold).mean()
    assert numbers(row)["gain"] == pytest.approx(gain)
    assert numbers(row)["missed"] == pytest.approx(1 - made.gold.mean())
    assert 0.2 < numbers(row)["gain_low"] < gain < numbers(row)["gain_high"]
    assert "model" not in made.rules
    assert (
        "retriever: [dense, hybrid]" in row["lines"].replace("\n", " ") or "hybrid" in row["lines"]
    )
    assert "search" not in Made(tmp_path, {"base": 0.9}, missed=0.0).rules


def test_a_deeper_search_is_proposed_where_the_gold_passages_are_deeper(tmp_path):
    by_k = pd.DataFrame(
        {"dataset": "fictional", "k": [1, 2, 4, 8, 16], "recall": [0.4, 0.5, 0.8, 0.81, 0.95]}
    )
    made = Made(tmp_path, {"base": 0.9}, missed=0.4, changes={"retrieval": by_k})
    row = made.step("search")
    assert "50 % are among the first 2, 80 % among the first 4" in row["sentence"]
    assert files.parse_yaml(row["lines"])["retrieval"]["top_k"] == [2, 4]
    check(made, tmp_path)


def test_a_model_that_fails_with_the_gold_passages_is_told_from_a_search_that_does(tmp_path):
    made = Made(tmp_path, {"base": 0.5}, missed=0.05)
    check(made, tmp_path)
    row = made.step("model")
    assert numbers(row)["wrong"] == pytest.approx(1 - made.recall("base", "oracle").mean())
    entry = files.parse_yaml(row["lines"])["fine_tuning"][-1]
    assert (entry["train_format"], entry["train_size"]) == ("with_context", 100)
    order = made.steps["rule"].tolist()
    assert order.index("model") < order.index("search") if "search" in order else True
    tried = Made(tmp_path, {"base": 0.5}, missed=0.05, train_format="raft")
    assert tried.step("model")["lines"] == ""


def test_what_was_not_asked_is_not_supposed(tmp_path):
    made = Made(tmp_path, {"base": 0.8}, missed=0.4, contexts=["none", "retrieved"])
    check(made, tmp_path)
    assert "search" not in made.rules
    row = made.step("gold passages not tried")
    assert files.parse_yaml(row["lines"])["contexts"] == ["none", "retrieved", "oracle"]


def test_the_best_training_is_named_with_intervals_for_all_pairs(tmp_path):
    made = Made(tmp_path, {"base": 0.5, "brief": 0.5, 50: 0.6, 100: 0.85}, missed=0.0)
    check(made, tmp_path)
    row = made.step("best training")
    nearest = made.recall(100) - made.recall(50)
    assert numbers(row)["difference"] == pytest.approx(nearest.mean())
    assert "the best of 4 was picked, so the intervals are for all 6 pairs" in row["sentence"]
    plain = 1.96 * nearest.std(ddof=1) / np.sqrt(made.n)
    assert numbers(row)["low"] < nearest.mean() - 1.2 * plain  # wider than that of one pair
    content = files.parse_yaml(row["lines"])
    assert content["seeds"] == [0, 1, 2]
    assert content["fine_tuning"] == [
        {"method": "lora", "train_format": "closed_book", "train_size": 100}
    ]


def test_a_prompt_that_is_as_good_is_preferred_to_training(tmp_path):
    made = Made(
        tmp_path,
        {"base": 0.3, "brief": 0.8, 50: 0.8, 100: 0.8},
        n=400,
        worlds=150,
        noise=0.0,
        missed=0.0,
    )
    check(made, tmp_path)
    row = made.step("prompt instead of training")
    assert row["sentence"].startswith("Prefer base, brief")
    assert "best training" not in made.rules
    apart = Made(tmp_path, {"base": 0.3, "brief": 0.6, 50: 0.5, 100: 0.8}, missed=0.0)
    assert "prompt instead of training" not in apart.rules


def test_training_that_only_harms_is_advised_against(tmp_path):
    made = Made(tmp_path, {"base": 0.9, "brief": 0.9, 50: 0.6, 100: 0.5}, missed=0.0)
    check(made, tmp_path)
    row = made.step("no training")
    assert numbers(row)["low"] > 0
    assert {"untested", "smaller train size"} <= made.rules
    fewer = made.step("smaller train size")
    assert numbers(fewer)["slope"] == pytest.approx((made.recall(100) - made.recall(50)).mean())


def test_without_any_effect_nothing_is_picked(tmp_path):
    made = Made(tmp_path, {"base": 0.7}, missed=0.0, noise=1.0, seed=1)
    check(made, tmp_path)
    speaking = {"best training", "no training", "style", "larger train size", "forgetting"}
    assert not speaking & made.rules, made.steps["sentence"].tolist()
    row = made.step("untested")
    entries = files.parse_yaml(row["lines"])["fine_tuning"]
    assert {"with_context", "raft"} <= {entry["train_format"] for entry in entries}
    assert "few_shot" in files.parse_yaml(row["lines"])["prompting"]


def test_an_open_verdict_says_how_many_questions_settle_it(tmp_path):
    made = Made(tmp_path, {"base": 0.7, 100: 0.71}, n=100, missed=0.0, sizes=[100], noise=0.02)
    check(made, tmp_path)
    row = made.step("more questions")
    told = made.found.comparisons
    told = told[told["primary"]].iloc[0]
    wanted = questions_for_no_difference(told["se"], 100, told["margin"], 1)
    assert numbers(row)["n_no_difference"] == pytest.approx(wanted)
    size = files.parse_yaml(row["lines"])["datasets"][0]["test_size"]
    assert size > 100
    assert str(size) in row["sentence"].replace(",", "")


def test_where_the_pool_ends_the_margin_is_named_that_it_can_keep(tmp_path):
    made = Made(tmp_path, {"base": 0.7, 100: 0.72}, n=100, missed=0.0, sizes=[100], noise=1.0)
    check(made, tmp_path)
    row = made.step("more questions")
    told = made.found.comparisons
    told = told[told["primary"]].iloc[0]
    size = files.parse_yaml(row["lines"])["datasets"][0]["test_size"]
    assert numbers(row)["pool"] == size
    margin = numbers(row)["margin_of_pool"]
    assert questions_for_no_difference(told["se"], 100, margin, 1) == pytest.approx(size, abs=1)
    assert f"a margin of {margin:.2f}" in row["sentence"]


def test_seeds_that_differ_ask_for_seeds_and_not_for_questions(tmp_path):
    made = Made(
        tmp_path, {"base": 0.6, 100: 0.62}, n=200, sizes=[100], seeds=[0, 1, 2], of_seed=0.12,
        missed=0.0, seed=3,
    )  # fmt: skip
    check(made, tmp_path)
    row = made.step("more seeds")
    seeds = files.parse_yaml(row["lines"])["seeds"]
    assert seeds[:3] == [0, 1, 2]
    assert len(seeds) == len(set(seeds)) == numbers(row)["seeds"] > 3
    means = made.found.results.query("train_size == 100 and context == 'retrieved'")
    means = means.groupby("seed")["answer_recall"].mean()
    assert numbers(row)["seed_sd"] == pytest.approx(means.std(ddof=1))


def test_too_few_groups_ask_for_the_number_of_questions_that_has_them(tmp_path):
    made = Made(tmp_path, {"base": 0.7}, n=15, missed=0.0)
    check(made, tmp_path)
    row = made.step("more groups")
    assert "15 independent groups" in row["sentence"]
    assert files.parse_yaml(row["lines"])["datasets"][0]["test_size"] >= 20


def test_a_judge_that_is_not_valid_asks_for_labels_before_anything_else(tmp_path):
    made = Made(tmp_path, {"base": 0.7, 100: 0.6}, check=INVALID)
    check(made, tmp_path)
    row = made.steps.iloc[0]
    assert row["rule"] == "labels"
    assert "AUC 0.52 (0.41 to 0.63)" in row["sentence"]
    assert numbers(row)["answers"] == 50 * 4  # of base, brief and two trained states
    assert row["command"].endswith("made.yaml --questions 50")
    assert row["lines"] == ""


def test_a_judge_whose_check_was_too_small_gets_a_larger_one(tmp_path):
    short = VALID | {"valid": False, "status": "not shown to be valid"}
    short |= {"shortage": "40 questions, 60 are needed"}
    made = Made(tmp_path, {"base": 0.7}, check=short)
    check(made, tmp_path)
    row = made.steps.iloc[0]
    assert row["rule"] == "larger check of the judge"
    assert files.parse_yaml(row["lines"])["judges"][0]["ladder_size"] >= 60
    hopeless = Made(
        tmp_path, {"base": 0.7}, check=short | {"shortage": "40 questions, 9,000 are needed"}
    )
    assert hopeless.steps.iloc[0]["rule"] == "labels"


def test_a_difference_that_goes_with_length_is_called_style(tmp_path):
    """The judge gives points for words; the strings see no change."""
    made = Made(
        tmp_path, {"base": 0.7}, n=200, noise=0.0, missed=0.0, sizes=[100],
        prompting=["default"], lengths={"base": 10, 100: 12},
        judged=lambda right, words: 1 + right + words / 5, trusted=True,
    )  # fmt: skip
    check(made, tmp_path)
    row = made.step("style")
    assert "Style rather than substance" in row["sentence"]
    assert files.parse_yaml(row["lines"])["prompting"] == ["default", "brief"]
    told = made.found.comparisons
    told = told[told["primary"] & (told["metric"] == "judge_accuracy")].iloc[0]
    assert numbers(row)["difference"] == pytest.approx(told["difference"])
    assert told["difference"] > 0.25


def test_what_was_forgotten_is_said_with_what_is_untested(tmp_path):
    made = Made(tmp_path, {"base": 0.7, 100: 0.75}, forgets=0.4)
    check(made, tmp_path)
    row = made.step("forgetting")
    assert numbers(row)["difference"] == pytest.approx(-0.4, abs=0.15)
    entry = files.parse_yaml(row["lines"])["fine_tuning"][-1]
    assert entry["replay"] == 0.25
    assert entry["strength"] == [0.5, 1.0]
    assert "forgetting" not in Made(tmp_path, {"base": 0.7, 100: 0.75}, forgets=0.0).rules


def test_a_rising_trend_goes_on_to_the_next_size_that_the_pool_has(tmp_path):
    made = Made(tmp_path, {"base": 0.5, 50: 0.55, 100: 0.8}, missed=0.0, worlds=150)
    check(made, tmp_path)
    row = made.step("larger train size")
    assert files.parse_yaml(row["lines"])["fine_tuning"][-1]["train_size"] == 200
    assert "base is reached" not in row["sentence"]


def test_how_far_the_base_is_is_said_of_the_recipe_whose_trend_it_is():
    recipe = {"dataset": "d", "model": "m", "method": "lora", "variant": "", "seed": 0}
    closed, raft = ({**recipe, "train_format": name} for name in ("closed_book", "raft"))
    rising = {"slope": 0.05, "ci_low": 0.03, "ci_high": 0.07, "p_value": 1e-5}
    level = {"slope": 0.0, "ci_low": -0.02, "ci_high": 0.02, "p_value": 0.9}
    gain = {"train_sizes": "50, 200", "gain": 0.1, "gain_low": 0.06, "gain_high": 0.14}
    rows = [{**closed, **rising, **gain, "n_seeds": 1}, {**raft, **level, **gain, "n_seeds": 1}]
    effects_of = [
        {**closed, "train_size": 200, "difference": -0.4},
        {**raft, "train_size": 200, "difference": -0.01},
    ]
    measured = SimpleNamespace(
        results=SimpleNamespace(trends=pd.DataFrame(rows)),
        of_main=lambda table: table,
        effects=pd.DataFrame(effects_of),
        main={"metric": "answer_recall"},
        metric="answer recall",
        margin=0.03,
        pool=lambda dataset, name: 1000,
        file=SimpleNamespace(with_training=lambda row, **changes: {}),
    )
    (step,) = of_training.train_size(measured)
    assert "base is reached in 8.0 doublings" in step.sentence


def test_sizes_that_make_no_difference_end_the_growing(tmp_path):
    made = Made(
        tmp_path, {"base": 0.5, 50: 0.7, 100: 0.7}, n=400, worlds=150, noise=0.0, missed=0.0
    )
    check(made, tmp_path)
    row = made.step("stop at this train size")
    assert numbers(row)["gain"] == 0
    assert row["lines"] == ""


def test_steps_are_shown_in_a_terminal_of_80_columns(tmp_path):
    made = Made(tmp_path, {"base": 0.6, "brief": 0.9, 50: 0.5, 100: 0.4}, missed=0.3, check=INVALID)
    text = steps_text(made.steps, most=3)
    assert max(map(len, text.splitlines())) <= 80 or any(
        str(tmp_path) in line for line in text.splitlines() if len(line) > 80
    )
    assert f"{len(made.steps) - 3} further step" in text
    for row in made.steps.head(3).to_dict("records"):
        assert row["sentence"] in re.sub(r"\s+", " ", text)


def test_of_several_states_without_a_difference_the_best_is_called_best_in_few_studies(tmp_path):
    """Selection counts: five equal states, 60 studies, the picked one apart from its nearest."""
    made = Made(tmp_path, {"base": 0.7}, n=30, missed=0.0, noise=1.0, contexts=["retrieved"])
    measured = Measured(made.found, made.study, StudyLines.of(made.study), {})
    wrong = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        rows = made.found.results.assign(answer_recall=rng.integers(0, 2, len(made.found.results)))
        one = replace(measured, results=replace(made.found, results=rows))
        wrong += any(against.low > 0 for against in one.contest.others)
    assert wrong <= 7  # 5 % of 60 are 3


def test_gold_passages_that_help_where_one_was_shown_tell_of_distraction(tmp_path):
    right = {("base", "retrieved"): 0.5, ("base", "oracle"): 0.85}
    made = Made(tmp_path, right, missed=0.0)
    check(made, tmp_path)
    row = made.step("distraction")
    gain = (made.recall("base", "oracle") - made.recall("base")).mean()
    assert numbers(row)["gain"] == pytest.approx(gain)
    assert files.parse_yaml(row["lines"])["retrieval"]["top_k"] == [1, 2]
    assert "search" not in made.rules
