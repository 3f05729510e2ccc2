"""What people's tags on answers (`study.answer_tags`) say of model states: counts, and a paired
test of each tag.

A question counts for a trained state where one person looked at both of its answers, the base's and
the trained one's; several such people count together: an answer has a tag that any of them gave. An
answer without tags that was looked at counts as without.

**The test** is that of `flips`: without training doing anything, a group of questions is as likely
to gain as to lose the same number of answers with the tag, so the signs of the groups' gains are
flipped in all ways. Where every question is a group of its own it is McNemar's exact test. P values
are corrected by Holm's method over all rows. It is exploratory all the same: tags are chosen after
answers were seen, by people who see which state wrote them, and it takes for granted that questions
were not chosen by which of the two answers is the better one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from rag_study.analysis.flips import exact_sign_flip_p
from rag_study.analysis.pairing import DEFAULT, RUN_COLUMNS, Pair, pair_runs, read
from rag_study.analysis.verdicts import holm
from rag_study.common.wording import counted
from rag_study.study.answer_tags import SEEN, Tags, answer_id

COUNT_COLUMNS = [*RUN_COLUMNS, "context", "tag", "n_tagged", "n_looked", "n_answers"]
EFFECT_COLUMNS = [
    *RUN_COLUMNS,
    *("context", "tag", "n_questions", "n_clusters", "with_base", "with_tuned"),
    *("only_base", "only_tuned", "difference", "p_value", "p_holm"),
]
_NO_TAGS: frozenset[str] = frozenset()


class Answers:
    """The answers of a results table by their ids, and which are compared with which. Raises
    ValueError for a table that cannot be one (`pairing.read`)."""

    def __init__(self, results: pd.DataFrame) -> None:
        keys = [*RUN_COLUMNS, "context", "question_id"]
        once = results.drop_duplicates(keys).assign(judge="")
        scores = read(once)
        self.runs, self.clusters, self.question_ids = scores.runs, scores.clusters, scores.ids
        self.pairs: dict[tuple[int, str], Pair] = {
            (run, context): pair
            for (run, context, _, baseline), pair in pair_runs(scores)[0].items()
            if baseline == DEFAULT and scores.runs.loc[run, "method"] != "none"
        }
        self.ids: dict[tuple[int, str], dict[str, str]] = {}
        runs = scores.runs.assign(run=scores.runs.index)
        said = once[[*keys, "answer"]].merge(runs, "left", RUN_COLUMNS)
        for row in said.itertuples():
            if isinstance(row.answer, str):
                key = answer_id(row.dataset, row.context, row.question_id, row.answer)
                self.ids.setdefault((row.run, row.context), {})[str(row.question_id)] = key

    def tables(self, tags: Tags) -> tuple[pd.DataFrame, pd.DataFrame]:
        """How many answers of each state have each tag, or were looked at and have none (SEEN), by
        COUNT_COLUMNS, and the test of each trained
        state against its base (EFFECT_COLUMNS; `difference` is a share of the questions), both
        without states of which nothing was looked at. `attrs["notes"]` of the second are sentences
        on what was left out."""
        counts = pd.DataFrame(self._counts(tags), columns=COUNT_COLUMNS)
        effects = pd.DataFrame(self._effects(tags), columns=EFFECT_COLUMNS)
        effects["p_holm"] = holm(effects["p_value"])
        effects.attrs["notes"] = [*tags.notes, *self._gone(tags)]
        return counts, effects

    def _counts(self, tags: Tags) -> Iterator[dict]:
        for (run, context), ids in self.ids.items():
            looked = [tags.given[said] for said in ids.values() if said in tags.given]
            if not looked:
                continue
            found = [_NO_TAGS.union(*people.values()) for people in looked]
            numbers = {"n_looked": len(looked), "n_answers": len(ids)}
            for tag in (*tags.names, SEEN):
                amount = sum(tag in answer if tag != SEEN else not answer for answer in found)
                key = {**self.runs.loc[run, RUN_COLUMNS], "context": context, "tag": tag}
                yield key | {"n_tagged": amount} | numbers

    def _effects(self, tags: Tags) -> Iterator[dict]:
        for (run, context), pair in self.pairs.items():
            clusters, before, after = [], [], []
            sides = [self.ids.get((side, context), {}) for side in (pair.base_run, run)]
            for question in pair.questions:
                known = str(self.question_ids[question])
                base, tuned = (tags.given.get(side.get(known, ""), {}) for side in sides)
                if both := base.keys() & tuned.keys():
                    clusters.append(self.clusters[question])
                    before.append(_NO_TAGS.union(*(base[person] for person in both)))
                    after.append(_NO_TAGS.union(*(tuned[person] for person in both)))
            used = _NO_TAGS.union(*before, *after)
            for tag in (tag for tag in tags.names if tag in used):
                had, has = (np.array([tag in one for one in side]) for side in (before, after))
                key = {**self.runs.loc[run, RUN_COLUMNS], "context": context, "tag": tag}
                yield key | paired_test(had, has, np.array(clusters))

    def _gone(self, tags: Tags) -> list[str]:
        there = {said for ids in self.ids.values() for said in ids.values()}
        if not (gone := tags.given.keys() - there):
            return []
        has = "has no such answer" if len(gone) == 1 else "has no such answers"
        return [f"Tags of {counted(len(gone), 'answer')} are left out: the study {has} now."]


def tag_tables(results: pd.DataFrame, tags: Tags) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`Answers.tables` of a results table; both tables are empty without tags or results."""
    if tags.given and not results.empty:
        return Answers(results).tables(tags)
    effects = pd.DataFrame(columns=EFFECT_COLUMNS)
    effects.attrs["notes"] = [*tags.notes]
    return pd.DataFrame(columns=COUNT_COLUMNS), effects


def paired_test(had: np.ndarray, has: np.ndarray, clusters: np.ndarray) -> dict[str, float]:
    """Whether a tag is more frequent among one side's answers, by the columns of EFFECT_COLUMNS.

    `had` and `has` (n_questions,) say of each question whether the base's and the trained answer
    have the tag, `clusters` (n_questions,) to which group it belongs. `p_value` is two-sided.
    """
    _, codes = np.unique(clusters, return_inverse=True)
    gains = has.astype(int) - had.astype(int)
    return {
        "n_questions": len(gains),
        "n_clusters": int(codes.max()) + 1,
        "with_base": int(had.sum()),
        "with_tuned": int(has.sum()),
        "only_base": int((gains < 0).sum()),
        "only_tuned": int((gains > 0).sum()),
        "difference": float(gains.mean()),
        "p_value": exact_sign_flip_p(np.rint(np.bincount(codes, weights=gains))),
    }
