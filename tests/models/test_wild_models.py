"""Tiny models with random weights, each with something that models in the wild have."""

import json

import pytest
import torch
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    GPT2Config,
    GPT2LMHeadModel,
    SiglipVisionConfig,
)

from rag_study.answering import batch, generation
from rag_study.common import circumstances
from rag_study.common.errors import StudyError
from rag_study.data.schema import Question
from rag_study.evaluation import criteria
from rag_study.evaluation.judging import Item
from rag_study.evaluation.judging.local import LocalJudge
from rag_study.models import (
    architectures,
    chat_templates,
    language_model,
    likelihood,
    loading,
    prompts,
)
from rag_study.models.random_llama import CHAT_TEMPLATE, build
from rag_study.training import examples

QUESTIONS = [Question(f"q{i}", f"Who {'really ' * i}keeps the light?", ("Ida",)) for i in range(3)]


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    monkeypatch.setattr(circumstances, "_SENTENCES", {})


@pytest.fixture
def save(tmp_path):
    """Save a model with its tokenizer, changed or with other files; returns the folder's name."""

    def write(model=None, template=None, special=None, files=None):
        llama, tokenizer = build()
        if template:
            tokenizer.chat_template = template
        if special:
            tokenizer.add_special_tokens(special)
        folder = tmp_path / "a-model"
        (model(len(tokenizer)) if model else llama).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        for name, change in (files or {}).items():
            path = folder / name
            content = json.loads(path.read_text()) if path.exists() else {}
            path.write_text(json.dumps({k: v for k, v in (content | change).items() if v != "-"}))
        return str(folder)

    return write


def answers(name):
    lm = loading.load_generator(name)
    return [r["answer"] for r in generation.answer_batch(lm, QUESTIONS, [[]] * len(QUESTIONS), 10)]


SETTINGS = [
    {"no_repeat_ngram_size": 2, "min_new_tokens": 5},
    {"return_dict_in_generate": True, "output_scores": True},
    {"repetition_penalty": 1.7, "length_penalty": 2.0, "num_beams": 3, "early_stopping": True},
    {"suppress_tokens": list(range(60, 200)), "begin_suppress_tokens": [70]},
    {"forced_bos_token_id": 77, "forced_eos_token_id": 78},
    {"do_sample": True, "temperature": 1.9, "top_k": 3, "top_p": 0.5, "typical_p": 0.4},
    {"max_length": 3, "max_new_tokens": 2, "num_return_sequences": 1, "use_cache": False},
    {"bad_words_ids": [[70], [71]], "sequence_bias": [[[72], -9.0]]},
    {"cache_implementation": "static", "renormalize_logits": True, "guidance_scale": 2.0},
    {"stop_strings": ["a", "e"], "penalty_alpha": 0.6, "encoder_repetition_penalty": 1.5},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_no_generation_setting_of_a_model_has_an_effect(save, settings):
    plain = answers("random-llama")
    assert len({*plain}) == len(plain)
    assert answers(save(files={"generation_config.json": settings})) == plain


def test_end_tokens_of_a_model_count(save):
    lm = loading.load_generator(save(files={"generation_config.json": {"eos_token_id": [2, 40]}}))
    assert language_model.end_tokens(lm) == {2, 40}
    assert language_model.decoding(lm)["eos_token_id"] == [2, 40]


# --- Sizes ---------------------------------------------------------------------------------------


def bloom(size):
    return BloomForCausalLM(BloomConfig(vocab_size=size, hidden_size=32, n_layer=2, n_head=4))


def gpt2(size):
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=size, n_embd=32, n_layer=2, n_head=4, n_positions=700)
    )


def gemma3(size):
    layers = {"num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 4}
    text = {**layers, "vocab_size": size, "intermediate_size": 64, "max_position_embeddings": 900}
    text |= {"num_key_value_heads": 2, "head_dim": 16}
    sees = SiglipVisionConfig(**layers, intermediate_size=32, image_size=28, patch_size=14)
    return Gemma3ForConditionalGeneration(
        Gemma3Config(text_config=text, vision_config=sees.to_dict(), image_token_index=1)
    )


@pytest.mark.parametrize(
    ("model", "window"), [(bloom, language_model.UNLIMITED), (gpt2, 700), (gemma3, 900)]
)
def test_sizes_under_other_names_and_positions_told_otherwise(save, model, window):
    torch.manual_seed(0)
    lm = loading.load_generator(save(model))
    assert lm.max_length == window
    together = generation.answer_batch(lm, QUESTIONS, [[]] * 3, 6)
    alone = [generation.answer_batch(lm, [q], [[]], 6)[0] for q in QUESTIONS]
    assert [r["answer"] for r in together] == [r["answer"] for r in alone]
    sequences = [(prompts.answer_prompt(lm.tokenizer, q.question), 4) for q in QUESTIONS]
    one_by_one = [likelihood.log_likelihoods(lm, [sequence])[0] for sequence in sequences]
    assert likelihood.log_likelihoods(lm, sequences) == pytest.approx(one_by_one, abs=1e-3)
    judge = LocalJudge(lm, criteria.find_all(criteria.DEFAULT))
    items = [Item("Who?", "Ida", "Ida, I think"), Item("When?", "1847", "1850")]
    for row, item in zip(judge.score(items), items, strict=True):
        same = judge.score([item])[0]
        assert row["judge_completeness"] == pytest.approx(same["judge_completeness"], abs=1e-3)
    # Training asks for the last columns by their indices.
    batch = examples.collate(
        [{"input_ids": sequences[0][0], "completion": sequences[0][0][-4:]}], pad_id=0
    )
    lm.model.train()
    loss = examples.completion_loss(lm.model, batch)
    lm.model.eval()
    assert float(loss) == pytest.approx(-one_by_one[0] / 4, abs=0.3)


@pytest.mark.parametrize(
    ("config", "tokenizer_length", "window"),
    [
        ({"max_seq_len": 512}, 10**30, 512),
        ({"seq_length": 256}, 10**30, 256),
        ({"max_position_embeddings": None, "n_ctx": 128}, 99, 128),
        ({"max_position_embeddings": -1}, 2048, 2048),
        ({}, 10**30, language_model.UNLIMITED),
    ],
)
def test_windows(config, tokenizer_length, window):
    from types import SimpleNamespace

    tokenizer = SimpleNamespace(model_max_length=tokenizer_length)
    assert language_model.window_of(SimpleNamespace(**config), tokenizer) == window


# --- Tokens --------------------------------------------------------------------------------------


def test_a_pad_token_behind_the_matrix_is_replaced(save):
    plain = answers("random-llama")
    name = save(special={"pad_token": "<pad-behind>"})
    assert loading.load_tokenizer(name).pad_token_id == 259
    assert loading.load_generator(name).tokenizer.pad_token_id == 2
    assert answers(name) == plain


def test_no_pad_token_and_no_end_token(save):
    name = save(files={"tokenizer_config.json": {"pad_token": "-", "eos_token": "-"}})
    tokenizer = loading.load_generator(name).tokenizer
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id) == (2, 2)  # as the model says
    name = save(
        files={
            "tokenizer_config.json": {"pad_token": "-", "eos_token": "-"},
            "config.json": {"eos_token_id": None},
            "generation_config.json": {"eos_token_id": None},
        }
    )
    with pytest.raises(StudyError, match="has no end token"):
        loading.load_generator(name)


def test_a_template_with_tokens_that_the_model_has_not(save):
    name = save(
        template=CHAT_TEMPLATE.replace("<|im_start|>", "<begin>"),
        special={"additional_special_tokens": ["<begin>"]},
    )
    with pytest.raises(StudyError, match=r"does not have \(<begin>\): .* 259 rows"):
        loading.load_generator(name)


def test_weights_that_are_missing_are_not_made_up(save):
    from safetensors.torch import load_file, save_file

    name = save()
    file = f"{name}/model.safetensors"
    weights = load_file(file)
    del weights["lm_head.weight"]
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(StudyError, match=r"have no weights for lm_head\.weight"):
        loading.load_generator(name)


# --- Templates -----------------------------------------------------------------------------------

DATED = "<|im_start|>It is {{ strftime_now('%A %-d %B %Y, %H:%M') }}.<|im_end|>\n"
LIKE_LLAMA = (
    "{% if not date_string is defined %}{% if strftime_now is defined %}"
    "{% set date_string = strftime_now('%d %b %Y') %}{% endif %}{% endif %}[{{ date_string }}]"
)
NO_SYSTEM = (
    "{% for m in messages %}{% if m['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "<|im_start|>{{ m['role'] }}: {{ m['content'] }}<|im_end|>{% endfor %}<|im_start|>model:"
)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (DATED + CHAT_TEMPLATE, "It is Wednesday 1 January 2025, 12:00."),
        (LIKE_LLAMA, "[01 Jan 2025]"),
    ],
)
def test_every_day_is_the_same(save, template, text):
    tokenizer = loading.load_generator(
        save(template=template + "{{ messages[0]['content'] }}")
    ).tokenizer
    assert text in prompts.render(tokenizer, prompts.answer_messages("Who?", []))
    assert "1 January 2025" in circumstances.recall()[0].replace("01 J", "1 J")


def test_the_day_is_part_of_run_ids(monkeypatch):
    stages = ("fine_tune", "generate_answers", "judge_answers", "measure_retention")
    before = [prompts.hash_for(stage) for stage in stages]
    monkeypatch.setattr(chat_templates, "TODAY", chat_templates.TODAY.replace(year=2031))
    assert not {*before} & {prompts.hash_for(stage) for stage in stages}


def test_no_system_role(save):
    tokenizer = loading.load_generator(save(template=NO_SYSTEM)).tokenizer
    text = prompts.render(tokenizer, prompts.answer_messages("Who?", []))
    assert text == (
        "<|im_start|>user: You answer questions.\n\nQuestion: Who?<|im_end|><|im_start|>model:"
    )
    assert "no system role" in circumstances.recall()[0]


TURNS = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}<model>"


@pytest.mark.parametrize(
    "words", ["Only user and assistant turns!", "must start with a user", "Rôle inconnu", ""]
)
def test_no_system_role_whatever_a_template_calls_it(save, words):
    refuses = (
        "{% if messages[0]['role'] not in ['user', 'assistant'] %}"
        f"{{{{ raise_exception('{words}') }}}}{{% endif %}}"
    )
    tokenizer = loading.load_generator(save(template=refuses + TURNS)).tokenizer
    text = prompts.render(tokenizer, prompts.answer_messages("Who?", []))
    assert text == "<user>You answer questions.\n\nQuestion: Who?<model>"


@pytest.mark.parametrize("merged", [False, True])
def test_a_template_that_knows_parts_only_is_given_parts(save, merged):
    template = (
        "{% for m in messages %}"
        + "{% if m['role'] == 'system' %}{{ raise_exception('no') }}{% endif %}" * merged
        + "<{{ m['role'] }}>{% for part in m['content'] %}{% if part['type'] == 'text' %}"
        "{{ part['text'] }}{% endif %}{% endfor %}{% endfor %}<model>"
    )
    tokenizer = loading.load_generator(save(template=template)).tokenizer
    text = prompts.render(tokenizer, prompts.answer_messages("Who?", []))
    between = "\n\n" if merged else "<user>"
    start = "<user>" if merged else "<system>"
    assert text == f"{start}You answer questions.{between}Question: Who?<model>"
    assert any("as a list of parts" in sentence for sentence in circumstances.recall())


def test_a_template_that_leaves_the_question_out_is_refused(save):
    with pytest.raises(StudyError, match="it leaves out what is asked"):
        loading.load_generator(save(template="<system>You are a model.<user><model>"))


@pytest.mark.parametrize("form", ["{{ m['content'] | upper }}", "{{ m | tojson }}"])
def test_a_template_that_writes_turns_in_another_form_is_left_alone(save, form):
    template = f"{{% for m in messages %}}{form}{{% endfor %}}"
    tokenizer = loading.load_generator(save(template=template)).tokenizer
    text = prompts.render(tokenizer, prompts.answer_messages('Who said "no"?', [("T", "A\nb.")]))
    assert text.lower().index("you answer questions.") < text.lower().index("who said")
    assert circumstances.recall() == []


def test_a_template_that_adds_a_token_which_is_not_there(save):
    name = save(
        template="{{ bos_token + '>' }}" + TURNS,
        files={
            "tokenizer_config.json": {"bos_token": None},
            "special_tokens_map.json": {"bos_token": "-"},
        },
    )
    tokenizer = loading.load_generator(name).tokenizer
    assert tokenizer.bos_token is None
    text = prompts.render(tokenizer, prompts.answer_messages("Who?", []))
    assert text.startswith("><system>")


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("%e.%-m.%y", " 1.1.25"),
        ("%h %d at %k:%M (%l %P)", "Jan 01 at 12:00 (12 pm)"),
        ("%G-W%V-%u, day %-j of %C%y", "2025-W01-3, day 1 of 2025"),
        ("%% %%d %n%t%f %_d %^a %Ey", "% %d \n\t000000  1 WED 25"),
        (
            "%c|%D|%F|%R|%r|%s",
            "Wed Jan  1 12:00:00 2025|01/01/25|2025-01-01|12:00|12:00:00 PM|1735732800",
        ),
    ],
)
def test_every_part_of_a_format_is_the_fixed_day(save, form, text):
    template = "{{ strftime_now('" + form + "') }}" + TURNS
    tokenizer = loading.load_generator(save(template=template)).tokenizer
    rendered = prompts.render(tokenizer, prompts.answer_messages("Who?", []))
    assert rendered.startswith(f"{text}<system>")


def test_a_template_that_fails_otherwise_is_said(save):
    with pytest.raises(StudyError, match=r"cannot render the study's prompts: .*nothing"):
        loading.load_generator(save(template="{{ messages[0].nothing.more }}"))


def test_a_base_model_is_asked_by_a_plain_template(save, monkeypatch):
    name = save()
    from pathlib import Path

    (Path(name) / "chat_template.jinja").unlink()
    lm = loading.load_generator(name)
    text = prompts.render(lm.tokenizer, prompts.answer_messages("Who?", []))
    assert text == ("You answer questions.\n\n### Instruction:\nQuestion: Who?\n\n### Response:\n")
    assert "no chat template" in circumstances.recall()[0]
    said = "Ida\n\n### Instruction:\nQuestion: Who else?"
    ids = lm.tokenizer.encode(said, add_special_tokens=False)
    monkeypatch.setattr(batch, "new_tokens", lambda lm, items, settings: [ids] * len(items))
    (row,) = generation.answer_batch(lm, QUESTIONS[:1], [[]], len(ids))
    assert (row["answer"], row["answer_tokens"], row["truncated"]) == ("Ida", 3, 0)


# --- What cannot write text ----------------------------------------------------------------------

REFUSED = [
    ({"model_type": "neverheard"}, "does not know the architecture 'neverheard'"),
    ({"model_type": "neverheard", "auto_map": {"AutoModel": "x.Y"}}, "code that comes with"),
    ({"model_type": "t5", "is_encoder_decoder": True}, "encoder-decoder"),
    ({"model_type": "vit", "architectures": ["ViTModel"]}, "no causal language model"),
    ({"model_type": "bert", "architectures": ["BertForMaskedLM"]}, "it is an encoder"),
    ({"model_type": "xlm-roberta", "architectures": ["XLMRobertaModel"]}, "it is an encoder"),
    ({"model_type": "electra"}, r"it is an encoder \(electra\)"),
    (
        {"model_type": "llama", "architectures": ["LlamaForSequenceClassification"]},
        "not made to write text",
    ),
    ({"architectures": ["X"]}, "has no model_type"),
]


@pytest.mark.parametrize(("config", "message"), REFUSED)
def test_what_writes_no_text_is_refused_while_planning(tmp_path, write_study, config, message):
    from rag_study.study.config import load_study

    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    refused = [{"judges": [{"model": "theirs"}]}]
    # Readers of other kinds may answer (test_readers), and judge nothing.
    refused += [{"models": ["theirs"]}] if architectures.kind_by(config) is None else []
    for changes in refused:
        with pytest.raises(StudyError, match=message) as caught:
            load_study(write_study(**changes))
        assert "theirs" in str(caught.value)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("adapter_config.json", "holds an adapter"),
        ("model.gguf", "GGUF"),
        ("readme.md", "no config.json"),
    ],
)
def test_a_folder_without_a_model(tmp_path, file, message):
    (tmp_path / file).write_text("{}")
    with pytest.raises(StudyError, match=message):
        architectures.check(str(tmp_path))


def test_pickles_are_said_while_planning(save, tmp_path):
    from pathlib import Path

    folder = Path(save())
    architectures.check(str(folder))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(StudyError, match="pickles"):
        architectures.check(str(folder))


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "llama", "architectures": ["LlamaForCausalLM"]},
        {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]},
        {"model_type": "gemma3", "architectures": ["Gemma3ForConditionalGeneration"]},
        {"model_type": "bloom"},
        {"model_type": "bert", "architectures": ["BertLMHeadModel"], "is_decoder": True},
    ],
)
def test_what_writes_text_is_taken(config):
    assert architectures.problem_of(config) is None


def test_planning_imports_neither_torch_nor_transformers(save):
    import subprocess
    import sys

    program = (
        "import sys; from rag_study.models import architectures as a; a.check(sys.argv[1]); "
        "assert not {'torch', 'transformers'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", program, save()], check=True)


def test_a_model_of_the_hub_cache_is_looked_at(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    architectures.check("someone/encoder")  # nothing is known of it
    snapshot = tmp_path / "models--someone--encoder" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (tmp_path / "models--someone--encoder" / "refs").mkdir()
    (tmp_path / "models--someone--encoder" / "refs" / "main").write_text("abc")
    (snapshot / "config.json").write_text('{"model_type": "t5", "is_encoder_decoder": true}')
    with pytest.raises(StudyError, match="encoder-decoder"):
        architectures.check("someone/encoder")


def test_relative_folders_count_from_the_study_file(save, write_study, monkeypatch, tmp_path):
    from rag_study.study.config import load_study

    save()
    study = write_study(
        models=["./a-model"], judges=[{"model": "a-model"}], retrieval={"reranker": "./a-model"}
    )
    for place in (tmp_path.parent, tmp_path):
        monkeypatch.chdir(place)
        config = load_study(study)
        wanted = str(tmp_path / "a-model")
        assert config.models == [wanted]
        assert config.judges[0].model == wanted
        assert config.retrieval.reranker == [wanted]
    assert loading.load_generator(config.models[0]).max_length == 4096
