"""Widgets around `tables`: choose study, model, data set, state, context and score; sort and
filter the questions; read the two answers to one of them, and tag them.

Needs a front end that shows widgets (JupyterLab); `tables.display_static` does without.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets
import pandas as pd
from itables.widget import ITable

from rag_study.analysis.states import passages_label
from rag_study.report.explorer import tables
from rag_study.report.explorer.tagging import Tagging
from rag_study.report.markup import within

_WIDE = widgets.Layout(width="auto", max_width="100%")


class Explorer:
    """All widgets and their state; display `view`.

    Every choice narrows the next ones and keeps its value where the new study still has it.
    """

    def __init__(self, name: str = "") -> None:
        names = tables.study_names()
        self.study = widgets.Dropdown(
            description="Study", options=names, value=name or names[0], layout=_WIDE
        )
        self.dataset, self.model, self.state, self.context, self.score = (
            widgets.Dropdown(description=text, options=[], layout=_WIDE)
            for text in ("Data set", "Model", "State", "Passages", "Score")
        )
        self.about = widgets.HTML()
        self.answers = widgets.HTML()
        # Front ends follow relative links in outputs alone: in other widgets they lead nowhere.
        self.notebooks = widgets.Output()
        self.table = ITable(
            pd.DataFrame(),
            select="single",
            lengthMenu=[5, 10, 25, 100],
            classes="display compact",
            style="width:100%;max-width:100%",
            maxBytes=0,
        )
        self.gain, self.loss, self.before, self.after = (
            widgets.Button(description=text, layout=_WIDE)
            for text in ("Largest gain", "Largest loss", "◀ Larger change", "Smaller change ▶")
        )
        self.tagging = Tagging(self._jump)
        self._tags_view = self.tagging.view
        self._data: tables.StudyAnswers
        self._selections: list[tables.Selection] = []
        self._scores: dict[str, tables.Score] = {}
        self._changes = pd.DataFrame()
        self._filling = False
        steps = {
            self.study: self._study_chosen,
            self.dataset: self._dataset_chosen,
            self.model: self._model_chosen,
            self.state: self._state_chosen,
            self.context: self._context_chosen,
            self.score: self._score_chosen,
        }
        for box, then in steps.items():
            box.observe(lambda _, then=then: self._filling or then(), names="value")
        self.table.observe(lambda _: self._row_chosen(), names="selected_rows")
        self.gain.on_click(lambda _: self._jump(self._changes["change"].idxmax()))
        self.loss.on_click(lambda _: self._jump(self._changes["change"].idxmin()))
        self.before.on_click(lambda _: self._step(-1))
        self.after.on_click(lambda _: self._step(1))
        self._study_chosen()

    @property
    def view(self) -> widgets.VBox:
        choices = widgets.HBox(
            [self.study, self.dataset, self.model, self.state, self.context, self.score],
            layout=widgets.Layout(flex_flow="row wrap"),
        )
        jumps = widgets.HBox(
            [self.gain, self.loss, self.before, self.after],
            layout=widgets.Layout(flex_flow="row wrap"),
        )
        parts = [choices, self.about, self.table, jumps]
        return widgets.VBox([*parts, self.answers, self.notebooks, self._tags_view])

    # Each choice fills the next list, which goes on to the next, down to the table.

    def _study_chosen(self) -> None:
        self._data = tables.load(self.study.value)
        self._selections = tables.selections(self._data)
        first = tables.preferred(self._selections)
        options = [selection.run["dataset"] for selection in self._selections]
        self._offer(self.dataset, options, first and first.run["dataset"])
        self._dataset_chosen()

    def _dataset_chosen(self) -> None:
        self._offer(self.model, [selection.run["model"] for selection in self._left("dataset")])
        self._model_chosen()

    def _model_chosen(self) -> None:
        left = self._left("dataset", "model")
        first = tables.preferred(left)
        self._offer(self.state, [selection.label for selection in left], first and first.label)
        self._state_chosen()

    def _state_chosen(self) -> None:
        left = self._left("dataset", "model", "state")
        contexts = [selection.context for selection in left]
        self._offer(self.context, contexts, "retrieved", passages_label)
        self._context_chosen()

    def _context_chosen(self) -> None:
        chosen = self._chosen()
        self._scores = tables.score_choices(self._data, chosen) if chosen else {}
        self._offer(self.score, list(self._scores))
        self._score_chosen()

    def _offer(
        self,
        box: widgets.Dropdown,
        options: list[str],
        first: str | None = None,
        words: Callable[[str], str] | None = None,
    ) -> None:
        """Fill a list; its value stays where it can, else it is `first`, else the first option.
        Read are the `words` of the options, where they are given."""
        options = list(dict.fromkeys(options))
        kept = next((v for v in (box.value, first, *options[:1]) if v in options), None)
        self._filling = True
        box.options = [(words(option), option) for option in options] if words else options
        box.value = kept
        self._filling = False

    def _score_chosen(self) -> None:
        chosen, score = self._chosen(), self._scores.get(self.score.value)
        for button in (self.gain, self.loss, self.before, self.after):
            button.disabled = score is None
        if chosen is None or score is None:
            self._changes = pd.DataFrame()
            self.about.value = within(tables.nothing_to_show(self.study.value))
            self.answers.value = ""
            self.notebooks.outputs = ()
            self._tags_view.layout.display = "none"
            self.table.update(self._changes, selected_rows=[])
            return
        self._tags_view.layout.display = ""
        self.about.value = within(tables.summary(self._data, chosen, score))
        self._changes = tables.changes_table(self._data, chosen, score)
        self.tagging.choose(self._data, chosen, self._changes.index)
        self.table.update(self._changes.reset_index(), selected_rows=[])
        self._jump(self._changes.index[0])

    def _row_chosen(self) -> None:
        if self.table.selected_rows:
            question_id = self._changes.index[self.table.selected_rows[0]]
            of = (self._data, self._chosen(), question_id)
            self.answers.value = tables.side_by_side(*of)
            links = {"data": {"text/html": tables.notebook_links(*of)}, "metadata": {}}
            self.notebooks.outputs = ({"output_type": "display_data", **links},)
            self.tagging.show(question_id)

    def _jump(self, question_id: Any) -> None:
        self.table.selected_rows = [self._changes.index.get_loc(question_id)]

    def _step(self, by: int) -> None:
        now = self.table.selected_rows[0] if self.table.selected_rows else -by
        self.table.selected_rows = [min(max(now + by, 0), len(self._changes) - 1)]

    def _left(self, *levels: str) -> list[tables.Selection]:
        wanted = {name: getattr(self, name).value for name in levels}
        return [
            selection
            for selection in self._selections
            if all(
                value == (selection.label if name == "state" else selection.run[name])
                for name, value in wanted.items()
            )
        ]

    def _chosen(self) -> tables.Selection | None:
        left = self._left("dataset", "model", "state")
        return next(
            (selection for selection in left if selection.context == self.context.value), None
        )
