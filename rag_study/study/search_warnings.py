"""What the searches of a study cannot read, as far as it is known before they have run."""

from __future__ import annotations

from collections.abc import Iterable

from rag_study import data
from rag_study.common import files, run_folder
from rag_study.common.paths import located
from rag_study.retrieval import embedding_model
from rag_study.retrieval.legibility import legibility
from rag_study.study import stages
from rag_study.study.stages import StageRun

# Planning is instant: larger data is looked at when it is indexed; of texts, the beginnings.
_MOST_BYTES, _TEXTS, _CHARACTERS = 20_000_000, 500, 1000


def search_warnings(runs: Iterable[StageRun]) -> list[str]:
    """Sentences about searches that cannot read their texts, each once: of those that have run what
    they found, of others what the vocabulary of their embedding model tells."""
    found: dict[str, None] = {}
    for run in runs:
        if run.stage.name != "index_corpus":
            continue
        sentences = _found(run) if stages.is_done(run) else _expected(run)
        name = run.point.dataset.name
        found |= {f"{name}: {sentence}": None for sentence in sentences}
    return list(found)


def _found(run: StageRun) -> list[str]:
    try:
        record = files.read_json(run_folder.RunFolder(run.run_id).path / "metrics.json")
        return list(record.get("warnings", []))
    except (OSError, ValueError, AttributeError):  # damaged from outside; a plan goes on
        return []


def _expected(run: StageRun) -> list[str]:
    search, dataset = run.point.retrieval, run.point.dataset
    instant = data.registry.find(dataset.name).instant and _is_small(dataset.path)
    if search.retriever == "bm25" or not instant:
        return []
    model = embedding_model.find(search.embedding_model)
    loaded = data.load(*dataset.source)
    texts = {
        "questions": [question.question for question in loaded.questions],
        "passages": [document.text for document in loaded.documents],
    }
    sentences = []
    for what, those in texts.items():
        step = max(1, len(those) // _TEXTS)
        of = legibility(model.vocabulary, [text[:_CHARACTERS] for text in those[::step]])
        if of and of.is_poor:
            sentences.append(of.sentence(model.name, what))
    return sentences


def _is_small(path: str | None) -> bool:
    if path is None:
        return True
    place = located(path)
    inside = place.glob("*") if place.is_dir() else [place]
    return sum(file.stat().st_size for file in inside if file.is_file()) <= _MOST_BYTES
