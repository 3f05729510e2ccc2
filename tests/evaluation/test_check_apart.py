"""The check of a judge and what the package's judge was trained on share no code and no words."""

import ast
import importlib
import re
from pathlib import Path

import rag_study
from rag_study.common.text import normalise
from rag_study.evaluation.judging import style
from rag_study.evaluation.judging.rungs import forms, surroundings

JUDGING = Path(rag_study.__file__).parent / "evaluation" / "judging"
CHECK = [JUDGING / "ladder.py", JUDGING / "style.py", *sorted((JUDGING / "rungs").glob("*.py"))]
TRAINING = sorted(JUDGING.glob("training_*.py"))
# What any module may use: texts compared, files read, the form of a question.
ANYBODYS = {"rag_study.common", "rag_study.data.schema", "rag_study.evaluation.criteria"}
# Everybody counts with these.
NUMBERS = set("zero one two three four five six seven eight nine ten eleven twelve".split())


def imported(files, seen=None):
    """Modules of the package that the files import, and those that these import."""
    seen = set() if seen is None else seen
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            for name in names:
                path = Path(rag_study.__file__).parent.parent / Path(*name.split("."))
                module = path.with_suffix(".py")
                if name.startswith("rag_study") and module.is_file() and name not in seen:
                    seen.add(name)
                    imported([module], seen)
    return seen


def sentences(files):
    """The texts that stand in the code, docstrings aside."""
    texts = set()
    for file in files:
        tree = ast.parse(file.read_text())
        documented = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        texts |= {
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in documented
        }
    return texts


def lists_of_words(files):
    """name -> words, of all of a module's collections that hold eight words and more, one by one
    or in twos."""
    found = {}
    for file in files:
        name = ".".join(file.relative_to(JUDGING.parents[2]).with_suffix("").parts)
        for variable, value in vars(importlib.import_module(name)).items():
            if variable != "__builtins__" and isinstance(
                value, (tuple, list, set, frozenset, dict)
            ):
                words = {one for one in value if isinstance(one, str) and len(one.split()) <= 2}
                if len(words - NUMBERS) >= 8:
                    found[f"{name}.{variable}"] = {word.lower() for word in words - NUMBERS}
    return found


def test_they_import_nothing_in_common():
    check, training = imported(CHECK), imported(TRAINING)
    assert "rag_study.evaluation.judging.rungs.numbers" in check
    assert "rag_study.evaluation.judging.training_corruption" in training
    shared = check & training
    assert not {name for name in shared if not name.startswith(tuple(ANYBODYS))}


def test_they_share_no_sentence():
    check, training = sentences(CHECK), sentences(TRAINING)
    shared = {text for text in check & training if "\\" not in text}
    assert not {text for text in shared if len(re.findall(r"[A-Za-z]{2,}", text)) >= 3}
    own = (
        style._FRAMES,
        style._TEXT_FRAMES,
        forms.FRAMES,
        forms.SENTENCE_FRAMES,
        surroundings.INSTRUCTIONS,
        surroundings.NOTHING,
    )
    fakes = (surroundings.FAKE_REFERENCES, surroundings.FAKE_RUBRICS, surroundings.FAKE_ERRATA)
    said = {normalise(text) for text in training}
    for lines in (*own, *fakes):
        assert not said & {*map(normalise, lines)}


def test_no_list_of_words_stands_on_both_sides():
    check, training = lists_of_words(CHECK), lists_of_words(TRAINING)
    assert "rag_study.evaluation.judging.rungs.facts._TURNED" in check
    assert "rag_study.evaluation.judging.training_corruption._OPPOSITE" in training
    for name, words in check.items():
        for other, others in training.items():
            shared = words & others
            assert len(shared) < 0.2 * min(len(words), len(others)), (name, other, shared)
