import pandas as pd
import pytest

from rag_study import files, grid, qa_datasets, results, store
from rag_study.config import load_study

ASKED = 8


@pytest.fixture
def study(write_study, outputs):
    """A study whose runs are written by hand: the base has more answers than are asked for."""
    path = write_study()
    config, runs = load_study(path), grid.expand(path)
    data = qa_datasets.load("fictional", options={"num_worlds": 84})
    split = qa_datasets.split(data)
    for run in runs[:-1]:
        folder = store.RunFolder(run.run_id)
        match run.stage.name:
            case "prepare_data":
                qa_datasets.save_prepared(folder.path, data, split)
            case "index_corpus":
                table = pd.DataFrame({"k": [1], "recall": [0.5], "mrr": [0.5], "n": [9]})
                files.write_parquet(folder.path / "retrieval_by_k.parquet", table)
            case "judge_answers":
                extra = 8 if run.parameters["method"] == "none" else 0
                rows = [
                    {
                        "context": context,
                        "question_id": question.id,
                        "position": position,
                        "answer": "x",
                        "truncated": 0,
                        "gold_in_context": 1,
                        **dict.fromkeys(results.REFERENCE, 0.25),
                        **dict.fromkeys(config.judged_metrics, 3.0),
                    }
                    for context in config.contexts
                    for position, question in enumerate(split.pools["test"][: ASKED + extra])
                ]
                files.write_parquet(folder.path / "scores.parquet", pd.DataFrame(rows))
            case "measure_retention":
                rows = [
                    {"task": "text", "metric": "general_text_nll", "item_id": f"t{i}", "value": 2.0}
                    for i in range(5)
                ]
                files.write_parquet(folder.path / "retention.parquet", pd.DataFrame(rows))
            case "validate_judge":
                files.write_parquet(folder.path / "ladder.parquet", pd.DataFrame({"rung": ["x"]}))
                row = {"scorer": "random-llama", "criterion": "accuracy", "higher": "right"}
                auc = pd.DataFrame([row, row | {"higher": "gold"}]).assign(auc=0.5)
                files.write_parquet(folder.path / "auc.parquet", auc)
                files.write_parquet(folder.path / "facts.parquet", auc.drop(columns="higher"))
                check = {"judge": "random-llama", "valid": False, "auc_low": 0.4, "reason": "no"}
                files.write_json(folder.path / "metrics.json", {"check": check})
        files.write_json(folder.path / "provenance.json", {"run_id": run.run_id})
        folder.set_status("done", extent=run.extent)
    return config, runs


def test_only_what_was_asked_for_goes_in(study):
    config, runs = study
    found = results.collect(runs[-1], config)
    assert found.missing == []
    assert len(found.finished) == len(runs[-1].upstream)
    assert len(found.results) == 2 * 3 * ASKED
    assert found.results.groupby(["method", "context"]).size().eq(ASKED).all()
    assert set(found.results["dataset"]) == {"fictional"}
    assert found.results["group"].notna().all()
    assert len(found.retrieval) == 1  # one index, however many runs used it
    assert len(found.provenance) == len(runs) - 1
    assert any("invented" in note for note in found.notes)
    assert found.results["judge_accuracy"].eq(3.0).all()
    assert found.judge_agreement.empty  # one judge


def test_judges_are_told_apart_by_their_names(write_study, outputs):
    judges = [
        {"model": "random-llama", "ladder_size": 20},
        {"model": "random-llama", "ladder_size": 20, "name": "thinking", "reasoning_tokens": 8},
    ]
    path = write_study(judges=judges)
    config, runs = load_study(path), grid.expand(path)
    judged = [run for run in runs if run.stage.name in ("judge_answers", "validate_judge")]
    names = [results.judge_of(run, config) for run in judged]
    assert names.count("random-llama") == names.count("thinking") == len(judged) / 2
    assert len({run.run_id for run in judged}) == len(judged)


def test_the_check_stands_under_the_judges_name_and_against_right_answers(study):
    config, runs = study
    found = results.collect(runs[-1], config)
    assert found.ladder_auc["higher"].tolist() == ["right"]
    assert found.ladder_auc["scorer"].tolist() == ["random-llama"]
    assert set(found.ladder_facts["scorer"]) == {"random-llama"}


def test_runs_that_are_not_done_are_missing_and_never_zero(study):
    config, runs = study
    judged = [r for r in runs if r.stage.name == "judge_answers"]
    store.RunFolder(judged[1].run_id).set_status("failed", message="ValueError: no")
    found = results.collect(runs[-1], config)
    assert found.missing == [
        {
            "run_id": judged[1].run_id,
            "stage": "judge_answers",
            "state": "failed",
            "message": "ValueError: no",
        }
    ]
    assert set(found.results["method"]) == {"none"}


def test_a_run_of_fewer_questions_is_incomplete(study):
    config, runs = study
    judged = [r for r in runs if r.stage.name == "judge_answers"]
    extent = {"none": 3}
    store.RunFolder(judged[0].run_id).set_status("done", extent=extent)
    assert results.collect(runs[-1], config).missing[0]["state"] == "incomplete"


def test_the_studys_own_notes_come_first(write_study, outputs):
    path = write_study(notes=["Read me."])
    assert results.collect(grid.expand(path)[-1], load_study(path)).notes[0] == "Read me."


def test_nothing_finished_gives_empty_tables(write_study, outputs):
    path = write_study()
    found = results.collect(grid.expand(path)[-1], load_study(path))
    assert found.results.empty
    assert found.judge_checks == []
    assert {entry["state"] for entry in found.missing} == {"pending"}
