import io
import os
import tarfile
import time

import pandas as pd
import pytest
from naps import nap, work

from rag_study.common import files, run_folder
from rag_study.common.errors import StudyError
from rag_study.study import answer_tags, stages, study_tables
from rag_study.study.running import archive
from rag_study.study.running.runner import USUAL
from rag_study.study.stages import is_done


@pytest.fixture
def study(outputs):
    """Two finished runs and one that is not."""
    outputs.mkdir()
    runs = [nap("one"), nap("two"), nap("three")]
    for run in runs[:2]:
        work(run, USUAL, lambda: None)
    return runs


def test_results_come_back_as_they_were(study, outputs, tmp_path, monkeypatch):
    file = tmp_path / "study.tar.gz"
    assert archive.pack(study, file) == (2, 1)
    monkeypatch.setenv("RAG_STUDY_OUTPUTS", str(tmp_path / "elsewhere"))
    brought, there = archive.unpack(file)
    assert (len(brought), there) == (2, [])
    assert [is_done(run) for run in study] == [True, True, False]
    for run in study[:2]:
        parts = run_folder.RunFolder(run.run_id).path / "parts"
        assert parts.is_relative_to(tmp_path / "elsewhere")
        original = outputs / "runs" / run.run_id / "parts"
        assert {p.name: p.read_bytes() for p in parts.iterdir()} == {
            p.name: p.read_bytes() for p in original.iterdir()
        }
    assert archive.unpack(file) == ([], sorted(brought))
    assert not list((tmp_path / "elsewhere").glob(".import-*"))


def test_the_same_results_of_other_times_are_the_same_bytes(study, outputs, tmp_path, monkeypatch):
    archive.pack(study, file := tmp_path / "study.tar.gz")
    for path in outputs.rglob("*"):
        os.utime(path, (10**9, 10**9))
    tomorrow = time.time() + 86_400
    monkeypatch.setattr(time, "time", lambda: tomorrow)
    archive.pack(study, again := tmp_path / "again.tar.gz")
    assert file.read_bytes() == again.read_bytes()


def test_tables_come_with_their_comparison(outputs, tmp_path, monkeypatch):
    comparison = stages.StageRun(stages.STAGES["compare"], {}, (), "mine", {"study": "mine"})
    folder = run_folder.study_dir("mine")
    folder.mkdir(parents=True)
    (folder / "results.csv").write_text("there")
    (folder / "made_by.txt").write_text(comparison.run_id)
    run_folder.RunFolder(comparison.run_id).set_status("done")
    file = tmp_path / "mine.tar.gz"
    assert archive.pack([comparison], file) == (1, 0)
    (folder / "results.csv").write_text("here")
    archive.unpack(file)
    assert (folder / "results.csv").read_text() == "here"
    monkeypatch.setenv("RAG_STUDY_OUTPUTS", str(tmp_path / "elsewhere"))
    archive.unpack(file)
    assert (run_folder.study_dir("mine") / "results.csv").read_text() == "there"
    assert is_done(comparison)


def compared(hash8, scores, missing=0):
    """A finished comparison of the study `mine` with its tables."""
    made = stages.StageRun(stages.STAGES["compare"], {"study": hash8}, (), "mine", {"made": hash8})
    new = run_folder.RunFolder(made.run_id).path / study_tables.NEW_FOLDER
    files.write_parquet(new / "results.parquet", pd.DataFrame({"score": scores}))
    study_tables.publish(new, "mine", made.run_id, len(scores), missing)
    run_folder.RunFolder(made.run_id).set_status("done")
    return made


def label(grade):
    folder = run_folder.study_dir("mine")
    with study_tables.writing_labels(folder):
        files.write_parquet(folder / "human_labels.parquet", pd.DataFrame({"grade": grade}))
        files.write_json(folder / study_tables.LABEL_KEYS / "a1.json", grade)


def test_labels_that_are_here_stay_and_others_come(outputs, tmp_path, monkeypatch):
    there = compared("a", [1, 2, 3])
    label([1])
    archive.pack([there], file := tmp_path / "mine.tar.gz")
    monkeypatch.setenv("RAG_STUDY_OUTPUTS", str(tmp_path / "new"))
    archive.unpack(file)
    folder = run_folder.study_dir("mine")
    assert list(files.read_parquet(folder / "human_labels.parquet")["grade"]) == [1]
    monkeypatch.setenv("RAG_STUDY_OUTPUTS", str(tmp_path / "labelled"))
    compared("b", [4, 5])
    label([5, 5, 4])
    archive.unpack(file)
    folder = run_folder.study_dir("mine")
    assert list(files.read_parquet(folder / "results.parquet")["score"]) == [1, 2, 3]
    assert list(files.read_parquet(folder / "human_labels.parquet")["grade"]) == [5, 5, 4]
    assert files.read_json(folder / study_tables.LABEL_KEYS / "a1.json") == [5, 5, 4]
    assert study_tables.damages(folder) == []


def test_an_archive_of_an_unfinished_study_does_not_replace_a_finished_one(
    outputs, tmp_path, monkeypatch
):
    archive.pack([compared("a", [1], missing=3)], file := tmp_path / "mine.tar.gz")
    monkeypatch.setenv("RAG_STUDY_OUTPUTS", str(tmp_path / "finished"))
    compared("b", [4, 5])
    with pytest.raises(StudyError, match=r"2 rows of scored answers and are left as they"):
        archive.unpack(file)
    folder = run_folder.study_dir("mine")
    assert list(files.read_parquet(folder / "results.parquet")["score"]) == [4, 5]
    assert len(list((tmp_path / "finished" / "runs").glob("*/*"))) == 1


def test_what_is_done_or_being_worked_on_here_stays(study, tmp_path):
    file = tmp_path / "study.tar.gz"
    archive.pack(study, file)
    one, two = (run_folder.RunFolder(run.run_id) for run in study[:2])
    one.clear()
    two.set_status("running", **run_folder.started_now())
    lock = two.acquire()
    try:
        assert archive.unpack(file) == ([one.run_id], [two.run_id])
    finally:
        lock.release(force=True)
    assert one.status().state == "done"
    assert two.status().state == "killed"


def test_what_killed_writers_left_does_not_travel(study, tmp_path, monkeypatch):
    left = run_folder.RunFolder(study[0].run_id).path / ".new-adapter" / "weights"
    left.parent.mkdir()
    left.write_text("half")
    archive.pack(study, file := tmp_path / "study.tar.gz")
    with tarfile.open(file) as packed:
        assert not [name for name in packed.getnames() if ".new-" in name]


def member(name, kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(DONE) if kind == tarfile.REGTYPE else 0
    return info


RUN, DONE = "runs/nap/one-12345678", b'{"state": "done"}'


@pytest.mark.parametrize(
    "bad",
    [
        member("/etc/cron.d/x"),
        member("../x"),
        member(f"{RUN}/../../../../x"),
        member("runs"),
        member("runs", tarfile.DIRTYPE),
        member(RUN),
        member(f"{RUN}/.lock"),
        member(f"{RUN}/status.json/x"),
        member("runs/nap/another-12345678/status.json"),  # which does not say that it is done
        member(f"{RUN}/link", tarfile.SYMTYPE, "/etc/passwd"),
        member(f"{RUN}/link", tarfile.LNKTYPE, "../../../../etc/passwd"),
        member(f"{RUN}/pipe", tarfile.FIFOTYPE),
        member(f"{RUN}/device", tarfile.CHRTYPE),
        member("runs/nap/no-hash/status.json"),
        member(".ssh/authorized_keys"),
    ],
    ids=lambda info: info.name + info.type.decode(),
)
def test_archives_that_lead_elsewhere_are_refused_whole(outputs, tmp_path, bad):
    file = tmp_path / "bad.tar.gz"
    with tarfile.open(file, "w:gz") as made:
        made.addfile(member(f"{RUN}/status.json"), io.BytesIO(DONE))
        made.addfile(bad, io.BytesIO(b"evil".ljust(len(DONE))))
    with pytest.raises(StudyError, match="nothing was imported"):
        archive.unpack(file)
    assert not (outputs / "runs").exists()
    assert not (tmp_path / "x").exists()


def test_files_that_are_no_archive_are_one_message(outputs, tmp_path, study):
    noise = tmp_path / "noise.tar.gz"
    noise.write_bytes(b"no archive at all")
    with pytest.raises(StudyError, match="no whole archive"):
        archive.unpack(noise)
    with pytest.raises(StudyError, match="no such file"):
        archive.unpack(tmp_path / "nowhere.tar.gz")
    whole, half = tmp_path / "whole.tar.gz", tmp_path / "half.tar.gz"
    archive.pack(study, whole)
    half.write_bytes(whole.read_bytes()[:-200])
    with pytest.raises(StudyError, match="no whole archive"):
        archive.unpack(half)
    flipped = bytearray(whole.read_bytes())
    flipped[-8] ^= 1  # of the checksum: the same as another bit anywhere
    half.write_bytes(flipped)
    with pytest.raises(StudyError, match="no whole archive"):
        archive.unpack(half)
    with pytest.raises(StudyError, match="exists already"):
        archive.pack(study, whole)
    with pytest.raises(StudyError, match="nothing to export"):
        archive.pack(study[2:], tmp_path / "none.tar.gz")


def tag(number, *tags, by="Ann"):
    answer = {
        "answer_id": answer_tags.answer_id("data", "none", f"q{number}", "so"),
        "answer": "so",
    }
    answer_tags.change(
        run_folder.study_dir("mine"), answer_tags.Change(answer, by, frozenset(tags))
    )


def said():
    tags = answer_tags.read(run_folder.study_dir("mine"))
    return sorted(
        sorted((by, *sorted(given)) for by, given in people.items())
        for people in tags.given.values()
    )


def test_tags_come_along_and_are_added_to_those_that_are_here(outputs, tmp_path, monkeypatch):
    there = compared("a", [1, 2, 3])
    tag(1, "made up")
    tag(2, "too long", by="Ben")
    sheet = run_folder.study_dir("mine") / answer_tags.FILE
    sheet.write_text(sheet.read_text("utf-8").replace("answer\n", "answer,Note\n"), "utf-8")
    archive.pack([there], file := tmp_path / "mine.tar.gz")
    monkeypatch.setenv("RAG_STUDY_OUTPUTS", str(tmp_path / "new"))
    archive.unpack(file)
    assert said() == [[("Ann", "made up")], [("Ben", "too long")]]
    tag(1, "wrong unit")
    tag(1, "ok", by="Eve")
    # The comparison is here already: its tables stay, the tags of others come all the same.
    assert archive.unpack(file) == ([], [there.run_id])
    assert said() == [[("Ann", "made up", "wrong unit"), ("Eve",)], [("Ben", "too long")]]
    folder = run_folder.study_dir("mine")
    assert study_tables.damages(folder) == []
    archive.pack([there], again := tmp_path / "again.tar.gz")
    sheet = folder / answer_tags.FILE
    sheet.write_text("answer_id,tags\nspoiled,too long\n")
    with pytest.raises(StudyError, match=r"mine/tags\.csv, line 2: “spoiled” is not"):
        archive.unpack(again)
    sheet.unlink()
    archive.unpack(again)
    assert answer_tags.lost(folder) == []


def test_an_archive_with_a_spoiled_sheet_of_tags_brings_nothing(outputs, tmp_path, monkeypatch):
    there = compared("a", [1])
    sheet = run_folder.study_dir("mine") / answer_tags.FILE
    sheet.write_text("answer_id,tags\nspoiled,too long\n")
    archive.pack([there], file := tmp_path / "mine.tar.gz")
    monkeypatch.setenv("RAG_STUDY_OUTPUTS", str(tmp_path / "new"))
    with pytest.raises(StudyError) as caught:
        archive.unpack(file)
    assert str(caught.value).startswith(f"{file}: mine/tags.csv, line 2: “spoiled” is not")
    assert str(caught.value).endswith("Nothing was imported.")
    assert not (tmp_path / "new" / "runs").exists()
