"""Linear layers compute by the quicker library, and an adapter in answers as in training."""

import copy

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model

from rag_study.common import machine
from rag_study.models import linear_products, loading


@pytest.fixture
def trained():
    lm = get_peft_model(
        loading.load_generator("random-llama").model,
        LoraConfig(r=4, lora_alpha=12, target_modules="all-linear"),
    )
    torch.manual_seed(5)
    for name, weight in lm.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    return lm.eval()


def small_weights(lm):
    return {n: p for n, p in lm.named_parameters() if "lora_" in n}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_fused_adapter_scores_tokens_as_peft_does(trained, dtype):
    ids = torch.randint(3, 97, (3, 20), generator=torch.Generator().manual_seed(1))
    for parameter in trained.get_base_model().parameters():
        if not parameter.requires_grad:
            parameter.data = parameter.data.to(dtype)
    with torch.inference_mode():
        expected = trained(input_ids=ids).logits.float()
        linear_products.fuse(trained)
        found = trained(input_ids=ids).logits.float()
    scale = expected.std()
    assert 0 < (found - expected).abs().max() < (1e-5 if dtype == torch.float32 else 0.15) * scale
    assert {weight.dtype for weight in small_weights(trained).values()} == {dtype}


def test_an_adapter_is_loaded_so(tmp_path):
    config = LoraConfig(r=4, target_modules="all-linear")
    get_peft_model(loading.load_generator("random-llama").model, config).save_pretrained(tmp_path)
    lm = loading.load_generator("random-llama", "bfloat16", tmp_path)
    assert isinstance(lm.model, PeftModel)
    assert {weight.dtype for weight in small_weights(lm.model).values()} == {torch.bfloat16}


# --- The library that multiplies -----------------------------------------------------------------

onednn = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="PyTorch has no oneDNN on this machine"
)


@pytest.fixture
def quicker(monkeypatch):
    """A processor that oneDNN serves better; how often it was asked."""
    own, asked = torch.ops.mkldnn._linear_pointwise, []

    def counted(*arguments):
        asked.append(arguments)
        return own(*arguments)

    monkeypatch.setattr(linear_products, "_has_quicker_float32", lambda: True)
    monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", counted)
    return asked


def a_layer(inputs=256, outputs=512, dtype=torch.float32, frozen=True):
    torch.manual_seed(3)
    layer = torch.nn.Linear(inputs, outputs, dtype=dtype)
    return layer.requires_grad_(not frozen)


def outcome(layer, rows):
    """The product and the gradients of a sum of its squares."""
    rows = rows.clone().requires_grad_()
    layer.zero_grad()
    product = layer(rows)
    product.square().sum().backward()
    return [product.detach(), rows.grad, layer.weight.grad]


@onednn
@pytest.mark.parametrize("shape", [(3, 7, 256), (5, 256), (1, 256), (0, 256)])
def test_the_quicker_library_s_products_and_gradients_are_torch_s(quicker, shape):
    layer, rows = a_layer(), torch.randn(shape)
    expected = outcome(layer, rows)
    linear_products.quicken(torch.nn.Sequential(layer))
    found = outcome(layer, rows)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3)
    assert len(quicker) == (2 if rows.numel() else 0)


@onednn
@pytest.mark.parametrize(
    "settings",
    [{"frozen": False}, {"dtype": torch.bfloat16}, {"inputs": 64, "outputs": 32}],
    ids=["trained", "bfloat16", "small"],
)
def test_other_layers_are_left_to_torch(quicker, settings):
    layer = a_layer(**settings)
    rows = torch.randn(9, layer.in_features, dtype=layer.weight.dtype)
    expected = outcome(layer, rows)
    linear_products.quicken(torch.nn.Sequential(layer))
    assert all(
        found is other is None or torch.equal(found, other)
        for found, other in zip(outcome(layer, rows), expected, strict=True)
    )
    assert not quicker


@onednn
def test_autocast_rounds_as_ever(quicker):
    layer, rows = a_layer(), torch.randn(9, 256, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        expected = layer(rows)
        linear_products.quicken(torch.nn.Sequential(layer))
        found = layer(rows)
    found.float().sum().backward()
    assert rows.grad.dtype == torch.float32
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, expected)
    assert not quicker


@onednn
def test_an_adapter_s_products_go_the_same_way(quicker):
    torch.manual_seed(4)
    model = torch.nn.Sequential(a_layer(256, 512), torch.nn.GELU(), a_layer(512, 256))
    model = get_peft_model(model, LoraConfig(r=4, target_modules=["0", "2"]))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    rows = torch.randn(6, 256, requires_grad=True)

    def gradients():
        model.zero_grad()
        model(rows).square().sum().backward()
        return [weight.grad for weight in small_weights(model).values()]

    expected = gradients()
    with linear_products.fused(model):
        found = gradients()
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    # Both layers forward, and back to the inputs, which are given a gradient here.
    assert len(quicker) == 4


@onednn
def test_a_copy_of_a_layer_computes_with_its_own_weights(quicker):
    layer, rows = a_layer(), torch.randn(5, 256)
    linear_products.quicken(torch.nn.Sequential(layer))
    copied = copy.deepcopy(layer)
    torch.nn.init.zeros_(copied.weight)
    torch.nn.init.zeros_(copied.bias)
    with torch.inference_mode():
        assert not copied(rows).any()
        assert layer(rows).any()
    assert len(quicker) == 2


@pytest.mark.parametrize(
    ("vendor", "flags", "expected"),
    [
        ("AuthenticAMD", {"avx2", "avx512f"}, True),
        ("AuthenticAMD", {"avx2"}, False),
        ("GenuineIntel", {"avx2", "avx512f"}, False),
        ("", set(), False),
    ],
)
def test_the_choice_goes_by_the_processor(monkeypatch, vendor, flags, expected):
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(machine, "cpu_vendor", lambda: vendor)
    monkeypatch.setattr(machine, "cpu_flags", lambda: frozenset(flags))
    assert linear_products._has_quicker_float32.__wrapped__() == expected
