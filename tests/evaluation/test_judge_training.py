"""A tree of answers is computed like each answer alone, and training on trees works."""

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import torch

import rag_study
from rag_study.data.sources import fictional
from rag_study.evaluation.judging import Item, open_judge, training, training_material, validity
from rag_study.evaluation.judging import prompts as judging_prompts
from rag_study.evaluation.judging.ladder import ladder
from rag_study.evaluation.judging.training_material import Graded
from rag_study.models import loading, names
from rag_study.models.language_model import LanguageModel
from rag_study.training.recipe import Recipe


@pytest.fixture
def lm() -> LanguageModel:
    return loading.load_generator("random-llama")


@pytest.fixture(scope="module")
def material() -> list[Graded]:
    return training_material.graded(0, num_worlds=3, num_texts=40, num_facts=20)


def test_a_tree_computes_what_each_prompt_alone_does(lm, material):
    forest = training.trees(lm, material)[:6]
    # Alone, and side by side with others.
    for tree in [*forest[:3], *training.packed(forest[3:], 10_000)]:
        places = torch.tensor(list(tree.labels))
        with torch.inference_mode():
            inputs = training.tree_inputs(tree)
            together = lm.model(**inputs, logits_to_keep=places).logits[0]
            for row, leaf in enumerate(tree.labels):
                path = []
                while leaf >= 0:
                    path.append(tree.ids[leaf])
                    leaf = tree.parents[leaf]
                alone = lm.model(input_ids=torch.tensor([path[::-1]])).logits[0, -1]
                torch.testing.assert_close(together[row], alone, rtol=1e-4, atol=1e-4)


def test_trees_hold_the_judges_own_prompts(lm, material):
    wanted = Counter()
    digits = judging_prompts.digit_tokens(lm.tokenizer)
    for one in material:
        prefix, endings = judging_prompts.judge_prompt(
            lm.tokenizer,
            one.question,
            one.reference,
            one.candidate,
            judging_prompts.TRAINED_CRITERIA,
        )
        for name, score in one.scores.items():
            wanted[(*prefix, *endings[name], digits[score - 1])] += 1
    found = Counter()
    for tree in training.trees(lm, material, max_tokens=300):
        for leaf, digit in tree.labels.items():
            path = [digit]
            while leaf >= 0:
                path.append(tree.ids[leaf])
                leaf = tree.parents[leaf]
            found[tuple(path[::-1])] += 1
    assert found == wanted


def test_training_lowers_the_loss_and_what_is_saved_scores_the_same(lm, material, tmp_path):
    forest = training.within(training.trees(lm, material), 4_000, seed=0)
    assert sum(len(tree.ids) for tree in forest) <= 4_000
    recipe = Recipe(epochs=6, learning_rate=0.01, lora_rank=4, lora_alpha=8, batch_size=2)
    losses = []
    training.train(lm, forest, recipe, lambda _, loss: losses.append(loss))
    assert len(losses) == -(-6 * len(forest) // 2)
    assert sum(losses[-3:]) < 0.7 * sum(losses[:3])
    training.save(lm, recipe, tmp_path / "adapter")
    again = loading.load_generator("random-llama", adapter_dir=tmp_path / "adapter")
    with torch.inference_mode():
        one, two = (float(training.tree_loss(m.model, forest[0])) for m in (lm, again))
    assert one == pytest.approx(two, abs=0.01 * len(forest[0].labels))


def test_trees_side_by_side_stay_short(lm, material):
    forest = training.trees(lm, material, max_tokens=300)
    most = 4 * max(len(tree.ids) for tree in forest)
    packs = list(training.packed(forest, most))
    assert all(len(pack.ids) <= most for pack in packs)
    assert sum(len(pack.labels) for pack in packs) == sum(len(tree.labels) for tree in forest)
    assert len(packs) < len(forest) / 2


def test_the_packages_judge_is_small_and_the_one_on_record():
    for preset in names.JUDGES.values():
        weights = (
            Path(rag_study.__file__).parent
            / "models"
            / preset.adapter
            / "adapter_model.safetensors"
        )
        assert weights.stat().st_size < 12e6
        names.verify_checksum(weights, preset.revision)


@pytest.mark.slow
def test_the_packages_judge_tells_right_answers_from_wrong_ones():
    questions = fictional.generate(12, style="encyclopedia").questions[:40]
    by_id = {question.id: question for question in questions}
    rungs = [
        row
        for row in ladder(questions)
        if row["rung"] in ("gold", "paraphrase", "corrupted", "other_question", "injected")
    ]
    judge = open_judge("smollm2-135m-judge")
    graded = judge.score([Item.of(by_id[row["question_id"]], row["candidate"]) for row in rungs])
    scores = pd.DataFrame([row | score for row, score in zip(rungs, graded, strict=True)])
    auc = validity.ladder_auc(scores, judge.name, judge.criteria)
    auc = auc[(auc["higher"] == validity.TOGETHER) & (auc["criterion"] == "accuracy")]
    auc = auc.set_index("rung")["auc"]
    assert auc["other_question"] >= 0.97
    assert auc["corrupted"] >= 0.95
    assert auc["injected"] >= 0.97
    facts = validity.ladder_facts(scores, judge.name, judge.criteria)
    facts = facts[facts["criterion"] == "accuracy"].set_index("fact")["value"]
    assert facts["injection"] < 0.2
