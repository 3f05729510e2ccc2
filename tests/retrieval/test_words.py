"""The words that BM25 counts, in many scripts and languages."""

import os
import subprocess
import sys

import pytest

from rag_study import retrieval
from rag_study.data.schema import Document, Question
from rag_study.retrieval.words import LANGUAGES, Words

# ruff: noqa: E501 - one sentence, one line
TEXTS = {
    "danish": "Broen blev bygget af en smed, og den er ikke så gammel som de andre i byen.",
    "dutch": "De brug werd door een smid gebouwd en is niet zo oud als die in de stad.",
    "english": "The bridge was built by a smith, and it is not as old as the others in the town.",
    "french": "Le pont a été construit par un forgeron et il n'est pas aussi vieux que les autres.",
    "german": "Die Brücke wurde von einem Schmied gebaut und ist nicht so alt wie die in der Stadt.",
    "italian": "Il ponte è stato costruito da un fabbro e non è così antico come quelli della città.",
    "portuguese": "A ponte foi construída por um ferreiro e não é tão velha como as outras da cidade.",
    "russian": "Мост был построен кузнецом, и он не так стар, как те, что стоят в этом городе.",
    "spanish": "El puente fue construido por un herrero y no es tan viejo como los de la ciudad.",
    "swedish": "Bron byggdes av en smed och den är inte så gammal som de andra i staden.",
}
# No stop words are there for these.
OTHERS = {
    "Polish": "Most zbudował kowal i nie jest on tak stary jak inne mosty w tym mieście.",
    "Finnish": "Sillan rakensi seppä, eikä se ole yhtä vanha kuin muut kaupungin sillat.",
    "Hindi": "पुल एक लोहार ने बनाया था और यह शहर के दूसरे पुलों जितना पुराना नहीं है।",
    "Chinese": "这座桥是铁匠建造的，没有城里其他的桥那么古老。",
    "Thai": "สะพานนี้สร้างโดยช่างตีเหล็ก",
    "numbers": "12 34 56 78",
    "nothing": "",
}


@pytest.mark.parametrize("language", TEXTS)
def test_the_language_is_that_of_the_texts(language):
    assert language in LANGUAGES
    assert Words.of([TEXTS[language]]).language == language


@pytest.mark.parametrize("language", OTHERS)
def test_words_of_other_languages_are_counted_as_they_stand(language):
    words = Words.of([OTHERS[language]])
    assert words.language == ""
    assert words("Mosty bridges") == ["mosty", "bridges"]


def test_stems_and_stop_words_are_those_of_the_language():
    assert Words("english")("The smiths are building") == ["smith", "build"]
    assert Words("german")("die Brücken und der Schmied") == ["bruck", "schmied"]
    assert Words("")("The smiths, a C 1") == ["the", "smiths"]


def test_a_script_without_blanks_is_counted_by_pairs():
    words = Words("english")
    assert words("铁匠建桥") == ["铁匠", "匠建", "建桥"]
    assert words("LSTM网络2017") == ["lstm", "网络", "2017"]
    assert words("桥") == ["桥"]
    assert words("ﾊｼ") == words("ハシ") == ["ハシ"]
    assert words("สีนี้") == ["สีนี้"]  # vowel signs and tones belong to their letters
    assert words("대장장이가") == ["대장", "장장", "장이", "이가"]


def test_marks_belong_to_their_words():
    assert Words("")("हिन्दी में") == ["हिन्दी", "में"]
    assert Words("")("cafe\u0301") == Words("")("café")


FACTS = {
    "Chinese": ("{}镇的石桥由{}建造。", "{}镇的石桥是谁建造的？", "甲乙丙丁戊己庚辛"),
    "Japanese": ("{}町の石橋は{}が架けた。", "誰が{}町の石橋を架けましたか。", "亜伊宇江於加幾久"),
    "Thai": ("สะพานหินของเมือง{}สร้างโดย{}", "ใครสร้างสะพานหินของเมือง{}", "กขคจฉชซฌ"),
    "Korean": (
        "{}마을의 돌다리는 {}가 놓았다.",
        "{}마을에 돌다리를 놓은 사람은?",
        "가나다라마바사아",
    ),
    "Khmer": ("ស្ពានថ្មនៃភូមិ{}សាងដោយ{}", "អ្នកណាសាងស្ពានថ្មនៃភូមិ{}", "កខគឃងចឆជ"),
}


@pytest.mark.parametrize("language", FACTS)
def test_bm25_finds_the_document_in_scripts_without_blanks(language, tmp_path):
    statement, question, letters = FACTS[language]
    places = [f"{first}{second}" for first in letters for second in letters if first != second]
    documents = [Document(p, "", statement.format(p, i)) for i, p in enumerate(places)]
    embedding = retrieval.load_embedding("all-minilm-l6-v2")
    nodes = retrieval.split_documents(documents, 128, 8, embedding)
    retrieval.build_index(nodes, embedding, tmp_path, "bm25")
    asked = [Question(p, question.format(p), ("x",), gold_doc_ids=(p,)) for p in places]
    hits = retrieval.retrieve(tmp_path, asked, 3, retriever="bm25")
    first = hits[hits["rank"] == 1]
    assert first["is_gold"].mean() > 0.9
    assert retrieval.open_index(tmp_path).bm25.words.language == ""


def test_an_index_is_the_same_in_every_process(tmp_path):
    lines = (
        "import sys; from pathlib import Path; from rag_study.retrieval.bm25 import WordIndex;"
        f"WordIndex.of({[*TEXTS.values()]!r}).save(Path(sys.argv[1]))"
    )
    written = []
    for seed in ("1", "2"):
        command = [sys.executable, "-c", lines, str(tmp_path / seed)]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": seed})
        written.append({f.name: f.read_bytes() for f in (tmp_path / seed).iterdir()})
    assert written[0] == written[1]
    assert "words.json" in written[0]
