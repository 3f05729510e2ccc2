"""The report: the verdict in words, every section with and without data, nothing hostile alive."""

import matplotlib

matplotlib.use("Agg")

import io
import math
import re
from html.parser import HTMLParser

import pandas as pd
import pytest
from rich.console import Console

from rag_study import effects, plots, report
from rag_study.effects import COMPARISON_COLUMNS

pytestmark = pytest.mark.filterwarnings("error")

RUN = {
    **{"dataset": "fictional", "model": "tiny", "prompting": "default"},
    **{"retriever": "dense", "chunk_size": 192, "top_k": 3},
}
WEAK = {"judge": "weak", "valid": False, "auc": 0.51, "auc_low": 0.40, "auc_high": 0.62, "n": 60}
STRONG = {"judge": "strong", "valid": True, "auc": 0.97, "auc_low": 0.93, "auc_high": 0.99, "n": 60}
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}


def comparison(verdict, difference=-0.05, size=200, **changes):
    row = {**RUN, "method": "lora", "train_format": "closed_book", "train_size": size, "seed": 0}
    row |= {"context": "retrieved", "metric": "answer_recall", "judge": ""}
    row |= {"n_questions": 40, "n_clusters": 25, "mean_base": 0.40, "mean_tuned": 0.40 + difference}
    row |= {"difference": difference, "ci_low": difference - 0.1, "ci_high": difference + 0.1}
    row |= {"ci90_low": difference - 0.08, "ci90_high": difference + 0.08, "p_value": 0.3}
    row |= {"p_holm": 0.3, "effect_size": 0.1, "mde": 0.15, "primary": True, "margin": 0.03}
    row |= {"n_needed": 587.0 if verdict == "cannot tell" else math.nan}
    return row | {"verdict": verdict, "reason": "the reason"} | changes


def table(*rows):
    return pd.DataFrame(rows, columns=COMPARISON_COLUMNS)


def study(*rows, **changes):
    return report.StudyResults(study={"name": "demo"}, comparisons=table(*rows), **changes)


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
                for judge in judges:
                    scores = {"judge_accuracy": 1 + 4 * right, "judge_completeness": 3.0}
                    rows.append({**row, "judge": judge, **scores})
    return pd.DataFrame(rows)


def full_study(frame, checks=(WEAK,), **changes):
    valid = {check["judge"]: check["valid"] for check in checks}
    return report.StudyResults(
        study={"name": "demo", "models": ["tiny"], "seeds": [0]},
        results=frame,
        summary=effects.summarise(frame, 200),
        comparisons=effects.compare(
            frame, ["retrieved"], ["judge_accuracy"], ["answer_recall"], {}, valid, 200
        ),
        interactions=effects.interactions(frame, 200),
        judge_checks=checks,
        **changes,
    )


class Page(HTMLParser):
    """Checks that tags are balanced and collects text, tags and attributes."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.text = [], [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("script", "style"):
            self.text.append(data)

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


def build(results, tmp_path):
    path = report.build_report(results, tmp_path / "report.html")
    return path.read_text(encoding="utf-8")


# --- The headline -------------------------------------------------------------------------------


def test_headline_of_an_undecided_comparison():
    text = report.headline(study(comparison("cannot tell"), judge_checks=[WEAK]))
    assert text == (
        "Cannot tell yet. With retrieved passages, LoRA on 200 examples trained closed-book "
        "changed answer recall by −0.05 (95 % interval −0.15 to +0.05, 40 questions); about "
        "590 questions would settle it. The verdict rests on answer recall, measured against the "
        "reference answers, because the judge weak (it ranks a right above a wrong answer in 51 % "
        "of pairs; 50 % is guessing) did not pass its check."
    )


@pytest.mark.parametrize(
    ("row", "start", "phrase"),
    [
        (comparison("helps", 0.2), "Helps.", "raised answer recall by +0.20 (95 % interval"),
        (comparison("hurts", -0.2), "Hurts.", "lowered answer recall by −0.20 (95 % interval"),
        (
            comparison("no difference that matters", 0.0),
            "No difference that matters.",
            "its 90 % interval lies inside the margin of ±0.03",
        ),
        (
            comparison("cannot tell", n_needed=math.nan),
            "Cannot tell yet.",
            "too close to the margin",
        ),
        (
            comparison("no verdict", n_clusters=12),
            "No verdict.",
            "12 independent groups of questions are too few, a verdict needs 20",
        ),
        (comparison("no verdict", margin=math.nan), "No verdict.", "declares no margin"),
        (
            comparison(
                "no verdict", n_clusters=1, n_questions=1, ci_low=math.nan, ci_high=math.nan
            ),
            "No verdict.",
            "(no interval can be computed, 1 question)",
        ),
    ],
)
def test_headline_for_each_verdict(row, start, phrase):
    text = report.headline(study(row))
    assert text.startswith(start)
    assert phrase in text
    assert "nan" not in text
    assert len(sentences(text)) == 3
    assert text.endswith("because the study has no judge.")


@pytest.mark.parametrize(
    ("verdicts", "start"),
    [
        (
            ["hurts", "hurts"],
            "Hurts, in all of the 2 primary comparisons (all trained closed-book).",
        ),
        (["cannot tell"] * 3, "Cannot tell yet, in any of the 3 primary comparisons"),
        (
            ["hurts", "cannot tell", "cannot tell", "no verdict"],
            "Hurts in 1 of 4 primary comparisons (all trained closed-book); 2 cannot be told yet; "
            "1 without a verdict.",
        ),
        (
            ["helps", "hurts", "no difference that matters"],
            "Mixed: helps in 1 and hurts in 1 of 3 primary comparisons (all trained closed-book); "
            "no difference that matters in 1.",
        ),
        (
            ["no difference that matters", "cannot tell"],
            "No difference that matters in 1 of 2 primary comparisons (all trained closed-book); "
            "1 cannot be told yet.",
        ),
    ],
)
def test_headline_sums_up_several_states(verdicts, start):
    rows = [comparison(verdict, -0.05 - i / 100, size=50 + i) for i, verdict in enumerate(verdicts)]
    text = report.headline(study(*rows))
    assert text.startswith(start)
    assert len(sentences(text)) == 3


def test_headline_takes_the_largest_change_among_the_most_telling_verdicts():
    rows = [
        comparison("cannot tell", -0.9, size=50),
        comparison("hurts", -0.2, size=100, dataset="nq"),
        comparison("hurts", -0.3, size=500, dataset="qasper"),
    ]
    text = report.headline(study(*rows))
    assert (
        "LoRA on 500 examples trained closed-book lowered answer recall on qasper by −0.30" in text
    )


def test_headline_names_a_valid_judge_as_what_carries_the_verdict():
    row = comparison("hurts", -0.5, metric="judge_accuracy", judge="strong", margin=0.25)
    text = report.headline(study(row, judge_checks=[STRONG]))
    assert "rests on accuracy (judge) as scored by strong (it ranks a right above a wrong" in text
    assert "97 % of pairs" in text
    assert text.endswith("which passed its check.")


def test_headline_without_anything_to_compare():
    missing = [{"run_id": "a", "stage": "fine_tune", "state": "failed", "message": "memory"}]
    assert report.headline(study()) == (
        "No answer yet. No trained model could be compared with its base model."
    )
    text = report.headline(report.StudyResults(study={"name": "x"}, missing=missing))
    assert text.endswith("with its base model; 1 run failed or did not finish.")


def test_headline_without_primary_comparisons():
    row = comparison(
        "",
        metric="judge_accuracy",
        judge="weak",
        primary=False,
        reason="judge weak did not pass its check",
    )
    text = report.headline(study(row, judge_checks=[WEAK]))
    assert text.startswith("No verdict. 1 difference between trained and base models was computed")
    assert "weak" in text


@pytest.mark.parametrize(("value", "text"), [(587, "590"), (41, "41"), (4_210, "4,300"), (7, "7")])
def test_question_numbers_are_rounded_up(value, text):
    assert report.rounded_up(value) == text


# --- The page -----------------------------------------------------------------------------------


def test_full_report_stands_alone_and_begins_with_the_verdict(tmp_path):
    frame = answers()
    summary = effects.summarise(frame, 200)
    png = plots.save(
        plots.train_size_curves(summary, "answer_recall", "retrieved", 0.03), tmp_path, "curve"
    )
    provenance = [
        {"run_id": "p1", "stage": "fine_tune", "wall_seconds": 90.0, "peak_memory_mb": 800.0}
        | {"python": "3.11.4", "versions": {"torch": "2.8.0", "absent": None}},
        {"run_id": "p2", "stage": "fine_tune", "wall_seconds": 30.0, "peak_memory_mb": 1900.0}
        | {"python": "3.11.4"},
    ]
    results = full_study(
        frame,
        figures={"Answer recall by training examples": png},
        provenance=provenance,
        notes=["The data set fictional is invented."],
    )
    html = build(results, tmp_path)
    page = Page(html)
    words = page.words
    assert words.index(report.headline(results)) < words.index(
        "The data set fictional is invented."
    )
    assert re.findall(r"<h2[^>]*>(.*?)</h2>", html) == [
        "What training changed",
        "Can the judge be believed?",
        "Figures",
        "Retrieval",
        "Means",
        "Does training change how much passages help?",
        "Largest gains and losses",
        "Limits",
        "How it was made",
    ]
    assert words.index("The data set fictional is invented.") < words.index("Trained minus base")
    assert html.index("<img") < html.index('id="effects"')
    (image,) = [attrs for tag, attrs in page.tags if tag == "img"]
    assert image["src"].startswith("data:image/png;base64,")
    assert "Answer recall by training examples" in image["alt"]
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:|#)""", html)
    assert "url(" not in html
    assert "http:" not in html.replace("http-equiv", "")
    assert "https:" not in html
    assert "trained closed-book" in words
    assert "One training seed per model state" in words
    assert "fine_tune 2 2 min 0 s 1 min 30 s 1,900 MB" in words
    assert "versions: torch 2.8.0" in words
    assert "models: - tiny" in words
    assert len(html) < 5_000_000
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".html"] == ["report.html"]


def test_primary_comparisons_come_first_with_their_verdict_and_reason(tmp_path):
    other = comparison("", 0.123, metric="token_f1", primary=False, reason="not primary")
    html = build(study(other, comparison("hurts", -0.2, reason="because of this")), tmp_path)
    words = Page(html).words
    assert '<span class="verdict hurts">hurts</span>' in html
    assert "because of this" in words
    assert html.index("−0.20") < html.index("+0.12")
    assert "1 other difference (descriptive" in words


def test_an_invalid_judge_is_marked_wherever_its_scores_stand(tmp_path):
    figures = {"Accuracy (judge) by context": tmp_path / "gone.png"}
    html = build(full_study(answers(), figures=figures), tmp_path)
    page = Page(html)
    effects_section, rest = html.split('id="judge"')
    rows = [row for row in effects_section.split("<tr")[1:] if "Accuracy (judge)" in row]
    assert len(rows) == 4
    assert all("doubtful" in row and "not valid" in row for row in rows)
    means = rest.split('id="tables"')[1].split("</thead>")[0]
    assert means.count('<b class="invalid">not valid</b>') == 2
    assert "AUC 0.51 (0.40 to 0.62)" in page.words
    interactions = rest.split('id="interactions"')[1].split("</table>")[0]
    assert interactions.count("doubtful") == interactions.count("(judge)") == 4
    assert "uses a judge that is not valid" in page.words
    assert "This figure could not be drawn." in page.words


def test_a_judge_that_nobody_checked_is_not_valid(tmp_path):
    frame = answers()
    results = full_study(frame, checks=())
    assert results.invalid_judges == {"weak"}
    assert "no check of this judge was found" in Page(build(results, tmp_path)).words


def test_missing_runs_are_listed_and_never_zero(tmp_path):
    missing = [
        {"run_id": "fine_tune/lora-1000", "stage": "fine_tune", "state": "timeout"},
        {"run_id": "judge/x", "stage": "judge", "state": "failed", "message": "no memory <left>"},
    ]
    words = Page(build(full_study(answers(), missing=missing), tmp_path)).words
    assert "2 runs without a result" in words
    assert "fine_tune/lora-1000 fine_tune timeout" in words
    assert "no memory <left>" in words
    assert "(1 failed, 1 timeout)" in words
    assert "LoRA 1000" not in words


def test_hostile_text_does_nothing(tmp_path):
    attack = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 7 }}</pre>'
    frame = answers()
    for column in ("answer", "question", "reference"):
        frame[column] = attack
    frame["model"] = frame["dataset"] = attack
    html = build(
        full_study(
            frame,
            notes=[attack],
            missing=[{"run_id": attack, "stage": attack, "state": attack, "message": attack}],
            provenance=[{"run_id": attack, "stage": attack, attack: attack}],
            figures={attack: tmp_path / "none.png"},
        ),
        tmp_path,
    )
    page = Page(html)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not any(tag == "img" for tag, _ in page.tags)
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert attack in page.words
    assert "default-src 'none'" in html


def test_examples_show_the_largest_losses_of_the_carrying_metric():
    found = report.examples(full_study(answers()))
    assert found["gains"] == []
    # Right at first (i % 3 > 0) and then wrong (i % 5 == 0): 5, 10, 20, 25.
    assert [row["id"] for row in found["losses"]] == ["q005", "q010", "q020", "q025"]
    first = found["losses"][0]
    assert (first["base"], first["base_score"]) == ("answer 5 of 0", "1.00")
    assert first["tuned"].startswith("answer 5 of ")
    assert first["tuned_score"] == "0.00"
    assert "0 scored higher and 4 lower" in found["about"]


def test_examples_are_of_one_judge_and_limited_in_number():
    frame = answers(60, judges=("strong", "weak"))
    found = report.examples(full_study(frame, checks=(STRONG, WEAK)))
    assert found["about"].startswith("Accuracy (judge), with retrieved passages")
    assert len(found["losses"]) == report.EXAMPLES
    assert len({row["id"] for row in found["losses"]}) == report.EXAMPLES


def test_limits_report_the_share_of_answers_that_were_cut():
    text = " ".join(report.limits(full_study(answers())))
    assert "1.1 % of all answers were cut at the token limit, at most 3.3 % (LoRA 200" in text
    assert "The judge weak is not valid" in text
    assert "The smallest comparison has 30 questions in 30 independent groups" in text


def test_what_could_not_be_compared_is_among_the_limits():
    frame = answers()
    frame = frame[frame["method"] != "none"]
    results = full_study(frame)
    skipped = results.comparisons.attrs["skipped"]
    assert skipped
    assert set(skipped) <= set(report.limits(results))


def without_scores():
    frame = answers()
    scores = ["exact_match", "token_f1", "rouge_l", "answer_recall", "truncated", "answer_length"]
    frame[[*scores, "judge_accuracy", "judge_completeness"]] = math.nan
    return frame


@pytest.mark.parametrize(
    "results",
    [
        report.StudyResults(study={}),
        study(),
        study(comparison("no verdict", **dict.fromkeys(("ci_low", "ci_high", "mde"), math.nan))),
        full_study(answers(1)),
        full_study(answers(1), checks=()),
        full_study(without_scores()),
        full_study(answers().query("method == 'none'")),
        full_study(answers().query("context == 'retrieved'")),
        full_study(answers().assign(answer=None)),
        full_study(
            pd.concat(
                answers().assign(model=model, dataset=dataset)
                for model in ("a", "b")
                for dataset in ("nq", "qasper")
            )
        ),
        full_study(answers(), checks=[{"judge": "weak", "valid": False, "auc": math.nan}]),
    ],
)
def test_reports_of_incomplete_studies(results, tmp_path):
    page = Page(build(results, tmp_path))
    assert not re.search(r"\b(nan|None|inf)\b", page.words)
    assert 1 < len(sentences(report.headline(results))) <= 3
    Console(width=100, file=io.StringIO()).print(report.effects_table(results.comparisons))


def test_an_empty_study_says_what_cannot_be_computed(tmp_path):
    words = Page(build(report.StudyResults(study={"name": "empty"}), tmp_path)).words
    for sentence in (
        "differences cannot be computed",
        "No judge was checked.",
        "There are no figures.",
        "Retrieval was not measured.",
        "No answers were scored",
        "There is no comparison to take examples from.",
        "The share of answers cut at the token limit is not known.",
        "Wall time and memory were not recorded.",
    ):
        assert sentence in words
    assert "Every run of the study gave a result." not in words


def test_figures_beyond_the_size_limit_are_named_not_embedded(tmp_path, monkeypatch):
    figures = {}
    for name in ("first", "second"):
        figures[name] = tmp_path / f"{name}.png"
        figures[name].write_bytes(b"\x89PNG" + bytes(100))
    monkeypatch.setattr(report, "FIGURE_BYTES", 150)
    html = build(study(figures=figures), tmp_path)
    assert html.count("data:image/png") == 1
    assert "see second.png" in html


def test_a_failed_rendering_leaves_the_old_report(tmp_path, monkeypatch):
    build(study(), tmp_path)
    before = (tmp_path / "report.html").read_bytes()
    monkeypatch.setattr(report.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        build(study(comparison("hurts")), tmp_path)
    assert (tmp_path / "report.html").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


# --- The terminal -------------------------------------------------------------------------------


def printed(comparisons, **options):
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(report.effects_table(comparisons, **options))
    return console.export_text()


def test_terminal_table_has_primary_rows_first_and_fits():
    rows = [comparison("", 0.1, size=i, metric="token_f1", primary=False) for i in range(1, 31)]
    rows += [
        comparison("hurts", -0.2, size=500),
        comparison("", primary=False, metric="judge_accuracy", judge="weak")
        | {"reason": "judge weak did not pass its check", "size": 5},
    ]
    text = printed(table(*rows), most_others=4)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    first = next(line for line in lines if "LoRA" in line)
    assert re.search(
        r"LoRA 500 +retrieved +Answer recall +0.40 → 0.20 +−0.20 \(−0.30, −0.10\)", first
    )
    assert first.rstrip().endswith("hurts")
    assert text.count("LoRA") == 5
    assert "and 27 other differences" in text


def test_terminal_table_shows_brackets_in_names_as_they_are():
    rows = [comparison("helps", model="[bold]a"), comparison("helps", model="b")]
    assert "[bold]a" in printed(table(*rows))


def test_terminal_table_without_comparisons_says_so():
    assert "No trained model could be compared" in printed(table())
