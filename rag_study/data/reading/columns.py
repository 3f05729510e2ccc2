"""What the columns of a file are called, and how rows of other forms become rows of the schema.

Names are never guessed while reading: a study file says with `columns` where they differ, and
`proposed` is what `rag-study init` writes there and what messages suggest. Two forms cannot be
taken for anything else and are read as they are: chats, and KILT's lines.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from rag_study.common.errors import StudyError
from rag_study.data.reading import fields

# What may be named in `columns`, with what it is called elsewhere, likeliest first (BEIR, HotpotQA,
# MS MARCO, NQ, PubMedQA, Ragas, TriviaQA; spreadsheets in some languages).
QUESTION_COLUMNS = {
    "question": (
        "question query user_input question_text input prompt instruction q frage pregunta "
        "domanda pergunta vraag pytanie fråga вопрос 问题 問題 質問 질문 سؤال text"
    ).split(),
    # Ragas' `answer` and `response` are a system's: where there is a truth, they come last.
    "answers": (
        "answers ground_truths ground_truth gold_answers golden_answers correct_answer "
        "reference_answers reference_answer short_answers expected_output expected_answer "
        "final_decision reference gold target answer a antwort respuesta réponse risposta "
        "resposta antwoord odpowiedź svar ответ 答案 回答 解答 답변 جواب output response"
    ).split(),
    "id": "id _id qid query_id question_id example_id pubid uid key".split(),
    "reference": "reference long_answer ideal_answer".split(),
    "gold_doc_ids": (
        "gold_doc_ids doc_ids source sources document documents doc_id file filename file_name "
        "quelle dokument datei fuente documento fichier bron источник 来源 文档 出典 文書 출처"
    ).split(),
    "page": "page pages page_number seite página pagina strona страница 页码 ページ".split(),
    "gold_contexts": (
        "gold_contexts reference_contexts reference_context gold_context gold_passage "
        "positive_passages positive_ctxs evidence context kontext contexto contexte contesto "
        "passage 上下文 文脈"
    ).split(),
    "contexts": "contexts retrieved_contexts passages retrieved_passages ctxs".split(),
    "group": ["group"],
    "scope": ["scope"],
    "answer_type": ["answer_type"],
    "key_points": ["key_points"],
    "rewording": ["rewording"],
}
DOCUMENT_COLUMNS = {
    "doc_id": "doc_id _id id docid document_id passage_id pid wikipedia_id url name".split(),
    "text": (
        "text contents content body passage page_content context abstract document inhalt texto "
        "texte testo 正文 本文"
    ).split(),
    "title": "title wikipedia_title titel título titre titolo heading 标题 タイトル".split(),
    "scope": ["scope"],
}
COLUMNS = tuple(dict.fromkeys([*QUESTION_COLUMNS, *DOCUMENT_COLUMNS]))
_CHATS = ("messages", "conversations", "conversation", "dialog", "dialogue")
_USERS, _ASSISTANTS = ("user", "human", "prompter"), ("assistant", "gpt", "model", "bot", "chatgpt")
_ROLES, _SAID = ("role", "from", "speaker"), ("content", "value", "text")
EXCHANGES = "chats of several exchanges (the last question is asked without what went before)"
_UNUSED = object()
# Of a file whose columns differ from row to row so many rows are looked at.
_LOOKED_AT = 1000


def proposed(names: Iterable[str], known: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Key of the schema -> the column that most likely holds it, for those that go by another name.

    `known` is `QUESTION_COLUMNS` or `DOCUMENT_COLUMNS`. A column is taken for one key, and near
    names count too ("Qestion").
    """
    folded = {name: _folded(name) for name in names}
    found: dict[str, str] = {}
    # A reference is an answer as well, where no column has answers.
    taken = {name for name in folded if name in known and name != "reference"}
    for match in (_is, _is_near, _has_word):
        for key, others in known.items():
            if key in folded or key in found:
                continue
            free = [name for name in folded if name not in taken]
            if (name := _first(free, folded, [key, *others], match)) is not None:
                found[key] = name
                taken.add(name)
    if found.get("reference") == found.get("answers"):
        found.pop("reference", None)
    return found


def _first(
    free: Sequence[str],
    folded: Mapping[str, str],
    others: Sequence[str],
    match: Callable[[str, str, str], bool],
) -> str | None:
    for other in map(_folded, others):
        for name in free:
            if match(name, folded[name], other):
                return name
    return None


def _is(name: str, folded: str, other: str) -> bool:
    return folded == other


def _is_near(name: str, folded: str, other: str) -> bool:
    return len(other) > 4 and difflib.SequenceMatcher(None, folded, other).ratio() >= 0.8


def _has_word(name: str, folded: str, other: str) -> bool:
    """Whether it is one of several words: "Right answer"."""
    return len(other) > 4 and other in re.findall(r"[^\W_]+", str(name).casefold())


def _folded(name: str) -> str:
    """A name without case and signs: "Ground Truth" is ground_truth. Of `outer.inner` the inner."""
    return re.sub(r"[\W_]+", "", str(name).casefold().rpartition(".")[2])


def renamed(
    rows: Iterable[tuple[str, dict[str, Any]]],
    columns: Mapping[str, str],
    label: str,
    counts: Counter[str],
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows in the names of the schema.

    A column of an inner object is named with a point (`metadata.answer`). Raises StudyError, with
    the nearest name, for a column that no row has.
    """
    absent, seen = set(columns.values()), {}
    looked_at = 0
    for where, content in rows:
        row = plain(content, counts)
        if absent:
            for name in [name for name in absent if _at(row, name) is not _UNUSED]:
                absent.discard(name)
            if absent and looked_at < _LOOKED_AT:
                looked_at += 1
                seen |= dict.fromkeys(row)
                if looked_at == _LOOKED_AT:
                    raise _no_column(absent, seen, label)
        yield where, _renamed(row, columns)
    if absent and seen:
        raise _no_column(absent, seen, label)


def _no_column(absent: set[str], seen: Mapping[str, Any], label: str) -> StudyError:
    name, names = sorted(absent)[0], list(map(str, seen))
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else f" It has: {', '.join(names[:20])}."
    return StudyError(f"{label}: `columns` names '{name}', a column that is not there.{hint}")


def _renamed(row: dict[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    if not columns:
        return row
    values = {key: _at(row, name) for key, name in columns.items()}
    used = set(columns.values())
    # A column that has been given to another key is not read under its own name as well.
    kept = {
        key: value
        for key, value in row.items()
        if key not in used and (key not in COLUMNS or key not in columns)
    }
    return kept | {key: value for key, value in values.items() if value is not _UNUSED}


def _at(row: Mapping[str, Any], name: str) -> Any:
    """The value of a column, or of `outer.inner`; `_UNUSED` where there is none."""
    if name in row:
        return row[name]
    outer, _, inner = name.partition(".")
    value = row.get(outer) if inner else None
    if isinstance(value, Mapping):
        return _at(value, inner)
    if isinstance(value, list | tuple) and value and all(isinstance(v, Mapping) for v in value):
        found = [item for item in (_at(v, inner) for v in value) if item is not _UNUSED]
        return found or _UNUSED
    return _UNUSED


def plain(row: dict[str, Any], counts: Counter[str]) -> dict[str, Any]:
    """A chat or a line of KILT as a row with `question` and `answers`; every other as it is."""
    for key in _CHATS:
        if _is_chat(row.get(key)):
            rest = {name: value for name, value in row.items() if name != key}
            counts[EXCHANGES] += sum(_is_answer(turn) for turn in row[key]) > 1
            return {**_asked_last(row[key]), **rest}
    output = row.get("output")
    if isinstance(row.get("input"), str) and _is_kilt(output):
        rest = {k: v for k, v in row.items() if k not in ("input", "output", "meta")}
        answers = [o["answer"] for o in output if not fields.is_missing(o.get("answer"))]
        pages = [p.get("wikipedia_id") for o in output for p in o.get("provenance") or []]
        gold = [str(page) for page in dict.fromkeys(pages) if page is not None]
        return {"question": row["input"], "answers": answers, "gold_doc_ids": gold, **rest}
    if "wikipedia_id" in row and isinstance(row.get("text"), list):
        text = "\n".join(str(paragraph).strip() for paragraph in row["text"])
        title = row.get("wikipedia_title") or ""
        return {"doc_id": str(row["wikipedia_id"]), "title": title, "text": text}
    return row


def _is_kilt(output: Any) -> bool:
    return (
        isinstance(output, list | tuple)
        and bool(output)
        and all(isinstance(o, Mapping) and ("answer" in o or "provenance" in o) for o in output)
    )


def _is_chat(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(isinstance(turn, Mapping) and _first_of(turn, _ROLES) for turn in value)
    )


def _first_of(turn: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((turn[key] for key in keys if not fields.is_missing(turn.get(key))), None)


def _is_answer(turn: Mapping[str, Any]) -> bool:
    return str(_first_of(turn, _ROLES)).lower() in _ASSISTANTS


def _asked_last(turns: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The last answer of the assistant, and what the user said before it."""
    said = [(str(_first_of(turn, _ROLES)).lower(), _said(turn)) for turn in turns]
    last = next((n for n in reversed(range(len(turns))) if _is_answer(turns[n])), None)
    before = said if last is None else said[:last]
    asked = next((text for role, text in reversed(before) if role in _USERS), None)
    return {"question": asked, "answers": said[last][1] if last is not None else None}


def _said(turn: Mapping[str, Any]) -> str | None:
    content = _first_of(turn, _SAID)
    if isinstance(content, list | tuple):  # parts, of which some are images
        texts = [part.get("text") for part in content if isinstance(part, Mapping)]
        content = "\n".join(text for text in texts if isinstance(text, str))
    return content if isinstance(content, str) else None
