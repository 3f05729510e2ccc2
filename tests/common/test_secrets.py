"""The spellings are computed here, without the package."""

import base64
import html
import json
import logging
import random
import sys
import textwrap
from urllib.parse import quote

import pytest

from rag_study.common import files, secrets

KEYS = [
    "sk-live-0123456789abcdefXYZ",
    'sk-live/"q"+&<0123456789>',
    "sk-proj-" + "".join(random.Random(3).choices("abcdefgABCDEFG0123456789_-", k=120)),
    "hf_%41=2B&amp;\\0a1b2c3d4e",
    "k3y-0123",
]


def whole(key):
    """(name, spelling) of all of a key."""
    raw = key.encode()
    yield from {"as it is": key, "capitals": key.upper(), "reversed": key[::-1]}.items()
    yield "JSON", json.dumps(key)[1:-1]
    yield "JSON twice", json.dumps(json.dumps(key))[3:-3]
    yield "JSON, slashes", json.dumps(key)[1:-1].replace("/", "\\/")
    for form in ("\\u{:04x}", "\\u{:04X}", "\\\\u{:04x}", "\\x{:02x}", "%{:02X}", "%{:02x}"):
        yield form, "".join(form.format(ord(letter)) for letter in key)
    for form in ("%25{:02X}", "&#{};", "&#x{:X};", "&amp;#{};", "={:02X}"):
        yield form, "".join(form.format(ord(letter)) for letter in key)
    yield "URL", quote(key, safe="")
    yield "URL, small", "".join(c if c.isalnum() else f"%{ord(c):02x}" for c in key)
    yield "URL twice", quote(quote(key, safe=""), safe="")
    yield "HTML", html.escape(key)
    yield "HTML twice", html.escape(html.escape(key))
    yield "HTML of JSON", html.escape(json.dumps(key)[1:-1])
    yield from {"hex": raw.hex(), "HEX": raw.hex().upper(), "hex :": raw.hex(":")}.items()
    yield "hex of URL", quote(key, safe="").encode().hex()
    for before in ("", "u", "us", "user:", "Bearer ", "Basic x:"):
        for after in ("", ":", ":pass"):
            text = f"{before}{key}{after}".encode()
            for name, encode in (
                ("base64", base64.b64encode),
                ("urlsafe", base64.urlsafe_b64encode),
                ("twice", lambda text: base64.b64encode(base64.b64encode(text))),
                ("lines", base64.encodebytes),
            ):
                yield f"{name} of {before}{after}", encode(text).decode().strip()
    yield "base64 of JSON", base64.b64encode(json.dumps({"a": key}).encode()).decode()
    yield "URL of base64", quote(base64.b64encode(raw).decode(), safe="")
    for width in (5, 8, 20):
        lines = textwrap.wrap(key, width, break_on_hyphens=False)
        for between in (
            "\n",
            "\r\n",
            "\n    ",
            "\\n",
            "\\r\\n",
            '"\n "',
            "' + '",
            "\n> ",
            "\x1b[0m",
        ):
            yield f"{width} letters, {between!r}", between.join(lines)
    code = "".join(f"\\u{ord(letter):04x}" for letter in key)
    yield "JSON in lines", "\n".join(textwrap.wrap(code, 7))
    yield "mail in lines", "=\r\n".join(textwrap.wrap(key, 9, break_on_hyphens=False))


def parts(key):
    """What is left of it where someone has cut it off."""
    for length in (12, 16, len(key) - 1):
        if len(key) > length > 11:
            yield f"first {length}", key[:length]
            yield f"last {length}", key[-length:]
            yield f"URL, first {length}", quote(key[:length], safe="")


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
