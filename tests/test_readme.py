"""README and CONTRIBUTING show the folders that there are, and name files that exist."""

import re

import pytest
from ruamel.yaml import YAML

from rag_study import __version__
from rag_study.common.paths import PROJECT_ROOT

PAGES = [
    *(PROJECT_ROOT / name for name in ("README.md", "CONTRIBUTING.md", "outputs/README.md")),
    *sorted((PROJECT_ROOT / "docs").glob("*.md")),
]


def tree(page):
    """The folders that a page shows, top folder -> those in it (a comment goes behind each)."""
    blocks = re.findall(r"^```\w*\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    [block] = [block for block in blocks if block.startswith("rag_study/\n")]
    shown, top = {}, ""
    for indent, name, comment in re.findall(r"^( *)([\w.]+/)(?: +(\S.*))?$", block, re.MULTILINE):
        if not indent:
            top = name.rstrip("/")
            shown[top] = {}
        elif len(indent) == 2:
            shown[top][name.rstrip("/")] = comment
    return shown


def folders(parent):
    """Those that hold anything beside what Python left behind."""
    return {
        folder.name
        for folder in parent.iterdir()
        if folder.is_dir() and any(f.suffix != ".pyc" for f in folder.rglob("*") if f.is_file())
    }


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_the_tree_has_the_packages_folders_with_a_comment_each(name):
    shown = tree((PROJECT_ROOT / name).read_text())
    assert {*shown["rag_study"]} == folders(PROJECT_ROOT / "rag_study")
    assert all(shown["rag_study"].values())
    assert all((PROJECT_ROOT / top).is_dir() for top in shown)


def test_both_trees_have_the_same_order():
    readme, contributing = (
        list(tree((PROJECT_ROOT / name).read_text())["rag_study"])
        for name in ("README.md", "CONTRIBUTING.md")
    )
    assert readme == contributing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_exist(page):
    text = page.read_text()
    named = re.findall(r"`((?:rag_study|notebooks|params|docs|tests)/[\w./-]*)`", text)
    own = {"params/mine.yaml"}
    missing = [name for name in named if name not in own and not (PROJECT_ROOT / name).exists()]
    assert not missing


def test_one_version_everywhere():
    citation = YAML(typ="safe").load(PROJECT_ROOT / "CITATION.cff")
    assert citation["version"] == __version__
    assert citation["references"][0]["url"].endswith("2406.11201")
    changes = (PROJECT_ROOT / "CHANGELOG.md").read_text()
    assert f"## [{__version__}]" in changes
    assert "## [Unreleased]" in changes


def test_the_readme_begins_with_a_small_picture_and_the_demo_takes_as_long_everywhere():
    readme = (PROJECT_ROOT / "README.md").read_text()
    picture = re.search(r"!\[([^\]]+)\]\((docs/[\w.]+\.png)\)", readme)
    assert readme.index(picture[0]) < 1000
    assert len(picture[1]) > 80
    assert (PROJECT_ROOT / picture[2]).stat().st_size < 200_000
    places = [
        readme,
        *((PROJECT_ROOT / p).read_text() for p in ("rag_study/cli/start.py", "Makefile")),
    ]
    minutes = r"(?:demo|card)\b.{0,40}?(about \d+ (?:to \d+ )?minutes)"
    said = [re.findall(minutes, page) for page in places]
    assert len({one for found in said for one in found}) == 1
    assert said[0]
