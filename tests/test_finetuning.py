import math

import pytest
import torch
from safetensors.torch import load_file

from rag_study import finetuning, models, prompts, qa_datasets, store
from rag_study.errors import StudyError
from rag_study.qa_datasets.schema import Question


@pytest.fixture(scope="module")
def pools():
    return qa_datasets.split(qa_datasets.load("fictional", options={"num_worlds": 40})).pools


def train(pools, outputs, size=24, seed=0, **changes):
    lm = models.load_generator("random-llama")
    settings = {"epochs": 4, "learning_rate": 5e-3, "lora_rank": 8, "lora_alpha": 16}
    result = finetuning.train(
        lm,
        pools["train"][:size],
        pools["validation"][:12],
        **(settings | changes),
        batch_size=8,
        seed=seed,
        folder=folder(outputs),
    )
    return lm, result


def folder(outputs):
    run = store.RunFolder("fine_tune/test-1")
    run.path.mkdir(parents=True, exist_ok=True)
    return run


def test_loss_is_that_of_the_answer_tokens_alone(tiny, pools):
    questions = pools["train"][:5]
    data = finetuning.examples(tiny, questions)
    batch = finetuning.collate(data, tiny.tokenizer.pad_token_id)
    with torch.no_grad():
        loss = float(finetuning.completion_loss(tiny.model, batch))
        total, count = 0.0, 0
        for q in questions:  # one by one, no padding, every probability looked up by hand
            prompt = prompts.answer_prompt(tiny.tokenizer, q.question)
            answer = [*tiny.tokenizer.encode(q.reference), tiny.tokenizer.eos_token_id]
            logits = tiny.model(input_ids=torch.tensor([prompt + answer])).logits[0]
            for i, token in enumerate(answer):
                total -= float(logits[len(prompt) + i - 1].log_softmax(-1)[token])
                count += 1
    assert loss == pytest.approx(total / count, rel=1e-5)
    held_out = finetuning.validation_loss(
        tiny.model, data, lambda b: finetuning.collate(b, tiny.tokenizer.pad_token_id), 2
    )
    assert held_out == pytest.approx(total / count, rel=1e-5)


def test_labels_hold_the_end_token_and_no_padding(tiny, pools):
    data = finetuning.examples(tiny, pools["train"][:4])
    batch = finetuning.collate(data, pad_id=tiny.tokenizer.eos_token_id)  # pad token = end token
    labelled = (batch["labels"] != finetuning.IGNORED).sum(dim=1).tolist()
    assert labelled == [len(e["completion"]) for e in data]
    assert (batch["labels"][:, -1] == tiny.tokenizer.eos_token_id).all()
    assert batch["attention_mask"].sum(dim=1).tolist() == [len(e["input_ids"]) for e in data]


def test_training_lowers_the_held_out_loss_and_saves_a_safetensors_adapter(pools, outputs):
    lm, result = train(pools, outputs)
    assert result.validation_loss < result.base_validation_loss - 0.1
    assert result.optimizer_steps == 4 * math.ceil(24 / 8)
    assert result.history["train_loss"].notna().sum() >= 3
    assert result.history["validation_loss"].notna().sum() == 1 + 4
    saved = load_file(folder(outputs).path / "adapter" / "adapter_model.safetensors")
    assert {tensor.dtype for tensor in saved.values()} == {torch.float32}
    trained = sum(tensor.numel() for tensor in saved.values())
    assert trained == result.trainable_parameters

    ids = torch.tensor([prompts.answer_prompt(lm.tokenizer, "Who?")])
    again = models.load_generator("random-llama", adapter_dir=folder(outputs).path / "adapter")
    with torch.no_grad():
        assert torch.equal(lm.model(input_ids=ids).logits, again.model(input_ids=ids).logits)


def test_same_seed_same_adapter_other_seed_another(pools, outputs, tmp_path):
    def weights(seed):
        train(pools, outputs, size=8, seed=seed, epochs=1)
        return load_file(folder(outputs).path / "adapter" / "adapter_model.safetensors")

    first, second, other = weights(0), weights(0), weights(1)
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert not all(torch.equal(first[k], other[k]) for k in first)


def test_bfloat16_base_keeps_float32_adapters(pools, outputs):
    lm = models.load_generator("random-llama", "bfloat16")
    finetuning.train(
        lm,
        pools["train"][:8],
        pools["validation"][:4],
        epochs=1,
        learning_rate=1e-3,
        lora_rank=4,
        lora_alpha=8,
        batch_size=4,
        seed=0,
        folder=folder(outputs),
    )
    adapters = [p for n, p in lm.model.named_parameters() if "lora_" in n]
    assert {p.dtype for p in adapters} == {torch.float32}
    assert lm.model.lm_head.weight.dtype == torch.bfloat16


def test_a_loss_that_is_not_a_number_stops_with_advice(pools, outputs, monkeypatch):
    monkeypatch.setattr(
        finetuning,
        "completion_loss",
        lambda model, batch, items=None: (
            sum(p.sum() for p in model.parameters() if p.requires_grad) * float("nan")
        ),
    )
    with pytest.raises(StudyError, match=r"not a number at step \d+.*lower learning_rate"):
        train(pools, outputs)
    assert not (folder(outputs).path / "adapter").exists()


def test_a_pair_longer_than_the_window_is_named(tiny):
    with pytest.raises(StudyError, match="'long' and its answer have"):
        finetuning.examples(tiny, [Question("long", "Who?", ("word " * 2000,))])
