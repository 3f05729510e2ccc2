"""The paper's claims, each tested on the study's own data.

*Fine-Tuning or Fine-Failing?* (arXiv 2406.11201) claims eight things about accuracy and
completeness after fine-tuning. Each is answered *supported*, *contradicted* or *undecided*, or *not
tested* where the study lacks what it takes. `docs/claims.md` says the same in more words.

**What is measured.** A state is a trained recipe on one data set, with all its seeds, in the first
of the study's primary contexts, compared with its untuned model on the same questions. Accuracy and
completeness are those of a judge that may carry a verdict (`carriers.trusted_judges`); without
one, answer recall and key-point recall stand for them. Claims about averages take the mean over
all questions of all states, clustered by group: the answers of several states to one question are
in the same cluster.

**What is shown.** "x < a is shown" means that the one-sided t test of it, with the cluster-robust
standard error and its degrees of freedom, has p < .05; where one of several states suffices, p is
Holm's over these; where all must hold, all must be shown (an intersection-union test, Berger 1982,
which needs no correction). Nothing is shown with fewer than 20 clusters (of equal size, or what
uneven ones are worth) or where no question changed differently from the others. Where hardly a
question changed, the standard error is what the exact binomial bound leaves open (see
`cluster_means`). The margin is that of the study for the metric. In the order of the tests, where
supported wins:

- *accuracy*, *completeness*: supported if every state's effect is shown to be below 0; contradicted
  if some state's is shown to be above -margin.
- *largest_on_qasper*: D is the mean effect on Qasper minus that on another data set, over the
  states that both have. Supported if the effect on Qasper and every D are shown to be below 0;
  contradicted if some D is shown to be above 0, or the effect on Qasper above -margin.
- *more_data*: G is the mean gain from the smallest to the largest train size (slope per question,
  see `trends`). Supported if G is shown to be below the margin; contradicted if G is shown to be
  above 0 and the estimate reaches the margin.
- *above_one_point*: a point is 1 on the judge's scale of 1 to 5, a quarter of the scale of a
  reference metric. Supported if some state's effect on accuracy or completeness is shown to be
  below -1 point; contradicted if all are shown to be above it.
- *use_of_context*: I is the mean interaction (effect with context minus effect without). Supported
  if I and the effect with context are shown to be below 0; contradicted if I, or the effect with
  context, is shown to be above -margin.
- *retention*: effects on the measures outside the task, counted so that below 0 is a loss.
  Supported if some state's on some measure is shown to be below 0 and its estimate reaches the
  margin; contradicted if the mean over all states is shown to be above -margin on every measure,
  and no state's would be such a loss if it were the only one.
- *smaller_contexts*: M is the mean effect with the smallest number of tokens of context (top_k
  times chunk_size) minus that with the largest. Supported if M is shown to be above 0 and the
  effect at the largest below 0; contradicted if M is shown to be below the margin while the effect
  at the largest is shown to be below 0.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from rag_study.analysis.effects import interaction_samples
from rag_study.analysis.estimates import Sample
from rag_study.analysis.mean_effects import MeanEffect, StudyEffects
from rag_study.analysis.outside_task import WORSE_WHEN_HIGHER, margin_outside
from rag_study.analysis.pairing import read
from rag_study.analysis.resampling import TOLERANCE
from rag_study.analysis.states import SETTINGS
from rag_study.analysis.trends import slopes
from rag_study.analysis.verdicts import ALPHA
from rag_study.evaluation.metrics import METRICS, Metrics

CLAIMS = {
    "accuracy": "The base model beats every fine-tuned state on accuracy.",
    "completeness": "The base model beats every fine-tuned state on completeness.",
    "largest_on_qasper": "The largest drop is on Qasper.",
    "more_data": "More training data does not help, or makes it worse.",
    "above_one_point": "Some drops exceed one point.",
    "use_of_context": "The loss is in using the context rather than in general.",
    "retention": "General ability is lost.",
    "smaller_contexts": "Smaller contexts mitigate the loss.",
}
CLAIM_COLUMNS = (
    "claim paper answer judge metric estimate ci_low ci_high n_states n_questions n_clusters facts"
).split()


@dataclass(frozen=True)
class _Tested:
    """An answer, the mean that decided it, and what else is to be said about it."""

    answer: str
    mean: MeanEffect | None
    metric: str
    facts: dict[str, Any]


def claims(
    results: pd.DataFrame,
    contexts: Sequence[str],
    judge_valid: dict[str, bool],
    n_resamples: int = 10_000,
    metrics: Metrics = METRICS,
) -> pd.DataFrame:
    """Every claim of CLAIMS with its answer, once for each valid judge.

    `results` are those of the study and of its retention, as for `effects.compare`, as is
    `judge_valid`; `contexts` are the primary ones. Without a valid judge that scored
    anything the rows are those of the reference metrics, with the judge ''. `estimate` with its
    95 % interval is the number that decided, in the unit of `metric`: a mean effect, or that of the
    state that `facts` names; NaN where nothing could be tested. Returns CLAIM_COLUMNS.
    Raises as `effects.summarise`.
    """
    scores = read(results, metrics)
    if scores.runs.empty:
        return pd.DataFrame(columns=CLAIM_COLUMNS)
    scorers = {judge for _, context, judge in scores.blocks if judge and context == contexts[0]}
    judges = sorted(judge for judge in scorers if judge_valid.get(judge, False))
    made = []
    for judge in judges or [""]:
        study = StudyEffects(scores, contexts[0], judge, n_resamples)
        scored = bool(study.of(study.main))
        for claim, test in _TESTS.items():
            tested = test(study) if scored or claim == "retention" else _nothing(study, study.main)
            row = {"claim": claim, "paper": CLAIMS[claim], "answer": tested.answer, "judge": judge}
            row |= {"metric": tested.metric}
            facts = dict(tested.facts)
            if tested.mean is not None:
                mean = tested.mean
                facts["spread"] = mean.has_spread
                facts["n_effective"] = mean.n_effective
                row |= {"estimate": mean.value, "ci_low": mean.low, "ci_high": mean.high}
                row |= {"n_states": mean.n_states, "n_questions": mean.n_questions}
                row |= {"n_clusters": mean.n_clusters}
            row["facts"] = json.dumps(facts, sort_keys=True)
            if metrics[row["metric"]].retention:
                row["judge"] = ""
            made.append(row)
    table = pd.DataFrame(made, columns=CLAIM_COLUMNS)
    counts = ["n_states", "n_questions", "n_clusters"]
    return table.assign(**{name: table[name].fillna(0).astype("int64") for name in counts})


# --- The tests --------------------------------------------------------------------------------


def _any_shown(p_values: Sequence[float]) -> bool:
    return bool(multipletests(p_values, alpha=ALPHA, method="holm")[0].any())


def _answer(supported: bool, contradicted: bool) -> str:
    return "supported" if supported else "contradicted" if contradicted else "undecided"


def _nothing(study: StudyEffects, metric: str) -> _Tested:
    return _lacking("scores", metric, context=study.context)


def _lacking(what: str, metric: str, **facts: Any) -> _Tested:
    return _Tested("not tested", None, metric, {"lacking": what, **facts})


def _times(sample: Sample, factor: float) -> Sample:
    """The sample in another unit."""
    low, high = sorted(factor * end for end in sample.limits)
    return replace(sample, values=factor * sample.values, limits=(low, high))


def _beats_all(study: StudyEffects, name: str) -> _Tested:
    metric = study.metrics[name]
    states, margin = study.states(metric), study.margin[metric]
    if not states:
        return _nothing(study, metric)
    supported = all(state.below(0) < ALPHA for state in states)
    contradicted = _any_shown([state.above(-margin) for state in states])
    answer = _answer(supported, contradicted)
    weakest = min(states, key=lambda s: s.above(-margin) if answer == "contradicted" else -s.value)
    below = sum(state.below(0) < ALPHA for state in states)
    mean = replace(weakest, n_states=len(states))
    return _Tested(answer, mean, metric, {"n_below": below, "state": weakest.name})


def _largest_on_qasper(study: StudyEffects) -> _Tested:
    metric = study.main
    by_set = study.grouped(study.of(metric), lambda s: study.scores.runs.loc[s.run, "dataset"])
    qasper = next((name for name in by_set if name.lower().startswith("qasper")), None)
    if qasper is None or len(by_set) < 2:
        return _lacking("largest_on_qasper", metric)
    on_qasper, rest = by_set.pop(qasper), []

    def key(sample: Sample) -> tuple:
        return study.recipe(sample, without=["dataset"])

    for name, samples in by_set.items():
        shared = {key(s) for s in on_qasper} & {key(s) for s in samples}
        if shared:
            ours = study.mean([s for s in on_qasper if key(s) in shared])
            others = study.mean([s for s in samples if key(s) in shared])
            rest.append((replace(ours.minus(others), name=name), others))
    if not rest:
        return _lacking("shared recipe", metric)
    drop = study.mean(on_qasper)
    supported = drop.below(0) < ALPHA and all(d.below(0) < ALPHA for d, _ in rest)
    contradicted = _any_shown([d.above(0) for d, _ in rest])
    contradicted |= drop.above(-study.margin[metric]) < ALPHA
    closest, theirs = max(rest, key=lambda pair: pair[0].value)
    facts = {"change": drop.value, "other": closest.name, "other_change": theirs.value}
    return _Tested(_answer(supported, contradicted), closest, metric, facts)


def _more_data(study: StudyEffects) -> _Tested:
    metric, margin = study.main, study.margin[study.main]
    samples = study.of(metric, slopes(study.scores))
    if not samples:
        return _lacking("more_data", metric)
    gain = study.mean([_times(s, s.extra["doublings"]) for s in samples])
    contradicted = gain.above(0) < ALPHA and gain.value >= margin
    sizes = sorted({s.extra["train_sizes"] for s in samples})
    facts = {"train_sizes": sizes, "margin": margin, "worse": gain.below(0) < ALPHA}
    facts["n_seeds"] = study.scores.runs.loc[[s.run for s in samples], "seed"].nunique()
    return _Tested(_answer(gain.below(margin) < ALPHA, contradicted), gain, metric, facts)


def _above_one_point(study: StudyEffects) -> _Tested:
    states = [(state, m) for m in study.metrics.values() for state in study.states(m)]

    def point(metric: str) -> float:
        return (study.scores.metrics[metric].high - study.scores.metrics[metric].low) / 4

    supported = _any_shown([state.below(-point(m)) for state, m in states])
    contradicted = all(state.above(-point(m)) < ALPHA for state, m in states)
    lowest, metric = min(states, key=lambda pair: pair[0].value / point(pair[1]))
    mean = replace(lowest, n_states=len({state.name for state, _ in states}))
    facts = {"n_changes": len(states), "state": lowest.name, "point": point(metric)}
    return _Tested(_answer(supported, contradicted), mean, metric, facts)


def _use_of_context(study: StudyEffects) -> _Tested:
    metric, margin = study.main, study.margin[study.main]
    samples = study.of(metric, interaction_samples(study.scores))
    trained = study.scores.runs["train_size"] > 0
    samples = [s for s in samples if trained[s.run]]
    if not samples:
        return _lacking("use_of_context", metric)
    change = study.mean(samples)
    with_context, without = (
        study.mean([replace(s, values=s.beside[f"difference_{name}"]) for s in samples])
        for name in ("context", "none")
    )
    supported = change.below(0) < ALPHA and with_context.below(0) < ALPHA
    contradicted = min(change.above(-margin), with_context.above(-margin)) < ALPHA
    facts = {"with_context": with_context.value, "without": without.value}
    return _Tested(_answer(supported, contradicted), change, metric, facts)


def _retention(study: StudyEffects) -> _Tested:
    outside = [s for s in study.differences if s.context == "retention"]
    if not outside:
        return _lacking("retention", "knowledge_accuracy")
    outside = [_times(s, -1.0) if s.metric in WORSE_WHEN_HIGHER else s for s in outside]
    seeds = study.scores.runs["seed"]
    # A training stands in every search of the study with the same scores: it counts once.
    alike = study.grouped(
        outside, lambda s: (s.metric, study.recipe(s, SETTINGS), seeds[s.run], s.values.tobytes())
    )
    outside = [samples[0] for samples in alike.values()]
    by_measure = study.grouped(outside, lambda s: s.metric)
    by_state = study.grouped(outside, lambda s: (s.metric, study.recipe(s)))
    margins = {metric: margin_outside(metric, study.margin[metric]) for metric in by_measure}
    means, states = (
        [(mean, samples[0].metric) for mean, samples in zip(study.means(g), g, strict=True)]
        for g in (list(by_measure.values()), list(by_state.values()))
    )
    p_values = [state.below(0) for state, _ in states]
    shown = multipletests(p_values, alpha=ALPHA, method="holm")[0]
    large = [
        (pair, p, is_shown)
        for pair, p, is_shown in zip(states, p_values, shown, strict=True)
        if pair[0].value <= -margins[pair[1]] + TOLERANCE
    ]
    lost = [pair for pair, _, is_shown in large if is_shown]
    # Shown if it were the only one: the mean over all does not speak against it.
    alone = [pair for pair, p, _ in large if p < ALPHA]
    small = all(mean.above(-margins[metric]) < ALPHA for mean, metric in means)
    named = lost or alone
    worst, metric = min(named or means, key=lambda pair: pair[0].value / margins[pair[1]])
    facts = {
        "n_measures": len(means),
        "margin": margins[metric],
        "state": worst.name if named else "",
        "shown": bool(lost),
    }
    worst = replace(worst, n_states=len({recipe for _, recipe in by_state}))
    if metric in WORSE_WHEN_HIGHER:
        worst = replace(worst, value=-worst.value, low=-worst.high, high=-worst.low)
    return _Tested(_answer(bool(lost), small and not alone), worst, metric, facts)


def _smaller_contexts(study: StudyEffects) -> _Tested:
    metric, margin = study.main, study.margin[study.main]
    runs = study.scores.runs
    tokens = runs["chunk_size"] * runs["top_k"]
    by_recipe = study.grouped(
        study.of(metric),
        lambda s: (*study.recipe(s, ["chunk_size", "top_k"]), runs.loc[s.run, "seed"]),
    )
    eased, at_largest = [], []
    for samples in by_recipe.values():
        small, large = (choose(samples, key=lambda s: tokens[s.run]) for choose in (min, max))
        shared, at_small, at_large = np.intersect1d(
            small.questions, large.questions, assume_unique=True, return_indices=True
        )
        if tokens[small.run] < tokens[large.run] and len(shared):
            shared_fields = {
                "questions": shared,
                "clusters": small.clusters[at_small],
                "beside": {},
            }
            before, after = large.values[at_large], small.values[at_small]
            both = tuple(2 * end for end in small.limits)
            eased.append(replace(small, values=after - before, limits=both, **shared_fields))
            at_largest.append(replace(large, values=before, **shared_fields))
    if not eased:
        return _lacking("smaller_contexts", metric)
    change, loss = study.mean(eased), study.mean(at_largest)
    shown = loss.below(0) < ALPHA
    answer = _answer(shown and change.above(0) < ALPHA, shown and change.below(margin) < ALPHA)
    facts = {"at_largest": loss.value, "loss_shown": shown}
    return _Tested(answer, change, metric, facts)


_TESTS: dict[str, Callable[[StudyEffects], _Tested]] = {
    "accuracy": lambda study: _beats_all(study, "accuracy"),
    "completeness": lambda study: _beats_all(study, "completeness"),
    "largest_on_qasper": _largest_on_qasper,
    "more_data": _more_data,
    "above_one_point": _above_one_point,
    "use_of_context": _use_of_context,
    "retention": _retention,
    "smaller_contexts": _smaller_contexts,
}
