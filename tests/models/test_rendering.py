"""Chat templates as programs: endless, exponential, greedy; and those that do nothing of it."""

import os
import threading
import time
from pathlib import Path

import pytest

from rag_study.common.errors import StudyError
from rag_study.models import chat_templates, loading, prompts, rendering
from rag_study.models.random_llama import CHAT_TEMPLATE, build

CHAT = [{"role": "system", "content": "Be."}, {"role": "user", "content": "Who?"}]
TIME, SIZE, MEMORY = "seconds for one prompt", "letters for one prompt", "gigabyte of memory"


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """A limit that is met soon."""
    monkeypatch.setattr(rendering, "LIMIT_S", 1)


@pytest.fixture
def tokenizer(tmp_path):
    """Load the tokenizer of a folder with a template of its own."""

    def load(template):
        _, made = build()
        made.chat_template = template
        made.save_pretrained(tmp_path / "wild")
        return loading.load_tokenizer(str(tmp_path / "wild"))

    return load


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", TIME),
        ("{% macro f(n) %}{{ f(n - 1) }}{{ f(n - 1) }}{% endmacro %}{{ f(200) }}", "."),
        ("{% macro f(n) %}{% if n %}{% if f(n - 1) %}{% endif %}{{ f(n - 1) }}{% endif %}"
         "{% endmacro %}{{ f(60) }}", TIME),
        ("{{ 10 ** (10 ** 10) }}", f"{TIME}|{MEMORY}"),
        ("{{ 'x' * 900000000 }}", f"{SIZE}|{MEMORY}|{TIME}"),
        ("{{ 'x' * 90000000000 }}", MEMORY),
        ("{{ '%1900000000d' % 1 }}", MEMORY),
        ("{{ 'x' | center(1900000000) }}", MEMORY),
        ("{% set n = namespace(t='ab') %}{% for i in range(60) %}{% set n.t = n.t ~ n.t %}"
         "{% endfor %}{{ n.t | length }}", f"{TIME}|{MEMORY}"),
        ("{% for m in messages %}{{ m.content * 2000000 }}{% endfor %}", f"{SIZE}|{MEMORY}|{TIME}"),
        # Only for long texts.
        ("{% for m in messages %}{% if m.content | length > 99 %}{{ 'x' * 90000000000 }}{% endif %}"
         "{{ m.content }}{% endfor %}", MEMORY),
    ],
)  # fmt: skip
def test_a_template_without_measure_ends_in_a_sentence(tokenizer, monkeypatch, template, words):
    loaded = tokenizer(template)
    with pytest.raises(StudyError, match=words) as caught:
        prompts.answer_prompt(loaded, "Who " + "really " * 40 + "asks?")
    assert str(caught.value).startswith("the chat template of '")
    assert "wild" in str(caught.value)
    assert len(str(caught.value)) < 700
    # The next template does not suffer from it.
    assert rendering.render("{{ messages[1].content }}", CHAT, {}) == "Who?"


def test_it_renders_what_transformers_renders(tokenizer):
    loaded = tokenizer(CHAT_TEMPLATE)
    _, plain = build()
    for chat in (CHAT, [*CHAT, {"role": "assistant", "content": "Ü\n\u2028 “x” {{ y }}"}]):
        options = {"tokenize": False, "add_generation_prompt": True}
        assert chat_templates.apply(loaded, chat) == plain.apply_chat_template(chat, **options)
    assert prompts.answer_prompt(loaded, "Who?") == prompts.answer_prompt(plain, "Who?")


def test_a_template_reaches_nothing_and_knows_no_key(monkeypatch):
    monkeypatch.setenv("RAG_STUDY_API_KEY", "sk-0123456789")
    assert rendering.render("{{ bos }}|{{ environ }}", CHAT, {"bos": "<s>"}) == "<s>|"
    environment = Path(f"/proc/{rendering._RENDERER._process.pid}/environ").read_bytes()
    assert b"sk-0123456789" not in environment
    for template in (
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.system('touch /tmp/x') }}",
        "{% include '/etc/passwd' %}",
        "{% for %}",
    ):
        with pytest.raises(rendering.TemplateError):
            rendering.render(template, CHAT, {})


def test_many_threads_get_each_their_own(tokenizer):
    said = {}

    def ask(number):
        chat = [{"role": "user", "content": str(number)}]
        said[number] = rendering.render("{{ messages[0].content }}", chat, {})

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == {n: str(n) for n in range(40)}


def test_a_process_that_is_killed_is_begun_again():
    assert rendering.render("a", CHAT, {}) == "a"
    os.kill(rendering._RENDERER._process.pid, 9)
    rendering._RENDERER._process.wait()
    assert rendering.render("b", CHAT, {}) == "b"


def test_a_prompt_costs_little():
    chat = [{"role": "user", "content": "word " * 2000}]
    rendering.render(CHAT_TEMPLATE, chat, {"bos_token": "", "eos_token": ""})
    began = time.monotonic()
    for _ in range(100):
        rendering.render(CHAT_TEMPLATE, chat, {"bos_token": "", "eos_token": ""})
    assert (time.monotonic() - began) / 100 < 0.05  # measured: 0.0001
