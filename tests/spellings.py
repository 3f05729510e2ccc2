"""A key as servers, libraries and programs may spell it, computed without the package."""

import base64
import html
import json
import textwrap
from urllib.parse import quote


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


def telling(key):
    """Of every spelling, and in pieces, what must stand in no file and on no screen."""
    for _, spelled in [*whole(key), *parts(key)]:
        middle = len(spelled) // 2
        yield spelled[max(0, middle - 8) : middle + 8]
    yield from (key[:12], key[-12:])
