import importlib.util
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from rag_study import data as qa_datasets
from rag_study.common import run_folder
from rag_study.common.errors import StudyError
from rag_study.models import adapters, linear_products, loading, methods, prompts
from rag_study.training import finetune, kernels, objectives, packing, peft
from rag_study.training.checkpoints import MARKER
from rag_study.training.examples import IGNORED, collate, completion_loss, validation_loss
from rag_study.training.pairs import TrainingPair
from rag_study.training.recipe import Recipe

# The random model learns only with large steps.
RATES = {
    "lora": 5e-3,
    "qlora": 5e-3,
    "dora": 5e-3,
    "rslora": 5e-3,
    "ia3": 5e-2,
    "prompt_tuning": 5e-2,
    "prefix_tuning": 5e-2,
    "full": 2e-3,
}
SMALL = Recipe(epochs=4, learning_rate=5e-3, lora_rank=8, lora_alpha=16)


@pytest.fixture(scope="module")
def pairs():
    """{pool: closed-book pairs of the fictional data set}"""
    pools = qa_datasets.split(qa_datasets.load("fictional", options={"num_worlds": 40})).pools
    return {
        name: [TrainingPair(q.id, q.question, q.reference) for q in questions]
        for name, questions in pools.items()
    }


def load(recipe, dtype="float32", **options):
    quantised = methods.find(recipe.method).quantised
    return loading.load_generator("random-llama", dtype, quantised=quantised, **options)


def train(pairs, recipe=SMALL, size=24, dtype="float32"):
    lm = load(recipe, dtype)
    data = finetune.examples(lm, pairs["train"][:size])[0]
    held_out = finetune.examples(lm, pairs["validation"][:8])[0]
    return lm, finetune.train(lm, data, held_out, recipe, folder())


def while_training(monkeypatch, loss):
    """Have the trainer take another loss; evaluations keep theirs."""

    def chosen(model, *arguments, **options):
        taken = loss if model.training else completion_loss
        return taken(model, *arguments, **options)

    decoder = objectives.OBJECTIVES["decoder"]
    monkeypatch.setitem(objectives.OBJECTIVES, "decoder", replace(decoder, loss=chosen))


def folder():
    run = run_folder.RunFolder("fine_tune/test-1")
    run.path.mkdir(parents=True, exist_ok=True)
    return run


def adapter_dir():
    return folder().path / "adapter"


def logits(lm):
    ids = torch.tensor([prompts.answer_prompt(lm.tokenizer, "Who?")])
    with torch.no_grad():
        return lm.model(input_ids=ids).logits


def test_loss_is_that_of_the_answer_tokens_alone(tiny, pairs):
    chosen = pairs["train"][:5]
    data = finetune.examples(tiny, chosen)[0]
    batch = collate(data, tiny.tokenizer.pad_token_id)
    with torch.no_grad():
        loss = float(completion_loss(tiny.model, batch))
        total, count = 0.0, 0
        for pair in chosen:  # one by one, no padding, every probability looked up by hand
            prompt = prompts.answer_prompt(tiny.tokenizer, pair.question)
            answer = [*tiny.tokenizer.encode(pair.answer), tiny.tokenizer.eos_token_id]
            scores = tiny.model(input_ids=torch.tensor([prompt + answer])).logits[0]
            for i, token in enumerate(answer):
                total -= float(scores[len(prompt) + i - 1].log_softmax(-1)[token])
                count += 1
    assert loss == pytest.approx(total / count, rel=1e-5)
    held_out = validation_loss(
        tiny.model, data, lambda b: collate(b, tiny.tokenizer.pad_token_id), 2
    )
    assert held_out == pytest.approx(total / count, rel=1e-5)


def test_the_head_is_applied_to_the_completions_columns_as_one_matrix(tiny, pairs):
    """A view of them would be multiplied with a copy of the head for each row of the batch."""
    data = finetune.examples(tiny, pairs["train"][:5])[0]
    shapes = []

    def look(_module, inputs):
        assert inputs[0].is_contiguous()
        shapes.append(inputs[0].shape[:2])

    hook = tiny.model.get_output_embeddings().register_forward_pre_hook(look)
    completion_loss(tiny.model, collate(data, tiny.tokenizer.pad_token_id))
    hook.remove()
    assert shapes == [(5, max(len(one["completion"]) for one in data))]


def test_labels_hold_the_end_token_and_no_padding(tiny, pairs):
    data = finetune.examples(tiny, pairs["train"][:4])[0]
    batch = collate(data, pad_id=tiny.tokenizer.eos_token_id)  # pad token = end token
    labelled = (batch["labels"] != IGNORED).sum(dim=1).tolist()
    assert labelled == [len(e["completion"]) for e in data]
    assert (batch["labels"][:, -1] == tiny.tokenizer.eos_token_id).all()
    assert batch["attention_mask"].sum(dim=1).tolist() == [len(e["input_ids"]) for e in data]


@pytest.mark.parametrize("method", methods.METHODS)
def test_every_method_lowers_the_held_out_loss_and_loads_again_as_it_was(pairs, outputs, method):
    recipe = replace(SMALL, method=method, learning_rate=RATES[method])
    lm, result = train(pairs, recipe)
    assert result.validation_loss < result.base_validation_loss - 0.05
    assert result.optimizer_steps == 4 * math.ceil(24 / 8)
    assert result.history["train_loss"].notna().sum() >= 3
    assert result.history["validation_loss"].notna().sum() == 1 + 4
    assert result.tokens_per_second > 0
    assert result.peak_memory_mb > 0
    file = "model.safetensors" if method == "full" else "adapter_model.safetensors"
    saved = load_file(adapter_dir() / file)
    assert {tensor.dtype for tensor in saved.values()} == {torch.float32}
    assert sum(tensor.numel() for tensor in saved.values()) == result.trainable_parameters
    assert not (folder().path / "checkpoints").exists()
    again = loading.load_generator("random-llama", adapter_dir=adapter_dir())
    assert again.quantised == (method == "qlora")
    linear_products.fuse(lm.model)  # as what is loaded computes
    assert torch.equal(logits(lm), logits(again))


@pytest.mark.parametrize("method", ["lora", "prefix_tuning", "full"])
def test_a_bfloat16_base_is_trained_in_float32(pairs, outputs, method):
    recipe = replace(SMALL, method=method, learning_rate=RATES[method], epochs=2)
    lm, result = train(pairs, recipe, size=16, dtype="bfloat16")
    assert result.validation_loss < result.base_validation_loss
    weights = dict(lm.model.named_parameters())
    tuned = {p.dtype for n, p in weights.items() if "lora_" in n or "prompt_encoder" in n}
    assert tuned == (set() if method == "full" else {torch.float32})
    assert {p.dtype for n, p in weights.items() if "lm_head" in n} == {torch.bfloat16}
    again = loading.load_generator("random-llama", "bfloat16", adapter_dir())
    linear_products.fuse(lm.model)  # as what is loaded computes
    assert torch.equal(logits(lm), logits(again))


@pytest.mark.skipif(torch.cuda.is_available(), reason="a choice made on processors alone")
@pytest.mark.parametrize("method", ["lora", "full"])
def test_rows_are_read_as_such_also_where_activations_are_computed_again(
    pairs, outputs, monkeypatch, method
):
    recipe = replace(SMALL, method=method, learning_rate=RATES[method], gradient_checkpointing=True)
    used = []

    def watched(module, *arguments, **options):
        used.append(torch.is_grad_enabled())
        return packing.attend(module, *arguments, **options)

    monkeypatch.setitem(ALL_ATTENTION_FUNCTIONS, packing.ATTENTION, watched)
    lm, packed = train(pairs, recipe, size=8, dtype="bfloat16")
    assert lm.model.config._attn_implementation == "sdpa"  # its own again, for answering
    assert used
    used.clear()
    monkeypatch.setattr(packing, "ARCHITECTURES", ())
    padded = train(pairs, recipe, size=8, dtype="bfloat16")[1]
    assert not used
    assert padded.validation_loss == pytest.approx(packed.validation_loss, rel=0.02)


def test_rows_are_taken_on_a_processor_and_where_they_are_asked_for(monkeypatch):
    here = load(SMALL)
    there = SimpleNamespace(name="far", model=here.model, device=torch.device("cuda"))
    free = replace(SMALL, padding_free=True)
    assert finetune._in_rows(here, SMALL)
    assert finetune._in_rows(here, free)
    assert not finetune._in_rows(there, SMALL)
    assert finetune._in_rows(there, free)
    prompts_tuned = replace(SMALL, method="prompt_tuning")
    assert not finetune._in_rows(here, prompts_tuned)
    with pytest.raises(StudyError, match="padding_free cannot be had with method prompt_tuning"):
        finetune._in_rows(there, replace(prompts_tuned, padding_free=True))
    monkeypatch.setattr(packing, "ARCHITECTURES", ("mistral",))
    assert not finetune._in_rows(here, SMALL)
    with pytest.raises(StudyError, match=r"cannot be had with far: .* mistral, without windows"):
        finetune._in_rows(there, free)


@pytest.mark.parametrize(("changed", "same"), [(1.0, True), (30.0, False)])
def test_kernels_that_compute_something_else_are_refused_before_training(
    pairs, outputs, monkeypatch, changed, same
):
    """By kernels of ours in place of Liger's: they need no GPU."""
    patched = []

    def patch(model, kernel_config):
        patched.append(kernel_config)
        norm = model.get_base_model().model.norm
        norm.register_forward_hook(lambda _module, _inputs, output: output * changed)

    monkeypatch.setattr(kernels, "check", lambda *_: None)
    monkeypatch.setattr("transformers.integrations.liger.apply_liger_kernel", patch)
    recipe = replace(SMALL, kernels="liger", epochs=1)
    if same:
        plain, liger = train(pairs, replace(SMALL, epochs=1))[1], train(pairs, recipe)[1]
        assert liger.validation_loss == plain.validation_loss
    else:
        with pytest.raises(StudyError, match="kernels: liger changes what random-llama computes"):
            train(pairs, recipe)
    assert patched == [{"cross_entropy": False, "fused_linear_cross_entropy": False}]


@pytest.mark.parametrize(
    ("gpu", "package", "kinds", "said"),
    [
        (False, True, ("llama",), "needs a GPU, and none can be used here"),
        (True, False, ("llama",), "pip install liger-kernel"),
        (True, True, ("qwen3",), "has none for random-llama, a model of type llama"),
    ],
)
def test_liger_s_kernels_are_refused_where_they_would_not_be_used(
    pairs, outputs, monkeypatch, gpu, package, kinds, said
):
    lm = load(SMALL)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n: package if n == "liger_kernel" else find(n)
    )
    known = SimpleNamespace(MODEL_TYPE_TO_APPLY_LIGER_FN=dict.fromkeys(kinds))
    monkeypatch.setitem(sys.modules, "liger_kernel", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "liger_kernel.transformers", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "liger_kernel.transformers.monkey_patch", known)
    with pytest.raises(StudyError, match=f"kernels: liger .*{said}"):
        kernels.check(lm, "liger")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a choice made on processors alone")
@pytest.mark.parametrize("method", ["lora", "prefix_tuning", "full"])
def test_short_padded_batches_in_bfloat16_are_trained_with_plain_attention(
    pairs, outputs, monkeypatch, method
):
    monkeypatch.setattr(packing, "ARCHITECTURES", ())
    used = []

    def watched(model, *arguments):
        used.append(model.config._attn_implementation)
        return completion_loss(model, *arguments)

    while_training(monkeypatch, watched)
    recipe = replace(SMALL, method=method, learning_rate=RATES[method])
    if method != "prefix_tuning":  # activations computed again: with the same attention
        recipe = replace(recipe, gradient_checkpointing=True)
    plain_lm, plain = train(pairs, recipe, size=8, dtype="bfloat16")
    assert set(used) == {"eager"}
    assert plain_lm.model.config._attn_implementation == "sdpa"
    used.clear()
    monkeypatch.setattr(finetune, "PLAIN_ATTENTION", 0)
    fused = train(pairs, recipe, size=8, dtype="bfloat16")[1]
    assert set(used) == {"sdpa"}
    assert plain.validation_loss == pytest.approx(fused.validation_loss, rel=0.02)


def test_same_seed_same_adapter_other_seed_another(pairs, outputs):
    def weights(seed):
        train(pairs, replace(SMALL, seed=seed, epochs=1), size=8)
        return load_file(adapter_dir() / "adapter_model.safetensors")

    first, second, other = weights(0), weights(0), weights(1)
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert not all(torch.equal(first[k], other[k]) for k in first)


def test_max_steps_decides_the_steps_however_small_the_data(pairs, outputs):
    _, result = train(pairs, replace(SMALL, max_steps=25), size=8)
    assert result.optimizer_steps == 25
    steps = result.history.dropna(subset="validation_loss")["step"].tolist()
    assert steps[0] == 0
    assert steps[-1] == 25
    assert len(steps) <= 2 + finetune.MAX_EVALUATIONS


def test_early_stopping_keeps_the_best_weights(pairs, outputs):
    recipe = replace(SMALL, epochs=20, learning_rate=5e-2, early_stopping=True)
    lm, result = train(pairs, recipe, size=8)
    losses = result.history.set_index("step")["validation_loss"].dropna().drop(0)
    assert result.validation_loss == losses.min() < losses.iloc[-1]
    assert result.best_step == losses.idxmin()
    assert result.optimizer_steps < 20
    held_out = finetune.examples(lm, pairs["validation"][:8])[0]
    pad_id = lm.tokenizer.pad_token_id
    measured = validation_loss(lm.model, held_out, lambda b: collate(b, pad_id), 8)
    assert measured == pytest.approx(result.validation_loss, rel=1e-6)


def test_gradient_checkpointing_changes_no_result(pairs, outputs):
    one = train(pairs, replace(SMALL, epochs=1), size=8)[1]
    other = train(pairs, replace(SMALL, epochs=1, gradient_checkpointing=True), size=8)[1]
    assert other.validation_loss == pytest.approx(one.validation_loss, rel=1e-6)


def test_an_interrupted_training_goes_on_and_ends_with_the_same_weights(
    pairs, outputs, monkeypatch
):
    _, undisturbed = train(pairs)
    expected = load_file(adapter_dir() / "adapter_model.safetensors")

    monkeypatch.setattr(finetune, "SAVE_SECONDS", 0.0)
    calls = 0

    def failing(*arguments):
        nonlocal calls
        calls += 1
        if calls == 9:
            raise KeyboardInterrupt
        return completion_loss(*arguments)

    while_training(monkeypatch, failing)
    with pytest.raises(KeyboardInterrupt):
        train(pairs)
    (checkpoint,) = (folder().path / "checkpoints").glob("checkpoint-*")
    step = int(checkpoint.name.split("-")[1])
    assert 1 <= step <= 8
    # One that was being written when the process was killed: it looks newer, and is not whole.
    half = checkpoint.parent / "checkpoint-9"
    half.mkdir()
    (half / "trainer_state.json").write_text("{")

    calls = 100
    _, resumed = train(pairs)
    assert calls == 100 + 12 - step
    assert resumed.optimizer_steps == undisturbed.optimizer_steps
    assert resumed.validation_loss == undisturbed.validation_loss
    assert resumed.history["step"].tolist() == undisturbed.history["step"].tolist()
    found = load_file(adapter_dir() / "adapter_model.safetensors")
    assert all(torch.equal(expected[key], found[key]) for key in expected)


def test_a_checkpoint_of_another_recipe_is_not_used(pairs, outputs, monkeypatch):
    monkeypatch.setattr(finetune, "SAVE_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(peft, "save", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            train(pairs, size=8)
    assert list((folder().path / "checkpoints").glob(f"*/{MARKER}"))
    _, result = train(pairs, replace(SMALL, epochs=2), size=8)
    assert result.optimizer_steps == 2


TRAINING = """
import sys
import torch
torch.set_num_threads(1)
from test_finetune import SMALL, TrainingPair, train
from rag_study.training import finetune
finetune.SAVE_SECONDS = 0.0
pairs = [TrainingPair(str(i), f"What is {i}?", f"It is {i * i}.") for i in range(16)]
train({"train": pairs, "validation": pairs}, SMALL.__class__(max_steps=int(sys.argv[1])), size=16)
"""


@pytest.mark.slow
def test_a_killed_process_is_resumed(outputs, tmp_path):
    here = Path(__file__).parent

    def start(root):
        environment = os.environ | {
            "RAG_STUDY_OUTPUTS": str(root),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": f"{here}{os.pathsep}{here.parent}",
        }
        return subprocess.Popen([sys.executable, "-c", TRAINING, "60"], env=environment)

    def weights(root):
        run = root / "runs" / "fine_tune" / "test-1"
        return load_file(run / "adapter" / "adapter_model.safetensors")

    def steps(root):
        markers = (root / "runs").glob(f"*/*/checkpoints/*/{MARKER}")
        return [int(marker.parent.name.split("-")[1]) for marker in markers]

    assert start(tmp_path / "whole").wait() == 0
    killed = start(tmp_path / "killed")
    deadline = time.monotonic() + 120
    while max(steps(tmp_path / "killed"), default=0) < 20:
        assert time.monotonic() < deadline
        assert killed.poll() is None
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert start(tmp_path / "killed").wait() == 0
    expected, found = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(expected[key], found[key]) for key in expected)


KEPT = (0.25, 0.5, 1.0)


@pytest.mark.parametrize(
    ("method", "dtype"),
    [("lora", "float32"), ("qlora", "float32"), ("full", "bfloat16"), ("prompt_tuning", "float32")],
)
def test_checkpoints_are_states_of_the_very_training_that_is_done_without_them(
    pairs, outputs, method, dtype
):
    recipe = replace(SMALL, method=method, learning_rate=RATES[method])
    train(pairs, recipe, dtype=dtype)
    file = "model.safetensors" if method == "full" else "adapter_model.safetensors"
    without = load_file(adapter_dir() / file)
    _, result = train(pairs, replace(recipe, checkpoints=KEPT), dtype=dtype)
    whole = load_file(adapter_dir() / file)
    assert all(torch.equal(without[name], whole[name]) for name in whole)
    losses = result.history.set_index("step")["validation_loss"].dropna()
    for share in KEPT:  # 12 steps
        where = adapters.folder_in(folder().path, share)
        saved = load_file(where / file)
        assert {name: t.dtype for name, t in saved.items()} == {
            name: t.dtype for name, t in whole.items()
        }
        assert share == 1 or not all(torch.equal(saved[name], whole[name]) for name in whole)
        lm = loading.load_generator("random-llama", dtype, adapter_dir=where)
        held_out = finetune.examples(lm, pairs["validation"][:8])[0]
        collator = partial(collate, pad_id=lm.tokenizer.pad_token_id)
        loss = validation_loss(lm.model, held_out, collator, 8)
        assert loss == pytest.approx(losses[12 * share], rel=1e-5 if dtype == "float32" else 0.02)


def test_checkpoints_that_are_one_step_are_refused(pairs, outputs):
    recipe = replace(SMALL, max_steps=3, checkpoints=(0.1, 0.3, 1.0))
    with pytest.raises(StudyError, match=r"of 3 steps, two of 0\.1, 0\.3, 1 are after"):
        train(pairs, recipe)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_a_number_stops_with_advice(pairs, outputs, monkeypatch, value):
    decoder = objectives.OBJECTIVES["decoder"]

    def loss(model, batch, items=None):
        return sum(p.sum() for p in model.parameters() if p.requires_grad) * 0 + value

    monkeypatch.setitem(objectives.OBJECTIVES, "decoder", replace(decoder, loss=loss))
    with pytest.raises(StudyError, match=r"not a number.*step 1\. .*lower learning_rate"):
        train(pairs)
    assert not adapter_dir().exists()


def test_no_data_is_refused(tiny, pairs, outputs):
    some = finetune.examples(tiny, pairs["train"][:2])[0]
    for data, held_out in (([], some), (some, [])):
        with pytest.raises(StudyError, match="training needs some of both"):
            finetune.train(tiny, data, held_out, SMALL, folder())


def test_passages_are_cut_to_the_window_and_question_and_answer_never(tiny):
    words = " ".join(f"word{i}" for i in range(300))
    passages = (("First", "It was Ada."), ("Second", words), ("Third", words), ("Fourth", words))
    pair = TrainingPair("q", "Who was it?", "Ada", passages)
    (example,), counts = finetune.examples(tiny, [pair])
    assert counts == {"passages cut": 1}
    assert 4096 - 10 < len(example["input_ids"]) <= 4096
    text = tiny.tokenizer.decode(example["input_ids"])
    assert f"[2] Second\n{words}\n\n[3] Third\nword0 word1" in text
    assert "Fourth" not in text
    assert text.endswith("Question: Who was it?<|im_end|>\n<|im_start|>assistant\nAda<|im_end|>")
    less = finetune.examples(tiny, [pair], reserved=20)[0][0]
    assert 4076 - 10 < len(less["input_ids"]) <= 4076
    short = replace(pair, passages=passages[:1])
    assert finetune.examples(tiny, [short])[1] == {"passages cut": 0}


def test_a_pair_longer_than_the_window_is_named(tiny):
    pair = TrainingPair("long", "Who?", "word " * 2000, (("Title", "text"),))
    with pytest.raises(StudyError, match=r"'long': question and answer have \d+ tokens"):
        finetune.examples(tiny, [pair])


def test_a_run_that_is_done_is_not_trained_again(pairs, outputs, monkeypatch):
    lm, result = train(pairs)
    # As long as the run is not done, its notebook may have written anything beside the weights.
    folder().set_status("done")
    weights = (adapter_dir() / "adapter_model.safetensors").stat().st_mtime_ns
    with monkeypatch.context() as patch:
        patch.setattr(finetune._AnswerTrainer, "train", lambda *_, **__: pytest.fail("trained"))
        again, read = train(pairs)
    assert torch.equal(logits(again), logits(lm))
    assert (adapter_dir() / "adapter_model.safetensors").stat().st_mtime_ns == weights
    pd.testing.assert_frame_equal(read.history, result.history)
    assert {**vars(read), "history": None} == {**vars(result), "history": None}
    _, other = train(pairs, replace(SMALL, epochs=1))  # another recipe
    assert other.optimizer_steps < result.optimizer_steps
