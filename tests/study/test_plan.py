import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import nbformat
import pytest

from rag_study.common import run_folder
from rag_study.common.errors import StudyError
from rag_study.common.paths import PROJECT_ROOT
from rag_study.models import names, prompts
from rag_study.study import active_run, batch, identity, notebook_cells, plan
from rag_study.study.config import load_study
from rag_study.study.groups import Point
from rag_study.study.identity import SIMILARITY_MODEL
from rag_study.study.notebook_cells import notebook_parameters
from rag_study.study.running import runner
from rag_study.study.stages import STAGES, covers, declared, find_stage

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


def test_notebook_defaults_are_runs_of_the_demo():
    """Whoever opens a stage's notebook after `make demo` has it done. What the demo does without
    reads its runs, and another system's answers are there to the smoke study's questions."""
    demo, smoke = (
        {run.run_id: run.extent for run in plan.expand(PROJECT_ROOT / "params" / f"{name}.yaml")}
        for name in ("demo", "smoke")
    )
    for stage in STAGES.values():
        run = plan.stage_run(stage.name, Point.model_validate(notebook_parameters(stage.path)))
        if stage.name == "import_answers":
            assert smoke[run.run_id] == run.extent
        elif stage.name in ("write_training_answers", "probe_knowledge"):
            assert {needed.run_id for needed in run.upstream} <= {*demo}
        else:
            assert demo.get(run.run_id) == run.extent, stage.name


def test_notebooks_declare_the_groups_that_they_and_what_comes_before_use():
    """No others, and all together few enough to read."""
    told = {stage.name: list(notebook_parameters(stage.path)) for stage in STAGES.values()}
    assert told == {stage.name: declared(stage) for stage in STAGES.values()}
    assert sum(map(len, told.values())) <= 68


@pytest.mark.parametrize(
    "name", ["smoke", "continual", "formats", "methods", "retrievers", "embeddings", "teacher"]
)
def test_what_a_notebook_is_given_makes_the_run_that_was_planned(name):
    for run in plan.expand(PROJECT_ROOT / "params" / f"{name}.yaml"):
        if not run.is_comparison:
            given = Point.model_validate(json.loads(json.dumps(run.parameters)))
            again = plan.stage_run(run.stage.name, given)
            assert (again.run_id, again.parameters) == (run.run_id, run.parameters)


def test_what_comes_with_the_package_counts_where_it_is_used(write_study, monkeypatch):
    def by_stage(replay):
        tuning = [{"train_size": [4], "replay": replay}]
        return {r.stage.name: r.identity for r in plan.expand(write_study(fine_tuning=tuning))}

    with_replay, without = by_stage(0.2), by_stage(0)
    assert len(with_replay["measure_retention"]["revisions"]["bundled"]) == 3
    assert len(with_replay["fine_tune"]["revisions"]["bundled"]) == 1
    assert "bundled" not in without["fine_tune"]["revisions"]


@pytest.mark.parametrize(
    ("judge", "weighs"),
    [
        ({"model": "smollm2-135m-judge"}, True),
        ({"model": "random-llama", "trained": True}, True),
        ({"model": "random-llama"}, False),
    ],
)
def test_what_a_judge_weighs_counts_where_it_weighs(write_study, monkeypatch, judge, weighs):
    def ids():
        identity._evidence_revision.cache_clear()
        runs = plan.expand(write_study(judges=[judge | {"ladder_size": 20}]))
        return {run.stage.name: run.run_id for run in runs}

    before = ids()
    monkeypatch.setattr(identity, "EVIDENCE_FILES", ("evidence.py",))
    changed = {stage for stage, run_id in ids().items() if run_id != before[stage]}
    identity._evidence_revision.cache_clear()
    assert changed == ({"judge_answers", "validate_judge", "compare"} if weighs else set())


@pytest.mark.parametrize("similarity", [True, False])
def test_the_model_of_semantic_similarity_counts_where_it_is_used(
    write_study, monkeypatch, similarity
):
    study = write_study(semantic_similarity=similarity)
    before = {run.run_id for run in plan.expand(study)}
    preset = names.EMBEDDINGS[SIMILARITY_MODEL]
    monkeypatch.setitem(names.EMBEDDINGS, SIMILARITY_MODEL, replace(preset, revision="other"))
    changed = {run.stage.name for run in plan.expand(study) if run.run_id not in before}
    assert ("validate_judge" in changed) == similarity
    assert "index_corpus" in changed


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
            {"fine_tuning": [{"train_size": [4], "epochs": 7}]},
            {"fine_tune", "generate_answers", "judge_answers", "measure_retention", "compare"},
        ),
        ({"margins": {"answer_recall": 0.2}}, {"compare"}),
        ({"judges": [{"model": "random-llama", "ladder_size": 21}]}, {"validate_judge", "compare"}),
    ],
)
def test_a_change_gives_new_ids_to_the_stages_that_use_it_and_no_others(
    write_study, changes, stages
):
    before = set(ids(write_study()))
    after = ids(write_study(**changes))
    assert {i.split("/")[0] for i in after if i not in before} == stages


@pytest.mark.parametrize(
    ("prompt", "stages"),
    [
        ("ANSWER_SYSTEM", {"fine_tune", "generate_answers", "judge_answers", "measure_retention"}),
        ("JUDGE_SYSTEM", {"judge_answers", "validate_judge"}),
        ("RETENTION_LEAD", {"measure_retention"}),
        ("RERANK", {"index_corpus", "generate_answers", "judge_answers"}),
    ],
)
def test_a_changed_prompt_gives_new_ids_to_what_is_asked_with_it(
    write_study, monkeypatch, prompt, stages
):
    study = write_study()
    before = set(ids(study))
    monkeypatch.setattr(prompts, prompt, "Another text.")
    identity._prompts_hash.cache_clear()
    try:
        after = ids(study)
    finally:
        identity._prompts_hash.cache_clear()
    assert {i.split("/")[0] for i in after if i not in before} == stages | {"compare"}


def test_base_answers_do_not_depend_on_how_others_are_trained(write_study):
    first = {i for i in ids(write_study()) if "base" in i}
    second = set(ids(write_study(fine_tuning=[{"train_size": [6], "epochs": 9}])))
    assert {i.split("/")[0] for i in first} == {
        *("generate_answers", "judge_answers", "measure_retention")
    }
    assert first <= second


def test_only_cells_that_compute_and_write_change_ids(tmp_path):
    source = json.loads(STAGES["fine_tune"].path.read_text())
    copy = tmp_path / "copy.ipynb"

    def code_hash():
        copy.write_text(json.dumps(source))
        notebook_cells.forget_notebooks()
        return identity.notebook_code_hash(notebook_cells.notebook_source(copy))

    original = code_hash()
    cells = [c for c in source["cells"] if c["cell_type"] == "code"]
    cells[1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["x"]}]
    cells[1]["metadata"]["collapsed"] = True
    parameters = next(c for c in cells if "parameters" in c["metadata"].get("tags", []))
    parameters["source"] = ["seed: int = 99\n"]
    shown = next(c for c in cells if not c["metadata"].get("tags"))
    shown["source"] = ["print('something else')\n"]
    added = {"cell_type": "code", "metadata": {}, "source": ["1 + 1"], "outputs": []}
    source["cells"].append(added)
    assert code_hash() == original
    computing = next(c for c in cells if "stage" in c["metadata"].get("tags", []))
    computing["source"] += "\nprint(1)"
    assert code_hash() != original


def test_of_a_notebook_with_stage_cells_only_these_count(tmp_path):
    def book(*cells):
        written = nbformat.v4.new_notebook()
        for source, *tags in cells:
            written.cells.append(nbformat.v4.new_code_cell(source, metadata={"tags": tags}))
        nbformat.write(written, tmp_path / "book.ipynb")
        notebook_cells.forget_notebooks()
        return notebook_cells.notebook_source(tmp_path / "book.ipynb")

    plain = book(("size = 1", "parameters"), ("begin()", "stage"), ("finish()", "stage"))
    more = book(("size = 2", "parameters"), ("1 + 1",), ("begin()", "stage"), ("finish()", "stage"))
    other = book(("size = 1", "parameters"), ("begin()", "stage"), ("finish(2)", "stage"))
    assert identity.notebook_code_hash(plain) == identity.notebook_code_hash(more)
    assert identity.notebook_code_hash(plain) != identity.notebook_code_hash(other)
    assert [cell.number for cell in notebook_cells.stage_cells(more)] == [3, 4]
    untagged = book(("size = 1", "parameters"), ("begin()",), ("1 + 1",))
    assert [cell.source for cell in notebook_cells.stage_cells(untagged)] == ["begin()", "1 + 1"]


def test_a_study_has_the_notebooks_as_they_are_when_it_is_planned(notebooks):
    before = {run.run_id: run for run in plan.expand(SMOKE)}
    for run in before.values():
        assert run.notebook == notebook_cells.notebook_source(run.stage.path)
    file = STAGES["measure_retention"].path
    book = nbformat.read(file, as_version=4)
    computing = [cell for cell in book.cells if "stage" in cell.metadata.get("tags", [])]
    (computing or book.cells)[-1]["source"] += "\n1 + 1"
    nbformat.write(book, file)
    after = {run.run_id: run for run in plan.expand(SMOKE)}
    changed = {run_id.partition("/")[0] for run_id in after.keys() - before.keys()}
    assert changed == {"measure_retention", "compare"}


def test_a_file_that_is_no_notebook_is_named(tmp_path):
    (tmp_path / "broken.ipynb").write_text("{")
    with pytest.raises(StudyError, match=r"broken\.ipynb: this is no notebook"):
        notebook_cells.notebook_source(tmp_path / "broken.ipynb")
    with pytest.raises(StudyError, match=r"other\.ipynb: this notebook is gone"):
        notebook_cells.notebook_source(tmp_path / "other.ipynb")


@pytest.fixture
def nothing_told():
    """What this process was told is looked up again, before and after a test."""
    batch.planned_run.cache_clear()
    yield
    batch.planned_run.cache_clear()


@pytest.mark.usefixtures("nothing_told")
def test_a_batch_run_reads_its_study_file_as_it_was(write_study, tmp_path, monkeypatch):
    path = write_study(notes=["as planned"])
    environment = batch.tell(plan.comparison(load_study(path)), tmp_path)
    write_study(notes=["edited"])
    assert load_study(path).notes == ["edited"]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    batch.planned_run.cache_clear()
    assert load_study(path).notes == ["as planned"]
    path.unlink()
    assert load_study(path).notes == ["as planned"]


@pytest.mark.usefixtures("nothing_told")
def test_files_that_change_while_a_study_runs_stop_what_reads_them(
    write_study, own_data, tmp_path, outputs, monkeypatch
):
    study = write_study(datasets=[{"name": "jsonl", "path": str(own_data), "test_size": 4}])
    prepared = next(run for run in plan.expand(study) if run.stage.name == "prepare_data")
    for name, value in batch.tell(prepared, tmp_path).items():
        monkeypatch.setenv(name, value)
    batch.planned_run.cache_clear()
    questions = own_data / "questions.jsonl"
    as_planned = questions.read_bytes()
    questions.write_bytes(as_planned + b"\n")
    with pytest.raises(StudyError, match="the data have changed since the study began"):
        active_run.begin("prepare_data", {})
    assert not list(outputs.rglob("*.yaml"))
    questions.write_bytes(as_planned)
    assert active_run.begin("prepare_data", {}).run_id == prepared.run_id


def test_content_of_own_data_counts_and_its_place_does_not(write_study, own_data, tmp_path):
    study = {"name": "jsonl", "test_size": 4}
    before = ids(write_study(datasets=[study | {"path": str(own_data)}]))
    moved = own_data.rename(tmp_path / "other")
    moved_ids = ids(write_study(datasets=[study | {"path": str(moved)}]))
    assert moved_ids == before
    # Nothing of these is read, though some are data files.
    for name in ("notes.txt", "answers.jsonl", "more/questions.jsonl", "old.zip"):
        (moved / name).parent.mkdir(exist_ok=True)
        (moved / name).write_text("{}")
    os.utime(moved / "corpus.jsonl", (1, 1))
    assert ids(write_study(datasets=[study | {"path": str(moved)}])) == before
    one_byte(moved / "corpus.jsonl")
    changed = ids(write_study(datasets=[study | {"path": str(moved)}]))
    same = set(changed) & set(moved_ids)
    assert {i.split("/")[0] for i in same} == {"measure_retention"}  # of the base, without data


def one_byte(path):
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)


def test_content_of_model_folders_counts_and_their_place_does_not(write_study, tmp_path):
    (first := tmp_path / "my-model").mkdir()
    (first / "config.json").write_text('{"model_type": "llama"}')
    (first / "model.safetensors").write_bytes(bytes(1000))
    (adapter := tmp_path / "my-adapter").mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    (adapter / "adapter_model.safetensors").write_bytes(bytes(1000))

    def ids_with(model, judge_adapter):
        judge = {"model": str(model), "adapter": str(judge_adapter), "ladder_size": 20}
        return ids(write_study(models=[str(model)], judges=[judge]))

    before = ids_with(first, adapter)
    for folder in (first, adapter):
        copy = shutil.copytree(folder, tmp_path / "elsewhere" / f"{folder.name}-2")
        for file in copy.iterdir():
            os.utime(file, (1, 1))
    first_copy, adapter_copy = (tmp_path / "elsewhere" / f"{f.name}-2" for f in (first, adapter))
    assert ids_with(first_copy, adapter_copy) == before
    (first_copy / "README.md").write_text("my model")
    (adapter_copy / "optimizer.pt").write_bytes(b"1")
    assert ids_with(first_copy, adapter_copy) == before
    one_byte(adapter_copy / "adapter_model.safetensors")
    other_judge = ids_with(first_copy, adapter_copy)
    kinds = {i.split("/")[0] for i in {*before} - {*other_judge}}
    assert kinds == {"judge_answers", "validate_judge", "compare"}
    one_byte(first_copy / "model.safetensors")
    kept = {i.split("/")[0] for i in {*ids_with(first_copy, adapter)} & {*before}}
    assert kept == {"prepare_data", "index_corpus"}


def test_content_of_answers_from_elsewhere_counts_and_its_place_does_not(write_study, tmp_path):
    def ids_with(path):
        return ids(write_study(systems=[{"name": "ours", "answers": str(path)}]))

    (first := tmp_path / "answers.jsonl").write_text(
        '{"id": "fic-0010-4", "answer": "Ann of the mill"}\n'
    )
    before = ids_with(first)
    moved = first.rename(tmp_path / "of-november.jsonl")
    os.utime(moved, (1, 1))
    assert ids_with(moved) == before
    one_byte(moved)
    assert {i.split("/")[0] for i in {*before} - {*ids_with(moved)}} == {
        *("import_answers", "judge_answers", "compare")
    }


def test_sizes_above_the_data_are_refused(write_study):
    with pytest.raises(StudyError, match=r"train_size: 99,999 .* train pool of 'fictional' has"):
        plan.expand(write_study(fine_tuning=[{"train_size": [4, 99999]}]))
    with pytest.raises(StudyError, match="test_size"):
        plan.expand(
            write_study(datasets=[{"name": "fictional", "num_worlds": 84, "test_size": 999}])
        )


def test_unknown_stage_names_the_nearest():
    with pytest.raises(StudyError, match="Did you mean 'fine_tune'"):
        find_stage("finetune")
    assert find_stage("03_fine_tune").name == "fine_tune"


def test_planning_imports_no_torch(write_study):
    server = write_study(models=["http://127.0.0.1:9/v1#x"], fine_tuning=None)
    code = (
        "import sys; from rag_study import cli; from rag_study.study import plan; "
        f"plan.expand({str(SMOKE)!r}); plan.expand({str(server)!r}); "
        "slow = ('torch', 'transformers', 'llama_index', 'pandas', 'papermill', 'openai'); "
        "print([m for m in slow if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_data_for_answers_from_elsewhere_are_the_data_of_all():
    """A notebook opened by hand plans its run from its own values alone."""
    imported = next(r for r in plan.expand(SMOKE) if r.stage.name == "import_answers")
    alone = plan.stage_run("import_answers", Point(**imported.parameters))
    assert alone.run_id == imported.run_id
    assert alone.extent == imported.extent == {"retrieved": 22}
    assert [run.extent for run in alone.upstream] == [{}]


@pytest.mark.usefixtures("nothing_told")
def test_what_a_notebook_reads_is_done_first_and_its_minutes_are_said(outputs, monkeypatch, capsys):
    done = []

    def execute(run):
        done.append(run.stage.name)
        run_folder.RunFolder(run.run_id).path.mkdir(parents=True)
        run_folder.RunFolder(run.run_id).set_status("done", extent=run.extent)
        return runner.Ended("done", run_folder.Status("done"))

    monkeypatch.setattr(runner, "execute", execute)
    values = notebook_parameters(find_stage("judge_answers").path)
    active_run.begin("judge_answers", values)
    assert sorted(done[1:-1]) == ["fine_tune", "index_corpus"]
    assert (done[0], done[-1]) == ("prepare_data", "generate_answers")
    assert re.search(r"not all there: 4 runs first, about \d+ min\.", capsys.readouterr().out)
    active_run.begin("judge_answers", values)
    assert capsys.readouterr().out == ""
