import json
import time

import nbformat

from rag_study.common import run_folder
from rag_study.study import differences, plan, stages, study_tables
from rag_study.study.differences import between


def edit(file, change):
    """Change a list of a notebook's cells that compute, in place; returns their first number."""
    book = nbformat.read(file, as_version=4)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    tagged = [cell for cell in code if "stage" in cell.metadata.get("tags", [])]
    computing = tagged or [c for c in code if "parameters" not in c.metadata.get("tags", [])]
    change(book.cells, computing)
    nbformat.write(book, file)
    return code.index(computing[0]) + 1 if computing[0] in code else 0


def finish(runs):
    """As if all of them had been executed."""
    for run in runs:
        differences.record(run)
        run_folder.RunFolder(run.run_id).set_status("done", extent=run.extent, finished=time.time())
        if run.is_comparison:
            made = run_folder.study_dir(run.slug) / study_tables.MADE_BY_FILE
            made.parent.mkdir(parents=True, exist_ok=True)
            made.write_text(run.run_id)


def reasons(study):
    """Stage -> what its runs that are not done differ in from those that are."""
    runs = plan.expand(study)
    missing = [run for run in runs if not stages.is_done(run)]
    found = differences.from_earlier(missing, runs)
    said = {}
    for run in missing:
        words = [difference.words for difference in found[run.run_id].differences]
        said.setdefault(run.stage.name, set()).update(words)
    return said


def test_the_cell_that_has_changed_is_named(write_study, outputs, notebooks):
    study = write_study()
    finish(plan.expand(study))
    assert reasons(study) == {}

    def change(_, computing):
        computing[0]["source"] += "\nprint('again')"

    number = edit(notebooks / "03_fine_tune.ipynb", change)
    assert reasons(study) == {
        "fine_tune": {f"cell {number} of 03_fine_tune has changed"},
        "generate_answers": {"needs another fine_tune run"},
        "judge_answers": {"needs another generate_answers run"},
        "measure_retention": {"needs another fine_tune run"},
        "compare": {"needs another judge_answers run", "needs another measure_retention run"},
    }


def test_cells_that_come_and_go_are_counted(write_study, outputs, notebooks):
    study, file = write_study(), notebooks / "measure_retention.ipynb"
    finish(plan.expand(study))

    def tag_two_more(cells, computing):
        place = cells.index(computing[0])
        tags = {"tags": ["stage"]} if "stage" in computing[0].metadata.get("tags", []) else {}
        for source in ("one = 1", "two = 2"):
            cells.insert(place, nbformat.v4.new_code_cell(source, metadata=tags))

    number = edit(file, tag_two_more)
    said = f"cells {number} and {number + 1} of measure_retention have been added"
    assert reasons(study)["measure_retention"] == {said}
    finish(plan.expand(study))

    def remove(cells, computing):
        cells.remove(computing[1])

    edit(file, remove)
    said = f"cell {number + 1} of measure_retention has been removed"
    assert reasons(study)["measure_retention"] == {said}


def test_settings_are_named_with_both_values(write_study, outputs):
    finish(plan.expand(write_study(fine_tuning=[{"train_size": [4], "learning_rate": 0.0002}])))
    tuning = {"train_size": [4], "learning_rate": 0.001, "epochs": 7}
    said = reasons(write_study(fine_tuning=[tuning], margins={"answer_recall": 0.2}))
    learning_rate, epochs = sorted(said["fine_tune"], reverse=True)
    assert learning_rate.endswith("learning_rate was 0.0002, is 0.001")
    assert "epochs were " in epochs
    assert epochs.endswith(", are 7")
    assert any(words.startswith("margins.answer_recall is 0.2") for words in said["compare"])
    assert "validate_judge" not in said
    write_study(compute={"dtype": "float32", "threads": 2})
    said = reasons(write_study(compute={"dtype": "float32", "threads": 2}))
    assert any(words.endswith("threads were 1, are 2") for words in said["fine_tune"])


def test_changed_data_and_prompts_are_said(write_study, outputs, own_data, monkeypatch):
    study = write_study(datasets=[{"name": "jsonl", "path": str(own_data), "test_size": 4}])
    finish(plan.expand(study))
    with (own_data / "corpus.jsonl").open("a") as file:
        file.write('{"doc_id": "new", "text": "one more"}\n')
    said = reasons(study)
    assert said["prepare_data"] == {"the data have changed"}
    assert (
        "measure_retention" in said
    )  # of what was trained on these data; that of the base is done
    monkeypatch.setattr("rag_study.study.identity._prompts_hash", lambda stage: f"new {stage}")
    assert "the prompt has changed" in reasons(study)["judge_answers"]


def test_another_point_of_the_same_study_is_no_reason(write_study, outputs):
    rates = [{"train_size": [4], "learning_rate": rate} for rate in (0.0002, 0.001)]
    runs = plan.expand(write_study(fine_tuning=rates))
    tuned = [run for run in runs if run.stage.name == "fine_tune"]
    assert len({run.place for run in tuned}) == 1
    finish(tuned[:1])
    assert differences.from_earlier(tuned[1:], runs) == {}


def test_a_run_of_an_older_version_is_described_as_far_as_it_is_known(write_study, outputs):
    run = next(run for run in plan.expand(write_study()) if run.stage.name == "fine_tune")
    identity = json.loads(json.dumps(run.identity)) | {"code": "another"}
    assert [found.words for found in between({"identity": identity}, run)] == [
        "03_fine_tune has changed"
    ]
    identity["parameters"]["unheard_of"] = 3
    del identity["revisions"], identity["prompts"]
    words = [found.words for found in between({"identity": identity}, run)]
    assert "unheard_of was 3, and not set now" in words
    assert "the prompt has changed" in words
    same = {"identity": json.loads(json.dumps(run.identity))}
    assert [found.part for found in between(same, run)] == ["package"]


def test_a_damaged_record_is_passed_over(write_study, outputs, notebooks):
    study = write_study()
    runs = plan.expand(study)
    finish(runs)
    tuned = next(run for run in runs if run.stage.name == "fine_tune")
    (run_folder.RunFolder(tuned.run_id).path / differences.IDENTITY_FILE).write_text("[]")
    edit(
        notebooks / "03_fine_tune.ipynb", lambda _, cells: cells[0].update(source="raise KeyError")
    )
    planned = plan.expand(study)
    missing = [run for run in planned if not stages.is_done(run)]
    found = differences.from_earlier(missing, planned)
    assert "fine_tune" not in {run_id.partition("/")[0] for run_id in found}
    assert found
