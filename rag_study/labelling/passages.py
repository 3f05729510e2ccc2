"""The passages that stood in the prompts of a sample's answers."""

from __future__ import annotations

from rag_study.analysis.run_names import label_of, searches_of
from rag_study.common import files, run_folder
from rag_study.common.errors import StudyError
from rag_study.labelling.sample import Sample
from rag_study.models import prompts
from rag_study.study.config import StudyConfig
from rag_study.study.stages import StageRun


def texts_shown(
    comparison: StageRun, config: StudyConfig, sample: Sample
) -> dict[tuple[str, str], str]:
    """Text of the passages by (dataset, question_id), for every question with answers to label.

    Raises StudyError where there is no such thing as the passages of a question: contexts without
    any or with changed ones, and answers that come from several searches.
    """
    if sample.context not in ("retrieved", "oracle", "distractor"):
        raise StudyError(f"--passages: context {sample.context} has no passages as they are.")
    shown = {}
    for dataset in sorted({answer["dataset"] for answer in sample.answers}):
        question_ids = [a["question_id"] for a in sample.answers if a["dataset"] == dataset]
        base = _only_base(comparison, config, sample, dataset)
        index = base.needs("generate_answers").needs("index_corpus")
        judged, searched = (run_folder.RunFolder(run.run_id) for run in (base, index))
        for folder in (judged, searched):
            folder.check()
        scores = files.read_parquet(judged.path / "scores.parquet")
        scores = scores[scores["context"] == sample.context].set_index("question_id")
        chunks = files.read_parquet(searched.path / "chunks.parquet")
        texts = chunks.set_index("chunk_id")[["title", "text"]].to_dict("index")
        for question_id in question_ids:
            ids = scores.loc[question_id, "passages"]
            shown[dataset, question_id] = "\n\n".join(
                prompts.PASSAGE.format(number=number, **texts[chunk])
                for number, chunk in enumerate(ids, start=1)
            )
    return shown


def _only_base(comparison: StageRun, config: StudyConfig, sample: Sample, dataset: str) -> StageRun:
    """The base run that answered with the search of the sample's answers."""
    searches = {
        (r["retriever"], r["chunk_size"], r["top_k"])
        for r in sample.runs
        if r["dataset"] == dataset
    }
    if len(searches) > 1:
        raise StudyError(
            f"--passages: the answers on {dataset} come from {len(searches)} searches. Choose the "
            "runs of one with --run."
        )
    models = {r["model"] for r in sample.runs}
    for run in comparison.upstream:
        point, retrieval = run.point, run.point.retrieval
        if run.stage.name != "judge_answers" or point.system or point.training:
            continue
        search = (searches_of(run, config), retrieval.chunk_size, retrieval.top_k)
        if search in searches and point.model in models and label_of(run, config) == dataset:
            return run
    raise StudyError(f"--passages: the base run on {dataset} is not part of this study any more.")
