import pandas as pd
import pytest

from rag_study.common import checksums, files, run_folder
from rag_study.common.errors import StudyError
from rag_study.study import study_tables


@pytest.fixture
def publish(outputs, tmp_path):
    """Publish a set of tables of the study `mine`; returns the study's folder."""

    def make(made_by, answers, missing=0, names=("results",)):
        new = tmp_path / made_by
        for name in names:
            files.write_parquet(new / f"{name}.parquet", pd.DataFrame({"score": range(answers)}))
        files.write_text(new / "report.html", made_by)
        study_tables.publish(new, "mine", made_by, answers, missing)
        return run_folder.study_dir("mine")

    return make


def test_a_set_replaces_the_one_before_and_leaves_what_is_of_people(publish):
    folder = publish("before", 8, names=("results", "trends"))
    with study_tables.writing_labels(folder):
        files.write_csv(folder / "human_labels.csv", pd.DataFrame({"grade": [1]}))
    files.write_text(folder / "notes.txt", "mine")
    assert publish("after", 9) == folder
    assert study_tables.is_published("mine", "after")
    assert not study_tables.is_published("mine", "before")
    there = {path.name for path in folder.iterdir()} - {run_folder.LOCK_FILE}
    assert there == {
        *("results.parquet", "report.html", "made_by.txt", "checksums.json"),
        *("human_labels.csv", "checksums-labels.json", "notes.txt"),
    }
    assert study_tables.damages(folder) == []


@pytest.mark.parametrize(
    ("before", "after", "is_replaced"),
    [
        ((8, 0), (0, 3), False),  # headers over numbers
        ((8, 2), (0, 3), False),
        ((8, 0), (4, 3), False),  # part of a larger study over a finished smaller one
        ((8, 2), (4, 3), True),  # both are on their way
        ((8, 0), (12, 3), True),
        ((8, 0), (4, 0), True),  # the study asks for less now
        ((0, 3), (0, 3), True),
    ],
)
def test_numbers_are_not_replaced_by_fewer_of_an_unfinished_study(
    publish, before, after, is_replaced
):
    folder = publish("before", *before)
    content = {path: path.read_bytes() for path in folder.iterdir()}
    if is_replaced:
        publish("after", *after)
        assert (folder / "report.html").read_text() == "after"
    else:
        with pytest.raises(StudyError, match="left as they are"):
            publish("after", *after)
        assert {path: path.read_bytes() for path in folder.iterdir()} == content


@pytest.mark.parametrize("record", [None, "{", '{"answers": 0, "missing": 8, "check": "ab"}'])
def test_headers_do_not_replace_numbers_without_a_record_that_can_be_read(publish, record):
    folder = publish("before", 8)
    (folder / checksums.RECORD_FILE).unlink()
    if record is not None:
        (folder / checksums.RECORD_FILE).write_text(record)
    with pytest.raises(StudyError, match="have 8 rows"):
        publish("after", 0, missing=1)
    publish("after", 2, missing=1)


@pytest.mark.parametrize("name", ["report.html", "results.parquet"])
def test_a_table_that_was_deleted_is_asked_for_again(publish, name):
    (publish("this", 8) / name).unlink()
    assert not study_tables.is_published("mine", "this")


def test_damaged_tables_are_not_read(publish):
    folder = publish("this", 8)
    with study_tables.reading(folder):
        pass
    with study_tables.writing_labels(folder):
        files.write_csv(folder / "human_labels.csv", pd.DataFrame({"grade": [1]}))
        files.write_parquet(folder / "human_labels.parquet", pd.DataFrame({"grade": [1]}))
    for name in ("report.html", "human_labels.csv"):
        (folder / name).write_text("edited by somebody")
    with study_tables.reading(folder):
        assert {damage.path.name for damage in study_tables.damages(folder)} == {
            *("report.html", "human_labels.csv")
        }
    files.write_parquet(folder / "human_labels.parquet", pd.DataFrame({"grade": [5]}))
    said = pytest.raises(StudyError, match=r"human_labels.parquet.*\n.*--read")
    with said, study_tables.reading(folder):
        raise AssertionError("nobody may come here")
    (folder / "results.parquet").write_bytes(b"PAR1")
    said = pytest.raises(StudyError, match=r"results.parquet: has 4 bytes.*\n.*rag-study report")
    with said, study_tables.reading(folder):
        raise AssertionError("nobody may come here")


def test_damaged_labels_are_not_taken_for_good_when_others_are_written(publish):
    folder = publish("this", 8)
    with study_tables.writing_labels(folder):
        files.write_parquet(folder / "human_labels.parquet", pd.DataFrame({"grade": [1]}))
    files.write_parquet(folder / "human_labels.parquet", pd.DataFrame({"grade": [5]}))
    said = pytest.raises(StudyError, match=r"human_labels.parquet.*\n.*--read")
    with said, study_tables.writing_labels(folder):
        raise AssertionError("nobody may come here")
    assert [one.path.name for one in study_tables.damages(folder)] == ["human_labels.parquet"]
