"""Reasoning is no part of an answer, however a model marks it."""

import pytest

from rag_study.common.reasoning import answer_in, closing

BLOCKS = {
    "think": "<think>\nIs it Lohr?\n</think>\n\n{}",
    "capitals": "<Think>Lohr?</THINK>{}",
    "thinking": "<thinking>Lohr?</thinking> {}",
    "thought": "<thought>Lohr?</thought>{}",
    "reasoning": "<reasoning effort='low'>Lohr?</reasoning>\n{}",
    "brackets": "[THINK]Lohr?[/THINK]{}",
    "named": "<seed:think>Lohr?</seed:think>{}",
    "begin_of_thought": "<|begin_of_thought|>Lohr?<|end_of_thought|>\n"
    "<|begin_of_solution|>{}<|end_of_solution|>",
    "START_THINKING": "<|START_THINKING|>Lohr?<|END_THINKING|><|START_RESPONSE|>{}<|END_RESPONSE|>",
    "triangles": "◁think▷Lohr?◁/think▷{}",
    "channel of thought": "<|channel>thought\nLohr?<channel|>{}",
    "channels": "<|channel|>analysis<|message|>Lohr?<|end|>"
    "<|start|>assistant<|channel|>final<|message|>{}<|return|>",
    "channels without control tokens": "analysisLohr? The user asks.assistantfinal{}",
    "commentary between": "<|channel|>analysis<|message|>a<|end|>"
    "<|channel|>commentary to=f <|constrain|>json<|message|>{{}}<|call|>"
    "<|channel|>final<|message|>{}",
    "opened by the template": "Is it Lohr?\n</think>\n{}",
    "opened by the template, brackets": "Lohr?[/THINK]{}",
    "answer in a frame": "<think>Lohr?</think><answer>{}</answer>",
    "nothing thought": "<think>\n\n</think>\n\n{}",
    "a mark inside": "<think>They write <think> there.</think>{}",
    "two blocks": "<think>a</think><think>b</think>{}",
    "behind the answer": "{}\n<think>Lohr?</think>",
    "closed twice": "<think>a</think>b</think>{}",
    "closed at the end again": "<think>a</think>{}</think>",
}  # fmt: skip
UNFINISHED = (
    "<think>Is it Lohr",
    "<think>",
    "[THINK]Lohr [",
    "<|begin_of_thought|>Lohr",
    "<|channel|>analysis<|message|>Lohr",
    "<|START_THINKING|>Lohr",
    "<think>a</think><reasoning>b",
)
NONE = (
    "Ada Lohr",
    "I think it is Lohr.",
    "x < think > y",
    "Put `<think>` before it and `</think>` behind it.",
    'The mark is called "[THINK]" there.',
    "analysis of variance, the final test",
    "<answer>Lohr</answer>",
    "He wrote [thus] <b>so</b>.",
    "Put it into the [Reason] field, then send form B.",
    "<reason>",
    "",
)


@pytest.mark.parametrize("form", BLOCKS.values(), ids=BLOCKS)
@pytest.mark.parametrize("answer", ["Ada Orn", "In 1871, by <b>Orn</b>.\nYes."])
def test_what_stands_outside_is_the_answer(form, answer):
    assert answer_in(form.format(answer)) == (answer, False)


@pytest.mark.parametrize("reply", UNFINISHED)
def test_unfinished_reasoning_is_no_answer(reply):
    assert answer_in(reply) == ("", True)


@pytest.mark.parametrize("reply", NONE)
def test_other_texts_stay(reply):
    assert answer_in(reply) == (reply, False)


def test_a_prompt_that_ends_inside_a_block():
    assert answer_in("Is it Lohr?", opened=True) == ("", True)
    assert answer_in("Is it Lohr?</think>Orn", opened=True) == ("Orn", False)


def test_what_was_answered_before_an_unfinished_block_is_kept():
    assert answer_in("Orn.\n<think>Is that so") == ("Orn.", True)


@pytest.mark.parametrize(
    ("prompt", "close"),
    [
        ("Who?<|assistant|>\n<think>\n", "</think>"),
        ("[/INST][THINK]", "[/THINK]"),
        ("<|START_THINKING|>", "<|END_THINKING|>"),
        ("<|begin_of_thought|>\n\n", "<|end_of_thought|>"),
        ("<seed:think>", "</seed:think>"),
        ("<|channel>thought\n", "<channel|>"),
        ("<think>\n\n</think>\n\n", ""),
        ("<|im_start|>assistant\n", ""),
    ],
)
def test_what_closes_a_block_that_the_prompt_opens(prompt, close):
    assert closing(prompt) == close
    if close:
        assert answer_in(f"{prompt}Lohr?{close}Orn").text.endswith("Orn")
