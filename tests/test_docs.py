"""Links and anchors of all pages resolve, and the site that `make docs` builds has every guide.

The build itself checks links once more, on the site; it is not part of the tests, since it needs
packages of its own. Anchors here are those of the code host.
"""

import importlib
import itertools
import json
import re

import pytest
from markdown_it import MarkdownIt
from ruamel.yaml import YAML

from rag_study.common.paths import PROJECT_ROOT

TOP = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "outputs/README.md", "benchmarks/README.md")
NOTEBOOKS = sorted(f"notebooks/{p.name}" for p in (PROJECT_ROOT / "notebooks").glob("*.ipynb"))
GUIDES = sorted(f"docs/{path.name}" for path in (PROJECT_ROOT / "docs").glob("*.md"))


def named(entries):
    """The pages that a navigation names."""
    for entry in entries:
        if isinstance(entry, dict):
            for value in entry.values():
                yield from named(value if isinstance(value, list) else [value])
        else:
            yield entry


SITE = YAML(typ="safe").load(PROJECT_ROOT / "mkdocs.yml")
NAVIGATION = list(named(SITE["nav"]))


def read(page):
    """What a page says; of a notebook its cells of text."""
    text = (PROJECT_ROOT / page).read_text(encoding="utf-8")
    if not page.endswith(".ipynb"):
        return text
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
    return "\n\n".join("".join(cell["source"]) for cell in cells)


def spans(text):
    """What a text in Markdown consists of, without its code blocks."""
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        yield token
        yield from token.children or ()


def links(text):
    """The targets of links and pictures, those in code left out."""
    for token in spans(text):
        target = token.attrGet("href") or token.attrGet("src")
        if target:
            yield str(target)


def anchors(text):
    """What the headings are called by the code host: lower case, blanks to hyphens, no signs."""
    found = []
    tokens = list(MarkdownIt("commonmark").enable("table").parse(text))
    for opening, inline in itertools.pairwise(tokens):
        if opening.type == "heading_open":
            shown = "".join(part.content for part in inline.children or ())
            slug = re.sub(r"[^\w\- ]", "", shown.strip().lower()).replace(" ", "-")
            found.append(slug if (n := found.count(slug)) == 0 else f"{slug}-{n}")
    return found


def resolves(page, target, pages):
    """Whether a link of a page leads to something; `pages` are those that it may lead to."""
    place, _, anchor = target.partition("#")
    file = (PROJECT_ROOT / page).parent.joinpath(place) if place else PROJECT_ROOT / page
    file = file.resolve()
    if place.startswith("/") or not file.is_relative_to(PROJECT_ROOT) or not file.exists():
        return False
    name = file.relative_to(PROJECT_ROOT).as_posix()
    if file.suffix == ".md" and name not in pages:
        return False
    return not anchor or anchor in anchors(file.read_text(encoding="utf-8"))


def broken(page, text):
    """The links of a page that lead nowhere: a page of the site leads to pages of the site only."""
    pages = NAVIGATION if page in NAVIGATION else {*NAVIGATION, *TOP}
    elsewhere = re.compile(r"[a-z][a-z0-9+.-]*:")
    return [t for t in links(text) if not elsewhere.match(t) and not resolves(page, t, pages)]


@pytest.mark.parametrize("page", [*TOP, *GUIDES, *NOTEBOOKS])
def test_links_of_a_page_lead_somewhere(page):
    assert not broken(page, read(page))


def test_links_that_lead_nowhere_are_seen():
    good = "[n](../LICENSE) [a](judge.md) [b](judge.md#criteria) [c](#the-tests) [d](https://example.org/x#y)"
    bad = "[f](no.md) [g](judge.md#no) [h](#no) ![i](no.png) [j](/docs/judge.md) [k](../../x.md)"
    more = "[l]\n\n[l]: no1.md\n\n| [m](no2.md) |\n|---|\n| [o](../outputs/README.md) |\n"
    found = broken("docs/claims.md", f"{good} `[e](no.md)`\n\n    [e](no.md)\n\n{bad} {more}")
    assert found == [
        *("no.md", "judge.md#no", "#no", "no.png", "/docs/judge.md", "../../x.md"),
        *("no1.md", "no2.md", "../outputs/README.md"),
    ]


def test_headings_are_called_as_the_code_host_calls_them():
    text = "# The *demo's* `own_data` figures, 95 %?\n\n## Added\n\n## Added\n\n    # code\n"
    assert anchors(text) == ["the-demos-own_data-figures-95-", "added", "added-1"]


def test_guides_that_code_and_notebooks_name_exist():
    places = [
        *(path for place in ("rag_study", "params", "notebooks") for path in walk(place)),
        PROJECT_ROOT / "Makefile",
        PROJECT_ROOT / "pyproject.toml",
    ]
    wrong = []
    for path in places:
        for page, anchor in re.findall(
            r"\b(docs/[\w-]+\.md)(?:#([\w-]+))?", path.read_text(encoding="utf-8")
        ):
            if page not in GUIDES or (anchor and anchor not in anchors(read(page))):
                wrong.append((path.name, page, anchor))
    assert not wrong


def walk(folder):
    kinds = {".py", ".yaml", ".j2", ".ipynb"}
    return [p for p in (PROJECT_ROOT / folder).rglob("*") if p.suffix in kinds and p.is_file()]


def test_the_navigation_has_every_guide_and_notebook_once():
    golden = [f"tests/golden/{p.name}" for p in (PROJECT_ROOT / "tests/golden").glob("*.ipynb")]
    assert not {*GUIDES, *golden} - {*NAVIGATION}
    assert len(NAVIGATION) == len({*NAVIGATION})
    assert not [page for page in NAVIGATION if not (PROJECT_ROOT / page).is_file()]


def test_the_site_fetches_nothing_and_lets_no_broken_link_pass():
    assert SITE["theme"]["font"] is False
    assert {*SITE["validation"]["links"].values()} == {"warn"}
    assert "mkdocs build --strict\n" in read("Makefile")


PYTHON = read("docs/python.md")


@pytest.mark.parametrize("name", re.findall(r"^::: (\S+)$", PYTHON, re.MULTILINE))
def test_what_the_page_on_python_describes_has_a_description(name):
    module, _, last = name.rpartition(".")
    within = importlib.import_module(module)
    found = getattr(within, last) if hasattr(within, last) else importlib.import_module(name)
    assert found.__doc__.strip()


def test_the_examples_of_the_page_on_python_give_what_stands_behind_them():
    given = {}
    lines = "\n".join(re.findall(r"^```python\n(.*?)^```$", PYTHON, re.DOTALL | re.MULTILINE))
    examples = [line for line in lines.splitlines() if "outputs/" not in line]
    for line in examples:
        code, _, shown = line.partition("  # ")
        if shown:
            assert repr(eval(code, given)) == shown, line
        elif not code.startswith("comparisons"):
            exec(code, given)
    assert sum("  # " in line for line in examples) == 4
