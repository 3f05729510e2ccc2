import json
from dataclasses import replace

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import MixtralConfig, MixtralForCausalLM

from rag_study.common import machine
from rag_study.common.errors import StudyError
from rag_study.models import adapters, language_model, loading, methods
from rag_study.models.language_model import left_pad
from rag_study.training import finetune, peft
from rag_study.training.examples import collate, completion_loss
from rag_study.training.recipe import Recipe

SENTENCES = ("Hello there, what is it?", "Hi")


def mixtral():
    """A random Mixtral of 2 layers and 4 experts, whose experts are fused parameters."""
    torch.manual_seed(0)
    return MixtralForCausalLM(
        MixtralConfig(
            vocab_size=300,
            hidden_size=64,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            num_local_experts=4,
            max_position_embeddings=512,
            initializer_range=0.3,
        )
    )


def load(method, name="random-llama"):
    return loading.load_generator(name, quantised=methods.find(method).quantised)


def disturb(model, amount=0.3):
    """Random weights in the place of training."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += amount * torch.randn(parameter.shape, generator=generator)


def saved(method, folder, name="random-llama"):
    """The folder of an adapter that differs from its base, and the model it was saved from."""
    lm = load(method, name)
    recipe = Recipe(method=method, lora_rank=4, lora_alpha=4)
    model = peft.wrap(lm, recipe)
    disturb(model, 0.05 if method == "full" else 0.3)
    folder.mkdir()
    peft.save(model.eval(), lm, recipe, folder)
    return folder, model


def logits(model):
    ids = torch.arange(5, 25)[None]
    with torch.no_grad():
        return model(input_ids=ids).logits


def test_every_method_has_a_label_and_a_rate():
    assert list(methods.METHODS) == [
        "lora",
        "qlora",
        "dora",
        "rslora",
        "ia3",
        "prompt_tuning",
        "prefix_tuning",
        "full",
    ]
    assert len({method.label for method in methods.METHODS.values()}) == 8
    assert all(0 < method.learning_rate < 1 for method in methods.METHODS.values())
    with pytest.raises(StudyError, match="no method 'lorra'; methods: lora, qlora"):
        methods.find("lorra")


@pytest.mark.parametrize("method", ["lora", "qlora", "dora", "rslora", "ia3", "full"])
def test_strength_goes_from_the_base_to_the_adapter(tmp_path, method):
    folder, tuned = saved(method, tmp_path / "adapter")

    def at(strength):
        lm = loading.load_generator("random-llama", adapter_dir=folder, strength=strength)
        return logits(lm.model)

    base, whole = logits(load(method).model), logits(tuned)
    assert torch.equal(at(0.0), base)
    assert torch.equal(at(1.0), whole)
    small = (at(0.01) - base).abs().max()
    assert 0 < small < (at(0.1) - base).abs().max() < (whole - base).abs().max()


@pytest.mark.parametrize("method", ["lora", "dora", "rslora", "ia3"])
def test_half_strength_is_half_way_between_the_weights(tmp_path, method):
    """On one linear layer, whose output is linear in its weights."""
    folder, tuned = saved(method, tmp_path / "adapter")
    half = loading.load_generator("random-llama", adapter_dir=folder, strength=0.5).model
    name = "base_model.model.model.layers.0.self_attn.k_proj"
    x = torch.randn(3, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        layer = tuned.get_submodule(name)
        middle = (layer.base_layer(x) + layer(x)) / 2
        assert torch.allclose(half.get_submodule(name)(x), middle, atol=1e-4)


def test_strength_without_a_meaning_is_refused(tmp_path):
    folder, _ = saved("prefix_tuning", tmp_path / "adapter")
    loading.load_generator("random-llama", adapter_dir=folder)
    with pytest.raises(StudyError, match="no meaning for prefix tuning"):
        loading.load_generator("random-llama", adapter_dir=folder, strength=0.5)
    with pytest.raises(StudyError, match="between 0"):
        loading.load_generator("random-llama", adapter_dir=folder, strength=1.5)
    with pytest.raises(StudyError, match="needs an adapter"):
        loading.load_generator("random-llama", strength=0.5)


def test_an_adapter_of_another_base_is_refused(tmp_path, tiny):
    folder, _ = saved("lora", tmp_path / "adapter")
    other = tmp_path / "mine"
    tiny.model.save_pretrained(other)
    tiny.tokenizer.save_pretrained(other)
    with pytest.raises(StudyError, match=r"was made from random-llama .* not from .*mine"):
        loading.load_generator(str(other), adapter_dir=folder)
    note = json.loads((folder / adapters.NOTE_FILE).read_text())
    assert (note["method"], note["base_model"], note["dtype"]) == (
        "lora",
        "random-llama",
        "float32",
    )
    (folder / adapters.NOTE_FILE).write_text(json.dumps(note | {"revision": "2"}))
    with pytest.raises(StudyError, match=r"revision 2\), not from random-llama \(revision 1\)"):
        loading.load_generator("random-llama", adapter_dir=folder)
    with pytest.raises(StudyError, match="no adapter in this folder"):
        loading.load_generator("random-llama", adapter_dir=tmp_path)


def test_an_adapter_fits_its_base_wherever_the_folder_lies(tmp_path, tiny):
    base = tmp_path / "base"
    tiny.model.save_pretrained(base)
    tiny.tokenizer.save_pretrained(base)
    folder, tuned = saved("lora", tmp_path / "adapter", str(base))
    moved = str(base.rename(tmp_path / "moved"))
    found = loading.load_generator(moved, adapter_dir=folder).model
    assert torch.allclose(logits(found), logits(tuned), atol=1e-5)
    (tmp_path / "moved" / "generation_config.json").write_text('{"max_length": 7}')
    with pytest.raises(StudyError, match=r"was made from .*base .*not from .*moved"):
        loading.load_generator(moved, adapter_dir=folder)


@pytest.mark.parametrize("change", [{"hidden_size": 32}, {"num_hidden_layers": 1}])
def test_an_adapter_from_elsewhere_must_fit_in_every_layer(tmp_path, tiny, change):
    """Without a note; where weights are missing for a layer, PEFT itself only warns."""
    config = type(tiny.model.config)(**(tiny.model.config.to_dict() | {"head_dim": 16} | change))
    small = get_peft_model(type(tiny.model)(config), LoraConfig(target_modules=["q_proj"]))
    small.save_pretrained(tmp_path / "adapter", save_embedding_layers=False)
    with pytest.raises(StudyError, match="does not fit random-llama"):
        loading.load_generator("random-llama", adapter_dir=tmp_path / "adapter")


def test_target_modules_that_match_nothing_are_named():
    for method in ("lora", "ia3"):
        with pytest.raises(StudyError, match=r"nowhere.*\n.*down_proj, gate_proj, k_proj"):
            peft.wrap(load(method), Recipe(method=method, target_modules=("nowhere",)))
    with pytest.raises(StudyError, match="no meaning for method full"):
        peft.wrap(load("full"), Recipe(method="full", target_modules=("q_proj",)))


@pytest.mark.parametrize("method", ["lora", "dora", "ia3"])
def test_target_modules_are_the_only_ones_tuned(method):
    model = peft.wrap(load(method), Recipe(method=method, target_modules=("v_proj",)))
    tuned = [name for name, p in model.named_parameters() if p.requires_grad]
    assert tuned
    assert all(".v_proj." in name for name in tuned)


def test_a_model_with_an_adapter_is_not_given_a_second_one():
    lm = load("lora")
    peft.wrap(lm, Recipe())
    with pytest.raises(StudyError, match="carries an adapter already"):
        peft.wrap(lm, Recipe())


def test_a_training_goes_on_only_from_one_of_its_own_method(tmp_path):
    folder, earlier = saved("lora", tmp_path / "adapter")
    lm = load("lora")
    model = peft.wrap(lm, Recipe(lora_rank=4), folder)
    assert torch.equal(logits(model.eval()), logits(earlier))
    assert all("lora_" in n for n, p in model.named_parameters() if p.requires_grad)
    with pytest.raises(StudyError, match=r"training by dora cannot go on .* method is lora"):
        peft.wrap(load("dora"), Recipe(method="dora"), folder)


def test_method_and_precision_of_the_base_belong_together():
    with pytest.raises(StudyError, match=r"qlora needs random-llama loaded in 4-bit"):
        peft.wrap(load("lora"), Recipe(method="qlora"))
    with pytest.raises(StudyError, match=r"full needs random-llama loaded unquantised"):
        peft.wrap(load("qlora"), Recipe(method="full"))


def test_full_fine_tuning_is_refused_where_memory_is_too_small(monkeypatch):
    lm = load("full")
    size = lm.model.get_memory_footprint()
    monkeypatch.setattr(peft, "free_bytes", lambda: 3 * size + 100)
    peft.wrap(lm, Recipe(method="full"))
    monkeypatch.setattr(peft, "free_bytes", lambda: 2 * size)
    with pytest.raises(StudyError, match=r"needs at least 0\.0 GB .*0\.0 GB are available"):
        peft.wrap(lm, Recipe(method="full"))
    monkeypatch.undo()
    assert 1e8 < machine.free_bytes() < 1e14


@pytest.mark.parametrize("method", ["lora", "prompt_tuning", "prefix_tuning"])
def test_answers_do_not_depend_on_padding_and_are_those_of_the_trained_positions(method):
    """Generation of a padded batch = one by one = token by token as the loss reads it."""
    lm = load(method)
    model = peft.wrap(lm, Recipe(method=method, num_virtual_tokens=4)).eval()
    disturb(model)
    sequences = [lm.tokenizer.encode(text) for text in SENTENCES]
    ids, mask = left_pad(sequences, lm.tokenizer.pad_token_id)
    options = {"max_new_tokens": 8, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    with torch.no_grad():
        together = model.generate(input_ids=ids, attention_mask=mask, **options)[:, ids.shape[1] :]
        for sequence, answer in zip(sequences, together.tolist(), strict=True):
            one = torch.tensor([sequence])
            alone = model.generate(input_ids=one, attention_mask=torch.ones_like(one), **options)
            assert alone[0, len(sequence) :].tolist() == answer
            for _ in range(8):
                one_more = (
                    model(
                        input_ids=one,
                        attention_mask=torch.ones_like(one),
                        position_ids=torch.arange(one.shape[1])[None],
                        use_cache=False,
                    )
                    .logits[:, -1:]
                    .argmax(-1)
                )
                one = torch.cat((one, one_more), dim=1)
            assert one[0, len(sequence) :].tolist() == answer


def test_virtual_tokens_take_their_part_of_the_window(tmp_path):
    recipe = Recipe(method="prompt_tuning", num_virtual_tokens=20)
    assert peft.virtual_tokens(recipe) == 20
    assert peft.virtual_tokens(replace(recipe, method="lora")) == 0
    folder, _ = saved("prompt_tuning", tmp_path / "adapter")
    assert loading.load_generator("random-llama", adapter_dir=folder).max_length == 4096 - 20


def test_lora_reaches_fused_experts(tmp_path, tiny):
    lm = language_model.LanguageModel("tiny-mixtral", mixtral(), tiny.tokenizer)
    recipe = Recipe(lora_rank=4, lora_alpha=8)
    model = peft.wrap(lm, recipe)
    tuned = [name for name, p in model.named_parameters() if p.requires_grad]
    assert sum(".experts." in name for name in tuned) == 2 * 2 * 2  # layers, matrices, A and B
    batch = finetune.example(tiny, tiny.tokenizer.encode("Who?"), "Ada")
    loss = completion_loss(model, collate([batch] * 2, 0))
    loss.backward()
    grown = [p.grad.abs().sum() for n, p in model.named_parameters() if "experts.lora_B" in n]
    assert all(grad > 0 for grad in grown)
    disturb(model)
    peft.save(model.eval(), lm, recipe, tmp_path)
    again = adapters.attach(mixtral(), tmp_path, "tiny-mixtral").eval()
    assert torch.equal(logits(again), logits(model))
    weak = adapters.attach(mixtral(), tmp_path, "tiny-mixtral", strength=0.0).eval()
    assert torch.equal(logits(weak), logits(mixtral().eval()))


def test_dora_says_that_it_cannot_tune_fused_experts(tiny):
    lm = language_model.LanguageModel("tiny-mixtral", mixtral(), tiny.tokenizer)
    with pytest.raises(StudyError, match=r"dora cannot be used on tiny-mixtral: .*use_dora"):
        peft.wrap(lm, Recipe(method="dora"))
    peft.wrap(
        language_model.LanguageModel("tiny-mixtral", mixtral(), tiny.tokenizer),
        Recipe(method="dora", target_modules=("q_proj", "v_proj")),
    )
