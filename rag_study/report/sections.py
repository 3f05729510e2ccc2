"""The sections of the page: each can be folded, and the contents name all of them."""

from __future__ import annotations

import re

from markupsafe import Markup

# What a reader of the card looks at next; the others are folded.
OPEN = ("effects", "limits")
_HEAD = re.compile(r'(?=<h2 id=")')
_TITLE = re.compile(r'<h2 id="([^"]+)">(.*?)</h2>', re.DOTALL)


def in_sections(body: str) -> tuple[Markup, list[tuple[str, Markup]]]:
    """(the body with every `<h2 id>` and what follows it in a part that can be folded, (id, title)
    of all of them). `body` is markup whose texts are escaped, so that no text looks like a head."""
    first, *rest = _HEAD.split(body)
    parts, titles = [first], []
    for part in rest:
        head = _TITLE.match(part)
        titles.append((head[1], Markup(head[2])))
        state = " open" if head[1] in OPEN else ""
        parts.append(
            f'<details class="section"{state}><summary>{head[0]}</summary>\n'
            f"{part[head.end() :].strip()}\n</details>\n"
        )
    return Markup("".join(parts)), titles
