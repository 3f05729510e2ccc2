"""What encoder-decoders and extractive readers learn."""

from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_readers import save_bert

from rag_study.common import run_folder
from rag_study.common.errors import StudyError
from rag_study.models import loading
from rag_study.training import finetune, objectives
from rag_study.training.examples import validation_loss
from rag_study.training.pairs import TrainingPair
from rag_study.training.recipe import Recipe

COLOURS = ["red", "green", "blue", "black"]
WORDS = ["what", "colour", "is", "the", "house", "of", "ida", *COLOURS]
RECIPE = Recipe(epochs=8, learning_rate=1e-2, lora_rank=8, lora_alpha=16, batch_size=4)


def pair(number, answer=None, **others):
    colour = COLOURS[number % 4]
    text = f"{'Ida ' * (number % 3)}the house of Ida is {colour.upper()} house"
    question = "What colour is the house?"
    return TrainingPair(str(number), question, answer or colour, (("Ida", text),), True, **others)


PAIRS = [pair(number) for number in range(24)]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return save_bert(tmp_path_factory.mktemp("bert"), WORDS)


def trained(name, method, folder, seed=0, dtype="float32", start=None):
    lm = loading.load_generator(name, dtype)
    data, _ = finetune.examples(lm, PAIRS)
    run = run_folder.RunFolder(f"fine_tune/{folder}")
    run.path.mkdir(parents=True, exist_ok=True)
    recipe = Recipe(**{**vars(RECIPE), "method": method, "seed": seed})
    result = finetune.train(lm, data, data[:8], recipe, run, start)
    return lm, result, run.path / "adapter"


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_reader_learns_to_point_and_is_read_back(outputs, bert, method):
    lm, result, adapter = trained(bert, method, method)
    assert result.validation_loss < 0.7 * result.base_validation_loss
    given = finetune.answers(lm, PAIRS[:8])
    # The text's own letters, wherever it points.
    texts = [f"{p.passages[0][0]}\n{p.passages[0][1]}" for p in PAIRS[:8]]
    assert all(answer in text for answer, text in zip(given, texts, strict=True))
    again = loading.load_generator(bert, adapter_dir=adapter)
    assert finetune.answers(again, PAIRS[:8]) == given
    assert finetune.answers(loading.load_generator(bert), PAIRS[:8]) != given
    saved = "model.safetensors" if method == "full" else "adapter_model.safetensors"
    weights = load_file(adapter / saved)
    assert any("qa_outputs" in key for key in weights)


def test_a_new_head_begins_by_the_seed(outputs, bert):
    first, again, other = (
        load_file(trained(bert, "lora", f"seed-{n}", seed)[2] / "adapter_model.safetensors")
        for n, seed in enumerate((0, 0, 1))
    )
    assert all(torch.equal(first[key], again[key]) for key in first)
    head = next(key for key in first if "qa_outputs" in key and "weight" in key)
    assert not torch.equal(first[head], other[head])


@pytest.mark.parametrize(
    ("method", "dtype"), [("lora", "float32"), ("full", "float32"), ("lora", "bfloat16")]
)
def test_an_encoder_decoder_learns_and_is_read_back(outputs, method, dtype):
    lm, result, adapter = trained("random-t5", method, method, dtype=dtype)
    assert result.validation_loss < result.base_validation_loss
    again = loading.load_generator("random-t5", dtype, adapter)
    objective = objectives.of(again)
    held_out = objective.examples(again, PAIRS)[0][:8]
    collator = partial(objective.collate, pad_id=again.tokenizer.pad_token_id)
    loss = validation_loss(again.model, held_out, collator, 4, objective.loss)
    # The steps and the answers of a random model turn on the rounding of bfloat16.
    assert loss == pytest.approx(result.validation_loss, rel=1e-4 if dtype == "float32" else 0.03)
    if dtype == "float32":
        assert finetune.answers(again, PAIRS[:4], 8) == finetune.answers(lm, PAIRS[:4], 8)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_training_goes_on_from_an_earlier_one_head_and_all(outputs, bert, method):
    _, first, adapter = trained(bert, method, f"first-{method}")
    _, second, _ = trained(bert, method, f"second-{method}", start=adapter)
    assert second.trainable_parameters == first.trainable_parameters
    assert second.validation_loss < first.validation_loss


def test_what_there_is_to_point_at(bert):
    lm = loading.load_generator(bert)
    pairs = [
        pair(0),
        pair(1, answer="the colour green of course", wordings=("turquoise", "green")),
        pair(2, answer="nothing", answer_type="unanswerable"),
        pair(3, answer="Ida", answer_type="yesno"),
        pair(4, answer="turquoise"),
        TrainingPair("x", "What?", "red"),
        TrainingPair("y", "Say red", "red", kind="general"),
    ]
    made, counts = objectives.span_examples(lm, pairs)
    assert counts["left out, no answer to point at"] == 4
    tokens = [lm.tokenizer.decode(e["input_ids"][e["span"][0] : e["span"][1] + 1]) for e in made]
    assert tokens == ["red", "green", "[CLS]"]


def test_the_loss_is_the_models_own():
    lm = loading.load_generator("random-t5")
    objective = objectives.of(lm)
    data, _ = objective.examples(lm, PAIRS[:5])
    batch = objective.collate(data, lm.tokenizer.pad_token_id)
    with torch.inference_mode():
        own = lm.model(**batch).loss
        assert objective.loss(lm.model, batch).item() == pytest.approx(own.item(), rel=1e-5)
        total = objective.loss(lm.model, batch, 1).item()
    assert total == pytest.approx(own.item() * int((batch["labels"] != -100).sum()), rel=1e-5)


def test_the_loss_of_spans_is_the_models_own(bert):
    lm = loading.load_generator(bert)
    objective = objectives.of(lm)
    data, _ = objective.examples(lm, PAIRS[:1])  # without padding, which the model's own counts
    batch = objective.collate(data, lm.tokenizer.pad_token_id)
    labels = batch["labels"]
    inputs = {key: value for key, value in batch.items() if key != "labels"}
    with torch.inference_mode():
        own = lm.model(**inputs, start_positions=labels[:, 0], end_positions=labels[:, 1]).loss
        assert objective.loss(lm.model, batch).item() == pytest.approx(own.item(), rel=1e-5)


@pytest.mark.parametrize("method", ["qlora", "prompt_tuning", "prefix_tuning", "ia3"])
def test_methods_made_for_decoders_are_refused(outputs, bert, method):
    for name in (bert, "random-t5"):
        with pytest.raises(StudyError, match=f"method {method} is for decoders"):
            trained(name, method, "refused")
    assert not Path(outputs / "runs/fine_tune/refused/adapter").exists()
