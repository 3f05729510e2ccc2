"""The script that fits the weights of the evidence, on a few made-up graded answers."""

import importlib.util
import json

import numpy as np
import pytest

from rag_study.common.paths import PROJECT_ROOT
from rag_study.evaluation.judging import combination
from rag_study.evaluation.judging.evidence import evidence


@pytest.fixture(scope="module")
def script():
    path = PROJECT_ROOT / "benchmarks" / "judge_evidence.py"
    spec = importlib.util.spec_from_file_location("judge_evidence", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def graded(number=60):
    rows = []
    for i in range(number):
        right, wrong = f"Ada Quill{i:02}", f"Bo Tarn{i:02}"
        long = "{} designed it, as the records of the town say in many places."
        for who, answer, grade in (
            ("short", right, 1.0),
            ("talker", long.format(right), 1.0),
            ("short", wrong, 0.0),
            ("talker", long.format(wrong), 0.0),
        ):
            question = f"who designed light {i}"
            rows.append(
                {
                    "question": question,
                    "references": [right],
                    "answer": answer,
                    "grade": dict.fromkeys(("accuracy", "completeness"), grade),
                    "model": who,
                    "source": "made",
                    "rule": "",
                    # A model that dislikes long answers.
                    "model_scores": dict.fromkeys(
                        ("accuracy", "completeness"), 1 + grade * (2.1 if who == "talker" else 3)
                    ),
                    "evidence": evidence(question, [right], answer),
                }
            )
    return rows


def test_the_fit_orders_answers_and_treats_styles_alike(script):
    rows, names = graded(), script.FEATURES["accuracy"]["short"]
    weights = dict(zip(names, script.fit(rows, "accuracy", names), strict=True))
    assert all(weights[name] >= -1e-9 for name in names if name not in (*script.FREE, "other_name"))
    fitted = combination.Weights(weights, weights)
    p = np.array([script.probability(row, "accuracy", fitted) for row in rows])
    grades = np.array([row["grade"]["accuracy"] for row in rows])
    assert p[grades == 1].min() > 0.8
    assert p[grades == 0].max() < 0.2
    by_grade = script.style_differences(rows, "accuracy")
    lines = [line for of_grade in by_grade.values() for line in of_grade]
    assert abs(4 * float(np.mean(lines, axis=0) @ p)) < 0.1


def test_constructed_answers_have_the_grade_that_they_were_made_for(script):
    rows = [row | {"grade": 1.0} for row in graded()]
    made = list(script.constructed(rows))
    assert {row["kind"] for row in made} >= {"wrong", "right", "other text", "nothing said"}
    for row in made:
        holds = row["references"][0].lower() in row["answer"].lower()
        assert holds == (row["grade"]["accuracy"] == 1), row["answer"]


def test_files_are_read_packed_or_not(script, tmp_path):
    import gzip

    line = json.dumps({"question": "q", "references": ["a"], "answer": "b", "grade": 0})
    (tmp_path / "a.jsonl").write_text(f"{line}\n{line}\n")
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(f"{line}\n".encode()))
    assert [len(list(script.read(tmp_path / name))) for name in ("a.jsonl", "a.jsonl.gz")] == [2, 1]
