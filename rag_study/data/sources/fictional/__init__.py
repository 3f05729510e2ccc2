"""The built-in data set `fictional`: closed worlds with their texts and questions.

Everything is invented from a seed, so that a study runs without a download and no model can know
the answers beforehand. It shows that a study works; it is no evidence about real models or texts.

There are three styles, after the kinds of data sets that such studies use: `encyclopedia`
(articles, as in Natural Questions), `biomedical` (abstracts, questions of the four types of
BioASQ with a sentence as the reference) and `papers` (sections of research papers, as in Qasper:
half of the questions do not name their paper, some have no answer in it).

Worlds come in pairs of twins: same kind of world, main names one letter or so apart, different
facts.

What is said in the worlds is data: each kind of world is a file in `worlds`, the lists to draw
from are in `words.yaml`, and the head of each file says how to add to it. Read and checked by
`worlds.py`, drawn by `draw.py`, written by `engine.py`. Whoever changes a text raises `VERSION` in
`engine.py`, so that finished runs are not taken for runs with the new text.

To add a kind of world, copy the file of one and append its name to a style in `worlds.py`.

State every fact on one page only, keep each page between 45 and 85 words (a section up to 105, an
abstract up to 125), and give each fact that is asked for a second value of its sort on the same
page (another year, another person), so that copying the first number is not enough. A list that
is drawn from n times per world needs at least 2 n entries, since twins never share a value. Words
that follow "a" start with a consonant. In papers, the first half of a relation's questions name
the paper and the second half do not.
"""

from typing import Literal

from pydantic import Field

from rag_study.data.registry import Loader, Options, Source
from rag_study.data.schema import QADataset
from rag_study.data.sources.fictional.engine import VERSION, generate

__all__ = ["LOADER", "VERSION", "generate"]


class FictionalOptions(Options):
    """What to generate, and how much."""

    style: Literal["encyclopedia", "biomedical", "papers"] = Field(
        "encyclopedia", description="articles, abstracts of studies, or sections of papers"
    )
    num_worlds: int = Field(300, ge=10, le=5000, description="6 questions each")


def load(source: Source) -> QADataset:
    """Generate the data set with the chosen options."""
    return generate(source.options.num_worlds, style=source.options.style)


LOADER = Loader(
    "fictional",
    load,
    # Half of the questions about papers do not say which paper they mean.
    own_scope=lambda options: options.style == "papers",
    instant=True,
    version=VERSION,
    options=FictionalOptions,
)
