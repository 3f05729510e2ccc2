"""From a comparison's numbers to its verdict: margins, Holm's correction, questions needed."""

import math

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import stdtr, stdtrit
from statsmodels.stats.multitest import multipletests

from rag_study.analysis.resampling import TOLERANCE
from rag_study.evaluation.metrics import METRICS, Metric, Metrics

# The most telling first.
VERDICTS = ("helps", "hurts", "no difference that matters", "cannot tell", "no verdict")
ALPHA = 0.05
POWER = 0.80
MIN_CLUSTERS = 20
MAX_NEEDED = 100_000
MANY = 1e9  # degrees of freedom of a normal distribution


def detectable(se: pd.Series, df: pd.Series) -> pd.Series:
    """The true difference that 80 % of studies with this standard error detect at .05, two-sided.

    (t(.975) + t(.80)) * se with `df` degrees of freedom: the usual approximation to the power of
    the t test (Bloom 1995, "Minimum detectable effects"), and of sign flips, which agree with it.
    """
    return (stdtrit(df, 1 - ALPHA / 2) + stdtrit(df, POWER)) * se


def add_verdicts(comparisons: pd.DataFrame, metrics: Metrics = METRICS) -> pd.DataFrame:
    """A copy of the table with p_holm, verdict, n_needed and reason of its primary rows.

    Holm's correction (Holm 1979) covers the primary rows and no others. In this order:

    - fewer than 20 clusters, or no margin: 'no verdict';
    - no spread at all, and too few clusters to rule out a change that matters (`unseen_change`):
      'cannot tell';
    - the 90 % interval inside +- margin (two one-sided tests at .05, Schuirmann 1987): 'no
      difference that matters';
    - p_holm < .05 and |difference| >= margin: 'helps' or 'hurts';
    - else 'cannot tell', with the number of questions that would settle it.

    Rows that are not primary get the verdict '' and keep their reason.
    """
    table = comparisons.copy()
    primary = table["primary"].to_numpy(dtype=bool)
    p_holm = np.full(len(table), np.nan)
    if primary.any():
        p_holm[primary] = multipletests(table["p_value"].to_numpy()[primary], method="holm")[1]
    table["p_holm"] = p_holm
    verdicts, reasons = [], []
    needed = np.full(len(table), np.nan)
    for i, row in enumerate(table.to_dict("records")):
        verdict, reason = "", row["reason"]
        if row["primary"]:
            verdict, needed[i], reason = _decide(row, metrics[row["metric"]], int(primary.sum()))
        verdicts.append(verdict)
        reasons.append(reason)
    table["n_needed"] = needed
    table["verdict"] = pd.Series(verdicts, index=table.index, dtype="str")
    table["reason"] = pd.Series(reasons, index=table.index, dtype="str")
    return table


def _decide(row: dict, metric: Metric, family_size: int) -> tuple[str, float, str]:
    """Verdict, n_needed (NaN unless 'cannot tell') and reason of one primary row."""
    margin, difference, p_holm = row["margin"], row["difference"], row["p_holm"]
    if row["n_clusters"] < MIN_CLUSTERS:
        shortage = f"{row['n_clusters']} independent groups of test questions are too few"
        return "no verdict", np.nan, f"{shortage}: a verdict needs at least {MIN_CLUSTERS}"
    if math.isnan(margin):
        return "no verdict", np.nan, f"the study declares no margin for {row['metric']}"

    digits = 3 if metric.high == 1.0 else 2
    low, high = row["ci_low"], row["ci_high"]
    interval = f"the 95 % interval {_signed(low, digits)} to {_signed(high, digits)}"
    corrected = f"p {'< 0.001' if p_holm < 0.001 else f'= {p_holm:.3f}'} after Holm's correction"
    unseen = unseen_change(row["n_clusters"], metric) if row["se"] == 0.0 else 0.0
    if abs(difference) < margin <= abs(difference) + unseen:
        needed = clusters_to_see(margin - abs(difference), metric)
        needed = math.ceil(needed * row["n_questions"] / row["n_clusters"])
        reason = (
            f"no question changed differently from the others; with {row['n_clusters']} groups a "
            f"change of up to {unseen:.{digits}f} can stay unseen; about {needed:,} questions "
            "would settle it"
        )
        return "cannot tell", float(needed), reason
    if row["ci90_low"] > -margin + TOLERANCE and row["ci90_high"] < margin - TOLERANCE:
        ends = f"{_signed(row['ci90_low'], digits)} to {_signed(row['ci90_high'], digits)}"
        reason = f"the 90 % interval {ends} lies inside the margin of ±{margin:g}"
        return "no difference that matters", np.nan, reason
    large = abs(difference) >= margin - TOLERANCE
    if p_holm < ALPHA and large:
        verdict = "helps" if difference > 0 else "hurts"
        reason = (
            f"the difference of {_signed(difference, digits)} reaches the margin of {margin:g} "
            f"({interval}; {corrected})"
        )
        return verdict, np.nan, reason

    if low < -margin and high > margin:
        why = f"{interval} holds both harm and benefit"
    elif low > margin or high < -margin:
        why = f"{interval} lies beyond the margin of {margin:g}"
    elif low < -margin or high > margin:
        side = "a harm" if low < -margin else "a benefit"
        why = f"{interval} holds both {side} that matters and a difference too small to matter"
    else:
        why = f"{interval} ends at the margin of {margin:g}"
    if large:
        why += f", and {corrected} over {family_size} comparisons"
    setting = (row["se"], row["n_questions"], margin, family_size)
    several = row["n_seeds"] > 1
    seeds = row["seed_sd"] / math.sqrt(row["n_seeds"]) if several else 0.0
    needed = questions_needed(difference, *setting, seeds, row["df"] if several else MANY)
    if math.isnan(needed):
        settle = f"so close to the margin, even {MAX_NEEDED:,} questions would not settle it"
        if seeds and not math.isnan(questions_needed(difference, *setting)):
            settle = "the seeds differ too much for more questions to settle it: train more seeds"
    else:
        rounding = 10 ** max(0, len(str(int(needed))) - 2)
        settle = f"about {math.ceil(needed / rounding) * rounding:,} questions would settle it"
    return "cannot tell", needed, f"{why}; {settle}"


def unseen_change(n_clusters: int, metric: Metric) -> float:
    """Largest change of a mean that may hide where no cluster showed any, in the metric's unit.

    A bootstrap of equal values knows no spread. But at 95 % confidence up to 1 - .05**(1/n) of
    all clusters may still change (the exact binomial bound behind the rule of three, Hanley and
    Lippman-Hand 1983), each by at most the metric's range.
    """
    return (1 - ALPHA ** (1 / n_clusters)) * (metric.high - metric.low)


def clusters_to_see(change: float, metric: Metric) -> int:
    """Number of clusters without a change that rules out one of this size (`unseen_change`)."""
    return math.ceil(math.log(ALPHA) / math.log1p(-change / (metric.high - metric.low)))


def questions_needed(
    difference: float,
    se: float,
    n_questions: int,
    margin: float,
    family_size: int,
    se_seeds: float = 0.0,
    df: float = MANY,
) -> float:
    """Number of questions that settles a comparison with 80 % power, if these figures are true.

    `se` is the standard error with `n_questions`, of which `se_seeds` comes from the spread between
    seeds and stays, as its degrees of freedom `df` do; more questions are taken to come in clusters
    of the same kind. Below the margin: the power of the two one-sided tests, as if the standard
    error were known (Chow, Shao and Wang 2008, 3.2), with the quantiles of `df`. Otherwise:
    detection at the worst case of Holm, alpha / `family_size`, with the estimate also reaching the
    margin. At least `n_questions` + 1; NaN above MAX_NEEDED, where the difference is too close to
    the margin or the seeds differ too much.
    """
    size = abs(difference)
    room = margin - size
    if se == 0.0:
        return float(n_questions + 1)
    if abs(room) <= TOLERANCE:
        return np.nan
    # `precision` is one over the standard error that is small enough.
    if room > 0:
        one_sided = stdtrit(df, 1 - ALPHA)

        def missing_power(precision: float) -> float:
            near, far = room * precision, (margin + size) * precision
            return stdtr(df, near - one_sided) + stdtr(df, far - one_sided) - 1 - POWER

        # With one side certain the power needs t(.80), with both alike t(.90): the root is between.
        least = one_sided + stdtrit(df, POWER)
        most = one_sided + stdtrit(df, (1 + POWER) / 2)
        precision = brentq(missing_power, 0.99 * least / room, 1.01 * most / room)
    else:
        detect = stdtrit(df, 1 - ALPHA / family_size / 2) + stdtrit(df, POWER)
        precision = max(detect / size, stdtrit(df, POWER) / -room)
    left = precision**-2 - se_seeds**2
    if left <= 0:
        return np.nan
    needed = max(n_questions + 1, math.ceil(n_questions * (se**2 - se_seeds**2) / left))
    return float(needed) if needed <= MAX_NEEDED else np.nan


def _signed(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:+.{digits}f}".replace("-", "−")
