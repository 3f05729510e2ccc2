import csv
import random
import re

import pandas as pd
import pytest
from hostile import FORMULAS, NAMES, NUMBERS

from rag_study.common import files
from rag_study.common.cells import escape, unescape


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_begins_as_a_formula(text):
    cell = escape(text)
    assert cell.lstrip()[:1] not in "=@＝＠"
    assert cell[:1] not in tuple("+-\t\r\n＋－")
    # Also where a spreadsheet cuts at semicolons and tabs, or takes no notice of quotes.
    for part in re.split(r"[;\t\r\n]", cell):
        assert part.strip()[:1] not in ("=", "@", "＝", "＠")
    assert unescape(cell) == text


def test_every_text_comes_back():
    letters, draw = "=+-@'\t\r\n ;ab1.,＝＋\ufeff\"", random.Random(5)
    texts = ["".join(draw.choices(letters, k=draw.randrange(8))) for _ in range(20_000)]
    assert [unescape(escape(text)) for text in [*texts, *NAMES]] == [*texts, *NAMES]


def test_a_table_comes_back_with_numbers_as_numbers(tmp_path):
    readable = [name.replace("\0", " ") for name in NAMES]
    texts = [*FORMULAS, *NUMBERS, *readable, "NA", "null", "007", "nan"]
    table = pd.DataFrame(
        {
            "text": texts,
            "digits": ["007"] * len(texts),
            "difference": [-0.5 * n for n in range(len(texts))],
            "count": range(-3, len(texts) - 3),
            "primary": [n % 2 == 0 for n in range(len(texts))],
            "=name": ["x"] * len(texts),
        }
    )
    table.loc[1, "difference"] = None
    file = tmp_path / "table.csv"
    files.write_csv(file, table)
    back = files.read_csv(file, texts=["digits"])
    pd.testing.assert_frame_equal(back, table, check_dtype=False)
    assert list(pd.read_csv(file)["difference"].dropna()) == list(table["difference"].dropna())
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.reader(lines):
            assert not any(cell.strip()[:1] in ("=", "@", "＝") for cell in row)
