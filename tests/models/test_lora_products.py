"""An adapter that is read for answers computes as it did in training."""

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model

from rag_study.models import loading, lora_products


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
        lora_products.fuse(trained)
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
