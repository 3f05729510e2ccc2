"""Golden notebooks on other processors: nbval compares numbers with a tolerance, all else exactly.

Kernels of another processor add float32 numbers in another order, so the last digits of what a
model gives are not the recorded ones. In the outputs of a cell words, counts and ids must be the
recorded ones. A number with decimals, or before a % sign, may differ by one in the last place that
is shown: that is what a difference in rounding, however small, comes to.

A pytest plugin: conftest.py registers it, and `-p golden_numbers` does so elsewhere.
"""

import copy
import re
from collections import defaultdict

from nbval.plugin import IPyNbCell

_NUMBER = re.compile(
    r"(?<![\w.])[-+−]?\d+(?:,\d{3})*(?:(?P<decimals>\.\d+)(?P<power>e[-+]?\d+)?)?(?!\w)"
)
_SPACE = re.compile(r"\s+")
# Where more places are shown than float32 holds after some thousand additions: relative, absolute.
_RELATIVE, _ABSOLUTE = 1e-4, 1e-5


def pytest_itemcollected(item):
    """Let every cell that nbval collects take what is the same for what was recorded."""
    if isinstance(item, IPyNbCell):
        exactly = item.compare_outputs

        def compare_outputs(made, recorded, *others):
            return exactly(_as_recorded(made, recorded), recorded, *others)

        item.compare_outputs = compare_outputs


def same(made: str, recorded: str) -> bool:
    """Whether two texts say the same, numbers being compared as above; how much space there is does
    not count, since a number that is one letter longer moves what stands beside it."""
    return _rest(made) == _rest(recorded) and all(
        _close(*pair) for pair in zip(_numbers(made), _numbers(recorded), strict=True)
    )


def _as_recorded(made: list, recorded: list) -> list:
    """The outputs, with the recorded text in place of one that says the same."""
    made = copy.deepcopy(made)
    expected = defaultdict(list)
    for kind, holder, key in _texts(recorded):
        expected[kind].append(holder[key])
    for kind, holder, key in _texts(made):
        if expected[kind] and same(holder[key], text := expected[kind].pop(0)):
            holder[key] = text
    return made


def _texts(outputs: list):
    """(what it is, what holds it, under which key) of every text in the outputs of a cell."""
    for output in outputs:
        if output.output_type == "stream":
            yield output.name, output, "text"
        for kind, content in output.get("data", {}).items():
            if isinstance(content, str):
                yield kind, output["data"], kind


def _rest(text: str) -> str:
    return _SPACE.sub(" ", _NUMBER.sub("#", text)).strip()


def _numbers(text: str) -> list[tuple[str, int | None]]:
    """Each number as it is written, with the places after the point that are shown; None where it
    is a count."""
    found = []
    for match in _NUMBER.finditer(text):
        decimals, power = match["decimals"], match["power"]
        places = len(decimals) - 1 - int(power[1:]) if power else len(decimals or ".") - 1
        percent = text[match.end() :].lstrip(" ").startswith("%")
        found.append((match[0], places if decimals or percent else None))
    return found


def _close(made: tuple[str, int | None], recorded: tuple[str, int | None]) -> bool:
    if made[1] is None and recorded[1] is None:
        return made[0] == recorded[0]
    one, other = (float(text.replace(",", "").replace("−", "-")) for text, _ in (made, recorded))
    places = max(places or 0 for _, places in (made, recorded))
    return abs(one - other) <= max(1.01 * 10.0**-places, _ABSOLUTE, _RELATIVE * abs(other))
