"""First results on the terminal while a study runs."""

import io
import re

import pandas as pd
import pytest
from rich.console import Console
from study_tables import comparison

from rag_study.analysis import provisional
from rag_study.cli import live
from rag_study.cli.first_results import HEADLINE, FirstResults
from rag_study.common.run_folder import Status
from rag_study.study import plan
from rag_study.study.running.study_run import Progress


@pytest.fixture
def progress(write_study, outputs):
    return Progress(plan.expand(write_study(fine_tuning=[{"train_size": [4, 8]}])))


@pytest.fixture
def found(monkeypatch):
    """What is known after each judged run, in their order; an exception is raised."""
    waiting = []

    def told(*_):
        rows = waiting.pop(0)
        if isinstance(rows, Exception):
            raise rows
        return pd.DataFrame(rows)

    monkeypatch.setattr(provisional, "first_effects", told)
    return waiting


def row(size, difference, **changes):
    made = comparison("helps", metric="judge_accuracy", judge="random-llama", size=size)
    numbers = {"difference": difference, "ci_low": -0.57, "ci_high": 0.12, "n_questions": 96}
    return made | numbers | {"name": f"LoRA {size}", "checked": True} | changes


def judged(progress):
    return [run for run in progress.runs if run.stage.name == "judge_answers"]


def test_a_sentence_has_difference_interval_and_questions_and_no_verdict(progress, found):
    found += [[], [row(4, -0.21)], [row(4, -0.3, checked=False), row(8, 0.5, ci_low=float("nan"))]]
    first = FirstResults(progress)
    base, small, large = judged(progress)
    assert first.after(base) == ([], "")
    assert first.after(small)[0] == [
        "LoRA 4: accuracy −0.21 (95 %: −0.57 to +0.12) on 96 questions"
    ]
    first.after(large)
    assert list(first.sentences.values()) == [
        "LoRA 4: accuracy −0.30 (95 %: −0.57 to +0.12) on 96 questions; "
        "its judge is not checked yet",
        "LoRA 8: accuracy +0.50 (no interval) on 96 questions",
    ]
    assert "helps" not in " ".join(first.sentences.values())


def test_whatever_goes_wrong_is_said_once_and_ends_nothing(progress, found):
    found += [MemoryError("no\nroom"), [row(4, 1.0)]]
    first = FirstResults(progress)
    base, small, _ = judged(progress)
    sentences, why_not = first.after(base)
    assert sentences == []
    assert "MemoryError: no room" in why_not
    assert first.after(small) == ([], "")
    assert len(found) == 1  # nobody asked again


def test_nothing_is_computed_when_the_comparison_comes_next(progress, found):
    found.append([row(4, 1.0)])
    for run in progress.runs[:-1]:
        progress.end(run, "done", Status("done"))
    assert FirstResults(progress).after(judged(progress)[-1]) == ([], "")
    assert len(found) == 1


def test_without_a_terminal_lines_are_printed(progress, found, capsys):
    found += [[row(4, -0.21)]]
    run = judged(progress)[0]
    with live.shown(progress) as tell:
        progress.end(run, "done", Status("done", seconds=1.0))
        tell("ended", run, Status("done", seconds=1.0))
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert re.fullmatch(r"0:0\d done judge_answers/.*", lines[0])
    assert re.fullmatch(r"0:0\d so far \(provisional\) LoRA 4: accuracy −0\.21 .*", lines[1])


@pytest.mark.parametrize(("height", "shown"), [(60, 30), (24, 7), (5, 1)])
def test_the_live_view_shows_as_many_as_there_is_room_for(progress, monkeypatch, height, shown):
    sentences = [
        f"LoRA {n} · trained with the gold passage: completeness −0.21 (95 %: −0.57 to +0.12) on "
        "96 questions"
        for n in range(30)
    ]
    screen = Console(width=80, height=height, record=True, file=io.StringIO())
    monkeypatch.setattr(live, "console", screen)
    screen.print(live.view(progress, sentences))
    lines = screen.export_text().splitlines()
    text = " ".join(" ".join(lines).split())
    assert HEADLINE in text
    assert len(re.findall(r"LoRA \d+ ", text)) <= shown + 1
    assert sentences[-1] in text  # the latest
    assert len(lines) <= max(height, 14)
    assert all(len(line) <= 80 for line in lines)
    for word in {word for sentence in sentences[-1:] for word in sentence.split()}:
        assert any(word in line.split() for line in lines), word
