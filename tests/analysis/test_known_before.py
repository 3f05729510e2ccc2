"""What was known before, in the tables of a study."""

import pandas as pd
import pytest

from rag_study.analysis import known_before
from rag_study.common import files, run_folder
from rag_study.study import plan
from rag_study.study.config import load_study
from rag_study.training import train_on


def test_the_frame_has_what_was_asked_for_of_finished_probes(write_study, outputs):
    two = [
        {"name": "fictional", "label": "one", "num_worlds": 84, "test_size": 3},
        {"name": "fictional", "label": "two", "num_worlds": 85, "test_size": 3},
    ]
    path = write_study(datasets=two, knowledge={"train_questions": 2})
    runs = plan.expand(path)
    probes = [run for run in runs if run.stage.name == "probe_knowledge"]
    assert len(known_before.frame(runs[-1], load_study(path))) == 0
    for run, kind in zip(probes, ("unknown", "maybe known"), strict=True):
        folder = run_folder.RunFolder(run.run_id)
        rows = [
            {"pool": pool, "position": i, "question_id": f"{pool}{i}", "known_before": kind}
            for pool in ("test", "train")
            for i in range(9)  # a whole batch, of which the study asks for less
        ]
        files.write_parquet(folder.path / train_on.KNOWLEDGE, pd.DataFrame(rows))
        folder.set_status("done", extent=run.extent)
    found = known_before.frame(runs[-1], load_study(path))
    assert list(found) == ["dataset", "model", "question_id", "known_before"]
    assert set(found["model"]) == {"random-llama"}
    asked = {"test0", "test1", "test2", "train0", "train1"}
    for label, kind in (("one", "unknown"), ("two", "maybe known")):
        of_one = found[found["dataset"] == label]
        assert set(of_one["question_id"]) == asked
        assert set(of_one["known_before"]) == {kind}


STUDY = {
    "datasets": [{"name": "fictional", "num_worlds": 84, "test_size": 22}],
    "fine_tuning": [
        {"train_size": [12], "epochs": 2, "train_on": ["all", "unknown"], "checkpoints": [0.5, 1]}
    ],
    "knowledge": {
        **{"exemplar_sets": 2, "samples": 2, "max_new_tokens": 4},
        **{"batch_size": 11, "train_questions": 11},
    },
    "contexts": ["none", "training"],
    "primary": {"contexts": ["none"]},
    "retrieval": {"retriever": "bm25", "chunk_size": 64, "chunk_overlap": 8, "top_k": 2},
    "answering": {"max_new_tokens": 4},
    "retention": 0,
    "semantic_similarity": False,
}


@pytest.mark.slow
def test_a_study_trains_on_what_is_unknown_and_shows_learning_curves(command, write_study):
    code, said, errors = command("run", write_study(**STUDY))
    assert code == 0, said + errors
    folder = run_folder.study_dir("small")
    results = pd.read_parquet(folder / "results.parquet")
    asked = results[results["context"] == "none"]
    assert asked["known_before"].isin([*train_on.KNOWN_BEFORE["unknown"]]).mean() > 0.5
    courses = pd.read_parquet(folder / "courses.parquet").set_index("train_on")
    fewer = int(courses.loc["unknown", "questions"].iloc[0])
    assert 10 <= fewer < 12  # 11 were probed
    assert set(courses.loc["all", "questions"]) == {12}
    learned = results[(results["context"] == "training") & (results["method"] == "lora")]
    by_heart = learned[learned["variant"].str.contains("unknown")]
    assert set(by_heart["known_before"]) == {"unknown"}
    assert by_heart["question_id"].nunique() == fewer
    page = (folder / "report.html").read_text()
    assert f"trained on {fewer} questions instead of 12" in page
    curves = pd.read_parquet(folder / "learning_curves.parquet")
    assert set(curves["checkpoint"]) == {0.0, 0.5, 1.0}
    assert (folder / "figures" / "learning_curves.png").exists()
