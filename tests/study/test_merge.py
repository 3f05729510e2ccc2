"""Several studies in one report: what is common, what is refused."""

import pytest
from ruamel.yaml import YAML

from rag_study.common.errors import StudyError
from rag_study.study import plan
from rag_study.study.merge import load_studies

BASIC = {
    "name": "first",
    "models": ["random-llama"],
    "datasets": [{"name": "fictional", "num_worlds": 84, "test_size": 24}],
    "contexts": ["none", "retrieved"],
    "fine_tuning": [{"train_size": [8]}],
    "judges": [{"model": "random-llama", "ladder_size": 24}],
    "retention": 0,
    "compute": {"dtype": "float32", "threads": 1},
}


@pytest.fixture
def write(tmp_path):
    def write(**changes):
        content = BASIC | changes
        path = tmp_path / f"{content['name']}.yaml"
        YAML().dump(content, path)
        return path

    return write


def test_one_file_is_its_own_study(write):
    assert load_studies([write()]).name == "first"


def test_shared_runs_count_once_and_both_studies_are_named(write):
    files = [write(), write(name="second", fine_tuning=[{"train_size": [8, 16]}])]
    alone = [plan.comparison(load_studies([file])) for file in files]
    both = plan.comparison(load_studies(files))
    assert both.run_id.startswith("compare/first+second-")
    assert both.parameters["others"] == [str(files[1])]
    ids = [run.run_id for run in both.upstream]
    assert len(ids) == len(set(ids))
    assert set(ids) == {run.run_id for one in alone for run in one.upstream}
    assert load_studies(files).seeds == [0]


def test_the_same_label_of_other_data_is_told_apart(write):
    other = [{"name": "fictional", "num_worlds": 84, "style": "papers", "test_size": 24}]
    merged = load_studies([write(), write(name="second", datasets=other)])
    assert [d.display_name for d in merged.datasets] == ["fictional", "fictional (second)"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"primary": {"contexts": ["none"]}}, "`primary.contexts` is ['retrieved'] in the one"),
        ({"margins": {"judge_accuracy": 0.5}}, "margin of judge_accuracy is 0.25 in the one"),
    ],
)
def test_studies_that_declared_other_comparisons_are_refused(write, changes, said):
    with pytest.raises(StudyError, match="first and second cannot share a report") as error:
        load_studies([write(), write(name="second", **changes)])
    assert said in str(error.value)


def test_a_study_given_twice_is_refused(write):
    with pytest.raises(StudyError, match="have the name 'first'"):
        load_studies([write(), write()])


def test_many_studies_have_one_folder_with_a_name_that_file_systems_take(write):
    names = [f"a-study-with-a-rather-long-name-{letter}" for letter in "abcdefghij"]
    files = [write(name=name) for name in names]
    study = load_studies(files)
    assert len(study.name) < 200
    assert study.name.startswith(f"{names[0]}+{names[1]}+")
    other = load_studies([*files[:-1], write(name="another")])
    assert other.name != study.name
    assert plan.comparison(study).run_id != plan.comparison(other).run_id


def test_margins_of_every_study_hold(write):
    second = write(name="second", margins={"judge_accuracy": 0.25})
    assert load_studies([write(), second]).margins == {"judge_accuracy": 0.25}
