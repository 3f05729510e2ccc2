import json

from rag_study.study.data_warnings import data_warnings
from rag_study.study.plan import expand


def planned(tmp_path, ask, answer):
    folder = tmp_path / "data"
    folder.mkdir()
    rows = [
        {"id": f"q{i}", "question": ask.format(i), "answers": [answer.format(i)], "group": f"g{i}"}
        for i in range(40)
    ]
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (folder / "questions.jsonl").write_text(lines, "utf-8")
    (folder / "corpus.jsonl").write_text('{"doc_id": "d", "title": "t", "text": "x"}\n', "utf-8")
    study = tmp_path / "study.yaml"
    study.write_text(
        "name: languages\nmodels: [random-llama]\ncontexts: [none]\n"
        f"datasets: [{{name: jsonl, path: {folder}, label: mills, test_size: 8}}]\n"
        "primary: {contexts: [none]}\n"
        "judges: [{model: random-llama, ladder_size: 20}]\nretention: 0\n",
        "utf-8",
    )
    return data_warnings(expand(study))


def test_what_scores_cannot_do_in_the_language_is_said_while_planning(tmp_path):
    said = planned(tmp_path, "第{}号磨坊是谁建造的？", "青石{}")
    assert all(sentence.startswith("jsonl: ") for sentence in said)
    assert "letter by letter" in said[0]
    assert "bm25" in said[-1]  # the embedding model does not know the script
    assert len(said) == len(set(said)) == 3


def test_nothing_is_said_of_english(tmp_path):
    assert planned(tmp_path, "Who built the mill of the valley {}?", "Ada {}") == []
