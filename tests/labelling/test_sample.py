import numpy as np
import pandas as pd
import pytest
from study_tables import answers

from rag_study.common.errors import StudyError
from rag_study.labelling import sample as labelling


@pytest.fixture(scope="module")
def results():
    """Answers of a base and two trained runs to 60 questions, with scores that differ."""
    frame = answers(60)
    rng = np.random.default_rng(0)
    frame["judge_accuracy"] = np.clip(
        frame["judge_accuracy"] + rng.normal(0, 0.7, len(frame)), 1, 5
    )
    return frame


def draw(results, n_questions=20, **options):
    return labelling.draw(
        results, "small", options.pop("context", "retrieved"), n_questions, **options
    )


def test_every_chosen_run_answers_every_drawn_question(results):
    sample = draw(results)
    drawn = {q["question_id"] for q in sample.frame if q["drawn"]}
    assert len(drawn) == sample.n_questions == 20
    assert len(sample.frame) == 60
    assert [run["train_size"] for run in sample.runs] == [0, 50, 200]
    assert len(sample.answers) == 60
    by_question = pd.DataFrame(sample.answers).groupby("question_id")["runs"].sum()
    assert set(by_question.index) == drawn
    assert all(sorted(runs) == [0, 1, 2] for runs in by_question)
    texts = results[results["context"] == "retrieved"].set_index(["question_id", "train_size"])
    for answer in sample.answers:
        for run in answer["runs"]:
            key = answer["question_id"], sample.runs[run]["train_size"]
            assert texts.loc[key, "answer"] == answer["answer"]


def test_every_stratum_is_seen_and_has_its_own_scores(results):
    sample = draw(results)
    frame = pd.DataFrame(sample.frame)
    here = results[results["context"] == "retrieved"]
    score = here[["judge_accuracy", "judge_completeness"]].mean(axis=1)
    mean = score.groupby(here["question_id"]).mean()
    frame["score"] = frame["question_id"].map(mean)
    by_stratum = frame.groupby("stratum")["score"].agg(["min", "max"])
    assert len(by_stratum) > 2
    assert (by_stratum["min"].to_numpy()[1:] >= by_stratum["max"].to_numpy()[:-1]).all()
    assert (frame.groupby("stratum")["drawn"].sum() >= 2).all()
    # Small strata are seen more than their share.
    sizes = frame.groupby("stratum")["drawn"].agg(["sum", "size"])
    chance = sizes["sum"] / sizes["size"]
    assert chance[sizes["size"].idxmin()] > chance[sizes["size"].idxmax()]


def test_the_chance_of_a_question_is_that_of_its_stratum():
    scores = np.random.default_rng(1).beta(4, 1, 80) * 4 + 1
    strata = labelling.stratify(scores, 24)
    times = np.zeros(80)
    for seed in range(2_000):
        drawn = labelling.draw_by_stratum(strata, 24, np.random.default_rng(seed))
        assert drawn.sum() == 24
        times += drawn
    for stratum in np.unique(strata):
        inside = strata == stratum
        assert times[inside] / 2_000 == pytest.approx(drawn[inside].mean(), abs=0.05)


def test_nothing_of_the_order_or_the_ids_tells_the_run(results):
    sample = draw(results, n_questions=60)
    numbers = [answer["answer_id"].rpartition("-")[2] for answer in sample.answers]
    assert numbers == [f"{i:03d}" for i in range(1, 181)]
    place = {run: [] for run in range(3)}
    for i, answer in enumerate(sample.answers):
        for run in answer["runs"]:
            place[run].append(i % 3)
    for positions in place.values():  # each run stands first, second and third about equally often
        assert np.bincount(positions, minlength=3) == pytest.approx([20, 20, 20], abs=9)
    asked = [answer["question_id"] for answer in sample.answers]
    assert asked != sorted(asked)
    assert asked[::3] == asked[1::3] == asked[2::3]


def test_a_text_that_several_runs_gave_is_labelled_once(results):
    same = results.assign(answer=np.where(results["train_size"] > 0, "1847", results["answer"]))
    sample = draw(same)
    assert len(sample.answers) == 40
    assert sorted(len(answer["runs"]) for answer in sample.answers) == [1] * 20 + [2] * 20


def test_the_seed_decides_and_the_order_of_the_rows_does_not(results):
    assert draw(results) == draw(results.sample(frac=1, random_state=1))
    assert draw(results).answers != draw(results, seed=1).answers


def test_a_key_is_read_as_it_was_written(results, tmp_path):
    sample = draw(results)
    sample.save(tmp_path)
    assert labelling.load(tmp_path, sample.name) == sample
    with pytest.raises(StudyError, match=f"drawn: {sample.name}"):
        labelling.load(tmp_path, "123456")


def test_runs_are_chosen_by_name_and_bring_their_base(results):
    runs = results[labelling.RUN_COLUMNS].drop_duplicates()
    assert labelling.run_names(runs) == ["base", "lora-50", "lora-200"]
    assert [r["train_size"] for r in draw(results, patterns=["lora-200"]).runs] == [0, 200]
    assert [r["train_size"] for r in draw(results, patterns=["lora*"]).runs] == [0, 50, 200]
    two = pd.concat([results, results.assign(model="other")])
    names = labelling.run_names(two[labelling.RUN_COLUMNS].drop_duplicates())
    assert names[:2] == ["base-tiny", "lora-50-tiny"]
    assert {r["model"] for r in draw(two, patterns=["lora-50-other"]).runs} == {"other"}


def test_every_data_set_has_its_own_sample(results):
    two = pd.concat([results, results.assign(dataset="nq")])
    sample = draw(two)
    assert pd.DataFrame(sample.frame).groupby("dataset")["drawn"].sum().tolist() == [20, 20]
    assert len(sample.answers) == 120


def test_without_a_judge_a_reference_metric_makes_the_strata(results):
    unjudged = results.assign(judge="", judge_accuracy=np.nan, judge_completeness=np.nan)
    assert draw(unjudged).stratified_by == "answer_recall"
    summaries = unjudged.assign(answer_recall=np.nan, token_f1=np.nan)
    assert draw(summaries).stratified_by == "rouge_l"


def test_questions_that_a_run_did_not_answer_cannot_be_drawn(results):
    lost = (results["question_id"] < "q030") & (results["train_size"] == 50)
    sample = draw(results[~lost])
    assert min(q["question_id"] for q in sample.frame) == "q030"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"context": "oracle"}, "Answered were: none and retrieved"),
        ({"n_questions": 61}, "fictional has 60 questions"),
        ({"n_questions": 3}, "at least 4"),
        ({"patterns": ["lora-100"]}, "(?s)no such run.*lora-200"),
    ],
)
def test_what_cannot_be_drawn_is_said(results, options, message):
    with pytest.raises(StudyError, match=message):
        draw(results, **options)


def test_more_runs_than_anyone_compares_must_be_chosen(results):
    many = pd.concat([results.assign(seed=seed) for seed in range(4)])
    many = many[(many["train_size"] > 0) | (many["seed"] == 0)]
    with pytest.raises(StudyError, match=r"(?s)9 answers to each question.*lora-50-seed-3"):
        draw(many)
    assert len(draw(many, patterns=["lora-50-*"]).runs) == 5
