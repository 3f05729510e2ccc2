"""What a reader must know before acting: short sentences, without internal names."""

import math
import re

import pandas as pd
import pytest
from study_tables import STRONG, WEAK, answers, comparison, full_study, study

from rag_study.analysis import effects
from rag_study.report.limits import limits

NOT_SHOWN = {**WEAK, "status": "not shown to be valid", "shortage": "20 questions, 36 are needed",
             "reason": "accuracy: was not shown to tell", "n": 20,
             "pools": {"test": 12, "validation": 3, "train": 5}}  # fmt: skip


def of_several_seeds():
    frame = answers(judges=("strong",))
    again = frame[frame["method"] != "none"].assign(seed=1)
    return full_study(pd.concat([frame, again], ignore_index=True), checks=[STRONG])


def of_lost_answers():
    frame = answers(judges=("strong",))
    lost = (frame["train_size"] == 200) & (frame["question_id"] < "q009")
    frame["missing_reason"] = pd.Series("the server refused it", frame.index).where(lost)
    scores = ["answer_recall", "judge_accuracy", "exact_match", "token_f1", "rouge_l"]
    frame.loc[lost, scores] = math.nan
    missing = [{"run_id": "x/y-1", "stage": "fine_tune", "state": "failed", "message": "no"}]
    return full_study(frame, checks=[STRONG], missing=missing)


def of_other_contexts():
    frame = answers(judges=("weak",))
    few = frame[(frame["method"] == "none") | (frame["context"] == "retrieved")]
    more = few[few["method"] == "none"].drop_duplicates("question_id")
    contexts = [more.assign(context=name) for name in ("oracle", "distractor", "training")]
    return full_study(pd.concat([few, *contexts], ignore_index=True), checks=[WEAK])


STUDIES = {
    "a judge that is not valid": lambda: full_study(answers()),
    "a judge that was not shown to be valid": lambda: full_study(answers(), checks=[NOT_SHOWN]),
    "several seeds": of_several_seeds,
    "lost answers": of_lost_answers,
    "contexts of the base alone": of_other_contexts,
    "no base": lambda: full_study(answers()[lambda rows: rows["method"] != "none"]),
    "nothing trained": lambda: study(comparison("helps", train_size=0, method="production")),
    "nothing": lambda: study(),
}


@pytest.mark.parametrize("name", STUDIES)
def test_sentences_are_short_and_name_nothing_internal(name):
    said = limits(STUDIES[name]())
    assert said
    for sentence in re.split(r"(?<=[.:]) (?=[A-Z0-9])", " ".join(said)):
        assert len(sentence.split()) <= 25, sentence
    text = " ".join(said)
    assert not re.search(r"\w_\w|\bnone\b|oracle|context '|prompting|\(seed \d|default\b", text)
    assert not re.search(r"\b1 (runs|questions|answers|seeds|groups)\b", text)


def test_what_only_the_base_answered_is_one_sentence_for_all_contexts():
    frame = of_other_contexts().results
    table = effects.compare(frame, ["retrieved"], ["judge_accuracy"], [], {"weak": True}, 200)
    assert table.attrs["skipped"] == [
        f"LoRA {size} (tiny on fictional): only its base answered without passages, with the right "
        "passages, with passages that lack the answer and on training questions."
        for size in (50, 200)
    ]
