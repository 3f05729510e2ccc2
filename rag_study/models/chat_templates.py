"""Chat templates that models bring along, and what is made of those that are missing or incomplete.

A template may write today's date, know no system role, or not be there at all (base models). Each
is mended in one place, so that training, answering and judging render the same, and recorded.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from rag_study.common import circumstances
from rag_study.common.errors import StudyError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# The day on which all models believe to be asked: a prompt must not differ from day to day.
TODAY = datetime(2025, 1, 1, 12, 0, 0)
# What templates call it where they do not ask for the time themselves (Llama 3, Granite, Command).
_DATES = {
    "date_string": TODAY.strftime("%d %b %Y"),
    "current_date": TODAY.strftime("%Y-%m-%d"),
    "date": TODAY.strftime("%Y-%m-%d"),
    "today": TODAY.strftime("%Y-%m-%d"),
}
# transformers gives templates the real time, and hands on nothing but plain data: so the function
# is written in the template, one replacement for each part of a format.
_PARTS = [f"%-{part}" for part in "dmyHIMSj"] + [
    f"%{part}" for part in "aAbBdeFHIjmMpSuUVwWyYxXcDTRzZ"
]
_TIME = (
    "{% macro strftime_now(format) %}{{ format"
    + "".join(f" | replace({part!r}, {TODAY.strftime(part)!r})" for part in _PARTS)
    + " }}{% endmacro %}{{ '' }}"
)
# For models without a template: turns that a base model recognises as such. The answer is cut off
# where the model goes on with a turn of its own.
TURN = "\n\n### "
PLAIN = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ m['content'] }}"
    "{% elif m['role'] == 'user' %}{{ '\\n\\n### Instruction:\\n' + m['content'] }}"
    "{% else %}{{ '\\n\\n### Response:\\n' + m['content'] + ending }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '\\n\\n### Response:\\n' }}{% endif %}"
)


def prepare(tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    """Have a tokenizer's chat template render the same on every day, and give one that has none
    the plain one, in place; both are recorded."""
    tokenizer.name_or_path = name  # what messages call it, wherever it lies
    template = tokenizer.chat_template
    if isinstance(template, dict):
        tokenizer.chat_template = template.get("default") or next(iter(template.values()), None)
    if tokenizer.chat_template:
        if "strftime_now" in tokenizer.chat_template:
            tokenizer.chat_template = f"{_TIME}{tokenizer.chat_template}"
        if "strftime_now" in tokenizer.chat_template or "date_string" in tokenizer.chat_template:
            circumstances.remember(
                f"The chat template of '{name}' writes the day's date: in all of the study it is "
                f"{TODAY:%d %B %Y}."
            )
        return
    begins = tokenizer.encode("a")[:1] == [tokenizer.bos_token_id]
    lead = tokenizer.bos_token if begins and tokenizer.bos_token else ""
    ending = tokenizer.eos_token or ""
    tokenizer.chat_template = f"{{% set ending = {ending!r} %}}{{{{ {lead!r} }}}}{PLAIN}"
    circumstances.remember(
        f"The model '{name}' has no chat template (a base model): it is asked by a plain one, with "
        "turns that begin with “### Instruction:” and “### Response:”."
    )


def is_plain(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the model had no template of its own."""
    template = tokenizer.chat_template
    return isinstance(template, str) and template.endswith(PLAIN)


def first_turn(text: str) -> str:
    """What a model without turns of its own has answered, up to where it goes on with another turn
    by itself."""
    return text.split(TURN.lstrip("\n"))[0].strip()


def apply(
    tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]], **options: Any
) -> str:
    """The chat as text, ready for the assistant's reply. `options` go to the template.

    Templates without a system role (Mistral, Gemma) raise or drop it; there the system text opens
    the first user turn instead, which is recorded. Raises StudyError for a template that cannot
    render the chat at all.
    """
    options = {**_DATES, **options}

    def rendered(chat: list[dict[str, str]]) -> str:
        return tokenizer.apply_chat_template(
            chat, tokenize=False, add_generation_prompt=True, **options
        )

    system, *rest = messages
    if system["role"] == "system" and rest:
        try:
            text = rendered(messages)
            if system["content"] in text:
                return text
        except Exception as error:  # jinja2's TemplateError, and what templates raise by themselves
            if "system" not in str(error).lower() and "role" not in str(error).lower():
                raise StudyError(_unusable(tokenizer, error)) from None
        circumstances.remember(
            f"The chat template of {_name(tokenizer)} has no system role: the system's words open "
            "the first turn of the user."
        )
        opening = {**rest[0], "content": f"{system['content']}\n\n{rest[0]['content']}"}
        messages = [opening, *rest[1:]]
    try:
        return rendered(messages)
    except Exception as error:
        raise StudyError(_unusable(tokenizer, error)) from None


def _name(tokenizer: PreTrainedTokenizerBase) -> str:
    name = getattr(tokenizer, "name_or_path", "")
    return f"'{name}'" if name else "this model"


def _unusable(tokenizer: PreTrainedTokenizerBase, error: Exception) -> str:
    return (
        f"the chat template of {_name(tokenizer)} cannot render the study's prompts: "
        f"{str(error).splitlines()[0] if str(error) else type(error).__name__}. Mend the template "
        "in the model's folder, or take another model."
    )
