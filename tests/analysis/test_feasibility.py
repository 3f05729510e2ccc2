"""Whether a study can answer its question, before anything is computed."""

import dataclasses
import json
import re

import numpy as np
import pandas as pd
import pytest

from rag_study.analysis import equivalence, feasibility
from rag_study.analysis.feasibility import asked as asking
from rag_study.analysis.feasibility import differences, gate, groups, judges, machine
from rag_study.analysis.feasibility.asked import Asked
from rag_study.common import machine as this_machine
from rag_study.common.errors import StudyError
from rag_study.common.paths import params_dir
from rag_study.data.schema import NO_ANSWER, QADataset, Question
from rag_study.evaluation import criteria
from rag_study.evaluation.judging import sizes
from rag_study.evaluation.metrics import METRICS
from rag_study.study import plan
from rag_study.study.running import resources
from rag_study.study.sections import DatasetConfig, JudgeConfig

SYLLABLES = ["ba", "do", "ke", "lu", "mi", "no", "pa", "ru", "si", "ta", "ve", "zo"]


def name_of(i):
    one, two = divmod(i, 12)
    first, last = SYLLABLES[one % 12], SYLLABLES[(one + two) % 12]
    return f"{first.title()}{SYLLABLES[two]}n {last.title()}s{i}"


def question(i, group=None, **changes):
    told = {"answers": (name_of(i),), "group": group or f"g{i}"} | changes
    return Question(f"q{i}", f"Who built mill {i} in the valley of {name_of(i + 500)}?", **told)


def asked(test, train=(), validation=(), test_size=None, train_size=0, **keys):
    dataset = DatasetConfig.model_construct(
        name="jsonl", label="mills", path=None, test_share=0.25,
        test_size=len(test) if test_size is None else test_size, **keys,
    )  # fmt: skip
    return Asked(
        dataset, None, {"train": train, "validation": validation, "test": test}, train_size
    )


@pytest.fixture
def own_study(tmp_path, write_study):
    """Write a study on data with so many questions in each group; returns its file."""

    def write(group_sizes, label="mills", dataset=None, also=(), **changes):
        folder = tmp_path / label
        folder.mkdir()
        rows = [
            {"id": f"{label}{g}-{k}", "question": f"Who built {name_of(97 * g + k)} {k} of {g}?",
             "answers": [name_of(g * 31 + k)], "gold_doc_ids": [f"d{g}"], "group": f"{label}{g}"}
            for g, size in enumerate(group_sizes)
            for k in range(size)
        ]  # fmt: skip
        texts = {row["gold_doc_ids"][0]: "" for row in rows}
        for row in rows:
            texts[row["gold_doc_ids"][0]] += f" {row['question'][10:-1]}: {row['answers'][0]}."
        documents = [{"doc_id": i, "title": f"Mills {i}", "text": t} for i, t in texts.items()]
        for file, lines in (("questions", rows), ("corpus", documents)):
            text = "\n".join(json.dumps(line) for line in lines)
            (folder / f"{file}.jsonl").write_text(text, encoding="utf-8")
        entry = {"name": "jsonl", "path": str(folder), "label": label, "test_size": 8}
        entry |= dataset or {}
        return write_study(datasets=[entry, *also], **changes)

    return write


def checked(path):
    runs = plan.expand(path)
    return feasibility.check(runs, runs[-1].study)


def of(found, topic, level=None):
    return [f for f in found.findings if f.topic == topic and level in (None, f.level)]


# --- Groups ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "enough"), [(1, False), (19, False), (20, True), (21, True)])
def test_a_verdict_takes_twenty_groups(monkeypatch, number, enough):
    one = asked([question(i) for i in range(number)])
    monkeypatch.setattr(groups, "_whole", lambda a: QADataset(tuple(a.pools["test"]), ()))
    found = groups.finding(one)
    assert (found is None) == enough
    if found:
        assert f"{number} independent group" in found.sentence
        assert found.level == "no verdict"
        assert "40 groups" in found.remedy  # nothing that these questions give


def test_one_huge_group_is_left_out_by_asking_fewer_questions():
    """The pool takes one question of each group before a second of any."""
    test = [question(i) for i in range(30)] + [question(100 + i, group="g0") for i in range(200)]
    whole = asked(test)
    number, worth = whole.groups
    assert (number, worth < 2) == (30, True)
    found = groups.finding(whole)
    size = int(re.search(r"`test_size: (\d+)`", found.remedy)[1])
    assert groups.finding(asked(test, test_size=size)) is None
    assert groups.finding(asked(test, test_size=size + 1)) is not None  # the nearest that will do


def test_the_smallest_change_of_the_test_share_is_one_that_works(own_study):
    path = own_study([1] * 60)
    found = checked(path)
    assert found.verdict is False
    remedy = of(found, "questions", "no verdict")[0].remedy
    share = float(re.search(r"`test_share: ([\d.]+)`", remedy)[1])
    size = int(re.search(r"`test_size: (\d+)`", remedy)[1])
    study = plan.load_study(path)
    assert share > study.datasets[0].test_share

    def with_share(value, number):
        change = {"test_share": value, "test_size": number}
        changed = study.model_copy(
            update={"datasets": [study.datasets[0].model_copy(update=change)]}
        )
        runs = plan.expand(changed)
        return asking.of_study(runs, changed)[0]

    assert groups.finding(with_share(share, size)) is None
    below = with_share(round(share - 0.05, 2), 4)
    assert groups.nearest_size(below.pools["test"], size) is None


def test_what_is_left_for_training_is_looked_at(own_study):
    path = own_study([1] * 60, fine_tuning=[{"train_size": [38]}])
    remedy = of(checked(path), "questions", "no verdict")[0].remedy
    left = int(re.search(r"leaves (\d+) questions for training", remedy)[1])
    assert left < 38
    assert "lower `train_size` (38)" in remedy


def test_too_few_groups_whatever_the_share(own_study):
    found = of(checked(own_study([2] * 12, dataset={"test_size": 2})), "questions", "no verdict")
    assert "No `test_share` gives 20 of the 12 groups" in found[0].remedy
    assert "40 groups" in found[0].remedy
    large = asked([question(i) for i in range(3)], [question(10 + i, "big") for i in range(90)])
    assert "'big', has 90 of 93" in groups._more_needed(large, None)


def test_a_verdict_is_possible_where_one_data_set_has_one(own_study):
    other = {"name": "fictional", "num_worlds": 100, "test_size": 24}
    path = own_study([1] * 20, dataset={"test_size": 3}, also=[other])
    found = checked(path)
    assert found.verdict is True
    assert [row["dataset"] for row in found.data] == ["mills", "fictional"]
    assert [f.sentence[:6] for f in of(found, "questions", "no verdict")] == ["mills:"]
    runs = plan.expand(path)
    assert feasibility.blocking(runs, runs[-1].study) == []
    assert [f.level for f in feasibility.outlook(runs, runs[-1].study)] == ["no verdict", "note"]


def test_where_no_data_set_has_one_the_reasons_of_all_are_said(own_study):
    other = {"name": "fictional", "num_worlds": 84, "test_size": 8}
    runs = plan.expand(own_study([1] * 20, dataset={"test_size": 3}, also=[other]))
    blocking = feasibility.blocking(runs, runs[-1].study)
    assert len(blocking) == 2
    with pytest.raises(StudyError, match=r"--anyway") as caught:
        feasibility.refuse_without_verdict(runs[-1].study, blocking)
    assert "`test_size: 20` gives 20 groups" in str(caught.value)


def test_no_verdict_is_asked_for_where_nothing_is_trained(write_study):
    path = write_study(fine_tuning=None)
    found = checked(path)
    assert found.verdict is None
    assert "Nothing is trained" in str([f.sentence for f in found.findings])
    assert {f.level for f in found.findings} == {"note"}
    runs = plan.expand(path)
    assert feasibility.blocking(runs, runs[-1].study) == []
    assert "verdict" not in feasibility.outlook(runs, runs[-1].study)[0].sentence


def test_a_model_on_a_server_is_said_not_to_be_trained(write_study):
    found = checked(write_study(models=["http://localhost:9/v1#some-model"]))
    nothing = next(f for f in found.findings if "Nothing is trained" in f.sentence)
    assert "on a server" in nothing.remedy


@pytest.mark.parametrize("name", sorted(file.stem for file in params_dir().glob("*.yaml")))
def test_the_studies_that_ship_can_answer(name):
    runs = plan.expand(params_dir() / f"{name}.yaml")
    gate.refuse_impossible(runs, runs[-1].study)
    assert feasibility.blocking(runs, runs[-1].study) == []


# --- Judges ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bound", "needed"), [(0.51, 20), (0.83, 20), (0.84, 22), (0.90, 36), (0.95, 72)]
)
def test_questions_without_which_no_judge_reaches_a_bound(bound, needed):
    assert sizes.questions_for(bound) == needed
    assert sizes.flawless(needed) >= bound
    assert needed == 20 or sizes.flawless(needed - 1) < bound


def test_the_lower_bound_of_forty_questions_in_perfect_order():
    assert sizes.flawless(40) == pytest.approx(0.912, abs=1e-3)


@pytest.mark.parametrize(("size", "too_small"), [(20, True), (35, True), (36, False), (40, False)])
def test_a_ladder_that_can_show_nothing(write_study, size, too_small):
    judge = {"model": "random-llama", "ladder_size": size}
    runs = plan.expand(write_study(judges=[judge]))
    study = runs[-1].study
    assert ([least for _, least in judges.too_small(study.judges)] == [36]) == too_small
    if not too_small:
        gate.refuse_impossible(runs, study)
        return
    with pytest.raises(StudyError, match=f"ladder_size: {size} questions cannot show.*36 can"):
        gate.refuse_impossible(runs, study)
    done = [run for run in runs if run.stage.name != "validate_judge"]
    gate.refuse_impossible(done, study)  # a study that is done stays as it is


def test_criteria_of_ones_own_need_what_they_require(write_study, tmp_path):
    text = criteria.find("accuracy").model_dump() | {"name": "strict", "label": "Strict"}
    text |= {"required": {"other_question": 0.96}, "trained_rubric": ""}
    (tmp_path / "strict.yaml").write_text(json.dumps(text))
    judge = {"model": "random-llama", "ladder_size": 60, "criteria": ["accuracy", "./strict.yaml"]}
    primary = {"metrics": ["judge_accuracy"], "reference_metrics": ["answer_recall"]}
    runs = plan.expand(write_study(judges=[judge], primary=primary))
    with pytest.raises(StudyError, match=f"{sizes.questions_for(0.96)} can"):
        gate.refuse_impossible(runs, runs[-1].study)


def ladder_of(one, size):
    judge = JudgeConfig(model="random-llama", ladder_size=size)
    return judges.Ladder.of(
        judge, one, METRICS.with_criteria(criteria.find_all(judge.criteria), {})
    )


def test_a_ladder_fills_up_from_the_other_pools():
    test, validation = [question(i) for i in range(12)], [question(i) for i in range(20, 24)]
    train = [question(i) for i in range(30, 90)]
    made = ladder_of(asked(test, train, validation), 40)
    assert made.pools == {"test": 12, "validation": 4, "train": 24}
    assert not made.lacking
    assert not [*made.findings()]
    alone = ladder_of(asked([question(i) for i in range(100, 160)], train), 40)
    assert alone.pools == {"test": 40, "validation": 0, "train": 0}


def test_the_smallest_ladder_that_can_be_passed_is_named():
    everything = asked([question(i) for i in range(30)], [question(i) for i in range(40, 100)])
    made = ladder_of(everything, 24)
    assert {(rung, n, needed) for _, rung, n, needed in made.lacking} == {
        ("other_question", 24, 36)
    }
    assert next(made.findings()).remedy == "`ladder_size: 36` is enough."
    assert not made.can_carry("judge_accuracy")


def test_data_with_too_few_questions_for_any_ladder():
    made = ladder_of(
        asked([question(i) for i in range(10)], [question(i) for i in range(20, 40)]), 36
    )
    assert made.questions == 30
    found = next(made.findings())
    assert (
        "30 questions with the rung “answer to another question”, 36 are needed" in found.sentence
    )
    assert "The data has 30 questions in all" in found.remedy


def test_a_rung_that_no_test_question_can_have_is_looked_for_in_the_other_pools():
    """One wrong fact can be put only into an answer that has a fact."""
    none = {"answers": NO_ANSWER, "answer_type": "unanswerable"}
    plain = [question(i, **none) for i in range(45)]
    facts = [question(100 + i) for i in range(100)]
    alone, filled = ladder_of(asked(plain), 42), ladder_of(asked(plain, facts), 42)
    assert "corrupted" in {rung for _, rung, *_ in alone.lacking}
    assert "corrupted" not in {rung for _, rung, *_ in filled.lacking}
    assert filled.pools["train"] >= 20


# --- Scores that could carry a verdict ------------------------------------------------------------


def test_answers_that_only_a_judge_can_score(tmp_path, write_study):
    folder = tmp_path / "essays"
    folder.mkdir()
    rows = [
        {"id": f"q{i}", "question": f"Why was mill {name_of(i)} given up?", "answers": [],
         "reference": f"Because {name_of(i + 300)} had left and river Nr {i} ran dry that year.",
         "answer_type": "summary", "group": f"g{i}"}
        for i in range(120)
    ]  # fmt: skip
    (folder / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "corpus.jsonl").write_text('{"doc_id": "d", "title": "t", "text": "Mills."}')
    data = [{"name": "jsonl", "path": str(folder), "label": "essays", "test_size": 25}]
    path = write_study(datasets=data, contexts=["none"], primary={"contexts": ["none"]})
    found = checked(path)
    assert found.data[0]["only_by_judge"] == 1.0
    assert found.data[0]["answers"] == {"short": 0.0, "several": 0.0, "long": 1.0}
    row = found.judges[0]
    assert found.verdict is row["can_be_valid"]
    path = write_study(
        datasets=data, contexts=["none"], primary={"contexts": ["none"]},
        judges=[{"model": "random-llama", "ladder_size": 20}],
    )  # fmt: skip
    runs = plan.expand(path)
    blocking = feasibility.blocking(runs, runs[-1].study)
    assert [f.topic for f in blocking] == ["scores"]
    assert "no question of essays has answer recall" in blocking[0].sentence


# --- What could be seen ---------------------------------------------------------------------------


def test_what_can_be_seen_comes_from_past_studies_of_the_data(outputs, own_study):
    found = checked(own_study([1] * 200, dataset={"test_size": 40}))
    recall = next(row for row in found.differences if row["metric"] == "answer_recall")
    assert recall["spread_from"] == "assumed"
    # (t(.975) + t(.80)) standard errors with 39 degrees of freedom
    assert recall["detectable"] == pytest.approx((2.0227 + 0.8512) * 0.5 / np.sqrt(40), rel=1e-3)
    assert of(found, "difference")[0].remedy

    def past(study, dataset, se):
        rows = {"dataset": dataset, "metric": "answer_recall", "baseline": "default"}
        rows |= {"train_size": 4, "n_effective": 100.0, "se": se, "n_seeds": 1}
        (outputs / study).mkdir(parents=True)
        pd.DataFrame([rows]).to_parquet(outputs / study / "comparisons.parquet")

    past("elsewhere", "castles", 0.02)
    assert differences.past_spreads("mills")["answer_recall"] == (
        pytest.approx(0.2),
        "1 past study",
    )
    past("here", "mills", 0.03)
    (outputs / "broken").mkdir()
    (outputs / "broken" / "comparisons.parquet").write_bytes(b"PAR1")
    spread, source = differences.past_spreads("mills")["answer_recall"]
    assert (spread, source) == (pytest.approx(0.3), "1 past study on mills")


# --- The machine ----------------------------------------------------------------------------------


def test_a_model_that_does_not_fit_and_what_would(write_study, monkeypatch):
    changes = {"models": ["llama2-7b-chat"], "fine_tuning": [{"method": "full", "train_size": [4]}]}
    runs = plan.expand(write_study(**changes))
    monkeypatch.setattr(this_machine, "model_memory", lambda: 40e9)
    rows, found = machine.memory(runs)
    fits = {(row["use"], row["model"]): row["fits"] for row in rows}
    assert fits["answer", "llama2-7b-chat"] is True
    assert fits["train, full", "llama2-7b-chat"] is False
    assert fits["grade", "random-llama"] is True
    assert [f.level for f in found] == ["problem"]
    assert found[0].remedy == "`method: lora` takes 37.2 GB."
    monkeypatch.setattr(this_machine, "model_memory", lambda: 21e9)
    remedies = [f.remedy for f in machine.memory(runs)[1]]
    assert "`compute: {dtype: bfloat16}` takes 17.9 GB." in remedies
    assert "`method: lora` with `compute: {dtype: bfloat16}` takes 20.3 GB." in remedies
    monkeypatch.setattr(this_machine, "model_memory", lambda: 2e9)
    assert all("on a server" in f.remedy for f in machine.memory(runs)[1])


def test_long_examples_in_large_batches_take_memory_of_their_own(write_study, monkeypatch):
    """A training on several passages took 8.7 GB with a model of which 1.3 GB were expected."""
    formats = {"train_format": ["closed_book", "raft"], "train_size": [8], "batch_size": 8}
    runs = plan.expand(
        write_study(
            models=["smollm2-135m-instruct"],
            fine_tuning=[formats],
            retrieval={"chunk_size": 192, "chunk_overlap": 32, "top_k": 3},
            compute={"dtype": "bfloat16"},
        )
    )
    trainings = [run for run in runs if run.stage.name == "fine_tune"]
    short, long = sorted(map(resources.memory_of, trainings))
    assert (short, long) == (pytest.approx(1.7e9, rel=0.1), pytest.approx(9e9, rel=0.15))
    monkeypatch.setattr(this_machine, "model_memory", lambda: 6e9)
    rows, found = machine.memory(runs)
    [training] = [row for row in rows if row["use"] == "train, lora"]
    assert training["bytes"] == long
    assert [f.remedy.split("`")[1] for f in found] == ["gradient_checkpointing: true"]
    monkeypatch.setattr(this_machine, "model_memory", lambda: 4e9)
    assert [f.remedy.split("`")[1] for f in machine.memory(runs)[1]] == ["batch_size: 2"]


def model_folder(path, config, tensors=None):
    path.mkdir()
    (path / "config.json").write_text(json.dumps({"model_type": "llama"} | config))
    if tensors:
        header = json.dumps({"w": {"dtype": "F32", "shape": tensors, "data_offsets": [0, 0]}})
        content = len(header).to_bytes(8, "little") + header.encode()
        (path / "model.safetensors").write_bytes(content)
    return path


def test_a_folder_of_which_the_size_is_not_known(write_study, tmp_path):
    folder = model_folder(tmp_path / "nameless", {"architectures": ["LlamaForCausalLM"]})
    runs = plan.expand(write_study(models=[str(folder)], fine_tuning=None))
    rows, found = machine.memory(runs)
    assert [row["fits"] for row in rows if row["model"].endswith("nameless")] == [None]
    assert "is not known before it is loaded" in found[0].sentence
    assert found[0].level == "note"


def test_a_folder_that_is_not_there_is_said_at_once(write_study):
    with pytest.raises(StudyError, match="not a folder"):
        plan.expand(write_study(models=["../models/missing-one/x"]))


def test_the_disk_is_looked_at(write_study, monkeypatch):
    runs = plan.expand(write_study(models=["llama2-7b-chat"]))
    usage = machine.shutil.disk_usage("/")
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage._replace(free=int(5e9)))
    record, found = machine.disk(runs)
    assert record["downloaded"] == pytest.approx(2 * 6.74e9)
    assert "5.0 GB are free" in found[0].sentence
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage._replace(free=int(1e12)))
    assert machine.disk(runs)[1] == []


# --- As a whole -----------------------------------------------------------------------------------


def test_everything_is_json(own_study):
    found = checked(own_study([3] * 100, dataset={"test_size": 60}))
    record = json.loads(json.dumps(found.record(), allow_nan=False))
    assert record["verdict"] is True
    assert record["data"][0]["language"] == "English"
    search = record["search"][0]
    assert (search["gold"], search["answer_in_gold"], search["documents"]) == (1.0, 1.0, 100)
    assert search["found_by_words"] > 0.9
    assert dataclasses.asdict(found.findings[0]) == record["findings"][0]


# --- The audit of styles --------------------------------------------------------------------------


def clustered(sizes, first=0, name="c"):
    """Questions in groups of these sizes, one of each group before a second of any."""
    places = [(k, g) for g, size in enumerate(sizes) for k in range(size)]
    return [question(first + i, f"{name}{g}") for i, (_, g) in enumerate(sorted(places))]


def test_a_ladder_with_questions_enough_in_too_few_groups_cannot_pass_the_audit():
    few = ladder_of(asked(clustered([6] * 12)), 60)
    assert not few.lacking
    assert few.record()["can_be_valid"]
    assert not few.record()["can_be_audited"]
    assert not few.can_carry("judge_accuracy")
    (found,) = few.findings()
    assert "60 questions in 12 groups of the 20 needed" in found.sentence
    assert "no ladder of them is enough" in found.remedy
    assert not [*ladder_of(asked(clustered([3] * 20)), 60).findings()]


def test_a_ladder_of_groups_enough_is_named_even_if_it_is_smaller():
    """One group fills up what the others leave; training questions come in groups of their own."""
    uneven = asked(clustered([1] * 40 + [40]))
    whole = ladder_of(uneven, 80)
    assert whole.audited[2] < 4
    size = int(re.search(r"`ladder_size: (\d+)`", next(whole.findings()).remedy)[1])
    assert 36 <= size < 80
    assert not [*ladder_of(uneven, size).findings()]
    filled = asked(clustered([4] * 12), clustered([1] * 60, 200, "t"))
    size = int(re.search(r"`ladder_size: (\d+)`", next(ladder_of(filled, 48).findings()).remedy)[1])
    assert size > 48
    assert not [*ladder_of(filled, size).findings()]


@pytest.mark.parametrize(("sizes", "passes"), [([3] * 19, False), ([3] * 20, True)])
def test_the_groups_that_are_asked_for_are_those_with_which_the_audit_passes(sizes, passes):
    """A judge without an error: the audit itself is asked."""
    codes = np.repeat(np.arange(len(sizes)), sizes)
    unseen = equivalence.unseen_error(0.25, 4.0)
    part = equivalence.Part.of("style rungs", np.zeros(len(codes)), codes, unseen, 2)
    assert (part.status(equivalence.LIMIT * 0.25) == equivalence.PASSES) == passes
    made = ladder_of(asked(clustered(sizes)), len(codes))
    assert ("judge_accuracy" not in made.not_auditable) == passes


# --- Contexts -------------------------------------------------------------------------------------


def test_contexts_are_counted_as_the_stage_will_have_them(outputs):
    """Counted on whole documents, and here by the stage's own rule on passages of one sentence."""
    from rag_study import data
    from rag_study.analysis.feasibility import contexts
    from rag_study.answering.contexts import ContextBuilder

    whole = data.load("fictional", options={"num_worlds": 30})
    pools = data.split(whole, 0.4).pools
    one = asked(pools["test"], pools["train"], pools["validation"], train_size=10)
    rows = {row["context"]: row for row in contexts.records(one, contexts.COUNTED, whole.documents)}
    chunks = pd.DataFrame(
        [
            (f"{d.doc_id}#{n}", d.doc_id, d.title, text, 20)
            for d in whole.documents
            for n, text in enumerate(re.split(r"(?<=[.]) ", d.text))
        ],
        columns=["chunk_id", "doc_id", "title", "text", "tokens"],
    )
    hits = pd.DataFrame(columns=["question_id", "rank", "chunk_id"])
    every = [q for pool in pools.values() for q in pool]
    builder = ContextBuilder(chunks, hits, 3, every)
    for name in ("oracle", "counterfactual"):
        able = sum(builder.context(q, name).passages is not None for q in pools["test"])
        assert abs(rows[name]["possible"] - able) <= 0.05 * len(pools["test"])
    assert 0 < rows["counterfactual"]["possible"] < rows["counterfactual"]["asked"]
    assert rows["counterfactual"]["possible"] + sum(
        rows["counterfactual"]["reasons"].values()
    ) == len(pools["test"])
    assert (rows["training"]["possible"], rows["training"]["asked"]) == (10, len(pools["test"]))


def test_a_verdict_from_a_context_that_hardly_a_question_can_have_is_refused(own_study, command):
    """All questions are yes or no: no passage says another answer of that kind."""
    primary = {"contexts": ["counterfactual"]}
    path = own_study(
        [1] * 120, dataset={"test_size": 25}, contexts=["retrieved", "counterfactual"],
        primary=primary,
    )  # fmt: skip
    found = checked(path)
    assert found.verdict is True
    file = path.parent / "mills" / "questions.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    for row in rows:
        row |= {"answers": ["yes"], "answer_type": "yesno"}
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = checked(path)
    assert found.verdict is False
    (said,) = of(found, "contexts", "no verdict")
    assert "0 of 25 questions can be asked (yesno question: 25)" in said.sentence
    assert "no verdict is possible" in command("run", path)[2]
