"""What is to be said of a study whose questions a model wrote, and people read or did not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from scipy.stats import binomtest

from rag_study.common.wording import counted, listed
from rag_study.data.schema import REVIEWED, WRITTEN_BY, Question


def phrase(of_data: Mapping[str, Sequence[Question]]) -> str:
    """What is measured on, for headline and tables; "" where no model wrote any question."""
    asked = [question for questions in of_data.values() for question in questions]
    written = sum(WRITTEN_BY in question.extra for question in asked)
    if not written:
        return ""
    whole = "on" if written == len(asked) else "partly on"
    return f"{whole} questions that a model wrote"


def notes(of_data: Mapping[str, Sequence[Question]]) -> list[str]:
    """Which model wrote the questions of each data set, and what people made of them."""
    return [
        f"{name}: {sentence}"
        for name, questions in of_data.items()
        if (sentence := _of_dataset(questions))
    ]


def _of_dataset(questions: Sequence[Question]) -> str:
    written = [question for question in questions if WRITTEN_BY in question.extra]
    if not written:
        return ""
    models = Counter(str(question.extra[WRITTEN_BY]) for question in written)
    share = "the" if len(written) == len(questions) else f"{len(written)} of {len(questions)} test"
    return (
        f"{share} questions were written by {listed([*models])} from the documents, and kept where "
        "the model answered them with their passage and not without. People may ask other things; "
        f"and without passages that model is wrong here by choice. {_reviewed(written)}"
    )


def _reviewed(written: Sequence[Question]) -> str:
    counts = next((q.extra[REVIEWED] for q in written if q.extra.get(REVIEWED)), {})
    read, struck, mended = (int(counts.get(k, 0)) for k in ("read", "struck_out", "mended"))
    if not read:
        return "Nobody has read them: how many are wrong is not known."
    interval = binomtest(struck, read).proportion_ci(method="wilson")
    low, high = (f"{100 * end:.0f}" for end in (interval.low, interval.high))
    return (
        f"Of {counted(read, 'question')} that people read, {struck} were struck out "
        f"({100 * struck / read:.0f} %, 95 % interval {low} to {high} %) and {mended} mended; of "
        "those that nobody read, as many may be wrong."
    )
