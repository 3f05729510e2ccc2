"""People's tags in the report: from the file to the section, with what is wrong about it."""

import pandas as pd
from study_tables import answers, full_study

from rag_study.analysis.tag_effects import tag_tables
from rag_study.report import page
from rag_study.study.answer_tags import Tags, answer_id

HOSTILE = "<script>alert(1)</script>"


def built(frame, tags, tmp_path):
    counts, effects = tag_tables(frame, tags)
    results = full_study(frame, tag_counts=counts, tag_effects=effects)
    return page.build_report(results, tmp_path / "report.html").read_text("utf-8")


def tagged(frame, tag, n):
    """The first n questions with retrieved passages: the trained state of 200 has the tag."""
    rows = frame[(frame["context"] == "retrieved") & frame["train_size"].isin([0, 200])]
    rows = rows[rows["question_id"] < f"q{n:03d}"]
    given = {}
    for row in rows.itertuples():
        said = frozenset({tag} if row.train_size else set())
        given[answer_id(row.dataset, row.context, row.question_id, row.answer)] = {"Ann": said}
    return Tags(given)


def test_the_section_has_test_and_counts_and_is_in_the_contents(tmp_path):
    frame = answers(10)
    html = built(frame, tagged(frame, HOSTILE, 6), tmp_path)
    assert "<script>alert" not in html
    assert '<a href="#tags">People\'s tags</a>' in html[: html.index("</nav>")]
    section = html.split('<h2 id="tags">')[1].split('<h2 id="')[0]
    assert "Exploratory" in section
    rows = [pd.Series(row.split("<td")[1:]).str.extract(">([^<]*)<")[0].tolist()
            for row in section.split("<tr>")[1:] if "<td" in row]  # fmt: skip
    assert rows[0][:2] == ["LoRA 200", "with retrieved passages"]
    assert rows[0][3:] == ["0", "6", "0", "6", "+100.0", "0.031", "0.031", "6", "6"]
    assert ["base", "with retrieved passages", "ok", "6", "100 %", "6", "10"] in rows


def test_what_is_missing_is_said(tmp_path):
    frame = answers(10)
    assert 'id="tags"' not in built(frame, Tags(), tmp_path)
    seen = Tags({key: {"Ann": frozenset()} for key in tagged(frame, "x", 3).given})
    assert "There is no test yet" in built(frame, seen, tmp_path)
    spoiled = Tags(notes=["People's tags are left out. tags.csv, line 3: no <id>."])
    html = built(frame, spoiled, tmp_path)
    assert "tags.csv, line 3: no &lt;id&gt;." in html.split('<h2 id="tags">')[1]
