"""Readers of other kinds: encoder-decoders, and encoders that point at the answer."""

import itertools
import random
from types import SimpleNamespace

import pytest
import torch
from small_readers import save_bart, save_bert
from torch.nn.functional import cross_entropy

from rag_study.answering.generation import answer_batch
from rag_study.common.errors import StudyError
from rag_study.data.schema import Question
from rag_study.evaluation.refusals import is_refusal
from rag_study.models import architectures, loading, span_reader
from rag_study.models.architectures import DECODER, ENCODER_DECODER, EXTRACTIVE
from rag_study.models.likelihood import log_likelihoods
from rag_study.models.span_reader import NO_ANSWER, answers, place_of, read, tokens_at
from rag_study.retrieval.passage import Passage

KINDS = [
    ({"model_type": "t5", "is_encoder_decoder": True}, ENCODER_DECODER),
    ({"model_type": "bart", "is_encoder_decoder": True, "architectures": ["BartModel"]}, "any"),
    ({"model_type": "whisper", "is_encoder_decoder": True}, None),
    ({"model_type": "bert", "architectures": ["BertModel"]}, EXTRACTIVE),
    ({"model_type": "distilbert", "architectures": ["DistilBertForMaskedLM"]}, EXTRACTIVE),
    ({"model_type": "roberta", "architectures": ["RobertaForQuestionAnswering"]}, EXTRACTIVE),
    ({"model_type": "deberta-v2"}, EXTRACTIVE),
    ({"model_type": "bert", "architectures": ["BertForSequenceClassification"]}, None),
    ({"model_type": "bert", "architectures": ["BertLMHeadModel"], "is_decoder": True}, DECODER),
    ({"model_type": "llama", "architectures": ["LlamaForCausalLM"]}, DECODER),
    ({"model_type": "vit", "architectures": ["ViTModel"]}, None),
]


@pytest.mark.parametrize(("config", "kind"), KINDS)
def test_the_kind_is_told_from_the_configuration(config, kind):
    assert architectures.kind_by(config) == (ENCODER_DECODER if kind == "any" else kind)


def test_only_a_span_head_of_its_own_makes_an_untrained_reader(tmp_path):
    bare, headed = save_bert(tmp_path / "bare", []), save_bert(tmp_path / "qa", [], head=True)
    assert not architectures.has_untrained_state(bare)
    assert architectures.has_untrained_state(headed)
    assert architectures.has_untrained_state("random-t5")
    assert not architectures.has_untrained_state("all-minilm-l6-v2")


# --- Encoder-decoders ------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["random-t5", "bart"])
def sequence_model(request, tmp_path_factory):
    name = request.param
    return loading.load_generator(
        name if name == "random-t5" else save_bart(tmp_path_factory.mktemp("bart"))
    )


def test_padding_changes_no_answer_of_an_encoder_decoder(sequence_model):
    questions = [Question(str(n), f"Who is {'very ' * 9 * n}tall?", ("x",)) for n in range(3)]
    passages = [[Passage("", "", "T", "Ida is tall. " * n)] for n in (1, 5, 9)]
    together = answer_batch(sequence_model, questions, passages, 12)
    alone = [
        answer_batch(sequence_model, [q], [p], 12)[0]
        for q, p in zip(questions, passages, strict=True)
    ]
    assert [row["answer"] for row in together] == [row["answer"] for row in alone]
    assert len({row["answer"] for row in together}) > 1


def test_likelihood_of_an_encoder_decoder_is_the_models_own(sequence_model):
    lm, draw = sequence_model, random.Random(1)
    texts = [[draw.randrange(3, 250) for _ in range(n)] for n in (7, 30, 12)]
    given = log_likelihoods(
        lm, [(ids, scored) for ids, scored in zip(texts, (2, 9, 5), strict=True)]
    )
    for ids, scored, found in zip(texts, (2, 9, 5), given, strict=True):
        labels = torch.tensor([ids[-scored:]])
        with torch.inference_mode():
            logits = lm.model(input_ids=torch.tensor([ids[:-scored]]), labels=labels).logits
        expected = -cross_entropy(logits[0].float(), labels[0], reduction="sum").item()
        assert found == pytest.approx(expected, rel=1e-4)


def test_the_prompt_of_an_encoder_decoder_is_one_text(sequence_model):
    tokenizer = sequence_model.tokenizer
    chat = [{"role": "user", "content": "One"}, {"role": "assistant", "content": "Two"}]
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert text.split("\n") == ["One", "Two"]


# --- Extractive readers ----------------------------------------------------------------------

WORDS = (
    "the tower of zurich is old and green who where in stands town built 1820 ida muller".split()
)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    return loading.load_generator(save_bert(tmp_path_factory.mktemp("bert"), WORDS, head=True))


@pytest.fixture
def point(monkeypatch, reader):
    """Have the reader point at words: {word: (score as a beginning, as an end)}, all others 0, and
    `nothing` for each end of no answer. Returns the inputs that it was then given."""

    def scored(words, nothing=-5.0):
        seen = []

        def forward(_, input_ids, **_inputs):
            seen.append(input_ids)
            scores = torch.zeros(2, *input_ids.shape)
            for word, pair in words.items():
                at = input_ids == reader.tokenizer.convert_tokens_to_ids(word)
                scores += torch.tensor(pair)[:, None, None] * at
            scores[:, :, 0] = nothing
            return SimpleNamespace(start_logits=scores[0], end_logits=scores[1])

        monkeypatch.setattr(span_reader, "forward", forward)
        return seen

    return scored


def test_a_span_has_the_texts_own_letters_also_far_behind(point, reader):
    far = "The tower is old. " * 400 + "Built in 1820 by ÍDA  Müller, who is old."
    seen = point({"ida": (9.0, 0.0), "muller": (0.0, 9.0)})
    reading = read(reader, "Who built the tower?", [("Züricher Türme", far)])
    assert len(reading.windows) > 3
    span = answers(reader, [reading])[0]
    assert span.text == "ÍDA  Müller"
    assert seen[0].shape[1] <= 512


def test_a_span_lies_in_one_passage_and_not_in_the_question(point, reader):
    point({"tower": (9.0, 0.0), "town": (0.0, 9.0), "green": (5.0, 5.0)})
    passages = [("", "The tower is old and green."), ("", "The town is old.")]
    reading = read(reader, "Is the green tower in the town?", passages)
    assert answers(reader, [reading])[0].text == "tower is old and green"


def test_no_answer_is_said_and_is_a_refusal(point, reader):
    point({"tower": (2.0, 2.0)}, nothing=2.5)
    some, none = read(reader, "Who?", [("", "The tower.")]), read(reader, "Who?", [])
    assert [span.text for span in answers(reader, [some, none])] == [NO_ANSWER] * 2
    assert is_refusal(NO_ANSWER)
    point({"tower": (2.0, 2.0)}, nothing=1.5)
    assert answers(reader, [some])[0].text == "tower"


def test_the_best_span_is_that_of_a_plain_search(monkeypatch, reader):
    draw = torch.Generator().manual_seed(3)
    reading = read(
        reader, "Where?", [("Ida", "The tower stands in the town. " * 3), ("", "Old and green.")]
    )
    (window,) = reading.windows
    for _ in range(20):
        start, end = (torch.randn(len(window.input_ids), generator=draw) for _ in range(2))
        output = SimpleNamespace(start_logits=start[None], end_logits=end[None])
        monkeypatch.setattr(span_reader, "forward", lambda *_, output=output, **__: output)
        inside = [n for n, place in enumerate(window.places) if place]
        border = reading.starts[1]
        best = max(
            (float(start[a] + end[b]), a, b)
            for a, b in itertools.product(inside, inside)
            if a <= b < a + span_reader.LONGEST
            and (window.places[a][0] < border) == (window.places[b][0] < border)
        )
        text = reading.text[window.places[best[1]][0] : window.places[best[2]][1]]
        wanted = NO_ANSWER if float(start[0] + end[0]) > best[0] else text
        assert answers(reader, [reading])[0].text == wanted


@pytest.mark.parametrize(
    ("wording", "found"),
    [
        ("ida müller", "Ida\nMÜLLER"),
        ("town", "Town"),
        ("own", None),
        ("1820", "1820"),
        ("182", None),
        ("東京", "東京"),
        ("", None),
    ],
)
def test_where_an_answer_stands(reader, wording, found):
    reading = read(reader, "Who?", [("Towns", "In 1820 Ida\nMÜLLER left Town for 東京都.")])
    place = place_of(reading, [wording])
    assert (place and reading.text[slice(*place)]) == found
    if found:
        window = reading.windows[0]
        first, last = tokens_at(window, place)
        # Tokens may be longer than what stands there, never shorter.
        assert window.places[first][0] <= place[0]
        assert window.places[last][1] >= place[1]
        assert found in reading.text[window.places[first][0] : window.places[last][1]]


def test_a_window_without_the_answer_says_so(reader):
    text = "Old. " * 900 + "Ida built it."
    reading = read(reader, "Who?", [("", text)])
    spans = [tokens_at(window, place_of(reading, ["Ida"])) for window in reading.windows]
    assert spans[0] == (0, 0)
    assert spans[-1] != (0, 0)


def test_positions_behind_the_padding_are_not_all_there(tmp_path):
    lm = loading.load_generator(save_bert(tmp_path, WORDS, head=True, positions=100))
    lm.model.bert.embeddings.position_embeddings.padding_idx = 1
    assert span_reader.window_of(lm) == 98
    reading = read(lm, "who " * 200, [("", "The tower is old. " * 90)])
    assert max(len(window.input_ids) for window in reading.windows) <= 98


def test_weights_that_are_missing_beside_a_new_head_are_said(tmp_path):
    from safetensors.torch import load_file, save_file

    name = save_bert(tmp_path / "bert", WORDS)
    file = tmp_path / "bert" / "model.safetensors"
    weights = load_file(file)
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, file, {"format": "pt"})
    with pytest.raises(StudyError, match=r"have no weights for .*layer.1.output.dense.weight"):
        loading.load_generator(name)
