"""Which documents hold the answer to a question: by the name that a table gives, or by its answer.

An answer is looked for as the metrics look for it (`common.text.contains`). What stands in exactly
one document makes it the gold document; what stands in several says too little, and is counted.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from urllib.parse import unquote

import regex

from rag_study.common.text import UNSPACED, contains, normalise
from rag_study.data.schema import Document, Question

FOUND = "gold documents found by the answer (it stands in one document only)"
FOUND_NEAR = "gold documents found by the answer, among the question's own contexts"
AMBIGUOUS = "without gold documents: the answer stands in several"
NOWHERE = "without gold documents: the answer stands in none, word for word"
TOO_SHORT = "without gold documents: the answer is too short to look for"
COARSE = "without gold documents: the only one holds the answers to many other questions, too"
# So many of the questions, and at least so many, are too many for one document.
COARSE_SHARE, LEAST_COARSE = 0.05, 5
# A document of more parts is named as a whole only where none of them holds the answer.
MOST_PARTS = 20
_LEAST_CHARACTERS = 4
_SAMPLE = 2000
_WORD, _UNSPACED = re.compile(r"\w+"), regex.compile(UNSPACED)
_PAGE = re.compile(
    r"^(?P<name>.*?)[\s,;:#(\[–-]*"
    r"(?:\b(?:pages?|pp?|pgs?|seiten?|s|slides?|folien?|página|pagina|strona|str)\b\.?|"
    r"第)\s*[=.:]?\s*(?P<first>\d+)(?:\s*[-–]\s*(?P<last>\d+))?\s*(?:[页頁ページ]+)?[\s)\]]*$",
    re.IGNORECASE,
)
_SEPARATORS = re.compile(r"\s*[;\n|]\s*|\s*,\s+(?=\S)")


class Names:
    """Documents by whatever a table may call them: id, file, file without its ending, title."""

    def __init__(self, documents: Mapping[str, Document]):
        self._documents = documents
        self._places: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for doc_id, document in documents.items():
            file = document.extra.get("file", "")
            own_title = document.title.partition(" › ")[0] if file else document.title
            for name in {*_names_of(file), own_title} - {""}:
                self._places[_folded(name)][file or doc_id].append(doc_id)

    @classmethod
    def of_files(cls, names: Iterable[str]) -> Names:
        """The names of files alone, before anything is read of them."""
        return cls({name: Document(name, "", "", extra={"file": name}) for name in names if name})

    def find(self, name: str, page: str = "") -> list[str]:
        """Ids of the documents that are called so; [] for none. `page`: "4", "4-6".

        Raises LookupError, with what to say, where it may be several files.
        """
        if not page and name in self._documents:
            return [name]
        for candidate, wanted in self._readings(name, page):
            files = self._places.get(_folded(candidate))
            if not files:
                continue
            if len(files) > 1:
                raise LookupError(f"'{candidate}' is the name of {len(files)} documents")
            parts = next(iter(files.values()))
            if wanted is None:
                return list(parts)
            on_page = [i for i in parts if self._documents[i].extra.get("page") in wanted]
            if on_page or all("page" not in self._documents[i].extra for i in parts):
                return on_page or list(parts)
            raise LookupError(f"'{candidate}' has no text on page {min(wanted)}")
        return []

    def find_all(self, value: str, page: str = "") -> list[str]:
        """As `find`, for a cell that may name several (divided by ; | or a line break, or a comma
        with a blank)."""
        if found := self.find(value, page):
            return found
        parts = [part for part in _SEPARATORS.split(value) if part]
        if len(parts) < 2:
            return []
        each = [self.find(part, page) for part in parts]
        return [doc_id for found in each for doc_id in found] if all(each) else []

    def nearest(self, name: str) -> str:
        """The name of a document that looks like it, or ""."""
        near = difflib.get_close_matches(_folded(name), [*self._places][:20_000], n=1)
        return next(iter(self._places[near[0]])) if near else ""

    def _readings(self, name: str, page: str) -> Iterable[tuple[str, range | None]]:
        if page and (digits := re.findall(r"\d+", page)):
            yield name, range(int(digits[0]), int(digits[-1]) + 1)
            return
        yield name, None
        yield unquote(name), None
        if match := _PAGE.match(name):
            first = int(match["first"])
            yield match["name"], range(first, int(match["last"] or first) + 1)


def _names_of(file: str) -> Iterable[str]:
    if not file:
        return ()
    path = PurePosixPath(file)
    return file, path.name, path.stem, str(path.with_suffix(""))


def _folded(name: str) -> str:
    name = unicodedata.normalize("NFKC", name).casefold().replace("\\", "/").strip().strip("/")
    return re.sub(r"[\s_-]+", " ", name.removeprefix("./"))


def holding(answers: Sequence[str], documents: Iterable[Document]) -> list[str]:
    """Ids of the documents in which one of the answers stands."""
    return [
        document.doc_id
        for document in documents
        if any(contains(document.text, answer) for answer in answers)
    ]


def searched(question: Question) -> tuple[str, ...]:
    """The answers of a question that can be looked for: none of yes and no, and of few letters."""
    if question.answer_type in ("yesno", "unanswerable"):
        return ()
    texts = question.answers or ((question.reference,) if question.reference else ())
    long_enough = []
    for text in texts:
        letters = normalise(text).replace(" ", "")
        least = 2 if _UNSPACED.search(letters) else _LEAST_CHARACTERS
        if len(letters) >= least:
            long_enough.append(text)
    return tuple(long_enough)


def find(
    questions: Sequence[Question],
    documents: Mapping[str, Document],
    near: Mapping[str, Sequence[str]],
    counts: Counter[str],
) -> dict[str, tuple[str, ...]]:
    """Gold documents by the id of the question, for questions that have none.

    `near` names the documents that came with a question (its contexts), where they did: they are
    looked at alone, and all that hold the answer count. Else the whole corpus is, the question's
    own scope where it has one, and the answer must stand in one document only.
    """
    found: dict[str, tuple[str, ...]] = {}
    said: dict[str, str] = {}
    wanted: dict[str, tuple[str, ...]] = {}
    for question in questions:
        if question.gold_doc_ids or question.answer_type == "unanswerable":
            continue
        answers = searched(question)
        if not answers:
            said[question.id] = TOO_SHORT
        elif question.id in near:
            found[question.id] = tuple(holding(answers, (documents[i] for i in near[question.id])))
            said[question.id] = FOUND_NEAR if found[question.id] else NOWHERE
        else:
            wanted[question.id] = answers
    if wanted:
        scopes = {question.id: question.scope for question in questions if question.id in wanted}
        for question_id, held in _in_corpus(wanted, scopes, documents.values()).items():
            found[question_id] = tuple(held) if len(held) == 1 else ()
            said[question_id] = (NOWHERE, FOUND)[len(held)] if len(held) < 2 else AMBIGUOUS
    coarse = _coarse(found.values(), len(questions))
    for question_id, doc_ids in found.items():
        found[question_id] = tuple(doc_id for doc_id in doc_ids if doc_id not in coarse)
        if doc_ids and not found[question_id]:
            said[question_id] = COARSE
    counts.update(Counter(said.values()))
    return {question_id: doc_ids for question_id, doc_ids in found.items() if doc_ids}


def _coarse(found: Iterable[Sequence[str]], questions: int) -> set[str]:
    """Documents that hold the answers to many questions: they would make one group of all these
    questions, and say little about where an answer stands."""
    number = Counter(doc_id for doc_ids in found for doc_id in doc_ids)
    most = max(LEAST_COARSE, COARSE_SHARE * questions)
    return {doc_id for doc_id, times in number.items() if times > most}


def _in_corpus(
    wanted: Mapping[str, Sequence[str]],
    scopes: Mapping[str, str | None],
    documents: Iterable[Document],
) -> dict[str, list[str]]:
    """Up to two documents that hold an answer, by question.

    An answer is looked for only in documents with the rarest of its words.
    """
    documents = list(documents)
    step = max(1, len(documents) // _SAMPLE)
    frequency = Counter(word for d in documents[::step] for word in set(_words(d.text)))
    # The same answer is right for many questions: it is looked for once in each scope.
    held: dict[tuple[str, str | None], list[Document]] = {}
    by_word: dict[str, list[tuple[str, str | None]]] = defaultdict(list)
    for question_id, answers in wanted.items():
        for key in ((answer, scopes[question_id]) for answer in answers):
            if key not in held and (words := _words(key[0])):
                rarest = min(words, key=lambda word: (frequency[word], -len(word), word))
                by_word[rarest].append(key)
            held.setdefault(key, [])
    for document in documents:
        for word in by_word.keys() & set(_words(document.text)):
            for answer, scope in by_word[word]:
                if scope is None or scope == document.scope:
                    _hold(held[answer, scope], document, answer)
            by_word[word] = [key for key in by_word[word] if len(held[key]) < 2]
            if not by_word[word]:
                del by_word[word]
    return {
        question_id: list(
            dict.fromkeys(d.doc_id for a in answers for d in held[a, scopes[question_id]])
        )
        for question_id, answers in wanted.items()
    }


def _hold(held: list[Document], document: Document, answer: str) -> None:
    """Add a document that holds the answer, unless it is a copy of one that is there."""
    if any(other.text == document.text for other in held):
        return
    if contains(document.text, answer):
        held.append(document)


def _words(text: str) -> list[str]:
    text = text.casefold()
    if not text.isascii():
        text = _UNSPACED.sub(r" \g<0> ", unicodedata.normalize("NFKC", text))
    return _WORD.findall(text)
