"""The report on paper: three pages by a browser that is here, or one sentence."""

import re
import shutil

import pytest
from study_tables import answers, full_study

from rag_study.common.errors import StudyError
from rag_study.report import page, pdf


def report(tmp_path):
    return page.build_report(full_study(answers()), tmp_path / "report.html")


@pytest.mark.skipif(not any(map(shutil.which, pdf.BROWSERS)), reason="no Chromium here")
def test_a_report_of_two_trainings_has_three_pages_with_everything_folded_left_out(tmp_path):
    made_from = report(tmp_path)
    assert pdf._MAKING in made_from.read_text(encoding="utf-8")  # which is opened for the paper
    pdf.print_report(made_from, tmp_path / "report.pdf")
    made = (tmp_path / "report.pdf").read_bytes()
    assert made.startswith(b"%PDF")
    assert 2 <= len(re.findall(rb"/Type\s*/Page[^s]", made)) <= 3  # without a figure two


def test_without_a_browser_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(StudyError, match="Install Chromium, or open the page in any browser"):
        pdf.print_report(report(tmp_path), tmp_path / "report.pdf")
    assert not (tmp_path / "report.pdf").exists()


def test_a_browser_that_fails_is_named_with_what_it_said(tmp_path, monkeypatch):
    failing = tmp_path / "chromium"
    failing.write_text("#!/bin/sh\necho no display >&2\nexit 1\n")
    failing.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    page_file = report(tmp_path)
    with pytest.raises(StudyError, match=r"chromium could not print .*report\.html: no display"):
        pdf.print_report(page_file, tmp_path / "report.pdf")
