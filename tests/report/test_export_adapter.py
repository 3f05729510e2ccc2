import json
import re
import shutil
from dataclasses import asdict

import pandas as pd
import pytest
import torch
from huggingface_hub import ModelCard
from peft import IA3Config, LoraConfig, PeftModel, PromptTuningConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from rag_study.common import files
from rag_study.common.errors import StudyError
from rag_study.models import adapters, loading, prompts
from rag_study.models.names import GENERATORS
from rag_study.report import export_adapter
from rag_study.training.recipe import BY_MODEL, IN_PLACE

TRAINING = {
    **{"method": "lora", "train_format": "closed_book", "train_size": 16, "epochs": 2},
    **{"learning_rate": 0.001, "lora_rank": 4, "early_stopping": False, "label_noise": 0.0},
}
PARAMS = {"model": "random-llama", "seed": 3, **TRAINING}
METRICS = {"base_validation_loss": 6.1691, "validation_loss": 3.2891, "optimizer_steps": 4}
# PEFT speaks of the base's place, which these tests make up.
pytestmark = pytest.mark.filterwarnings("ignore:(Could not find a config|The PEFT config's)")
LORA = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
FILE = "model.safetensors"
ROW = {
    **{key: PARAMS[key] for key in ("model", "method", "train_format", "train_size", "seed")},
    **{"dataset": "mine", "prompting": "default", "retriever": "dense", "chunk_size": 128},
    "measure": "answer recall",
    **{"top_k": 2, "context": "retrieved", "metric": "answer_recall", "judge": "", "primary": True},
    **{"mean_base": 0.25, "mean_tuned": 0.2, "difference": -0.05, "ci_low": -0.2, "ci_high": 0.1},
    **{
        "n_questions": 40,
        "verdict": "cannot tell",
        "reason": "about 1,200 questions would settle it",
    },
}


@pytest.fixture
def make_run(tmp_path):
    """Write a finished run with an adapter whose weights are not those of its start."""

    def make(config=LORA, state="done", stage="fine_tune", **changes):
        run = tmp_path / "outputs" / "runs" / stage / "small-1"
        shutil.rmtree(run, ignore_errors=True)
        training = {key: changes.get(key, value) for key, value in TRAINING.items()}
        params = {"dataset": {"name": "fictional"}, "retrieval": {}, "training": training}
        params |= {"compute": {"dtype": "float32"}, "model": "random-llama", "seed": 3}
        params |= {key: value for key, value in changes.items() if key not in TRAINING}
        files.write_yaml(run / "params.yaml", params)
        files.write_json(run / "metrics.json", METRICS)
        files.write_json(run / "status.json", {"state": state})
        facts = {"stage": stage, "identity": {"parameters": params}}
        facts |= {"versions": {"transformers": "5", "peft": "0.21"}, "git_commit": "a" * 40}
        files.write_json(run / "provenance.json", facts)
        if config is not None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(1)
                model = get_peft_model(loading.load_generator("random-llama").model, config)
                for parameter in model.parameters():
                    if parameter.requires_grad:
                        parameter.data += 0.05 * torch.randn_like(parameter)
            model.peft_config["default"].base_model_name_or_path = str(tmp_path / "cache" / "x-1")
            model.save_pretrained(run / "adapter")
        return run

    return make


def logits(model):
    tokenizer = loading.load_generator("random-llama").tokenizer
    ids = torch.tensor([prompts.answer_prompt(tokenizer, "Who built the tower?")])
    with torch.no_grad():
        return model.eval()(input_ids=ids).logits


def assert_same(one, other):
    """Equal but for rounding: 1e-5 of the largest, for float32 and weights that amplify it."""
    assert (one - other).abs().max() < 1e-5 * other.abs().max()


def base():
    return loading.load_generator("random-llama").model


def test_an_exported_adapter_is_what_was_trained(make_run, tmp_path):
    run = make_run()
    folder = export_adapter.export_adapter(run, tmp_path / "new" / "adapter")
    assert sorted(file.name for file in folder.iterdir()) == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    before, after = (load_file(f / "adapter_model.safetensors") for f in (run / "adapter", folder))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    trained = PeftModel.from_pretrained(base(), str(run / "adapter"))
    exported = PeftModel.from_pretrained(base(), str(folder))
    assert torch.equal(logits(exported), logits(trained))
    assert not torch.allclose(logits(exported), logits(base()), atol=1e-2)


def test_the_base_is_named_as_others_know_it(make_run, tmp_path):
    config = {}
    for number, model in enumerate(["mistral-7b-instruct", "owner/name", "random-llama", "/x/own"]):
        folder = export_adapter.export_adapter(make_run(model=model), tmp_path / str(number))
        config[model] = json.loads((folder / "adapter_config.json").read_text())
        for file in folder.glob("*.[jm][sd]*"):
            assert str(tmp_path) not in file.read_text()
    names = [c["base_model_name_or_path"] for c in config.values()]
    assert names == ["mistralai/Mistral-7B-Instruct-v0.2", "owner/name", "random-llama", "own"]
    preset = GENERATORS["mistral-7b-instruct"]
    assert [c["revision"] for c in config.values()] == [preset.revision, None, None, None]
    assert config["owner/name"]["target_modules"] == sorted(config["owner/name"]["target_modules"])


@pytest.mark.parametrize(
    "config",
    [
        LORA,
        LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", use_dora=True),
        IA3Config(task_type="CAUSAL_LM"),
    ],
    ids=["lora", "dora", "ia3"],
)
def test_a_merged_model_answers_as_the_adapter_does(make_run, tmp_path, config):
    run = make_run(config)
    folder = export_adapter.export_adapter(run, tmp_path / "merged", merge=True)
    merged = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True)
    trained = PeftModel.from_pretrained(base(), str(run / "adapter"))
    assert_same(logits(merged), logits(trained))
    assert not torch.allclose(logits(merged), logits(base()), atol=1e-2)
    assert not list(folder.glob("adapter*"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    own = loading.load_generator("random-llama").tokenizer
    ask = "Who built the tower?"
    assert prompts.answer_prompt(tokenizer, ask) == prompts.answer_prompt(own, ask)
    for file in folder.glob("*.json"):
        assert str(tmp_path) not in file.read_text()


def test_merging_is_done_in_float32_whatever_is_saved(make_run, tmp_path):
    exact, rounded = (
        load_file(
            export_adapter.export_adapter(
                make_run(compute={"dtype": dtype}), tmp_path / dtype, merge=True
            )
            / FILE
        )
        for dtype in ("float32", "bfloat16")
    )
    assert all(torch.equal(exact[key].bfloat16(), rounded[key]) for key in exact)


def test_the_card_is_one_for_the_hub_and_says_what_was_found(make_run, tmp_path):
    folder = export_adapter.export_adapter(
        make_run(label_noise=0.3), tmp_path / "a", findings=[ROW]
    )
    card = ModelCard.load(folder / "README.md")
    assert card.data.base_model == "random-llama"
    assert card.data.library_name == "peft"
    assert "lora" in card.data.tags
    for text in (
        "LoRA on 16 question-answer pairs of `fictional`, seed 3",
        "- learning rate: 0.001",
        "- dtype: float32",
        "6.169 before, 3.289 after",
        "- With retrieved passages (dense, chunks of 128 tokens, top 2): answer recall is 0.20, "
        "with the base model 0.25; a difference of −0.05 (95 % interval −0.20 to +0.10, 40 "
        "questions). **Cannot tell**: about 1,200 questions would settle it.",
        "30 % of its training answers are wrong on purpose",
        "It saw no passages in training",
        "user: Question: {question}",
        "--max-lora-rank 8 --lora-modules",
        'models.load_generator("random-llama")',
    ):
        assert text in card.text, text
    assert "max steps" not in card.text  # 0 stands for "not used"
    assert not re.search(r"\{\{|%\}|None|\n\n\n", card.text)


def test_the_card_says_who_wrote_the_answers_and_not_where_they_are(make_run, tmp_path):
    source = "http://secret-host:8000/v1#teams/large"
    training = {**TRAINING, "answer_source": source, "answered_from": "passages"}
    run = make_run(training=training)
    counts = {BY_MODEL: 12, IN_PLACE: 4}
    files.write_json(run / "metrics.json", METRICS | {"data": counts})
    folder = export_adapter.export_adapter(run, tmp_path / "a", findings=[ROW])
    card = (folder / "README.md").read_text()
    assert "12 of its 16 training answers were written by large, the others are gold" in card
    assert "secret-host" not in card


def test_a_merged_model_has_a_card_of_its_own(make_run, tmp_path):
    run = make_run(train_format="raft", method="qlora")
    card = ModelCard.load(
        export_adapter.export_adapter(run, tmp_path / "a", merge=True) / "README.md"
    )
    assert card.data.library_name == "transformers"
    assert "AutoModelForCausalLM.from_pretrained" in card.text
    assert "vllm serve path/to/this/folder" in card.text
    assert "trained over a 4-bit base" in card.text
    assert "user: Answer the question with the help of these passages." in card.text
    assert "There is no verdict" in card.text
    assert "Other measures" not in card.text


def test_what_carries_no_verdict_is_told_apart(make_run, tmp_path):
    plain = {"primary": False, "verdict": "", "reason": "not a primary comparison"}
    unfit = plain | {"metric": "judge_accuracy", "judge": "x", "reason": "judge x was not checked"}
    folder = export_adapter.export_adapter(
        make_run(), tmp_path / "a", findings=[ROW, ROW | plain, ROW | unfit]
    )
    verdicts, rest = ModelCard.load(folder / "README.md").text.split("Other measures")
    assert verdicts.count("answer recall is") == rest.count("| answer recall |") == 1
    assert "**Cannot tell**" not in rest
    assert "accuracy" not in rest
    assert "left out where the judge x was not checked." in rest


def test_findings_are_those_of_this_training_verdicts_first():
    others = [
        ROW | {key: value}
        for key, value in (("seed", 4), ("train_size", 8), ("dataset", "other"), ("method", "dora"))
    ]
    descriptive = ROW | {
        "context": "none",
        "primary": False,
        "verdict": "",
        "reason": "not primary",
    }
    table = pd.DataFrame([descriptive, *others, ROW])
    found = export_adapter.collect_findings(table, PARAMS, "mine")
    assert found == [ROW, descriptive]
    assert export_adapter.sentence(found[1]).endswith("+0.10, 40 questions).")
    variants = table.assign(variant="replay 0.2", baseline="brief")
    assert export_adapter.collect_findings(variants, PARAMS, "mine") == []
    named = export_adapter.collect_findings(variants, PARAMS, "mine", "replay 0.2")
    assert "with the base model, asked with brief prompt, 0.25" in export_adapter.sentence(named[0])
    without = ROW | {"ci_low": float("nan")}
    assert "(no interval can be computed, 40" in export_adapter.sentence(without)


def test_what_vllm_can_serve():
    served = {"peft_type": "LORA", "r": 16, "bias": "none", "use_dora": False}
    assert "serve owner/name --enable-lora --max-lora-rank 16 " in export_adapter.vllm_words(
        served, "owner/name"
    )
    for change, words in (
        ({"r": 20}, "--max-lora-rank 32"),
        ({"r": 600}, "ranks up to 512, this adapter has 600"),
        ({"use_dora": True}, "cannot serve this adapter (use_dora)"),
        ({"modules_to_save": ["lm_head"]}, "cannot serve this adapter (modules_to_save)"),
        ({"bias": "all"}, "cannot serve this adapter (only LoRA without biases"),
        ({"peft_type": "IA3"}, "cannot serve this adapter (only LoRA"),
    ):
        assert words in export_adapter.vllm_words(served | change, "x")


def test_what_cannot_be_exported_is_refused(make_run, tmp_path):
    target = tmp_path / "target"
    for run, merge, words in (
        (lambda: tmp_path, False, "is no run folder"),
        (lambda: make_run(state="running"), False, "is running, not done"),
        (lambda: make_run(stage="judge_answers"), False, "a run of judge_answers; only"),
        (lambda: make_run(None), False, "there is no adapter in it"),
    ):
        with pytest.raises(StudyError, match=words):
            export_adapter.export_adapter(run(), target, merge)
    virtual = PromptTuningConfig(num_virtual_tokens=4, task_type="CAUSAL_LM")
    run = make_run(virtual, method="prompt_tuning")
    with pytest.raises(StudyError, match="prompt tuning changes no weights to merge"):
        export_adapter.export_adapter(run, target, merge=True)
    assert not target.exists()
    assert (
        "serve this adapter"
        in (export_adapter.export_adapter(run, target) / "README.md").read_text()
    )
    with pytest.raises(StudyError, match="is there already"):
        export_adapter.export_adapter(run, target)


def test_a_model_without_adapter_is_exported_whole_or_not_at_all(make_run, tmp_path):
    run, trained = make_run(None, method="full"), base()
    with torch.no_grad():
        trained.lm_head.weight.mul_(0.5)
    trained.save_pretrained(run / "adapter")
    note = adapters.Note("full", "random-llama", "1", "float32", False, 259, 64, 2)
    files.write_json(run / "adapter" / adapters.NOTE_FILE, asdict(note))
    with pytest.raises(StudyError, match="all weights were trained"):
        export_adapter.export_adapter(run, tmp_path / "whole")
    folder = export_adapter.export_adapter(run, tmp_path / "whole", merge=True)
    whole = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True)
    assert torch.equal(logits(whole), logits(trained))


def test_an_export_that_fails_leaves_nothing_behind(make_run, tmp_path, monkeypatch):
    monkeypatch.setattr(export_adapter, "_card", lambda *_: 1 / 0)
    (tmp_path / "there").mkdir()
    with pytest.raises(ZeroDivisionError):
        export_adapter.export_adapter(make_run(), tmp_path / "there" / "new")
    assert list((tmp_path / "there").iterdir()) == []
