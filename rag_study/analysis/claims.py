"""The paper's claims, each tested on the study's own data.

*Fine-Tuning or Fine-Failing?* (arXiv 2406.11201) claims eight things about accuracy and
completeness after fine-tuning. Each is answered *supported*, *contradicted* or *undecided*, or *not
tested* where the study lacks what it takes. `docs/claims.md` says the same in more words.

**What is measured.** A state is a trained recipe on one data set, with all its seeds, in the first
of the study's primary contexts, compared with its untuned model on the same questions. Accuracy and
completeness are those of a valid judge; without one, answer recall and key-point recall stand for
them. Claims about averages take the mean over all questions of all states, clustered by group: the
answers of several states to one question are in the same cluster.

**What is shown.** "x < a is shown" means that the one-sided t test of it, with the cluster-robust
standard error and its degrees of freedom, has p < .05; where one of several states suffices, p is
Holm's over these; where all must hold, all must be shown (an intersection-union test, Berger 1982,
which needs no correction). Nothing is shown with fewer than 20 clusters or without any spread. The
margin is that of the study for the metric. In the order of the tests, where supported wins:

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
- *retention*: for each measure outside the task the mean effect R, counted so that below 0 is a
  loss. Supported if some R is shown to be below 0 and its estimate reaches the margin; contradicted
  if all are shown to be above -margin.
- *smaller_contexts*: M is the mean effect with the smallest number of tokens of context (top_k
  times chunk_size) minus that with the largest. Supported if M is shown to be above 0 and the
  effect at the largest below 0; contradicted if M is shown to be below the margin while the effect
  at the largest is shown to be below 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from rag_study.analysis.effects import interaction_samples
from rag_study.analysis.estimates import Sample
from rag_study.analysis.mean_effects import MeanEffect, StudyEffects
from rag_study.analysis.pairing import read
from rag_study.analysis.states import context_label
from rag_study.analysis.trends import slopes
from rag_study.analysis.verdicts import ALPHA, MIN_CLUSTERS
from rag_study.common.wording import counted, listed, signed
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
ANSWERS = ("supported", "contradicted", "undecided", "not tested")
CLAIM_COLUMNS = [
    *("claim", "paper", "answer", "judge", "metric", "estimate", "ci_low", "ci_high"),
    *("n_states", "n_questions", "n_clusters", "said"),
]
# Losses outside the task that matter, where the metric has no margin: 5 % of perplexity, and as
# much in the margin between right and wrong statements.
_RETENTION_MARGINS = {"general_text_nll": 0.05, "knowledge_margin": 0.05}
_WORSE_WHEN_HIGHER = ("general_text_nll",)


@dataclass(frozen=True)
class _Tested:
    answer: str
    mean: MeanEffect | None
    said: str
    metric: str = ""


def claims(
    results: pd.DataFrame,
    contexts: Sequence[str],
    margins: dict[str, float | None],
    judge_valid: dict[str, bool],
    n_resamples: int = 10_000,
    metrics: Metrics = METRICS,
) -> pd.DataFrame:
    """Every claim of CLAIMS with its answer, once for each valid judge.

    `results` are those of the study and of its retention, as for `effects.compare`, as are
    `margins` and `judge_valid`; `contexts` are the primary ones. Without a valid judge that scored
    anything the rows are those of the reference metrics, with the judge ''. `estimate` with its
    95 % interval is the number that decided, in the unit of `metric`: a mean effect, or that of the
    state that is named in `said`; NaN where nothing could be tested. Returns CLAIM_COLUMNS.
    Raises as `effects.summarise`.
    """
    scores = read(results, metrics)
    if scores.runs.empty:
        return pd.DataFrame(columns=CLAIM_COLUMNS)
    found = {judge for _, context, judge in scores.blocks if judge and context == contexts[0]}
    judges = sorted(judge for judge in found if judge_valid.get(judge, False))
    made = []
    for judge in judges or [""]:
        study = StudyEffects(scores, contexts[0], margins, judge, n_resamples)
        scored = bool(study.of(study.main))
        for claim, test in _TESTS.items():
            tested = test(study) if scored or claim == "retention" else _nothing(study, study.main)
            row = {"claim": claim, "paper": CLAIMS[claim], "answer": tested.answer, "judge": judge}
            row |= {"metric": tested.metric or study.main, "said": tested.said}
            if tested.mean is not None:
                mean = tested.mean
                row |= {"estimate": mean.value, "ci_low": mean.low, "ci_high": mean.high}
                row |= {"n_states": mean.n_states, "n_questions": mean.n_questions}
                row |= {"n_clusters": mean.n_clusters}
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


def _number(mean: MeanEffect, metric: str) -> str:
    ends = f"{signed(mean.low, metric)} to {signed(mean.high, metric)}"
    return f"{signed(mean.value, metric)} (95 % interval {ends})"


def _why_undecided(mean: MeanEffect) -> str:
    if mean.n_clusters < MIN_CLUSTERS:
        groups = counted(mean.n_clusters, "independent group")
        return f" {groups} of questions cannot show anything; {MIN_CLUSTERS} can."
    if not mean.se > 0:
        return " No question changed differently from the others, so chance cannot be judged."
    return ""


def _nothing(study: StudyEffects, metric: str) -> _Tested:
    where, by = context_label(study.context), f" by {study.judge}" if study.judge else ""
    said = f"No trained state has scores of {study.in_text(metric)}{by} {where} beside its base."
    return _Tested("not tested", None, said, metric)


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
    said = (
        f"{below} of {counted(len(states), 'state')} {'is' if below == 1 else 'are'} shown to be "
        f"below the base in {study.in_text(metric)}; {weakest.name} changed by "
        f"{_number(weakest, metric)}."
    )
    mean = replace(weakest, n_states=len(states))
    return _Tested(answer, mean, said + _why_undecided(weakest), metric)


def _largest_on_qasper(study: StudyEffects) -> _Tested:
    metric = study.main
    by_set = study.grouped(study.of(metric), lambda s: study.scores.runs.loc[s.run, "dataset"])
    qasper = next((name for name in by_set if name.lower().startswith("qasper")), None)
    if qasper is None or len(by_set) < 2:
        said = "The study needs Qasper and another data set."
        return _Tested("not tested", None, said, metric)
    own, rest = by_set.pop(qasper), []

    def key(sample: Sample) -> tuple:
        return study.recipe(sample, without=["dataset"])

    for name, samples in by_set.items():
        shared = {key(s) for s in own} & {key(s) for s in samples}
        if shared:
            ours = study.mean([s for s in own if key(s) in shared])
            others = study.mean([s for s in samples if key(s) in shared])
            rest.append((replace(ours.minus(others), name=name), others))
    if not rest:
        return _Tested("not tested", None, "No recipe was trained on both data sets.", metric)
    drop = study.mean(own)
    supported = drop.below(0) < ALPHA and all(d.below(0) < ALPHA for d, _ in rest)
    contradicted = _any_shown([d.above(0) for d, _ in rest])
    contradicted |= drop.above(-study.margin[metric]) < ALPHA
    closest, theirs = max(rest, key=lambda pair: pair[0].value)
    said = (
        f"On Qasper {study.in_text(metric)} changed by {signed(drop.value, metric)}, on "
        f"{closest.name} by {signed(theirs.value, metric)}: a difference of "
        f"{_number(closest, metric)}."
    )
    return _Tested(
        _answer(supported, contradicted), closest, said + _why_undecided(closest), metric
    )


def _more_data(study: StudyEffects) -> _Tested:
    metric, margin = study.main, study.margin[study.main]
    found = study.of(metric, slopes(study.scores))
    if not found:
        said = "The study needs two train sizes of one recipe."
        return _Tested("not tested", None, said, metric)
    gain = study.mean([replace(s, values=s.values * s.extra["doublings"]) for s in found])
    contradicted = gain.above(0) < ALPHA and gain.value >= margin
    sizes = listed(sorted({s.extra["train_sizes"] for s in found}))
    said = (
        f"From the smallest to the largest train size ({sizes}) {study.in_text(metric)} changed by "
        f"{_number(gain, metric)}; {margin:g} would matter."
    )
    if gain.below(0) < ALPHA:
        said += " More data made it worse."
    answer = _answer(gain.below(margin) < ALPHA, contradicted)
    return _Tested(answer, gain, said + _why_undecided(gain), metric)


def _above_one_point(study: StudyEffects) -> _Tested:
    states = [(state, m) for m in study.metrics.values() for state in study.states(m)]

    def point(metric: str) -> float:
        return (study.scores.metrics[metric].high - study.scores.metrics[metric].low) / 4

    supported = _any_shown([state.below(-point(m)) for state, m in states])
    contradicted = all(state.above(-point(m)) < ALPHA for state, m in states)
    lowest, metric = min(states, key=lambda pair: pair[0].value / point(pair[1]))
    one = "one point" if study.judge else "a quarter of the scale"
    said = (
        f"The lowest of {len(states)} changes is that of {lowest.name} in {study.in_text(metric)}: "
        f"{_number(lowest, metric)}; {one} is {point(metric):g}."
    )
    mean = replace(lowest, n_states=len({state.name for state, _ in states}))
    return _Tested(_answer(supported, contradicted), mean, said + _why_undecided(lowest), metric)


def _use_of_context(study: StudyEffects) -> _Tested:
    metric, margin = study.main, study.margin[study.main]
    found = study.of(metric, interaction_samples(study.scores))
    trained = study.scores.runs["train_size"] > 0
    found = [s for s in found if trained[s.run]]
    if not found:
        said = "The study needs answers without passages beside those with them."
        return _Tested("not tested", None, said, metric)
    change = study.mean(found)
    with_context, without = (
        study.mean([replace(s, values=s.beside[f"difference_{name}"]) for s in found])
        for name in ("context", "none")
    )
    supported = change.below(0) < ALPHA and with_context.below(0) < ALPHA
    contradicted = min(change.above(-margin), with_context.above(-margin)) < ALPHA
    said = (
        f"{study.in_text(metric)} changed by {signed(with_context.value, metric)} with passages "
        f"and by {signed(without.value, metric)} without: a difference of "
        f"{_number(change, metric)}."
    )
    said = said[0].upper() + said[1:]
    return _Tested(_answer(supported, contradicted), change, said + _why_undecided(change), metric)


def _retention(study: StudyEffects) -> _Tested:
    outside = [s for s in study.differences if s.context == "retention"]
    if not outside:
        said = "The study did not measure what the models can do outside the task."
        return _Tested("not tested", None, said, "knowledge_accuracy")
    means = {}
    for metric, samples in study.grouped(outside, lambda s: s.metric).items():
        sign = -1.0 if metric in _WORSE_WHEN_HIGHER else 1.0
        margin = _RETENTION_MARGINS.get(metric) or study.margin[metric]
        mean = study.mean([replace(s, values=sign * s.values) for s in samples])
        means[metric] = (mean, margin, sign)
    lost = multipletests([m.below(0) for m, *_ in means.values()], alpha=ALPHA, method="holm")[0]
    pairs = zip(lost, means.values(), strict=True)
    supported = any(shown and mean.value <= -margin for shown, (mean, margin, _) in pairs)
    contradicted = all(mean.above(-margin) < ALPHA for mean, margin, _ in means.values())
    metric = min(means, key=lambda name: means[name][0].value / means[name][1])
    mean, margin, sign = means[metric]
    if sign < 0:
        mean = replace(mean, value=-mean.value, low=-mean.high, high=-mean.low)
    said = (
        f"Of {counted(len(means), 'measure')} outside the task, {study.in_text(metric)} changed "
        f"most for the worse: {_number(mean, metric)}; {margin:g} would matter."
    )
    return _Tested(_answer(supported, contradicted), mean, said + _why_undecided(mean), metric)


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
            own = {"questions": shared, "clusters": small.clusters[at_small], "beside": {}}
            before, after = large.values[at_large], small.values[at_small]
            eased.append(replace(small, values=after - before, **own))
            at_largest.append(replace(large, values=before, **own))
    if not eased:
        said = "The study needs one recipe with contexts of two sizes (top_k or chunk_size)."
        return _Tested("not tested", None, said, metric)
    change, loss = study.mean(eased), study.mean(at_largest)
    shown = loss.below(0) < ALPHA
    answer = _answer(shown and change.above(0) < ALPHA, shown and change.below(margin) < ALPHA)
    said = (
        f"The effect on {study.in_text(metric)} with the smallest context less that with the "
        f"largest ({signed(loss.value, metric)}) is {_number(change, metric)}."
    )
    if not shown:
        said += " No loss with the largest context is shown that could be mitigated."
    return _Tested(answer, change, said + _why_undecided(change), metric)


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
