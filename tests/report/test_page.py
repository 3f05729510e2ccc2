"""The report: every section with and without data, nothing hostile alive."""

import matplotlib

matplotlib.use("Agg")

import io
import math
import re
from html.parser import HTMLParser

import pandas as pd
import pytest
from rich.console import Console
from study_tables import (
    STRONG,
    WEAK,
    answers,
    comparison,
    full_study,
    sentences,
    study,
    with_evidence,
)

from rag_study.analysis import effects
from rag_study.analysis.study_results import StudyResults
from rag_study.report import page as report
from rag_study.report import plots
from rag_study.report.card import card_of
from rag_study.report.headline import headline
from rag_study.report.limits import limits
from rag_study.report.tables import effects_table

pytestmark = pytest.mark.filterwarnings("error")

VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}


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


def test_full_report_stands_alone_and_begins_with_the_decision(tmp_path):
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
    assert words.index(headline(results)) < words.index("The data set fictional is invented.")
    assert re.findall(r"<h2[^>]*>(.*?)</h2>", html) == [
        "What training changed",
        "The paper's claims, tested here",
        "Where answers go wrong",
        "Who fell and who rose",
        "Which questions lost most",
        "Does training change how much passages help?",
        "Does more training data help?",
        "Is it the same on every data set?",
        "Style or substance?",
        "Can the judge be believed?",
        "Figures",
        "Retrieval",
        "Means",
        "Largest gains and losses",
        "All answers",
        "Limits",
        "How it was made",
    ]
    assert words.index("The data set fictional is invented.") < words.index("Trained minus base")
    assert html.index("<img") < html.index('id="effects"')
    card = card_of(results)
    assert f'id="verdict">{card.answer}</p>' in html
    assert words.index(card.answer) < words.index(card.rows[0].why) < words.index(card.believed[0])
    assert words.index(card.believed[0]) < words.index(headline(results))
    contents = html[html.index("<nav") : html.index("</nav>")]
    for section, title in re.findall(r'<h2 id="([^"]+)">(.*?)</h2>', html):
        assert f'<a href="#{section}">{title}</a>' in contents
    (image,) = [attrs for tag, attrs in page.tags if tag == "img"]
    assert image["src"].startswith("data:image/svg+xml;base64,")
    mean = summary[(summary["train_size"] == 200) & (summary["metric"] == "answer_recall")]
    mean = mean[mean["context"] == "retrieved"]["mean"].item()
    assert f"{mean:.2f} (" in image["alt"]
    assert "with 200 examples" in image["alt"]
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:|#)""", html)
    assert "url(" not in html
    assert "http:" not in html.replace("http-equiv", "")
    assert "https:" not in html
    assert "trained without passages" in words
    assert "Each model was trained once (one seed)" in words
    assert "fine_tune 2 2 min 0 s not computed 1,900 MB" in words
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
    effects_section, rest = html.split('<h2 id="effects"')[1].split('id="claims"')
    rows = [row for row in effects_section.split("<tr")[1:] if "Accuracy (judge)" in row]
    assert len(rows) == 4
    assert all("doubtful" in row and "not trusted" in row for row in rows)
    means = rest.split('id="tables"')[1].split("</thead>")[0]
    assert means.count('<b class="invalid">not trusted</b>') == 2
    assert "AUC 0.51 (0.40 to 0.62)" in page.words
    interactions = rest.split('id="interactions"')[1].split("</table>")[0]
    assert interactions.count("doubtful") == interactions.count("(judge)") == 4
    assert "uses a judge that is not trusted" in page.words
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
    # The page's own: its script, the answers as data, and the script that shows them.
    assert [tag for tag, _ in page.tags].count("script") == 3
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


def test_examples_show_all_scores_and_the_passages_in_the_prompt(tmp_path):
    frame = answers()
    results = full_study(frame, **with_evidence(frame))
    found = report.examples(results)
    first = found["losses"][0]
    assert [passage["title"] for passage in first["passages"]] == ["d1#0", "d2#0"]
    scores = {score["metric"]: score for score in first["scores"]}
    assert scores["judge_accuracy"]["invalid"]
    assert (scores["answer_recall"]["base"], scores["answer_recall"]["tuned"]) == ("1.00", "0.00")
    html = build(results, tmp_path)
    assert "2 passages in the prompt" in Page(html).words
    assert "&lt;script&gt;alert(1)" in html


def test_examples_are_of_one_judge_and_limited_in_number():
    frame = answers(60, judges=("strong", "weak"))
    found = report.examples(full_study(frame, checks=(STRONG, WEAK)))
    assert found["about"].startswith("Accuracy (judge), with retrieved passages")
    assert len(found["losses"]) == report.EXAMPLES
    assert len({row["id"] for row in found["losses"]}) == report.EXAMPLES


def test_limits_report_the_share_of_answers_that_were_cut():
    text = " ".join(limits(full_study(answers())))
    assert "1.1 % of all answers were cut at the length limit, at most 3.3 % (LoRA 200" in text
    assert "The judge weak is not valid" in text
    assert "The smallest comparison has 30 questions in 30 independent groups" in text


NOT_SHOWN = {
    **WEAK,
    **{"status": "not shown to be valid", "shortage": "20 questions, 36 are needed"},
    **{"reason": "accuracy: was not shown to tell", "n": 20},
    **{"pools": {"test": 12, "validation": 3, "train": 5}},
}


def test_a_judge_that_was_not_shown_to_be_valid_is_not_called_invalid(tmp_path):
    results = full_study(answers(), checks=(NOT_SHOWN,))
    text = " ".join(limits(results))
    assert "weak was not shown to be valid with 20 questions, 36 are needed. Its scores" in text
    assert (
        "The check of the judge weak has 20 questions, 3 from the validation questions and 5 from "
        "the training questions. The test questions were too few" in text
    )
    assert "weak is not valid" not in text
    html = report.build_report(results, tmp_path / "report.html").read_text()
    shown = "not shown to be valid with 20 questions, 36 are needed"
    assert f'<b class="invalid">{shown}</b>' in html
    assert f"because the judge weak was {shown}" in " ".join(html.split())


def test_where_a_ladder_of_test_questions_is_from_is_not_worth_a_sentence():
    only = {**STRONG, "pools": {"test": 60, "validation": 0, "train": 0}}
    assert not [s for s in limits(full_study(answers(), checks=(only,))) if "check of" in s]


def test_what_cannot_be_done_with_the_data_is_among_the_limits():
    warnings = ["mine: the model does not know 40 % of the words."]
    assert set(warnings) <= set(limits(full_study(answers(), data_warnings=warnings)))


def test_what_could_not_be_compared_is_among_the_limits():
    frame = answers()
    frame = frame[frame["method"] != "none"]
    results = full_study(frame)
    skipped = results.comparisons.attrs["skipped"]
    assert skipped
    assert set(skipped) <= set(limits(results))


def without_scores():
    frame = answers()
    scores = ["exact_match", "token_f1", "rouge_l", "answer_recall", "truncated", "answer_length"]
    frame[[*scores, "judge_accuracy", "judge_completeness"]] = math.nan
    return frame


@pytest.mark.parametrize(
    "results",
    [
        StudyResults(study={}),
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
    assert 1 < len(sentences(headline(results))) <= 3
    Console(width=100, file=io.StringIO()).print(effects_table(results.comparisons))


def test_an_empty_study_says_what_cannot_be_computed(tmp_path):
    words = Page(build(StudyResults(study={"name": "empty"}), tmp_path)).words
    for sentence in (
        "differences cannot be computed",
        "No judge was checked.",
        "There are no figures.",
        "Retrieval was not measured.",
        "No answers were scored",
        "There is no comparison to take examples from.",
        "The share of answers cut at the length limit is not known.",
        "Wall time and memory were not recorded.",
    ):
        assert sentence in words
    assert "Every run of the study gave a result." not in words


def test_figures_beyond_the_size_limit_are_named_not_embedded(tmp_path, monkeypatch):
    figures = {}
    for name in ("first", "second"):
        figures[name] = tmp_path / f"{name}.png"
        figures[name].with_suffix(".svg").write_text(f"<svg width='72pt'>{'.' * 100}</svg>")
    monkeypatch.setattr(report, "FIGURE_BYTES", 150)
    html = build(study(figures=figures), tmp_path)
    assert html.count("data:image/svg") == 1
    assert "see second.svg" in html


def test_a_failed_rendering_leaves_the_old_report(tmp_path, monkeypatch):
    build(study(), tmp_path)
    before = (tmp_path / "report.html").read_bytes()
    full = lambda *_: (_ for _ in ()).throw(OSError("full"))  # noqa: E731
    monkeypatch.setattr("rag_study.common.files.os.replace", full)
    with pytest.raises(OSError, match="full"):
        build(study(comparison("hurts")), tmp_path)
    assert (tmp_path / "report.html").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_what_the_references_score_and_the_language_limits_are_shown(tmp_path):
    from rag_study.data.schema import Question
    from rag_study.evaluation.ceiling import ceiling

    asked = [Question("q", "Wer?", ("Ada Orn",), reference="Eine Schmiedin")]
    results = study(
        comparison("helps"),
        ceiling=ceiling(asked).assign(dataset="mills"),
        data_warnings=["mills: a judge is asked in English."],
    )
    text = report.build_report(results, tmp_path / "report.html").read_text("utf-8")
    assert "What the references themselves score" in text
    assert "mills: a judge is asked in English." in limits(results)


def test_every_table_says_where_a_model_wrote_the_questions(tmp_path):
    results = full_study(answers(), written="on questions that a model wrote")
    html = report.build_report(results, tmp_path / "report.html").read_text()
    tables = html.count('<div class="scroll"')
    note = '<p class="note">On questions that a model wrote.</p>\n<div class="scroll"'
    assert html.count(note) == tables >= 5
    Page(html)
    plain = report.build_report(full_study(answers()), tmp_path / "plain.html").read_text()
    assert "that a model wrote" not in plain


def test_the_terminal_s_table_says_so_as_well():
    rows = pd.DataFrame([comparison("helps", 0.2)])
    rows.attrs["questions"] = "on questions that a model wrote"
    assert effects_table(rows).title.endswith(", on questions that a model wrote")


def test_what_to_do_next_stands_right_after_the_verdict(tmp_path):
    frame, lines = answers(), "datasets:\n- {name: x, test_size: 300}"
    steps = pd.DataFrame(
        [
            {"rank": n, "rule": "one", "sentence": f"Step {n} has <b>{n} %</b>.", "numbers": "{}",
             "command": "rag-study run params/x.yaml" * (n == 1),
             "minutes": 12.3 if n < 3 else math.nan, "lines": lines * (n == 1)}
            for n in range(1, 7)
        ]
    )  # fmt: skip
    html = build(full_study(frame, next_steps=steps), tmp_path)
    page = Page(html)
    assert html.index('id="verdict"') < html.index('<h2 id="next"') < html.index('id="effects"')
    card = html[html.index('id="verdict"') : html.index('id="headline"')]
    section = html[html.index('<h2 id="next"') : html.index('<h2 id="effects"')]
    assert "- {name: x, test_size: 300}\n\nrag-study run params/x.yaml</pre>" in card
    assert "About 12 minutes on this machine" in page.words
    assert "<b>1 %</b>" not in card
    assert "Step 2" not in card
    assert '<ol class="steps" start="2">' in section
    assert [f"Step {n}" in section for n in range(1, 7)] == [False, *[True] * 5]
    nothing = build(full_study(frame), tmp_path)
    assert "Nothing follows from these numbers" in nothing
