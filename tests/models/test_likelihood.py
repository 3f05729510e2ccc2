import copy

import pytest
import torch
from peft import PromptTuningConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

from rag_study.answering.context_gain import reference_log_likelihood
from rag_study.answering.generation import Settings
from rag_study.common.errors import StudyError
from rag_study.data.schema import Question
from rag_study.models import language_model, likelihood, prompts
from rag_study.models.likelihood import log_likelihoods
from rag_study.models.prompts import Prompting
from rag_study.retrieval.passage import Passage

QUESTIONS = [
    Question(f"q{i}", f"Who built tower {i * 371}?", (f"Person A{'x' * i}",)) for i in range(9)
]
PASSAGES = [[Passage(f"c{j}", "d", "T", "word " * (i + 3)) for j in range(i % 4)] for i in range(9)]
SETTINGS = Settings(max_new_tokens=8, batch_size=16)


def plain(lm, prompt, reference):
    """Mean log-likelihood of the reference's tokens, one sequence at a time, all logits."""
    tokens = lm.tokenizer.encode(reference, add_special_tokens=False)
    ids = torch.tensor([prompt + tokens])
    with torch.no_grad():
        scores = lm.model(input_ids=ids).logits[0].log_softmax(-1)
    places = range(len(prompt) - 1, ids.shape[1] - 1)
    return sum(scores[p, ids[0, p + 1]].item() for p in places) / len(tokens)


def test_likelihood_is_that_of_the_reference_after_the_prompt_of_answering(tiny):
    got = reference_log_likelihood(tiny, QUESTIONS, PASSAGES, SETTINGS)
    for value, question, given in zip(got, QUESTIONS, PASSAGES, strict=True):
        texts = [(p.title, p.text) for p in given]
        prompt = prompts.answer_prompt(tiny.tokenizer, question.question, texts)
        assert value == pytest.approx(plain(tiny, prompt, question.reference), abs=1e-4)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_batch_size_changes_nothing(tiny, batch_size):
    together = reference_log_likelihood(tiny, QUESTIONS, PASSAGES, SETTINGS)
    settings = Settings(max_new_tokens=8, batch_size=batch_size)
    alone = reference_log_likelihood(tiny, QUESTIONS, PASSAGES, settings)
    assert alone == pytest.approx(together, abs=1e-4)
    assert len({round(value, 3) for value in together}) > 1


def test_prompting_and_passage_order_reach_the_prompt(tiny):
    given = [Passage("a", "d", "A", "first"), Passage("b", "d", "B", "second")]
    brief = Prompting("brief")
    settings = Settings(max_new_tokens=8, passage_order="best_last")
    (value,) = reference_log_likelihood(tiny, QUESTIONS[:1], [given], settings, brief)
    texts = [("B", "second"), ("A", "first")]
    prompt = prompts.answer_prompt(tiny.tokenizer, QUESTIONS[0].question, texts, brief)
    assert value == pytest.approx(plain(tiny, prompt, QUESTIONS[0].reference), abs=1e-4)


def test_passages_are_dropped_as_in_answering(tiny):
    long = [Passage(f"c{i}", "d", "T", "word " * 500) for i in range(3)]
    question = QUESTIONS[:1]
    dropped = reference_log_likelihood(tiny, question, [long], SETTINGS)
    assert dropped == reference_log_likelihood(tiny, question, [long[:1]], SETTINGS)
    assert dropped != reference_log_likelihood(tiny, question, [[]], SETTINGS)


def test_a_long_reference_costs_passages_and_never_itself(tiny):
    question = Question("q", "Why?", ("because " * 120,))
    window = tiny.max_length
    given = [Passage("c", "d", "T", "word " * ((window - 700) // 5))]
    (value,) = reference_log_likelihood(tiny, [question], [given], SETTINGS)
    prompt = prompts.answer_prompt(tiny.tokenizer, "Why?")
    assert value == pytest.approx(plain(tiny, prompt, question.reference.strip()), abs=1e-4)
    with pytest.raises(StudyError, match="'q' has"):
        reference_log_likelihood(tiny, [Question("q", "Why?", ("because " * 900,))], [[]], SETTINGS)


def test_a_reference_of_control_tokens_is_refused(tiny):
    question = Question("q", "Why?", (tiny.tokenizer.eos_token,))
    with pytest.raises(StudyError, match="no text is left"):
        reference_log_likelihood(tiny, [question], [[]], SETTINGS)


def test_an_answer_that_was_learnt_is_likelier(tiny):
    question = QUESTIONS[3]
    model = copy.deepcopy(tiny.model)
    lm = language_model.LanguageModel("tuned", model, tiny.tokenizer)
    (before,) = reference_log_likelihood(lm, [question], [[]], SETTINGS)
    prompt = prompts.answer_prompt(lm.tokenizer, question.question)
    answer = prompts.completion(lm.tokenizer, question.reference)
    ids = torch.tensor([prompt + answer])
    labels = ids.clone()
    labels[:, : len(prompt)] = -100
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    for _ in range(3):
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    (after,) = reference_log_likelihood(lm, [question], [[]], SETTINGS)
    assert after > before + 0.1


def test_last_tokens_of_mixed_lengths_against_single_sequences(tiny):
    sequences = [([5, 6, 7, 8, 9], 2), ([3, 4], 1), (list(range(10, 30)), 12)]
    together = log_likelihoods(tiny, sequences)
    alone = [log_likelihoods(tiny, [one])[0] for one in sequences]
    assert together == pytest.approx(alone, abs=1e-4)
    with pytest.raises(StudyError, match="window"):
        log_likelihoods(tiny, [([1] * (tiny.max_length + 1), 1)])


GROUPS = [
    *((list(range(5, 5 + length)), last) for length, last in ((20, 3), (20, 3))),
    *(([7, 8, 9, 10, *end], len(end)) for end in ([30], [31, 32, 33])),
    *(([9, 11, 12, *end], len(end)) for end in ([30, 31], [30, 31, 32, 33, 34])),
]


@pytest.mark.parametrize("padding", [0, 9])
def test_what_sequences_have_in_common_is_read_once_and_changes_nothing(tiny, monkeypatch, padding):
    sequences = [([40] * padding + ids, n) for ids, n in GROUPS]
    apart = log_likelihoods(tiny, sequences)
    read, really = [], likelihood.forward

    def counted(model, **inputs):
        read.append(tuple(inputs["input_ids"].shape))
        return really(model, **inputs)

    monkeypatch.setattr(likelihood, "forward", counted)
    assert log_likelihoods(tiny, sequences, alike=2) == pytest.approx(apart, abs=1e-4)
    assert read == [(3, 16 + padding), (6, 6)]


def test_virtual_tokens_take_no_cache(tiny):
    model = get_peft_model(
        copy.deepcopy(tiny.model), PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4)
    )
    lm = language_model.LanguageModel("virtual", model.eval(), tiny.tokenizer)
    assert log_likelihoods(lm, GROUPS, alike=2) == log_likelihoods(lm, GROUPS)


OTHER_CACHES = {
    "mistral": {"sliding_window": 8},
    "mamba2": {"num_heads": 8, "head_dim": 8, "state_size": 8, "n_groups": 1, "expand": 2},
    "lfm2": {"layer_types": ["conv", "full_attention"]},
}


@pytest.mark.parametrize("kind", OTHER_CACHES)
def test_a_cache_of_another_kind_is_not_shared(tiny, kind):
    torch.manual_seed(0)
    size = {"vocab_size": 259, "hidden_size": 32, "num_hidden_layers": 2, "pad_token_id": 0}
    if kind != "mamba2":
        size |= {"intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2}
    config = AutoConfig.for_model(kind, **size, **OTHER_CACHES[kind])
    model = AutoModelForCausalLM.from_config(config).eval()
    lm = language_model.LanguageModel(kind, model, tiny.tokenizer)
    assert log_likelihoods(lm, GROUPS, alike=2) == log_likelihoods(lm, GROUPS)


def test_where_nothing_is_before_a_sequence_nothing_is_shared(tiny):
    sequences = [([7, 30], 1), ([7, 31], 1), ([7, 8, 32], 1), ([7, 8, 33], 1)]
    assert log_likelihoods(tiny, sequences, alike=2) == log_likelihoods(tiny, sequences)
