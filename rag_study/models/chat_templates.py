"""Chat templates that models bring along, and what is made of those that are missing or incomplete.

A template may write today's date, know no system role, or not be there at all (base models). Each
is mended in one place, so that training, answering and judging render the same, and recorded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from rag_study.common import circumstances
from rag_study.common.errors import StudyError
from rag_study.models import names, rendering

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


def _written_times(now: datetime) -> list[tuple[str, str]]:
    """What `strftime` makes of every part of a format (C, POSIX and glibc), as (part, text).

    Spelt out by hand where platforms differ, so that a prompt is the same on all of them.
    """
    parts = {part: now.strftime(f"%{part}") for part in "aAbBdGHIjmMpSuUVwWyY"}
    parts |= {"h": parts["b"], "C": f"{now.year // 100:02d}", "e": f"{now.day:2d}"}
    parts |= {"g": parts["G"][-2:], "k": f"{now.hour:2d}", "l": f"{int(parts['I']):2d}"}
    parts |= {"P": parts["p"].lower(), "f": f"{now.microsecond:06d}", "z": "", "Z": ""}
    parts |= {"D": now.strftime("%m/%d/%y"), "F": now.strftime("%Y-%m-%d"), "n": "\n", "t": "\t"}
    parts |= {
        "R": now.strftime("%H:%M"),
        "T": now.strftime("%H:%M:%S"),
        "x": now.strftime("%m/%d/%y"),
    }
    parts |= {"X": parts["T"], "r": f"{now:%I:%M:%S} {parts['p']}"}
    parts["c"] = f"{parts['a']} {parts['b']} {parts['e']} {parts['T']} {parts['Y']}"
    parts["s"] = str(int(now.replace(tzinfo=UTC).timestamp()))
    changes = {
        "-": lambda text: text.strip().lstrip("0") or "0",  # without zeros before it
        "#": lambda text: text.strip().lstrip("0") or "0",  # the same on Windows
        "_": lambda text: " " * (len(text) - len(text.lstrip("0 "))) + text.lstrip("0 "),
        "0": lambda text: text.replace(" ", "0"),
        "^": str.upper,
        "E": str,
        "O": str,
    }
    numbers = [name for name, text in parts.items() if text.strip().isdigit()]
    changed = [
        (f"%{sign}{name}", change(parts[name]))
        for sign, change in changes.items()
        for name in (parts if sign in "^EO" else numbers)
    ]
    return [*changed, *((f"%{name}", text) for name, text in parts.items())]


# transformers gives templates the real time, and hands on nothing but plain data: so the function
# is written in the template, one replacement for each part of a format.
_TIME = (
    "{% macro strftime_now(format) %}{% set at = namespace(text=format | replace('%%', '\x00')) %}"
    f"{{% for part, written in {_written_times(TODAY)!r} %}}"
    "{% set at.text = at.text | replace(part, written) %}{% endfor %}"
    "{{ at.text | replace('\x00', '%') }}{% endmacro %}{{ '' }}"
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
# For encoder-decoders, which read one text as a whole and know no turns.
_ONE_TEXT = (
    "{% for m in messages %}{{ ('' if loop.first else '\\n') + m['content'] }}{% endfor %}"
    "{{ closing }}"
)


def prepare(tokenizer: PreTrainedTokenizerBase, name: str, reads_whole: bool = False) -> None:
    """Have a tokenizer's chat template render the same on every day and within limits, and give
    one that has none the plain one, in place; what is changed is recorded. A model that
    `reads_whole` (an encoder-decoder) has its special tokens around the text instead of turns."""
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
        if name not in names.bundled_names():
            tokenizer.apply_chat_template = partial(_within_limits, tokenizer)
        return
    sample = tokenizer.encode("a")
    lead = tokenizer.bos_token if tokenizer.bos_token_id in sample[:1] else ""
    ending = tokenizer.eos_token or ""
    if reads_whole:
        closing = ending if tokenizer.eos_token_id in sample[-1:] else ""
        tokenizer.chat_template = f"{{% set closing = {closing!r} %}}{{{{ {lead!r} }}}}{_ONE_TEXT}"
        return
    tokenizer.chat_template = f"{{% set ending = {ending!r} %}}{{{{ {lead!r} }}}}{PLAIN}"
    circumstances.remember(
        f"The model '{name}' has no chat template (a base model): it is asked by a plain one, with "
        "turns that begin with “### Instruction:” and “### Response:”."
    )


def _within_limits(
    tokenizer: PreTrainedTokenizerBase, chat: list[dict[str, Any]], **options: Any
) -> str:
    """In place of `tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True,
    ...)`, for a template that nobody here has read."""
    variables = {**tokenizer.special_tokens_map, **options}
    return rendering.render(
        tokenizer.chat_template,
        chat,
        {k: v for k, v in variables.items() if k not in ("tokenize", "add_generation_prompt")},
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

    Templates without a system role (Mistral, Gemma) raise, in whatever words, or drop it; there the
    system text opens the first user turn instead. Those of models that also see want a text as a
    list of parts, and write nothing of one that is a text. Both are recorded. Raises StudyError for
    a template that cannot render the chat, or leaves out what is asked.
    """
    options = {**_absent_tokens(tokenizer), **_DATES, **options}
    problem: Exception | None = None
    for note, chat in _forms(messages):
        try:
            text = tokenizer.apply_chat_template(
                chat, tokenize=False, add_generation_prompt=True, **options
            )
        except StudyError as error:
            raise StudyError(
                f"the chat template of {_name(tokenizer)} {error}. Mend the template in the "
                "model's folder, or take another model."
            ) from None
        except Exception as error:  # jinja2's TemplateError, and what templates raise by themselves
            problem = problem or error
            continue
        if all(_holds(text, turn["content"]) for turn in messages):
            for sentence in note:
                circumstances.remember(f"The chat template of {_name(tokenizer)} {sentence}")
            return text
    words = "it leaves out what is asked"
    if problem is not None:
        words = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
    raise StudyError(
        f"the chat template of {_name(tokenizer)} cannot render the study's prompts: {words}. Mend "
        "the template in the model's folder, or take another model."
    )


def _forms(messages: list[dict[str, str]]) -> Iterator[tuple[list[str], list[dict[str, Any]]]]:
    """The same chat in the forms that templates know, the usual one first, each with what is to be
    recorded of it."""
    chats: list[tuple[list[str], list[dict[str, Any]]]] = [([], messages)]
    first, *rest = messages
    if first["role"] == "system" and rest:
        opening = {**rest[0], "content": f"{first['content']}\n\n{rest[0]['content']}"}
        words = "has no system role: the system's words open the first turn of the user."
        chats.append(([words], [opening, *rest[1:]]))
    yield from chats
    for note, chat in chats:
        parts = [{**turn, "content": [{"type": "text", "text": turn["content"]}]} for turn in chat]
        yield [*note, "takes a text as a list of parts."], parts


def _absent_tokens(tokenizer: PreTrainedTokenizerBase) -> dict[str, str]:
    """Tokens that the tokenizer has not, as empty texts: templates add them to others."""
    names = ("bos_token", "eos_token", "unk_token", "pad_token")
    return {name: "" for name in names if getattr(tokenizer, name, None) is None}


def _holds(text: str, content: str) -> bool:
    """Whether a template has written a turn, be it trimmed, escaped or in capitals."""
    return content.strip() in text or _letters(content) in _letters(text)


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", re.sub(r"\\[nrt]", " ", text)).casefold()


def _name(tokenizer: PreTrainedTokenizerBase) -> str:
    name = getattr(tokenizer, "name_or_path", "")
    return f"'{name}'" if name else "this model"
