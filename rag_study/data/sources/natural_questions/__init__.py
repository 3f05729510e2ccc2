"""Natural Questions (Kwiatkowski et al. 2019), in the forms in which it is passed on.

Annotated pages (`annotated`, `voting`): the original lines, the simplified lines, the hub's
rows. Open-domain forms (`open_domain`): DPR's training files, nq-open with contexts, nq_open lines
with a corpus apart. The first record of a file says which form it is; all files of a folder must
have one form.
Questions about one Wikipedia article share a group, where the form says which article it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

from pydantic import Field

from rag_study.common.errors import StudyError
from rag_study.data.reading import hub
from rag_study.data.reading.source_files import records, source_files, wrong_format
from rag_study.data.registry import Loader, Options, Source
from rag_study.data.schema import QADataset
from rag_study.data.sources.natural_questions import annotated, open_domain, voting
from rag_study.data.sources.natural_questions.collection import Collection

NAME = "natural_questions"
HUB_PAGES = "google-research-datasets/natural_questions"
HUB_OPEN = "google-research-datasets/nq_open"
EXPECTED = (
    "Natural Questions as original or simplified lines (.jsonl.gz), the hub's Parquet files, DPR's "
    "biencoder-nq JSON, nq-open with contexts, or nq_open lines together with `corpus:`; a file or "
    "a folder of one of these"
)


class NaturalQuestionsOptions(Options):
    """Choices for Natural Questions."""

    passages: Literal["gold", "page"] = Field(
        "gold",
        description="which passages of annotated pages are documents: the marked ones, or also "
        "the rest of every used question's page (its other top-level passages)",
    )
    min_annotators: int = Field(
        1,
        ge=1,
        description="how many annotators must have answered a question: 1 as in nq_open, 2 as in "
        "the official evaluation of the development set (five annotators)",
    )
    hard_negatives: int = Field(
        0, ge=0, description="how many hard negatives per question of DPR's files are documents"
    )
    config: Literal["dev", "default", "nq_open"] = Field(
        "dev",
        description="what is read from the hub: a configuration of natural_questions, or nq_open "
        "(which has no passages and needs `corpus:`)",
    )
    splits: tuple[Literal["train", "validation"], ...] = Field(
        ("validation",), min_length=1, description="splits read from the hub (dev: validation)"
    )
    revision: str = Field("main", description="revision on the hub")


@dataclass(frozen=True)
class _Form:
    """One form of the data, told by the keys of a record."""

    name: str
    keys: frozenset[str]
    collect: Callable[[dict[str, Any], str, Any, Collection], None]
    has_pages: bool = False


def _pages(parse: Callable[[dict[str, Any], str], annotated.Example]) -> Callable[..., None]:
    def collect(row: dict[str, Any], where: str, options: Any, collection: Collection) -> None:
        voting.collect(parse(row, where), where, options, collection)

    return collect


_SIMPLIFIED = _Form(
    "simplified lines",
    frozenset(("document_text", "question_text")),
    _pages(annotated.simplified),
    has_pages=True,
)
_ORIGINAL = _Form(
    "original lines",
    frozenset(("document_tokens", "question_text")),
    _pages(annotated.original),
    has_pages=True,
)
_HUB = _Form(
    "rows of the hub",
    frozenset(("document", "question", "annotations")),
    _pages(annotated.hub_row),
    has_pages=True,
)
_DPR = _Form("DPR's records", frozenset(("question", "positive_ctxs")), open_domain.dpr)
_CONTEXTS = _Form(
    "nq-open with contexts", frozenset(("question", "ctxs")), open_domain.with_contexts
)
_LINES = _Form("nq_open lines", frozenset(("question", "answer")), open_domain.without_passages)
_FORMS = (_SIMPLIFIED, _ORIGINAL, _HUB, _DPR, _CONTEXTS, _LINES)


def load(source: Source) -> QADataset:
    """Read the questions and their passages. Raises StudyError, naming file and record."""
    collection = Collection()
    form = None
    for file_form, where, row in _from_hub(source) if source.path is None else _from_files(source):
        if form is None:
            form = file_form
            _check(form, where, source)
            if source.corpus:
                open_domain.read_corpus(source.corpus, NAME, collection)
        collection.read += 1
        form.collect(row, where, source.options, collection)
    if not collection.questions:
        place = source.path or HUB_PAGES
        reasons = ", ".join(f"{n}: {reason}" for reason, n in collection.dropped.items())
        raise StudyError(f"{place}: there is no question to use ({reasons or 'it holds none'}).")
    return QADataset(
        tuple(collection.questions.values()),
        tuple(collection.documents.values()),
        read=collection.read,
        dropped=dict(collection.dropped),
        counts={what: number for what, number in collection.counts.items() if number},
    )


LOADER = Loader(
    NAME, load, expected=EXPECTED, hub=HUB_PAGES, takes_corpus=True, options=NaturalQuestionsOptions
)


def _from_hub(source: Source) -> Iterator[tuple[_Form, str, dict[str, Any]]]:
    options = source.options
    if options.config == "nq_open":
        repository, config = HUB_OPEN, None
        _check(_LINES, HUB_OPEN, source)  # before anything is fetched
    else:
        repository, config = HUB_PAGES, options.config
    for where, row in hub.rows(repository, config, options.splits, options.revision):
        yield _form_of(row, where), where, row


def _from_files(source: Source) -> Iterator[tuple[_Form, str, dict[str, Any]]]:
    first: tuple[_Form, str] | None = None
    for file in source_files(source.path, NAME, EXPECTED):
        rows = records(file)
        start = next(rows, None)
        if start is None:
            raise StudyError(f"{file.label}: the file holds no records.")
        form = _form_of(start[1], start[0])
        if first is None:
            first = form, file.label
        elif form is not first[0]:
            raise StudyError(
                f"{first[1]} has {first[0].name} and {file.label} has {form.name}: a study reads "
                "one form. Name one of the files with `path:`, or put them into folders of their "
                "own."
            )
        for where, row in chain([start], rows):
            yield form, where, row


def _form_of(row: dict[str, Any], where: str) -> _Form:
    for form in _FORMS:
        if form.keys <= row.keys():
            # Many data sets have `question` and `answer`; only here the answer is a list.
            if form is _LINES and not isinstance(row["answer"], list):
                break
            return form
    raise wrong_format(where, NAME, EXPECTED, row)


def _check(form: _Form, where: str, source: Source) -> None:
    """Raises StudyError for a corpus or options that do not go with the form of the data."""
    options = source.options
    if form is _LINES and source.corpus is None:
        raise StudyError(
            f"{where}: nq_open has questions and answers but no passages, and there is nothing "
            f"to search. Name a file or folder with {open_domain.CORPUS_EXPECTED} as `corpus:`, "
            "or use a form of the data that has passages."
        )
    if form is not _LINES and source.corpus is not None:
        raise StudyError(
            f"{where}: {form.name} bring their own passages; `corpus:` goes with nq_open lines "
            "only. Leave it out."
        )
    if options.passages == "page" and not form.has_pages:
        raise StudyError(
            f"{where}: `passages: page` needs whole pages, and {form.name} have none. Leave it "
            "out, or use the original or simplified lines."
        )
    if options.hard_negatives and form is not _DPR:
        raise StudyError(
            f"{where}: `hard_negatives` is for DPR's files, these are {form.name}. Leave it out."
        )
