"""The decision card: what to do with each trained recipe, why, how sure, and what next, in words.

`analysis.decision` has decided and `analysis.next_steps` advises; here it is said, once for the
page, the terminal, the notebook and Markdown.
"""

from __future__ import annotations

import math
import textwrap
from dataclasses import asdict, dataclass, replace
from typing import Any

from rag_study.analysis.decision import CUT_APART, DECISIONS, DEPLOY, KEEP, OPEN
from rag_study.analysis.pairing import BASE_COLUMNS, RUN_COLUMNS
from rag_study.analysis.states import differing, factor_words, format_label, method_label, of_people
from rag_study.analysis.study_results import StudyResults
from rag_study.analysis.verdicts import planning_words
from rag_study.common.shown import markdown
from rag_study.common.wording import counted, is_number, number, rounded_up, signed
from rag_study.evaluation.metrics import Metrics
from rag_study.report.advice import step_rows
from rag_study.report.basis import basis
from rag_study.report.headline import headline_parts
from rag_study.report.verdict_looks import DECISION_LOOKS

# Of more recipes the others are folded in the page, and counted elsewhere.
SHOWN = 4
_TITLES = ("Right answers", "Cost", "Outside the task")
_STEP = ("rank", "sentence", "lines", "command", "time")
_INDENT = "  "


@dataclass(frozen=True)
class Row:
    """A recipe on the card. `why` and `change` are sentences, `change` of what would change the
    decision; `right`, `cost` and `outside` the three numbers with their units; `beside` what else
    has to be seen ('' where nothing), `believed` what the verdict rests on."""

    name: str
    decision: str
    why: str
    change: str
    right: str
    cost: str
    outside: str
    beside: str
    believed: str

    @property
    def css(self) -> str:
        return DECISION_LOOKS[self.decision].css

    @property
    def numbers(self) -> list[tuple[str, str]]:
        return list(zip(_TITLES, (self.right, self.cost, self.outside), strict=True))


@dataclass(frozen=True)
class Card:
    """`answer` says what to do in a sentence, `decision` is its word ('' without any recipe);
    `steps` have _STEP of the rows of `advice.step_rows`, the first of which is the next one;
    `right_means` says what counts as a right answer ('' where that was not counted)."""

    answer: str
    decision: str
    rows: list[Row]
    steps: list[dict[str, Any]]
    right_means: str

    @property
    def believed(self) -> list[str]:
        """What the verdicts rest on, each sentence once."""
        return list(dict.fromkeys(row.believed for row in self.rows))

    @property
    def css(self) -> str:
        return DECISION_LOOKS[self.decision].css if self.decision else "none"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, entries: dict[str, Any]) -> Card:
        return cls(**{**entries, "rows": [Row(**row) for row in entries["rows"]]})


def card_of(results: StudyResults) -> Card:
    """The card of a study's results, with its table `decisions` and `next_steps`."""
    steps = [{name: row[name] for name in _STEP} for row in step_rows(results.next_steps)]
    table = results.decisions
    if table.empty:
        return Card(headline_parts(results)[0], "", [], steps, "")
    factors = differing(table.assign(seed=0), [*BASE_COLUMNS, "variant"])
    rows = [_row(row, factors, results) for row in table.to_dict("records")]
    means = next((m for m in table["right_means"] if m), "")
    return Card(_answer(rows, results.written), rows[0].decision, rows, steps, means)


def _answer(rows: list[Row], written: str) -> str:
    """What to do, in a sentence."""
    count = counted(len(rows), "training")
    by = {what: [row for row in rows if row.decision == what] for what in DECISIONS}
    if best := by[DEPLOY]:
        better = f"{len(best)} of {count} {'is' if len(best) == 1 else 'are'} better than the base"
        others = f" ({better})" if len(rows) > 1 else ""
        text = f"Deploy {best[0].name}{others}."
    elif len(by[KEEP]) == len(rows):
        which = "the training is not" if len(rows) == 1 else f"none of {count} is"
        text = f"Keep the base model: {which} worth deploying."
    elif len(by[OPEN]) == len(rows):
        which = "the training helps" if len(rows) == 1 else f"any of {count} helps"
        text = f"Keep the base model for now: it is not proven that {which}."
    else:
        text = (
            f"Keep the base model for now: nothing is proven about {len(by[OPEN])} of {count}, and "
            "nothing speaks for the others."
        )
    return f"{text[:-1]}, {written}." if written else text


def _row(row: dict[str, Any], factors: list[str], results: StudyResults) -> Row:
    metrics = results.metrics
    return Row(
        _name(row, factors),
        row["decision"],
        _why(row, metrics) + _people_words(row),
        _change(row, metrics),
        _right(row, metrics),
        _cost(row),
        _outside(row, metrics),
        _cut(row),
        _believed(row, results),
    )


def _name(row: dict[str, Any], factors: list[str]) -> str:
    several = is_number(row["n_seeds"]) and row["n_seeds"] > 1
    seeds = f"{row['n_seeds']:.0f} seeds" if several else ""
    words = [
        f"{method_label(row['method'])} on {counted(int(row['train_size']), 'example')}",
        format_label(row["train_format"]),
        *factor_words(row, factors),
        seeds,
    ]
    return ", ".join(dict.fromkeys(filter(None, words)))


# --- Why, and what would change it ----------------------------------------------------------------


def _why(row: dict[str, Any], metrics: Metrics) -> str:
    metric, margin = _metric(row, metrics), _margin(row)
    size, between = number(abs(row["difference"])), _between(row)
    match row["cause"]:
        case "worse":
            return f"{metric} got worse by {size} ({between}); {margin} matters."
        case "better":
            rest = "what it costs outside the task was not measured"
            if row["outside_metric"]:
                rest = "no loss outside the task was seen that does"
            return f"{metric} got better by {size} ({between}); {margin} matters, and {rest}."
        case "forgets":
            return (
                f"It forgets what lies outside the task: {metrics.in_text(row['outside_metric'])} "
                f"went from {number(row['outside_base'])} to {number(row['outside_tuned'])}, more "
                f"than chance explains. {_on_task(row, metrics)}"
            )
        case "same":
            return (
                f"Nothing that matters changed: {_in_text(row, metrics)} by "
                f"{signed(row['difference'])} ({between}); {margin} would matter. It costs a "
                "training and brings nothing."
            )
        case "people disagree":
            return (
                f"People's labels contradict the judge {row['judge']}, by whom "
                f"{_in_text(row, metrics)} changed by {signed(row['difference'])}; they are too "
                "few to decide themselves."
            )
        case "judge unfair":
            return (
                "The scores do not treat the answers of base and trained model alike "
                f"({row['judge_unfair']}), so a change of style may look like one of substance."
            )
        case "no verdict" if not row["n_primary"]:
            return "Nothing that the study declared beforehand could carry a verdict."
        case "no verdict":
            return f"There is no verdict: {row['reason']}."
    return _on_task(row, metrics)


def _on_task(row: dict[str, Any], metrics: Metrics) -> str:
    if row["verdict"] != "cannot tell":
        verdict = row["verdict"] or "no verdict"
        return f"On the task itself: {verdict}, {_in_text(row, metrics)}."
    rose = ""
    if row["n_helps"]:
        rose = f"{int(row['n_helps'])} of {row['n_primary']} declared measures got better, but "
    what = _in_text(row, metrics) if rose else _metric(row, metrics)
    return (
        f"{rose}{what} changed by {signed(row['difference'])} on "
        f"{counted(int(row['n_questions']), 'question')}: the truth may be anything from "
        f"{_signed_ends(row)}, and {_margin(row)} matters."
    )


def _people_words(row: dict[str, Any]) -> str:
    if not row["people_disagree"] or row["cause"] == "people disagree":
        return ""
    return " People's labels contradict the judge here, so the decision follows the labels."


def _change(row: dict[str, Any], metrics: Metrics) -> str:
    """What would change the decision."""
    match row["cause"]:
        case "better":
            seed = "another seed, " if row["n_seeds"] == 1 else ""
            return f"Other documents or questions, {seed}or a loss that nobody measured."
        case "worse" | "same":
            return "Another way of training or other data; not more questions on this one."
        case "forgets":
            return "A training that forgets less."
        case "people disagree":
            return "More labels by people (rag-study label)."
        case "judge unfair":
            return "Labels by people (rag-study label), or a judge that passes the audit."
        case "no verdict":
            if not row["n_primary"]:
                return "Scores that can be believed on these answers; what is amiss stands below."
            return "What the reason names."
    if row["settles"] != planning_words(row):  # labels, or the looks to come
        return f"{row['settles'][:1].upper()}{row['settles'][1:]}."
    none, twice = row["n_no_difference"], row["n_twice_margin"]
    parts = []
    if is_number(none):
        parts.append(f"about {rounded_up(none)} would show that nothing which matters changed")
    if is_number(twice):
        parts.append(f"about {rounded_up(twice)} a true change of {number(2 * row['margin'])}")
    if not parts and row["n_seeds"] > 1:
        return "More seeds: they differ too much for more questions to settle it."
    if not parts:
        return "Hardly more questions: the margin is too small for what so few can show."
    return f"More questions: {', '.join(parts)}; choose the number before you look again."


def _metric(row: dict[str, Any], metrics: Metrics) -> str:
    text = _in_text(row, metrics)
    return f"{text[:1].upper()}{text[1:]}"


def _in_text(row: dict[str, Any], metrics: Metrics) -> str:
    if not row["metric"]:
        return "nothing that was declared"
    name = of_people(metrics.in_text(row["metric"]), row["judge"])
    low, high = metrics[row["metric"]].limits
    scale = f" ({low:g} to {high:g})" if math.isfinite(high) else ""
    return f"{name.removesuffix(' (judge)')}{scale}"  # what the verdict rests on is said below


def _margin(row: dict[str, Any]) -> str:
    return f"{row['margin']:g} or more" if is_number(row["margin"]) else "no size"


def _between(row: dict[str, Any]) -> str:
    if not is_number(row["ci_low"]):
        return "no interval"
    low, high = sorted((abs(row["ci_low"]), abs(row["ci_high"])))
    if row["cause"] in ("better", "worse") and row["ci_low"] * row["ci_high"] > 0:
        return f"95 % interval {number(low)} to {number(high)}"
    return f"95 % interval {_signed_ends(row)}"


def _signed_ends(row: dict[str, Any]) -> str:
    return f"{signed(row['ci_low'])} to {signed(row['ci_high'])}"


# --- The three numbers, and what stands beside ----------------------------------------------------


def _right(row: dict[str, Any], metrics: Metrics) -> str:
    before, after, n = row["right_base"], row["right_tuned"], row["right_questions"]
    if is_number(before):
        shares = f"{_percent(before)} → {_percent(after)}"
        whole = [share * n for share in (before, after)]
        if all(abs(value - round(value)) < 1e-6 for value in whole):
            return f"{shares} ({whole[0]:.0f} → {whole[1]:.0f} of {n:.0f})"
        return f"{shares} of {n:.0f} questions"
    if is_number(row["mean_base"]):
        means = f"{number(row['mean_base'])} → {number(row['mean_tuned'])}"
        return f"{_metric(row, metrics)} {means}"
    return "not known"


def _cost(row: dict[str, Any]) -> str:
    parts = []
    if is_number(row["training_minutes"]):
        parts.append(f"training {_duration(60 * row['training_minutes'])}")
    if is_number(row["seconds_base"]) and is_number(row["seconds_tuned"]):
        each = f"{number(row['seconds_base'])} → {number(row['seconds_tuned'])}\u00a0s"
        parts.append(f"one answer {each}")
    return "; ".join(parts)


def _outside(row: dict[str, Any], metrics: Metrics) -> str:
    if not row["outside_metric"]:
        return "not measured"
    loss = "a loss" if row["outside_matters"] else "a loss below what matters"
    found = loss if row["outside_shown"] else "no loss shown"
    means = f"{number(row['outside_base'])} → {number(row['outside_tuned'])}"
    # Without the unit: two means and what is to be thought of them.
    return f"{metrics.label(row['outside_metric']).partition(' (')[0]} {means} ({found})"


def _cut(row: dict[str, Any]) -> str:
    base, tuned = row["cut_base"], row["cut_tuned"]
    if not is_number(base) or not is_number(tuned) or abs(base - tuned) < CUT_APART - 1e-9:
        return ""
    return (
        f"Cut at the length limit: {_percent(base)} of the base's answers, {_percent(tuned)} of "
        "the trained model's; part of the change may be that. A higher limit would tell."
    )


def _believed(row: dict[str, Any], results: StudyResults) -> str:
    """What the verdict on this recipe rests on, and how far that is to be believed."""
    table = results.comparisons
    same = table["train_size"] > 0
    for name in (name for name in RUN_COLUMNS if name != "seed"):
        same &= table[name] == row[name]
    return basis(replace(results, comparisons=table[same]))


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f}\u00a0s"
    return f"{seconds / 60:.0f}\u00a0min" if seconds < 5400 else f"{seconds / 3600:.1f}\u00a0h"


# --- As text --------------------------------------------------------------------------------------


def card_text(card: Card, width: int = 80, most: int = SHOWN) -> str:
    """The card as lines of at most `width` characters, broken between words; what is to be copied
    is not broken."""
    lines = _wrapped(card.answer, width)
    for row in card.rows[:most]:
        lines += ["", *_wrapped(f"{row.decision.upper()}  {row.name}", width)]
        lines += _wrapped(row.why, width, _INDENT)
        if row.beside:
            lines += _wrapped(row.beside, width, _INDENT)
        facts = [*row.numbers, ("What would change it", row.change)]
        for title, text in facts:
            lines += _wrapped(f"{title}: {text}", width, _INDENT, 4) if text else []
    if len(card.rows) > most:
        lines += ["", f"{counted(len(card.rows) - most, 'further training')}: see the report."]
    for sentence in card.believed:
        lines += ["", *_wrapped(sentence, width)]
    if card.right_means:
        lines += _wrapped(f"Right: {card.right_means}.", width)
    return "\n".join(lines)


def _wrapped(text: str, width: int, indent: str = "", hanging: int = 0) -> list[str]:
    lines = textwrap.wrap(
        text.replace(" %", "\u00a0%"),
        width,
        initial_indent=indent,
        subsequent_indent=indent + " " * hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace("\u00a0%", " %") for line in lines]


def card_markdown(card: Card, title: str) -> str:
    """The card for a ticket."""
    lines = [f"## {markdown(title)}", "", f"**{markdown(card.answer)}**", ""]
    if card.rows:
        lines += ["| decision | training | why | " + " | ".join(_TITLES) + " |", "|---" * 6 + "|"]
    for row in card.rows:
        why = " ".join(filter(None, (row.why, row.beside)))
        cells = [row.name, why, *(text for _, text in row.numbers)]
        lines.append(f"| **{row.decision}** | " + " | ".join(map(markdown, cells)) + " |")
    lines += ["", *(f"{markdown(sentence)}\n" for sentence in card.believed)]
    if card.right_means:
        lines += [f"Right: {markdown(card.right_means)}.", ""]
    for step in card.steps[:1]:
        lines += [f"**Next.** {markdown(step['sentence'])} {step['time']}".rstrip(), ""]
        if code := "\n\n".join(filter(None, (step["lines"], step["command"]))):
            lines += ["```", code, "```", ""]
    return "\n".join(lines)
