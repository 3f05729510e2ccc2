"""Words and numbers as people read them, and what needs them without drawing."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from rag_study.analysis import states
from rag_study.common import wording

pytestmark = pytest.mark.filterwarnings("error")

BASE = {
    "prompting": "default",
    "method": "none",
    "train_format": "none",
    "train_size": 0,
    "seed": 0,
    "top_k": 3,
}
LORA = BASE | {"method": "lora", "train_format": "closed_book", "train_size": 200}


def test_names_of_a_state_and_its_factors():
    assert states.state_label(BASE) == "base"
    assert states.state_label(LORA) == "LoRA 200"
    columns = ["train_format", "seed", "top_k"]
    assert states.factor_words(LORA, columns) == ["trained without passages", "seed 0", "top 3"]
    assert states.factor_words(BASE, columns) == ["top 3"]


def test_base_rows_do_not_make_training_factors_differ():
    columns = ["method", "seed", "top_k"]
    assert states.differing(pd.DataFrame([BASE, LORA]), columns) == []
    others = [BASE, LORA, LORA | {"seed": 1}, BASE | {"top_k": 5}]
    assert states.differing(pd.DataFrame(others), columns) == ["seed", "top_k"]


def test_unknown_names_are_shown_as_they_are():
    assert states.method_label("prod_v2") == "prod_v2"
    assert states.format_label("by_ear") == "trained by ear"
    assert states.context_label("web") == "with context “web”"
    assert states.context_rank("web") > states.context_rank("counterfactual")


@pytest.mark.parametrize(
    ("value", "metric", "text"),
    [
        (-0.049, "answer_recall", "−0.05"),
        (-0.001, "answer_recall", "+0.00"),
        (3.14, "answer_length", "+3.1"),
        (np.float64("nan"), "answer_recall", "not computed"),
        (None, "answer_recall", "not computed"),
    ],
)
def test_differences_have_a_sign_and_the_digits_of_their_metric(value, metric, text):
    assert wording.signed(value, metric) == text


@pytest.mark.parametrize(("value", "text"), [(587, "590"), (41, "41"), (4_210, "4,300"), (7, "7")])
def test_question_numbers_are_rounded_up(value, text):
    assert wording.rounded_up(value) == text


def test_the_terminal_needs_no_matplotlib():
    code = "import sys, rag_study.report.tables; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_seed_that_drew_a_prompts_examples_is_said():
    few = [{**BASE, "prompting": "few_shot", "seed": seed} for seed in (0, 1)]
    assert states.differing(pd.DataFrame([BASE, *few]), ["seed", "top_k"]) == ["seed"]
    words = [states.factor_words(row, ["seed"]) for row in (BASE, *few)]
    assert words == [[], ["seed 0"], ["seed 1"]]
