"""What kinds of questions a model may write, and what its replies say."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from rag_study.common.errors import StudyError
from rag_study.common.messages import nearest
from rag_study.data.reading import fields
from rag_study.data.schema import NO_ANSWER, Question
from rag_study.models import prompts
from rag_study.questions.passages import Place

# Kind -> the answer_type that the data has for it.
KINDS = {
    "factoid": "factoid",
    "yes_no": "yesno",
    "list": "list",
    "summary": "summary",
    "unanswerable": "unanswerable",
    "two_documents": "factoid",
}
DEFAULT = ("factoid", "list", "summary")
# Tokens of a reply, by kind; a question and a short answer need 60.
NEW_TOKENS = {"summary": 320, "list": 160}
USUAL_NEW_TOKENS = 120

# Some models translate the labels with the rest.
_LABELS = {
    "question": "question q frage pregunta domanda pergunta vraag fråga pytanie вопрос 问题 問題 "
    "질문",
    "answer": "answers answer a antwort respuesta réponse risposta resposta antwoord svar "
    "odpowiedź ответ 答案 回答 답변",
    "points": "points key[ _]points stichpunkte puntos punti pontos punten пункты 要点 ポイント",
}
_KEY_OF = {word.replace("[ _]", " "): key for key, all in _LABELS.items() for word in all.split()}
_LABEL = re.compile(
    rf"^[\W_]*(?:\d+[.)]\s*)?[\W_]*(?P<label>{'|'.join(' '.join(_LABELS.values()).split(' '))})"
    r"[*_\s]*[:：][*_\s]*(?P<text>.*)$",
    re.IGNORECASE,
)
# What models write below an answer, and is none of it.
_BEYOND = re.compile(
    r"^[\W_]*(?:explanation|note|reason(?:ing)?|source|evidence|passage)\b[^:：]{0,20}[:：]", re.I
)
_BETWEEN = re.compile(r"\s*[;；\n]\s*")
_MARK = re.compile(r"^(?:[-*•–]|\(?\d{1,2}[.)])\s+")
_EDGES = ' \t\n*_"“”„«»`'


@dataclass(frozen=True)
class Task:
    """One try at one question: its kind, the passages (two for `two_documents`), and which try at
    these it is, from 0."""

    kind: str
    places: tuple[Place, ...]
    attempt: int = 0

    @property
    def name(self) -> str:
        """What the try is known by when a command goes on."""
        return "|".join([self.kind, str(self.attempt), *(p.passage.chunk_id for p in self.places)])

    @property
    def wanted(self) -> str:
        """The answer that a yes/no question is to have: half of them each."""
        digest = hashlib.sha256(self.name.encode("utf-8", "replace")).digest()
        return ("yes", "no")[digest[0] % 2] if self.kind == "yes_no" else ""

    def request(self, taken: Sequence[str]) -> str:
        """What the model is told; `taken` are questions that these passages have already."""
        shown = [(place.passage.title, place.passage.text) for place in self.places]
        return prompts.question_request(self.kind, shown, self.wanted, taken)


@dataclass(frozen=True)
class Draft:
    """A reply as it was read. `items` are the parts of a list or the key points of a summary."""

    question: str
    answer: str = ""
    items: tuple[str, ...] = field(default=())


def parse_kinds(text: str) -> tuple[str, ...]:
    """Kinds out of "factoid,yes_no". Raises StudyError for an unknown one."""
    named = [name.strip().lower().replace("-", "_") for name in text.split(",") if name.strip()]
    for name in named:
        if name not in KINDS:
            raise StudyError(
                f"--types: there is no type '{name}'{nearest(name, KINDS)}; known: "
                f"{', '.join(KINDS)}."
            )
    if not named:
        raise StudyError(f"--types names nothing; known: {', '.join(KINDS)}.")
    return tuple(dict.fromkeys(named))


def read_reply(kind: str, reply: str) -> Draft | None:
    """The question and answer in a reply, as lines with labels or as JSON; None where there is no
    question, or no answer where one is needed."""
    said = _of_json(reply) or _of_lines(reply)
    question = said.get("question", "").strip(_EDGES)
    answer = said.get("answer", "").strip(_EDGES)
    if not _says_something(question) or not (_says_something(answer) or kind == "unanswerable"):
        return None
    items: tuple[str, ...] = ()
    if kind == "list":
        items = _items(answer)
        answer = ", ".join(items)
    elif kind == "summary":
        items = _items(said.get("points", ""))
    return Draft(question, " ".join(answer.split()), items)


def question_of(task: Task, draft: Draft) -> Question:
    """The draft as a question of a data set, without its group."""
    doc_ids = tuple(dict.fromkeys(place.passage.doc_id for place in task.places))
    digest = hashlib.sha256(repr((draft.question, doc_ids)).encode("utf-8", "replace"))
    given = {
        "id": f"made-{digest.hexdigest()[:12]}",
        "question": draft.question,
        "answer_type": KINDS[task.kind],
        "gold_doc_ids": doc_ids,
        "scope": task.places[0].scope,
    }
    if task.kind == "unanswerable":
        return Question(answers=NO_ANSWER, **given)
    if task.kind == "summary":
        points = tuple((item,) for item in draft.items)
        return Question(answers=(), reference=draft.answer, key_points=points, **given)
    points = tuple((item,) for item in draft.items)
    return Question(answers=(draft.answer,), key_points=points, **given)


def is_short(draft: Draft) -> bool:
    """Whether each short answer of the draft is one."""
    return all(map(fields.is_short, draft.items or (draft.answer,)))


def _items(text: str) -> tuple[str, ...]:
    found = [_MARK.sub("", item).strip(_EDGES) for item in _BETWEEN.split(text)]
    if len(found) == 1:  # models write commas all the same
        found = [item.strip(_EDGES) for item in re.split(r",(?!\d{3})\s+|[、，]", found[0])]
    return tuple(dict.fromkeys(item.rstrip(".") for item in found if _says_something(item)))


def _says_something(text: str) -> bool:
    # Some models give the form back: "Question: ...", "<the question>".
    return any(map(str.isalnum, text)) and not re.fullmatch(r"<[^<>]*>|\[[^\[\]]*\]", text)


def _of_json(reply: str) -> dict[str, str]:
    start, end = reply.find("{"), reply.rfind("}")
    if start < 0 or end < start:
        return {}
    try:
        content = json.loads(reply[start : end + 1])
    except ValueError:
        return {}
    said = {}
    for key, value in content.items():
        if isinstance(value, list):
            value = "; ".join(map(str, value))
        if isinstance(value, str | int | float):
            said[_key(str(key))] = str(value)
    return said


def _of_lines(reply: str) -> dict[str, str]:
    """What stands behind each label, up to the next or an empty line; of a second question nothing
    is read."""
    said: dict[str, list[str]] = {}
    key = ""
    for line in reply.splitlines():
        if match := _LABEL.match(line):
            key = _key(match["label"])
            if key in said:
                break
            said[key] = [match["text"]]
        elif _BEYOND.match(line) or (not line.strip() and key and any(said[key])):
            key = ""
        elif key and line.strip():
            said[key].append(line)
    return {key: "\n".join(lines).strip() for key, lines in said.items()}


def _key(label: str) -> str:
    return _KEY_OF.get(label.lower().replace("_", " "), label.lower())
