import pytest
import torch
from bitsandbytes.nn import Linear4bit
from test_adapters import logits, mixtral
from transformers import LlamaConfig

from rag_study.common.errors import StudyError
from rag_study.models import loading, quantisation
from rag_study.training import peft
from rag_study.training.recipe import Recipe


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_quantised_base_really_is_4_bit(dtype):
    lm = loading.load_generator("random-llama", dtype, quantised=True)
    layers = [m for m in lm.model.modules() if isinstance(m, Linear4bit)]
    assert len(layers) == 2 * 7
    assert {layer.weight.quant_type for layer in layers} == {"nf4"}
    assert all(layer.weight.quant_state.nested for layer in layers)  # double quantisation
    whole = loading.load_generator("random-llama", dtype)
    packed = sum(layer.weight.nbytes for layer in layers)
    numbers = sum(p.numel() for n, p in whole.model.named_parameters() if "_proj" in n)
    assert packed == numbers / 2
    assert lm.model.lm_head.weight.dtype == getattr(torch, dtype)
    assert torch.allclose(logits(lm.model), logits(whole.model), atol=25)
    assert not torch.equal(logits(lm.model), logits(whole.model))


def test_an_evaluation_changes_no_weight_and_gradients_still_flow():
    """bitsandbytes would repack the weights when first evaluated, on processors with AVX512."""
    lm = loading.load_generator("random-llama", quantised=True)
    first = logits(lm.model)
    model = peft.wrap(lm, Recipe(method="qlora"))
    model.train()(input_ids=torch.arange(5, 25)[None]).logits.sum().backward()
    grads = [p.grad for n, p in model.named_parameters() if "lora_B" in n]
    assert all(grad is not None and grad.abs().sum() > 0 for grad in grads)
    assert torch.equal(logits(model.eval()), first)


def test_fused_experts_are_refused_before_anything_is_loaded(tmp_path, tiny):
    mixtral().save_pretrained(tmp_path)
    tiny.tokenizer.save_pretrained(tmp_path)
    with pytest.raises(StudyError, match=r"fused parameters .*\n?.*Use method lora in bfloat16"):
        loading.load_generator(str(tmp_path), quantised=True)


def test_a_model_that_stayed_large_is_refused(monkeypatch, tmp_path, tiny):
    mixtral().save_pretrained(tmp_path)
    tiny.tokenizer.save_pretrained(tmp_path)
    monkeypatch.setattr(quantisation, "check_config", lambda *_: None)
    with pytest.raises(StudyError, match=r"asked for in 4-bit and takes .* GB; .* would be right"):
        loading.load_generator(str(tmp_path), quantised=True)
    with pytest.raises(StudyError, match="has no 4-bit layer"):
        quantisation.check_loaded("mine", tiny.model)


def test_a_llama_of_7_billion_is_predicted_at_4_gigabytes():
    config = LlamaConfig(hidden_size=4096, num_hidden_layers=32)
    quantisation.check_config("llama", config, torch.bfloat16)
    with torch.device("meta"):
        from transformers import AutoModelForCausalLM

        skeleton = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    assert 3.4e9 < quantisation.ideal_bytes(skeleton) < 4.2e9


def test_missing_bitsandbytes_is_said(monkeypatch):
    monkeypatch.setattr(quantisation.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(StudyError, match="needs the package bitsandbytes"):
        quantisation.four_bit_config(torch.float32)
