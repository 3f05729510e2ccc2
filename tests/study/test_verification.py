"""A finished study, made without any model, whose files are damaged in every way."""

import json
import random
import shutil

import pandas as pd
import pytest

from rag_study.common import checksums, files, run_folder
from rag_study.common.errors import StudyError
from rag_study.study import differences, plan, study_tables
from rag_study.study.running import archive, executors, study_run, verification

POOLS = {"train": 90, "validation": 90, "test": 90}
NOT_WRITTEN_BY_RUNS = (run_folder.LOCK_FILE, run_folder.CLAIM_FILE)


def finish(run, *, sealed=True):
    """As if a run had been executed: files of every kind, and a status."""
    folder, draw = run_folder.RunFolder(run.run_id), random.Random(run.run_id)
    differences.record(run)
    table = pd.DataFrame({"answer": ["Ada", "Bo"], "score": [draw.random(), draw.random()]})
    files.write_parquet(folder.path / "table.parquet", table)
    files.write_jsonl(folder.path / "parts" / "one.jsonl", [{"answer": "Ada"}])
    (folder.path / "adapter").mkdir()
    (folder.path / "adapter" / "weights.safetensors").write_bytes(draw.randbytes(2000))
    files.write_json(folder.path / "metrics.json", {"answers": 2, "pools": POOLS})
    files.write_text(folder.path / "log.txt", "begun\n")
    if sealed:
        folder.seal()
        checksums.add(folder.path, run_folder.FOR_PEOPLE)
    folder.set_status("done", extent=run.extent, seconds=1.0, sealed=sealed)
    if run.is_comparison:
        new = folder.path / study_tables.NEW_FOLDER
        files.write_parquet(new / "results.parquet", table)
        files.write_text(new / "report.html", "<html></html>")
        study_tables.publish(new, run.slug, run.run_id, len(table), 0)


@pytest.fixture
def study(write_study, outputs, tmp_path, monkeypatch):
    """A study file of which everything is done; and the path of its outputs."""
    monkeypatch.setenv("RAG_STUDY_CACHE", str(tmp_path / "cache"))
    file = write_study()
    for run in plan.expand(file):
        finish(run)
    return file


def written(outputs):
    """Every file with content of runs and of the study, in a fixed order."""
    return sorted(
        path
        for path in outputs.rglob("*")
        if path.is_file() and path.stat().st_size and path.name not in NOT_WRITTEN_BY_RUNS
    )


def test_a_finished_study_is_whole(study, command_line):
    code, out, _ = command_line("verify", str(study))
    assert (code, "every file is as it was written" in out) == (0, True)
    assert command_line("status", str(study))[0] == 0


def test_every_flipped_bit_is_noticed(study, outputs, command_line):
    draw, everything = random.Random(17), written(outputs)
    for number in range(60):
        file = draw.choice(everything)
        good = file.read_bytes()
        bit = draw.randrange(8 * len(good))
        content = bytearray(good)
        content[bit // 8] ^= 1 << bit % 8
        file.write_bytes(content)
        for name in ("verify", "status") if number % 4 == 0 else ("verify",):
            code, out, err = command_line(name, str(study))
            if name == "verify" or run_folder.is_read(file.name):
                assert code != 0, (name, file, bit)
                assert file.name in out + err
                assert "Delete the folder" in out + err or "made again" in out + err
        file.write_bytes(good)
    assert command_line("verify", str(study))[0] == 0


def test_all_that_is_damaged_is_listed_with_what_to_do(study, outputs, command_line):
    tuned = next(run for run in plan.expand(study) if run.stage.name == "fine_tune")
    folder = run_folder.RunFolder(tuned.run_id).path
    (folder / "table.parquet").write_bytes(b"PAR1")
    (folder / "adapter" / "weights.safetensors").unlink()
    (outputs / "small" / "report.html").write_text("another")
    code, out, _ = command_line("verify", str(study))
    assert code == 1
    assert "3 files are damaged" in out
    for words in ("weights.safetensors: is missing", "table.parquet: has 4 bytes", "report.html"):
        assert words in out
    assert out.count(f"Delete the folder {folder}") == 1
    assert out.count("rag-study report STUDY") == 1


def test_a_study_is_not_continued_on_damaged_results(study):
    runs = plan.expand(study)
    shutil.rmtree(run_folder.RunFolder(runs[-2].run_id).path)
    damaged = run_folder.RunFolder(runs[1].run_id)
    (damaged.path / "parts" / "one.jsonl").write_text('{"answer": "Bob"}\n')
    progress = study_run.Progress(runs)
    with pytest.raises(StudyError, match=r"one\.jsonl") as refused:
        study_run.run_all(progress, executors.Executor())
    assert str(damaged.path) in str(refused.value)
    assert progress.outcomes == {}


def test_what_nobody_reads_may_be_edited(study):
    runs = plan.expand(study)
    folder = run_folder.RunFolder(runs[0].run_id)
    (folder.path / "log.txt").write_text("opened in an editor\n")
    folder.check()
    assert not verification.look_at(runs, quick=True).damages
    ((what, what_to_do),) = verification.look_at(runs).damages
    assert what == f"{folder.path / 'log.txt'}: has 20 bytes, and 6 were written"
    assert what_to_do.startswith("No result depends on this file.")


def test_a_record_that_is_gone_is_damage_and_one_that_never_was_is_said_once(
    study, outputs, command_line
):
    runs = plan.expand(study)
    folder = run_folder.RunFolder(runs[0].run_id)
    (folder.path / checksums.RECORD_FILE).unlink()
    with pytest.raises(StudyError, match=r"checksums.json: is missing"):
        folder.check()
    for run in runs[:-1]:
        shutil.rmtree(run_folder.RunFolder(run.run_id).path)
        finish(run, sealed=False)
    for file in outputs.rglob("status.json"):  # as versions before wrote it
        content = json.loads(file.read_text())
        if not content["sealed"]:
            del content["check"], content["sealed"]
            file.write_text(json.dumps(content))
    for name in ("verify", "status"):
        code, out, _ = command_line(name, str(study))
        assert code == 0, out
        assert out.count("kept no checksums") == 1


def test_damage_does_not_travel(study, tmp_path, monkeypatch):
    runs = plan.expand(study)
    archive.pack(runs, good := tmp_path / "good.tar.gz")
    file = run_folder.RunFolder(runs[0].run_id).path / "metrics.json"
    file.write_text(file.read_text().replace("90", "80"))
    with pytest.raises(StudyError, match="nothing was exported"):
        archive.pack(runs, tmp_path / "bad.tar.gz")
    monkeypatch.setattr(verification, "look_at", lambda runs: verification.Looked([], 0, []))
    archive.pack(runs, bad := tmp_path / "bad.tar.gz")
    monkeypatch.undo()
    for packed, name in ((bad, "there"), (good, "here")):
        monkeypatch.setenv("RAG_STUDY_OUTPUTS", str(tmp_path / name))
        if packed == bad:
            with pytest.raises(StudyError, match=r"metrics.json in it: its content.*nothing was"):
                archive.unpack(packed)
            assert not list((tmp_path / name).glob("runs/*/*"))
        else:
            archive.unpack(packed)
            assert not verification.look_at(runs).damages


def test_a_deleted_report_has_it_made_again(study, outputs, command_line):
    (outputs / "small" / "report.html").unlink()
    planned = json.loads(command_line("plan", str(study), "--json")[1])
    assert [row["stage"] for row in planned if row["action"] == "run"] == ["compare"]


def test_reuse_after_code_has_changed_is_said(study, outputs, command_line, monkeypatch):
    assert "another version" in command_line("plan", str(study))[1]  # `finish` names none
    out = command_line("status", str(study))[1]
    assert "11 runs were made by another version of the package" in out
    monkeypatch.setattr(differences, "package_hash", lambda: "")
    for name in ("plan", "status"):
        assert "another version" not in command_line(name, str(study))[1]
