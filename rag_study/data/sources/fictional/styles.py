"""The styles of the data set `fictional`: which worlds there are and how their questions look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rag_study.data.sources.fictional.biomedical.gene import GENE
from rag_study.data.sources.fictional.biomedical.trial import TRIAL
from rag_study.data.sources.fictional.company import COMPANY
from rag_study.data.sources.fictional.expedition import EXPEDITION
from rag_study.data.sources.fictional.institute import INSTITUTE
from rag_study.data.sources.fictional.kind import Kind
from rag_study.data.sources.fictional.papers.method import METHOD
from rag_study.data.sources.fictional.papers.resource import RESOURCE
from rag_study.data.sources.fictional.town import TOWN


@dataclass(frozen=True)
class Style:
    """One style of worlds.

    Pairs of twins go through `kinds` in turn. `per_world` is how many questions of a type a world
    has on average; the rest are factoid. `in_sentences` are the types whose reference is a full
    sentence. `seed` begins the seeds of all draws, `prefix` all ids, and `world` names the groups.
    `answer_kinds` is what `extra["answer_kind"]` says of a type (empty: it is left out).
    """

    kinds: tuple[Kind, ...]
    per_world: Mapping[str, float]
    seed: str
    prefix: str
    world: str
    in_sentences: frozenset[str] = frozenset()
    answer_kinds: Mapping[str, str] = field(default_factory=dict)


STYLES = {
    "encyclopedia": Style(
        kinds=(INSTITUTE, TOWN, EXPEDITION, COMPANY),
        per_world={"yesno": 0.6, "summary": 0.9, "list": 1.2},
        seed="fictional",
        prefix="fic",
        world="world",
    ),
    # The shares of the types are about those of BioASQ.
    "biomedical": Style(
        kinds=(TRIAL, GENE),
        per_world={"yesno": 1.5, "summary": 1.4, "list": 1.2},
        seed="fictional/biomedical",
        prefix="bio",
        world="study",
        in_sentences=frozenset({"factoid", "list", "summary", "yesno"}),
    ),
    # About those of Qasper; free-form answers are of the type summary.
    "papers": Style(
        kinds=(METHOD, RESOURCE),
        per_world={"yesno": 0.8, "summary": 1.4, "list": 1.2, "unanswerable": 0.75},
        seed="fictional/papers",
        prefix="pap",
        world="paper",
        in_sentences=frozenset({"summary"}),
        answer_kinds={
            "factoid": "extractive",
            "list": "extractive",
            "summary": "free_form",
            "yesno": "yes_no",
            "unanswerable": "unanswerable",
        },
    ),
}
