"""The findings say what their tables say: no number on the page is typed."""

import importlib.util
import re

import pandas as pd
import pytest

from rag_study.common import files
from rag_study.common.paths import PROJECT_ROOT
from rag_study.study import config

FOLDER = PROJECT_ROOT / "docs" / "findings"
STUDIES = sorted((PROJECT_ROOT / "params" / "findings").glob("*.yaml"))
PUBLISHED = sorted(folder for folder in FOLDER.iterdir() if (folder / "comparisons.csv").exists())

spec = importlib.util.spec_from_file_location("make", FOLDER / "make.py")
make = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make)


def test_the_page_is_what_the_template_and_the_tables_make():
    assert (FOLDER.parent / "findings.md").read_text() == make.page(), (
        "run python docs/findings/make.py page"
    )


def typed_numbers(template):
    """The numbers in a template's prose: not those that it looks up, in code, or in addresses."""
    prose = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", " ", template, flags=re.DOTALL)
    prose = re.sub(r"^## \d+\.", " ", prose, flags=re.MULTILINE)
    prose = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)|arXiv [\d.]+", " ", prose, flags=re.DOTALL)
    return {number.rstrip(".,") for number in re.findall(r"[−+]?\d[\d.,]*", prose)}


def designed():
    """What the study files themselves say."""
    text = " ".join(file.read_text() for file in STUDIES)
    return {*re.findall(r"\d+", text)}


def test_prose_has_no_number_but_the_design_s():
    typed = typed_numbers((FOLDER / "findings.md.j2").read_text())
    unknown = {number for number in typed if number not in designed() | make.SAID}
    assert not unknown


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.stem)
def test_every_study_file_is_one(file):
    assert config.load_study(file).name == f"findings-{file.stem.replace('_', '-')}"


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: folder.name)
def test_tables_agree_with_themselves(folder):
    rows = pd.read_csv(folder / "comparisons.csv")
    rows = rows.dropna(subset=["difference"])
    assert (rows["mean_tuned"] - rows["mean_base"] - rows["difference"]).abs().max() < 2e-4
    inside = rows.dropna(subset=["ci_low", "ci_high"])
    assert (inside["ci_low"] <= inside["difference"] + 1e-4).all()
    assert (inside["difference"] <= inside["ci_high"] + 1e-4).all()
    primary = rows[rows["primary"]]
    assert not primary.empty
    helps = primary["verdict"].str.startswith("helps")
    hurts = primary["verdict"].str.startswith("hurts")
    decided = (primary["p_holm"] < 0.05) & (primary["difference"].abs() >= primary["margin"])
    assert (decided | ~(helps | hurts)).all()
    assert (primary["difference"][helps] > 0).all()
    assert (primary["difference"][hurts] < 0).all()


def test_a_typed_number_would_be_seen():
    found = typed_numbers("It rose by 0.31, to {{ x | number }}; see `a 3` and arXiv 2406.11201.")
    assert found == {"0.31"}
    assert files.read_yaml(STUDIES[0])["name"].startswith("findings-")


def test_the_readme_has_the_page_s_numbers():
    section = (PROJECT_ROOT / "README.md").read_text().split("## What it found")[1]
    differences = re.findall(r"[−+]\d\.\d+ \([^)]*\)", section.split("\n## ")[0])
    page = (FOLDER.parent / "findings.md").read_text()
    assert len(differences) >= 4
    assert not [difference for difference in differences if difference not in page]
