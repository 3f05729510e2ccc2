"""What `check` says of looks beforehand: groups, levels, and how many questions to expect."""

import numpy as np
import pytest
from scipy import stats

from rag_study.analysis.feasibility.looks import expected_questions
from rag_study.analysis.spending import levels

LOOKS = (50, 100, 200, 300)


@pytest.mark.parametrize("margins", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("family", [1, 4])
def test_expected_questions_are_those_of_simulated_studies(margins, family):
    rng = np.random.default_rng(int(10 * margins) + family)
    times, errors = np.array(LOOKS) / LOOKS[-1], 1.2 / np.sqrt(LOOKS)
    margin = 0.3
    steps = np.diff([0.0, *times])
    sums = (rng.normal(size=(40_000, len(LOOKS))) * np.sqrt(steps)).cumsum(axis=1)
    found = margins * margin + sums / times * errors[-1]
    change = 2 * stats.norm.sf(np.abs(found) / errors) < 2 * np.array(
        levels(tuple(times), 0.025 / family)
    )
    none = stats.norm.sf((margin - np.abs(found)) / errors) < levels(tuple(times), 0.05 / family)
    settled = (change & (np.abs(found) >= margin)) | none
    settled[:, -1] = True
    simulated = np.array(LOOKS)[settled.argmax(axis=1)].mean()
    said = expected_questions(LOOKS, errors, times, margin, margins, family)
    # By each look alone: too late rather than too early.
    assert simulated * 0.99 <= said <= simulated * 1.1


def test_check_and_plan_say_the_looks(command, write_study):
    data = [{"name": "fictional", "num_worlds": 84, "test_size": 22}]
    path = write_study(datasets=data, looks=[12, 21, 22])
    for verb in ("check", "plan"):
        _, out, _ = command(verb, path)
        out = " ".join(out.split())
        assert "looks at 12, 21 and 22 questions" in out
        assert "at 12 questions there are fewer than 20 groups" in out
        assert ("is expected to take about" in out) == (verb == "check")
