import copy
import json
import re
from collections import Counter
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from rag_study.common import run_folder
from rag_study.common.errors import StudyError
from rag_study.evaluation import metrics, retention
from rag_study.evaluation.retention import Fact, Instruction, Text
from rag_study.models import language_model, prompts
from rag_study.study import identity
from rag_study.training.pairs import GENERAL, load_general

# For each kind: a check, answers that keep it, answers that do not.
CASES = [
    (
        {"kind": "avoid", "text": "o", "min_words": 3},
        ["A bright star.", "It is big indeed."],
        ["Stars glow at night.", "OH, a star is here", "A star", ""],
    ),
    ({"kind": "avoid", "text": ","}, ["Tea and toast."], ["Tea, then toast."]),
    (
        {"kind": "bullet_list", "items": 2},
        ["- plates\n- two cups", "Here you are:\n\n* plates\n* cups"],
        ["- plates", "- a\n- b\n- c", "1. plates\n2. cups", "-plates\n-cups"],
    ),
    (
        {"kind": "comma_list", "items": 3},
        ["red, green, dark blue", "red, green, and blue."],
        ["red, green", "red green blue", "red, , blue", "It is a nice thing, red, blue"],
    ),
    (
        {"kind": "ends_with", "text": "umbrella"},
        ["Take the umbrella", "Take the Umbrella.", '"Take the umbrella."'],
        ["An umbrella is useful.", "Take two umbrellas."],
    ),
    ({"kind": "ends_with", "text": "?"}, ["Do you sing?"], ["Do you sing? Tell me.", "Sing!"]),
    ({"kind": "ends_with", "text": "!"}, ["Well done!", '"Well done!"'], ["Well done."]),
    (
        {"kind": "json_keys", "keys": ["name", "age"]},
        ['{"age": 3, "name": "Tom"}', '```json\n{"name": "Tom", "age": 3}\n```'],
        ['{"name": "Tom"}', '{"name": "Tom", "age": 3, "x": 1}', "name: Tom", '["name", "age"]'],
    ),
    (
        {"kind": "keyword", "text": "river", "times": 2},
        ["River to river.", "A river, a river and a river"],
        ["A river runs.", "Rivers meet the river."],
    ),
    ({"kind": "lower_case"}, ["a quiet sea"], ["A quiet sea", "123"]),
    (
        {"kind": "max_words", "words": 4, "min_words": 2},
        ["Fresh bread daily"],
        ["a b c d e", "Bread"],
    ),
    ({"kind": "number"}, ["12", "1,250", "-3.5", "7."], ["twelve", "12 eggs", "It is 12", "1 2"]),
    (
        {"kind": "numbered_list", "items": 2},
        ["1. bread\n2. milk", "Two things:\n1) bread\n2) milk"],
        ["1. bread", "1. bread\n2. milk\n3. tea", "1. bread\n1. milk", "- bread\n- milk"],
    ),
    ({"kind": "one_of", "choices": ["yes", "no"]}, ["yes", "No."], ["Yes, it is", "maybe", ""]),
    (
        {"kind": "repeat", "text": "Go home."},
        ["Go home.", '"Go home."'],
        ["go home.", "Go home", "Go home. Now."],
    ),
    (
        {"kind": "sentences", "count": 2},
        ["It rains. We stay.", 'He said "no!" Then he left.', "It costs 2.50 today. Really?!"],
        ["It rains.", "It rains. We stay", "One. Two. Three.", "no end"],
    ),
    (
        {"kind": "starts_with", "text": "Perhaps"},
        ["Perhaps it sleeps.", "perhaps, yes", '"Perhaps" is a word.'],
        ["It sleeps, perhaps.", "Perhapsy"],
    ),
    ({"kind": "upper_case"}, ["WET FLOOR!"], ["WET FLOOr", "Wet floor", "42"]),
    (
        {"kind": "word_count", "words": 3},
        ["Loud and bright.", "it's well-made, 1,000"],
        ["Loud, bright", "far too many words"],
    ),
    ({"kind": "word_count", "words": 1}, ["Guitar.", "Don't"], ["A guitar", "Guitar,piano", "..."]),
    (
        {"kind": "wrapped", "opening": '"“', "closing": '"”'},
        ['"Time flies."', "“Time flies.”"],
        ["Time flies.", '"Time" flies', '"', "", '""'],
    ),
]


def nll_one_by_one(lm, ids, scored):
    """Negative log-likelihoods of the last `scored` tokens, from all logits of one sequence."""
    with torch.inference_mode():
        logits = lm.model(torch.tensor([ids])).logits[0, :-1].float()
    losses = torch.nn.functional.cross_entropy(logits, torch.tensor(ids[1:]), reduction="none")
    return losses[len(ids) - 1 - scored :]


def words(text):
    return " ".join(re.findall(r"\w+", text.lower()))


def test_sets_are_large_enough_and_well_formed():
    texts, facts = retention.load("general_text"), retention.load("general_knowledge")
    asked, pairs = retention.load("instructions"), load_general()
    assert len(texts) >= 200
    assert len(facts) >= 150
    assert len(asked) >= 60
    assert len(pairs) >= 300
    assert all(40 <= len(text.text.split()) <= 90 for text in texts)
    assert all(1 <= len(pair.answer.split()) <= 80 for pair in pairs)
    assert len({text.genre for text in texts}) >= 12
    kinds = Counter(item.check["kind"] for item in asked)
    assert set(kinds) == set(retention.CHECKS)
    assert min(kinds.values()) >= 4


def test_answer_positions_are_balanced_also_in_a_part():
    facts = retention.load("general_knowledge")
    for part in (facts, facts[:40]):
        places = Counter(fact.answer for fact in part)
        assert max(places.values()) - min(places.values()) <= 1
        assert len(places) == 4


def test_no_length_gives_the_answer_away():
    """Right answers are the longest or the shortest of the four about as often as by chance."""
    facts = retention.load("general_knowledge")
    for extreme in (max, min):
        lengths = [[len(choice) for choice in fact.choices] for fact in facts]
        only = sum(
            own[fact.answer] == extreme(own) and own.count(extreme(own)) == 1
            for own, fact in zip(lengths, facts, strict=True)
        )
        assert 0.1 < only / len(facts) < 0.3


def test_nothing_stands_twice_within_or_across_the_sets():
    texts = [
        words(text)
        for text in (
            *(item.text for item in retention.load("general_text")),
            *(item.question for item in retention.load("general_knowledge")),
            *(item.instruction for item in retention.load("instructions")),
            *(pair.question for pair in load_general()),
        )
    ]
    assert [text for text, count in Counter(texts).items() if count > 1] == []


def test_what_replay_trains_on_is_nowhere_measured():
    """No six words in a row of a measured item stand in a replay pair."""

    def runs(text):
        tokens = words(text).split()
        return {tuple(tokens[i : i + 6]) for i in range(len(tokens) - 5)}

    measured = set()
    for item in retention.load("general_text"):
        measured |= runs(item.text)
    for item in retention.load("general_knowledge"):
        measured |= runs(item.question)
    for item in retention.load("instructions"):
        measured |= runs(item.instruction)
    for pair in load_general():
        assert not measured & (runs(pair.question) | runs(pair.answer)), pair


@pytest.mark.parametrize(("check", "good", "bad"), CASES)
def test_checks(check, good, bad):
    assert [a for a in good if not retention.passes(a, check)] == []
    assert [a for a in bad if retention.passes(a, check)] == []


def test_every_kind_has_a_case():
    assert {check["kind"] for check, _, _ in CASES} == set(retention.CHECKS)


@pytest.mark.parametrize(
    ("name", "row", "message"),
    [
        ("general_text", {"id": "a", "genre": "x"}, "line 1: it needs the fields genre, id, text"),
        ("general_text", {"id": "a", "genre": "x", "text": ""}, "none of them empty"),
        (
            "general_knowledge",
            {
                "id": "a",
                "topic": "x",
                "question": "?",
                "choices": ["1", "2", "3", "3"],
                "answer": 0,
            },
            "four different choices",
        ),
        (
            "general_knowledge",
            {
                "id": "a",
                "topic": "x",
                "question": "?",
                "choices": ["1", "2", "3", "4"],
                "answer": 4,
            },
            "answer from 0 to 3",
        ),
        ("instructions", {"id": "a", "instruction": "x", "check": {"kind": "rhyme"}}, "rhyme"),
        (
            "instructions",
            {"id": "a", "instruction": "x", "check": {"kind": "sentences", "n": 2}},
            "cannot be used",
        ),
    ],
)
def test_a_wrong_item_is_refused(tmp_path, name, row, message):
    (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(StudyError, match=message):
        retention.load(name, tmp_path)


def test_an_id_that_stands_twice_is_refused(tmp_path):
    row = json.dumps({"id": "a", "genre": "letter", "text": "x"})
    (tmp_path / "general_text.jsonl").write_text(f"{row}\n{row}\n")
    with pytest.raises(StudyError, match="line 2: the id stands twice"):
        retention.load("general_text", tmp_path)


def test_text_likelihood_against_full_logits(tiny):
    texts = retention.load("general_text")[:5]
    for row, text in zip(retention.text_likelihood(tiny, texts, 3), texts, strict=True):
        ids = tiny.tokenizer.encode(text.text)
        losses = nll_one_by_one(tiny, ids, len(ids) - 1)
        assert row["id"] == text.id
        assert row["tokens"] == len(losses) == len(text.text.encode()) - 1  # a byte tokenizer
        assert row["nll_per_token"] == pytest.approx(losses.mean().item(), rel=1e-5)
        assert row["nll_per_byte"] == pytest.approx(row["nll_per_token"], rel=1e-9)


def test_begin_token_stands_once_and_all_of_the_text_is_scored(tiny):
    from tokenizers.processors import TemplateProcessing

    backend = copy.deepcopy(tiny.tokenizer.backend_tokenizer)
    backend.post_processor = TemplateProcessing(
        single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<|endoftext|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
    )
    lm = language_model.LanguageModel("with-begin", tiny.model, tokenizer)
    (row,) = retention.text_likelihood(lm, [Text("a", "x", "<|endoftext|>Snow falls.")])
    ids = [0, *tiny.tokenizer.encode("Snow falls.")]
    assert row["tokens"] == len("Snow falls.")
    assert row["nll_per_token"] == pytest.approx(
        nll_one_by_one(lm, ids, 11).mean().item(), rel=1e-5
    )
    assert row["nll_per_byte"] == row["nll_per_token"]


def test_a_text_above_the_window_is_refused(tiny):
    with pytest.raises(StudyError, match="window"):
        retention.text_likelihood(tiny, [Text("a", "x", "word " * 900)])


def test_knowledge_margins_against_full_logits(tiny):
    facts = retention.load("general_knowledge")[:4]
    for row, fact in zip(retention.knowledge_margins(tiny, facts, 3), facts, strict=True):
        messages = [
            {"role": "system", "content": prompts.RETENTION_SYSTEM},
            {"role": "user", "content": fact.question},
        ]
        prompt = prompts.render(tiny.tokenizer, messages) + "Answer:"
        means = []
        for choice in fact.choices:
            scored = len(f" {choice}".encode())
            ids = tiny.tokenizer.encode(f"{prompt} {choice}", add_special_tokens=False)
            # The choices may begin alike (all with the space); those tokens are scored as well.
            means.append(-nll_one_by_one(tiny, ids, scored).mean().item())
        right = means.pop(fact.answer)
        assert row["margin"] == pytest.approx(right - max(means), abs=1e-5)
        assert row["correct"] == int(right > max(means))


def test_choices_that_begin_alike_keep_all_their_tokens(tiny):
    fact = Fact("a", "x", "Which?", ["Mount A", "Mount B", "Mount C", "Mount D"], 1)
    assert [scored for _, scored in retention._choice_tokens(tiny, fact)] == [8] * 4


@pytest.mark.parametrize(
    ("measure", "name", "column"),
    [
        (retention.text_likelihood, "general_text", "nll_per_token"),
        (retention.knowledge_margins, "general_knowledge", "margin"),
    ],
)
def test_batch_size_does_not_matter_but_for_rounding(tiny, measure, name, column):
    items = retention.load(name)[:10]
    one, seven, again = (measure(tiny, items, size) for size in (1, 7, 7))
    assert seven == again
    assert [row["id"] for row in seven] == [item.id for item in items]
    for a, b in zip(one, seven, strict=True):
        assert a[column] == pytest.approx(b[column], abs=1e-4)


def test_answers_to_instructions_do_not_depend_on_the_batch(tiny):
    items = retention.load("instructions")[:6]
    rows = retention.instruction_following(tiny, items, 1, max_new_tokens=8)
    assert rows == retention.instruction_following(tiny, items, 4, max_new_tokens=8)
    assert [row["id"] for row in rows] == [item.id for item in items]


def test_a_cut_answer_passes_only_where_its_beginning_shows_it(tiny, monkeypatch):
    monkeypatch.setattr(retention, "passes", lambda answer, check: True)
    kinds = sorted(retention.CHECKS)
    items = [Instruction(kind, "Say something.", {"kind": kind}) for kind in kinds]
    rows = retention.instruction_following(tiny, items, max_new_tokens=1)
    assert all(row["truncated"] for row in rows)
    assert {row["id"] for row in rows if row["passed"]} == retention.SHOWN_EARLY


def test_measure_stacks_all_metrics_and_resumes(tiny, outputs, monkeypatch):
    table = retention.measure(tiny, run_folder.RunFolder("stage/a-1"), limit=3)
    assert list(table.columns) == ["task", "metric", "item_id", "value"]
    assert table.groupby("metric")["item_id"].nunique().to_dict() == dict.fromkeys(
        sorted(metrics.RETENTION), 3
    )
    assert not table.duplicated(["metric", "item_id"]).any()
    assert run_folder.RunFolder("stage/a-1").progress() == (9, 9)
    fresh = retention.measure(tiny, run_folder.RunFolder("stage/b-2"), limit=3)
    assert fresh.equals(table)
    monkeypatch.setattr(retention, "log_likelihoods", None)  # not a single one is computed again
    resumed = retention.measure(tiny, run_folder.RunFolder("stage/a-1"), limit=3)
    assert resumed.equals(table)


def test_an_adapter_that_has_learnt_nothing_measures_as_the_base(tiny, outputs):
    from peft import LoraConfig, get_peft_model

    base = retention.measure(tiny, run_folder.RunFolder("stage/base-1"), limit=4)
    config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    wrapped = get_peft_model(copy.deepcopy(tiny.model), config).eval()
    tuned = language_model.LanguageModel("tuned", wrapped, tiny.tokenizer)
    assert retention.measure(tuned, run_folder.RunFolder("stage/tuned-1"), limit=4).equals(base)


def test_run_ids_know_all_sets():
    there = {file.name for file in retention.DATA.iterdir()}
    assert {Path(file).stem for file in there} == set(retention.SETS)
    known = {stage: {Path(f).name for f in files} for stage, files in identity.BUNDLED_SETS.items()}
    assert known == {"measure_retention": there, "fine_tune": {GENERAL.name}}
