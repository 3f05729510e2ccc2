"""Tables of small studies, shared by the tests of headline, tables and report."""

import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd

from rag_study.analysis import effects
from rag_study.analysis.decision import decisions
from rag_study.analysis.effects import COMPARISON_COLUMNS
from rag_study.analysis.pairing import RUN_COLUMNS
from rag_study.analysis.study_results import StudyResults
from rag_study.analysis.verdicts import planning_words

RUN = {
    **{"dataset": "fictional", "model": "tiny", "prompting": "default", "variant": ""},
    **{"retriever": "dense", "chunk_size": 192, "top_k": 3},
}
WEAK = {"judge": "weak", "valid": False, "auc": 0.51, "auc_low": 0.40, "auc_high": 0.62, "n": 60}
STRONG = {"judge": "strong", "valid": True, "auc": 0.97, "auc_low": 0.93, "auc_high": 0.99, "n": 60}


def comparison(verdict, difference=-0.05, size=200, **changes):
    row = {**RUN, "method": "lora", "train_format": "closed_book", "train_size": size, "seed": 0}
    row |= {"context": "retrieved", "metric": "answer_recall", "judge": "", "baseline": "default"}
    row |= {"n_questions": 40, "n_clusters": 25, "mean_base": 0.40, "mean_tuned": 0.40 + difference}
    row |= {"difference": difference, "ci_low": difference - 0.1, "ci_high": difference + 0.1}
    row |= {"ci90_low": difference - 0.08, "ci90_high": difference + 0.08, "p_value": 0.3}
    row |= {"p_holm": 0.3, "effect_size": 0.1, "mde": 0.15, "primary": True, "margin": 0.03}
    row |= {"n_seeds": 1, "se": 0.05, "df": 24.0, "seed_sd": math.nan}
    row |= {"n_effective": 25.0, "lost_base": 0, "lost_tuned": 0, "at_least_margin": False}
    row |= {"n_no_difference": 587.0, "n_twice_margin": 151.0, "shrunken": math.nan}
    row |= {"p_equivalence": 0.4}
    row |= {"verdict": verdict, "reason": "the reason"} | changes
    return {"settles": planning_words(row) if verdict == "cannot tell" else ""} | row


def table(*rows):
    return pd.DataFrame(rows, columns=COMPARISON_COLUMNS)


def study(*rows, **changes):
    return decided(StudyResults(study={"name": "demo"}, comparisons=table(*rows), **changes))


def decided(results):
    """The results with what `analyse` decides from them."""
    return replace(results, decisions=decisions(results))


def sentences(text):
    return re.split(r"(?<=\.)\s+(?=[A-Z])", text)


def answers(n=30, judges=("weak",), sizes=(50, 200)):
    """A generated results table: training lowers recall on every fifth question."""
    rows = []
    for size in (0, *sizes):
        method, train_format = ("lora", "closed_book") if size else ("none", "none")
        for context in ("none", "retrieved"):
            for i in range(n):
                right = float(i % 3 > 0 and not (size and i % 5 == 0))
                row = {**RUN, "method": method, "train_format": train_format, "train_size": size}
                row |= {"seed": 0, "context": context, "question_id": f"q{i:03d}", "group": f"g{i}"}
                row |= {"answer_type": "factoid", "question": f"Question {i}?", "reference": "1847"}
                row |= {"answer": f"answer {i} of {size}", "exact_match": right, "token_f1": right}
                row |= {"rouge_l": right, "answer_recall": right, "key_point_recall": math.nan}
                row |= {"answer_length": 3, "truncated": int(i == 0 and size == 200)}
                row |= {"gold_in_context": 1.0 if context == "retrieved" else math.nan}
                row |= {"answer_in_context": row["gold_in_context"], "other_answer": None}
                for judge in judges:
                    scores = {"judge_accuracy": 1 + 4 * right, "judge_completeness": 3.0}
                    rows.append({**row, "judge": judge, **scores})
    return pd.DataFrame(rows)


def full_study(frame, checks=(WEAK,), **changes):
    valid = {check["judge"]: check["valid"] for check in checks}
    computed = {
        "results": frame,
        "summary": effects.summarise(frame, 200),
        "comparisons": effects.compare(
            frame, ["retrieved"], ["judge_accuracy"], ["answer_recall"], valid, 200
        ),
        "interactions": effects.interactions(frame, 200),
        "judge_checks": checks,
    }
    return decided(
        StudyResults(
            study={"name": "demo", "models": ["tiny"], "seeds": [0]}, **(computed | changes)
        )
    )


def with_evidence(frame):
    """The evidence of `answers` and the passages that it names; one of them is hostile."""
    evidence = frame[[*RUN_COLUMNS, "context", "question_id", "judge"]].assign(
        search="index/one",
        passages=[["d1#0", "d2#0"] if c != "none" else [] for c in frame["context"]],
        judge_accuracy_p=[[0.1, 0.2, 0.3, 0.4, 0.0]] * len(frame),
        judge_accuracy_mass=0.2,
    )
    texts = {"d1#0": "The year was 1847.", "d2#0": "<script>alert(1)</script> Nothing here."}
    rows = [{"search": "index/one", "passage": p, "title": p, "text": t} for p, t in texts.items()]
    other = {"search": "index/two", "passage": "d1#0", "title": "wrong index", "text": "wrong"}
    return {"evidence": evidence, "passages": pd.DataFrame([*rows, other])}


def cluster_sums(values, clusters):
    """Sums and counts by cluster, each (1, n_clusters), as `resampling` takes them."""
    return np.bincount(clusters, weights=values)[None], np.bincount(clusters)[None].astype(float)
