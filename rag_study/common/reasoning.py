"""What a model says to itself before it answers is no part of its answer.

Models that reason write it between marks of their own (`<think>`, `[THINK]`, channels, ...). Only
what stands outside them is graded, trained on and counted. A block that is not closed was cut: all
that follows its opening is reasoning.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_NAMES = r"(?:\w{1,12}:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad)"
_OPENS = (
    rf"<{_NAMES}(?:\s[^<>]*)?>",
    rf"\[{_NAMES}\]",
    rf"◁{_NAMES}▷",
    r"<\|(?:begin|start)_of_(?:thought|thinking|reasoning)\|>",
    r"<\|(?:start|begin)_(?:thought|thinking|reasoning)\|>",
    r"<\|inner_prefix\|>",
    r"<\|channel>\s*thought\b",
    r"<unused94>\s*thought\b",
)
_CLOSES = (
    rf"</{_NAMES}\s*>",
    rf"\[/{_NAMES}\]",
    rf"◁/{_NAMES}▷",
    r"<\|end_of_(?:thought|thinking|reasoning)\|>",
    r"<\|end_(?:thought|thinking|reasoning)\|>",
    r"<\|inner_suffix\|>",
    r"<channel\|>",
    r"<unused95>",
)
# Names that a field of a form may have, too: reasoning only where it is closed.
_COMMON = re.compile(
    r"[<\[◁](?:\w{1,12}:)?(?:thoughts?|reason|reflection)(?:\s[^<>]*)?[>\]▷]", re.IGNORECASE
)
# In quotes or backticks a mark is only spoken of: "write `<think>` before it".
_MARK = re.compile(
    f"(?P<spoken>([`'\"“])(?:{'|'.join((*_OPENS, *_CLOSES))})[`'\"”])|"
    f"(?P<opens>{'|'.join(_OPENS)})|(?P<closes>{'|'.join(_CLOSES)})",
    re.IGNORECASE,
)
_OTHER_PAIRS = {
    "<|channel>": "<channel|>",
    "<unused94>": "<unused95>",
    "<|inner_prefix|>": "<|inner_suffix|>",
}
_OPEN_AT_END = re.compile(f"(?:{'|'.join(_OPENS)})\\s*\\Z", re.IGNORECASE)
# What may stand around the answer where there was reasoning before it.
_FRAME = re.compile(
    r"</?(?:answer|response|solution|output)>|"
    r"<\|(?:begin|end|start)_(?:of_)?(?:solution|response|answer)\|>",
    re.IGNORECASE,
)
# gpt-oss writes into channels; without its control tokens their names are left.
_CHANNEL = re.compile(
    r"(?:<\|start\|>\s*assistant\s*)?<\|channel\|>\s*(\w+)[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>"
)
_CHANNEL_END = re.compile(r"<\|(?:end|return|call|start)\|>")
_BARE_CHANNELS = re.compile(
    r"\A\s*(?:analysis|commentary)(?=[A-Z\"'“(\s])(?:.*)assistantfinal", re.S
)


class Answer(NamedTuple):
    """`text` is what was answered, "" where it came to none; `cut`: the reasoning has no end."""

    text: str
    cut: bool


def answer_in(reply: str, *, opened: bool = False) -> Answer:
    """The answer in a model's reply. `opened`: the prompt ended inside a block of reasoning.

    A block that is closed but not opened was opened by the template, so all before it goes too.
    What has been answered before an unfinished block is kept.
    """
    if "<|channel|>" in reply:
        return _final_channel(reply)
    if bare := _BARE_CHANNELS.match(reply):
        return Answer(reply[bare.end() :].strip(), False)
    if not opened and _MARK.search(reply) is None:
        return Answer(reply.strip(), False)
    kept: list[str] = []
    inside, position = opened, 0
    last_close = max((m.end() for m in _MARK.finditer(reply) if m["closes"]), default=-1)
    for mark in _MARK.finditer(reply):
        if mark["spoken"] or (_COMMON.fullmatch(mark.group()) and mark.end() > last_close):
            continue
        if mark["opens"]:
            if not inside:
                kept.append(reply[position : mark.start()])
        elif not inside and reply[mark.end() :].strip():
            kept = []
        elif not inside:
            kept.append(reply[position : mark.start()])
        inside, position = bool(mark["opens"]), mark.end()
    if not inside:
        kept.append(reply[position:])
    text = " ".join(filter(None, map(str.strip, kept)))
    return Answer(_FRAME.sub(" ", text).strip(), inside)


def closing(prompt: str) -> str:
    """What closes the block that a prompt has just opened; "" where it has opened none."""
    found = _OPEN_AT_END.search(prompt[-60:])
    if found is None:
        return ""
    mark = found.group().strip()
    lower = mark.lower()
    for opening, close in _OTHER_PAIRS.items():
        if lower.startswith(opening):
            return close
    if lower.startswith("<|"):  # <|begin_of_thought|>, <|START_THINKING|>
        end = "END" if mark.isupper() else "end"
        return re.sub(r"begin|start", end, mark, count=1, flags=re.IGNORECASE)
    return re.sub(r"\s[^<>]*", "", f"{mark[0]}/{mark[1:]}")


def _final_channel(reply: str) -> Answer:
    """The last text of the channel "final", of gpt-oss's form."""
    marks = list(_CHANNEL.finditer(reply))
    for mark in reversed(marks):
        if mark[1] == "final":
            text = _CHANNEL_END.split(reply[mark.end() :], maxsplit=1)[0]
            return Answer(text.strip(), False)
    return Answer("", True)
