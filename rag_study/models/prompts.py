"""Every prompt and chat-template rule of the study.

Training and answering render their prompts with `answer_prompt`, so that they cannot differ.
Hashes of the texts enter the run ids: a changed prompt is another experiment.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rag_study.common import reasoning
from rag_study.models import chat_templates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerBase


ANSWER_SYSTEM = "You answer questions."
ANSWER_WITHOUT_CONTEXT = "Question: {question}"
ANSWER_WITH_CONTEXT = (
    "Answer the question with the help of these passages.\n\n{passages}\n\nQuestion: {question}"
)
PASSAGE = "[{number}] {title}\n{text}"
# What a user would try before any training: ask for short answers, or show some.
BRIEF = "Answer in as few words as possible, without explanation."
# What is said of a state beside "base".
PROMPTINGS = {"default": "", "brief": "brief", "few_shot": "few-shot"}

# Query likelihood (Sachan et al. 2022, "Improving Passage Retrieval with Zero-Shot Question
# Generation"): a passage is as good as it makes the question likely.
RERANK = "Passage: {passage}\n\nPlease write a question based on this passage."

# Outside the task. Not the words of the study's own prompts: being tuned on those must not help or
# hurt by itself. A chat model would otherwise begin its reply with half a sentence of its own.
RETENTION_SYSTEM = "You are a helpful assistant."
RETENTION_LEAD = "Answer:"

# Questions that a model writes from documents (`questions`), by kind. The words before
# the colons are read again, whatever language the rest is in.
WRITE_QUESTION = """{passages}

{task} Ask so that somebody who has never seen {this} understands what is asked: name the persons, \
places and things, and do not mention a passage, a text or a document. Write in the language of \
{this}.{taken}

Reply in this form, with nothing before or after it:
{form}"""
WRITE_TASKS = {
    "factoid": "Write one question that the passage answers in a few words. Copy the answer from "
    "the passage, word by word, as short as can be.",
    "yes_no": "Write one question that is answered with yes or no, and to which the answer is "
    "“{wanted}” going by the passage.",
    "list": "Write one question that the passage answers with two to six things. Copy each from "
    "the passage, word by word.",
    "summary": "Write one question that takes two or three sentences to answer, all of which the "
    "passage says. Then name two to five key points of the answer, each a few words copied from "
    "the passage.",
    "unanswerable": "Write one question about the same subject to which somebody might look for an "
    "answer here, but which the passage does not answer.",
    "two_documents": "Write one question that takes both passages to answer: neither alone says "
    "enough. Copy the answer, a few words, from one of them.",
}
WRITE_FORMS = {
    "factoid": "Question: ...\nAnswer: ...",
    "yes_no": "Question: ...\nAnswer: {wanted}",
    "list": "Question: ...\nAnswer: ...; ...",
    "summary": "Question: ...\nAnswer: ...\nPoints: ...; ...",
    "unanswerable": "Question: ...",
    "two_documents": "Question: ...\nAnswer: ...",
}
WRITE_OTHERS = " Ask something else than:\n{questions}"
# Whether a longer answer follows from its passage, asked as any other question.
ENTAILED = "Is everything in this statement said in the passage? “{answer}” Answer yes or no."

JUDGE_SYSTEM = "You grade answers."
JUDGE_PREFIX = """A candidate answered a question. Compare the candidate with the reference answer.

Question: {question}
Reference: {reference}
Candidate: <<<{candidate}>>>

"""
JUDGE_REPLY = "Score:"
# For a judge that reasons: instead of the digit at once, and before it in a chat with a server.
JUDGE_REASONING = (
    "Before the digit, compare the candidate with the reference, fact by fact, in a few sentences."
)
JUDGE_AFTER_REASONING = "Now give the score. Reply with one digit from 1 to 5 and nothing else."

# Where a chat template knows such a switch, the model is asked to answer without reasoning.
REASONING_SWITCHES = ("enable_thinking", "thinking")


@dataclass(frozen=True)
class Prompting:
    """How a model is asked: one of PROMPTINGS, and (question, answer) examples for `few_shot`."""

    name: str = "default"
    examples: tuple[tuple[str, str], ...] = ()


AS_USUAL = Prompting()


def answer_messages(
    question: str, passages: Sequence[tuple[str, str]], prompting: Prompting = AS_USUAL
) -> list[dict[str, str]]:
    """Chat messages that ask a question, with (title, text) passages or without any.

    `brief` adds an instruction to the question; `few_shot` puts the examples, without passages of
    their own, as earlier turns before it.
    """
    if passages:
        listed = "\n\n".join(
            PASSAGE.format(number=number, title=title, text=text)
            for number, (title, text) in enumerate(passages, start=1)
        )
        user = ANSWER_WITH_CONTEXT.format(passages=listed, question=question)
    else:
        user = ANSWER_WITHOUT_CONTEXT.format(question=question)
    if prompting.name == "brief":
        user = f"{user}\n{BRIEF}"
    turns = [("system", ANSWER_SYSTEM)]
    for asked, answered in prompting.examples:
        turns += [("user", ANSWER_WITHOUT_CONTEXT.format(question=asked)), ("assistant", answered)]
    return [{"role": role, "content": text} for role, text in [*turns, ("user", user)]]


def answer_prompt(
    tokenizer: PreTrainedTokenizerBase,
    question: str,
    passages: Sequence[tuple[str, str]] = (),
    prompting: Prompting = AS_USUAL,
) -> list[int]:
    """Token ids of the prompt up to where the answer begins, the beginning token once."""

    def cleaned(pairs: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        return tuple((clean(one, tokenizer), clean(other, tokenizer)) for one, other in pairs)

    prompting = Prompting(prompting.name, cleaned(prompting.examples))
    messages = answer_messages(clean(question, tokenizer), cleaned(passages), prompting)
    return _encoded(tokenizer, messages)


def question_request(
    kind: str, passages: Sequence[tuple[str, str]], wanted: str = "", taken: Sequence[str] = ()
) -> str:
    """What a model is told that is to write a question of a kind (of WRITE_TASKS) from (title,
    text) passages. `wanted` is "yes" or "no" where it is to be that; `taken` are questions that
    it must not write again."""
    listed = "\n\n".join(
        PASSAGE.format(number=number, title=title, text=text)
        for number, (title, text) in enumerate(passages, start=1)
    )
    others = "\n".join(f"- {question}" for question in taken)
    return WRITE_QUESTION.format(
        passages=listed,
        task=WRITE_TASKS[kind].format(wanted=wanted),
        this="the passages" if len(passages) > 1 else "the passage",
        taken=WRITE_OTHERS.format(questions=others) if taken else "",
        form=WRITE_FORMS[kind].format(wanted=wanted),
    )


def instruction_prompt(tokenizer: PreTrainedTokenizerBase, instruction: str) -> list[int]:
    """Token ids of a general instruction, which is no question of the task."""
    return _encoded(tokenizer, [{"role": "user", "content": clean(instruction, tokenizer)}])


def _encoded(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]]) -> list[int]:
    text = render(tokenizer, messages)
    # The template writes the beginning token itself where the model wants one.
    return tokenizer.encode(text, add_special_tokens=False)


def completion(
    tokenizer: PreTrainedTokenizerBase, answer: str, prompt: Sequence[int] = ()
) -> list[int]:
    """Token ids of an answer to be learned; the end token is part of it.

    Where the `prompt` ends in a block of reasoning that the template has opened, the answer begins
    by closing it: it would be read as reasoning otherwise.
    """
    text = clean(answer, tokenizer)
    if close := opened_by(tokenizer, prompt):
        text = f"{close}\n\n{text}"
    ids = tokenizer.encode(text, add_special_tokens=False)
    return [*ids, tokenizer.eos_token_id]


def opened_by(tokenizer: PreTrainedTokenizerBase, prompt: Sequence[int]) -> str:
    """What closes the block of reasoning in which a prompt's token ids end; "" where none is."""
    return reasoning.closing(tokenizer.decode(list(prompt[-40:])))


def answer_text(
    tokenizer: PreTrainedTokenizerBase, prompt: Sequence[int], new: Sequence[int]
) -> reasoning.Answer:
    """The answer in the token ids that a model gave to a prompt, without its reasoning."""
    new, opened = list(new), bool(opened_by(tokenizer, prompt))
    # The marks around reasoning may be control tokens.
    whole = tokenizer.decode(new, skip_special_tokens=False)
    answer = reasoning.answer_in(whole, opened=opened)
    if answer == (whole.strip(), False):
        return reasoning.Answer(tokenizer.decode(new, skip_special_tokens=True).strip(), False)
    text = answer.text
    for token in tokenizer.all_special_tokens:
        text = text.replace(token, "")
    return reasoning.Answer(text.strip(), answer.cut)


def render(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]]) -> str:
    """The chat as text, ready for the assistant's reply (see `chat_templates.apply`), with the
    template's switch for reasoning, where it has one, turned off."""
    template = str(getattr(tokenizer, "chat_template", ""))
    switches = {switch: False for switch in REASONING_SWITCHES if switch in template}
    return chat_templates.apply(tokenizer, messages, **switches)


def render_closed(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]]) -> str:
    """As `render`, for a reply whose beginning is given: a block of reasoning that the template
    opens is closed."""
    text = render(tokenizer, messages)
    close = reasoning.closing(text)
    return f"{text}{close}\n\n" if close else text


def clean(text: str, tokenizer: PreTrainedTokenizerBase) -> str:
    """Text from data or models without chat control tokens, and with single blank lines."""
    for token in tokenizer.all_special_tokens:
        text = text.replace(token, " ")
    text = re.sub(r"<\|[^|<>]{1,40}\|>|\[/?INST\]|<</?SYS>>", " ", text)
    return re.sub(r"\n\s*\n+", "\n", text).strip()


def hash_for(stage_name: str) -> str:
    """Hash over the prompts that a stage uses; "" for stages without any."""
    parts: tuple[Any, ...]
    templates = (chat_templates.PLAIN, chat_templates.TODAY.isoformat())
    match stage_name:
        case "fine_tune" | "write_training_answers" | "generate_answers" | "probe_knowledge":
            parts = (
                *templates,
                ANSWER_SYSTEM,
                ANSWER_WITHOUT_CONTEXT,
                ANSWER_WITH_CONTEXT,
                PASSAGE,
                BRIEF,
                inspect.getsource(answer_messages),
                inspect.getsource(instruction_prompt),
                REASONING_SWITCHES,
            )
        case "index_corpus":
            parts = (*templates, RERANK, REASONING_SWITCHES)
        case "measure_retention":
            parts = (*templates, RETENTION_SYSTEM, RETENTION_LEAD, REASONING_SWITCHES)
        case "judge_answers" | "validate_judge":
            # The rubrics are in the ids beside these (`Criterion.fingerprint`).
            parts = (
                *templates,
                JUDGE_SYSTEM,
                JUDGE_PREFIX,
                JUDGE_REPLY,
                PASSAGE,
                JUDGE_REASONING,
                JUDGE_AFTER_REASONING,
                REASONING_SWITCHES,
            )
        case _:
            return ""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
