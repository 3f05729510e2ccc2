"""Which questions fell from right to wrong through training, which rose, and which stayed.

What counts as right is a `decomposition.Right`: what the reference says, word for word (exact
match), and for each judge a grade of at least RIGHT_GRADE.

**The test.** Without training doing anything, a group of questions is as likely to gain as to lose
the same number of right answers. So the signs of the groups' gains are flipped in all ways, and p
is the share in which gains and losses are at least as far apart as they are. Where every question
is a group of its own this is McNemar's exact test; with larger groups it is the permutation test of
the statistic of Durkalski et al. (2003, Statistics in Medicine 22), whose denominator no flip
changes. McNemar's own test would take the questions of a group for independent.

**Several seeds.** A question's share of the seeds counts: what falls with one seed of three is a
third of a fall. Numbers in the row of all seeds are therefore means over seeds, and its interval
and p are those of `estimates`, which hold the spread between seeds.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from rag_study.analysis.decomposition import Right
from rag_study.analysis.estimates import KEY_COLUMNS, Sample, estimate, pool, tabulate
from rag_study.analysis.pairing import DEFAULT, RUN_COLUMNS, Pair, Scores, pair_runs, read
from rag_study.analysis.verdicts import false_discovery
from rag_study.evaluation.metrics import METRICS, Metrics

RIGHT_GRADE = 4.0  # of 5: the judge takes the answer for right, if not for perfect
BY_REFERENCE = "reference"  # the `metric` of rows where the reference decides what is right
KINDS = {
    "fell": "right before training, wrong after it",
    "rose": "wrong before training, right after it",
    "stayed_right": "right before and after",
    "stayed_wrong": "wrong before and after",
}
FLIP_COLUMNS = [
    *KEY_COLUMNS,
    "definition",
    *("n_questions", "n_clusters", "n_seeds", "unknown", "right_base", "right_tuned", *KINDS),
    *("difference", "ci_low", "ci_high", "p_value", "p_fdr"),
]
EXAMPLE_COLUMNS = [
    *KEY_COLUMNS,
    *("kind", "question_id", "group", "answer_type", "question", "reference"),
    *("answer_base", "answer_tuned", "seeds", "n_seeds", "seed_shown"),
]
MOST_EXAMPLES = 5


def flips(
    results: pd.DataFrame, metrics: Metrics = METRICS, n_resamples: int = 10_000
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """How many questions fell, rose and stayed, and examples of those that fell and rose.

    For every trained run, or other system, and its default base, in each context and by each
    definition of right. The first table has FLIP_COLUMNS: `fell` to `stayed_wrong` are numbers of
    questions (means over seeds in the row of all of them) that add up to `n_questions`, `unknown`
    how many pairs have no grade on one side, `difference` = `right_tuned` - `right_base` is a
    share, `p_fdr` the p value after Benjamini and Hochberg's correction over the rows that speak
    for a recipe. The second has EXAMPLE_COLUMNS: for each of these rows up to MOST_EXAMPLES
    questions of either kind, each of another group while there are enough; of several seeds those
    that changed with the most (`seeds` of `n_seeds`), with the answer of the first (`seed_shown`).
    """
    scores = read(results, metrics)
    runs, samples = pool(scores.runs, list(_samples(scores)))
    estimates = estimate(samples, n_resamples).rename(columns={"mean": "difference"})
    if samples:
        numbers = estimates["n_questions"].to_numpy()
        for kind in KINDS:
            estimates[kind] *= numbers
        alone = [i for i, sample in enumerate(samples) if not sample.parts]
        exact = [exact_sign_flip_p(_sums(samples[i])) for i in alone]
        estimates.loc[alone, "p_value"] = exact
        parts = {id(part) for sample in samples for part in sample.parts}
        speaks = np.array([id(sample) not in parts for sample in samples])
        estimates["p_fdr"] = false_discovery(estimates["p_value"].where(speaks))
        for sample in samples:
            sample.extra["unknown"] = sum(p.extra["unknown"] for p in sample.parts or (sample,))
        chosen = [sample for sample, each in zip(samples, speaks, strict=True) if each]
    else:
        chosen = []
    table = tabulate(runs, samples, estimates, FLIP_COLUMNS)
    return table, _examples(scores, runs, chosen, results)


def definitions(scores: Scores, judge: str) -> dict[str, Right]:
    """What counts as right among the scores of a block, by the `metric` of the table."""
    if not judge:
        return {BY_REFERENCE: Right(), "exact_match": Right("exact_match")}
    graded = [name for name in scores.judged if name == "judge_accuracy"] or scores.judged[:1]
    return {name: Right(name, RIGHT_GRADE, judge, scores.metrics) for name in graded}


def exact_sign_flip_p(sums: np.ndarray) -> float:
    """Two-sided p of whole numbers (n_clusters,) that are as likely to have either sign: the share
    of all 2**n_clusters sums with flipped signs that are at least as far from 0 as theirs.

    By convolution, hence without drawing any: the number of questions bounds the work, not that of
    flips. 1 where nothing changed.
    """
    sizes = np.abs(sums[sums != 0]).astype(int)
    reach = int(sizes.sum())
    shares = np.zeros(2 * reach + 1)
    shares[reach] = 1.0
    for size in sizes:
        shares = (np.roll(shares, size) + np.roll(shares, -size)) / 2
    far = np.abs(np.arange(-reach, reach + 1)) >= abs(int(sums.sum()))
    return float(min(1.0, shares[far].sum()))


def _samples(scores: Scores) -> Iterator[Sample]:
    """A sample per run, context and definition: right after less right before, by question."""
    pairs, _ = pair_runs(scores)
    graded = {}
    for (run, context, judge, baseline), pair in pairs.items():
        if baseline != DEFAULT or scores.runs.loc[run, "method"] == "none":
            continue
        if context == "retention":
            continue
        for metric, right in definitions(scores, judge).items():
            graded[run, context, metric, judge] = (
                right,
                pair,
                *_rights(scores, judge, right, pair),
            )
    applies: dict[tuple, list[np.ndarray]] = {}
    for (_, _, metric, judge), (_, pair, before, after) in graded.items():
        known = pair.questions[~np.isnan(before) | ~np.isnan(after)]
        applies.setdefault((metric, judge), []).append(known)
    asked = {key: np.unique(np.concatenate(known)) for key, known in applies.items()}
    for (run, context, metric, judge), (right, pair, before, after) in graded.items():
        both = ~np.isnan(before) & ~np.isnan(after)
        if not both.any():
            continue
        unknown = int((~both & np.isin(pair.questions, asked[metric, judge])).sum())
        before, after, questions = before[both], after[both], pair.questions[both]
        beside = {
            "right_base": before,
            "right_tuned": after,
            "fell": before * (1 - after),
            "rose": (1 - before) * after,
            "stayed_right": before * after,
            "stayed_wrong": (1 - before) * (1 - after),
        }
        yield Sample(
            *(run, context, metric, judge, questions, after - before, scores.clusters[questions]),
            beside,
            {"unknown": unknown, "definition": str(right), "base_run": pair.base_run},
            limits=(-1.0, 1.0),
        )


def _rights(scores: Scores, judge: str, right: Right, pair: Pair) -> tuple[np.ndarray, np.ndarray]:
    """1 (right), 0 (wrong) or NaN of the base's and the trained answers, (n_questions,) each."""
    names = list(scores.metrics_of(judge))
    before, after = (right.of(pd.DataFrame(x, columns=names)) for x in (pair.base, pair.tuned))
    return before.to_numpy(), after.to_numpy()


def _sums(sample: Sample) -> np.ndarray:
    _, codes = np.unique(sample.clusters, return_inverse=True)
    return np.rint(np.bincount(codes, weights=sample.values)).astype(int)


# --- Examples -----------------------------------------------------------------------------------


def _examples(
    scores: Scores, runs: pd.DataFrame, samples: list[Sample], results: pd.DataFrame
) -> pd.DataFrame:
    found = []
    for sample in samples:
        parts = sample.parts or (sample,)
        seeds = [int(scores.runs.loc[part.run, "seed"]) for part in parts]
        key = {**runs.loc[sample.run, RUN_COLUMNS], "context": sample.context}
        key |= {"metric": sample.metric, "judge": sample.judge}
        for kind in ("fell", "rose"):
            for question, of in _chosen(parts, kind).items():
                shown = {"seeds": len(of), "n_seeds": len(parts), "seed_shown": seeds[of[0]]}
                asked = {"kind": kind, "question_id": scores.ids[question]}
                part = parts[of[0]]
                runs_of = {"run_tuned": part.run, "run_base": part.extra["base_run"]}
                found.append(key | asked | shown | runs_of)
    if not found:
        return pd.DataFrame(columns=EXAMPLE_COLUMNS)
    table, keys = pd.DataFrame(found), [*RUN_COLUMNS, "context", "question_id"]
    texts = results.drop_duplicates(keys).reindex(
        columns=[*keys, "group", "answer_type", "question", "reference", "answer"]
    )
    for side in ("base", "tuned"):
        named = scores.runs.loc[table[f"run_{side}"], RUN_COLUMNS]
        asked = named.reset_index(drop=True).assign(
            context=table["context"], question_id=table["question_id"]
        )
        answers = asked.merge(texts, "left", keys)
        table[f"answer_{side}"] = answers["answer"].to_numpy()
    for name in ("group", "answer_type", "question", "reference"):
        table[name] = answers[name].to_numpy()
    return table[EXAMPLE_COLUMNS]


def _chosen(parts: tuple[Sample, ...], kind: str) -> dict[int, list[int]]:
    """Questions of a kind, at most MOST_EXAMPLES, each with the places of the seeds where it is."""
    seeds: dict[int, list[int]] = {}
    cluster: dict[int, int] = {}
    for place, part in enumerate(parts):
        those = part.beside[kind] > 0
        for question, group in zip(part.questions[those], part.clusters[those], strict=True):
            seeds.setdefault(int(question), []).append(place)
            cluster[int(question)] = int(group)
    order = sorted(seeds, key=lambda question: (-len(seeds[question]), question))
    first = {cluster[question]: question for question in reversed(order)}
    order.sort(key=lambda question: first[cluster[question]] != question)
    return {question: seeds[question] for question in order[:MOST_EXAMPLES]}
