"""Prompts read one by one give what `generate` gives that reads a padded batch."""

import random
from dataclasses import replace

import pytest
import torch
from peft import LoraConfig, PromptTuningConfig, get_peft_model
from transformers import MistralConfig, MistralForCausalLM

from rag_study.answering import batch
from rag_study.answering.batch import Item, Settings
from rag_study.answering.contexts import Context
from rag_study.data.schema import Question
from rag_study.models import language_model, loading, prefill, prompts
from rag_study.models.language_model import LanguageModel
from rag_study.models.random_llama import build
from rag_study.retrieval.passage import Passage

NEAR = 1e-3  # two best tokens as near as this may change places


def some_prompts(lm, number):
    """Prompts of very different lengths."""
    rng = random.Random(number)
    return [
        prompts.answer_prompt(
            lm.tokenizer,
            f"Who built the {'very ' * rng.randint(0, 9)}old tower {i}?",
            [("Towers", f"Tower {j} is old. " * rng.randint(1, 9)) for j in range(i % 4)],
        )
        for i in range(number)
    ]


def plain(lm, asked, new_tokens):
    """What transformers answers by itself: a padded batch, and the cache that it makes."""
    ids, mask = language_model.left_pad(asked, lm.tokenizer.pad_token_id)
    with torch.inference_mode():
        made = lm.model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=new_tokens,
            do_sample=False,
            eos_token_id=sorted(language_model.end_tokens(lm)),
            pad_token_id=lm.tokenizer.pad_token_id,
        )
    return made[:, ids.shape[1] :].tolist()


def ours(lm, asked, new_tokens):
    items = [Item(Question("q", "", ("x",)), Context(()), (), ids, {}) for ids in asked]
    return batch.new_tokens(lm, items, Settings(new_tokens))


def assert_same_but_for_near_ties(lm, asked, new, expected):
    """Answers are the same, or the two best tokens were `NEAR` where they part."""
    parted = 0
    for prompt, one, other in zip(asked, new, expected, strict=True):
        end = lm.tokenizer.eos_token_id
        one, other = ([*row[: row.index(end)], end] if end in row else row for row in (one, other))
        if one == other:
            continue
        parted += 1
        same = next(i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
        with torch.inference_mode():
            logits = lm.model(input_ids=torch.tensor([prompt + one[:same]])).logits[0, -1]
        best, second = logits.topk(2).values
        assert best - second < NEAR
    assert parted <= len(asked) // 8


def with_adapter(config):
    lm = loading.load_generator("random-llama")
    torch.manual_seed(0)
    model = get_peft_model(lm.model, config)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:  # zero at first: an adapter that changes nothing
            torch.nn.init.normal_(parameter, std=0.1)
    return replace(lm, model=model.eval())


def test_the_cache_holds_what_one_pass_over_the_padded_batch_leaves_in_it(tiny):
    asked = some_prompts(tiny, 5)
    ids, mask = language_model.left_pad(asked, tiny.tokenizer.pad_token_id)
    with torch.inference_mode():
        cache = prefill.fixed_cache(tiny, ids.shape[1] + 3)
        prefill.read(tiny, asked, cache)
        whole = tiny.model(
            input_ids=ids[:, :-1],
            attention_mask=mask[:, :-1],
            position_ids=(mask.cumsum(1) - 1).clamp(min=0)[:, :-1],
            use_cache=True,
        ).past_key_values
    assert int(cache.get_seq_length()) == ids.shape[1] - 1
    there = mask[:, :-1].bool()
    for layer, expected in zip(cache.layers, whole.layers, strict=True):
        for kind in ("keys", "values"):
            filled = getattr(layer, kind)[:, :, : ids.shape[1] - 1].transpose(1, 2)
            wanted = getattr(expected, kind).transpose(1, 2)
            torch.testing.assert_close(filled[there], wanted[there], atol=2e-5, rtol=1e-4)
            assert not filled[~there].any()


@pytest.mark.parametrize("size", [1, 16])
def test_answers_are_those_of_plain_generate(tiny, size):
    asked = some_prompts(tiny, 16)
    for start in range(0, 16, size):
        batch = asked[start : start + size]
        new = ours(tiny, batch, 12)
        assert_same_but_for_near_ties(tiny, batch, new, plain(tiny, batch, 12))


def test_a_prompt_of_one_token_has_nothing_to_read_before(tiny):
    for asked in ([[65]], [[65], [66, 67, 68]], [[66, 67, 68], [65]]):
        assert ours(tiny, asked, 6) == plain(tiny, asked, 6)


def test_a_model_with_an_adapter_answers_with_it(tiny):
    lm = with_adapter(LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
    asked = some_prompts(lm, 6)
    new = ours(lm, asked, 8)
    assert_same_but_for_near_ties(lm, asked, new, plain(lm, asked, 8))
    assert new != ours(tiny, asked, 8)


def test_virtual_tokens_take_the_ordinary_path():
    lm = with_adapter(PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4))
    asked = some_prompts(lm, 6)
    assert prefill.fixed_cache(lm, 500) is None
    assert ours(lm, asked, 8) == plain(lm, asked, 8)


def test_a_window_that_slides_takes_the_ordinary_path():
    tokenizer = build()[1]
    config = MistralConfig(
        vocab_size=len(tokenizer),
        **{"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2},
        **{"num_attention_heads": 2, "num_key_value_heads": 1, "sliding_window": 24},
        **{"initializer_range": 0.3, "eos_token_id": tokenizer.eos_token_id},
    )
    torch.manual_seed(0)
    lm = LanguageModel("slides", MistralForCausalLM(config).eval(), tokenizer)
    asked = some_prompts(lm, 4)
    cache = prefill.fixed_cache(lm, 400)
    prefill.read(lm, asked, cache)
    assert cache.get_seq_length() == 0
    assert_same_but_for_near_ties(lm, asked, ours(lm, asked, 8), plain(lm, asked, 8))


@pytest.mark.slow
def test_the_bundled_model_answers_alike_alone_in_batches_and_by_plain_generate():
    lm = loading.load_generator("smollm2-135m-instruct")
    passages = [Passage(f"c{i}", "d", "Towers", f"Person {i} built tower {i}. ") for i in range(16)]
    asked = [
        prompts.answer_prompt(
            lm.tokenizer, f"Who built tower {i}?", [(p.title, p.text) for p in passages[: i % 5]]
        )
        for i in range(16)
    ]
    together, expected = ours(lm, asked, 16), plain(lm, asked, 16)
    alone = [new for ids in asked for new in ours(lm, [ids], 16)]
    assert_same_but_for_near_ties(lm, asked, together, expected)
    assert_same_but_for_near_ties(lm, asked, together, alone)
