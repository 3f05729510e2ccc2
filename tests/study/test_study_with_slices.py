"""`slices` in the study file: what it names must be there, and only the comparison knows of it."""

import json

import pytest

from rag_study.common.errors import StudyError
from rag_study.study import plan
from rag_study.study.config import load_study


@pytest.fixture
def asked(own_data, write_study):
    """A study of own data, two of whose columns are kept."""
    file = own_data / "questions.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    for i, row in enumerate(rows):
        row |= {"Asked by": ["Ben", "Ada"][i % 2], "Team": f"team {i % 3}", "tags": ["a"]}
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def write(**keys):
        dataset = {"name": "own", "path": str(own_data), "test_size": 2, **keys}
        return write_study(datasets=[dataset], fine_tuning=[{"train_size": [1]}])

    return write


def test_columns_that_are_there_change_the_comparison_alone(asked):
    without = plan.expand(asked())
    named = plan.expand(asked(slices=["Asked by", "Team"]))
    *others, comparison = zip(without, named, strict=True)
    assert all(one.run_id == other.run_id for one, other in others)
    assert comparison[0].run_id != comparison[1].run_id
    (dataset,) = named[-1].study.datasets
    assert dataset.slice_columns == {"Asked by": "extra_Asked by", "Team": "extra_Team"}


@pytest.mark.parametrize("name", ["Asked bye", "tags"])  # a list is no value to divide by
def test_a_column_that_is_not_there_is_refused(asked, name):
    path = asked(slices=["Team", name])
    with pytest.raises(StudyError, match=f"{path.name}: `slices` of .* names '{name}'"):
        plan.expand(path)


def test_a_column_that_is_read_as_the_group_is_known_by_that(asked):
    path = asked(slices=["Team"], columns={"group": "Team"})
    assert load_study(path).datasets[0].slice_columns == {"Team": "group"}


def test_a_name_given_twice_is_refused(asked):
    with pytest.raises(StudyError, match="slices: Team is given more than once"):
        load_study(asked(slices=["Team", "Team"]))
