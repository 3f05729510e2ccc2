import re
from dataclasses import replace

import pandas as pd
import pytest

from rag_study import data as qa_datasets
from rag_study.analysis import analyse, collect, effects, feasibility, run_names, state_costs
from rag_study.common import files, run_folder
from rag_study.common.errors import StudyError
from rag_study.common.paths import PROJECT_ROOT
from rag_study.common.provenance import package_hash
from rag_study.evaluation.judging import style, validity
from rag_study.evaluation.metrics import RETENTION
from rag_study.study import plan
from rag_study.study.config import load_study
from rag_study.study.merge import load_studies

ASKED = 8


@pytest.fixture
def study(write_study, outputs):
    """A study whose runs are written by hand: the base has more answers than are asked for."""
    path = write_study(contexts=["none", "retrieved", "oracle", "counterfactual"])
    config, runs = load_study(path), plan.expand(path)
    data = qa_datasets.load("fictional", options={"num_worlds": 84})
    split = qa_datasets.split(data)
    for run in runs[:-1]:
        folder = run_folder.RunFolder(run.run_id)
        match run.stage.name:
            case "prepare_data":
                qa_datasets.save_prepared(folder.path, data, split)
                sizes = {"pools": split.sizes()}
                files.write_json(folder.path / "metrics.json", sizes)
            case "index_corpus":
                table = pd.DataFrame({"k": [1], "recall": [0.5], "mrr": [0.5], "n": [9]})
                files.write_parquet(folder.path / "retrieval_by_k.parquet", table)
                chunks = [
                    {"chunk_id": f"{d.doc_id}#0", "title": d.title, "text": d.text}
                    for d in data.documents
                ]
                files.write_parquet(folder.path / "chunks.parquet", pd.DataFrame(chunks))
                files.write_json(folder.path / "metrics.json", {"warnings": []})
            case "judge_answers":
                extra = 0 if run.point.training else 8
                rows = [
                    {
                        "context": context,
                        "question_id": question.id,
                        "position": position,
                        "answer": "x",
                        "truncated": 0,
                        "gold_in_context": 1,
                        "passages": [
                            f"{d}#0" for d in question.gold_doc_ids[:1] if context != "none"
                        ],
                        "other_answer": "Somebody Else" if context == "counterfactual" else None,
                        **dict.fromkeys(collect.REFERENCE, 0.25),
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
                pools = [question for pool in split.pools.values() for question in pool]
                of_groups = list({question.group: question for question in pools}.values())
                styled = pd.DataFrame(style.style_rungs(of_groups[:24]))
                scores = dict.fromkeys((*collect.REFERENCE, *config.judged_metrics), 0.5)
                files.write_parquet(folder.path / "styles.parquet", styled.assign(**scores))
                row = {"scorer": "random-llama", "criterion": "accuracy", "higher": "right"}
                auc = pd.DataFrame([row, row | {"higher": "gold"}]).assign(auc=0.5)
                auc = auc.reindex(columns=validity.AUC_COLUMNS)
                files.write_parquet(folder.path / "auc.parquet", auc)
                facts = auc.reindex(columns=validity.FACT_COLUMNS)
                files.write_parquet(folder.path / "facts.parquet", facts)
                check = {"judge": "random-llama", "valid": False, "reason": "no", "n": 24}
                check |= {"auc": 0.5, "auc_low": 0.4, "auc_high": 0.6, "fails": ""}
                check |= {"status": "not valid", "shortage": "", "pools": {"test": 24, "train": 0}}
                files.write_json(folder.path / "metrics.json", {"check": check})
        files.write_json(folder.path / "provenance.json", {"run_id": run.run_id})
        folder.set_status("done", extent=run.extent)
    return config, runs


def test_only_what_was_asked_for_goes_in(study):
    config, runs = study
    found = collect.collect(runs[-1], config)
    assert found.missing == []
    assert len(found.finished) == len(runs[-1].upstream)
    assert len(found.results) == 2 * 4 * ASKED
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
    config, runs = load_study(path), plan.expand(path)
    judged = [run for run in runs if run.stage.name in ("judge_answers", "validate_judge")]
    names = [run_names.judge_of(run, config) for run in judged]
    assert names.count("random-llama") == names.count("thinking") == len(judged) / 2
    assert len({run.run_id for run in judged}) == len(judged)


def test_the_check_stands_under_the_judges_name_and_against_right_answers(study):
    config, runs = study
    found = collect.collect(runs[-1], config)
    assert found.ladder_auc["higher"].tolist() == ["right"]
    assert found.ladder_auc["scorer"].tolist() == ["random-llama"]
    assert set(found.ladder_facts["scorer"]) == {"random-llama"}


def test_runs_that_are_not_done_are_missing_and_never_zero(study):
    config, runs = study
    judged = [r for r in runs if r.stage.name == "judge_answers"]
    run_folder.RunFolder(judged[1].run_id).set_status("failed", message="ValueError: no")
    found = collect.collect(runs[-1], config)
    assert found.missing == [
        {
            "run_id": judged[1].run_id,
            "stage": "judge_answers",
            "state": "failed",
            "message": "ValueError: no",
        }
    ]
    assert set(found.results["method"]) == {"none"}


def test_every_passage_that_was_shown_is_kept_as_it_was_shown(study):
    config, runs = study
    found = collect.collect(runs[-1], config)
    assert len(found.evidence) == len(found.results)
    judged = {run.run_id for run in runs if run.stage.name == "judge_answers"}
    assert set(found.evidence["judged_in"]) == judged
    assert found.results.columns.intersection(["passages", "search"]).empty
    passages = found.passages.set_index("passage")["text"]
    assert passages.index.is_unique
    by_context = found.evidence.groupby("context")["passages"]
    shown = {context: set().union(*ids) for context, ids in by_context}
    assert shown["none"] == set()
    assert shown["retrieved"] == shown["oracle"]
    assert shown["retrieved"] | shown["counterfactual"] == set(passages.index)
    assert not passages[list(shown["retrieved"])].str.contains("Somebody Else").any()
    changed = passages[list(shown["counterfactual"])]
    assert changed.str.contains("Somebody Else").any()
    assert all(" changed for " in passage for passage in changed.index)


def test_runs_that_two_studies_share_count_once(study, tmp_path):
    config, runs = study
    first = tmp_path / "small.yaml"
    second = tmp_path / "second.yaml"
    text = first.read_text().replace("name: small", "name: second")
    second.write_text(text.replace("test_size: 8", "test_size: 4"))
    alone = collect.collect(runs[-1], config)
    merged = load_studies([first, second])
    both = collect.collect(plan.comparison(merged), merged)
    assert both.missing == []
    assert len(both.results) == len(alone.results)
    assert len(both.evidence) == len(both.results)
    assert both.study["name"] == "small+second"


def test_a_run_of_fewer_questions_is_incomplete(study):
    config, runs = study
    judged = [r for r in runs if r.stage.name == "judge_answers"]
    extent = {"none": 3}
    run_folder.RunFolder(judged[0].run_id).set_status("done", extent=extent)
    assert collect.collect(runs[-1], config).missing[0]["state"] == "incomplete"


def test_the_studys_own_notes_come_first(write_study, outputs):
    path = write_study(notes=["Read me."])
    assert collect.collect(plan.expand(path)[-1], load_study(path)).notes[0] == "Read me."


def test_nothing_finished_gives_empty_tables(write_study, outputs):
    path = write_study()
    found = collect.collect(plan.expand(path)[-1], load_study(path))
    assert found.results.empty
    assert found.judge_checks == []
    assert {entry["state"] for entry in found.missing} == {"pending"}


# --- What is computed from them ---------------------------------------------------------------


def documented():
    """Table -> its columns, from docs/results.md."""
    text = (PROJECT_ROOT / "docs" / "results.md").read_text()
    shared, *sections = text.split("\n## ")

    def named(part):
        cells = [line.split("|")[1] for line in part.splitlines() if line.startswith("| ")]
        return [cell for cell in cells if cell.strip() != "column"]

    key = [name for cell in named(shared) for name in re.findall(r"`([^`]+)`", cell)]
    tables = {}
    for section in sections:
        columns = []
        for cell in named(section):
            names = re.findall(r"`([^`]+)`", cell)
            columns += [k for k in key if k not in names] if "KEY" in cell else names
        tables[section.split("`")[1]] = columns
    return tables


def test_the_documented_columns_are_those_of_the_files(study, tmp_path):
    config, runs = study
    found = analyse.analyse(collect.collect(runs[-1], config), config, n_resamples=200)
    analyse.publish(tmp_path, found)
    tables = documented()
    assert set(tables) == {*analyse.TABLES, "metrics", "judge_checks", *analyse.EVIDENCE}
    for name, columns in tables.items():
        made = set(pd.read_parquet(tmp_path / f"{name}.parquet").columns)
        open_ended = tuple(c[:-1] for c in columns if c.endswith("*"))
        fixed = {c for c in columns if not c.endswith("*")}
        undocumented = {c for c in made - fixed if not c.startswith(open_ended or ("\0",))}
        assert undocumented == set(), name
        # Retention has the columns of what was measured.
        missing = fixed - made - (set(RETENTION) if name == "retention" else set())
        assert missing - {"reference_log_likelihood", "answer_in_context"} == set(), name
        assert (tmp_path / f"{name}.csv").exists() == (name not in analyse.EVIDENCE)


def test_equal_scores_everywhere_settle_nothing(study):
    config, runs = study
    found = analyse.analyse(collect.collect(runs[-1], config), config, n_resamples=200)
    assert any("Every answer has the same answer recall (0.25)" in note for note in found.notes)
    primary = found.comparisons[found.comparisons["primary"]]
    assert set(primary["metric"]) == {"answer_recall", "key_point_recall"}
    assert (primary["verdict"] == "no verdict").all()
    assert set(found.claims["answer"]) <= {"undecided", "not tested"}
    assert found.length_adjusted["adjusted"].isna().all()
    assert found.trends.empty
    assert found.heterogeneity.empty


@pytest.mark.parametrize("left", ["base", "tuned"])
def test_one_finished_run_has_means_and_no_effects(study, left):
    config, runs = study
    for run in runs:
        if run.stage.name == "judge_answers" and (run.point.training is None) != (left == "base"):
            run_folder.RunFolder(run.run_id).set_status("failed", message="no")
    found = analyse.analyse(collect.collect(runs[-1], config), config, n_resamples=200)
    assert len(found.missing) == 1
    assert not found.summary.empty
    assert found.comparisons.empty
    assert set(found.claims["answer"]) <= {"not tested"}
    assert found.decomposition_changes.empty
    reasons = found.comparisons.attrs["skipped"]
    assert bool(reasons) == (left == "tuned")
    assert all("no base was run in the same settings" in reason for reason in reasons)


def test_no_run_at_all_gives_empty_tables(write_study, outputs, tmp_path):
    path = write_study()
    config = load_study(path)
    found = analyse.analyse(collect.collect(plan.expand(path)[-1], config), config, 200)
    analyse.publish(tmp_path, found)
    assert all(getattr(found, name).empty for name in analyse.TABLES)


def test_a_judge_that_scored_half_of_the_answers_is_said_so(study):
    config, runs = study
    found = collect.collect(runs[-1], config)
    scores = [name for name in found.results if name.startswith("judge_")]
    found.results.loc[::2, scores] = float("nan")
    (said,) = [note for note in analyse.warnings(found) if "Judge" in note]
    total = len(found.results)
    assert said.startswith(f"Judge random-llama scored {total // 2} of {total} answers")
    table = effects.compare(found.results, ["retrieved"], ["judge_accuracy"], [], {}, 200)
    assert set(table.loc[table["metric"] == "judge_accuracy", "n_questions"]) == {ASKED // 2}


def test_a_model_that_answers_nothing_is_said_so(study):
    config, runs = study
    found = collect.collect(runs[-1], config)
    silent = (found.results["method"] != "none") & (found.results["context"] == "retrieved")
    assert silent.any()
    found.results.loc[silent, "answer"] = " "
    (said,) = analyse.warnings(found)
    assert "with retrieved passages: all of" in said
    assert "answers are empty" in said
    assert said.startswith("random-llama on fictional, LoRA")


def test_runs_made_by_other_code_are_said(study):
    config, runs = study
    found = collect.collect(runs[-1], config)
    told = [
        {"run_id": "nap/one", "stage": "nap", "package_hash": package_hash()},
        {"run_id": "nap/two", "stage": "nap", "package_hash": "other"},
    ]
    (said,) = analyse.warnings(replace(found, provenance=told))
    assert said.startswith("1 run was made by another version of the package (nap/two)")


def test_two_versions_of_the_prompts_are_noticed(study):
    config, runs = study
    found = collect.collect(runs[-1], config)
    assert analyse.warnings(found) == []
    stages = {"stage": "generate_answers", "identity": {"prompts": "a", "parameters": {}}}
    again = {**stages, "identity": {"prompts": "b", "parameters": {}}}
    told = [{**stages, "run_id": "one"}, {**again, "run_id": "two"}, {**stages, "run_id": "three"}]
    (said,) = analyse.warnings(replace(found, provenance=told))
    assert "runs of generate_answers were made with 2 versions of the prompts" in said
    assert "one and two" in said
    alike = [run for run in told if run["identity"]["prompts"] == "a"]
    assert analyse.warnings(replace(found, provenance=alike)) == []


def test_a_judge_that_errs_on_one_data_set_is_not_valid_though_another_shows_too_little():
    few = {"judge": "j", "valid": False, "status": "not shown to be valid", "auc_low": 0.8}
    errs = {"judge": "j", "valid": False, "status": "not valid", "auc_low": 0.85}
    fine = {"judge": "j", "valid": True, "status": "valid", "auc_low": 0.95}
    assert collect._worst_by_judge([few, fine, errs]) == [errs]
    assert collect._worst_by_judge([fine, few]) == [few]


def test_runs_that_tables_would_call_alike_are_refused_before_they_run(write_study):
    def refused(**changes):
        entries = [{"train_size": [4], **entry} for entry in changes.pop("fine_tuning")]
        runs = plan.expand(write_study(fine_tuning=entries, **changes))
        feasibility.refuse_impossible(runs, runs[-1].study)

    refused(fine_tuning=[{"label_noise": [0.02, 0.024]}])
    with pytest.raises(StudyError, match=r"training\.checkpoints \(\[0\.5, 1\.0\] and"):
        refused(fine_tuning=[{"checkpoints": [0.5, 1.0]}, {"checkpoints": [0.25, 1.0]}])


def test_what_each_search_finds_has_its_name(write_study, study):
    path = write_study(retrieval={"retriever": ["dense", "bm25"], "chunk_overlap": [16, 32]})
    comparison = plan.expand(path)[-1]
    found = {
        tuple(run_names.index_of(run, comparison.study).values())
        for run in plan.expand(path)
        if run.stage.name == "index_corpus"
    }
    assert found == {
        (f"{name}, overlap {overlap}", 192) for name in ("dense", "bm25") for overlap in (16, 32)
    }
    assert set(collect.collect(study[1][-1], study[0]).retrieval["retriever"]) == {"dense"}


@pytest.mark.parametrize(("tries", "seconds"), [(1, 0.5), (2, None)])
def test_seconds_of_an_answer_are_known_of_runs_that_were_made_in_one_go(study, tries, seconds):
    judged = next(run for run in study[1] if run.stage.name == "judge_answers")
    folder = run_folder.RunFolder(judged.needs("generate_answers").run_id).path
    files.write_json(folder / "metrics.json", {"answers": 24})
    files.write_json(folder / "provenance.json", {"wall_seconds": 12.0, "tries": tries})
    assert state_costs.of_run(judged)["seconds_per_answer"] == seconds
