import json
import subprocess
import sys

import pytest

from rag_study.common.errors import StudyError
from rag_study.common.paths import PROJECT_ROOT
from rag_study.study import identity, plan
from rag_study.study.stages import STAGES, covers, find_stage, notebook_parameters

SMOKE = PROJECT_ROOT / "params" / "smoke.yaml"


def ids(path):
    return [run.run_id for run in plan.expand(path)]


def test_every_run_comes_after_what_it_needs_and_only_once():
    runs = plan.expand(SMOKE)
    seen = set()
    for run in runs:
        assert {needed.run_id for needed in run.upstream} <= seen
        assert run.run_id not in seen
        seen.add(run.run_id)
    assert [r.stage.name for r in runs].count("index_corpus") == 1
    assert [r.stage.name for r in runs].count("generate_answers") == 4
    assert runs[-1].stage.name == "compare"


def test_the_base_model_has_no_fine_tuning_run():
    answers = [r for r in plan.expand(SMOKE) if r.stage.name == "generate_answers"]
    assert [r.needs("fine_tune") is None for r in answers] == [True, True, False, False]


def test_notebook_defaults_are_runs_of_the_smoke_study():
    expected = set(ids(SMOKE))
    for stage in STAGES.values():
        defaults = notebook_parameters(stage.path)
        assert plan.stage_run(stage.name, defaults).run_id in expected


def test_more_questions_or_contexts_are_the_same_run(write_study):
    def answers(**changes):
        study = write_study(**changes)
        return [r for r in plan.expand(study) if r.stage.name == "generate_answers"]

    small = answers()
    large = answers(datasets=[{"name": "fictional", "num_worlds": 84, "test_size": 30}])
    fewer = answers(contexts=["retrieved"])
    assert [r.run_id for r in small] == [r.run_id for r in large] == [r.run_id for r in fewer]
    assert covers(large[0].extent, small[0].extent)
    assert not covers(small[0].extent, large[0].extent)
    assert covers(small[0].extent, fewer[0].extent)


@pytest.mark.parametrize(
    ("changes", "stages"),
    [
        ({"retrieval": {"top_k": 1}}, {"generate_answers", "judge_answers", "compare"}),
        (
            {"fine_tuning": [{"train_sizes": [4], "epochs": 7}]},
            {"fine_tune", "generate_answers", "judge_answers", "measure_retention", "compare"},
        ),
        ({"margins": {"answer_recall": 0.2}}, {"compare"}),
        (
            {"judges": [{"model": "random-llama", "ladder_size": 21}]},
            {"validate_judge", "compare"},
        ),
    ],
)
def test_a_change_gives_new_ids_to_the_stages_that_use_it_and_no_others(
    write_study, changes, stages
):
    before = set(ids(write_study()))
    after = ids(write_study(**changes))
    assert {i.split("/")[0] for i in after if i not in before} == stages


def test_base_answers_do_not_depend_on_how_others_are_trained(write_study):
    first = {i for i in ids(write_study()) if "base" in i}
    second = set(ids(write_study(fine_tuning=[{"train_sizes": [6], "epochs": 9}])))
    assert {i.split("/")[0] for i in first} == {
        *("generate_answers", "judge_answers", "measure_retention")
    }
    assert first <= second


def test_outputs_metadata_and_parameters_of_a_notebook_do_not_change_ids(tmp_path):
    source = json.loads(STAGES["fine_tune"].path.read_text())
    copy = tmp_path / "copy.ipynb"

    def code_hash():
        copy.write_text(json.dumps(source))
        identity.notebook_code_hash.cache_clear()
        return identity.notebook_code_hash(copy)

    original = code_hash()
    cells = [c for c in source["cells"] if c["cell_type"] == "code"]
    cells[1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["x"]}]
    cells[1]["metadata"]["collapsed"] = True
    parameters = next(c for c in cells if "parameters" in c["metadata"].get("tags", []))
    parameters["source"] = ["train_size: int = 99\n"]
    assert code_hash() == original
    cells[1]["source"] += "\nprint(1)"
    assert code_hash() != original


def test_content_of_own_data_counts_and_its_place_does_not(write_study, own_data, tmp_path):
    study = {"name": "jsonl", "test_size": 4}
    before = ids(write_study(datasets=[study | {"path": str(own_data)}]))
    moved = own_data.rename(tmp_path / "other")
    moved_ids = ids(write_study(datasets=[study | {"path": str(moved)}]))
    hashes = [[i.rsplit("-", 1)[1] for i in some[:1]] for some in (before, moved_ids)]
    assert hashes[0] == hashes[1]
    with (moved / "corpus.jsonl").open("a") as file:
        file.write('{"doc_id": "new", "text": "one more"}\n')
    changed = ids(write_study(datasets=[study | {"path": str(moved)}]))
    same = set(changed) & set(moved_ids)
    assert {i.split("/")[0] for i in same} == {"measure_retention"}  # of the base, without data


def test_sizes_above_the_data_are_refused(write_study):
    with pytest.raises(StudyError, match=r"train_size: 99999 .* train pool of 'fictional' has"):
        plan.expand(write_study(fine_tuning=[{"train_sizes": [4, 99999]}]))
    with pytest.raises(StudyError, match="test_size"):
        plan.expand(
            write_study(datasets=[{"name": "fictional", "num_worlds": 84, "test_size": 999}])
        )


def test_unknown_stage_names_the_nearest():
    with pytest.raises(StudyError, match="Did you mean 'fine_tune'"):
        find_stage("finetune")
    assert find_stage("03_fine_tune").name == "fine_tune"


def test_planning_imports_no_torch():
    code = (
        "import sys; from rag_study import cli; from rag_study.study import plan; "
        f"plan.expand({str(SMOKE)!r}); "
        "print([m for m in ('torch', 'transformers', 'llama_index', 'pandas', 'papermill') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
