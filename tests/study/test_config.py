import re

import pytest

from rag_study.common.errors import StudyError
from rag_study.common.paths import PROJECT_ROOT
from rag_study.study.config import load_study

JUDGE = {"model": "random-llama"}
SERVER = {"model": "http://127.0.0.1:9/v1#judge"}


def message_of(path):
    with pytest.raises(StudyError) as caught:
        load_study(path)
    return str(caught.value)


@pytest.mark.parametrize("name", [p.name for p in (PROJECT_ROOT / "params").glob("*.yaml")])
def test_study_files_of_the_project_are_valid_and_named_like_their_file(name):
    assert load_study(PROJECT_ROOT / "params" / name).name == name.removesuffix(".yaml").replace(
        "_", "-"
    )


def test_a_misspelt_key_names_the_nearest(write_study):
    message = message_of(write_study(retrieval={"chunk_sizes": 64}))
    assert "retrieval.chunk_sizes" in message
    assert "did you mean 'chunk_size'?" in message
    assert "small.yaml" in message


def test_an_unknown_key_lists_the_known_ones(write_study):
    message = message_of(write_study(zebra=1))
    assert "unknown key 'zebra'" in message
    assert "fine_tuning" in message


def test_every_problem_is_in_one_message(write_study):
    message = message_of(write_study(zebra=1, seeds=["x"], answering={"max_new_tokens": 0}))
    assert "3 problems" in message
    assert "seeds[0]" in message
    assert "answering.max_new_tokens" in message


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": "runs"}, "the folder of all studies' runs"),
        ({"name": "a/b"}, "lower-case letters, digits and hyphens"),
        ({"models": ["smollm2-135m-instrct"]}, "did you mean 'smollm2-135m-instruct'?"),
        ({"models": "random-llama"}, "models: input should be a valid list"),
        ({"datasets": [{"name": "fictionl"}]}, "did you mean 'fictional'?"),
        ({"datasets": [{"name": "jsonl"}]}, "needs `path:`"),
        ({"fine_tuning": [{"method": "lorra", "train_size": [4]}]}, "did you mean 'lora'?"),
        ({"fine_tuning": [{"train_size": []}]}, "fine_tuning[0].train_size"),
        ({"contexts": ["none"]}, "primary.contexts names ['retrieved']"),
        ({"seeds": [1, 1]}, "seeds: 1 is given more than once"),
        ({"retrieval": {"chunk_size": 300}}, "retrieval: chunk_size 300"),
        ({"retrieval": {"chunk_size": 64, "chunk_overlap": 64}}, "smaller than chunk_size"),
        (
            {"margins": {"token_f2": 0.1}},
            "margins: unknown metric 'token_f2'; did you mean 'token_f1'?",
        ),
        ({"margins": {"token_f1": 5}}, "token_f1 lies between 0 and 1, so that no difference is"),
        ({"margins": {"judge_accuracy": 4}}, "three points of a hundred are 0.12"),
        ({"margins": {"answer_recall": float("inf")}}, "margins.answer_recall"),
        ({"margins": {"answer_recall": -0.1}}, "margins.answer_recall"),
        ({"judges": None}, "the key 'judges' is required"),
        ({"judges": [{"model": "random-lama"}]}, "did you mean 'random-llama'?"),
        ({"judges": [JUDGE, JUDGE]}, "judges (by name): random-llama is given more than once"),
        ({"judges": [JUDGE, JUDGE | {"name": "b"}]}, "stands there twice under two names"),
        ({"judges": [JUDGE | {"criteria": ["acuracy"]}]}, "there is no such criterion. Known: acc"),
        ({"judges": [JUDGE | {"criteria": ["own.yaml"]}]}, "there is no such file"),
        ({"judges": [JUDGE | {"samples": 3}]}, "without reasoning_tokens nothing is drawn"),
        ({"judges": [JUDGE | {"adapter": "nowhere"}]}, "adapter: there is no folder"),
        ({"judges": [JUDGE | {"tokenizer": "random-llama"}]}, "it is for models on a server"),
        ({"judges": [SERVER | {"dtype": "4bit"}]}, "dtype: a model on a server is as the server"),
        ({"judges": [JUDGE | {"criteria": ["accuracy"]}]}, "no judge scores 'judge_completeness'"),
        ({"primary": {"metrics": ["judge_acuracy"]}}, "did you mean 'judge_accuracy'?"),
    ],
)
def test_bad_values_say_what_is_allowed(write_study, changes, expected):
    assert expected in message_of(write_study(**changes))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the file is empty"),
        ("# only a comment\n", "the file is empty"),
        ("- a\n- b\n", "this is a list"),
        ("just words", "this is a str"),
        ("name: [unclosed", "not valid YAML"),
        ("name: a\nname: b\n", "line 2"),
        ("\x00\x01\x02", "not valid YAML"),
        ("name: 2031-02-30", "not valid YAML (day is out of range for month: for a text, put"),
        ("name: !!int seven", "not valid YAML"),
        ("seeds: " + "7" * 6000, "not valid YAML"),
        ("models: " + "{a: " * 2500, "nested too deeply"),
    ],
)
def test_files_that_are_no_study(tmp_path, text, expected):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    message = message_of(path)
    assert expected in message
    assert "bad.yaml" in message


def test_missing_file_names_the_nearest(tmp_path):
    (tmp_path / "demo.yaml").write_text("name: x")
    assert "Did you mean" in message_of(tmp_path / "demoo.yaml")
    assert "is a folder" in message_of(tmp_path)


def test_binary_file_is_refused(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_bytes(b"\xff\xfe\xfa\x00")
    assert re.search(r"cannot be read as text .* Save it as UTF-8\.$", message_of(path))


def test_keys_of_earlier_releases_still_say_what_they_said(write_study):
    today = {"train_size": [4, 8], "strength": [0.5], "batch_size": 4}
    before = {"train_sizes": [4, 8], "strengths": [0.5], "train_batch_size": 4}
    spelt = write_study(fine_tuning=[today], answering={"max_new_tokens": 7})
    study = load_study(spelt)
    assert load_study(write_study(fine_tuning=[before], generation={"max_new_tokens": 7})) == study
    message = message_of(write_study(fine_tuning=[today | {"train_sizes": [4]}]))
    assert "train_sizes: that is the former name of `train_size`" in message


def test_data_path_counts_from_the_study_file(write_study, own_data):
    study = load_study(write_study(datasets=[{"name": "jsonl", "path": own_data.name}]))
    assert study.datasets[0].path == str(own_data)
    assert study.datasets[0].display_name == "mine"


def own_criterion(folder, **changes):
    from ruamel.yaml import YAML

    content = {"name": "tone", "label": "Tone", "rubric": "Grade the tone. Reply with one digit."}
    with (folder / "tone.yaml").open("w") as file:
        YAML().dump(content | changes, file)


def test_a_criterion_of_ones_own_lies_beside_the_study_file(write_study, tmp_path):
    own_criterion(tmp_path)
    judge = JUDGE | {"criteria": ["accuracy", "tone.yaml"]}
    study = load_study(write_study(judges=[judge], primary={"metrics": ["judge_accuracy"]}))
    assert study.judges[0].criteria == ["accuracy", str(tmp_path / "tone.yaml")]
    assert study.judged_metrics == ["judge_accuracy", "judge_tone"]
    unchecked = write_study(judges=[judge], primary={"metrics": ["judge_tone"]})
    assert "'judge_tone' can carry no verdict" in message_of(unchecked)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"lable": "x"}, "unknown key 'lable'; did you mean 'label'?"),
        ({"name": "accuracy"}, "is the name of a criterion that comes with the package"),
        ({"required": {"empty": 0.9}}, "'empty' needs a grade in `deserves`"),
        ({"deserves": {"gold": 7}}, "deserves.gold"),
    ],
)
def test_a_criterion_that_is_wrong_says_where(write_study, tmp_path, changes, expected):
    own_criterion(tmp_path, **changes)
    message = message_of(write_study(judges=[JUDGE | {"criteria": ["accuracy", "tone.yaml"]}]))
    assert expected in message
    assert "tone.yaml" in message


def test_the_guide_shows_every_key_with_its_default():
    import re

    from ruamel.yaml import YAML

    from rag_study.study.config import StudyConfig
    from rag_study.study.sections import (
        AnsweringConfig,
        DatasetConfig,
        FineTuningConfig,
        JudgeConfig,
        PrimaryConfig,
        RetrievalConfig,
    )

    text = (PROJECT_ROOT / "docs" / "study-file.md").read_text()
    shown = YAML(typ="safe").load(re.search(r"```yaml\n(.*?)```", text, re.DOTALL)[1])
    assert set(shown) == set(StudyConfig.model_fields)
    assert RetrievalConfig(**shown["retrieval"]) == RetrievalConfig()
    assert AnsweringConfig(**shown["answering"]) == AnsweringConfig()
    assert PrimaryConfig(**shown["primary"]) == PrimaryConfig()
    tuning = FineTuningConfig(train_size=[50, 200])
    assert shown["fine_tuning"] == [tuning.model_dump()]
    assert set(shown["datasets"][0]) == set(DatasetConfig.model_fields)
    assert set(shown["judges"][0]) == set(JudgeConfig.model_fields)
    for name in ("seeds", "prompting", "contexts", "margins", "notes", "systems", "retention"):
        default = StudyConfig.model_fields[name].get_default()
        assert shown[name] == default


def test_the_readmes_five_lines_are_a_valid_study():
    import re

    from ruamel.yaml import YAML

    from rag_study.study.config import StudyConfig

    block = re.search(r"```yaml\n(.*?)```", (PROJECT_ROOT / "README.md").read_text(), re.DOTALL)[1]
    assert len(block.strip().splitlines()) == 5
    assert StudyConfig.model_validate(YAML(typ="safe").load(block)).name == "mine"


def test_a_judge_that_was_trained_to_grade(write_study, tmp_path):
    study = load_study(write_study(judges=[{"model": "smollm2-135m-judge"}]))
    assert study.judges[0].display_name == "smollm2-135m-judge"
    for judge, expected in (
        ({"adapter": str(tmp_path)}, "has one already"),
        ({"criteria": ["groundedness"]}, "has no `trained_rubric`"),
    ):
        with pytest.raises(StudyError, match=expected):
            load_study(write_study(judges=[{"model": "smollm2-135m-judge"} | judge]))
    with pytest.raises(StudyError, match="it is a judge"):
        load_study(write_study(models=["smollm2-135m-judge"]))
    with pytest.raises(StudyError, match="did you mean 'smollm2-135m-judge'"):
        load_study(write_study(judges=[{"model": "smollm2-judge"}]))


@pytest.mark.parametrize(
    "labels", [["towns", "to\u200bwns"], ["a b", " a\u00a0b"], ["x", "\u2060"]]
)
def test_labels_that_look_the_same_or_like_nothing_are_refused(write_study, labels):
    sets = [
        {"name": "fictional", "num_worlds": 84 + place, "test_size": 8, "label": label}
        for place, label in enumerate(labels)
    ]
    with pytest.raises(StudyError, match=r"look the same|can be seen"):
        load_study(write_study(datasets=sets))


def test_labels_may_hold_what_can_be_seen(write_study):
    label = "$x_1$ [red] <b> שלום \x1b[31m"
    sets = [{"name": "fictional", "num_worlds": 84, "test_size": 8, "label": label}]
    assert load_study(write_study(datasets=sets)).datasets[0].display_name == label


@pytest.mark.parametrize(
    "name",
    [
        "http://user:sk-hidden-0123456789@host/v1#m",
        "https://host/v1?api_key=sk-hidden-0123456789#m",
        "http://us er:sk-hidden-0123456789@host/v1#m",
        "http://host/sk-hidden-0123456789/v1#m",
        "http://host/v1#sk%2dhidden-0123456789",
    ],
)
def test_names_with_a_password_or_key_are_refused_and_not_repeated(write_study, monkeypatch, name):
    monkeypatch.setenv("RAG_STUDY_API_KEY", "sk-hidden-0123456789")
    for changes in ({"models": [name]}, {"judges": [{"model": name}]}):
        message = message_of(write_study(**changes))
        assert "Keys come from the environment" in message
        assert "0123456789" not in message
