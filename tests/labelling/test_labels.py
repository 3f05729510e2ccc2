"""Labels of a study through the command line, and the tables that come out."""

import csv
import json

import numpy as np
import pandas as pd
import pytest
from study_tables import answers

from rag_study import data as qa_datasets
from rag_study.analysis.run_names import columns_of, searches_of
from rag_study.analysis.study_results import StudyResults
from rag_study.common import run_folder
from rag_study.common.wording import signed
from rag_study.labelling import labels as human_labels
from rag_study.labelling.passages import texts_shown
from rag_study.labelling.sample import Sample, load, rubric
from rag_study.report import page as report
from rag_study.study import plan
from rag_study.study.config import load_study

N = 60


def results_of(sizes=(200,), judges=("weak",)):
    """Answers whose judge is right up to noise, and two points too kind to the trained run."""
    frame = answers(N, judges, sizes)
    rng = np.random.default_rng(0)
    kind = 2.0 * (frame["train_size"] > 0)
    frame["truth"] = np.clip(
        np.round(frame["judge_accuracy"] * 0.6 + rng.uniform(0, 2, len(frame))), 1, 5
    )
    return frame.assign(
        judge_accuracy=frame["truth"] + kind + rng.normal(0, 0.3, len(frame)),
        judge_completeness=rng.uniform(1, 5, len(frame)),
    )


@pytest.fixture
def study(write_study, outputs):
    """(study file, folder) of a study with results."""
    path, folder = write_study(), outputs / "small"
    folder.mkdir(parents=True)
    results_of().to_parquet(folder / "results.parquet")
    return path, folder


def fill(file, folder, empty=lambda i: False):
    """What a person does who gives every answer its true score (completeness is always 4)."""
    with file.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    sample = load(folder, rows[0]["answer_id"].rpartition("-")[0])
    key = {answer["answer_id"]: answer for answer in sample.answers}
    truth = results_of()
    truth = truth[truth["context"] == sample.context].set_index(["question_id", "train_size"])
    for i, row in enumerate(rows):
        answer = key[row["answer_id"]]
        size = sample.runs[answer["runs"][0]]["train_size"]
        row["accuracy"] = int(truth.loc[(answer["question_id"], size), "truth"])
        row["completeness"] = 4
        if empty(i):
            row["accuracy"] = row["completeness"] = ""
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return sample


def labelled(command, study, tmp_path, n_questions=24, **options):
    path, folder = study
    file = tmp_path / "answers.csv"
    code, _, err = command("label", path, "--questions", n_questions, "--out", file)
    assert (code, err) == (0, "")
    fill(file, folder, **options)
    return command("label", path, "--read", file)


def one(table, **values):
    for name, value in values.items():
        table = table[table[name] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_from_the_file_to_the_tables(command, study, tmp_path):
    code, out, err = labelled(command, study, tmp_path)
    assert (code, err) == (0, "")
    assert "Agreement with people" in out
    assert "lora-200 − base" in out
    folder = study[1]
    tables = human_labels.human_tables(folder)
    assert set(tables) == {"human_labels", "human_agreement", "human_estimates"}
    for name, table in tables.items():
        pd.testing.assert_frame_equal(pd.read_parquet(folder / f"{name}.parquet"), table)
        assert (folder / f"{name}.csv").exists()
    labels = tables["human_labels"]
    assert len(labels) == 2 * 24
    truth = results_of().query("context == 'retrieved'").set_index(["question_id", "train_size"])
    for row in labels.itertuples():
        assert row.human_accuracy == truth.loc[(row.question_id, row.train_size), "truth"]
        assert row.answer == truth.loc[(row.question_id, row.train_size), "answer"]
    # Each question stands for one over its inclusion probability.
    assert (1 / labels["inclusion_probability"]).sum() == pytest.approx(2 * N)
    page = report.build_report(StudyResults({"name": "small"}), folder / "report.html")
    words = page.read_text()
    assert words.count("What people say (sample") == 1
    assert "<td>lora-200 − base</td>" in words
    difference = one(tables["human_estimates"], quantity="difference", criterion="accuracy")
    assert f">{signed(difference['estimate'])} (" in words
    elsewhere = report.build_report(StudyResults({"name": "small"}), tmp_path / "report.html")
    assert "What people say" not in elsewhere.read_text()


def test_people_put_right_what_the_judge_gets_wrong(command, study, tmp_path):
    assert labelled(command, study, tmp_path)[0] == 0
    tables = human_labels.human_tables(study[1])
    truth = results_of().query("context == 'retrieved'").set_index("question_id")
    base = truth.loc[truth["train_size"] == 0, "truth"]
    tuned = truth.loc[truth["train_size"] == 200, "truth"]
    estimates = tables["human_estimates"].query("criterion == 'accuracy'")
    for expected, row in (
        (base.mean(), one(estimates, train_size=0)),
        (tuned.mean(), one(estimates, train_size=200, quantity="mean")),
        ((tuned - base).mean(), one(estimates, quantity="difference")),
    ):
        assert row["scorer"] == row["judge"] == "weak"
        assert (row["n_labelled"], row["n_questions"]) == (24, N)
        assert row["ci_low"] < expected < row["ci_high"]
        assert row["ci_high"] - row["ci_low"] < row["labels_high"] - row["labels_low"]
    # The judge alone says that training helps; it does not.
    difference = one(estimates, quantity="difference")
    assert difference["scorer_mean"] > 1
    assert difference["ci_high"] < 0.5
    agreed = tables["human_agreement"]
    judge = one(agreed, scorer="weak", criterion="accuracy")
    assert judge["n_answers"] == 48
    assert 0.3 < judge["spearman_low"] < judge["spearman"] < judge["spearman_high"] < 1
    metric = one(agreed, scorer="answer_recall", criterion="accuracy")
    assert metric["judge"] == ""
    assert np.isfinite(metric["kendall"])
    assert np.isnan(metric["kappa"])
    # Everybody got a 4 for completeness: there is a mean, but no spread to tell its error by.
    flat = one(tables["human_estimates"], criterion="completeness", train_size=0)
    assert flat["labels_mean"] == 4
    assert np.isnan(flat["labels_low"])


def test_stopping_early_counts_and_is_said(command, study, tmp_path):
    code, out, _ = labelled(command, study, tmp_path, empty=lambda i: i >= 32)
    assert code == 0
    assert "16 of 48 answers without a label for accuracy" in out
    row = one(
        human_labels.human_tables(study[1])["human_estimates"],
        **{"criterion": "accuracy", "quantity": "difference"},
    )
    assert row["n_labelled"] == 16
    assert np.isfinite(row["ci_low"])


def test_labels_of_everything_give_the_plain_means(command, study, tmp_path):
    assert labelled(command, study, tmp_path, n_questions=N)[0] == 0
    estimates = human_labels.human_tables(study[1])["human_estimates"]
    truth = results_of().query("context == 'retrieved'").groupby("train_size")["truth"].mean()
    for size in (0, 200):
        row = one(estimates, train_size=size, quantity="mean", criterion="accuracy")
        assert row["labels_mean"] == pytest.approx(truth[size])
        assert row["estimate"] == pytest.approx(truth[size])


def test_a_judge_added_later_is_compared_with_the_same_labels(command, study, tmp_path):
    assert labelled(command, study, tmp_path)[0] == 0
    folder = study[1]
    assert set(human_labels.human_tables(folder)["human_estimates"]["judge"]) == {"weak"}
    two = results_of(judges=("weak", "strong"))
    # The new judge has not scored everything yet: its rows rest on the labels alone.
    two.loc[(two["judge"] == "strong") & (two["question_id"] > "q050"), "judge_accuracy"] = np.nan
    two.to_parquet(folder / "results.parquet")
    tables = human_labels.human_tables(folder)
    assert {"weak", "strong"} < set(tables["human_agreement"]["scorer"])
    row = one(tables["human_estimates"], judge="strong", criterion="accuracy", train_size=0)
    assert row["scorer"] == ""
    assert row["estimate"] == row["labels_mean"]
    (note,) = tables["human_estimates"].attrs["notes"]
    assert "The judge strong has not scored every answer on fictional for accuracy" in note


def test_labels_of_other_answers_are_left_out_and_said(command, study, tmp_path):
    assert labelled(command, study, tmp_path)[0] == 0
    changed = results_of()
    changed.loc[changed["train_size"] == 200, "answer"] += "."
    changed.to_parquet(study[1] / "results.parquet")
    tables = human_labels.human_tables(study[1])
    assert set(tables["human_estimates"]["train_size"]) == {0}
    (note,) = tables["human_estimates"].attrs["notes"]
    assert "the labels of 24 answers are left out" in note


def test_reading_again_replaces_and_another_sample_is_added(command, study, tmp_path):
    path, folder = study
    assert labelled(command, study, tmp_path)[0] == 0
    file = tmp_path / "answers.csv"
    assert command("label", path, "--read", file)[0] == 0
    assert len(pd.read_parquet(folder / "human_labels.parquet")) == 48
    other = tmp_path / "other.csv"
    assert command("label", path, "--questions", 12, "--seed", 1, "--out", other)[0] == 0
    fill(other, folder)
    assert command("label", path, "--read", other)[0] == 0
    tables = human_labels.human_tables(folder)
    assert tables["human_labels"].groupby("sample").size().sort_values().tolist() == [24, 48]
    assert tables["human_estimates"]["sample"].nunique() == 2


def test_without_a_judge_the_metric_of_the_strata_takes_its_place(command, study, tmp_path):
    none = {"judge": "", "judge_accuracy": np.nan, "judge_completeness": np.nan}
    results_of().assign(**none).to_parquet(study[1] / "results.parquet")
    assert labelled(command, study, tmp_path)[0] == 0
    row = one(
        human_labels.human_tables(study[1])["human_estimates"],
        **{"criterion": "accuracy", "quantity": "mean", "train_size": 0},
    )
    assert (row["scorer"], row["judge"]) == ("answer_recall", "")
    # Within a stratum every base answer has the same recall: the strata have used all it tells.
    assert row["estimate"] == row["labels_mean"]
    assert row["scorer_mean"] < 1 < row["ci_low"]


def test_bad_labels_are_refused_and_leave_nothing(command, study, tmp_path):
    path, folder = study
    file = tmp_path / "answers.csv"
    assert command("label", path, "--questions", 12, "--out", file)[0] == 0
    fill(file, folder)
    text = file.read_text()
    before = sorted(p.name for p in folder.iterdir())
    for bad in (text.replace(",4\n", ",9\n"), text.replace("accuracy", "points", 1)):
        file.write_text(bad)
        code, out, err = command("label", path, "--read", file)
        assert code == 2
        assert err.startswith("error:")
        assert "Traceback" not in out + err
        assert sorted(p.name for p in folder.iterdir()) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--context", "oracle"], "Answered were: none and retrieved"),
        (["--run", "lora-100"], "no such run"),
        (["--questions", "1000"], "has 60 questions"),
        (["--read", "no.csv"], "no such file"),
        (["--read", "no.csv", "--seed", "1"], "does not go with --seed"),
        (["--context", "none", "--passages"], "context none has no passages"),
    ],
)
def test_what_cannot_be_done_is_said(command, study, options, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, _, err = command("label", study[0], *options)
    assert code == 2
    assert message in err
    assert not list(tmp_path.glob("*.csv"))


def test_a_study_without_results_has_to_run_first(command, write_study):
    code, _, err = command("label", write_study())
    assert code == 2
    assert "Run it first" in err


def test_nothing_labelled_gives_no_tables(study):
    assert human_labels.human_tables(study[1]) == {}


def test_the_key_says_who_wrote_what_and_the_file_does_not(command, study, tmp_path):
    path, folder = study
    file = tmp_path / "answers.csv"
    assert command("label", path, "--questions", 12, "--out", file)[0] == 0
    (key,) = (folder / "label_keys").iterdir()
    content = json.loads(key.read_text())
    assert {run["method"] for run in content["runs"]} == {"none", "lora"}
    text = file.read_text().lower()
    assert not any(
        str(run[name]) in text for run in content["runs"] for name in ("method", "model")
    )


def test_passages_are_those_of_the_prompt(write_study, outputs):
    path = write_study()
    config, runs = load_study(path), plan.expand(path)
    data = qa_datasets.load("fictional", options={"num_worlds": 84})
    question = qa_datasets.split(data).pools["test"][0]
    base = next(r for r in runs if r.stage.name == "judge_answers" and r.point.training is None)
    chunks = pd.DataFrame(
        {"chunk_id": ["c1", "c2"], "title": ["One", "Two"], "text": ["first", "second"]}
    )
    index = base.needs("generate_answers").needs("index_corpus")
    for run, name, table in (
        (index, "chunks", chunks),
        (
            base,
            "scores",
            pd.DataFrame(
                {"context": ["retrieved"], "question_id": [question.id], "passages": [["c2", "c1"]]}
            ),
        ),
    ):
        folder = run_folder.RunFolder(run.run_id).path
        folder.mkdir(parents=True)
        table.to_parquet(folder / f"{name}.parquet")
    own = {name: columns_of(base)[name] for name in ("model", "chunk_size", "top_k")}
    own |= {"dataset": "fictional", "retriever": searches_of(base, config)}
    answer = {"dataset": "fictional", "question_id": question.id}
    sample = Sample("abc123", "small", "retrieved", 0, "judge", [], [own], [answer])
    shown = texts_shown(runs[-1], config, sample)
    assert shown == {("fictional", question.id): "[1] Two\nsecond\n\n[2] One\nfirst"}


def test_the_criteria_are_those_of_the_judge():
    from rag_study.evaluation import criteria

    assert rubric() == {one.name: one.rubric for one in criteria.find_all(criteria.DEFAULT)}
