"""Widgets for a person's tags on the two answers that are shown: to give and take them away, and
to see what they come to.

Tags are kept by `study.answer_tags`; everything is read again after each click, so that what others
wrote meanwhile is seen.
"""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import ipywidgets as widgets
import pandas as pd
from itables.widget import ITable

from rag_study.analysis.tag_effects import Answers
from rag_study.common import run_folder
from rag_study.common.errors import StudyError
from rag_study.common.wording import listed
from rag_study.data.splits import hash_order
from rag_study.report import tag_tables
from rag_study.report.explorer import tables
from rag_study.report.markup import within
from rag_study.study import answer_tags
from rag_study.study.answer_tags import SEEN, Change, Tags

_OFFERED = 10  # tags that were given before and can be given by a click
_HOW = (
    "Type a tag and press Enter, as many as you like; a click on one takes it away. An answer "
    "without a tag counts as looked at "
    f"only with “{SEEN}”. “Next” goes through the questions in random order: the test holds if you "
    "do not pick them by which answer is the better one."
)


class Tagging:
    """The tags of one pair of answers; display `view`, and say what is shown by `choose` and
    `show`. `go` is called with the question to show next."""

    def __init__(self, go: Callable[[str], None]) -> None:
        self.by = widgets.Text(description="Your name", value=_user(), continuous_update=False)
        self.sides = [_Side(self._changed), _Side(self._changed)]
        self.looked = widgets.Button(description="✓ Both looked at, next ▶", layout=_wide())
        self.next = widgets.Button(description="Next ▶", layout=_wide())
        self.said = widgets.HTML()
        self.back = widgets.Button(description="Put them back")
        self.leave = widgets.Button(description="They are to be gone")
        self._mend = widgets.HBox([self.back, self.leave])
        self.about = widgets.HTML()
        self.table = ITable(
            pd.DataFrame(), classes="display compact", style="width:100%;max-width:100%", maxBytes=0
        )
        self._tested = widgets.VBox([self.about, self.table])
        self._go = go
        self._study: tables.StudyAnswers | None = None
        self._answers: Answers | None = None
        self._cells: dict[str, list[dict[str, str]]] = {}
        self._question = ""
        self._tags = Tags()
        self.by.observe(lambda _: self._refresh(), names="value")
        self.looked.on_click(lambda _: self._both_looked_at())
        self.next.on_click(lambda _: self._next())
        self.back.on_click(lambda _: self._do(answer_tags.put_back))
        self.leave.on_click(lambda _: self._do(answer_tags.accept))

    @property
    def view(self) -> widgets.VBox:
        wrapped = widgets.Layout(flex_flow="row wrap")
        return widgets.VBox(
            [
                widgets.HBox([self.by, self.looked, self.next], layout=wrapped),
                *(side.view for side in self.sides),
                widgets.HTML(_paragraph(_HOW)),
                self.said,
                self._mend,
                self._tested,
            ]
        )

    def choose(
        self, study: tables.StudyAnswers, chosen: tables.Selection, questions: Iterable[str]
    ) -> None:
        """The study, the state that is compared with its base, and the questions of both."""
        if self._study is not study:
            self._study, self._answers = study, None
        self._cells = tables.answer_cells(study, chosen, questions)

    def show(self, question_id: str) -> None:
        """The question whose two answers can be tagged."""
        self._question = question_id
        self._refresh()

    def _refresh(self) -> None:
        if self._study is None:
            return
        problem = ""
        try:
            self._tags = answer_tags.read(self._folder)
        except StudyError as error:
            self._tags, problem = Tags(), str(error)
        said = [problem] if problem else self._tags.notes
        self.said.value = "".join(f"<p><b>{within(sentence)}</b></p>" for sentence in said)
        self._mend.layout.display = "" if self._tags.notes else "none"
        self.looked.disabled = bool(problem)
        base, other = self._cells[self._question]
        same = base["answer_id"] == other["answer_id"]
        for side, cells in zip(self.sides, (base, other), strict=True):
            hidden = not cells["answer_id"] or (same and cells is other)
            title = "both (the same answer)" if same else cells["state"]
            side.fill(cells, title, self._tags, self._by, hidden=hidden, locked=bool(problem))
        self._show_table()

    def _show_table(self) -> None:
        self._tested.layout.display = "" if self._tags.given else "none"
        if not self._tags.given:
            return
        self._answers = self._answers or Answers(self._study.results)
        _, effects = self._answers.tables(self._tags)
        notes = [f"{tag_tables.EFFECTS_TITLE}. Exploratory; the report has the counts as well."]
        notes += [note for note in effects.attrs["notes"] if note not in self._tags.notes]
        self.about.value = "".join(_paragraph(note) for note in notes)
        self.table.update(tag_tables.effect_numbers(effects))

    def _changed(self, cells: Mapping[str, str], add: set[str], remove: set[str]) -> None:
        self._do(
            lambda folder: answer_tags.change(
                folder, Change(cells, self._by, frozenset(add), frozenset(remove))
            )
        )

    def _both_looked_at(self) -> None:
        ids = [cells for cells in self._cells[self._question] if cells["answer_id"]]
        seen = [Change(cells, self._by, frozenset({SEEN})) for cells in ids]
        if self._do(lambda folder: answer_tags.change(folder, *seen)):
            self._next()

    def _next(self) -> None:
        """The first question, in an order that has nothing to do with scores, of which this person
        has not looked at both answers."""
        order = sorted(self._cells, key=lambda question: hash_order(str(question)))
        place = order.index(self._question)
        left = [q for q in [*order[place + 1 :], *order[:place]] if not self._has_seen(q)]
        if left:
            self._go(left[0])
        else:
            self.said.value = "<p><b>You have looked at both answers to every question.</b></p>"

    def _has_seen(self, question: str) -> bool:
        ids = [cells["answer_id"] for cells in self._cells[question]]
        return all(not said or self._by in self._tags.given.get(said, {}) for said in ids)

    def _do(self, act: Callable[[Path], None]) -> bool:
        """Whether it was done; what is in the way is shown."""
        try:
            act(self._folder)
        except StudyError as error:
            self._refresh()
            self.said.value = f"<p><b>{within(str(error))}</b></p>"
            return False
        self._refresh()
        return True

    @property
    def _folder(self) -> Path:
        return run_folder.study_dir(self._study.name)

    @property
    def _by(self) -> str:
        return " ".join(self.by.value.split())


class _Side:
    """The tags of one answer; `changed` is called with its cells and the tags added and removed."""

    def __init__(self, changed: Callable[[Mapping[str, str], set[str], set[str]], None]) -> None:
        self.title = widgets.HTML()
        # Not TagsInput: where a field grows as one types, Chromium does not tell it of Enter.
        self.entry = widgets.Combobox(placeholder="a tag, then Enter", continuous_update=False)
        self.given, self.known = (
            widgets.HBox(layout=widgets.Layout(flex_flow="row wrap")) for _ in range(2)
        )
        self.view = widgets.VBox([self.title, self.given, self.entry, self.known])
        self._changed = changed
        self._cells: Mapping[str, str] = {}
        self.entry.observe(lambda _: self._typed(), names="value")

    def fill(
        self,
        cells: Mapping[str, str],
        title: str,
        tags: Tags,
        by: str,
        *,
        hidden: bool,
        locked: bool,
    ) -> None:
        """Show a person's tags of an answer, those of others beside it, and more to click."""
        people = tags.given.get(cells["answer_id"], {})
        mine = [] if by not in people else sorted(people[by]) or [SEEN]
        others = [
            f"{person or 'somebody'}: {listed(sorted(said) or [SEEN])}"
            for person, said in sorted(people.items())
            if person != by
        ]
        beside = f" ({'; '.join(others)})" if others else ""
        self.title.value = f"<b>{within(f'Tags of {title}')}</b>{within(beside)}"
        self.view.layout.display = "none" if hidden else ""
        self._cells = cells
        self.entry.value, self.entry.disabled = "", locked
        offered = [] if locked else [tag for tag in tags.names if tag not in mine]
        self.entry.options = offered
        self.known.children = [self._button(f"+ {tag}", {tag}, set()) for tag in offered[:_OFFERED]]
        self.given.children = [self._button(f"{tag} ✕", set(), {tag}) for tag in mine]

    def _button(self, text: str, add: set[str], remove: set[str]) -> widgets.Button:
        button = widgets.Button(description=text, layout=_wide())
        button.on_click(lambda _: self._changed(self._cells, add, remove))
        return button

    def _typed(self) -> None:
        if tag := self.entry.value.strip():
            self._changed(self._cells, {tag}, set())


def _paragraph(text: str) -> str:
    return f'<p style="line-height: 1.4; margin: 4px 0">{within(text)}</p>'


def _wide() -> widgets.Layout:
    return widgets.Layout(width="auto", max_width="100%")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container without a name for its user
        return ""
