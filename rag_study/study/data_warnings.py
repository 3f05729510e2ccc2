"""What scores and searches of a study cannot do with its data, as far as it is known beforehand.

Planning is instant: what the data tells is read off small data that lies on this machine, or off
stages that are done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from rag_study import data
from rag_study.common import files, run_folder
from rag_study.data.schema import QADataset
from rag_study.evaluation.languages import language_limits
from rag_study.retrieval import embedding_model
from rag_study.retrieval.legibility import legibility
from rag_study.study import stages
from rag_study.study.data_groups import Retrieval
from rag_study.study.stages import StageRun

# Larger data is looked at when it is prepared; of texts, the beginnings.
_MOST_BYTES, _TEXTS, _CHARACTERS = 20_000_000, 500, 1000


def data_warnings(runs: Iterable[StageRun]) -> list[str]:
    """Sentences about the language of each data set, and about searches whose embedding model does
    not know its script, each once."""
    found: dict[str, None] = {}
    loaded: dict[tuple, QADataset | None] = {}
    for run in runs:
        if run.stage.name not in ("prepare_data", "index_corpus"):
            continue
        name, source = run.point.dataset.name, run.point.dataset.source
        of = _of_scores if run.stage.name == "prepare_data" else _of_search
        key = tuple(map(repr, source))
        if not stages.is_done(run) and key not in loaded:
            loaded[key] = data.load(*source) if _is_instant(run) else None
        try:
            sentences = of(run, loaded.get(key))
        except FileNotFoundError:
            continue  # a folder that lost its files has nothing to warn of
        found |= {f"{name}: {sentence}": None for sentence in sentences}
    return list(found)


def _of_scores(run: StageRun, loaded: QADataset | None) -> list[str]:
    if stages.is_done(run):
        questions = data.load_pools(_whole(run))["test"]
    else:
        questions = list(loaded.questions) if loaded else []
    return language_limits(questions) if questions else []


def _of_search(run: StageRun, loaded: QADataset | None) -> list[str]:
    """What a search that has run found; of another, what the vocabulary of its model tells."""
    if stages.is_done(run):
        record = files.read_json(_whole(run) / "metrics.json")
        return list(record.get("warnings", []))
    return list(_illegible(run.point.retrieval, loaded)) if loaded else []


def _whole(run: StageRun) -> Path:
    """The folder of a finished run. Raises FileNotFoundError where its files are not whole: who
    runs the study is told."""
    folder = run_folder.RunFolder(run.run_id)
    if damages := folder.damages(quick=True):
        raise FileNotFoundError(str(damages[0]))
    return folder.path


def _illegible(search: Retrieval, loaded: QADataset) -> Iterator[str]:
    if search.retriever == "bm25":
        return
    model = embedding_model.find(search.embedding_model)
    texts = {
        "questions": [question.question for question in loaded.questions],
        "passages": [document.text for document in loaded.documents],
    }
    for what, those in texts.items():
        step = max(1, len(those) // _TEXTS)
        of = legibility(model.vocabulary, [text[:_CHARACTERS] for text in those[::step]])
        if of and of.is_poor:
            yield of.sentence(model.name, what)


def _is_instant(run: StageRun) -> bool:
    dataset = run.point.dataset
    source = data.source_of(*dataset.source)
    if not data.registry.find(dataset.name).is_instant(source):
        return False
    places = [place for place in (source.path, source.corpus) if place is not None]
    inside = [f for place in places for f in (place.glob("*") if place.is_dir() else [place])]
    return sum(file.stat().st_size for file in inside if file.is_file()) <= _MOST_BYTES
