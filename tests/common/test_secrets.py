"""Each spelling of a key, computed without the package, is found and masked."""

import base64
import json
import logging
import random
import sys
from urllib.parse import quote

import pytest
from spellings import parts, whole

from rag_study.common import files, secrets

KEYS = [
    "sk-live-0123456789abcdefXYZ",
    'sk-live/"q"+&<0123456789>',
    "sk-proj-" + "".join(random.Random(3).choices("abcdefgABCDEFG0123456789_-", k=120)),
    "hf_%41=2B&amp;\\0a1b2c3d4e",
    "k3y-0123",
]


@pytest.mark.parametrize("key", KEYS)
def test_a_secret_is_masked_in_every_spelling(key):
    missed = []
    for name, spelled in [*whole(key), *parts(key)]:
        text = secrets.masked(f"Incorrect key ({spelled}) given, 100% <b>sure</b>.", key)
        told = "".join(text.split())
        short = "".join(spelled[len(spelled) // 2 - 4 :][:8].split())
        left = len(text) - len("Incorrect key () given, 100% <b>sure</b>.") - len(secrets.MASK)
        # What base64 keeps at its ends are words around the key.
        around = 48 if any(word in name for word in ("64", " of ")) else 0
        hidden = secrets.MASK in text and short not in told and left <= around
        kept = text.startswith("Incorrect key (") and text.endswith("100% <b>sure</b>.")
        if not (hidden and kept):
            missed.append((name, text))
    assert not missed, "\n".join(map(str, missed))


def test_what_is_around_stays(monkeypatch):
    key = KEYS[0]
    monkeypatch.setenv("RAG_STUDY_API_KEY", key)
    value = {"a": [f"x {key} y", 3, None], key: {"b": "ü\n  \\u00e4 %20 &amp; 0x41 " * 40}}
    assert secrets.hidden(value) == {"a": ["x *** y", 3, None], "***": value[key]}
    text = f"{key} and {key[:14]}… and {base64.b64encode(key.encode()).decode()}!"
    assert secrets.hidden(text) == "*** and ***… and ***!"


@pytest.mark.parametrize("word", ["none", "EMPTY", "not-needed", "lm-studio", "anything", "secret"])
def test_words_for_servers_without_keys_change_nothing(monkeypatch, word):
    monkeypatch.setenv("RAG_STUDY_API_KEY", word)
    assert secrets.hidden(f"It is {word} at all.") == f"It is {word} at all."


def test_ordinary_texts_stay(monkeypatch):
    monkeypatch.setenv("RAG_STUDY_API_KEY", KEYS[2])
    noise = random.Random(1)
    for _ in range(30):
        blob = base64.b64encode(noise.randbytes(3000)).decode()
        text = f"data:image/png;base64,{blob} <p>&lt;x&gt; 100% \\u00e4 {noise.randbytes(99).hex()}"
        assert secrets.hidden(text) == text


def test_files_streams_and_logs(monkeypatch, tmp_path, capsys):
    key = KEYS[1]
    monkeypatch.setenv("OPENAI_API_KEY", key)
    files.write_json(tmp_path / "a.json", {"said": [key]})
    files.write_text(tmp_path / "b.txt", quote(key))
    files.write_jsonl(tmp_path / "c.jsonl", [{"said": key[::-1]}])
    files.write_yaml(tmp_path / "d.yaml", {"said": key})
    for file in tmp_path.iterdir():
        assert "***" in file.read_text(), file
        assert "0123456789" not in file.read_text()
        assert "9876543210" not in file.read_text()
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    secrets.settle()
    print("said", key)
    print(json.dumps({"said": key}), file=sys.stderr)
    handler = logging.StreamHandler(sys.__stderr__)
    handler.stream = lines = files.io.StringIO()
    log = logging.getLogger("made.later")
    log.addHandler(handler)
    log.error("headers %s", {"Authorization": f"Bearer {key}"})
    try:
        raise ValueError(key)
    except ValueError:
        log.exception("it failed")
    for text in (*capsys.readouterr(), lines.getvalue()):
        assert "***" in text
        assert "0123456789" not in text
