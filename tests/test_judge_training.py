"""What a judge is trained on, and that a tree of answers is computed like each answer alone."""

from collections import Counter
from importlib import resources

import pytest
import torch

from rag_study import files, judge_training, models, prompts
from rag_study.finetuning import Recipe
from rag_study.judge_training import Graded
from rag_study.ladder import INSTRUCTIONS, REFUSAL
from rag_study.models import LanguageModel
from rag_study.qa_datasets.fictional import generator
from rag_study.text import normalise

CRITERIA = set(prompts.TRAINED_CRITERIA)
TEXTS = files.read_jsonl(resources.files("rag_study") / "data" / "judge_texts.jsonl")


@pytest.fixture
def lm() -> LanguageModel:
    return models.load_generator("random-llama")


@pytest.fixture(scope="module")
def material() -> list[Graded]:
    return judge_training.graded(0, num_worlds=3, num_texts=40)


def test_written_texts_are_whole():
    assert len(TEXTS) > 600
    for text in TEXTS:
        right = {text["reference"], *text["rewordings"]}
        assert len(right) == len(text["wrong_fact"]) == 3
        assert not right & {*text["wrong_fact"], *text["incomplete"]}
        assert text["vague"]
        assert text["padded"]


def test_every_answer_has_a_grade_on_every_criterion(material):
    kinds = Counter(one.kind for one in material)
    assert {"right", "wrong fact", "incomplete", "padded", "vague", "injected"} <= set(kinds)
    for one in material:
        assert set(one.scores) == CRITERIA
        assert set(one.scores.values()) <= {1, 2, 3, 4, 5}
        right = one.kind in ("right", "gold", "paraphrase", "padded")
        assert (one.scores["accuracy"] == 5) == (right or one.kind in ("incomplete", "truncated"))
        assert (one.scores["completeness"] == 5) == right


def test_a_reference_is_never_its_own_candidate(material):
    for one in material:
        assert normalise(one.candidate) != normalise(one.reference)


def test_the_check_is_not_in_the_training():
    material = judge_training.graded(0, num_worlds=3)
    candidates = " ".join(one.candidate for one in material)
    for fixed in (*INSTRUCTIONS, REFUSAL):
        assert fixed not in candidates
    demo = generator.generate(60, style="encyclopedia")
    assert not {one.question for one in material} & {q.question for q in demo.questions}


def test_a_tree_computes_what_each_prompt_alone_does(lm, material):
    for tree in judge_training.trees(lm, material)[:4]:
        places = torch.tensor(list(tree.labels))
        with torch.inference_mode():
            inputs = judge_training.tree_inputs(tree)
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
    digits = prompts.digit_tokens(lm.tokenizer)
    for one in material:
        prefix, endings = prompts.judge_prompt(
            lm.tokenizer, one.question, one.reference, one.candidate, prompts.TRAINED_CRITERIA
        )
        for name, score in one.scores.items():
            wanted[(*prefix, *endings[name], digits[score - 1])] += 1
    found = Counter()
    for tree in judge_training.trees(lm, material, max_tokens=300):
        for leaf, digit in tree.labels.items():
            path = [digit]
            while leaf >= 0:
                path.append(tree.ids[leaf])
                leaf = tree.parents[leaf]
            found[tuple(path[::-1])] += 1
    assert found == wanted


def test_training_lowers_the_loss_and_what_is_saved_scores_the_same(lm, material, tmp_path):
    forest = judge_training.within(judge_training.trees(lm, material), 4_000, seed=0)
    assert sum(len(tree.ids) for tree in forest) <= 4_000
    recipe = Recipe(epochs=6, learning_rate=0.01, lora_rank=4, lora_alpha=8, batch_size=2)
    losses = []
    judge_training.train(lm, forest, recipe, lambda _, loss: losses.append(loss))
    assert len(losses) == 6 * -(-len(forest) // 2)
    assert sum(losses[-3:]) < 0.7 * sum(losses[:3])
    judge_training.save(lm, recipe, tmp_path / "adapter")
    again = models.load_generator("random-llama", adapter_dir=tmp_path / "adapter")
    with torch.inference_mode():
        one, two = (float(judge_training.tree_loss(m.model, forest[0])) for m in (lm, again))
    assert one == pytest.approx(two, abs=0.01)
