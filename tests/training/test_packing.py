"""Rows of tokens and LoRA's products are computed in another way, and come to the same."""

from functools import partial

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

from rag_study.models import linear_products
from rag_study.models.language_model import LanguageModel
from rag_study.training import packing
from rag_study.training.examples import IGNORED, Example, collate, completion_loss

TINY = {
    **{"vocab_size": 97, "hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2},
    **{"num_attention_heads": 6, "num_key_value_heads": 2, "max_position_embeddings": 128},
    **{"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2},
}


def model(kind="llama", **options):
    torch.manual_seed(3)
    config = AutoConfig.for_model(kind, **(TINY | options))
    made = AutoModelForCausalLM.from_config(config)
    for weight in made.parameters():
        weight.data.mul_(4)  # what it looks at must matter
    return made


def batch(*lengths, shared=5, seed=0):
    """Examples of (prompt, completion) lengths whose prompts begin alike."""
    numbers = torch.Generator().manual_seed(seed)
    beginning = torch.randint(3, 97, (shared,), generator=numbers).tolist()
    made = []
    for row, (prompt, completion) in enumerate(lengths):
        own = torch.randint(3, 97, (prompt + completion - shared - 1,), generator=numbers).tolist()
        ids = [*beginning, 3 + row, *own]
        made.append(Example(input_ids=ids, completion=ids[-completion:]))
    return made


def gradients(lm, inputs):
    lm.zero_grad()
    loss = completion_loss(lm, inputs)
    loss.backward()
    return float(loss), {n: p.grad.clone() for n, p in lm.named_parameters() if p.grad is not None}


def agree(found, expected, share):
    """The gradients differ by less than this share of their norm."""
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert (found[name] - gradient).norm() <= share * gradient.norm() + 1e-6, name


def one_by_one(lm, examples):
    """The loss of each example alone, without padding, by the model's own loss."""
    total = labels = 0
    for one in examples:
        ids = torch.tensor([one["input_ids"]])
        targets = ids.clone()
        targets[0, : -len(one["completion"])] = IGNORED
        total = total + lm(input_ids=ids, labels=targets).loss * len(one["completion"])
        labels += len(one["completion"])
    return total / labels


BATCHES = {
    "uneven": batch((9, 3), (30, 1), (7, 6), (12, 2)),
    "nothing shared": batch((9, 3), (8, 2), shared=0),
    "all but the prompt's last token": batch((6, 2), (6, 4)),
    "the same twice": batch((9, 3)) * 2,
    "one prompt begins the other": [
        Example(input_ids=[5, 6, 7, 8], completion=[8]),
        Example(input_ids=[5, 6, 7, 9, 10, 11], completion=[11]),
    ],
    "one alone": batch((9, 3)),
    "a prompt of one token": [
        Example(input_ids=[5, 6, 7], completion=[6, 7]),
        Example(input_ids=[5, 8], completion=[8]),
    ],
}


@pytest.mark.parametrize("plain_length", [packing.PLAIN_LENGTH, 0], ids=["plain", "fused"])
@pytest.mark.parametrize("name", BATCHES)
def test_a_row_has_loss_and_gradients_of_its_examples_alone(monkeypatch, name, plain_length):
    monkeypatch.setattr(packing, "PLAIN_LENGTH", plain_length)
    lm, examples = model(), BATCHES[name]
    expected = one_by_one(lm, examples)
    expected.backward()
    alone = {n: p.grad.clone() for n, p in lm.named_parameters()}
    row = packing.collate(examples, 0)
    assert row["lengths"].tolist() == [len(one["input_ids"]) for one in examples]
    with packing.read_rows(lm):
        loss, found = gradients(lm, row)
    assert loss == pytest.approx(float(expected.detach()), rel=1e-5)
    agree(found, alone, 1e-4)


def test_attention_s_weights_that_are_computed_again_change_nothing(monkeypatch):
    lm, row = model().bfloat16(), packing.collate(BATCHES["uneven"], 0)
    really, computed = packing._in_steps, []

    def counted(*given):
        computed.append(given)
        return really(*given)

    monkeypatch.setattr(packing, "_in_steps", counted)
    with packing.read_rows(lm):
        loss, kept = gradients(lm, row)
        once = len(computed)
        monkeypatch.setattr(packing, "PLAIN_LENGTH", 0)
        again_loss, again = gradients(lm, row)
    assert len(computed) == once + 2 * once
    assert again_loss == loss
    assert all(torch.equal(again[name], gradient) for name, gradient in kept.items())


@pytest.mark.parametrize("kind", packing.ARCHITECTURES)
def test_every_architecture_reads_rows_as_it_reads_padded_batches(kind):
    lm = model(kind, sliding_window=None)
    assert packing.fits(LanguageModel("tiny", lm, None))
    examples = BATCHES["uneven"]
    loss, alone = gradients(lm, collate(examples, 0))
    with packing.read_rows(lm):
        packed_loss, found = gradients(lm, packing.collate(examples, 0))
    assert packed_loss == pytest.approx(loss, rel=1e-5)
    agree(found, alone, 1e-4)


def test_what_is_shared_is_read_once_and_nothing_is_padded():
    row = packing.collate(BATCHES["uneven"], 0)
    whole = [12, 31, 13, 14]
    assert row["input_ids"].shape == (1, sum(whole) - 3 * 5)
    assert int((row["labels"] != IGNORED).sum()) == 3 + 1 + 6 + 2


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("mistral", {"sliding_window": 8}),
        ("qwen2", {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}),
        ("gemma2", {"head_dim": 8}),
        ("gpt2", {}),
        ("bloom", {}),
    ],
)
def test_models_that_look_at_less_or_in_another_way_are_not_given_rows(kind, options):
    assert not packing.fits(LanguageModel("tiny", model(kind, **options), None))


def adapted(dtype=torch.float32, **options):
    base = model(attention_bias=True).to(dtype)
    settings = {"r": 4, "lora_alpha": 12, "target_modules": "all-linear", **options}
    lm = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", **settings))
    torch.manual_seed(5)
    for name, weight in lm.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    return lm


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_products_beside_the_bases_are_peft_s_own_in_value_and_gradient(dtype):
    lm, inputs = adapted(dtype), collate(BATCHES["uneven"], 0)
    loss, expected = gradients(lm, inputs)
    with linear_products.fused(lm):
        fused_loss, found = gradients(lm, inputs)
    assert {gradient.dtype for gradient in found.values()} == {torch.float32}
    exact = dtype == torch.float32
    assert fused_loss == pytest.approx(loss, rel=1e-5 if exact else 0.02)
    agree(found, expected, 1e-4 if exact else 0.2)
    assert gradients(lm, inputs)[0] == loss  # PEFT's own again


@pytest.mark.parametrize(
    "options",
    [{"use_dora": True}, {"lora_dropout": 0.5}, {"lora_bias": True}],
    ids=["dora", "dropout", "bias"],
)
def test_layers_that_do_more_than_two_products_are_left_to_peft(monkeypatch, options):
    lm = adapted(**options)
    monkeypatch.setattr(linear_products, "_product", partial(pytest.fail, "was fused"))
    with linear_products.fused(lm):
        completion_loss(lm, collate(BATCHES["uneven"], 0))
